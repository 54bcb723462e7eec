"""Server transactions: INVITE and others (RFC 3261 §17.2, Figures 7 and 8; RFC 6026 §7.1)."""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar

from sipcli.sip.message import Request, Response
from sipcli.sip.timers import Timers
from sipcli.sip.transaction_machine import AckReceived, Effect, Send, State, TimedOut, Transaction

__all__ = [
    "InviteServerInput",
    "InviteServerTransaction",
    "NonInviteServerInput",
    "NonInviteServerTransaction",
]


class InviteServerInput(StrEnum):
    """What an INVITE server transaction may meet; responses are those of the TU, by class."""

    REQUEST = "INVITE again"
    ACK = "ACK"
    PROVISIONAL = "1xx"
    SUCCESS = "2xx"
    FAILURE = "300-699"
    TIMER_G = "timer G"
    TIMER_H = "timer H"
    TIMER_I = "timer I"
    TIMER_L = "timer L"
    TRANSPORT_ERROR = "transport error"


class NonInviteServerInput(StrEnum):
    """What a non-INVITE server transaction may meet."""

    REQUEST = "request again"
    PROVISIONAL = "1xx"
    FINAL = "200-699"
    TIMER_J = "timer J"
    TRANSPORT_ERROR = "transport error"


class InviteServerTransaction(Transaction[InviteServerInput]):
    """RFC 3261 §17.2.1, Figure 7, with the Accepted state of RFC 6026 §7.1; 100 (Trying) is the TU's to send."""

    __slots__ = ("_interval", "_response")

    initial = State.PROCEEDING
    transport_error = InviteServerInput.TRANSPORT_ERROR

    def __init__(self, key: str, request: Request, flow: int, timers: Timers, *, reliable: bool) -> None:
        super().__init__(key, request, flow, timers, reliable=reliable)
        self._interval = timers.T1
        self._response: Response | None = None

    def receive(self, request: Request, now: float) -> list[Effect]:
        """Take the INVITE again, or an ACK."""
        input_ = InviteServerInput.ACK if request.method == "ACK" else InviteServerInput.REQUEST
        return self.process(input_, now, request)

    def respond(self, response: Response, now: float) -> list[Effect]:
        """Take a response of the TU."""
        if response.status < 200:
            return self.process(InviteServerInput.PROVISIONAL, now, response)
        return self.process(
            InviteServerInput.SUCCESS if response.status < 300 else InviteServerInput.FAILURE, now, response
        )

    def _send(self, _now: float, response: Response) -> list[Effect]:
        self._response = response
        return [Send(self.flow, response)]

    def _resend(self, _now: float, _message: Request | None) -> list[Effect]:
        return [Send(self.flow, self._response)] if self._response is not None else []

    def _accept(self, now: float, response: Response) -> list[Effect]:
        # RFC 6026 §7.1: timer L runs on reliable flows too, to absorb what comes late.
        self.deadlines = {InviteServerInput.TIMER_L: now + self.timers.transaction_timeout}
        return [Send(self.flow, response)]

    def _complete(self, now: float, response: Response) -> list[Effect]:
        self._response = response
        self.deadlines = {InviteServerInput.TIMER_H: now + self.timers.transaction_timeout}
        if not self.reliable:
            self.deadlines[InviteServerInput.TIMER_G] = now + self._interval
        return [Send(self.flow, response)]

    def _retransmit(self, now: float, _message: None) -> list[Effect]:
        self._interval = min(2 * self._interval, self.timers.T2)
        self.deadlines[InviteServerInput.TIMER_G] = now + self._interval
        return self._resend(now, None)

    def _confirm(self, now: float, _ack: Request) -> list[Effect]:
        self._linger(InviteServerInput.TIMER_I, self.timers.T4, now)
        return []

    def _pass_up(self, _now: float, ack: Request) -> list[Effect]:
        return [AckReceived(self.key, ack)]

    def _time_out(self, _now: float, _message: None) -> list[Effect]:
        self.deadlines = {}
        return [TimedOut(self.key)]

    _end = Transaction._absorb

    # A flow that is gone ends the transaction in every state, unlike RFC 6026 §7.1, where the transport may open
    # another: the peer of a WebSocket cannot be dialled (RFC 7118 §5.2).
    transitions: ClassVar = {
        (State.PROCEEDING, InviteServerInput.REQUEST): (_resend, State.PROCEEDING),
        (State.PROCEEDING, InviteServerInput.PROVISIONAL): (_send, State.PROCEEDING),
        (State.PROCEEDING, InviteServerInput.SUCCESS): (_accept, State.ACCEPTED),
        (State.PROCEEDING, InviteServerInput.FAILURE): (_complete, State.COMPLETED),
        (State.PROCEEDING, InviteServerInput.TRANSPORT_ERROR): (_end, State.TERMINATED),
        (State.ACCEPTED, InviteServerInput.ACK): (_pass_up, State.ACCEPTED),
        # RFC 3261 §13.3.1.4: the 2xx is resent by the UA core, through here, until the ACK arrives.
        (State.ACCEPTED, InviteServerInput.SUCCESS): (_send, State.ACCEPTED),
        (State.ACCEPTED, InviteServerInput.TIMER_L): (_end, State.TERMINATED),
        (State.ACCEPTED, InviteServerInput.TRANSPORT_ERROR): (_end, State.TERMINATED),
        (State.COMPLETED, InviteServerInput.REQUEST): (_resend, State.COMPLETED),
        (State.COMPLETED, InviteServerInput.ACK): (_confirm, State.CONFIRMED),
        (State.COMPLETED, InviteServerInput.TIMER_G): (_retransmit, State.COMPLETED),
        (State.COMPLETED, InviteServerInput.TIMER_H): (_time_out, State.TERMINATED),
        (State.COMPLETED, InviteServerInput.TRANSPORT_ERROR): (_end, State.TERMINATED),
        (State.CONFIRMED, InviteServerInput.TIMER_I): (_end, State.TERMINATED),
        (State.CONFIRMED, InviteServerInput.TRANSPORT_ERROR): (_end, State.TERMINATED),
    }


