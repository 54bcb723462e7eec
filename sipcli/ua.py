"""The user agent: drives the core, and is the only clock and the only trace of the signalling (RFC 3261 §8)."""

from __future__ import annotations

import asyncio
import secrets
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

from sipcli.config import Config
from sipcli.contexts import (
    Answer,
    ClientContext,
    InviteServerContext,
    MessageServerContext,
    RequestFailed,
    ServerContext,
)
from sipcli.emitter import Emitter
from sipcli.log import Log
from sipcli.sip import events
from sipcli.sip.core import RequestParams, UserAgentCore
from sipcli.sip.digest import Credentials
from sipcli.sip.errors import LocalProtocolError
from sipcli.sip.events import Cause
from sipcli.sip.headers import NameAddr
from sipcli.sip.ids import Ids
from sipcli.sip.settings import Server
from sipcli.sip.timers import Timers
from sipcli.sip.uri import URI
from sipcli.trace import FileSink, TraceRecord, TraceSink, text_sink

if TYPE_CHECKING:
    from sipcli.transport import Connection  # costs the WebSocket library: only when something is connected

__all__ = ["UA", "AuthenticationFactory"]

AuthenticationFactory = Callable[["UA"], "Credentials | Awaitable[Credentials | None] | None"]
"""Asked for credentials when a server wants some that the configuration does not hold; None gives up."""

_E = TypeVar("_E", events.Registered, events.Unregistered)

# How long listeners that are coroutines have to answer a MESSAGE, in seconds: less than the core waits itself.
_ANSWER_TIME = 9.0
# How long what is cancelled may take to notice, in seconds.
_CANCEL_TIME = 0.2
# RFC 6455 §7.4.1: there was no Close frame.
_ABNORMAL_CLOSURE = 1006

# Which name SIP.js gives to what happens; each listener gets the event itself.
_NAMES: dict[type, str] = {
    events.Connecting: "connecting",
    events.Connected: "connected",
    events.Disconnected: "disconnected",
    events.KeepAliveTimeout: "keepAliveTimeout",
    events.Registered: "registered",
    events.Unregistered: "unregistered",
    events.RegistrationFailed: "registrationFailed",
    events.NotifyReceived: "notify",
    events.TransactionCreated: "newTransaction",
    events.TransactionDestroyed: "transactionDestroyed",
}


