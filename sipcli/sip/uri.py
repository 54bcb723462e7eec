"""URIs: sip, sips, tel and all others (RFC 3261 §19.1, RFC 3966, RFC 3986)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from sipcli.sip.errors import ParseError
from sipcli.sip.grammar import HOST, Params, check_host

__all__ = ["URI", "AbsoluteURI", "AnyURI", "TelURI", "URIParams", "escape_user", "parse_uri", "unescape"]

_UNRESERVED = r"A-Za-z0-9\-_.!~*'()"
_URI_PARAMS = rf"(?:;[{_UNRESERVED}\[\]/:&+$%]++(?:=[{_UNRESERVED}\[\]/:&+$%]*+)?+)*+"
# SIP-URI = "sip:" [ userinfo ] hostport uri-parameters [ headers ]      RFC 3261 §25.1
# "%" is matched like any character; _BAD_ESCAPE judges what follows it. A parameter's value may be empty: peers send
# such ones, and they have to go back unchanged.
SIP_URI = (
    rf"([sS][iI][pP][sS]?):(?:([{_UNRESERVED}&=+$,;?/%]++)(?::([{_UNRESERVED}&=+$,%]*+))?@)?+"
    rf"({HOST})(?::([0-9]++))?+({_URI_PARAMS})(?:\?([{_UNRESERVED}\[\]/?:+$&=%]*+))?+"
)
# The same without what is rare: escapes, passwords, IPv6, ports above 59999, header fields. What it matches is legal.
PLAIN_HOST = r"[A-Za-z0-9_][A-Za-z0-9_\-]*+(?:\.[A-Za-z0-9_\-]++)*+"
PLAIN_PORT = "[0-5]?+[0-9]{1,4}+"
PLAIN_SIP_URI = (
    rf"sips?:(?:[{_UNRESERVED}&=+$,;?/]++@)?+{PLAIN_HOST}(?::{PLAIN_PORT})?+"
    rf"(?:;[{_UNRESERVED}\[\]/:&+$]++(?:=[{_UNRESERVED}\[\]/:&+$]*+)?+)*+"
)
_SIP_URI = re.compile(SIP_URI)
_URI_PARAMETERS = re.compile(_URI_PARAMS)
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_ESCAPED = re.compile(r"(?:%[0-9A-Fa-f]{2})++")
_NOT_USER = re.compile(rf"[^{_UNRESERVED}&=+$,;?/]")
_NOT_PARAM = re.compile(rf"[^{_UNRESERVED}\[\]/:&+$]")
# telephone-uri = "tel:" ( global-number-digits / local-number-digits ) *par      RFC 3966 §3
_TEL_URI = re.compile(rf"[tT][eE][lL]:((?:\+[\-.()]*+[0-9]|[0-9A-Fa-f*#\-.()])[0-9A-Fa-f*#\-.()]*+)({_URI_PARAMS})")
# absoluteURI = scheme ":" ( hier-part / opaque-part )      RFC 3261 §25.1, with the "#" and "[]" of RFC 3986
_ABSOLUTE_URI = re.compile(rf"([A-Za-z][A-Za-z0-9+\-.]*+):([{_UNRESERVED};/?:@&=+$,%#\[\]]++)")

# RFC 3261 §19.1.4: these never match their absence. The RFC's own list of unequal URIs adds transport.
_NEVER_IGNORED = ("user", "ttl", "method", "maddr", "transport")


def unescape(text: str) -> str:
    """Return ``text`` with %-escapes decoded, once; octets that are not UTF-8 become surrogates."""
    if "%" not in text:
        return text
    return _ESCAPED.sub(lambda match: bytes.fromhex(match[0].replace("%", "")).decode("utf-8", "surrogateescape"), text)


def _escape(text: str, unsafe: re.Pattern[str]) -> str:
    return unsafe.sub(
        lambda match: "".join([f"%{octet:02X}" for octet in match[0].encode("utf-8", "surrogateescape")]), text
    )


def escape_user(text: str) -> str:
    """Return a user name as the user part of a URI (RFC 3261 §25.1 user)."""
    return _escape(text, _NOT_USER)


class URIParams(Params):
    """Parameters of a URI: %-escapes are decoded for looking up, and there are no quotes (RFC 3261 §19.1.2)."""

    __slots__ = ()

    def _is_legal(self, text: str) -> bool:
        return _URI_PARAMETERS.fullmatch(text) is not None and _BAD_ESCAPE.search(text) is None

    def _name(self, name: str) -> str:
        return unescape(name).lower() if "%" in name else name.lower()

    def _value(self, value: str) -> str:
        return unescape(value)

    def _wire(self, value: str) -> str:
        return _escape(value, _NOT_PARAM)


_NO_PARAMS = URIParams()


@dataclass(frozen=True, slots=True, kw_only=True)
class URI:
    """A sip or sips URI (RFC 3261 §19.1.1), its parts as on the wire."""

    scheme: str
    """``sip`` or ``sips``."""
    user: str | None = None
    """With its escapes; None when the URI has no user part."""
    password: str | None = None
    host: str
    """An IPv6 address stands in brackets."""
    port: int | None = None
    params: Params = field(default=_NO_PARAMS)
    headers: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        user, port = self.user, self.port
        text = f"{self.scheme}:"
        if user is not None:
            text += f"{user}@" if self.password is None else f"{user}:{self.password}@"
        text += self.host if port is None else f"{self.host}:{port}"
        text += str(self.params)
        if self.headers:
            text += "?" + "&".join([f"{name}={value}" for name, value in self.headers])
        return text

    @property
    def username(self) -> str | None:
        """The user part without escapes."""
        return None if self.user is None else unescape(self.user)

    def aor(self) -> URI:
        """Return the address of record: scheme, user, host and port alone (RFC 3261 §10.3)."""
        return URI(scheme=self.scheme, user=self.user, host=self.host, port=self.port)

    def equivalent(self, other: object) -> bool:
        """Return whether both URIs are equal by the rules of RFC 3261 §19.1.4."""
        if not isinstance(other, URI):
            return False
        if (self.scheme, self.username, self.port, self.host.lower()) != (
            other.scheme,
            other.username,
            other.port,
            other.host.lower(),
        ):
            return False
        if unescape(self.password or "") != unescape(other.password or ""):
            return False
        for name in {*map(str.lower, self.params), *map(str.lower, other.params)}:
            if name in self.params and name in other.params:
                if (self.params[name] or "").lower() != (other.params[name] or "").lower():
                    return False
            elif unescape(name) in _NEVER_IGNORED:
                return False
        return _comparable(self.headers) == _comparable(other.headers)


def _comparable(headers: tuple[tuple[str, str], ...]) -> list[tuple[str, str]]:
    return sorted((unescape(name).lower(), unescape(value)) for name, value in headers)


@dataclass(frozen=True, slots=True)
class TelURI:
    """A telephone number (RFC 3966), with its visual separators."""

    number: str
    params: Params = field(default=_NO_PARAMS)

    def __str__(self) -> str:
        return f"tel:{self.number}{self.params}"


@dataclass(frozen=True, slots=True)
class AbsoluteURI:
    """A URI of any other scheme, not looked into."""

    scheme: str
    rest: str

    def __str__(self) -> str:
        return f"{self.scheme}:{self.rest}"


AnyURI = URI | TelURI | AbsoluteURI


def parse_uri(text: str) -> AnyURI:
    """Return the URI that the whole of ``text`` is; ParseError otherwise."""
    match = _SIP_URI.fullmatch(text)
    if match is None:
        return _parse_other(text)
    scheme, user, password, host, port, params, headers = match.groups()
    if "%" in text and (bad := _BAD_ESCAPE.search(text)):
        raise ParseError("escaped", text, bad.start())
    if host[0] == "[" or ".." in host:
        host = check_host(host, text, match.start(4))
    number = None
    if port is not None and (len(port) > 5 or (number := int(port)) > 65535):
        raise ParseError("port of at most 65535", text, match.start(5))
    if scheme != "sip":
        scheme = scheme.lower()
    return URI(
        scheme=scheme,
        user=user,
        password=password,
        host=host,
        port=number,
        params=URIParams.of(params) if params else _NO_PARAMS,
        headers=() if headers is None else _parse_headers(headers, text, match.start(7)),
    )


# headers = "?" header *( "&" header )      RFC 3261 §25.1
def _parse_headers(headers: str, text: str, pos: int) -> tuple[tuple[str, str], ...]:
    items = []
    for header in headers.split("&"):
        name, equals, value = header.partition("=")
        if not name or not equals or "=" in value:
            raise ParseError("header of a URI", text, pos)
        items.append((name, value))
    return tuple(items)


def _parse_other(text: str) -> AnyURI:
    scheme = text.partition(":")[0].lower()
    if scheme in ("sip", "sips"):
        match = _SIP_URI.match(text)
        raise ParseError("SIP-URI", text, match.end() if match else len(scheme) + 1)
    if scheme == "tel":
        match = _TEL_URI.fullmatch(text)
        if match is None:
            raise ParseError("telephone-uri", text, 4)
        number, params = match.groups()
        return TelURI(number, URIParams.of(params))
    match = _ABSOLUTE_URI.fullmatch(text)
    if match is None:
        raise ParseError("URI", text)
    return AbsoluteURI(match[1], match[2])
