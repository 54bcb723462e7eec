"""The flow: which server, when again, and is it still there (PARAMETERS rows 4, 23, 24, 31, 67, 73, 74, 98-100)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import chain, pairwise, product, repeat
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
from sipcli.sip.failover import STABLE_AFTER
from sipcli.sip.flow import GRACE, TRANSITIONS, FlowControl, FlowOutput, Input, OptionsPing, State
from sipcli.sip.ids import Ids
from sipcli.sip.settings import KeepAlive, Server, Settings

A, B, C = "ws://a.example.com", "ws://b.example.com", "ws://c.example.com"


@dataclass(frozen=True)
class FlowSettings:
    """The settings that a flow obeys, with the documented defaults."""

    ws_servers: tuple[Server, ...] = ()
    ws_server_max_reconnection: int = 3
    ws_server_reconnection_timeout: float = 4
    connection_recovery_min_interval: float = 2
    connection_recovery_max_interval: float = 30
    connection_timeout: float = 5
    keep_alive: KeepAlive = "ping"
    keep_alive_interval: float = 25
    keep_alive_debounce: float = 10


LOW = Ids(bytes)
"""Chance that always says 0."""
HIGH = Ids(lambda length: b"\xff" * length)
"""Chance that always says nearly 1."""


def ids_of(fractions: Iterable[float]) -> Ids:
    """Return chance that says these fractions, one after the other, and then 0."""
    series = chain(fractions, repeat(0.0))
    return Ids(lambda length: int(next(series) * (1 << 8 * length)).to_bytes(length, "big"))


class Net:
    """A clock and servers for a FlowControl: ``stands_for`` says how long a connection to a URL stands.

    None means that it cannot be made; the n-th attempt at a server is numbered from 0.
    """

    def __init__(
        self,
        control: FlowControl,
        stands_for: Callable[[str, int], float | None],
        *,
        pongs: bool = True,
    ) -> None:
        self.control = control
        self.stands_for = stands_for
        self.pongs = pongs
        self.now = 0.0
        self.seen: list[tuple[float, FlowOutput]] = []
        self._attempts: dict[str, int] = {}
        self._ends: dict[int, float] = {}

    def run(self, until: float) -> None:
        """Go on to ``until`` seconds."""
        while True:
            self._perform()
            deadline = self.control.next_deadline()
            times = [*self._ends.values(), *([] if deadline is None else [deadline])]
            if not times or min(times) > until:
                self.now = until
                return
            self.now = max(self.now, min(times))
            for flow, end in list(self._ends.items()):
                if end <= self.now:
                    del self._ends[flow]
                    self.control.disconnected(flow, 1006, "gone", False, self.now)
            self.control.handle_timer(self.now)

    def _perform(self) -> None:
        while outputs := self.control.outputs():
            for output in outputs:
                self.seen.append((self.now, output))
                if isinstance(output, Connect):
                    self._connect(output)
                elif isinstance(output, Disconnect):
                    self._ends.pop(output.flow, None)
                elif isinstance(output, Ping) and self.pongs:
                    self.control.pong(output.flow, self.now)

    def _connect(self, connect: Connect) -> None:
        url = connect.server.url
        number = self._attempts[url] = self._attempts.get(url, -1) + 1
        stands_for = self.stands_for(url, number)
        if stands_for is None:
            self.control.disconnected(connect.flow, 1006, "refused", False, self.now)
        else:
            self.control.connected(connect.flow, self.now)
            self._ends[connect.flow] = self.now + stands_for

    def attempts(self) -> list[tuple[float, str]]:
        return [(time, output.server.url) for time, output in self.seen if isinstance(output, Connect)]

    def of(self, kind: type[FlowOutput]) -> list[FlowOutput]:
        return [output for _, output in self.seen if isinstance(output, kind)]


def server(url: str, weight: int = 0) -> Server:
    return Server(url, False, url.removeprefix("ws://"), 80, weight)


def control_of(*servers: str | Server, ids: Ids = LOW, recover: bool = True, **values: object) -> FlowControl:
    chosen = tuple(entry if isinstance(entry, Server) else server(entry) for entry in servers or (A,))
    settings = FlowSettings(chosen, **values)  # type: ignore[arg-type]  # the fields have their types
    return FlowControl(cast(Settings, settings), ids, recover=recover)


def connected_control(*, recover: bool = True, ids: Ids = LOW, **values: object) -> FlowControl:
    """Return a control whose flow 1 stands since 0 s, its outputs forgotten."""
    control = control_of(ids=ids, recover=recover, **values)
    control.start(0)
    control.connected(1, 0)
    control.outputs()
    return control


def dead(_url: str, _number: int) -> float | None:
    return None


def for_ever(_url: str, _number: int) -> float | None:
    return float("inf")


# Which server


def test_row_67_highest_weight_first() -> None:
    """Row 67: the highest weight first, each failed server left out, at once."""
    net = Net(control_of(server(A, 1), server(B, 9), C, recover=False), dead)
    net.control.start(0)
    net.run(100)
    assert net.attempts() == [(0, B), (0, A), (0, C)]


@pytest.mark.parametrize(("ids", "order"), [(LOW, [A, B, C]), (HIGH, [C, B, A]), (ids_of((0.5, 0.5, 0)), [B, C, A])])
def test_row_67_random_among_equals(ids: Ids, order: list[str]) -> None:
    """Row 67: equals are chosen from at random."""
    net = Net(control_of(A, B, C, ids=ids, recover=False), dead)
    net.control.start(0)
    net.run(100)
    assert [url for _, url in net.attempts()] == order


def test_one_shot_tries_each_server_once() -> None:
    """Without recovery every server is tried once; the last failure says that nothing more comes."""
    net = Net(control_of(A, B, recover=False), dead)
    net.control.start(0)
    net.run(100)
    assert net.of(Disconnected) == [
        Disconnected(A, 1006, "refused", False, 0.0, Cause.CONNECTION_ERROR),
        Disconnected(B, 1006, "refused", False, None, Cause.CONNECTION_ERROR),
    ]
    assert net.control.state is State.STOPPED


def test_one_shot_does_not_repair_a_drop() -> None:
    """Without recovery a flow that is lost stays lost, although another server is there."""
    net = Net(control_of(A, B, recover=False), lambda _url, _number: 7)
    net.control.start(0)
    net.run(100)
    assert net.attempts() == [(0, A)]
    assert net.of(Disconnected) == [Disconnected(A, 1006, "gone", False, None, Cause.CONNECTION_ERROR)]


# When again (A7)


def test_rows_98_99_after_a_drop() -> None:
    """Rows 98, 99: a drop is followed by tries at +0, +4 and +8 s, the other server, then the recovery interval."""
    net = Net(control_of(A, B), lambda url, number: 10 if (url, number) == (A, 0) else None)
    net.control.start(0)
    net.run(21)
    assert net.attempts() == [(0, A), (10, A), (14, A), (18, A), (18, B), (20, A), (20, B)]


@pytest.mark.parametrize(
    ("count", "timeout", "times"), [(0, 4, [0, 12]), (1, 4, [0, 10, 10]), (3, 1.5, [0, 10, 11.5, 13, 13])]
)
def test_rows_98_99_configured(count: int, timeout: float, times: list[float]) -> None:
    """Rows 98, 99: the number of tries and the time between them are obeyed."""
    control = control_of(
        A,
        *([B] if count else []),
        ws_server_max_reconnection=count,
        ws_server_reconnection_timeout=timeout,
    )
    net = Net(control, lambda url, number: 10 if (url, number) == (A, 0) else None)
    net.control.start(0)
    net.run(13.5)
    assert [time for time, _ in net.attempts()][: len(times)] == times


def test_row_74_recovery_interval() -> None:
    """Row 74: floor(rand * 2^count + 1) * min; above the maximum it is min again and the count 0."""
    # One fraction for the first choice, then one for a choice and one for an interval in turn.
    fractions = (0.0, *(fraction for interval in (0.9, 0.9, 0.9, 0.9, 0.5, 0.9, 0.9) for fraction in (0, interval)))
    net = Net(control_of(ids=ids_of(fractions)), dead)
    net.control.start(0)
    net.run(58)
    times = [time for time, _ in net.attempts()]
    # 1, 2, 4, 8 times 2 s; 0.5 * 16 + 1 = 9 times; 0.9 * 32 + 1 = 29 times is above 30 s.
    assert [later - earlier for earlier, later in pairwise(times)][:7] == [2, 4, 8, 16, 18, 2, 4]


def test_row_74_maximum_resets() -> None:
    """Row 74: the interval after one above the maximum is the least, and the next one is drawn from two."""
    net = Net(control_of(ids=HIGH, connection_recovery_min_interval=1, connection_recovery_max_interval=5), dead)
    net.control.start(0)
    net.run(30)
    times = [time for time, _ in net.attempts()]
    assert [later - earlier for earlier, later in pairwise(times)][:9] == [1, 2, 4, 1, 2, 4, 1, 2, 4]


def test_row_24_disconnected_at_once() -> None:
    """Row 24: the loss is told at once, with code, reason and the time of the next attempt."""
    control = connected_control()
    control.disconnected(1, 1001, "going away", True, 10)
    assert control.outputs() == [Disconnected(A, 1001, "going away", True, 0.0, Cause.CONNECTION_ERROR)]
    control.handle_timer(10)
    assert control.outputs() == [Connecting(A, 1), Connect(2, control.server)]  # type: ignore[arg-type]  # is there
    control.disconnected(2, 1006, "refused", False, 10)
    assert control.outputs() == [Disconnected(A, 1006, "refused", False, 4.0, Cause.CONNECTION_ERROR)]


def test_rows_23_31_connecting_and_connected() -> None:
    """Rows 23, 31: each attempt is told with its number since the last success, and a success with its duration."""
    control = control_of(A, B)
    control.start(5)
    control.disconnected(1, 1006, "refused", False, 5)
    control.handle_timer(5)
    control.connected(2, 5.25)
    told = [output for output in control.outputs() if isinstance(output, (Connecting, Connected))]
    assert told == [Connecting(A, 1), Connecting(B, 2), Connected(B, 2, 250)]
    assert control.current == 2
    assert control.server is not None
    assert control.server.url == B
    control.disconnected(2, 1006, "gone", False, 50)
    control.handle_timer(50)
    assert Connecting(B, 1) in control.outputs()


def test_recovery_never_ends() -> None:
    """With recovery it is tried for ever, within the greatest interval."""
    net = Net(control_of(ids=HIGH), dead)
    net.control.start(0)
    net.run(100_000)
    times = [time for time, _ in net.attempts()]
    assert times[-1] > 100_000 - 30
    assert all(2 <= later - earlier <= 30 for earlier, later in pairwise(times))


def most_in_40_seconds(control: FlowControl, stands_for: float) -> int:
    """Return the most attempts in any 40 s, for a server that accepts and soon hangs up."""
    net = Net(control, lambda _url, _number: stands_for)
    net.control.start(0)
    net.run(400)
    times = [time for time, _ in net.attempts()]
    return max(sum(time <= other < time + 40 for other in times) for time in times)


@pytest.mark.parametrize("stands_for", [0, 0.5, STABLE_AFTER - 0.01, STABLE_AFTER])
def test_a_server_that_hangs_up_causes_no_storm(stands_for: float) -> None:
    """Accepting and closing at once: at most 20 attempts in 40 s, even if chance were always against us."""
    assert most_in_40_seconds(control_of(ids=LOW), stands_for) <= 20


@pytest.mark.parametrize("stands_for", [0, 0.5, STABLE_AFTER - 0.01, STABLE_AFTER])
def test_servers_that_hang_up_cause_no_storm(stands_for: float) -> None:
    """The same for several servers, which are tried one right after the other."""
    assert most_in_40_seconds(control_of(A, B, C, ids=LOW), stands_for) <= 20


def test_gaps_grow_for_a_server_that_hangs_up() -> None:
    """A connection that did not last forgives nothing: the intervals go on growing."""
    net = Net(control_of(ids=HIGH), lambda _url, _number: 0)
    net.control.start(0)
    net.run(69)
    times = [time for time, _ in net.attempts()]
    assert [later - earlier for earlier, later in pairwise(times)] == [0, 4, 4, 2, 4, 8, 16, 2, 4, 8, 16]


def test_a_connection_that_lasted_forgives() -> None:
    """After a connection that stood for a while everything begins anew."""
    lasts = STABLE_AFTER + 1
    net = Net(control_of(A, B), lambda url, number: lasts if (url, number) in ((A, 0), (A, 5)) else None)
    net.control.start(0)
    net.run(40)
    drop = lasts
    first = [(0, A), (drop, A), (drop + 4, A), (drop + 8, A), (drop + 8, B), (drop + 10, A), (drop + 10, B)]
    back = drop + 12
    second = [(back, A), *[(back + lasts + wait, A) for wait in (0, 4, 8)], (back + lasts + 8, B)]
    assert net.attempts()[: len(first) + len(second)] == first + second


# One flow at a time


def test_connection_timeout() -> None:
    """A driver that never answers is given up, shortly after the transport's own deadline."""
    control = control_of(connection_timeout=3)
    control.start(0)
    control.outputs()
    assert control.next_deadline() == 3 + GRACE
    control.handle_timer(3)
    assert control.outputs() == []
    control.handle_timer(3 + GRACE)
    outputs = control.outputs()
    assert isinstance(outputs[0], Disconnect)
    assert outputs[1] == Disconnected(A, 1006, "no connection within 3 s", False, 2.0, Cause.CONNECTION_ERROR)
    # Its connection comes up after all: it is closed again.
    control.connected(1, 4)
    assert control.outputs() == [Disconnect(1)]
    assert control.current is None


