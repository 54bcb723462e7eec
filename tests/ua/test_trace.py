"""The trace shows every message, and nothing that would help to learn a password."""

from __future__ import annotations

import io
import json
import os
import stat
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipcli.trace import FileSink, TraceRecord, as_json, as_text, heading, message_text, redact, text_sink, timestamp

URL = "wss://edge.example.com/ws"
SECRET = "d41d8cd98f00b204e9800998ecf8427e"

REGISTER = (
    b"REGISTER sip:example.com SIP/2.0\r\n"
    b"Via: SIP/2.0/WSS abc.invalid;branch=z9hG4bK1\r\n"
    b'Authorization: Digest username="alice", realm="example.com", nonce="n0nce", uri="sip:example.com", '
    b'response="' + SECRET.encode() + b'", algorithm=SHA-256, cnonce="c0ffee", qop=auth, nc=00000001\r\n'
    b"Content-Length: 0\r\n\r\n"
)


def record(data: bytes = REGISTER, *, n: int = 1, ts: float = 1700000000.25, sent: bool = True) -> TraceRecord:
    return TraceRecord(n, ts, sent, URL, data)


# Redaction


@pytest.mark.parametrize(
    "name", ["Authorization", "authorization", "PROXY-AUTHORIZATION", "Proxy-authorization", "aUTHORIZATION \t"]
)
@pytest.mark.parametrize(
    "value",
    [
        f'Digest username="alice", response="{SECRET}", nc=00000001',
        f'DIGEST response="{SECRET}"',
        f'digest username="alice",RESPONSE = "{SECRET}",nc=1',
        f"Digest response={SECRET}",
        f'Digest username="a\\", response=\\"x", response="{SECRET}"',
        f'Digest\r\n username="alice",\r\n\tresponse="{SECRET}"',
        f'Digest username="alice",\r\n response\r\n =\r\n "{SECRET}"',
        f'\r\n Digest response="{SECRET}"',
        f'Digest username="alice"\n ,response="{SECRET}"',
        f'Digest response="{SECRET}',
        f'Digest realm="a", something-new="{SECRET}"',
        f'response="{SECRET}"',
        f'Digest,response="{SECRET}"',
        f"Bearer {SECRET}",
        f"bearer\r\n {SECRET}",
        f"Basic {SECRET}",
        f"NewScheme {SECRET}",
        f"{SECRET} and more",
        SECRET,
    ],
)
def test_credentials(name: str, value: str) -> None:
    """Whatever shows knowledge of a secret is cut, in any spelling, folding and scheme; its neighbours are not."""
    shown = redact(f"OPTIONS sip:b SIP/2.0\r\n{name}: {value}\r\nCall-ID: {SECRET}\r\n\r\n".encode()).decode()
    head, call_id = shown.split("Call-ID: ")
    assert SECRET not in head
    assert "***" in head
    assert call_id == f"{SECRET}\r\n\r\n"


@pytest.mark.parametrize(
    "line",
    [
        f'Authentication-Info: nextnonce="n2", qop=auth, rspauth="{SECRET}", cnonce="{SECRET}", nc=00000001',
        f"authentication-info : rspauth = {SECRET}",
        f"Proxy-Authentication-Info: rspauth={SECRET}",
        f"Cookie: session={SECRET}",
        f"Set-Cookie: session={SECRET}; Path=/",
        f"COOKIE: {SECRET}",
    ],
)
def test_other_header_fields(line: str) -> None:
    """The server's proof and cookies are cut as well."""
    shown = redact(f"SIP/2.0 200 OK\r\n{line}\r\nTo: <sip:b@c>\r\n\r\n".encode()).decode()
    assert SECRET not in shown
    assert "To: <sip:b@c>" in shown


