"""``sipcli register`` and ``unregister``: the binding shown, removed, kept, refreshed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest

from sipcli.lab.server import Lab
from tests.cli.conftest import Program
from tests.json_lines import JsonLinesProcess

Started = Callable[..., AbstractContextManager[JsonLinesProcess]]


async def test_registers_and_removes(sipcli: Program, lab: Lab) -> None:
    done = await sipcli("register")
    assert done.status == 0, done.stderr
    assert "registered sip:alice@127.0.0.1" in done.stdout
    assert "expires  600 s" in done.stdout
    assert lab.bindings("alice") == ()
    assert lab.received_of("REGISTER")[-1].contacts[0].expires == 0


async def test_json(sipcli: Program) -> None:
    done = await sipcli("--json", "register", "--expires", "300")
    assert done.status == 0, done.stderr
    registered = next(line for line in done.lines if line["event"] == "registration.registered")
    assert list(registered)[3:] == ["status", "contact", "expires", "refresh_in", "gruu", "rtt_ms"]
    assert (registered["status"], registered["expires"]) == (200, 300)
    assert done.result["removed"] is True
    assert done.result["expires"] == 300
    assert done.result["contact"] == registered["contact"]
    events = [line["event"] for line in done.lines]
    assert events.index("transport.connecting") < events.index("transport.connected")
    assert events.index("registration.registered") < events.index("registration.unregistered")


async def test_keep_leaves_the_binding_and_unregister_removes_it(sipcli: Program, lab: Lab) -> None:
    done = await sipcli("--json", "register", "--keep")
    assert done.status == 0, done.stderr
    assert "removed" not in done.result
    assert len(lab.bindings("alice")) == 1
    again = await sipcli("register", "--keep")
    assert again.status == 0, again.stderr
    assert len(lab.bindings("alice")) == 1
    removed = await sipcli("--json", "unregister")
    assert removed.status == 0, removed.stderr
    assert removed.result["status"] == 200
    assert lab.bindings("alice") == ()


async def test_unregister_all(sipcli: Program, lab: Lab) -> None:
    assert (await sipcli("register", "--keep")).status == 0
    done = await sipcli("--json", "unregister", "--all")
    assert done.status == 0, done.stderr
    assert lab.received_of("REGISTER")[-1].wildcard_contact
    assert lab.bindings("alice") == ()


async def test_headers_and_contact_parameters(sipcli: Program, lab: Lab) -> None:
    done = await sipcli("register", "-H", "X-Foo: foo", "--contact-param", "foo=bar")
    assert done.status == 0, done.stderr
    request = lab.received_of("REGISTER")[0]
    assert request.get("X-Foo") == "foo"
    assert request.contacts[0].params["foo"] == "bar"


@pytest.mark.parametrize("command", ["register", "unregister", "listen"])
async def test_missing_uri_is_a_configuration_error(command: str, sipcli: Program, lab: Lab) -> None:
    done = await sipcli("--json", command, user=None, SIPCLI_WS_SERVERS=lab.url)
    assert done.status == 7
    assert "uri" in done.result["error"]
    assert "SIPCLI_URI" in done.stderr


@pytest.mark.parametrize("command", ["register", "unregister", "listen"])
async def test_wrong_password(command: str, sipcli: Program) -> None:
    done = await sipcli("--json", command, SIPCLI_PASSWORD="wrong")
    assert done.status == 4, done.stderr
    assert done.result["cause"] == "Authentication Error"


async def test_unanswered_removal_is_a_warning(started: Started, lab: Lab) -> None:
    with started("register", "--stay", "--stop-timeout", "0.3") as program:
        await asyncio.to_thread(program.expect, "registration.registered")
        lab.loss = 1.0
        assert await asyncio.to_thread(program.end) == 130
        result = program.expect("result")
        assert result["removed"] is False
        assert "warning: the binding was not removed" in program.errors


async def test_stays_registered_over_a_lost_connection(started: Started, lab: Lab) -> None:
    with started("register", "--stay", "--ws-server-reconnection-timeout", "0") as program:
        await asyncio.to_thread(program.expect, "registration.registered")
        lab.drop()
        await asyncio.to_thread(program.expect, "transport.disconnected")
        await asyncio.to_thread(program.expect, "registration.registered")
        assert await asyncio.to_thread(program.end) == 130
        assert program.expect("result")["removed"] is True
        assert lab.bindings("bob") == ()


async def test_for_ends_it_with_success(sipcli: Program, lab: Lab) -> None:
    done = await sipcli("--json", "register", "--for", "0.2")
    assert done.status == 0, done.stderr
    assert done.result["removed"] is True


async def test_too_brief_an_interval_is_asked_again(sipcli: Program) -> None:
    async with Lab(min_expires=120) as strict:
        done = await sipcli("--json", "register", "--expires", "60", **strict.environment("alice"))
    assert done.status == 0, done.stderr
    assert done.result["expires"] == 120


async def test_password_from_standard_input(sipcli: Program, lab: Lab) -> None:
    account = lab.environment("alice")
    password = account.pop("SIPCLI_PASSWORD")
    done = await sipcli("register", "--password-stdin", user=None, stdin=f"{password}\n", **account)
    assert done.status == 0, done.stderr


async def test_password_file_that_is_missing(sipcli: Program, lab: Lab) -> None:
    account = lab.environment("alice")
    del account["SIPCLI_PASSWORD"]
    flagged = await sipcli("--json", "register", "--password-file", "missing", user=None, **account)
    assert flagged.status == 2, flagged.stderr
    assert "missing" in flagged.result["error"]
    configured = await sipcli("--json", "register", user=None, SIPCLI_PASSWORD_FILE="missing", **account)
    assert configured.status == 7, configured.stderr
