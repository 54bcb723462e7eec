"""Proxies of the environment: used for names elsewhere, never for loopback. No packet leaves this machine."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.util import find_spec
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.typing import Subprotocol

from sipcli.transport import TransportError, TransportOptions, connect
from tests.certificates import Authority
from tests.transport.recorder import Recorder, options, raw_server, server_at

# A name that only the proxies of this module can find.
ELSEWHERE = "sip.example.invalid"
VARIABLES = ("http_proxy", "https_proxy", "ws_proxy", "wss_proxy", "socks_proxy", "all_proxy", "no_proxy")


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """Begin without any proxy variable, and let no name be looked up."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    resolve = socket.getaddrinfo

    def look_up(host: str, *args: Any, **kwargs: Any) -> object:
        if host not in ("localhost", "127.0.0.1"):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return resolve(host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)


@asynccontextmanager
async def echo_server(context: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    async def echo(server: ServerConnection) -> None:
        async for message in server:
            await server.send(message)

    async with serve(echo, "127.0.0.1", 0, ssl=context, subprotocols=[Subprotocol("sip")]) as server:
        yield server.sockets[0].getsockname()[1]


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
    except ConnectionError:
        pass  # one side left; the other is told by the close
    finally:
        writer.close()


@asynccontextmanager
async def forward_proxy(target: int, asked: list[bytes], *, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """Run a CONNECT proxy that knows one server, whatever it is called, and give the proxy's port."""

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        onward_reader, onward_writer = await asyncio.open_connection("127.0.0.1", target)
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await asyncio.gather(pump(reader, onward_writer), pump(onward_reader, writer))

    async with raw_server(handler, ssl=tls) as port:
        yield port


async def exchange(port: int, changes: TransportOptions, *, scheme: str = "ws", host: str = ELSEWHERE) -> str | None:
    """Send a message and have it back; return the proxy that the connection went through."""
    recorder = Recorder()
    connection = await connect(server_at(port, scheme=scheme, host=host), changes, recorder)
    connection.send(b"hello")
    assert await recorder.message() == b"hello"
    await connection.close()
    return connection.proxy


async def failure_of(host: str = ELSEWHERE, changes: TransportOptions | None = None) -> str:
    with pytest.raises(TransportError) as caught:
        await connect(server_at(5060, host=host), changes or options(), Recorder())
    return str(caught.value)


@pytest.mark.parametrize("variable", ["http_proxy", "https_proxy", "HTTPS_PROXY", "ws_proxy"])
async def test_through_a_proxy(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    """A name elsewhere is reached through the proxy, which alone looks it up; the connection names the proxy."""
    asked: list[bytes] = []
    async with echo_server() as target, forward_proxy(target, asked) as proxy:
        monkeypatch.setenv(variable, f"http://127.0.0.1:{proxy}")
        assert await exchange(5062, options()) == f"http://127.0.0.1:{proxy}"
    assert asked[0].startswith(f"CONNECT {ELSEWHERE}:5062 HTTP/1.1\r\n".encode())


async def test_tls_through_a_proxy(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """The certificate must be the server's; the proxy may be at a name with several addresses."""
    authority = Authority(tmp_path_factory.mktemp("authority"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.issue(ELSEWHERE))
    async with echo_server(context) as target, forward_proxy(target, []) as proxy:
        monkeypatch.setenv("https_proxy", f"http://localhost:{proxy}")
        trusting = options(ca_file=authority.ca_file)
        assert await exchange(5062, trusting, scheme="wss") == f"http://localhost:{proxy}"
        with pytest.raises(TransportError, match=r"not for other\.example\.invalid"):
            await exchange(5062, trusting, scheme="wss", host="other.example.invalid")


async def test_credentials_for_the_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """User and password of the proxy's URL go to the proxy, and nowhere else."""
    asked: list[bytes] = []
    async with echo_server() as target, forward_proxy(target, asked) as proxy:
        monkeypatch.setenv("http_proxy", f"http://alice:hunter2@127.0.0.1:{proxy}")
        assert await exchange(5062, options()) == f"http://127.0.0.1:{proxy}"
    assert b"Proxy-Authorization: Basic " in asked[0]


async def test_loopback_goes_through_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Variables that point to a dead proxy break nothing on loopback."""
    for name in VARIABLES[:-1]:
        monkeypatch.setenv(name, "http://127.0.0.1:9")
        monkeypatch.setenv(name.upper(), "http://127.0.0.1:9")
    async with echo_server() as port:
        assert await exchange(port, options(), host="127.0.0.1") is None
        assert await exchange(port, options(), host="localhost") is None


async def test_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """The option, and the variable ``no_proxy``, go without it."""
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    assert "cannot find the address of sip.example.invalid" in await failure_of(changes=options(proxy=False))
    monkeypatch.setenv("no_proxy", ".example.invalid")
    assert "cannot find the address of sip.example.invalid" in await failure_of()


async def test_proxy_of_no_concern(monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable for another scheme changes nothing."""
    monkeypatch.setenv("ftp_proxy", "http://127.0.0.1:9")
    assert "cannot find the address of sip.example.invalid" in await failure_of()


async def test_dead_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy that is not there is named, with its variable and without its password."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        monkeypatch.setenv("HTTPS_PROXY", f"http://alice:hunter2@127.0.0.1:{port}")
        words = await failure_of()
    assert words.startswith(
        f"ws://{ELSEWHERE}:5060: proxy http://127.0.0.1:{port} (from HTTPS_PROXY) "
        "cannot be reached (Connection refused): --no-proxy goes without it"
    )
    assert "hunter2" not in words


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"HTTP/1.1 407 Who are you\r\n\r\n", "answers HTTP 407 for sip.example.invalid:5060: it wants a user"),
        (b"HTTP/1.1 403 No\r\n\r\n", "answers HTTP 403 for sip.example.invalid:5060"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "does not answer as a proxy does"),
        (b"", "does not answer as a proxy does"),
    ],
    ids=["407", "403", "ssh", "hangs up"],
)
async def test_proxy_that_refuses(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, answer: bytes, words: str
) -> None:
    """What the proxy says is told, without noise."""

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)

    async with raw_server(handler) as port:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{port}")
        assert f"proxy http://127.0.0.1:{port} (from http_proxy) {words}" in await failure_of()
    assert caplog.records == []


async def test_proxy_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """The deadline holds for the proxy too."""

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with raw_server(handler) as port:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{port}")
        words = await failure_of(changes=options(timeout=0.2))
    assert f"no answer of the proxy http://127.0.0.1:{port} (from http_proxy) within 0.2 s" in words


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("ftp://hunter2@127.0.0.1:9", "http_proxy does not name a proxy: scheme ftp isn't supported"),
        ("http://hunter2@127.0.0.1:9", "http_proxy does not name a proxy: username provided without password"),
        ("http://hunter2:x@127.0.0.1:99999", "http_proxy does not name a proxy: "),
        ("http://nowhere.invalid:9", "proxy http://nowhere.invalid:9 (from http_proxy): cannot find the address"),
    ],
)
async def test_bad_proxy_url(monkeypatch: pytest.MonkeyPatch, url: str, words: str) -> None:
    """A variable that names no proxy is told by its name, not by its value."""
    monkeypatch.setenv("http_proxy", url)
    told = await failure_of()
    assert words in told
    assert "hunter2" not in told


