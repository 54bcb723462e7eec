"""Dialogs (RFC 3261 §12)."""

from __future__ import annotations

import pytest

from sipcli.sip.dialog import Dialog, dialog_id_of
from sipcli.sip.message import Request, Response
from tests.sip.endpoint import build_request

VIA = "SIP/2.0/WS alice.invalid;branch=z9hG4bKack"


def invite(*headers: tuple[str, str]) -> Request:
    return Request(
        "INVITE",
        "sip:bob@example.com",
        [
            ("Route", "<sip:preloaded.example.com;lr>"),
            ("Via", "SIP/2.0/WS alice.invalid;branch=z9hG4bK1"),
            ("To", "<sip:bob@example.com>"),
            ("From", '"Alice" <sip:alice@example.com>;tag=a1'),
            ("Call-ID", "c1"),
            ("CSeq", "7 INVITE"),
            *headers,
        ],
    )


def ok(*headers: tuple[str, str], to: str = "<sip:bob@example.com>;tag=b1") -> Response:
    return Response(200, "OK", [("To", to), *headers])


def test_state_of_the_client_side() -> None:
    """§12.1.2: reversed Record-Route, remote target, tags and sequence; the preloaded route is forgotten."""
    response = ok(
        ("Contact", '"Bob" <sip:bob@b.invalid;alias=1~2~3;transport=ws;ob>;+sip.ice'),
        ("Record-Route", "<sip:tok/+=@b.example.com;lr=on;ftag=x>;p=q, <sip:c.example.com;r2=on;lr>"),
        ("Record-Route", "<sip:a.example.com;lr>"),
    )
    dialog = Dialog.of_response(invite(), response)
    assert dialog.id == ("c1", "a1", "b1")
    assert dialog.remote_target == "sip:bob@b.invalid;alias=1~2~3;transport=ws;ob"
    assert dialog.route_set == (
        "<sip:a.example.com;lr>",
        "<sip:c.example.com;r2=on;lr>",
        "<sip:tok/+=@b.example.com;lr=on;ftag=x>;p=q",
    )
    assert dialog.local_cseq == 7
    assert dialog.head() == (
        ("Max-Forwards", "70"),
        ("To", "<sip:bob@example.com>;tag=b1"),
        ("From", '"Alice" <sip:alice@example.com>;tag=a1'),
        ("Call-ID", "c1"),
    )


def test_ack_of_a_2xx() -> None:
    """§13.2.2.4: a transaction's worth of its own, with the credentials of the INVITE and without its body."""
    dialog = Dialog.of_response(invite(), ok(("Contact", "<sip:b@b.invalid>"), ("Record-Route", "<sip:p;lr>")))
    ack = dialog.build_ack(invite(("Authorization", "Digest x=1"), ("Proxy-Authorization", "Digest y=2")), VIA)
    assert ack.start_line == "ACK sip:b@b.invalid SIP/2.0"
    assert ack.get("Via") == VIA
    assert ack.get("CSeq") == "7 ACK"
    assert ack.get_all("Route") == ["<sip:p;lr>"]
    assert (ack.get("Authorization"), ack.get("Proxy-Authorization")) == ("Digest x=1", "Digest y=2")


def test_strict_router() -> None:
    """§12.2.1.1: the router takes the Request-URI, the remote target goes to the end of the route."""
    response = ok(("Contact", "<sip:b@b.invalid>"), ("Record-Route", "<sip:two;lr>, <sip:one:5070;method=INVITE>"))
    ack = Dialog.of_response(invite(), response).build_ack(invite(), VIA)
    assert ack.uri_text == "sip:one:5070"
    assert ack.get_all("Route") == ["<sip:two;lr>", "<sip:b@b.invalid>"]


@pytest.mark.parametrize(
    ("response", "target", "remote"),
    [
        (ok(to="<<"), "sip:bob@example.com", "<<"),
        (Response(200, "OK"), "sip:bob@example.com", "<sip:bob@example.com>"),
        (ok(("Contact", "*")), "sip:bob@example.com", "<sip:bob@example.com>;tag=b1"),
        (ok(("Contact", "<<>>"), ("Record-Route", ">")), "sip:bob@example.com", "<sip:bob@example.com>;tag=b1"),
    ],
)
def test_what_the_peer_got_wrong_is_replaced(response: Response, target: str, remote: str) -> None:
    """A dialog comes about all the same."""
    dialog = Dialog.of_response(invite(), response)
    assert dialog.remote_target == target
    assert dialog.route_set == ()
    assert dict(dialog.head())["To"] == remote
    dialog.build_ack(invite(), VIA)


def test_dialog_of_an_incoming_request() -> None:
    """§12.2.2: its To tag is our tag."""
    assert dialog_id_of(build_request("BYE", to_tag="a1")) == ("call-1", "a1", "b1")
    assert dialog_id_of(build_request("BYE")) == ("call-1", None, "b1")
    assert dialog_id_of(Request("BYE", "sip:x", [("To", "<<")])) == ("", None, None)
