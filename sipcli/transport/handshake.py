"""The opening handshake (RFC 6455 §4.1, RFC 7118 §4.1): what is asked, and what its failures mean in words."""

from __future__ import annotations

import re

from websockets.exceptions import NegotiationError
from websockets.http11 import Request

from sipcli.sip.settings import Server
from sipcli.transport.options import TransportError, TransportOptions

__all__ = ["SUBPROTOCOL", "explain", "is_refused", "prepare"]

SUBPROTOCOL = "sip"

_STATUS_LINE = re.compile(rb"HTTP/1\.[01] ([1-5][0-9]{2})(?: ([^\r\n]{0,80})[^\r\n]*)?\r?\n")
_LOCATION = re.compile(rb"\nlocation:[ \t]*([^\r\n]{1,200})", re.IGNORECASE)
_HEADER_FIELD = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\t\x20-\x7e\x80-\xff]*)")

# RFC 5246 §6.2.1: a record of type alert or handshake, version 3.x.
_TLS_RECORD = (b"\x15\x03", b"\x16\x03")

_HINTS = {
    400: "does it speak SIP over WebSocket at this port and path?",
    401: "it wants HTTP authentication: --ws-header 'Authorization: …'",
    403: "it does not let this client in: it may want an Origin (--origin) or a header field (--ws-header)",
    404: "nothing there: is the path of the URL right? It is often /ws",
    407: "the answer of a proxy that wants a user and a password in its URL",
    426: "it wants another version of the protocol",
    429: "too many attempts: wait before the next one",
    500: "the server failed: try again later, or ask its operator",
    502: "what is behind this address is down: try again later",
    503: "the server is overloaded or going down: try again later",
    504: "what is behind this address does not answer: try again later",
}


def prepare(request: Request, options: TransportOptions) -> None:
    """Add the header fields of the options to the request; they replace ours. Raises TransportError for a bad one."""
    if options.user_agent is not None:
        request.headers["User-Agent"] = options.user_agent
    fields: list[tuple[str, str]] = []
    for text in options.ws_headers:
        match = _HEADER_FIELD.fullmatch(text)
        if match is None:
            raise TransportError(f"ws_headers: expected 'Name: value' on one line, got: {text!r}")
        name, value = match.groups()
        if name.lower() in ("upgrade", "connection") or name.lower().startswith("sec-websocket-"):
            raise TransportError(f"ws_headers: {name} belongs to the handshake itself and cannot be set")
        fields.append((name, value.strip()))
    for name, _ in fields:
        if name in request.headers:
            del request.headers[name]
    for name, value in fields:
        request.headers[name] = value


def is_refused(head: bytes) -> bool:
    """Tell whether an answer, as far as it came, is complete in its header and a refusal."""
    match = _STATUS_LINE.match(head)
    return match is not None and match[1] != b"101" and b"\r\n\r\n" in head


def explain(server: Server, failure: Exception, head: bytes) -> str:
    """Return what was wrong with the answer to the handshake, and the likely mistake.

    ``failure`` is the library's opinion, ``head`` how the answer began.
    """
    match = _STATUS_LINE.match(head)
    if match is not None and match[1] != b"101":
        return _explain_status(server, int(match[1]), (match[2] or b"").decode("iso-8859-1"), head)
    if isinstance(failure, NegotiationError) and "subprotocol" in str(failure):
        return (
            f"the server does not agree to the sub-protocol {SUBPROTOCOL!r} (RFC 7118): "
            "a WebSocket server, but not for SIP, or not at this path"
        )
    if head.startswith(_TLS_RECORD):
        return f"the server answers with TLS: use wss:// instead of ws:// for port {server.port}"
    if not head:
        if server.secure:
            return (
                "the server ended the connection without an answer to the WebSocket handshake: "
                "it may want a client certificate (--client-cert)"
            )
        return (
            "the server ended the connection without an HTTP answer: "
            f"if port {server.port} is a TLS port, use wss:// instead of ws://"
        )
    if match is None:
        line = head.partition(b"\n")[0].rstrip(b"\r")[:60].decode("iso-8859-1")
        return f"not a WebSocket server, it answers: {line!r}"
    return f"the server breaks the WebSocket handshake: {failure}"


def _explain_status(server: Server, status: int, reason: str, head: bytes) -> str:
    answer = f"the server answers the WebSocket handshake with HTTP {status} {reason}".rstrip()
    if not server.secure and status == 400 and (b"HTTPS" in head or b"SSL" in head):
        return f"{answer}: port {server.port} is a TLS port, use wss:// instead of ws://"
    if 300 <= status < 400:
        location = _LOCATION.search(head)
        where = "" if location is None else f" to {location[1].decode('iso-8859-1').strip()}"
        return f"{answer}{where}: redirects are not followed, put the right URL in ws_servers"
    if 200 <= status < 300:
        return f"{answer}: a web server, but not a WebSocket server at this path"
    hint = _HINTS.get(status)
    return answer if hint is None else f"{answer}: {hint}"
