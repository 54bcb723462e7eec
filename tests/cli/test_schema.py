"""What --json prints is what its manual page says."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from typing import Any

from sipcli.cli.schema import COMMON_FIELDS, EVENTS, RESULT_FIELDS
from sipcli.lab.server import Lab
from tests.cli.conftest import Program
from tests.json_lines import JsonLinesProcess

TYPES: dict[str, Callable[[Any], bool]] = {
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
    "array": lambda value: isinstance(value, list),
    "object": lambda value: isinstance(value, dict),
    "any": lambda _: True,
}


def check(lines: Iterable[dict[str, Any]]) -> set[str]:
    """Check every line against the schema and return the events that there were."""
    seen = set()
    for line in lines:
        name = line["event"]
        fields = {**COMMON_FIELDS, **(RESULT_FIELDS if name == "result" else EVENTS[name][1])}
        # The result has the command's own fields after these.
        assert list(line)[: len(fields)] == list(fields), line
        assert name == "result" or len(line) == len(fields), line
        for field, (kinds, _) in fields.items():
            assert any(TYPES[kind](line[field]) for kind in kinds.split(" or ")), (field, line)
        seen.add(name)
    return seen


async def test_every_line_is_as_documented(
    sipcli: Program, started: Callable[..., AbstractContextManager[JsonLinesProcess]], lab: Lab
) -> None:
    seen: set[str] = set()
    for arguments in (
        ("register", "-t", "-vv"),
        ("message", "486", "hi"),
        ("message", "slow", "hi"),
        ("options", "echo"),
        ("config", "show"),
        ("lab", "--", "true"),
        ("unregister",),
        ("nosuch",),
    ):
        seen |= check((await sipcli("--json", *arguments)).lines)
    seen |= check((await sipcli("--json", "register", SIPCLI_PASSWORD="wrong")).lines)
    seen |= check((await sipcli("--json", "options", "echo", SIPCLI_WS_SERVERS="ws://127.0.0.1:1")).lines)
    flags = ("--allow-legacy-notifications", "--allow-out-of-dialog-refers", "--ws-server-reconnection-timeout", "0")
    with started("listen", *flags, "--ring") as bob:
        lines = [await asyncio.to_thread(bob.expect, "registration.registered")]
        lab.drop()
        lines.append(await asyncio.to_thread(bob.expect, "registration.unregistered"))
        lines.append(await asyncio.to_thread(bob.expect, "registration.registered"))
        for method, event, *more in (
            ("MESSAGE", "message.received"),
            ("NOTIFY", "notify.received", "-H", "Event: message-summary"),
            ("REFER", "refer.received", "-H", "Refer-To: <sip:carol@127.0.0.1>"),
            ("INVITE", "call.incoming", "--timeout", "0.5"),
        ):
            seen |= check((await sipcli("--json", "request", method, "bob", *more)).lines)
            lines.append(await asyncio.to_thread(bob.expect, event))
        lines.append(await asyncio.to_thread(bob.expect, "call.ended"))
        await asyncio.to_thread(bob.end)
        lines.append(bob.expect("result"))
    seen |= check(lines)
    # What these runs do not bring about.
    rare = {"transport.keep_alive_timeout", "request.cancelled", "registration.failed"}
    assert {*EVENTS, "result"} - rare <= seen