def test_news_of_other_flows_is_no_news() -> None:
    """What is told of a flow that is not ours changes nothing."""
    control = connected_control()
    control.connected(1, 1)
    control.disconnected(7, 1006, "x", False, 1)
    control.received(7, 1)
    control.pong(7, 1)
    control.crlf_received(7, b"\r\n\r\n", 1)
    assert control.outputs() == []
    assert control.current == 1


def test_row_4_start_is_idempotent() -> None:
    """Row 4: starting again changes nothing while a flow is there, being made, or waited for."""
    control = control_of()
    control.start(0)
    control.outputs()
    control.start(0)
    control.connected(1, 0)
    control.start(1)
    control.disconnected(1, 1006, "x", False, 1)
    control.start(1)
    assert [type(output) for output in control.outputs()] == [Connected, Disconnected]


def test_row_4_start_after_stop() -> None:
    """Row 4: after a stop it connects anew."""
    control = connected_control()
    control.stop(1)
    control.disconnected(1, 1000, "", True, 1)
    control.outputs()
    control.start(2)
    assert [type(output) for output in control.outputs()] == [Connecting, Connect]


def test_start_without_servers() -> None:
    control = FlowControl(cast(Settings, FlowSettings()), LOW, recover=True)
    with pytest.raises(LocalProtocolError, match="no server"):
        control.start(0)


