"""The lab as a running server: it drives the core, and is the only place of the lab that has a clock and sockets."""

from __future__ import annotations

import asyncio
import ipaddress
import random
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from ssl import SSLContext
from types import MappingProxyType, TracebackType
from typing import Self

from sipcli.lab.connection import ServerConnection
from sipcli.lab.core import LabCore
from sipcli.lab.impairment import Impairment
from sipcli.lab.registrar import Binding
from sipcli.lab.services import Services
from sipcli.lab.settings import LabSettings
from sipcli.sip.ids import Ids
from sipcli.sip.message import Request
from sipcli.sip.uri import escape_user
from sipcli.trace import TraceRecord, TraceSink

__all__ = ["DEFAULT_USERS", "Lab"]

DEFAULT_USERS: Mapping[str, str | None] = MappingProxyType(dict.fromkeys(("alice", "bob", "carol")))

# A client that does not let go of its connection when the lab stops, in seconds.
_STOP_TIMEOUT = 1.5


class Lab:
    """A registrar and proxy with answering services, in this process: ``async with Lab() as lab``.

    ``users`` are passwords by name; where one is None it is made up, from ``seed`` when that is given. Intervals are
    seconds; ``loss`` is a share from 0 to 1, and both it and ``delay`` may be changed while it runs. With ``port`` 0
    the system chooses one, and the lab keeps it over ``restart``. Raises ValueError for a ``host`` that is not this
    machine's loopback unless ``listen`` allows it, and for names that are not free.
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        users: Mapping[str, str | None] = DEFAULT_USERS,
        *,
        domain: str | None = None,
        algorithms: Sequence[str] = ("SHA-256", "MD5"),
        min_expires: int = 0,
        max_expires: int = 3600,
        nonce_lifetime: float = 300.0,
        slow: float = 1.0,
        seed: int | None = None,
        delay: float = 0.0,
        loss: float = 0.0,
        listen: bool = False,
        ssl: SSLContext | None = None,
        trace: Sequence[TraceSink] = (),
    ) -> None:
        address = _address(host)
        if not address.is_loopback and not listen:
            raise ValueError(f"the lab listens on loopback only unless it is told to (listen), got: {host!r}")
        # A seed is for runs that can be repeated, and then nothing is secret.
        self._ids = Ids(secrets.token_bytes if seed is None else random.Random(seed).randbytes)  # noqa: S311
        self.host = str(address)
        self.port = port
        """Where it listens; 0 before the first start when the system is to choose."""
        self.users = self._with_passwords(users)
        """Passwords by user name."""
        # Every interface is no address that a client could name.
        reached = "127.0.0.1" if address.is_unspecified else self.host
        self._reached = f"[{reached}]" if ":" in reached else reached
        self.domain = domain or self._reached
        self._ssl = ssl
        self._impairment = Impairment(self._ids, delay=delay, loss=loss)
        self._trace = tuple(trace)
        self._traced = 0
        self._settings = LabSettings(
            self.domain,
            self._reached,
            port,
            self.users,
            secure=ssl is not None,
            algorithms=tuple(algorithms),
            nonce_lifetime=nonce_lifetime,
            min_expires=min_expires,
            max_expires=max_expires,
            slow=slow,
        )
        self._core = LabCore(self._settings, self._ids, self._impairment)
        self._server: asyncio.Server | None = None
        self._connections: dict[int, ServerConnection] = {}
        self._flows = 0
        self._timer: asyncio.TimerHandle | None = None
        self._waiting: list[tuple[Callable[[], bool], asyncio.Future[None]]] = []

    # For clients

    @property
    def url(self) -> str:
        """The WebSocket URL."""
        return f"{'ws' if self._ssl is None else 'wss'}://{self._reached}:{self.port}"

    def uri(self, user: str) -> str:
        """Return the address of record of a user, or of one of the number plan."""
        return f"sip:{escape_user(user)}@{self.domain}"

    def environment(self, user: str) -> dict[str, str]:
        """Return the environment variables that make sipcli that user."""
        return {
            "SIPCLI_URI": self.uri(user),
            "SIPCLI_WS_SERVERS": self.url,
            "SIPCLI_PASSWORD": self.users[user],
        }

    # For tests

    @property
    def received(self) -> Sequence[Request]:
        """The requests that arrived since the start, the last 1000 of them, the newest last."""
        return self._core.received

    def received_of(self, method: str) -> list[Request]:
        """Return the requests of one method that arrived."""
        return [request for request in self._core.received if request.method == method]

    async def wait_for(self, method: str, count: int = 1) -> Request:
        """Return the ``count``-th request of a method since the start, as soon as it has arrived."""
        await self._until(lambda: len(self.received_of(method)) >= count)
        return self.received_of(method)[count - 1]

    async def wait_for_connections(self, count: int) -> None:
        """Return as soon as exactly ``count`` connections stand."""
        await self._until(lambda: self.connections == count)

    @property
    def connections(self) -> int:
        """How many connections stand."""
        return len(self._core.flows)

    def bindings(self, user: str) -> tuple[Binding, ...]:
        """Return the bindings of a user that have not expired."""
        return self._core.registrar.bindings(user, asyncio.get_running_loop().time())

    @property
    def delay(self) -> float:
        """How long what the lab sends is held back."""
        return self._impairment.delay

    @delay.setter
    def delay(self, seconds: float) -> None:
        self._impairment.delay = seconds

    @property
    def loss(self) -> float:
        """The share of messages that get lost, each way: 1 makes a lab that never answers."""
        return self._impairment.loss

    @loss.setter
    def loss(self, share: float) -> None:
        self._impairment.loss = share

    def drop(self, code: int | None = None, reason: str = "") -> None:
        """Close all connections: with a Close frame when there is a ``code``, else as a server does that is killed."""
        for connection in [*self._connections.values()]:
            if code is None:
                connection.transport.abort()
            else:
                connection.close(code, reason)

    # Life

    async def start(self) -> None:
        """Listen. Raises OSError when the port is taken or the address is not this machine's."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._accept, self.host, self.port, ssl=self._ssl)
        self.port = self._server.sockets[0].getsockname()[1]
        # The bindings are in memory: a lab that is started again knows nobody.
        self._core = LabCore(replace(self._settings, port=self.port), self._ids, self._impairment)

    async def stop(self) -> None:
        """Stop listening and close all connections."""
        if self._server is None:
            return
        self._server.close()
        self.drop(1001, "the lab stops")
        deadline = asyncio.get_running_loop().call_later(_STOP_TIMEOUT, self.drop)
        await self._until(lambda: not self._connections)
        deadline.cancel()
        if self._timer is not None:
            self._timer.cancel()
        await self._server.wait_closed()
        self._server = None

    async def restart(self) -> None:
        """Stop, and start again on the same port with no bindings."""
        await self.stop()
        await self.start()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.stop()

    # From the connections

    def _accept(self) -> ServerConnection:
        self._flows += 1
        return ServerConnection(self._flows, self)

    def accepted(self, connection: ServerConnection) -> None:
        """Keep a connection: a client that breaks off the TLS handshake never becomes one."""
        self._connections[connection.flow] = connection

    def opened(self, connection: ServerConnection) -> None:
        """Tell the core of a new flow."""
        host, port = connection.transport.get_extra_info("peername")[:2]
        local_host = connection.transport.get_extra_info("sockname")[0]
        self._core.connected(connection.flow, _in_uri(host), port, _in_uri(local_host))
        self._step()

    def message_received(self, connection: ServerConnection, data: bytes) -> None:
        """Give the core a message."""
        self._record(connection, data, sent=False)
        self._core.receive(data, connection.flow, asyncio.get_running_loop().time())
        self._step()

    def closed(self, connection: ServerConnection) -> None:
        """Tell the core that a flow is gone."""
        del self._connections[connection.flow]
        self._core.disconnected(connection.flow, asyncio.get_running_loop().time())
        self._step()

    # The core's driver

    def _step(self) -> None:
        for output in self._core.outputs():
            connection = self._connections.get(output.flow)
            if connection is not None:
                self._record(connection, output.data, sent=True)
                connection.send(output.data)
        if self._timer is not None:
            self._timer.cancel()
        deadline = self._core.next_deadline()
        loop = asyncio.get_running_loop()
        self._timer = None if deadline is None else loop.call_at(deadline, self._handle_timer)
        for condition, done in [*self._waiting]:
            if condition() and not done.done():
                done.set_result(None)

    def _handle_timer(self) -> None:
        self._core.handle_timer(asyncio.get_running_loop().time())
        self._step()

    async def _until(self, condition: Callable[[], bool]) -> None:
        if condition():
            return
        entry = (condition, asyncio.get_running_loop().create_future())
        self._waiting.append(entry)
        try:
            await entry[1]
        finally:
            self._waiting.remove(entry)

    def _record(self, connection: ServerConnection, data: bytes, *, sent: bool) -> None:
        if self._trace:
            self._traced += 1
            host, port = connection.transport.get_extra_info("peername")[:2]
            record = TraceRecord(self._traced, time.time(), sent, f"{_in_uri(host)}:{port}", data)
            for sink in self._trace:
                sink(record)

    def _with_passwords(self, users: Mapping[str, str | None]) -> dict[str, str]:
        for user in users:
            if not user or Services.owns(user):
                raise ValueError(f"expected a user name that is not of the lab's number plan, got: {user!r}")
        return {user: self._ids.token(16) if password is None else password for user, password in users.items()}


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    try:
        return ipaddress.ip_address("127.0.0.1" if host == "localhost" else host.strip("[]"))
    except ValueError:
        raise ValueError(f"expected an IP address to listen on, such as 127.0.0.1, got: {host!r}") from None


def _in_uri(host: str) -> str:
    return f"[{host}]" if ":" in host else host
