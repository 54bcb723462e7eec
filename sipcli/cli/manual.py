"""Manual pages in man(7), made from the commands, the parameters, the exit codes and the JSON schema."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Sequence

import click

from sipcli import __version__
from sipcli.cli.app import cli
from sipcli.cli.flags import FlaggedCommand, Given, command_flags
from sipcli.cli.help import flag_record, groups_of_flags, own_records, short_help_of
from sipcli.cli.output import EXIT_CODES, exit_code_of
from sipcli.cli.schema import COMMON_FIELDS, EVENTS, RESULT_FIELDS
from sipcli.config import GROUPS, PARAMETERS, Parameter
from sipcli.sip.events import Cause

__all__ = ["default_of", "pages"]

# The day of the release: mandoc wants one, and the day of generation would make every page stale tomorrow.
_DATE = "2026-11-21"

_ENVIRONMENT = (
    ("SIPCLI_KEY", "a parameter of sipcli.toml(5), its key in capitals; a list is separated by white space"),
    ("SIPCLI_CONFIG", "the configuration file, instead of ~/.config/sipcli/config.toml"),
    ("SIPCLI_PROFILE", "the profile, as --profile"),
    ("SIPCLI_DEBUG", "when set, an internal error shows where it happened"),
    ("NO_COLOR, FORCE_COLOR", "when set, never or always colour"),
    ("http_proxy, https_proxy, no_proxy", "proxies for servers that are not on this machine; --no-proxy ignores them"),
)
_FILES = (
    ("~/.config/sipcli/config.toml", "the configuration; under XDG_CONFIG_HOME where that is set"),
    ("~/.local/state/sipcli/", "instance ids and Contact users, so that a later run removes the same binding"),
)
_SEE_ALSO = ("sipcli(1)", "sipcli.toml(5)", "sipcli-exit-codes(7)", "sipcli-json(7)")


def pages() -> dict[str, str]:
    """Return every page by its path below ``man/``."""
    made = {"man1/sipcli.1": _program()}
    with click.Context(cli, info_name="sipcli", obj=Given()) as ctx:
        for name in cli.list_commands(ctx):
            command = cli.get_command(ctx, name)
            assert command is not None
            with click.Context(command, info_name=name, parent=ctx) as inner:
                made[f"man1/sipcli-{name}.1"] = _command(inner, short_help_of(cli, ctx, name))
    made["man5/sipcli.toml.5"] = _parameters()
    made["man7/sipcli-exit-codes.7"] = _exit_codes()
    made["man7/sipcli-json.7"] = _json()
    return made


def default_of(parameter: Parameter) -> str:
    """Return a parameter's default as the manual writes it; empty where there is none."""
    value = parameter.default
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return f"{value:g}"
    if isinstance(value, tuple):
        return " ".join(str(item) for item in value)
    return value if isinstance(value, str) else ""


# Pages


def _program() -> str:
    with click.Context(cli, info_name="sipcli", obj=Given()) as ctx:
        commands = [(f"sipcli-{name}(1)", short_help_of(cli, ctx, name)) for name in cli.list_commands(ctx)]
    return _page(
        "sipcli",
        1,
        "SIP softphone and signalling tool",
        ("SYNOPSIS", [_bold("sipcli") + " COMMAND [ARGUMENTS] [OPTIONS]"]),
        ("EXAMPLES", _examples(cli)),
        ("DESCRIPTION", _paragraphs([cli.help or ""])),
        ("COMMANDS", _list(commands)),
        *[
            (group.upper(), _list([flag_record(flag, all_names=True) for flag in flags]))
            for group, flags in groups_of_flags()
        ],
        *_common_sections(),
        ("SEE ALSO", [_text(", ".join([*(name for name, _ in commands), *_SEE_ALSO[1:]]))]),
    )


def _command(ctx: click.Context, summary: str) -> str:
    command = ctx.command
    name = ctx.command_path.replace(" ", "-")
    usage = [_bold(ctx.command_path) + " " + _text(" ".join(command.collect_usage_pieces(ctx)))]
    sections: list[tuple[str, Iterable[str]]] = [
        ("SYNOPSIS", usage),
        ("EXAMPLES", _examples(command)),
        ("DESCRIPTION", _paragraphs([*inspect.cleandoc(command.help or "").split("\n\n"), *_details(command)])),
        ("OPTIONS", _list(_own_options(ctx))),
    ]
    if isinstance(command, click.Group):
        for sub in command.list_commands(ctx):
            inner = command.get_command(ctx, sub)
            assert inner is not None
            with click.Context(inner, info_name=sub, parent=ctx) as sub_ctx:
                sections.append((sub_ctx.command_path.upper(), _subcommand(sub_ctx)))
    sections.append(("COMMON OPTIONS", _paragraphs(["Every option of sipcli(1) may be given too."])))
    return _page(name, 1, summary, *sections, *_common_sections(), ("SEE ALSO", [_text(", ".join(_SEE_ALSO))]))


def _subcommand(ctx: click.Context) -> Iterator[str]:
    command = ctx.command
    yield from _paragraphs([*inspect.cleandoc(command.help or "").split("\n\n"), *_details(command)])
    yield from _list(_own_options(ctx))
    yield from _examples(command)


def _own_options(ctx: click.Context) -> list[tuple[str, str]]:
    return [*own_records(ctx), *map(flag_record, command_flags(ctx.command_path.partition(" ")[2]))]


def _details(command: click.Command) -> tuple[str, ...]:
    return command.details if isinstance(command, FlaggedCommand) else ()


