"""Structured header fields (RFC 3261 §20): Via, addresses, CSeq."""

from __future__ import annotations

import copy
import pickle
import time
from dataclasses import replace

import pytest

from sipcli.sip.errors import ParseError
from sipcli.sip.grammar import Params
from sipcli.sip.headers import (
    CSeq,
    NameAddr,
    Via,
    parse_cseq,
    parse_name_addr,
    parse_name_addrs,
    parse_via,
    parse_vias,
)
from sipcli.sip.uri import URI, TelURI, URIParams, parse_uri


def test_via() -> None:
    via = parse_via("SIP/2.0/WSS df7jal23ls0d.invalid:443;branch=z9hG4bKasudf;rport=4000;received=192.0.2.1")
    assert (via.protocol, via.transport, via.host, via.port) == ("SIP/2.0", "WSS", "df7jal23ls0d.invalid", 443)
    assert (via.branch, via.received, via.rport) == ("z9hG4bKasudf", "192.0.2.1", 4000)
    assert via.sent_by == "df7jal23ls0d.invalid:443"
    assert str(via) == "SIP/2.0/WSS df7jal23ls0d.invalid:443;branch=z9hG4bKasudf;rport=4000;received=192.0.2.1"


@pytest.mark.parametrize(
    ("text", "wire", "branch"),
    [
        ("SIP/2.0/WS  127.0.0.1:5060;branch=1", "SIP/2.0/WS 127.0.0.1:5060;branch=1", "1"),
        ("SIP / 2.0 / UDP   192.0.2.2 ;branch= 390", "SIP/2.0/UDP 192.0.2.2;branch=390", "390"),
        ("SIP/2.0/UDP h : 5060 ; Branch = x", "SIP/2.0/UDP h:5060;Branch=x", "x"),
        ("SIP/2.0/UDP [2001:db8::9:1];branch=x", "SIP/2.0/UDP [2001:db8::9:1];branch=x", "x"),
        ("SIP/2.0/UDP [::1]:5060;received=2001:db8::9:255", "SIP/2.0/UDP [::1]:5060;received=2001:db8::9:255", None),
        ("SIP/2.0/UDP h;rport;branch=x", "SIP/2.0/UDP h;rport;branch=x", "x"),
        ("SIP/2.0/UDP h", "SIP/2.0/UDP h", None),
        ("SIP/2.0/UDP h:60000", "SIP/2.0/UDP h:60000", None),
        ('SIP/2.0/UDP h;x="a;branch=no, b";branch=x', 'SIP/2.0/UDP h;x="a;branch=no, b";branch=x', "x"),
        ("SIP/2.0/UDP example.com.;branch=x", "SIP/2.0/UDP example.com.;branch=x", "x"),
        ("SIP/2.0/UDP h;BRANCH=x;branch=y", "SIP/2.0/UDP h;BRANCH=x;branch=y", "x"),
    ],
)
def test_vias_in_other_spellings(text: str, wire: str, branch: str | None) -> None:
    """Two spaces come from Kamailio, unbracketed IPv6 from RFC 5118 §4.5."""
    via = parse_via(text)
    assert str(via) == wire
    assert via.branch == branch
    assert parse_via(wire) == via
    assert hash(parse_via(wire)) == hash(via)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "SIP/2.0/UDP",
        "SIP/2.0 h",
        "SIP/2.0/UDP h;",
        "SIP/2.0/UDP h;;branch=x",
        "SIP/2.0/UDP h;branch=",
        "SIP/2.0/UDP h:x",
        "SIP/2.0/UDP h:65536",
        "SIP/2.0/UDP h:" + "9" * 5000,
        "SIP/2.0/UDP a..b",
        "SIP/2.0/UDP [::1",
        "SIP/2.0/UDP [1::2::3]",
        "SIP/2.0/UDP h i",
        "SIP/2.0/UDP h,SIP/2.0/UDP i",
        "SIP/2.0/UDP h;branch=a\x00b",
    ],
)
def test_no_vias(text: str) -> None:
    with pytest.raises(ParseError):
        parse_via(text)


