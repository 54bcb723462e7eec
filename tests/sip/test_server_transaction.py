"""Server transactions (RFC 3261 §17.2, Figures 7 and 8; RFC 6026 §7.1): rows from the figures, then the instants."""

from __future__ import annotations

from itertools import product

import pytest

from sipcli.sip.message import Request, Response, build_response
from sipcli.sip.server_transaction import (
    InviteServerInput,
    InviteServerTransaction,
    NonInviteServerInput,
    NonInviteServerTransaction,
)
from sipcli.sip.timers import Timers
from sipcli.sip.transaction import server_key
from sipcli.sip.transaction_machine import AckReceived, Effect, Send, State, TimedOut
from tests.sip.wire import FLOW, Wire, build_request

TIMERS = Timers()
NOW = 10.0
"""When the input of a row comes; everything before it came at 0."""

INVITE = build_request("INVITE")
MESSAGE = build_request("MESSAGE")

I = InviteServerInput  # noqa: E741 - the tables below stay readable
N = NonInviteServerInput

INVITE_MESSAGES: dict[InviteServerInput, Request | Response] = {
    I.REQUEST: INVITE,
    I.ACK: build_request("ACK"),
    I.PROVISIONAL: build_response(INVITE, 180, to_tag="b1"),
    I.SUCCESS: build_response(INVITE, 200, to_tag="b1"),
    I.FAILURE: build_response(INVITE, 486, to_tag="b1"),
}
NON_INVITE_MESSAGES: dict[NonInviteServerInput, Request | Response] = {
    N.REQUEST: MESSAGE,
    N.PROVISIONAL: build_response(MESSAGE, 100),
    N.FINAL: build_response(MESSAGE, 200, to_tag="b1"),
}

# The inputs that lead to each state, from the start. The TU sends 100 at once.
INVITE_WAYS = {
    State.PROCEEDING: [I.PROVISIONAL],
    State.ACCEPTED: [I.SUCCESS],
    State.COMPLETED: [I.FAILURE],
    State.CONFIRMED: [I.FAILURE, I.ACK],
    State.TERMINATED: [I.TRANSPORT_ERROR],
}
NON_INVITE_WAYS = {
    State.TRYING: [],
    State.PROCEEDING: [N.PROVISIONAL],
    State.COMPLETED: [N.FINAL],
    State.TERMINATED: [N.TRANSPORT_ERROR],
}

COMPLETED_TIMERS = {I.TIMER_G: 0.5, I.TIMER_H: 32.0}

# Figure 7 with RFC 6026: effects, next state, and the deadlines that run then. Absent pairs are absorbed.
INVITE_ROWS: dict[tuple[State, InviteServerInput], tuple[list[type[Effect]], State, dict[InviteServerInput, float]]] = {
    (State.PROCEEDING, I.REQUEST): ([Send], State.PROCEEDING, {}),
    (State.PROCEEDING, I.PROVISIONAL): ([Send], State.PROCEEDING, {}),
    (State.PROCEEDING, I.SUCCESS): ([Send], State.ACCEPTED, {I.TIMER_L: NOW + 32.0}),
    (State.PROCEEDING, I.FAILURE): ([Send], State.COMPLETED, {I.TIMER_G: NOW + 0.5, I.TIMER_H: NOW + 32.0}),
    (State.PROCEEDING, I.TRANSPORT_ERROR): ([], State.TERMINATED, {}),
    (State.ACCEPTED, I.ACK): ([AckReceived], State.ACCEPTED, {I.TIMER_L: 32.0}),
    (State.ACCEPTED, I.SUCCESS): ([Send], State.ACCEPTED, {I.TIMER_L: 32.0}),
    (State.ACCEPTED, I.TIMER_L): ([], State.TERMINATED, {}),
    (State.ACCEPTED, I.TRANSPORT_ERROR): ([], State.TERMINATED, {}),
    (State.COMPLETED, I.REQUEST): ([Send], State.COMPLETED, COMPLETED_TIMERS),
    (State.COMPLETED, I.ACK): ([], State.CONFIRMED, {I.TIMER_I: NOW + 5.0}),
    (State.COMPLETED, I.TIMER_G): ([Send], State.COMPLETED, {I.TIMER_G: NOW + 1.0, I.TIMER_H: 32.0}),
    (State.COMPLETED, I.TIMER_H): ([TimedOut], State.TERMINATED, {}),
    (State.COMPLETED, I.TRANSPORT_ERROR): ([], State.TERMINATED, {}),
    (State.CONFIRMED, I.TIMER_I): ([], State.TERMINATED, {}),
    (State.CONFIRMED, I.TRANSPORT_ERROR): ([], State.TERMINATED, {}),
}

# Figure 8.
NON_INVITE_ROWS: dict[
    tuple[State, NonInviteServerInput], tuple[list[type[Effect]], State, dict[NonInviteServerInput, float]]
] = {
    (State.TRYING, N.PROVISIONAL): ([Send], State.PROCEEDING, {}),
    (State.TRYING, N.FINAL): ([Send], State.COMPLETED, {N.TIMER_J: NOW + 32.0}),
    (State.TRYING, N.TRANSPORT_ERROR): ([], State.TERMINATED, {}),
    (State.PROCEEDING, N.REQUEST): ([Send], State.PROCEEDING, {}),
    (State.PROCEEDING, N.PROVISIONAL): ([Send], State.PROCEEDING, {}),
    (State.PROCEEDING, N.FINAL): ([Send], State.COMPLETED, {N.TIMER_J: NOW + 32.0}),
    (State.PROCEEDING, N.TRANSPORT_ERROR): ([], State.TERMINATED, {}),
    (State.COMPLETED, N.REQUEST): ([Send], State.COMPLETED, {N.TIMER_J: 32.0}),
    (State.COMPLETED, N.TIMER_J): ([], State.TERMINATED, {}),
    (State.COMPLETED, N.TRANSPORT_ERROR): ([], State.TERMINATED, {}),
}


