"""Client transactions: INVITE and others (RFC 3261 §17.1, Figures 5 and 6; RFC 6026 §7.2)."""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar

from sipcli.sip.message import Request, Response
from sipcli.sip.timers import Timers
from sipcli.sip.transaction_machine import (
    Effect,
    ResponseReceived,
    Send,
    State,
    TimedOut,
    Transaction,
    TransportFailed,
)

__all__ = [
    "InviteClientInput",
    "InviteClientTransaction",
    "NonInviteClientInput",
    "NonInviteClientTransaction",
    "build_ack",
]

# RFC 3261 §17.1.1.2: timer D is at least 32 s, whatever T1 is, to outlast the far end's timer H.
_TIMER_D = 32.0


class InviteClientInput(StrEnum):
    """What an INVITE client transaction may meet; responses by class."""

    PROVISIONAL = "1xx"
    SUCCESS = "2xx"
    FAILURE = "300-699"
    TIMER_A = "timer A"
    TIMER_B = "timer B"
    TIMER_D = "timer D"
    TIMER_M = "timer M"
    TRANSPORT_ERROR = "transport error"


class NonInviteClientInput(StrEnum):
    """What a non-INVITE client transaction may meet."""

    PROVISIONAL = "1xx"
    FINAL = "200-699"
    TIMER_E = "timer E"
    TIMER_F = "timer F"
    TIMER_K = "timer K"
    TRANSPORT_ERROR = "transport error"


def build_ack(invite: Request, response: Response) -> Request:
    """Build the ACK for a final response from 300 on: hop by hop, with the INVITE's own branch (RFC 3261 §17.1.1.3)."""
    to = response.get("To")
    if not to or "\0" in to:
        # A peer's mistake that must not become ours: what it answered had a To.
        to = invite.get("To") or ""
    sequence = (invite.get("CSeq") or "").partition(" ")[0]
    headers = [
        # A single Via, equal to the topmost of the INVITE: that of the hop which answered.
        ("Via", str(invite.via)),
        *(("Route", value) for value in invite.get_all("Route")),
        ("Max-Forwards", "70"),
        ("To", to),
        ("From", invite.get("From") or ""),
        ("Call-ID", invite.get("Call-ID") or ""),
        ("CSeq", f"{sequence} ACK"),
    ]
    return Request("ACK", invite.uri_text, headers)


class InviteClientTransaction(Transaction[InviteClientInput]):
    """RFC 3261 §17.1.1, Figure 5, with the Accepted state of RFC 6026 §7.2."""

    __slots__ = ("_ack", "_interval")

    initial = State.CALLING
    transport_error = InviteClientInput.TRANSPORT_ERROR

    def __init__(self, key: str, request: Request, flow: int, timers: Timers, *, reliable: bool) -> None:
        super().__init__(key, request, flow, timers, reliable=reliable)
        self._interval = timers.T1
        self._ack: Request | None = None

    def start(self, now: float) -> list[Effect]:
        """Send the INVITE and start timers B and, on an unreliable flow, A."""
        self.deadlines[InviteClientInput.TIMER_B] = now + self.timers.transaction_timeout
        if not self.reliable:
            self.deadlines[InviteClientInput.TIMER_A] = now + self._interval
        return [Send(self.flow, self.request)]

    def receive(self, response: Response, now: float) -> list[Effect]:
        """Take a response."""
        return self.process(_invite_input(response.status), now, response)

    def _retransmit(self, now: float, _message: None) -> list[Effect]:
        # §17.1.1.2: timer A doubles without a ceiling, unlike timer E.
        self._interval *= 2
        self.deadlines[InviteClientInput.TIMER_A] = now + self._interval
        return [Send(self.flow, self.request)]

    def _proceed(self, _now: float, response: Response) -> list[Effect]:
        # §17.1.1.2: no timer runs while the callee rings; how long to wait is the user's affair.
        self.deadlines = {}
        return [ResponseReceived(self.key, response)]

    def _accept(self, now: float, response: Response) -> list[Effect]:
        # RFC 6026 §8.4: timer M runs on reliable flows too, since forks may still answer.
        self.deadlines = {InviteClientInput.TIMER_M: now + self.timers.transaction_timeout}
        return [ResponseReceived(self.key, response)]

    def _pass_up(self, _now: float, response: Response) -> list[Effect]:
        return [ResponseReceived(self.key, response)]

    def _complete(self, now: float, response: Response) -> list[Effect]:
        self._ack = build_ack(self.request, response)
        self._linger(InviteClientInput.TIMER_D, max(_TIMER_D, 64 * self.timers.T1), now)
        return [Send(self.flow, self._ack), ResponseReceived(self.key, response)]

    def _acknowledge(self, _now: float, _response: Response) -> list[Effect]:
        return [Send(self.flow, self._ack)] if self._ack is not None else []

    def _time_out(self, _now: float, _message: None) -> list[Effect]:
        self.deadlines = {}
        return [TimedOut(self.key)]

    def _fail(self, _now: float, _message: None) -> list[Effect]:
        self.deadlines = {}
        return [TransportFailed(self.key)]

    _end = Transaction._absorb

    transitions: ClassVar = {
        (State.CALLING, InviteClientInput.TIMER_A): (_retransmit, State.CALLING),
        (State.CALLING, InviteClientInput.TIMER_B): (_time_out, State.TERMINATED),
        (State.CALLING, InviteClientInput.TRANSPORT_ERROR): (_fail, State.TERMINATED),
        (State.CALLING, InviteClientInput.PROVISIONAL): (_proceed, State.PROCEEDING),
        (State.CALLING, InviteClientInput.SUCCESS): (_accept, State.ACCEPTED),
        (State.CALLING, InviteClientInput.FAILURE): (_complete, State.COMPLETED),
        (State.PROCEEDING, InviteClientInput.PROVISIONAL): (_pass_up, State.PROCEEDING),
        (State.PROCEEDING, InviteClientInput.SUCCESS): (_accept, State.ACCEPTED),
        (State.PROCEEDING, InviteClientInput.FAILURE): (_complete, State.COMPLETED),
        # Not in the figure, where nothing is sent in this state: on a flow that is gone the answer cannot come.
        (State.PROCEEDING, InviteClientInput.TRANSPORT_ERROR): (_fail, State.TERMINATED),
        (State.COMPLETED, InviteClientInput.FAILURE): (_acknowledge, State.COMPLETED),
        (State.COMPLETED, InviteClientInput.TIMER_D): (_end, State.TERMINATED),
        # The figure informs the TU. It has had its final response, and a request ends once.
        (State.COMPLETED, InviteClientInput.TRANSPORT_ERROR): (_end, State.TERMINATED),
        (State.ACCEPTED, InviteClientInput.SUCCESS): (_pass_up, State.ACCEPTED),
        (State.ACCEPTED, InviteClientInput.TIMER_M): (_end, State.TERMINATED),
    }


