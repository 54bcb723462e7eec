"""What the four transaction machines share: effects, deadlines, the walk through a table (RFC 3261 §17)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar, Generic, TypeVar

from sipcli.sip.message import Request, Response
from sipcli.sip.timers import Timers

__all__ = [
    "AckReceived",
    "Action",
    "Created",
    "Effect",
    "ResponseReceived",
    "Send",
    "State",
    "Terminated",
    "TimedOut",
    "Transaction",
    "TransportFailed",
]


@dataclass(frozen=True, slots=True)
class Send:
    """Send ``message`` on ``flow``: for the transport."""

    flow: int
    message: Request | Response


@dataclass(frozen=True, slots=True)
class ResponseReceived:
    """A client transaction passes a response up; of the final ones only 2xx to INVITE may come more than once."""

    key: str
    response: Response


@dataclass(frozen=True, slots=True)
class TimedOut:
    """A client transaction got no final response (timers B, F), or a server one no ACK (timer H)."""

    key: str


@dataclass(frozen=True, slots=True)
class TransportFailed:
    """The flow of a client transaction broke before the final response."""

    key: str


@dataclass(frozen=True, slots=True)
class AckReceived:
    """An ACK for a 2xx that carries the branch of its INVITE (RFC 6026 §7.1)."""

    key: str
    request: Request


@dataclass(frozen=True, slots=True)
class Created:
    key: str


@dataclass(frozen=True, slots=True)
class Terminated:
    """The transaction is gone; the last effect of its key."""

    key: str


Effect = Send | ResponseReceived | TimedOut | TransportFailed | AckReceived | Created | Terminated


class State(StrEnum):
    """The states of Figures 5 to 8, and RFC 6026's ``ACCEPTED``."""

    CALLING = "calling"
    TRYING = "trying"
    PROCEEDING = "proceeding"
    ACCEPTED = "accepted"
    COMPLETED = "completed"
    CONFIRMED = "confirmed"
    TERMINATED = "terminated"


InputT = TypeVar("InputT", bound=StrEnum)

# What a row does: given the machine, the time and the message that is the input, if any. An action's name for an
# argument that it has no use for begins with an underscore.
Action = Callable[[Any, float, Any], list[Effect]]


class Transaction(Generic[InputT]):
    """One transaction: a state, deadlines, and a table of rows ``(state, input): (action, next state)``.

    The machine knows no clock and sends nothing: ``process`` returns effects, and ``deadlines`` says which timer
    is to be put in when. On a reliable flow timers of zero seconds fire within the input that starts them.
    """

    __slots__ = ("_elapsed", "deadlines", "flow", "key", "reliable", "request", "scheduled", "state", "timers")

    transitions: ClassVar[Mapping[tuple[State, Any], tuple[Action, State]]]
    initial: ClassVar[State]
    transport_error: ClassVar[Any]

    def __init__(self, key: str, request: Request, flow: int, timers: Timers, *, reliable: bool) -> None:
        self.key = key
        self.request = request
        self.flow = flow
        self.timers = timers
        self.reliable = reliable
        self.state = self.initial
        self.deadlines: dict[InputT, float] = {}
        self.scheduled: float | None = None
        """The deadline that the layer's heap holds for this transaction."""
        self._elapsed: InputT | None = None

    def process(self, input_: InputT, now: float, message: Request | Response | None = None) -> list[Effect]:
        """Take one input; an input without a row in this state is absorbed."""
        row = self.transitions.get((self.state, input_))
        if row is None:
            return []
        action, self.state = row
        effects = action(self, now, message)
        if self._elapsed is not None:
            timer, self._elapsed = self._elapsed, None
            effects += self.process(timer, now)
        return effects

    def fail_transport(self, now: float) -> list[Effect]:
        """Put in that the flow is gone."""
        return self.process(self.transport_error, now)

    def fire_timer(self, now: float) -> list[Effect]:
        """Put in the earliest timer, which must be due at ``now``."""
        timer = min(self.deadlines, key=self.deadlines.__getitem__)
        del self.deadlines[timer]
        return self.process(timer, now)

    def _linger(self, timer: InputT, seconds: float, now: float) -> None:
        """Let ``timer`` be the only one, after ``seconds`` on an unreliable flow and at once on a reliable one."""
        if self.reliable:
            self.deadlines = {}
            self._elapsed = timer
        else:
            self.deadlines = {timer: now + seconds}

    def _absorb(self, _now: float, _message: object) -> list[Effect]:
        """Change the state and nothing else."""
        self.deadlines = {}
        return []
