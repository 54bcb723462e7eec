"""Client transactions (RFC 3261 §17.1, Figures 5 and 6; RFC 6026 §7.2): rows from the figures, then the instants."""

from __future__ import annotations

from itertools import product

import pytest

from sipcli.sip.client_transaction import (
    InviteClientInput,
    InviteClientTransaction,
    NonInviteClientInput,
    NonInviteClientTransaction,
    build_ack,
)
from sipcli.sip.message import Response, build_response, parse, serialize
from sipcli.sip.timers import Timers
from sipcli.sip.transaction_machine import Effect, ResponseReceived, Send, State, TimedOut, TransportFailed
from tests.sip.wire import FLOW, Wire, build_request

TIMERS = Timers()
NOW = 10.0
"""When the input of a row comes; the transaction began at 0."""

INVITE = build_request("INVITE")
MESSAGE = build_request("MESSAGE")

I = InviteClientInput  # noqa: E741 - the tables below stay readable
N = NonInviteClientInput

INVITE_MESSAGES: dict[InviteClientInput, Response] = {
    I.PROVISIONAL: build_response(INVITE, 180, to_tag="b1"),
    I.SUCCESS: build_response(INVITE, 200, to_tag="b1"),
    I.FAILURE: build_response(INVITE, 486, to_tag="b1"),
}
NON_INVITE_MESSAGES: dict[NonInviteClientInput, Response] = {
    N.PROVISIONAL: build_response(MESSAGE, 100),
    N.FINAL: build_response(MESSAGE, 404, to_tag="b1"),
}

# The inputs that lead to each state, from the start.
INVITE_WAYS = {
    State.CALLING: [],
    State.PROCEEDING: [I.PROVISIONAL],
    State.ACCEPTED: [I.SUCCESS],
    State.COMPLETED: [I.FAILURE],
    State.TERMINATED: [I.TIMER_B],
}
NON_INVITE_WAYS = {
    State.TRYING: [],
    State.PROCEEDING: [N.PROVISIONAL],
    State.COMPLETED: [N.FINAL],
    State.TERMINATED: [N.TIMER_F],
}

# Figure 5 with RFC 6026: effects, next state, and the deadlines that run then. Absent pairs are absorbed.
INVITE_ROWS: dict[tuple[State, InviteClientInput], tuple[list[type[Effect]], State, dict[InviteClientInput, float]]] = {
    (State.CALLING, I.TIMER_A): ([Send], State.CALLING, {I.TIMER_A: NOW + 1.0, I.TIMER_B: 32.0}),
    (State.CALLING, I.TIMER_B): ([TimedOut], State.TERMINATED, {}),
    (State.CALLING, I.TRANSPORT_ERROR): ([TransportFailed], State.TERMINATED, {}),
    (State.CALLING, I.PROVISIONAL): ([ResponseReceived], State.PROCEEDING, {}),
    (State.CALLING, I.SUCCESS): ([ResponseReceived], State.ACCEPTED, {I.TIMER_M: NOW + 32.0}),
    (State.CALLING, I.FAILURE): ([Send, ResponseReceived], State.COMPLETED, {I.TIMER_D: NOW + 32.0}),
    (State.PROCEEDING, I.PROVISIONAL): ([ResponseReceived], State.PROCEEDING, {}),
    (State.PROCEEDING, I.SUCCESS): ([ResponseReceived], State.ACCEPTED, {I.TIMER_M: NOW + 32.0}),
    (State.PROCEEDING, I.FAILURE): ([Send, ResponseReceived], State.COMPLETED, {I.TIMER_D: NOW + 32.0}),
    (State.PROCEEDING, I.TRANSPORT_ERROR): ([TransportFailed], State.TERMINATED, {}),
    (State.ACCEPTED, I.SUCCESS): ([ResponseReceived], State.ACCEPTED, {I.TIMER_M: 32.0}),
    (State.ACCEPTED, I.TIMER_M): ([], State.TERMINATED, {}),
    (State.COMPLETED, I.FAILURE): ([Send], State.COMPLETED, {I.TIMER_D: 32.0}),
    (State.COMPLETED, I.TIMER_D): ([], State.TERMINATED, {}),
    # The figure also informs the TU, which has had its final response.
    (State.COMPLETED, I.TRANSPORT_ERROR): ([], State.TERMINATED, {}),
}

