"""The opening handshake: what is asked, and what is said when it goes wrong (RFC 6455 §4, RFC 7118 §4)."""

from __future__ import annotations

import asyncio
import logging
import socket

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.datastructures import Headers
from websockets.typing import Subprotocol

from sipcli.transport import TransportError, TransportOptions, connect
from sipcli.transport.dial import is_loopback
from tests.transport.recorder import Recorder, options, raw_server, server_at


async def failure_of(port: int, changes: TransportOptions | None = None, *, path: str = "") -> str:
    """Return the words with which a connection fails; the listener must hear nothing."""
    recorder = Recorder()
    with pytest.raises(TransportError) as caught:
        await connect(server_at(port, path=path), changes or options(), recorder)
    assert recorder.told == []
    url, _, words = str(caught.value).partition(": ")
    assert url == f"ws://127.0.0.1:{port}{path}"
    return words


async def failure_of_answer(answer: bytes, changes: TransportOptions | None = None, *, end: bool = True) -> str:
    """Return the words for a server that answers the handshake with ``answer``, and then ends TCP or stays silent."""

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        if not end:
            await reader.read()

    async with raw_server(handler) as port:
        return await failure_of(port, changes)


async def handshake_of(changes: TransportOptions, *, path: str = "") -> tuple[str, Headers]:
    """Return the path and the header fields that a server gets."""
    seen: list[tuple[str, Headers]] = []

    async def handler(server: ServerConnection) -> None:
        assert server.request is not None
        seen.append((server.request.path, server.request.headers))
        await server.wait_closed()

    async with serve(handler, "127.0.0.1", 0, subprotocols=[Subprotocol("sip")]) as server:
        port = server.sockets[0].getsockname()[1]
        connection = await connect(server_at(port, path=path), changes, Recorder())
        await connection.close()
    return seen[0]


async def test_plain_handshake() -> None:
    """The sub-protocol is offered; no Origin, no User-Agent, no extension unless asked for."""
    path, headers = await handshake_of(options(), path="/ws?token=1")
    assert path == "/ws?token=1"
    assert headers["Sec-WebSocket-Protocol"] == "sip"
    for absent in ("Origin", "User-Agent", "Sec-WebSocket-Extensions", "Authorization"):
        assert absent not in headers


async def test_origin_and_extra_headers() -> None:
    """Origin, User-Agent and extra header fields are sent; a field of the user's replaces ours, repeated ones stay."""
    changes = options(
        origin="https://phone.example.com",
        user_agent="sipcli/1",
        ws_headers=("Cookie: a=b", "X-Many: 1", "x-many:2", "host: other.example.com", "User-Agent: mine", "X-Empty:"),
    )
    _, headers = await handshake_of(changes)
    assert headers["Origin"] == "https://phone.example.com"
    assert headers["Cookie"] == "a=b"
    assert headers.get_all("X-Many") == ["1", "2"]
    assert headers.get_all("Host") == ["other.example.com"]
    assert headers.get_all("User-Agent") == ["mine"]
    assert headers["X-Empty"] == ""


@pytest.mark.parametrize(
    "text",
    ["no colon", "X: a\r\nY: b", "X: a\nb", "X y: z", ": z", "X: \x00", "Sec-WebSocket-Protocol: msrp", "Upgrade: h2c"],
)
async def test_bad_extra_header(text: str) -> None:
    """A header field that would break the handshake is refused, and nothing of it is sent."""
    sent: list[bytes] = []

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        sent.append(await reader.read())

    async with raw_server(handler) as port:
        with pytest.raises(TransportError, match=r"ws_headers: "):
            await connect(server_at(port), options(ws_headers=(text,)), Recorder())
    assert b"".join(sent) == b""


async def test_credentials_stay_out_of_logs(caplog: pytest.LogCaptureFixture) -> None:
    """Cookies and credentials of the handshake are not logged by the library, whatever the level."""
    caplog.set_level(logging.DEBUG)
    await handshake_of(options(ws_headers=("Authorization: Bearer hunter2", "Cookie: hunter2")))
    ours = [record for record in caplog.records if not record.name.startswith("websockets.server")]
    assert "hunter2" not in "".join(record.getMessage() for record in ours)


async def test_user_and_password_in_the_url() -> None:
    """Basic is never sent, and the password is not repeated."""
    server = server_at(5060)
    server = type(server)("ws://alice:hunter2@127.0.0.1:5060", False, "127.0.0.1", 5060)
    with pytest.raises(TransportError, match="never sent") as caught:
        await connect(server, options(), Recorder())
    assert "hunter2" not in str(caught.value)


