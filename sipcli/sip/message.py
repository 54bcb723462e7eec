"""Messages: requests and responses (RFC 3261 §7, §20), read lazily.

``parse`` cuts a message into lines and names; a header field is parsed when it is first asked for.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any, NoReturn, Self, TypeVar

from sipcli.sip.errors import ParseError
from sipcli.sip.grammar import TOKEN, parse_digits, split_list
from sipcli.sip.headers import (
    MAX_DELTA_SECONDS,
    CSeq,
    NameAddr,
    Via,
    parse_cseq,
    parse_name_addr,
    parse_name_addrs,
    parse_via_parm,
    parse_vias,
)
from sipcli.sip.uri import AnyURI, parse_uri

__all__ = [
    "MAX_HEADERS",
    "MAX_HEAD_SIZE",
    "MAX_SIZE",
    "REASON_PHRASES",
    "MalformedMessage",
    "Message",
    "Request",
    "Response",
    "build_response",
    "parse",
    "serialize",
]

# A frame of the transport is no larger either. A head of many tiny lines costs the most per octet, so it has
# limits of its own; INTEROP with 50 kB messages concerns bodies.
MAX_SIZE = 1 << 20
MAX_HEAD_SIZE = 1 << 17
MAX_HEADERS = 2048

T = TypeVar("T")
Headers = Iterable[tuple[str, str]]

# RFC 3261 §7.3.3 and the IANA registry of compact forms.
_COMPACT = {
    "a": "accept-contact",
    "b": "referred-by",
    "c": "content-type",
    "d": "request-disposition",
    "e": "content-encoding",
    "f": "from",
    "i": "call-id",
    "j": "reject-contact",
    "k": "supported",
    "l": "content-length",
    "m": "contact",
    "n": "identity-info",
    "o": "event",
    "r": "refer-to",
    "s": "subject",
    "t": "to",
    "u": "allow-events",
    "v": "via",
    "x": "session-expires",
    "y": "identity",
}
# Spellings of names seen so far and the key they stand for. Strangers choose the names: the table is bounded.
_SPELLINGS = dict(_COMPACT)
_SPELLINGS_LIMIT = 1024
_SPELLING_LENGTH = 40

_TOKEN = re.compile(TOKEN + "++")
_VERSION = re.compile(r"[sS][iI][pP]/[0-9]++\.[0-9]++")
_STATUS_LINE = re.compile(r"([sS][iI][pP]/[0-9]++\.[0-9]++) ([1-6][0-9]{2})(?: (.*))?", re.DOTALL)
_FOLD = re.compile(r"\r\n[ \t]++")
_UNSAFE = re.compile(r"[\r\n\x00\ud800-\udc7f\udd00-\udfff]")
_CHARSET = re.compile(r';[ \t]*charset[ \t]*=[ \t]*"?([^";, \t]+)', re.IGNORECASE)
# Names of codecs come from strangers, and Python has codecs that are no charsets.
_CHARSETS = {"utf-8": "utf-8", "us-ascii": "ascii", "iso-8859-1": "iso-8859-1"}
_METHODS = frozenset(
    "ACK BYE CANCEL INFO INVITE MESSAGE NOTIFY OPTIONS PRACK PUBLISH REFER REGISTER SUBSCRIBE UPDATE".split()
)
_HAS_TAG = re.compile(r";[ \t]*tag[ \t]*=", re.IGNORECASE)

# RFC 3261 §21 and the RFCs that added to it, as registered with IANA.
REASON_PHRASES = {
    100: "Trying",
    180: "Ringing",
    181: "Call Is Being Forwarded",
    182: "Queued",
    183: "Session Progress",
    199: "Early Dialog Terminated",
    200: "OK",
    202: "Accepted",
    204: "No Notification",
    300: "Multiple Choices",
    301: "Moved Permanently",
    302: "Moved Temporarily",
    305: "Use Proxy",
    380: "Alternative Service",
    400: "Bad Request",
    401: "Unauthorized",
    402: "Payment Required",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    406: "Not Acceptable",
    407: "Proxy Authentication Required",
    408: "Request Timeout",
    410: "Gone",
    412: "Conditional Request Failed",
    413: "Request Entity Too Large",
    414: "Request-URI Too Long",
    415: "Unsupported Media Type",
    416: "Unsupported URI Scheme",
    417: "Unknown Resource-Priority",
    420: "Bad Extension",
    421: "Extension Required",
    422: "Session Interval Too Small",
    423: "Interval Too Brief",
    424: "Bad Location Information",
    428: "Use Identity Header",
    429: "Provide Referrer Identity",
    430: "Flow Failed",
    433: "Anonymity Disallowed",
    436: "Bad Identity Info",
    437: "Unsupported Credential",
    438: "Invalid Identity Header",
    439: "First Hop Lacks Outbound Support",
    440: "Max-Breadth Exceeded",
    469: "Bad Info Package",
    470: "Consent Needed",
    480: "Temporarily Unavailable",
    481: "Call/Transaction Does Not Exist",
    482: "Loop Detected",
    483: "Too Many Hops",
    484: "Address Incomplete",
    485: "Ambiguous",
    486: "Busy Here",
    487: "Request Terminated",
    488: "Not Acceptable Here",
    489: "Bad Event",
    491: "Request Pending",
    493: "Undecipherable",
    494: "Security Agreement Required",
    500: "Server Internal Error",
    501: "Not Implemented",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Server Time-out",
    505: "Version Not Supported",
    513: "Message Too Large",
    555: "Push Notification Service Not Supported",
    580: "Precondition Failure",
    600: "Busy Everywhere",
    603: "Decline",
    604: "Does Not Exist Anywhere",
    606: "Not Acceptable",
    607: "Unwanted",
    608: "Rejected",
}


class MalformedMessage(ParseError):
    """A message whose head is readable and whose framing is not; ``message`` allows to answer it with 400."""

    def __init__(self, rule: str, text: str, message: Request | Response) -> None:
        super().__init__(rule, text)
        self.message = message


class Message:
    """What requests and responses have in common. Immutable; the ``with_`` methods return changed copies."""

    __slots__ = ("_cache", "_fields", "_index", "body", "original", "version")

    body: bytes
    original: bytes | None
    """The octets received; None for a message built here."""
    version: str
    _fields: tuple[tuple[str, str], ...] | list[str]
    _index: dict[str, list[str]] | None
    _cache: dict[str, Any]

    def _build(self, headers: Headers, body: bytes) -> None:
        fields = tuple(headers)
        for name, value in fields:
            if _TOKEN.fullmatch(name) is None:
                raise ValueError(f"not a header name: {name!r}")
            if _UNSAFE.search(value):
                raise ValueError(f"{name}: CR, LF and NUL cannot be in a header, got: {value!r}")
        self._fields = fields
        self._index = None
        self._cache = {}
        self.body = body
        self.original = None
        self.version = "SIP/2.0"

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        """Names as received and values unfolded, in order."""
        fields = self._fields
        if isinstance(fields, list):
            items = [line.partition(":") for line in fields]
            fields = self._fields = tuple([(name.rstrip(" \t"), value.strip(" \t")) for name, _, value in items])
        return fields

    @property
    def start_line(self) -> str:
        raise NotImplementedError

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Message):
            return NotImplemented
        return (self.start_line, self.headers, self.body) == (other.start_line, other.headers, other.body)

    def __hash__(self) -> int:
        return hash((self.start_line, self.headers, self.body))

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.start_line!r}>"

    # Header fields as text

    def get(self, name: str) -> str | None:
        """Return the first header field called ``name``, in any spelling or its compact form."""
        values = self._values(name)
        return values[0].strip(" \t") if values else None

    def get_all(self, name: str) -> list[str]:
        """Return all header fields called ``name``, one element a line."""
        return [value.strip(" \t") for value in self._values(name)]

    def get_list(self, name: str) -> tuple[str, ...]:
        """Return the elements of a comma-separated header field, over all its lines."""
        return tuple([element for value in self._values(name) for element in split_list(value)])

    def _values(self, name: str) -> list[str]:
        index = self._index
        if index is None:
            index = self._index = {}
            for spelling, value in self.headers:
                index.setdefault(_key(spelling), []).append(value)
        return index.get(_key(name), [])

    # Header fields as values, parsed once

    def _first(self, name: str, parse_value: Callable[[str], T]) -> T | None:
        try:
            return self._cache[name]  # type: ignore[no-any-return]
        except KeyError:
            values = self._values(name)
            value = self._cache[name] = parse_value(values[0]) if values else None
            return value

    def _every(self, name: str, parse_value: Callable[[str], Iterable[T]]) -> tuple[T, ...]:
        try:
            return self._cache[name + " *"]  # type: ignore[no-any-return]
        except KeyError:
            elements = tuple([element for value in self._values(name) for element in parse_value(value)])
            self._cache[name + " *"] = elements
            return elements

    def _number(self, name: str, limit: int) -> int | None:
        return self._first(name, lambda value: parse_digits(value.strip(" \t"), name, limit))

    def _first_address(self, name: str) -> NameAddr | None:
        addresses = self._every(name, parse_name_addrs)
        return addresses[0] if addresses else None

    @property
    def via(self) -> Via | None:
        """The topmost Via value."""
        return self._first("via", _parse_top_via)

    @property
    def vias(self) -> tuple[Via, ...]:
        return self._every("via", parse_vias)

    @property
    def from_(self) -> NameAddr | None:
        return self._first("from", parse_name_addr)

    @property
    def to(self) -> NameAddr | None:
        return self._first("to", parse_name_addr)

    @property
    def call_id(self) -> str | None:
        return self._first("call-id", _parse_call_id)

    @property
    def cseq(self) -> CSeq | None:
        return self._first("cseq", parse_cseq)

    @property
    def contact(self) -> NameAddr | None:
        """The first Contact; None also for ``Contact: *``."""
        contacts = self.contacts
        return contacts[0] if contacts else None

    @property
    def contacts(self) -> tuple[NameAddr, ...]:
        return self._every("contact", _parse_contacts)

    @property
    def wildcard_contact(self) -> bool:
        """Whether the Contact is ``*`` (RFC 3261 §10.2.2)."""
        return self.get("contact") == "*"

    @property
    def route(self) -> NameAddr | None:
        return self._first_address("route")

    @property
    def routes(self) -> tuple[NameAddr, ...]:
        return self._every("route", parse_name_addrs)

    @property
    def record_route(self) -> NameAddr | None:
        return self._first_address("record-route")

    @property
    def record_routes(self) -> tuple[NameAddr, ...]:
        return self._every("record-route", parse_name_addrs)

    @property
    def paths(self) -> tuple[NameAddr, ...]:
        """The Path values (RFC 3327)."""
        return self._every("path", parse_name_addrs)

    @property
    def service_routes(self) -> tuple[NameAddr, ...]:
        """The Service-Route values (RFC 3608)."""
        return self._every("service-route", parse_name_addrs)

    @property
    def max_forwards(self) -> int | None:
        return self._number("max-forwards", 255)

    @property
    def expires(self) -> int | None:
        """The Expires header field, in seconds."""
        return self._number("expires", MAX_DELTA_SECONDS)

    @property
    def min_expires(self) -> int | None:
        """The Min-Expires header field of a 423, in seconds."""
        return self._number("min-expires", MAX_DELTA_SECONDS)

    @property
    def content_length(self) -> int | None:
        return self._number("content-length", MAX_SIZE)

    @property
    def content_type(self) -> str | None:
        """The Content-Type header field as received, parameters included."""
        return self.get("content-type")

    @property
    def media_type(self) -> str | None:
        """The Content-Type in lower case, without its parameters: ``text/plain``."""
        value = self.get("content-type")
        return None if value is None else "".join(value.partition(";")[0].split()).lower()

    @property
    def text(self) -> str:
        """The body as text, in the charset of the Content-Type when that is one we read, else UTF-8."""
        charset = _CHARSET.search(self.get("content-type") or "")
        name = charset[1].lower() if charset else "utf-8"
        return self.body.decode(_CHARSETS.get(name, "utf-8"), "replace")

    @property
    def require(self) -> tuple[str, ...]:
        return self.get_list("require")

    @property
    def supported(self) -> tuple[str, ...]:
        return self.get_list("supported")

    @property
    def unsupported(self) -> tuple[str, ...]:
        return self.get_list("unsupported")

    @property
    def proxy_require(self) -> tuple[str, ...]:
        return self.get_list("proxy-require")

    @property
    def allow(self) -> tuple[str, ...]:
        return self.get_list("allow")

    @property
    def accept(self) -> tuple[str, ...]:
        """The media ranges of Accept, parameters included."""
        return self.get_list("accept")

    # Changed copies

    def _copy(self, headers: tuple[tuple[str, str], ...], body: bytes) -> Self:
        raise NotImplementedError

    def with_header(self, name: str, value: str) -> Self:
        """Return a copy whose only header field ``name`` is ``value``: in the old one's place, or at the end."""
        _check_header(name, value)
        key = _key(name)
        headers: list[tuple[str, str]] = []
        placed = False
        for field in self.headers:
            if _key(field[0]) != key:
                headers.append(field)
            elif not placed:
                headers.append((name, value))
                placed = True
        if not placed:
            headers.append((name, value))
        return self._copy(tuple(headers), self.body)

    def with_added(self, name: str, value: str) -> Self:
        """Return a copy with one more header field at the end."""
        _check_header(name, value)
        return self._copy((*self.headers, (name, value)), self.body)

    def with_prepended(self, name: str, value: str) -> Self:
        """Return a copy with one more header field before all others."""
        _check_header(name, value)
        return self._copy(((name, value), *self.headers), self.body)

    def without(self, name: str) -> Self:
        """Return a copy that has no header field ``name``."""
        key = _key(name)
        return self._copy(tuple([field for field in self.headers if _key(field[0]) != key]), self.body)

    def with_body(self, body: bytes, content_type: str | None) -> Self:
        """Return a copy with this body; None as ``content_type`` removes the header field."""
        copy = self.without("content-length")
        copy = copy.without("content-type") if content_type is None else copy.with_header("Content-Type", content_type)
        return copy._copy(copy.headers, body)

    def validate(self) -> None:
        """Check everything that is known about: mandatory header fields, and the syntax of all; ParseError."""
        # Imported here: its expressions are slow to compile and a running user agent seldom needs them.
        from sipcli.sip.validation import validate

        validate(self)


