"""Values of SIP: URIs, header fields, option tags, instance ids, digest secrets (RFC 3261 §25.1)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from sipcli.config.kinds import BadValueError, Kind, is_default, list_of, text_value, whole
from sipcli.sip.errors import ParseError
from sipcli.sip.grammar import parse_host, parse_quoted_string, parse_token
from sipcli.sip.settings import RegisterParams
from sipcli.sip.uri import URI, escape_user, parse_uri

__all__ = [
    "ALGORITHMS",
    "CONTACT_PARAMS",
    "HA1",
    "HEADER_FIELDS",
    "HOST_OR_BOOLEAN",
    "INSTANCE_ID",
    "LOG_LEVEL",
    "OPTION_TAGS",
    "REGISTER_PARAMS",
    "REGISTRAR",
    "ROUTES",
    "TOKEN",
    "USER",
    "USER_URI",
    "Address",
]

_ADDRESS = 'a SIP URI with a user such as "alice@example.com"'
_DOMAIN = 'a SIP URI without a user such as "sip:registrar.example.com"'


class Address:
    """The own URI as it was given, with the display name that came along."""

    __slots__ = ("display_name", "uri")

    def __init__(self, uri: URI, display_name: str | None = None) -> None:
        self.uri = uri
        self.display_name = display_name


def _sip_uri(text: str, expected: str, whole_text: object) -> URI:
    # SIP.js adds the scheme when it is missing.
    scheme = text.partition(":")[0].lower()
    if scheme == "sips":
        raise BadValueError(f"{expected}, with sip: rather than sips: (wss:// is what makes it secure)", whole_text)
    if not text.isascii():
        # Somebody who types a name in another script means its UTF-8 octets, escaped (RFC 3261 §25.1 escaped).
        user, at, rest = text.rpartition("@")
        text = "".join([c if c.isascii() else escape_user(c) for c in user]) + at + rest
    try:
        uri = parse_uri(text if scheme == "sip" else f"sip:{text}")
    except ParseError:
        raise BadValueError(expected, whole_text) from None
    if not isinstance(uri, URI):
        raise BadValueError(expected, whole_text)
    if uri.headers:
        raise BadValueError(f"{expected}, without header fields", whole_text)
    return uri


def _address(value: object) -> Address:
    """``alice@example.com``, ``sip:alice@example.com`` or ``"Alice" <sip:alice@example.com>``."""
    if isinstance(value, Address):
        return value
    if isinstance(value, URI):
        value = str(value)
    written = text_value(value, _ADDRESS).strip()
    display_name = None
    bare = written
    if written.endswith(">"):
        display, _, bare = written[:-1].rpartition("<")
        display_name = _display_name(display.strip(), written)
    uri = _sip_uri(bare.strip(), _ADDRESS, written)
    if uri.password is not None:
        # The secret stays out of the error.
        raise BadValueError(f"{_ADDRESS}; a password belongs in password_file", f"{uri.user}:***@{uri.host}")
    if not uri.user:
        raise BadValueError(_ADDRESS, written)
    return Address(uri, display_name)


def _display_name(text: str, whole_text: str) -> str | None:
    if not text.startswith('"'):
        return text or None
    try:
        name, position = parse_quoted_string(text, 0)
    except ParseError:
        raise BadValueError(_ADDRESS, whole_text) from None
    if position != len(text):
        raise BadValueError(_ADDRESS, whole_text)
    return name or None


def _registrar(value: object) -> URI:
    written = text_value(str(value) if isinstance(value, URI) else value, _DOMAIN).strip()
    uri = _sip_uri(written, _DOMAIN, written)
    if uri.user is not None:
        raise BadValueError(_DOMAIN, written)
    return uri


def _is_token(text: str) -> bool:
    try:
        return parse_token(text, 0)[1] == len(text)
    except ParseError:
        return False


def _token(value: object) -> str:
    word = text_value(value, "a word").strip()
    if not _is_token(word):
        raise BadValueError("a word of letters, digits and -.!%*_+`'~", value)
    return word


def _user(value: object) -> str:
    # As it is meant: it is escaped where it is put into a URI.
    name = text_value(value, "a user name")
    if name != name.strip() or "@" in name:
        raise BadValueError("a user name without @ and spaces", value)
    return name


def _header_field(value: object) -> str:
    expected = 'a header field such as "X-Foo: foo"'
    line = text_value(value, expected)
    name, colon, content = line.partition(":")
    name = name.strip(" \t")
    if not colon or not _is_token(name):
        raise BadValueError(expected, value)
    if any(ord(c) < 32 and c != "\t" for c in content) or "\x7f" in content:
        raise BadValueError(f"{expected}, without control characters", value)
    return f"{name}: {content.strip()}"


def _contact_param(value: object) -> str:
    # contact-params = generic-param = token [ EQUAL gen-value ]    RFC 3261 §25.1. EQUAL allows blanks: SIP.js's own
    # example is "foo= bar", and it goes out as it is written.
    expected = 'a Contact parameter such as "foo=bar"'
    written = text_value(value, expected).strip().removeprefix(";")
    name, _, content = written.partition("=")
    content = content.strip()
    plain = content if not content.startswith('"') else content[1:-1]
    if not _is_token(name.strip()) or any(ord(c) < 32 or c in ',;<>"\x7f' for c in plain):
        raise BadValueError(expected, value)
    if content.startswith('"') and (len(content) < 2 or not content.endswith('"')):
        raise BadValueError(expected, value)
    return written


def _route(value: object) -> str:
    # route-param = name-addr *( SEMI rr-param )     RFC 3261 §25.1
    expected = 'a route such as "<sip:proxy.example.com;lr>"'
    written = text_value(value, expected).strip()
    bare = written if not written.endswith(">") else written[:-1].removeprefix("<")
    try:
        uri = parse_uri(bare)
    except ParseError:
        raise BadValueError(expected, value) from None
    if not isinstance(uri, URI):
        raise BadValueError(expected, value)
    return f"<{bare}>"


def _host_or_boolean(value: object) -> bool | str:
    expected = "true, false or a host"
    if isinstance(value, bool):
        return value
    word = text_value(value, expected).strip()
    if word.lower() in ("true", "false"):
        return word.lower() == "true"
    try:
        host, position = parse_host(word, 0)
    except ParseError:
        raise BadValueError(expected, value) from None
    if position != len(word):
        raise BadValueError(expected, value)
    return host


def _instance_id(value: object) -> str:
    expected = 'a UUID such as "8f1fa16a-1165-4a96-8341-785b1ef24f12"'
    word = text_value(value, expected).strip().lower().removeprefix("urn:").removeprefix("uuid:")
    # UUID = 8HEX "-" 4HEX "-" 4HEX "-" 4HEX "-" 12HEX          RFC 4122 §3
    if [len(part) for part in word.split("-")] != [8, 4, 4, 4, 12] or word.strip("0123456789abcdef-"):
        raise BadValueError(expected, value)
    return word


_ALGORITHMS = ("SHA-512-256", "SHA-256", "MD5")
_ALGORITHM_OF = {name.lower(): name for name in _ALGORITHMS}
_HASH_LENGTHS = {"MD5": 32, "SHA-256": 64, "SHA-512-256": 64}


def _algorithm(value: object) -> str:
    # Tokens are compared without regard to case (RFC 3261 §7.3.1).
    name = _ALGORITHM_OF.get(value.strip().lower()) if isinstance(value, str) else None
    if name is None:
        raise BadValueError("SHA-512-256, SHA-256 or MD5", value)
    return name


def _ha1(value: object) -> str:
    """``HASH`` or ``ALGORITHM:HASH``."""
    expected = "the hash of user:realm:password as 32 or 64 hexadecimal digits"
    algorithm_text, colon, digits = text_value(value, expected).strip().rpartition(":")
    algorithm = _ALGORITHM_OF.get(algorithm_text.lower())
    if colon and algorithm is None:
        raise BadValueError("SHA-512-256, SHA-256 or MD5 before the hash", "***")
    lengths = {32, 64} if algorithm is None else {_HASH_LENGTHS[algorithm]}
    digits = digits.lower()
    if len(digits) not in lengths or digits.strip("0123456789abcdef"):
        raise BadValueError(expected, "***")
    return digits if algorithm is None else f"{algorithm}:{digits}"


_LEVELS = {"error": 0, "warn": 1, "log": 2, "debug": 3}
_LEVEL = whole('0 to 3, or "error", "warn", "log" or "debug"', "LEVEL")


def _log_level(value: object) -> int:
    if isinstance(value, str) and value.strip().lower() in _LEVELS:
        return _LEVELS[value.strip().lower()]
    # SIP.js: a number above 3 becomes 3.
    return min(int(str(_LEVEL.read_flag(value))), 3)


_REGISTER_PARAMS = {
    "to_uri": "to_uri",
    "toUri": "to_uri",
    "to_display_name": "to_display_name",
    "toDisplayName": "to_display_name",
    "to_displayName": "to_display_name",  # the spelling in the source of SIP.js
    "call_id": "call_id",
    "callId": "call_id",
    "cseq": "cseq",
}
_CSEQ = whole("a whole number", "NUMBER", least=0)


def _register_params(value: object) -> RegisterParams:
    expected = 'a table of "to_uri", "to_display_name", "call_id", "cseq"'
    if isinstance(value, RegisterParams):
        return value
    if not isinstance(value, Mapping):
        raise BadValueError(expected, value)
    params = RegisterParams()
    for key, given in value.items():
        name = _REGISTER_PARAMS.get(key)
        if name is None:
            raise BadValueError(expected, key, (key,))
        if is_default(given):
            continue
        try:
            if name == "to_uri":
                written = text_value(str(given) if isinstance(given, URI) else given, "a SIP URI").strip()
                params = replace(params, to_uri=_sip_uri(written, "a SIP URI", given))
            elif name == "to_display_name":
                params = replace(params, to_display_name=text_value(given, "text"))
            elif name == "call_id":
                params = replace(params, call_id=_call_id(given))
            else:
                params = replace(params, cseq=int(str(_CSEQ.read(given))))
        except BadValueError as bad:
            raise BadValueError(bad.expected, bad.found, (key, *bad.at)) from None
    return params


def _call_id(value: object) -> str:
    # callid = word [ "@" word ]: no blanks, no control characters      RFC 3261 §25.1
    call_id = text_value(value, "a Call-ID")
    if not call_id.isascii() or not call_id.isprintable() or " " in call_id:
        raise BadValueError("a Call-ID without spaces", value)
    return call_id


USER_URI = Kind(_ADDRESS, "URI", _address, written='"alice@example.com"')
REGISTRAR = Kind(_DOMAIN, "URI", _registrar, written='"sip:registrar.example.com"')
TOKEN = Kind("a word", "WORD", _token)
USER = Kind("a user name", "USER", _user)
HEADER_FIELDS = list_of(
    Kind("a header field", "'NAME: VALUE'", _header_field, written='["X-Foo: foo"]'), "header fields", lines=True
)
CONTACT_PARAMS = list_of(Kind("a Contact parameter", "NAME=VALUE", _contact_param), "Contact parameters")
OPTION_TAGS = list_of(Kind("an option tag", "TAG", _token), "option tags")
ROUTES = list_of(Kind("a route", "URI", _route, written='["<sip:proxy.example.com;lr>"]'), "routes")
HOST_OR_BOOLEAN = Kind("true, false or a host", "true|false|HOST", _host_or_boolean, written="true")
INSTANCE_ID = Kind("a UUID", "UUID", _instance_id)
HA1 = Kind("a hash", "HASH", _ha1)
ALGORITHMS = list_of(
    Kind("a digest algorithm", "ALGORITHM", _algorithm, choices=_ALGORITHMS, written='["SHA-256"]'),
    "digest algorithms",
    unique=True,
)
LOG_LEVEL = Kind("a level", "LEVEL", _log_level, choices=("error", "warn", "log", "debug"), written='"log"')
REGISTER_PARAMS = Kind("a table", "TABLE", _register_params, written="{}")
