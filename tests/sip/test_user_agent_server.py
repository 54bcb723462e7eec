"""The user agent server (RFC 3261 §8.2, §9.2, §11.2; RFC 3428; PARAMETERS rows 14, 28-30, 49, 68, 69, 84, A7)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipcli.sip.errors import LocalProtocolError
from sipcli.sip.events import (
    Cause,
    IncomingCancelled,
    InviteReceived,
    MessageReceived,
    NotifyReceived,
    ReferReceived,
)
from sipcli.sip.message import Request, Response, serialize
from sipcli.sip.user_agent_server import ANSWER_TIMEOUT
from tests.sip.endpoint import Endpoint, build_request

TEXT = [("Content-Type", "text/plain")]
SDP = [("Content-Type", "application/sdp")]


def ask(method: str, *headers: tuple[str, str], settings: dict[str, Any] | None = None, **arguments: Any) -> Response:
    """Return the only answer to a request."""
    alice = Endpoint(**(settings or {}))
    alice.deliver(build_request(method, headers=headers, **arguments))
    (response,) = alice.responses()
    return response


# Answers that need nobody


def test_options() -> None:
    """200 with Allow, Accept and Supported; Via, From, To, Call-ID and CSeq as asked, and a To tag."""
    response = ask("OPTIONS", ("Via", "SIP/2.0/UDP proxy.example.com;branch=z9hG4bK2"))
    assert (response.status, response.reason) == (200, "OK")
    assert {"INVITE", "ACK", "CANCEL", "BYE", "MESSAGE", "OPTIONS", "NOTIFY"} == set(response.allow)
    assert response.accept[:2] == ("application/sdp", "application/dtmf-relay")
    assert "outbound" in response.supported
    assert len(response.vias) == 2
    assert response.to is not None
    assert response.to.tag
    assert response.get("CSeq") == "1 OPTIONS"
    assert response.get("User-Agent")
    assert response.get("Content-Length") == "0"


@pytest.mark.parametrize("method", ["INFO", "REFER", "SUBSCRIBE", "UPDATE", "PRACK", "PUBLISH", "REGISTER", "FOO"])
def test_methods_that_are_not_taken_outside_a_dialog(method: str) -> None:
    """405, and Allow names what is."""
    response = ask(method)
    assert response.status == 405
    assert method not in response.allow
    assert "MESSAGE" in response.allow


@pytest.mark.parametrize("method", ["BYE", "INFO", "INVITE", "NOTIFY", "REFER", "UPDATE", "PRACK", "SUBSCRIBE"])
def test_unknown_dialog(method: str) -> None:
    """A To tag that we never gave: 481, whoever the Request-URI means."""
    assert ask(method, to_tag="x", target="sip:whoever@example.org").status == 481


def test_bye_and_cancel_of_nothing() -> None:
    """481."""
    assert ask("BYE").status == 481
    assert ask("CANCEL").status == 481


def test_ack_is_never_answered() -> None:
    """Not even a bad one."""
    alice = Endpoint()
    alice.deliver(build_request("ACK"))
    alice.deliver(build_request("ACK").without("From"))
    alice.deliver(build_request("ACK", headers=[("Content-Length", "9")]))
    assert alice.sent == []
    assert alice.core.next_deadline() is None


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("sip:alice@example.com", 200),
        ("sip:ali%63e@example.com", 200),
        ("sip:alice@127.0.0.1:5060;alias=127.0.0.1~35458~5;transport=ws", 200),
        ("sip:example.com", 200),
        ("sip:bob@example.com", 404),
        ("sip:Alice@example.com", 404),
        ("sips:alice@example.com", 416),
        ("tel:+15551234", 416),
        ("foo:alice@example.com", 416),
    ],
)
def test_whom_a_request_is_for(target: str, status: int) -> None:
    """The user part alone decides; other schemes, and sips: on an insecure flow, are 416."""
    assert ask("OPTIONS", target=target).status == status


def test_sips_on_a_secure_flow() -> None:
    """It is fine there."""
    settings = {"ws_servers": ["wss://example.com"]}
    assert ask("OPTIONS", target="sips:alice@example.com", settings=settings).status == 200


def test_requests_to_contact_gruu_and_instance() -> None:
    """Each of our names (onsip/SIP.js#684; versatica/JsSIP#844)."""
    alice = Endpoint(register=True, contact_name="c1", instance_id="8f1fa16a-1165-4a96-8341-785b1ef24f12")
    contact = (alice.last_request().get("Contact") or "") + (
        ';pub-gruu="sip:pub@example.com;gr=x";temp-gruu="sip:temp@example.com;gr"'
    )
    alice.answer(200, [("Contact", contact)])
    instance = "sip:x@example.com;gr=urn:uuid:8f1fa16a-1165-4a96-8341-785b1ef24f12"
    targets = ["sip:c1@whatever.invalid", "sip:pub@example.com;gr=x", "sip:temp@example.com;gr", instance]
    for number, target in enumerate([*targets, "sip:x@example.com;gr=other"]):
        alice.deliver(build_request("OPTIONS", target, branch=f"z9hG4bK{number}", cseq=number))
    assert alice.statuses() == [200, 200, 200, 200, 404]


def test_unknown_require() -> None:
    """420, naming what is not supported, and only that."""
    response = ask("OPTIONS", ("Require", "outbound, foo"), ("Require", "bar"), ("Proxy-Require", "baz"))
    assert response.status == 420
    assert response.unsupported == ("foo", "bar")


def test_require_of_cancel_is_ignored() -> None:
    """§8.2.2.3."""
    assert ask("CANCEL", ("Require", "foo")).status == 481


def test_row_49_own_request_comes_back() -> None:
    """482 for a Call-ID of our own making."""
    alice = Endpoint()
    alice.core.request("MESSAGE", "alice", alice.now, body=b"x")
    alice.drain()
    call_id = alice.last_request().call_id or ""
    alice.deliver(build_request("MESSAGE", headers=TEXT, call_id=call_id, body=b"x"))
    assert alice.statuses() == [482]


def test_merged_request() -> None:
    """The same request on another way: 482 (§8.2.2.2)."""
    alice = Endpoint()
    alice.deliver(build_request("OPTIONS", branch="z9hG4bKa"))
    alice.deliver(build_request("OPTIONS", branch="z9hG4bKb"))
    assert alice.statuses() == [200, 482]


@pytest.mark.parametrize(
    "request_",
    [
        build_request("OPTIONS").without("From"),
        build_request("OPTIONS").without("Call-ID"),
        build_request("OPTIONS").with_header("CSeq", f"{2**64} OPTIONS"),
        build_request("OPTIONS").with_header("CSeq", "-1 OPTIONS"),
        build_request("OPTIONS").with_header("CSeq", ""),
        build_request("OPTIONS").with_header("CSeq", "1 INVITE"),
        build_request("OPTIONS").with_header("To", '"Alice <sip:alice@example.com>'),
        build_request("OPTIONS").with_added("Max-Forwards", "300"),
        build_request("OPTIONS", "sip:alice@example.com:99999"),
    ],
)
def test_malformed_requests(request_: Request) -> None:
    """400 without a transaction; no deadline is left."""
    alice = Endpoint()
    alice.deliver(request_)
    assert alice.statuses() == [400]
    assert alice.core.next_deadline() is None


@pytest.mark.parametrize("length", [b"1", b"99", b"-1", b"1e3", b"\xb2", b"0\r\nContent-Length: 1", b"9" * 5000])
def test_wrong_content_length(length: bytes) -> None:
    """400 (§18.3), but for an ACK."""
    alice = Endpoint()
    for method in ("OPTIONS", "ACK"):
        data = serialize(build_request(method))
        assert b"Content-Length: 0\r\n" in data
        alice.deliver(data.replace(b"Content-Length: 0\r\n", b"Content-Length: " + length + b"\r\n"))
    assert alice.statuses() == [400]


def test_request_without_via_is_dropped() -> None:
    """There is nobody to answer."""
    alice = Endpoint()
    alice.deliver(build_request("OPTIONS").without("Via"))
    assert alice.sent == []


def test_unknown_version() -> None:
    """505; JsSIP and SIP.js answer 200."""
    alice = Endpoint()
    for version in (b"SIP/3.0", b"SIP/7.0"):
        alice.deliver(
            b"OPTIONS sip:alice@example.com " + version + b"\r\nVia: SIP/2.0/WS b.invalid;branch=z9hG4bK1\r\n"
            b"To: <sip:alice@example.com>\r\nFrom: <sip:bob@example.com>;tag=1\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\n\r\n"
        )
    assert alice.statuses() == [505, 505]


def test_retransmission_is_absorbed() -> None:
    """What is being worked on is not begun anew."""
    alice = Endpoint()
    request = build_request("MESSAGE", headers=TEXT, body=b"x")
    alice.deliver(request)
    alice.deliver(request)
    assert len(alice.told(MessageReceived)) == 1


# MESSAGE


def test_row_14_message_waits_for_the_application() -> None:
    """The event comes before the 200, which has no body and no Contact (RFC 3428 §7)."""
    alice = Endpoint()
    alice.deliver(build_request("MESSAGE", headers=TEXT, body="grüß ¶".encode()))
    event = alice.last(MessageReceived)
    assert event.request.text == "grüß ¶"
    assert alice.sent == []
    alice.core.accept(event.id, alice.now, extra_headers=["X-Foo: 1"])
    alice.drain()
    (response,) = alice.responses()
    assert (response.status, response.get("X-Foo"), response.get("Contact"), response.body) == (200, "1", None, b"")
    assert alice.core.next_deadline() is None
    with pytest.raises(LocalProtocolError, match="answered"):
        alice.core.reject(event.id, alice.now)


def test_answer_with_a_body() -> None:
    """It is text/plain unless said otherwise."""
    alice = Endpoint()
    alice.deliver(build_request("MESSAGE", headers=TEXT, body=b"x"))
    alice.core.accept(alice.last(MessageReceived).id, alice.now, status=202, body=b"later")
    alice.drain()
    (response,) = alice.responses()
    assert (response.status, response.body, response.content_type) == (202, b"later", "text/plain")


def test_row_14_message_is_rejected() -> None:
    """With any status and phrase (onsip/SIP.js#245)."""
    alice = Endpoint()
    alice.deliver(build_request("MESSAGE", headers=TEXT, body=b"x"))
    alice.core.reject(alice.last(MessageReceived).id, alice.now, status=603, reason="No, thanks")
    alice.drain()
    (response,) = alice.responses()
    assert (response.status, response.reason) == (603, "No, thanks")


def test_message_that_nobody_answers() -> None:
    """The core accepts it, before its sender gives up."""
    alice = Endpoint()
    alice.deliver(build_request("MESSAGE", headers=TEXT, body=b"x"))
    alice.advance(ANSWER_TIMEOUT - 0.1)
    assert alice.sent == []
    alice.advance(0.2)
    assert alice.statuses() == [200]
    assert alice.core.next_deadline() is None


def test_answering_after_the_flow_is_lost() -> None:
    """It has no effect, and is no mistake."""
    alice = Endpoint()
    request = build_request("MESSAGE", headers=TEXT, body=b"x")
    alice.deliver(request)
    alice.drop()
    alice.advance(0)
    alice.establish()
    alice.deliver(request)
    first, second = alice.told(MessageReceived)
    alice.core.reject(first.id, alice.now)
    alice.drain()
    assert alice.sent == []
    alice.core.accept(second.id, alice.now)
    alice.drain()
    assert alice.statuses() == [200]


def test_message_of_any_type() -> None:
    """It is shown, not understood; a coding is not undone, though."""
    alice = Endpoint()
    alice.deliver(build_request("MESSAGE", headers=[("Content-Type", "multipart/mixed;boundary=x")], body=b"\0\xff"))
    assert alice.last(MessageReceived).request.body == b"\0\xff"
    response = ask("MESSAGE", *TEXT, ("Content-Encoding", "gzip"), body=b"\x1f\x8b")
    assert (response.status, response.get("Accept-Encoding")) == (415, "identity")


def test_bad_answers_are_refused() -> None:
    """A status of the wrong class and CR or LF: ValueError, and the request still waits."""
    alice = Endpoint()
    alice.deliver(build_request("MESSAGE", headers=TEXT, body=b"x"))
    request_id = alice.last(MessageReceived).id
    for status in (199, 300):
        with pytest.raises(ValueError, match="status"):
            alice.core.accept(request_id, alice.now, status=status)
    with pytest.raises(ValueError, match="status"):
        alice.core.reject(request_id, alice.now, status=200)
    with pytest.raises(ValueError, match="CR, LF"):
        alice.core.accept(request_id, alice.now, extra_headers=["X: a\r\nY: b"])
    with pytest.raises(ValueError, match="reason"):
        alice.core.reject(request_id, alice.now, reason="a\nb")
    with pytest.raises(LocalProtocolError, match="INVITE"):
        alice.core.provisional(request_id, alice.now)
    alice.core.accept(request_id, alice.now)
    alice.drain()
    assert alice.statuses() == [200]


# NOTIFY and REFER outside dialogs


def test_row_68_legacy_notifications() -> None:
    """481, or 200 and an event when they are allowed."""
    headers = [("Event", "message-summary"), ("Subscription-State", "active")]
    assert ask("NOTIFY", *headers).status == 481
    alice = Endpoint(allow_legacy_notifications=True)
    alice.deliver(build_request("NOTIFY", headers=headers))
    assert alice.statuses() == [200]
    assert alice.last(NotifyReceived).request.get("Event") == "message-summary"


def test_row_69_refer() -> None:
    """405; when allowed an event that waits for an answer, and is declined by itself."""
    refer_to = ("Refer-To", "<sip:carol@example.com>")
    assert ask("REFER", refer_to, ("Contact", "<sip:bob@b.invalid>")).status == 405
    alice = Endpoint(allow_out_of_dialog_refers=True)
    alice.deliver(build_request("REFER", headers=[refer_to]))
    event = alice.last(ReferReceived)
    assert event.request.get("Refer-To") == refer_to[1]
    alice.advance(ANSWER_TIMEOUT)
    assert alice.statuses() == [603]
    assert len(alice.requests()) == 0, "never followed unasked"
    alice.deliver(build_request("REFER", headers=[refer_to], branch="z9hG4bK2", cseq=2))
    alice.core.accept(alice.last(ReferReceived).id, alice.now, status=202)
    alice.drain()
    assert alice.statuses() == [603, 202]
    alice.deliver(build_request("REFER", branch="z9hG4bK3", cseq=3))
    assert alice.statuses()[-1] == 400


# INVITE


def test_row_28_invite_is_told_after_100() -> None:
    """100 without tag, then ringing and a refusal with the same tag each."""
    alice = Endpoint()
    routes = ("Record-Route", "<sip:p.example.com;lr>")
    alice.deliver(build_request("INVITE", headers=[routes, *SDP], body=b"v=0\r\n"))
    event = alice.last(InviteReceived)
    assert alice.statuses() == [100]
    assert alice.responses()[0].to is not None
    assert alice.responses()[0].get("To") == "<sip:alice@example.com>"
    alice.core.provisional(event.id, alice.now)
    alice.core.reject(event.id, alice.now, status=486)
    alice.drain()
    ringing, busy = alice.responses()[1:]
    assert (ringing.status, busy.status) == (180, 486)
    assert ringing.get("Contact") == f"<{alice.core.contact};ob>"
    assert ringing.get("Record-Route") == routes[1]
    assert ringing.get("To") == busy.get("To")
    alice.deliver(build_request("ACK", to_tag=busy.to.tag if busy.to else None))
    assert alice.core.next_deadline() is None


def test_invite_cannot_be_accepted_without_a_session() -> None:
    """LocalProtocolError, and it can still be refused."""
    alice = Endpoint()
    alice.deliver(build_request("INVITE"))
    event = alice.last(InviteReceived)
    with pytest.raises(LocalProtocolError, match="session"):
        alice.core.accept(event.id, alice.now)
    alice.core.reject(event.id, alice.now)
    alice.drain()
    assert alice.statuses() == [100, 480]


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        ([("Content-Type", "application/foo")], b"x", 415),
        ([("Content-Type", "application/foo"), ("Content-Disposition", "render; handling = optional")], b"x", 100),
        ([("Content-Type", "application/foo")], b"", 100),
        ([("Accept", "text/foo")], b"", 406),
        ([("Accept", "")], b"", 406),
        ([("Accept", "text/foo, application/SDP;level=1")], b"", 100),
        ([("Accept", "application/*")], b"", 100),
        ([("Accept", "*/*")], b"", 100),
        ([*SDP, ("Content-Encoding", "gzip")], b"x", 415),
    ],
)
def test_what_an_invite_carries_and_wants(headers: list[tuple[str, str]], body: bytes, status: int) -> None:
    """415 and 406 say what would do."""
    alice = Endpoint()
    alice.deliver(build_request("INVITE", headers=headers, body=body))
    assert alice.statuses() == [status]
    if status != 100:
        response = alice.responses()[0]
        assert "application/sdp" in response.accept or response.get("Accept-Encoding") == "identity"


