"""The flags that every command takes: the common options, and one flag for each parameter of the configuration.

There are more than a hundred of them, so an option is only built when the command line holds its name.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import click
from click.core import ParameterSource

if TYPE_CHECKING:
    # `sipcli --help` need not import the list of parameters.
    from sipcli.config import Parameter

__all__ = [
    "COMMON",
    "MOST_USED",
    "Flag",
    "FlaggedCommand",
    "Given",
    "Group",
    "Seconds",
    "command_flags",
    "header_field",
    "one_line",
    "parameters",
]


class Given(dict[str, object]):
    """What the command line gave for every command, by key: common options and parameters of the configuration."""

    command = ""
    """The command's name, as far as the command line was understood."""


class Seconds(click.ParamType[float]):
    """A time in seconds above zero, such as 5 or 0.2."""

    name = "seconds"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the number; BadParameter for anything else, NaN and infinity included."""
        try:
            seconds = float(value)
        except ValueError:
            seconds = math.nan
        if not 0 < seconds < math.inf:
            self.fail(f'expected seconds above 0, such as 5 or 0.2, got: "{value}"', param, ctx)
        return seconds


class _HeaderField(click.ParamType[str]):
    """One header field, ``Name: value`` in one line."""

    name = "header"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the text; BadParameter when it is no header field or would smuggle in another."""
        name, colon, content = str(value).partition(":")
        # RFC 3261 §25.1: token. A header field's value may hold UTF-8 and HTAB, but no other control characters.
        token = name.strip(" \t")
        if not colon or not token or not all(character in _TOKEN for character in token):
            self.fail(f"expected 'Name: value', got: {value!r}", param, ctx)
        if any(ord(character) < 32 and character != "\t" for character in content) or "\x7f" in content:
            self.fail(f"expected one line without control characters, got: {value!r}", param, ctx)
        return f"{token}: {content.strip()}"


