"""The user agent client: requests, challenges, redirects, cancellation (RFC 3261 §8.1, §9.1, §13.2.2.4, §22.2)."""

from __future__ import annotations

from collections.abc import Callable

from sipcli.sip.cancellation import Cancellation, build_cancel, build_reason
from sipcli.sip.client_authentication import ClientAuthentication
from sipcli.sip.dialog import Dialog, DialogId
from sipcli.sip.digest import Credentials
from sipcli.sip.errors import LocalProtocolError, ParseError
from sipcli.sip.events import (
    Cause,
    CredentialsRequired,
    RequestAccepted,
    RequestCancelled,
    RequestFailed,
    RequestProgress,
    RequestRejected,
    RequestSent,
)
from sipcli.sip.exchange import Authentication, ClientEvent, Exchange, State
from sipcli.sip.identity import Hop
from sipcli.sip.ids import Ids
from sipcli.sip.message import Request, Response
from sipcli.sip.redirection import TargetSet
from sipcli.sip.request_builder import Draft
from sipcli.sip.settings import Settings
from sipcli.sip.timers import Timers
from sipcli.sip.transaction import TransactionLayer
from sipcli.sip.uri import URI, AnyURI

__all__ = ["MAX_AUTHENTICATIONS", "Transmitter", "UserAgentClient"]

Transmitter = Callable[[int, Request], None]
"""Sends a request on a flow outside any transaction: the ACK for a 2xx."""

# Answers to challenges in one request, stale ones and redirected targets included.
MAX_AUTHENTICATIONS = 4


