"""Where values come from: flags, environment, a profile and ``[ua]`` of a TOML file, in this order."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from sipcli.config.configuration import convert
from sipcli.config.directories import abbreviated, config_path
from sipcli.config.file import ConfigFile, read_file
from sipcli.config.kinds import BadValueError, is_default, quoted
from sipcli.config.options import Origin, OriginKind, Parameter, Setting, describe, flatten, nearest
from sipcli.config.parameters import PARAMETERS, Config
from sipcli.sip.errors import ConfigError

__all__ = ["find_file", "flag_of", "from_flags", "load"]


class _Layers:
    """Values by parameter: what is added later gives way to what is there."""

    def __init__(self) -> None:
        self.values: dict[str, object] = {}
        self.origins: dict[str, Callable[[], Origin]] = {}
        # Problems of files and the environment, and of flags: the sources differ in the exit code.
        self.problems: list[str] = []
        self.flag_problems: list[str] = []

    def add(self, parameter: Parameter, value: object, origin: Callable[[], Origin]) -> None:
        if parameter.name not in self.values:
            self.values[parameter.name] = value
            self.origins[parameter.name] = origin

    def add_flags(self, flags: Mapping[str, object]) -> None:
        for name, value in flags.items():
            parameter = PARAMETERS.by_name.get(name)
            if parameter is None:
                raise TypeError(f"no parameter is called {name!r}")
            if value is None or value == ():
                continue
            try:
                converted = convert(Setting(parameter, value, (name,)), parameter.kind.read_flag)
            except BadValueError as bad:
                self.flag_problems.append(f"{flag_of(parameter)}: {_expected(bad)}")
            else:
                self.add(parameter, converted, partial(Origin, "flag", flag_of(parameter, value)))

    def add_environment(self, environ: Mapping[str, str]) -> None:
        for variable, text in environ.items():
            # A variable that is empty is as good as unset.
            if not variable.startswith("SIPCLI_") or not text:
                continue
            parameter = PARAMETERS.by_name.get(variable.removeprefix("SIPCLI_").lower())
            if parameter is None or parameter.env != variable:
                continue
            try:
                converted = convert(Setting(parameter, text, ()), parameter.kind.read_text)
            except BadValueError as bad:
                self.problems.append(f"{variable}: {_expected(bad)}")
            else:
                self.add(parameter, converted, partial(Origin, "env", variable))

    def add_table(self, file: ConfigFile, at: tuple[str | int, ...], kind: OriginKind) -> None:
        settings, problems = flatten(file.table(at), PARAMETERS, at)
        for problem in problems:
            self.problems.append(f"{file.where(problem.path)}: {describe(problem.path[len(at) :])}: {problem.text}")
        for setting in settings:
            parameter, _, path = setting
            key = describe(path[len(at) :])
            if parameter.per_run and not is_default(setting.value):
                self.problems.append(f"{file.where(path)}: {key}: only for one run: {flag_of(parameter)}")
                continue
            try:
                converted = convert(setting, parameter.kind.read)
            except BadValueError as bad:
                inner = (*path, *bad.at)
                self.problems.append(f"{file.where(inner)}: {describe(inner[len(at) :])}: {_expected(bad)}")
            else:
                if parameter.kind.path and isinstance(converted, str):
                    converted = os.path.join(file.folder, converted)
                self.add(parameter, converted, partial(_origin_in, file, kind, path))


def _origin_in(file: ConfigFile, kind: OriginKind, path: tuple[str | int, ...]) -> Origin:
    return Origin(kind, file.where(path))


def _expected(bad: BadValueError) -> str:
    return f"expected {bad.expected}, got: {quoted(bad.found)}"


def flag_of(parameter: Parameter, value: object = True) -> str:
    """Return the flag that sets a parameter to ``value``, as the manual spells it."""
    return (parameter.negative_flags if value is False else parameter.flags)[0]


def from_flags(flags: Mapping[str, object]) -> Config:
    """Return what flags alone say; raises ConfigError."""
    layers = _Layers()
    layers.add_flags(flags)
    if layers.flag_problems:
        raise ConfigError(*layers.flag_problems, from_flag=True)
    return Config.of(layers.values, layers.origins)


def find_file(environ: Mapping[str, str], file: str | os.PathLike[str] | None = None) -> tuple[str, OriginKind]:
    """Return the file that is read, whether it exists or not, and who says so."""
    if file is not None:
        return os.fspath(file), "flag"
    if environ.get("SIPCLI_CONFIG"):
        return environ["SIPCLI_CONFIG"], "env"
    return config_path(environ), "default"


def load(
    *,
    flags: Mapping[str, object] | None = None,
    environ: Mapping[str, str] | None = None,
    file: str | os.PathLike[str] | None = None,
    profile: str | None = None,
) -> Config:
    """Return the configuration: a flag wins over the environment, that over the profile, that over ``[ua]``.

    ``flags`` are values by the names of parameters, as text, lists of texts or booleans; None and ``()`` mean that a
    flag was not given. ``file`` and ``profile`` are what ``--config`` and ``--profile`` said. Raises ConfigError, with
    all that is wrong in the sources.
    """
    environ = os.environ if environ is None else environ
    layers = _Layers()
    layers.add_flags(flags or {})
    layers.add_environment(environ)
    config_file = _open(environ, file)
    chosen = None
    if config_file is not None:
        layers.problems += config_file.check_shape(PARAMETERS)
    chosen = _choose_profile(config_file, environ, profile)
    if config_file is not None:
        if chosen is not None:
            layers.add_table(config_file, ("profiles", chosen), "profile")
        layers.add_table(config_file, ("ua",), "file")
    if layers.problems or layers.flag_problems:
        raise ConfigError(*layers.problems, *layers.flag_problems, from_flag=not layers.problems)
    return Config.of(
        layers.values,
        layers.origins,
        file=None if config_file is None else config_file.path,
        profile=chosen,
    )


def _open(environ: Mapping[str, str], file: str | os.PathLike[str] | None) -> ConfigFile | None:
    path, kind = find_file(environ, file)
    try:
        return read_file(path, abbreviated(path, environ) if kind == "default" else path)
    except FileNotFoundError:
        if kind == "default":
            return None
        who = "--config" if kind == "flag" else "SIPCLI_CONFIG"
        raise ConfigError(f'{who}: there is no file "{path}"', from_flag=kind == "flag") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}", from_flag=kind == "flag") from error


def _choose_profile(file: ConfigFile | None, environ: Mapping[str, str], profile: str | None) -> str | None:
    who = "--profile"
    name: Any = profile
    if not name:
        who, name = "SIPCLI_PROFILE", environ.get("SIPCLI_PROFILE")
    if not name and file is not None:
        who, name = f"{file.where(('default_profile',))}: default_profile", file.default_profile
    if not name:
        return None
    names = [] if file is None else file.profiles
    if name in names:
        return str(name)
    if file is None:
        path = abbreviated(config_path(environ), environ)
        text = f'{who}: no profile "{name}": there is no file {path}'
    elif not names:
        text = f'{who}: no profile "{name}": {file.shown} has none'
    else:
        guess = nearest(name, names)
        text = f'{who}: no profile "{name}" in {file.shown}, ' + (
            f'did you mean "{guess}"?' if guess else f"expected one of: {', '.join(names)}"
        )
    raise ConfigError(text, from_flag=bool(profile))
