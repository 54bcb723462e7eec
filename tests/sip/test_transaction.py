"""The transaction layer (RFC 3261 §17; RFC 6026): matching, effects, and laws that hold under any loss."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipcli.sip.errors import LocalProtocolError
from sipcli.sip.message import Request, Response, build_response, parse
from sipcli.sip.timers import Timers
from sipcli.sip.transaction import (
    AckReceived,
    Created,
    Effect,
    ResponseReceived,
    Send,
    Terminated,
    TimedOut,
    TransactionLayer,
    TransportFailed,
    server_key,
)
from tests.sip.wire import FLOW, Wire, build_request

INVITE = build_request("INVITE")
MESSAGE = build_request("MESSAGE")


def started(request: Request, *, reliable: bool = True) -> tuple[TransactionLayer, str]:
    """A layer with one client transaction, its first effects drained."""
    layer = TransactionLayer(Timers())
    key = layer.send_request(request, FLOW, 0.0, reliable=reliable)
    layer.effects()
    return layer, key


def accepted(request: Request, *, reliable: bool = True) -> tuple[TransactionLayer, str]:
    """A layer with one server transaction, its first effects drained."""
    layer = TransactionLayer(Timers())
    assert layer.receive_request(request, FLOW, 0.0) is None
    key = layer.accept_request(request, FLOW, 0.0, reliable=reliable)
    layer.effects()
    return layer, key


# Client side


def test_a_whole_client_transaction() -> None:
    layer = TransactionLayer(Timers())
    key = layer.send_request(MESSAGE, FLOW, 0.0, reliable=True)
    assert key == "z9hG4bK1MESSAGE"
    assert layer.effects() == [Created(key), Send(FLOW, MESSAGE)]
    assert layer.next_deadline() == 32.0
    response = build_response(MESSAGE, 200, to_tag="b1")
    assert layer.receive_response(response, 0.1)
    assert layer.effects() == [ResponseReceived(key, response), Terminated(key)]
    assert (layer.live, layer.next_deadline()) == (0, None)


def test_effects_are_drained() -> None:
    layer, _ = started(MESSAGE)
    assert layer.effects() == []


def test_a_request_without_an_answer_times_out() -> None:
    layer, key = started(MESSAGE)
    layer.handle_timer(31.9)
    assert layer.effects() == []
    layer.handle_timer(32.0)
    assert layer.effects() == [TimedOut(key), Terminated(key)]
    assert layer.next_deadline() is None


@pytest.mark.parametrize(
    "via",
    [
        None,
        "SIP/2.0/UDP alice.invalid",
        "SIP/2.0/UDP alice.invalid;branch",
        "SIP/2.0/UDP alice.invalid;branch=",
        "SIP/2.0/UDP alice.invalid;branch=z9hG4bKother",
        "SIP/2.0/UDP alice.invalid;branch=Z9HG4BK1",
        "SIP/2.0/UDP mallory.invalid;branch=z9hG4bK1",
        "SIP/2.0/UDP alice.invalid:5062;branch=z9hG4bK1",
        "nonsense",
        "SIP/2.0/UDP [::;branch=z9hG4bK1",
    ],
)
def test_a_response_to_nothing_of_ours_is_refused(via: str | None) -> None:
    """RFC 3261 §17.1.3, §18.1.2: no branch, a foreign one, or a foreign sent-by; never an exception."""
    layer, _ = started(MESSAGE)
    response = build_response(MESSAGE, 200, to_tag="b1")
    response = response.without("Via") if via is None else response.with_header("Via", via)
    assert not layer.receive_response(response, 0.1)
    assert layer.effects() == []
    assert layer.live == 1


@pytest.mark.parametrize("cseq", [None, "", "1", "x MESSAGE", "1 INVITE", f"{2**64} MESSAGE", "-1 MESSAGE"])
def test_a_response_with_another_or_no_cseq_is_refused(cseq: str | None) -> None:
    layer, _ = started(MESSAGE)
    response = build_response(MESSAGE, 200, to_tag="b1")
    response = response.without("CSeq") if cseq is None else response.with_header("CSeq", cseq)
    assert not layer.receive_response(response, 0.1)
    assert layer.live == 1


def test_sent_by_ignores_case_in_a_response() -> None:
    layer, _ = started(MESSAGE)
    response = build_response(MESSAGE, 200, to_tag="b1")
    assert layer.receive_response(response.with_header("Via", "SIP/2.0/WS  ALICE.invalid;branch=z9hG4bK1"), 0.1)


def test_a_cancel_has_its_invite_s_branch_and_its_own_transaction() -> None:
    """RFC 3261 §9.1, §17.1.3: the method in CSeq tells the two 200s apart."""
    layer, invite_key = started(INVITE)
    cancel = build_request("CANCEL")
    cancel_key = layer.send_request(cancel, FLOW, 0.1, reliable=True)
    layer.effects()
    ok = build_response(cancel, 200, to_tag="b1")
    layer.receive_response(ok, 0.2)
    assert layer.effects() == [ResponseReceived(cancel_key, ok), Terminated(cancel_key)]
    terminated = build_response(INVITE, 487, to_tag="b1")
    layer.receive_response(terminated, 0.3)
    send, *rest = layer.effects()
    assert isinstance(send, Send)
    assert isinstance(send.message, Request)
    assert send.message.method == "ACK"
    assert rest == [ResponseReceived(invite_key, terminated), Terminated(invite_key)]


@pytest.mark.parametrize(
    "request_",
    [
        build_request("ACK"),
        MESSAGE.without("Via"),
        MESSAGE.with_header("Via", "SIP/2.0/UDP alice.invalid"),
    ],
    ids=["ACK", "no Via", "no branch"],
)
def test_what_cannot_be_a_client_transaction_is_refused(request_: Request) -> None:
    with pytest.raises(LocalProtocolError):
        TransactionLayer(Timers()).send_request(request_, FLOW, 0.0, reliable=True)


def test_a_branch_cannot_be_used_twice_at_once() -> None:
    layer, _ = started(MESSAGE)
    with pytest.raises(LocalProtocolError):
        layer.send_request(MESSAGE, FLOW, 0.1, reliable=True)
    assert layer.live == 1


def test_an_abandoned_invite_is_destroyed() -> None:
    """RFC 3261 §9.1: 64*T1 after the CANCEL the core gives up an INVITE that rings."""
    layer, key = started(INVITE)
    layer.receive_response(build_response(INVITE, 180, to_tag="b1"), 0.1)
    layer.effects()
    layer.destroy(key)
    assert layer.effects() == [Terminated(key)]
    assert (layer.live, layer.next_deadline()) == (0, None)
    layer.destroy(key)
    assert layer.effects() == []


# Server side


def test_a_whole_server_transaction() -> None:
    layer, key = accepted(MESSAGE)
    response = build_response(MESSAGE, 200, to_tag="b1")
    layer.respond(key, response, 0.1)
    assert layer.effects() == [Send(FLOW, response), Terminated(key)]
    assert layer.live == 0
    layer.respond(key, response, 0.2)
    assert layer.effects() == []


def test_the_same_request_again_belongs_to_its_transaction() -> None:
    layer, key = accepted(MESSAGE, reliable=False)
    assert layer.receive_request(MESSAGE, FLOW, 0.1) == key
    assert layer.effects() == []
    response = build_response(MESSAGE, 200, to_tag="b1")
    layer.respond(key, response, 0.2)
    assert layer.receive_request(MESSAGE, FLOW, 0.3) == key
    assert layer.effects() == [Send(FLOW, response), Send(FLOW, response)]


@pytest.mark.parametrize(
    "other",
    [
        build_request("MESSAGE", branch="z9hG4bK2"),
        build_request("MESSAGE", sent_by="mallory.invalid"),
        build_request("MESSAGE", sent_by="alice.invalid:5062"),
        build_request("OPTIONS"),
    ],
    ids=["branch", "sent-by", "port", "method"],
)
def test_branch_sent_by_and_method_make_the_transaction(other: Request) -> None:
    """RFC 3261 §17.2.3."""
    layer, key = accepted(MESSAGE)
    assert layer.receive_request(other, FLOW, 0.1) is None
    assert layer.accept_request(other, FLOW, 0.1, reliable=True) != key


def test_the_ack_of_a_failure_belongs_to_the_invite() -> None:
    layer, key = accepted(INVITE)
    layer.respond(key, build_response(INVITE, 486, to_tag="b1"), 0.1)
    layer.effects()
    assert layer.receive_request(build_request("ACK", to_tag="b1"), FLOW, 0.2) == key
    assert layer.effects() == [Terminated(key)]


def test_the_ack_of_a_2xx_is_the_core_s() -> None:
    """It has a branch of its own; with the INVITE's it is passed up all the same (RFC 6026 §7.1)."""
    layer, key = accepted(INVITE)
    layer.respond(key, build_response(INVITE, 200, to_tag="b1"), 0.1)
    layer.effects()
    assert layer.receive_request(build_request("ACK", branch="z9hG4bK2", to_tag="b1"), FLOW, 0.2) is None
    ack = build_request("ACK", to_tag="b1")
    assert layer.receive_request(ack, FLOW, 0.3) == key
    assert layer.effects() == [AckReceived(key, ack)]