class _OneLine(click.ParamType[str]):
    """Text that goes into a header field."""

    name = "text"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the text; BadParameter when it holds control characters."""
        text = str(value)
        if any(ord(character) < 32 or character == "\x7f" for character in text):
            self.fail(f"expected one line without control characters, got: {value!r}", param, ctx)
        return text


_TOKEN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.!%*_+`'~")
header_field = _HeaderField()
one_line = _OneLine()


class Flag(NamedTuple):  # dataclasses would cost `sipcli --help` a tenth more
    """One flag of the command line, and the key that it gives a value to."""

    key: str
    names: tuple[str, ...]
    """With their dashes, the short one first."""
    help: str
    metavar: str | None = None
    """What a value is called; None for a flag without one."""
    off: tuple[str, ...] = ()
    """The names that say no."""
    group: str = "Common options"
    choices: tuple[str, ...] = ()
    repeatable: bool = False
    counted: bool = False
    type: click.ParamType[Any] | None = None
    complete: Callable[[], Iterable[str]] | None = None
    """What a shell may complete its value to, where that is not ``choices``."""

    @property
    def destination(self) -> str:
        """The name of the value among click's parameters, where a command's own must not collide with it."""
        return f"given_{self.key}"

    def option(self) -> click.Option:
        """Return click's form of the flag."""
        keywords: dict[str, Any] = {"help": self.help, "expose_value": True}
        if self.counted:
            keywords["count"] = True
        elif self.metavar is None:
            keywords["is_flag"] = True
        else:
            keywords.update(metavar=self.metavar, multiple=self.repeatable, type=self.type or str)
        if self.choices or self.complete is not None:
            keywords["shell_complete"] = self._completions
        return click.Option([self._declaration, *self._more_declarations, self.destination], **keywords)

    def _completions(self, _ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
        words = self.choices if self.complete is None else self.complete()
        return [word for word in words if word.startswith(incomplete)]

    @property
    def _declaration(self) -> str:
        return "/".join((self.names[-1], self.off[0])) if self.off else self.names[-1]

    @property
    def _more_declarations(self) -> tuple[str, ...]:
        rest = self.names[:-1]
        return (*rest, *(f" /{name}" for name in self.off[1:])) if self.off else rest


def _profile_names() -> Iterable[str]:
    """Return the profiles of the configuration file; none where it cannot be read."""
    from sipcli.config.file import read_file
    from sipcli.config.loading import find_file
    from sipcli.sip.errors import ConfigError

    try:
        path, _ = find_file(os.environ)
        return read_file(path, path).profiles
    except (OSError, ConfigError):
        return ()


# What people add by hand most.
_HEADER_NAMES = ("Accept:", "Event:", "Expires:", "P-Asserted-Identity:", "Privacy:", "Reason:", "Subject:", "X-")

COMMON: tuple[Flag, ...] = (
    Flag("config", ("-C", "--config"), "Read this configuration file.", "FILE"),
    Flag(
        "profile",
        ("-P", "--profile"),
        "Use [profiles.NAME] of the configuration file.",
        "NAME",
        complete=_profile_names,
    ),
    Flag(
        "headers",
        ("-H", "--header"),
        "Add a header field to the requests.",
        "'NAME: VALUE'",
        repeatable=True,
        type=header_field,
        complete=lambda: _HEADER_NAMES,
    ),
    Flag("password_stdin", ("--password-stdin",), "Read the password from the first line of standard input."),
    Flag("json", ("--json",), "Print JSON Lines: one event a line, the result last."),
    Flag("timeout", ("--timeout",), "Give up after this time (32 s).", "SECONDS", type=Seconds()),
    Flag("no_color", ("--no-color",), "Print without colour."),
    Flag("verbose", ("-v", "--verbose"), "Say more: -v states, -vv transactions, -vvv everything.", counted=True),
    Flag("quiet", ("-q", "--quiet"), "Print only the result; -qq nothing but the exit code.", counted=True),
)

MOST_USED = (
    "uri",
    "ws_servers",
    "password_file",
    "profile",
    "config",
    "headers",
    "json",
    "timeout",
    "connection_timeout",
    "trace_sip",
    "trace_file",
    "ca_file",
    "insecure",
    "no_color",
    "verbose",
    "quiet",
)
"""The keys of the flags that a short help shows, in its order."""

_HELP_NAMES = frozenset({"-h", "--help", "--help-all", "-V", "--version"})


@cache
def parameters(command: str = "") -> tuple[Flag, ...]:
    """Return a flag for each parameter of the configuration, with the further names it has in ``command``."""
    from sipcli.config import PARAMETERS

    return tuple([_flag_of(parameter, command) for parameter in PARAMETERS if parameter.flags])


def command_flags(command: str) -> list[Flag]:
    """Return the flags that have a name of their own in ``command``, by that name."""
    own = []
    for flag in parameters(command):
        further = flag.names[len(_names_everywhere(flag.key)) :]
        if further:
            own.append(flag._replace(names=further))
    return own


@cache
def _names_everywhere(key: str) -> tuple[str, ...]:
    return next(flag.names for flag in parameters() if flag.key == key)


def _flag_of(parameter: Parameter, command: str) -> Flag:
    further = parameter.command_flags.get(command)
    return Flag(
        parameter.name,
        (
            *((parameter.short,) if parameter.short else ()),
            *parameter.flags,
            *((further,) if further else ()),
        ),
        parameter.help,
        None if parameter.boolean else parameter.metavar,
        parameter.negative_flags,
        parameter.group,
        parameter.choices,
        parameter.repeatable,
        type=click.Path() if parameter.kind.path else None,
    )


@cache
def _by_name(command: str | None) -> dict[str, Flag]:
    flags = COMMON if command is None else (*COMMON, *parameters(command))
    return {name: flag for flag in flags for name in (*flag.names, *flag.off)}


def _named_in(arguments: Iterable[str]) -> set[str]:
    """Return what may be an option's name in a command line: no fewer than there are."""
    names: set[str] = set()
    for argument in arguments:
        if argument == "--":
            break
        if argument.startswith("--"):
            names.add(argument.partition("=")[0])
        elif argument.startswith("-"):
            names.update("-" + character for character in argument[1:])
    return names - _HELP_NAMES


def _flags_in(arguments: Iterable[str], command: str) -> list[Flag]:
    names = _named_in(arguments)
    known = _by_name(None)
    if not names <= known.keys():
        known = _by_name(command)
    return list({known[name].key: known[name] for name in sorted(names & known.keys())}.values())


def _show_everything(ctx: click.Context, _param: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        from sipcli.cli.help import render

        click.echo(render(ctx, everything=True), color=ctx.color)
        ctx.exit()


class FlaggedCommand(click.Command):
    """A command that takes every flag beside its own parameters and keeps what they gave in ``Given``.

    ``examples`` are pairs of a command line and what it does, for the help and the manual; ``details`` are
    paragraphs for the manual.
    """

    def __init__(
        self,
        *args: Any,
        examples: Sequence[tuple[str, str]] = (),
        details: Sequence[str] = (),
        **kwargs: Any,
    ) -> None:
        kwargs.setdefault("context_settings", {"help_option_names": ["-h", "--help"]})
        super().__init__(*args, **kwargs)
        self.examples = tuple(examples)
        self.details = tuple(details)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the command's own parameters and whatever flags ``args`` holds."""
        given = ctx.ensure_object(Given)
        given.command = ctx.command_path.partition(" ")[2]
        own = {name for param in self.params for name in (*param.opts, *param.secondary_opts)}
        flags = [*COMMON, *parameters(given.command)] if ctx.resilient_parsing else _flags_in(args, given.command)
        options: list[click.Option] = [flag.option() for flag in flags if own.isdisjoint((*flag.names, *flag.off))]
        if "--help-all" in args:
            options.append(_help_all_option())
        ctx.meta[self._meta_key] = options
        try:
            rest = super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            raise click.NoSuchOption(
                error.option_name, possibilities=[*own, *_by_name(given.command), *_HELP_NAMES], ctx=ctx
            ) from None
        for flag in flags:
            value = ctx.params.pop(flag.destination, None)
            # A flag that is given to the command wins over the same flag before the command's name.
            if ctx.get_parameter_source(flag.destination) is ParameterSource.COMMANDLINE:
                given[flag.key] = value
        return rest

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """Return the command's own parameters and the flags that its command line holds."""
        return [*super().get_params(ctx), *ctx.meta.get(self._meta_key, ())]

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        """Return what stands after the command's name in its usage line: arguments first, as in the examples."""
        pieces = super().collect_usage_pieces(ctx)
        return [*pieces[1:], *pieces[:1]] if self.options_metavar else pieces

    def get_help(self, ctx: click.Context) -> str:
        """Return the short help: examples, own options, the most used flags."""
        from sipcli.cli.help import render

        return render(ctx)

    @property
    def _meta_key(self) -> str:
        return f"{__name__}.{id(self)}"


@cache
def _help_all_option() -> click.Option:
    return click.Option(
        ["--help-all"], is_flag=True, is_eager=True, expose_value=False, callback=_show_everything, help="Show all."
    )


class Group(FlaggedCommand, click.Group):
    """A command with commands of its own, such as ``config``."""
