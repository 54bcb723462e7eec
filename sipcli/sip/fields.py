"""What every message has: header fields as text and as values, and a body (RFC 3261 §7.3, §7.4, §20)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Self

from sipcli.sip.errors import ParseError
from sipcli.sip.grammar import TOKEN, parse_digits, split_list
from sipcli.sip.headers import (
    MAX_DELTA_SECONDS,
    FirstValue,
    NameAddr,
    Via,
    parse_address,
    parse_cseq,
    parse_name_addrs,
    parse_via_parm,
    parse_vias,
)
from sipcli.sip.lazy import Every, First, lazy
from sipcli.sip.names import header_key

__all__ = ["MAX_SIZE", "TOKEN_PATTERN", "Message", "check_headers", "is_safe"]

# A frame of the transport is no larger either.
MAX_SIZE = 1 << 20

TOKEN_PATTERN = re.compile(TOKEN + "++")
# Surrogates other than those that stand for octets which are not UTF-8.
_NO_OCTETS = re.compile("[\ud800-\udc7f\udd00-\udfff]")
_CHARSET = re.compile(r';[ \t]*charset[ \t]*=[ \t]*"?([^";, \t]+)', re.IGNORECASE)
# Names of codecs come from strangers, and Python has codecs that are no charsets.
_CHARSETS = {"utf-8": "utf-8", "us-ascii": "ascii", "iso-8859-1": "iso-8859-1"}


@lru_cache(maxsize=256)
def _check_name(name: str) -> None:
    if TOKEN_PATTERN.fullmatch(name) is None:
        raise ValueError(f"not a header name: {name!r}")


def is_safe(text: str) -> bool:
    """Return whether ``text`` can stand in a line of a message: no CR, LF or NUL, nothing that has no octets."""
    if "\r" in text or "\n" in text or "\0" in text:
        return False
    return text.isascii() or _NO_OCTETS.search(text) is None


def check_headers(headers: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """Return the header fields; ValueError for a name that is no token and a value with CR, LF or NUL."""
    fields = tuple(headers)
    for name, value in fields:
        _check_name(name)
        if not is_safe(value):
            raise ValueError(f"{name}: CR, LF and NUL cannot be in a header, got: {value!r}")
    return fields


def _parse_contact(text: str, pos: int) -> tuple[NameAddr | None, int]:
    return (None, len(text)) if text.strip(" \t") == "*" else parse_address(text, pos)


def _parse_contacts(text: str) -> list[NameAddr]:
    return [] if text.strip(" \t") == "*" else parse_name_addrs(text)


def _parse_call_id(text: str) -> str:
    call_id = text.strip(" \t")
    if not call_id or " " in call_id or "\t" in call_id:
        raise ParseError("callid", text)
    return call_id


def _number(rule: str, limit: int) -> Callable[[str], int]:
    return lambda text: parse_digits(text.strip(" \t"), rule, limit)


class Message:
    """What requests and responses have in common. Immutable; the ``with_`` methods return changed copies."""

    body: bytes
    original: bytes | None = None
    """The octets received; None for a message built here."""
    version: str = "SIP/2.0"
    # The lines of a received message, cut at the first colon; a built one has ``headers`` instead.
    _names: list[str]

    @lazy
    def headers(self) -> tuple[tuple[str, str], ...]:
        """Names as received and values unfolded, in order."""
        return tuple(
            [(name.strip(" \t"), value.strip(" \t")) for name, value in zip(self._names, self._values, strict=True)]
        )

    @lazy
    def _keys(self) -> list[str]:
        return [header_key(name) for name, _ in self.headers]

    @lazy
    def _values(self) -> list[str]:
        return [value for _, value in self.headers]

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
        keys = self._keys
        key = header_key(name)
        return self._values[keys.index(key)].strip(" \t") if key in keys else None

    def get_all(self, name: str) -> list[str]:
        """Return all header fields called ``name``, one element a line."""
        key = header_key(name)
        return [value.strip(" \t") for own, value in zip(self._keys, self._values, strict=True) if own == key]

    def get_list(self, name: str) -> tuple[str, ...]:
        """Return the elements of a comma-separated header field, over all its lines."""
        return tuple([element for value in self.get_all(name) for element in split_list(value)])

    # Header fields as values: ParseError when malformed, None or () when absent

    via = FirstValue("via", Via, parse_via_parm)
    """The topmost Via value."""
    vias = Every("via", parse_vias)
    from_ = FirstValue("from", NameAddr, parse_address, single=True)
    to = FirstValue("to", NameAddr, parse_address, single=True)
    call_id = First("call-id", _parse_call_id)
    cseq = First("cseq", parse_cseq)
    contact = FirstValue("contact", NameAddr, _parse_contact)
    """The first Contact value; None also for ``Contact: *``."""
    contacts = Every("contact", _parse_contacts)
    route = FirstValue("route", NameAddr, parse_address)
    routes = Every("route", parse_name_addrs)
    record_route = FirstValue("record-route", NameAddr, parse_address)
    record_routes = Every("record-route", parse_name_addrs)
    paths = Every("path", parse_name_addrs)
    """The Path values (RFC 3327)."""
    service_routes = Every("service-route", parse_name_addrs)
    """The Service-Route values (RFC 3608)."""
    max_forwards = First("max-forwards", _number("Max-Forwards", 255))
    expires = First("expires", _number("Expires", MAX_DELTA_SECONDS))
    """The Expires header field, in seconds."""
    min_expires = First("min-expires", _number("Min-Expires", MAX_DELTA_SECONDS))
    """The Min-Expires header field of a 423, in seconds."""
    content_length = First("content-length", _number("Content-Length", MAX_SIZE))
    require = Every("require", split_list)
    supported = Every("supported", split_list)
    unsupported = Every("unsupported", split_list)
    proxy_require = Every("proxy-require", split_list)
    allow = Every("allow", split_list)
    accept = Every("accept", split_list)
    """The media ranges of Accept, parameters included."""

    @property
    def wildcard_contact(self) -> bool:
        """Whether the Contact is ``*`` (RFC 3261 §10.2.2)."""
        return self.get("contact") == "*"

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

    # Changed copies

    def _copy(self, headers: tuple[tuple[str, str], ...], body: bytes) -> Self:
        raise NotImplementedError

    def with_header(self, name: str, value: str) -> Self:
        """Return a copy whose only header field ``name`` is ``value``: in the old one's place, or at the end."""
        check_headers([(name, value)])
        key = header_key(name)
        headers: list[tuple[str, str]] = []
        placed = False
        for field in self.headers:
            if header_key(field[0]) != key:
                headers.append(field)
            elif not placed:
                headers.append((name, value))
                placed = True
        if not placed:
            headers.append((name, value))
        return self._copy(tuple(headers), self.body)

    def with_added(self, name: str, value: str) -> Self:
        """Return a copy with one more header field at the end."""
        check_headers([(name, value)])
        return self._copy((*self.headers, (name, value)), self.body)

    def with_prepended(self, name: str, value: str) -> Self:
        """Return a copy with one more header field before all others."""
        check_headers([(name, value)])
        return self._copy(((name, value), *self.headers), self.body)

    def without(self, name: str) -> Self:
        """Return a copy that has no header field ``name``."""
        key = header_key(name)
        return self._copy(tuple([field for field in self.headers if header_key(field[0]) != key]), self.body)

    def with_body(self, body: bytes, content_type: str | None) -> Self:
        """Return a copy with this body; None as ``content_type`` removes the header field."""
        copy = self.without("content-length")
        copy = copy.without("content-type") if content_type is None else copy.with_header("Content-Type", content_type)
        return copy._copy(copy.headers, body)

    def validate(self) -> None:
        """Check all that is known: mandatory header fields, and the syntax of everything; ParseError."""
        # Imported here: its expressions are slow to compile, and a running user agent seldom needs them.
        from sipcli.sip.validation import validate

        validate(self)

    def check(self) -> None:
        """Check what processing depends on, and let the rest be (RFC 3261 §8.2, §16.3); ParseError."""
        from sipcli.sip.validation import check

        check(self)
