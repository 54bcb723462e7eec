"""``sipcli message``: a page-mode message (RFC 3428)."""

from __future__ import annotations

import click

from sipcli.cli.bodies import body_argument
from sipcli.cli.exchange import exchange
from sipcli.cli.flags import one_line
from sipcli.cli.output import Outcome
from sipcli.cli.runner import Command, Run

__all__ = ["command"]


@click.command(
    "message",
    cls=Command,
    help="""Send a MESSAGE and wait for the final response.

    BODY is the text, - for standard input or @FILE; without it, what is piped in is sent.""",
    examples=(
        ('sipcli message bob "hello"', "to a user of your own domain"),
        ("uptime | sipcli message bob@example.com", "what a program printed"),
        ("sipcli message sip:bob@example.com @alarm.json", "a file, its type by the suffix"),
        ("sipcli message bob hi --json | jq .event", "for a program"),
    ),
    details=(
        "TARGET is a user of your own domain (bob), an address (bob@example.com), a URI (sip:, sips:, tel:) or a "
        'name and address ("Bob" <sip:bob@example.com>).',
        "A file is sent byte for byte. One newline at the end of standard input is left out when the type is "
        "text/plain. An empty BODY is an empty body, and standard input is not read.",
    ),
)
@click.argument("target", metavar="TARGET")
@click.argument("body", metavar="[BODY]", required=False)
@click.option(
    "--content-type", type=one_line, metavar="TYPE", help="The body's type (by the file's suffix, else text/plain)."
)
async def command(run: Run, target: str, body: str | None, content_type: str | None) -> Outcome:
    """Send the message and return what the final response amounts to."""
    config = run.load_one_shot()
    await run.read_password_line(config)
    content = await body_argument(body, content_type)
    async with run.user_agent(config) as ua:
        try:
            context = ua.message(target, content.data, content_type=content.content_type, extra_headers=run.headers)
        except ValueError as error:
            return Outcome.usage(str(error))
        return await exchange(run, context)
