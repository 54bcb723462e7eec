"""The lab's proxy (RFC 3261 §16), without sockets or a clock."""

from __future__ import annotations

import pytest

from sipcli.sip.message import Request, Response
from tests.lab.wire import Phone, Wire


def invite(caller: Phone, callee: str) -> None:
    """Send an INVITE through to the callee's phones; only 100 has come back."""
    caller.start(caller.request("INVITE", callee, ("Contact", f"<{caller.contact}>")))
    assert caller.response().status == 100


def in_dialog(caller: Phone, answer: Response, method: str) -> Request:
    """Build a request inside the dialog that a 2xx made."""
    assert answer.to is not None
    assert answer.to.tag is not None
    assert answer.contact is not None
    routes = [("Route", str(route)) for route in reversed(answer.record_routes)]
    assert answer.cseq is not None
    if method == "ACK":
        caller.cseq = answer.cseq.number - 1
    return caller.request(method, "bob", *routes, uri=str(answer.contact.uri), to_tag=answer.to.tag)


def test_message() -> None:
    """A MESSAGE is signed, reaches the contact of its user, and the answer comes back (§16.6, §16.7)."""
    wire = Wire()
    alice, bob = wire.phone("alice"), wire.phone("bob", register=True)
    request = alice.request("MESSAGE", "bob", ("Content-Type", "text/plain"), ("X-Own", "1"), body=b"hi")
    alice.start(request)
    forwarded = bob.incoming()
    assert (forwarded.method, forwarded.uri_text, forwarded.body) == ("MESSAGE", bob.contact, b"hi")
    assert forwarded.max_forwards == 69
    assert [via.sent_by for via in forwarded.vias] == ["127.0.0.1:5080", alice.host]
    assert (forwarded.vias[1].received, forwarded.vias[1].rport) == ("127.0.0.1", 40001)
    assert forwarded.get("X-Own") == "1"
    assert forwarded.get("Proxy-Authorization") is None
    assert forwarded.record_routes == ()
    bob.answer(forwarded, 200)
    answer = alice.response()
    assert answer.status == 200
    assert [via.sent_by for via in answer.vias] == [alice.host]


def test_sender_is_challenged() -> None:
    """Who claims to be of the domain must prove it; who does not is let in to its users."""
    wire = Wire()
    alice, bob = wire.phone("alice"), wire.phone("bob", register=True)
    alice.send(alice.request("MESSAGE", "bob"))
    assert alice.response().status == 407
    assert alice.exchange(alice.request("MESSAGE", "bob"), password="wrong").status == 407
    stranger = wire.phone("stranger")
    assert stranger.ask("MESSAGE", "bob").status == 403
    assert bob.messages() == []
    stranger.uri = "sip:anonymous@anonymous.invalid"
    stranger.send(stranger.request("MESSAGE", "bob"))
    assert bob.incoming().method == "MESSAGE"


def test_credentials_of_another() -> None:
    """Alice's From with bob's credentials is refused."""
    wire = Wire()
    bob = wire.phone("bob")
    bob.uri = "sip:alice@127.0.0.1"
    assert bob.ask("MESSAGE", "carol").status == 403


def test_credentials_for_others_go_on() -> None:
    """Only the credentials of the lab's own realm are used up here (§22.3)."""
    wire = Wire()
    alice, bob = wire.phone("alice"), wire.phone("bob", register=True)
    others = [("Proxy-Authorization", 'Digest realm="far", nonce="n"'), ("Proxy-Authorization", "Basic x")]
    alice.start(alice.request("MESSAGE", "bob", *others))
    assert [("Proxy-Authorization", value) for value in bob.incoming().get_all("Proxy-Authorization")] == others


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("dave", 404),
        ("bob", 480),
        ("sip:bob@localhost", 480),
        ("sip:bob@example.com", 403),
        ("sip:gone@xyz.invalid", 480),
        ("tel:+1234", 416),
    ],
)
def test_not_reached(target: str, status: int) -> None:
    """Nobody of that name, nobody there, another domain, another scheme."""
    assert Wire().phone("alice").ask("MESSAGE", target).status == status


