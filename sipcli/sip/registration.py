"""The registration: one binding at the registrar, kept fresh (RFC 3261 §10.2; RFC 5626 §4.2; RFC 5627 §4)."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum, auto

from sipcli.sip.errors import LocalProtocolError, ParseError
from sipcli.sip.events import (
    Cause,
    Event,
    Registered,
    RegistrationFailed,
    RequestAccepted,
    RequestFailed,
    RequestRejected,
    RequestSent,
    Unregistered,
)
from sipcli.sip.exchange import ClientEvent
from sipcli.sip.headers import NameAddr
from sipcli.sip.identity import Identity
from sipcli.sip.ids import Ids
from sipcli.sip.lease import LEAST_LEASE, backoff, granted_expiry, refresh_delay, retry_after
from sipcli.sip.message import Request, Response
from sipcli.sip.request_builder import Draft, RequestBuilder, split_header
from sipcli.sip.settings import Settings

__all__ = ["MAX_REGISTERS", "TRANSITIONS", "Input", "Registration", "Send", "State"]

# REGISTERs of one command at most, whatever the registrar answers.
MAX_REGISTERS = 8
# A Min-Expires beyond a week is no registrar's wish but a mistake.
_MAX_MIN_EXPIRES = 7 * 86400
# Final answers after which the same REGISTER may succeed later; every 5xx is one too, and what says Retry-After.
_TEMPORARY = frozenset({408, 430, 480})
_PERMANENT = frozenset({401, 403, 407})

Send = Callable[[Draft, float, int], int]
"""How a REGISTER is sent, given the time and how often it may be at most: returns the id that its events carry."""


class State(Enum):
    UNREGISTERED = auto()
    """No binding. A deadline for AGAIN says that there will be another attempt."""
    REGISTERING = auto()
    REGISTERED = auto()
    REFRESHING = auto()
    """A REGISTER is out while the binding stands."""
    UNREGISTERING = auto()


class Input(Enum):
    # Commands, taken up when no REGISTER is out and a flow stands.
    REGISTER = auto()
    UNREGISTER = auto()
    REMOVE = auto()
    """As UNREGISTER, but only while there is a binding."""
    LEAVE = auto()
    """Leave the binding to itself."""
    # What became of the REGISTER that is out.
    ACCEPTED = auto()
    TOO_BRIEF = auto()
    """423: asked again with the interval that the registrar wants, once."""
    TEMPORARY = auto()
    """Failed, and tried again later."""
    FAILED = auto()
    FLOW_LOST = auto()
    # Timers.
    AGAIN = auto()
    """Time to refresh, or to try again after a failure."""
    LEASE = auto()
    """The lease is over."""


@dataclass(frozen=True, slots=True)
class _Command:
    input: Input
    extra_headers: tuple[str, ...] = ()
    all: bool = False


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What an action works with: the final response to a REGISTER, or why there is none."""

    response: Response | None = None
    cause: Cause = Cause.SIP_FAILURE_CODE
    binding: NameAddr | None = None


_NOTHING = _Outcome()


