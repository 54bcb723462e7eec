"""The strict check of a message: what must be there, and the syntax of all that is (RFC 3261 §8.1.1, §20, §25.1).

Reading is generous where peers are careless; this goes by the letter. Header fields that are not in the tables are
judged as text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from sipcli.sip.errors import ParseError
from sipcli.sip.grammar import QUOTED_STRING, TOKEN, Params, parse_digits
from sipcli.sip.headers import (
    MAX_DELTA_SECONDS,
    parse_cseq,
    parse_name_addr,
    parse_name_addrs,
    parse_vias,
)
from sipcli.sip.names import header_key
from sipcli.sip.uri import PLAIN_HOST, PLAIN_PORT, PLAIN_SIP_URI, URI, AnyURI, parse_uri

if TYPE_CHECKING:
    from sipcli.sip.fields import Message
    from sipcli.sip.message import Request

__all__ = ["check", "check_request", "validate", "validate_request"]

Check = Callable[[str], object]

_MANDATORY = ("via", "from", "to", "call-id", "cseq")
# RFC 3261 §7.3.1: only a header field that is a comma-separated list, or one for credentials, may stand twice.
_LISTS = {
    "accept",
    "accept-encoding",
    "accept-language",
    "alert-info",
    "allow",
    "allow-events",
    "authorization",
    "call-info",
    "contact",
    "content-encoding",
    "content-language",
    "error-info",
    "in-reply-to",
    "p-asserted-identity",
    "path",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-require",
    "reason",
    "record-route",
    "require",
    "route",
    "service-route",
    "supported",
    "unsupported",
    "via",
    "warning",
    "www-authenticate",
}

_LWS = r"[ \t]*+"
# IPv6 addresses stand in parameters with and without brackets (RFC 5118 §4.5).
_VALUE = rf"(?:[A-Za-z0-9\-.!%*_+`'~:\[\]]++|{QUOTED_STRING})"
_PARAMS = rf"(?:{_LWS};{_LWS}{TOKEN}++(?:{_LWS}={_LWS}{_VALUE})?+)*+"
_AUTH_PARAM = rf"{TOKEN}++{_LWS}={_LWS}(?:{TOKEN}++|{QUOTED_STRING})"
# RFC 3261 §25.1 word
_WORD = r"""[A-Za-z0-9\-.!%*_+`'~()<>:\\"/\[\]?{}]++"""
_qvalue = re.compile(r"0(?:\.[0-9]{0,3})?+|1(?:\.0{0,3})?+")
_CALL_ID = rf"{_WORD}(?:@{_WORD})?+"
_COMMENT = r"\((?:[^()\\]++|\\.|\((?:[^()\\]++|\\.)*+\))*+\)"
_LANGUAGE = r"[A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8})*+"


def _pattern(rule: str, pattern: str) -> Check:
    compiled = re.compile(pattern, re.DOTALL)

    def check(value: str) -> None:
        if compiled.fullmatch(value) is None:
            raise ParseError(rule, value)

    return check


def _list_of(rule: str, element: str, *, empty: bool = False) -> Check:
    pattern = rf"{element}(?:{_LWS},{_LWS}{element})*+"
    return _pattern(rule, f"(?:{pattern})?+" if empty else pattern)


def _number(rule: str, limit: int) -> Check:
    return lambda value: parse_digits(value, rule, limit)


_STRICT_PARAMS = rf"(?:;{TOKEN}++(?:={_VALUE})?+)*+"
_strict_params = re.compile(_STRICT_PARAMS, re.DOTALL)
# What most messages hold is judged in one go; whatever else there is, is read and judged part by part.
_plain_via = re.compile(rf"SIP/2\.0/{TOKEN}++ {PLAIN_HOST}(?::{PLAIN_PORT})?+({_STRICT_PARAMS})", re.DOTALL)
_plain_address = re.compile(
    rf"(?:{QUOTED_STRING}|(?:{TOKEN}++[ \t]*+)*+)[ \t]*+<({PLAIN_SIP_URI})>({_STRICT_PARAMS})", re.DOTALL
)


def _check_params(params: Params, value: str) -> None:
    if _strict_params.fullmatch(str(params)) is None:
        raise ParseError("generic-param", value)
    if params.has_duplicates():
        raise ParseError("each parameter once", value)


def _check_vias(value: str) -> None:
    match = _plain_via.fullmatch(value)
    if match is not None:
        _check_params(Params.of(match[1]), value)
        return
    for via in parse_vias(value):
        _check_params(via.params, value)


def _check_uri(uri: AnyURI, value: str) -> None:
    if isinstance(uri, URI) and uri.params.has_duplicates():
        raise ParseError("each uri-parameter once", value)


def _check_address_params(params: Params, value: str) -> None:
    _check_params(params, value)
    q, expires = params.get("q"), params.get("expires")
    if q is not None and _qvalue.fullmatch(q) is None:
        raise ParseError("qvalue", value)
    if expires is not None:
        parse_digits(expires, "delta-seconds", MAX_DELTA_SECONDS)


def _check_addresses(value: str) -> None:
    match = _plain_address.fullmatch(value)
    if match is None:
        for address in parse_name_addrs(value):
            _check_uri(address.uri, value)
            _check_address_params(address.params, value)
        return
    uri, params = match.groups()
    if uri.count(";") > 1:
        _check_uri(parse_uri(uri), value)
    # A lone parameter such as the tag cannot be doubled, and the pattern has judged its syntax.
    if params.count(";") > 1 or ("=" in params and params[1] in "qQeE"):
        _check_address_params(Params.of(params), value)


def _check_single_address(value: str) -> None:
    if _plain_address.fullmatch(value) is None:
        parse_name_addr(value)
    _check_addresses(value)


def _check_contacts(value: str) -> None:
    if value != "*":
        _check_addresses(value)


def _check_routes(value: str) -> None:
    # RFC 3261 §25.1 rr-param: a name-addr, so always with <>.
    if "<" not in value:
        raise ParseError("name-addr", value)
    _check_addresses(value)


def _check_cseq(value: str) -> None:
    # RFC 3261 §8.1.1.5: the number stays below 2**31.
    if parse_cseq(value).number >= 2**31:
        raise ParseError("CSeq number below 2**31", value)


_token_list = _list_of("token", TOKEN + "++")
_delta_seconds = _number("delta-seconds", MAX_DELTA_SECONDS)
_delta_seconds_params = _pattern("delta-seconds", rf"[0-9]{{1,10}}{_PARAMS}")
_credentials = _pattern(
    "credentials", rf"{TOKEN}++[ \t]++(?:{_AUTH_PARAM}(?:{_LWS},{_LWS}{_AUTH_PARAM})*+|[A-Za-z0-9\-._~+/]++=*+)"
)
_info = _list_of("<absoluteURI>", rf"<[^<>\x00-\x20]++>{_PARAMS}")
_text = _pattern("text without control characters", r"[^\x00-\x08\x0a-\x1f\x7f]*+")

# One row a header field, in the order of RFC 3261 §20; the extensions' RFCs behind them.
_CHECKS: dict[str, Check] = {
    "accept": _list_of("media-range", rf"{TOKEN}++{_LWS}/{_LWS}{TOKEN}++{_PARAMS}", empty=True),
    "accept-encoding": _list_of("encoding", rf"{TOKEN}++{_PARAMS}", empty=True),
    "accept-language": _list_of("language", rf"(?:{_LANGUAGE}|\*){_PARAMS}", empty=True),
    "alert-info": _info,
    "allow": _list_of("Method", TOKEN + "++", empty=True),
    "authentication-info": _list_of("ainfo", _AUTH_PARAM),
    "authorization": _credentials,
    "call-id": _pattern("callid", _CALL_ID),
    "call-info": _info,
    "contact": _check_contacts,
    "content-disposition": _pattern("disp-type", rf"{TOKEN}++{_PARAMS}"),
    "content-encoding": _token_list,
    "content-language": _list_of("language-tag", _LANGUAGE),
    "content-length": _number("Content-Length", 2**32 - 1),
    "content-type": _pattern("media-type", rf"{TOKEN}++{_LWS}/{_LWS}{TOKEN}++{_PARAMS}"),
    "cseq": _check_cseq,
    "date": _pattern(
        "SIP-date",
        "(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), [0-9]{2} (?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) [0-9]{4} "
        "[0-9]{2}:[0-9]{2}:[0-9]{2} GMT",
    ),
    "error-info": _info,
    "expires": _delta_seconds,
    "from": _check_single_address,
    "in-reply-to": _list_of("callid", r"[^, \t]++"),
    "max-forwards": _number("Max-Forwards", 255),
    "mime-version": _pattern("MIME-Version", r"[0-9]++\.[0-9]++"),
    "min-expires": _delta_seconds,
    "organization": _text,
    "priority": _pattern("priority-value", TOKEN + "++"),
    "proxy-authenticate": _credentials,
    "proxy-authorization": _credentials,
    "proxy-require": _token_list,
    "record-route": _check_routes,
    "reply-to": _check_single_address,
    "require": _token_list,
    "retry-after": _pattern("Retry-After", rf"[0-9]{{1,10}}{_LWS}(?:{_COMMENT})?+{_PARAMS}"),
    "route": _check_routes,
    "server": _pattern("server-val", rf"(?:(?:{TOKEN}++(?:/{TOKEN}++)?+|{_COMMENT})(?:[ \t]++|\Z))++"),
    "subject": _text,
    "supported": _list_of("option-tag", TOKEN + "++", empty=True),
    "timestamp": _pattern("Timestamp", r"[0-9]++(?:\.[0-9]*+)?+(?:[ \t]++[0-9]*+(?:\.[0-9]*+)?+)?+"),
    "to": _check_single_address,
    "unsupported": _token_list,
    "user-agent": _pattern("server-val", rf"(?:(?:{TOKEN}++(?:/{TOKEN}++)?+|{_COMMENT})(?:[ \t]++|\Z))++"),
    "via": _check_vias,
    "warning": _list_of("warning-value", rf"[0-9]{{3}} [^ \t,]++ {QUOTED_STRING}"),
    "www-authenticate": _credentials,
    # RFC 3262
    "rack": _pattern("RAck", rf"[0-9]{{1,10}}[ \t]++[0-9]{{1,10}}[ \t]++{TOKEN}++"),
    "rseq": _number("response-num", 2**32 - 1),
    # RFC 3325
    "p-asserted-identity": _check_addresses,
    # RFC 3326
    "reason": _list_of("reason-value", rf"{TOKEN}++{_PARAMS}"),
    # RFC 3327, RFC 3608
    "path": _check_routes,
    "service-route": _check_routes,
    # RFC 3515, RFC 3892
    "refer-to": _check_single_address,
    "referred-by": _check_single_address,
    # RFC 3891
    "replaces": _pattern("Replaces", rf"[^; \t]++{_PARAMS}"),
    # RFC 3903
    "sip-etag": _pattern("entity-tag", TOKEN + "++"),
    "sip-if-match": _pattern("entity-tag", TOKEN + "++"),
    # RFC 4028
    "min-se": _delta_seconds_params,
    "session-expires": _delta_seconds_params,
    # RFC 5626
    "flow-timer": _delta_seconds,
    # RFC 6665
    "allow-events": _token_list,
    "event": _pattern("event-type", rf"{TOKEN}++{_PARAMS}"),
    "subscription-state": _pattern("substate-value", rf"{TOKEN}++{_PARAMS}"),
}


# RFC 3261 §16.3, §8.2: what is malformed and not needed does not stop a message. Peers are careless with these:
# FreePBX's User-Agent is no server-val, Asterisk's Alert-Info no URI.
_INFORMATIVE = frozenset(_CHECKS) - {
    "call-id",
    "contact",
    "content-encoding",
    "content-length",
    "content-type",
    "cseq",
    "event",
    "expires",
    "from",
    "max-forwards",
    "min-expires",
    "min-se",
    "path",
    "proxy-require",
    "rack",
    "record-route",
    "refer-to",
    "replaces",
    "require",
    "route",
    "rseq",
    "service-route",
    "session-expires",
    "subscription-state",
    "supported",
    "to",
    "via",
}


def validate(message: Message) -> None:
    """Raise ParseError for the first thing wrong with ``message``."""
    _check(message, lenient=False)
    if message.body and message.get("content-type") is None:
        raise ParseError("a content-type header field with a body", message.start_line)


def check(message: Message) -> None:
    """Raise ParseError for the first thing wrong with ``message`` that its processing depends on."""
    _check(message, lenient=True)


def _check(message: Message, *, lenient: bool) -> None:
    seen: set[str] = set()
    for name, value in message.headers:
        key = header_key(name)
        rule = _CHECKS.get(key)
        if rule is None:
            if not lenient:
                _check_unknown(name, value)
            continue
        if lenient and key in _INFORMATIVE:
            continue
        if key not in seen:
            seen.add(key)
        elif key not in _LISTS:
            raise ParseError(f"one {name}", value)
        rule(value)
    for key in _MANDATORY:
        if key not in seen:
            raise ParseError(f"a {key} header field", message.start_line)
    _check_wildcard(message.get_all("contact"))


def validate_request(request: Request) -> None:
    """Raise ParseError for the first thing wrong with ``request``."""
    validate(request)
    _check_request_line(request)


def check_request(request: Request) -> None:
    """Raise ParseError for the first thing wrong with ``request`` that its processing depends on."""
    check(request)
    _check_request_line(request)


def _check_request_line(request: Request) -> None:
    uri = request.uri
    # RFC 3261 §19.1.1: no header fields in a Request-URI.
    if isinstance(uri, URI) and uri.headers:
        raise ParseError("Request-URI without header fields", request.uri_text)
    if request.version.upper() != "SIP/2.0":
        raise ParseError("SIP/2.0", request.version)
    cseq = request.cseq
    if cseq is not None and cseq.method != request.method:
        raise ParseError(f"CSeq with the method {request.method}", str(cseq))


def _check_unknown(name: str, value: str) -> None:
    if re.fullmatch(TOKEN + "++", name) is None:
        raise ParseError("header-name", name)
    _text(value)


def _check_wildcard(contacts: Iterable[str]) -> None:
    values = list(contacts)
    if len(values) > 1 and "*" in values:
        raise ParseError("* as the only Contact", ", ".join(values))