def test_stop_closes_the_flow() -> None:
    """A stop is a close handshake; its end is told once, without a cause."""
    control = connected_control()
    control.stop(1)
    assert control.outputs() == [Disconnect(1)]
    assert control.current is None
    control.stop(1)
    assert control.outputs() == []
    control.disconnected(1, 1000, "bye", True, 1.1)
    assert control.outputs() == [Disconnected(A, 1000, "bye", True, None, None)]
    assert (control.state, control.next_deadline()) == (State.STOPPED, None)


def test_stop_that_nobody_answers() -> None:
    """A close that is never confirmed ends by itself."""
    control = connected_control(connection_timeout=5)
    control.stop(1)
    control.outputs()
    assert control.next_deadline() == 6
    control.handle_timer(6)
    assert control.outputs() == [Disconnected(A, 1006, "no answer to the close", False, None, None)]
    assert control.state is State.STOPPED


def test_start_while_closing() -> None:
    """Starting before the close is done leaves the old flow to itself."""
    control = connected_control()
    control.stop(1)
    control.outputs()
    control.start(1)
    assert [type(output) for output in control.outputs()] == [Disconnected, Connecting, Connect]
    control.disconnected(1, 1000, "", True, 1)
    assert control.outputs() == []
    control.connected(2, 1)
    assert control.current == 2


