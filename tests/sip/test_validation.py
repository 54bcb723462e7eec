"""The strict check (RFC 3261 §8.1.1, §20, §25.1), a row for each header field."""

from __future__ import annotations

import contextlib
import time

import pytest

from sipcli.sip.errors import ParseError
from sipcli.sip.message import Request, Response, parse

MANDATORY = [
    ("Via", "SIP/2.0/WS h;branch=z9hG4bK1"),
    ("From", "<sip:a@h>;tag=1"),
    ("To", "<sip:b@h>"),
    ("Call-ID", "1@h"),
    ("CSeq", "1 OPTIONS"),
]

GOOD = {
    "Accept": ["", "application/sdp", "text/*;q=0.5, */*"],
    "Accept-Encoding": ["", "gzip", "*;q=0"],
    "Accept-Language": ["en, de-AT;q=0.8", "*"],
    "Alert-Info": ["<http://www.example.com/s.wav>;appearance=1"],
    "Allow": ["INVITE, ACK", ""],
    "Allow-Events": ["presence,message-summary"],
    "Authentication-Info": ['nextnonce="47364c23432d2e131a5fb210812c", nc=00000001'],
    "Authorization": [
        'Digest username="a", realm="b", uri="sip:h", nc=1',
        "Bearer eyJ.a-b_c~/+==",
        "Odd opaque-data=here",
    ],
    "Call-Info": ["<http://www.example.com/alice/photo.jpg> ;purpose=icon, <http://x>"],
    "Contact": [
        "*",
        "<sip:a@h>;q=0.7;expires=3600",
        "sip:a@h, Bob <sip:b@h>",
        '"a;b" <sip:a@h>;+sip.instance="<urn:uuid:1>"',
    ],
    "Content-Disposition": ["session;handling=optional"],
    "Content-Encoding": ["gzip, tar"],
    "Content-Language": ["fr"],
    "Content-Type": ["application/sdp", 'multipart/mixed ; boundary="a;b"'],
    "Date": ["Sat, 13 Nov 2010 23:29:00 GMT"],
    "Error-Info": ["<sip:not-in-service@atlanta.com>"],
    "Event": ["presence;id=1"],
    "Expires": ["0", "4294967295"],
    "Flow-Timer": ["120"],
    "In-Reply-To": ["70710@saturn.bell-tel.com, 17320@h"],
    "Max-Forwards": ["0", "255", "0068"],
    "MIME-Version": ["1.0"],
    "Min-Expires": ["60"],
    "Min-SE": ["90;x=y"],
    "Organization": ["Boxes by Bob", ""],
    "P-Asserted-Identity": ["<sip:a@h>, tel:+1"],
    "Path": ["<sip:p;lr>"],
    "Priority": ["non-urgent"],
    "Proxy-Authenticate": ['Digest realm="a", nonce="b"'],
    "Proxy-Require": ["foo"],
    "RAck": ["776656 1 INVITE"],
    "Reason": ['SIP;cause=200;text="Call completed elsewhere", Q.850;cause=16'],
    "Record-Route": ["<sip:a;lr>, <sip:b;lr>;x=y"],
    "Refer-To": ["<sip:a@h?Replaces=1>"],
    "Referred-By": ["sip:a@h"],
    "Replaces": ["425928@bobster.example.org;to-tag=7743;from-tag=6472"],
    "Reply-To": ["Bob <sip:bob@biloxi.com>"],
    "Require": ["100rel"],
    "Retry-After": ["18000;duration=3600", "120 (I'm in a meeting (really))"],
    "Route": ["<sip:a;lr>"],
    "RSeq": ["988789"],
    "Server": ["HomeServer v2", "Asterisk/18.1 (x (y) \\) z) b"],
    "Service-Route": ["<sip:s;lr>"],
    "Session-Expires": ["4000;refresher=uac"],
    "SIP-ETag": ["dx200xyz"],
    "SIP-If-Match": ["dx200xyz"],
    "Subject": ["Need more boxes, привет", ""],
    "Subscription-State": ["active;expires=60"],
    "Supported": ["", "path, gruu"],
    "Timestamp": ["54", "54.3 0.2"],
    "Unsupported": ["foo"],
    "User-Agent": ["Softphone Beta1.5", "SIP.js/0.21.2"],
    "Warning": ['307 isi.edu "Session parameter \'foo\' not understood", 370 h:5060 "x"'],
    "WWW-Authenticate": ['Digest realm="a", qop="auth,auth-int", algorithm=MD5'],
    "X-Unknown": [";;,;,", "\x80\xff"],
}
BAD = {
    "Accept": ["text", "text/plain;", ","],
    "Accept-Language": ["123456789", "en_US"],
    "Alert-Info": ["http://www.example.com"],
    "Allow": ["INV ITE", "A,,B"],
    "Authorization": ["Digest", 'Digest username="a', "Digest a=b,,c=d"],
    "Call-ID": ["", "a b", "a@b@c"],
    "Contact": [
        "<sip:a@h>;q=2",
        "<sip:a@h>;expires=280297596632815",
        "<sip:a@h>;expires=x",
        "<sip:a@h>;x=1;X=2",
        "<sip:a@h;x=1;x=2>",
        "<sip:a@h>;;",
        "",
        "<sip:a@h>;x=a/b",
    ],
    "Content-Length": ["99999999999"],
    "Content-Type": ["text", "text plain", ""],
    "CSeq": ["2147483648 OPTIONS", "1 INVITE", "x"],
    "Date": ["Fri, 01 Jan 2010 16:00:00 EST", "yesterday"],
    "Expires": ["-1", "4294967296", "1.5", "", "NaN"],
    "From": ["<sip:a@h>;tag=1;tag=2", '"a <sip:a@h>', "sip:a@h, sip:b@h", "<sip:a@h>, <sip:b@h>"],
    "Max-Forwards": ["256", "-1", ""],
    "Record-Route": ["sip:a;lr"],
    "Retry-After": ["949302838503028349304023988", "soon"],
    "Require": [""],
    "Server": ["(unclosed", ""],
    "Subject": ["a\x01b", "a\x7f"],
    "Via": ["SIP/2.0/UDP 192.0.2.15;;,;,,", "SIP/2.0/UDP h;a=1;A=2", "SIP/2.0/UDP h;a=b/c", ""],
    "Warning": ['1812 overture "In Progress"', "399 h text"],
    "X-Unknown": ["a\x00b"],
}


