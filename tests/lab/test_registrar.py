"""The lab's registrar (RFC 3261 §10.3; RFC 5626 §6; RFC 5627 §5), without sockets or a clock."""

from __future__ import annotations

import pytest

from sipcli.sip.digest import parse_challenge
from tests.lab.wire import Wire

INSTANCE = '+sip.instance="<urn:uuid:11111111-1111-4111-8111-111111111111>"'


def test_register_with_digest() -> None:
    """A REGISTER is challenged, strongest algorithm first, and then answered with the binding."""
    alice = Wire().phone("alice")
    alice.send(alice.request("REGISTER", alice.uri, ("Contact", f"<{alice.contact}>"), uri="sip:127.0.0.1"))
    challenge = alice.response()
    assert challenge.status == 401
    assert [parse_challenge(value).algorithm for value in challenge.get_all("WWW-Authenticate")] == ["SHA-256", "MD5"]
    granted = alice.register("expires=600")
    assert granted.status == 200
    [contact] = granted.contacts
    assert (str(contact.uri), contact.expires) == (alice.contact, 600)


@pytest.mark.parametrize("algorithm", ["MD5", "SHA-256", "SHA-512-256"])
def test_algorithms(algorithm: str) -> None:
    """The lab offers what it is told to offer, and takes it."""
    alice = Wire(algorithms=(algorithm,)).phone("alice")
    assert alice.register().status == 200


def test_wrong_password() -> None:
    """A wrong password is challenged again, without stale: no right answer will come of a new nonce."""
    alice = Wire().phone("alice")
    refused = alice.exchange(alice.request("REGISTER", alice.uri, uri="sip:127.0.0.1"), password="wrong")
    assert refused.status == 401
    assert not parse_challenge(refused.get_all("WWW-Authenticate")[0]).stale


def test_stale_nonce() -> None:
    """Credentials with an old nonce are right but stale (RFC 7616 §3.3)."""
    wire = Wire(nonce_lifetime=10)
    alice = wire.phone("alice")
    alice.register()
    sent = wire.lab.received[-1]
    wire.wait(11)
    alice.cseq += 1
    alice.send(sent.with_header("Via", f"SIP/2.0/WS {alice.host};branch={wire.ids.branch()}"))
    refused = alice.response()
    assert refused.status == 401
    assert all(parse_challenge(value).stale for value in refused.get_all("WWW-Authenticate"))


def test_unknown_user_and_foreign_domain() -> None:
    """Somebody who is not a user gets 404, another domain 403; neither is challenged."""
    wire = Wire()
    assert wire.phone("mallory").register().status == 404
    alice = wire.phone("alice")
    assert alice.exchange(alice.request("REGISTER", "sip:alice@example.com", uri="sip:example.com")).status == 403


def test_other_users_credentials() -> None:
    """Bob's password does not register alice (§10.3 step 4)."""
    wire = Wire()
    bob = wire.phone("bob")
    assert bob.exchange(bob.request("REGISTER", "alice", uri="sip:127.0.0.1")).status == 403
    assert wire.lab.registrar.bindings("alice", wire.now) == ()


def test_interval_too_brief() -> None:
    """A shorter expiry than min_expires gets 423 with Min-Expires, and changes nothing; 0 still removes."""
    wire = Wire(min_expires=300)
    alice = wire.phone("alice")
    refused = alice.register("expires=299")
    assert (refused.status, refused.min_expires) == (423, 300)
    assert wire.lab.registrar.bindings("alice", wire.now) == ()
    assert alice.register("expires=300").status == 200
    assert alice.register("expires=0").contacts == ()


@pytest.mark.parametrize(
    ("params", "headers", "granted"),
    [
        ((), (), 3600),
        ((), (("Expires", "60"),), 60),
        (("expires=30",), (("Expires", "60"),), 30),
        (("expires=7200",), (), 3600),
        (("expires=ten",), (("Expires", "60"),), 3600),
    ],
    ids=["nothing", "header", "parameter wins", "bounded", "malformed"],
)
def test_expiry(params: tuple[str, ...], headers: tuple[tuple[str, str], ...], granted: int) -> None:
    """The Contact's parameter counts, then the header field, then our own choice (§10.3 step 7, §10.2.1.1)."""
    [contact] = Wire().phone("alice").register(*params, headers=headers).contacts
    assert contact.expires == granted


def test_binding_expires() -> None:
    """A binding that is not refreshed is gone at its time, not before."""
    wire = Wire()
    wire.phone("alice").register("expires=60")
    wire.wait(59)
    assert len(wire.lab.registrar.bindings("alice", wire.now)) == 1
    wire.wait(1)
    assert wire.lab.registrar.bindings("alice", wire.now) == ()


def test_several_bindings_and_their_removal() -> None:
    """Each phone has its binding; Contact * removes all of them and needs Expires: 0 (§10.2.2)."""
    wire = Wire()
    one, other = wire.phone("alice"), wire.phone("alice")
    one.register()
    assert {str(contact.uri) for contact in other.register().contacts} == {one.contact, other.contact}
    star = ("Contact", "*")
    assert one.exchange(one.request("REGISTER", one.uri, star, uri="sip:127.0.0.1")).status == 400
    assert len(wire.lab.registrar.bindings("alice", wire.now)) == 2
    removed = one.exchange(one.request("REGISTER", one.uri, star, ("Expires", "0"), uri="sip:127.0.0.1"))
    assert (removed.status, removed.contacts) == (200, ())


