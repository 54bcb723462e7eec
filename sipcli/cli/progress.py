"""What is being waited for: one line on a terminal, from 300 ms on, gone as soon as something else is said."""

from __future__ import annotations

import asyncio

from sipcli.cli.output import Output

__all__ = ["Progress"]

_AFTER = 0.3
_EVERY = 0.1
_FRAMES = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"


class Progress:
    """Shows what is waited for; nothing unless standard error is a terminal that people read."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._enabled = output.stderr.isatty() and not output.quiet
        self._handle: asyncio.TimerHandle | None = None
        self._what = ""
        self._since = 0.0
        self._frame = 0

    def wait_for(self, what: str) -> None:
        """Show ``what`` once it has taken 300 ms; it replaces what was waited for before."""
        if not self._enabled:
            return
        self.done()
        loop = asyncio.get_running_loop()
        self._what, self._since = what, loop.time()
        self._handle = loop.call_later(_AFTER, self._show)

    def done(self) -> None:
        """Nothing is waited for any more."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
        self._output.clear_transient()

    def _show(self) -> None:
        loop = asyncio.get_running_loop()
        self._frame += 1
        frame = _FRAMES[self._frame % len(_FRAMES)]
        self._output.show_transient(f"{frame} {self._what}  {loop.time() - self._since:.0f} s")
        self._handle = loop.call_later(_EVERY, self._show)
