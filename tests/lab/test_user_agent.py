"""The lab and sipcli's own user agent, core to core: no sockets, no clock."""

from __future__ import annotations

import random
from typing import TypeVar

from sipcli.config import Config
from sipcli.sip.core import UserAgentCore
from sipcli.sip.events import (
    Connect,
    Event,
    MessageReceived,
    Output,
    Registered,
    RequestAccepted,
    RequestRejected,
    Transmit,
    Unregistered,
)
from sipcli.sip.ids import Ids
from sipcli.sip.timers import Timers
from tests.lab.wire import PASSWORDS, Wire

EventT = TypeVar("EventT")


class Agent:
    """A user agent of one of the lab's users, with what it says."""

    def __init__(self, wire: Wire, user: str, flow: int) -> None:
        self.wire = wire
        self.offset = 100 * flow
        self.events: list[Event] = []
        config = Config(uri=f"sip:{user}@127.0.0.1", ws_servers=["ws://127.0.0.1:5080"], password=PASSWORDS[user])
        self.core = UserAgentCore(config, Timers(), Ids(random.Random(flow).randbytes))

    def perform(self, output: Output) -> None:
        """Do what the core orders."""
        wire = self.wire
        match output:
            case Connect(flow):
                wire.lab.connected(self.offset + flow, "127.0.0.1", 40000 + flow, "127.0.0.1")
                self.core.connected(flow, wire.now)
            case Transmit(flow, data):
                wire.lab.receive(data, self.offset + flow, wire.now)
            case _:
                self.events.append(output)  # type: ignore[arg-type]

    def take(self, kind: type[EventT]) -> list[EventT]:
        """Return the events of one kind since the last call, and forget all."""
        events, self.events = self.events, []
        return [event for event in events if isinstance(event, kind)]


def run(wire: Wire, *agents: Agent) -> None:
    """Pass messages on until nobody has anything to say."""
    busy = True
    while busy:
        busy = False
        for agent in agents:
            for output in agent.core.outputs():
                busy = True
                agent.perform(output)
        for transmit in wire.lab.outputs():
            busy = True
            agent = agents[transmit.flow // 100 - 1]
            agent.core.receive(transmit.data, transmit.flow % 100, wire.now)


def test_life() -> None:
    """Register over 401 and 423, a message to another user and its answer, the echo, the way out."""
    wire = Wire(min_expires=700)
    alice, bob = Agent(wire, "alice", 1), Agent(wire, "bob", 2)
    for agent in (alice, bob):
        agent.core.start(wire.now)
    run(wire, alice, bob)
    for agent in (alice, bob):
        [registered] = agent.take(Registered)
        assert registered.expires == 700
        assert registered.gruu is not None
    alice.core.request("MESSAGE", "bob", wire.now, body="grüß dich".encode(), content_type="text/plain")
    run(wire, alice, bob)
    [received] = bob.take(MessageReceived)
    assert received.request.text == "grüß dich"
    assert alice.take(RequestAccepted) == []
    bob.core.accept(received.id, wire.now)
    run(wire, alice, bob)
    assert len(alice.take(RequestAccepted)) == 1
    alice.core.request("MESSAGE", "echo", wire.now, body=b"echo", content_type="text/plain")
    alice.core.request("MESSAGE", "486", wire.now, body=b"busy", content_type="text/plain")
    run(wire, alice, bob)
    events = list(alice.events)
    assert [event.request.text for event in events if isinstance(event, MessageReceived)] == ["echo"]
    assert [event.response.status for event in events if isinstance(event, RequestRejected)] == [486]
    for agent in (alice, bob):
        agent.core.stop(wire.now)
    run(wire, alice, bob)
    assert len(alice.take(Unregistered)) == 1
    assert wire.lab.registrar.bindings("alice", wire.now) == ()
