"""``sipcli request``: every part of a request as wanted."""

from __future__ import annotations

import pytest

from sipcli.lab.server import Lab
from tests.cli.conftest import Program


async def test_everything_is_as_given(sipcli: Program, lab: Lab) -> None:
    done = await sipcli(
        *("request", "INFO", "sip:486@127.0.0.1", "--body", "on", "--content-type", "text/x-lamp"),
        *("--to-uri", "sip:to@example.com", "--to-display-name", "To", "--to-tag", "tt"),
        *("--from-uri", "sip:from@example.com", "--from-display-name", "From", "--from-tag", "ff"),
        *("--call-id", "x@y", "--cseq", "7", "--route", "<sip:127.0.0.1;lr>", "-H", "X-A: b"),
    )
    assert done.status == 6, done.stderr
    request = lab.received_of("INFO")[0]
    assert str(request.to) == '"To" <sip:to@example.com>;tag=tt'
    assert str(request.from_) == '"From" <sip:from@example.com>;tag=ff'
    assert (request.call_id, str(request.cseq), request.get("X-A")) == ("x@y", "7 INFO", "b")
    assert request.get("Route") == "<sip:127.0.0.1;lr>"
    assert (request.body, request.get("Content-Type")) == (b"on", "text/x-lamp")


async def test_include_prints_the_header_fields(sipcli: Program) -> None:
    done = await sipcli("request", "OPTIONS", "echo", "--include")
    assert done.status == 0, done.stderr
    assert done.stdout.startswith("SIP/2.0 200 OK\n")
    assert "\nAllow: MESSAGE, OPTIONS\n" in done.stdout
    refused = await sipcli("--json", "request", "SUBSCRIBE", "405", "--include")
    assert refused.status == 3
    assert [name for name, _ in refused.result["headers"] if name == "CSeq"] == ["CSeq"]


async def test_body_from_file_and_standard_input(sipcli: Program, lab: Lab, tmp_path: object) -> None:
    done = await sipcli("request", "MESSAGE", "echo", "--body-file", "-", stdin="from a pipe\n")
    assert done.status == 0, done.stderr
    assert lab.received_of("MESSAGE")[-1].body == b"from a pipe"


async def test_no_body_has_no_type(sipcli: Program, lab: Lab) -> None:
    await sipcli("request", "OPTIONS", "echo")
    assert lab.received_of("OPTIONS")[-1].get("Content-Type") is None


@pytest.mark.parametrize(
    "arguments",
    [
        ("request", "MES SAGE", "echo"),
        ("request", "", "echo"),
        ("request", "INFO", "echo", "--route", "no route"),
        ("request", "INFO", "echo", "--to-uri", "http://x"),
        ("request", "INFO", "echo", "--from-tag", "a b"),
        ("request", "INFO", "echo", "--call-id", "a\r\nb"),
        ("request", "INFO", "echo", "--cseq", "-1"),
        ("request", "INFO", "echo", "--content-type", "text/plain\r\nX: y", "--body", "x"),
        ("request", "INFO", "echo", "--to-display-name", "a\nb"),
    ],
)
async def test_bad_argument_is_wrong_usage(arguments: tuple[str, ...], sipcli: Program, lab: Lab) -> None:
    done = await sipcli("--json", *arguments)
    assert done.status == 2, done.stderr
    assert "Traceback" not in done.stderr
    assert not lab.received
