"""Targets as people write them (RFC 3261 §19.1.6, the rules of SIP.js)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipcli.sip.errors import ParseError
from sipcli.sip.headers import parse_name_addr
from sipcli.sip.target import parse_target

TARGETS = [
    ("bob", "<sip:bob@example.com>"),
    ("bob@example.org", "<sip:bob@example.org>"),
    ("bob@example.org:5070", "<sip:bob@example.org:5070>"),
    ("bob@example.org;transport=tcp", "<sip:bob@example.org;transport=tcp>"),
    ("bob@[2001:db8::1]:5070", "<sip:bob@[2001:db8::1]:5070>"),
    ("sip:bob@example.org", "<sip:bob@example.org>"),
    ("SIP:bob@example.org", "<sip:bob@example.org>"),
    ("sip:bob@example.org:5070;transport=ws;lr=", "<sip:bob@example.org:5070;transport=ws;lr=>"),
    ("sip:example.org", "<sip:example.org>"),
    ("sip:[::1]", "<sip:[::1]>"),
    ("sips:bob@example.org", "<sip:bob@example.org>"),
    ("tel:+1(555)12-34", "<sip:+15551234@example.com>"),
    ("tel:+358-555-1234567;postd=pp22", "<sip:+3585551234567;postd=pp22@example.com>"),
    ("+1(555)12-34", "<sip:+15551234@example.com>"),
    ("sip:+1-555-1234@example.org", "<sip:+15551234@example.org>"),
    ("1.2@example.org", "<sip:12@example.org>"),
    ("a@b@example.org", "<sip:a%40b@example.org>"),
    ("a%40b@example.org", "<sip:a%40b@example.org>"),
    ("100%@example.org", "<sip:100%25@example.org>"),
    ("jürgen", "<sip:j%C3%BCrgen@example.com>"),
    ("<sip:bob@example.org>", "<sip:bob@example.org>"),
    ("Bob <sip:bob@example.org>", '"Bob" <sip:bob@example.org>'),
    ('"Bob, \\"B\\" <x>" <sip:bob@example.org;x=y>', '"Bob, \\"B\\" <x>" <sip:bob@example.org;x=y>'),
    ("Bob <bob>", '"Bob" <sip:bob@example.com>'),
    ('"Bob"<tel:+1-2>', '"Bob" <sip:+12@example.com>'),
]


@pytest.mark.parametrize(("text", "target"), TARGETS)
def test_targets(text: str, target: str) -> None:
    assert str(parse_target(text, domain="example.com")) == target


def test_schemes_that_are_kept() -> None:
    assert str(parse_target("sips:bob@h", domain=None, keep_sips=True)) == "<sips:bob@h>"
    assert str(parse_target("tel:+1-2;x=y", domain=None, keep_tel=True)) == "<tel:+1-2;x=y>"


@pytest.mark.parametrize("text", ["bob", "tel:+12", "+12", "Bob <bob>"])
def test_a_user_alone_needs_a_domain(text: str) -> None:
    with pytest.raises(ParseError) as caught:
        parse_target(text, domain=None)
    assert "needs a uri of our own" in str(caught.value)


@pytest.mark.parametrize("text", ["bob@h", "sip:bob@h", "sip:h", '"B" <sip:bob@h>'])
def test_a_whole_target_needs_no_domain(text: str) -> None:
    assert parse_target(text, domain=None).uri == parse_target(text, domain="example.com").uri


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "it is empty"),
        ("  ", "it is empty"),
        ("sip:", "the host is missing"),
        ("sip:@host", "the user is missing before @"),
        ("@host", "the user is missing before @"),
        ("bob@", "the host is missing after @"),
        ("sip:bob@", "the host is missing after @"),
        ("bob@host:99999", "a port is from 1 to 65535"),
        ("sip:bob@host:0", "a port is from 1 to 65535"),
        ("bob smith", "no spaces"),
        (" bob", "no spaces"),
        ("sip:bob@host ", "no spaces"),
        ("bob\r\nX: y", "no control characters"),
        ("bob\x1b[31m", "no control characters"),
        ("bob\x00", "no control characters"),
        ("bob\udcff", "no control characters"),
        ("http:x", "http: is no scheme"),
        ("mailto:bob@host", "the scheme is sip:, sips: or tel:"),
        ("bob:secret@host", "the scheme is sip:, sips: or tel:"),
        ("tel:", "a telephone number has digits"),
        ("tel:bob", "a telephone number has digits"),
        ("bob@höst", "a host has only ASCII"),
        ("bob@ho/st", "that is no SIP URI"),
        ("sip:b%4@host", "% is followed by two hexadecimal digits"),
        ("sip:bob@host?Subject=x", "no ? and header fields"),
        ("Bob <sip:bob@host", "nothing but the closing >"),
        ("<sip:bob@host>;tag=1", "nothing but the closing >"),
        ("Bob <>", "a URI without spaces"),
        ("Bob <sip:bob @host>", "a URI without spaces"),
        ('"Bob', "a display name is followed by"),
        ('"Bob" bob', "a display name is followed by"),
        ("Bob, B <sip:bob@host>", "needs quotes"),
    ],
)
def test_bad_targets(text: str, reason: str) -> None:
    """The error says what would be right, then why this is not, then what was written."""
    with pytest.raises(ParseError) as caught:
        parse_target(text, domain="example.com")
    message = str(caught.value)
    assert message.startswith("expected a target such as bob, bob@example.com or sip:bob@example.com (")
    assert reason in message
    assert message.endswith('"')
    assert message.isprintable()


def test_the_whole_message() -> None:
    with pytest.raises(ParseError) as caught:
        parse_target("http:x", domain=None)
    assert str(caught.value) == (
        "expected a target such as bob, bob@example.com or sip:bob@example.com "
        '(http: is no scheme for a call or message), got: "http:x"'
    )


@given(st.text(), st.booleans(), st.booleans())
def test_any_text(text: str, keep_tel: bool, keep_sips: bool) -> None:
    """Any text is a target that reads back from the wire, or a ParseError."""
    try:
        target = parse_target(text, domain="example.com", keep_tel=keep_tel, keep_sips=keep_sips)
    except ParseError:
        return
    assert parse_name_addr(str(target)) == target