def test_a_cancel_finds_its_invite() -> None:
    """RFC 3261 §9.2."""
    layer, key = accepted(INVITE)
    cancel = build_request("CANCEL")
    assert layer.receive_request(cancel, FLOW, 0.1) is None
    assert layer.cancelled_by(cancel) == key
    assert layer.cancelled_by(build_request("CANCEL", branch="z9hG4bK2")) is None


@pytest.mark.parametrize("request_", [build_request("ACK"), MESSAGE], ids=["ACK", "again"])
def test_what_cannot_be_a_server_transaction_is_refused(request_: Request) -> None:
    layer, _ = accepted(MESSAGE)
    with pytest.raises(LocalProtocolError):
        layer.accept_request(request_, FLOW, 0.1, reliable=True)
    assert layer.live == 1


@pytest.mark.parametrize("branch", [None, "", "z9hG4bK", "1", "old-style.branch"])
def test_without_the_cookie_requests_match_as_in_rfc_2543(branch: str | None) -> None:
    """RFC 3261 §17.2.3: Request-URI, From tag, Call-ID, CSeq number and topmost Via; the ACK has a To tag more."""
    via = "SIP/2.0/UDP alice.invalid" + ("" if branch is None else f";branch={branch}")
    invite = INVITE.with_header("Via", via)
    layer, key = accepted(invite, reliable=False)
    assert layer.receive_request(invite, FLOW, 0.1) == key
    assert layer.receive_request(build_request("INVITE", cseq=2).with_header("Via", via), FLOW, 0.2) is None
    layer.respond(key, build_response(invite, 486, to_tag="b1"), 0.3)
    assert layer.receive_request(build_request("ACK", to_tag="b1").with_header("Via", via), FLOW, 0.4) == key


