"""Making a connection: name, TCP, proxy, TLS, handshake, all within one deadline (RFC 7118 §4)."""

from __future__ import annotations

import asyncio
import ipaddress
import os
import socket
import sys
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from errno import ECONNREFUSED
from typing import TYPE_CHECKING

from websockets.exceptions import InvalidURI
from websockets.uri import WebSocketURI, parse_uri

from sipcli.sip.settings import Server
from sipcli.transport.handshake import explain
from sipcli.transport.options import Connection, Listener, TransportError, TransportOptions
from sipcli.transport.websocket import CLOSE_TIMEOUT, WebSocketConnection

if TYPE_CHECKING:
    from sipcli.transport.proxy import Route  # costs urllib.request: only when a proxy is used

__all__ = ["connect", "is_loopback"]

# An address that does not answer must not use up the time of the next one (RFC 8305 in spirit).
ADDRESS_SHARE = 1.0


async def connect(server: Server, options: TransportOptions, listener: Listener) -> Connection:
    """Connect to ``server`` and agree to speak SIP; raise TransportError when that fails, or takes too long."""
    dialling = _Dialling(server, options)
    try:
        async with asyncio.timeout(options.timeout):
            return await dialling.run(listener)
    except TimeoutError:
        raise TransportError(f"{server.url}: {dialling.overdue()}") from None


def is_loopback(host: str) -> bool:
    """Tell whether a name or address, by its text alone, is this machine's loopback (RFC 6761 §6.3)."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return address.is_loopback if mapped is None else bool(mapped.is_loopback)


class _Dialling:
    """One attempt, and what it is waiting for."""

    def __init__(self, server: Server, options: TransportOptions) -> None:
        self._server = server
        self._options = options
        self._waiting_for = ""
        self._hint = ""

    async def run(self, listener: Listener) -> Connection:
        server, options = self._server, self._options
        uri = _parse(server)
        route = None
        if options.proxy and not is_loopback(server.host) and _proxies_are_set():
            from sipcli.transport.proxy import find_route

            route = find_route(uri)
        connection = WebSocketConnection(server, uri, options, listener, None if route is None else route.url)
        # What a server says before TLS is nothing that the connection should see.
        first = asyncio.Protocol() if server.secure else connection
        transport = await (self._connect(uri, first) if route is None else self._connect_through(route, uri, first))
        try:
            if server.secure:
                from sipcli.transport.tls import start_tls

                self._wait_for("answer to the TLS handshake", f"if port {server.port} is a plain port, use ws://")
                transport = await start_tls(transport, connection, server, uri.host, options, CLOSE_TIMEOUT)
            self._wait_for("answer to the WebSocket handshake", "is it a WebSocket server?")
            failure = await connection.open(transport)
            if failure is not None:
                raise TransportError(f"{server.url}: {self._explain_handshake(connection, failure)}") from failure
        except BaseException:
            transport.abort()
            raise
        return connection

    def overdue(self) -> str:
        """Return what did not come in time."""
        hint = f": {self._hint}" if self._hint else ""
        return f"no {self._waiting_for} within {self._options.timeout:g} s{hint}"

    def _wait_for(self, what: str, hint: str = "") -> None:
        self._waiting_for, self._hint = what, hint

    async def _connect(self, uri: WebSocketURI, protocol: asyncio.Protocol) -> asyncio.Transport:
        server = self._server
        self._wait_for(f"answer to the question for the address of {uri.host}", "does the name server work?")
        addresses = await _resolve(uri.host, uri.port, server.url)
        self._wait_for("answer to the TCP connection", "is the address right, does a firewall drop it?")
        loop = asyncio.get_running_loop()

        async def open_one(address: str) -> asyncio.Transport:
            transport, _ = await loop.create_connection(lambda: protocol, address, uri.port)
            return transport

        try:
            return await _first_that_answers(addresses, open_one, ADDRESS_SHARE)
        except OSError as error:
            raise TransportError(f"{server.url}: {_explain_tcp(server, error)}") from error

    async def _connect_through(self, route: Route, uri: WebSocketURI, protocol: asyncio.Protocol) -> asyncio.Transport:
        from sipcli.transport.proxy import FAILURES

        self._wait_for(f"answer of the {route}", "--no-proxy goes without it")
        addresses = await _resolve(route.proxy.host, route.proxy.port, str(route))

        async def open_one(address: str) -> asyncio.Transport:
            return await route.open(address, uri, protocol)

        try:
            return await _first_that_answers(addresses, open_one, None)
        except FAILURES as error:
            raise TransportError(f"{self._server.url}: {route.explain(error, uri)}") from error

    def _explain_handshake(self, connection: WebSocketConnection, failure: Exception) -> str:
        if self._server.secure:
            import ssl

            from sipcli.transport import tls

            if isinstance(failure, ssl.SSLError):
                # TLS 1.3: that the client has no certificate is said only after the handshake.
                return tls.explain(failure, self._server, self._options)
        return explain(self._server, failure, connection.head)


def _parse(server: Server) -> WebSocketURI:
    try:
        uri = parse_uri(server.url)
    except (InvalidURI, ValueError) as error:
        what = error.msg if isinstance(error, InvalidURI) else str(error)
        raise TransportError(f"expected ws://host[:port][/path] or wss://…: {what}, got: {server.url!r}") from error
    if uri.username is not None:
        # The library would send it as HTTP Basic.
        raise TransportError(
            f"the URL of {server.host} holds a user and a password, which are never sent: "
            "leave them out, or use --ws-header 'Authorization: …'"
        )
    return uri


def _proxies_are_set() -> bool:
    """Tell cheaply whether a proxy may have to be used: finding out which one imports urllib.request."""
    if sys.platform in ("darwin", "win32"):
        return True  # there it may stand in the system's settings
    return any(value and name.lower().endswith("_proxy") for name, value in os.environ.items())


async def _first_that_answers(
    addresses: list[str], open_one: Callable[[str], Awaitable[asyncio.Transport]], share: float | None
) -> asyncio.Transport:
    """Try the addresses in order, each but the last for ``share`` seconds; raise what the last one raises."""
    for address in addresses[:-1]:
        try:
            async with asyncio.timeout(share):
                return await open_one(address)
        except OSError:
            continue
    return await open_one(addresses[-1])


async def _resolve(host: str, port: int, whose: str) -> list[str]:
    """Return the addresses of ``host``; raise TransportError that begins with ``whose``.

    The thread is our own, as that of asyncio's executor would hold up the end of the program.
    """
    try:
        ipaddress.ip_address(host)
    except ValueError:
        pass
    else:
        return [host]
    loop = asyncio.get_running_loop()
    found: asyncio.Future[list[str] | Exception] = loop.create_future()

    def settle(result: list[str] | Exception) -> None:
        if not found.done():
            found.set_result(result)

    def look_up() -> None:
        result: list[str] | Exception
        try:
            infos = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            result = list(dict.fromkeys(str(info[4][0]) for info in infos))
        except (OSError, UnicodeError) as error:
            result = error
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(settle, result)

    threading.Thread(target=look_up, name="getaddrinfo", daemon=True).start()
    result = await found
    if isinstance(result, Exception):
        why = result.strerror if isinstance(result, OSError) and result.strerror else str(result)
        raise TransportError(f"{whose}: cannot find the address of {host} ({why}): is the name right?") from result
    return result


def _explain_tcp(server: Server, error: OSError) -> str:
    if error.errno == ECONNREFUSED:
        return f"connection refused: is the server running, and is port {server.port} right?"
    # asyncio's own text is that the call failed; the number knows why.
    return f"cannot connect: {os.strerror(error.errno) if error.errno else error}"
