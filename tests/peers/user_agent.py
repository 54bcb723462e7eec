"""A user agent of somebody else's in a process of its own, spoken to in JSON lines."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Self

from tests.json_lines import JsonLinesProcess
from tests.peers.kamailio import DOMAIN, password_of

__all__ = ["UserAgentProcess"]

_HERE = Path(__file__).parent


class UserAgentProcess(JsonLinesProcess):
    """``script`` run by node as ``user``; a context manager that begins when it is registered."""

    def __init__(self, script: str, url: str, user: str) -> None:
        super().__init__(["node", str(_HERE / script), url, user, password_of(user)], cwd=_HERE)
        self.user = user
        self.uri = f"sip:{user}@{DOMAIN}"

    def __enter__(self) -> Self:
        super().__enter__()
        self.expect("registered")
        return self

    def message(self, to: str, body: str) -> None:
        """Send a MESSAGE; the event ``accepted`` or ``failed`` tells how it ended."""
        self.send_line(json.dumps({"do": "message", "to": to, "body": body}))
