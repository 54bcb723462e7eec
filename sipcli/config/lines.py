"""Line numbers of the keys in a TOML text (TOML 1.0), which tomllib does not give.

The scanner reads a text that tomllib has accepted, so it only has to find where keys begin and values end; what the
values are is tomllib's to say.
"""

from __future__ import annotations

import re

__all__ = ["Path", "key_lines"]

Path = tuple[str | int, ...]

_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_SPACE = re.compile(r"[ \t]*")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_STRING = re.compile(
    r'"""(?:[^\\]|\\.)*?"{3,5}(?!")' + r"|'''.*?'{3,5}(?!')" + r'|"(?:[^"\\\n]|\\.)*"' + r"|'[^'\n]*'", re.DOTALL
)
_SCALAR = re.compile(r"[^,\]}#\n]*")


def key_lines(text: str) -> dict[Path, int]:
    """Return the line, from 1, on which each key of a valid TOML text stands, by its path.

    Elements of arrays have their index in the path: ``("ua", "ws_servers", 1, "weight")``.
    """
    return _Scanner(text.replace("\r\n", "\n")).scan()


class _Scanner:
    def __init__(self, text: str) -> None:
        self.text = text
        self.position = 0
        self.lines: dict[Path, int] = {}
        self.line = 1
        self.counted = 0
        # How many elements the arrays of tables have so far.
        self.tables: dict[Path, int] = {}

    def scan(self) -> dict[Path, int]:
        table: Path = ()
        while True:
            self.skip(_BLANK)
            if self.position >= len(self.text):
                return self.lines
            if self.text.startswith("[[", self.position):
                self.position += 2
                table = self.array_of_tables()
                self.position += 2
            elif self.text[self.position] == "[":
                self.position += 1
                table = self.header()
                self.position += 1
            else:
                self.key_and_value(table)

    def skip(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self.text, self.position)
        assert match is not None, "tomllib accepts no such text"
        self.position = match.end()
        return match[0]

    def note(self, path: Path) -> None:
        """Record the line of ``position`` as that of ``path``; the first mention counts."""
        self.line += self.text.count("\n", self.counted, self.position)
        self.counted = self.position
        self.lines.setdefault(path, self.line)

    def key(self, table: Path) -> Path:
        """Read a dotted key; each of its parts is a table in ``table``."""
        path = table
        while True:
            self.skip(_SPACE)
            start = self.position
            if self.text[start] in "\"'":
                path = (*path, _unquoted(self.skip(_STRING)))
            else:
                path = (*path, self.skip(_BARE_KEY))
            end, self.position = self.position, start
            self.note(path)
            self.position = end
            self.skip(_SPACE)
            if self.text[self.position] != ".":
                return path
            self.position += 1

    def header(self) -> Path:
        """Read the key of a table; a part that is an array of tables means its last element."""
        path: Path = ()
        for part in self.key_parts():
            path = (*path, part)
            self.note(path)
            if path in self.tables:
                path = (*path, self.tables[path] - 1)
        return path

    def array_of_tables(self) -> Path:
        path: Path = ()
        *outer, last = self.key_parts()
        for part in outer:
            path = (*path, part)
            if path in self.tables:
                path = (*path, self.tables[path] - 1)
        path = (*path, last)
        index = self.tables.get(path, 0)
        self.tables[path] = index + 1
        self.note(path)
        self.note((*path, index))
        return (*path, index)

    def key_parts(self) -> list[str]:
        """Read a dotted key without recording it."""
        parts = []
        while True:
            self.skip(_SPACE)
            quoted = self.text[self.position] in "\"'"
            parts.append(_unquoted(self.skip(_STRING)) if quoted else self.skip(_BARE_KEY))
            self.skip(_SPACE)
            if self.text[self.position] != ".":
                return parts
            self.position += 1

    def key_and_value(self, table: Path) -> None:
        path = self.key(table)
        self.position += 1  # the equals sign
        self.skip(_SPACE)
        self.value(path)

    def value(self, path: Path) -> None:
        character = self.text[self.position]
        if character == "[":
            self.array(path)
        elif character == "{":
            self.inline_table(path)
        elif character in "\"'":
            self.skip(_STRING)
        else:
            self.skip(_SCALAR)

    def array(self, path: Path) -> None:
        self.position += 1
        index = 0
        while True:
            self.skip(_BLANK)
            if self.text[self.position] == "]":
                self.position += 1
                return
            self.note((*path, index))
            self.value((*path, index))
            index += 1
            self.skip(_BLANK)
            if self.text[self.position] == ",":
                self.position += 1

    def inline_table(self, path: Path) -> None:
        self.position += 1
        while True:
            self.skip(_BLANK)
            if self.text[self.position] == "}":
                self.position += 1
                return
            self.key_and_value(path)
            self.skip(_BLANK)
            if self.text[self.position] == ",":
                self.position += 1


_ESCAPE = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|(.))")
_ESCAPES = {"b": "\b", "t": "\t", "n": "\n", "f": "\f", "r": "\r", '"': '"', "\\": "\\"}


def _unquoted(key: str) -> str:
    """Return the name that a quoted key spells."""
    if key[0] == "'":
        return key[1:-1]
    return _ESCAPE.sub(
        lambda match: chr(int(match[1] or match[2], 16)) if match[3] is None else _ESCAPES.get(match[3], match[3]),
        key[1:-1],
    )
