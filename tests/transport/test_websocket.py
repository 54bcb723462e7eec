"""Messages over a WebSocket that stands (RFC 6455, RFC 7118 §5)."""

from __future__ import annotations

import asyncio
import socket
import struct
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame, Opcode
from websockets.typing import Subprotocol

from sipcli.transport import Connection, TransportOptions, connect
from sipcli.transport.websocket import CLOSE_TIMEOUT
from tests.transport.recorder import Recorder, options, raw_server, server_at, upgrade

SIP = [Subprotocol("sip")]
MESSAGE = b"OPTIONS sip:bob@example.com SIP/2.0\r\nContent-Length: 0\r\n\r\n"


@asynccontextmanager
async def connected(
    handler: Callable[[ServerConnection], Awaitable[None]], changes: TransportOptions | None = None
) -> AsyncIterator[tuple[Connection, Recorder]]:
    """Connect to a server of the websockets library that runs ``handler``."""
    async with serve(handler, "127.0.0.1", 0, subprotocols=SIP) as server:
        recorder = Recorder()
        port = server.sockets[0].getsockname()[1]
        connection = await connect(server_at(port), changes or options(), recorder)
        try:
            yield connection, recorder
        finally:
            await connection.close()


async def echo(server: ServerConnection) -> None:
    async for message in server:
        await server.send(message)


def frame(opcode: Opcode, data: bytes, fin: bool = True) -> bytes:
    return Frame(opcode, data, fin).serialize(mask=False)


@asynccontextmanager
async def connected_to_octets(
    *chunks: bytes, then: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]] | None = None
) -> AsyncIterator[tuple[Connection, Recorder]]:
    """Connect to a server that sends the 101 and ``chunks`` in one write, then does ``then``, or hangs up after us."""

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(upgrade(await reader.readuntil(b"\r\n\r\n")) + b"".join(chunks))
        if then is None:
            await reader.read(1)
        else:
            await then(reader, writer)

    async with raw_server(handler) as port:
        recorder = Recorder()
        connection = await connect(server_at(port), options(), recorder)
        try:
            yield connection, recorder
        finally:
            await connection.close()