@given(st.binary(max_size=40), st.binary(max_size=40), st.binary(max_size=20))
def test_no_request_is_too_odd_for_a_key(via: bytes, from_: bytes, cseq: bytes) -> None:
    """Whatever stands in Via, From and CSeq, a request has a key, and the same one when it comes again."""
    cleaned = [value.replace(b"\r", b"").replace(b"\n", b"") for value in (via, from_, cseq)]
    data = b"OPTIONS sip:a SIP/2.0\r\nVia: %b\r\nFrom: %b\r\nCSeq: %b\r\n\r\n" % tuple(cleaned)
    first, second = parse(data), parse(data)
    assert isinstance(first, Request)
    assert isinstance(second, Request)
    layer, key = accepted(first)
    assert layer.receive_request(second, FLOW, 0.1) == key == server_key(first)
    assert not layer.cancelled_by(second)
    layer.merged(first, 0.1)


def test_a_request_without_any_header_field_has_a_key() -> None:
    bare = parse(b"OPTIONS sip:a SIP/2.0\r\n\r\n")
    assert isinstance(bare, Request)
    layer, key = accepted(bare)
    assert layer.receive_request(bare, FLOW, 0.1) == key


# Merged requests (RFC 3261 §8.2.2.2)


def test_a_request_that_came_another_way_is_merged() -> None:
    layer = TransactionLayer(Timers())
    twin = build_request("MESSAGE", branch="z9hG4bK2")
    assert not layer.merged(MESSAGE, 0.0)
    assert not layer.merged(MESSAGE, 0.1), "the same copy again is a retransmission"
    assert layer.merged(twin, 0.2)
    assert not layer.merged(build_request("MESSAGE", branch="z9hG4bK3", cseq=2), 0.3)


