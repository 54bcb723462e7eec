"""Basic rules (RFC 3261 §25.1): tokens, quoted strings, lists, hosts, numbers, parameters."""

from __future__ import annotations

import time
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipcli.sip.errors import ParseError
from sipcli.sip.grammar import (
    Params,
    parse_digits,
    parse_host,
    parse_params,
    parse_quoted_string,
    parse_token,
    quote,
    skip_lws,
    split_list,
    unquote,
)


def test_tokens() -> None:
    assert parse_token("INVITE sip:", 0) == ("INVITE", 6)
    assert parse_token("-.!%*_+`'~ ", 0) == ("-.!%*_+`'~", 10)
    with pytest.raises(ParseError) as caught:
        parse_token('a "b"', 2)
    assert (caught.value.rule, caught.value.position) == ("token", 2)


def test_linear_white_space() -> None:
    assert skip_lws("a \t b", 1) == 4
    assert skip_lws("ab", 1) == 1
    assert skip_lws("ab ", 2) == 3


@pytest.mark.parametrize(
    ("wire", "content"),
    [('""', ""), ('"a b"', "a b"), (r'"a\"b\\"', 'a"b\\'), ('"\\\x00"', "\x00"), ('"привет"', "привет")],
)
def test_quoted_strings(wire: str, content: str) -> None:
    assert parse_quoted_string(wire + ">", 0) == (content, len(wire))
    assert unquote(wire) == content


@pytest.mark.parametrize("wire", ["", "a", '"', '"abc', r'"abc\"', '"\\'])
def test_unterminated_quoted_strings(wire: str) -> None:
    with pytest.raises(ParseError):
        parse_quoted_string(wire, 0)


@given(st.text())
def test_quote_and_back(text: str) -> None:
    """What is quoted reads back as it was, but for the three characters that cannot be in a line."""
    wire = quote(text)
    assert parse_quoted_string(wire, 0) == (text.translate({0: " ", 10: " ", 13: " "}), len(wire))


@pytest.mark.parametrize(
    ("text", "elements"),
    [
        ("", []),
        ("a", ["a"]),
        (" a , b\t,c", ["a", "b", "c"]),
        ("a,,b,", ["a", "b"]),
        ('"a,b" <sip:c>, d', ['"a,b" <sip:c>', "d"]),
        ("<sip:a,b>,c", ["<sip:a,b>", "c"]),
        (r'"a\",b",c', [r'"a\",b"', "c"]),
        ('"a,b', ['"a,b']),
        ("<a,b", ["<a,b"]),
        ('"a\\', ['"a\\']),
    ],
)
def test_lists(text: str, elements: list[str]) -> None:
    """Commas within quotes and <> do not count; what nothing closes reaches to the end."""
    assert split_list(text) == elements


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("example.com", "example.com"),
        ("example.com.", "example.com."),
        ("a_b.example", "a_b.example"),
        ("192.0.2.1", "192.0.2.1"),
        ("[2001:db8::1]", "[2001:db8::1]"),
        ("[::ffff:192.0.2.1]", "[::ffff:192.0.2.1]"),
        ("[2001:db8:::192.0.2.1]", "[2001:db8::192.0.2.1]"),
    ],
)
def test_hosts(text: str, host: str) -> None:
    """The three colons of RFC 5118 §4.10 are read as two."""
    assert parse_host(text + ";x", 0) == (host, len(text))


@pytest.mark.parametrize(
    "text", ["", ".a", "a..b", "-a", "[", "[]", "[::1", "[1.2.3.4]", "[12345::]", "[::::]", "[::1%1]"]
)
def test_bad_hosts(text: str) -> None:
    with pytest.raises(ParseError):
        parse_host(text, 0)


def test_numbers() -> None:
    assert parse_digits("0", "n", 255) == 0
    assert parse_digits("0068", "n", 255) == 68
    assert parse_digits("0" * 5000 + "255", "n", 255) == 255


