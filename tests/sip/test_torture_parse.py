"""The messages of RFC 4475, RFC 5118, RFC 3261 chapter 24 and RFC 7118 §8 at the parser."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sipcli.sip.errors import ParseError
from sipcli.sip.headers import parse_name_addr
from sipcli.sip.message import Request, Response, parse, serialize
from sipcli.sip.uri import URI, AbsoluteURI

DATA = Path(__file__).parent.parent / "data"


@dataclass(frozen=True)
class Row:
    """A row of an index: the octets, and what a parser is to do with them."""

    name: str
    octets: bytes
    kind: str
    verdict: str


def rows(*folders: str) -> list[Any]:
    found = []
    for folder in folders:
        for entry in json.loads((DATA / folder / "index.json").read_text("utf-8"))["messages"]:
            octets = (DATA / folder / entry["file"]).read_bytes()
            row = Row(entry["name"], octets, entry["kind"], entry.get("parse", "accept"))
            if row.kind != "http":
                found.append(pytest.param(row, id=f"{folder}-{row.name}"))
    return found


def torture(name: str) -> Request | Response:
    folder = "rfc5118" if (DATA / "rfc5118" / f"{name}.dat").exists() else "rfc4475"
    return parse((DATA / folder / f"{name}.dat").read_bytes())


def torture_request(name: str) -> Request:
    message = torture(name)
    assert isinstance(message, Request)
    return message


@pytest.mark.parametrize("row", rows("rfc4475", "rfc5118"))
def test_strict_verdicts(row: Row) -> None:
    """What is to be accepted is, what is to be rejected is a ParseError."""
    try:
        parse(row.octets, strict=True)
    except ParseError:
        verdict = "reject"
    else:
        verdict = "accept"
    assert row.verdict in (verdict, "either")


@pytest.mark.parametrize("row", rows("rfc4475", "rfc5118", "rfc3261", "rfc7118"))
def test_lenient_reading(row: Row) -> None:
    """The framing decides: what is to be accepted is read; the rest is read too or a ParseError."""
    try:
        message = parse(row.octets)
    except ParseError:
        assert row.verdict != "accept"
        return
    assert isinstance(message, Request if row.kind == "request" else Response)
    assert parse(serialize(message)).headers[: len(message.headers)] == message.headers
    assert parse(serialize(message)).body == message.body


@pytest.mark.parametrize("row", rows("rfc3261", "rfc7118"))
def test_round_trip(row: Row) -> None:
    """Each line is written as it was read, unfolded; those of RFC 7118 get a Content-Length."""
    message = parse(row.octets, strict=True)
    wire = serialize(message)
    expected = row.octets.replace(b"\r\n ", b" ")
    if message.get("Content-Length") is None:
        expected = expected[:-2] + b"Content-Length: 0\r\n\r\n"
    assert wire == expected
    assert serialize(parse(wire)) == wire


@pytest.mark.parametrize("row", rows("rfc3261", "rfc7118"))
def test_values_round_trip(row: Row) -> None:
    """Every structured value reads back from what it writes."""
    message = parse(row.octets)
    for address in (message.from_, message.to, *message.contacts, *message.routes, *message.record_routes):
        assert address is not None
        assert parse_name_addr(str(address)) == address
    assert message.via == message.vias[0]
    assert message.via is not None
    assert message.via.branch is not None
    assert message.cseq is not None
    if isinstance(message, Request):
        assert message.cseq.method == message.method


def test_the_stray_comma_as_printed() -> None:
    """RFC 7118 §8.2 F6: the empty element at the end of Route is passed over."""
    message = parse((DATA / "rfc7118" / "8.2-f06-as-printed.dat").read_bytes(), strict=True)
    assert len(message.routes) == 2


def test_http_is_no_sip() -> None:
    for name in ("8.1-f1-http", "8.1-f2-http"):
        with pytest.raises(ParseError):
            parse((DATA / "rfc7118" / f"{name}.dat").read_bytes())


def test_wsinv() -> None:
    """RFC 4475 §3.1.1.1."""
    message = torture_request("wsinv")
    assert message.from_ is not None
    assert message.to is not None
    assert message.contact is not None
    assert message.from_.display_name == 'J Rosenberg \\"'
    assert (message.from_.tag, message.to.tag) == ("98asjd8", "1918181833n")
    assert str(message.cseq) == "9 INVITE"
    assert message.max_forwards == 68
    assert [via.sent_by for via in message.vias] == ["192.0.2.2", "spindle.example.com", "192.168.255.111"]
    assert [via.branch for via in message.vias] == ["390skdjuw", "z9hG4bK9ikj8", "z9hG4bK30239"]
    assert message.contact.display_name == 'Quoted string ""'
    assert message.contact.q == 0.33
    assert message.get("NewFangledHeader") == "newfangled value continued newfangled value"
    assert message.get("UnknownHeaderWithUnusualValue") == ";;,,;;,;"
    assert len(message.body) == 150


def test_intmeth() -> None:
    """RFC 4475 §3.1.1.2."""
    message = torture_request("intmeth")
    assert message.method == "!interesting-Method0123456789_*+`.%indeed'~"
    assert isinstance(message.uri, URI)
    assert message.uri.password == "&it+has=1,weird!*pas$wo~d_too.(doesn't-it)"
    assert message.to is not None
    assert message.to.display_name == "BEL:\a NUL:\x00 DEL:\x7f"
    assert message.from_ is not None
    assert message.from_.tag == "_token~1'+`*%!-."
    assert message.from_.params["fromParam''~+*_!.-%"] == "работающий"


def test_escapes() -> None:
    """RFC 4475 §3.1.1.3 to 3.1.1.5: decoded once, not cut at NUL, and only in URIs."""
    message = torture_request("esc01")
    assert isinstance(message.uri, URI)
    assert message.uri.username == "sips:user@example.com"
    assert message.contact is not None
    assert isinstance(message.contact.uri, URI)
    assert message.contact.uri.params["name"] == "value%41"
    assert "lr" in message.contact.uri.params
    message = torture_request("escnull")
    assert [contact.uri.username for contact in message.contacts if isinstance(contact.uri, URI)] == [
        "\x00",
        "\x00\x00",
    ]
    message = torture_request("esc02")
    assert message.method == "RE%47IST%45R"
    assert message.to is not None
    assert message.to.display_name == "%Z%45"
    assert len(message.contacts) == 2


def test_other_facts_of_rfc_4475() -> None:
    assert torture_request("dblreq").body == b""
    assert len(torture("transports").vias) == 5
    assert torture_request("semiuri").uri == URI(scheme="sip", user="user;par=u%40example.net", host="example.com")
    assert torture("mpart01").body.count(b"\0") == 2
    assert isinstance(torture_request("unkscm").uri, AbsoluteURI)
    assert torture("bext01").require == ("nothingSupportsThis", "nothingSupportsThisEither")
    response = torture("noreason")
    assert isinstance(response, Response)
    assert response.reason == ""
    one, other = torture("cparam01").contact, torture("cparam02").contact
    assert one is not None
    assert other is not None
    assert "unknownparam" in one.params
    assert "unknownparam" not in other.params
    assert str(other.uri) == "sip:+19725552222@gw1.example.net;unknownparam"


def test_facts_of_rfc_5118() -> None:
    assert torture_request("ipv6-good").uri == URI(scheme="sip", host="[2001:db8::10]")
    assert torture_request("port-ambiguous").uri == URI(scheme="sip", host="[2001:db8::10:5070]")
    assert torture_request("port-unambiguous").uri == URI(scheme="sip", host="[2001:db8::10]", port=5070)
    for name, received in (("with", "[2001:db8::9:255]"), ("no", "2001:db8::9:255")):
        via = torture(f"via-received-param-{name}-delim").via
        assert via is not None
        assert via.received == received
    three = torture_request("ipv6-bug-abnf-3-colons")
    assert three.uri == torture_request("ipv6-correct-abnf-2-colons").uri
    assert serialize(three).startswith(b"OPTIONS sip:user@[2001:db8:::192.0.2.1] SIP/2.0\r\n")
