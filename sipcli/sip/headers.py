"""Header fields with a structure: Via, addresses, CSeq (RFC 3261 §20, §25.1).

Reading is checking: a value that has been read matches its grammar as a whole. Its parts are taken out of the match
when they are first asked for, because most of them never are, and building them costs more than matching.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from sipcli.sip.errors import ParseError
from sipcli.sip.grammar import (
    GEN_VALUE,
    HOST,
    LWS,
    PARAMS,
    QUOTED_STRING,
    TOKEN,
    Params,
    check_host,
    parse_digits,
    quote,
    unquote,
)
from sipcli.sip.lazy import Descriptor
from sipcli.sip.uri import PLAIN_HOST, PLAIN_PORT, PLAIN_SIP_URI, AnyURI, parse_uri

__all__ = [
    "CSeq",
    "FirstValue",
    "NameAddr",
    "Via",
    "parse_address",
    "parse_cseq",
    "parse_name_addr",
    "parse_name_addrs",
    "parse_via",
    "parse_via_parm",
    "parse_vias",
]

MAX_DELTA_SECONDS = 2**32 - 1

_PLAIN_PARAMS = rf"(?:;{TOKEN}++(?:=(?:{GEN_VALUE}++|{QUOTED_STRING}))?+)*+"
# via-parm = sent-protocol LWS sent-by *( SEMI via-params )      RFC 3261 §25.1
_VIA = re.compile(
    rf"{LWS}({TOKEN}++){LWS}/{LWS}({TOKEN}++){LWS}/{LWS}({TOKEN}++)[ \t]++({HOST})"
    rf"(?:{LWS}:{LWS}([0-9]++))?+({PARAMS}){LWS}",
    re.DOTALL,
)
# The same without what is rare: nothing that it matches needs a second look. Groups: transport, host, port, branch,
# further parameters.
_PLAIN_VIA = re.compile(
    rf"{LWS}SIP/2\.0/({TOKEN}++)[ \t]++({PLAIN_HOST})(?::({PLAIN_PORT}))?+(?![\w.:\-])"
    rf"(?:;branch=({GEN_VALUE}++))?+({_PLAIN_PARAMS})",
    re.DOTALL,
)
# name-addr *( SEMI generic-param )      RFC 3261 §25.1
# An unquoted display name may hold more than tokens: "Bob (Sales)" and raw UTF-8 are common.
_DISPLAY_NAME = rf'(?:({QUOTED_STRING})|([^"<>,;\\\x00-\x08\x0a-\x1f\x7f]*+))'
_NAME_ADDR = re.compile(rf"{LWS}{_DISPLAY_NAME}{LWS}<([^<>]*+)>({PARAMS}){LWS}", re.DOTALL)
# The same without what is rare, as above. Groups: quoted and other display name, URI, tag, further parameters.
_PLAIN_NAME_ADDR = re.compile(
    rf"{LWS}{_DISPLAY_NAME}{LWS}<({PLAIN_SIP_URI})>(?:;tag=({GEN_VALUE}++))?+({_PLAIN_PARAMS})", re.DOTALL
)
# addr-spec *( SEMI generic-param )
# RFC 3261 §20.10: a semicolon outside <> begins a header parameter; "," and "?" must not stand there at all.
_ADDR_SPEC = re.compile(rf'{LWS}([^\x00-\x20\x7f"<>,;?\\]++)({PARAMS}){LWS}', re.DOTALL)
# The look-behind keeps a long run of spaces from being tried at each of its positions.
_LWS_IN_URI = re.compile(r"^[ \t]++|(?<![ \t])[ \t]++(?=;|$)")
_CSEQ = re.compile(rf"{LWS}([0-9]++)[ \t]++({TOKEN}++){LWS}")
_QVALUE = re.compile(r"0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?")

_NO_PARAMS = Params()

R = TypeVar("R", bound="_Read")


class _Read:
    """A value that was read from text; what it lacks is computed by ``_PARTS`` when it is asked for."""

    __slots__ = ("_identifier", "_match")

    _PARTS: ClassVar[dict[str, Callable[[Any], object]]]
    _match: re.Match[str]
    _identifier: str | None
    """The parameter that is asked for most: branch or tag."""

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> object:
            # Reached only while a slot is empty.
            part = self._PARTS.get(name)
            if part is None:
                raise AttributeError(name)
            value = part(self)
            object.__setattr__(self, name, value)
            return value


_new: Callable[[type], Any] = object.__new__
_set_match = _Read.__dict__["_match"].__set__
_set_identifier = _Read.__dict__["_identifier"].__set__


@dataclass(frozen=True, slots=True)
class Via(_Read):
    """One hop of the way that the response goes back (RFC 3261 §20.42)."""

    protocol: str
    """``SIP/2.0``."""
    transport: str
    host: str
    port: int | None = None
    params: Params = field(default=_NO_PARAMS)

    _PARTS: ClassVar[dict[str, Callable[[Any], object]]] = {
        "protocol": lambda _: "SIP/2.0",
        "transport": lambda via: via._match[1],
        "host": lambda via: via._match[2],
        "port": lambda via: None if via._match[3] is None else int(via._match[3]),
        "params": lambda via: Params.of(
            via._match.string[via._match.end(3 if via._match[3] else 2) : via._match.end()]
        ),
        "_identifier": lambda via: via.params.get("branch"),
    }

    def __str__(self) -> str:
        return f"{self.protocol}/{self.transport} {self.sent_by}{self.params}"

    @property
    def sent_by(self) -> str:
        return self.host if self.port is None else f"{self.host}:{self.port}"

    @property
    def branch(self) -> str | None:
        return self._identifier

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
class NameAddr(_Read):
    """A URI with a display name and parameters: From, To, Contact, Route and their like (RFC 3261 §20.10)."""

    display_name: str | None
    """Without quotes; None when there is none."""
    uri: AnyURI
    params: Params = field(default=_NO_PARAMS)

    _PARTS: ClassVar[dict[str, Callable[[Any], object]]] = {
        "display_name": lambda address: _display_name(address._match),
        "uri": lambda address: parse_uri(address._match[3]),
        "params": lambda address: Params.of(address._match.string[address._match.end(3) + 1 : address._match.end()]),
        "_identifier": lambda address: address.params.get("tag"),
    }

    def __str__(self) -> str:
        # Always with <>: without them the URI's own parameters would be read as the header's.
        if self.display_name is None:
            return f"<{self.uri}>{self.params}"
        return f"{quote(self.display_name)} <{self.uri}>{self.params}"

    @property
    def tag(self) -> str | None:
        return self._identifier

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


def _from_match(type_: type[R], match: re.Match[str]) -> R:
    value: R = _new(type_)
    _set_match(value, match)
    # Read now when that is for nothing: it stands first, or there are no parameters at all.
    if (identifier := match[4]) is not None or not match[5]:
        _set_identifier(value, identifier)
    return value


# A frozen dataclass sets its fields the slow way.
_set_number = CSeq.__dict__["number"].__set__
_set_method = CSeq.__dict__["method"].__set__


def _display_name(match: re.Match[str]) -> str | None:
    quoted: str | None = match[1]
    if quoted is not None:
        return unquote(quoted)
    plain: str = match[2]
    return plain.rstrip(" \t") or None


def parse_via_parm(text: str, pos: int) -> tuple[Via, int]:
    """Read one Via value at ``pos``; return it and the position of the comma behind it or of the end."""
    match = _PLAIN_VIA.match(text, pos)
    if match is not None and ((end := match.end()) == len(text) or text[end] == ","):
        return _from_match(Via, match), end
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
    match = _PLAIN_NAME_ADDR.match(text, pos)
    if match is not None and ((end := match.end()) == len(text) or text[end] == ","):
        return _from_match(NameAddr, match), end
    match = _NAME_ADDR.match(text, pos)
    if match is not None:
        display_name = _display_name(match)
        _, _, uri, params = match.groups()
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
    if " " in uri or "\t" in uri:
        # RFC 7118 §8.2 F1 has a line folded before a parameter of the URI, RFC 4475 §3.1.2.14 spaces next to < and >.
        uri = _LWS_IN_URI.sub("", uri)
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
    number = match[1]
    cseq: CSeq = _new(CSeq)
    _set_number(cseq, int(number) if len(number) < 10 else parse_digits(number, "CSeq number", 2**32 - 1))
    _set_method(cseq, match[2])
    return cseq


class FirstValue(Descriptor[R | None]):
    """The first value of a message's first header field of a name: Via or an address; None when there is none.

    ``single``: further values are an error.
    """

    def __init__(
        self, key: str, type_: type[R], parse: Callable[[str, int], tuple[R | None, int]], *, single: bool = False
    ) -> None:
        self._key = key
        self._type = type_
        self._plain = _PLAIN_VIA if type_ is Via else _PLAIN_NAME_ADDR
        self._parse = parse
        self._single = single

    if not TYPE_CHECKING:  # the base class has the types; every message comes by here several times

        def __get__(self, instance, owner):
            if instance is None:
                return self
            try:
                text = instance._values[instance._keys.index(self._key)]
            except ValueError:
                value = None
            else:
                match = self._plain.fullmatch(text)
                if match is not None:
                    # _from_match, without a further call
                    value = _new(self._type)
                    _set_match(value, match)
                    if (identifier := match[4]) is not None or not match[5]:
                        _set_identifier(value, identifier)
                else:
                    value, end = self._parse(text, 0)
                    if self._single and end != len(text):
                        raise ParseError(f"one value of {self._key}", text, end)
            setattr(instance, self._name, value)
            return value
