"""``sipcli lab`` as its users start it."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.program import environment, run, running

# What CMD is in these tests: Python, saying what it was given.
SAY = "import json, os, sys; print(json.dumps({k: v for k, v in os.environ.items() if k.startswith('SIPCLI_')}))"


def test_users_and_environment(tmp_path: Path) -> None:
    """The lab says where it is, who lives there and what to export, and ends with 130 on Ctrl-C."""
    with running("lab", "--user", "dave:secret", "--user", "erin", home=tmp_path) as process:
        started = process.expect("lab.started")
        assert process.end() == 130
        result = process.expect("result")
    assert started["domain"] == "127.0.0.1"
    assert started["url"].startswith("ws://127.0.0.1:")
    dave, erin = started["users"]
    assert dave == {"user": "dave", "uri": "sip:dave@127.0.0.1", "password": "secret"}
    assert erin["password"] not in ("", "secret")
    assert started["environment"]["SIPCLI_URI"] == "sip:dave@127.0.0.1"
    assert (result["ok"], result["exit_code"], result["url"]) == (False, 130, started["url"])


def test_for_people(tmp_path: Path) -> None:
    """A terminal gets users, the number plan and lines to paste; SIGTERM ends it with 143."""
    command = [sys.executable, "-m", "sipcli", "lab"]
    with subprocess.Popen(
        command, env=environment(tmp_path), cwd=tmp_path, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        lines: list[str] = []
        while not (lines and lines[-1].startswith("export SIPCLI_PASSWORD=")):
            line = process.stdout.readline()
            assert line, lines
            lines.append(line)
        process.terminate()
        process.communicate(timeout=10)
        assert process.returncode == 143
    text = "".join(lines)
    assert "the lab listens on ws://127.0.0.1:" in text
    assert "sip:carol@127.0.0.1" in text
    assert "sip:echo@127.0.0.1" in text


def test_command_and_its_environment(tmp_path: Path) -> None:
    """CMD is the first user, knows the others, and sees nothing of the caller's own account."""
    caller = {"SIPCLI_AUTHORIZATION_USER": "4711", "SIPCLI_PROFILE": "work", "SIPCLI_PASSWORD": "mine"}
    finished = run("lab", "--seed", "1", "--", sys.executable, "-c", SAY, home=tmp_path, environ=caller)
    assert (finished.status, finished.stderr) == (0, "")
    seen = json.loads(finished.stdout)
    assert seen["SIPCLI_URI"] == "sip:alice@127.0.0.1"
    assert seen["SIPCLI_LAB_USERS"] == "alice bob carol"
    assert seen["SIPCLI_LAB_ALICE_PASSWORD"] == seen["SIPCLI_PASSWORD"] != "mine"
    assert seen["SIPCLI_LAB_BOB_URI"] == "sip:bob@127.0.0.1"
    assert "SIPCLI_PROFILE" not in seen
    assert "SIPCLI_AUTHORIZATION_USER" not in seen
    again = run("lab", "--seed", "1", "--", sys.executable, "-c", SAY, home=tmp_path)
    assert json.loads(again.stdout)["SIPCLI_PASSWORD"] == seen["SIPCLI_PASSWORD"]


@pytest.mark.parametrize(
    ("script", "status"),
    [
        ("raise SystemExit(42)", 42),
        ("raise SystemExit(3)", 3),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", 137),
    ],
)
def test_exit_status_of_the_command(script: str, status: int, tmp_path: Path) -> None:
    """The exit status is CMD's, a signal as a shell says it; nothing is added to what CMD said."""
    finished = run("lab", "--", sys.executable, "-c", script, home=tmp_path)
    assert (finished.status, finished.stdout, finished.stderr) == (status, "", "")


