"""How a command runs: whatever happens becomes an outcome."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import click
import pytest

from sipcli.cli.app import COMMANDS, run
from sipcli.cli.output import ExitCode, Outcome
from sipcli.cli.runner import Command, Run
from sipcli.sip.errors import ConfigError, LocalProtocolError, ParseError


class _Module:
    """Stands for the module of a command."""

    def __init__(self, callback: Callable[..., Any]) -> None:
        self.command = Command("probe", callback=callback)


@pytest.fixture
def probe(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> Callable[..., int]:
    """Runs a callback as the command ``probe`` of the program."""

    def call(callback: Callable[..., Any], *arguments: str) -> int:
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.setitem(COMMANDS, "probe", ("probe", "A command of the tests"))
        monkeypatch.setattr("sipcli.cli.app.import_module", lambda _name: _Module(callback))
        return run(["probe", *arguments])

    return call


def raising(error: BaseException) -> Callable[[Run], Outcome]:
    def callback(run: Run) -> Outcome:
        raise error

    return callback


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (RuntimeError("boom\x1b[31m"), 1, "internal error: RuntimeError: boom\\x1b[31m"),
        (KeyError("x"), 1, "internal error: KeyError"),
        (ConfigError("a: expected b"), 7, "a: expected b"),
        (ConfigError("--a: expected b", from_flag=True), 2, "--a: expected b"),
        (ParseError("token", "x y", 1), 2, "expected token"),
        (LocalProtocolError("not now"), 2, "not now"),
        (click.UsageError("no"), 2, "no"),
        (KeyboardInterrupt(), 130, ""),
        (SystemExit(143), 143, ""),
    ],
)
def test_exception_becomes_an_exit_code(
    error: BaseException, code: int, said: str, probe: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert probe(raising(error)) == code
    captured = capsys.readouterr()
    assert said in captured.err
    assert "Traceback" not in captured.err
    assert captured.out == ""


@pytest.mark.parametrize("how", ["-vvv", "SIPCLI_DEBUG"])
def test_internal_error_says_where_when_asked(
    how: str, probe: Callable[..., int], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    if how == "SIPCLI_DEBUG":
        monkeypatch.setenv(how, "1")
    assert probe(raising(RuntimeError("boom")), *([how] if how.startswith("-") else [])) == 1
    assert "Traceback" in capsys.readouterr().err


def test_coroutine_runs_under_the_timeout(probe: Callable[..., int]) -> None:
    async def callback(run: Run) -> Outcome:
        await asyncio.get_running_loop().create_future()
        return Outcome()

    assert probe(callback, "--timeout", "0.05") == ExitCode.TIMEOUT


def test_fields_are_kept_when_it_is_stopped(probe: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    async def callback(run: Run) -> Outcome:
        run.fields["so_far"] = 3
        await asyncio.get_running_loop().create_future()
        return Outcome()

    assert probe(callback, "--timeout", "0.05", "--json") == ExitCode.TIMEOUT
    assert '"so_far": 3' in capsys.readouterr().out


def test_lifted_timeout_no_longer_ends_it(probe: Callable[..., int]) -> None:
    async def callback(run: Run) -> Outcome:
        run.lift_timeout()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.get_running_loop().create_future(), 0.1)
        return Outcome()

    assert probe(callback, "--timeout", "0.05") == 0


def test_coroutine_that_fails(probe: Callable[..., int]) -> None:
    async def callback(run: Run) -> Outcome:
        raise RuntimeError("boom")

    assert probe(callback) == 1
