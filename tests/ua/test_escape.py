"""Nothing that a peer wrote moves, hides or reorders what a terminal shows (CWE-150)."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipcli.escape import escape, escape_body

BIDI = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"

ANY_TEXT = st.text(st.characters(codec=None, exclude_categories=()) | st.sampled_from("\x00\n\r\t\x1b\x7f\x9b" + BIDI))


@pytest.mark.parametrize(
    ("text", "line", "body"),
    [
        ("plain ¶ 日本 👋", "plain ¶ 日本 👋", "plain ¶ 日本 👋"),
        ("one\ntwo\tthree", "one\\ntwo\\tthree", "one\ntwo\tthree"),
        ("one\r\ntwo", "one\\r\\ntwo", "one\\r\ntwo"),
        ("\x1b[2Jgone", "\\x1b[2Jgone", "\\x1b[2Jgone"),
        ("\x9b2Jgone", "\\x9b2Jgone", "\\x9b2Jgone"),
        ("\x00\x07\x08\x7f", "\\x00\\x07\\x08\\x7f", "\\x00\\x07\\x08\\x7f"),
        ("user\u202etxt.exe", "user\\u202etxt.exe", "user\\u202etxt.exe"),
        ("a\u2028b\u2029c\x85d", "a\\u2028b\\u2029c\\x85d", "a\\u2028b\\u2029c\\x85d"),
        ("\ud800", "\\ud800", "\\ud800"),
        (b"\xff\xfe".decode("utf-8", "surrogateescape"), "\\xff\\xfe", "\\xff\\xfe"),
        ("[/bold] \\n", "[/bold] \\n", "[/bold] \\n"),
        ("", "", ""),
    ],
)
def test_examples(text: str, line: str, body: str) -> None:
    """Each class of dangerous character is shown, and everything else stays as it is."""
    assert escape(text) == line
    assert escape_body(text) == body


def is_harmless(character: str) -> bool:
    return character not in BIDI and unicodedata.category(character) not in ("Cc", "Cs", "Zl", "Zp")


@given(ANY_TEXT)
def test_one_line(text: str) -> None:
    """A value is one line, can be encoded, and holds no control character; escaping it again changes nothing."""
    shown = escape(text)
    assert all(is_harmless(character) for character in shown)
    assert len(shown.splitlines()) <= 1
    assert shown.encode("utf-8").decode("utf-8") == shown
    assert escape(shown) == shown


@given(ANY_TEXT)
def test_body(text: str) -> None:
    """A body keeps its line feeds and tabs and nothing else that controls."""
    shown = escape_body(text)
    assert all(is_harmless(character) or character in "\n\t" for character in shown)
    assert shown.count("\n") == text.count("\n")
    assert escape_body(shown) == shown
    assert [escape(line) for line in text.split("\n")] == [escape(line) for line in shown.split("\n")]


@given(st.text(st.characters(categories=("L", "N", "P", "S", "Zs"))))
def test_harmless_text_is_untouched(text: str) -> None:
    """Letters, digits, punctuation and symbols of every script are shown as they are."""
    assert escape(text) == text
    assert escape_body(text) == text
