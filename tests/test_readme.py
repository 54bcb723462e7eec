"""Every example of the README runs: commands in the lab's environment, the configuration, the program."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sipcli.lab.server import Lab
from tests.program import environment, run

_README = (Path(__file__).resolve().parent.parent / "README.md").read_text(encoding="utf-8")


def _blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", _README, re.MULTILINE | re.DOTALL)


def _commands() -> Iterator[tuple[str, list[str]]]:
    """Give each command of the console blocks with the output that is shown below it."""
    for block in _blocks("console"):
        command, shown = "", list[str]()
        for line in block.splitlines():
            if line.startswith("$ "):
                if command:
                    yield command, shown
                command, shown = line[2:], []
            else:
                shown.append(line)
        yield command, shown


def _environ(lab: Lab, home: Path) -> dict[str, str]:
    """The environment of the lab's alice, with a ``sipcli`` that is this checkout's."""
    binaries = home / "bin"
    binaries.mkdir()
    script = binaries / "sipcli"
    script.write_text(f'#!/bin/sh\nexec {sys.executable} -m sipcli "$@"\n')
    script.chmod(0o755)
    path = f"{binaries}{os.pathsep}{os.environ['PATH']}"
    return environment(home, **lab.environment("alice"), PATH=path)


async def _run(command: list[str], environ: dict[str, str], home: Path) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env=environ,
        cwd=home,
    )
    output, _ = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode is not None
    return process.returncode, output.decode()


@pytest.mark.parametrize(
    ("command", "shown"), list(_commands()), ids=lambda value: value if isinstance(value, str) else ""
)
async def test_command_of_the_readme(command: str, shown: list[str], lab: Lab, tmp_path: Path) -> None:
    """It ends with 0, and each line that the README shows begins a line of what it prints."""
    status, output = await _run(["bash", "-c", command], _environ(lab, tmp_path), tmp_path)
    assert status == 0, output
    printed = output.splitlines()
    for line in shown:
        assert any(found.startswith(line) for found in printed), output


def test_configuration_of_the_readme(tmp_path: Path) -> None:
    (block,) = _blocks("toml")
    file = tmp_path / "config.toml"
    file.write_text(block)
    done = run("--config", str(file), "config", "check", home=tmp_path)
    assert done.status == 0, done.stderr


async def test_program_of_the_readme(lab: Lab, tmp_path: Path) -> None:
    (block,) = _blocks("python")
    program = tmp_path / "program.py"
    program.write_text(block)
    status, output = await _run([sys.executable, str(program)], _environ(lab, tmp_path), tmp_path)
    assert status == 0, output
    assert "200 OK" in output


def test_two_commands_are_there() -> None:
    """What CI runs is what the README says."""
    assert len(re.findall(r"^    python3 -m venv \.venv && \.venv/bin/pip install ", _README, re.MULTILINE)) == 2
