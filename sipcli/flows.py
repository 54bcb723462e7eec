"""The connections of a user agent by flow: being made, standing, being closed (RFC 5626 §4)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from sipcli.config import Config
from sipcli.sip.settings import Server
from sipcli.tasks import Tasks

if TYPE_CHECKING:
    from sipcli.transport import Connection, TransportOptions  # costs the WebSocket library: only when connecting

__all__ = ["Flows"]

# RFC 6455 §7.4.1: there was no Close frame.
_ABNORMAL_CLOSURE = 1006


class Flows:
    """Makes and closes connections as the core orders, and keeps each until it is gone."""

    __slots__ = (
        "_attempts",
        "_closing",
        "_config",
        "_connected",
        "_connections",
        "_lost",
        "_pong",
        "_received",
        "_tasks",
    )

    def __init__(
        self,
        config: Config,
        *,
        connected: Callable[[int, str | None], None],
        lost: Callable[[int, int, str, bool], None],
        received: Callable[[int, str, bytes], None],
        pong: Callable[[int], None],
    ) -> None:
        """Each is called with the flow.

        ``connected`` gets the proxy too, ``received`` URL and message, ``lost`` code, reason and whether there was a
        close handshake; it is called as well when a connection could not be made.
        """
        self._config = config
        self._connected = connected
        self._lost = lost
        self._received = received
        self._pong = pong
        self._connections: dict[int, Connection] = {}
        self._attempts: dict[int, asyncio.Task[None]] = {}
        self._closing: dict[Connection, asyncio.Task[None]] = {}
        self._tasks = Tasks("connections")

    def __getitem__(self, flow: int) -> Connection | None:
        """The connection of a flow, None where none stands."""
        return self._connections.get(flow)

    def connect(self, flow: int, server: Server) -> None:
        """Begin to connect; the listener is told how it went."""
        self._attempts[flow] = self._tasks.start(self._connect(flow, server))

    def disconnect(self, flow: int, code: int, reason: str) -> None:
        """Give an attempt up without a word, or close a connection, whose end the listener is told."""
        if (attempt := self._attempts.pop(flow, None)) is not None:
            attempt.cancel()
        if (connection := self._connections.get(flow)) is not None:
            self._close(connection, code, reason)

    async def end(self, seconds: float) -> None:
        """Return when what is being made or closed is gone; after ``seconds`` it is cut off."""
        tasks = [*self._tasks]
        if tasks and (await asyncio.wait(tasks, timeout=max(0.0, seconds)))[1]:
            self.abort()
            await asyncio.wait(tasks)

    def abort(self) -> None:
        """Cut off what is left."""
        for attempt in self._attempts.values():
            attempt.cancel()
        for connection in (*self._connections.values(), *self._closing):
            connection.abort()

    async def _connect(self, flow: int, server: Server) -> None:
        from sipcli.transport import TransportError, connect

        try:
            connection = await connect(server, self._options(), _ConnectionListener(self, flow, server.url))
        except TransportError as error:
            self._attempts.pop(flow, None)
            self._lost(flow, _ABNORMAL_CLOSURE, str(error), False)
            return
        # Nothing may be awaited from here on: what the server sends at once must find the flow connected.
        self._attempts.pop(flow, None)
        self._connections[flow] = connection
        self._connected(flow, connection.proxy)

    def _options(self) -> TransportOptions:
        from sipcli.transport import TransportOptions

        config = self._config
        return TransportOptions(
            timeout=config.connection_timeout,
            ca_file=config.ca_file,
            insecure=config.insecure,
            client_cert=config.client_cert,
            client_key=config.client_key,
            origin=config.origin,
            ws_headers=config.ws_headers,
            proxy=config.proxy,
        )

    def _close(self, connection: Connection, code: int = 1000, reason: str = "") -> None:
        if connection not in self._closing:
            task = self._closing[connection] = self._tasks.start(connection.close(code, reason))
            task.add_done_callback(lambda _: self._closing.pop(connection, None))

    def _gone(self, flow: int, code: int, reason: str, clean: bool) -> None:
        # The WebSocket connection is over; what is below it may take a moment more.
        if (connection := self._connections.pop(flow, None)) is not None:
            self._close(connection)
        self._lost(flow, code, reason, clean)


class _ConnectionListener:
    """Tells which flow it is that something happens on."""

    __slots__ = ("_flow", "_flows", "_received", "_url")

    def __init__(self, flows: Flows, flow: int, url: str) -> None:
        self._flows = flows
        self._received = flows._received
        self._flow = flow
        self._url = url

    def message_received(self, data: bytes) -> None:
        self._received(self._flow, self._url, data)

    def pong_received(self) -> None:
        self._flows._pong(self._flow)

    def connection_lost(self, code: int, reason: str, clean: bool) -> None:
        self._flows._gone(self._flow, code, reason, clean)
