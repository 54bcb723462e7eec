"""The running lab, over real WebSockets on loopback (RFC 7118)."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import suppress
from pathlib import Path

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol

from sipcli.lab.server import Lab
from sipcli.sip.message import Request, Response, parse, serialize
from sipcli.trace import TraceRecord
from tests.certificates import Authority

SIP = [Subprotocol("sip")]


def options(number: int = 1) -> Request:
    return Request(
        "OPTIONS",
        "sip:127.0.0.1",
        [
            ("Via", f"SIP/2.0/WS a.invalid;branch=z9hG4bK{number}"),
            ("Max-Forwards", "70"),
            ("To", "<sip:127.0.0.1>"),
            ("From", "<sip:anonymous@anonymous.invalid>;tag=1"),
            ("Call-ID", "a"),
            ("CSeq", f"{number} OPTIONS"),
        ],
    )


async def ask(client: ClientConnection, data: str | bytes | list[str]) -> Response:
    await client.send(data)
    answer = await client.recv()
    message = parse(answer.encode() if isinstance(answer, str) else answer)
    assert isinstance(message, Response)
    return message


async def test_frames(lab: Lab) -> None:
    """Text, binary and fragmented frames carry messages; a text frame comes back."""
    async with connect(lab.url, subprotocols=SIP) as client:
        assert client.subprotocol == "sip"
        text = serialize(options()).decode()
        assert (await ask(client, text)).status == 200
        assert (await ask(client, serialize(options(2)))).status == 200
        assert (await ask(client, [text[:50], text[50:90], text[90:]])).status == 200
        await client.send("\r\n\r\n")
        assert await client.recv() == "\r\n"
        await (await client.ping())


@pytest.mark.parametrize("offered", [None, ["msrp"]])
async def test_subprotocol_is_required(lab: Lab, offered: list[str] | None) -> None:
    """Who does not offer sip gets HTTP 400, as from Kamailio."""
    with pytest.raises(InvalidStatus) as refusal:
        async with connect(lab.url, subprotocols=None if offered is None else [Subprotocol(name) for name in offered]):
            pass
    assert refusal.value.response.status_code == 400


async def test_not_a_websocket(lab: Lab) -> None:
    """Plain HTTP is told so, and the connection ends."""
    reader, writer = await asyncio.open_connection("127.0.0.1", lab.port)
    writer.write(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
    assert (await reader.read()).startswith(b"HTTP/1.1 426 ")
    writer.close()
    await writer.wait_closed()


async def test_too_big_a_message(lab: Lab) -> None:
    """A message of over 1 MiB costs its sender the connection, nobody else."""
    async with connect(lab.url, subprotocols=SIP) as client, connect(lab.url, subprotocols=SIP) as other:
        await client.send("x" * ((1 << 20) + 1))
        with pytest.raises(ConnectionClosed) as closed:
            await client.recv()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1009
        assert (await ask(other, serialize(options()))).status == 200


async def test_drop_and_restart(lab: Lab) -> None:
    """Dropped connections end without a Close frame, or with the one asked for; a restart keeps the port."""
    client = await connect(lab.url, subprotocols=SIP)
    lab.drop()
    with pytest.raises(ConnectionClosed) as closed:
        await client.recv()
    assert closed.value.rcvd is None
    client = await connect(lab.url, subprotocols=SIP)
    lab.drop(1012, "back soon")
    with pytest.raises(ConnectionClosed) as closed:
        await client.recv()
    assert closed.value.rcvd is not None
    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (1012, "back soon")
    await lab.wait_for_connections(0)
    url = lab.url
    client = await connect(lab.url, subprotocols=SIP)
    await lab.restart()
    assert lab.url == url
    with pytest.raises(ConnectionClosed) as closed:
        await client.recv()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1001
    async with connect(url, subprotocols=SIP) as client:
        assert (await ask(client, serialize(options()))).status == 200


async def test_stop_does_not_wait_for_a_silent_client(lab: Lab) -> None:
    """A client that connects and never says a word holds nothing up."""
    reader, writer = await asyncio.open_connection("127.0.0.1", lab.port)
    async with asyncio.timeout(5):
        await lab.stop()
        with suppress(ConnectionResetError):
            assert await reader.read() == b""
    writer.close()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", lab.port)


async def test_binary_body(lab: Lab) -> None:
    """What is not UTF-8 goes out in a binary frame, octet by octet (RFC 7118 §5)."""
    async with connect(lab.url, subprotocols=SIP) as client:
        request = options().with_header("Call-ID", "octets")
        await client.send(serialize(request).replace(b"octets", b"octets\xff"))
        answer = await client.recv()
        assert isinstance(answer, bytes)
        assert b"Call-ID: octets\xff\r\n" in answer


async def test_slow_answer_comes_by_itself() -> None:
    """The driver's timer brings what the core holds back."""
    async with Lab(delay=0.02) as lab, connect(lab.url, subprotocols=SIP) as client:
        loop = asyncio.get_running_loop()
        started = loop.time()
        assert (await ask(client, serialize(options()))).status == 200
        assert loop.time() - started >= 0.02
        lab.delay = 0.0
        assert lab.delay == 0.0


