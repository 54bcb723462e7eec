"""The configuration file: TOML with ``[ua]``, ``[profiles.NAME]`` and ``default_profile``."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from typing import Any

from sipcli.config.kinds import is_default, quoted
from sipcli.config.options import Parameters, describe, flatten, nearest
from sipcli.sip.errors import ConfigError

__all__ = ["ConfigFile", "read_file"]

_LARGEST = 1 << 20
_SECRET_FIELDS = frozenset({"password", "credential"})


class ConfigFile:
    """A file that has been read: its tables, and where its keys stand."""

    def __init__(self, path: str, shown: str, mode: int, text: str, document: Mapping[str, Any]) -> None:
        self.path = path
        self.shown = shown
        """The name for messages."""
        self.mode = mode
        self.document = document
        self._text = text
        self._lines: dict[tuple[str | int, ...], int] | None = None

    @property
    def folder(self) -> str:
        """The folder that relative names in the file start from."""
        return os.path.dirname(os.path.abspath(self.path))

    @property
    def profiles(self) -> list[str]:
        """The names of the profiles, in the file's order."""
        profiles = self.document.get("profiles")
        return [*profiles] if isinstance(profiles, dict) else []

    @property
    def default_profile(self) -> str | None:
        """The profile that is used when no other is asked for."""
        name = self.document.get("default_profile")
        return name if isinstance(name, str) else None

    def table(self, at: tuple[str | int, ...]) -> Mapping[str, object]:
        """Return the table at a path, empty when it is not there."""
        table: Any = self.document
        for part in at:
            table = table.get(part, {}) if isinstance(table, dict) else {}
        return table if isinstance(table, dict) else {}

    def where(self, path: tuple[str | int, ...]) -> str:
        """Return the file and the line of a key: ``config.toml:12``."""
        if self._lines is None:
            from sipcli.config.lines import key_lines

            self._lines = key_lines(self._text)
        # A path into a value that the file has on one line leads to the key of that value.
        while path and path not in self._lines:
            path = path[:-1]
        return f"{self.shown}:{self._lines[path]}" if path else self.shown

    def check_shape(self, parameters: Parameters) -> list[str]:
        """Return what is wrong outside the tables of parameters, and secrets that others can read."""
        return [*self._misplaced(parameters), *self._exposed(parameters)]

    def _misplaced(self, parameters: Parameters) -> Iterator[str]:
        for key, value in self.document.items():
            where = self.where((key,))
            if key == "default_profile":
                if not isinstance(value, str):
                    yield f"{where}: {key}: expected the name of a profile, got: {quoted(value)}"
            elif key not in ("ua", "profiles"):
                settings, _ = flatten({key: None}, parameters)
                if settings or key == "log" or key.endswith("_options"):
                    yield f"{where}: {key}: expected it under [ua] or [profiles.NAME]"
                else:
                    guess = nearest(key, ("ua", "profiles", "default_profile"))
                    yield f"{where}: {key}: unknown key" + (f', did you mean "{guess}"?' if guess else "")
            elif not isinstance(value, dict):
                yield f"{where}: {key}: expected a table, got: {quoted(value)}"
        for name, value in self.table(("profiles",)).items():
            if not isinstance(value, dict):
                where = self.where(("profiles", name))
                yield f"{where}: profiles.{name}: expected a table, got: {quoted(value)}"

    def _exposed(self, parameters: Parameters) -> Iterator[str]:
        # POSIX permissions say nothing elsewhere.
        if os.name != "posix" or not self.mode & 0o077:
            return
        for at in (("ua",), *[("profiles", name) for name in self.profiles]):
            for path in _secrets(self.table(at), parameters, at):
                chmod = f"chmod 600 {_shell_word(os.path.abspath(self.path))}"
                key = describe(path[len(at) :])
                yield f"{self.where(path)}: {key}: others can read this file (mode {self.mode:04o}), run: {chmod}"
                return


def _secrets(
    table: Mapping[str, object], parameters: Parameters, at: tuple[str | int, ...]
) -> Iterator[tuple[str | int, ...]]:
    """Give the paths of the secrets in a table of parameters."""
    settings, _ = flatten(table, parameters, at)
    for parameter, value, path in settings:
        if parameter.secret and not is_default(value):
            yield path
        elif parameter.name in ("turn_servers", "ice_servers"):
            for index, server in enumerate(value if isinstance(value, list) else [value]):
                fields = server.items() if isinstance(server, dict) else ()
                for field, secret in fields:
                    if field in _SECRET_FIELDS and not is_default(secret):
                        yield (*path, index, field) if isinstance(value, list) else (*path, field)


def _shell_word(word: str) -> str:
    import shlex

    return shlex.quote(word)


def read_file(path: str, shown: str) -> ConfigFile:
    """Read a configuration file; ``shown`` is its name for messages. Raises OSError, and ConfigError for its syntax."""
    with open(path, "rb") as file:
        mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
        octets = file.read(_LARGEST + 1)
    # Most runs in tests and containers have no file: they do not pay for the reader.
    import tomllib

    if len(octets) > _LARGEST:
        raise ConfigError(f"{shown}: expected at most {_LARGEST} octets")
    try:
        text = octets.decode()
    except UnicodeDecodeError as error:
        line = octets.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{shown}:{line}: expected UTF-8") from None
    text = text.removeprefix("\ufeff")
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(_syntax_error(shown, text, str(error))) from None
    except RecursionError:
        raise ConfigError(f"{shown}: expected less nesting") from None
    return ConfigFile(path, shown, mode, text, document)


def _syntax_error(shown: str, text: str, error: str) -> str:
    # "Expected '=' after a key in a key/value pair (at line 3, column 5)", or "(at end of document)"
    message, _, place = error.rpartition(" (at ")
    if place.startswith("line "):
        line, _, column = place.removeprefix("line ").rstrip(")").partition(", ")
        return f"{shown}:{line}: {message}, at {column}"
    return f"{shown}:{text.count(chr(10)) + 1}: {message or error}, at the end of the file"
