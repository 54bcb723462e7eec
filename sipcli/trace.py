"""The trace: messages in and out, numbered, without secrets (RFC 7616 §3.4), as text or JSON Lines."""

from __future__ import annotations

import os
import re
import stat
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TextIO

from sipcli.escape import escape, escape_body

__all__ = [
    "FileSink",
    "Trace",
    "TraceRecord",
    "TraceSink",
    "as_json",
    "as_text",
    "heading",
    "message_text",
    "redact",
    "text_sink",
    "timestamp",
]


@dataclass(frozen=True, slots=True)
class TraceRecord:
    """One message, or one CRLF keep-alive, as it was on the wire."""

    n: int
    """Counts the records of a user agent from 1."""
    ts: float
    """Seconds since the epoch."""
    sent: bool
    flow: str
    """The URL of the connection."""
    data: bytes


TraceSink = Callable[[TraceRecord], None]

_HIDDEN = b"***"

# A header field at the start of a line, its value with the lines folded into it. Bodies are searched too: a
# message/sipfrag repeats the header fields of another message.
_FIELD = re.compile(
    rb"^(authorization|proxy-authorization|authentication-info|proxy-authentication-info|cookie|cookie2|set-cookie)"
    rb"([ \t]*:[ \t]*(?:\r?\n[ \t]+)*)([^\r\n]*(?:\r?\n[ \t]+[^\r\n]*)*)",
    re.IGNORECASE | re.MULTILINE,
)
_SCHEME = re.compile(rb"(digest|basic|bearer)(\s+)(?=\S)", re.IGNORECASE)
# Begins at the beginning of a word and never gives back: no value makes this quadratic.
_PARAMETER = re.compile(rb"(?<![^\s,;=\"])([^\s,;=\"]++)(\s*+=\s*+)(\"(?:[^\"\\]|\\.)*+\"?|[^\s,\"]*)", re.DOTALL)
# What RFC 7616 puts into a challenge, or that says nothing of the password. All else is hidden, known or not.
_PUBLIC = frozenset(
    b"username username* realm nonce nextnonce uri algorithm qop nc opaque userhash stale domain charset".split()
)
# user ":" password "@" in a URI, SIP's or the server's (RFC 3261 §19.1.1, RFC 3986 §3.2.1).
_USERINFO = re.compile(rb"(\b(?:sips?:|wss?://)[^\s:@<>\"]*):[^\s:@<>\";?]+@", re.IGNORECASE)


def redact(data: bytes) -> bytes:
    """Return ``data`` with everything that proves knowledge of a secret cut to ``***``.

    That is the digest response and what else is made with the nonce, whole credentials of other schemes, cookies,
    and passwords in URIs.
    """
    return _FIELD.sub(_redact_field, _without_passwords(data))


def _without_passwords(data: bytes) -> bytes:
    return _USERINFO.sub(rb"\1:***@", data)


def _redact_field(match: re.Match[bytes]) -> bytes:
    name, colon, value = match.groups()
    lowered = name.lower()
    if lowered.endswith(b"-info"):
        return name + colon + _PARAMETER.sub(_redact_parameter, value)
    scheme = None if b"cookie" in lowered else _SCHEME.match(value)
    if scheme is None:
        return name + colon + _HIDDEN
    if scheme[1].lower() != b"digest":
        return name + colon + scheme[0] + _HIDDEN
    return name + colon + scheme[0] + _PARAMETER.sub(_redact_parameter, value[scheme.end() :])


def _redact_parameter(match: re.Match[bytes]) -> bytes:
    name, equal, value = match.groups()
    if name.lower() in _PUBLIC:
        return match[0]
    return name + equal + (b'"***"' if value.startswith(b'"') else _HIDDEN)


# How a record looks


