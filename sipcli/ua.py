"""The user agent: drives the core, and is the only clock and the only trace of the signalling (RFC 3261 §8)."""

from __future__ import annotations

import asyncio
import secrets
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from types import TracebackType
from typing import Any, Self, TypeVar

from sipcli.config import Config
from sipcli.contexts import ClientContext, RequestFailed
from sipcli.dispatch import ClientContexts, ServerContexts
from sipcli.emitter import Emitter
from sipcli.flows import Flows
from sipcli.log import DETAILS, Log
from sipcli.sip import events
from sipcli.sip.core import RequestParams, UserAgentCore
from sipcli.sip.digest import Credentials
from sipcli.sip.events import Cause
from sipcli.sip.headers import NameAddr
from sipcli.sip.ids import Ids
from sipcli.sip.timers import Timers
from sipcli.sip.uri import URI
from sipcli.tasks import Tasks
from sipcli.trace import FileSink, Trace, TraceSink, text_sink

__all__ = ["UA", "AuthenticationFactory"]

AuthenticationFactory = Callable[["UA"], "Credentials | Awaitable[Credentials | None] | None"]
"""Asked for credentials when a server wants some that the configuration does not hold; None gives up."""

_E = TypeVar("_E", events.Registered, events.Unregistered)

_ORDERS = (events.Transmit, events.Ping, events.Connect, events.Disconnect)

