"""The transaction layer: matching, timers and effects (RFC 3261 §17; RFC 6026)."""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from typing import Any

from sipcli.sip.client_transaction import InviteClientTransaction, NonInviteClientTransaction
from sipcli.sip.errors import LocalProtocolError, ParseError
from sipcli.sip.ids import MAGIC_COOKIE
from sipcli.sip.message import Request, Response
from sipcli.sip.server_transaction import InviteServerTransaction, NonInviteServerTransaction
from sipcli.sip.timers import Timers
from sipcli.sip.transaction_machine import (
    AckReceived,
    Created,
    Effect,
    ResponseReceived,
    Send,
    State,
    Terminated,
    TimedOut,
    Transaction,
    TransportFailed,
)

__all__ = [
    "AckReceived",
    "Created",
    "Effect",
    "ResponseReceived",
    "Send",
    "Terminated",
    "TimedOut",
    "TransactionLayer",
    "TransportFailed",
    "server_key",
]

_COOKIE = MAGIC_COOKIE.lower()
# Deadlines of ended transactions are dropped when they outnumber the others by this.
_SLACK = 64
_MAX_MERGE_IDS = 4096

_ClientTransaction = InviteClientTransaction | NonInviteClientTransaction
_ServerTransaction = InviteServerTransaction | NonInviteServerTransaction


def server_key(request: Request, method: str | None = None) -> str:
    """Return what ``request`` has in common with its retransmissions and, for INVITE, its ACK (RFC 3261 §17.2.3).

    ``method`` replaces the request's own, as when looking for the INVITE that a CANCEL means. Never raises: a
    request without a usable Via is told from others by what it does have.
    """
    method = method or request.method
    if method == "ACK":
        method = "INVITE"
    try:
        via = request.via
    except ParseError:
        via = None
    branch = via.branch if via is not None else None
    # A branch that is the cookie and nothing else is not unique (RFC 4475 §3.2.1): as none.
    if via is not None and branch is not None and len(branch) > len(_COOKIE) and branch[:7].lower() == _COOKIE:
        return f"{branch} {via.sent_by.lower()} {method}"
    return f"{_rfc2543_key(request)} {method}"


