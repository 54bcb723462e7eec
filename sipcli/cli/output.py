"""Outcomes, the table of exit codes, JSON Lines and lines for people."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, TextIO

from sipcli.escape import escape, escape_body
from sipcli.sip.events import Cause
from sipcli.sip.message import Response
from sipcli.trace import timestamp

__all__ = ["EXIT_CODES", "ExitCode", "Outcome", "Output", "colour_allowed", "exit_code_of", "exit_code_of_status"]


class ExitCode(IntEnum):
    """Why a command ended."""

    SUCCESS = 0
    INTERNAL_ERROR = 1
    USAGE = 2
    REJECTED = 3
    AUTHENTICATION = 4
    TIMEOUT = 5
    BUSY = 6
    CONFIGURATION = 7
    CONNECTION = 8
    UNAVAILABLE = 9
    NO_ANSWER = 10
    MEDIA = 11
    REDIRECTED = 12
    EXPECTATION = 13
    INTERRUPTED = 130
    TERMINATED = 143


# What the manual says of each code; the order is the manual's.
EXIT_CODES: dict[ExitCode, str] = {
    ExitCode.SUCCESS: "success",
    ExitCode.INTERNAL_ERROR: "internal error, Dialog Error",
    ExitCode.USAGE: "wrong usage: an unknown option, a bad argument or a bad value of a flag",
    ExitCode.REJECTED: "Rejected (403, 603) and every failure code that is not listed",
    ExitCode.AUTHENTICATION: "Authentication Error (401, 407), or a challenge and no password",
    ExitCode.TIMEOUT: "Request Timeout (also a received 408), No ACK, No PRACK, an expired registration",
    ExitCode.BUSY: "Busy (486, 600)",
    ExitCode.CONFIGURATION: "configuration: a missing parameter, or a bad one in a file or the environment",
    ExitCode.CONNECTION: "Connection Error: DNS, TCP, TLS, WebSocket, or the connection was lost",
    ExitCode.UNAVAILABLE: "Not Found (404, 604), Unavailable (410, 430, 480), Address Incomplete (484)",
    ExitCode.NO_ANSWER: "No Answer, Canceled (487), a call that expired",
    ExitCode.MEDIA: "media: Incompatible SDP (488, 606), WebRTC Error, Bad Media Description, RTP Timeout",
    ExitCode.REDIRECTED: "Redirected (300, 301, 302, 305, 380) and not followed",
    ExitCode.EXPECTATION: "an expectation was not met",
    ExitCode.INTERRUPTED: "interrupted (SIGINT)",
    ExitCode.TERMINATED: "terminated (SIGTERM)",
}

_CODE_OF_CAUSE: dict[Cause, ExitCode] = {
    Cause.CONNECTION_ERROR: ExitCode.CONNECTION,
    Cause.REQUEST_TIMEOUT: ExitCode.TIMEOUT,
    Cause.SIP_FAILURE_CODE: ExitCode.REJECTED,
    Cause.INTERNAL_ERROR: ExitCode.INTERNAL_ERROR,
    Cause.BUSY: ExitCode.BUSY,
    Cause.REJECTED: ExitCode.REJECTED,
    Cause.REDIRECTED: ExitCode.REDIRECTED,
    Cause.UNAVAILABLE: ExitCode.UNAVAILABLE,
    Cause.NOT_FOUND: ExitCode.UNAVAILABLE,
    Cause.ADDRESS_INCOMPLETE: ExitCode.UNAVAILABLE,
    Cause.INCOMPATIBLE_SDP: ExitCode.MEDIA,
    Cause.AUTHENTICATION_ERROR: ExitCode.AUTHENTICATION,
    Cause.DIALOG_ERROR: ExitCode.INTERNAL_ERROR,
    Cause.WEBRTC_NOT_SUPPORTED: ExitCode.MEDIA,
    Cause.WEBRTC_ERROR: ExitCode.MEDIA,
    Cause.CANCELED: ExitCode.NO_ANSWER,
    Cause.NO_ANSWER: ExitCode.NO_ANSWER,
    Cause.EXPIRES: ExitCode.NO_ANSWER,
    Cause.NO_ACK: ExitCode.TIMEOUT,
    Cause.NO_PRACK: ExitCode.TIMEOUT,
    Cause.USER_DENIED_MEDIA_ACCESS: ExitCode.MEDIA,
    Cause.BAD_MEDIA_DESCRIPTION: ExitCode.MEDIA,
    Cause.RTP_TIMEOUT: ExitCode.MEDIA,
    Cause.TERMINATED: ExitCode.SUCCESS,
}


def exit_code_of(cause: Cause, *, registration: bool = False) -> ExitCode:
    """Return the exit code of a cause: a ``registration`` that expired is a timeout, a call was not answered."""
    if registration and cause is Cause.EXPIRES:
        return ExitCode.TIMEOUT
    return _CODE_OF_CAUSE[cause]


def exit_code_of_status(status: int) -> ExitCode:
    """Return the exit code of a final status code."""
    return ExitCode.SUCCESS if status < 300 else exit_code_of(Cause.of_status(status))


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a command ended: what the ``result`` line and the exit code say.

    ``fields`` are the command's own fields of the ``result`` line, ``problem`` says in words what SIP has no words
    for, ``hints`` are lines that say what to try. ``explained``: people have been told why already.
    """

    exit_code: int = ExitCode.SUCCESS
    """One of ``ExitCode``, or that of a program which the command ran."""
    cause: Cause | None = None
    status: int | None = None
    reason: str | None = None
    problem: str | None = None
    fields: Mapping[str, object] = field(default_factory=dict)
    hints: tuple[str, ...] = ()
    explained: bool = False

    @property
    def ok(self) -> bool:
        """Whether the command did what was asked."""
        return self.exit_code == ExitCode.SUCCESS

    @classmethod
    def of_response(cls, response: Response, cause: Cause | None = None) -> Outcome:
        """Return the outcome that a final response amounts to."""
        if response.status < 300:
            return cls(status=response.status, reason=response.reason)
        cause = cause or Cause.of_status(response.status)
        return cls(exit_code_of(cause), cause, response.status, response.reason)

    @classmethod
    def of_cause(cls, cause: Cause, problem: str | None = None, *, registration: bool = False) -> Outcome:
        """Return the outcome of a failure without a final response."""
        return cls(exit_code_of(cause, registration=registration), cause, problem=problem)

    @classmethod
    def usage(cls, problem: str, *hints: str) -> Outcome:
        """Return the outcome of wrong usage: a flag or an argument is at fault."""
        return cls(ExitCode.USAGE, problem=problem, hints=hints)

    @classmethod
    def configuration(cls, problem: str, *hints: str) -> Outcome:
        """Return the outcome of a bad or missing parameter: a file or the environment is at fault."""
        return cls(ExitCode.CONFIGURATION, problem=problem, hints=hints)