def test_cancel() -> None:
    """200 to the CANCEL, 487 to the INVITE, then the event; the tags agree (§9.2)."""
    alice = Endpoint()
    alice.deliver(build_request("INVITE"))
    alice.deliver(build_request("CANCEL"))
    trying, ok, terminated = alice.responses()
    assert (trying.status, ok.status, terminated.status) == (100, 200, 487)
    assert (ok.get("CSeq"), terminated.get("CSeq")) == ("1 CANCEL", "1 INVITE")
    assert ok.get("To") == terminated.get("To")
    event = alice.last(IncomingCancelled)
    assert (event.id, event.cause) == (alice.last(InviteReceived).id, Cause.CANCELED)
    with pytest.raises(LocalProtocolError):
        alice.core.reject(event.id, alice.now)


def test_cancel_after_the_answer() -> None:
    """200, and nothing else."""
    alice = Endpoint()
    alice.deliver(build_request("INVITE"))
    alice.core.reject(alice.last(InviteReceived).id, alice.now)
    alice.deliver(build_request("CANCEL"))
    assert alice.statuses() == [100, 480, 200]
    assert not alice.told(IncomingCancelled)


@pytest.mark.parametrize("code", [408, 480])
def test_row_84_no_answer(code: int) -> None:
    """After no_answer_timeout the caller gets no_answer_code."""
    alice = Endpoint(no_answer_timeout=2, no_answer_code=code)
    alice.deliver(build_request("INVITE"))
    alice.advance(1.9)
    assert alice.statuses() == [100]
    alice.advance(0.2)
    assert alice.statuses() == [100, code]
    assert alice.last(IncomingCancelled).cause is Cause.NO_ANSWER


