"""Servers: WebSocket URLs with weights (RFC 7118, RFC 6455 §3), STUN and TURN servers (RFC 7064, RFC 7065)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sipcli.config.kinds import BadValueError, Kind, is_default, list_of, text_value, whole
from sipcli.sip.errors import ParseError
from sipcli.sip.grammar import parse_host
from sipcli.sip.settings import Server

__all__ = ["ICE_SERVERS", "STUN_SERVERS", "TURN_SERVERS", "WS_SERVERS", "IceServer", "parse_server"]

_URL = 'a ws:// or wss:// URL such as "wss://edge.example.com"'
_PORTS = {"ws": 80, "wss": 443}
_WEIGHT = whole("a whole number as weight", "WEIGHT", least=-(2**31))
_URL_CHARACTERS = frozenset(map(chr, range(0x21, 0x7F))) - frozenset('"<>\\^`{|}')


@dataclass(frozen=True, slots=True)
class IceServer:
    """A STUN or TURN server: one or several URLs, and what a TURN server asks for."""

    urls: tuple[str, ...]
    username: str | None = None
    password: str | None = field(default=None, repr=False)


def _split_port(text: str, whole_text: str, expected: str) -> tuple[str, int | None]:
    """Split ``host[:port]``; raises BadValueError when either breaks its grammar (RFC 3261 §25.1 host, port)."""
    if not text.isascii():
        # A name in another script is dialled by its A-labels (RFC 5891 §4.4).
        host, colon, port_text = text.partition(":")
        try:
            text = host.encode("idna").decode("ascii") + colon + port_text
        except UnicodeError:
            raise BadValueError(expected, whole_text) from None
    try:
        host, position = parse_host(text, 0)
    except ParseError:
        raise BadValueError(expected, whole_text) from None
    if position == len(text):
        return host, None
    port_text = text[position + 1 :]
    if text[position] != ":" or not (port_text.isascii() and port_text.isdigit()) or len(port_text) > 5:
        raise BadValueError(expected, whole_text)
    port = int(port_text)
    if not 1 <= port <= 65535:
        raise BadValueError("a port from 1 to 65535", whole_text)
    return host, port


def parse_server(url: str, weight: int = 0) -> Server:
    """Parse a WebSocket URL; path and query belong to it. Raises BadValueError."""
    text = text_value(url, _URL).strip()
    scheme, separator, rest = text.partition("://")
    scheme = scheme.lower()
    if not separator or scheme not in _PORTS:
        raise BadValueError(_URL, url)
    end = min((position for position in map(rest.find, "/?#") if position >= 0), default=len(rest))
    authority, path = rest[:end], rest[end:]
    if "@" in authority:
        # RFC 6455 §3 has no user information; Basic authentication is never sent.
        raise BadValueError(f"{_URL}, without user and password", _without_user(text))
    if "#" in path:
        raise BadValueError(f"{_URL}, without a fragment", url)
    if not _URL_CHARACTERS.issuperset(path):
        raise BadValueError(f"{_URL}, other characters percent-encoded", url)
    host, port = _split_port(authority, url, _URL)
    bare_host = host.strip("[]").lower()
    return Server(
        url=f"{scheme}://{host if port is None else f'{host}:{port}'}{path}",
        secure=scheme == "wss",
        host=bare_host,
        port=_PORTS[scheme] if port is None else port,
        weight=weight,
        explicit_port=port is not None,
    )


def _without_user(text: str) -> str:
    scheme, _, rest = text.partition("://")
    return f"{scheme}://***@{rest.rpartition('@')[2]}"


def _server(value: object) -> Server:
    """``URL``, ``URL;weight=N`` or a table of ``ws_uri`` and ``weight``."""
    if isinstance(value, Server):
        return value
    if isinstance(value, str):
        url, separator, weight_text = value.rpartition(";weight=")
        if not separator:
            return parse_server(value)
        try:
            return parse_server(url, int(str(_WEIGHT.read_text(weight_text))))
        except BadValueError as bad:
            raise BadValueError(bad.expected, value) from None
    if not isinstance(value, Mapping):
        raise BadValueError(_URL, value)
    fields = _fields(
        value, {"ws_uri": "ws_uri", "wsUri": "ws_uri", "weight": "weight"}, 'a table of "ws_uri", "weight"'
    )
    if is_default(fields.get("ws_uri")):
        raise BadValueError('a table with "ws_uri"', value)
    try:
        weight = fields.get("weight")
        number = 0 if weight is None else int(str(_WEIGHT.read(weight)))
    except BadValueError as bad:
        raise BadValueError(bad.expected, bad.found, ("weight",)) from None
    try:
        return parse_server(text_value(fields["ws_uri"], _URL), number)
    except BadValueError as bad:
        raise BadValueError(bad.expected, bad.found, ("ws_uri",)) from None


def _fields(table: Mapping[str, object], names: Mapping[str, str], expected: str) -> dict[str, object]:
    fields: dict[str, object] = {}
    for key, value in table.items():
        name = names.get(key)
        if name is None or name in fields:
            raise BadValueError(expected, key, (key,))
        fields[name] = value
    return fields


# stunURI = scheme ":" host [ ":" port ]                                       RFC 7064 §3.1
# turnURI = scheme ":" host [ ":" port ] [ "?transport=" transport ]           RFC 7065 §3.1
_STUN = 'a STUN server such as "stun:stun.example.com"'
_TURN = 'a TURN server such as "turn:turn.example.com?transport=tcp"'
_TRANSPORTS = frozenset({"udp", "tcp"})


def _ice_url(url: str, schemes: tuple[str, ...], expected: str) -> str:
    scheme, _, rest = url.partition(":")
    address, mark, query = rest.partition("?")
    host, port = _split_port(address, url, expected)
    if scheme.lower() not in schemes or (mark and scheme.lower().startswith("stun")):
        raise BadValueError(expected, url)
    if mark and query.lower().removeprefix("transport=") not in _TRANSPORTS:
        raise BadValueError(f"{expected}, with transport udp or tcp", url)
    return f"{scheme.lower()}:{host if port is None else f'{host}:{port}'}{mark}{query.lower()}"


def _stun_server(value: object) -> str:
    url = text_value(value, _STUN).strip()
    # Like SIP.js: the scheme is added when it is missing.
    if not url.lower().startswith(("stun:", "stuns:")):
        url = f"stun:{url}"
    return _ice_url(url, ("stun", "stuns"), _STUN)


_ICE_FIELDS = {
    "urls": "urls",
    "url": "urls",
    "server": "urls",  # the spelling of SIP.js 0.5
    "username": "username",
    "password": "password",
    "credential": "password",  # the spelling of RTCIceServer
}


def _ice_server(value: object, schemes: tuple[str, ...], expected: str) -> IceServer:
    """``turn:[USER@]HOST[:PORT][?transport=…]`` or a table of ``urls``, ``username`` and ``password``."""
    if isinstance(value, IceServer):
        return value
    if isinstance(value, str):
        url = text_value(value, expected).strip()
        scheme, colon, rest = url.partition(":")
        user, at, address = rest.rpartition("@")
        if ":" in user:
            raise BadValueError(
                f"{expected}, its password in turn_password or turn_password_file", f"{scheme}:***@{address}"
            )
        return IceServer((_ice_url(f"{scheme}{colon}{address}", schemes, expected),), user if at else None)
    if not isinstance(value, Mapping):
        raise BadValueError(expected, value)
    fields = _fields(value, _ICE_FIELDS, 'a table of "urls", "username", "password"')
    urls = fields.get("urls")
    if is_default(urls):
        raise BadValueError('a table with "urls"', ", ".join(value))
    texts = []
    for name in ("username", "password"):
        given = fields.get(name)
        try:
            texts.append(None if is_default(given) else text_value(given, "text"))
        except BadValueError as bad:
            raise BadValueError(bad.expected, "***" if name == "password" else bad.found, (name,)) from None
    checked = []
    for position, url in enumerate(urls if isinstance(urls, list | tuple) else (urls,)):
        try:
            checked.append(_ice_url(text_value(url, expected), schemes, expected))
        except BadValueError as bad:
            raise BadValueError(bad.expected, bad.found, ("urls", position)) from None
    return IceServer(tuple(checked), *texts)


def _turn_server(value: object) -> IceServer:
    return _ice_server(value, ("turn", "turns"), _TURN)


def _any_ice_server(value: object) -> IceServer:
    return _ice_server(value, ("stun", "stuns", "turn", "turns"), "a STUN or TURN server")


WS_SERVERS = list_of(
    Kind("a WebSocket URL", "URL[;weight=N]", _server, written='["wss://edge.example.com"]'), "WebSocket URLs"
)
STUN_SERVERS = list_of(
    Kind("a STUN server", "stun:HOST[:PORT]", _stun_server, written='["stun:stun.example.com"]'), "STUN servers"
)
TURN_SERVERS = list_of(
    Kind(
        "a TURN server",
        "turn:[USER@]HOST[?transport=tcp]",
        _turn_server,
        written='[{ urls = "turn:turn.example.com", username = "alice" }]',
    ),
    "TURN servers",
)
ICE_SERVERS = list_of(
    Kind("an ICE server", "TABLE", _any_ice_server, written='[{ urls = "stun:stun.example.com" }]'), "ICE servers"
)