def test_public_parameters_stay() -> None:
    """What helps to understand a challenge and its answer is shown."""
    shown = redact(REGISTER).decode()
    for parameter in (
        'username="alice"',
        'realm="example.com"',
        'nonce="n0nce"',
        "qop=auth",
        "nc=00000001",
        "algorithm=SHA-256",
    ):
        assert parameter in shown
    assert 'response="***"' in shown
    assert "c0ffee" not in shown


@pytest.mark.parametrize(
    "data",
    [
        b'SIP/2.0 401 Unauthorized\r\nWWW-Authenticate: Digest realm="r", nonce="n", opaque="o", qop="auth"\r\n\r\n',
        b'MESSAGE sip:b@c SIP/2.0\r\nContent-Length: 14\r\n\r\nresponse="abc"',
        b"\r\n\r\n",
        b"",
        b"Authorization\r\nFrom: <sip:alice@example.com:5060>;tag=a@b\r\nTo: sip:[::1]:5060\r\n\r\n",
        b"Authorization:\r\nVia: SIP/2.0/WS x\r\n\r\n"[15:],
    ],
)
def test_nothing_secret(data: bytes) -> None:
    """A message without credentials is shown as it is."""
    assert redact(data) == data


def test_sipfrag_body() -> None:
    """Credentials in a body that repeats a message are cut too."""
    assert SECRET.encode() not in redact(b"NOTIFY sip:a SIP/2.0\r\n\r\n" + REGISTER)


def test_passwords_never() -> None:
    """A password in a URI is hidden even where secrets are to be shown, in the message and in the flow."""
    data = b"OPTIONS sip:bob:hunter2@example.com SIP/2.0\r\nTo: <SIPS:bob:hunter2@[::1]:5061>\r\n\r\n"
    shown = TraceRecord(1, 0.0, True, "ws://user:hunter2@127.0.0.1:80/", data)
    for text in (as_text(shown, show_secrets=True), json.dumps(as_json(shown, show_secrets=True))):
        assert "hunter2" not in text
        assert "sip:bob:***@example.com" in text
        assert "ws://user:***@127.0.0.1:80/" in text


def test_show_secrets() -> None:
    """Redaction is on unless it is turned off."""
    assert SECRET not in as_text(record())
    assert SECRET not in str(as_json(record()))
    assert SECRET in as_text(record(), show_secrets=True)
    assert SECRET in str(as_json(record(), show_secrets=True))


@given(st.binary(max_size=400))
def test_any_octets(data: bytes) -> None:
    """Any octets can be redacted and shown; redacting twice changes nothing."""
    assert redact(redact(data)) == redact(data)
    shown = as_text(record(data))
    assert all(
        character == "\n" or character == "\t" or character.isprintable() or ord(character) > 0x9F
        for character in shown
    )
    assert json.loads(json.dumps(as_json(record(data))))["size"] == len(data)


