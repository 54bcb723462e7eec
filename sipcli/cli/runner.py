"""How a command runs: what the command line gave it, its configuration, and what its failures amount to."""

from __future__ import annotations

import inspect
import os
import time
import traceback
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sipcli.cli.flags import COMMON, FlaggedCommand, Given
from sipcli.cli.output import ExitCode, Outcome, Output
from sipcli.sip.errors import ConfigError, LocalProtocolError, ParseError
from sipcli.sip.events import Cause
from sipcli.sip.ids import Ids

if TYPE_CHECKING:
    # What only the commands with a user agent import.
    from sipcli.cli.credentials import PasswordFinder
    from sipcli.cli.rendering import Renderer
    from sipcli.config import Config
    from sipcli.ua import UA

__all__ = ["Command", "Run", "failed", "output_of"]

_COMMON_KEYS = frozenset(flag.key for flag in COMMON)


class Command(FlaggedCommand):
    """A command whose callback takes a ``Run`` and its own parameters, and returns an ``Outcome``.

    The callback is a function or a coroutine function. A coroutine runs under the signals and under ``--timeout``;
    ``timeout`` is what holds when that is not given, in seconds, None for no bound.
    """

    def __init__(self, *args: Any, timeout: float | None = 32.0, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.timeout = timeout

    def invoke(self, ctx: click.Context) -> Outcome:
        """Run the callback and return how it ended; a failure is an outcome, never an exception."""
        given = ctx.ensure_object(Given)
        run = Run(given, os.environ, timeout=self.timeout)
        assert self.callback is not None
        return run.perform(self.callback, ctx.params)


class Run:
    """One run of one command: what the command line said, and what the command needs to act on it."""

    def __init__(self, given: Given, environ: Mapping[str, str], *, timeout: float | None) -> None:
        self.command = given.command
        self.flags: Mapping[str, object] = {key: given[key] for key in given if key not in _COMMON_KEYS}
        """The parameters of the configuration that were given as flags, by key."""
        self.environ = environ
        self.output = output_of(given, environ)
        self.fields: dict[str, object] = {}
        """The command's own fields of the ``result`` line: they are said however the command ends."""
        headers = given.get("headers", ())
        assert isinstance(headers, tuple)
        self.headers: tuple[str, ...] = headers
        """``-H``: header fields for the requests that the command sends."""
        config, profile = given.get("config"), given.get("profile")
        self.config_file = Path(config) if isinstance(config, str) else None
        self.profile = profile if isinstance(profile, str) else None
        self.password_stdin = bool(given.get("password_stdin"))
        """From standard input, once it has been read."""
        limit = given.get("timeout", timeout)
        assert limit is None or isinstance(limit, float)
        self.timeout = limit
        """The bound of the whole command in seconds; None for none."""
        self.timeout_given = "timeout" in given
        self.started = time.monotonic()
        self.passwords: PasswordFinder | None = None
        """What finds the password, once there is a configuration."""
        self.renderer: Renderer | None = None
        """What says the events of the user agent, once there is one."""
        self.when_timeout_lifted: Callable[[], None] | None = None
        """Set by the event loop's side: called by ``lift_timeout``."""
        self.stop_when_unread: Callable[[], None] = lambda: None
        """Set by the event loop's side: end successfully once nobody reads standard output any more."""

    # For commands

    def load(self, **flags: object) -> Config:
        """Return the configuration; ``flags`` count as given on the command line. Raises ConfigError."""
        from sipcli.config import load

        return load(flags={**self.flags, **flags}, environ=self.environ, file=self.config_file, profile=self.profile)

    def load_one_shot(self, **flags: object) -> Config:
        """Return the configuration of a command that registers only where the user set ``register``."""
        config = self.load(**flags)
        if not config.is_set("register"):
            return config.replace(register=False)
        return self._with_binding(config) if config.register else config

    def account(self, config: Config) -> Config:
        """Return ``config`` with the binding that its account has on this machine; raises ConfigError without one."""
        if config.uri is None:
            raise ConfigError(
                "uri is not set: whose account is it?",
                "for this run:  -u alice@example.com, or SIPCLI_URI=alice@example.com",
                'for good:      sipcli config init, then uri = "alice@example.com" in the file',
            )
        return self._with_binding(config)

    def password_of(self, config: Config) -> PasswordFinder:
        """Return what finds the password, the same one throughout the run."""
        if self.passwords is None:
            from sipcli.cli.credentials import PasswordFinder

            self.passwords = PasswordFinder(config, self.output.warning, stdin=self.password_stdin)
        return self.passwords

    async def read_password_line(self, config: Config) -> None:
        """Read the password now when it stands in standard input before a body. Raises ConfigError."""
        await self.password_of(config).read_line()

    def _with_binding(self, config: Config) -> Config:
        # Only who registers is recognised by it later.
        import secrets

        from sipcli.state import with_binding

        return with_binding(config, environ=self.environ, ids=Ids(secrets.token_bytes), warn=self.output.warning)

    def limit(self, seconds: float | None) -> None:
        """Set the bound of the whole command, unless ``--timeout`` was given; None for none."""
        if not self.timeout_given:
            self.timeout = seconds

    def lift_timeout(self) -> None:
        """Let the command run without a bound from here on."""
        if self.when_timeout_lifted is not None:
            self.when_timeout_lifted()

    @asynccontextmanager
    async def user_agent(self, config: Config, *, recover: bool = False) -> AsyncIterator[UA]:
        """Start a user agent, and stop it within ``stop_timeout`` at the end; raises ConfigError without a server."""
        from sipcli.cli.session import user_agent

        async with user_agent(self, config, recover=recover) as ua:
            yield ua

    # For the program

    def perform(self, callback: Callable[..., Any], parameters: Mapping[str, Any]) -> Outcome:
        """Run a command's callback to its outcome, whatever it raises."""
        try:
            if inspect.iscoroutinefunction(callback):
                from sipcli.cli.driver import drive

                outcome = drive(self, callback(self, **parameters))
            else:
                outcome = callback(self, **parameters)
        except (click.Abort, click.exceptions.Exit):
            raise
        except Exception as error:
            outcome = failed(error, self.output, self.environ)
        return replace(outcome, fields={**self.fields, **outcome.fields})

    def expired(self) -> Outcome:
        """Return what it amounts to that the time is over: a timeout, or that there never was a connection."""
        limit = f"within {time.monotonic() - self.started:.3g} s"
        renderer = self.renderer
        if renderer is None or renderer.ever_connected:
            return Outcome.of_cause(Cause.REQUEST_TIMEOUT, f"no answer {limit}")
        last = renderer.last_disconnect
        why = f"no connection {limit}" + ("" if last is None else f": {last.reason}")
        return Outcome.of_cause(Cause.CONNECTION_ERROR, why)


def output_of(given: Given, environ: Mapping[str, str] | None = None) -> Output:
    """Return the output that the command line asked for."""
    verbose, quiet = given.get("verbose", 0), given.get("quiet", 0)
    assert isinstance(verbose, int)
    assert isinstance(quiet, int)
    return Output(
        json=bool(given.get("json")),
        verbose=verbose,
        quiet=quiet,
        no_color=bool(given.get("no_color")),
        environ=environ,
    )


def failed(error: BaseException, output: Output, environ: Mapping[str, str]) -> Outcome:
    """Return what an exception amounts to: the user's mistakes by kind, anything else is an internal error.

    Where it came from is said with ``-vvv`` or ``SIPCLI_DEBUG``.
    """
    if output.verbose >= 3 or environ.get("SIPCLI_DEBUG"):
        for line in "".join(traceback.format_exception(error)).splitlines():
            output.note(line)
    match error:
        case click.UsageError():
            path = error.ctx.command_path if error.ctx is not None else "sipcli"
            return Outcome.usage(error.format_message(), f"see: {path} --help")
        case click.ClickException():
            return Outcome.usage(error.format_message())
        case ConfigError() if error.from_flag:
            return Outcome.usage(*error.problems)
        case ConfigError():
            return Outcome.configuration(*error.problems)
        case ParseError() | LocalProtocolError():
            return Outcome.usage(str(error))
        case KeyboardInterrupt():
            return Outcome(ExitCode.INTERRUPTED)
        case SystemExit():
            return Outcome(ExitCode.TERMINATED)
        case _:
            return Outcome(
                ExitCode.INTERNAL_ERROR,
                problem=f"internal error: {type(error).__name__}: {error}",
                hints=("see where: run it again with -vvv",),
            )
