"""``sipcli config``: show, create and check the configuration."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator, Mapping

import click

from sipcli.cli.flags import Group
from sipcli.cli.output import ExitCode, Outcome
from sipcli.cli.runner import Command, Run
from sipcli.config import PARAMETERS, Config, Origin, Parameter, load
from sipcli.config.directories import abbreviated
from sipcli.config.file import read_file
from sipcli.config.loading import find_file, from_flags
from sipcli.config.options import nearest, snake_case
from sipcli.config.writing import shown, template, toml
from sipcli.sip.errors import ConfigError

__all__ = ["command"]

_WIDTH = 36
_NOT_PARAMETERS = frozenset({"SIPCLI_CONFIG", "SIPCLI_PROFILE", "SIPCLI_DEBUG"})

command = Group(
    "config",
    help="Show, create and check the configuration.",
    no_args_is_help=False,
    examples=(
        ("sipcli config init", "create the file, every key in a comment"),
        ("sipcli config show", "every value, and where it comes from"),
        ("sipcli config check", "is everything in the file right?"),
    ),
)


# show


@command.command(
    "show",
    cls=Command,
    help="""Print every parameter, its value and where that comes from; passwords are never shown.""",
    examples=(
        ("sipcli config show", "all of them"),
        ("sipcli config show uri ws_servers", "some of them"),
        ("sipcli config show --profile work --json", "for programs"),
    ),
)
@click.argument("keys", nargs=-1, metavar="[KEY]...")
def show(run: Run, keys: tuple[str, ...]) -> Outcome:
    """Write a line for each parameter."""
    chosen = [_parameter(key) for key in keys] or PARAMETERS
    config = run.load()
    origins = config.origins
    width = min(max(len(parameter.key) for parameter in chosen), _WIDTH)
    for parameter in chosen:
        value, origin = shown(parameter, getattr(config, parameter.name)), origins[parameter.name]
        run.output.event("config", key=parameter.key, value=value, origin=origin.kind, source=origin.source)
        text = "-" if value is None else toml(value)
        run.output.line(f"{parameter.key:<{width}}  {text}  ({_in_words(origin)})")
    return Outcome(fields={"file": config.file, "profile": config.profile})


def _parameter(key: str) -> Parameter:
    for parameter in PARAMETERS:
        if key in (parameter.name, parameter.key, *parameter.aliases):
            return parameter
    guess = nearest(snake_case(key), PARAMETERS.by_name)
    raise ConfigError(f"{key}: unknown key" + (f', did you mean "{guess}"?' if guess else ""), from_flag=True)


def _in_words(origin: Origin) -> str:
    return origin.kind if origin.source is None else f"{origin.kind} {origin.source}"


# init


@command.command(
    "init",
    cls=Command,
    help="""Create a configuration file that names every key in a comment. Flags become values in it.""",
    examples=(
        ("sipcli config init", "in its usual place"),
        ("sipcli config init -u alice@example.com -s wss://sip.example.com", "with these values"),
        ("sipcli config init --force ./sip.toml", "elsewhere, over what is there"),
    ),
)
@click.argument("path", required=False, type=click.Path(dir_okay=False))
@click.option("--force", is_flag=True, help="Write over a file that is there.")
def init(run: Run, path: str | None, force: bool) -> Outcome:
    """Write the template, readable by its owner only."""
    wanted = path or find_file(run.environ, run.config_file)[0]
    config = from_flags(run.flags)
    for parameter in PARAMETERS:
        if parameter.per_run and config.is_set(parameter.name):
            return Outcome.usage(f"{parameter.flags[0]}: only for one run, a file cannot hold it")
    try:
        _write(wanted, template(config), force=force)
    except FileExistsError:
        return Outcome.configuration(f"{wanted}: there is a file already", "write over it: sipcli config init --force")
    except OSError as error:
        return Outcome.configuration(f"{wanted}: cannot be written: {error.strerror}")
    run.output.line(f"created {abbreviated(wanted, run.environ)}", bullet="✓")
    if not config.is_set("uri"):
        run.output.line("edit it: set uri and ws_servers, then run: sipcli register")
    return Outcome(fields={"path": os.path.abspath(wanted)})


def _write(path: str, text: str, *, force: bool) -> None:
    """Write a file of mode 0600 in folders of mode 0700, whatever the umask; raises OSError."""
    # A link, as those who keep their files under version control have, stays one.
    path = os.path.realpath(path)
    _make_folders(os.path.dirname(path))
    partial = f"{path}.new" if force else path
    if force and os.path.lexists(partial):
        os.unlink(partial)
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "w", encoding="utf-8") as file:
        if os.name == "posix":
            os.fchmod(descriptor, 0o600)
        file.write(text)
    if force:
        os.replace(partial, path)


def _make_folders(folder: str) -> None:
    if os.path.isdir(folder):
        return
    if os.path.lexists(folder):
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), folder)
    _make_folders(os.path.dirname(folder))
    os.mkdir(folder)
    os.chmod(folder, 0o700)


# check


@command.command(
    "check",
    cls=Command,
    help="""Check the configuration file, all its profiles, and the environment.

    Says which keys have no effect and which matter to calls only.""",
    examples=(
        ("sipcli config check", "the file that is used"),
        ("sipcli config check -C ./sip.toml", "another one"),
    ),
)
def check(run: Run) -> Outcome:
    """Report every problem; when there is none, what deserves a thought."""
    path, kind = find_file(run.environ, run.config_file)
    profiles: list[str] = []
    if os.path.exists(path) or kind != "default":
        try:
            profiles = read_file(path, abbreviated(path, run.environ) if kind == "default" else path).profiles
        except OSError:
            profiles = []  # load() says why, as every command does
    configs, problems = _load_all(run, profiles)
    if problems:
        run.fields.update(file=path, problems=problems)
        return Outcome.configuration(*problems)
    warnings = list(dict.fromkeys([line for config in configs for line in _warnings(config)]))
    warnings += _unknown_variables(run.environ)
    calls_only = _marked(configs, lambda parameter: "matters to calls only" if parameter.calls_only else None)
    for line in warnings:
        run.output.warning(line)
    for line in calls_only:
        run.output.line(line)
    if configs[0].file is None:
        run.output.line(f"{abbreviated(path, run.environ)}: no such file, which is fine")
    else:
        names = f", profiles: {', '.join(profiles)}" if profiles else ""
        run.output.line(f"{abbreviated(path, run.environ)}: no mistakes{names}", bullet="✓")
    return Outcome(fields={"file": configs[0].file, "warnings": warnings, "calls_only": calls_only})


def _load_all(run: Run, profiles: list[str]) -> tuple[list[Config], list[str]]:
    """Return the configuration as it is used and with each profile, or everything that is wrong with them."""
    configs: list[Config] = []
    problems: list[str] = []
    for profile in (run.profile, *[name for name in profiles if name != run.profile]):
        try:
            configs.append(load(flags=run.flags, environ=run.environ, file=run.config_file, profile=profile))
        except ConfigError as error:
            if error.from_flag:
                raise
            problems += error.problems
    return configs, list(dict.fromkeys(problems))


def _marked(configs: list[Config], mark: Callable[[Parameter], str | None]) -> list[str]:
    """Return a line for each parameter that is set and has a mark."""
    lines = []
    for config in configs:
        origins = config.origins
        for parameter in PARAMETERS:
            text = mark(parameter)
            if text is not None and config.is_set(parameter.name):
                lines.append(f"{origins[parameter.name].source}: {parameter.key}: {text}")
    return list(dict.fromkeys(lines))


def _warnings(config: Config) -> Iterator[str]:
    yield from _marked([config], lambda parameter: parameter.no_effect and f"has no effect: {parameter.no_effect}")
    if config.uri is None:
        yield "uri is not set: register and listen need it"
    if not config.ws_servers:
        yield "ws_servers is not set: every command needs it"
    from sipcli.transport.dial import is_loopback

    has_secret = any(
        config.is_set(name) for name in ("password", "password_file", "password_command", "authorization_ha1")
    )
    for server in config.ws_servers:
        if has_secret and not server.secure and not is_loopback(server.host):
            where = config.origins["ws_servers"].source
            yield f"{where}: {server.url}: what ws:// carries can be read on the way, the digest response too"


def _unknown_variables(environ: Mapping[str, str]) -> list[str]:
    known = {parameter.env for parameter in PARAMETERS}
    names = [name for name in environ if name.startswith("SIPCLI_") and name not in known | _NOT_PARAMETERS]
    lines = []
    for name in sorted(names):
        guess = nearest(name, [variable for variable in known if variable])
        lines.append(f"{name}: unknown variable" + (f", did you mean {guess}?" if guess else ""))
    return lines


# path


@command.command(
    "path",
    cls=Command,
    help="""Print the name of the configuration file, whether it exists or not.""",
    examples=(("sipcli config path", "where is it?"), ('$EDITOR "$(sipcli config path)"', "edit it")),
)
def path(run: Run) -> Outcome:
    """Write one line: the file."""
    name = os.path.abspath(find_file(run.environ, run.config_file)[0])
    exists = os.path.exists(name)
    run.output.line(name)
    if not exists:
        run.output.note("there is no such file yet; create it: sipcli config init")
    return Outcome(ExitCode.SUCCESS, fields={"path": name, "exists": exists})