async def ignore(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Read to the end and say nothing."""
    await reader.read()


def test_import_is_cheap() -> None:
    """What only a proxy, or only TLS, needs is not imported before it is needed."""
    program = "import sys, sipcli.transport; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    dear = ("websockets.asyncio", "websockets.proxy", "urllib.request", "http.client", "sipcli.transport.tls")
    assert not set(dear) & set(loaded)


async def test_round_trip() -> None:
    """A message goes out and comes back octet for octet; the connection says what it is."""
    async with connected(echo) as (connection, recorder):
        connection.send(MESSAGE)
        assert await recorder.message() == MESSAGE
        assert (connection.subprotocol, connection.secure, connection.proxy) == ("sip", False, None)
        assert connection.url.startswith("ws://127.0.0.1:")


@pytest.mark.parametrize(
    ("data", "kind"),
    [(MESSAGE, str), (MESSAGE + "¶ é 漢".encode(), str), (MESSAGE + b"\xff\x00\xfe", bytes), (b"\r\n\r\n", str)],
    ids=["ascii", "utf-8", "octets", "crlf"],
)
async def test_frame_type(data: bytes, kind: type) -> None:
    """Valid UTF-8 goes out as text, anything else as binary (RFC 7118 §5)."""
    seen: asyncio.Future[object] = asyncio.get_running_loop().create_future()

    async def handler(server: ServerConnection) -> None:
        message = await server.recv()
        seen.set_result(message)
        await server.send(message)

    async with connected(handler) as (connection, recorder):
        connection.send(data)
        assert type(await seen) is kind
        assert await recorder.message() == data


async def test_no_compression_is_offered() -> None:
    """The handshake offers no extension, so nothing can be inflated."""
    offered: list[object] = []

    async def handler(server: ServerConnection) -> None:
        assert server.request is not None
        offered.append(server.request.headers.get("Sec-WebSocket-Extensions"))
        await echo(server)

    async with connected(handler) as (connection, recorder):
        connection.send(MESSAGE)
        await recorder.message()
    assert offered == [None]


async def test_frames_of_every_shape() -> None:
    """Binary, fragmented (empty fragments too, a ping between them) and CRLF frames arrive as whole messages."""
    chunks = [
        frame(Opcode.BINARY, MESSAGE),
        frame(Opcode.TEXT, MESSAGE[:7], False),
        frame(Opcode.CONT, b"", False),
        frame(Opcode.PING, b"x"),
        frame(Opcode.CONT, MESSAGE[7:20], False),
        frame(Opcode.CONT, MESSAGE[20:]),
        frame(Opcode.TEXT, b"\r\n"),
        frame(Opcode.TEXT, "ü".encode()[:1] + b"\xff"),
        frame(Opcode.TEXT, b"last"),
    ]
    async with connected_to_octets(*chunks) as (_, recorder):
        received = [await recorder.message() for _ in range(5)]
    assert received == [MESSAGE, MESSAGE, b"\r\n", b"\xc3\xff", b"last"]


async def test_octet_by_octet() -> None:
    """Frames may be cut anywhere by TCP."""

    async def then(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for octet in frame(Opcode.TEXT, MESSAGE):
            writer.write(bytes([octet]))
            await writer.drain()
        await reader.read(1)

    async with connected_to_octets(then=then) as (_, recorder):
        assert await recorder.message() == MESSAGE


async def test_nothing_is_told_before_connect_returns() -> None:
    """Frames in the same segment as the 101, even a Close, are told after ``connect`` has returned."""

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        close = frame(Opcode.CLOSE, b"\x03\xe9bye")
        writer.write(upgrade(await reader.readuntil(b"\r\n\r\n")) + frame(Opcode.TEXT, MESSAGE) + close)
        writer.close()

    async with raw_server(handler) as port:
        recorder = Recorder()
        connection = await connect(server_at(port), options(), recorder)
        assert recorder.told == []
        assert await recorder.loss() == (1001, "bye", True)
        assert recorder.told == [("message", MESSAGE), ("lost", 1001)]
        await connection.close()


async def test_ping_is_answered_by_pong() -> None:
    """Our ping brings a pong; the server's ping is answered (INTEROP: Kamailio needs it)."""

    async def handler(server: ServerConnection) -> None:
        await (await server.ping(b"are you there"))
        await server.send("they are")
        await server.wait_closed()

    async with connected(handler) as (connection, recorder):
        connection.ping()
        assert await recorder.message() == b"they are"
        async with asyncio.timeout(10):
            await recorder.ponged.wait()


async def test_our_close() -> None:
    """Closing is a handshake: the server sees our code, the listener hears of it once, what is sent then is dropped."""
    seen: asyncio.Future[tuple[int | None, str | None]] = asyncio.get_running_loop().create_future()

    async def handler(server: ServerConnection) -> None:
        await server.wait_closed()
        seen.set_result((server.close_code, server.close_reason))

    async with connected(handler) as (connection, recorder):
        await connection.close(1001, "going " + "é" * 200)
        assert await recorder.loss() == (1001, (await seen)[1], True)
        connection.send(MESSAGE)
        connection.ping()
        await connection.close()
    code, reason = await seen
    assert code == 1001
    assert reason is not None
    assert len(reason.encode()) <= 123


async def test_close_that_is_not_answered() -> None:
    """A server that ignores our Close holds us up for the close timeout only."""
    loop = asyncio.get_running_loop()
    async with connected_to_octets(then=ignore) as (connection, recorder):
        began = loop.time()
        await connection.close()
        assert loop.time() - began < CLOSE_TIMEOUT + 1
    assert await recorder.loss() == (1006, "the server did not answer the Close frame", False)


async def test_servers_close_is_told_at_once() -> None:
    """A Close frame is the end, even if TCP stays open for long after it, as with Kamailio."""
    async with connected_to_octets(frame(Opcode.CLOSE, b"\x03\xe8"), then=ignore) as (_, recorder):
        assert await recorder.loss() == (1000, "", True)


async def test_servers_close_is_answered() -> None:
    """The server gets our Close frame back, and ends TCP in peace."""
    closed: asyncio.Future[int | None] = asyncio.get_running_loop().create_future()

    async def handler(server: ServerConnection) -> None:
        await server.close(1001, "bye")
        closed.set_result(server.close_code)

    async with connected(handler) as (_, recorder):
        assert await recorder.loss() == (1001, "bye", True)
        assert await closed == 1001


async def test_answers_to_a_burst() -> None:
    """What is sent from within the listener goes out, all of it and in order."""

    class Answering(Recorder):
        connection: Connection

        def message_received(self, data: bytes) -> None:
            self.connection.send(b"to " + data)

    answers: asyncio.Future[list[object]] = asyncio.get_running_loop().create_future()

    async def handler(server: ServerConnection) -> None:
        for number in range(100):
            await server.send(str(number))
        answers.set_result([await server.recv() for _ in range(100)])

    async with serve(handler, "127.0.0.1", 0, subprotocols=SIP) as server:
        listener = Answering()
        listener.connection = await connect(server_at(server.sockets[0].getsockname()[1]), options(), listener)
        assert await answers == [f"to {number}" for number in range(100)]
        await listener.connection.close()


async def test_close_without_code() -> None:
    """A Close frame without a code is 1005, and clean."""
    async with connected_to_octets(frame(Opcode.CLOSE, b"")) as (_, recorder):
        assert await recorder.loss() == (1005, "", True)


async def test_tcp_end_without_close() -> None:
    """The end of TCP without a Close frame is 1006 (a server that is killed)."""

    async def then(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async with connected_to_octets(then=then) as (_, recorder):
        assert await recorder.loss() == (1006, "the server ended the connection without a Close frame", False)


async def test_reset() -> None:
    """A reset is 1006, in the system's words."""

    async def then(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()

    async with connected_to_octets(then=then) as (connection, recorder):
        connection.send(MESSAGE)
        assert await recorder.loss() == (1006, "Connection reset by peer", False)


async def test_message_too_long() -> None:
    """A message over the limit costs the connection, in one frame or in many."""
    limit = options(max_size=1000)

    async def whole(server: ServerConnection) -> None:
        await server.send("x" * 1001)
        await server.wait_closed()

    async def pieces(server: ServerConnection) -> None:
        try:
            await server.send("x" for _ in range(2000))
        except ConnectionClosed:
            return

    for handler in (whole, pieces):
        async with connected(handler, limit) as (_, recorder):
            assert await recorder.loss() == (1009, "the server sent a message of more than 1000 octets", False)
            assert recorder.messages.empty()


@pytest.mark.parametrize(
    "octets",
    [b"\x8b\x00", b"\xc1\x00", b"\x81\x80\x00\x00\x00\x00", frame(Opcode.CONT, b"x"), b"\x09\x00", b"\x88\x01x"],
    ids=["opcode", "reserved bit", "masked", "continuation of nothing", "fragmented ping", "close of one octet"],
)
async def test_broken_frames(octets: bytes) -> None:
    """Frames that RFC 6455 forbids end the connection with 1002."""
    async with connected_to_octets(octets) as (_, recorder):
        code, reason, clean = await recorder.loss()
        assert (code, clean) == (1002, False)
        assert reason.startswith("the server broke the WebSocket protocol: ")


async def test_server_that_does_not_read() -> None:
    """A peer that never reads loses the connection before it costs us our memory."""
    stuck = asyncio.Event()

    async def then(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await stuck.wait()

    async with connected_to_octets(then=then) as (connection, recorder):
        for _ in range(64):
            connection.send(b"x" * (1 << 20))
        assert recorder.told == []  # never in the middle of sending
        code, reason, clean = await recorder.loss()
        assert (code, clean) == (1006, False)
        assert "does not read" in reason
        stuck.set()