class NonInviteClientTransaction(Transaction[NonInviteClientInput]):
    """RFC 3261 §17.1.2, Figure 6."""

    __slots__ = ("_interval",)

    initial = State.TRYING
    transport_error = NonInviteClientInput.TRANSPORT_ERROR

    def __init__(self, key: str, request: Request, flow: int, timers: Timers, *, reliable: bool) -> None:
        super().__init__(key, request, flow, timers, reliable=reliable)
        self._interval = timers.T1

    def start(self, now: float) -> list[Effect]:
        """Send the request and start timers F and, on an unreliable flow, E."""
        self.deadlines[NonInviteClientInput.TIMER_F] = now + self.timers.transaction_timeout
        if not self.reliable:
            self.deadlines[NonInviteClientInput.TIMER_E] = now + self._interval
        return [Send(self.flow, self.request)]

    def receive(self, response: Response, now: float) -> list[Effect]:
        """Take a response."""
        input_ = NonInviteClientInput.FINAL if response.status >= 200 else NonInviteClientInput.PROVISIONAL
        return self.process(input_, now, response)

    def _retransmit(self, now: float, _message: None) -> list[Effect]:
        self._interval = min(2 * self._interval, self.timers.T2)
        self.deadlines[NonInviteClientInput.TIMER_E] = now + self._interval
        return [Send(self.flow, self.request)]

    def _retransmit_slowly(self, now: float, _message: None) -> list[Effect]:
        # §17.1.2.2: once a provisional response has come, every T2.
        self.deadlines[NonInviteClientInput.TIMER_E] = now + self.timers.T2
        return [Send(self.flow, self.request)]

    def _pass_up(self, _now: float, response: Response) -> list[Effect]:
        return [ResponseReceived(self.key, response)]

    def _complete(self, now: float, response: Response) -> list[Effect]:
        self._linger(NonInviteClientInput.TIMER_K, self.timers.T4, now)
        return [ResponseReceived(self.key, response)]

    def _time_out(self, _now: float, _message: None) -> list[Effect]:
        self.deadlines = {}
        return [TimedOut(self.key)]

    def _fail(self, _now: float, _message: None) -> list[Effect]:
        self.deadlines = {}
        return [TransportFailed(self.key)]

    _end = Transaction._absorb

    transitions: ClassVar = {
        (State.TRYING, NonInviteClientInput.TIMER_E): (_retransmit, State.TRYING),
        (State.TRYING, NonInviteClientInput.TIMER_F): (_time_out, State.TERMINATED),
        (State.TRYING, NonInviteClientInput.TRANSPORT_ERROR): (_fail, State.TERMINATED),
        (State.TRYING, NonInviteClientInput.PROVISIONAL): (_pass_up, State.PROCEEDING),
        (State.TRYING, NonInviteClientInput.FINAL): (_complete, State.COMPLETED),
        (State.PROCEEDING, NonInviteClientInput.TIMER_E): (_retransmit_slowly, State.PROCEEDING),
        (State.PROCEEDING, NonInviteClientInput.TIMER_F): (_time_out, State.TERMINATED),
        (State.PROCEEDING, NonInviteClientInput.TRANSPORT_ERROR): (_fail, State.TERMINATED),
        (State.PROCEEDING, NonInviteClientInput.PROVISIONAL): (_pass_up, State.PROCEEDING),
        (State.PROCEEDING, NonInviteClientInput.FINAL): (_complete, State.COMPLETED),
        (State.COMPLETED, NonInviteClientInput.TIMER_K): (_end, State.TERMINATED),
    }


def _invite_input(status: int) -> InviteClientInput:
    if status < 200:
        return InviteClientInput.PROVISIONAL
    return InviteClientInput.SUCCESS if status < 300 else InviteClientInput.FAILURE