class TransactionLayer:
    """Keeps the transactions of one user agent or proxy. Effects are drained with ``effects`` after every input."""

    __slots__ = ("_clients", "_effects", "_heap", "_merge_ids", "_serial", "_servers", "_timers")

    def __init__(self, timers: Timers) -> None:
        self._timers = timers
        self._clients: dict[str, _ClientTransaction] = {}
        self._servers: dict[str, _ServerTransaction] = {}
        # Earliest deadlines, some of them out of date: an entry counts only while its transaction says the same.
        self._heap: list[tuple[float, int, Transaction[Any]]] = []
        self._serial = 0
        self._effects: list[Effect] = []
        self._merge_ids: dict[str, tuple[str, float]] = {}

    @property
    def live(self) -> int:
        """The number of transactions that have not terminated."""
        return len(self._clients) + len(self._servers)

    def effects(self) -> list[Effect]:
        """Return what happened since the last call, in order."""
        effects, self._effects = self._effects, []
        return effects

    def next_deadline(self) -> float | None:
        """Return when ``handle_timer`` is due, or None."""
        heap = self._heap
        while heap and heap[0][2].scheduled != heap[0][0]:
            heappop(heap)
        return heap[0][0] if heap else None

    def handle_timer(self, now: float) -> None:
        """Put in every timer that is due."""
        heap = self._heap
        while heap and heap[0][0] <= now:
            deadline, _, transaction = heappop(heap)
            if transaction.scheduled == deadline:
                transaction.scheduled = None
                self._settle(transaction, transaction.fire_timer(now))

    # Client side (RFC 3261 §17.1)

    def send_request(self, request: Request, flow: int, now: float, *, reliable: bool) -> str:
        """Begin a client transaction and return its key: branch and method.

        Raises LocalProtocolError for an ACK, a request without a branch and a branch that is in use.
        """
        method = request.method
        via = request.via
        if via is None or not via.branch or method == "ACK":
            raise LocalProtocolError(f"a client transaction needs a branch and a method but ACK, got: {method}")
        key = via.branch + method
        if key in self._clients:
            raise LocalProtocolError(f"the branch is in use: {key}")
        machine = InviteClientTransaction if method == "INVITE" else NonInviteClientTransaction
        transaction = self._clients[key] = machine(key, request, flow, self._timers, reliable=reliable)
        self._effects.append(Created(key))
        self._settle(transaction, transaction.start(now))
        return key

    def receive_response(self, response: Response, now: float) -> bool:
        """Pass a response to its transaction (RFC 3261 §17.1.3); False when there is none."""
        try:
            via, cseq = response.via, response.cseq
        except ParseError:
            return False
        if via is None or cseq is None or via.branch is None:
            return False
        transaction = self._clients.get(via.branch + cseq.method)
        if transaction is None:
            return False
        ours = transaction.request.via
        # RFC 3261 §18.1.2: a response whose sent-by is not what we put there is not for us.
        if ours is None or via.port != ours.port or (via.host != ours.host and via.host.lower() != ours.host.lower()):
            return False
        self._settle(transaction, transaction.receive(response, now))
        return True

    def destroy(self, key: str) -> None:
        """Forget a client transaction, as of an INVITE that no final response came to after CANCEL (RFC 3261 §9.1)."""
        transaction = self._clients.get(key)
        if transaction is not None:
            transaction.state = State.TERMINATED
            self._settle(transaction, [])

    # Server side (RFC 3261 §17.2)

    def receive_request(self, request: Request, flow: int, now: float) -> str | None:  # noqa: ARG002 - see below
        """Pass a retransmission or an ACK to its transaction and return the key; None when it belongs to none.

        The answer goes where the first copy came from, whatever ``flow`` this one came on.
        """
        key = server_key(request)
        transaction = self._servers.get(key)
        if transaction is None:
            return None
        self._settle(transaction, transaction.receive(request, now))
        return key

    def accept_request(
        self,
        request: Request,
        flow: int,
        now: float,  # noqa: ARG002 - every input of the core carries the time; this one starts no timer
        *,
        reliable: bool,
    ) -> str:
        """Begin a server transaction for a request that ``receive_request`` did not know; return its key.

        Raises LocalProtocolError for an ACK and for a request that has a transaction.
        """
        key = server_key(request)
        method = request.method
        if method == "ACK" or key in self._servers:
            raise LocalProtocolError(f"a server transaction needs a new request but ACK, got: {method}")
        machine = InviteServerTransaction if method == "INVITE" else NonInviteServerTransaction
        self._servers[key] = machine(key, request, flow, self._timers, reliable=reliable)
        self._effects.append(Created(key))
        return key

    def respond(self, key: str, response: Response, now: float) -> None:
        """Send a response through its transaction; without effect once that is over or has its final response."""
        transaction = self._servers.get(key)
        if transaction is not None:
            self._settle(transaction, transaction.respond(response, now))

    def cancelled_by(self, cancel: Request) -> str | None:
        """Return the key of the INVITE transaction that a CANCEL means (RFC 3261 §9.2), or None."""
        key = server_key(cancel, "INVITE")
        return key if key in self._servers else None

    def merged(self, request: Request, now: float) -> bool:
        """Tell whether a request without To tag came before on another way, to be refused with 482 (RFC 3261 §8.2.2.2).

        Remembers it for 64*T1 or as long as its transaction lives: on a reliable flow the first copy's transaction
        is over when it has been answered, but its twin may still be under way.
        """
        try:
            to, from_ = request.to, request.from_
        except ParseError:
            return False
        if from_ is None or from_.tag is None or (to is not None and to.tag is not None):
            return False
        key = server_key(request)
        self._forget_merge_ids(now)
        merge_id = f"{from_.tag} {request.get('Call-ID')} {request.get('CSeq')}"
        known = self._merge_ids.setdefault(merge_id, (key, now + 64 * self._timers.T1))
        return known[0] != key

    def flow_failed(self, flow: int, now: float) -> None:
        """End the transactions of a flow that is gone: client ones report it, server ones just terminate."""
        for transaction in [*self._clients.values(), *self._servers.values()]:
            if transaction.flow == flow:
                self._settle(transaction, transaction.fail_transport(now))

    def _settle(self, transaction: Transaction[Any], effects: list[Effect]) -> None:
        self._effects += effects
        if transaction.state is State.TERMINATED:
            transaction.scheduled = None
            key = transaction.key
            table: dict[str, Any] = self._clients if self._clients.get(key) is transaction else self._servers
            del table[key]
            self._effects.append(Terminated(key))
        else:
            deadlines = transaction.deadlines
            deadline = min(deadlines.values()) if deadlines else None
            if deadline != transaction.scheduled:
                transaction.scheduled = deadline
                if deadline is not None:
                    self._serial += 1
                    heappush(self._heap, (deadline, self._serial, transaction))
        if len(self._heap) > 2 * self.live + _SLACK:
            self._heap = [entry for entry in self._heap if entry[2].scheduled == entry[0]]
            heapify(self._heap)

    def _forget_merge_ids(self, now: float) -> None:
        ids = self._merge_ids
        while ids:
            merge_id, (key, until) = next(iter(ids.items()))
            full = len(ids) >= _MAX_MERGE_IDS
            if until > now and not full:
                break
            del ids[merge_id]
            if key in self._servers and not full:
                ids[merge_id] = (key, now + 64 * self._timers.T1)


def _rfc2543_key(request: Request) -> str:
    # RFC 3261 §17.2.3, for clients without the cookie. The To tag is left out: the ACK has one, its INVITE has not.
    try:
        from_ = request.from_
    except ParseError:
        from_ = None
    tag = from_.tag if from_ is not None else request.get("From")
    sequence = (request.get("CSeq") or "").partition(" ")[0]
    via = request.get("Via")
    return f"{request.uri_text} {tag} {request.get('Call-ID')} {sequence} {via}"
