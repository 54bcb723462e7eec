"""What a connection is made with, what it tells, and how it says that it cannot be made."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Protocol

from sipcli.sip.errors import SipError

__all__ = ["Connection", "Listener", "TransportError", "TransportOptions"]


class TransportError(SipError):
    """A connection that could not be made: the text says where, why, and which mistake is likely."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TransportOptions:
    """How to connect. ``timeout`` is in seconds and covers everything: name, TCP, proxy, TLS, handshake."""

    timeout: float
    ca_file: str | os.PathLike[str] | None = None
    """Certificates to trust instead of the system's."""
    insecure: bool = False
    """Take any certificate."""
    client_cert: str | os.PathLike[str] | None = None
    client_key: str | os.PathLike[str] | None = None
    """None: the key is in ``client_cert`` too."""
    origin: str | None = None
    ws_headers: tuple[str, ...] = ()
    """Header fields for the handshake, each ``Name: value``."""
    user_agent: str | None = None
    proxy: bool = True
    """Obey the proxy variables of the environment. Loopback never goes through one."""
    max_size: int = 1 << 20
    """The longest message that is taken, in octets."""


class Listener(Protocol):
    """Who hears of what happens on a connection. Nothing is told before the one who called ``connect`` has it."""

    def message_received(self, data: bytes) -> None:
        """Take the octets of one message, or of a CRLF keep-alive (RFC 5626 §4.4.1)."""

    def pong_received(self) -> None:
        """Take notice of a WebSocket pong."""

    def connection_lost(self, code: int, reason: str, clean: bool) -> None:
        """Take notice of the end. Comes once and last, whoever ended it; ``clean`` after a close handshake."""


class Connection(Protocol):
    """A connection that stands."""

    @property
    def url(self) -> str: ...
    @property
    def secure(self) -> bool: ...
    @property
    def subprotocol(self) -> str: ...
    @property
    def proxy(self) -> str | None:
        """The URL of the proxy that it goes through, without its user and password."""

    def send(self, data: bytes) -> None:
        """Send one message. Does nothing once the connection is closing."""

    def ping(self) -> None:
        """Send a WebSocket ping."""

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Close the connection and return when it is gone, after a second at most."""

    def abort(self) -> None:
        """End the connection at once; what has not been sent is lost."""
