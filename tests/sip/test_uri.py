"""URIs (RFC 3261 §19.1): reading, writing, escapes, comparison."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipcli.sip.errors import ParseError
from sipcli.sip.uri import URI, AbsoluteURI, TelURI, URIParams, escape_user, parse_uri, unescape


def sip(text: str) -> URI:
    uri = parse_uri(text)
    assert isinstance(uri, URI)
    return uri


def test_parts() -> None:
    uri = sip("sip:alice:secret@example.com:5070;transport=ws;lr?subject=project%20x&priority=urgent")
    assert (uri.scheme, uri.user, uri.password, uri.host, uri.port) == ("sip", "alice", "secret", "example.com", 5070)
    assert dict(uri.params) == {"transport": "ws", "lr": None}
    assert uri.headers == (("subject", "project%20x"), ("priority", "urgent"))


@pytest.mark.parametrize(
    "text",
    [
        "sip:example.com",
        "sips:alice@example.com",
        "sip:+1-212-555-1212:1234@gateway.com;user=phone",
        "sip:alice@192.0.2.4",
        "sip:atlanta.com;method=REGISTER?to=alice%40atlanta.com",
        "sip:alice;day=tuesday@atlanta.com",
        "sip:user@[2001:db8::10]:5060;lr",
        "sip:x@y.invalid;alias=127.0.0.1~35458~5;transport=ws;ob",
        "sip:ab/c+d==@127.0.0.1:443;transport=ws;lr=on;ftag=x;r2=",
        "sip:sips%3Auser%40example.com@example.net",
        "sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*:&it+has=1,weird!*pas$wo~d_too.(doesn't-it)@example.com",
        "sip:null-%00-null@example.com",
        "sip:cal%6Cer@host5.example.net;%6C%72;n%61me=v%61lue%25%34%31",
        "sip:h:65535",
        "sip:alice:@example.com",
        "tel:+1-201-555-0123",
        "tel:7042;phone-context=example.com",
        "isbn:2983792873",
        "http://www.example.com",
        "soap.beep://192.0.2.103:3002",
        "urn:service:sos",
    ],
)
def test_round_trip(text: str) -> None:
    """What was received goes back unchanged."""
    assert str(parse_uri(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "sip:",
        "sip:@example.com",
        "sip:a@",
        "sip:a b@example.com",
        "sip:alice@example.com; lr",
        "sip:2001:db8::10",
        "sip:a@h:99999",
        "sip:a@h:65536",
        "sip:a@h:",
        "sip:a@h:5\u00b2",
        "sip:a@h:" + "9" * 5000,
        "sip:a%4@h",
        "sip:a%zz@h",
        "sip:a@h;x=%",
        "sip:a@h;",
        "sip:a@h?",
        "sip:a@h?x",
        "sip:a@h?x=1&",
        "sip:a@h..b",
        "sip:a@[::1",
        "sip:a@h\r\n",
        "sip:a@h\x00",
        "sip:gr\u00fc\u00dfe@h",
        "<sip:a@h>",
        "alice",
        "tel:",
        "tel:+",
        "tel:12x",
        ":x",
        "1a:x",
        "x:",
        "http://a b",
    ],
)
def test_no_uris(text: str) -> None:
    with pytest.raises(ParseError):
        parse_uri(text)


def test_other_schemes() -> None:
    assert parse_uri("tel:+1-201;x=y") == TelURI("+1-201", URIParams([("x", "y")]))
    assert parse_uri("name:John_Smith") == AbsoluteURI("name", "John_Smith")
    assert sip("SIPS:a@h").scheme == "sips"


def test_escapes_are_decoded_once() -> None:
    """RFC 4475 §3.1.1.3."""
    uri = sip("sip:%75se%72%2541@h;%6C%72;n%61me=v%61lue%25%34%31")
    assert uri.username == "user%41"
    assert "lr" in uri.params
    assert uri.params["name"] == "value%41"
    assert sip("sip:%00@h").username == "\x00"
    assert sip("sip:h").username is None
    assert unescape("%FF%C3%BC") == "\udcffü"


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_escaped_users(name: str) -> None:
    """Any name can be a user part, and reads back."""
    user = escape_user(name)
    assert unescape(user) == name
    if name:
        assert sip(f"sip:{user}@h").username == name


def test_changed_parameters_are_escaped() -> None:
    params = sip("sip:a@h;lr").params.with_param("x", "a;b=ü")
    assert str(params) == ";lr;x=a%3Bb%3D%C3%BC"
    assert params["x"] == "a;b=ü"
    assert str(params.with_param("LR", "on")) == ";lr=on;x=a%3Bb%3D%C3%BC"
    with pytest.raises(ValueError, match="not parameters"):
        URIParams([("a", "b c")])
    with pytest.raises(ValueError, match="not parameters"):
        URIParams([("a", "%4")])


def test_address_of_record() -> None:
    assert str(sip("sip:a:pw@h:5061;transport=ws?x=y").aor()) == "sip:a@h:5061"


def test_replace() -> None:
    assert str(replace(sip("sip:a@h;lr"), user="b", port=5060)) == "sip:b@h:5060;lr"


# RFC 3261 §19.1.4, the RFC's own examples
EQUIVALENT = [
    ("sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtLanTa.CoM;Transport=tcp"),
    ("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5"),
    ("sip:carol@chicago.com", "sip:carol@chicago.com;security=on"),
    ("sip:carol@chicago.com;newparam=5", "sip:carol@chicago.com;security=on"),
    (
        "sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
        "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com",
    ),
    (
        "sip:alice@atlanta.com?subject=project%20x&priority=urgent",
        "sip:alice@atlanta.com?priority=urgent&subject=project%20x",
    ),
    ("sip:a:pw@h", "sip:a:p%77@h"),
]
DIFFERENT = [
    ("SIP:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP"),
    ("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060"),
    ("sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp"),
    ("sip:bob@biloxi.com", "sip:bob@biloxi.com:6000;transport=tcp"),
    ("sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting"),
    ("sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4"),
    ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;security=off"),
    ("sip:a@h", "sips:a@h"),
    ("sip:a@h;maddr=x", "sip:a@h"),
    ("sip:a@h", "sip:a@h;user=phone"),
    ("sip:a:x@h", "sip:a@h"),
    ("sip:a@h", "sip:h"),
]


@pytest.mark.parametrize(("one", "other"), EQUIVALENT)
def test_equivalent(one: str, other: str) -> None:
    assert sip(one).equivalent(sip(other))
    assert sip(other).equivalent(sip(one))


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_different(one: str, other: str) -> None:
    assert not sip(one).equivalent(sip(other))
    assert not sip(other).equivalent(sip(one))


def test_other_kinds_are_different() -> None:
    assert not sip("sip:a@h").equivalent(parse_uri("tel:1"))
