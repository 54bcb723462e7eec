"""Help on the terminal: what it is, examples, usage, the most used flags, then the rest by group."""

from __future__ import annotations

import inspect
import os
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import click

from sipcli.cli.flags import COMMON, MOST_USED, Flag, FlaggedCommand, command_flags, parameters

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["flag_record", "groups_of_flags", "own_records", "render", "short_help_of"]

_WIDEST = 100
_LEFT = 30


def render(ctx: click.Context, *, everything: bool = False) -> str:
    """Return the help text of the command of ``ctx``, with every flag when ``everything``."""
    return "\n".join(_lines(ctx, everything)).rstrip("\n")


def _lines(ctx: click.Context, everything: bool) -> Iterator[str]:
    command = ctx.command
    width = _width()
    paragraphs = inspect.cleandoc(command.help or "").split("\n\n")
    for paragraph in paragraphs:
        yield from _wrap(" ".join(paragraph.split()), width)
        yield ""
    if isinstance(command, FlaggedCommand) and command.examples:
        yield "Examples:"
        yield from _definitions(command.examples, width, left=44, hang=6)
        yield ""
    yield f"Usage: {ctx.command_path} {' '.join(command.collect_usage_pieces(ctx))}"
    yield ""
    if isinstance(command, click.Group):
        yield "Commands:"
        yield from _definitions(
            [(name, short_help_of(command, ctx, name)) for name in command.list_commands(ctx)], width
        )
        yield ""
    own = own_records(ctx)
    if not isinstance(command, click.Group):
        own += map(flag_record, command_flags(ctx.command_path.partition(" ")[2]))
    if own:
        yield "Options:"
        yield from _definitions(own, width)
        yield ""
    if everything:
        for group, flags in groups_of_flags():
            yield f"{group}:"
            yield from _definitions([flag_record(flag, all_names=True) for flag in flags], width)
            yield ""
    elif isinstance(command, click.Group):
        # Naming the parameters' flags here would import the list of parameters, which costs more than the help itself.
        yield "Common options, before or after the command's name:"
        yield from _definitions(map(flag_record, COMMON), width)
        yield ""
        yield from _wrap(
            "The account (-u URI, -s SERVER, --password-file FILE), the trace (-t, --trace-file FILE), TLS and all "
            "other parameters have flags too: --help-all shows every one, and COMMAND --help the most used.",
            width,
        )
    else:
        yield "Most used:"
        yield from _definitions([*map(flag_record, most_used()), ("-h, --help", _SEE_ALL)], width)


_SEE_ALL = "Show this; --help-all shows every flag."


def short_help_of(group: click.Group, ctx: click.Context, name: str) -> str:
    """Return the line about a command; a group that knows it without importing the command says so itself."""
    known: dict[str, str] = getattr(group, "short_helps", {})
    if name in known:
        return known[name]
    command = group.get_command(ctx, name)
    return "" if command is None else command.get_short_help_str(200)


def most_used() -> list[Flag]:
    """Return the flags of the short help."""
    known = {flag.key: flag for flag in (*COMMON, *parameters())}
    return [known[key] for key in MOST_USED if key in known]


def groups_of_flags() -> list[tuple[str, list[Flag]]]:
    """Return every flag by its group, in the order of the declarations."""
    groups: dict[str, list[Flag]] = {}
    for flag in (*COMMON, *parameters()):
        groups.setdefault(flag.group, []).append(flag)
    return list(groups.items())


def flag_record(flag: Flag, *, all_names: bool = False) -> tuple[str, str]:
    """Return how a flag is written and what it does."""
    names = flag.names
    if not all_names:
        short = [name for name in names if not name.startswith("--")]
        names = (*short[:1], next(name for name in names if name.startswith("--")))
    written = ", ".join([*names, *(flag.off if all_names else ())])
    if flag.metavar is not None:
        written += f" {flag.metavar}"
    return written, flag.help


def own_records(ctx: click.Context) -> list[tuple[str, str]]:
    """Return how the command's own options are written and what they do."""
    return [record for param in ctx.command.params if (record := _record(param, ctx)) is not None]


def _record(param: click.Parameter, ctx: click.Context) -> tuple[str, str] | None:
    record = param.get_help_record(ctx)
    if isinstance(param, click.Argument) and (record is None or not record[1]):
        return None
    return record


def _width() -> int:
    try:
        columns = os.get_terminal_size(1).columns
    except OSError:
        columns = 80
    return max(40, min(columns, _WIDEST)) - 1


def _definitions(
    records: Iterable[tuple[str, str]], width: int, *, left: int = _LEFT, hang: int | None = None
) -> Iterator[str]:
    # A term that is too long has its text on the next lines, ``hang`` columns from the left.
    records = list(records)
    column = 2 + min(left, max((len(term) for term, _ in records), default=0)) + 2
    for term, text in records:
        too_long = len(term) > column - 4
        indent = hang if too_long and hang is not None else column
        lines: Sequence[str] = list(_wrap(text, max(20, width - indent))) or [""]
        if too_long:
            yield f"  {term}"
        else:
            yield f"  {term.ljust(column - 4)}  {lines[0]}".rstrip()
            lines = lines[1:]
        for line in lines:
            yield " " * indent + line


def _wrap(text: str, width: int) -> Iterator[str]:
    line = ""
    for word in text.split():
        if line and len(line) + 1 + len(word) > width:
            yield line
            line = word
        else:
            line = f"{line} {word}" if line else word
    if line:
        yield line
