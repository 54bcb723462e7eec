"""A server that does what a test tells it to: WebSocket and SIP for real, and no opinion of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from types import TracebackType
from typing import Self

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from sipcli.sip.message import Request, Response, build_response, parse, serialize

__all__ = ["PATIENCE", "Peer"]

PATIENCE = 5.0
"""How long a test waits for what must come, in seconds."""


class Peer:
    """Answers the methods of ``answers`` with that status, and gives all requests to the test."""

    def __init__(self, answers: Mapping[str, int] | None = None) -> None:
        self.answers = dict(answers or {})
        self.headers: dict[str, list[tuple[str, str]]] = {}
        """Header fields for the answers, by method."""
        self.received: list[Request | Response] = []
        """Everything that came, in order."""
        self.port = 0
        self.closes: asyncio.Queue[int] = asyncio.Queue()
        """The close codes of the connections that have ended."""
        self._messages: asyncio.Queue[Request | Response] = asyncio.Queue()
        self._connections: dict[ServerConnection, None] = {}
        self._server: Server | None = None

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}"

    async def __aenter__(self) -> Self:
        await self.listen()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def listen(self) -> None:
        """Take connections, on the port of the last time if there was one."""
        subprotocols = [Subprotocol("sip")]
        self._server = await serve(self._serve, "127.0.0.1", self.port, subprotocols=subprotocols, compression=None)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """End all connections and take no more."""
        assert self._server is not None
        self.drop()
        self._server.close()
        await self._server.wait_closed()

    def drop(self) -> None:
        """Cut all connections without a word."""
        for connection in self._connections:
            connection.transport.abort()

    def pause(self) -> None:
        """Read nothing any more, so that not even a Close frame is answered."""
        for connection in self._connections:
            connection.transport.pause_reading()

    async def request(self, method: str) -> Request:
        """Return the next request of a method; what comes before it is passed over."""
        while True:
            message = await self._next()
            if isinstance(message, Request) and message.method == method:
                return message

    async def response(self, status: int | None = None) -> Response:
        """Return the next response, or the next with that status."""
        while True:
            message = await self._next()
            if isinstance(message, Response) and status in (None, message.status):
                return message

    async def send(self, message: Request | Response | bytes) -> None:
        """Send on the latest connection."""
        data = message if isinstance(message, bytes) else serialize(message)
        connection = next(reversed(self._connections))
        try:
            await connection.send(data.decode())
        except UnicodeDecodeError:
            await connection.send(data)

    async def answer(
        self, request: Request, status: int, reason: str | None = None, *headers: tuple[str, str], body: bytes = b""
    ) -> None:
        """Answer a request."""
        response = build_response(request, status, reason, to_tag="peer", headers=headers, body=body)
        await self.send(response)

    async def ask(self, method: str, *headers: tuple[str, str], body: bytes = b"", user: str = "alice") -> Request:
        """Send a request to the user agent, and return it."""
        number = len(self.received)
        request = Request(
            method,
            f"sip:{user}@127.0.0.1",
            [
                ("Via", f"SIP/2.0/WS peer.invalid;branch=z9hG4bKpeer{method}{number}"),
                ("Max-Forwards", "70"),
                ("From", '"Bob" <sip:bob@example.com>;tag=bob'),
                ("To", f"<sip:{user}@127.0.0.1>"),
                ("Call-ID", f"peer-{method}-{number}"),
                ("CSeq", f"1 {method}"),
                *headers,
            ],
            body,
        )
        await self.send(request)
        return request

    async def _next(self) -> Request | Response:
        async with asyncio.timeout(PATIENCE):
            return await self._messages.get()

    async def _serve(self, connection: ServerConnection) -> None:
        self._connections[connection] = None
        try:
            async for data in connection:
                octets = data.encode() if isinstance(data, str) else data
                if octets.strip(b"\r\n"):
                    await self._take(parse(octets))
        except ConnectionClosed:
            pass  # the user agent, or the test, has ended it
        finally:
            self.closes.put_nowait(connection.close_code or 0)
            del self._connections[connection]

    async def _take(self, message: Request | Response) -> None:
        self.received.append(message)
        self._messages.put_nowait(message)
        if isinstance(message, Request) and message.method in self.answers:
            headers = list(self.headers.get(message.method, ()))
            if message.method == "REGISTER" and self.answers["REGISTER"] == 200:
                headers += [("Contact", value) for value in message.get_all("Contact") if value != "*"]
            await self.answer(message, self.answers[message.method], None, *headers)
