"""The program ``sipcli``: its commands by name, each imported when it is used, and how a run ends."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING, ClassVar, NoReturn

import click

from sipcli.cli.flags import Given, Group

if TYPE_CHECKING:
    from sipcli.cli.output import Outcome

__all__ = ["COMMANDS", "cli", "run"]

# Name, module and the line in the help: `sipcli --help` imports no command.
COMMANDS: dict[str, tuple[str, str]] = {
    "register": ("sipcli.cli.register", "Register, show the binding, remove it again (or --keep, --stay)"),
    "unregister": ("sipcli.cli.unregister", "Remove the binding, or all of the user's"),
    "message": ("sipcli.cli.message", "Send a text message"),
    "request": ("sipcli.cli.request", "Send any request"),
    "options": ("sipcli.cli.options", "Ping a SIP server or user"),
    "listen": ("sipcli.cli.listen", "Register and print what arrives"),
    "lab": ("sipcli.cli.lab", "Run a practice SIP server on this machine"),
    "demo": ("sipcli.cli.demo", "See registration and messages work on this machine"),
    "config": ("sipcli.cli.config", "Show, create and check the configuration"),
    "completion": ("sipcli.cli.completion", "Print the completion script of a shell"),
}


class _Program(Group):
    """The group of all commands; a command's module is imported when it is asked for."""

    short_helps: ClassVar[dict[str, str]] = {name: short_help for name, (_, short_help) in COMMANDS.items()}

    def list_commands(self, _ctx: click.Context) -> list[str]:
        return [*COMMANDS]

    def get_command(self, _ctx: click.Context, cmd_name: str) -> click.Command | None:
        entry = COMMANDS.get(cmd_name)
        if entry is None:
            return None
        command = import_module(entry[0]).command
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in COMMANDS and not ctx.resilient_parsing:
            raise click.NoSuchCommand(args[0], possibilities=COMMANDS, ctx=ctx)
        return super().resolve_command(ctx, args)


def _show_version(ctx: click.Context, _param: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        from sipcli import __version__

        click.echo(f"sipcli {__version__}")
        ctx.exit()


def _first_screen(ctx: click.Context) -> None:
    if ctx.invoked_subcommand is None:
        from sipcli.cli.start import first_screen

        click.echo(first_screen(ctx.ensure_object(Given), os.environ))


cli = _Program(
    "sipcli",
    callback=click.pass_context(_first_screen),
    invoke_without_command=True,
    options_metavar="[OPTIONS]",
    subcommand_metavar="COMMAND [ARGUMENTS]",
    params=[
        click.Option(
            ["-V", "--version"],
            is_flag=True,
            is_eager=True,
            expose_value=False,
            callback=_show_version,
            help="Show the version.",
        )
    ],
    help="A SIP softphone and signalling tool: SIP over WebSocket, with exit codes and JSON to trust.",
    examples=(
        ("sipcli demo", "see it work, without an account"),
        ("sipcli register -u alice@example.com -s wss://sip.example.com", "is the account right?"),
        ('sipcli message bob "hello"', "send a text"),
        ("uptime | sipcli message bob", "send what a program printed"),
        ("sipcli options sip:example.com -c 5", "ping a server"),
        ("sipcli lab -- sipcli message echo@127.0.0.1 hi -t", "with a server of your own"),
    ),
)


def _terminate(_number: int, _frame: object) -> NoReturn:
    raise SystemExit(128 + signal.SIGTERM)


def run(arguments: Sequence[str]) -> int:
    """Run one command line and return the exit code; nothing but that code leaves here."""
    # Until an event loop takes the signals over: end, with the last line that a reader of JSON waits for.
    signal.signal(signal.SIGTERM, _terminate)
    if "_SIPCLI_COMPLETE" in os.environ:
        from click.shell_completion import shell_complete

        return shell_complete(cli, {}, "sipcli", "_SIPCLI_COMPLETE", os.environ["_SIPCLI_COMPLETE"])
    given = Given()
    try:
        with cli.make_context("sipcli", [*arguments], obj=given) as ctx:
            outcome: Outcome | None = cli.invoke(ctx)
        if outcome is None:  # the first screen
            return 0
    except click.exceptions.Exit as end:  # --help and --version
        return end.exit_code
    except BrokenPipeError:
        # The reader of the help has gone; Python would complain once more when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (Exception, KeyboardInterrupt, SystemExit) as error:
        # The outer edge: whatever it was, it becomes a line and an exit code.
        outcome = _failed(given, arguments, error)
    from sipcli.cli.runner import output_of

    output_of(given).result(given.command, outcome)
    return int(outcome.exit_code)


def _failed(given: Given, arguments: Sequence[str], error: BaseException) -> Outcome:
    from sipcli.cli.runner import failed, output_of

    if isinstance(error, click.UsageError):
        # The option may stand behind the mistake, where nothing was parsed any more.
        given["json"] = "--json" in arguments
    return failed(error, output_of(given), os.environ)
