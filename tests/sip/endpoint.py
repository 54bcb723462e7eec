"""A user agent core whose far end is the test, on a clock of its own."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import TypeVar

from sipcli.config import Config
from sipcli.sip.core import UserAgentCore
from sipcli.sip.events import Connect, Disconnect, Event, Output, Ping, Transmit
from sipcli.sip.ids import Ids
from sipcli.sip.message import Request, Response, build_response, parse, serialize
from sipcli.sip.timers import Timers

__all__ = ["Endpoint", "build_request"]

EventT = TypeVar("EventT")
DEFAULTS = {"uri": "alice@example.com", "ws_servers": ["ws://127.0.0.1:5060"], "register": False, "keep_alive": "none"}


class Endpoint:
    """Alice. ``sent`` holds her messages, ``events`` what she has to tell, ``orders`` the rest, all in order."""

    def __init__(
        self,
        *,
        recover: bool = True,
        connect: bool = True,
        seed: int = 1,
        timers: Timers | None = None,
        **settings: object,
    ) -> None:
        self.core = UserAgentCore(
            Config(**{**DEFAULTS, **settings}), timers or Timers(), Ids(Random(seed).randbytes), recover=recover
        )
        self.now = 100.0
        self.outputs: list[Output] = []
        self.sent: list[Request | Response] = []
        self.events: list[Event] = []
        self.orders: list[Connect | Disconnect | Ping] = []
        self.flow = 0
        if connect:
            self.connect()

    # The far end

    def connect(self) -> None:
        """Start, and let the connection stand."""
        self.core.start(self.now)
        self.drain()
        self.establish()

    def establish(self) -> None:
        """Let the connection that was asked for stand."""
        connects = [order for order in self.orders if isinstance(order, Connect)]
        self.flow = connects[-1].flow
        self.core.connected(self.flow, self.now)
        self.drain()

    def drop(self, code: int = 1006, reason: str = "gone", clean: bool = False) -> None:
        """Lose the connection, or let it not come about."""
        connects = [order for order in self.orders if isinstance(order, Connect)]
        self.core.disconnected(connects[-1].flow, code, reason, clean, self.now)
        self.drain()

    def deliver(self, message: Request | Response | bytes) -> None:
        """Let a message arrive."""
        data = message if isinstance(message, bytes) else serialize(message)
        self.core.receive(data, self.flow, self.now)
        self.drain()

    def answer(
        self,
        status: int,
        headers: Sequence[tuple[str, str]] = (),
        *,
        request: Request | None = None,
        to_tag: str = "b1",
        body: bytes = b"",
        content_type: str | None = None,
    ) -> Request:
        """Answer ``request``, or what was requested last; return it."""
        request = request or self.last_request()
        self.deliver(
            build_response(request, status, to_tag=to_tag, headers=headers, body=body, content_type=content_type)
        )
        return request

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        end = self.now + seconds
        for _ in range(100_000):
            deadline = self.core.next_deadline()
            if deadline is None or deadline > end:
                self.now = end
                return
            self.now = max(self.now, deadline)
            self.core.handle_timer(self.now)
            self.drain()
        raise AssertionError("it never ends")

    # What she did

    def drain(self) -> None:
        """Take what the core has put out."""
        for output in self.core.outputs():
            self.outputs.append(output)
            match output:
                case Transmit(flow, data):
                    assert flow == self.flow
                    if data.strip(b"\r\n"):
                        self.sent.append(parse(data))
                case Connect() | Disconnect() | Ping():
                    self.orders.append(output)
                case _:
                    self.events.append(output)

    def registered(self) -> bool:
        """Return whether she says that she is registered."""
        return self.core.registered

    def requests(self, method: str | None = None) -> list[Request]:
        """Return the requests sent, of one method or all."""
        return [
            message
            for message in self.sent
            if isinstance(message, Request) and (method is None or message.method == method)
        ]

    def last_request(self) -> Request:
        """Return the request sent last."""
        return self.requests()[-1]

    def responses(self) -> list[Response]:
        """Return the responses sent."""
        return [message for message in self.sent if isinstance(message, Response)]

    def statuses(self) -> list[int]:
        """Return the status codes sent."""
        return [response.status for response in self.responses()]

    def told(self, type_: type[EventT]) -> list[EventT]:
        """Return the events of one type."""
        return [event for event in self.events if isinstance(event, type_)]

    def last(self, type_: type[EventT]) -> EventT:
        """Return the last event of one type."""
        return self.told(type_)[-1]


def build_request(
    method: str,
    target: str = "sip:alice@example.com",
    headers: Sequence[tuple[str, str]] = (),
    *,
    branch: str = "z9hG4bK1",
    call_id: str = "call-1",
    cseq: int = 1,
    from_tag: str = "b1",
    to_tag: str | None = None,
    body: bytes = b"",
) -> Request:
    """Return a request from bob to alice."""
    return Request(
        method,
        target,
        [
            ("Via", f"SIP/2.0/WS bob.invalid;branch={branch}"),
            ("Max-Forwards", "69"),
            ("To", "<sip:alice@example.com>" + (f";tag={to_tag}" if to_tag else "")),
            ("From", f'"Bob" <sip:bob@example.com>;tag={from_tag}'),
            ("Call-ID", call_id),
            ("CSeq", f"{cseq} {method}"),
            *headers,
        ],
        body,
    )