def test_several_vias_in_one_line() -> None:
    vias = parse_vias('SIP/2.0/WS a;branch=1,SIP / 2.0/TCP b;x="," , SIP/2.0/UDP c:1')
    assert [via.sent_by for via in vias] == ["a", "b", "c:1"]
    for text in ("SIP/2.0/WS a,", "SIP/2.0/WS a,,SIP/2.0/WS b", ",SIP/2.0/WS a"):
        with pytest.raises(ParseError):
            parse_vias(text)


@pytest.mark.parametrize("rport", ["", "=", "=x", "=99999"])
def test_rport_that_is_no_number(rport: str) -> None:
    via = Via("SIP/2.0", "WS", "h", None, Params([("rport", rport[1:] or None)]))
    assert via.rport is None
    assert via.branch is None


def test_name_addr() -> None:
    address = parse_name_addr('"Alice \\"A\\" Smith" <sip:alice@example.com;lr>;tag=1;expires=60;q=0.5')
    assert address.display_name == 'Alice "A" Smith'
    assert str(address.uri) == "sip:alice@example.com;lr"
    assert (address.tag, address.expires, address.q) == ("1", 60, 0.5)
    assert str(address) == '"Alice \\"A\\" Smith" <sip:alice@example.com;lr>;tag=1;expires=60;q=0.5'


@pytest.mark.parametrize(
    ("text", "display_name", "uri", "params"),
    [
        ("<sip:a@h>", None, "sip:a@h", ""),
        ("sip:a@h;tag=1", None, "sip:a@h", ";tag=1"),
        (" sip:vivekg@h ;   tag    = 1918181833n", None, "sip:vivekg@h", ";tag=1918181833n"),
        ('"J Rosenberg \\\\\\""       <sip:j@h>  ;  tag = 98', 'J Rosenberg \\"', "sip:j@h", ";tag=98"),
        ("caller<sip:caller@example.com>;tag=323", "caller", "sip:caller@example.com", ";tag=323"),
        ("Bob (Sales) <sip:b@h>", "Bob (Sales)", "sip:b@h", ""),
        ("Жук <sip:b@h>", "Жук", "sip:b@h", ""),
        ('"" <sip:b@h>', "", "sip:b@h", ""),
        ('"a, <b>;c" <sip:b@h>;x="y;tag=2";tag=3', "a, <b>;c", "sip:b@h", ';x="y;tag=2";tag=3'),
        ("<sip:a%20b@h:65000>", None, "sip:a%20b@h:65000", ""),
        ("<sip:[::1]>;tag=1", None, "sip:[::1]", ";tag=1"),
        ("tel:+1-201;tag=1", None, "tel:+1-201", ";tag=1"),
        ("<tel:+1-201;x=y>", None, "tel:+1-201;x=y", ""),
        ("<http://www.example.com>;tag=3", None, "http://www.example.com", ";tag=3"),
        ("< sip:a@h\t;gr=1 >", None, "sip:a@h;gr=1", ""),
        (
            '<sip:a@h;transport=ws>;reg-id=1;+sip.instance="<urn:uuid:1>";expires=9',
            None,
            "sip:a@h;transport=ws",
            ';reg-id=1;+sip.instance="<urn:uuid:1>";expires=9',
        ),
    ],
)
def test_addresses(text: str, display_name: str | None, uri: str, params: str) -> None:
    address = parse_name_addr(text)
    assert address == NameAddr(display_name, parse_uri(uri), address.params)
    assert (address.display_name, str(address.uri), str(address.params)) == (display_name, uri, params)
    assert parse_name_addr(str(address)) == address


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<>",
        "<sip:a@h",
        "sip:a@h>",
        '"Mr. J. User <sip:j.user@example.com>',
        "Bell, Alexander <sip:a.g.bell@example.com>;tag=43",
        "sip:user@example.com?Route=%3Csip:sip.example.com%3E",
        "<sip:a b@h>",
        "<sip:a@h>;;;;",
        "<sip:a@h>;tag=",
        "<sip:a@h> x",
        "<sip:a@h>,<sip:b@h>",
        "<sip:a@h..b>",
        "<sip:a%4@h>",
        '<sip:a@h>;tag=1;x="',
        "a\x00b <sip:a@h>",
        "*",
    ],
)
def test_no_addresses(text: str) -> None:
    with pytest.raises(ParseError):
        parse_name_addr(text)