def test_a_request_in_a_dialog_is_never_merged() -> None:
    layer = TransactionLayer(Timers())
    assert not layer.merged(build_request("BYE", to_tag="b1"), 0.0)
    assert not layer.merged(build_request("BYE", to_tag="b1", branch="z9hG4bK2"), 0.1)


def test_a_merged_request_is_forgotten_with_its_transaction() -> None:
    """After 64*T1, or when the transaction ends if that is later."""
    layer, key = accepted(INVITE)
    assert not layer.merged(INVITE, 0.0)
    twin = build_request("INVITE", branch="z9hG4bK2")
    assert layer.merged(twin, 100.0), "it still rings"
    layer.respond(key, build_response(INVITE, 486, to_tag="b1"), 101.0)
    layer.receive_request(build_request("ACK", to_tag="b1"), FLOW, 101.1)
    assert layer.merged(twin, 102.0)
    assert not layer.merged(twin, 140.0)


def test_merge_identities_are_bounded() -> None:
    layer = TransactionLayer(Timers())
    for number in range(5000):
        layer.merged(build_request("MESSAGE", cseq=number + 1), 0.0)
    assert len(layer._merge_ids) <= 4096
    assert layer.merged(build_request("MESSAGE", branch="z9hG4bK2", cseq=5000), 0.1)


# Flows that fail


def test_a_lost_flow_ends_its_client_transactions_with_news() -> None:
    layer, key = started(MESSAGE)
    other = layer.send_request(build_request("MESSAGE", branch="z9hG4bK2"), 2, 0.0, reliable=True)
    layer.effects()
    layer.flow_failed(FLOW, 1.0)
    assert layer.effects() == [TransportFailed(key), Terminated(key)]
    layer.flow_failed(FLOW, 1.1)
    assert layer.effects() == []
    layer.flow_failed(2, 1.2)
    assert layer.effects() == [TransportFailed(other), Terminated(other)]


def test_a_lost_flow_ends_its_server_transactions_without() -> None:
    layer, key = accepted(INVITE)
    layer.respond(key, build_response(INVITE, 180, to_tag="b1"), 0.1)
    layer.effects()
    layer.flow_failed(FLOW, 1.0)
    assert layer.effects() == [Terminated(key)]
    assert layer.live == 0


def test_an_accepted_invite_outlives_its_flow() -> None:
    """Its user has the answer; copies of the 2xx may come on the next flow (RFC 6026 §7.2)."""
    layer, key = started(INVITE)
    response = build_response(INVITE, 200, to_tag="b1")
    layer.receive_response(response, 0.1)
    layer.effects()
    layer.flow_failed(FLOW, 1.0)
    assert layer.effects() == []
    assert layer.receive_response(response, 1.1)
    assert layer.effects() == [ResponseReceived(key, response)]


# Laws


ANSWERS = st.sampled_from(
    [
        [(0.0, 200)],
        [(0.0, 100), (1.0, 200)],
        [(0.3, 180), (3.0, 486)],
        [(0.0, 404)],
        [(5.0, 603)],
        [(40.0, 200)],
        [(0.0, 100)],
        [],
    ]
)


