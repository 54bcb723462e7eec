"""``sipcli register``: register, show the binding, and remove, keep or refresh it (RFC 3261 §10)."""

from __future__ import annotations

import asyncio

import click

from sipcli.cli.flags import Seconds
from sipcli.cli.output import Outcome
from sipcli.cli.rendering import registered_fields
from sipcli.cli.runner import Command, Run
from sipcli.sip.events import Registered

__all__ = ["command"]


@click.command(
    "register",
    cls=Command,
    help="""Register, print the binding, remove it again.

    --keep leaves the binding until it expires; --stay refreshes it, over lost connections too, until Ctrl-C.""",
    examples=(
        ("sipcli register -u alice@example.com -s wss://sip.example.com", "is the account right?"),
        ("sipcli register --keep --expires 3600", "leave the binding for an hour"),
        ("sipcli register --stay --for 600", "be registered for ten minutes"),
        ("sipcli register --json --timeout 5 || echo down", "a check for cron"),
    ),
    details=(
        "Prints the contact, the expiry that the registrar granted, the GRUU if it gave one, and the round-trip time.",
        "Stopping removes the binding within --stop-timeout. A removal that is not answered is a warning, and "
        '"removed": false in the result.',
    ),
)
@click.option("--keep", is_flag=True, help="Leave the binding.")
@click.option("--stay", is_flag=True, help="Stay registered until Ctrl-C, or --for.")
@click.option("--for", "duration", metavar="SECONDS", type=Seconds(), help="Stay registered for this long.")
async def command(run: Run, keep: bool, stay: bool, duration: float | None) -> Outcome:
    """Register and return what the registrar's answer amounts to."""
    stay = stay or duration is not None
    config = run.account(run.load(register=False))
    if keep:
        config = config.replace(graceful_shutdown=False)
    run.fields.update(uri=str(config.uri), contact=None, expires=None, gruu=None, rtt_ms=None)
    if not keep:
        run.fields["removed"] = None
    async with run.user_agent(config, recover=stay) as ua:
        registered = await ua.register(extra_headers=run.headers)
        _show(run, str(config.uri), registered)
        if stay:
            run.lift_timeout()
            run.stop_when_unread()
            run.output.note("registered; Ctrl-C ends it")
            await asyncio.sleep(duration if duration is not None else _FOREVER)
    if run.fields.get("removed"):
        run.output.line("and removed again")
    return Outcome.of_response(registered.response)


# No loop can wait longer than this without an overflow in some system's poll.
_FOREVER = 10 * 365 * 86400.0


def _show(run: Run, uri: str, registered: Registered) -> None:
    fields = registered_fields(registered)
    run.fields.update({name: fields[name] for name in ("contact", "expires", "gruu", "rtt_ms")})
    output = run.output
    output.line(f"registered {uri}", bullet="✓")
    output.line(f"  contact  {registered.contact}")
    output.line(f"  expires  {registered.expires} s")
    if registered.gruu is not None:
        output.line(f"  gruu     {registered.gruu}")
    output.line(f"  rtt      {fields['rtt_ms']:.1f} ms")
