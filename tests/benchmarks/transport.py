"""Measures the WebSocket transport against the websockets library's own asyncio client, side by side in one run.

An echo server in a process of its own, 32 messages of 700 octets outstanding, the client's CPU time only. Two servers:
one answers a burst by a burst, the other every message by a write of its own, which costs a client a system call each.
Run it with the package installed: ``python tests/benchmarks/transport.py``. It ends within ten seconds.
"""

from __future__ import annotations

import asyncio
import statistics
import subprocess
import sys
import time

from websockets.asyncio.client import connect as library_connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol

from sipcli.sip.settings import Server
from sipcli.transport import TransportOptions, connect

ROUNDS = 7
COUNT = 4000
OUTSTANDING = 32
MESSAGE = (b"MESSAGE sip:bob@example.com SIP/2.0\r\n" + b"X-Padding: " + b"x" * 700)[:696] + b"\r\n\r\n"
SUBPROTOCOLS = [Subprotocol("sip")]
# PERFORMANCE: 1.1 times the library, and 0.6 times where the system calls do not decide.
GOALS = {"bursts": 0.6, "one by one": 1.1}
DEADLINE = 10.0


class BurstEcho(asyncio.Protocol):
    """An echo server that writes once for all that it reads at once."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._protocol = ServerProtocol(subprotocols=SUBPROTOCOLS)

    def data_received(self, data: bytes) -> None:
        protocol = self._protocol
        protocol.receive_data(data)
        for event in protocol.events_received():
            if isinstance(event, Request):
                protocol.send_response(protocol.accept(event))
            elif isinstance(event, Frame) and event.opcode is Opcode.TEXT:
                protocol.send_text(event.data)
        writes = protocol.data_to_send()
        self._transport.write(b"".join(writes))
        if b"" in writes:
            self._transport.close()


async def echo_for_ever(kind: str) -> None:
    """Serve on a free port of loopback and print the port."""

    async def echo(connection: ServerConnection) -> None:
        async for message in connection:
            await connection.send(message)

    if kind == "bursts":
        server = await asyncio.get_running_loop().create_server(BurstEcho, "127.0.0.1", 0)
        print(server.sockets[0].getsockname()[1], flush=True)
        await server.serve_forever()
    else:
        async with serve(echo, "127.0.0.1", 0, subprotocols=SUBPROTOCOLS, compression=None) as library_server:
            print(library_server.sockets[0].getsockname()[1], flush=True)
            await library_server.serve_forever()


class Echoes:
    """A listener that answers every echo with the next message until ``COUNT`` have come."""

    def __init__(self) -> None:
        self.left_to_send = COUNT - OUTSTANDING
        self.left_to_come = COUNT
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def message_received(self, data: bytes) -> None:
        assert len(data) == len(MESSAGE)
        if self.left_to_send:
            self.left_to_send -= 1
            self.connection.send(MESSAGE)
        self.left_to_come -= 1
        if not self.left_to_come:
            self.done.set_result(None)

    def pong_received(self) -> None:
        raise AssertionError("nothing was pinged")

    def connection_lost(self, code: int, reason: str, clean: bool) -> None:
        assert clean, f"{code} {reason}"

    async def measure(self, port: int) -> float:
        """Return microseconds of CPU time a round trip."""
        server = Server(f"ws://127.0.0.1:{port}", False, "127.0.0.1", port)
        self.connection = await connect(server, TransportOptions(timeout=5), self)
        started = time.process_time()
        for _ in range(OUTSTANDING):
            self.connection.send(MESSAGE)
        await self.done
        used = time.process_time() - started
        await self.connection.close()
        return used / COUNT * 1e6


async def measure_library(port: int) -> float:
    """Return microseconds of CPU time a round trip of the library's client."""
    text = MESSAGE.decode()
    url = f"ws://127.0.0.1:{port}"
    async with library_connect(url, subprotocols=SUBPROTOCOLS, compression=None, proxy=None) as connection:
        started = time.process_time()
        for _ in range(OUTSTANDING):
            await connection.send(text)
        for _ in range(COUNT - OUTSTANDING):
            assert len(await connection.recv()) == len(text)
            await connection.send(text)
        for _ in range(OUTSTANDING):
            await connection.recv()
        return (time.process_time() - started) / COUNT * 1e6


async def measure_both(kind: str, port: int) -> bool:
    """Measure the clients in turn, print the figures and return whether the goal was met."""
    ours: list[float] = []
    theirs: list[float] = []
    async with asyncio.timeout(DEADLINE / len(GOALS)):
        for _ in range(ROUNDS):
            ours.append(await Echoes().measure(port))
            theirs.append(await measure_library(port))
    ratios = [a / b for a, b in zip(ours, theirs, strict=True)]
    met = statistics.median(ratios) <= GOALS[kind]
    print(f"server answers in {kind}" if kind == "bursts" else f"server answers {kind}")
    print(f"  round trip: sipcli {_spread(ours)} us, websockets {_spread(theirs)} us")
    print(f"  {'met' if met else 'MISSED'}: ratio {_spread(ratios)}, goal {GOALS[kind]}")
    return met


def _spread(values: list[float]) -> str:
    return f"{min(values):.2f}/{statistics.median(values):.2f}/{max(values):.2f}"


def main() -> int:
    if len(sys.argv) == 3 and sys.argv[1] == "serve":
        asyncio.run(echo_for_ever(sys.argv[2]))
        return 0
    missed = 0
    for kind in GOALS:
        with subprocess.Popen([sys.executable, __file__, "serve", kind], stdout=subprocess.PIPE, text=True) as process:
            try:
                assert process.stdout is not None
                missed += not asyncio.run(measure_both(kind, int(process.stdout.readline())))
            finally:
                process.kill()
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())
