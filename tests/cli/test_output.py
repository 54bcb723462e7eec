"""Exit codes, JSON Lines and lines for people."""

from __future__ import annotations

import io
import json
import re

import pytest

from sipcli.cli.output import (
    EXIT_CODES,
    ExitCode,
    Outcome,
    Output,
    colour_allowed,
    exit_code_of,
    exit_code_of_status,
)
from sipcli.sip.events import Cause
from sipcli.sip.message import Response

# The table of the documentation, cause by cause.
CAUSES = [
    (Cause.CONNECTION_ERROR, 8),
    (Cause.REQUEST_TIMEOUT, 5),
    (Cause.SIP_FAILURE_CODE, 3),
    (Cause.INTERNAL_ERROR, 1),
    (Cause.BUSY, 6),
    (Cause.REJECTED, 3),
    (Cause.REDIRECTED, 12),
    (Cause.UNAVAILABLE, 9),
    (Cause.NOT_FOUND, 9),
    (Cause.ADDRESS_INCOMPLETE, 9),
    (Cause.INCOMPATIBLE_SDP, 11),
    (Cause.AUTHENTICATION_ERROR, 4),
    (Cause.DIALOG_ERROR, 1),
    (Cause.WEBRTC_NOT_SUPPORTED, 11),
    (Cause.WEBRTC_ERROR, 11),
    (Cause.CANCELED, 10),
    (Cause.NO_ANSWER, 10),
    (Cause.EXPIRES, 10),
    (Cause.NO_ACK, 5),
    (Cause.NO_PRACK, 5),
    (Cause.USER_DENIED_MEDIA_ACCESS, 11),
    (Cause.BAD_MEDIA_DESCRIPTION, 11),
    (Cause.RTP_TIMEOUT, 11),
    (Cause.TERMINATED, 0),
]

STATUSES = [
    *[(status, 0) for status in (200, 202, 204)],
    *[(status, 12) for status in (300, 301, 302, 305, 380)],
    *[(status, 4) for status in (401, 407)],
    *[(status, 3) for status in (400, 403, 420, 423, 481, 500, 503, 603, 699)],
    *[(status, 9) for status in (404, 410, 430, 480, 484, 604)],
    *[(status, 6) for status in (486, 600)],
    *[(status, 11) for status in (488, 606)],
    (408, 5),
    (487, 10),
]


def output(**keywords: object) -> tuple[Output, io.StringIO, io.StringIO]:
    stdout, stderr = io.StringIO(), io.StringIO()
    return Output(environ={}, stdout=stdout, stderr=stderr, **keywords), stdout, stderr  # type: ignore[arg-type]


@pytest.mark.parametrize(("cause", "code"), CAUSES)
def test_cause_has_its_exit_code(cause: Cause, code: int) -> None:
    assert exit_code_of(cause) == code


def test_every_cause_is_mapped() -> None:
    assert {cause for cause, _ in CAUSES} == set(Cause)


def test_expired_registration_is_a_timeout() -> None:
    assert exit_code_of(Cause.EXPIRES, registration=True) == 5


@pytest.mark.parametrize(("status", "code"), STATUSES)
def test_status_has_its_exit_code(status: int, code: int) -> None:
    assert exit_code_of_status(status) == code
    assert Outcome.of_response(Response(status, "x")).exit_code == code


def test_every_exit_code_is_described() -> None:
    assert set(EXIT_CODES) == set(ExitCode)


def test_event_is_one_line_with_its_fields_in_order() -> None:
    out, stdout, _ = output(json=True)
    out.event("message.received", body="line\nline\u2028\u202e\x1b[31m", status=200)
    line = stdout.getvalue()
    assert line.count("\n") == 1
    assert line.isascii()
    assert "\x1b" not in line
    said = json.loads(line)
    assert list(said) == ["v", "ts", "event", "body", "status"]
    assert said["v"] == 1
    assert said["body"] == "line\nline\u2028\u202e\x1b[31m"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", said["ts"])


