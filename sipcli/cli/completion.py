"""``sipcli completion``: the completion script of a shell."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from sipcli.cli.flags import FlaggedCommand
from sipcli.cli.output import Outcome
from sipcli.cli.runner import Command, Run

__all__ = ["SHELLS", "command", "script"]

SHELLS = ("bash", "zsh", "fish", "powershell")


def script(shell: str) -> str:
    """Return the completion script of ``shell``; raises click.UsageError where click cannot write one."""
    completion = get_completion_class(shell)
    if completion is None:
        raise click.UsageError(f"{shell}: this version of click has no completion for it; expected click 8.5 or later")
    # The script calls the program back, so it needs no command tree.
    return completion(FlaggedCommand("sipcli"), {}, "sipcli", "_SIPCLI_COMPLETE").source()


@click.command(
    "completion",
    cls=Command,
    help="""Print the completion script of a shell.""",
    examples=(
        ("source <(sipcli completion bash)", "in ~/.bashrc"),
        ("source <(sipcli completion zsh)", "in ~/.zshrc"),
        ("sipcli completion fish | source", "in ~/.config/fish/config.fish"),
        ("sipcli completion powershell | Out-String | Invoke-Expression", "in $PROFILE"),
    ),
)
@click.argument("shell", metavar="SHELL", type=click.Choice(SHELLS))
def command(run: Run, shell: str) -> Outcome:
    """Print the script."""
    text = script(shell)
    run.output.block(text)
    return Outcome(fields={"shell": shell, "script": text})
