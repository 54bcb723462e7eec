"""A set of parameters: read in any spelling, checked together, and kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, NamedTuple, Self

from sipcli.config.kinds import BadValueError, is_default, quoted
from sipcli.config.options import Origin, Parameters, Problem, Setting, describe, flatten
from sipcli.config.sip_values import Address
from sipcli.sip.errors import ConfigError

__all__ = ["Configuration", "Log", "convert"]

_DEFAULT = Origin("default")


class Log(NamedTuple):
    """The ``log`` parameters as SIP.js groups them."""

    builtin_enabled: bool
    level: int
    connector: Callable[[str, str, str | None, str], object] | None


def convert(setting: Setting, read: Callable[[Any], object]) -> object:
    """Return the value of a setting in its normal form; raises BadValueError, which never shows a secret."""
    if is_default(setting.value):
        return setting.parameter.default
    try:
        return read(setting.value)
    except BadValueError as bad:
        if setting.parameter.secret:
            raise BadValueError(bad.expected, "***", bad.at) from None
        raise


class Configuration:
    """The machinery of ``Config``, whose annotations are the list of parameters."""

    parameters: ClassVar[Parameters]

    profile: str | None = None
    """The name of the profile that ``load`` used."""
    file: str | None = None
    """The file that ``load`` read."""

    def __init_subclass__(cls) -> None:
        cls.parameters = Parameters.declared(cls.__annotations__, vars(cls))

    def __init__(self, **values: object) -> None:
        self._fill(*self._read(values))

    @classmethod
    def of(
        cls,
        values: Mapping[str, object],
        origins: Mapping[str, Callable[[], Origin]],
        *,
        file: str | None = None,
        profile: str | None = None,
    ) -> Self:
        """Return a configuration of values in their normal form; raises ConfigError when they contradict each other."""
        config = cls.__new__(cls)
        config._fill(values, origins)
        config.__dict__.update(file=file, profile=profile)
        return config

    def replace(self, **values: object) -> Self:
        """Return a copy with other values; raises ConfigError."""
        given, origins = self._read(values)
        merged = {**self._given, **given}
        return self.of(merged, {**self._origins, **origins}, file=self.file, profile=self.profile)

    def is_set(self, name: str) -> bool:
        """Say whether somebody chose the value of a parameter: a flag, the environment, a file or the program."""
        return name in self._origins

    @property
    def origins(self) -> Mapping[str, Origin]:
        """Where the value of each parameter comes from, by name."""
        return {
            parameter.name: self._origins[parameter.name]() if parameter.name in self._origins else _DEFAULT
            for parameter in self.parameters
        }

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"a Config does not change: use replace({name}=…)")

    def __repr__(self) -> str:
        shown = [
            f"{parameter.name}={'***' if parameter.secret else repr(getattr(self, parameter.name))}"
            for parameter in self.parameters
            if self.is_set(parameter.name)
        ]
        return f"{type(self).__name__}({', '.join(shown)})"

    _given: Mapping[str, object]
    _origins: Mapping[str, Callable[[], Origin]]

    def _read(self, values: Mapping[str, object]) -> tuple[dict[str, object], dict[str, Callable[[], Origin]]]:
        settings, problems = flatten(values, self.parameters)
        given: dict[str, object] = {}
        for setting in settings:
            try:
                given[setting.parameter.name] = convert(setting, setting.parameter.kind.read)
            except BadValueError as bad:
                problems.append(Problem((*setting.path, *bad.at), f"expected {bad.expected}, got: {quoted(bad.found)}"))
        if problems:
            raise ConfigError(*[f"{describe(problem.path)}: {problem.text}" for problem in problems])
        return given, dict.fromkeys(given, lambda: Origin("argument"))

    def _fill(self, given: Mapping[str, object], origins: Mapping[str, Callable[[], Origin]]) -> None:
        values = dict(given)
        origins = dict(origins)
        problems = _relate(values, origins, type(self))
        if problems:
            raise _contradiction(problems, origins)
        self.__dict__.update(values, _given=given, _origins=origins)


def _relate(
    values: dict[str, object], origins: dict[str, Callable[[], Origin]], defaults: type
) -> list[tuple[str, str]]:
    """Let values act on each other; return what contradicts, as parameter and text."""
    address = values.get("uri")
    if isinstance(address, Address):
        values["uri"] = address.uri
        if address.display_name is not None and values.get("display_name") is None:
            values["display_name"] = address.display_name
            origins["display_name"] = origins["uri"]
    # SIP.js 0.21: an interval of OPTIONS requests is a keep-alive of that kind.
    interval = values.get("options_ping_interval")
    if interval and not values.get("keep_alive"):
        values["keep_alive"] = "options"
        origins["keep_alive"] = origins["options_ping_interval"]
        if "keep_alive_interval" not in values:
            values["keep_alive_interval"] = interval
            origins["keep_alive_interval"] = origins["options_ping_interval"]
    # SIP.js 0.6: an interval of 0 is none.
    if values.get("keep_alive_interval") == 0:
        values["keep_alive"] = "none"
        origins["keep_alive"] = origins["keep_alive_interval"]

    def value_of(name: str) -> Any:
        return values.get(name, getattr(defaults, name))

    problems: list[tuple[str, str]] = []
    least, most = value_of("connection_recovery_min_interval"), value_of("connection_recovery_max_interval")
    if most < least and "connection_recovery_max_interval" in values:
        bound = f"expected at least connection_recovery_min_interval ({least:g}), got: {most:g}"
        problems.append(("connection_recovery_max_interval", bound))
    elif most < least:
        bound = f"expected at most connection_recovery_max_interval ({most:g}), got: {least:g}"
        problems.append(("connection_recovery_min_interval", bound))
    if value_of("client_key") is not None and value_of("client_cert") is None:
        problems.append(("client_key", "expected client_cert with it: the certificate that the key belongs to"))
    return problems


def _contradiction(problems: list[tuple[str, str]], origins: Mapping[str, Callable[[], Origin]]) -> ConfigError:
    texts = []
    kinds = set()
    for name, text in problems:
        origin = origins[name]() if name in origins else _DEFAULT
        kinds.add(origin.kind)
        if origin.kind == "flag":
            texts.append(f"{origin.source}: {text}")
        else:
            texts.append(f"{origin.source}: {name}: {text}" if origin.source else f"{name}: {text}")
    return ConfigError(*texts, from_flag=kinds == {"flag"})
