"""A user agent of somebody else's in a process of its own, spoken to in JSON lines."""

from __future__ import annotations

import json
import selectors
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from tests.peers.kamailio import DOMAIN, password_of

__all__ = ["UserAgentProcess"]

_HERE = Path(__file__).parent


class UserAgentProcess:
    """``script`` run by node as ``user``; a context manager that begins when it is registered."""

    def __init__(self, script: str, url: str, user: str) -> None:
        self.user = user
        self.uri = f"sip:{user}@{DOMAIN}"
        self._command = ["node", str(_HERE / script), url, user, password_of(user)]

    def __enter__(self) -> UserAgentProcess:
        self._process = subprocess.Popen(self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=_HERE)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._pipe(self._process.stdout), selectors.EVENT_READ)
        self._pending = b""
        self.expect("registered")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._selector.close()
        self._process.kill()
        self._process.wait(5)
        self._pipe(self._process.stdin).close()
        self._pipe(self._process.stdout).close()

    def message(self, to: str, body: str) -> None:
        """Send a MESSAGE; ``accepted`` or ``failed`` tells how it ended."""
        stdin = self._pipe(self._process.stdin)
        stdin.write(json.dumps({"do": "message", "to": to, "body": body}).encode() + b"\n")
        stdin.flush()

    def expect(self, event: str, *, seconds: float = 10.0) -> dict[str, Any]:
        """Return the next event of that name, passing over others; AssertionError after ``seconds``."""
        deadline = time.monotonic() + seconds
        seen = []
        while (left := deadline - time.monotonic()) > 0:
            line = self._read_line(left)
            if line is None:
                break
            said: dict[str, Any] = json.loads(line)
            if said["event"] == event:
                return said
            seen.append(said)
        raise AssertionError(f"{self._command[1]} never said {event}; it said {seen}")

    def _read_line(self, seconds: float) -> bytes | None:
        while b"\n" not in self._pending:
            if not self._selector.select(seconds):
                return None
            chunk = self._pipe(self._process.stdout).read1(65536)  # type: ignore[attr-defined]  # a BufferedReader
            if not chunk:
                return None
            self._pending += chunk
        line, self._pending = self._pending.split(b"\n", 1)
        return line

    @staticmethod
    def _pipe(stream: IO[bytes] | None) -> IO[bytes]:
        assert stream is not None
        return stream