class Registration:
    """One REGISTER at a time; commands wait for it, and for a flow. ``outputs`` is drained by the core."""

    __slots__ = (
        "_budget",
        "_builder",
        "_call_id",
        "_command",
        "_commands",
        "_cseq",
        "_deadlines",
        "_expires",
        "_extra_headers",
        "_failures",
        "_has_flow",
        "_identity",
        "_ids",
        "_not_before",
        "_outputs",
        "_recover",
        "_resumed",
        "_send",
        "_sent_at",
        "_settings",
        "_too_brief",
        "_wanted",
        "request_id",
        "state",
    )

    def __init__(
        self, settings: Settings, identity: Identity, builder: RequestBuilder, ids: Ids, send: Send, *, recover: bool
    ) -> None:
        """Without ``recover`` a failed REGISTER is not tried again."""
        self._settings = settings
        self._identity = identity
        self._builder = builder
        self._ids = ids
        self._send = send
        self._recover = recover
        params = settings.register_params
        self._call_id = params.call_id or identity.call_id()
        self._cseq = ids.cseq() if params.cseq is None else params.cseq
        self._expires = settings.register_expires
        self._extra_headers: tuple[str, ...] = ()
        self._wanted = settings.register and settings.uri is not None
        self._resumed = False
        self._has_flow = False
        self._commands: deque[_Command] = deque()
        self._command = _Command(Input.REGISTER)
        self._deadlines: dict[Input, float] = {}
        self._not_before = 0.0
        self._failures = 0
        self._budget = 0
        self._too_brief = False
        self._sent_at = 0.0
        self._outputs: list[Event] = []
        self.state = State.UNREGISTERED
        self.request_id: int | None = None
        """Of the REGISTER that is out."""

    # What the core asks

    @property
    def registered(self) -> bool:
        """Whether there is a binding, over the flow that stands."""
        return self.state in (State.REGISTERED, State.REFRESHING)

    @property
    def busy(self) -> bool:
        """Whether a REGISTER is out, or waits for its turn."""
        return self.request_id is not None or (self._has_flow and bool(self._commands))

    def outputs(self) -> list[Event]:
        """Return the events since the last call, in order."""
        outputs, self._outputs = self._outputs, []
        return outputs

    def next_deadline(self) -> float | None:
        return min(self._deadlines.values(), default=None)

    # Commands

    def register(self, now: float, extra_headers: Sequence[str] = ()) -> None:
        """Register, and from now on after every reconnect; each refresh repeats ``extra_headers``.

        Raises LocalProtocolError without an address of record, ValueError for a header field that cannot be sent.
        """
        self._check(extra_headers)
        self._wanted = True
        self._enqueue(_Command(Input.REGISTER, tuple(extra_headers)), now)

    def unregister(self, now: float, *, all: bool = False, extra_headers: Sequence[str] = ()) -> None:
        """Remove our binding, or with ``all`` every binding of the user. Raises as ``register`` does."""
        self._check(extra_headers)
        self._wanted = False
        self._enqueue(_Command(Input.UNREGISTER, tuple(extra_headers), all), now)

    def start(self) -> None:
        """Want again what was wanted before a stop."""
        self._wanted, self._resumed = self._wanted or self._resumed, False

    def stop(self, now: float) -> None:
        """Remove the binding if there is one, or leave it if the settings say so; register no more."""
        self._wanted, self._resumed = False, self._wanted or self._resumed
        self._commands = deque(command for command in self._commands if command.input is Input.UNREGISTER)
        self._deadlines.pop(Input.AGAIN, None)
        self._enqueue(_Command(Input.REMOVE if self._settings.graceful_shutdown else Input.LEAVE), now)

    # Inputs

    def flow_connected(self, now: float) -> None:
        """Register over the new flow, if that is wanted."""
        self._has_flow = True
        if self._wanted and not self._commands and self.state is State.UNREGISTERED:
            if self._not_before > now:
                # A registrar that asked for time gets it, also from a client that has reconnected.
                self._deadlines[Input.AGAIN] = self._not_before
            else:
                self._commands.append(_Command(Input.REGISTER, self._extra_headers))
        self._run(now)

    def flow_lost(self, now: float) -> None:
        """Take notice that there is no flow; a REGISTER that is out fails by itself."""
        self._has_flow = False
        if self.request_id is None:
            self._process(Input.FLOW_LOST, now, _NOTHING)

    def flow_given_up(self) -> None:
        """Fail what waits for a flow that will not come."""
        if any(command.input in (Input.REGISTER, Input.UNREGISTER) for command in self._commands):
            self._outputs.append(RegistrationFailed(None, Cause.CONNECTION_ERROR))
        self._commands.clear()

    def handle_timer(self, now: float) -> None:
        """Do what is due."""
        for timer in (Input.LEASE, Input.AGAIN):
            deadline = self._deadlines.get(timer)
            if deadline is not None and deadline <= now:
                del self._deadlines[timer]
                self._process(timer, now, _NOTHING)

    def take(self, event: ClientEvent, now: float) -> None:
        """Take an event of the REGISTER that is out."""
        match event:
            case RequestSent(request=request):
                self._sent_at = now
                self._budget -= 1
                assert request.cseq is not None
                self._cseq = request.cseq.number + 1
            case RequestAccepted(response=response):
                self._finish(*self._judge_success(response), now)
            case RequestRejected(response=response, cause=cause):
                self._finish(self._judge_failure(response), _Outcome(response, cause), now)
            case RequestFailed(cause=Cause.CONNECTION_ERROR):
                self._finish(Input.FLOW_LOST, _Outcome(None, Cause.CONNECTION_ERROR), now)
            case RequestFailed(cause=cause):
                temporary = self._recover and self._wanted
                self._finish(Input.TEMPORARY if temporary else Input.FAILED, _Outcome(None, cause), now)
            case _:
                pass

    def _judge_success(self, response: Response) -> tuple[Input, _Outcome]:
        try:
            contacts = response.contacts
        except ParseError:
            contacts = ()
        binding = self._identity.own_binding(contacts)
        if contacts and binding is None and self.state is not State.UNREGISTERING:
            # RFC 3261 §10.3 step 8: the answer lists all bindings. Ours is not there, so we are not registered.
            return Input.FAILED, _Outcome(response)
        return Input.ACCEPTED, _Outcome(response, binding=binding)

    def _judge_failure(self, response: Response) -> Input:
        status = response.status
        if self.state is State.UNREGISTERING:
            return Input.FAILED
        if status == 423 and not self._too_brief and self._budget > 0:
            try:
                wanted = response.min_expires
            except ParseError:
                wanted = None
            if wanted is not None and self._expires < wanted <= _MAX_MIN_EXPIRES:
                self._expires = wanted
                return Input.TOO_BRIEF
        later = status >= 500 or status in _TEMPORARY or retry_after(response) is not None
        if self._recover and self._wanted and later and status < 600 and status not in _PERMANENT:
            return Input.TEMPORARY
        return Input.FAILED

    # The machine

    def _check(self, extra_headers: Sequence[str]) -> None:
        if self._settings.uri is None:
            raise LocalProtocolError("to register, a uri such as alice@example.com is needed")
        Request("REGISTER", self._identity.registrar(), [split_header(text) for text in extra_headers])

    def _enqueue(self, command: _Command, now: float) -> None:
        if not self._commands or self._commands[-1] != command:
            self._commands.append(command)
        self._run(now)

    def _run(self, now: float) -> None:
        """Take up commands while nothing is out."""
        while self._commands and self._has_flow and self.request_id is None:
            self._command = self._commands.popleft()
            self._process(self._command.input, now, _NOTHING)

    def _finish(self, input_: Input, outcome: _Outcome, now: float) -> None:
        self.request_id = None
        self._process(input_, now, outcome)
        self._run(now)

    def _process(self, input_: Input, now: float, outcome: _Outcome) -> None:
        row = TRANSITIONS.get((self.state, input_))
        if row is not None:
            action, self.state = row
            action(self, now, outcome)

    # Actions

    def _register(self, now: float, _outcome: _Outcome) -> None:
        self._extra_headers = self._command.extra_headers
        self._again(now, _outcome)

    def _again(self, now: float, _outcome: _Outcome) -> None:
        self._budget = MAX_REGISTERS
        self._too_brief = False
        self._deadlines.pop(Input.AGAIN, None)
        self._send_register(now)

    def _ask_for_more(self, now: float, _outcome: _Outcome) -> None:
        self._too_brief = True
        self._send_register(now)

    def _unregister(self, now: float, _outcome: _Outcome) -> None:
        self._budget = MAX_REGISTERS
        self._deadlines.clear()
        contact: tuple[tuple[str, str], ...]
        if self._command.all:
            contact = (("Contact", "*"), ("Expires", "0"))
        else:
            contact = (("Contact", self._identity.register_contact(0)),)
        self._send_draft(contact, self._command.extra_headers, now)

    def _send_register(self, now: float) -> None:
        contact = (("Contact", self._identity.register_contact(self._expires)), ("Allow", self._builder.allow))
        self._send_draft(contact, self._extra_headers, now)

    def _send_draft(self, contact: tuple[tuple[str, str], ...], extra_headers: tuple[str, ...], now: float) -> None:
        params = self._settings.register_params
        name = self._settings.display_name if params.to_display_name is None else params.to_display_name
        to = NameAddr(name or None, params.to_uri or self._identity.uri)
        headers = (*self._settings.extra_headers, *extra_headers)
        draft = self._builder.register(contact, to, self._cseq, self._call_id, headers)
        self.request_id = self._send(draft, now, self._budget)

    def _bind(self, now: float, outcome: _Outcome) -> None:
        response = outcome.response
        assert response is not None
        self._failures = 0
        self._not_before = 0.0
        granted = granted_expiry(response, outcome.binding, self._expires)
        refresh_in = refresh_delay(granted, self._settings.refresh_frequency)
        self._deadlines = {Input.AGAIN: now + refresh_in, Input.LEASE: now + max(granted, LEAST_LEASE)}
        self._identity.take_gruus(outcome.binding)
        self._outputs.append(
            Registered(
                response,
                str(self._identity.contact),
                granted,
                refresh_in,
                self._identity.gruu,
                self._identity.temporary_gruu,
                now - self._sent_at,
            )
        )

    def _unbind(self, _now: float, outcome: _Outcome) -> None:
        self._forget()
        self._outputs.append(Unregistered(outcome.response, None))

    def _try_later(self, now: float, outcome: _Outcome) -> None:
        self._failures += 1
        settings = self._settings
        asked = retry_after(outcome.response)
        if asked is None:
            delay = backoff(
                self._failures,
                settings.connection_recovery_min_interval,
                settings.connection_recovery_max_interval,
                self._ids.fraction(),
            )
        else:
            # §20.33, with some chance added, never taken away.
            delay = max(asked, settings.connection_recovery_min_interval) * (1 + 0.1 * self._ids.fraction())
            self._not_before = now + delay
        self._deadlines[Input.AGAIN] = now + delay
        self._outputs.append(RegistrationFailed(outcome.response, outcome.cause, delay))

    def _give_up(self, _now: float, outcome: _Outcome) -> None:
        self._outputs.append(RegistrationFailed(outcome.response, outcome.cause, retry_after(outcome.response)))

    def _lose(self, _now: float, _outcome: _Outcome) -> None:
        self._forget()
        self._outputs.append(Unregistered(None, Cause.CONNECTION_ERROR))

    def _expire(self, _now: float, _outcome: _Outcome) -> None:
        self._identity.take_gruus(None)
        self._outputs.append(Unregistered(None, Cause.EXPIRES))

    def _forget(self, _now: float = 0.0, _outcome: _Outcome = _NOTHING) -> None:
        self._deadlines.clear()
        self._identity.take_gruus(None)