class Request(Message):
    """A request (RFC 3261 §7.1)."""

    __slots__ = ("_uri", "method", "uri_text")

    method: str
    uri_text: str
    """The Request-URI as it stands on the wire."""
    _uri: AnyURI | None

    def __init__(self, method: str, uri: AnyURI | str, headers: Headers = (), body: bytes = b"") -> None:
        """Build a request; ValueError for what cannot stand in a start line or header field."""
        if method not in _METHODS and _TOKEN.fullmatch(method) is None:
            raise ValueError(f"not a method: {method!r}")
        self.method = method
        self.uri_text = str(uri)
        if not self.uri_text or " " in self.uri_text or _UNSAFE.search(self.uri_text):
            raise ValueError(f"not a Request-URI: {self.uri_text!r}")
        self._uri = None if isinstance(uri, str) else uri
        self._build(headers, body)

    @property
    def uri(self) -> AnyURI:
        """The Request-URI; ParseError when it is malformed."""
        uri = self._uri
        if uri is None:
            uri = self._uri = parse_uri(self.uri_text)
        return uri

    @property
    def start_line(self) -> str:
        return f"{self.method} {self.uri_text} {self.version}"

    def _copy(self, headers: tuple[tuple[str, str], ...], body: bytes) -> Self:
        copy = type(self).__new__(type(self))
        copy.method = self.method
        copy.uri_text = self.uri_text
        copy._uri = self._uri
        copy.version = self.version
        _fill(copy, headers, body)
        return copy

    def with_uri(self, uri: AnyURI) -> Request:
        """Return a copy with another Request-URI."""
        return Request(self.method, uri)._copy(self.headers, self.body)