@given(
    method=st.sampled_from(["INVITE", "MESSAGE"]),
    answers=ANSWERS,
    lose=st.lists(st.booleans(), max_size=40),
    delay=st.sampled_from([0.0, 0.01, 0.6, 5.0]),
)
def test_under_any_loss_every_request_ends_once_and_leaves_nothing(
    method: str, answers: list[tuple[float, int]], lose: list[bool], delay: float
) -> None:
    wire = Wire(answers=answers, lose=lose, delay=delay)
    key = wire.request(build_request(method))
    wire.run()
    assert len(wire.ends(key)) == 1
    assert_nothing_after_termination([effect for _, effect in wire.effects["alice"]])  # type: ignore[misc]
    assert (wire.layers["alice"].live, wire.layers["alice"].next_deadline()) == (0, None)
    if answers and answers[-1][1] >= 200:
        assert (wire.layers["bob"].live, wire.layers["bob"].next_deadline()) == (0, None)
        assert_nothing_after_termination([effect for _, effect in wire.effects["bob"]])  # type: ignore[misc]


@given(
    method=st.sampled_from(["INVITE", "MESSAGE"]),
    answers=ANSWERS,
    breaks_at=st.sampled_from([0.0, 0.005, 0.5, 2.0, 33.0, 100.0]),
    delay=st.sampled_from([0.0, 0.01, 0.6]),
)
def test_a_reliable_flow_that_breaks_ends_every_request_once(
    method: str, answers: list[tuple[float, int]], breaks_at: float, delay: float
) -> None:
    wire = Wire(answers=answers, delay=delay, reliable=True)
    for layer in wire.layers.values():
        wire.at(breaks_at, lambda layer=layer: layer.flow_failed(FLOW, breaks_at))  # type: ignore[misc]
    key = wire.request(build_request(method))
    wire.run()
    assert len(wire.ends(key)) == 1
    assert_nothing_after_termination([effect for _, effect in wire.effects["alice"]])  # type: ignore[misc]
    assert (wire.layers["alice"].live, wire.layers["alice"].next_deadline()) == (0, None)


def assert_nothing_after_termination(effects: list[Effect]) -> None:
    """``Created`` is the first effect of a key and ``Terminated`` the last."""
    alive: set[str] = set()
    ended: set[str] = set()
    for effect in effects:
        match effect:
            case Created(key):
                assert key not in alive | ended
                alive.add(key)
            case Terminated(key):
                alive.remove(key)
                ended.add(key)
            case ResponseReceived(key) | TimedOut(key) | TransportFailed(key) | AckReceived(key):
                assert key in alive


def test_memory_is_flat_over_100_000_transactions() -> None:
    """Nothing is kept of a transaction that is over, deadlines of the next 32 s included."""
    layer = TransactionLayer(Timers())
    largest = 0
    for number in range(100_000):
        via = [("Via", f"SIP/2.0/WS alice.invalid;branch=z9hG4bK{number}"), ("CSeq", "1 OPTIONS")]
        now = number * 1e-4
        layer.send_request(Request("OPTIONS", "sip:bob@example.com", via), FLOW, now, reliable=True)
        assert layer.receive_response(Response(200, "OK", via), now)
        layer.effects()
        largest = max(largest, len(layer._heap))
    assert layer.live == 0
    assert largest <= 100
    assert layer.next_deadline() is None


def test_deadlines_are_bounded_by_the_live_transactions() -> None:
    """With 1,000 outstanding, retransmitting, the heap holds a few entries each and no more."""
    layer = TransactionLayer(Timers())
    for number in range(1000):
        layer.send_request(build_request("MESSAGE", branch=f"z9hG4bK{number}"), FLOW, number * 1e-3, reliable=False)
    now = 0.0
    while (deadline := layer.next_deadline()) is not None:
        assert deadline >= now
        now = deadline
        layer.handle_timer(now)
        assert len(layer._heap) <= 2 * layer.live + 64
    timed_out = [effect for effect in layer.effects() if isinstance(effect, TimedOut)]
    assert (layer.live, len(timed_out)) == (0, 1000)


def test_a_clock_that_jumped_puts_in_every_timer_once() -> None:
    """After a suspended laptop wakes: one retransmission, then the timeout."""
    layer, key = started(MESSAGE, reliable=False)
    layer.handle_timer(3600.0)
    assert layer.effects() == [Send(FLOW, MESSAGE), TimedOut(key), Terminated(key)]
