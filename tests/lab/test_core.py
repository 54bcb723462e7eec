"""What the lab does with a request before anybody else sees it, and its services, without sockets or a clock."""

from __future__ import annotations

import pytest

from sipcli.sip.message import Request, serialize
from tests.lab.wire import Wire


def test_options_to_the_server() -> None:
    """Anybody may ask the lab itself what it can do."""
    wire = Wire()
    stranger = wire.phone("anonymous")
    stranger.uri = "sip:anonymous@anonymous.invalid"
    answer = stranger.exchange(stranger.request("OPTIONS", "sip:127.0.0.1"))
    assert answer.status == 200
    assert "REGISTER" in answer.allow
    assert "outbound" in answer.supported
    assert answer.to is not None
    assert answer.to.tag


def test_other_requests_to_the_server() -> None:
    """The lab itself reads no messages, and says what it knows nothing of."""
    alice = Wire().phone("alice")
    answer = alice.exchange(alice.request("MESSAGE", "sip:127.0.0.1"))
    assert answer.status == 405
    assert "OPTIONS" in answer.allow
    answer = alice.exchange(alice.request("OPTIONS", "sip:127.0.0.1", ("Require", "foo")))
    assert (answer.status, answer.unsupported) == (420, ("foo",))


def test_keep_alive() -> None:
    """CRLF CRLF is answered by CRLF, a single CRLF is not (RFC 5626 §4.4.1)."""
    alice = Wire().phone("alice")
    alice.send(b"\r\n\r\n")
    alice.send(b"\r\n")
    assert alice.arrived == [b"\r\n"]


def test_echo() -> None:
    """A MESSAGE to echo@ gets 200, and its body comes back in a MESSAGE to where the sender is registered."""
    alice = Wire().phone("alice", register=True)
    alice.start(
        alice.request("MESSAGE", "echo", ("Content-Type", "text/plain;charset=utf-8"), body="grüß dich".encode())
    )
    accepted, echoed = alice.messages()
    assert getattr(accepted, "status", None) == 200
    assert isinstance(echoed, Request)
    assert (echoed.method, echoed.uri_text, echoed.text) == ("MESSAGE", alice.contact, "grüß dich")
    assert echoed.content_type == "text/plain;charset=utf-8"
    assert str(echoed.from_).startswith("<sip:echo@127.0.0.1>;tag=")
    assert echoed.call_id != alice.call_id
    alice.answer(echoed, 200)
    assert alice.messages() == []


def test_echo_to_nobody() -> None:
    """A sender who is not registered gets the 200 only."""
    alice = Wire().phone("alice")
    alice.start(alice.request("MESSAGE", "echo", body=b"hi"))
    assert [getattr(message, "status", None) for message in alice.messages()] == [200]


@pytest.mark.parametrize("status", [300, 404, 486, 499, 503, 603, 699])
@pytest.mark.parametrize("method", ["MESSAGE", "OPTIONS", "INVITE", "SUBSCRIBE"])
def test_status_users(status: int, method: str) -> None:
    """A user that is called by a status answers with it, whatever the method."""
    answer = Wire().phone("alice").ask(method, str(status))
    assert answer.status == status
    assert answer.reason


def test_redirection() -> None:
    """A 3xx says where to, and that is somebody who answers."""
    answer = Wire().phone("alice").ask("MESSAGE", "302")
    assert str(answer.contact) == "<sip:echo@127.0.0.1>"


@pytest.mark.parametrize("user", ["200", "299", "700", "4861", "48"])
def test_other_numbers(user: str) -> None:
    """Only failures have users."""
    assert Wire().phone("alice").ask("MESSAGE", user).status == 404


def test_slow() -> None:
    """slow@ answers late, and only once it is late."""
    wire = Wire()
    alice = wire.phone("alice")
    alice.start(alice.request("MESSAGE", "slow"))
    wire.wait(0.99)
    assert alice.messages() == []
    wire.wait(0.01)
    assert alice.response().status == 200


@pytest.mark.parametrize("user", ["tone", "ring", "early", "bye", "echo"])
def test_calls_come_later(user: str) -> None:
    """The services for calls are known and say that they are not there yet."""
    answer = Wire().phone("alice").ask("INVITE", user)
    assert answer.status == 480
    assert "later" in answer.reason