def test_lists_of_addresses() -> None:
    """An empty element is passed over: RFC 7118 §8.2 F6 has a comma at the end of its Route."""
    addresses = parse_name_addrs('"a,b" <sip:a@h>;q=1 , sip:b@h;x, ,<sip:c,d@h>,')
    assert [str(address.uri) for address in addresses] == ["sip:a@h", "sip:b@h", "sip:c,d@h"]
    with pytest.raises(ParseError):
        parse_name_addrs("")


@pytest.mark.parametrize("expires", ["x", "-1", "4294967296", "9" * 5000, None])
def test_malformed_expires(expires: str | None) -> None:
    assert NameAddr(None, parse_uri("sip:h"), Params([("expires", expires)])).expires is None


@pytest.mark.parametrize(("q", "value"), [("1", 1.0), ("0.333", 0.333), ("1.5", None), ("nan", None), ("1e1", None)])
def test_preferences(q: str, value: float | None) -> None:
    assert NameAddr(None, parse_uri("sip:h"), Params([("q", q)])).q == value


def test_building() -> None:
    uri = URI(scheme="sip", user="a", host="h", params=URIParams([("transport", "ws")]))
    assert str(NameAddr("A \\ B", uri, Params([("tag", "1")]))) == '"A \\\\ B" <sip:a@h;transport=ws>;tag=1'
    assert str(NameAddr(None, TelURI("+1"))) == "<tel:+1>"
    assert str(Via("SIP/2.0", "WS", "h.invalid", None, Params([("branch", "z9hG4bK1")]))) == (
        "SIP/2.0/WS h.invalid;branch=z9hG4bK1"
    )


def test_values_are_values() -> None:
    """A value that was read behaves as one that was built: compared, changed, copied, printed."""
    read, built = parse_name_addr("<sip:a@h>;tag=1"), NameAddr(None, parse_uri("sip:a@h"), Params([("tag", "1")]))
    assert read == built
    assert hash(read) == hash(built)
    assert repr(read) == repr(built)
    assert read.tag == built.tag == "1"
    assert replace(read, display_name="A") == replace(built, display_name="A")
    changed = replace(read, params=read.params.with_param("tag", "2"))
    assert changed.tag == "2"
    assert copy.deepcopy(read) == read
    assert pickle.loads(pickle.dumps(parse_via("SIP/2.0/WS h;branch=1"))).branch == "1"
    with pytest.raises(AttributeError):
        read.nothing  # type: ignore[attr-defined]  # noqa: B018
    with pytest.raises(AttributeError):
        read.uri = built.uri  # type: ignore[misc]


def test_cseq() -> None:
    assert parse_cseq("0009 INVITE") == CSeq(9, "INVITE")
    assert str(parse_cseq(" 4294967295 \t X-y ")) == "4294967295 X-y"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1",
        "INVITE",
        "-1 INVITE",
        "1INVITE",
        "36893488147419103232 X",
        "4294967296 X",
        "1 IN VITE",
        "² X",
        "9" * 5000 + " X",
    ],
)
def test_no_cseq(text: str) -> None:
    with pytest.raises(ParseError):
        parse_cseq(text)


@pytest.mark.parametrize(
    "text",
    [
        "<sip:a" + " " * 60000 + "b>",
        "a@b," * 20000,
        '"' + '\\"' * 50000,
        "<sip:a>" + ";x" * 50000 + "=",
        "<" * 60000,
        "a:b" + " ;x " * 30000 + "\x00",
    ],
    ids=lambda text: repr(text[:8]),
)
def test_hostile_repetitions_take_linear_time(text: str) -> None:
    started = time.process_time()
    for read in (parse_name_addrs, parse_vias, parse_cseq):
        with pytest.raises(ParseError):
            read(text)
    assert time.process_time() - started < 1.0