def test_stop_while_connecting() -> None:
    """An attempt that is under way is given up."""
    control = control_of()
    control.start(0)
    control.outputs()
    control.stop(1)
    assert control.outputs() == [Disconnect(1)]
    control.disconnected(1, 1006, "cancelled", False, 1)
    assert control.outputs() == []
    assert (control.state, control.next_deadline()) == (State.STOPPED, None)


def test_stop_while_waiting() -> None:
    """Nothing more is tried."""
    net = Net(control_of(), dead)
    net.control.start(0)
    net.run(1)
    net.control.stop(1)
    assert net.control.outputs() == []
    assert (net.control.state, net.control.next_deadline()) == (State.STOPPED, None)


# Keep-alive (row 100)


@pytest.mark.parametrize(
    ("kind", "probe"), [("ping", Ping(1)), ("crlf", Transmit(1, b"\r\n\r\n")), ("options", OptionsPing(1))]
)
@pytest.mark.parametrize(("ids", "share"), [(LOW, 0.8), (HIGH, 1.0)])
def test_row_100_keep_alive(kind: str, probe: FlowOutput, ids: Ids, share: float) -> None:
    """Row 100: a probe of the chosen kind every 80 to 100 % of the interval, as long as it is answered."""
    control = connected_control(keep_alive=kind, keep_alive_interval=20, ids=ids)
    now = 0.0
    for _ in range(3):
        deadline = control.next_deadline()
        assert deadline is not None
        assert deadline == pytest.approx(now + share * 20)
        now = deadline
        control.handle_timer(now)
        assert control.outputs() == [probe]
        now += 1
        {"ping": control.pong, "crlf": control.received, "options": control.options_answered}[kind](1, now)
        assert control.outputs() == []


