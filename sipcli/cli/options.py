"""``sipcli options``: a ping by OPTIONS, with the statistics of ping (RFC 3261 §11)."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field

import click

from sipcli.cli.flags import Seconds
from sipcli.cli.output import ExitCode, Outcome
from sipcli.cli.rendering import milliseconds
from sipcli.cli.runner import Command, Run
from sipcli.contexts import RequestFailed
from sipcli.sip.events import Cause
from sipcli.sip.message import Response
from sipcli.ua import UA

__all__ = ["command"]

# How long the last request is waited for when nothing else is said: 64*T1.
_WAIT = 32.0


@click.command(
    "options",
    cls=Command,
    timeout=None,
    help="""Ping a server or a user with OPTIONS: a line per answer, then loss and round-trip times.""",
    examples=(
        ("sipcli options sip:example.com -s wss://sip.example.com", "one ping, no account needed"),
        ("sipcli options bob -c 5 -i 0.2", "five, a fifth of a second apart"),
        ("sipcli options sip:example.com -c 20 -q --max-loss 5", "exit 13 above 5 % loss"),
        ("sipcli options sip:example.com --json --timeout 2", "for a monitor"),
    ),
    details=(
        "A 2xx is success; another final answer ends with the exit code of its cause, no answer at all with 5. Some "
        "that are lost are no failure unless --max-loss says so (13).",
        "--timeout bounds the whole command, with -c COUNT as well; unless given, the last request is waited for 32 s.",
    ),
)
@click.argument("target", metavar="TARGET")
@click.option("-c", "--count", metavar="COUNT", type=click.IntRange(1), default=1, help="How many to send (1).")
@click.option("-i", "--interval", metavar="SECONDS", type=Seconds(), default=1.0, help="Time between two (1).")
@click.option(
    "--max-loss",
    metavar="PERCENT",
    type=click.FloatRange(0, 100),
    help="Fail with 13 when more than this is lost.",
)
async def command(run: Run, target: str, count: int, interval: float, max_loss: float | None) -> Outcome:
    """Send the requests and return what their answers amount to."""
    run.limit((count - 1) * interval + _WAIT)
    assert run.timeout is not None
    deadline = run.started + run.timeout
    # Requests that the deadline leaves without an answer are lost, which is a result and not a failure to get one.
    run.lift_timeout()
    config = run.load_one_shot()
    pings = _Pings(run, target)
    try:
        async with run.user_agent(config) as ua:
            run.stop_when_unread()
            return await pings.send(ua, count, interval, deadline, max_loss)
    finally:
        pings.summarise()


@dataclass(slots=True)
class _Pings:
    run: Run
    target: str
    sent: int = 0
    open: dict[int, float] = field(default_factory=dict)
    """When each request without an answer was sent, by its number."""
    times: list[float] = field(default_factory=list)
    """Round-trip times in seconds."""
    refused: Response | None = None
    """The first final response that was no success."""
    failed: RequestFailed | None = None
    """Why a request could not be sent, or was cut off."""

    async def send(self, ua: UA, count: int, interval: float, deadline: float, max_loss: float | None) -> Outcome:
        tasks: set[asyncio.Task[None]] = set()
        begin: float | None = None
        for number in range(1, count + 1):
            if begin is not None:
                # By the clock, not by the last request: a late one does not move those after it.
                wait = min(begin + (number - 1) * interval, deadline) - time.monotonic()
                await asyncio.sleep(max(0.0, wait))
            if self.failed is not None or time.monotonic() >= deadline:
                break
            task = asyncio.create_task(self._one(ua, number))
            tasks.add(task)
            if begin is None:
                # The time to connect is not the server's.
                await self._connected(ua, task, deadline)
                begin = time.monotonic()
        _, pending = await asyncio.wait(tasks, timeout=max(0.0, deadline - time.monotonic()))
        for task in pending:
            task.cancel()
        for task in tasks - pending:
            task.result()
        self._lose_open()
        return self._outcome(ua, max_loss)

    async def _connected(self, ua: UA, task: asyncio.Task[None], deadline: float) -> None:
        connected = asyncio.get_running_loop().create_future()

        def settle(*_: object) -> None:
            if not connected.done():
                connected.set_result(None)

        ua.once("connected", settle)
        task.add_done_callback(settle)
        if not ua.is_connected():
            await asyncio.wait([connected], timeout=max(0.0, deadline - time.monotonic()))
        for number in self.open:
            self.open[number] = time.monotonic()

    async def _one(self, ua: UA, number: int) -> None:
        self.sent += 1
        self.open[number] = time.monotonic()
        try:
            response = await ua.request("OPTIONS", self.target, extra_headers=self.run.headers)
        except RequestFailed as error:
            if error.response is None:
                if error.cause is not Cause.REQUEST_TIMEOUT:
                    self.failed = self.failed or error
                self._lost(number)
                return
            response = error.response
            self.refused = self.refused or response
        self._answered(number, response)

    def _answered(self, number: int, response: Response) -> None:
        # The monotonic clock of one machine: never negative.
        seconds = time.monotonic() - self.open.pop(number)
        self.times.append(seconds)
        output = self.run.output
        output.event(
            "options.reply", seq=number, status=response.status, reason=response.reason, rtt_ms=milliseconds(seconds)
        )
        if not output.quiet:
            line = f"{response.status} {response.reason} from {self.target}: seq={number} time={seconds * 1000:.2f} ms"
            output.line(line)

    def _lost(self, number: int) -> None:
        if self.open.pop(number, None) is None:
            return
        self.run.output.event("options.timeout", seq=number)
        if not self.run.output.quiet:
            self.run.output.line(f"no answer from {self.target}: seq={number}")

    def _lose_open(self) -> None:
        for number in sorted(self.open):
            self._lost(number)

    @property
    def _loss(self) -> float:
        return 100.0 * (self.sent - len(self.times)) / self.sent if self.sent else 100.0

    def _outcome(self, ua: UA, max_loss: float | None) -> Outcome:
        if self.refused is not None:
            return Outcome.of_response(self.refused)
        if self.failed is not None:
            raise self.failed
        if not self.times:
            return self.run.expired() if not ua.is_connected() else Outcome.of_cause(Cause.REQUEST_TIMEOUT, "no answer")
        if max_loss is not None and self._loss > max_loss:
            problem = f"{self._loss:g} % of the requests were lost, more than {max_loss:g} %"
            return Outcome(ExitCode.EXPECTATION, problem=problem)
        return Outcome()

    def summarise(self) -> None:
        """Say loss and times, however the command ends."""
        self._lose_open()
        times = sorted(self.times)
        summary: dict[str, object] = {
            "target": self.target,
            "sent": self.sent,
            "received": len(times),
            "loss_percent": round(self._loss, 3),
        }
        output = self.run.output
        output.line(f"--- {self.target} options statistics ---")
        output.line(f"{self.sent} sent, {len(times)} answered, {self._loss:g} % lost")
        names = ("min_ms", "avg_ms", "max_ms", "mdev_ms")
        if times:
            mean = sum(times) / len(times)
            # As ping: the standard deviation.
            deviation = (sum((value - mean) ** 2 for value in times) / len(times)) ** 0.5
            figures = (times[0], mean, times[-1], deviation)
            summary.update({name: milliseconds(value) for name, value in zip(names, figures, strict=True)})
            shown = "/".join(f"{value * 1000:.2f}" for value in figures)
            output.line(f"rtt min/avg/max/mdev = {shown} ms")
        else:
            summary.update(dict.fromkeys(names))
        self.run.fields.update(summary)