def test_lost_phone() -> None:
    """A phone that is gone is not registered anywhere that counts; one lost in the middle ends the request at once."""
    wire = Wire()
    alice, bob = wire.phone("alice"), wire.phone("bob", register=True)
    alice.start(alice.request("MESSAGE", "bob"))
    bob.hang_up()
    assert alice.response().status == 480
    assert alice.ask("MESSAGE", "bob").status == 480


def test_phone_that_never_answers() -> None:
    """A phone that says nothing ends as 408 after timer F."""
    wire = Wire()
    alice, _ = wire.phone("alice"), wire.phone("bob", register=True)
    alice.start(alice.request("MESSAGE", "bob"))
    wire.wait(31.9)
    assert alice.messages() == []
    wire.wait(0.1)
    assert alice.response().status == 408
    assert wire.lab.next_deadline() is None


@pytest.mark.parametrize(("method", "value", "status"), [("MESSAGE", "0", 483), ("MESSAGE", "x", 400)])
def test_max_forwards(method: str, value: str, status: int) -> None:
    """A request that has come too far, or says nonsense of it, goes no further (§16.3 step 3)."""
    wire = Wire()
    alice, bob = wire.phone("alice"), wire.phone("bob", register=True)
    assert alice.ask(method, "bob", ("Max-Forwards", value)).status == status
    assert bob.messages() == []


def test_loop() -> None:
    """A request that comes back as it went is stopped (§16.3 step 4); another target makes it a spiral."""
    wire = Wire()
    alice, bob = wire.phone("alice"), wire.phone("bob", register=True)
    wire.phone("carol", register=True)
    alice.start(alice.request("MESSAGE", "bob"))
    forwarded = bob.incoming()
    branch = ("Via", f"SIP/2.0/WS {bob.host};branch={wire.ids.branch()}")
    for user, status in (("bob", 482), ("carol", 407)):
        target = f"sip:{user}@127.0.0.1"
        bob.send(Request("MESSAGE", target, [branch, *forwarded.headers], forwarded.body).with_header("X", user))
        branch = ("Via", f"SIP/2.0/WS {bob.host};branch={wire.ids.branch()}")
        assert bob.response().status == status


def test_proxy_require() -> None:
    """What the proxy must know and does not is named in the 420 (§16.3 step 5)."""
    answer = Wire().phone("alice").ask("MESSAGE", "bob", ("Proxy-Require", "foo"))
    assert (answer.status, answer.unsupported) == (420, ("foo",))


def test_fork_takes_the_first_success() -> None:
    """A MESSAGE goes to both phones of its user; the first 2xx goes back and nothing after it."""
    wire = Wire()
    alice, one, other = wire.phone("alice"), wire.phone("bob", register=True), wire.phone("bob", register=True)
    alice.start(alice.request("MESSAGE", "bob"))
    first, second = one.incoming(), other.incoming()
    one.answer(first, 486)
    assert alice.messages() == []
    other.answer(second, 200)
    assert alice.response().status == 200


@pytest.mark.parametrize(
    ("statuses", "best"),
    [((486, 404), 404), ((503, 486), 486), ((503, 503), 500), ((302, 404), 302), ((415, 404), 415), ((603, 404), 603)],
)
def test_best_response(statuses: tuple[int, int], best: int) -> None:
    """With no success the best failure goes back (§16.7 step 6)."""
    wire = Wire()
    alice, *phones = wire.phone("alice"), wire.phone("bob", register=True), wire.phone("bob", register=True)
    alice.start(alice.request("MESSAGE", "bob"))
    for phone, status in zip(phones, statuses, strict=True):
        phone.answer(phone.incoming(), status)
    assert alice.response().status == best


def test_challenges_of_all_branches() -> None:
    """The challenges of every phone that asks for credentials go back together (§16.7 step 7)."""
    wire = Wire()
    alice, *phones = wire.phone("alice"), wire.phone("bob", register=True), wire.phone("bob", register=True)
    alice.start(alice.request("MESSAGE", "bob"))
    for phone, realm in zip(phones, "ab", strict=True):
        phone.answer(phone.incoming(), 401, None, ("WWW-Authenticate", f'Digest realm="{realm}", nonce="n"'))
    assert len(alice.response().get_all("WWW-Authenticate")) == 2


