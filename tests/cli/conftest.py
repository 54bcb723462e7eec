"""The program as a process of its own, against a lab in this one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

import pytest

from sipcli.lab.server import Lab
from tests.json_lines import JsonLinesProcess
from tests.program import Finished, run, running


class Program(Protocol):
    """Runs ``sipcli`` as a user of the lab, to its end."""

    async def __call__(
        self, *arguments: str, user: str | None = "alice", stdin: str | bytes | None = None, **environ: str
    ) -> Finished: ...


@pytest.fixture
def sipcli(lab: Lab, tmp_path: Path) -> Program:
    async def call(
        *arguments: str, user: str | None = "alice", stdin: str | bytes | None = None, **environ: str
    ) -> Finished:
        account = {} if user is None else lab.environment(user)
        return await asyncio.to_thread(run, *arguments, home=tmp_path, stdin=stdin, environ={**account, **environ})

    return call


@pytest.fixture
def started(lab: Lab, tmp_path: Path) -> Callable[..., AbstractContextManager[JsonLinesProcess]]:
    """Starts ``sipcli --json`` as a user of the lab, and leaves it running."""

    def start(*arguments: str, user: str = "bob", **environ: str) -> JsonLinesProcess:
        return running(*arguments, home=tmp_path, environ={**lab.environment(user), **environ})

    return start
