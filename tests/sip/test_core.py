"""The user agent core as a whole (RFC 3261 §5, §8; RFC 7118; PARAMETERS rows 4, 5, 8, 9, 23, 24, 31, 100)."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sipcli.config import Config
from sipcli.sip.core import UserAgentCore
from sipcli.sip.errors import LocalProtocolError
from sipcli.sip.events import (
    Cause,
    Connect,
    Connected,
    Connecting,
    Disconnect,
    Disconnected,
    MessageReceived,
    Ping,
    RegistrationFailed,
    RequestAccepted,
    RequestCancelled,
    RequestFailed,
    TransactionCreated,
    TransactionDestroyed,
    Transmit,
    Unregistered,
)
from sipcli.sip.ids import Ids
from sipcli.sip.message import serialize
from sipcli.sip.timers import Timers
from tests.sip.endpoint import Endpoint, build_request

TEXT = [("Content-Type", "text/plain")]


def stop(alice: Endpoint) -> None:
    alice.core.stop(alice.now)
    alice.drain()


def message(alice: Endpoint, method: str = "MESSAGE") -> int:
    request_id = alice.core.request(method, "bob", alice.now, body=b"x")
    alice.drain()
    return request_id


def registered(**arguments: Any) -> Endpoint:
    alice = Endpoint(register=True, **arguments)
    alice.answer(200, [("Contact", alice.last_request().get("Contact") or "")])
    return alice


def stopped(alice: Endpoint) -> bool:
    return alice.core.stopped


def connected(alice: Endpoint) -> bool:
    return alice.core.connected_flow is not None


# Connecting


def test_rows_4_9_23_start() -> None:
    """start() connects; a second one changes nothing."""
    alice = Endpoint(connect=False)
    alice.core.start(alice.now)
    alice.core.start(alice.now)
    alice.drain()
    assert [type(order) for order in alice.orders] == [Connect]
    assert not connected(alice)
    alice.now += 0.02
    alice.establish()
    alice.core.start(alice.now)
    alice.drain()
    assert alice.core.connected_flow == alice.flow
    url = "ws://127.0.0.1:5060"
    assert [event for event in alice.events if isinstance(event, Connecting)] == [Connecting(url, 1)]
    assert alice.last(Connected).milliseconds == pytest.approx(20)


def test_start_without_a_server() -> None:
    """There is no default server."""
    with pytest.raises(LocalProtocolError, match="ws_servers"):
        Endpoint(ws_servers=[])


def test_row_24_disconnected_at_once() -> None:
    """With code, reason and what comes next."""
    alice = Endpoint()
    alice.drop(1001, "going away", clean=True)
    event = alice.last(Disconnected)
    assert (event.code, event.reason, event.clean, event.will_retry_in) == (1001, "going away", True, 0)
    assert not connected(alice)


def test_row_31_transactions_are_told() -> None:
    """Created and destroyed, with the same key."""
    alice = Endpoint()
    message(alice)
    alice.answer(200)
    (created,), (destroyed,) = alice.told(TransactionCreated), alice.told(TransactionDestroyed)
    assert created.key == destroyed.key


def test_other_flows_are_not_listened_to() -> None:
    """What still comes from a connection that was given up is dropped."""
    alice = Endpoint()
    alice.core.receive(serialize(build_request("OPTIONS")), alice.flow + 1, alice.now)
    alice.drain()
    assert alice.sent == []


@pytest.mark.parametrize(("data", "answer"), [(b"\r\n\r\n", b"\r\n"), (b"\r\n", None), (b"", None)])
def test_crlf_is_keep_alive(data: bytes, answer: bytes | None) -> None:
    """A double CRLF is answered by a single one (RFC 5626 §4.4.1), a single one is an answer."""
    alice = Endpoint()
    alice.outputs.clear()
    alice.deliver(data)
    assert alice.outputs == ([] if answer is None else [Transmit(alice.flow, answer)])


def test_message_after_empty_lines() -> None:
    """§7.5."""
    alice = Endpoint()
    alice.deliver(b"\r\n\r\n" + serialize(build_request("OPTIONS")))
    assert alice.statuses() == [200]


def test_row_100_keep_alive_by_options() -> None:
    """An OPTIONS on the flow; any answer will do, a challenge is not answered, silence costs the flow."""
    alice = Endpoint(keep_alive="options", keep_alive_interval=20, password="secret")
    alice.advance(20)
    (ping,) = alice.requests("OPTIONS")
    assert ping.uri_text == "sip:example.com"
    alice.answer(401, [("WWW-Authenticate", 'Digest realm="example.com", nonce="1", algorithm=MD5')])
    alice.advance(15)
    assert len(alice.requests()) == 1
    assert connected(alice)
    alice.advance(20)
    assert len(alice.requests()) == 2
    assert not connected(alice)
    assert not alice.told(RequestFailed)


def test_row_100_keep_alive_by_ping() -> None:
    """A pong keeps the flow."""
    alice = Endpoint(keep_alive="ping", keep_alive_interval=20)
    alice.advance(20)
    assert alice.orders[-1] == Ping(alice.flow)
    alice.core.pong(alice.flow, alice.now)
    alice.advance(15)
    assert connected(alice)
    alice.advance(30)
    assert not connected(alice)


# Stopping (row 5)


def test_row_5_stop_unregisters_then_disconnects() -> None:
    """REGISTER with expires=0, then the close, when it has been answered."""
    alice = registered()
    stop(alice)
    assert (alice.last_request().get("Contact") or "").endswith(";expires=0")
    assert not any(isinstance(order, Disconnect) for order in alice.orders)
    alice.answer(200)
    assert alice.told(Unregistered)
    assert alice.orders[-1] == Disconnect(alice.flow)
    assert not stopped(alice)
    alice.drop(1000, "", clean=True)
    assert stopped(alice)
    assert alice.core.next_deadline() is None
    assert [event.cause for event in alice.told(Unregistered)] == [None]


def test_row_5_stop_leaves_the_binding_when_told_to() -> None:
    """graceful_shutdown = false: nothing is sent, and nothing claims to be unregistered."""
    alice = registered(graceful_shutdown=False)
    stop(alice)
    alice.drop(1000, "", clean=True)
    assert stopped(alice)
    assert len(alice.requests()) == 1
    assert not alice.told(Unregistered)
    assert not alice.core.registered


def test_row_5_stop_waits_for_requests() -> None:
    """Until no non-INVITE transaction is left; what waits for a flow or a password fails."""
    alice = Endpoint()
    request_id = message(alice)
    alice.deliver(build_request("MESSAGE", headers=TEXT, body=b"x"))
    stop(alice)
    assert len(alice.orders) == 1
    alice.answer(200)
    assert alice.last(RequestAccepted).id == request_id
    assert len(alice.orders) == 1
    alice.core.accept(alice.last(MessageReceived).id, alice.now)
    alice.drain()
    assert alice.orders[-1] == Disconnect(alice.flow)


def test_row_5_stop_ends_invites() -> None:
    """Ringing ones are refused, ours cancelled."""
    alice = Endpoint()
    message(alice, "INVITE")
    invite = alice.answer(180)
    alice.deliver(build_request("INVITE"))
    stop(alice)
    assert 480 in alice.statuses()
    assert [request.method for request in alice.requests()] == ["INVITE", "CANCEL"]
    assert alice.told(RequestCancelled)
    alice.answer(487, request=invite)


def test_row_5_requests_are_dropped_after_stop() -> None:
    """Nothing new is taken."""
    alice = registered()
    stop(alice)
    alice.deliver(build_request("OPTIONS"))
    assert alice.statuses() == []


def test_row_5_second_stop_does_not_wait() -> None:
    """The flow is closed at once."""
    alice = registered()
    stop(alice)
    stop(alice)
    assert alice.orders[-1] == Disconnect(alice.flow)


@pytest.mark.parametrize("when", ["never started", "connecting", "waiting"])
def test_stop_without_a_connection(when: str) -> None:
    """There is nothing to wait for; what waited fails."""
    alice = Endpoint(connect=False, register=True)
    request_id = message(alice)
    if when != "never started":
        alice.core.start(alice.now)
        alice.drain()
    if when == "waiting":
        alice.drop()
    stop(alice)
    assert stopped(alice)
    assert alice.told(RequestFailed) == [RequestFailed(request_id, Cause.CONNECTION_ERROR)]
    assert alice.core.next_deadline() is None


def test_stop_while_registering() -> None:
    """A binding that comes about after all is removed."""
    alice = Endpoint(register=True)
    stop(alice)
    assert len(alice.requests()) == 1
    alice.answer(200, [("Contact", alice.last_request().get("Contact") or "")])
    assert (alice.last_request().get("Contact") or "").endswith(";expires=0")
    alice.answer(200)
    assert alice.orders[-1] == Disconnect(alice.flow)


def test_connection_lost_while_stopping() -> None:
    """That is an end too."""
    alice = registered()
    stop(alice)
    alice.drop()
    assert stopped(alice)


def test_start_after_stop() -> None:
    """Everything is as at first."""
    alice = registered()
    stop(alice)
    alice.answer(200)
    alice.drop(1000, "", clean=True)
    alice.core.start(alice.now)
    alice.drain()
    alice.establish()
    assert not stopped(alice)
    assert len(alice.requests("REGISTER")) == 3
    alice.deliver(build_request("OPTIONS"))
    assert alice.statuses() == [200]


def test_restart_without_a_connection_in_between() -> None:
    """A removal that never went out is not made up for."""
    alice = Endpoint(register=True, connect=False)
    alice.core.start(alice.now)
    alice.drain()
    alice.drop()
    stop(alice)
    alice.connect()
    assert [(request.get("Contact") or "")[-11:] for request in alice.requests()] == ["expires=600"]


def test_requests_after_the_end() -> None:
    """They fail at once: nobody has to wait for what cannot come."""
    alice = Endpoint(recover=False)
    alice.drop()
    request_id = message(alice)
    assert alice.events[-1] == RequestFailed(request_id, Cause.CONNECTION_ERROR)
    alice.core.register(alice.now)
    alice.drain()
    assert alice.told(RegistrationFailed) == [RegistrationFailed(None, Cause.CONNECTION_ERROR)]
    alice = Endpoint()
    stop(alice)
    request_id = message(alice)
    assert alice.events[-1] == RequestFailed(request_id, Cause.CONNECTION_ERROR)
    assert alice.sent == []


# Two cores


def test_two_cores_talk() -> None:
    """A MESSAGE of one is the other's event, and the answer comes back, through nothing but octets."""
    cores = {
        name: UserAgentCore(
            Config(uri=f"{name}@example.com", ws_servers=["ws://127.0.0.1"], register=False),
            Timers(),
            Ids(Random(name).randbytes),
        )
        for name in ("alice", "bob")
    }
    for core in cores.values():
        core.start(0)
        core.connected(1, 0)
    cores["alice"].request("MESSAGE", "bob", 0, body="¶".encode())
    told: list[object] = []
    for _ in range(10):
        for name, other in (("alice", "bob"), ("bob", "alice")):
            for output in cores[name].outputs():
                told.append(output)
                if isinstance(output, Transmit):
                    cores[other].receive(output.data, 1, 0)
                elif isinstance(output, MessageReceived):
                    assert output.request.text == "¶"
                    cores[name].accept(output.id, 0)
    assert len([event for event in told if isinstance(event, RequestAccepted)]) == 1