@pytest.mark.parametrize("text", ["", "-1", "+1", " 1", "1 ", "1_0", "0x1", "²", "١", "256", "9" * 5000, "1e3", "1.0"])
def test_bad_numbers(text: str) -> None:
    """ASCII digits only, in range, and however many."""
    with pytest.raises(ParseError):
        parse_digits(text, "n", 255)


def test_parameters() -> None:
    params = parse_params(' ; Branch = z9 ;lr; x="a;\\"b\\" ,c"')
    assert str(params) == ';Branch=z9;lr;x="a;\\"b\\" ,c"'
    assert dict(params) == {"Branch": "z9", "lr": None, "x": 'a;"b" ,c'}
    assert params["branch"] == params.get("BRANCH") == "z9"
    assert "LR" in params
    assert "nothing" not in params
    keys: list[object] = [5, None]
    assert not any(key in params for key in keys)
    assert params.get("nothing", "else") == "else"
    assert len(params) == 3
    assert list(params) == ["Branch", "lr", "x"]
    with pytest.raises(KeyError):
        params["nothing"]


def test_no_parameters() -> None:
    params = parse_params("")
    assert not params
    assert str(params) == ""
    assert dict(params) == {}
    assert params == Params() == {}


@pytest.mark.parametrize("text", ["a=b", ";", ";;a", ";a;", ";a=", ';a="b', ";a=b c", ";a b", ";=b", ";a=<b>", ";a,b"])
def test_bad_parameters(text: str) -> None:
    with pytest.raises(ParseError):
        parse_params(text)


def test_doubled_parameters() -> None:
    """The first one counts, and the wire form keeps both."""
    params = parse_params(";a=1;A=2")
    assert params["a"] == "1"
    assert len(params) == 1
    assert list(params) == ["a"]
    assert params.has_duplicates()
    assert not parse_params(";a=1;b=2").has_duplicates()
    assert str(params) == ";a=1;A=2"
    assert str(params.with_param("a", "3")) == ";a=3"
    assert str(params.without("a")) == ""


def test_changed_copies() -> None:
    params = Params([("a", "1"), ("lr", None)])
    assert str(params.with_param("b", "x y")) == ';a=1;lr;b="x y"'
    assert str(params.with_param("A", "2")) == ";a=2;lr"
    assert str(params.with_param("a")) == ";a;lr"
    assert str(params.with_param("h", "[::1]")) == ";a=1;lr;h=[::1]"
    assert str(params.without("LR")) == ";a=1"
    assert str(params) == ";a=1;lr"


@pytest.mark.parametrize(
    "item", [("a b", None), ("a", "b c"), ("a", ""), ("a;b", None), ("a", "b;c"), ("a", "b\r\nc"), ("a", '"x')]
)
def test_parameters_that_cannot_be(item: tuple[str, str | None]) -> None:
    with pytest.raises(ValueError, match="not parameters"):
        Params([item])


def test_equality_of_parameters() -> None:
    assert parse_params(";a=1; b") == Params([("a", "1"), ("b", None)])
    assert hash(parse_params("; a=1")) == hash(Params([("a", "1")]))
    assert parse_params(";a=1") == {"a": "1"}
    assert parse_params(";a=1") != Params([("a", "2")])
    assert repr(parse_params(";a=1")) == "Params([('a', '1')])"


@pytest.mark.parametrize(
    "text",
    ['"' * 60000, '"\\"' * 40000, "<" * 60000, " " * 60000, ";a= " * 30000, ";a" * 60000, "a, " * 40000, '"\\' * 50000],
    ids=lambda text: repr(text[:4]),
)
def test_hostile_repetitions_take_linear_time(text: str) -> None:
    """Nothing here goes back over what it has read."""
    started = time.process_time()
    split_list(text)
    for read in (parse_params, lambda text: parse_quoted_string(text, 0)):
        with suppress(ParseError):
            read(text + "\x00")
    assert time.process_time() - started < 1.0