def test_octets_that_are_no_utf8_are_shown_and_readable() -> None:
    out, stdout, _ = output(json=True)
    out.event("x", text=b"\xff\xfe".decode("utf-8", "surrogateescape"), nested=[{"a": "\udc80"}], whole="ü𐂀")
    said = json.loads(stdout.getvalue())
    assert (said["text"], said["nested"], said["whole"]) == ("\\xff\\xfe", [{"a": "\\x80"}], "ü𐂀")


def test_nothing_is_printed_as_json_unless_asked() -> None:
    out, stdout, _ = output()
    out.event("x")
    assert stdout.getvalue() == ""


def test_result_names_what_failed() -> None:
    out, stdout, stderr = output(json=True)
    out.result("message", Outcome.of_response(Response(486, "Busy Here")))
    said = json.loads(stdout.getvalue())
    assert list(said)[3:] == ["ok", "exit_code", "command", "cause", "status", "reason", "error"]
    assert (said["ok"], said["exit_code"], said["cause"], said["status"]) == (False, 6, "Busy", 486)
    assert stderr.getvalue() == "✗ 486 Busy Here: Busy  (exit 6)\n"


def test_success_is_quiet_on_standard_error() -> None:
    out, stdout, stderr = output(json=True)
    out.result("message", Outcome.of_response(Response(200, "OK")))
    assert json.loads(stdout.getvalue())["ok"] is True
    assert stderr.getvalue() == ""


def test_received_value_never_makes_a_second_line() -> None:
    out, stdout, stderr = output(verbose=1)
    out.line("a\nb\x1b[2J")
    out.note("c\r\nd", level=1)
    out.result("message", Outcome(ExitCode.BUSY, Cause.BUSY, 486, "Busy\n✗ 200 OK"))
    assert stdout.getvalue() == "a\\nb\\x1b[2J\n"
    assert stderr.getvalue().count("\n") == 2


def test_block_keeps_lines_and_loses_controls() -> None:
    out, stdout, _ = output()
    out.block("one\r\ntwo\tx\x1b[31m\n", indent="  ")
    assert stdout.getvalue() == "  one\n  two\tx\\x1b[31m\n"


@pytest.mark.parametrize(
    ("quiet", "expected_out", "expected_err"),
    [(0, "result\n", "note\nwarning: w\n✗ p  (exit 2)\n"), (1, "result\n", "warning: w\n✗ p  (exit 2)\n"), (2, "", "")],
)
def test_quiet_levels(quiet: int, expected_out: str, expected_err: str) -> None:
    out, stdout, stderr = output(quiet=quiet)
    out.line("result")
    out.note("note")
    out.warning("w")
    out.result("x", Outcome.usage("p"))
    assert (stdout.getvalue(), stderr.getvalue()) == (expected_out, expected_err)


@pytest.mark.parametrize("verbose", [0, 1, 2, 3])
def test_verbose_levels(verbose: int) -> None:
    out, _, stderr = output(verbose=verbose)
    for level in (1, 2, 3):
        out.note(f"level {level}", level=level)
    assert stderr.getvalue().splitlines() == [f"level {level}" for level in range(1, verbose + 1)]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("environ", "terminal", "no_color", "expected"),
    [
        ({}, True, False, True),
        ({}, False, False, False),
        ({"NO_COLOR": "1"}, True, False, False),
        ({"NO_COLOR": ""}, True, False, True),
        ({"TERM": "dumb"}, True, False, False),
        ({"FORCE_COLOR": "1"}, False, False, True),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, False, False, False),
        ({"FORCE_COLOR": "1"}, True, True, False),
    ],
)
def test_colour(environ: dict[str, str], terminal: bool, no_color: bool, expected: bool) -> None:
    stream = Terminal() if terminal else io.StringIO()
    assert colour_allowed(stream, environ, no_color=no_color) is expected
