"""The log of a user agent: events in words, for ``logging`` and for a connector (``log`` of SIP.js)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Literal

from sipcli.escape import escape
from sipcli.sip import events
from sipcli.sip.message import Request, Response

__all__ = ["DETAILS", "Connector", "Log"]

Level = Literal["error", "warn", "log", "debug"]
Connector = Callable[[str, str, str | None, str], object]
"""Called with level, category, label and content, all text but the label, which may be None."""

_NUMBERS: dict[str, int] = {"error": 0, "warn": 1, "log": 2, "debug": 3}
DETAILS = frozenset(
    (
        events.TransactionCreated,
        events.TransactionDestroyed,
        events.RequestSent,
        events.RequestProgress,
        events.RequestAccepted,
        events.RequestRejected,
        events.RequestCancelled,
    )
)
"""The events that only a ``detailed`` log tells of: several for every request, so nothing should be done for them."""
_STANDARD = {"error": logging.ERROR, "warn": logging.WARNING, "log": logging.INFO, "debug": logging.DEBUG}


class Log:
    """Hands on what is as important as ``level`` or more: 0 errors, 1 warnings, 2 the log, 3 the details.

    With ``builtin_enabled`` it goes to the standard loggers ``sipcli.CATEGORY``; to the connector it goes always.
    """

    __slots__ = ("_builtin_enabled", "_connector", "_label", "_level", "detailed")

    def __init__(
        self, level: int, builtin_enabled: bool, connector: Connector | None = None, label: str | None = None
    ) -> None:
        self._level = level
        self.detailed = level >= _NUMBERS["debug"]
        """Whether it tells of the ``DETAILS`` too."""
        self._builtin_enabled = builtin_enabled
        self._connector = connector
        self._label = label

    def write(self, level: Level, category: str, content: str) -> None:
        """Hand on one line; ``content`` may hold what a peer wrote."""
        if _NUMBERS[level] > self._level:
            return
        content = escape(content)
        if self._builtin_enabled:
            logging.getLogger(f"sipcli.{category}").log(_STANDARD[level], "%s", content)
        if self._connector is not None:
            try:
                self._connector(level, category, self._label, content)
            except Exception as error:
                # The program's own function: its failure is reported, and must not keep SIP from going on.
                context = {"message": "Exception in the log connector", "exception": error}
                asyncio.get_running_loop().call_exception_handler(context)

    def event(self, event: events.Event) -> None:
        """Hand on an event in words."""
        match event:
            case events.TransactionCreated():
                self.write("debug", "transaction", f"created {event.key}")
            case events.TransactionDestroyed():
                self.write("debug", "transaction", f"destroyed {event.key}")
            case events.Connecting():
                self.write("log", "transport", f"connecting to {event.url}, attempt {event.attempt}")
            case events.Connected():
                self.write("log", "transport", f"connected to {event.url} in {event.milliseconds:.1f} ms")
            case events.Disconnected():
                retry = "" if event.will_retry_in is None else f", next attempt in {event.will_retry_in:.1f} s"
                level: Level = "log" if event.cause is None else "warn"
                self.write(level, "transport", f"disconnected from {event.url}: {event.code} {event.reason}{retry}")
            case events.KeepAliveTimeout():
                self.write("warn", "transport", f"no answer to a keep-alive from {event.url}")
            case events.Registered():
                self.write("log", "registration", f"registered {event.contact} for {event.expires} s")
            case events.Unregistered():
                ending = _outcome(event.response, event.cause)
                self.write("log" if event.cause is None else "warn", "registration", f"unregistered: {ending}")
            case events.RegistrationFailed():
                self.write("warn", "registration", f"registration failed: {_outcome(event.response, event.cause)}")
            case events.CredentialsRequired():
                self.write("log", "authentication", f"credentials of {event.username} for {event.realm} wanted")
            case events.RequestSent():
                self.write("debug", "request", f"sent {event.request.method} {event.request.uri_text}")
            case events.RequestProgress() | events.RequestAccepted():
                self.write("debug", "request", _outcome(event.response, None))
            case events.RequestRejected():
                self.write("debug", "request", _outcome(event.response, event.cause))
            case events.RequestFailed():
                self.write("warn", "request", str(event.cause))
            case events.RequestCancelled():
                self.write("debug", "request", "cancelled")
            case events.MessageReceived() | events.InviteReceived() | events.NotifyReceived() | events.ReferReceived():
                self._received(event.request, "received")
            case events.IncomingCancelled():
                self._received(event.request, "cancelled")

    def _received(self, request: Request, verb: str) -> None:
        self.write("log", "request", f"{verb} {request.method} from {request.get('From') or 'nobody'}")


def _outcome(response: Response | None, cause: events.Cause | None) -> str:
    words = [] if response is None else [f"{response.status} {response.reason}"]
    if cause is not None:
        words.append(str(cause))
    return ": ".join(words) or "no answer"
