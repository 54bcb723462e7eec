"""Proxies from the environment, by the library's own code (RFC 9110 §9.3.6). Imported only when a variable is set."""

from __future__ import annotations

import asyncio
import os
import ssl
from dataclasses import dataclass, replace

from websockets.asyncio.client import HTTPProxyConnection, connect_socks_proxy
from websockets.exceptions import InvalidProxy, InvalidProxyStatus, ProxyError
from websockets.proxy import Proxy, get_proxy, parse_proxy
from websockets.uri import WebSocketURI

from sipcli.transport.options import TransportError

__all__ = ["FAILURES", "Route", "find_route"]

# What ``Route.open`` raises.
FAILURES = (OSError, EOFError, ImportError, ProxyError)


@dataclass(frozen=True, slots=True)
class Route:
    """A way through a proxy."""

    proxy: Proxy
    url: str
    """Without user and password."""
    source: str
    """The environment variable that named it."""

    def __str__(self) -> str:
        return f"proxy {self.url} (from {self.source})"

    async def open(self, address: str, uri: WebSocketURI, protocol: asyncio.Protocol) -> asyncio.Transport:
        """Connect to the proxy at ``address`` and through it to the server of ``uri``; raise one of FAILURES."""
        if self.proxy.scheme.startswith("socks"):
            return await self._open_socks(address, uri, protocol)
        return await self._open_http(address, uri, protocol)

    def explain(self, error: Exception, uri: WebSocketURI) -> str:
        """Return what was wrong with the proxy, and the likely mistake."""
        match error:
            case ImportError():
                return f"{self}: SOCKS needs the package python-socks, which is not installed"
            case InvalidProxyStatus():
                status = error.response.status_code
                hint = ": it wants a user and a password in its URL" if status == 407 else ""
                return f"{self} answers HTTP {status} for {uri.host}:{uri.port}{hint}"
            case ssl.SSLError():
                return f"{self} cannot be reached over TLS ({error.reason or error}): --no-proxy goes without it"
            case OSError():
                # asyncio's own text is that the call failed; the number knows why.
                why = os.strerror(error.errno) if error.errno else str(error)
                return f"{self} cannot be reached ({why}): --no-proxy goes without it"
            case _:
                cause = error if error.__cause__ is None else error.__cause__
                return f"{self} does not answer as a proxy does ({cause}): --no-proxy goes without it"

    async def _open_http(self, address: str, uri: WebSocketURI, protocol: asyncio.Protocol) -> asyncio.Transport:
        secure = self.proxy.scheme == "https"
        transport, tunnel = await asyncio.get_running_loop().create_connection(
            lambda: _Tunnel(uri, self.proxy),
            address,
            self.proxy.port,
            ssl=secure or None,
            server_hostname=self.proxy.host if secure else None,
        )
        try:
            await tunnel.response
        except BaseException:
            transport.abort()
            raise
        transport.set_protocol(protocol)
        return transport

    async def _open_socks(self, address: str, uri: WebSocketURI, protocol: asyncio.Protocol) -> asyncio.Transport:
        connected = await connect_socks_proxy(replace(self.proxy, host=address), uri)
        transport, _ = await asyncio.get_running_loop().create_connection(lambda: protocol, sock=connected)
        return transport


class _Tunnel(HTTPProxyConnection):
    """The library's CONNECT, which as it is (17.4) logs a traceback when the proxy hangs up without an answer."""

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.reader.eof:
            super().connection_lost(exc)


def find_route(uri: WebSocketURI) -> Route | None:
    """Return the way that the environment asks for, None when it is the direct one; raise TransportError."""
    url = get_proxy(uri)
    if url is None:
        return None
    # The library makes socks5h:// of the http:// that stands in socks_proxy.
    spellings = (url, url.replace("socks5h://", "http://", 1))
    source = next(
        (name for name, value in os.environ.items() if name.lower().endswith("_proxy") and value in spellings),
        "the system's settings",
    )
    try:
        proxy = parse_proxy(url)
    except (InvalidProxy, ValueError) as error:
        # The library's own text repeats the password.
        what = error.msg if isinstance(error, InvalidProxy) else str(error)
        raise TransportError(f"{source} does not name a proxy: {what}; --no-proxy ignores it") from None
    host = f"[{proxy.host}]" if ":" in proxy.host else proxy.host
    return Route(proxy, f"{proxy.scheme}://{host}:{proxy.port}", source)