def timestamp(ts: float) -> str:
    """Return a time since the epoch as RFC 3339 text in UTC with milliseconds."""
    milliseconds = int(ts * 1000)
    seconds = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(milliseconds // 1000))
    return f"{seconds}.{milliseconds % 1000:03d}Z"


def as_json(record: TraceRecord, show_secrets: bool = False) -> dict[str, object]:
    """Return the object of a ``sip.sent`` or ``sip.received`` line. ``size`` is that of the wire, in octets."""
    return {
        "v": 1,
        "ts": timestamp(record.ts),
        "event": "sip.sent" if record.sent else "sip.received",
        "n": record.n,
        "flow": _flow(record),
        # JSON escapes control characters by itself; an octet that is not UTF-8 it could not hold.
        "text": _visible(record, show_secrets).decode("utf-8", "backslashreplace"),
        "size": len(record.data),
    }


def heading(record: TraceRecord) -> str:
    """Return the line above a message: direction, number, local time, flow, size."""
    milliseconds = int(record.ts * 1000)
    clock = time.strftime("%H:%M:%S", time.localtime(milliseconds // 1000))
    arrow = "→" if record.sent else "←"
    return f"{arrow} {record.n}  {clock}.{milliseconds % 1000:03d}  {escape(_flow(record))}  {len(record.data)} bytes"


def message_text(record: TraceRecord, show_secrets: bool = False) -> str:
    """Return the message as lines that are safe on a terminal, ended by a line feed."""
    text = _visible(record, show_secrets).decode("utf-8", "surrogateescape").replace("\r\n", "\n")
    # A line of a body must not pass for the heading of a message that never came.
    text = re.sub(r"^[→←]", lambda arrow: f"\\u{ord(arrow[0]):04x}", text, flags=re.MULTILINE)
    return escape_body(text).rstrip("\n") + "\n"


def as_text(record: TraceRecord, show_secrets: bool = False) -> str:
    """Return heading and message, with an empty line after it."""
    if not record.data.strip(b"\r\n"):
        return f"{heading(record)}  (keep-alive)\n\n"
    return f"{heading(record)}\n{message_text(record, show_secrets)}\n"


def _flow(record: TraceRecord) -> str:
    return _without_passwords(record.flow.encode("utf-8", "surrogateescape")).decode("utf-8", "surrogateescape")


def _visible(record: TraceRecord, show_secrets: bool) -> bytes:
    return _without_passwords(record.data) if show_secrets else redact(record.data)


# Where records go


class Trace:
    """Numbers what is traced and hands it to sinks; false while there are none."""

    __slots__ = ("_failed", "_sinks", "numbered")

    def __init__(self, sinks: Iterable[TraceSink], failed: Callable[[OSError], None]) -> None:
        """``failed`` is told when a sink cannot write, which ends that sink and nothing else."""
        self._sinks = tuple(sinks)
        self._failed = failed
        self.numbered = 0
        """How many messages have been."""

    def __bool__(self) -> bool:
        return bool(self._sinks)

    def add(self, sink: TraceSink) -> None:
        """Give a further sink what comes from now on."""
        self._sinks = (*self._sinks, sink)

    def remove(self, sink: TraceSink) -> None:
        """Give a sink nothing any more."""
        self._sinks = tuple(other for other in self._sinks if other is not sink)

    def record(self, ts: float, sent: bool, flow: str, data: bytes) -> None:
        """Trace one message; ``ts`` in seconds since the epoch."""
        self.numbered += 1
        record = TraceRecord(self.numbered, ts, sent, flow, data)
        for sink in self._sinks:
            try:
                sink(record)
            except OSError as error:
                # A full disk, or a reader that has gone.
                self.remove(sink)
                self._failed(error)


def text_sink(stream: TextIO, show_secrets: bool = False) -> TraceSink:
    """Return a sink that writes each record to ``stream`` as text, and flushes."""

    def sink(record: TraceRecord) -> None:
        stream.write(as_text(record, show_secrets))
        stream.flush()

    return sink


class FileSink:
    """A sink that writes a new file, for its owner alone: JSON Lines when its name ends in ``.jsonl``, else text.

    A file that exists is emptied, unless ``append``. Raises OSError when it cannot be written.
    """

    def __init__(self, path: str | os.PathLike[str], show_secrets: bool = False, *, append: bool = False) -> None:
        self._json = os.fspath(path).lower().endswith(".jsonl")
        self._show_secrets = show_secrets
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | (os.O_APPEND if append else os.O_TRUNC), 0o600)
        # The mode above holds for a new file only; a device or a pipe keeps its own.
        if hasattr(os, "fchmod") and stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.fchmod(descriptor, 0o600)
        self._file = os.fdopen(descriptor, "w", encoding="utf-8", newline="\n")

    def __call__(self, record: TraceRecord) -> None:
        """Write ``record``, at once."""
        if self._json:
            import json  # only where JSON was asked for

            self._file.write(json.dumps(as_json(record, self._show_secrets)) + "\n")
        else:
            self._file.write(as_text(record, self._show_secrets))
        self._file.flush()

    def close(self) -> None:
        """Close the file; closing twice is harmless."""
        self._file.close()