@pytest.mark.parametrize("octet", [b"a", b" ", b"\t", b'"', b"=", b",", b"\\", b";", b":", b"\r\n ", b"sip:", b'a="'])
def test_cost_is_linear(octet: bytes) -> None:
    """A message of the greatest size, made to hurt, is redacted in less than a second."""
    data = (
        b"Authorization: Digest " + octet * (400_000 // len(octet)) + b"\r\nTo: sip:" + octet * (400_000 // len(octet))
    )
    began = time.process_time()
    redact(data)
    assert time.process_time() - began < 1


# How a record looks


def test_text(monkeypatch: pytest.MonkeyPatch) -> None:
    """Direction, number, time, flow and size stand above the message."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    data = b"SIP/2.0 200 OK\r\nVia: SIP/2.0/WS a\r\n\r\n"
    assert as_text(record(data, n=7, sent=False)) == (
        f"← 7  22:13:20.250  {URL}  {len(data)} bytes\nSIP/2.0 200 OK\nVia: SIP/2.0/WS a\n\n"
    )
    assert heading(record()).startswith("→ 1  22:13:20.250  ")
    assert as_text(record(b"\r\n\r\n")) == f"→ 1  22:13:20.250  {URL}  4 bytes  (keep-alive)\n\n"


def test_text_is_escaped() -> None:
    """Neither a body nor a header field reaches the terminal raw; a body cannot forge a heading."""
    data = (
        "MESSAGE sip:a SIP/2.0\r\nSubject: \x1b[2J\u202e\r\n\r\n\x07日本\r\n→ 9  forged\r\n\x00".encode() + b"\xff\xfe"
    )
    assert message_text(record(data)).splitlines() == [
        "MESSAGE sip:a SIP/2.0",
        "Subject: \\x1b[2J\\u202e",
        "",
        "\\x07日本",
        "\\u2192 9  forged",
        "\\x00\\xff\\xfe",
    ]


def test_json() -> None:
    """The JSON object has the fields of a trace line, in their order, and the text of the wire."""
    data = b"MESSAGE sip:a SIP/2.0\r\n\r\n\xff\x1b"
    shown = as_json(record(data, n=3, sent=False))
    assert list(shown) == ["v", "ts", "event", "n", "flow", "text", "size"]
    assert shown == {
        "v": 1,
        "ts": "2023-11-14T22:13:20.250Z",
        "event": "sip.received",
        "n": 3,
        "flow": URL,
        "text": "MESSAGE sip:a SIP/2.0\r\n\r\n\\xff\x1b",
        "size": len(data),
    }
    assert as_json(record())["event"] == "sip.sent"


def test_timestamp() -> None:
    """Milliseconds are cut, not rounded into the next second."""
    assert timestamp(1700000000.9999) == "2023-11-14T22:13:20.999Z"
    assert timestamp(0.0) == "1970-01-01T00:00:00.000Z"


# Sinks


def test_text_sink() -> None:
    """A stream gets each record at once."""
    stream = io.StringIO()
    sink = text_sink(stream)
    sink(record())
    assert stream.getvalue() == as_text(record())


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
@pytest.mark.parametrize("exists", [False, True])
def test_file_mode(tmp_path: Path, umask: int, exists: bool) -> None:
    """A trace file is its owner's alone, whatever the umask and whatever was there."""
    path = tmp_path / "trace.txt"
    if exists:
        path.write_text("old")
        path.chmod(0o644)
    before = os.umask(umask)
    try:
        sink = FileSink(path)
    finally:
        os.umask(before)
    sink(record())
    assert path.read_text("utf-8") == as_text(record())
    sink.close()
    sink.close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("name", ["trace.jsonl", "TRACE.JSONL"])
def test_json_lines_file(tmp_path: Path, name: str) -> None:
    """A file named .jsonl holds the same objects as the JSON output, one a line, redacted."""
    sink = FileSink(tmp_path / name)
    sink(record())
    sink(record(b"SIP/2.0 200 OK\r\n\r\n", n=2, sent=False))
    sink.close()
    lines = (tmp_path / name).read_text("ascii").splitlines()
    assert [json.loads(line) for line in lines] == [
        as_json(record()),
        as_json(record(b"SIP/2.0 200 OK\r\n\r\n", n=2, sent=False)),
    ]
    assert SECRET not in "".join(lines)


def test_file_may_show_secrets(tmp_path: Path) -> None:
    """A file shows secrets where that was asked for."""
    sink = FileSink(tmp_path / "trace.txt", show_secrets=True)
    sink(record())
    sink.close()
    assert SECRET in (tmp_path / "trace.txt").read_text("utf-8")


def test_device_keeps_its_mode() -> None:
    """A trace to a device does not touch the device."""
    before = os.stat(os.devnull).st_mode
    FileSink(os.devnull).close()
    assert os.stat(os.devnull).st_mode == before


def test_unwritable_file(tmp_path: Path) -> None:
    """A file that cannot be written is an OSError at once."""
    with pytest.raises(FileNotFoundError):
        FileSink(tmp_path / "missing" / "trace.txt")
