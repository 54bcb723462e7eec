"""``sipcli message``: bodies, outcomes, pipelines."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from sipcli.lab.server import Lab
from tests.cli.conftest import Program
from tests.program import environment, run


async def test_message_is_accepted(sipcli: Program, lab: Lab) -> None:
    done = await sipcli("message", "echo", "hällo ¶")
    assert done.status == 0, done.stderr
    assert "200 OK" in done.stdout
    request = lab.received_of("MESSAGE")[-1]
    assert request.body == "hällo ¶".encode()
    assert request.get("Content-Type") == "text/plain"
    assert request.get("Content-Length") == "9"


async def test_result_line(sipcli: Program) -> None:
    done = await sipcli("message", "echo", "hi", "--json")
    assert done.status == 0, done.stderr
    result = done.result
    assert list(result)[:9] == ["v", "ts", "event", "ok", "exit_code", "command", "cause", "status", "reason"]
    assert (result["ok"], result["command"], result["status"], result["cause"]) == (True, "message", 200, None)
    assert result["to"] == "<sip:echo@127.0.0.1>"
    assert result["method"] == "MESSAGE"
    assert result["rtt_ms"] > 0
    accepted = next(line for line in done.lines if line["event"] == "request.accepted")
    assert (accepted["method"], accepted["status"], accepted["call_id"]) == ("MESSAGE", 200, result["call_id"])


# The causes and exit codes that a status of the number plan produces.
REFUSALS = [
    ("302", 12, "Redirected"),
    ("401", 4, "Authentication Error"),
    ("403", 3, "Rejected"),
    ("404", 9, "Not Found"),
    ("408", 5, "Request Timeout"),
    ("480", 9, "Unavailable"),
    ("484", 9, "Address Incomplete"),
    ("486", 6, "Busy"),
    ("487", 10, "Canceled"),
    ("488", 11, "Incompatible SDP"),
    ("503", 3, "SIP Failure Code"),
    ("600", 6, "Busy"),
    ("603", 3, "Rejected"),
]


@pytest.mark.parametrize(("user", "code", "cause"), REFUSALS)
async def test_refusal_ends_with_the_code_of_its_cause(user: str, code: int, cause: str, sipcli: Program) -> None:
    done = await sipcli("--json", "message", user, "hi")
    assert done.status == code, done.stderr
    assert (done.result["cause"], done.result["status"], done.result["exit_code"]) == (cause, int(user), code)
    assert f"(exit {code})" in done.stderr
    assert "Traceback" not in done.stderr


async def test_redirection_says_where_to(sipcli: Program) -> None:
    done = await sipcli("--json", "message", "302", "hi")
    assert done.result["redirect_to"] == ["sip:echo@127.0.0.1"]
    followed = await sipcli("message", "302", "hi", "--follow-redirects", "1")
    assert followed.status == 0, followed.stderr


async def test_wrong_password(sipcli: Program) -> None:
    done = await sipcli("--json", "message", "echo", "hi", SIPCLI_PASSWORD="wrong")
    assert done.status == 4
    assert done.result["cause"] == "Authentication Error"


async def test_no_password_and_no_terminal(sipcli: Program, lab: Lab) -> None:
    account = lab.environment("alice")
    del account["SIPCLI_PASSWORD"]
    done = await sipcli("--json", "message", "echo", "hi", user=None, **account)
    assert done.status == 4
    assert "password" in done.stderr


async def test_nobody_listens(sipcli: Program) -> None:
    done = await sipcli("--json", "message", "echo", "hi", SIPCLI_WS_SERVERS="ws://127.0.0.1:1")
    assert done.status == 8
    assert done.result["cause"] == "Connection Error"
    assert "ws://127.0.0.1:1" in done.result["error"]


async def test_no_answer_within_the_timeout(sipcli: Program, lab: Lab) -> None:
    lab.loss = 1.0
    done = await sipcli("--json", "message", "echo", "hi", "--timeout", "0.8")
    assert done.status == 5
    assert done.result["cause"] == "Request Timeout"


async def test_no_final_response_within_the_transaction_timeout(sipcli: Program, lab: Lab) -> None:
    lab.loss = 1.0
    done = await sipcli("--json", "message", "echo", "hi", "--transaction-timeout", "0.5")
    assert done.status == 5
    assert done.result["cause"] == "Request Timeout"


@pytest.mark.parametrize(
    "target", ["", "sip:", "sip:@host", "sip:bob@host:99999", "a b", "bob\r\nX: y", "http://example.com", "sip:bob@"]
)
async def test_bad_target_is_wrong_usage(target: str, sipcli: Program) -> None:
    done = await sipcli("--json", "message", target, "hi")
    assert done.status == 2, done.stderr
    assert done.result["error"]
    assert "Traceback" not in done.stderr


async def test_missing_server_is_a_configuration_error(sipcli: Program) -> None:
    done = await sipcli("--json", "message", "sip:bob@example.com", "hi", user=None)
    assert done.status == 7
    assert "ws_servers" in done.result["error"]
    assert "-s wss://" in done.stderr


async def test_bad_value_of_the_environment_is_a_configuration_error(sipcli: Program) -> None:
    done = await sipcli("--json", "message", "echo", "hi", SIPCLI_REGISTER_EXPIRES="soon")
    assert done.status == 7
    assert "SIPCLI_REGISTER_EXPIRES" in done.stderr


async def test_bad_value_of_a_flag_is_wrong_usage(sipcli: Program) -> None:
    done = await sipcli("--json", "message", "echo", "hi", "--register-expires", "soon")
    assert done.status == 2
    assert "--register-expires" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "stdin", "expected"),
    [
        (("-",), "hi\n", b"hi"),
        ((), "hi\n\n", b"hi\n"),
        ((), "hi\r\n", b"hi"),
        (("-", "--content-type", "application/x"), "hi\n", b"hi\n"),
        (("",), "not read", b""),
        (("text",), "not read", b"text"),
        ((), b"\xff\x00", b"\xff\x00"),
    ],
)
async def test_standard_input(
    arguments: tuple[str, ...], stdin: str | bytes, expected: bytes, sipcli: Program, lab: Lab
) -> None:
    done = await sipcli("message", "echo", *arguments, stdin=stdin)
    assert done.status == 0, done.stderr
    assert lab.received_of("MESSAGE")[-1].body == expected


async def test_file(sipcli: Program, lab: Lab, tmp_path: Path) -> None:
    (tmp_path / "alarm.json").write_bytes(b'{"a":1}\n')
    done = await sipcli("message", "echo", "@alarm.json")
    assert done.status == 0, done.stderr
    request = lab.received_of("MESSAGE")[-1]
    assert (request.body, request.get("Content-Type")) == (b'{"a":1}\n', "application/json")


async def test_missing_file_is_wrong_usage(sipcli: Program) -> None:
    done = await sipcli("--json", "message", "echo", "@missing")
    assert done.status == 2
    assert "missing" in done.result["error"]


async def test_password_and_body_share_standard_input(sipcli: Program, lab: Lab) -> None:
    account = lab.environment("alice")
    password = account.pop("SIPCLI_PASSWORD")
    done = await sipcli(
        "message", "echo", "-", "--password-stdin", user=None, stdin=f"{password}\nthe body\n", **account
    )
    assert done.status == 0, done.stderr
    assert lab.received_of("MESSAGE")[-1].body == b"the body"


async def test_header_is_sent(sipcli: Program, lab: Lab) -> None:
    done = await sipcli("-H", "X-Before: 1", "message", "echo", "hi")
    assert done.status == 0, done.stderr
    assert lab.received_of("MESSAGE")[-1].get("X-Before") == "1"


async def test_one_shot_does_not_register_unless_asked(sipcli: Program, lab: Lab) -> None:
    assert (await sipcli("message", "echo", "hi")).status == 0
    assert lab.received_of("REGISTER") == []
    assert (await sipcli("message", "echo", "hi", "--register")).status == 0
    assert lab.received_of("REGISTER")


async def test_quiet_levels(sipcli: Program) -> None:
    quiet = await sipcli("message", "486", "hi", "-q")
    assert (quiet.status, quiet.stdout) == (6, "")
    assert quiet.stderr.startswith("✗ 486 Busy Here: Busy")
    silent = await sipcli("message", "486", "hi", "-qq")
    assert (silent.status, silent.stdout, silent.stderr) == (6, "", "")


async def test_verbose_says_states(sipcli: Program) -> None:
    done = await sipcli("message", "echo", "hi", "-v")
    assert "transport: connecting to ws://127.0.0.1" in done.stderr
    assert "transport: connected to ws://127.0.0.1" in done.stderr
    assert "transaction:" not in done.stderr
    more = await sipcli("message", "echo", "hi", "-vv")
    assert "transaction: created" in more.stderr
    quiet = await sipcli("message", "echo", "hi")
    assert quiet.stderr == ""


async def test_log_level_says_how_much(sipcli: Program) -> None:
    done = await sipcli("message", "echo", "hi", "--log-level", "debug")
    assert "request: sent MESSAGE" in done.stderr
    done = await sipcli("message", "echo", "hi", "--log-level", "log", "--no-log-builtin-enabled")
    assert done.stderr == ""


async def test_trace(sipcli: Program, lab: Lab, tmp_path: Path) -> None:
    done = await sipcli("message", "echo", "hi", "-t", "--json", "--trace-file", str(tmp_path / "trace.jsonl"))
    assert done.status == 0, done.stderr
    assert "MESSAGE sip:echo@127.0.0.1 SIP/2.0" in done.stderr
    assert "\x1b" not in done.stderr
    sent = [line for line in done.lines if line["event"] == "sip.sent"]
    assert sent[0]["n"] == 1
    assert sent[0]["text"].startswith("MESSAGE sip:echo@127.0.0.1 SIP/2.0\r\n")
    assert 'response="***"' in sent[1]["text"]
    file = [json.loads(line) for line in (tmp_path / "trace.jsonl").read_text().splitlines()]
    traced = [line for line in done.lines if line["event"].startswith("sip.")]
    assert [line["text"] for line in file] == [line["text"] for line in traced]
    assert (tmp_path / "trace.jsonl").stat().st_mode & 0o777 == 0o600
    for place in (done.stdout, done.stderr, (tmp_path / "trace.jsonl").read_text()):
        assert lab.users["alice"] not in place


async def test_trace_file_that_cannot_be_written(sipcli: Program, tmp_path: Path) -> None:
    done = await sipcli("--json", "message", "echo", "hi", "--trace-file", str(tmp_path / "no" / "trace.txt"))
    assert done.status == 2
    assert "--trace-file" in done.result["error"]


async def test_password_on_the_command_line_warns(sipcli: Program, lab: Lab) -> None:
    account = lab.environment("alice")
    password = account.pop("SIPCLI_PASSWORD")
    done = await sipcli("message", "echo", "hi", "--password", password, user=None, **account)
    assert done.status == 0, done.stderr
    assert "warning: --password shows the password" in done.stderr
    assert password not in done.stderr


async def test_profile_in_use_is_never_silent(sipcli: Program, lab: Lab, tmp_path: Path) -> None:
    account = lab.environment("alice")
    folder = tmp_path / ".config" / "sipcli"
    folder.mkdir(parents=True)
    config = folder / "config.toml"
    config.write_text(
        f'[profiles.lab]\nuri = "{account["SIPCLI_URI"]}"\nws_servers = "{account["SIPCLI_WS_SERVERS"]}"\n'
    )
    environ = {"SIPCLI_PASSWORD": account["SIPCLI_PASSWORD"]}
    done = await sipcli("message", "echo", "hi", "-P", "lab", user=None, **environ)
    assert done.status == 0, done.stderr
    assert "profile lab" in done.stderr


def shell(command: str, home: Path, environ: dict[str, str]) -> subprocess.CompletedProcess[str]:
    script = command.replace("sipcli", f"{sys.executable} -m sipcli")
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", script],
        capture_output=True,
        text=True,
        env=environment(home, **environ),
        cwd=home,
        timeout=30,
        check=False,
    )


@pytest.mark.skipif(shutil.which("jq") is None, reason="jq is not installed")
async def test_pipeline_into_jq(lab: Lab, tmp_path: Path) -> None:
    command = "echo hi | sipcli message echo - --json | jq -r 'select(.event == \"result\").reason'"
    done = await asyncio.to_thread(shell, command, tmp_path, lab.environment("alice"))
    assert (done.returncode, done.stdout, done.stderr) == (0, "OK\n", "")
    assert lab.received_of("MESSAGE")[-1].body == b"hi"


async def test_broken_pipe_is_quiet_and_the_message_is_sent(lab: Lab, tmp_path: Path) -> None:
    command = "sipcli message echo hi --json | true; echo ${PIPESTATUS[0]}"
    done = await asyncio.to_thread(shell, command, tmp_path, lab.environment("alice"))
    assert (done.stdout, done.stderr) == ("0\n", "")
    assert lab.received_of("MESSAGE")


def test_missing_body_on_a_terminal_is_wrong_usage(tmp_path: Path) -> None:
    import os
    import pty

    leader, follower = pty.openpty()
    try:
        done = subprocess.run(
            [sys.executable, "-m", "sipcli", "message", "bob@example.com", "-s", "ws://127.0.0.1:1"],
            stdin=follower,
            capture_output=True,
            text=True,
            env=environment(tmp_path),
            timeout=30,
            check=False,
        )
    finally:
        os.close(leader)
        os.close(follower)
    assert done.returncode == 2
    assert "BODY is missing" in done.stderr


def test_no_uri_and_a_bare_name(tmp_path: Path) -> None:
    done = run("message", "bob", "hi", "-s", "ws://127.0.0.1:1", home=tmp_path)
    assert done.status == 2
    assert "bob" in done.stderr