@pytest.mark.parametrize(("kind", "interval"), [("none", 25), ("ping", 0)])
def test_row_100_no_keep_alive(kind: str, interval: float) -> None:
    control = connected_control(keep_alive=kind, keep_alive_interval=interval)
    assert control.next_deadline() is None
    control.handle_timer(1e9)
    assert control.outputs() == []


def test_row_31_keep_alive_timeout() -> None:
    """Rows 31, 100: without an answer the flow is dead, told so, closed and replaced."""
    control = connected_control(keep_alive_interval=20, keep_alive_debounce=10)
    control.handle_timer(16)
    assert control.outputs() == [Ping(1)]
    control.handle_timer(25)
    assert control.outputs() == []
    control.handle_timer(26)
    assert control.outputs() == [
        KeepAliveTimeout(A),
        Disconnect(1, 1011, "keep-alive timeout"),
        Disconnected(A, 1006, "no answer to a keep-alive within 10 s", False, 0.0, Cause.CONNECTION_ERROR),
    ]
    control.disconnected(1, 1006, "aborted", False, 26)
    control.handle_timer(26)
    assert [type(output) for output in control.outputs()] == [Connecting, Connect]


def test_keep_alive_timeout_of_a_one_shot() -> None:
    """Without recovery a dead flow is the end."""
    control = connected_control(recover=False)
    control.handle_timer(20)
    control.handle_timer(30)
    assert control.outputs()[-1] == Disconnected(
        A, 1006, "no answer to a keep-alive within 10 s", False, None, Cause.CONNECTION_ERROR
    )
    assert (control.state, control.next_deadline()) == (State.STOPPED, None)