class Response(Message):
    """A response (RFC 3261 §7.2)."""

    __slots__ = ("reason", "status")

    status: int
    reason: str

    def __init__(self, status: int, reason: str, headers: Headers = (), body: bytes = b"") -> None:
        """Build a response; ValueError for what cannot stand in a start line or header field."""
        if not 100 <= status <= 699:
            raise ValueError(f"not a status code: {status}")
        if _UNSAFE.search(reason):
            raise ValueError(f"not a reason phrase: {reason!r}")
        self.status = status
        self.reason = reason
        self._build(headers, body)

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
    message._fields = headers
    message._index = None
    message._cache = {}
    message.body = body
    message.original = None


def _check_header(name: str, value: str) -> None:
    if _TOKEN.fullmatch(name) is None:
        raise ValueError(f"not a header name: {name!r}")
    if _UNSAFE.search(value):
        raise ValueError(f"{name}: CR, LF and NUL cannot be in a header, got: {value!r}")


def _key(name: str) -> str:
    """Return what all spellings of a header name have in common: the long form in lower case."""
    key = _SPELLINGS.get(name)
    if key is None:
        key = name.strip(" \t").lower()
        key = _COMPACT.get(key, key)
        if len(name) <= _SPELLING_LENGTH and len(_SPELLINGS) < _SPELLINGS_LIMIT:
            _SPELLINGS[name] = key
    return key


