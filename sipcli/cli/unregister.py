"""``sipcli unregister``: remove bindings (RFC 3261 §10.2.2)."""

from __future__ import annotations

import click

from sipcli.cli.output import Outcome
from sipcli.cli.runner import Command, Run

__all__ = ["command"]


@click.command(
    "unregister",
    cls=Command,
    help="""Remove the binding of this machine, or with --all every binding of the user.""",
    examples=(
        ("sipcli unregister", "what `sipcli register --keep` left"),
        ("sipcli unregister --all", "all of the user's (Contact: *)"),
    ),
    details=(
        "The instance id and the user part of the Contact are kept in the state directory, so that a later process "
        "removes the same binding.",
    ),
)
@click.option("--all", "every", is_flag=True, help="Remove all bindings of the user (Contact: *).")
async def command(run: Run, every: bool) -> Outcome:
    """Send the REGISTER that removes, and return what its final response amounts to."""
    config = run.account(run.load(register=False))
    run.fields.update(all=every, uri=str(config.uri))
    async with run.user_agent(config) as ua:
        unregistered = await ua.unregister(all=every, extra_headers=run.headers)
    what = "all bindings" if every else "the binding"
    run.output.line(f"removed {what} of {config.uri}", bullet="✓")
    response = unregistered.response
    return Outcome() if response is None else Outcome.of_response(response)
