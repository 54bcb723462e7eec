"""The lexer for traced SIP takes any text and colours what it knows."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pygments import lex  # type: ignore[import-untyped]
from pygments.token import (  # type: ignore[import-untyped]
    Error,
    Generic,
    Keyword,
    Name,
    Number,
    String,
    _TokenType,
)

from sipcli.cli.lexer import SipLexer
from sipcli.trace import TraceRecord, as_text

INVITE = (
    b"INVITE sip:bob@example.com SIP/2.0\r\n"
    b"Via: SIP/2.0/WSS abc.invalid;branch=z9hG4bK1;rport\r\n"
    b'From: "Alice \\"A\\"" <sip:alice@example.com>;tag=1\r\n'
    b'Proxy-Authorization: Digest username="alice",\r\n response="abc", nc=00000001\r\n'
    b"CSeq: 12 INVITE\r\n"
    b"Content-Type: application/sdp\r\n\r\n"
    b"v=0\r\n"
    b"m=audio 9 UDP/TLS/RTP/SAVPF 111 0\r\n"
    b"a=rtpmap:111 opus/48000/2\r\n"
    b"a=sendrecv\r\n"
)


def tokens(text: str) -> list[tuple[_TokenType, str]]:
    return [(kind, value) for kind, value in lex(text, SipLexer(ensurenl=False, stripnl=False)) if value.strip()]


def test_request_with_sdp() -> None:
    """A request's method, URI, header fields, quoted strings and SDP are told apart."""
    found = tokens(as_text(TraceRecord(1, 0.0, True, "wss://edge.example.com", INVITE)))
    assert found[0][0] is Generic.Heading
    for token in [
        (Name.Function, "INVITE"),
        (Name.Namespace, "sip:bob@example.com"),
        (Keyword.Reserved, "SIP/2.0"),
        (Name.Attribute, "Via"),
        (Keyword.Type, "WSS"),
        (Name.Variable, "branch"),
        (Name.Variable, "rport"),
        (String, '"Alice \\"A\\""'),
        (Keyword, "Digest"),
        (Name.Variable, "username"),
        (Name.Variable, "response"),
        (String, '"***"'),
        (Number, "12"),
        (Name.Tag, "v"),
        (Keyword.Type, "audio 9 UDP/TLS/RTP/SAVPF 111 0"),
        (Name.Attribute, "rtpmap"),
        (String, "111 opus/48000/2"),
        (Name.Attribute, "sendrecv"),
    ]:
        assert token in found


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("SIP/2.0 100 Trying", Generic.Output),
        ("SIP/2.0 200 OK", Generic.Inserted),
        ("SIP/2.0 302 Moved Temporarily", Generic.Strong),
        ("SIP/2.0 404 Not Found", Generic.Error),
        ("SIP/2.0 603", Generic.Error),
    ],
)
def test_status_line(line: str, kind: _TokenType) -> None:
    """The class of a response gives its colour."""
    found = tokens(f"{line}\r\nCSeq: 1 OPTIONS\r\n\r\n")
    assert found[:2] == [(Keyword.Reserved, "SIP/2.0"), (kind, line[8:])]
    assert (Name.Attribute, "CSeq") in found


def test_several_messages() -> None:
    """A trace of several messages, bodies between them, is coloured to its end."""
    record = TraceRecord(1, 0.0, True, "ws://127.0.0.1", b"MESSAGE sip:a SIP/2.0\r\nTo: <sip:a>\r\n\r\nhello: you\r\n")
    answer = TraceRecord(2, 0.0, False, "ws://127.0.0.1", b"SIP/2.0 200 OK\r\nTo: <sip:a>\r\n\r\n")
    found = tokens(as_text(record) + as_text(answer))
    assert [kind for kind, _ in found].count(Generic.Heading) == 2
    assert (Generic.Inserted, "200 OK") in found


@given(st.text(st.sampled_from('SIP/2.0 \r\n\tINVITE:;=,<>"\\*a→v1é') | st.characters()))
def test_any_text(text: str) -> None:
    """Any text comes out whole, and no part of it is an error."""
    found = list(lex(text, SipLexer(ensurenl=False, stripnl=False)))
    assert "".join(value for _, value in found) == text.replace("\r\n", "\n").replace("\r", "\n").removeprefix("\ufeff")
    assert Error not in {kind for kind, _ in found}
