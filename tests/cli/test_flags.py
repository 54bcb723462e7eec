"""Flags: where they stand, what they mean, what is wrong with them."""

from __future__ import annotations

import json
from pathlib import Path

import click
import pytest

from sipcli.cli.flags import COMMON, Flag, Given, Group, parameters
from sipcli.cli.output import Outcome
from sipcli.cli.runner import Command, Run
from tests.program import run


@click.command("show", cls=Command)
@click.option("--uri-like", metavar="X")
def show(run: Run, uri_like: str | None) -> Outcome:
    """Return what was given."""
    return Outcome(fields={"flags": dict(run.flags), "headers": run.headers, "own": uri_like, "timeout": run.timeout})


GROUP = Group("sipcli", {"show": show})


def parse(*arguments: str) -> Outcome:
    with GROUP.make_context("sipcli", [*arguments], obj=Given()) as ctx:
        outcome = GROUP.invoke(ctx)
    assert isinstance(outcome, Outcome)
    return outcome


@pytest.mark.parametrize(
    "arguments",
    [
        ("--uri", "alice@example.com", "show"),
        ("show", "--uri", "alice@example.com"),
        ("-u", "alice@example.com", "show"),
        ("show", "-ualice@example.com"),
        ("show", "--uri=alice@example.com"),
        ("-u", "bob@example.com", "show", "-u", "alice@example.com"),
    ],
)
def test_flag_means_the_same_before_and_after_the_command(arguments: tuple[str, ...]) -> None:
    assert parse(*arguments).fields["flags"] == {"uri": "alice@example.com"}


def test_list_is_repeated_in_the_singular_or_the_plural() -> None:
    flags = parse("show", "-s", "ws://a", "--ws-server", "ws://b", "--ws-servers", "ws://c").fields["flags"]
    assert flags == {"ws_servers": ("ws://a", "ws://b", "ws://c")}


def test_booleans_have_a_no() -> None:
    assert parse("show", "--no-register").fields["flags"] == {"register": False}
    assert parse("show", "--register").fields["flags"] == {"register": True}
    assert parse("--register", "show", "--no-register").fields["flags"] == {"register": False}


def test_headers_are_given_before_and_after() -> None:
    assert parse("show", "-H", "X-Foo:  foo ", "-H", "Y: z").fields["headers"] == ("X-Foo: foo", "Y: z")
    assert parse("-H", "X: y", "show").fields["headers"] == ("X: y",)


def test_joined_short_flags() -> None:
    assert parse("show", "-tvu", "a@b").fields["flags"] == {"trace_sip": True, "uri": "a@b"}


@pytest.mark.parametrize("flag", parameters(), ids=lambda flag: flag.key)
def test_every_parameter_has_its_flags(flag: Flag) -> None:
    for name in flag.names:
        value = () if flag.metavar is None else ("1",)
        given = parse("show", name, *value).fields["flags"]
        assert isinstance(given, dict)
        assert list(given) == [flag.key]


def test_no_name_is_used_twice() -> None:
    names = [name for flag in (*COMMON, *parameters()) for name in (*flag.names, *flag.off)]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    "header", ["X-Foo", "X Foo: bar", ": x", "X: a\r\nY: b", "X: a\nb", "X\n: a", "X: \0", "", "Ä: b"]
)
def test_bad_header_is_wrong_usage(header: str) -> None:
    with pytest.raises(click.UsageError, match="expected"):
        parse("show", "-H", header)


@pytest.mark.parametrize("seconds", ["0", "-1", "nan", "inf", "soon", ""])
def test_bad_timeout_is_wrong_usage(seconds: str) -> None:
    with pytest.raises(click.UsageError, match="expected seconds above 0"):
        parse("show", f"--timeout={seconds}")


def test_unknown_option_names_the_nearest() -> None:
    with pytest.raises(click.NoSuchOption) as raised:
        parse("show", "--ws-sever", "ws://a")
    assert "--ws-server" in raised.value.format_message()
    with pytest.raises(click.NoSuchOption) as raised:
        parse("--jsn", "show")
    assert "--json" in raised.value.format_message()


def test_everything_after_two_dashes_is_an_argument() -> None:
    with pytest.raises(click.UsageError, match="unexpected extra argument"):
        parse("show", "--", "--uri")


def test_unknown_command_names_the_nearest(tmp_path: Path) -> None:
    done = run("mesage", "bob", "hi", home=tmp_path)
    assert done.status == 2
    assert "message" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("--json", "nosuch"),
        ("nosuch", "--json"),
        ("--json", "--nosuch"),
        ("message", "--json", "--nosuch"),
        ("message", "--nosuch", "--json"),
        ("message", "--json"),
        ("register", "--expires", "soon", "--json"),
        ("options", "--json", "sip:example.com", "-c", "0"),
    ],
)
def test_wrong_usage_has_a_result_too(arguments: tuple[str, ...], tmp_path: Path) -> None:
    done = run(*arguments, home=tmp_path)
    assert done.status == 2
    assert done.result["ok"] is False
    assert done.result["exit_code"] == 2
    assert done.result["error"]
    assert json.loads(done.stdout.splitlines()[-1]) == done.result
    assert "Traceback" not in done.stderr