@pytest.mark.skipif(find_spec("python_socks") is not None, reason="python-socks is installed")
async def test_socks_without_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """SOCKS needs a package that is not a dependency; the words say which."""
    monkeypatch.setenv("socks_proxy", "http://127.0.0.1:9")
    words = await failure_of()
    assert "proxy socks5h://127.0.0.1:9 (from socks_proxy)" in words
    assert "python-socks" in words


@pytest.mark.skipif(find_spec("python_socks") is None, reason="python-socks is not installed")
async def test_through_socks(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the package a SOCKS proxy is used; a dead one, and one that refuses, are told."""
    asked: list[bytes] = []

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # RFC 1928 §3, §4, §6
        await reader.readexactly((await reader.readexactly(2))[1])
        writer.write(b"\x05\x00")
        _, _, _, kind, length = await reader.readexactly(5)
        assert kind == 3
        asked.append(await reader.readexactly(length + 2))
        if b"other" in asked[-1]:
            writer.write(b"\x05\x02\x00\x01" + bytes(6))
            return
        onward_reader, onward_writer = await asyncio.open_connection("127.0.0.1", target)
        writer.write(b"\x05\x00\x00\x01" + bytes(6))
        await asyncio.gather(pump(reader, onward_writer), pump(onward_reader, writer))

    async with echo_server() as target, raw_server(handler) as port:
        monkeypatch.setenv("ws_proxy", f"socks5h://127.0.0.1:{port}")
        assert await exchange(5062, options()) == f"socks5h://127.0.0.1:{port}"
        assert "does not answer as a proxy does" in await failure_of("other.example.invalid")
    assert asked[0] == ELSEWHERE.encode() + (5062).to_bytes(2, "big")
    assert "cannot be reached" in await failure_of()


async def test_proxy_over_tls(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """The certificate of a proxy reached over TLS is verified too."""
    authority = Authority(tmp_path_factory.mktemp("authority"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.issue("127.0.0.1"))
    async with echo_server() as target, forward_proxy(target, [], tls=context) as proxy:
        monkeypatch.setenv("https_proxy", f"https://127.0.0.1:{proxy}")
        assert "cannot be reached over TLS (CERTIFICATE_VERIFY_FAILED)" in await failure_of()
        # What the system trusts, OpenSSL takes from this variable.
        monkeypatch.setenv("SSL_CERT_FILE", str(authority.ca_file))
        assert await exchange(5062, options()) == f"https://127.0.0.1:{proxy}"
