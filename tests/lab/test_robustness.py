"""Whatever a client sends, the lab goes on (RFC 4475, RFC 5118, and octets of no RFC)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sipcli.sip.message import Request, serialize
from tests.lab.wire import Phone, Wire

DATA = Path(__file__).resolve().parent.parent / "data"
TORTURE = sorted([*DATA.glob("rfc4475/*.dat"), *DATA.glob("rfc5118/**/*.dat")])


def survives(phone: Phone) -> bool:
    """Tell whether the lab still answers."""
    phone.arrived.clear()
    return phone.exchange(phone.request("OPTIONS", "sip:127.0.0.1")).status == 200


@pytest.mark.parametrize("path", TORTURE, ids=lambda path: path.stem)
def test_torture(path: Path) -> None:
    """A torture message from a registered phone, as a request and as an answer, leaves a working lab."""
    wire = Wire()
    alice, bob = wire.phone("alice", register=True), wire.phone("bob", register=True)
    alice.start(alice.request("MESSAGE", "bob"))
    bob.send(path.read_bytes())
    wire.wait(40)
    assert survives(alice)


NUL = [
    (("OPTIONS", "sip:127.0.0.1", ("Require", "?")), 400),
    (("OPTIONS", "sip:127.0.0.1", ("X", "?")), 200),
    (("OPTIONS", "bob", ("Proxy-Require", "?")), 400),
    (("MESSAGE", "bob", ("Proxy-Authorization", "?")), 400),
    (("INVITE", "bob", ("From", '"?" <sip:x@example.com>;tag=1')), 400),
    (("REGISTER", "alice", ("Contact", '<sip:x@y.invalid>;x="?"')), 400),
    (("CANCEL", "bob", ("Reason", 'SIP;text="?"')), 400),
    (("OPTIONS", "sip:127.0.0.1", ("Via", 'SIP/2.0/WS a.invalid;branch=z9hG4bKnul;x="?"')), 400),
]


@pytest.mark.parametrize(("parts", "status"), NUL, ids=[parts[2][0] for parts, _ in NUL])
def test_nul(parts: tuple[str, str, tuple[str, str]], status: int) -> None:
    """A NUL cannot go into a message of our own, so a request with one where it would have to is refused."""
    wire = Wire()
    alice = wire.phone("alice")
    alice.send(serialize(alice.request(*parts)).replace(b"?", b"\0"))
    assert alice.response().status == status
    assert survives(alice)


def requests() -> Iterator[bytes]:
    """Return what the mutations begin with."""
    phone = Wire().phone("alice")
    fields = [
        ("Contact", '"A" <sip:a@b.invalid;transport=ws>;expires=5;reg-id=1;+sip.instance="<urn:x>"'),
        ("Supported", "outbound, gruu"),
        ("Route", "<sip:127.0.0.1:5080;lr>"),
        ("Require", "outbound"),
        ("Content-Type", "text/plain"),
    ]
    phone.uri = "sip:anonymous@anonymous.invalid"
    for method in ("MESSAGE", "OPTIONS", "INVITE", "REGISTER", "CANCEL", "ACK", "BYE"):
        for target in ("bob", "echo", "486", "sip:127.0.0.1"):
            yield serialize(phone.request(method, target, *fields, body=b"hello"))


MUTATION = st.tuples(
    st.integers(0, 1000), st.integers(0, 20), st.binary(max_size=8) | st.sampled_from([b"\0", b";", b'"'])
)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(list(requests())), st.lists(MUTATION, max_size=4))
def test_mutations(data: bytes, mutations: list[tuple[int, int, bytes]]) -> None:
    """Cut, overwritten and with octets put in, a request is answered or passed over."""
    for place, length, octets in mutations:
        data = data[:place] + octets + data[place + length :]
    wire = Wire()
    alice, bob = wire.phone("alice"), wire.phone("bob", register=True)
    alice.send(data)
    for message in bob.messages():
        if isinstance(message, Request) and message.method != "ACK":
            bob.answer(message, 486)
    assert survives(alice)
