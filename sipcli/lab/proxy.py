"""The stateful, forking proxy (RFC 3261 §16; RFC 5626 §5.3 for flows; RFC 6026 for late 2xx)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b

from sipcli.lab.flows import Flows
from sipcli.lab.registrar import Target
from sipcli.lab.settings import LabSettings
from sipcli.sip.errors import RemoteProtocolError
from sipcli.sip.grammar import Params
from sipcli.sip.headers import NameAddr, Via
from sipcli.sip.ids import Ids
from sipcli.sip.message import Request, Response, build_response
from sipcli.sip.transaction import TransactionLayer
from sipcli.sip.uri import URI, URIParams

__all__ = ["Proxy", "check_request"]

# RFC 3261 §12.1, RFC 6665 §4.2, RFC 3515 §2.4.4: what may begin a dialog, and so needs to come back through us.
_DIALOG_FORMING = frozenset({"INVITE", "SUBSCRIBE", "REFER"})
# §16.6 step 11: more than three minutes.
_TIMER_C = 181.0
_MAX_FORWARDS = 70
# §16.7 step 6: among 4xx these tell the caller what to do next.
_PREFERRED = frozenset({401, 407, 415, 420, 484})
_CHALLENGES = ("WWW-Authenticate", "Proxy-Authenticate")


@dataclass(slots=True)
class _Branch:
    """One copy of a request on its way to one target."""

    request: Request
    flow: int
    provisional: bool = False
    cancel: Request | None = None
    """The CANCEL; until a provisional response has come it waits (§9.1)."""
    cancel_sent: bool = False
    final: Response | None = None
    deadline: float | None = None
    """Timer C; after CANCEL, when to stop waiting for the final response."""


@dataclass(slots=True)
class _ResponseContext:
    """What §16.7 calls the response context: a request and all its branches."""

    server_key: str | None
    """The server transaction; None for a request of the lab's own."""
    request: Request
    branches: dict[str, _Branch] = field(default_factory=dict)
    answered: bool = False


def check_request(request: Request, settings: LabSettings) -> None:
    """Refuse what must not be proxied (§16.3): raises RemoteProtocolError and ParseError."""
    hops = request.max_forwards
    if hops == 0:
        raise RemoteProtocolError(483, "Too Many Hops")
    own = f"{settings.host}:{settings.port}".lower()
    mark = _loop_mark(request)
    for via in request.vias:
        if via.sent_by.lower() == own and (via.branch or "").endswith(mark):
            raise RemoteProtocolError(482, "Loop Detected")


