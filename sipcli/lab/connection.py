"""One client's WebSocket connection, the server's side (RFC 7118 §4; RFC 6455), on the library's sans-IO protocol."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Protocol

from websockets.exceptions import NegotiationError
from websockets.frames import BINARY, CONT, TEXT, Frame
from websockets.http11 import Request
from websockets.protocol import OPEN
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol

__all__ = ["Listener", "ServerConnection"]

SUBPROTOCOL = "sip"
# A client that connects and says nothing, and one that never answers our Close: this many seconds.
HANDSHAKE_TIMEOUT = 10.0
CLOSE_TIMEOUT = 1.0
# A client that sends requests and never reads the answers: beyond this many octets unsent it is cut off.
WRITE_LIMIT = 16 << 20

# The library logs whole handshakes when the level is DEBUG.
_LOGGER = logging.getLogger("sipcli.lab")
_LOGGER.setLevel(logging.WARNING)


class Listener(Protocol):
    """Who hears of what happens on the connections."""

    def accepted(self, connection: ServerConnection) -> None:
        """Take a connection that TCP, and TLS where it is used, has made."""

    def opened(self, connection: ServerConnection) -> None:
        """Take a connection whose handshake is done."""

    def message_received(self, connection: ServerConnection, data: bytes) -> None:
        """Take the octets of one message."""

    def closed(self, connection: ServerConnection) -> None:
        """Take notice that TCP is gone; comes for connections that never opened too."""


class ServerConnection(asyncio.Protocol):
    """A connection from the first octet on. ``flow`` is its number."""

    def __init__(self, flow: int, listener: Listener) -> None:
        self.flow = flow
        self._listener = listener
        self._protocol = ServerProtocol(select_subprotocol=_require_sip, logger=_LOGGER)
        self._fragments = bytearray()

    # What asyncio tells

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.set_write_buffer_limits(high=WRITE_LIMIT)
        self._listener.accepted(self)
        self._deadline = asyncio.get_running_loop().call_later(HANDSHAKE_TIMEOUT, transport.abort)

    def data_received(self, data: bytes) -> None:
        self._protocol.receive_data(data)
        for event in self._protocol.events_received():
            if isinstance(event, Request):
                self._answer_handshake(event)
            elif isinstance(event, Frame):
                self._take(event)
        self._flush()

    def eof_received(self) -> None:
        self._protocol.receive_eof()
        self._flush()

    def pause_writing(self) -> None:
        self.transport.abort()

    def connection_lost(self, _exc: Exception | None) -> None:
        self._deadline.cancel()
        self._listener.closed(self)

    # Frames

    def _answer_handshake(self, request: Request) -> None:
        response = self._protocol.accept(request)
        self._protocol.send_response(response)
        if self._protocol.state is OPEN:
            self._deadline.cancel()
            self._listener.opened(self)

    def _take(self, frame: Frame) -> None:
        # Text and binary are the same to SIP (RFC 7118 §5).
        if frame.opcode in (TEXT, BINARY, CONT):
            self._fragments += frame.data
            if frame.fin:
                data = bytes(self._fragments)
                self._fragments.clear()
                self._listener.message_received(self, data)

    # What the owner asks

    def send(self, data: bytes) -> None:
        """Send one message; does nothing once the connection is closing."""
        if self._protocol.state is OPEN:
            try:
                data.decode()
            except UnicodeDecodeError:
                self._protocol.send_binary(data)
            else:
                self._protocol.send_text(data)
            self._flush()

    def close(self, code: int, reason: str = "") -> None:
        """Send a Close frame and end the connection, with the client's consent or without."""
        if self._protocol.state is OPEN:
            self._protocol.send_close(code, reason)
            self._flush()
            self._deadline.cancel()
            self._deadline = asyncio.get_running_loop().call_later(CLOSE_TIMEOUT, self.transport.abort)
        else:
            self.transport.abort()

    def _flush(self) -> None:
        for data in self._protocol.data_to_send():
            if data:
                self.transport.write(data)
            else:
                self.transport.close()


def _require_sip(_protocol: ServerProtocol, offered: Sequence[Subprotocol]) -> Subprotocol:
    if SUBPROTOCOL not in offered:
        raise NegotiationError(f"the client must offer the sub-protocol {SUBPROTOCOL!r} (RFC 7118)")
    return Subprotocol(SUBPROTOCOL)
