"""sipcli as its users start it: a process of its own, with nothing of this machine's configuration."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.json_lines import JsonLinesProcess

__all__ = ["Finished", "environment", "run", "running"]

_ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Finished:
    """How a run ended."""

    status: int
    stdout: str
    stderr: str

    @property
    def lines(self) -> list[dict[str, Any]]:
        """The JSON lines of standard output."""
        return [json.loads(line) for line in self.stdout.splitlines()]

    @property
    def result(self) -> dict[str, Any]:
        """The last line of ``--json``."""
        last = self.lines[-1]
        assert last["event"] == "result", last
        return last


def environment(home: Path, **variables: str) -> dict[str, str]:
    """Return an environment with an empty HOME and no SIPCLI_* but ``variables``."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SIPCLI_", "XDG_"))}
    kept.pop("NO_COLOR", None)
    kept.pop("FORCE_COLOR", None)
    python_path = os.pathsep.join(filter(None, [str(_ROOT), kept.get("PYTHONPATH")]))
    return {**kept, "HOME": str(home), "PYTHONPATH": python_path, "PYTHONWARNINGS": "error", **variables}


def run(
    *arguments: str,
    home: Path,
    stdin: str | bytes | None = None,
    seconds: float = 30.0,
    environ: Mapping[str, str] | None = None,
) -> Finished:
    """Run the program to its end; ``stdin`` None is no input (not a terminal). TimeoutExpired after ``seconds``."""
    data = stdin.encode() if isinstance(stdin, str) else stdin
    source: dict[str, Any] = {"stdin": subprocess.DEVNULL} if data is None else {"input": data}
    finished = subprocess.run(
        [sys.executable, "-m", "sipcli", *arguments],
        capture_output=True,
        timeout=seconds,
        env=environment(home, **(environ or {})),
        cwd=home,
        check=False,
        **source,
    )
    return Finished(
        finished.returncode, finished.stdout.decode(errors="replace"), finished.stderr.decode(errors="replace")
    )


def running(*arguments: str, home: Path, environ: Mapping[str, str] | None = None) -> JsonLinesProcess:
    """Return the program with ``--json``, not started yet: a context manager."""
    command = [sys.executable, "-m", "sipcli", "--json", *arguments]
    return JsonLinesProcess(command, environ=environment(home, **(environ or {})), cwd=home)
