"""Signals and deadlines in every phase of a command."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from sipcli.lab.server import Lab
from tests.cli.conftest import Program
from tests.program import environment

SIGNALS = [(signal.SIGINT, 130), (signal.SIGTERM, 143)]


async def start(*arguments: str, home: Path, **environ: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "sipcli", "--json", *arguments),
        env=environment(home, **environ),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


@asynccontextmanager
async def silent_server() -> AsyncIterator[tuple[str, asyncio.Event]]:
    """A server that takes connections and says nothing: its URL, and what tells of the first connection."""
    accepted = asyncio.Event()

    async def keep(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        accepted.set()
        await reader.read()
        writer.close()

    async with await asyncio.start_server(keep, "127.0.0.1", 0) as server:
        yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}", accepted


async def ended(process: asyncio.subprocess.Process, code: int) -> dict[str, object]:
    """Wait for the end, which has to come within the time that stopping may take; return the result line."""
    async with asyncio.timeout(3):
        assert process.stdout is not None
        assert process.stderr is not None
        stdout, stderr = await asyncio.gather(process.stdout.read(), process.stderr.read())
        await process.wait()
    assert b"Traceback" not in stderr
    assert process.returncode == code, stderr
    result: dict[str, object] = json.loads(stdout.splitlines()[-1])
    assert result["event"] == "result"
    assert result["exit_code"] == code
    return result


@pytest.mark.parametrize(("number", "code"), SIGNALS)
async def test_while_waiting_for_an_answer(number: signal.Signals, code: int, lab: Lab, tmp_path: Path) -> None:
    lab.delay = 30.0
    process = await start("message", "echo", "hi", home=tmp_path, **lab.environment("alice"))
    await lab.wait_for("MESSAGE")
    process.send_signal(number)
    result = await ended(process, code)
    assert (result["ok"], result["method"]) == (False, "MESSAGE")


@pytest.mark.parametrize(("number", "code"), SIGNALS)
async def test_while_reading_standard_input(number: signal.Signals, code: int, lab: Lab, tmp_path: Path) -> None:
    process = await start("-v", "message", "echo", "-", home=tmp_path, **lab.environment("alice"))
    assert process.stdin is not None
    process.stdin.write(b"half a line")
    await asyncio.sleep(0.5)  # nothing that can be seen from here tells that it reads
    process.send_signal(number)
    await ended(process, code)


async def test_timeout_while_reading_standard_input(lab: Lab, tmp_path: Path) -> None:
    process = await start("message", "echo", "-", "--timeout", "0.5", home=tmp_path, **lab.environment("alice"))
    result = await ended(process, 5)
    assert result["cause"] == "Request Timeout"


async def test_timeout_without_a_connection(sipcli: Program) -> None:
    """The deadline comes before the connection, or that of the connection does."""
    async with silent_server() as (url, _):
        for flag in ("--timeout", "--connect-timeout"):
            began = time.monotonic()
            done = await sipcli("--json", "message", "echo", "hi", flag, "0.5", SIPCLI_WS_SERVERS=url)
            assert done.status == 8, done.stderr
            assert done.result["cause"] == "Connection Error"
            assert time.monotonic() - began < 2.5


async def test_connection_lost_in_the_middle(lab: Lab, tmp_path: Path) -> None:
    lab.delay = 30.0
    process = await start("message", "echo", "hi", home=tmp_path, **lab.environment("alice"))
    await lab.wait_for("MESSAGE")
    lab.drop()
    result = await ended(process, 8)
    assert result["cause"] == "Connection Error"
    assert len(lab.received_of("MESSAGE")) == 1


async def test_registering_command_gives_up_at_its_timeout(tmp_path: Path, sipcli: Program) -> None:
    """``listen`` repairs connections for ever, but says so when there never was one."""
    done = await sipcli("--json", "listen", "--timeout", "0.6", SIPCLI_WS_SERVERS="ws://127.0.0.1:1")
    assert done.status == 8
    assert "ws://127.0.0.1:1" in done.result["error"]


@pytest.mark.parametrize(("number", "code"), SIGNALS)
async def test_while_connecting(number: signal.Signals, code: int, tmp_path: Path) -> None:
    async with silent_server() as (url, accepted):
        process = await start("options", "sip:x", "-s", url, home=tmp_path)
        async with asyncio.timeout(10):
            await accepted.wait()
        process.send_signal(number)
        await ended(process, code)