@pytest.mark.parametrize("sign", ["received", "pong", "crlf", "crlfcrlf"])
def test_any_traffic_is_a_sign_of_life(sign: str) -> None:
    """Whatever comes answers the probe."""
    control = connected_control(keep_alive_interval=20)
    control.handle_timer(16)
    if sign.startswith("crlf"):
        control.crlf_received(1, b"\r\n" if sign == "crlf" else b"\r\n\r\n", 17)
    else:
        getattr(control, sign)(1, 17)
    assert control.next_deadline() == 17 + 16
    control.received(1, 18)
    assert control.next_deadline() == 17 + 16


def test_rfc_5626_ping_of_the_server() -> None:
    """A double CRLF is answered by a single one; a single one, which is an answer, is not (RFC 5626 §4.4.1)."""
    control = connected_control()
    control.crlf_received(1, b"\r\n\r\n", 1)
    assert control.outputs() == [Transmit(1, b"\r\n")]
    control.crlf_received(1, b"\r\n", 1)
    control.crlf_received(1, b"", 1)
    assert control.outputs() == []


def test_a_flow_that_lives_stays() -> None:
    """With pongs coming, one connection lasts."""
    net = Net(control_of(), for_ever)
    net.control.start(0)
    net.run(1000)
    assert net.attempts() == [(0, A)]
    assert len(net.of(Ping)) == 1000 // 20 - 0


def test_a_flow_that_dies_is_replaced() -> None:
    """Without pongs each connection lasts an interval and a debounce."""
    net = Net(control_of(), for_ever, pongs=False)
    net.control.start(0)
    net.run(100)
    assert [time for time, _ in net.attempts()] == [0, 30, 60, 90]


# The machine

ABSORBED = {
    # A start that changes nothing, a stop of nothing.
    *product((State.CONNECTING, State.CONNECTED, State.WAITING), (Input.START,)),
    *product((State.STOPPED, State.CLOSING), (Input.STOP,)),
    # The inputs that the control makes itself, in states where it never makes them.
    *product((State.STOPPED, State.WAITING, State.CLOSING), (Input.OPENED, Input.LOST, Input.EXHAUSTED)),
    (State.CONNECTED, Input.OPENED),
    *product((State.STOPPED, State.CONNECTING, State.CONNECTED, State.WAITING), (Input.CLOSED,)),
    *product((State.STOPPED, State.CONNECTING, State.CONNECTED, State.CLOSING), (Input.RETRY,)),
}


def test_every_pair_is_a_row_or_absorbed() -> None:
    assert set(TRANSITIONS) | ABSORBED == set(product(State, Input))
    assert not set(TRANSITIONS) & ABSORBED


INPUTS = ("start", "stop", "connected", "disconnected", "received", "pong", "crlf", "timer", "wait")


@given(st.lists(st.tuples(st.sampled_from(INPUTS), st.integers(0, 2), st.floats(0, 40))), st.booleans())
def test_any_order_of_inputs(steps: list[tuple[str, int, float]], recover: bool) -> None:
    """At most one connection is wanted at a time, each loss is told once, and a stopped control waits for nothing."""
    control = control_of(A, B, recover=recover)
    wanted: set[int] = set()
    newest = 0
    now = 0.0
    for name, back, pause in steps:
        flow = newest - back
        match name:
            case "start":
                control.start(now)
            case "stop":
                control.stop(now)
            case "connected":
                control.connected(flow, now)
            case "disconnected":
                control.disconnected(flow, 1006, "x", False, now)
                wanted.discard(flow)
            case "crlf":
                control.crlf_received(flow, b"\r\n\r\n", now)
            case "timer":
                control.handle_timer(now)
            case "wait":
                now += pause
            case _:
                getattr(control, name)(flow, now)
        for output in control.outputs():
            if isinstance(output, Connect):
                assert output.flow == newest + 1
                newest = output.flow
                wanted.add(newest)
            elif isinstance(output, Disconnect):
                wanted.discard(output.flow)
        assert wanted <= {newest}
        if control.state is State.STOPPED:
            assert control.next_deadline() is None
            assert not wanted
