"""Start-up: what a command must not import (it would cost more than the command)."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest

from sipcli.lab.server import Lab
from tests.program import environment

HEAVY = ("aiortc", "av", "prompt_toolkit", "rich", "pygments", "websockets.asyncio", "tomllib", "urllib.request")


@pytest.mark.parametrize(
    "arguments", [("--help",), ("register",), ("message", "echo", "hi"), ("options", "echo"), ("config", "path")]
)
async def test_nothing_heavy_is_imported(arguments: tuple[str, ...], lab: Lab, tmp_path: Path) -> None:
    program = (
        f"import sys, json\nfrom sipcli.cli.app import run\ncode = run({[*arguments, '-q']!r})\n"
        f"print(json.dumps([code, sorted(set({HEAVY!r}) & set(sys.modules))]))"
    )
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        env=environment(tmp_path, **lab.environment("alice")),
        check=True,
    )
    assert json.loads(done.stdout.splitlines()[-1]) == [0, []], done.stderr
