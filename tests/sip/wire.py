"""Two transaction layers joined by a network that delays and loses, on a clock of its own."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from sipcli.sip.message import Request, Response, build_response, parse, serialize
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
)

__all__ = ["FLOW", "GivenUp", "Sent", "Wire", "build_request"]

FLOW = 1
# How long alice's user lets it ring: longer than any timer of the layer.
PATIENCE = 180.0


@dataclass(frozen=True)
class Sent:
    """One message that was handed to the network."""

    at: float
    sender: str
    message: Request | Response
    lost: bool


@dataclass(frozen=True)
class GivenUp:
    """Alice's user destroyed an INVITE transaction that no final response came to."""

    key: str


def build_request(
    method: str,
    *,
    branch: str = "z9hG4bK1",
    sent_by: str = "alice.invalid",
    to_tag: str | None = None,
    cseq: int = 1,
    routes: Sequence[str] = (),
) -> Request:
    """Return a request from alice to bob."""
    return Request(
        method,
        "sip:bob@example.com",
        [
            *(("Route", route) for route in routes),
            ("Via", f"SIP/2.0/UDP {sent_by};branch={branch}"),
            ("Max-Forwards", "69"),
            ("To", "<sip:bob@example.com>" + (f";tag={to_tag}" if to_tag else "")),
            ("From", '"Alice" <sip:alice@example.com>;tag=a1'),
            ("Call-ID", "call-1"),
            ("CSeq", f"{cseq} {method}"),
        ],
    )


class Wire:
    """Carries what alice requests and bob answers, octet for octet.

    ``answers`` are bob's: pairs of seconds after the request and status; ``lose`` says which messages are lost, in
    order of sending, until it ends. Bob resends a 2xx to INVITE until its ACK arrives and alice acknowledges it, as
    their cores would.
    """

    def __init__(
        self,
        *,
        answers: Sequence[tuple[float, int]] = ((0.0, 200),),
        lose: Iterable[bool] = (),
        delay: float = 0.0,
        reliable: bool = False,
        timers: Timers | None = None,
    ) -> None:
        self.timers = timers or Timers()
        self.layers = {"alice": TransactionLayer(self.timers), "bob": TransactionLayer(self.timers)}
        self.sent: list[Sent] = []
        self.effects: dict[str, list[tuple[float, Effect | GivenUp]]] = {"alice": [], "bob": []}
        self.now = 0.0
        self._answers = answers
        self._lose: Iterator[bool] = iter(lose)
        self._delay = delay
        self._reliable = reliable
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._serial = 0
        self._acknowledged = False

    def request(self, request: Request) -> str:
        """Let alice send ``request`` now; return the transaction's key."""
        key = self.layers["alice"].send_request(request, FLOW, self.now, reliable=self._reliable)
        if request.method == "INVITE":
            self.at(self.now + PATIENCE, lambda: self._give_up(key))
        self._drain()
        return key

    def run(self, until: float = float("inf")) -> Wire:
        """Let time pass until nothing is left to happen, or until then."""
        for _ in range(100_000):
            moments = [layer.next_deadline() for layer in self.layers.values()]
            moments.append(self._events[0][0] if self._events else None)
            next_ = min((moment for moment in moments if moment is not None), default=None)
            if next_ is None or next_ > until:
                return self
            assert next_ >= self.now, "a deadline lies in the past"
            self.now = next_
            while self._events and self._events[0][0] <= self.now:
                heapq.heappop(self._events)[2]()
                self._drain()
            for layer in self.layers.values():
                layer.handle_timer(self.now)
            self._drain()
        raise AssertionError("it never ends")

    def at(self, moment: float, action: Callable[[], None]) -> None:
        """Do something when the clock gets there."""
        self._serial += 1
        heapq.heappush(self._events, (moment, self._serial, action))

    def sent_at(self, sender: str, start: str = "") -> list[float]:
        """Return when ``sender`` sent messages whose start line begins with ``start``."""
        return [sent.at for sent in self.sent if sent.sender == sender and sent.message.start_line.startswith(start)]

    def ends(self, key: str) -> list[Effect | GivenUp]:
        """Return what ended alice's request: 2xx once however often it came."""
        ends: list[Effect | GivenUp] = []
        for _, effect in self.effects["alice"]:
            match effect:
                case ResponseReceived(effect_key, response) if effect_key == key and response.status >= 200:
                    if not (ends and 200 <= response.status < 300):
                        ends.append(effect)
                case TimedOut(effect_key) | TransportFailed(effect_key) | GivenUp(effect_key) if effect_key == key:
                    ends.append(effect)
        return ends

    def _drain(self) -> None:
        for name, layer in self.layers.items():
            while effects := layer.effects():
                for effect in effects:
                    self.effects[name].append((self.now, effect))
                    self._perform(name, effect)

    def _perform(self, name: str, effect: Effect) -> None:
        match effect:
            case Send(_, message):
                self._transmit(name, message)
            case ResponseReceived(_, response) if response.cseq is not None and response.cseq.method == "INVITE":
                if 200 <= response.status < 300:
                    self._transmit("alice", build_request("ACK", branch="z9hG4bKack", to_tag="b1"))
            case AckReceived():
                self._acknowledged = True
            case Created() | Terminated() | TimedOut() | TransportFailed() | ResponseReceived():
                pass

    def _transmit(self, sender: str, message: Request | Response) -> None:
        lost = next(self._lose, False)
        self.sent.append(Sent(self.now, sender, message, lost))
        if not lost:
            data = serialize(message)
            self.at(self.now + self._delay, lambda: self._deliver("bob" if sender == "alice" else "alice", data))

    def _deliver(self, receiver: str, data: bytes) -> None:
        layer = self.layers[receiver]
        message = parse(data)
        if isinstance(message, Response):
            layer.receive_response(message, self.now)
        elif layer.receive_request(message, FLOW, self.now) is None:
            if message.method == "ACK":
                self._acknowledged = True
                return
            key = layer.accept_request(message, FLOW, self.now, reliable=self._reliable)
            for seconds, status in self._answers:
                response = build_response(message, status, to_tag="b1")
                self.at(self.now + seconds, lambda response=response: self._respond(key, response, 0))  # type: ignore[misc]

    def _respond(self, key: str, response: Response, attempt: int) -> None:
        self.layers["bob"].respond(key, response, self.now)
        # RFC 3261 §13.3.1.4: T1, doubling up to T2, for 64*T1.
        repeated = response.cseq is not None and response.cseq.method == "INVITE" and 200 <= response.status < 300
        if repeated and not self._acknowledged and attempt < 10:
            pause = min(self.timers.T1 * 2**attempt, self.timers.T2)
            self.at(self.now + pause, lambda: self._repeat(key, response, attempt + 1))

    def _repeat(self, key: str, response: Response, attempt: int) -> None:
        if not self._acknowledged:
            self._respond(key, response, attempt)

    def _give_up(self, key: str) -> None:
        layer = self.layers["alice"]
        if not self.ends(key):
            self.effects["alice"].append((self.now, GivenUp(key)))
            layer.destroy(key)