class UA(Emitter):
    """A SIP user agent.

    It emits ``connecting``, ``connected``, ``disconnected``, ``registered``, ``unregistered``, ``registrationFailed``,
    ``keepAliveTimeout``, ``notify``, ``newTransaction`` and ``transactionDestroyed`` with the event, ``message``,
    ``invite`` and ``outOfDialogReferRequested`` with a context, and ``event`` with every event of the core.

    ``recover`` False: each server is tried once and a lost connection stays lost, as one-shot commands want it.
    Nothing happens before ``start``, which ``async with`` calls where ``autostart`` is set. ``trace`` gets every
    message in and out; None: what ``trace_sip`` and ``trace_file`` ask for.
    """

    def __init__(
        self,
        config: Config | None = None,
        *,
        recover: bool = True,
        trace: Sequence[TraceSink] | None = None,
        authentication_factory: AuthenticationFactory | None = None,
    ) -> None:
        super().__init__()
        self.config = Config() if config is None else config
        self.data: dict[Any, Any] = {}
        """For the application: nothing else touches it."""
        timers = Timers(transaction_timeout=self.config.transaction_timeout)
        self._core = UserAgentCore(self.config, timers, Ids(secrets.token_bytes), recover=recover)
        self._trace: tuple[TraceSink, ...] = () if trace is None else tuple(trace)
        self._trace_as_configured = trace is None
        self._trace_file: FileSink | None = None
        self._traced = 0
        self._authentication_factory = authentication_factory or self.config.authentication_factory
        log = self.config.log
        self._log = Log(log.level, log.builtin_enabled, log.connector)
        self._connections: dict[int, Connection] = {}
        self._attempts: dict[int, asyncio.Task[None]] = {}
        self._closing: dict[Connection, asyncio.Task[None]] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        self._clients: dict[int, ClientContext] = {}
        self._servers: dict[int, ServerContext] = {}
        self._registering: list[asyncio.Future[events.Registered]] = []
        self._unregistering: list[asyncio.Future[events.Unregistered]] = []
        self._timer: asyncio.TimerHandle | None = None
        self._performing = False
        self._perform_is_due = False
        self._stopped: asyncio.Event | None = None

    # Life

    async def start(self) -> None:
        """Begin to connect and return; a second call does nothing, one after ``stop`` begins anew.

        Raises LocalProtocolError without a server, OSError when ``trace_file`` cannot be written.
        """
        if self._stopped is not None:
            await self._stopped.wait()
        self._core.start(self._now())
        if self._trace_as_configured:
            self._open_trace()
        self._perform()

    async def stop(self, timeout: float | None = None) -> None:
        """Remove the binding, end what runs, disconnect: within ``timeout`` seconds, or ``stop_timeout``.

        What has not ended by then is cut off. Idempotent, and may be called twice at once.
        """
        if self._stopped is not None:
            await self._stopped.wait()
            return
        stopped = self._stopped = asyncio.Event()
        deadline = self._now() + (self.config.stop_timeout if timeout is None else timeout)
        try:
            self._core.stop(self._now())
            if not self.config.graceful_shutdown:
                self._core.stop(self._now())
            self._perform()
            await self._until_stopped(deadline)
            await self._end_tasks(deadline)
        finally:
            self._release()
            self._stopped = None
            stopped.set()

    async def __aenter__(self) -> Self:
        if self.config.autostart:
            await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.stop()

    def is_connected(self) -> bool:
        """Tell whether the connection to a server stands."""
        return self._core.connected_flow is not None

    def is_registered(self) -> bool:
        """Tell whether the registrar holds our binding over the connection that stands."""
        return self._core.registered

    # Registration (RFC 3261 §10)

    async def register(self, extra_headers: Sequence[str] = ()) -> events.Registered:
        """Register, and keep the binding fresh; ``extra_headers`` go into each refresh too.

        Raises RequestFailed when the registrar refuses or cannot be reached, ConfigError or LocalProtocolError
        without a ``uri``, ValueError for a bad header field.
        """
        self._core.register(self._now(), extra_headers=extra_headers)
        return await self._outcome(self._registering)

    async def unregister(self, *, all: bool = False, extra_headers: Sequence[str] = ()) -> events.Unregistered:
        """Remove our binding, or with ``all`` every binding of the user. Raises as ``register`` does."""
        self._core.unregister(self._now(), all=all, extra_headers=extra_headers)
        return await self._outcome(self._unregistering)

    async def _outcome(self, waiters: list[asyncio.Future[_E]]) -> _E:
        waiter: asyncio.Future[_E] = asyncio.get_running_loop().create_future()
        waiters.append(waiter)
        self._perform()
        try:
            # The core bounds a REGISTER that is out; one that waits for a connection is bounded as a request is.
            while not (await asyncio.wait([waiter], timeout=self.config.transaction_timeout))[0]:
                if not self.is_connected():
                    raise RequestFailed(None, Cause.CONNECTION_ERROR)
            return waiter.result()
        finally:
            waiter.cancel()

    # Requests (RFC 3261 §8.1)

    def message(
        self,
        target: str | URI | NameAddr,
        body: str | bytes,
        *,
        content_type: str = "text/plain",
        extra_headers: Sequence[str] = (),
        **params: Any,
    ) -> ClientContext:
        """Send a MESSAGE (RFC 3428); arguments and exceptions as of ``request``."""
        return self.request(
            "MESSAGE", target, body=body, content_type=content_type, extra_headers=extra_headers, **params
        )

    def request(
        self,
        method: str,
        target: str | URI | NameAddr,
        *,
        body: str | bytes = b"",
        content_type: str | None = None,
        extra_headers: Sequence[str] = (),
        **params: Any,
    ) -> ClientContext:
        """Send a request outside any dialog, at once or when the connection stands.

        ``params`` are the fields of RequestParams: ``route_set``, ``to_uri``, ``call_id`` and so on. Raises ParseError
        for a bad target, ValueError for what cannot stand in a message, LocalProtocolError for an ACK. Events come when
        the caller has had the time to listen.
        """
        octets = body.encode() if isinstance(body, str) else body
        if "route_set" in params:
            params["route_set"] = tuple(params["route_set"])
        request_id, request = self._core.begin_request(
            method,
            target,
            self._now(),
            body=octets,
            content_type=content_type,
            extra_headers=extra_headers,
            params=RequestParams(**params),
        )

        def cancel(status_code: int | None, reason_phrase: str | None) -> None:
            self._core.cancel(request_id, self._now(), status_code=status_code, reason_phrase=reason_phrase)
            self._perform()

        context = self._clients[request_id] = ClientContext(self, request, cancel)
        if not self._performing and not self._perform_is_due:
            self._perform_is_due = True
            asyncio.get_running_loop().call_soon(self._perform)
        return context

    # What the core wants done

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()

    def _perform(self) -> None:
        """Carry out the core's outputs, those that come about meanwhile included, and set the timer."""
        if self._performing:
            return
        self._performing = True
        self._perform_is_due = False
        try:
            while outputs := self._core.outputs():
                for output in outputs:
                    self._perform_one(output)
        finally:
            self._performing = False
        self._set_timer()

    def _perform_one(self, output: events.Output) -> None:
        match output:
            case events.Transmit(flow, data):
                self._transmit(flow, data)
            case events.Ping(flow):
                if (connection := self._connections.get(flow)) is not None:
                    connection.ping()
            case events.Connect(flow, server):
                self._attempts[flow] = self._spawn(self._connect(flow, server))
            case events.Disconnect(flow, code, reason):
                self._disconnect(flow, code, reason)
            case _:
                self._take(output)

    def _set_timer(self) -> None:
        deadline = self._core.next_deadline()
        if self._timer is not None:
            # One that comes too early asks again; moving it for every request would cost more.
            if deadline is not None and self._timer.when() <= deadline:
                return
            self._timer.cancel()
            self._timer = None
        if deadline is not None:
            self._timer = asyncio.get_running_loop().call_at(deadline, self._fire)

    def _fire(self) -> None:
        self._timer = None
        self._core.handle_timer(self._now())
        self._perform()

    # The connection

    async def _connect(self, flow: int, server: Server) -> None:
        from sipcli.transport import TransportError, TransportOptions, connect

        config = self.config
        options = TransportOptions(
            timeout=config.connection_timeout,
            ca_file=config.ca_file,
            insecure=config.insecure,
            client_cert=config.client_cert,
            client_key=config.client_key,
            origin=config.origin,
            ws_headers=config.ws_headers,
            proxy=config.proxy,
        )
        try:
            connection = await connect(server, options, _FlowListener(self, flow, server.url))
        except TransportError as error:
            self._attempts.pop(flow, None)
            self._core.disconnected(flow, _ABNORMAL_CLOSURE, str(error), False, self._now())
        else:
            # Nothing may be awaited in here: what the server sends at once must find the flow connected.
            self._attempts.pop(flow, None)
            self._connections[flow] = connection
            if connection.proxy is not None:
                self._log.write("log", "transport", f"through the proxy {connection.proxy}")
            self._core.connected(flow, self._now())
        self._perform()

    def _disconnect(self, flow: int, code: int, reason: str) -> None:
        attempt = self._attempts.pop(flow, None)
        if attempt is not None:
            attempt.cancel()
        connection = self._connections.get(flow)
        if connection is not None:
            self._close(connection, code, reason)

    def _close(self, connection: Connection, code: int = 1000, reason: str = "") -> None:
        if connection not in self._closing:
            task = self._closing[connection] = self._spawn(connection.close(code, reason))
            task.add_done_callback(lambda _: self._closing.pop(connection, None))

    def _transmit(self, flow: int, data: bytes) -> None:
        connection = self._connections.get(flow)
        if connection is not None:
            if self._trace:
                self._record(True, connection.url, data)
            connection.send(data)

    def _received(self, flow: int, url: str, data: bytes) -> None:
        if self._trace:
            self._record(False, url, data)
        try:
            self._core.receive(data, flow, self._now())
        except Exception as error:
            # The core raises nothing, whatever a peer sends. Should it err there, one message is lost and it is said.
            context = {"message": f"Exception while a message from {url} was handled", "exception": error}
            asyncio.get_running_loop().call_exception_handler(context)
        self._perform()

    def _record(self, sent: bool, url: str, data: bytes) -> None:
        self._traced += 1
        record = TraceRecord(self._traced, time.time(), sent, url, data)
        for sink in self._trace:
            try:
                sink(record)
            except OSError as error:
                # A full disk or a reader that has gone ends the trace and nothing else.
                self._trace = tuple(other for other in self._trace if other is not sink)
                self._log.write("error", "trace", f"the trace has ended: {error}")

    def _open_trace(self) -> None:
        config = self.config
        if config.trace_file is not None and self._trace_file is None:
            self._trace_file = FileSink(config.trace_file, config.show_secrets, append=self._traced > 0)
        sinks: list[TraceSink] = [] if self._trace_file is None else [self._trace_file]
        if config.trace_sip:
            sinks.append(text_sink(sys.stderr, config.show_secrets))
        self._trace = tuple(sinks)

    def _pong(self, flow: int) -> None:
        self._core.pong(flow, self._now())
        self._perform()

    def _lost(self, flow: int, code: int, reason: str, clean: bool) -> None:
        connection = self._connections.pop(flow, None)
        if connection is not None:
            self._close(connection)  # sees it to its end
        self._core.disconnected(flow, code, reason, clean, self._now())
        self._perform()

    # What the core has to say

    def _take(self, event: events.Event) -> None:
        self._log.event(event)
        self.emit("event", event)
        name = _NAMES.get(type(event))
        if name is not None:
            self.emit(name, event)
        match event:
            case events.Registered():
                _resolve(self._registering, event)
            case events.Unregistered(response, None):
                _resolve(self._unregistering, event)
            case events.RegistrationFailed(response, cause) | events.Unregistered(response, Cause() as cause):
                _fail(self._registering, RequestFailed(response, cause))
                _fail(self._unregistering, RequestFailed(response, cause))
            case events.CredentialsRequired(request_id):
                self._spawn(self._provide_credentials(request_id))
            case (
                events.RequestSent()
                | events.RequestProgress()
                | events.RequestAccepted()
                | events.RequestRejected()
                | events.RequestFailed()
                | events.RequestCancelled()
            ):
                self._take_client_event(event)
            case events.MessageReceived(request_id, request):
                self._take_message(request_id, MessageServerContext(self, request, self._answer(request_id)))
            case events.InviteReceived(request_id, request):
                self._take_request(
                    request_id, "invite", InviteServerContext(self, request, self._answer(request_id)), otherwise=480
                )
            case events.ReferReceived(request_id, request):
                # Never followed: where nobody listens it is declined.
                refer = ServerContext(self, request, self._answer(request_id))
                self._take_request(request_id, "outOfDialogReferRequested", refer, otherwise=603)
            case events.IncomingCancelled(request_id):
                if (context := self._servers.pop(request_id, None)) is not None:
                    context.cancelled = True
                    context.emit("cancel")
            case _:
                pass

    def _take_client_event(
        self,
        event: events.RequestSent
        | events.RequestProgress
        | events.RequestAccepted
        | events.RequestRejected
        | events.RequestFailed
        | events.RequestCancelled,
    ) -> None:
        context = self._clients.get(event.id)
        if context is None:
            return
        match event:
            case events.RequestSent(_, request):
                context.request = request
            case events.RequestProgress(_, response):
                context.emit("progress", response, response.reason)
            case events.RequestCancelled():
                context.emit("cancel")
            case events.RequestAccepted(request_id, response):
                del self._clients[request_id]
                context._finish(response, None)
            case events.RequestRejected(request_id, response, cause):
                del self._clients[request_id]
                context._finish(response, cause)
            case events.RequestFailed(request_id, cause):
                del self._clients[request_id]
                context._finish(None, cause)

    async def _provide_credentials(self, request_id: int) -> None:
        credentials: Credentials | None = None
        try:
            if self._authentication_factory is not None:
                made: Any = self._authentication_factory(self)
                credentials = await made if isinstance(made, Awaitable) else made
        finally:
            self._core.provide_credentials(request_id, credentials, self._now())
            self._perform()

    # Requests from peers

    def _answer(self, request_id: int) -> Callable[[Answer], None]:
        def send(answer: Answer) -> None:
            now, core = self._now(), self._core
            if answer.status < 200:
                core.provisional(
                    request_id, now, status=answer.status, reason=answer.reason, extra_headers=answer.extra_headers
                )
            elif answer.status < 300:
                core.accept(
                    request_id,
                    now,
                    status=answer.status,
                    reason=answer.reason,
                    extra_headers=answer.extra_headers,
                    body=answer.body,
                    content_type=answer.content_type,
                )
            else:
                core.reject(
                    request_id, now, status=answer.status, reason=answer.reason, extra_headers=answer.extra_headers
                )
            if answer.status >= 200:
                self._servers.pop(request_id, None)
            self._perform()

        return send

    def _take_message(self, request_id: int, context: MessageServerContext) -> None:
        self._servers[request_id] = context
        running = self._emit_and_list("message", context)
        if running:
            self._spawn(self._accept_after(running, context))
        else:
            _accept_unanswered(context)

    @staticmethod
    async def _accept_after(running: list[asyncio.Future[Any]], context: MessageServerContext) -> None:
        await asyncio.wait(running, timeout=_ANSWER_TIME)
        _accept_unanswered(context)

    def _take_request(self, request_id: int, name: str, context: ServerContext, *, otherwise: int) -> None:
        self._servers[request_id] = context
        if not self.emit(name, context):
            context.reject(otherwise)

    # The end

    async def _until_stopped(self, deadline: float) -> None:
        if self._core.stopped:
            return
        ended = asyncio.get_running_loop().create_future()

        def look(_event: object) -> None:
            if self._core.stopped and not ended.done():
                ended.set_result(None)

        self.on("disconnected", look)
        try:
            async with asyncio.timeout_at(deadline):
                await ended
        except TimeoutError:
            # What did not come to its end in time is cut off: the second call does not wait.
            self._core.stop(self._now())
            self._perform()
        finally:
            self.off("disconnected", look)

    async def _end_tasks(self, deadline: float) -> None:
        """Let connections, and listeners that are coroutines, come to their end until ``deadline``; then end them."""
        self._fail_requests()
        closing = {*self._closing.values()}
        # A listener may be the one who stops us.
        ending = {*closing, *self._running_listeners()} - {asyncio.current_task()}
        ours = self._tasks - closing
        for task in ours:
            task.cancel()
        if ending:
            await asyncio.wait(ending, timeout=max(0.0, deadline - self._now()))
        for connection in [*self._closing]:
            connection.abort()
        for future in ending - closing:
            future.cancel()
        if left := {future for future in ending | ours if not future.done()}:
            await asyncio.wait(left, timeout=_CANCEL_TIME)

    def _release(self) -> None:
        self._fail_requests()
        for task in self._tasks - {*self._closing.values()}:
            task.cancel()
        for connection in (*self._connections.values(), *self._closing):
            connection.abort()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._trace_file is not None:
            self._trace_file.close()
            self._trace_file, self._trace = None, ()

    def _fail_requests(self) -> None:
        failure = RequestFailed(None, Cause.CONNECTION_ERROR)
        _fail(self._registering, failure)
        _fail(self._unregistering, failure)
        while self._clients:
            self._clients.popitem()[1]._finish(None, Cause.CONNECTION_ERROR)
        self._servers.clear()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            context = {"message": "Exception in a task of the user agent", "exception": error, "task": task}
            task.get_loop().call_exception_handler(context)


class _FlowListener:
    """Tells the user agent which flow it is that something happens on."""

    __slots__ = ("_flow", "_ua", "_url")

    def __init__(self, ua: UA, flow: int, url: str) -> None:
        self._ua = ua
        self._flow = flow
        self._url = url

    def message_received(self, data: bytes) -> None:
        self._ua._received(self._flow, self._url, data)

    def pong_received(self) -> None:
        self._ua._pong(self._flow)

    def connection_lost(self, code: int, reason: str, clean: bool) -> None:
        self._ua._lost(self._flow, code, reason, clean)


def _accept_unanswered(context: MessageServerContext) -> None:
    if context.answer is None and not context.cancelled:
        try:
            context.accept()
        except LocalProtocolError:
            # The core's own answer was quicker, or we are stopping.
            context.cancelled = True


def _resolve(waiters: list[asyncio.Future[Any]], event: object) -> None:
    for waiter in waiters:
        if not waiter.done():
            waiter.set_result(event)
    waiters.clear()


def _fail(waiters: list[asyncio.Future[Any]], error: RequestFailed) -> None:
    for waiter in waiters:
        if not waiter.done():
            waiter.set_exception(error)
    waiters.clear()
