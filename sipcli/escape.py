"""Text that a peer wrote, made safe to show (CWE-150): the output edge passes everything through here."""

from __future__ import annotations

import re

__all__ = ["escape", "escape_body"]

# C0, DEL, C1, the line and paragraph separators, the controls of the bidirectional algorithm (UAX #9 §2), and lone
# surrogates, which no terminal can be sent. Backslashes stay, so that escaping twice changes nothing.
_UNSAFE = r"\x00-\x1f\x7f-\x9f\u2028\u2029\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff"
_LINE = re.compile(f"[{_UNSAFE}]")
_BODY = re.compile(rf"(?![\n\t])[{_UNSAFE}]")
_SHORT = {"\n": r"\n", "\r": r"\r", "\t": r"\t"}


def escape(text: str) -> str:
    """Return ``text`` as one line without anything that moves, hides or reorders what a terminal shows.

    A character that is not allowed is shown as Python would write it: ``\\n``, ``\\x1b``, ``\\u202e``; an octet that
    was not UTF-8 (a surrogate of ``surrogateescape``) as ``\\xNN``.
    """
    return _LINE.sub(_shown, text)


def escape_body(text: str) -> str:
    """Return ``text`` made safe as ``escape`` does, except that line feeds and tabs stay."""
    return _BODY.sub(_shown, text)


def _shown(match: re.Match[str]) -> str:
    character = match[0]
    if short := _SHORT.get(character):
        return short
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:
        code -= 0xDC00
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
