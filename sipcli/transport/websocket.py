"""One WebSocket connection (RFC 6455, RFC 7118): the library's sans-IO protocol on a protocol of asyncio."""

from __future__ import annotations

import asyncio
import logging

from websockets.client import ClientProtocol
from websockets.exceptions import NegotiationError, PayloadTooBig
from websockets.frames import Frame, Opcode
from websockets.protocol import CONNECTING, OPEN
from websockets.typing import Origin, Subprotocol
from websockets.uri import WebSocketURI

from sipcli.sip.settings import Server
from sipcli.transport.handshake import SUBPROTOCOL, is_refused, prepare
from sipcli.transport.options import Listener, TransportOptions

__all__ = ["CLOSE_TIMEOUT", "WebSocketConnection"]

TEXT, BINARY, CONT, PONG = Opcode.TEXT, Opcode.BINARY, Opcode.CONT, Opcode.PONG

# Kamailio keeps TCP open for six seconds after its Close frame, others for ever.
CLOSE_TIMEOUT = 1.0

# RFC 6455 §7.4.1
ABNORMAL_CLOSURE = 1006

# A peer that sends requests and never reads our answers: beyond this many octets unsent, it has lost the connection.
WRITE_LIMIT = 16 << 20

# Enough of the answer to the handshake to say what is wrong with it.
HEAD_LIMIT = 4096

# RFC 6455 §5.5: a control frame holds 125 octets, two of them the code.
REASON_LIMIT = 123

# The library logs whole handshakes, with cookies and credentials, when the level is DEBUG.
_LOGGER = logging.getLogger("sipcli.transport.websocket")
_LOGGER.setLevel(logging.WARNING)


