"""wss://: who is trusted, and what is said when nobody is (RFC 6125, RFC 8446)."""

from __future__ import annotations

import asyncio
import datetime
import ipaddress
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from websockets.asyncio.server import ServerConnection, serve
from websockets.typing import Subprotocol

from sipcli.transport import TransportError, TransportOptions, connect
from sipcli.transport.websocket import CLOSE_TIMEOUT
from tests.certificates import Authority
from tests.transport.recorder import Recorder, options, raw_server, server_at, upgrade


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """An authority that nobody here trusts."""
    return Authority(tmp_path_factory.mktemp("stranger"), "somebody else's CA")


def context_of(certificate: tuple[Path, Path], *, clients_of: Authority | None = None) -> ssl.SSLContext:
    """Return a server's context; with ``clients_of`` it asks for a client certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    if clients_of is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(clients_of.ca_file)
    return context


@asynccontextmanager
async def secure_server(context: ssl.SSLContext) -> AsyncIterator[int]:
    """Serve an echo over wss and give the port."""

    async def echo(server: ServerConnection) -> None:
        async for message in server:
            await server.send(message)

    async with serve(echo, "127.0.0.1", 0, ssl=context, subprotocols=[Subprotocol("sip")]) as server:
        yield server.sockets[0].getsockname()[1]


async def exchange(port: int, changes: TransportOptions, *, host: str = "127.0.0.1") -> bool:
    """Send a message over wss, have it back, close; return whether the connection called itself secure."""
    recorder = Recorder()
    connection = await connect(server_at(port, scheme="wss", host=host), changes, recorder)
    connection.send(b"hello")
    assert await recorder.message() == b"hello"
    await connection.close()
    assert await recorder.loss() == (1000, "", True)
    return connection.secure


async def failure_of(port: int, changes: TransportOptions, *, host: str = "127.0.0.1", scheme: str = "wss") -> str:
    recorder = Recorder()
    with pytest.raises(TransportError) as caught:
        await connect(server_at(port, scheme=scheme, host=host), changes, recorder)
    assert recorder.told == []
    return str(caught.value)


async def test_private_authority(authority: Authority) -> None:
    """A certificate of a private authority is accepted with its file, by address and by name."""
    async with secure_server(context_of(authority.issue("127.0.0.1", "localhost"))) as port:
        assert await exchange(port, options(ca_file=authority.ca_file))
        assert await exchange(port, options(ca_file=authority.ca_file), host="localhost")


async def test_unknown_authority(authority: Authority, stranger: Authority) -> None:
    """Without the authority's file, or with another one's, the certificate is refused."""
    async with secure_server(context_of(authority.issue("127.0.0.1"))) as port:
        words = await failure_of(port, options())
        assert "was not issued by an authority known to this system" in words
        assert "--ca-file FILE" in words
        assert "--insecure" in words
        words = await failure_of(port, options(ca_file=stranger.ca_file))
        assert f"was not issued by an authority in {stranger.ca_file}" in words


async def test_self_signed(tmp_path: Path) -> None:
    """A self-signed certificate is named so; as ``ca_file`` it is trusted."""
    certificate = self_signed(tmp_path)
    async with secure_server(context_of(certificate)) as port:
        words = await failure_of(port, options())
        assert "the server's certificate is self-signed: if it is yours, trust it with --ca-file" in words
        assert await exchange(port, options(ca_file=certificate[0]))


async def test_expired(authority: Authority) -> None:
    """An expired certificate is named so."""
    async with secure_server(context_of(authority.issue("127.0.0.1", expired=True))) as port:
        assert "has expired" in await failure_of(port, options(ca_file=authority.ca_file))


async def test_wrong_host(authority: Authority) -> None:
    """A certificate for another name or address is refused, and the name named."""
    async with secure_server(context_of(authority.issue("sip.example.com", "127.0.0.9"))) as port:
        trusting = options(ca_file=authority.ca_file)
        assert "the server's certificate is not for 127.0.0.1: is the host" in await failure_of(port, trusting)
        words = await failure_of(port, trusting, host="localhost")
        assert "the server's certificate is not for localhost" in words


async def test_insecure(authority: Authority) -> None:
    """``insecure`` takes any of them."""
    async with secure_server(context_of(authority.issue("sip.example.com", expired=True))) as port:
        assert await exchange(port, options(insecure=True))


@asynccontextmanager
async def alerting_server(context: ssl.SSLContext) -> AsyncIterator[int]:
    """Take one TLS connection with a blocking socket, which sends its alerts, as asyncio's server does not."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def take_one() -> None:
            accepted, _ = listening.accept()
            with context.wrap_socket(accepted, server_side=True, do_handshake_on_connect=False) as secured:
                secured.settimeout(10)
                try:
                    secured.do_handshake()
                    secured.read()
                except OSError:
                    # The alert must be read before a reset overtakes it.
                    secured.shutdown(socket.SHUT_WR)
                    while secured.recv(1000):
                        pass

        taking = asyncio.create_task(asyncio.to_thread(take_one))
        yield listening.getsockname()[1]
        await taking