async def test_sub_protocol_is_required() -> None:
    """A server that ignores the sub-protocol is refused, with `sip` and the server named."""

    async def handler(server: ServerConnection) -> None:
        await server.wait_closed()

    async with serve(handler, "127.0.0.1", 0) as server:
        words = await failure_of(server.sockets[0].getsockname()[1])
    assert "does not agree to the sub-protocol 'sip'" in words


async def test_foreign_sub_protocol() -> None:
    """A server that chooses something else is refused the same way."""

    async def handler(server: ServerConnection) -> None:
        await server.wait_closed()

    def choose(server: ServerConnection, offered: object) -> Subprotocol:
        return Subprotocol("msrp")

    async with serve(handler, "127.0.0.1", 0, subprotocols=[Subprotocol("msrp")], select_subprotocol=choose) as server:
        words = await failure_of(server.sockets[0].getsockname()[1])
    assert "does not agree to the sub-protocol 'sip'" in words


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ("400 Bad Request", "HTTP 400 Bad Request: does it speak SIP"),
        ("401 Unauthorized", "HTTP 401 Unauthorized: it wants HTTP authentication: --ws-header"),
        ("403 Forbidden", "HTTP 403 Forbidden: it does not let this client in: it may want an Origin (--origin)"),
        ("404 Not Found", "HTTP 404 Not Found: nothing there: is the path of the URL right"),
        ("418 I'm a teapot", "HTTP 418 I'm a teapot"),
        ("503 Service Unavailable", "HTTP 503 Service Unavailable: the server is overloaded"),
        ("200 OK", "HTTP 200 OK: a web server, but not a WebSocket server"),
        ("301 Moved\r\nLocation: /x", "HTTP 301 Moved to /x: redirects are not followed"),
        ("302 Found", "HTTP 302 Found: redirects are not followed"),
    ],
)
@pytest.mark.parametrize("end", [True, False], ids=["closed", "kept open"])
async def test_http_status(status: str, words: str, end: bool) -> None:
    """A refusal is told by its status with a hint, at once, also when the body never ends."""
    answer = f"HTTP/1.1 {status}\r\nContent-Length: 1000\r\n\r\nshort".encode()
    assert words in await failure_of_answer(answer, end=end)


async def test_status_of_old_http() -> None:
    """An answer in HTTP/1.0 is told like any other."""
    assert "HTTP 403 Forbidden" in await failure_of_answer(b"HTTP/1.0 403 Forbidden\r\n\r\n")


@pytest.mark.parametrize("chunk", [b"0\r\n\r\n", b"zz\r\n"])
async def test_chunked_refusal(chunk: bytes) -> None:
    """A body in chunks, broken ones too, does not hide the status."""
    assert "HTTP 502" in await failure_of_answer(b"HTTP/1.1 502 X\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk)


async def test_plain_http_to_a_tls_port() -> None:
    """What nginx says to plain HTTP on its TLS port is understood."""
    answer = b"HTTP/1.1 400 Bad Request\r\n\r\n<center>The plain HTTP request was sent to HTTPS port</center>"
    assert "use wss:// instead of ws://" in await failure_of_answer(answer)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"SSH-2.0-OpenSSH_9.2\r\n", "not a WebSocket server, it answers: 'SSH-2.0-OpenSSH_9.2'"),
        (b"SIP/2.0 400 Bad Request\r\n\r\n", "not a WebSocket server, it answers: 'SIP/2.0 400 Bad Request'"),
        (b"\x15\x03\x01\x00\x02\x02\x46", "the server answers with TLS: use wss:// instead of ws://"),
        (b"", "is a TLS port, use wss:// instead of ws://"),
        (b"HTTP/1.1 101 Fine\r\n\r\n", "the server breaks the WebSocket handshake"),
        (b"HTTP/1.1 101 Fine\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n", "breaks the WebSocket handshake"),
        (b"HTTP/1.1 101 Fine\r\nX: " + b"y" * 10000, "breaks the WebSocket handshake"),
        (b"HTTP/1.1 9999 Fine\r\n\r\n", "not a WebSocket server"),
        (b"\xff" * 100_000, "not a WebSocket server"),
    ],
    ids=["ssh", "sip", "tls alert", "nothing", "bare 101", "no key", "long line", "bad status", "garbage"],
)
async def test_not_a_websocket_server(answer: bytes, words: str) -> None:
    """What is no WebSocket server is named for what it is."""
    assert words in await failure_of_answer(answer)


