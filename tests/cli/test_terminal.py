"""On a terminal: colour, the password prompt, what is waited for."""

from __future__ import annotations

import asyncio
import os
import pty
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sipcli.lab.server import Lab
from tests.program import environment

ESCAPES = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


class Terminal:
    """A program with a terminal of its own for the streams that are named; the others go nowhere."""

    def __init__(self, *arguments: str, home: Path, streams: str = "stdin stdout stderr", **environ: str) -> None:
        self._leader, follower = pty.openpty()

        def stream(name: str) -> int:
            return follower if name in streams else subprocess.DEVNULL

        self.process = subprocess.Popen(
            [sys.executable, "-m", "sipcli", *arguments],
            env=environment(home, **{"TERM": "xterm-256color", **environ}),
            stdin=stream("stdin"),
            stdout=stream("stdout"),
            stderr=stream("stderr"),
            start_new_session=True,
            preexec_fn=_take_terminal if "stdin" in streams else None,
        )
        os.close(follower)
        self.shown = ""

    def wait_for(self, text: str, seconds: float = 10.0) -> None:
        """Read until ``text`` was shown."""
        deadline = time.monotonic() + seconds
        while text not in self.shown:
            assert time.monotonic() < deadline, self.shown
            self.shown += os.read(self._leader, 65536).decode(errors="replace")

    def type(self, text: str) -> None:
        os.write(self._leader, text.encode())

    def end(self) -> int:
        """Read to the end and return the exit status."""
        while True:
            try:
                chunk = os.read(self._leader, 65536)
            except OSError:  # EIO: nobody holds the other side any more
                break
            if not chunk:
                break
            self.shown += chunk.decode(errors="replace")
        os.close(self._leader)
        return self.process.wait(10)


def _take_terminal() -> None:
    import fcntl
    import termios

    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def account(lab: Lab, *, password: bool = True) -> dict[str, str]:
    environ = lab.environment("alice")
    if not password:
        del environ["SIPCLI_PASSWORD"]
    return environ


async def test_password_is_asked_for_without_echo(lab: Lab, tmp_path: Path) -> None:
    program = Terminal("message", "echo", "hi", home=tmp_path, **account(lab, password=False))
    await asyncio.to_thread(program.wait_for, "Password of alice: ")
    program.type(lab.users["alice"] + "\n")
    assert await asyncio.to_thread(program.end) == 0
    assert "200 OK" in program.shown
    assert lab.users["alice"] not in program.shown


async def test_interrupt_at_the_prompt(lab: Lab, tmp_path: Path) -> None:
    program = Terminal("message", "echo", "hi", home=tmp_path, **account(lab, password=False))
    await asyncio.to_thread(program.wait_for, "Password of alice: ")
    program.type("\x03")
    assert await asyncio.to_thread(program.end) == 130
    assert "Traceback" not in program.shown


async def test_trace_is_coloured_and_safe(lab: Lab, tmp_path: Path) -> None:
    program = Terminal("-t", "message", "echo", "hi\x1b]0;x\x07", home=tmp_path, **account(lab))
    assert await asyncio.to_thread(program.end) == 0
    assert "\x1b[" in program.shown
    plain = ESCAPES.sub("", program.shown)
    assert "\x1b" not in plain
    assert "\\x1b]0;x\\x07" in plain
    assert "MESSAGE sip:echo@127.0.0.1 SIP/2.0" in plain


@pytest.mark.parametrize(
    ("arguments", "environ"), [(("--no-color",), {}), ((), {"NO_COLOR": "1"}), ((), {"TERM": "dumb"})]
)
async def test_no_colour(arguments: tuple[str, ...], environ: dict[str, str], lab: Lab, tmp_path: Path) -> None:
    program = Terminal("-t", *arguments, "message", "486", "hi", home=tmp_path, **{**account(lab), **environ})
    assert await asyncio.to_thread(program.end) == 6
    assert "\x1b" not in program.shown
    assert "✗ 486 Busy Here: Busy" in program.shown


async def test_forced_colour_into_a_pipe(lab: Lab, tmp_path: Path) -> None:
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "sipcli", "message", "486", "hi"],
        capture_output=True,
        text=True,
        env=environment(tmp_path, FORCE_COLOR="1", **account(lab)),
        check=False,
    )
    assert done.returncode == 6
    assert done.stderr.startswith("\x1b[31m✗\x1b[0m 486")


async def test_what_is_waited_for_is_shown_and_taken_away(lab: Lab, tmp_path: Path) -> None:
    program = Terminal("message", "slow", "hi", home=tmp_path, streams="stderr", **account(lab))
    await asyncio.to_thread(program.wait_for, "waiting for an answer to MESSAGE")
    assert await asyncio.to_thread(program.end) == 0
    assert program.shown.endswith("\r\x1b[K")


async def test_nothing_is_shown_when_it_is_quick(lab: Lab, tmp_path: Path) -> None:
    program = Terminal("message", "echo", "hi", home=tmp_path, streams="stderr", **account(lab))
    assert await asyncio.to_thread(program.end) == 0
    assert program.shown == ""
