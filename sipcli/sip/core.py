"""The user agent core: flow, transactions, client, server and registration put together (RFC 3261 §5, §8; RFC 7118)."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum, auto

from sipcli.sip.client_authentication import ClientAuthentication
from sipcli.sip.dialog import dialog_id_of
from sipcli.sip.digest import Credentials
from sipcli.sip.errors import ParseError
from sipcli.sip.events import (
    Connected,
    CredentialsRequired,
    Disconnected,
    Output,
    TransactionCreated,
    TransactionDestroyed,
    Transmit,
)
from sipcli.sip.exchange import Authentication, ClientEvent
from sipcli.sip.flow import FlowControl, OptionsPing, State
from sipcli.sip.headers import NameAddr
from sipcli.sip.identity import Hop, Identity
from sipcli.sip.ids import Ids
from sipcli.sip.message import FramingError, Request, Response, parse, serialize
from sipcli.sip.registration import Registration
from sipcli.sip.request_builder import Draft, RequestBuilder, RequestParams
from sipcli.sip.settings import Server, Settings
from sipcli.sip.timers import Timers
from sipcli.sip.transaction import (
    AckReceived,
    Created,
    Effect,
    ResponseReceived,
    Send,
    Terminated,
    TimedOut,
    TransactionLayer,
    TransportFailed,
)
from sipcli.sip.uri import URI
from sipcli.sip.user_agent_client import UserAgentClient
from sipcli.sip.user_agent_server import UserAgentServer

__all__ = ["RequestParams", "UserAgentCore"]


class _Phase(Enum):
    IDLE = auto()
    RUNNING = auto()
    STOPPING = auto()
    """The binding is being removed and transactions end; nothing new is taken from outside."""
    CLOSING = auto()
    """The flow is being closed."""


class UserAgentCore:
    """One user agent, without I/O and clock.

    Give it what happens, and drain ``outputs`` after every call; call ``handle_timer`` when ``next_deadline`` has come.
    Nothing that a peer sends raises.
    """

    __slots__ = (
        "_builder",
        "_client",
        "_flow",
        "_hop",
        "_identity",
        "_outputs",
        "_phase",
        "_registration",
        "_server",
        "_transactions",
    )

    def __init__(self, settings: Settings, timers: Timers, ids: Ids, *, recover: bool = True) -> None:
        """With ``recover`` a flow or registration that is lost is made again, for ever; without, it stays lost."""
        self._identity = Identity(settings, ids)
        self._builder = RequestBuilder(settings, self._identity, ids)
        self._transactions = TransactionLayer(timers)
        self._flow = FlowControl(settings, ids, recover=recover)
        self._client = UserAgentClient(
            settings,
            timers,
            ids,
            self._transactions,
            ClientAuthentication(settings, self._identity, ids),
            self._transmit,
            self._identity.hop(0, _first_server(settings)),
        )
        self._server = UserAgentServer(settings, ids, self._identity, self._builder, self._transactions, self._transmit)
        self._registration = Registration(
            settings, self._identity, self._builder, ids, self._send_register, recover=recover
        )
        self._hop: Hop | None = None
        self._phase = _Phase.IDLE
        self._outputs: list[Output] = []

    # What may be asked

    @property
    def registered(self) -> bool:
        """Whether the registrar holds our binding over the flow that stands."""
        return self._registration.registered

    @property
    def connected_flow(self) -> int | None:
        return self._flow.current

    @property
    def stopped(self) -> bool:
        """Whether a stop is complete: the flow is closed, or there was none."""
        return self._phase is _Phase.CLOSING and self._flow.state is State.STOPPED

    @property
    def local_identity(self) -> NameAddr:
        """Our name and address of record."""
        return self._identity.address

    @property
    def contact(self) -> URI:
        """Our Contact URI, as in REGISTER."""
        return self._identity.contact

    def outgoing(self, request_id: int) -> Request:
        """Return a request of ours as last sent, or as it will be sent. Raises LocalProtocolError when it has ended."""
        return self._client.request_of(request_id)

    def outputs(self) -> list[Output]:
        """Return what is to be done and told, in order, and forget it."""
        outputs, self._outputs = self._outputs, []
        return outputs

    def next_deadline(self) -> float | None:
        """Return when ``handle_timer`` is due, or None."""
        deadlines = (
            self._flow.next_deadline(),
            self._transactions.next_deadline(),
            self._client.next_deadline(),
            self._server.next_deadline(),
            self._registration.next_deadline(),
        )
        return min([deadline for deadline in deadlines if deadline is not None], default=None)

    # Inputs

    def receive(self, data: bytes, flow: int, now: float) -> None:
        """Take one message of the transport, or CRLFs."""
        hop = self._hop
        if hop is None or flow != hop.flow:
            return
        if not data.strip(b"\r\n"):
            self._flow.crlf_received(flow, data, now)
            self._settle(now)
            return
        self._flow.received(flow, now)
        try:
            message = parse(data)
        except FramingError as error:
            if isinstance(error.message, Request):
                self._server.refuse_malformed(error.message, hop, error)
        except ParseError:
            pass  # not a message: there is nobody to answer
        else:
            if isinstance(message, Request):
                self._receive_request(message, hop, now)
            elif self._client.accepts(message):
                self._transactions.receive_response(message, now)
        self._settle(now)

    def connected(self, flow: int, now: float) -> None:
        """Take notice that the connection of ``flow`` stands."""
        self._flow.connected(flow, now)
        self._settle(now)

    def disconnected(self, flow: int, code: int, reason: str, clean: bool, now: float) -> None:
        """Take notice that the connection of ``flow`` ended or could not be made."""
        self._flow.disconnected(flow, code, reason, clean, now)
        self._settle(now)

    def pong(self, flow: int, now: float) -> None:
        """Take a WebSocket pong."""
        self._flow.pong(flow, now)
        self._settle(now)

    def handle_timer(self, now: float) -> None:
        """Do what was due until ``now``."""
        self._flow.handle_timer(now)
        self._settle(now)
        self._transactions.handle_timer(now)
        self._settle(now)
        self._client.handle_timer(now)
        self._server.handle_timer(now)
        self._registration.handle_timer(now)
        self._settle(now)

    # Commands

    def start(self, now: float) -> None:
        """Connect, and register if the settings say so. Raises LocalProtocolError when no server is configured."""
        self._flow.start(now)
        self._phase = _Phase.RUNNING
        self._registration.start()
        self._settle(now)

    def stop(self, now: float) -> None:
        """Remove the binding, let transactions end, disconnect. A second call does not wait.

        Requests that still come in are dropped. How long the whole may take is the driver's to bound.
        """
        if self._phase in (_Phase.STOPPING, _Phase.CLOSING):
            self._close(now)
        else:
            self._phase = _Phase.STOPPING
            self._client.abandon()
            self._client.cancel_all(now)
            self._server.reject_all(now)
            self._registration.stop(now)
        self._settle(now)

    def register(self, now: float, *, extra_headers: Sequence[str] = ()) -> None:
        """Register, after what is under way. Raises LocalProtocolError without a uri, ValueError for a bad header."""
        self._registration.register(now, extra_headers)
        self._fail_hopeless()
        self._settle(now)

    def unregister(self, now: float, *, all: bool = False, extra_headers: Sequence[str] = ()) -> None:
        """Remove our binding, or with ``all`` those of all the user's agents. Raises as ``register`` does."""
        self._registration.unregister(now, all=all, extra_headers=extra_headers)
        self._fail_hopeless()
        self._settle(now)

    def request(
        self,
        method: str,
        target: URI | NameAddr | str,
        now: float,
        *,
        body: bytes = b"",
        content_type: str | None = None,
        extra_headers: Sequence[str] = (),
        params: RequestParams | None = None,
    ) -> int:
        """Send a request outside any dialog, now or when the flow stands; return the id that its events carry.

        Raises ParseError for a target that is none, ValueError for what cannot stand in a message,
        LocalProtocolError for an ACK and for ``sips:`` without a secure server.
        """
        return self.begin_request(
            method,
            target,
            now,
            body=body,
            content_type=content_type,
            extra_headers=extra_headers,
            params=params,
        )[0]

    def begin_request(
        self,
        method: str,
        target: URI | NameAddr | str,
        now: float,
        *,
        body: bytes = b"",
        content_type: str | None = None,
        extra_headers: Sequence[str] = (),
        params: RequestParams | None = None,
    ) -> tuple[int, Request]:
        """Do as ``request``; return the request too, as sent or as it will be, or would have been had there been a way.

        ``outgoing`` does not have it any more when no flow will come.
        """
        address = self._builder.address(target)
        draft = self._builder.draft(
            method, address, body=body, content_type=content_type, extra_headers=extra_headers, params=params
        )
        request_id, request = self._client.begin(draft, address.uri, now)
        self._fail_hopeless()
        self._settle(now)
        return request_id, request

    def cancel(
        self, request_id: int, now: float, *, status_code: int | None = None, reason_phrase: str | None = None
    ) -> None:
        """Cancel an INVITE, at once or when its first provisional response has come; the two go into Reason.

        Raises ValueError for a status code that is not from 200 to 699, LocalProtocolError for another method, for a
        request that has ended and for a second call.
        """
        self._client.cancel(request_id, now, status_code=status_code, reason_phrase=reason_phrase)
        self._settle(now)

    def provide_credentials(self, request_id: int, credentials: Credentials | None, now: float) -> None:
        """Answer CredentialsRequired; with None the request ends as rejected."""
        self._client.provide_credentials(request_id, credentials, now)
        self._settle(now)

    def accept(
        self,
        request_id: int,
        now: float,
        *,
        status: int = 200,
        reason: str | None = None,
        extra_headers: Sequence[str] = (),
        body: bytes = b"",
        content_type: str | None = None,
    ) -> None:
        """Answer a request with a 2xx. Raises ValueError for another status or a bad header, LocalProtocolError when
        it has been answered, and for an INVITE.
        """
        _check_status(status, 200, 299)
        self._server.respond(
            request_id,
            status,
            now,
            reason=reason,
            extra_headers=extra_headers,
            body=body,
            content_type=content_type,
        )
        self._settle(now)

    def reject(
        self,
        request_id: int,
        now: float,
        *,
        status: int = 480,
        reason: str | None = None,
        extra_headers: Sequence[str] = (),
    ) -> None:
        """Answer a request with a status from 300 on. Raises as ``accept`` does."""
        _check_status(status, 300, 699)
        self._server.respond(request_id, status, now, reason=reason, extra_headers=extra_headers)
        self._settle(now)

    def provisional(
        self,
        request_id: int,
        now: float,
        *,
        status: int = 180,
        reason: str | None = None,
        extra_headers: Sequence[str] = (),
    ) -> None:
        """Answer an INVITE with a provisional response from 101 on. Raises as ``accept`` does."""
        _check_status(status, 101, 199)
        self._server.respond(request_id, status, now, reason=reason, extra_headers=extra_headers)
        self._settle(now)

    # Requests

    def _receive_request(self, request: Request, hop: Hop, now: float) -> None:
        if self._transactions.receive_request(request, hop.flow, now) is not None:
            return
        if self._phase is not _Phase.RUNNING:
            return
        in_dialog = self._client.ends_dialog(dialog_id_of(request))
        self._server.receive(request, hop, self._client.new_id(), now, in_dialog=in_dialog)

    def _send_register(self, draft: Draft, now: float, budget: int) -> int:
        return self._client.begin(draft, self._identity.registrar(), now, budget=budget)[0]

    def _ping(self, now: float) -> None:
        """Send an OPTIONS as keep-alive; whatever comes back shows that the flow lives."""
        target = NameAddr(None, self._identity.registrar())
        draft = self._builder.draft("OPTIONS", target)
        self._client.begin(draft, target.uri, now, authentication=Authentication.NEVER, published=False)

    # Outputs, in the order in which they come about

    def _settle(self, now: float) -> None:
        """Carry what one part has to say to the others, until none has anything more."""
        while True:
            if effects := self._transactions.effects():
                for effect in effects:
                    self._take_effect(effect, now)
            elif flow_outputs := self._flow.outputs():
                for output in flow_outputs:
                    if isinstance(output, OptionsPing):
                        self._ping(now)
                    else:
                        self._outputs.append(output)
                        if isinstance(output, Connected):
                            self._take_connection(now)
                        elif isinstance(output, Disconnected):
                            self._take_disconnection(now)
            elif client_events := self._client.outputs():
                for event in client_events:
                    self._take_client_event(event, now)
            elif events := self._server.outputs() or self._registration.outputs():
                self._outputs += events
            elif self._phase is _Phase.STOPPING and self._is_quiet():
                self._close(now)
            else:
                return

    def _take_effect(self, effect: Effect, now: float) -> None:
        # The common ones first, and without taking them apart: this runs four times a request.
        match effect:
            case Send():
                self._transmit(effect.flow, effect.message)
            case Created():
                self._outputs.append(TransactionCreated(effect.key))
            case ResponseReceived():
                self._client.response_received(effect.key, effect.response, now)
            case Terminated():
                self._client.terminated(effect.key)
                self._server.terminated(effect.key)
                self._outputs.append(TransactionDestroyed(effect.key))
            case TimedOut():
                self._client.timed_out(effect.key)
            case TransportFailed():
                self._client.transport_failed(effect.key)
            case AckReceived():
                pass  # no INVITE is accepted here, so there is no 2xx to stop resending

    def _transmit(self, flow: int, message: Request | Response) -> None:
        self._outputs.append(Transmit(flow, serialize(message)))

    def _take_client_event(self, event: ClientEvent, now: float) -> None:
        # What becomes of a REGISTER is the registration's affair; only the user knows the password.
        if event.id == self._registration.request_id and not isinstance(event, CredentialsRequired):
            self._registration.take(event, now)
        else:
            self._outputs.append(event)

    def _take_connection(self, now: float) -> None:
        flow, server = self._flow.current, self._flow.server
        assert flow is not None
        assert server is not None
        self._hop = self._identity.hop(flow, server)
        self._client.flow_connected(self._hop)
        # The REGISTER goes first: some servers take nothing else from strangers.
        self._registration.flow_connected(now)
        self._client.send_waiting(now)

    def _take_disconnection(self, now: float) -> None:
        hop, self._hop = self._hop, None
        if hop is not None:
            self._client.flow_lost()
            self._transactions.flow_failed(hop.flow, now)
            self._settle_requests(now)
            self._registration.flow_lost(now)
        self._fail_hopeless()

    def _fail_hopeless(self) -> None:
        """End what waits for a flow that will not come: the last one has failed, or we are stopping."""
        given_up = self._phase is not _Phase.IDLE and self._flow.state is State.STOPPED
        if given_up or self._phase is _Phase.CLOSING:
            self._client.abandon()
            self._registration.flow_given_up()

    def _settle_requests(self, now: float) -> None:
        # A REGISTER that was out has failed before the registration hears that the flow is gone.
        for effect in self._transactions.effects():
            self._take_effect(effect, now)
        for event in self._client.outputs():
            self._take_client_event(event, now)

    # Stopping

    def _is_quiet(self) -> bool:
        if self._hop is None:
            return True
        return not (self._client.busy or self._server.busy or self._registration.busy)

    def _close(self, now: float) -> None:
        self._phase = _Phase.CLOSING
        self._flow.stop(now)
        self._client.flow_lost()
        self._fail_hopeless()


def _first_server(settings: Settings) -> Server:
    servers = settings.ws_servers
    return servers[0] if servers else Server("", False, "invalid", 80)


def _check_status(status: int, lowest: int, highest: int) -> None:
    if not lowest <= status <= highest:
        raise ValueError(f"status: expected {lowest} to {highest}, got: {status}")