def _parse_top_via(text: str) -> Via:
    return parse_via_parm(text, 0)[0]


def _parse_contacts(text: str) -> list[NameAddr]:
    return [] if text.strip(" \t") == "*" else parse_name_addrs(text)


def _parse_call_id(text: str) -> str:
    call_id = text.strip(" \t")
    if not call_id or " " in call_id or "\t" in call_id:
        raise ParseError("callid", text)
    return call_id


def parse(data: bytes, *, strict: bool = False) -> Request | Response:
    """Return the message that ``data`` is; ParseError, and nothing else, when it is none.

    Without ``strict`` only the framing is judged: start line, names of header fields, sizes, Content-Length. Octets
    that are not UTF-8 become surrogates, and octets again in ``serialize``.
    """
    if len(data) > MAX_SIZE:
        raise ParseError(f"message of at most {MAX_SIZE} octets", f"{len(data)} octets")
    start = 0
    if data[:1] in (b"\r", b"\n"):
        # RFC 3261 §7.5: empty lines before the start line are passed over.
        start = len(data) - len(data.lstrip(b"\r\n"))
    end = data.find(b"\r\n\r\n", start)
    if end < 0:
        raise ParseError("empty line after the header fields", data[-60:].decode("utf-8", "replace"))
    if end - start > MAX_HEAD_SIZE:
        raise ParseError(f"head of at most {MAX_HEAD_SIZE} octets", f"{end - start} octets")
    head = data[start:end].decode("utf-8", "surrogateescape")
    if "\r\n " in head or "\r\n\t" in head:
        head = _FOLD.sub(" ", head)
    lines = head.split("\r\n")
    # A bare CR or LF is a line end to some: it must not come in here and go out in a response.
    if head.count("\n") != len(lines) - 1 or head.count("\r") != len(lines) - 1:
        raise ParseError("line without a bare CR or LF", _shortened(next(line for line in lines if _has_bare(line))))
    if len(lines) > MAX_HEADERS:
        raise ParseError(f"at most {MAX_HEADERS} header fields", f"{len(lines)} lines")
    message = _parse_start_line(lines.pop(0))
    index: dict[str, list[str]] = {}
    spellings = _SPELLINGS
    for line in lines:
        name, colon, value = line.partition(":")
        key = spellings.get(name) or _key(name)
        if not colon or not key:
            raise ParseError("header field", _shortened(line))
        if key in index:
            index[key].append(value)
        else:
            index[key] = [value]
    message._fields = lines
    message._index = index
    message._cache = {}
    message.original = data
    message.body = data[end + 4 :]
    if "content-length" in index:
        _cut_body(message, index["content-length"])
    if strict:
        message.validate()
    return message