def colour_allowed(stream: TextIO, environ: Mapping[str, str], *, no_color: bool = False) -> bool:
    """Say whether ``stream`` may be coloured: a terminal that nobody forbade, or ``FORCE_COLOR``."""
    if no_color or environ.get("NO_COLOR"):
        return False
    if environ.get("FORCE_COLOR"):
        return True
    return environ.get("TERM") != "dumb" and stream.isatty()


def _encodable(value: Any) -> Any:
    """Return ``value`` for JSON, which cannot hold octets that were not UTF-8: they become ``\\xNN``."""
    if isinstance(value, str) and not value.isascii():
        return value.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    if isinstance(value, Mapping):
        return {str(key): _encodable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_encodable(item) for item in value]
    return value


_STYLES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}


class Output:
    """The edge of the program: results on standard output, everything else on standard error.

    Text given to ``line``, ``note``, ``warning`` and ``failure`` may hold what a peer wrote: it is escaped here.
    ``quiet`` 1 leaves the result, 2 leaves the exit code; ``verbose`` 1 to 3 adds notes. JSON is not shortened.
    """

    def __init__(
        self,
        *,
        json: bool = False,
        verbose: int = 0,
        quiet: int = 0,
        no_color: bool = False,
        environ: Mapping[str, str] | None = None,
        stdout: TextIO | None = None,
        stderr: TextIO | None = None,
    ) -> None:
        self.json = json
        self.verbose = verbose
        self.quiet = quiet
        self.stdout = sys.stdout if stdout is None else stdout
        self.stderr = sys.stderr if stderr is None else stderr
        environ = os.environ if environ is None else environ
        self.colour_out = colour_allowed(self.stdout, environ, no_color=no_color)
        self.colour_err = colour_allowed(self.stderr, environ, no_color=no_color)
        self.closed = False
        """Whether the reader of standard output has gone: nothing more is written to it."""
        self._transient = False
        self.on_closed: Callable[[], None] | None = None
        """Called once when the reader of standard output has gone."""

    # For programs

    def event(self, name: str, /, **fields: object) -> None:
        """Write one JSON line, when JSON was asked for; the fields keep their order."""
        if self.json:
            line = {"v": 1, "ts": timestamp(time.time()), "event": name, **fields}
            self._write_out(json.dumps(_encodable(line)) + "\n")

    def result(self, command: str, outcome: Outcome) -> None:
        """Say how the command ended: the last JSON line, and for people why it failed."""
        error = {} if outcome.ok else {"error": outcome.problem or self._headline(outcome)}
        self.event(
            "result",
            ok=outcome.ok,
            exit_code=int(outcome.exit_code),
            command=command,
            cause=None if outcome.cause is None else str(outcome.cause),
            status=outcome.status,
            reason=outcome.reason,
            **outcome.fields,
            **error,
        )
        if not outcome.ok and not outcome.explained:
            self.failure(outcome)

    # For people

    def line(self, text: str = "", *, style: str | None = None, bullet: str | None = None) -> None:
        """Write one line of the result; nothing with JSON or ``-qq``. ``bullet`` is a mark before it, styled alone."""
        if not self.json and self.quiet < 2:
            self._write_out(self._render(text, style, bullet, self.colour_out) + "\n")

    def block(self, text: str, *, indent: str = "") -> None:
        """Write text of several lines, each after ``indent``; nothing with JSON or ``-qq``."""
        if not self.json and self.quiet < 2:
            lines = escape_body(text.replace("\r\n", "\n")).removesuffix("\n").split("\n")
            self._write_out("".join([f"{indent}{line}\n" for line in lines]))

    def note(self, text: str, *, level: int = 0, style: str | None = None) -> None:
        """Write one line of talk to standard error from ``-v`` times ``level`` on, unless ``-q``."""
        if self.verbose >= level and not self.quiet:
            self._write_err(self._render(text, style or ("dim" if level else None), None, self.colour_err))

    def warning(self, text: str) -> None:
        """Write a warning to standard error, unless ``-qq``."""
        if self.quiet < 2:
            self._write_err(self._render(text, None, "warning:", self.colour_err, "yellow"))

    def failure(self, outcome: Outcome) -> None:
        """Explain a failure on standard error, unless ``-qq``."""
        if self.quiet >= 2 or outcome.exit_code in (ExitCode.INTERRUPTED, ExitCode.TERMINATED):
            return
        text = f"{self._headline(outcome)}  (exit {int(outcome.exit_code)})"
        self._write_err(self._render(text, None, "✗", self.colour_err, "red"))
        for hint in outcome.hints:
            self._write_err("  " + escape(hint))

    def show_transient(self, text: str) -> None:
        """Write a line to a terminal that the next output replaces."""
        columns = os.get_terminal_size(self.stderr.fileno()).columns
        self._transient = True
        self.stderr.write("\r\x1b[K" + escape(text)[: columns - 1])
        self.stderr.flush()

    def clear_transient(self) -> None:
        """Take that line away, before something else is written to the terminal."""
        if self._transient:
            self._transient = False
            self.stderr.write("\r\x1b[K")
            self.stderr.flush()

    @staticmethod
    def _headline(outcome: Outcome) -> str:
        parts = []
        if outcome.status is not None:
            parts.append(f"{outcome.status} {outcome.reason or ''}".rstrip())
        if outcome.cause is not None and outcome.cause != outcome.reason:
            parts.append(str(outcome.cause))
        if outcome.problem is not None:
            parts.append(outcome.problem)
        return ": ".join(parts) or EXIT_CODES[ExitCode(outcome.exit_code)]

    @staticmethod
    def _render(text: str, style: str | None, bullet: str | None, colour: bool, bullet_style: str = "green") -> str:
        text = escape(text)
        if not colour:
            return text if bullet is None else f"{bullet} {text}"
        if style is not None:
            text = f"\x1b[{_STYLES[style]}m{text}\x1b[0m"
        return text if bullet is None else f"\x1b[{_STYLES[bullet_style]}m{bullet}\x1b[0m {text}"

    # The streams

    def _write_out(self, text: str) -> None:
        if self.closed:
            return
        self.clear_transient()
        try:
            self.stdout.write(text)
            self.stdout.flush()
        except BrokenPipeError:
            self.close()

    def write_bytes(self, data: Sequence[bytes]) -> None:
        """Write octets to standard output as they are, for files and pipes that asked for them."""
        if self.closed:
            return
        try:
            self.stdout.flush()
            self.stdout.buffer.write(b"".join(data))
            self.stdout.buffer.flush()
        except BrokenPipeError:
            self.close()

    def _write_err(self, text: str) -> None:
        self.clear_transient()
        try:
            self.stderr.write(text + "\n")
            self.stderr.flush()
        except BrokenPipeError:
            self.lose_stderr()

    def lose_stderr(self) -> None:
        """Stop talking: nobody reads standard error any more; the exit code still tells."""
        os.dup2(os.open(os.devnull, os.O_WRONLY), self.stderr.fileno())

    def close(self) -> None:
        """Stop writing to standard output: its reader has gone."""
        self.closed = True
        # Python flushes standard output once more at exit, and would complain there.
        os.dup2(os.open(os.devnull, os.O_WRONLY), self.stdout.fileno())
        if self.on_closed is not None:
            self.on_closed()