# Row by row: where we are, what comes, what is done, where we are then. What is not here is absorbed.
TRANSITIONS: dict[tuple[State, Input], tuple[Callable[[Registration, float, _Outcome], None], State]] = {
    (State.UNREGISTERED, Input.REGISTER): (Registration._register, State.REGISTERING),
    (State.UNREGISTERED, Input.UNREGISTER): (Registration._unregister, State.UNREGISTERING),
    (State.UNREGISTERED, Input.AGAIN): (Registration._again, State.REGISTERING),
    (State.UNREGISTERED, Input.FLOW_LOST): (Registration._forget, State.UNREGISTERED),
    (State.REGISTERING, Input.ACCEPTED): (Registration._bind, State.REGISTERED),
    (State.REGISTERING, Input.TOO_BRIEF): (Registration._ask_for_more, State.REGISTERING),
    (State.REGISTERING, Input.TEMPORARY): (Registration._try_later, State.UNREGISTERED),
    (State.REGISTERING, Input.FAILED): (Registration._give_up, State.UNREGISTERED),
    (State.REGISTERING, Input.FLOW_LOST): (Registration._give_up, State.UNREGISTERED),
    (State.REGISTERED, Input.REGISTER): (Registration._register, State.REFRESHING),
    (State.REGISTERED, Input.UNREGISTER): (Registration._unregister, State.UNREGISTERING),
    (State.REGISTERED, Input.REMOVE): (Registration._unregister, State.UNREGISTERING),
    (State.REGISTERED, Input.LEAVE): (Registration._forget, State.UNREGISTERED),
    (State.REGISTERED, Input.AGAIN): (Registration._again, State.REFRESHING),
    (State.REGISTERED, Input.LEASE): (Registration._expire, State.UNREGISTERED),
    (State.REGISTERED, Input.FLOW_LOST): (Registration._lose, State.UNREGISTERED),
    (State.REFRESHING, Input.ACCEPTED): (Registration._bind, State.REGISTERED),
    (State.REFRESHING, Input.TOO_BRIEF): (Registration._ask_for_more, State.REFRESHING),
    (State.REFRESHING, Input.TEMPORARY): (Registration._try_later, State.REGISTERED),
    (State.REFRESHING, Input.FAILED): (Registration._give_up, State.REGISTERED),
    (State.REFRESHING, Input.LEASE): (Registration._expire, State.REGISTERING),
    (State.REFRESHING, Input.FLOW_LOST): (Registration._lose, State.UNREGISTERED),
    (State.UNREGISTERING, Input.ACCEPTED): (Registration._unbind, State.UNREGISTERED),
    (State.UNREGISTERING, Input.FAILED): (Registration._give_up, State.UNREGISTERED),
    (State.UNREGISTERING, Input.TEMPORARY): (Registration._give_up, State.UNREGISTERED),
    (State.UNREGISTERING, Input.FLOW_LOST): (Registration._give_up, State.UNREGISTERED),
}
