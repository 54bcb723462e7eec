"""``sipcli request``: any request outside a dialog, every part of it as wanted (RFC 3261 §8.1.1)."""

from __future__ import annotations

from typing import Any

import click

from sipcli.cli.bodies import body_option
from sipcli.cli.exchange import exchange
from sipcli.cli.flags import one_line
from sipcli.cli.output import Outcome
from sipcli.cli.runner import Command, Run
from sipcli.config.kinds import BadValueError
from sipcli.config.sip_values import ROUTES

__all__ = ["command"]

_METHODS = ("INFO", "INVITE", "MESSAGE", "NOTIFY", "OPTIONS", "PUBLISH", "REFER", "REGISTER", "SUBSCRIBE", "UPDATE")


def _methods(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """Return the methods that a shell may complete to."""
    return [method for method in _METHODS if method.startswith(incomplete.upper())]


class _Route(click.ParamType[str]):
    """A URI, with or without < and >, as the configuration takes them."""

    name = "route"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the value of a Route header field."""
        try:
            routes = ROUTES.convert((value,))
        except BadValueError as bad:
            self.fail(f'expected {bad.expected}, got: "{value}"', param, ctx)
        assert isinstance(routes, tuple)
        return str(routes[0])


@click.command(
    "request",
    cls=Command,
    help="""Send a request of any method and wait for the final response.""",
    examples=(
        ("sipcli request OPTIONS sip:example.com --include", "show the header fields of the answer"),
        ("sipcli request INFO bob --body 'on' --content-type text/x-lamp", "with a body"),
        ("sipcli request PUBLISH alice --body-file p.pidf -H 'Event: presence'", "with a file and a header field"),
        ("sipcli request NOTIFY bob --to-tag 1 --from-tag 2 --call-id x@y --cseq 7", "as if inside a dialog"),
    ),
    details=(
        "TARGET is a user of your own domain (bob), an address (bob@example.com), a URI (sip:, sips:, tel:) or a "
        'name and address ("Bob" <sip:bob@example.com>).',
    ),
)
@click.argument("method", metavar="METHOD", shell_complete=_methods)
@click.argument("target", metavar="TARGET")
@click.option("--body", metavar="TEXT", help="The body; - reads standard input.")
@click.option("--body-file", metavar="FILE", type=click.Path(), help="A file as the body, byte for byte.")
@click.option(
    "--content-type", type=one_line, metavar="TYPE", help="The body's type (by the file's suffix, else text/plain)."
)
@click.option("--include", "-i", is_flag=True, help="Print the response's header fields too.")
@click.option(
    "--route", "route_set", metavar="URI", type=_Route(), multiple=True, help="A Route header field; repeat for more."
)
@click.option("--to-uri", metavar="URI", help="The URI of To, when it is not the target.")
@click.option("--to-display-name", type=one_line, metavar="NAME", help="The display name of To.")
@click.option("--to-tag", type=one_line, metavar="TAG", help="The tag of To.")
@click.option("--from-uri", metavar="URI", help="The URI of From, when it is not your own.")
@click.option("--from-display-name", type=one_line, metavar="NAME", help="The display name of From.")
@click.option("--from-tag", type=one_line, metavar="TAG", help="The tag of From.")
@click.option("--call-id", type=one_line, metavar="ID", help="The Call-ID.")
@click.option("--cseq", metavar="NUMBER", type=click.IntRange(0, 2**31 - 1), help="The CSeq number.")
async def command(
    run: Run,
    method: str,
    target: str,
    body: str | None,
    body_file: str | None,
    content_type: str | None,
    include: bool,
    route_set: tuple[str, ...],
    **params: Any,
) -> Outcome:
    """Send the request and return what the final response amounts to."""
    config = run.load_one_shot()
    await run.read_password_line(config)
    content = await body_option(body, body_file, content_type)
    given = {name: value for name, value in params.items() if value is not None}
    if route_set:
        given["route_set"] = route_set
    has_body = body is not None or body_file is not None or content_type is not None
    async with run.user_agent(config) as ua:
        try:
            context = ua.request(
                method,
                target,
                body=content.data,
                content_type=content.content_type if has_body else None,
                extra_headers=run.headers,
                **given,
            )
        except ValueError as error:
            return Outcome.usage(str(error))
        return await exchange(run, context, include=include)