@pytest.mark.parametrize(("state", "input_"), [*product(INVITE_WAYS, I)])
def test_every_pair_of_the_invite_machine_is_a_row_of_figure_7_or_absorbed(
    state: State, input_: InviteServerInput
) -> None:
    machine = InviteServerTransaction("key", INVITE, FLOW, TIMERS, reliable=False)
    for step in INVITE_WAYS[state]:
        machine.process(step, 0.0, INVITE_MESSAGES.get(step))
    assert machine.state is state
    unchanged: tuple[list[type[Effect]], State, dict[InviteServerInput, float]] = ([], state, dict(machine.deadlines))

    effects = machine.process(input_, NOW, INVITE_MESSAGES.get(input_))

    expected = INVITE_ROWS.get((state, input_), unchanged)
    assert ([type(effect) for effect in effects], machine.state, machine.deadlines) == expected


@pytest.mark.parametrize(("state", "input_"), [*product(NON_INVITE_WAYS, N)])
def test_every_pair_of_the_non_invite_machine_is_a_row_of_figure_8_or_absorbed(
    state: State, input_: NonInviteServerInput
) -> None:
    machine = NonInviteServerTransaction("key", MESSAGE, FLOW, TIMERS, reliable=False)
    for step in NON_INVITE_WAYS[state]:
        machine.process(step, 0.0, NON_INVITE_MESSAGES.get(step))
    assert machine.state is state
    unchanged: tuple[list[type[Effect]], State, dict[NonInviteServerInput, float]] = (
        [],
        state,
        dict(machine.deadlines),
    )

    effects = machine.process(input_, NOW, NON_INVITE_MESSAGES.get(input_))

    expected = NON_INVITE_ROWS.get((state, input_), unchanged)
    assert ([type(effect) for effect in effects], machine.state, machine.deadlines) == expected


def test_no_row_is_left_untested() -> None:
    assert InviteServerTransaction.transitions.keys() == INVITE_ROWS.keys()
    assert NonInviteServerTransaction.transitions.keys() == NON_INVITE_ROWS.keys()


def test_a_request_that_comes_again_before_any_answer_is_absorbed() -> None:
    for machine in (
        InviteServerTransaction("key", INVITE, FLOW, TIMERS, reliable=False),
        NonInviteServerTransaction("key", MESSAGE, FLOW, TIMERS, reliable=False),
    ):
        assert machine.receive(machine.request, 1.0) == []


def test_a_reliable_flow_needs_neither_retransmission_nor_lingering() -> None:
    """Timer G does not run, I and J are zero, H and L are what they were (RFC 3261 §17.2.1, §17.2.2)."""
    invite = InviteServerTransaction("key", INVITE, FLOW, TIMERS, reliable=True)
    invite.respond(build_response(INVITE, 486, to_tag="b1"), 1.0)
    assert invite.deadlines == {I.TIMER_H: 33.0}
    invite.receive(build_request("ACK"), 2.0)
    assert (invite.state, invite.deadlines) == (State.TERMINATED, {})

    accepted = InviteServerTransaction("key", INVITE, FLOW, TIMERS, reliable=True)
    accepted.respond(build_response(INVITE, 200, to_tag="b1"), 1.0)
    assert accepted.deadlines == {I.TIMER_L: 33.0}

    message = NonInviteServerTransaction("key", MESSAGE, FLOW, TIMERS, reliable=True)
    message.respond(build_response(MESSAGE, 200, to_tag="b1"), 1.0)
    assert (message.state, message.deadlines) == (State.TERMINATED, {})


def test_an_unacknowledged_failure_is_resent_until_timer_h() -> None:
    """RFC 3261 §17.2.1: timer G doubles up to T2; the TU hears of the missing ACK."""
    # The INVITE and the 486 arrive, every ACK is lost.
    wire = Wire(answers=[(0.0, 486)], lose=[False] + [False, True] * 20)
    wire.request(INVITE)
    wire.run()
    assert wire.sent_at("bob") == [0, 0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]
    assert (32.0, TimedOut(server_key(INVITE))) in wire.effects["bob"]


def test_a_repeated_message_gets_the_answer_again() -> None:
    """Its 200 lost, a MESSAGE is answered once more and not delivered twice (RFC 3261 §17.2.2)."""
    wire = Wire(lose=[False, True])
    wire.request(MESSAGE)
    wire.run()
    assert wire.sent_at("alice") == wire.sent_at("bob") == [0, 0.5]
    assert sum(type(effect).__name__ == "Created" for _, effect in wire.effects["bob"]) == 1


def test_a_repeated_invite_gets_the_last_provisional_response_again() -> None:
    wire = Wire(answers=[(0.0, 100), (0.1, 180)], lose=[False, True, True])
    wire.request(INVITE)
    wire.run(until=1.0)
    assert wire.sent_at("bob", "SIP/2.0 100") == [0]
    assert wire.sent_at("bob", "SIP/2.0 180") == [0.1, 0.5]


def test_the_first_final_response_counts() -> None:
    machine = NonInviteServerTransaction("key", MESSAGE, FLOW, TIMERS, reliable=False)
    machine.respond(build_response(MESSAGE, 200, to_tag="b1"), 0.0)
    assert machine.respond(build_response(MESSAGE, 404, to_tag="b1"), 0.1) == []
    [send] = machine.receive(MESSAGE, 0.2)
    assert isinstance(send, Send)
    assert isinstance(send.message, Response)
    assert send.message.status == 200
