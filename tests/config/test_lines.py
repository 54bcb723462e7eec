"""Line numbers of the keys of a TOML text."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipcli.config.lines import Path, key_lines
from sipcli.config.writing import toml

TEXT = '''\
# a comment with [brackets] and key = value
default_profile = "lab"

[ua]                      # the table
uri = "alice@example.com" # a = b
"display name" = 'x # y'
log.level = 2
log . "builtin_enabled" = true
multi = """
not_a_key = 1
[not.a.table]
quotes "" and \\""" inside """""
literal = \'\'\'
also_no_key = "
\'\'\'
after = 1

ws_servers = [
    "ws://a",   # [x]
    { ws_uri = "ws://b", weight = 1 }, { weight = [
    2 ], ws_uri = "ws://c" },
    ["nested",
     "list"],
]
inline = { a = 1, b.c = [1, 2], "d e" = { f = "}" } }
empty = []
also_empty = {}

[ ua . register_options ]
expires = 300

[profiles.lab]
uri = "bob@example.com"

[[profiles.lab.ws_servers]]
ws_uri = "ws://d"

[[profiles.lab.ws_servers]]
ws_uri = "ws://e"
[profiles.lab.ws_servers.more]
x = 1

[[turn]]
[[turn.inner]]
a = 1
[[turn.inner]]
a = 2
[[turn]]
[[turn.inner]]
a = 3
["quoted \\u0041 \\"table\\""]
'single' = 1979-05-27T07:32:00Z
last = inf'''

LINES: dict[Path, int] = {
    ("default_profile",): 2,
    ("ua",): 4,
    ("ua", "uri"): 5,
    ("ua", "display name"): 6,
    ("ua", "log", "level"): 7,
    ("ua", "log", "builtin_enabled"): 8,
    ("ua", "multi"): 9,
    ("ua", "literal"): 13,
    ("ua", "after"): 16,
    ("ua", "ws_servers"): 18,
    ("ua", "ws_servers", 0): 19,
    ("ua", "ws_servers", 1): 20,
    ("ua", "ws_servers", 1, "weight"): 20,
    ("ua", "ws_servers", 2, "weight"): 20,
    ("ua", "ws_servers", 2, "ws_uri"): 21,
    ("ua", "ws_servers", 3, 1): 23,
    ("ua", "inline", "b", "c", 1): 25,
    ("ua", "inline", "d e", "f"): 25,
    ("ua", "empty"): 26,
    ("ua", "also_empty"): 27,
    ("ua", "register_options"): 29,
    ("ua", "register_options", "expires"): 30,
    ("profiles", "lab"): 32,
    ("profiles", "lab", "uri"): 33,
    ("profiles", "lab", "ws_servers"): 35,
    ("profiles", "lab", "ws_servers", 0, "ws_uri"): 36,
    ("profiles", "lab", "ws_servers", 1): 38,
    ("profiles", "lab", "ws_servers", 1, "ws_uri"): 39,
    ("profiles", "lab", "ws_servers", 1, "more", "x"): 41,
    ("turn", 0, "inner", 0, "a"): 45,
    ("turn", 0, "inner", 1, "a"): 47,
    ("turn", 1, "inner", 0, "a"): 50,
    ('quoted A "table"',): 51,
    ('quoted A "table"', "single"): 52,
    ('quoted A "table"', "last"): 53,
}


@pytest.mark.parametrize("path", LINES, ids=str)
@pytest.mark.parametrize("newline", ["\n", "\r\n"], ids=["lf", "crlf"])
def test_line(path: Path, newline: str) -> None:
    assert key_lines(TEXT.replace("\n", newline))[path] == LINES[path]


def paths(value: object, at: Path = ()) -> Iterator[Path]:
    """Give the path of every value in a document."""
    if at:
        yield at
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from paths(item, (*at, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from paths(item, (*at, index))


def test_every_path_has_a_line() -> None:
    assert set(paths(tomllib.loads(TEXT))) <= set(key_lines(TEXT))


def test_empty() -> None:
    assert key_lines("") == {}
    assert key_lines("# nothing") == {}


KEYS = st.text(st.characters(exclude_categories=["Cs"]), max_size=4)
VALUES = st.recursive(
    st.booleans() | st.integers(-9, 9) | st.text(st.characters(exclude_categories=["Cs"]), max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(KEYS, VALUES, max_size=4), st.dictionaries(KEYS, VALUES, max_size=3))
def test_any_document(top: dict[str, object], table: dict[str, object]) -> None:
    """Whatever a document holds, each path has the line that it was written on, and the writer is read back."""
    lines = [f"{toml(key)} = {toml(value)}" for key, value in top.items()]
    name = "t" + "".join(top)
    lines += ["", f"[{toml(name)}]"] + [f"{toml(key)} = {toml(value)}" for key, value in table.items()]
    text = "\n".join(lines)
    document = tomllib.loads(text)
    assert document == {**top, name: table}
    found = key_lines(text)
    assert set(paths(document)) <= set(found)
    for number, key in enumerate(top, start=1):
        assert found[(key,)] == number
    for number, key in enumerate(table, start=len(top) + 3):
        assert found[(name, key)] == number