def test_query() -> None:
    """A REGISTER without Contact lists the bindings and changes none."""
    wire = Wire()
    alice = wire.phone("alice", register=True)
    listed = alice.exchange(alice.request("REGISTER", alice.uri, uri="sip:127.0.0.1"))
    assert [str(contact.uri) for contact in listed.contacts] == [alice.contact]


def test_out_of_order() -> None:
    """A REGISTER with an older CSeq of the same Call-ID changes nothing (§10.3 step 7)."""
    wire = Wire()
    alice = wire.phone("alice", register=True)
    alice.cseq = 0
    assert alice.register("expires=0").status == 500
    assert len(wire.lab.registrar.bindings("alice", wire.now)) == 1


def test_unsupported_extension() -> None:
    """What REGISTER requires and the registrar does not know is named in the 420."""
    refused = Wire().phone("alice").register(headers=(("Require", "outbound, foo"),))
    assert (refused.status, refused.unsupported) == (420, ("foo",))


def test_outbound_flow_is_replaced() -> None:
    """The same instance and reg-id over a new flow is the same binding, whatever its URI (RFC 5626 §6)."""
    wire = Wire()
    first, second = wire.phone("alice"), wire.phone("alice")
    granted = first.register(INSTANCE, "reg-id=1", supported="outbound, path")
    assert granted.require == ("outbound",)
    [contact] = second.register(INSTANCE, "reg-id=1", supported="outbound, path").contacts
    assert str(contact.uri) == second.contact
    [binding] = wire.lab.registrar.bindings("alice", wire.now)
    assert (binding.flow, binding.reg_id) == (second.flow, 1)


def test_reg_id_is_ignored_without_outbound() -> None:
    """Without outbound in Supported two contacts of an instance are two bindings, and nothing is required back."""
    wire = Wire()
    wire.phone("alice").register(INSTANCE, "reg-id=1")
    granted = wire.phone("alice").register(INSTANCE, "reg-id=1")
    assert len(granted.contacts) == 2
    assert granted.require == ()


def test_gruu() -> None:
    """A client that supports gruu and names its instance gets both, a new temporary one each time (RFC 5627 §5)."""
    wire = Wire()
    alice = wire.phone("alice")
    assert "pub-gruu" not in alice.register(INSTANCE).contacts[0].params
    [first] = alice.register(INSTANCE, supported="gruu").contacts
    [second] = alice.register(INSTANCE, supported="gruu").contacts
    assert first.params["pub-gruu"] == "sip:alice@127.0.0.1;gr=urn:uuid:11111111-1111-4111-8111-111111111111"
    assert first.params["pub-gruu"] == second.params["pub-gruu"]
    assert first.params["temp-gruu"] != second.params["temp-gruu"]
    caller = wire.phone("bob")
    for gruu in (first.params["pub-gruu"], first.params["temp-gruu"], second.params["temp-gruu"]):
        assert gruu is not None
        caller.start(caller.request("OPTIONS", gruu))
        assert alice.incoming().uri_text == alice.contact
    contact = ("Contact", f"<{first.params['pub-gruu']}>")
    assert alice.exchange(alice.request("REGISTER", alice.uri, contact, uri="sip:127.0.0.1")).status == 403


def test_temporary_gruu_ends_with_its_call_id() -> None:
    """A registration under a new Call-ID makes the old temporary GRUUs nobody's (RFC 5627 §5.2)."""
    wire = Wire()
    alice = wire.phone("alice")
    [contact] = alice.register(INSTANCE, supported="gruu").contacts
    alice.call_id = "another"
    alice.register(INSTANCE, supported="gruu")
    bob = wire.phone("bob")
    temporary = contact.params["temp-gruu"]
    assert temporary is not None
    assert bob.exchange(bob.request("OPTIONS", temporary)).status == 404


def test_contact_parameters_come_back() -> None:
    """What a Contact says of itself stands in the answer as it was sent."""
    [contact] = Wire().phone("alice").register("q=0.7", 'x="a;b"', INSTANCE).contacts
    assert contact.q == 0.7
    assert contact.params["x"] == "a;b"
    assert contact.params["+sip.instance"] == "<urn:uuid:11111111-1111-4111-8111-111111111111>"


def test_binding_outlives_its_flow() -> None:
    """A lost connection removes no binding: a later process can refresh or remove it."""
    wire = Wire()
    wire.phone("alice", register=True).hang_up()
    assert len(wire.lab.registrar.bindings("alice", wire.now)) == 1
    other = wire.phone("alice")
    assert (
        other.exchange(
            other.request("REGISTER", other.uri, ("Contact", "*"), ("Expires", "0"), uri="sip:127.0.0.1")
        ).contacts
        == ()
    )
