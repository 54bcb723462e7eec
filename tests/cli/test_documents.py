"""Generated documents: fresh, complete, and what man and shells understand."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from sipcli.cli.app import COMMANDS
from sipcli.cli.completion import SHELLS, script
from sipcli.cli.docs import documents, main
from sipcli.cli.output import EXIT_CODES
from sipcli.config import PARAMETERS
from sipcli.sip.events import Cause
from tests.program import environment, run

ROOT = Path(__file__).resolve().parent.parent.parent


def test_generated_files_are_fresh(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--check"]) == 0, capsys.readouterr().err


def test_stale_and_superfluous_files_are_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "README.md").write_text("before\n<!-- parameters -->\nold\n<!-- /parameters -->\nafter\n")
    assert main(["--check"], tmp_path) == 1
    assert main([], tmp_path) == 0
    assert main(["--check"], tmp_path) == 0
    readme = (tmp_path / "README.md").read_text()
    assert readme.startswith("before\n<!-- parameters -->\n| key |")
    assert readme.endswith("|\n<!-- /parameters -->\nafter\n")
    assert "`register_expires`" in readme
    gone = tmp_path / "man" / "man1" / "sipcli-gone.1"
    gone.write_text("x")
    (tmp_path / "completions" / "sipcli.bash").write_text("x")
    capsys.readouterr()
    assert main(["--check"], tmp_path) == 1
    said = capsys.readouterr().err
    assert "sipcli-gone.1" in said
    assert "sipcli.bash" in said
    assert main([], tmp_path) == 0
    assert not gone.exists()


def pages() -> dict[str, str]:
    return {path.name: text for path, text in documents(ROOT).items() if path.parent.name.startswith("man")}


def test_there_is_a_page_for_every_command() -> None:
    names = pages()
    expected = {"sipcli.1", "sipcli.toml.5", "sipcli-exit-codes.7", "sipcli-json.7"}
    assert set(names) == expected | {f"sipcli-{name}.1" for name in COMMANDS}
    for name in COMMANDS:
        text = names[f"sipcli-{name}.1"]
        for heading in ("NAME", "SYNOPSIS", "EXAMPLES", "DESCRIPTION", "EXIT STATUS", "ENVIRONMENT", "FILES"):
            assert f"\n.SH {heading}\n" in text, (name, heading)


def test_every_parameter_is_in_the_manual() -> None:
    text = pages()["sipcli.toml.5"]
    for parameter in PARAMETERS:
        assert f"\\fB{parameter.key or parameter.name}\\fR" in text


def test_every_exit_code_and_cause_is_in_the_manual() -> None:
    text = pages()["sipcli-exit-codes.7"]
    for code in EXIT_CODES:
        assert f"\\fB{int(code)}\\fR" in text
    for cause in Cause:
        assert f"\\fB{str(cause).replace('-', chr(92) + '-')}\\fR" in text


@pytest.mark.skipif(shutil.which("mandoc") is None, reason="mandoc is not installed")
def test_pages_are_without_fault(tmp_path: Path) -> None:
    for name, text in pages().items():
        page = tmp_path / name
        page.write_text(text)
        done = subprocess.run(
            ["mandoc", "-T", "lint", "-W", "warning", page], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("shell", SHELLS)
def test_completion_prints_the_script(shell: str, tmp_path: Path) -> None:
    done = run("completion", shell, home=tmp_path)
    assert (done.status, done.stderr) == (0, "")
    assert done.stdout == script(shell).removesuffix("\n") + "\n"
    assert "_SIPCLI_COMPLETE" in done.stdout


def test_completion_of_an_unknown_shell_is_wrong_usage(tmp_path: Path) -> None:
    assert run("completion", "tcsh", home=tmp_path).status == 2


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("sipcli mess", ["message"]),
        ("sipcli register --ke", ["--keep", "--keep-alive", "--keep-sips", "--keep-tel"]),
        ("sipcli --profi", ["--profile"]),
        ("sipcli completion b", ["bash"]),
        ("sipcli request PUB", ["PUBLISH"]),
        ("sipcli message bob -P l", ["lab"]),
        ("sipcli message bob -H Sub", ["Subject:"]),
        ("sipcli message bob --keep-alive=o", []),
    ],
)
def test_completion_calls_the_program_back(line: str, expected: list[str], tmp_path: Path) -> None:
    words = line.split()
    folder = tmp_path / ".config" / "sipcli"
    folder.mkdir(parents=True)
    (folder / "config.toml").write_text("[profiles.lab]\n[profiles.work]\n")
    done = run(
        home=tmp_path,
        environ={"_SIPCLI_COMPLETE": "bash_complete", "COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1)},
    )
    assert done.stderr == ""
    completed = [entry.split(",", 1)[1] for entry in done.stdout.splitlines()]
    assert set(expected) <= set(completed), completed
    assert not any("given" in entry for entry in completed)


@pytest.mark.parametrize(("shell", "check"), [("bash", "-n"), ("zsh", "-n"), ("fish", "--no-execute")])
def test_scripts_are_understood_by_their_shell(shell: str, check: str, tmp_path: Path) -> None:
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"{shell} is not installed")
    file = tmp_path / "script"
    file.write_text(script(shell))
    done = subprocess.run(
        [program, check, file], capture_output=True, text=True, env=environment(tmp_path), check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_manual_never_names_a_command_that_is_not_there() -> None:
    known = {*COMMANDS, "toml", "exit-codes", "json"}
    for text in pages().values():
        plain = text.replace("\\-", "-")
        for name in re.findall(r"sipcli-([a-z-]+)\(\d\)", plain):
            assert name in known