def message(name: str, value: str) -> bytes:
    headers = [field for field in MANDATORY if field[0] != name] + [(name, value)]
    lines = ["OPTIONS sip:b@h SIP/2.0", *[f"{name}: {value}" for name, value in headers], "", ""]
    return "\r\n".join(lines).encode()


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in GOOD.items() for value in values])
def test_good_values(name: str, value: str) -> None:
    parse(message(name, value), strict=True)


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in BAD.items() for value in values])
def test_bad_values(name: str, value: str) -> None:
    with pytest.raises(ParseError):
        parse(message(name, value), strict=True)


def test_mandatory_header_fields() -> None:
    Request("OPTIONS", "sip:h", MANDATORY).validate()
    Response(200, "OK", MANDATORY).validate()
    for name, value in MANDATORY:
        with pytest.raises(ParseError):
            Request("OPTIONS", "sip:h", [field for field in MANDATORY if field[0] != name]).validate()
        if name != "Via":
            with pytest.raises(ParseError, match="one"):
                Request("OPTIONS", "sip:h", [*MANDATORY, (name, value)]).validate()


def test_lists_may_stand_in_several_lines() -> None:
    Request("OPTIONS", "sip:h", [*MANDATORY, ("v", "SIP/2.0/UDP i"), ("Allow", "A"), ("Allow", "B")]).validate()


@pytest.mark.parametrize("line", ["<sip:b@h>", "sip:b@h; lr", "sip:h?Route=%3Csip:h%3E", "2001:db8::10"])
def test_request_uris(line: str) -> None:
    data = message("X", "y").replace(b"sip:b@h SIP", line.encode() + b" SIP")
    with pytest.raises(ParseError):
        parse(data, strict=True)


def test_start_lines() -> None:
    with pytest.raises(ParseError):
        parse(
            message("X", "y").replace(b"SIP/2.0\r\nFrom", b"SIP/7.0\r\nFrom").replace(b"h SIP/2.0", b"h SIP/7.0"),
            strict=True,
        )
    with pytest.raises(ParseError, match="CSeq"):
        Request("INVITE", "sip:h", MANDATORY).validate()
    Response(200, "OK", MANDATORY).validate()


def test_bodies() -> None:
    Request("OPTIONS", "sip:h", [*MANDATORY, ("Content-Type", "text/plain")], b"x").validate()
    with pytest.raises(ParseError, match="content-type"):
        Request("OPTIONS", "sip:h", MANDATORY, b"x").validate()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("User-Agent", "FPBX-16.0.40.7(18.16.0)"),
        ("Alert-Info", "ring1"),
        ("Date", "Fri, 01 Jan 2010 16:00:00 EST"),
        ("Warning", "oops"),
        ("Odd Name", "x"),
        ("X-Unknown", "a\x00b"),
    ],
)
def test_what_is_not_needed_is_let_be(name: str, value: str) -> None:
    """A careless peer is understood; only the strict check is against it."""
    request, response = parse(message(name, value)), Response(200, "OK", MANDATORY)
    request.check()
    response.check()
    with pytest.raises(ParseError):
        request.validate()


@pytest.mark.parametrize(
    ("name", "value"),
    [(name, value) for name in ("Via", "From", "Contact", "CSeq", "Max-Forwards", "Require") for value in BAD[name]],
)
def test_what_is_needed_is_checked(name: str, value: str) -> None:
    with pytest.raises(ParseError):
        parse(message(name, value)).check()


def test_a_body_of_unknown_type_is_let_be() -> None:
    Request("OPTIONS", "sip:h", MANDATORY, b"x").check()
    with pytest.raises(ParseError):
        Request("INVITE", "sip:h", MANDATORY).check()


def test_names() -> None:
    with pytest.raises(ParseError, match="header-name"):
        parse(message("Odd Name", "x"), strict=True)


def test_wildcard_stands_alone() -> None:
    Request("OPTIONS", "sip:h", [*MANDATORY, ("Contact", "*")]).validate()
    with pytest.raises(ParseError, match="only Contact"):
        Request("OPTIONS", "sip:h", [*MANDATORY, ("Contact", "*"), ("m", "<sip:a@h>")]).validate()


@pytest.mark.parametrize("name", GOOD)
@pytest.mark.parametrize(
    "value", ['"\\"' * 20000, "(a" * 30000, "a," * 30000, ";a= " * 15000, "a" * 60000, " a" * 30000]
)
def test_hostile_repetitions_take_linear_time(name: str, value: str) -> None:
    started = time.process_time()
    with contextlib.suppress(ParseError):
        parse(message(name, value + "\x01"), strict=True)
    assert time.process_time() - started < 1.0
