"""Connections that carry whole SIP messages: WebSocket (RFC 7118, RFC 6455)."""

from sipcli.transport.dial import connect
from sipcli.transport.options import Connection, Listener, TransportError, TransportOptions

__all__ = ["Connection", "Listener", "TransportError", "TransportOptions", "connect"]
