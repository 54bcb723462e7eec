"""The lab's core: what it does with each request (RFC 3261 §16.3 to §16.5, §10.3, §11.2). No I/O and no clock."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import replace
from heapq import heappop, heappush

from sipcli.lab.authentication import Authenticator
from sipcli.lab.flows import Flows
from sipcli.lab.impairment import Impairment
from sipcli.lab.proxy import Proxy, check_request
from sipcli.lab.registrar import SUPPORTED, Registrar, Target
from sipcli.lab.services import Services
from sipcli.lab.settings import LabSettings
from sipcli.sip.errors import ParseError, RemoteProtocolError
from sipcli.sip.events import Transmit
from sipcli.sip.headers import NameAddr
from sipcli.sip.ids import Ids
from sipcli.sip.message import FramingError, Request, Response, build_response, parse, serialize
from sipcli.sip.transaction import (
    AckReceived,
    ResponseReceived,
    Send,
    Terminated,
    TimedOut,
    TransactionLayer,
    TransportFailed,
)
from sipcli.sip.uri import URI, unescape

__all__ = ["LabCore"]

_ALLOW = "INVITE, ACK, CANCEL, BYE, OPTIONS, MESSAGE, REGISTER, SUBSCRIBE, NOTIFY, REFER, INFO, PRACK, UPDATE, PUBLISH"
_KEEP_ALIVE = b"\r\n\r\n"
_PONG = b"\r\n"
# A lab that runs for days remembers the end of what it received.
_REMEMBERED = 1000
# What the lab says again in messages of its own, and a NUL cannot be said: legal in RFC 3261 only behind a backslash.
_REPEATED = ("Via", "Contact", "Content-Type", "Require", "Proxy-Require", "Proxy-Authorization", "Reason")
# The same for ACK and CANCEL (§17.1.1.3, §9.1).
_REPEATED_OF_INVITE = (*_REPEATED, "To", "From", "Call-ID")


class LabCore:
    """Registrar, proxy and answering services for the flows that the driver tells of.

    After every input the driver sends what ``outputs`` returns and sets its timer to ``next_deadline``.
    """

    def __init__(self, settings: LabSettings, ids: Ids, impairment: Impairment) -> None:
        self.settings = settings
        self.impairment = impairment
        self.received: deque[Request] = deque(maxlen=_REMEMBERED)
        """The requests that arrived, as they arrived: retransmissions and ACK too."""
        self.flows = Flows(ids)
        self.registrar = Registrar(settings, ids)
        self._ids = ids
        self._transactions = TransactionLayer(settings.timers)
        self._proxy = Proxy(settings, self._transactions, self.flows, ids)
        self._services = Services(settings)
        self._authenticator = Authenticator(settings, ids)
        self._domains = {settings.domain.lower(), settings.host.lower(), "localhost", "127.0.0.1", "[::1]"}
        self._late: list[tuple[float, int, str, Response]] = []
        self._late_serial = 0
        self._outputs: list[Transmit] = []

    # Inputs

    def connected(self, flow: int, host: str, port: int, local_host: str) -> None:
        """Take note of a connection from ``host`` and ``port`` to ``local_host``, as they stand in URIs."""
        self.flows.add(flow, host, port)
        # Where the lab listens on every interface, each of its addresses names it.
        self._domains.add(local_host.lower())

    def disconnected(self, flow: int, now: float) -> None:
        """Take note that a connection is gone. Its bindings stay until they expire, as a registrar's do."""
        self.flows.discard(flow)
        self._transactions.flow_failed(flow, now)
        self._settle(now)

    def receive(self, data: bytes, flow: int, now: float) -> None:
        """Take one WebSocket message."""
        if not data.strip(b"\r\n"):
            if data == _KEEP_ALIVE:
                self._outputs.append(Transmit(flow, _PONG))  # RFC 5626 §4.4.1
            return
        if self.impairment.is_lost():
            return
        try:
            message = parse(data)
        except FramingError as error:
            if isinstance(error.message, Request):
                self._receive_malformed(error.message, flow, now)
        except ParseError:
            return  # nothing in it says whom to answer
        else:
            if isinstance(message, Request):
                self.received.append(message)
                self._receive_request(message, flow, now)
            else:
                # RFC 6026 §7.2: a response that belongs to no transaction is not forwarded.
                self._transactions.receive_response(message, now)
        self._settle(now)

    def handle_timer(self, now: float) -> None:
        """Do what is due."""
        while self._late and self._late[0][0] <= now:
            _, _, key, response = heappop(self._late)
            self._transactions.respond(key, response, now)
        self._transactions.handle_timer(now)
        self._proxy.handle_timer(now)
        self._settle(now)
        self._outputs += [Transmit(flow, data) for flow, data in self.impairment.due(now)]

    # Outputs

    def outputs(self) -> list[Transmit]:
        """Return what is to be sent since the last call, in order."""
        outputs, self._outputs = self._outputs, []
        return outputs

    def next_deadline(self) -> float | None:
        """Return when ``handle_timer`` is due, or None."""
        deadlines = (
            self._late[0][0] if self._late else None,
            self._transactions.next_deadline(),
            self._proxy.next_deadline(),
            self.impairment.next_deadline(),
        )
        return min((deadline for deadline in deadlines if deadline is not None), default=None)

    def _transmit(self, flow: int, message: Request | Response, now: float) -> None:
        if flow not in self.flows or self.impairment.is_lost():
            return
        data = serialize(message)
        if not self.impairment.hold(flow, data, now):
            self._outputs.append(Transmit(flow, data))

    def _settle(self, now: float) -> None:
        """Carry out the effects of the transactions, and the effects of that."""
        while effects := self._transactions.effects():
            for effect in effects:
                match effect:
                    case Send(flow, message):
                        self._transmit(flow, message, now)
                    case ResponseReceived(key, response):
                        self._proxy.response_received(key, response, now)
                    case TimedOut(key):
                        self._proxy.failed(key, 408, now)
                    case TransportFailed(key):
                        self._proxy.failed(key, 430, now)
                    case AckReceived(_, ack):
                        self._forward_ack(ack, None, now)
                    case Terminated(key):
                        self._proxy.terminated(key)

    # Requests

    def _receive_malformed(self, request: Request, flow: int, now: float) -> None:
        if request.method != "ACK" and self._transactions.receive_request(request, flow, now) is None:
            key = self._transactions.accept_request(request, flow, now, reliable=True)
            self._refuse(key, request, 400, "Content-Length mis-match", now)

    def _receive_request(self, request: Request, flow: int, now: float) -> None:
        try:
            if request.via is None:
                return
            request = self._with_source(request, flow)
        except ParseError:
            return  # no way back
        if self._transactions.receive_request(request, flow, now) is not None:
            return
        if request.method == "ACK":
            self._forward_ack(request, flow, now)
            return
        key = self._transactions.accept_request(request, flow, now, reliable=True)
        try:
            _check_syntax(request)
            check_request(request, self.settings)
            self._dispatch(key, request, flow, now)
        except RemoteProtocolError as error:
            self._refuse(key, request, error.status, error.reason, now)
        except ParseError as error:
            self._refuse(key, request, 400, f"Bad Request: expected {error.rule}", now)

    def _with_source(self, request: Request, flow: int) -> Request:
        """Return the request with ``received`` and ``rport`` in its topmost Via (RFC 3261 §18.2.1, RFC 3581 §4)."""
        if _holds_nul(request, ("Via",)):
            return request  # to be refused
        source = self.flows[flow]
        via, *others = request.vias
        params = via.params
        if via.host.lower() != source.host.lower():
            params = params.with_param("received", source.host.strip("[]"))
        if "rport" in params:
            params = params.with_param("rport", str(source.port))
        stamped = request.without("Via")
        for value in reversed([replace(via, params=params), *others]):
            stamped = stamped.with_prepended("Via", str(value))
        return stamped

    def _dispatch(self, key: str, request: Request, flow: int, now: float) -> None:
        method = request.method
        if method == "CANCEL":
            self._cancel(key, request, now)
            return
        uri = request.uri
        if not isinstance(uri, URI):
            raise RemoteProtocolError(416, "Unsupported URI Scheme")
        if method == "REGISTER":
            self._register(key, request, uri, flow, now)
            return
        if request.proxy_require:
            unsupported = ", ".join(request.proxy_require)
            self._refuse(key, request, 420, "Bad Extension", now, ("Unsupported", unsupported))
            return
        request, token = self._without_own_routes(request)
        if self._is_ours(uri) and not uri.user and token is None:
            self._answer_for_server(key, request, now)
            return
        peer = self.flows.opposite(token, flow) if token is not None else None
        # Whoever knows the token of a dialog is one of its two ends: nobody else has been told.
        if peer is None and self._refused_sender(key, request, now):
            return
        request = self._authenticator.without_credentials(request)
        if self._is_ours(uri) and uri.user and self._services.owns(unescape(uri.user)):
            self._serve(key, unescape(uri.user), request, now)
            return
        targets = self._locate(uri, peer, now)
        if method == "INVITE":
            self._transactions.respond(key, build_response(request, 100), now)
        self._proxy.forward(key, request, flow, targets, now)

    def _locate(self, uri: URI, peer: int | None, now: float) -> list[Target]:
        """Return the targets of a request (§16.5); raises RemoteProtocolError when there is none."""
        if self._is_ours(uri) and uri.user:
            targets = self.registrar.locate(uri, self.flows, now)
            if not targets and not self.registrar.knows(uri):
                raise RemoteProtocolError(404, "Not Found")
        else:
            contact = self.registrar.locate_contact(uri, self.flows, now)
            targets = [] if contact is None else [contact]
            if not targets and peer is not None:
                targets = [Target(uri, peer)]
            if not targets and not uri.host.lower().endswith(".invalid"):
                raise RemoteProtocolError(403, f"The lab reaches nobody but the users of {self.settings.domain}")
        if not targets:
            raise RemoteProtocolError(480, "Temporarily Unavailable")
        return targets

    def _forward_ack(self, ack: Request, flow: int | None, now: float) -> None:
        """Send an ACK for a 2xx on: it has no transaction and no answer (§16.11)."""
        try:
            request, token = self._without_own_routes(ack)
            uri = request.uri
            peer = None if token is None or flow is None else self.flows.opposite(token, flow)
            if not isinstance(uri, URI) or request.max_forwards == 0:
                return
            target = self._locate(uri, peer, now)[0]
        except (ParseError, RemoteProtocolError):
            return
        self._transmit(target.flow, self._proxy.copy_for(request, flow, target), now)

    def _cancel(self, key: str, cancel: Request, now: float) -> None:
        invite = self._transactions.cancelled_by(cancel)
        if invite is None:
            raise RemoteProtocolError(481, "Call/Transaction Does Not Exist")
        self._respond(key, build_response(cancel, 200, to_tag=self._ids.tag()), now)
        self._proxy.cancel(invite, cancel, now)

    def _register(self, key: str, request: Request, uri: URI, flow: int, now: float) -> None:
        to = request.to
        assert to is not None
        if not self._is_ours(uri) or not isinstance(to.uri, URI) or not self._is_ours(to.uri):
            raise RemoteProtocolError(403, f"The lab's domain is {self.settings.domain}")
        user = to.uri.username or ""
        # Before the challenge, against §10.3's order: in a lab a mistyped user is worth more than a secret kept.
        if user not in self.settings.users:
            raise RemoteProtocolError(404, "Not Found")
        refusal = self._authenticator.refusal(request, user, now, proxy=False)
        self._respond(key, refusal or self.registrar.register(user, request, flow, now), now)

    def _refused_sender(self, key: str, request: Request, now: float) -> bool:
        """Challenge a sender who claims to be a user of the lab's domain (§16.3 step 6); others are let in."""
        sender = _address(request.from_)
        if not self._is_ours(sender):
            return False
        assert isinstance(sender, URI)
        user = sender.username or ""
        if user not in self.settings.users:
            raise RemoteProtocolError(403, f"The lab has no user {user!r}")
        refusal = self._authenticator.refusal(request, user, now, proxy=True)
        if refusal is not None:
            self._respond(key, refusal, now)
        return refusal is not None

    def _answer_for_server(self, key: str, request: Request, now: float) -> None:
        if request.require:
            self._refuse(key, request, 420, "Bad Extension", now, ("Unsupported", ", ".join(request.require)))
            return
        headers = [("Allow", _ALLOW)]
        if request.method == "OPTIONS":
            headers += [("Accept", "*/*"), ("Supported", ", ".join(SUPPORTED))]
        status = 200 if request.method == "OPTIONS" else 405
        self._respond(key, build_response(request, status, to_tag=self._ids.tag(), headers=headers), now)

    def _serve(self, key: str, user: str, request: Request, now: float) -> None:
        answer = self._services.answer(user, request.method)
        response = build_response(request, answer.status, answer.reason, to_tag=self._ids.tag(), headers=answer.headers)
        if answer.after > 0:
            self._late_serial += 1
            heappush(self._late, (now + answer.after, self._late_serial, key, response))
            return
        self._respond(key, response, now)
        if answer.echo:
            self._echo(user, request, now)

    def _echo(self, user: str, request: Request, now: float) -> None:
        """Send the body back to where the sender is registered."""
        sender = _address(request.from_)
        if not isinstance(sender, URI) or not self._is_ours(sender):
            return
        targets = self.registrar.locate(sender, self.flows, now)
        content_type = request.content_type
        headers = [
            ("Max-Forwards", "70"),
            ("To", str(NameAddr(None, sender))),
            ("From", f"<sip:{user}@{self.settings.domain}>;tag={self._ids.tag()}"),
            ("Call-ID", self._ids.call_id()),
            ("CSeq", f"{self._ids.cseq()} MESSAGE"),
            *([("Content-Type", content_type)] if content_type is not None else []),
        ]
        self._proxy.forward(None, Request("MESSAGE", sender, headers, request.body), None, targets, now)

    def _without_own_routes(self, request: Request) -> tuple[Request, str | None]:
        """Return the request without the Route values that name the lab, and the token of the topmost (§16.4).

        Raises RemoteProtocolError when a Route remains: the lab sends nothing anywhere else.
        """
        routes = request.routes
        if not routes:
            return request, None
        if any(not self._is_here(route) for route in routes):
            raise RemoteProtocolError(403, "The lab is the only proxy that it reaches")
        uri = routes[0].uri
        assert isinstance(uri, URI)
        return request.without("Route"), uri.username

    def _is_here(self, route: NameAddr) -> bool:
        uri = route.uri
        return self._is_ours(uri) and isinstance(uri, URI) and uri.port in (None, self.settings.port)

    def _is_ours(self, uri: object) -> bool:
        return isinstance(uri, URI) and uri.host.lower() in self._domains

    def _refuse(
        self, key: str, request: Request, status: int, reason: str, now: float, *headers: tuple[str, str]
    ) -> None:
        self._respond(key, build_response(request, status, reason, to_tag=self._ids.tag(), headers=headers), now)

    def _respond(self, key: str, response: Response, now: float) -> None:
        self._transactions.respond(key, response, now)


def _address(address: NameAddr | None) -> object:
    return None if address is None else address.uri


def _holds_nul(request: Request, names: Iterable[str]) -> bool:
    return any("\0" in value for name in names for value in request.get_all(name))


def _check_syntax(request: Request) -> None:
    """Refuse a request that lacks what every response needs, or cannot be understood (§8.1.1, §16.3 step 1)."""
    if request.version.upper() != "SIP/2.0":
        raise RemoteProtocolError(505, "Version Not Supported")
    missing = [name for name in ("To", "From", "Call-ID", "CSeq") if request.get(name) is None]
    if missing:
        raise RemoteProtocolError(400, f"Bad Request: no {', '.join(missing)}")
    cseq = request.cseq
    if request.to is None or request.from_ is None or request.call_id is None or cseq is None:
        raise RemoteProtocolError(400, "Bad Request")
    if cseq.method != request.method:
        raise RemoteProtocolError(400, "Bad Request: the CSeq names another method")
    if _holds_nul(request, _REPEATED_OF_INVITE if request.method == "INVITE" else _REPEATED):
        raise RemoteProtocolError(400, "Bad Request: NUL in a header field")
