"""``sipcli options``: answers, losses, statistics."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager

from sipcli.lab.server import Lab
from tests.cli.conftest import Program
from tests.json_lines import JsonLinesProcess

Started = Callable[..., AbstractContextManager[JsonLinesProcess]]


async def test_lines_and_statistics(sipcli: Program) -> None:
    done = await sipcli("options", "echo", "-c", "3", "-i", "0.02")
    assert done.status == 0, done.stderr
    lines = done.stdout.splitlines()
    assert [line.partition(" time=")[0] for line in lines[:3]] == [f"200 OK from echo: seq={n}" for n in (1, 2, 3)]
    assert lines[3:5] == ["--- echo options statistics ---", "3 sent, 3 answered, 0 % lost"]
    assert lines[5].startswith("rtt min/avg/max/mdev = ")


async def test_quiet_prints_the_summary_only(sipcli: Program) -> None:
    done = await sipcli("options", "echo", "-q")
    assert done.stdout.startswith("--- echo options statistics ---\n1 sent, 1 answered, 0 % lost\n")


async def test_json(sipcli: Program) -> None:
    done = await sipcli("--json", "options", "echo", "-c", "2", "-i", "0.02")
    replies = [line for line in done.lines if line["event"] == "options.reply"]
    assert [list(reply)[3:] for reply in replies] == [["seq", "status", "reason", "rtt_ms"]] * 2
    assert [reply["seq"] for reply in replies] == [1, 2]
    result = done.result
    assert (result["sent"], result["received"], result["loss_percent"]) == (2, 2, 0)
    assert 0 < result["min_ms"] <= result["avg_ms"] <= result["max_ms"]


async def test_no_account_is_needed(sipcli: Program, lab: Lab) -> None:
    done = await sipcli("--json", "options", f"sip:{lab.domain}", "-s", lab.url, user=None)
    assert done.result["received"] == 1, done.stderr


async def test_another_final_answer_ends_with_its_cause(sipcli: Program) -> None:
    done = await sipcli("--json", "options", "486", "-c", "2", "-i", "0.02")
    assert done.status == 6
    assert done.result["received"] == 2
    assert done.result["loss_percent"] == 0


async def test_no_answer_at_all(sipcli: Program, lab: Lab) -> None:
    lab.loss = 1.0
    done = await sipcli("--json", "options", "echo", "-c", "2", "-i", "0.1", "--timeout", "0.6")
    assert done.status == 5, done.stderr
    assert [line["seq"] for line in done.lines if line["event"] == "options.timeout"] == [1, 2]
    assert (done.result["received"], done.result["loss_percent"], done.result["min_ms"]) == (0, 100, None)


async def test_some_lost_is_no_failure_unless_asked(started: Started, lab: Lab) -> None:
    for arguments, code in (((), 0), (("--max-loss", "10"), 13), (("--max-loss", "50"), 0)):
        lab.loss = 0.0
        with started(
            "options", "echo", "-c", "2", "-i", "0.3", "--timeout", "1.5", *arguments, user="alice"
        ) as program:
            await asyncio.to_thread(program.expect, "options.reply")
            lab.loss = 1.0
            assert await asyncio.to_thread(program.wait) == code
            result = program.expect("result")
            assert result["loss_percent"] == 50
            assert result["exit_code"] == code


async def test_nobody_listens(sipcli: Program) -> None:
    done = await sipcli("--json", "options", "echo", "-c", "3", "-i", "0.02", SIPCLI_WS_SERVERS="ws://127.0.0.1:1")
    assert done.status == 8
    assert done.result["received"] == 0


async def test_interrupt_prints_the_statistics(started: Started) -> None:
    with started("options", "echo", "-c", "100", "-i", "5") as program:
        await asyncio.to_thread(program.expect, "options.reply")
        assert await asyncio.to_thread(program.end) == 130
        result = program.expect("result")
        assert (result["sent"], result["received"]) == (1, 1)
