"""Messages: requests and responses, read lazily (RFC 3261 §7, §8.2.6).

``parse`` cuts a message into lines and names; a header field is parsed when it is first asked for.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any, NoReturn, Self, cast

from sipcli.sip.errors import ParseError
from sipcli.sip.fields import MAX_SIZE, TOKEN_PATTERN, Message, check_headers, is_safe
from sipcli.sip.grammar import parse_digits
from sipcli.sip.lazy import lazy
from sipcli.sip.names import header_key, known_keys
from sipcli.sip.status import REASON_PHRASES
from sipcli.sip.uri import AnyURI, parse_uri

__all__ = [
    "MAX_HEADERS",
    "MAX_HEAD_SIZE",
    "MAX_SIZE",
    "REASON_PHRASES",
    "FramingError",
    "Message",
    "Request",
    "Response",
    "build_response",
    "parse",
    "serialize",
]

# A head of many tiny lines costs the most per octet, so it has limits of its own.
MAX_HEAD_SIZE = 1 << 17
MAX_HEADERS = 2048

_new: Callable[[type], Any] = object.__new__
Headers = Iterable[tuple[str, str]]

_VERSION = re.compile(r"[sS][iI][pP]/[0-9]++\.[0-9]++")
_STATUS_LINE = re.compile(r"([sS][iI][pP]/[0-9]++\.[0-9]++) ([1-6][0-9]{2})(?: (.*))?", re.DOTALL)
_HEADER_NAME = re.compile(r"\r\n([^:\r\n]*+):")
_FOLD = re.compile(r"\r\n[ \t]++")

_METHODS = {
    "ACK",
    "BYE",
    "CANCEL",
    "INFO",
    "INVITE",
    "MESSAGE",
    "NOTIFY",
    "OPTIONS",
    "PRACK",
    "PUBLISH",
    "REFER",
    "REGISTER",
    "SUBSCRIBE",
    "UPDATE",
}
_HAS_TAG = re.compile(r";[ \t]*tag[ \t]*=", re.IGNORECASE)


class FramingError(ParseError):
    """A message whose head is readable and whose framing is not; ``message`` allows to answer it with 400."""

    def __init__(self, rule: str, text: str, message: Request | Response) -> None:
        super().__init__(rule, text)
        self.message = message


class Request(Message):
    """A request (RFC 3261 §7.1)."""

    method: str
    uri_text: str
    """The Request-URI as it stands on the wire."""

    def __init__(self, method: str, uri: AnyURI | str, headers: Headers = (), body: bytes = b"") -> None:
        """Build a request; ValueError for what cannot stand in a start line or header field."""
        if method not in _METHODS and TOKEN_PATTERN.fullmatch(method) is None:
            raise ValueError(f"not a method: {method!r}")
        self.method = method
        self.uri_text = str(uri)
        if not self.uri_text or " " in self.uri_text or not is_safe(self.uri_text):
            raise ValueError(f"not a Request-URI: {self.uri_text!r}")
        if not isinstance(uri, str):
            self.uri = uri
        self.headers = check_headers(headers)
        self.body = body

    @lazy
    def uri(self) -> AnyURI:
        """The Request-URI; ParseError when it is malformed."""
        return parse_uri(self.uri_text)

    @property
    def start_line(self) -> str:
        return f"{self.method} {self.uri_text} {self.version}"

    def validate(self) -> None:
        """Check all that is known: Request-URI, mandatory header fields, and the syntax of everything; ParseError."""
        from sipcli.sip.validation import validate_request

        validate_request(self)

    def check(self) -> None:
        """Check what processing depends on, and let the rest be (RFC 3261 §8.2, §16.3); ParseError."""
        from sipcli.sip.validation import check_request

        check_request(self)

    def _copy(self, headers: tuple[tuple[str, str], ...], body: bytes) -> Self:
        copy = type(self).__new__(type(self))
        copy.method = self.method
        copy.uri_text = self.uri_text
        copy.version = self.version
        _fill(copy, headers, body)
        return copy

    def with_uri(self, uri: AnyURI) -> Request:
        """Return a copy with another Request-URI."""
        return Request(self.method, uri)._copy(self.headers, self.body)


class Response(Message):
    """A response (RFC 3261 §7.2)."""

    status: int
    reason: str

    def __init__(self, status: int, reason: str, headers: Headers = (), body: bytes = b"") -> None:
        """Build a response; ValueError for what cannot stand in a start line or header field."""
        if not 100 <= status <= 699:
            raise ValueError(f"not a status code: {status}")
        if not is_safe(reason):
            raise ValueError(f"not a reason phrase: {reason!r}")
        self.status = status
        self.reason = reason
        self.headers = check_headers(headers)
        self.body = body

    @property
    def start_line(self) -> str:
        return f"{self.version} {self.status} {self.reason}"

    def _copy(self, headers: tuple[tuple[str, str], ...], body: bytes) -> Self:
        copy = type(self).__new__(type(self))
        copy.status = self.status
        copy.reason = self.reason
        copy.version = self.version
        _fill(copy, headers, body)
        return copy


def _fill(message: Message, headers: tuple[tuple[str, str], ...], body: bytes) -> None:
    message.headers = headers
    message.body = body


def parse(data: bytes, *, strict: bool = False) -> Request | Response:
    """Return the message that ``data`` is; ParseError, and nothing else, when it is none.

    Without ``strict`` only the framing is judged: start line, names of header fields, sizes, Content-Length. Octets
    that are not UTF-8 become surrogates, and octets again in ``serialize``.
    """
    if len(data) > MAX_SIZE:
        raise ParseError(f"message of at most {MAX_SIZE} octets", f"{len(data)} octets")
    # RFC 3261 §7.5: empty lines before the start line are passed over.
    octets = data.lstrip(b"\r\n") if data[:1] in (b"\r", b"\n") else data
    octets, empty_line, body = octets.partition(b"\r\n\r\n")
    if not empty_line:
        raise ParseError("empty line after the header fields", data[-60:].decode("utf-8", "replace"))
    if len(octets) > MAX_HEAD_SIZE:
        raise ParseError(f"head of at most {MAX_HEAD_SIZE} octets", f"{len(octets)} octets")
    head = octets.decode("utf-8", "surrogateescape")
    pieces = _HEADER_NAME.split(head)
    names = pieces[1::2]
    values = pieces[2::2]
    keys = [*map(known_keys.get, names)]
    # A CR or LF that is left is a folded line, a line without a colon, or stands alone, which is a line end to some
    # and must not come in here and go out in a response. The name of a folded line is an unknown one.
    rest = "".join(values)
    if None in keys or "\n" in rest or "\r" in rest:
        pieces = _split_carefully(head)
        names = pieces[1::2]
        values = pieces[2::2]
        keys = [*map(header_key, names)]
    if len(names) > MAX_HEADERS:
        raise ParseError(f"at most {MAX_HEADERS} header fields", f"{len(names)} header fields")
    message = _parse_start_line(pieces[0])
    message._names = names
    message._keys = cast("list[str]", keys)
    message._values = values
    message.original = data
    message.body = body
    lengths = keys.count("content-length")
    if lengths > 1 or (lengths == 1 and values[keys.index("content-length")] != f" {len(body)}"):
        _cut_body(message)
    if strict:
        message.validate()
    return message


def _split_carefully(head: str) -> list[str]:
    """Return the start line, then names and values in turn; ParseError for what is no line of a head."""
    head = _FOLD.sub(" ", head)
    for line in head.split("\r\n")[1:]:
        name, colon, _ = line.partition(":")
        if not colon or not name.strip(" \t") or "\r" in line or "\n" in line:
            raise ParseError("header field", _shortened(line))
    return _HEADER_NAME.split(head)


def _shortened(text: str) -> str:
    return text[:200]


def _parse_start_line(line: str) -> Request | Response:
    if "\r" in line or "\n" in line:
        raise ParseError("start line", _shortened(line))
    if line[:4].upper() == "SIP/":
        match = _STATUS_LINE.fullmatch(line)
        if match is None:
            raise ParseError("Status-Line", _shortened(line))
        response: Response = _new(Response)
        version, status, reason = match.groups("")
        response.status = int(status)
        response.reason = reason
        if version != "SIP/2.0":
            response.version = version
        return response
    method, _, rest = line.partition(" ")
    # Spaces round the Request-URI stay with it and make it malformed, which is answered with 400 (RFC 4475 §3.1.2).
    uri, _, version = rest.rstrip(" ").rpartition(" ")
    if not uri or (method not in _METHODS and TOKEN_PATTERN.fullmatch(method) is None):
        raise ParseError("Request-Line", _shortened(line))
    request: Request = _new(Request)
    if version != "SIP/2.0":
        if _VERSION.fullmatch(version) is None:
            raise ParseError("Request-Line", _shortened(line))
        request.version = version
    request.method = method
    request.uri_text = uri
    return request


# RFC 3261 §18.3 for a transport that carries whole messages: too long a body is cut, too short a one is an error.
def _cut_body(message: Request | Response) -> None:
    length = None
    for text in message.get_all("content-length"):
        try:
            number = parse_digits(text, "Content-Length", MAX_SIZE)
        except ParseError as error:
            _refuse(error.rule, text, message)
        if length is not None and number != length:
            _refuse("one Content-Length", text, message)
        length = number
    assert length is not None
    if length > len(message.body):
        _refuse(f"Content-Length of at most {len(message.body)}, the octets received", str(length), message)
    if length < len(message.body):
        message.body = message.body[:length]


def _refuse(rule: str, text: str, message: Request | Response) -> NoReturn:
    raise FramingError(rule, _shortened(text), message) from None


def serialize(message: Message) -> bytes:
    """Return the octets of a message, with the Content-Length that its body has."""
    length = str(len(message.body))
    lines = [message.start_line]
    measured = False
    for name, value in message.headers:
        if header_key(name) == "content-length":
            measured = True
            value = value if value.isascii() and value.isdigit() and value.lstrip("0") == length.lstrip("0") else length
        lines.append(f"{name}: {value}")
    if not measured:
        lines.append(f"Content-Length: {length}")
    return "\r\n".join([*lines, "\r\n"]).encode("utf-8", "surrogateescape") + message.body


def build_response(
    request: Request,
    status: int,
    reason: str | None = None,
    *,
    to_tag: str | None = None,
    headers: Headers = (),
    body: bytes = b"",
    content_type: str | None = None,
) -> Response:
    """Return a response to ``request`` (RFC 3261 §8.2.6).

    Via, From, To, Call-ID and CSeq are copied as text, so that a request that does not parse can be answered too. To
    gets ``to_tag`` when it has no tag and ``status`` is above 100.
    """
    response = Response(status, REASON_PHRASES.get(status, "") if reason is None else reason, headers, body)
    copied = [("Via", value) for value in request.get_all("via")]
    for name in ("From", "To", "Call-ID", "CSeq"):
        value = request.get(name)
        if value is not None:
            if name == "To" and status > 100 and to_tag is not None and not _has_tag(request, value):
                value += f";tag={to_tag}"
            copied.append((name, value))
    if status == 100 and (timestamp := request.get("timestamp")) is not None:
        copied.append(("Timestamp", timestamp))
    added = response.headers
    if content_type is not None:
        added = check_headers([*added, ("Content-Type", content_type)])
    return response._copy((*copied, *added), body)


def _has_tag(request: Request, value: str) -> bool:
    try:
        to = request.to
    except ParseError:
        return _HAS_TAG.search(value) is not None
    return to is not None and to.tag is not None
