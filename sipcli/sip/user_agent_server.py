"""The user agent server: incoming requests and their answers (RFC 3261 §8.2, §9.2, §11.2, §13.3; RFC 3428 §7)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from heapq import heappop, heappush

from sipcli.sip.errors import LocalProtocolError, ParseError
from sipcli.sip.events import (
    Cause,
    Event,
    IncomingCancelled,
    InviteReceived,
    MessageReceived,
    NotifyReceived,
    ReferReceived,
)
from sipcli.sip.identity import Hop, Identity
from sipcli.sip.ids import Ids
from sipcli.sip.inspection import Inspector
from sipcli.sip.message import Request, Response, build_response
from sipcli.sip.request_builder import ACCEPTED_TYPES, RequestBuilder, split_header
from sipcli.sip.settings import Settings
from sipcli.sip.transaction import TransactionLayer

__all__ = ["ANSWER_TIMEOUT", "Transmitter", "UserAgentServer"]

Transmitter = Callable[[int, Response], None]
"""Sends a response on a flow outside any transaction."""

# How long the application has for a MESSAGE or REFER, in seconds. After it the core answers by itself, well before
# the sender's timer F, because a non-INVITE request has no provisional response to wait with (RFC 4320).
ANSWER_TIMEOUT = 10.0
# Requests that wait for the application. What comes on top of so many is not of this world.
_MAX_PENDING = 10_000


class _Default(Enum):
    """What becomes of a request that nobody answered in time."""

    ACCEPT = auto()
    DECLINE = auto()
    NO_ANSWER = auto()
    EXPIRE = auto()


_DEFAULTS = {_Default.ACCEPT: 200, _Default.DECLINE: 603, _Default.EXPIRE: 487}


@dataclass(slots=True)
class _Pending:
    """A request that waits for its final answer."""

    id: int
    request: Request
    key: str | None
    """Of the transaction; None once that is over."""
    tag: str
    default: _Default


class UserAgentServer:
    """Answers what it can at once and hands the rest to the application. ``outputs`` is drained by the core."""

    __slots__ = (
        "_builder",
        "_by_key",
        "_deadlines",
        "_identity",
        "_ids",
        "_inspector",
        "_outputs",
        "_pending",
        "_settings",
        "_transactions",
        "_transmit",
    )

    def __init__(
        self,
        settings: Settings,
        ids: Ids,
        identity: Identity,
        builder: RequestBuilder,
        transactions: TransactionLayer,
        transmit: Transmitter,
    ) -> None:
        self._transmit = transmit
        self._settings = settings
        self._ids = ids
        self._identity = identity
        self._builder = builder
        self._transactions = transactions
        self._inspector = Inspector(settings, identity, builder.allow)
        self._pending: dict[int, _Pending] = {}
        self._by_key: dict[str, _Pending] = {}
        self._deadlines: list[tuple[float, int]] = []
        self._outputs: list[Event] = []

    # What the core asks

    def outputs(self) -> list[Event]:
        """Return the events since the last call, in order."""
        outputs, self._outputs = self._outputs, []
        return outputs

    def next_deadline(self) -> float | None:
        heap = self._deadlines
        while heap and heap[0][1] not in self._pending:
            heappop(heap)  # answered in time
        return heap[0][0] if heap else None

    @property
    def busy(self) -> bool:
        """Whether a request but INVITE waits for its answer."""
        return any(pending.request.method != "INVITE" for pending in self._pending.values())

    # Inputs

    def receive(self, request: Request, hop: Hop, request_id: int, now: float, *, in_dialog: bool) -> None:
        """Take a request that no transaction knows. ``in_dialog``: it belongs to a dialog that is about to end.

        ``request_id`` is what the request is called if the application gets it.
        """
        if request.method == "ACK":
            # §17.1.1.3, §13.3.1.4: an ACK is never answered.
            return
        if request.version.upper() != "SIP/2.0":
            self._answer_statelessly(request, hop, 505)
            return
        try:
            request.check()
            refusal = None if request.method == "CANCEL" else self._inspector.inspect(request, secure=hop.secure)
        except ParseError as error:
            self._answer_statelessly(request, hop, 400, _reason(error))
            return
        if request.method == "CANCEL":
            self._cancel(request, hop, now)
            return
        if in_dialog and request.method == "BYE":
            self._answer(request, hop, 200, now)
            return
        if refusal is not None:
            self._answer(request, hop, refusal.status, now, refusal.headers)
        elif self._transactions.merged(request, now):
            self._answer(request, hop, 482, now)
        else:
            self._process(request, hop, request_id, now)

    def refuse_malformed(self, request: Request, hop: Hop, error: ParseError) -> None:
        """Answer 400 to a request whose framing is wrong."""
        if request.method != "ACK":
            self._answer_statelessly(request, hop, 400, _reason(error))

    def terminated(self, key: str) -> None:
        """Take notice that a transaction is over: a request without final answer has lost its flow."""
        pending = self._by_key.pop(key, None)
        if pending is None:
            return
        if pending.request.method == "INVITE":
            del self._pending[pending.id]
            self._outputs.append(IncomingCancelled(pending.id, pending.request, Cause.CONNECTION_ERROR))
        else:
            # The application may still answer, without effect: it cannot know.
            pending.key = None

    def reject_all(self, now: float) -> None:
        """Refuse every INVITE that has no final answer."""
        for pending in [*self._pending.values()]:
            if pending.request.method == "INVITE":
                self._finish(pending, 480, now)

    def handle_timer(self, now: float) -> None:
        """Answer what the application left unanswered."""
        while (deadline := self.next_deadline()) is not None and deadline <= now:
            pending = self._pending[heappop(self._deadlines)[1]]
            self._finish(pending, _DEFAULTS.get(pending.default, self._settings.no_answer_code), now)
            if pending.request.method == "INVITE":
                cause = Cause.EXPIRES if pending.default is _Default.EXPIRE else Cause.NO_ANSWER
                self._outputs.append(IncomingCancelled(pending.id, pending.request, cause))

    # Commands

    def respond(
        self,
        request_id: int,
        status: int,
        now: float,
        *,
        reason: str | None = None,
        extra_headers: Sequence[str] = (),
        body: bytes = b"",
        content_type: str | None = None,
    ) -> None:
        """Answer a request. Raises ValueError for what cannot be sent, LocalProtocolError when it is answered already.

        A 2xx to INVITE is refused with LocalProtocolError: it begins a session.
        """
        pending = self._pending.get(request_id)
        if pending is None:
            raise LocalProtocolError("the request has been answered, or its sender has given up")
        method = pending.request.method
        if method == "INVITE" and 200 <= status < 300:
            raise LocalProtocolError("an INVITE cannot be accepted without a session; it can ring and be rejected")
        if status < 200 and method != "INVITE":
            raise LocalProtocolError(f"only an INVITE gets provisional responses, this is: {method}")
        headers = [split_header(text) for text in extra_headers]
        if status < 200:
            headers = [*_record_routes(pending.request), ("Contact", self._identity.dialog_contact()), *headers]
        if body and content_type is None:
            content_type = "text/plain"
        response = self._build(pending.request, status, pending.tag, reason, headers, body, content_type)
        key = pending.key
        if status >= 200:
            self._forget(pending)
        if key is not None:
            self._transactions.respond(key, response, now)

    # Processing (§8.2.5)

    def _process(self, request: Request, hop: Hop, request_id: int, now: float) -> None:
        match request.method:
            case "OPTIONS":
                self._answer(request, hop, 200, now, (("Allow", self._builder.allow), ("Accept", ACCEPTED_TYPES)))
            case "MESSAGE":
                if self._wait(request, hop, request_id, now + ANSWER_TIMEOUT, _Default.ACCEPT, now) is not None:
                    self._outputs.append(MessageReceived(request_id, request))
            case "INVITE":
                self._ring(request, hop, request_id, now)
            case "NOTIFY" if self._settings.allow_legacy_notifications:
                self._answer(request, hop, 200, now)
                self._outputs.append(NotifyReceived(request))
            case "REFER":
                self._refer(request, hop, request_id, now)
            case _:
                # BYE and NOTIFY belong to a dialog or subscription, and there is none (§15.1.2; RFC 6665 §4.1.3).
                self._answer(request, hop, 481, now)

    def _ring(self, request: Request, hop: Hop, request_id: int, now: float) -> None:
        deadline, default = now + self._settings.no_answer_timeout, _Default.NO_ANSWER
        # §13.3.1: an INVITE may say how long it is good for.
        if request.expires is not None and now + request.expires < deadline:
            deadline, default = now + request.expires, _Default.EXPIRE
        key = self._wait(request, hop, request_id, deadline, default, now)
        if key is not None:
            self._transactions.respond(key, build_response(request, 100), now)
            self._outputs.append(InviteReceived(request_id, request))

    def _refer(self, request: Request, hop: Hop, request_id: int, now: float) -> None:
        # RFC 3515 §2.4.2: exactly one Refer-To.
        if len(request.get_all("refer-to")) != 1:
            self._answer(request, hop, 400, now)
        elif self._wait(request, hop, request_id, now + ANSWER_TIMEOUT, _Default.DECLINE, now) is not None:
            self._outputs.append(ReferReceived(request_id, request))

    def _cancel(self, cancel: Request, hop: Hop, now: float) -> None:
        # §9.2: the answer to a CANCEL says whether there is an INVITE, the 487 is that INVITE's.
        key = self._transactions.cancelled_by(cancel)
        if key is None:
            self._answer(cancel, hop, 481, now)
            return
        pending = self._by_key.get(key)
        self._answer(cancel, hop, 200, now, tag=None if pending is None else pending.tag)
        if pending is not None:
            self._finish(pending, 487, now)
            self._outputs.append(IncomingCancelled(pending.id, pending.request))

    # Answers

    def _wait(
        self, request: Request, hop: Hop, request_id: int, deadline: float, default: _Default, now: float
    ) -> str | None:
        """Begin the transaction of a request that the application answers; return its key, None when it got 503."""
        if len(self._pending) >= _MAX_PENDING:
            self._answer(request, hop, 503, now)
            return None
        key = self._transactions.accept_request(request, hop.flow, now, reliable=hop.reliable)
        pending = _Pending(request_id, request, key, self._ids.tag(), default)
        self._pending[request_id] = self._by_key[key] = pending
        heappush(self._deadlines, (deadline, request_id))
        return key

    def _finish(self, pending: _Pending, status: int, now: float) -> None:
        key = pending.key
        self._forget(pending)
        if key is not None:
            self._transactions.respond(key, self._build(pending.request, status, pending.tag), now)

    def _forget(self, pending: _Pending) -> None:
        del self._pending[pending.id]
        if pending.key is not None:
            del self._by_key[pending.key]

    def _answer(
        self,
        request: Request,
        hop: Hop,
        status: int,
        now: float,
        headers: Sequence[tuple[str, str]] = (),
        *,
        tag: str | None = None,
    ) -> None:
        key = self._transactions.accept_request(request, hop.flow, now, reliable=hop.reliable)
        self._transactions.respond(key, self._build(request, status, tag or self._ids.tag(), None, headers), now)

    def _answer_statelessly(self, request: Request, hop: Hop, status: int, reason: str | None = None) -> None:
        """Answer without a transaction (§8.2.7), since there may be nothing to know a retransmission by."""
        if request.get("via") is not None:
            self._transmit(hop.flow, self._build(request, status, self._ids.tag(), reason))

    def _build(
        self,
        request: Request,
        status: int,
        tag: str,
        reason: str | None = None,
        headers: Sequence[tuple[str, str]] = (),
        body: bytes = b"",
        content_type: str | None = None,
    ) -> Response:
        supported = (("Supported", self._builder.supported()),) if 200 <= status < 300 else ()
        return build_response(
            request,
            status,
            reason,
            to_tag=tag,
            headers=(*headers, *supported, *self._builder.response_headers()),
            body=body,
            content_type=content_type,
        )


def _record_routes(request: Request) -> list[tuple[str, str]]:
    # §12.1.1: a response that makes a dialog shows the way it will take.
    return [("Record-Route", value) for value in request.get_all("record-route") if "\0" not in value]


def _reason(error: ParseError) -> str | None:
    """Return a reason phrase that says which rule was broken (§21.4.1)."""
    return f"Bad Request ({error.rule})" if error.rule.isprintable() else None