class UserAgentClient:
    """Carries requests to their final response; a request ends exactly once. ``outputs`` is drained by the core."""

    __slots__ = (
        "_authentication",
        "_by_key",
        "_exchanges",
        "_expiries",
        "_hop",
        "_ids",
        "_leaving",
        "_outputs",
        "_preview",
        "_redirects",
        "_secure",
        "_serial",
        "_timers",
        "_transactions",
        "_transmit",
    )

    def __init__(
        self,
        settings: Settings,
        timers: Timers,
        ids: Ids,
        transactions: TransactionLayer,
        authentication: ClientAuthentication,
        transmit: Transmitter,
        preview: Hop,
    ) -> None:
        """``preview`` is what requests are built for while there is no flow."""
        self._transmit = transmit
        self._redirects = settings.follow_redirects
        self._timers = timers
        self._ids = ids
        self._transactions = transactions
        self._authentication = authentication
        self._secure = any(server.secure for server in settings.ws_servers)
        self._preview = preview
        self._hop: Hop | None = None
        self._serial = 0
        self._exchanges: dict[int, Exchange] = {}
        self._by_key: dict[str, Exchange] = {}
        # Waiting for a flow, or for the answer to a CANCEL: each for as long as a transaction, so the first of the
        # dict is always the earliest.
        self._expiries: dict[int, float] = {}
        # Dialogs that end with the BYE now under way.
        self._leaving: set[DialogId] = set()
        self._outputs: list[ClientEvent] = []

    # What the core asks

    def outputs(self) -> list[ClientEvent]:
        """Return the events since the last call, in order."""
        outputs, self._outputs = self._outputs, []
        return outputs

    def next_deadline(self) -> float | None:
        return next(iter(self._expiries.values()), None)

    @property
    def busy(self) -> bool:
        """Whether a request is under way that is neither an INVITE nor a keep-alive."""
        return any(
            exchange.draft.method != "INVITE" and exchange.authentication is not Authentication.NEVER
            for exchange in self._exchanges.values()
        )

    def new_id(self) -> int:
        self._serial += 1
        return self._serial

    def request_of(self, request_id: int) -> Request:
        """Return a request as last sent, or as it will be sent. Raises LocalProtocolError when it has ended."""
        request = self._exchange(request_id).request
        assert request is not None
        return request

    def ends_dialog(self, dialog_id: DialogId) -> bool:
        """Tell whether this is a dialog that we are about to end: the peer's own BYE has crossed ours."""
        return dialog_id in self._leaving

    # Commands

    def begin(
        self,
        draft: Draft,
        uri: AnyURI,
        now: float,
        *,
        authentication: Authentication = Authentication.ASK,
        published: bool = True,
        budget: int | None = None,
        ends: DialogId | None = None,
    ) -> tuple[int, Request]:
        """Send a request, or keep it for the next flow; return its id and the request.

        ``uri`` is the target that ``draft`` holds as text, ``budget`` how often the request may be sent at most,
        repetitions after challenges and redirects included; ``ends`` the dialog that is over with it. Raises
        ValueError for what cannot be sent, LocalProtocolError for an ACK.
        """
        if draft.method == "ACK":
            raise LocalProtocolError("an ACK belongs to its INVITE and is not sent by itself")
        redirects = self._redirects
        targets = None
        if redirects > 0 and published:
            targets = TargetSet(uri if isinstance(uri, URI) else None, redirects, secure=self._secure)
        if budget is None:
            budget = 1 + MAX_AUTHENTICATIONS + redirects
        exchange = Exchange(self.new_id(), draft, uri, authentication, published, budget, targets, ends=ends)
        hop = self._hop
        if hop is None or _is_too_secure(uri, hop):
            exchange.request = draft.build(self._preview, self._ids.branch())
        self._exchanges[exchange.id] = exchange
        try:
            self._send(exchange, now)
        except ValueError:
            del self._exchanges[exchange.id]
            raise
        assert exchange.request is not None
        return exchange.id, exchange.request

    def cancel(self, request_id: int, now: float, *, status_code: int | None, reason_phrase: str | None) -> None:
        """Cancel an INVITE that has no final response (§9.1); the two go into a Reason header field (RFC 3326).

        Raises ValueError for a status code that is not from 200 to 699, LocalProtocolError for another method, for a
        request that has ended and for a second call.
        """
        reason = build_reason(status_code, reason_phrase)
        exchange = self._exchange(request_id)
        if exchange.draft.method != "INVITE":
            raise LocalProtocolError(f"only an INVITE can be cancelled, this is: {exchange.draft.method}")
        if exchange.state is State.ACCEPTED:
            raise LocalProtocolError("the INVITE has been accepted, there is nothing to cancel")
        if exchange.cancellation is not None:
            raise LocalProtocolError("the INVITE has been cancelled already")
        exchange.cancellation = Cancellation(reason)
        self._publish(exchange, RequestCancelled(exchange.id))
        if exchange.state in (State.WAITING, State.CHALLENGED):
            self._fail(exchange, Cause.CANCELED)
        elif exchange.state is State.PROCEEDING:
            self._send_cancel(exchange, now)

    def provide_credentials(self, request_id: int, credentials: Credentials | None, now: float) -> None:
        """Answer CredentialsRequired; None rejects the request.

        The credentials serve later requests too, also when this one has ended while somebody was asked.
        """
        if credentials is not None:
            self._authentication.provide(credentials)
        exchange = self._exchanges.get(request_id)
        response = None if exchange is None else exchange.challenge
        if exchange is None or response is None:
            return
        exchange.challenge = None
        if credentials is None:
            self._reject(exchange, response)
        else:
            self._answer_challenge(exchange, response, now)

    def abandon(self) -> None:
        """End what cannot end by itself any more, because no further flow will come."""
        for exchange in [*self._exchanges.values()]:
            if exchange.state in (State.WAITING, State.CHALLENGED):
                self._fail(exchange, Cause.CONNECTION_ERROR)

    def cancel_all(self, now: float) -> None:
        """Cancel every INVITE that still can be."""
        for exchange in [*self._exchanges.values()]:
            unanswered = exchange.state is not State.ACCEPTED and exchange.cancellation is None
            if exchange.draft.method == "INVITE" and unanswered:
                self.cancel(exchange.id, now, status_code=None, reason_phrase=None)

    # Inputs

    def flow_connected(self, hop: Hop) -> None:
        """Use this flow from now on."""
        self._hop = hop

    def send_waiting(self, now: float) -> None:
        """Send what has waited for a flow."""
        for exchange in [*self._exchanges.values()]:
            if exchange.state is State.WAITING:
                self._send(exchange, now)

    def flow_lost(self) -> None:
        """Send nothing until the next flow. What is under way fails through its transaction, or here."""
        self._hop = None
        for exchange in [*self._exchanges.values()]:
            if exchange.state is State.CHALLENGED:
                self._fail(exchange, Cause.CONNECTION_ERROR)

    def accepts(self, response: Response) -> bool:
        """Tell whether a response may be passed to the transactions (§8.1.3.3, §18.1.2), and is one of ours."""
        if response.version != "SIP/2.0":
            return False
        try:
            via, cseq, call_id = response.via, response.cseq, response.call_id
            if via is None or cseq is None or via.branch is None or response.get("To") is None:
                return False
            values = response.get_all("Via")
            if len(values) > 1 or ("," in values[0] and len(response.vias) > 1):
                return False
            exchange = self._by_key.get(via.branch + cseq.method)
            if exchange is None or exchange.request is None:
                return True
            if call_id != exchange.request.call_id or cseq.number != exchange.draft.cseq:
                return False
            # Nearly always it comes back as it went; then there is nothing to parse.
            return response.get("From") == exchange.request.get("From") or response.from_ is not None
        except ParseError:
            return False

    def response_received(self, key: str, response: Response, now: float) -> None:
        """Take a response that a transaction passes up."""
        exchange = self._by_key.get(key)
        if exchange is None:
            return
        if response.status < 200:
            exchange.state = State.PROCEEDING
            self._publish(exchange, RequestProgress(exchange.id, response))
            if exchange.cancellation is not None and not exchange.cancellation.sent:
                self._send_cancel(exchange, now)
        elif response.status < 300:
            self._authentication.succeeded(response)
            if exchange.draft.method == "INVITE":
                self._take_dialog(exchange, response, now)
            else:
                self._end(exchange)
                self._publish(exchange, RequestAccepted(exchange.id, response))
        else:
            self._refused(exchange, response, now)

    def timed_out(self, key: str) -> None:
        """Take notice that a transaction got no final response."""
        exchange = self._by_key.get(key)
        if exchange is not None:
            self._fail(exchange, Cause.REQUEST_TIMEOUT)

    def transport_failed(self, key: str) -> None:
        """Take notice that a flow was lost before the final response. The request is never sent again."""
        exchange = self._by_key.get(key)
        if exchange is not None:
            self._fail(exchange, Cause.CONNECTION_ERROR)

    def terminated(self, key: str) -> None:
        """Forget an INVITE whose transaction, which absorbs what comes after the 2xx, is over."""
        exchange = self._by_key.get(key)
        if exchange is not None and exchange.state is State.ACCEPTED:
            self._end(exchange)

    def handle_timer(self, now: float) -> None:
        """End what has waited as long as a transaction may."""
        while self._expiries:
            request_id, deadline = next(iter(self._expiries.items()))
            if deadline > now:
                return
            del self._expiries[request_id]
            exchange = self._exchanges[request_id]
            if exchange.state is State.WAITING:
                self._fail(exchange, Cause.CONNECTION_ERROR)
            else:
                # §9.1: without a final response the cancelled request is considered over after this time.
                assert exchange.key is not None
                self._fail(exchange, Cause.CANCELED)
                self._transactions.destroy(exchange.key)

    # Sending

    def _send(self, exchange: Exchange, now: float) -> None:
        hop = self._hop
        if hop is None:
            exchange.state = State.WAITING
            self._expire(exchange, now)
            return
        self._expiries.pop(exchange.id, None)
        if _is_too_secure(exchange.uri, hop):
            self._fail(exchange, Cause.CONNECTION_ERROR)
            return
        request = exchange.draft.build(hop, self._ids.branch())
        if exchange.challenge is not None:
            assert exchange.request is not None
            request = self._authentication.answer(request, exchange.challenge, exchange.request)
            exchange.challenge = None
        elif exchange.authentication is not Authentication.NEVER:
            request = self._authentication.preauthorize(request)
        if exchange.key is not None:
            self._by_key.pop(exchange.key, None)
        exchange.request = request
        exchange.state = State.CALLING
        exchange.budget -= 1
        exchange.key = self._transactions.send_request(request, hop.flow, now, reliable=hop.reliable)
        self._by_key[exchange.key] = exchange
        self._publish(exchange, RequestSent(exchange.id, request))

    def _repeat(self, exchange: Exchange, draft: Draft, now: float) -> None:
        exchange.draft = draft
        self._send(exchange, now)

    def _send_cancel(self, exchange: Exchange, now: float) -> None:
        cancellation, invite, hop = exchange.cancellation, exchange.request, self._hop
        assert cancellation is not None
        assert invite is not None
        assert hop is not None  # a flow that is lost ends what was sent on it
        cancellation.sent = True
        cancel = build_cancel(invite, cancellation.reason)
        self._transactions.send_request(cancel, hop.flow, now, reliable=hop.reliable)
        self._expire(exchange, now)

    # Final responses

    def _refused(self, exchange: Exchange, response: Response, now: float) -> None:
        """Answer a challenge, follow a redirect, or pass the response up."""
        if exchange.cancellation is not None and response.status in (401, 407):
            self._fail(exchange, Cause.CANCELED)
        elif exchange.cancellation is not None or exchange.budget <= 0:
            self._reject(exchange, response)
        elif response.status in (401, 407):
            self._challenged(exchange, response, now)
        else:
            self._redirected(exchange, response, now)

    def _challenged(self, exchange: Exchange, response: Response, now: float) -> None:
        authentication = self._authentication
        if exchange.authentication is Authentication.NEVER or exchange.authentications >= MAX_AUTHENTICATIONS:
            self._reject(exchange, response)
        elif authentication.knows_secret:
            self._answer_challenge(exchange, response, now)
        elif exchange.authentication is Authentication.ASK and (realm := authentication.realm_of(response)) is not None:
            exchange.state = State.CHALLENGED
            exchange.challenge = response
            self._publish(exchange, CredentialsRequired(exchange.id, realm, authentication.username))
        else:
            self._reject(exchange, response)

    def _answer_challenge(self, exchange: Exchange, response: Response, now: float) -> None:
        if not self._authentication.can_answer(response):
            self._authentication.refused()
            self._reject(exchange, response)
            return
        exchange.authentications += 1
        exchange.challenge = response
        self._repeat(exchange, exchange.draft.next(), now)

    def _redirected(self, exchange: Exchange, response: Response, now: float) -> None:
        target = None if exchange.targets is None else exchange.targets.next(response)
        if target is None:
            self._reject(exchange, response)
        else:
            exchange.uri = target
            self._repeat(exchange, exchange.draft.next(target), now)

    def _reject(self, exchange: Exchange, response: Response) -> None:
        self._end(exchange)
        self._publish(exchange, RequestRejected(exchange.id, response, Cause.of_status(response.status)))

    def _fail(self, exchange: Exchange, cause: Cause) -> None:
        self._publish(exchange, RequestFailed(exchange.id, cause))
        self._end(exchange)

    def _expire(self, exchange: Exchange, now: float) -> None:
        self._expiries.pop(exchange.id, None)
        self._expiries[exchange.id] = now + self._timers.transaction_timeout

    def _end(self, exchange: Exchange) -> None:
        if exchange.ends is not None:
            self._leaving.discard(exchange.ends)
        self._exchanges.pop(exchange.id, None)
        self._expiries.pop(exchange.id, None)
        if exchange.key is not None:
            self._by_key.pop(exchange.key, None)

    def _publish(self, exchange: Exchange, event: ClientEvent) -> None:
        if exchange.published:
            self._outputs.append(event)

    def _exchange(self, request_id: int) -> Exchange:
        exchange = self._exchanges.get(request_id)
        if exchange is None:
            raise LocalProtocolError("the request has ended")
        return exchange

    # 2xx to INVITE (§13.2.2.4)

    def _take_dialog(self, exchange: Exchange, response: Response, now: float) -> None:
        """Acknowledge a 2xx, also of a fork and again; end the dialog, since nothing here can use it."""
        hop, invite = self._hop, exchange.request
        assert hop is not None  # the response has just come over it
        assert invite is not None
        dialog = Dialog.of_response(invite, response)
        ack = exchange.acknowledged.get(dialog.id)
        if ack is not None:
            self._transmit(hop.flow, ack)
            return
        ack = dialog.build_ack(invite, f"{hop.via}{self._ids.branch()}{hop.via_params}")
        exchange.acknowledged[dialog.id] = ack
        self._transmit(hop.flow, ack)
        if exchange.state is not State.ACCEPTED:
            self._expiries.pop(exchange.id, None)
            if exchange.cancellation is None:
                self._publish(exchange, RequestAccepted(exchange.id, response))
            else:
                # §9.1: the CANCEL came too late to be effective. The user wanted no call and gets none.
                self._publish(exchange, RequestFailed(exchange.id, Cause.CANCELED))
            exchange.state = State.ACCEPTED
        self._leave(dialog, invite, now)

    def _leave(self, dialog: Dialog, invite: Request, now: float) -> None:
        tail = tuple([("User-Agent", value) for value in invite.get_all("User-Agent")])
        draft = Draft(
            "BYE", dialog.remote_target, dialog.head(), dialog.local_cseq + 1, tail, route_set=dialog.route_set
        )
        self._leaving.add(dialog.id)
        self.begin(draft, invite.uri, now, authentication=Authentication.KNOWN, published=False, ends=dialog.id)


def _is_too_secure(uri: AnyURI, hop: Hop) -> bool:
    """Tell whether a ``sips:`` target would go out on a flow without TLS (RFC 3261 §26.2.2)."""
    return isinstance(uri, URI) and uri.scheme == "sips" and not hop.secure