class WebSocketConnection(asyncio.Protocol):
    """A connection, from the first octet of the handshake on."""

    __slots__ = (
        "_abort_timer",
        "_closed",
        "_corked",
        "_failure",
        "_fragments",
        "_gone",
        "_listener",
        "_opened",
        "_options",
        "_protocol",
        "_ready",
        "_told",
        "_transport",
        "_write",
        "head",
        "proxy",
        "server",
    )

    def __init__(
        self, server: Server, uri: WebSocketURI, options: TransportOptions, listener: Listener, proxy: str | None
    ) -> None:
        loop = asyncio.get_running_loop()
        self.server = server
        self.proxy = proxy
        self.head = b""
        self._options = options
        self._listener = listener
        self._protocol = ClientProtocol(
            uri,
            origin=None if options.origin is None else Origin(options.origin),
            subprotocols=[Subprotocol(SUBPROTOCOL)],
            max_size=options.max_size,
            logger=_LOGGER,
        )
        self._fragments = bytearray()
        self._opened: asyncio.Future[None] = loop.create_future()
        self._closed: asyncio.Future[None] = loop.create_future()
        self._abort_timer: asyncio.TimerHandle | None = None
        self._failure: Exception | None = None
        self._corked = False  # what is sent waits for the end of what was received
        self._gone = False  # the transport is
        self._ready = False  # the listener is
        self._told = False  # the listener that it is over

    @property
    def url(self) -> str:
        return self.server.url

    @property
    def secure(self) -> bool:
        return self.server.secure

    @property
    def subprotocol(self) -> str:
        return SUBPROTOCOL

    # The opening handshake

    async def open(self, transport: asyncio.Transport) -> Exception | None:
        """Do the opening handshake; return what was wrong with it.

        Nothing is delivered to the listener before the running task gives way again.
        """
        self._transport = transport
        self._write = transport.write
        transport.set_write_buffer_limits(high=WRITE_LIMIT)
        request = self._protocol.connect()
        prepare(request, self._options)
        self._protocol.send_request(request)
        self._flush()
        await self._opened
        if self._failure is None:
            asyncio.get_running_loop().call_soon(self._begin_delivery)
        return self._failure

    def _judge_handshake(self, data: bytes) -> None:
        if len(self.head) < HEAD_LIMIT:
            self.head = (self.head + data)[:HEAD_LIMIT]
        protocol = self._protocol
        if protocol.handshake_exc is not None:
            self._end_handshake(protocol.handshake_exc)
        elif protocol.state is not CONNECTING:
            # The library does not mind a server that agrees to no sub-protocol.
            self._end_handshake(NegotiationError("no subprotocol") if protocol.subprotocol is None else None)
        elif is_refused(self.head):
            # The library would wait for the whole body.
            self._end_handshake(ConnectionError("refused"))

    def _end_handshake(self, failure: Exception | None) -> None:
        if not self._opened.done():
            self._failure = failure
            self._opened.set_result(None)

    def _begin_delivery(self) -> None:
        self._ready = True
        self._deliver()
        if self._gone:
            self._tell_lost(self._failure)

    # What asyncio tells

    def data_received(self, data: bytes) -> None:
        protocol = self._protocol
        # A burst of messages is answered by one write: the system call is what costs.
        self._corked = True
        protocol.receive_data(data)
        if self._ready:
            self._deliver()
        else:
            self._judge_handshake(data)
        self._corked = False
        if protocol.writes:
            self._flush()

    def eof_received(self) -> None:
        if not self._opened.done():
            self._protocol.receive_eof()
            self._end_handshake(self._protocol.handshake_exc or ConnectionError("no answer"))

    def pause_writing(self) -> None:
        # Later, as the listener may be in the middle of sending.
        reason = f"the server does not read what it is sent: {WRITE_LIMIT} octets are waiting"
        asyncio.get_running_loop().call_soon(self._tell, ABNORMAL_CLOSURE, reason, False)
        self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._gone = True
        if self._abort_timer is not None:
            self._abort_timer.cancel()
        if not self._opened.done():
            self._end_handshake(exc or ConnectionError("no answer"))
        elif self._ready:
            self._tell_lost(exc)
        else:
            self._failure = exc
        if not self._closed.done():
            self._closed.set_result(None)

    # Frames

    def _deliver(self) -> None:
        for event in self._protocol.events_received():
            if type(event) is not Frame:
                continue  # the answer to the handshake
            opcode = event.opcode
            if opcode is TEXT or opcode is BINARY:
                if event.fin:
                    self._listener.message_received(bytes(event.data))
                else:
                    self._fragments += event.data
            elif opcode is CONT:
                self._fragments += event.data
                if event.fin:
                    message = bytes(self._fragments)
                    self._fragments.clear()
                    self._listener.message_received(message)
            elif opcode is PONG:
                self._listener.pong_received()
        if self._protocol.state is not OPEN:
            self._end()

    def _end(self) -> None:
        """Say that it is over when a Close frame came, or when what came cannot go on; then end TCP ourselves."""
        protocol = self._protocol
        if protocol.close_rcvd is not None:
            self._tell(protocol.close_rcvd.code, protocol.close_rcvd.reason, True)
        elif protocol.parser_exc is not None:
            code = ABNORMAL_CLOSURE if protocol.close_sent is None else int(protocol.close_sent.code)
            self._tell(code, _broken(protocol.parser_exc, self._options.max_size), False)
        else:
            return
        self._corked = False
        self._flush()  # our own Close frame
        self._abort_soon()
        self._transport.close()

    def _tell_lost(self, exc: Exception | None) -> None:
        if isinstance(exc, OSError) and exc.strerror:
            reason = exc.strerror
        elif self._protocol.close_sent is not None:
            reason = "the server did not answer the Close frame"
        else:
            reason = "the server ended the connection without a Close frame"
        self._tell(ABNORMAL_CLOSURE, reason, False)

    def _tell(self, code: int, reason: str, clean: bool) -> None:
        if not self._told:
            self._told = True
            self._listener.connection_lost(code, reason, clean)

    # What the owner asks

    def send(self, data: bytes) -> None:
        protocol = self._protocol
        if protocol.state is not OPEN:
            return
        # RFC 7118 §5: text frames carry UTF-8, and a SIP body need not be text.
        if data.isascii() or _is_utf8(data):
            protocol.send_text(data)
        else:
            protocol.send_binary(data)
        self._flush()

    def ping(self) -> None:
        if self._protocol.state is OPEN:
            self._protocol.send_ping(b"")
            self._flush()

    async def close(self, code: int = 1000, reason: str = "") -> None:
        if self._protocol.state is OPEN:
            self._protocol.send_close(code, reason.encode()[:REASON_LIMIT].decode(errors="ignore"))
            self._flush()
        self._abort_soon()
        await asyncio.shield(self._closed)

    def abort(self) -> None:
        self._transport.abort()

    def _abort_soon(self) -> None:
        if self._abort_timer is None and not self._gone:
            loop = asyncio.get_running_loop()
            self._abort_timer = loop.call_later(CLOSE_TIMEOUT, self._transport.abort)

    def _flush(self) -> None:
        if not self._corked:
            # Empty octets among them mean that the library would half-close: TLS cannot, and ``_end`` closes both ways.
            data = b"".join(self._protocol.data_to_send())
            if data:
                self._write(data)


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _broken(error: Exception, max_size: int) -> str:
    if isinstance(error, PayloadTooBig):
        return f"the server sent a message of more than {max_size} octets"
    return f"the server broke the WebSocket protocol: {error}"
