"""The flow to a server: connecting, keeping it alive, replacing it (RFC 5626 §4.4, §4.5; RFC 7118 §6)."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, auto

from sipcli.sip.errors import LocalProtocolError
from sipcli.sip.events import (
    Cause,
    Connect,
    Connected,
    Connecting,
    Disconnect,
    Disconnected,
    KeepAliveTimeout,
    Ping,
    Transmit,
)
from sipcli.sip.failover import Failover, Retry
from sipcli.sip.ids import Ids
from sipcli.sip.keepalive import CRLF, CRLFCRLF, KeepAlive, OptionsPing
from sipcli.sip.settings import Server, Settings

__all__ = ["FlowControl", "FlowOutput", "Input", "OptionsPing", "State"]

FlowOutput = (
    Connect | Disconnect | Transmit | Ping | OptionsPing | Connecting | Connected | Disconnected | KeepAliveTimeout
)

# RFC 6455 §7.4.1: the code of a connection that ended without a Close frame, and of one that cannot go on.
ABNORMAL_CLOSURE = 1006
INTERNAL_ERROR = 1011

# The transport keeps the same deadline and knows better what it was waiting for: it speaks first.
GRACE = 0.5


class State(Enum):
    STOPPED = auto()
    CONNECTING = auto()
    CONNECTED = auto()
    WAITING = auto()
    """For the time of the next attempt."""
    CLOSING = auto()
    """Stopped by us, the close handshake is under way."""


class Input(Enum):
    START = auto()
    STOP = auto()
    OPENED = auto()
    LOST = auto()
    """The connection failed, and there is something left to try."""
    EXHAUSTED = auto()
    """The connection failed, and there is nothing left to try."""
    CLOSED = auto()
    """The close that we began is done, or took too long."""
    RETRY = auto()


class FlowControl:
    """Keeps at most one flow to the configured servers. Times are seconds.

    With ``recover`` a flow that is lost is replaced, for ever. Without, each server is tried once, and a flow that is
    lost stays lost.
    """

    __slots__ = (
        "_attempt",
        "_began",
        "_deadline",
        "_failover",
        "_flow",
        "_keep_alive",
        "_outputs",
        "_retry",
        "_server",
        "_settings",
        "state",
    )

    def __init__(self, settings: Settings, ids: Ids, *, recover: bool) -> None:
        self._settings = settings
        self._failover = Failover(settings, ids, recover=recover)
        self._keep_alive = KeepAlive(settings, ids)
        self._outputs: list[FlowOutput] = []
        self.state = State.STOPPED
        self._flow = 0
        self._server: Server | None = None
        self._attempt = 0
        self._began = 0.0  # when the attempt began, then when the connection stood
        self._retry: Retry | None = None
        self._deadline: float | None = None

    # What the core asks

    @property
    def current(self) -> int | None:
        """The flow that stands, None while there is none."""
        return self._flow if self.state is State.CONNECTED else None

    @property
    def server(self) -> Server | None:
        """The server of the flow that stands or is being made."""
        return self._server if self.state in (State.CONNECTED, State.CONNECTING) else None

    def outputs(self) -> list[FlowOutput]:
        """Return what is to be done and told, in order, and forget it."""
        outputs, self._outputs = self._outputs, []
        return outputs

    def next_deadline(self) -> float | None:
        """Return when ``handle_timer`` wants to be called."""
        return self._keep_alive.deadline if self.state is State.CONNECTED else self._deadline

    # Inputs

    def start(self, now: float) -> None:
        """Connect, unless that is under way or done. Raises LocalProtocolError when no server is configured."""
        if not self._settings.ws_servers:
            raise LocalProtocolError("no server to connect to: ws_servers is empty")
        self._process(Input.START, now)

    def stop(self, now: float) -> None:
        """Close the flow and try no more."""
        self._process(Input.STOP, now)

    def connected(self, flow: int, now: float) -> None:
        """Take notice that the connection of ``flow`` stands."""
        if flow == self._flow and self.state is State.CONNECTING:
            self._process(Input.OPENED, now)
        elif flow != self.current:
            # Given up before it stood: nobody will ever use it.
            self._outputs.append(Disconnect(flow))

    def disconnected(self, flow: int, code: int, reason: str, clean: bool, now: float) -> None:
        """Take notice that the connection of ``flow`` ended or could not be made."""
        if flow != self._flow:
            return
        if self.state is State.CLOSING:
            self._finish(code, reason, clean, now)
        elif self.state in (State.CONNECTING, State.CONNECTED):
            self._lose(code, reason, clean, now)

    def received(self, flow: int, now: float) -> None:
        """Take any traffic as a sign of life."""
        if flow == self._flow:
            self._keep_alive.alive(now)

    pong = received
    options_answered = received

    def crlf_received(self, flow: int, data: bytes, now: float) -> None:
        """Answer a double CRLF by a single one, which is the answer itself (RFC 5626 §4.4.1)."""
        if flow != self.current:
            return
        self._keep_alive.alive(now)
        if data.startswith(CRLFCRLF):
            self._outputs.append(Transmit(flow, CRLF))

    def handle_timer(self, now: float) -> None:
        """Do what was due until ``now``."""
        deadline = self.next_deadline()
        if deadline is None or now < deadline:
            return
        match self.state:
            case State.CONNECTED:
                self._probe(now)
            case State.CONNECTING:
                reason = f"no connection within {self._settings.connection_timeout:g} s"
                self._outputs.append(Disconnect(self._flow, INTERNAL_ERROR, reason))
                self._lose(ABNORMAL_CLOSURE, reason, False, now)
            case State.CLOSING:
                self._finish(ABNORMAL_CLOSURE, "no answer to the close", False, now)
            case _:
                self._process(Input.RETRY, now)

    # The machine

    def _process(self, input_: Input, now: float) -> None:
        row = TRANSITIONS.get((self.state, input_))
        if row is None:
            return
        action, self.state = row
        self._deadline = None
        action(self, now)

    def _begin(self, now: float) -> None:
        self._server = self._failover.start(now)
        self._attempt = 0
        self._connect(now)

    def _connect(self, now: float) -> None:
        if self._retry is not None:
            self._server, self._retry = self._retry.server, None
        assert self._server is not None
        self._flow += 1
        self._attempt += 1
        self._began = now
        self._deadline = now + self._settings.connection_timeout + GRACE
        self._outputs.append(Connecting(self._server.url, self._attempt))
        self._outputs.append(Connect(self._flow, self._server))

    def _opened(self, now: float) -> None:
        assert self._server is not None
        self._outputs.append(Connected(self._server.url, self._attempt, (now - self._began) * 1000))
        self._attempt = 0
        self._began = now
        self._keep_alive.start(self._flow, now)

    def _wait(self, now: float) -> None:
        assert self._retry is not None
        self._keep_alive.stop()
        self._deadline = now + self._retry.delay

    def _rest(self, _now: float) -> None:
        self._keep_alive.stop()
        self._retry = None

    def _abandon(self, _now: float) -> None:
        self._outputs.append(Disconnect(self._flow))

    def _close(self, now: float) -> None:
        self._keep_alive.stop()
        self._deadline = now + self._settings.connection_timeout
        self._outputs.append(Disconnect(self._flow))

    def _restart(self, now: float) -> None:
        self._tell_disconnected(ABNORMAL_CLOSURE, "started again before the close was done", False, None, None)
        self._begin(now)

    # Where the next state depends on what is left to try

    def _lose(self, code: int, reason: str, clean: bool, now: float) -> None:
        stood_for = now - self._began if self.state is State.CONNECTED else None
        self._retry = self._failover.lost(stood_for, now)
        delay = None if self._retry is None else self._retry.delay
        self._tell_disconnected(code, reason, clean, delay, Cause.CONNECTION_ERROR)
        self._process(Input.EXHAUSTED if self._retry is None else Input.LOST, now)

    def _finish(self, code: int, reason: str, clean: bool, now: float) -> None:
        self._tell_disconnected(code, reason, clean, None, None)
        self._process(Input.CLOSED, now)

    def _probe(self, now: float) -> None:
        probe = self._keep_alive.handle_timer(now)
        if probe is not None:
            self._outputs.append(probe)
            return
        assert self._server is not None
        reason = f"no answer to a keep-alive within {self._settings.keep_alive_debounce:g} s"
        self._outputs.append(KeepAliveTimeout(self._server.url))
        self._outputs.append(Disconnect(self._flow, INTERNAL_ERROR, "keep-alive timeout"))
        self._lose(ABNORMAL_CLOSURE, reason, False, now)

    def _tell_disconnected(
        self, code: int, reason: str, clean: bool, will_retry_in: float | None, cause: Cause | None
    ) -> None:
        assert self._server is not None
        self._outputs.append(Disconnected(self._server.url, code, reason, clean, will_retry_in, cause))


# Row by row: where we are, what comes, what is done, where we are then. What is not here is absorbed.
TRANSITIONS: dict[tuple[State, Input], tuple[Callable[[FlowControl, float], None], State]] = {
    (State.STOPPED, Input.START): (FlowControl._begin, State.CONNECTING),
    (State.CONNECTING, Input.OPENED): (FlowControl._opened, State.CONNECTED),
    (State.CONNECTING, Input.LOST): (FlowControl._wait, State.WAITING),
    (State.CONNECTING, Input.EXHAUSTED): (FlowControl._rest, State.STOPPED),
    (State.CONNECTING, Input.STOP): (FlowControl._abandon, State.STOPPED),
    (State.CONNECTED, Input.LOST): (FlowControl._wait, State.WAITING),
    (State.CONNECTED, Input.EXHAUSTED): (FlowControl._rest, State.STOPPED),
    (State.CONNECTED, Input.STOP): (FlowControl._close, State.CLOSING),
    (State.WAITING, Input.RETRY): (FlowControl._connect, State.CONNECTING),
    (State.WAITING, Input.STOP): (FlowControl._rest, State.STOPPED),
    (State.CLOSING, Input.CLOSED): (FlowControl._rest, State.STOPPED),
    (State.CLOSING, Input.START): (FlowControl._restart, State.CONNECTING),
}