# Figure 6.
NON_INVITE_ROWS: dict[
    tuple[State, NonInviteClientInput], tuple[list[type[Effect]], State, dict[NonInviteClientInput, float]]
] = {
    (State.TRYING, N.TIMER_E): ([Send], State.TRYING, {N.TIMER_E: NOW + 1.0, N.TIMER_F: 32.0}),
    (State.TRYING, N.TIMER_F): ([TimedOut], State.TERMINATED, {}),
    (State.TRYING, N.TRANSPORT_ERROR): ([TransportFailed], State.TERMINATED, {}),
    (State.TRYING, N.PROVISIONAL): ([ResponseReceived], State.PROCEEDING, {N.TIMER_E: 0.5, N.TIMER_F: 32.0}),
    (State.TRYING, N.FINAL): ([ResponseReceived], State.COMPLETED, {N.TIMER_K: NOW + 5.0}),
    (State.PROCEEDING, N.TIMER_E): ([Send], State.PROCEEDING, {N.TIMER_E: NOW + 4.0, N.TIMER_F: 32.0}),
    (State.PROCEEDING, N.TIMER_F): ([TimedOut], State.TERMINATED, {}),
    (State.PROCEEDING, N.TRANSPORT_ERROR): ([TransportFailed], State.TERMINATED, {}),
    (State.PROCEEDING, N.PROVISIONAL): ([ResponseReceived], State.PROCEEDING, {N.TIMER_E: 0.5, N.TIMER_F: 32.0}),
    (State.PROCEEDING, N.FINAL): ([ResponseReceived], State.COMPLETED, {N.TIMER_K: NOW + 5.0}),
    (State.COMPLETED, N.TIMER_K): ([], State.TERMINATED, {}),
}


@pytest.mark.parametrize(("state", "input_"), [*product(INVITE_WAYS, I)])
def test_every_pair_of_the_invite_machine_is_a_row_of_figure_5_or_absorbed(
    state: State, input_: InviteClientInput
) -> None:
    machine = InviteClientTransaction("key", INVITE, FLOW, TIMERS, reliable=False)
    machine.start(0.0)
    for step in INVITE_WAYS[state]:
        machine.process(step, 0.0, INVITE_MESSAGES.get(step))
    assert machine.state is state
    unchanged: tuple[list[type[Effect]], State, dict[InviteClientInput, float]] = ([], state, dict(machine.deadlines))

    effects = machine.process(input_, NOW, INVITE_MESSAGES.get(input_))

    expected = INVITE_ROWS.get((state, input_), unchanged)
    assert ([type(effect) for effect in effects], machine.state, machine.deadlines) == expected


@pytest.mark.parametrize(("state", "input_"), [*product(NON_INVITE_WAYS, N)])
def test_every_pair_of_the_non_invite_machine_is_a_row_of_figure_6_or_absorbed(
    state: State, input_: NonInviteClientInput
) -> None:
    machine = NonInviteClientTransaction("key", MESSAGE, FLOW, TIMERS, reliable=False)
    machine.start(0.0)
    for step in NON_INVITE_WAYS[state]:
        machine.process(step, 0.0, NON_INVITE_MESSAGES.get(step))
    assert machine.state is state
    unchanged: tuple[list[type[Effect]], State, dict[NonInviteClientInput, float]] = (
        [],
        state,
        dict(machine.deadlines),
    )

    effects = machine.process(input_, NOW, NON_INVITE_MESSAGES.get(input_))

    expected = NON_INVITE_ROWS.get((state, input_), unchanged)
    assert ([type(effect) for effect in effects], machine.state, machine.deadlines) == expected


def test_no_row_leads_anywhere_but_to_the_states_of_its_figure() -> None:
    assert InviteClientTransaction.transitions.keys() == INVITE_ROWS.keys()
    assert NonInviteClientTransaction.transitions.keys() == NON_INVITE_ROWS.keys()


def test_a_reliable_flow_needs_neither_retransmission_nor_lingering() -> None:
    """Timers A and E do not run, D and K are zero (RFC 3261 §17.1.1.2, §17.1.2.2)."""
    invite = InviteClientTransaction("key", INVITE, FLOW, TIMERS, reliable=True)
    invite.start(0.0)
    assert invite.deadlines == {I.TIMER_B: 32.0}
    invite.receive(INVITE_MESSAGES[I.FAILURE], 1.0)
    assert (invite.state, invite.deadlines) == (State.TERMINATED, {})

    message = NonInviteClientTransaction("key", MESSAGE, FLOW, TIMERS, reliable=True)
    message.start(0.0)
    assert message.deadlines == {N.TIMER_F: 32.0}
    message.receive(NON_INVITE_MESSAGES[N.FINAL], 1.0)
    assert (message.state, message.deadlines) == (State.TERMINATED, {})


def test_timer_m_runs_on_a_reliable_flow_too() -> None:
    """Forks may still answer (RFC 6026 §8.4)."""
    invite = InviteClientTransaction("key", INVITE, FLOW, TIMERS, reliable=True)
    invite.start(0.0)
    invite.receive(INVITE_MESSAGES[I.SUCCESS], 1.0)
    assert (invite.state, invite.deadlines) == (State.ACCEPTED, {I.TIMER_M: 33.0})


