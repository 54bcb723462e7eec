"""``sipcli listen``: what arrives is printed, answered and counted."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from sipcli.lab.server import Lab
from tests.cli.conftest import Program
from tests.json_lines import JsonLinesProcess
from tests.program import environment

Started = Callable[..., AbstractContextManager[JsonLinesProcess]]


async def test_message_is_printed_and_counted(started: Started, sipcli: Program) -> None:
    with started("listen", "--count", "2") as bob:
        await asyncio.to_thread(bob.expect, "registration.registered")
        for text in ("one ¶", "two\nlines"):
            assert (await sipcli("message", "bob", text)).status == 0
            received = await asyncio.to_thread(bob.expect, "message.received")
            assert list(received)[3:] == ["from", "to", "body", "content_type", "call_id"]
            assert received["from"] == "<sip:alice@127.0.0.1>"
            assert (received["body"], received["content_type"]) == (text, "text/plain")
        assert await asyncio.to_thread(bob.wait) == 0
        result = bob.expect("result")
        assert (result["messages"], result["calls"], result["removed"]) == (2, 0, True)


@pytest.mark.parametrize(("code", "exit_code"), [("202", 0), ("486", 6), ("603", 3)])
async def test_reply(code: str, exit_code: int, started: Started, sipcli: Program) -> None:
    with started("listen", "--reply", code) as bob:
        await asyncio.to_thread(bob.expect, "registration.registered")
        done = await sipcli("--json", "message", "bob", "hi")
        assert done.status == exit_code, done.stderr
        assert done.result["status"] == int(code)


@pytest.mark.parametrize(("arguments", "code"), [((), 480), (("--reject", "486"), 486)])
async def test_call_is_refused(arguments: tuple[str, ...], code: int, started: Started, sipcli: Program) -> None:
    with started("listen", "--count", "1", *arguments) as bob:
        await asyncio.to_thread(bob.expect, "registration.registered")
        done = await sipcli("--json", "request", "INVITE", "bob")
        assert done.result["status"] == code
        incoming = bob.expect("call.incoming")
        assert (incoming["call"], incoming["from"]) == (1, "<sip:alice@127.0.0.1>")
        gone = bob.expect("call.ended")
        assert (gone["call"], gone["by"], gone["call_id"]) == (1, "local", incoming["call_id"])
        assert await asyncio.to_thread(bob.wait) == 0
        assert bob.expect("result")["calls"] == 1


async def test_for_ends_it_with_success(sipcli: Program, lab: Lab) -> None:
    done = await sipcli("--json", "listen", "--for", "0.2")
    assert done.status == 0, done.stderr
    assert done.result["removed"] is True
    assert lab.bindings("alice") == ()


async def test_survives_a_lost_connection(started: Started, sipcli: Program, lab: Lab) -> None:
    with started("listen", "--count", "1", "--ws-server-reconnection-timeout", "0") as bob:
        await asyncio.to_thread(bob.expect, "registration.registered")
        lab.drop()
        await asyncio.to_thread(bob.expect, "registration.registered")
        assert (await sipcli("message", "bob", "hi")).status == 0
        assert await asyncio.to_thread(bob.wait) == 0


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
async def test_signal_ends_it(number: signal.Signals, code: int, started: Started, lab: Lab) -> None:
    with started("listen") as bob:
        await asyncio.to_thread(bob.expect, "registration.registered")
        assert await asyncio.to_thread(bob.end, number) == code
        result = bob.expect("result")
        assert (result["exit_code"], result["ok"], result["removed"]) == (code, False, True)
        assert "press Ctrl-C again to quit now" in bob.errors
        assert lab.bindings("bob") == ()


async def test_second_signal_ends_it_at_once(lab: Lab, tmp_path: Path) -> None:
    listener = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "sipcli", "--json", "listen", "--stop-timeout", "20"),
        env=environment(tmp_path, **lab.environment("bob")),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert listener.stderr is not None
    assert b"listening" in await listener.stderr.readline()
    lab.loss = 1.0
    listener.send_signal(signal.SIGINT)
    assert b"press Ctrl-C again to quit now" in await listener.stderr.readline()
    listener.send_signal(signal.SIGINT)
    async with asyncio.timeout(3):
        stdout, _ = await listener.communicate()
    assert listener.returncode == 130
    assert json.loads(stdout.splitlines()[-1])["exit_code"] == 130


async def test_people_read_a_line_a_message(lab: Lab, tmp_path: Path, sipcli: Program) -> None:
    listener = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "sipcli", "listen", "--count", "2"),
        env=environment(tmp_path, **lab.environment("bob")),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    await lab.wait_for("REGISTER", 2)
    assert listener.stderr is not None
    await listener.stderr.readline()
    await sipcli("message", "bob", "plain\x1b[31m")
    await sipcli("message", "bob", "two\n• message from <sip:mallory@x>: lines")
    stdout, _ = await listener.communicate()
    assert stdout.decode().splitlines() == [
        "• message from <sip:alice@127.0.0.1>: plain\\x1b[31m",
        "• message from <sip:alice@127.0.0.1>:",
        "    two",
        "    • message from <sip:mallory@x>: lines",
    ]


async def test_reader_that_leaves_ends_it(lab: Lab, tmp_path: Path, sipcli: Program) -> None:
    listener = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "sipcli", "listen"),
        env=environment(tmp_path, **lab.environment("bob")),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert listener.stderr is not None
    await listener.stderr.readline()
    transport = listener._transport.get_pipe_transport(1)  # type: ignore[attr-defined]
    transport.close()
    await sipcli("message", "bob", "hi")
    assert await listener.wait() == 0
    assert (await listener.stderr.read()).decode() == ""
    assert lab.bindings("bob") == ()


async def test_contradicting_flags(sipcli: Program) -> None:
    assert (await sipcli("listen", "--ring", "--reject", "486")).status == 2
    assert (await sipcli("listen", "--reply", "100")).status == 2
