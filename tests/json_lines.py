"""A program in a process of its own that prints JSON lines: sipcli with --json, or a peer's user agent."""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

__all__ = ["JsonLinesProcess"]


class JsonLinesProcess:
    """A context manager: the process starts on entry and is killed on exit if it still runs."""

    def __init__(
        self, command: Sequence[str], *, environ: Mapping[str, str] | None = None, cwd: Path | None = None
    ) -> None:
        self._command = list(command)
        self._environ = dict(os.environ if environ is None else environ)
        self._cwd = cwd
        self._pending = b""
        self._errors = b""

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=self._environ,
            cwd=self._cwd,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        self._stdin, self._stdout, self._stderr = self._process.stdin, self._process.stdout, self._process.stderr
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._stdout, selectors.EVENT_READ)
        self._selector.register(self._stderr, selectors.EVENT_READ)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._selector.close()
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait(5)
        for stream in (self._stdin, self._stdout, self._stderr):
            stream.close()

    def send_line(self, line: str) -> None:
        """Write one line to the program's standard input."""
        self._stdin.write(line.encode() + b"\n")
        self._stdin.flush()

    def expect(self, event: str, *, seconds: float = 10.0, **fields: object) -> dict[str, Any]:
        """Return the next event of that name with those fields, passing over others.

        AssertionError after ``seconds``, or when the program ends first.
        """
        deadline = time.monotonic() + seconds
        seen = []
        while (line := self._read_line(deadline)) is not None:
            said: dict[str, Any] = json.loads(line)
            if said["event"] == event and all(said.get(name) == value for name, value in fields.items()):
                return said
            seen.append(said)
        raise AssertionError(f"{self._command} never said {event} {fields}; it said {seen}; errors: {self.errors}")

    def end(self, how: signal.Signals = signal.SIGINT, *, seconds: float = 10.0) -> int:
        """Send the signal and return the exit status; what was still printed is kept for ``expect``."""
        self._process.send_signal(how)
        return self.wait(seconds=seconds)

    def wait(self, *, seconds: float = 10.0) -> int:
        """Return the exit status of the program, which ends by itself."""
        deadline = time.monotonic() + seconds
        while self._selector.get_map() and self._read_some(deadline):
            pass
        return self._process.wait(max(0.0, deadline - time.monotonic()))

    @property
    def errors(self) -> str:
        """What the program wrote to standard error up to now."""
        return self._errors.decode(errors="replace")

    def _read_line(self, deadline: float) -> bytes | None:
        while b"\n" not in self._pending:
            if not self._read_some(deadline):
                return None
        line, self._pending = self._pending.split(b"\n", 1)
        return line

    def _read_some(self, deadline: float) -> bool:
        """Read what there is from either stream; False at the deadline or when both are closed."""
        if not self._selector.get_map():
            return False
        ready = self._selector.select(max(0.0, deadline - time.monotonic()))
        for key, _ in ready:
            chunk = os.read(key.fd, 65536)
            if not chunk:
                self._selector.unregister(key.fileobj)
            elif key.fileobj is self._stdout:
                self._pending += chunk
            else:
                self._errors += chunk
        return bool(ready)