async def test_speaks_before_it_is_asked() -> None:
    """A server that greets first, as SSH does, is named too."""

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-OpenSSH_9.2\r\n")
        await reader.read()

    async with raw_server(handler) as port:
        assert "it answers: 'SSH-2.0-OpenSSH_9.2'" in await failure_of(port)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"", "no answer to the WebSocket handshake within 0.2 s: is it a WebSocket server?"),
        (b"HTTP/1.1 101 Fine\r\n", "no answer to the WebSocket handshake within 0.2 s"),
    ],
    ids=["silence", "half"],
)
async def test_deadline(answer: bytes, words: str) -> None:
    """A server that does not finish the handshake ends in a timeout that says what was missing."""
    assert words in await failure_of_answer(answer, options(timeout=0.2), end=False)


async def test_connection_refused() -> None:
    """A port where nothing listens."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        words = await failure_of(port)
    assert words == f"connection refused: is the server running, and is port {port} right?"


async def test_unknown_host(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that the resolver does not know."""

    def unknown(*_: object, **__: object) -> list[object]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    # No question may leave this machine.
    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(TransportError) as caught:
        await connect(server_at(80, host="sip.example.invalid"), options(proxy=False), Recorder())
    assert str(caught.value) == (
        "ws://sip.example.invalid:80: cannot find the address of sip.example.invalid (Name or service not known): "
        "is the name right?"
    )


async def test_name_that_cannot_be_one() -> None:
    """A label too long for DNS is an unknown name, not a crash."""
    host = "x" * 70 + ".invalid"
    with pytest.raises(TransportError, match="cannot find the address"):
        await connect(server_at(80, host=host), options(proxy=False), Recorder())


async def test_resolver_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name server that does not answer ends in a timeout, and holds up nothing afterwards."""
    import threading

    release = threading.Event()

    def hang(*_: object, **__: object) -> list[object]:
        release.wait(10)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    with pytest.raises(TransportError, match="no answer to the question for the address of"):
        await connect(server_at(80, host="sip.example.invalid"), options(proxy=False, timeout=0.1), Recorder())
    assert asyncio.get_running_loop()._default_executor is None  # type: ignore[attr-defined]  # would be waited for
    release.set()


async def test_second_address_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name with several addresses is reached at the one that answers."""

    async def handler(server: ServerConnection) -> None:
        await server.wait_closed()

    def two(*_: object, **__: object) -> list[object]:
        return [(0, 0, 0, "", ("127.0.0.2", 0)), (0, 0, 0, "", ("127.0.0.1", 0)), (0, 0, 0, "", ("127.0.0.1", 0))]

    async with serve(handler, "127.0.0.1", 0, subprotocols=[Subprotocol("sip")]) as server:
        monkeypatch.setattr(socket, "getaddrinfo", two)
        port = server.sockets[0].getsockname()[1]
        connection = await connect(server_at(port, host="sip.example.invalid"), options(proxy=False), Recorder())
        await connection.close()


async def test_localhost() -> None:
    """The name localhost is reached whichever family the server listens on."""

    async def handler(server: ServerConnection) -> None:
        await server.wait_closed()

    async with serve(handler, "127.0.0.1", 0, subprotocols=[Subprotocol("sip")]) as server:
        port = server.sockets[0].getsockname()[1]
        connection = await connect(server_at(port, host="localhost"), options(), Recorder())
        await connection.close()


@pytest.mark.parametrize("url", ["http://x", "ws://", "ws://h:99999", "ws://h/#f", "ws://h:x"])
async def test_bad_url(url: str) -> None:
    """A URL that cannot be one is told as such."""
    server = type(server_at(1))(url, False, "h", 1)
    with pytest.raises(TransportError, match="expected ws://host"):
        await connect(server, options(), Recorder())


async def test_cancelled_in_the_handshake() -> None:
    """Giving up in the middle leaves no connection behind."""
    gone = asyncio.Event()
    asked = asyncio.Event()

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        asked.set()
        try:
            await reader.read()
        finally:
            gone.set()

    async with raw_server(handler) as port:
        attempt = asyncio.create_task(connect(server_at(port), options(), Recorder()))
        await asked.wait()
        attempt.cancel()
        with pytest.raises(asyncio.CancelledError):
            await attempt
        async with asyncio.timeout(10):
            await gone.wait()


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("localhost", True),
        ("sip.localhost", True),
        ("127.0.0.1", True),
        ("127.1.2.3", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("192.0.2.1", False),
        ("2001:db8::1", False),
        ("localhost.example.com", False),
    ],
)
def test_is_loopback(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback
