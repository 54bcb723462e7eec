"""What is warned of, and what never shows."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

import pytest

from sipcli.lab.server import Lab
from tests.certificates import Authority
from tests.cli.conftest import Program


async def test_password_over_an_unencrypted_connection(sipcli: Program) -> None:
    """192.0.2.1 is a documentation address: nothing answers there, and nothing needs to."""
    done = await sipcli(
        "message", "bob", "hi", "--timeout", "0.2", user=None,
        SIPCLI_URI="alice@example.com", SIPCLI_WS_SERVERS="ws://192.0.2.1", SIPCLI_PASSWORD="secret",
    )  # fmt: skip
    assert done.status == 8
    assert "warning: ws://192.0.2.1 is not encrypted" in done.stderr


async def test_no_warning_on_loopback(sipcli: Program) -> None:
    assert "warning" not in (await sipcli("message", "echo", "hi")).stderr


async def test_insecure_is_said_each_time(sipcli: Program) -> None:
    for _ in range(2):
        assert "warning: --insecure" in (await sipcli("message", "echo", "hi", "--insecure")).stderr


async def test_sips_needs_a_secure_server(sipcli: Program) -> None:
    done = await sipcli("--json", "message", "sips:bob@example.com", "hi", "--keep-sips")
    assert done.status == 2
    assert "wss" in done.result["error"]


async def test_tls(sipcli: Program, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.issue("127.0.0.1"))
    async with Lab(ssl=context) as lab:
        account = lab.environment("alice")
        refused = await sipcli("--json", "message", "echo", "hi", **account)
        assert refused.status == 8
        assert "certificate" in refused.result["error"]
        accepted = await sipcli("message", "echo", "hi", "--ca-file", str(authority.ca_file), **account)
        assert accepted.status == 0, accepted.stderr
        careless = await sipcli("message", "echo", "hi", "--insecure", **account)
        assert careless.status == 0, careless.stderr


async def test_dead_proxy_breaks_nothing_on_loopback(sipcli: Program) -> None:
    dead = "http://127.0.0.1:1"
    variables = dict.fromkeys(
        ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"), dead
    )
    done = await sipcli("message", "echo", "hi", **variables)
    assert done.status == 0, done.stderr


@pytest.mark.parametrize("verbosity", ["-q", "-v", "-vvv", "-t"])
async def test_password_shows_nowhere(verbosity: str, sipcli: Program, lab: Lab) -> None:
    canary = "canary-Zq8"
    async with Lab(users={"alice": canary}) as own:
        for arguments in (
            ("message", "echo", "hi"),
            ("register",),
            ("config", "show"),
            ("message", "486", "hi"),
            ("message", "echo", "hi", "--show-secrets"),
        ):
            done = await sipcli("--json", verbosity, *arguments, **own.environment("alice"))
            assert canary not in done.stdout + done.stderr


async def test_no_noise_of_asyncio(sipcli: Program, lab: Lab) -> None:
    for arguments in (("register",), ("message", "echo", "hi"), ("options", "echo"), ("listen", "--for", "0.1")):
        done = await sipcli("-q", *arguments, PYTHONASYNCIODEBUG="1")
        assert done.status == 0, done.stderr
        noise = [line for line in done.stderr.splitlines() if "Executing" not in line]
        assert noise == []
    lab.drop()
    await asyncio.sleep(0)
