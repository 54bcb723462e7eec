"""``sipcli listen``: what arrives, printed and answered (RFC 3428 §7, RFC 3261 §13.3)."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import click

from sipcli.cli.flags import Seconds
from sipcli.cli.output import Outcome
from sipcli.cli.rendering import identity
from sipcli.cli.runner import Command, Run
from sipcli.contexts import InviteServerContext, MessageServerContext, ServerContext
from sipcli.sip.events import Cause, NotifyReceived
from sipcli.sip.message import Message
from sipcli.ua import UA

__all__ = ["command"]


@click.command(
    "listen",
    cls=Command,
    help="""Register and print what arrives, until Ctrl-C, --count or --for.

    Messages are answered with 200, calls are refused with 480. Lost connections are repaired.""",
    examples=(
        ("sipcli listen", "print messages until Ctrl-C"),
        ("sipcli listen --count 1 --for 60 --json | jq -r 'select(.body).body'", "wait for one message"),
        ("sipcli listen --reply 603 --reject 486", "refuse messages, be busy for calls"),
        ("sipcli listen --no-register -s ws://127.0.0.1:5080", "only what the server sends anyway"),
    ),
    details=(
        "--count counts every message and every call once it has ended, however it ended.",
        "--timeout bounds connecting and registering; after that --for does.",
    ),
)
@click.option(
    "--reply", metavar="CODE", type=click.IntRange(200, 699), default=200, help="Answer messages with this (200)."
)
@click.option(
    "--reject", metavar="CODE", type=click.IntRange(300, 699), help="Refuse calls with this (480).", default=None
)
@click.option("--ring", is_flag=True, help="Let calls ring until the caller gives up or --no-answer-timeout.")
@click.option("--count", metavar="N", type=click.IntRange(1), help="End after this many messages and calls.")
@click.option("--for", "duration", metavar="SECONDS", type=Seconds(), help="End after this time.")
async def command(
    run: Run, reply: int, reject: int | None, ring: bool, count: int | None, duration: float | None
) -> Outcome:
    """Print what arrives; success when --count or --for ends it."""
    if ring and reject is not None:
        raise click.UsageError("--ring and --reject exclude each other")
    config = run.load()
    registers = config.register
    config = (run.account(config) if registers else config).replace(register=False)
    run.fields.update(messages=0, calls=0)
    async with run.user_agent(config, recover=True) as ua:
        listener = _Listener(run, reply, None if ring else reject or 480, count)
        listener.attach(ua)
        if registers:
            await ua.register(extra_headers=run.headers)
            run.output.note(f"listening as {config.uri}; Ctrl-C ends it")
        run.lift_timeout()
        run.stop_when_unread()
        await asyncio.wait([listener.enough], timeout=duration)
    return Outcome()


@dataclass(slots=True)
class _Listener:
    run: Run
    reply: int
    reject: int | None
    """What refuses calls; None lets them ring."""
    count: int | None
    enough: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    """Done when ``count`` have come."""

    def attach(self, ua: UA) -> None:
        """Take what the user agent hears."""
        ua.on("message", self._message)
        ua.on("invite", self._invite)
        ua.on("notify", self._notify)
        ua.on("outOfDialogReferRequested", self._refer)

    def _message(self, context: MessageServerContext) -> None:
        self._print("message", context.request)
        if self.reply < 300:
            context.accept(self.reply)
        else:
            context.reject(self.reply)
        self._counted("messages")

    def _invite(self, context: InviteServerContext) -> None:
        self.run.output.line(f"call from {identity(context.request, 'From')}", bullet="•")
        if self.reject is None:
            context.ring()
            context.on("cancel", lambda: self._given_up(context))
            return
        context.reject(self.reject)
        self.run.output.line(f"  refused with {self.reject}")
        if self.run.renderer is not None:
            self.run.renderer.call_ended(context.request, Cause.of_status(self.reject), by="local")
        self._counted("calls")

    def _given_up(self, context: InviteServerContext) -> None:
        self.run.output.line(f"  {identity(context.request, 'From')} gave up")
        self._counted("calls")

    def _notify(self, event: NotifyReceived) -> None:
        self._print("notification", event.request)

    def _refer(self, context: ServerContext) -> None:
        # Never followed unasked: whoever refers is a stranger.
        self.run.output.line(
            f"referred to {context.request.get('Refer-To')} by {identity(context.request, 'From')}", bullet="•"
        )
        context.reject(603)

    def _print(self, what: str, message: Message) -> None:
        kind = message.get("Content-Type") or ""
        plain = kind.partition(";")[0].strip().lower() in ("", "text/plain")
        heading = f"{what} from {identity(message, 'From')}" + ("" if plain else f" ({kind})")
        text = message.text
        if plain and "\n" not in text.rstrip("\r\n"):
            self.run.output.line(f"{heading}: {text.rstrip(chr(13) + chr(10))}", bullet="•")
            return
        self.run.output.line(f"{heading}:", bullet="•")
        # Indented, so that no line of a body passes for one of ours.
        self.run.output.block(text, indent="    ")

    def _counted(self, what: str) -> None:
        fields = self.run.fields
        done = fields[what]
        assert isinstance(done, int)
        fields[what] = done + 1
        if self.count is not None and not self.enough.done():
            total = sum(value for name in ("messages", "calls") if isinstance(value := fields[name], int))
            if total >= self.count:
                self.enough.set_result(None)
