"""``sipcli demo``: registration, digest, a message and its echo, on this machine alone."""

from __future__ import annotations

import asyncio
import time

import click

from sipcli.cli.output import ExitCode, Outcome
from sipcli.cli.rendering import milliseconds
from sipcli.cli.runner import Command, Run
from sipcli.config import Config
from sipcli.contexts import MessageServerContext
from sipcli.lab.server import Lab

__all__ = ["command"]

_TEXT = "Hello from sipcli ✓"
_USER = "alice"


@click.command(
    "demo",
    cls=Command,
    timeout=10.0,
    help="""See registration and messages work on this machine.

    Starts a practice server on a free port of the loopback interface, registers with digest authentication, sends a
    message, gets its echo, removes the binding, and shows the SIP of it all. Nothing leaves this machine.""",
    examples=(
        ("sipcli demo", "the whole of it, with the SIP"),
        ("sipcli demo -q", "only what came of it"),
        ("sipcli demo --json | jq -c '[.event, .status]'", "for a program"),
    ),
    details=("Your own configuration is neither needed nor read.",),
)
async def command(run: Run) -> Outcome:
    """Run the demonstration; success when the echo came back."""
    output = run.output
    run.fields.update(url=None, registered=False, echo=None, rtt_ms=None)
    async with Lab() as lab:
        run.fields["url"] = lab.url
        output.line(f"a practice SIP server listens on {lab.url}", bullet="✓")
        config = Config(
            uri=lab.uri(_USER),
            ws_servers=lab.url,
            password=lab.users[_USER],
            register=False,
            trace_sip=not output.quiet,
            trace_file=run.flags.get("trace_file"),
            show_secrets=run.flags.get("show_secrets", False),
        )
        heard: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        async with run.user_agent(config) as ua:
            registered = await ua.register()
            run.fields["registered"] = True
            output.line(
                f"{lab.uri(_USER)} is registered for {registered.expires} s, with digest authentication", bullet="✓"
            )

            def hear(context: MessageServerContext) -> None:
                if not heard.done():
                    heard.set_result(context.body)

            ua.on("message", hear)
            sent = time.monotonic()
            response = await ua.message(lab.uri("echo"), _TEXT)
            output.line(f'"{_TEXT}" to {lab.uri("echo")}: {response.status} {response.reason}', bullet="✓")
            echo = await heard
            run.fields.update(echo=echo, rtt_ms=milliseconds(time.monotonic() - sent))
            output.line(f'"{echo}" came back after {run.fields["rtt_ms"]:.1f} ms', bullet="✓")
    if echo != _TEXT:
        return Outcome(ExitCode.EXPECTATION, problem=f"the echo is not what was sent: {echo}")
    if run.fields.get("removed"):
        output.line("the binding is removed", bullet="✓")
    output.line(f"all of it on this machine, in {time.monotonic() - run.started:.1f} s. Next:")
    output.line("  sipcli lab            keep such a server running, and try the commands against it")
    output.line("  sipcli config init    write down the account of your own provider")
    return Outcome()