# Calls


def test_call() -> None:
    """INVITE, 180, 200, ACK, BYE from the far end: the dialog's requests come through the lab unsigned (§16.4)."""
    wire = Wire()
    alice, bob = wire.phone("alice"), wire.phone("bob", register=True)
    invite(alice, "bob")
    forwarded = bob.incoming()
    [route] = forwarded.record_routes
    assert "lr" in route.uri.params  # type: ignore[union-attr]
    copied = [("Record-Route", str(route)), ("Contact", f"<{bob.contact}>")]
    bob.answer(forwarded, 180, None, *copied)
    assert alice.response().status == 180
    bob.answer(forwarded, 200, None, *copied)
    accepted = alice.response()
    assert accepted.status == 200
    alice.send(in_dialog(alice, accepted, "ACK"))
    assert bob.incoming().method == "ACK"
    bye = bob.request("BYE", alice.uri, ("Route", str(route)), uri=alice.contact, to_tag="tag1")
    bob.send(bye)
    arrived = alice.incoming()
    assert (arrived.method, arrived.uri_text, arrived.routes) == ("BYE", alice.contact, ())
    alice.answer(arrived, 200)
    assert bob.response().status == 200


def test_ack_with_the_branch_of_its_invite() -> None:
    """Some clients send the ACK of a 2xx with the INVITE's branch; it goes on all the same (RFC 6026 §7.1)."""
    wire = Wire()
    alice, bob = wire.phone("alice"), wire.phone("bob", register=True)
    invite(alice, "bob")
    bob.answer(bob.incoming(), 200, None, ("Contact", f"<{bob.contact}>"))
    accepted = alice.response()
    branch = wire.lab.received[-1].get("Via")
    assert branch is not None
    alice.send(in_dialog(alice, accepted, "ACK").with_header("Via", branch))
    assert bob.incoming().method == "ACK"


def test_ack_to_nowhere() -> None:
    """An ACK that leads nowhere is passed over: there is no answer to it."""
    alice = Wire().phone("alice")
    for target in ("bob", "sip:bob@example.com", "tel:+1"):
        alice.send(alice.request("ACK", target))
    alice.send(alice.request("ACK", "bob", ("Max-Forwards", "0")))
    assert alice.messages() == []


def test_late_answers() -> None:
    """Every 2xx to an INVITE goes back, a second final response to another request does not (RFC 6026 §7.2)."""
    wire = Wire()
    alice, one, other = wire.phone("alice"), wire.phone("bob", register=True), wire.phone("bob", register=True)
    invite(alice, "bob")
    first, second = one.incoming(), other.incoming()
    one.answer(first, 200)
    other.answer(second, 200)
    assert [message.status for message in alice.messages() if isinstance(message, Response)] == [200, 200]
    alice.start(alice.request("MESSAGE", "bob"))
    one.arrived, other.arrived = one.arrived[-1:], other.arrived[-1:]
    first, second = one.incoming(), other.incoming()
    one.answer(first, 200)
    other.answer(second, 200)
    assert [message.status for message in alice.messages() if isinstance(message, Response)] == [200]


def test_dialog_of_others() -> None:
    """Somebody who is not of the dialog cannot use its Route: the sender is challenged."""
    wire = Wire()
    alice, bob, carol = wire.phone("alice"), wire.phone("bob", register=True), wire.phone("carol")
    invite(alice, "bob")
    route = ("Route", str(bob.incoming().record_route))
    carol.send(carol.request("BYE", "bob", route, uri="sip:bob9@elsewhere.invalid", to_tag="x"))
    assert carol.response().status == 407
    alice.send(alice.request("BYE", "bob", ("Route", "<sip:other.example.com;lr>"), uri=bob.contact))
    assert alice.response().status == 403


