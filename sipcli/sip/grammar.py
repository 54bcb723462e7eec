"""Basic rules: tokens, quoted strings, white space, hosts, parameters (RFC 3261 §25.1).

Folded lines are unfolded before any of this runs, so linear white space is SP and HTAB. The repetitions in the
regular expressions are possessive: none of them can go back, and none takes more than linear time.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Self

from sipcli.sip.errors import ParseError

__all__ = [
    "Params",
    "parse_digits",
    "parse_host",
    "parse_params",
    "parse_quoted_string",
    "parse_token",
    "quote",
    "skip_lws",
    "split_list",
    "unquote",
]

TOKEN = r"[A-Za-z0-9\-.!%*_+`'~]"  # noqa: S105  the grammar's token, no secret
LWS = r"[ \t]*+"
QUOTED_STRING = r'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
# hostname is wider than the RFC's: names with an underscore are common inside container networks.
HOST = r"(?:[A-Za-z0-9_][A-Za-z0-9_.\-]*+|\[[0-9A-Fa-f:.]++\])"
# gen-value is wider than token / host / quoted-string: RFC 5118 §4.5 has IPv6 addresses without brackets, and
# "/", "@" and "=" are seen unquoted. strict.py goes by the letter.
GEN_VALUE = r'[^\x00-\x20\x7f",;<>\\]'
PARAMS = rf"(?:{LWS};{LWS}{TOKEN}++(?:{LWS}={LWS}(?:{GEN_VALUE}++|{QUOTED_STRING}))?+)*+"

_TOKEN = re.compile(TOKEN + "++")
_LWS = re.compile(LWS)
_QUOTED_STRING = re.compile(QUOTED_STRING, re.DOTALL)
_HOST = re.compile(HOST)
_PARAMS = re.compile(PARAMS, re.DOTALL)
_PARAM = re.compile(rf";{LWS}({TOKEN}++)(?:{LWS}={LWS}({GEN_VALUE}++|{QUOTED_STRING}))?+", re.DOTALL)
_PLAIN_VALUE = re.compile(rf"(?:{TOKEN}++|{HOST})")
_QUOTED_PAIR = re.compile(r"\\(.)", re.DOTALL)
_TO_ESCAPE = re.compile(r'["\\\r\n\x00]')
_DIGITS = re.compile("[0-9]++")
# What a quote or < opens and nothing closes reaches to the end.
_LIST_ELEMENT = re.compile(r'(?:[^",<]++|"[^"\\]*+(?:\\.[^"\\]*+)*+"?+|<[^>]*+>?+)*+', re.DOTALL)


def parse_token(text: str, pos: int) -> tuple[str, int]:
    """Read a token at ``pos``; return it and the position behind it."""
    match = _TOKEN.match(text, pos)
    if match is None:
        raise ParseError("token", text, pos)
    return match[0], match.end()


def skip_lws(text: str, pos: int) -> int:
    """Return the position of the first character from ``pos`` on that is no white space."""
    while pos < len(text) and text[pos] in " \t":
        pos += 1
    return pos


def parse_quoted_string(text: str, pos: int) -> tuple[str, int]:
    """Read a quoted string at ``pos``; return its content without escapes and the position behind it."""
    match = _QUOTED_STRING.match(text, pos)
    if match is None:
        raise ParseError("quoted-string", text, pos)
    return unquote(match[0]), match.end()


def unquote(text: str) -> str:
    """Return the content of a quoted string, and any other text unchanged."""
    if not text.startswith('"'):
        return text
    content = text[1:-1]
    return _QUOTED_PAIR.sub(r"\1", content) if "\\" in content else content


def quote(text: str) -> str:
    """Return ``text`` as a quoted string; CR, LF and NUL, which cannot stand in one on the wire, become spaces."""
    return '"' + _TO_ESCAPE.sub(lambda match: "\\" + match[0] if match[0] in '"\\' else " ", text) + '"'


def split_list(text: str) -> list[str]:
    """Return the elements of a comma-separated list, stripped; commas within quotes and <> do not count.

    Empty elements are left out, as HTTP does (RFC 9110 §5.6.1).
    """
    if '"' in text or "<" in text:
        elements = []
        pos = 0
        while pos <= len(text):
            match = _LIST_ELEMENT.match(text, pos)
            assert match is not None  # it matches the empty string
            elements.append(match[0])
            pos = match.end() + 1
    else:
        elements = text.split(",")
    return [stripped for element in elements if (stripped := element.strip(" \t"))]


def parse_digits(text: str, rule: str, limit: int) -> int:
    """Return the number that ``text`` is, ASCII digits only; ParseError above ``limit``.

    Leading zeros are legal. The length is judged before the conversion, which is slow, then refused, for long texts.
    """
    if _DIGITS.fullmatch(text) is None:
        raise ParseError(rule, text)
    digits = text.lstrip("0") or "0"
    if len(digits) > len(str(limit)) or (number := int(digits)) > limit:
        raise ParseError(f"{rule} of at most {limit}", text)
    return number


def parse_host(text: str, pos: int) -> tuple[str, int]:
    """Read a host name, IPv4 address or bracketed IPv6 address at ``pos``."""
    match = _HOST.match(text, pos)
    if match is None:
        raise ParseError("host", text, pos)
    return check_host(match[0], text, pos), match.end()


def check_host(host: str, text: str, pos: int) -> str:
    """Return ``host``, which matches HOST, or raise ParseError: empty labels and bad IPv6 addresses."""
    if host[0] != "[":
        if ".." in host:
            raise ParseError("host", text, pos)
        return host
    # Imported here: it is slow to import, and IPv6 literals are rare.
    from ipaddress import AddressValueError, IPv6Address

    # RFC 5118 §4.10: the ABNF of RFC 3261 leads to three colons before an IPv4 part; read them as two.
    host = host.replace(":::", "::")
    try:
        IPv6Address(host[1:-1])
    except AddressValueError as error:
        raise ParseError("IPv6 address", text, pos) from error
    return host


# *( SEMI generic-param )      RFC 3261 §25.1
def parse_params(text: str) -> Params:
    """Return the parameters that the whole of ``text`` is, such as ``;tag=1;lr``."""
    match = _PARAMS.match(text)
    assert match is not None  # it matches the empty string
    if skip_lws(text, match.end()) != len(text):
        raise ParseError("generic-param", text, match.end())
    return Params.of(match[0])


class Params(Mapping[str, str | None]):
    """The parameters of a URI or a header field value, in order, spelled as received.

    Looking up ignores case and gives values unquoted; a parameter without a value is None. Of two with the same name
    the first counts. ``str`` gives the text for the wire, without white space round the separators.
    """

    __slots__ = ("_index", "_text")

    _text: str
    _index: dict[str, str | None] | None

    def __init__(self, items: Iterable[tuple[str, str | None]] = ()) -> None:
        """Build from names and values as they stand on the wire; ValueError when they cannot."""
        wire = [f";{name}" if value is None else f";{name}={value}" for name, value in items]
        text = self._text = "".join(wire)
        # One item must not become two.
        if not self._is_legal(text) or (text.count(";") != len(wire) and len(self.received()) != len(wire)):
            raise ValueError(f"not parameters: {text!r}")
        self._index = None

    @classmethod
    def of(cls, text: str) -> Self:
        """Wrap text that a regular expression has found to be parameters."""
        params = cls.__new__(cls)
        if " " in text or "\t" in text:
            text = "".join([f";{name}={value}" if value else f";{name}" for name, value in _PARAM.findall(text)])
        params._text = text
        params._index = None
        return params

    def __str__(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.received()!r})"

    def __bool__(self) -> bool:
        return bool(self._text)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Params):
            return self._text == other._text
        return super().__eq__(other)

    def __hash__(self) -> int:
        return hash(self._text)

    def __len__(self) -> int:
        return len(self._lookup())

    def __iter__(self) -> Iterator[str]:
        seen = set()
        for name, _ in self.received():
            if (key := self._name(name)) not in seen:
                seen.add(key)
                yield name

    def __getitem__(self, name: str) -> str | None:
        return self._lookup()[self._name(name)]

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self._name(name) in self._lookup()

    def received(self) -> list[tuple[str, str | None]]:
        """Return names and values as they stand on the wire: quoted, escaped, doubled."""
        text = self._text
        if not text:
            return []
        if '"' in text:
            return [(name, value or None) for name, value in _PARAM.findall(text)]
        items: list[tuple[str, str | None]] = []
        for item in text[1:].split(";"):
            name, equals, value = item.partition("=")
            items.append((name, value if equals else None))
        return items

    def with_param(self, name: str, value: str | None = None) -> Self:
        """Return a copy where ``name`` is ``value``, in its old place or at the end."""
        wire = None if value is None else self._wire(value)
        key = self._name(name)
        items = self.received()
        if key not in self._lookup():
            return type(self)([*items, (name, wire)])
        replaced = []
        placed = False
        for old, old_value in items:
            if self._name(old) != key:
                replaced.append((old, old_value))
            elif not placed:
                replaced.append((old, wire))
                placed = True
        return type(self)(replaced)

    def without(self, name: str) -> Self:
        """Return a copy that has no parameter ``name``."""
        key = self._name(name)
        return type(self)([item for item in self.received() if self._name(item[0]) != key])

    def has_duplicates(self) -> bool:
        """Return whether a name occurs twice, which RFC 3261 §7.3.1 forbids."""
        text = self._text
        return text.count(";") > 1 and len(self.received()) != len(self._lookup())

    def _lookup(self) -> dict[str, str | None]:
        index = self._index
        if index is None:
            index = self._index = {}
            for name, value in self.received():
                index.setdefault(self._name(name), value if value is None else self._value(value))
        return index

    def _is_legal(self, text: str) -> bool:
        return _PARAMS.fullmatch(text) is not None

    def _name(self, name: str) -> str:
        return name.lower()

    def _value(self, value: str) -> str:
        return unquote(value)

    def _wire(self, value: str) -> str:
        return value if _PLAIN_VALUE.fullmatch(value) else quote(value)