def test_services_take_messages_only() -> None:
    """A service refuses methods that it does not know, and names those it does."""
    wire = Wire()
    alice = wire.phone("alice")
    answer = alice.ask("SUBSCRIBE", "echo")
    assert (answer.status, answer.allow) == (405, ("MESSAGE", "OPTIONS"))
    assert alice.ask("OPTIONS", "echo").allow == ("MESSAGE", "OPTIONS")


def test_services_want_credentials() -> None:
    """A service answers users who have signed."""
    alice = Wire().phone("alice")
    alice.send(alice.request("MESSAGE", "echo"))
    assert alice.response().status == 407


@pytest.mark.parametrize(
    ("old", "new", "status"),
    [
        (b"SIP/2.0\r\n", b"SIP/3.0\r\n", 505),
        (b"1 OPTIONS", b"1 MESSAGE", 400),
        (b"1 OPTIONS", b"99999999999 OPTIONS", 400),
        (b"Call-ID: call-1\r\n", b"", 400),
        (b"From: <", b"From: <<", 400),
        (b"sip:127.0.0.1 ", b"foo:bar ", 416),
        (b"sip:127.0.0.1 ", b"sip:@@ ", 400),
        (b"Content-Length: 0", b"Content-Length: 10", 400),
        (b"Content-Length: 0", b"Content-Length: -1", 400),
    ],
)
def test_malformed(old: bytes, new: bytes, status: int) -> None:
    """A request with a fault is answered, and the lab goes on."""
    alice = Wire().phone("alice")
    data = serialize(alice.request("OPTIONS", "sip:127.0.0.1"))
    assert old in data
    alice.send(data.replace(old, new, 1))
    assert alice.response().status == status
    assert alice.ask("OPTIONS", "sip:127.0.0.1").status == 200


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"hello",
        b"\xff\xfe\r\n\r\n",
        b"SIP/2.0 200 OK\r\n\r\n",
        b"OPTIONS sip:127.0.0.1 SIP/2.0\r\n\r\n",
        b"OPTIONS sip:127.0.0.1 SIP/2.0\r\nVia: nonsense\r\n\r\n",
        b"ACK sip:bob@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/WS a.invalid;branch=z9hG4bKa\r\nRoute: x\r\n\r\n",
    ],
)
def test_nobody_to_answer(data: bytes) -> None:
    """What says not whom to answer is passed over."""
    alice = Wire().phone("alice")
    alice.send(data)
    assert alice.messages() == []


def test_retransmission() -> None:
    """The same request again while it is under way is absorbed; its target sees it once."""
    wire = Wire()
    alice, bob = wire.phone("alice"), wire.phone("bob", register=True)
    alice.start(alice.request("MESSAGE", "bob"))
    sent = wire.lab.received[-1]
    bob.incoming()
    alice.send(sent)
    assert bob.messages() == []


def test_delay() -> None:
    """What the lab sends is held back, in order; what it receives is not."""
    wire = Wire(delay=0.05)
    alice = wire.phone("alice")
    alice.send(alice.request("OPTIONS", "sip:127.0.0.1"))
    wire.impairment.delay = 0.01
    alice.send(alice.request("OPTIONS", "sip:127.0.0.1"))
    wire.wait(0.04)
    assert alice.messages() == []
    wire.wait(0.01)
    assert [message.cseq.number for message in alice.messages() if message.cseq] == [1, 2]


def test_loss() -> None:
    """With a loss of one nothing passes, with half of it about half."""
    wire = Wire(loss=1.0)
    alice = wire.phone("alice")
    alice.send(alice.request("OPTIONS", "sip:127.0.0.1"))
    assert (alice.messages(), list(wire.lab.received)) == ([], [])
    wire.impairment.loss = 0.5
    for _ in range(400):
        alice.send(alice.request("OPTIONS", "sip:127.0.0.1"))
    assert 150 < len(wire.lab.received) < 250
    assert 50 < len(alice.messages()) < 150


def test_nothing_is_left() -> None:
    """Answered requests leave neither transactions nor deadlines."""
    wire = Wire()
    alice, bob = wire.phone("alice", register=True), wire.phone("bob", register=True)
    for _ in range(50):
        alice.start(alice.request("MESSAGE", "bob", body=b"hi"))
        bob.answer(bob.incoming(), 200)
        assert alice.response().status == 200
    assert wire.lab.next_deadline() is None