async def test_client_certificate(authority: Authority) -> None:
    """A server that wants a client certificate gets it."""
    certificate, key = authority.issue("client.example.com")
    async with secure_server(context_of(authority.issue("127.0.0.1"), clients_of=authority)) as port:
        assert await exchange(port, options(ca_file=authority.ca_file, client_cert=certificate, client_key=key))
        # asyncio's server, and others, hang up without an alert.
        words = await failure_of(port, options(ca_file=authority.ca_file))
        assert "it may want a client certificate (--client-cert)" in words


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_client_certificate_that_is_missed(
    authority: Authority, stranger: Authority, version: ssl.TLSVersion
) -> None:
    """Without a certificate, or with one of another authority, the words say so, in and after the TLS handshake."""
    certificate, key = stranger.issue("client.example.com")
    context = context_of(authority.issue("127.0.0.1"), clients_of=authority)
    context.maximum_version = version
    async with alerting_server(context) as port:
        words = await failure_of(port, options(ca_file=authority.ca_file))
    assert "it may want a client certificate (--client-cert)" in words
    async with alerting_server(context) as port:
        words = await failure_of(port, options(ca_file=authority.ca_file, client_cert=certificate, client_key=key))
    assert "the server refuses our client certificate" in words


async def test_client_certificate_and_key_in_one_file(authority: Authority, tmp_path: Path) -> None:
    """``client_key`` may be left out when the key is in the certificate's file."""
    certificate, key = authority.issue("client.example.com")
    both = tmp_path / "both.pem"
    both.write_bytes(certificate.read_bytes() + key.read_bytes())
    async with secure_server(context_of(authority.issue("127.0.0.1"), clients_of=authority)) as port:
        assert await exchange(port, options(ca_file=authority.ca_file, client_cert=both))


async def test_files_that_cannot_be_used(authority: Authority, tmp_path: Path) -> None:
    """A missing or wrong file is named before anything is sent."""
    certificate, key = authority.issue("127.0.0.1")
    _, other_key = authority.issue("other.example.com")
    no_pem = tmp_path / "no.pem"
    no_pem.write_text("hello")
    locked = tmp_path / "locked.key"
    loaded = serialization.load_pem_private_key(key.read_bytes(), None)
    locked.write_bytes(
        loaded.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"hunter2"),
        )
    )
    async with secure_server(context_of((certificate, key))) as port:
        missing = tmp_path / "missing.pem"
        for changes, words in (
            ({"ca_file": missing}, f"ca_file: cannot read {missing}: No such file"),
            ({"ca_file": no_pem}, f"ca_file: expected certificates in PEM form, got: {no_pem}"),
            ({"client_cert": missing}, f"client_cert: cannot read {missing}"),
            ({"client_cert": no_pem}, "client_cert: expected a certificate in PEM form"),
            ({"client_cert": certificate, "client_key": other_key}, "client_cert: expected a certificate in PEM form"),
            ({"client_cert": certificate, "client_key": locked}, "client_key: the key is protected by a passphrase"),
        ):
            assert words in await failure_of(port, options(**changes))


