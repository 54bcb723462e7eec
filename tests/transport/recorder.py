"""A listener that remembers, and servers to be wrong on purpose; all on loopback."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from websockets.utils import accept_key

from sipcli.sip.settings import Server
from sipcli.transport import TransportOptions

__all__ = ["Recorder", "options", "raw_server", "server_at", "upgrade"]

# Every wait of these tests ends by then; none comes near it.
PATIENCE = 10.0


class Recorder:
    """Keeps what a connection tells, and lets a test wait for it."""

    def __init__(self) -> None:
        self.told: list[tuple[str, object]] = []
        self.messages: asyncio.Queue[bytes] = asyncio.Queue()
        self.ponged = asyncio.Event()
        self.lost: asyncio.Future[tuple[int, str, bool]] = asyncio.get_running_loop().create_future()

    def message_received(self, data: bytes) -> None:
        self.told.append(("message", data))
        self.messages.put_nowait(data)

    def pong_received(self) -> None:
        self.told.append(("pong", None))
        self.ponged.set()

    def connection_lost(self, code: int, reason: str, clean: bool) -> None:
        self.told.append(("lost", code))
        self.lost.set_result((code, reason, clean))  # a second time would raise

    async def message(self) -> bytes:
        async with asyncio.timeout(PATIENCE):
            return await self.messages.get()

    async def loss(self) -> tuple[int, str, bool]:
        async with asyncio.timeout(PATIENCE):
            return await self.lost


def server_at(port: int, *, scheme: str = "ws", host: str = "127.0.0.1", path: str = "") -> Server:
    """Return a server as the configuration would make it."""
    shown = f"[{host}]" if ":" in host else host
    return Server(f"{scheme}://{shown}:{port}{path}", scheme == "wss", host, port)


def options(**changes: object) -> TransportOptions:
    """Return options whose deadline no working connection comes near."""
    return TransportOptions(**{"timeout": PATIENCE, **changes})  # type: ignore[arg-type]  # names and types are the test's


def upgrade(request: bytes) -> bytes:
    """Return the 101 to a handshake."""
    key = next(line[19:] for line in request.decode().split("\r\n") if line.lower().startswith("sec-websocket-key: "))
    return (
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Protocol: sip\r\nSia: x\r\nSec-WebSocket-Accept: {accept_key(key)}\r\n\r\n"
    ).encode()


Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def raw_server(handler: Handler, **kwargs: object) -> AsyncIterator[int]:
    """Serve TCP (TLS with ``ssl``) with ``handler`` and give the port; connections end with the test."""
    writers: list[asyncio.StreamWriter] = []
    served: list[asyncio.Future[None]] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        done = asyncio.get_running_loop().create_future()
        served.append(done)
        try:
            await handler(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the client left, as it may
        finally:
            writer.close()
            done.set_result(None)

    server = await asyncio.start_server(serve, "127.0.0.1", 0, **kwargs)  # type: ignore[arg-type]  # passed through
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for writer in writers:
            writer.transport.abort()
        await server.wait_closed()
        await asyncio.gather(*served)