def test_exit_status_in_json(tmp_path: Path) -> None:
    """With --json the first line is the lab's, the last one the result, and CMD's own between."""
    finished = run("--json", "lab", "--", sys.executable, "-c", 'print(\'{"event": "cmd"}\'); exit(9)', home=tmp_path)
    assert [line["event"] for line in finished.lines] == ["lab.started", "cmd", "result"]
    assert (finished.result["exit_code"], finished.result["command"], finished.status) == (9, "lab", 9)


def test_command_that_cannot_start(tmp_path: Path) -> None:
    """A CMD that is not there, or not a program, ends as in a shell."""
    finished = run("lab", "--", "no-such-program", home=tmp_path)
    assert finished.status == 127
    assert "no-such-program: command not found" in finished.stderr
    (tmp_path / "text").write_text("no program\n")
    assert run("lab", "--", str(tmp_path / "text"), home=tmp_path).status == 126


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_go_to_the_command(number: signal.Signals, tmp_path: Path) -> None:
    """CMD gets the signal, and how it takes it is how the lab ends."""
    script = (
        "import json, signal, time\n"
        "def stop(number, frame):\n"
        "    print(json.dumps({'event': 'stopped', 'signal': number}), flush=True)\n"
        "    raise SystemExit(77)\n"
        "signal.signal(signal.SIGINT, stop)\n"
        "signal.signal(signal.SIGTERM, stop)\n"
        "print(json.dumps({'event': 'ready'}), flush=True)\n"
        "while True: signal.pause()\n"
    )
    with running("lab", "--", sys.executable, "-c", script, home=tmp_path) as process:
        process.expect("ready")
        assert process.end(number) == 77
        assert process.expect("stopped")["signal"] == number
        assert process.expect("result")["exit_code"] == 77


def test_timeout_ends_the_command(tmp_path: Path) -> None:
    """--timeout bounds CMD too."""
    finished = run("--timeout", "1", "lab", "--", sys.executable, "-c", "import signal; signal.pause()", home=tmp_path)
    assert finished.status == 5


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["--user", "echo:x"], "number plan"),
        (["--user", ":x"], "user name"),
        (["--delay", "soon"], "50ms"),
        (["--loss", "150%"], "5%"),
        (["--algorithm", "SHA-1"], "SHA-1"),
        (["--listen", "example.com"], "IP address"),
        (["--listen", "192.0.2.1"], "192.0.2.1"),
        (["--port", "70000"], "70000"),
    ],
)
def test_wrong_usage(arguments: list[str], word: str, tmp_path: Path) -> None:
    """A bad value is said with what would be right, and is wrong usage."""
    finished = run("lab", *arguments, home=tmp_path)
    assert finished.status == 2
    assert word in finished.stderr
    assert "Traceback" not in finished.stderr


def test_port_in_use(tmp_path: Path) -> None:
    """A port that somebody has is said, with its number."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        finished = run("lab", "--port", str(port), home=tmp_path)
    assert finished.status == 2
    assert f"port {port}" in finished.stderr


def test_sipcli_in_the_lab(tmp_path: Path) -> None:
    """The README's way: a message to echo@ inside a lab of its own, and a busy user's exit code."""
    sipcli = [sys.executable, "-m", "sipcli"]
    assert run("lab", "--", *sipcli, "message", "echo", "hi", home=tmp_path).status == 0
    assert run("lab", "--", *sipcli, "message", "486", "hi", home=tmp_path).status == 6
    assert run("lab", "--delay", "20ms", "--", *sipcli, "register", home=tmp_path).status == 0


def test_trace(tmp_path: Path) -> None:
    """--trace-file keeps what the lab saw, without what proves the password."""
    trace = tmp_path / "trace.jsonl"
    sipcli = [sys.executable, "-m", "sipcli"]
    finished = run("lab", "--trace-file", str(trace), "--", *sipcli, "register", home=tmp_path)
    assert finished.status == 0
    records = [json.loads(line) for line in trace.read_text().splitlines()]
    assert records[0]["text"].startswith("REGISTER ")
    assert 'response="***"' in "".join(record["text"] for record in records)