class Proxy:
    """Forwards requests to their targets and the best response back."""

    __slots__ = ("_contexts", "_flows", "_ids", "_settings", "_transactions")

    def __init__(self, settings: LabSettings, transactions: TransactionLayer, flows: Flows, ids: Ids) -> None:
        self._settings = settings
        self._flows = flows
        self._transactions = transactions
        self._ids = ids
        self._contexts: dict[str, _ResponseContext] = {}

    def forward(
        self, server_key: str | None, request: Request, flow: int | None, targets: Iterable[Target], now: float
    ) -> None:
        """Send a copy of ``request``, which came on ``flow``, to each target (§16.6).

        ``server_key`` and ``flow`` are None when the lab itself is the sender.
        """
        context = _ResponseContext(server_key, request)
        for target in targets:
            copy = self.copy_for(request, flow, target)
            key = self._transactions.send_request(copy, target.flow, now, reliable=True)
            deadline = now + _TIMER_C if request.method == "INVITE" else None
            context.branches[key] = _Branch(copy, target.flow, deadline=deadline)
            self._contexts[key] = context

    def copy_for(self, request: Request, flow: int | None, target: Target) -> Request:
        """Return the copy of ``request``, which came on ``flow``, for ``target`` (§16.6 steps 1 to 8)."""
        hops = request.max_forwards
        mark = _loop_mark(request)
        copy = request.with_uri(target.uri)
        copy = copy.with_header("Max-Forwards", str(_MAX_FORWARDS if hops is None else hops - 1))
        if request.method in _DIALOG_FORMING:
            route = URI(
                scheme="sip",
                user=self._flows.pair(flow, target.flow),
                host=self._settings.host,
                port=self._settings.port,
                # RFC 7118 §5.1: ws with TLS too.
                params=URIParams([("transport", "ws"), ("lr", None)]),
            )
            copy = copy.with_prepended("Record-Route", str(NameAddr(None, route)))
        via = Via(
            "SIP/2.0",
            "WSS" if self._settings.secure else "WS",
            self._settings.host,
            self._settings.port,
            Params([("branch", self._ids.branch() + mark)]),
        )
        return copy.with_prepended("Via", str(via))

    def cancel(self, server_key: str, cancel: Request, now: float) -> None:
        """Cancel every branch of an INVITE that has no final response yet (§16.10)."""
        for context in self._contexts.values():
            if context.server_key == server_key:
                self._cancel_branches(context, cancel.get("Reason"), now)
                break

    # From the transaction layer

    def response_received(self, key: str, response: Response, now: float) -> None:
        """Take a response to one of our copies (§16.7)."""
        context = self._contexts.get(key)
        if context is None:
            return  # to a CANCEL of ours
        branch = context.branches[key]
        if response.status >= 300:
            self._finish(context, branch, response, now)
        elif response.status >= 200:
            branch.final, branch.deadline = response, None
            # §16.7 step 5: every 2xx to INVITE goes back, of other requests only the first final response.
            if not context.answered or context.request.method == "INVITE":
                self._send_back(context, response, now)
            self._cancel_branches(context, 'SIP;cause=200;text="Call completed elsewhere"', now)
        else:
            branch.provisional = True
            if branch.cancel is not None:
                self._send_cancel(branch, now)
            elif response.status > 100:
                if branch.deadline is not None:
                    branch.deadline = now + _TIMER_C
                if not context.answered:
                    self._send_back(context, response, now)

    def failed(self, key: str, status: int, now: float) -> None:
        """Take the end of a copy that got no final response: 408 when timed out, 430 when its flow is gone (§16.9)."""
        context = self._contexts.get(key)
        if context is not None:
            branch = context.branches[key]
            self._finish(context, branch, build_response(branch.request, status), now)

    def terminated(self, key: str) -> None:
        """Forget a client transaction."""
        self._contexts.pop(key, None)

    # Timer C (§16.8)

    def next_deadline(self) -> float | None:
        """Return when ``handle_timer`` is due, or None."""
        return min(
            (deadline for _, branch in self._waiting() if (deadline := branch.deadline) is not None), default=None
        )

    def handle_timer(self, now: float) -> None:
        """Cancel what rings for too long, and stop waiting for the answer to a CANCEL."""
        for key, branch in self._waiting():
            if branch.deadline is None or branch.deadline > now:
                continue
            if branch.cancel is None and branch.provisional:
                self._cancel_branch(branch, None, now)
            else:
                self.failed(key, 408, now)
                self._transactions.destroy(key)

    def _waiting(self) -> list[tuple[str, _Branch]]:
        return [(key, context.branches[key]) for key, context in self._contexts.items()]

    # Responses

    def _finish(self, context: _ResponseContext, branch: _Branch, response: Response, now: float) -> None:
        if branch.final is not None:
            return
        branch.final, branch.deadline = response, None
        if response.status >= 600:
            self._cancel_branches(context, None, now)  # §16.7 step 5
        finals = [each.final for each in context.branches.values() if each.final is not None]
        if len(finals) == len(context.branches) and not context.answered:
            self._send_back(context, _best(finals), now)

    def _send_back(self, context: _ResponseContext, response: Response, now: float) -> None:
        context.answered = context.answered or response.status >= 200
        if context.server_key is None:
            return
        # §16.7 step 3. Below our Via stand those that came with the request; a peer's spelling of them is not needed.
        back = response.without("Via")
        for value in reversed(context.request.get_all("Via")):
            back = back.with_prepended("Via", value)
        self._transactions.respond(context.server_key, back, now)

    # CANCEL (§16.10, §9.1)

    def _cancel_branches(self, context: _ResponseContext, reason: str | None, now: float) -> None:
        if context.request.method == "INVITE":
            for branch in context.branches.values():
                if branch.final is None and branch.cancel is None:
                    self._cancel_branch(branch, reason, now)

    def _cancel_branch(self, branch: _Branch, reason: str | None, now: float) -> None:
        branch.cancel = _build_cancel(branch.request, reason)
        if branch.provisional:
            self._send_cancel(branch, now)

    def _send_cancel(self, branch: _Branch, now: float) -> None:
        assert branch.cancel is not None
        if not branch.cancel_sent:
            branch.cancel_sent = True
            branch.deadline = now + 64 * self._settings.timers.T1
            self._transactions.send_request(branch.cancel, branch.flow, now, reliable=True)


def _build_cancel(invite: Request, reason: str | None) -> Request:
    headers = [
        ("Via", str(invite.via)),
        ("Max-Forwards", str(_MAX_FORWARDS)),
        ("To", invite.get("To") or ""),
        ("From", invite.get("From") or ""),
        ("Call-ID", invite.get("Call-ID") or ""),
        ("CSeq", f"{(invite.get('CSeq') or '').partition(' ')[0]} CANCEL"),
    ]
    if reason is not None:
        headers.append(("Reason", reason))  # RFC 3326 §2
    return Request("CANCEL", invite.uri_text, headers)


def _best(finals: Sequence[Response]) -> Response:
    """Choose the response that goes back when no branch succeeded (§16.7 steps 6 and 7)."""

    def rank(response: Response) -> tuple[bool, int, bool, int]:
        status = response.status
        return status < 600, status // 100, status not in _PREFERRED, status

    best = min(finals, key=rank)
    if best.status == 430:
        # RFC 5626 §5.3.2 is about flows behind other proxies; to the caller the user is just not there.
        return _with_status(best, 480, "Temporarily Unavailable")
    if best.status == 503:
        return _with_status(best, 500, "Server Internal Error")  # §16.7 step 6
    if best.status in (401, 407):
        for other in finals:
            if other is not best and other.status in (401, 407):
                for name in _CHALLENGES:
                    for value in other.get_all(name):
                        if "\0" not in value:
                            best = best.with_added(name, value)
    return best


def _with_status(response: Response, status: int, reason: str) -> Response:
    return Response(status, reason, response.headers, response.body)


def _loop_mark(request: Request) -> str:
    """Return what makes a request that comes back unchanged recognisable (§16.6 step 8)."""
    fields = [request.uri_text]
    fields += [request.get(name) or "" for name in ("From", "To", "Call-ID", "CSeq", "Route", "Proxy-Require")]
    text = "\n".join(fields).encode("utf-8", "surrogateescape")
    return "." + blake2b(text, digest_size=8).hexdigest()