def _has_bare(line: str) -> bool:
    return "\r" in line or "\n" in line


def _shortened(text: str) -> str:
    return text[:200]


def _parse_start_line(line: str) -> Request | Response:
    if line[:4].upper() == "SIP/":
        match = _STATUS_LINE.fullmatch(line)
        if match is None:
            raise ParseError("Status-Line", _shortened(line))
        response = Response.__new__(Response)
        response.version = match[1]
        response.status = int(match[2])
        response.reason = match[3] or ""
        return response
    method, _, rest = line.partition(" ")
    # Spaces round the Request-URI stay with it and make it malformed, which is answered with 400 (RFC 4475 §3.1.2).
    uri, _, version = rest.rstrip(" ").rpartition(" ")
    if version != "SIP/2.0" and _VERSION.fullmatch(version) is None:
        raise ParseError("Request-Line", _shortened(line))
    if not uri or (method not in _METHODS and _TOKEN.fullmatch(method) is None):
        raise ParseError("Request-Line", _shortened(line))
    request = Request.__new__(Request)
    request.method = method
    request.uri_text = uri
    request._uri = None
    request.version = version
    return request


# RFC 3261 §18.3 for a transport that carries whole messages: too long a body is cut, too short a one is an error.
def _cut_body(message: Request | Response, values: list[str]) -> None:
    length = None
    for value in values:
        text = value.strip(" \t")
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
    raise MalformedMessage(rule, _shortened(text), message) from None


def serialize(message: Message) -> bytes:
    """Return the octets of a message, with the Content-Length that its body has."""
    length = str(len(message.body))
    lines = [message.start_line]
    measured = False
    for name, value in message.headers:
        if _key(name) == "content-length":
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
        _check_header("Content-Type", content_type)
        added = (*added, ("Content-Type", content_type))
    return response._copy((*copied, *added), body)


def _has_tag(request: Request, value: str) -> bool:
    try:
        to = request.to
    except ParseError:
        return _HAS_TAG.search(value) is not None
    return to is not None and to.tag is not None
