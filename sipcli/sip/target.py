"""Targets as people write them: bob, bob@example.com, sip:, sips:, tel:, "Bob" <sip:…> (RFC 3261 §19.1.6)."""

from __future__ import annotations

import re
from dataclasses import replace

from sipcli.sip.errors import ParseError
from sipcli.sip.headers import NameAddr, parse_name_addr
from sipcli.sip.uri import URI, TelURI, escape_user, parse_uri, unescape

__all__ = ["parse_target"]

_EXPECTED = "a target such as bob, bob@example.com or sip:bob@example.com"
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+\-.]*+):")
# As SIP.js has it: a user that is a telephone number loses its visual separators (RFC 3966 §5.1.1).
_PHONE_NUMBER = re.compile(r"[\-.()]*+\+?[\-.()]*+[0-9][0-9\-.()]*+")
_VISUAL_SEPARATORS = re.compile(r"[\-.()]")


def parse_target(text: str, *, domain: str | None, keep_tel: bool = False, keep_sips: bool = False) -> NameAddr:
    """Return the address that a user means by ``text``; ParseError in words for that user.

    A bare user name or telephone number belongs to ``domain``. ``tel:`` and ``sips:`` become ``sip:`` unless they
    are to be kept.
    """
    if not text.strip():
        raise _refused("", "it is empty")
    if any(character in "\r\n\x00" or not character.isprintable() for character in text):
        raise _refused(text, "no control characters")
    if "<" in text or text.startswith('"'):
        return _bracketed(text, domain, keep_tel, keep_sips)
    if any(character.isspace() for character in text):
        raise _refused(text, "no spaces")
    return NameAddr(None, _uri(text, text, domain, keep_tel, keep_sips))


def _refused(text: str, reason: str) -> ParseError:
    return ParseError(f"{_EXPECTED} ({reason})", text)


def _bracketed(text: str, domain: str | None, keep_tel: bool, keep_sips: bool) -> NameAddr:
    name, _, rest = text.partition("<") if not text.startswith('"') else _quoted(text)
    uri, bracket, behind = rest.partition(">")
    if not bracket or behind.strip(" "):
        raise _refused(text, "nothing but the closing > may follow <")
    if not uri or " " in uri:
        raise _refused(text, "a URI without spaces stands between < and >")
    try:
        display_name = parse_name_addr(f"{name}<sip:invalid>").display_name
    except ParseError as error:
        raise _refused(text, "a display name with other characters than letters and digits needs quotes") from error
    return NameAddr(display_name, _uri(uri, text, domain, keep_tel, keep_sips))


def _quoted(text: str) -> tuple[str, str, str]:
    end = re.match(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"[ ]*+(?=<)', text)
    if end is None:
        raise _refused(text, "a display name is followed by <sip:…>")
    return text[: end.end()], "<", text[end.end() + 1 :]


def _uri(uri: str, text: str, domain: str | None, keep_tel: bool, keep_sips: bool) -> URI | TelURI:
    match = _SCHEME.match(uri)
    scheme = match[1].lower() if match else None
    if scheme == "tel":
        return _telephone(uri, text, domain, keep_tel)
    if scheme in ("sip", "sips"):
        parsed = _sip_uri(uri, text)
        return replace(parsed, scheme="sip") if scheme == "sips" and not keep_sips else parsed
    user, at, host = uri.rpartition("@")
    if not at and scheme is not None:
        raise _refused(text, f"{scheme}: is no scheme for a call or message")
    if ":" in user:
        raise _refused(text, "the scheme is sip:, sips: or tel:, and there is no password")
    if not at:
        user = uri
        host = _own_domain(text, domain)
    if not user:
        raise _refused(text, "the user is missing before @")
    if not host:
        raise _refused(text, "the host is missing after @")
    return _sip_uri(f"sip:{_escaped_user(user)}@{host}", text)


def _own_domain(text: str, domain: str | None) -> str:
    if domain is None:
        raise _refused(text, "a user name alone needs a uri of our own to take the domain from")
    return domain


def _escaped_user(user: str) -> str:
    if _PHONE_NUMBER.fullmatch(user):
        return _VISUAL_SEPARATORS.sub("", user)
    return escape_user(unescape(user))


def _sip_uri(uri: str, text: str) -> URI:
    try:
        parsed = parse_uri(uri)
    except ParseError as error:
        raise _refused(text, _reason(uri, error)) from error
    assert isinstance(parsed, URI)  # the scheme is sip or sips
    if parsed.port == 0:
        raise _refused(text, "a port is from 1 to 65535")
    if parsed.headers:
        raise _refused(text, "no ? and header fields")
    if parsed.user is not None and _PHONE_NUMBER.fullmatch(parsed.user):
        return replace(parsed, user=_VISUAL_SEPARATORS.sub("", parsed.user))
    return parsed


def _reason(uri: str, error: ParseError) -> str:
    rest = uri.partition(":")[2]
    if not rest:
        return "the host is missing"
    if rest.startswith("@"):
        return "the user is missing before @"
    if rest.endswith("@"):
        return "the host is missing after @"
    if error.rule.startswith("port"):
        return "a port is from 1 to 65535"
    if error.rule == "escaped":
        return "% is followed by two hexadecimal digits"
    if not rest.rpartition("@")[2].isascii():
        return "a host has only ASCII letters, digits, dots and hyphens"
    return "that is no SIP URI"


def _telephone(uri: str, text: str, domain: str | None, keep_tel: bool) -> URI | TelURI:
    try:
        parsed = parse_uri(uri)
    except ParseError as error:
        raise _refused(text, "a telephone number has digits, and + - . ( ) between them") from error
    assert isinstance(parsed, TelURI)  # the scheme is tel
    if keep_tel:
        return parsed
    # RFC 3261 §19.1.6: the parameters of a number go with it into the user part.
    number = _VISUAL_SEPARATORS.sub("", parsed.number) + str(parsed.params)
    return _sip_uri(f"sip:{escape_user(unescape(number))}@{_own_domain(text, domain)}", text)
