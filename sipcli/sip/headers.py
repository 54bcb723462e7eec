"""Header fields with a structure: Via, addresses, CSeq (RFC 3261 §20, §25.1)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from sipcli.sip.errors import ParseError
from sipcli.sip.grammar import HOST, LWS, PARAMS, QUOTED_STRING, TOKEN, Params, check_host, parse_digits, quote, unquote
from sipcli.sip.uri import AnyURI, parse_uri

__all__ = [
    "CSeq",
    "NameAddr",
    "Via",
    "parse_cseq",
    "parse_name_addr",
    "parse_name_addrs",
    "parse_via",
    "parse_vias",
]

MAX_DELTA_SECONDS = 2**32 - 1

# via-parm = sent-protocol LWS sent-by *( SEMI via-params )      RFC 3261 §25.1
_VIA = re.compile(
    rf"{LWS}({TOKEN}++){LWS}/{LWS}({TOKEN}++){LWS}/{LWS}({TOKEN}++)[ \t]++({HOST})"
    rf"(?:{LWS}:{LWS}([0-9]++))?+({PARAMS}){LWS}",
    re.DOTALL,
)
# name-addr *( SEMI generic-param )      RFC 3261 §25.1
# An unquoted display name may hold more than tokens: "Bob (Sales)" and raw UTF-8 are common.
_NAME_ADDR = re.compile(
    rf'{LWS}(?:({QUOTED_STRING})|([^"<>,;\\\x00-\x08\x0a-\x1f\x7f]*+)){LWS}<([^<>]*+)>({PARAMS}){LWS}', re.DOTALL
)
# addr-spec *( SEMI generic-param )
# RFC 3261 §20.10: a semicolon outside <> begins a header parameter; "," and "?" must not stand there at all.
_ADDR_SPEC = re.compile(rf'{LWS}([^\x00-\x20\x7f"<>,;?\\]++)({PARAMS}){LWS}', re.DOTALL)
_CSEQ = re.compile(rf"{LWS}([0-9]++)[ \t]++({TOKEN}++){LWS}")
_QVALUE = re.compile(r"0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?")

_NO_PARAMS = Params()


@dataclass(frozen=True, slots=True)
class Via:
    """One hop of the way that the response goes back (RFC 3261 §20.42)."""

    protocol: str
    """``SIP/2.0``."""
    transport: str
    host: str
    port: int | None = None
    params: Params = field(default=_NO_PARAMS)

    def __str__(self) -> str:
        return f"{self.protocol}/{self.transport} {self.sent_by}{self.params}"

    @property
    def sent_by(self) -> str:
        return self.host if self.port is None else f"{self.host}:{self.port}"

    @property
    def branch(self) -> str | None:
        return self.params.get("branch")

    @property
    def received(self) -> str | None:
        return self.params.get("received")

    @property
    def rport(self) -> int | None:
        """The port that the request came from (RFC 3581); None also when it is asked for and not filled in."""
        value = self.params.get("rport")
        try:
            return None if value is None else parse_digits(value, "response-port", 65535)
        except ParseError:
            return None


@dataclass(frozen=True, slots=True)
class NameAddr:
    """A URI with a display name and parameters: From, To, Contact, Route and their like (RFC 3261 §20.10)."""

    display_name: str | None
    """Without quotes; None when there is none."""
    uri: AnyURI
    params: Params = field(default=_NO_PARAMS)

    def __str__(self) -> str:
        # Always with <>: without them the URI's own parameters would be read as the header's.
        if self.display_name is None:
            return f"<{self.uri}>{self.params}"
        return f"{quote(self.display_name)} <{self.uri}>{self.params}"

    @property
    def tag(self) -> str | None:
        return self.params.get("tag")

    @property
    def expires(self) -> int | None:
        """The ``expires`` parameter in seconds; None when it is absent or malformed (RFC 3261 §20.10)."""
        value = self.params.get("expires")
        try:
            return None if value is None else parse_digits(value, "delta-seconds", MAX_DELTA_SECONDS)
        except ParseError:
            return None

    @property
    def q(self) -> float | None:
        """The preference from 0 to 1; None when it is absent or malformed."""
        value = self.params.get("q")
        return float(value) if value is not None and _QVALUE.fullmatch(value) else None


@dataclass(frozen=True, slots=True)
class CSeq:
    """Number and method of a request (RFC 3261 §20.16)."""

    number: int
    method: str

    def __str__(self) -> str:
        return f"{self.number} {self.method}"


def parse_via_parm(text: str, pos: int) -> tuple[Via, int]:
    """Read one Via value at ``pos``; return it and the position of the comma behind it or of the end."""
    match = _VIA.match(text, pos)
    if match is None:
        raise ParseError("via-parm", text, pos)
    name, version, transport, host, port, params = match.groups()
    end = match.end()
    if end != len(text) and text[end] != ",":
        raise ParseError("via-params", text, end)
    if host[0] == "[" or ".." in host:
        host = check_host(host, text, match.start(4))
    number = None
    if port is not None and (len(port) > 5 or (number := int(port)) > 65535):
        raise ParseError("port of at most 65535", text, match.start(5))
    return Via(f"{name}/{version}", transport, host, number, Params.of(params)), end


def parse_via(text: str) -> Via:
    """Return the only value of a Via header field."""
    via, end = parse_via_parm(text, 0)
    if end != len(text):
        raise ParseError("one via-parm", text, end)
    return via


def parse_vias(text: str) -> list[Via]:
    """Return all values of a Via header field."""
    vias = []
    pos = 0
    while True:
        via, end = parse_via_parm(text, pos)
        vias.append(via)
        if end == len(text):
            return vias
        pos = end + 1


def parse_address(text: str, pos: int) -> tuple[NameAddr, int]:
    """Read one name-addr or addr-spec at ``pos``; return it and the position of the comma or end behind it."""
    match = _NAME_ADDR.match(text, pos)
    if match is not None:
        quoted, plain, uri, params = match.groups()
        if quoted is not None:
            display_name = unquote(quoted)
        else:
            display_name = plain.rstrip(" \t") or None
        start = match.start(3)
    else:
        match = _ADDR_SPEC.match(text, pos)
        if match is None:
            raise ParseError("name-addr or addr-spec", text, pos)
        display_name = None
        uri, params = match.groups()
        start = match.start(1)
    end = match.end()
    if end != len(text) and text[end] != ",":
        raise ParseError("generic-param", text, end)
    try:
        parsed = parse_uri(uri)
    except ParseError as error:
        raise ParseError(error.rule, text, start + error.position) from None
    return NameAddr(display_name, parsed, Params.of(params) if params else _NO_PARAMS), end


def parse_name_addr(text: str) -> NameAddr:
    """Return the only value of a header field that holds an address, with or without <>."""
    address, end = parse_address(text, 0)
    if end != len(text):
        raise ParseError("one name-addr", text, end)
    return address


def parse_name_addrs(text: str) -> list[NameAddr]:
    """Return all values of a header field that holds addresses.

    An empty element is passed over: RFC 7118 §8.2 F6 itself has a comma at the end of its Route.
    """
    addresses = []
    pos = 0
    while True:
        address, end = parse_address(text, pos)
        addresses.append(address)
        pos = end + 1
        while pos < len(text) and text[pos] in ", \t":
            pos += 1
        if pos >= len(text):
            return addresses


def parse_cseq(text: str) -> CSeq:
    """Return the value of CSeq: a number below 2**32 and a method."""
    match = _CSEQ.fullmatch(text)
    if match is None:
        raise ParseError("CSeq", text)
    number, method = match.groups()
    return CSeq(int(number) if len(number) < 10 else parse_digits(number, "CSeq number", 2**32 - 1), method)
