"""Keep-alive: is the far end of a flow still there (RFC 5626 §4.4; RFC 6455 §5.5.2; RFC 7118 §6)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from sipcli.sip.events import Ping, Transmit
from sipcli.sip.ids import Ids
from sipcli.sip.settings import Settings

__all__ = ["CRLF", "CRLFCRLF", "KeepAlive", "OptionsPing"]

# RFC 5626 §3.5.1: the ping is a double CRLF, the pong a single one.
CRLFCRLF = b"\r\n\r\n"
CRLF = b"\r\n"


@dataclass(frozen=True, slots=True)
class OptionsPing:
    """Send an OPTIONS request on ``flow``; whatever final answer comes is a sign of life."""

    flow: int


class State(Enum):
    OFF = auto()
    QUIET = auto()
    """Nothing is owed to us; the deadline is the next probe."""
    WAITING = auto()
    """A probe is out; the deadline is that of its answer."""


class KeepAlive:
    """Probes one flow at intervals, and says when it is dead."""

    __slots__ = ("_flow", "_ids", "_settings", "_state", "deadline")

    def __init__(self, settings: Settings, ids: Ids) -> None:
        self._settings = settings
        self._ids = ids
        self._flow = 0
        self._state = State.OFF
        self.deadline: float | None = None

    def start(self, flow: int, now: float) -> None:
        """Begin to probe ``flow``, unless the settings say that nothing is to be probed."""
        self._flow = flow
        if self._settings.keep_alive == "none" or self._settings.keep_alive_interval <= 0:
            self.stop()
        else:
            self._rest(now)

    def stop(self) -> None:
        """Leave the flow alone."""
        self._state = State.OFF
        self.deadline = None

    def alive(self, now: float) -> None:
        """Note that something was received: it answers the probe, whatever it is."""
        if self._state is State.WAITING:
            self._rest(now)

    def handle_timer(self, now: float) -> Ping | Transmit | OptionsPing | None:
        """Return the probe to send when the deadline has passed; None when the probe before it was not answered."""
        if self._state is State.WAITING:
            return None
        self._state = State.WAITING
        self.deadline = now + self._settings.keep_alive_debounce
        match self._settings.keep_alive:
            case "crlf":
                return Transmit(self._flow, CRLFCRLF)
            case "options":
                return OptionsPing(self._flow)
            case _:
                return Ping(self._flow)

    def _rest(self, now: float) -> None:
        # RFC 5626 §4.4: between 80 and 100 % of the interval, so that clients do not fall into step.
        self._state = State.QUIET
        self.deadline = now + self._settings.keep_alive_interval * (0.8 + 0.2 * self._ids.fraction())