def test_dialog_follows_a_new_flow() -> None:
    """A callee that registers again from a new connection is reached there (RFC 5626 §5.3)."""
    wire = Wire()
    alice, bob = wire.phone("alice"), wire.phone("bob", register=True)
    invite(alice, "bob")
    forwarded = bob.incoming()
    bob.answer(forwarded, 200, None, ("Record-Route", str(forwarded.record_route)), ("Contact", f"<{bob.contact}>"))
    accepted = alice.response()
    bob.hang_up()
    again = wire.phone("bob")
    again.contact = bob.contact
    again.register()
    alice.send(in_dialog(alice, accepted, "ACK"))
    assert again.incoming().method == "ACK"


def test_forked_call() -> None:
    """The phone that did not answer is cancelled, with the reason, and its 487 stays in the lab."""
    wire = Wire()
    alice, one, other = wire.phone("alice"), wire.phone("bob", register=True), wire.phone("bob", register=True)
    invite(alice, "bob")
    first, second = one.incoming(), other.incoming()
    one.answer(first, 180)
    other.answer(second, 180)
    assert [message.status for message in alice.messages() if isinstance(message, Response)] == [180, 180]
    one.answer(first, 200)
    assert alice.response().status == 200
    cancel = other.incoming()
    assert (cancel.method, cancel.via) == ("CANCEL", second.via)
    assert (cancel.get("Reason") or "").startswith("SIP;cause=200")
    other.answer(cancel, 200)
    other.answer(second, 487)
    assert other.incoming().method == "ACK"
    assert alice.messages() == []


def test_decline_everywhere() -> None:
    """A 6xx cancels the other branches, and goes back when they have ended (§16.7 step 5)."""
    wire = Wire()
    alice, one, other = wire.phone("alice"), wire.phone("bob", register=True), wire.phone("bob", register=True)
    invite(alice, "bob")
    first, second = one.incoming(), other.incoming()
    other.answer(second, 180)
    alice.messages()
    one.answer(first, 603)
    assert alice.messages() == []
    assert other.incoming().method == "CANCEL"
    other.answer(second, 487)
    assert alice.response().status == 603


def test_cancel() -> None:
    """A CANCEL is answered here and goes on, its Reason with it, as soon as the callee has been heard of (§9.1)."""
    wire = Wire()
    alice, bob = wire.phone("alice"), wire.phone("bob", register=True)
    invite(alice, "bob")
    sent = wire.lab.received[-1]
    forwarded = bob.incoming()
    cancel = Request(
        "CANCEL",
        sent.uri_text,
        [(name, sent.get(name) or "") for name in ("Via", "Max-Forwards", "To", "From", "Call-ID")]
        + [("CSeq", f"{alice.cseq} CANCEL"), ("Reason", 'SIP;cause=600;text="Nope"')],
    )
    alice.send(cancel)
    assert alice.response().status == 200
    assert bob.messages() == []
    bob.answer(forwarded, 180)
    arrived = bob.incoming()
    assert (arrived.method, arrived.get("Reason")) == ("CANCEL", 'SIP;cause=600;text="Nope"')
    bob.answer(arrived, 200)
    bob.answer(forwarded, 487)
    assert alice.response().status == 487


def test_cancel_of_nothing() -> None:
    """A CANCEL that matches no INVITE gets 481."""
    alice = Wire().phone("alice")
    alice.send(alice.request("CANCEL", "bob"))
    assert alice.response().status == 481


def test_ringing_for_ever() -> None:
    """Timer C cancels what rings for over three minutes; without an answer to that it ends as 408 (§16.8, §9.1)."""
    wire = Wire()
    alice, bob = wire.phone("alice"), wire.phone("bob", register=True)
    invite(alice, "bob")
    bob.answer(bob.incoming(), 180)
    alice.messages()
    wire.wait(180)
    assert bob.messages() == []
    wire.wait(2)
    assert bob.incoming().method == "CANCEL"
    wire.wait(64 * 0.5)
    assert alice.response().status == 408


def test_callee_that_says_nothing() -> None:
    """An INVITE without any answer ends as 408 after timer B."""
    wire = Wire()
    alice, _ = wire.phone("alice"), wire.phone("bob", register=True)
    invite(alice, "bob")
    wire.wait(32)
    assert alice.response().status == 408