def test_row_84_invite_expires() -> None:
    """487 when the INVITE's own time is over, if that comes first."""
    alice = Endpoint()
    alice.deliver(build_request("INVITE", headers=[("Expires", "3")]))
    alice.advance(3)
    assert alice.statuses() == [100, 487]
    assert alice.last(IncomingCancelled).cause is Cause.EXPIRES
    alice = Endpoint(no_answer_timeout=2)
    alice.deliver(build_request("INVITE", headers=[("Expires", "3")]))
    alice.advance(3)
    assert alice.statuses() == [100, 408]


def test_invite_loses_its_flow() -> None:
    """The application hears of it."""
    alice = Endpoint()
    alice.deliver(build_request("INVITE"))
    alice.drop()
    assert alice.last(IncomingCancelled).cause is Cause.CONNECTION_ERROR
    assert alice.statuses() == [100]


# Many


def test_flood() -> None:
    """Thousands of OPTIONS and MESSAGEs are all answered, and nothing stays behind."""
    alice = Endpoint()
    for number in range(3000):
        alice.deliver(build_request("OPTIONS", branch=f"z9hG4bKo{number}", cseq=number, call_id="o"))
        alice.deliver(
            build_request("MESSAGE", headers=TEXT, branch=f"z9hG4bKm{number}", cseq=number, call_id="m", body=b"x")
        )
    alice.advance(ANSWER_TIMEOUT)
    assert alice.statuses().count(200) == 6000
    assert alice.core.next_deadline() is None