async def test_what_tests_can_see(lab: Lab) -> None:
    """What arrived can be looked at and waited for."""
    async with connect(lab.url, subprotocols=SIP) as client:
        waiting = asyncio.create_task(lab.wait_for("OPTIONS", 2))
        await ask(client, serialize(options(1)))
        await ask(client, serialize(options(2)))
        second = await waiting
        assert second.cseq is not None
        assert second.cseq.number == 2
        assert [request.method for request in lab.received] == ["OPTIONS", "OPTIONS"]
        assert lab.connections == 1
        assert lab.bindings("alice") == ()
        lab.loss = 1.0
        assert lab.loss == 1.0


async def test_trace() -> None:
    """A sink sees every message both ways, and from whom."""
    records: list[TraceRecord] = []
    async with Lab(trace=[records.append]) as lab, connect(lab.url, subprotocols=SIP) as client:
        await ask(client, serialize(options()))
        host, port = client.local_address
    assert [(record.n, record.sent, record.flow) for record in records] == [
        (1, False, f"{host}:{port}"),
        (2, True, f"{host}:{port}"),
    ]
    assert records[0].data.startswith(b"OPTIONS ")


async def test_tls(tmp_path: Path) -> None:
    """With a TLS context it is wss://."""
    authority = Authority(tmp_path)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(*authority.issue("127.0.0.1"))
    async with Lab(ssl=server) as lab:
        assert lab.url.startswith("wss://127.0.0.1:")
        client_context = ssl.create_default_context(cafile=authority.ca_file)
        async with connect(lab.url, subprotocols=SIP, ssl=client_context) as client:
            assert (await ask(client, serialize(options()))).status == 200


async def test_broken_tls_handshake(tmp_path: Path) -> None:
    """A client that does not trust the lab, or speaks no TLS, holds nothing up."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(*Authority(tmp_path).issue("127.0.0.1"))
    async with asyncio.timeout(10), Lab(ssl=server) as lab:
        with pytest.raises(ssl.SSLCertVerificationError):
            await connect(lab.url, subprotocols=SIP)
        reader, writer = await asyncio.open_connection("127.0.0.1", lab.port)
        writer.write(b"GET / HTTP/1.1\r\n\r\n")
        await reader.read()
        writer.close()
        await writer.wait_closed()
        assert lab.connections == 0


# Where it listens, who lives there


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "::", "example.com", "", "127.0.0.1:80"])
def test_refuses_to_leave_loopback(host: str) -> None:
    """Nothing but loopback without permission, and no names that have to be looked up at all."""
    with pytest.raises(ValueError, match=r"listen"):
        Lab(host)


async def test_listen_everywhere() -> None:
    """With permission it listens everywhere, and answers to the address that it was reached by."""
    async with Lab("0.0.0.0", listen=True) as lab:
        assert lab.url == f"ws://127.0.0.1:{lab.port}"
        async with connect(f"ws://127.0.0.2:{lab.port}", subprotocols=SIP) as client:
            request = serialize(options()).replace(b"sip:127.0.0.1", b"sip:127.0.0.2")
            assert (await ask(client, request)).status == 200


async def test_ipv6() -> None:
    """IPv6 loopback has its brackets where a URI needs them."""
    async with Lab("::1") as lab:
        assert lab.url == f"ws://[::1]:{lab.port}"
        assert lab.uri("alice") == "sip:alice@[::1]"
        async with connect(lab.url, subprotocols=SIP) as client:
            request = serialize(options()).replace(b"sip:127.0.0.1", b"sip:[::1]")
            answer = await ask(client, request)
            assert answer.status == 200
            assert answer.via is not None
            assert answer.via.received in ("::1", "[::1]")


def test_users() -> None:
    """Passwords are as given, new in each lab, or the same with the same seed."""
    assert Lab(users={"dave": "x", "erin": None}).users["dave"] == "x"
    assert list(Lab().users) == ["alice", "bob", "carol"]
    assert Lab().users != Lab().users
    assert Lab(seed=7).users == Lab(seed=7).users != Lab(seed=8).users
    lab = Lab(port=5080, users={"dave": "x"}, domain="example.com")
    assert lab.environment("dave") == {
        "SIPCLI_URI": "sip:dave@example.com",
        "SIPCLI_WS_SERVERS": "ws://127.0.0.1:5080",
        "SIPCLI_PASSWORD": "x",
    }


@pytest.mark.parametrize("user", ["", "echo", "486", "ring"])
def test_names_that_are_taken(user: str) -> None:
    """Nobody can have a name of the number plan."""
    with pytest.raises(ValueError, match="number plan"):
        Lab(users={user: "x"})
