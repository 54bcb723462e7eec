"""Kinds of values: what a parameter accepts, what is right in words, and how it is normalised."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

__all__ = [
    "BOOLEAN",
    "COMMAND",
    "FUNCTION",
    "MILLISECONDS",
    "PATH",
    "SECONDS",
    "TABLE",
    "TEXT",
    "BadValueError",
    "Kind",
    "choice",
    "is_default",
    "list_of",
    "quoted",
    "seconds",
    "text_value",
    "whole",
]

_LONGEST_SHOWN = 80
_LARGEST = 2**31 - 1  # what every peer can hold in a signed integer
_TRUE = frozenset({"true", "yes", "on", "1"})
_FALSE = frozenset({"false", "no", "off", "0"})


class BadValueError(Exception):
    """A value that is not of its kind: what would be right, what was found, and where in a list or table."""

    def __init__(self, expected: str, found: object, at: tuple[str | int, ...] = ()) -> None:
        self.expected = expected
        self.found = found
        self.at = at
        super().__init__(expected, found, at)


class Kind(NamedTuple):
    """What values a parameter takes.

    ``name`` completes "expected …" in an error; ``metavar`` stands for the value in a usage line; ``convert`` returns
    the normal form or raises BadValueError; ``from_text`` makes a number or a boolean of text that spells one;
    ``many``: a list, whose flag is repeated; ``lines``: in the environment its items are separated by line breaks,
    because they contain spaces; ``written``: a value as it is typed in TOML, for templates.
    """

    name: str
    metavar: str
    convert: Callable[[object], object]
    from_text: Callable[[str], object] = str
    choices: tuple[str, ...] = ()
    boolean: bool = False
    many: bool = False
    lines: bool = False
    path: bool = False
    written: str = '""'

    def read(self, value: object) -> object:
        """Return a value of a file or of Python in its normal form; raises BadValueError."""
        return self.convert(value)

    def read_text(self, text: str) -> object:
        """Return the value that the environment holds as text; raises BadValueError."""
        if not self.many:
            return self.read_flag(text)
        return self.read_flag(text.splitlines() if self.lines else text.split())

    def read_flag(self, value: object) -> object:
        """Return the value of a flag: text, or texts when it may be repeated; raises BadValueError."""
        if isinstance(value, str):
            return self.convert(self.from_text(value))
        if isinstance(value, list | tuple):
            return self.convert([self.from_text(item) if isinstance(item, str) else item for item in value])
        return self.convert(value)


def is_default(value: object) -> bool:
    """Say whether ``value`` means "the default", as in SIP.js: null, "", [], {} and NaN."""
    return value is None or value != value or (isinstance(value, str | list | tuple | dict) and not value)


def quoted(value: object) -> str:
    """Return a value as an error shows it: in TOML's spelling, on one line, not too long."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, list | tuple):
        return _shortened("[" + ", ".join([quoted(item) for item in value]) + "]")
    if isinstance(value, Mapping):
        return _shortened("{" + ", ".join([f"{key} = {quoted(item)}" for key, item in value.items()]) + "}")
    return f'"{_shortened(value)}"' if isinstance(value, str) else _shortened(str(value))


def _shortened(text: str) -> str:
    shown = text if len(text) <= _LONGEST_SHOWN else text[:_LONGEST_SHOWN] + "…"
    if shown.isprintable():
        return shown
    return "".join([c if c.isprintable() else repr(c)[1:-1] for c in shown])


def text_value(value: object, expected: str) -> str:
    """Return ``value`` if it is text that fits on one line of a message; raises BadValueError."""
    # CR, LF and NUL could smuggle header fields into a message (RFC 3261 §25.1 allows none in a value).
    if not isinstance(value, str):
        raise BadValueError(expected, value)
    if "\r" in value or "\n" in value or "\0" in value:
        raise BadValueError(f"{expected} on one line", value)
    return value


def _boolean_text(text: str) -> object:
    word = text.strip().lower()
    return True if word in _TRUE else False if word in _FALSE else text


def _boolean(value: object) -> bool:
    if isinstance(value, bool):
        return value
    raise BadValueError("true or false", value)


def _number_text(text: str) -> object:
    """Return the number that a text spells in ASCII digits, else the text."""
    word = text.strip()
    # int() and float() take "1_000", "١٢" and "inf" as well, and int() raises over 4300 digits.
    if not word or len(word) > 20 or word.strip("0123456789.-"):
        return text
    try:
        return float(word) if "." in word else int(word)
    except ValueError:
        return text