async def test_wss_to_a_plain_port() -> None:
    """TLS to a port that answers in plain text, that hangs up, or that waits for ever as Kamailio does."""

    async def answers(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()

    async def hangs_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1000)

    async def waits(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    for handler, changes, words in (
        (answers, options(), "does not answer with TLS: use ws:// instead of wss:// for port"),
        (hangs_up, options(), "is a plain port, use ws:// instead of wss://"),
        (waits, options(timeout=0.3), "no answer to the TLS handshake within 0.3 s: if port"),
    ):
        async with raw_server(handler) as port:
            assert words in await failure_of(port, changes)


@pytest.mark.parametrize(
    ("alert", "words"),
    [
        (40, "it may want a client certificate"),
        (70, "no TLS version in common with the server"),
        (112, "the server has no certificate for 127.0.0.1"),
        (80, "TLS failed: TLSV1_ALERT_INTERNAL_ERROR"),
    ],
    ids=["handshake failure", "protocol version", "unrecognized name", "internal error"],
)
async def test_alerts(alert: int, words: str) -> None:
    """What a server says with an alert (RFC 8446 §6.2) is told in words."""

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"\x15\x03\x03\x00\x02\x02" + bytes([alert]))
        await reader.read()

    async with raw_server(handler) as port:
        assert words in await failure_of(port, options())


async def test_not_valid_yet(tmp_path: Path) -> None:
    """A certificate from the future points to the clock."""
    certificate = self_signed(tmp_path, starts=1)
    async with secure_server(context_of(certificate)) as port:
        assert "is this machine's clock right?" in await failure_of(port, options(ca_file=certificate[0]))


async def test_certificate_for_another_purpose(tmp_path: Path) -> None:
    """Whatever else is wrong with a certificate is told in OpenSSL's words."""
    certificate = self_signed(tmp_path, purpose=ExtendedKeyUsageOID.CLIENT_AUTH)
    async with secure_server(context_of(certificate)) as port:
        words = await failure_of(port, options(ca_file=certificate[0]))
        assert "the server's certificate cannot be trusted: un" in words  # unsupported, unsuitable: by version


async def test_ws_to_a_tls_port(authority: Authority) -> None:
    """Plain WebSocket to a TLS port."""
    async with secure_server(context_of(authority.issue("127.0.0.1"))) as port:
        assert "use wss:// instead of ws://" in await failure_of(port, options(), scheme="ws")


async def test_handshake_over_tls_that_fails(authority: Authority) -> None:
    """The words for a WebSocket handshake that fails are the same over TLS; the end of it is waited for by nobody."""

    async def forbids(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 403 Forbidden\r\n\r\n")
        await reader.read()

    async def hangs_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")

    context = context_of(authority.issue("127.0.0.1"))
    for handler, words in ((forbids, "HTTP 403 Forbidden"), (hangs_up, "without an answer to the WebSocket handshake")):
        async with raw_server(handler, ssl=context) as port:
            assert words in await failure_of(port, options(ca_file=authority.ca_file))


async def test_close_that_is_not_answered(authority: Authority) -> None:
    """Neither a missing Close frame nor a missing end of TLS holds us up."""

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(upgrade(await reader.readuntil(b"\r\n\r\n")))
        writer.transport.pause_reading()  # type: ignore[attr-defined]  # StreamWriter's transport is a full one
        await forever.wait()

    forever = asyncio.Event()
    loop = asyncio.get_running_loop()
    async with raw_server(handler, ssl=context_of(authority.issue("127.0.0.1"))) as port:
        recorder = Recorder()
        connection = await connect(server_at(port, scheme="wss"), options(ca_file=authority.ca_file), recorder)
        began = loop.time()
        await connection.close()
        assert loop.time() - began < CLOSE_TIMEOUT + 1
        assert (await recorder.loss())[0] == 1006
        forever.set()


def self_signed(
    folder: Path, *, starts: int = -1, purpose: x509.ObjectIdentifier = ExtendedKeyUsageOID.SERVER_AUTH
) -> tuple[Path, Path]:
    """Return the files of a self-signed certificate for 127.0.0.1, valid in ``starts`` days, and of its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + datetime.timedelta(days=starts))
        .not_valid_after(now + datetime.timedelta(days=9))
        .add_extension(x509.ExtendedKeyUsage([purpose]), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    files = folder / "self.pem", folder / "self.key"
    files[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    files[1].write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return files