class NonInviteServerTransaction(Transaction[NonInviteServerInput]):
    """RFC 3261 §17.2.2, Figure 8."""

    __slots__ = ("_response",)

    initial = State.TRYING
    transport_error = NonInviteServerInput.TRANSPORT_ERROR

    def __init__(self, key: str, request: Request, flow: int, timers: Timers, *, reliable: bool) -> None:
        super().__init__(key, request, flow, timers, reliable=reliable)
        self._response: Response | None = None

    def receive(self, request: Request, now: float) -> list[Effect]:
        """Take the request again."""
        return self.process(NonInviteServerInput.REQUEST, now, request)

    def respond(self, response: Response, now: float) -> list[Effect]:
        """Take a response of the TU."""
        input_ = NonInviteServerInput.FINAL if response.status >= 200 else NonInviteServerInput.PROVISIONAL
        return self.process(input_, now, response)

    def _send(self, _now: float, response: Response) -> list[Effect]:
        self._response = response
        return [Send(self.flow, response)]

    def _resend(self, _now: float, _request: Request) -> list[Effect]:
        return [Send(self.flow, self._response)] if self._response is not None else []

    def _complete(self, now: float, response: Response) -> list[Effect]:
        self._response = response
        self._linger(NonInviteServerInput.TIMER_J, 64 * self.timers.T1, now)
        return [Send(self.flow, response)]

    _end = Transaction._absorb

    # In TRYING the request again is absorbed. The figure informs the TU of a transport error; Terminated does.
    transitions: ClassVar = {
        (State.TRYING, NonInviteServerInput.PROVISIONAL): (_send, State.PROCEEDING),
        (State.TRYING, NonInviteServerInput.FINAL): (_complete, State.COMPLETED),
        (State.TRYING, NonInviteServerInput.TRANSPORT_ERROR): (_end, State.TERMINATED),
        (State.PROCEEDING, NonInviteServerInput.REQUEST): (_resend, State.PROCEEDING),
        (State.PROCEEDING, NonInviteServerInput.PROVISIONAL): (_send, State.PROCEEDING),
        (State.PROCEEDING, NonInviteServerInput.FINAL): (_complete, State.COMPLETED),
        (State.PROCEEDING, NonInviteServerInput.TRANSPORT_ERROR): (_end, State.TERMINATED),
        (State.COMPLETED, NonInviteServerInput.REQUEST): (_resend, State.COMPLETED),
        (State.COMPLETED, NonInviteServerInput.TIMER_J): (_end, State.TERMINATED),
        (State.COMPLETED, NonInviteServerInput.TRANSPORT_ERROR): (_end, State.TERMINATED),
    }