def test_more_messages_than_an_application_can_hold() -> None:
    """What waits is bounded: the rest gets 503, and then it goes on."""
    alice = Endpoint()
    for number in range(10_001):
        alice.deliver(build_request("MESSAGE", headers=TEXT, branch=f"z9hG4bK{number}", cseq=number, body=b"x"))
    assert alice.statuses() == [503]
    alice.deliver(build_request("INVITE", branch="z9hG4bKi", cseq=99999))
    assert alice.statuses() == [503, 503]
    alice.advance(ANSWER_TIMEOUT)
    assert alice.statuses().count(200) == 10_000


NAMES = ["Via", "From", "To", "Call-ID", "CSeq", "Contact", "Expires", "Require", "Record-Route", "Accept", "Route"]


@given(
    method=st.sampled_from(["OPTIONS", "MESSAGE", "INVITE", "BYE", "CANCEL", "NOTIFY", "REFER", "REGISTER", "ACK"]),
    changes=st.lists(st.tuples(st.sampled_from(NAMES), st.binary(max_size=30)), max_size=4),
    tail=st.binary(max_size=20),
)
def test_any_header_value_is_survived(method: str, changes: list[tuple[str, bytes]], tail: bytes) -> None:
    """Whatever stands in a header field: an answer or none, no exception, and no deadline is left in the end."""
    lines = {
        "Via": b"SIP/2.0/WS b.invalid;branch=z9hG4bK1",
        "From": b"<sip:bob@example.com>;tag=1",
        "To": b"<sip:alice@example.com>",
        "Call-ID": b"1",
        "CSeq": b"1 " + method.encode(),
    }
    lines.update(changes)
    head = b"".join([name.encode() + b": " + value + b"\r\n" for name, value in lines.items()])
    alice = Endpoint(allow_out_of_dialog_refers=True, allow_legacy_notifications=True)
    alice.deliver(method.encode() + b" sip:alice@example.com SIP/2.0\r\n" + head + b"\r\n" + tail)
    alice.advance(100)
    assert alice.core.next_deadline() is None
