"""How a command runs: its flags, its configuration, signals, the deadline, and what its failures amount to."""

from __future__ import annotations

import inspect
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sipcli.cli.flags import FlaggedCommand, Given
from sipcli.cli.output import Outcome, Output

if TYPE_CHECKING:
    from sipcli.config import Config
    from sipcli.ua import UA

__all__ = ["Command", "Run"]


class Command(FlaggedCommand):
    """A command whose callback takes a ``Run`` and its own parameters, and returns an ``Outcome``.

    The callback is a function or a coroutine function. A coroutine runs under the signals and under ``--timeout``;
    ``timeout`` is what holds when that is not given, in seconds, None for no bound.
    """

    def __init__(self, *args: Any, timeout: float | None = 32.0, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.timeout = timeout

    def invoke(self, ctx: click.Context) -> Outcome:
        """Run the callback and return how it ended."""
        run = Run(ctx.command_path.partition(" ")[2], ctx.find_object(Given) or Given(), default_timeout=self.timeout)
        return run.perform(self.callback, ctx.params)


class Run:
    """One run of one command: what the command line said, and what the command needs to act on it."""

    command: str
    flags: Mapping[str, object]
    """The UA parameters that were given as flags, by key."""
    environ: Mapping[str, str]
    output: Output
    fields: dict[str, object]
    """The command's own fields of the ``result`` line; they are kept when the command is interrupted."""
    headers: tuple[str, ...]
    """``-H``: header fields for the requests that the command sends."""
    config_file: Path | None
    """``--config``, when it was given."""
    profile: str | None
    """``--profile``, when it was given."""

    def load(self, **flags: object) -> Config:
        """Return the configuration; ``flags`` count as given on the command line. Raises ConfigError."""
        raise NotImplementedError

    def lift_timeout(self) -> None:
        """Let the command run without a bound from here on."""

    @asynccontextmanager
    async def user_agent(self, config: Config, *, recover: bool = False) -> AsyncIterator[UA]:
        """Start a user agent, and stop it within ``stop_timeout`` at the end."""
        raise NotImplementedError
        yield