def _parameters() -> str:
    sections = []
    for group in GROUPS:
        records = [(_key_of(parameter), _about(parameter)) for parameter in PARAMETERS if parameter.group == group]
        sections.append((group.upper(), _list(records)))
    introduction = (
        "The file is TOML. Its table [ua] holds the parameters, [profiles.NAME] the same keys for one profile, chosen "
        'by --profile NAME, SIPCLI_PROFILE or default_profile = "NAME". A flag wins over the environment, that over '
        "the profile, that over [ua].",
        "Keys are the names of SIP.js, in snake_case or camelCase. `sipcli config init` writes a file with all of them "
        "as comments, `sipcli config check` says what is wrong, `sipcli config show` where a value comes from. A file "
        "with a password in it must be readable by its owner alone.",
    )
    example = ["[ua]", 'uri = "alice@example.com"', 'ws_servers = "wss://sip.example.com"', 'password_file = "~/.sip"']
    return _page(
        "sipcli.toml",
        5,
        "configuration of sipcli",
        ("DESCRIPTION", _paragraphs(introduction)),
        ("EXAMPLES", _code(example)),
        *sections,
        ("FILES", _list(_FILES)),
        ("SEE ALSO", [_text("sipcli(1), sipcli-config(1)")]),
    )


def _key_of(parameter: Parameter) -> str:
    return parameter.key or parameter.name


def _about(parameter: Parameter) -> str:
    parts = [parameter.help, f"Expects {parameter.type_name}."]
    if default := default_of(parameter):
        parts.append(f"Default: {default}.")
    if parameter.flags:
        parts.append(f"Flag: {', '.join(parameter.flags)}.")
    if parameter.env is not None:
        parts.append(f"Environment: {parameter.env}.")
    if parameter.aliases:
        parts.append(f"Also: {', '.join(parameter.aliases)}.")
    if parameter.no_effect is not None:
        parts.append(f"It has no effect: {parameter.no_effect}.")
    return " ".join(parts)


def _exit_codes() -> str:
    causes = [(str(cause), str(int(exit_code_of(cause)))) for cause in Cause]
    return _page(
        "sipcli-exit-codes",
        7,
        "why sipcli ended",
        ("DESCRIPTION", _paragraphs(["Every command ends with one of these codes; they do not change their meaning."])),
        ("EXIT STATUS", _list(_codes())),
        ("CAUSES", _list(causes)),
        ("SEE ALSO", [_text("sipcli(1), sipcli-json(7)")]),
    )


def _json() -> str:
    introduction = (
        "With --json every command prints one JSON object a line on standard output, flushed at once. The last line is "
        "always the result, whatever went wrong. Events and fields are added, never removed or given another meaning.",
    )

    def described(fields: dict[str, tuple[str, str]]) -> list[tuple[str, str]]:
        return [(f"{name} ({kind})", text) for name, (kind, text) in fields.items()]

    events = [
        line
        for name, (text, fields) in EVENTS.items()
        for line in (f".SS {_text(name)}", *_paragraphs([text]), *_list(described(fields)))
    ]
    return _page(
        "sipcli-json",
        7,
        "JSON Lines that sipcli prints",
        ("DESCRIPTION", _paragraphs(introduction)),
        ("EXAMPLES", _code(["sipcli message bob hi --json | jq -r 'select(.event == \"result\").cause'"])),
        ("EVERY LINE", _list(described(COMMON_FIELDS))),
        ("THE RESULT", _list(described(RESULT_FIELDS))),
        ("EVENTS", events),
        ("SEE ALSO", [_text("sipcli(1), sipcli-exit-codes(7)")]),
    )


def _common_sections() -> list[tuple[str, Iterable[str]]]:
    return [
        ("EXIT STATUS", _list(_codes())),
        ("ENVIRONMENT", _list(_ENVIRONMENT)),
        ("FILES", _list(_FILES)),
    ]


def _codes() -> list[tuple[str, str]]:
    return [(str(int(code)), text) for code, text in EXIT_CODES.items()]


# man(7)


def _page(name: str, section: int, summary: str, *sections: tuple[str, Iterable[str]]) -> str:
    lines = [
        f'.TH {_text(name.upper())} {section} {_DATE} "sipcli {__version__}" "sipcli Manual"',
        ".SH NAME",
        f"{_text(name)} \\- {_text(summary[0].lower() + summary[1:] if summary[1:2].islower() else summary)}",
    ]
    for heading, content in sections:
        body = list(content)
        if body:
            # A heading is a paragraph's beginning by itself.
            if body[0] == ".PP":
                del body[0]
            lines += [f".SH {_text(heading)}", *body]
    return "\n".join(lines) + "\n"


def _text(text: str) -> str:
    escaped = text.replace("\\", "\\e").replace("-", "\\-")
    # A full stop or an apostrophe at the beginning of a line would be a request.
    return "\\&" + escaped if escaped.startswith((".", "'")) else escaped


def _bold(text: str) -> str:
    return f"\\fB{_text(text)}\\fR"


def _paragraphs(paragraphs: Iterable[str]) -> Iterator[str]:
    for number, paragraph in enumerate(paragraphs):
        if number:
            yield ".PP"
        yield _text(" ".join(paragraph.split()))


def _list(records: Iterable[tuple[str, str]]) -> Iterator[str]:
    for term, text in records:
        yield ".TP"
        yield _bold(term)
        yield _text(text) if text else "\\&"


def _examples(command: click.Command) -> Iterator[str]:
    for line, what in command.examples if isinstance(command, FlaggedCommand) else ():
        yield ".PP"
        yield _text(what[0].upper() + what[1:] + ("" if what.endswith("?") else ":"))
        yield from _code([line])


def _code(lines: Sequence[str]) -> Iterator[str]:
    yield ".PP"
    yield ".RS 4"
    yield ".nf"
    yield from map(_text, lines)
    yield ".fi"
    yield ".RE"
