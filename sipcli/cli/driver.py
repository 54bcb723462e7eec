"""The event loop of one command: signals, the deadline, and what a request that failed amounts to."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import replace
from typing import Any

from sipcli.cli.output import ExitCode, Outcome
from sipcli.cli.runner import Run, failed
from sipcli.contexts import RequestFailed
from sipcli.sip.events import Cause

__all__ = ["drive"]

_SIGNALS = {signal.SIGINT: ExitCode.INTERRUPTED, signal.SIGTERM: ExitCode.TERMINATED}


def drive(run: Run, work: Coroutine[Any, Any, Outcome]) -> Outcome:
    """Run a command's coroutine to its outcome, under the signals and the deadline."""
    # What was made up to here stays; from here on a command may run for days.
    gc.freeze()
    gc.enable()
    return asyncio.run(_Driver(run).drive(work))


class _Driver:
    def __init__(self, run: Run) -> None:
        self._run = run
        self._stopped: Outcome | None = None
        self._task: asyncio.Task[Outcome] | None = None
        self._deadline: asyncio.TimerHandle | None = None

    async def drive(self, work: Coroutine[Any, Any, Outcome]) -> Outcome:
        run = self._run
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(self._unhandled)
        run.when_timeout_lifted = self._lift
        run.stop_when_unread = self._stop_when_unread
        for number in _SIGNALS:
            # Windows has no such handlers: there asyncio's own turns Ctrl-C into a cancellation.
            with suppress(NotImplementedError):
                loop.add_signal_handler(number, self._signalled, number)
        self._task = loop.create_task(work)
        if run.timeout is not None:
            # The loop's clock is time.monotonic.
            self._deadline = loop.call_at(run.started + run.timeout, self._expired)
        try:
            outcome = await self._task
        except asyncio.CancelledError:
            if self._stopped is None:
                raise
            return self._stopped
        except RequestFailed as error:
            outcome = _failure(run, error)
        except Exception as error:
            outcome = failed(error, run.output, run.environ)
        finally:
            self._lift()
        if self._stopped is not None:
            # The command had something to say on its way out; why it ended is the stop's.
            return replace(self._stopped, fields=outcome.fields)
        return outcome

    def _stop(self, outcome: Outcome) -> None:
        if self._stopped is None and self._task is not None:
            self._stopped = outcome
            self._task.cancel()

    def _signalled(self, number: signal.Signals) -> None:
        code = _SIGNALS[number]
        if self._stopped is not None and self._stopped.exit_code in _SIGNALS.values():
            # The second one: whatever is still under way is left as it is.
            self._run.output.result(self._run.command, Outcome(code, fields=self._run.fields))
            os._exit(code)
        self._run.output.note("stopping; press Ctrl-C again to quit now")
        if self._stopped is None:
            self._stop(Outcome(code))
        else:
            self._stopped = Outcome(code)

    def _expired(self) -> None:
        self._stop(self._run.expired())

    def _lift(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()

    def _stop_when_unread(self) -> None:
        self._run.output.on_closed = lambda: self._stop(Outcome())
        if self._run.output.closed:
            self._stop(Outcome())

    def _unhandled(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        self._run.output.note(f"{context['message']}: {error!r}", level=3)


def _failure(run: Run, error: RequestFailed) -> Outcome:
    """Return what a request that failed amounts to, with what could be done about it."""
    response = error.response
    if response is None:
        return _without_response(run, error.cause)
    outcome = Outcome.of_response(response, error.cause)
    match outcome.exit_code:
        case ExitCode.AUTHENTICATION:
            return _not_authenticated(run, outcome)
        case ExitCode.REDIRECTED:
            contacts = [str(contact.uri) for contact in response.contacts]
            return replace(
                outcome,
                fields={"redirect_to": contacts},
                hints=(f"it is at: {', '.join(contacts)}", "go there:  add --follow-redirects 1"),
            )
        case _:
            return replace(outcome, hints=("see the SIP:  add --trace-sip",))


def _not_authenticated(run: Run, outcome: Outcome) -> Outcome:
    passwords = run.passwords
    if passwords is not None and passwords.error is not None:
        return failed(passwords.error, run.output, run.environ)
    if passwords is not None and passwords.missing:
        hint = "there is no password: set SIPCLI_PASSWORD, or --password-file FILE, or password_command in the file"
    else:
        hint = "is the password right? see the challenge: add --trace-sip"
    return replace(outcome, hints=(hint,))


def _without_response(run: Run, cause: Cause) -> Outcome:
    last = None if run.renderer is None else run.renderer.last_disconnect
    if cause is Cause.CONNECTION_ERROR and last is not None:
        reason = last.reason or "the connection was lost"
        # What keeps a connection from being made names the server by itself.
        return Outcome.of_cause(cause, reason if reason.startswith(last.url) else f"{last.url}: {reason}")
    if cause is Cause.REQUEST_TIMEOUT:
        return replace(Outcome.of_cause(cause, "no final response"), hints=("see the SIP:  add --trace-sip",))
    return Outcome.of_cause(cause)