def _number(value: object, name: str) -> int | float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= _LARGEST:
        raise BadValueError(name, value)
    return value


def whole(name: str, metavar: str, least: int = 0, most: int = _LARGEST) -> Kind:
    """Return the kind of whole numbers from ``least`` to ``most``."""

    def convert(value: object) -> int:
        number = _number(value, name)
        # 600.0 is what a writer in JavaScript may give for 600.
        if number != int(number):
            raise BadValueError(name, value)
        if not least <= number <= most:
            raise BadValueError(f"{name} {_bounds(least, most)}", value)
        return int(number)

    return Kind(name, metavar, convert, _number_text, written=str(max(least, 1)))


def seconds(name: str = "seconds", *, least: float = 0.0, above: bool = False, metavar: str = "SECONDS") -> Kind:
    """Return the kind of durations of at least ``least``, or ``above`` it, in the unit that ``name`` says."""

    def convert(value: object) -> float:
        number = _number(value, name)
        if number < least or (above and number == least):
            raise BadValueError(f"{name}, {'more than' if above else 'at least'} {least:g}", value)
        return float(number)

    return Kind(name, metavar, convert, _number_text, written="1")


def _bounds(least: int, most: int) -> str:
    return f"of {least} or more" if most == _LARGEST else f"from {least} to {most}"


def choice(*choices: str, also: Mapping[str, str] | None = None) -> Kind:
    """Return the kind of one word out of ``choices``; ``also`` maps other spellings to them."""
    name = ", ".join([f'"{word}"' for word in choices[:-1]]) + f' or "{choices[-1]}"'

    def convert(value: object) -> str:
        # The constants of SIP.js (SIP.C.supported.REQUIRED) are these words in capitals.
        word = value.strip().lower() if isinstance(value, str) else ""
        word = (also or {}).get(word, word)
        if word not in choices:
            raise BadValueError(name, value)
        return word

    return Kind(name, "|".join(choices), convert, choices=choices)


def list_of(item: Kind, name: str, *, lines: bool = False, unique: bool = False) -> Kind:
    """Return the kind of lists of ``item``; one item alone is a list of one.

    ``unique`` drops repetitions.
    """

    def convert(value: object) -> tuple[object, ...]:
        # A string or a table is one item: SIP.js takes "wss://…" as well as ["wss://…"].
        if isinstance(value, str | Mapping) or not isinstance(value, Sequence):
            values: Sequence[object] = (value,)
        else:
            values = value
        found = []
        for position, entry in enumerate(values):
            try:
                found.append(item.convert(entry))
            except BadValueError as bad:
                at = (position, *bad.at) if len(values) > 1 or bad.at else ()
                raise BadValueError(bad.expected, bad.found, at) from None
        return tuple(dict.fromkeys(found)) if unique else tuple(found)

    written = "[]" if item.written == '""' else item.written
    return item._replace(name=name, convert=convert, many=True, lines=lines, written=written)


def _text(value: object) -> str:
    return text_value(value, "text")


def _path(value: object) -> str:
    if not isinstance(value, str):
        fspath = getattr(value, "__fspath__", None)
        value = fspath() if fspath is not None else value
    if not isinstance(value, str) or "\0" in value:
        raise BadValueError("the name of a file", value)
    if value.startswith("~"):
        import os.path

        return os.path.expanduser(value)
    return value


def _command(value: object) -> tuple[str, ...]:
    if isinstance(value, list | tuple) and all(isinstance(word, str) for word in value):
        return tuple(value)
    if not isinstance(value, str):
        raise BadValueError("a command line, or a list of its words", value)
    import shlex

    try:
        return tuple(shlex.split(value))
    except ValueError:
        raise BadValueError("a command line with its quotes closed", value) from None


def _function(value: object) -> object:
    if not callable(value):
        raise BadValueError("a function; it can only be set from Python", value)
    return value


def _table(value: object) -> Mapping[str, object]:
    if not isinstance(value, Mapping):
        raise BadValueError("a table", value)
    return dict(value)


BOOLEAN = Kind("true or false", "true|false", _boolean, _boolean_text, boolean=True, written="true")
TEXT = Kind("text", "TEXT", _text)
PATH = Kind("the name of a file", "FILE", _path, path=True)
COMMAND = Kind("a command line", "COMMAND", _command)
FUNCTION = Kind("a function", "FUNCTION", _function)
TABLE = Kind("a table", "TABLE", _table, written="{}")
SECONDS = seconds(above=True)
MILLISECONDS = seconds("milliseconds", above=True, metavar="MILLISECONDS")