# Anything


@given(data=st.binary(max_size=200))
def test_any_octets_are_survived(data: bytes) -> None:
    """No exception, no order, and nothing is left to do."""
    alice = Endpoint()
    alice.outputs.clear()
    alice.core.receive(data, alice.flow, alice.now)
    alice.advance(100)
    assert alice.core.next_deadline() is None


@settings(max_examples=300)
@given(
    method=st.sampled_from(["MESSAGE", "INVITE", "REGISTER"]),
    position=st.integers(0, 400),
    octets=st.binary(min_size=1, max_size=6),
    status=st.sampled_from([100, 200, 302, 401, 423, 503]),
)
def test_mutated_responses_are_survived(method: str, position: int, octets: bytes, status: int) -> None:
    """A response with some octets changed: no exception, and everything has an end."""
    alice = Endpoint(password="secret", follow_redirects=2, recover=False)
    if method == "REGISTER":
        alice.core.register(alice.now)
    else:
        alice.core.request(method, "bob", alice.now)
    alice.drain()
    request = alice.last_request()
    headers = b"".join(
        f"{name}: {value}\r\n".encode() for name, value in request.headers if name in ("Via", "From", "Call-ID", "CSeq")
    )
    data = (
        b"SIP/2.0 " + str(status).encode() + b" Reason\r\n" + headers + b"To: <sip:bob@example.com>;tag=1\r\n"
        b'Contact: "B" <sip:bob@b.invalid;transport=ws>;expires=60;q=0.5\r\nRecord-Route: <sip:p.example.com;lr>\r\n'
        b'WWW-Authenticate: Digest realm="example.com", nonce="1", algorithm=MD5, qop="auth"\r\n'
        b"Min-Expires: 900\r\nRetry-After: 3\r\nContent-Length: 0\r\n\r\n"
    )
    alice.deliver(data[:position] + octets + data[position + len(octets) :])
    alice.advance(40)
    if method != "REGISTER":
        # A lease lives on; a request has ended, or rings and can be cancelled.
        for event in alice.told(RequestFailed):
            assert event.cause in (Cause.REQUEST_TIMEOUT, Cause.CANCELED)
    alice.drop()
    alice.advance(100)
    assert alice.core.next_deadline() is None
