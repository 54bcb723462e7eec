"""Help: true, examples first, and cheap."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import click
import pytest

import sipcli
from sipcli.cli.app import COMMANDS, cli
from sipcli.cli.flags import FlaggedCommand, Given, parameters
from tests.program import environment, run


@pytest.mark.parametrize("flag", ["--version", "-V"])
def test_version(flag: str, tmp_path: Path) -> None:
    done = run(flag, home=tmp_path)
    assert (done.status, done.stdout, done.stderr) == (0, f"sipcli {sipcli.__version__}\n", "")
    assert run("-v", flag, home=tmp_path).stdout == done.stdout


@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_help_begins_with_what_it_is_and_examples(flag: str, tmp_path: Path) -> None:
    done = run(flag, home=tmp_path)
    assert done.status == 0
    assert done.stderr == ""
    assert done.stdout.index("Examples:") < done.stdout.index("Usage:") < done.stdout.index("Commands:")
    for name, (_, short_help) in COMMANDS.items():
        assert f"  {name} " in done.stdout
        assert short_help in done.stdout


@pytest.mark.parametrize("name", COMMANDS)
def test_command_help(name: str, tmp_path: Path) -> None:
    done = run(name, "-h", home=tmp_path)
    assert done.status == 0
    assert "Examples:" in done.stdout
    assert f"Usage: sipcli {name}" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 100


def test_help_all_shows_every_flag(tmp_path: Path) -> None:
    done = run("message", "--help-all", home=tmp_path)
    assert done.status == 0
    for flag in parameters():
        assert flag.names[-1] in done.stdout


@pytest.mark.parametrize("name", COMMANDS)
def test_examples_can_be_parsed(name: str) -> None:
    """Every example that is this command's is a command line that it takes."""
    import shlex

    with click.Context(cli, info_name="sipcli", obj=Given()) as ctx:
        command = cli.get_command(ctx, name)
        assert isinstance(command, FlaggedCommand)
        assert isinstance(command, click.Group) or command.examples
        for line, _ in command.examples:
            words = shlex.split(line.replace("<(", " ( "))
            start = words.index("sipcli") + 1
            end = next((i for i in range(start, len(words)) if words[i] in ("|", "||", ")", "2>")), len(words))
            arguments = [word.rstrip(")") for word in words[start:end]]
            assert arguments.pop(0) == name
            if not isinstance(command, click.Group):
                command.make_context(name, arguments, parent=ctx)


def test_first_screen_without_configuration(tmp_path: Path) -> None:
    done = run(home=tmp_path)
    assert done.status == 0
    assert done.stdout.startswith("No account configured yet, and that is fine.\n")
    assert "sipcli demo" in done.stdout
    assert "~/.config/sipcli/config.toml" in done.stdout


def test_first_screen_says_who_we_are(tmp_path: Path) -> None:
    environ = {"SIPCLI_URI": "alice@example.com", "SIPCLI_WS_SERVERS": "wss://sip.example.com"}
    done = run(home=tmp_path, environ=environ)
    assert done.status == 0
    assert "sip:alice@example.com at wss://sip.example.com" in done.stdout


def test_first_screen_with_a_mistake_in_the_configuration(tmp_path: Path) -> None:
    done = run(home=tmp_path, environ={"SIPCLI_URI": "http:x"})
    assert done.status == 0
    assert "SIPCLI_URI" in done.stdout
    assert "sipcli config check" in done.stdout


HEAVY = ("aiortc", "av", "prompt_toolkit", "rich", "pygments", "websockets", "asyncio", "tomllib")


def test_help_imports_no_command_and_nothing_heavy(tmp_path: Path) -> None:
    program = (
        "import sys\nfrom sipcli.cli.app import run\nrun(['--help'])\n"
        f"print(sorted(name for name in sys.modules if name in {(*HEAVY, 'sipcli.config')!r}"
        " or name in {module for module, _ in __import__('sipcli.cli.app').cli.app.COMMANDS.values()}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=environment(tmp_path), check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"


def test_help_into_a_closed_pipe_is_quiet(tmp_path: Path) -> None:
    done = subprocess.run(
        f"{sys.executable} -m sipcli --help | true; echo ${{PIPESTATUS[0]}}",
        shell=True,
        executable="/bin/bash",
        capture_output=True,
        text=True,
        env=environment(tmp_path),
        check=False,
    )
    assert (done.stdout, done.stderr) == ("0\n", "")