def test_an_unanswered_invite_is_sent_at_doubling_intervals_until_timer_b() -> None:
    """RFC 3261 §17.1.1.2: seven times, timer A doubling without a ceiling."""
    wire = Wire(lose=[True] * 50)
    key = wire.request(INVITE)
    wire.run()
    assert wire.sent_at("alice") == [0, 0.5, 1.5, 3.5, 7.5, 15.5, 31.5]
    assert wire.ends(key) == [TimedOut(key)]
    assert (32.0, TimedOut(key)) in wire.effects["alice"]


def test_an_unanswered_message_is_sent_every_t2_in_the_end_until_timer_f() -> None:
    """RFC 3261 §17.1.2.2: eleven times, timer E doubling up to T2."""
    wire = Wire(lose=[True] * 50)
    key = wire.request(MESSAGE)
    wire.run()
    assert wire.sent_at("alice") == [0, 0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]
    assert (32.0, TimedOut(key)) in wire.effects["alice"]


def test_two_lost_requests() -> None:
    """A MESSAGE lost twice is sent at 0, 0.5 and 1.5 s and accepted once (RFC 3261 §17.1.2.2)."""
    wire = Wire(lose=[True, True])
    key = wire.request(MESSAGE)
    wire.run()
    assert wire.sent_at("alice") == [0, 0.5, 1.5]
    assert wire.sent_at("bob") == [1.5]
    [end] = wire.ends(key)
    assert isinstance(end, ResponseReceived)
    assert end.response.status == 200


def test_a_provisional_response_slows_a_message_down_to_t2() -> None:
    wire = Wire(answers=[(0.2, 100)])
    wire.request(MESSAGE)
    wire.run(until=20.0)
    assert wire.sent_at("alice") == [0, 0.5, 4.5, 8.5, 12.5, 16.5]


def test_a_provisional_response_stops_an_invite() -> None:
    wire = Wire(answers=[(0.7, 180)])
    wire.request(INVITE)
    wire.run(until=60.0)
    assert wire.sent_at("alice") == [0, 0.5]
    assert wire.layers["alice"].live == 1


def test_the_transaction_timeout_replaces_64_t1() -> None:
    for method in ("INVITE", "MESSAGE"):
        wire = Wire(lose=[True] * 50, timers=Timers(transaction_timeout=3.0))
        key = wire.request(build_request(method))
        wire.run()
        assert wire.sent_at("alice") == [0, 0.5, 1.5]
        assert (3.0, TimedOut(key)) in wire.effects["alice"]


def test_the_ack_to_a_failure_is_the_hop_s_own() -> None:
    """Branch, Route, Request-URI and From of the INVITE, To of the response, one Via (RFC 3261 §17.1.1.3)."""
    invite = build_request("INVITE", branch="z9hG4bKxyz", routes=["<sip:p1;lr>", "<sip:p2;lr>"], cseq=7)
    invite = invite.with_added("Via", "SIP/2.0/UDP before.invalid;branch=z9hG4bKbefore")
    response = build_response(invite, 486, to_tag="b9")
    ack = build_ack(invite, response)
    assert (ack.method, ack.uri_text, ack.body) == ("ACK", "sip:bob@example.com", b"")
    assert ack.get_all("Via") == ["SIP/2.0/UDP alice.invalid;branch=z9hG4bKxyz"]
    assert ack.get_all("Route") == ["<sip:p1;lr>", "<sip:p2;lr>"]
    assert ack.get("To") == "<sip:bob@example.com>;tag=b9"
    assert ack.get("From") == invite.get("From")
    assert ack.get("Call-ID") == invite.get("Call-ID")
    assert ack.get("CSeq") == "7 ACK"
    assert ack.get("Max-Forwards") == "70"
    ack.validate()


def test_the_ack_answers_every_copy_of_a_failure() -> None:
    """Lost twice, sent three times: one for each 486 that arrives (RFC 3261 §17.1.1.2)."""
    wire = Wire(answers=[(0.0, 486)], lose=[False, False, True, False, True])
    key = wire.request(INVITE)
    wire.run()
    assert wire.sent_at("bob", "SIP/2.0 486") == [0, 0.5, 1.5]
    assert wire.sent_at("alice", "ACK") == [0, 0.5, 1.5]
    assert len(wire.ends(key)) == 1


def test_a_peer_s_to_that_cannot_be_sent_is_not_sent() -> None:
    response = build_response(INVITE, 486, to_tag="b1")
    hostile = parse(serialize(response).replace(b";tag=b1", b";tag=b\x001"))
    assert isinstance(hostile, Response)
    assert build_ack(INVITE, hostile).get("To") == INVITE.get("To")


def test_every_2xx_of_a_forked_invite_is_passed_up() -> None:
    """RFC 6026 §7.2."""
    machine = InviteClientTransaction("key", INVITE, FLOW, TIMERS, reliable=True)
    machine.start(0.0)
    first, second = (build_response(INVITE, 200, to_tag=tag) for tag in ("b1", "b2"))
    assert machine.receive(first, 1.0) == [ResponseReceived("key", first)]
    assert machine.receive(second, 1.1) == [ResponseReceived("key", second)]