# How long what is cancelled may take to notice, in seconds.
_CANCEL_TIME = 0.2

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
        log = self.config.log
        self._log = Log(log.level, log.builtin_enabled, log.connector)
        self._trace = Trace(trace or (), self._trace_failed)
        self._trace_as_configured = trace is None
        self._trace_sinks: list[TraceSink] = []
        self._authentication_factory = authentication_factory or self.config.authentication_factory
        self._tasks = Tasks("user agent")
        self._flows = Flows(
            self.config, connected=self._connected, lost=self._lost, received=self._received, pong=self._pong
        )
        self._clients = ClientContexts()
        self._servers = ServerContexts(self, self._core, self._now, self._perform, self._tasks)
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
        self._open_trace()
        try:
            self._core.start(self._now())
        except BaseException:
            self._close_trace()
            raise
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
            self._fail_requests()
            await self._end_tasks(deadline)
            await self._flows.end(deadline - self._now())
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

        context = ClientContext(self, request, cancel)
        self._clients.add(request_id, context)
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
                    if isinstance(output, _ORDERS):
                        self._obey(output)
                    else:
                        self._take(output)
        finally:
            self._performing = False
        self._set_timer()

    def _obey(self, order: events.Transmit | events.Ping | events.Connect | events.Disconnect) -> None:
        match order:
            case events.Transmit(flow, data):
                self._transmit(flow, data)
            case events.Ping(flow):
                if (connection := self._flows[flow]) is not None:
                    connection.ping()
            case events.Connect(flow, server):
                self._flows.connect(flow, server)
            case events.Disconnect(flow, code, reason):
                self._flows.disconnect(flow, code, reason)

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

    # What the flows bring

    def _connected(self, flow: int, proxy: str | None) -> None:
        if proxy is not None:
            self._log.write("log", "transport", f"through the proxy {proxy}")
        self._core.connected(flow, self._now())
        self._perform()

    def _lost(self, flow: int, code: int, reason: str, clean: bool) -> None:
        self._core.disconnected(flow, code, reason, clean, self._now())
        self._perform()

    def _pong(self, flow: int) -> None:
        self._core.pong(flow, self._now())
        self._perform()

    def _transmit(self, flow: int, data: bytes) -> None:
        connection = self._flows[flow]
        if connection is not None:
            if self._trace:
                self._trace.record(time.time(), True, connection.url, data)
            connection.send(data)

    def _received(self, flow: int, url: str, data: bytes) -> None:
        if self._trace:
            self._trace.record(time.time(), False, url, data)
        try:
            self._core.receive(data, flow, self._now())
        except Exception as error:
            # The core raises nothing, whatever a peer sends. Should it err there, one message is lost and it is said.
            context = {"message": f"Exception while a message from {url} was handled", "exception": error}
            asyncio.get_running_loop().call_exception_handler(context)
        self._perform()

    # The trace

    def _open_trace(self) -> None:
        """Do as ``trace_sip`` and ``trace_file`` say, unless the program has said what becomes of the trace."""
        if not self._trace_as_configured or self._trace_sinks:
            return
        config = self.config
        if config.trace_file is not None:
            # A second start goes on where the first ended.
            again = self._trace.numbered > 0
            self._trace_sinks.append(FileSink(config.trace_file, config.show_secrets, append=again))
        if config.trace_sip:
            self._trace_sinks.append(text_sink(sys.stderr, config.show_secrets))
        for sink in self._trace_sinks:
            self._trace.add(sink)

    def _close_trace(self) -> None:
        for sink in self._trace_sinks:
            self._trace.remove(sink)
            if isinstance(sink, FileSink):
                sink.close()
        self._trace_sinks.clear()

    def _trace_failed(self, error: OSError) -> None:
        self._log.write("error", "trace", f"the trace has ended: {error}")

    # What the core has to say

    def _take(self, event: events.Event) -> None:
        kind = type(event)
        if kind not in DETAILS or self._log.detailed:
            self._log.event(event)
        if self._listeners is not None:
            self.emit("event", event)
            if (name := _NAMES.get(kind)) is not None:
                self.emit(name, event)
        match event:
            case (
                events.RequestSent()
                | events.RequestProgress()
                | events.RequestAccepted()
                | events.RequestRejected()
                | events.RequestFailed()
                | events.RequestCancelled()
            ):
                self._clients.take(event)
            case (
                events.MessageReceived() | events.InviteReceived() | events.ReferReceived() | events.IncomingCancelled()
            ):
                self._servers.take(event)
            case events.Registered():
                _resolve(self._registering, event)
            case events.Unregistered(response, None):
                _resolve(self._unregistering, event)
            case events.RegistrationFailed(response, cause) | events.Unregistered(response, Cause() as cause):
                self._fail_registrations(RequestFailed(response, cause))
            case events.CredentialsRequired(request_id):
                self._tasks.start(self._provide_credentials(request_id))
            case _:
                pass

    async def _provide_credentials(self, request_id: int) -> None:
        credentials: Credentials | None = None
        try:
            if self._authentication_factory is not None:
                made: Any = self._authentication_factory(self)
                credentials = await made if isinstance(made, Awaitable) else made
        finally:
            self._core.provide_credentials(request_id, credentials, self._now())
            self._perform()

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
        """End our own, and listeners that are coroutines when they have not come to their end at ``deadline``."""
        self._tasks.cancel()
        # A listener may be the one who stops us.
        listeners = self.running_listeners() - {asyncio.current_task()}
        if listeners:
            await asyncio.wait(listeners, timeout=max(0.0, deadline - self._now()))
        for listener in listeners:
            listener.cancel()
        if left := {future for future in (*listeners, *self._tasks) if not future.done()}:
            await asyncio.wait(left, timeout=_CANCEL_TIME)

    def _release(self) -> None:
        self._fail_requests()
        self._tasks.cancel()
        self._flows.abort()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._close_trace()

    def _fail_requests(self) -> None:
        self._fail_registrations(RequestFailed(None, Cause.CONNECTION_ERROR))
        self._clients.fail()
        self._servers.forget()

    def _fail_registrations(self, error: RequestFailed) -> None:
        for waiters in (self._registering, self._unregistering):
            for waiter in waiters:
                if not waiter.done():
                    waiter.set_exception(error)
            waiters.clear()


def _resolve(waiters: list[asyncio.Future[_E]], event: _E) -> None:
    for waiter in waiters:
        if not waiter.done():
            waiter.set_result(event)
    waiters.clear()
