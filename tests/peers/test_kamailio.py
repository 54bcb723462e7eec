"""sipcli against Kamailio over ws:// and wss://: what its users do first with a real server."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.certificates import Authority
from tests.peers.kamailio import DOMAIN, Kamailio, free_port, password_of
from tests.program import run, running

pytestmark = pytest.mark.peer


def account(server: Kamailio, user: str = "alice", **more: str) -> dict[str, str]:
    """The environment that names an account of the server."""
    return {
        "SIPCLI_URI": f"{user}@{DOMAIN}",
        "SIPCLI_WS_SERVERS": server.url,
        "SIPCLI_PASSWORD": password_of(user),
        **more,
    }


@pytest.fixture
def own_kamailio(needs_kamailio: None, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Kamailio]:
    """A server of this test's own, with the options of its parameter."""
    with Kamailio(tmp_path / "kamailio", **getattr(request, "param", {})) as server:
        yield server


def test_registers_with_md5_over_ws(kamailio: Kamailio, tmp_path: Path) -> None:
    done = run("--json", "register", home=tmp_path, environ=account(kamailio))
    assert done.status == 0, done.stderr
    registered = next(line for line in done.lines if line["event"] == "registration.registered")
    assert registered["expires"] == 600
    assert done.result["removed"] is True


@pytest.mark.parametrize("own_kamailio", [{"algorithm": "SHA-256"}], indirect=True)
def test_registers_with_sha_256(own_kamailio: Kamailio, tmp_path: Path) -> None:
    done = run("-t", "register", home=tmp_path, environ=account(own_kamailio))
    assert done.status == 0, done.stderr
    assert "algorithm=SHA-256" in done.stderr


def test_registers_over_wss_with_a_private_ca(kamailio: Kamailio, authority: Authority, tmp_path: Path) -> None:
    environ = account(kamailio, SIPCLI_WS_SERVERS=kamailio.secure_url)
    done = run("register", "--ca-file", str(authority.ca_file), home=tmp_path, environ=environ)
    assert done.status == 0, done.stderr


def test_wrong_ca_is_a_connection_error_in_words(kamailio: Kamailio, tmp_path: Path) -> None:
    other = Authority(tmp_path, "another CA")
    environ = account(kamailio, SIPCLI_WS_SERVERS=kamailio.secure_url)
    done = run("register", "--ca-file", str(other.ca_file), home=tmp_path, environ=environ)
    assert done.status == 8
    assert "certificate" in done.stderr
    assert "Traceback" not in done.stderr


def test_wrong_password_is_an_authentication_error(kamailio: Kamailio, tmp_path: Path) -> None:
    done = run("--json", "register", home=tmp_path, environ=account(kamailio, SIPCLI_PASSWORD="wrong"))
    assert done.status == 4
    assert done.result["cause"] == "Authentication Error"
    assert done.result["status"] == 401


def test_forbidden_is_rejected(kamailio: Kamailio, tmp_path: Path) -> None:
    done = run(
        "--json", "register", "-H", "X-Forbid: yes", home=tmp_path, environ=account(kamailio, SIPCLI_PASSWORD="wrong")
    )
    assert done.status == 3
    assert done.result["cause"] == "Rejected"


@pytest.mark.parametrize("own_kamailio", [{"min_expires": 300}], indirect=True)
def test_too_brief_an_interval_is_asked_again(own_kamailio: Kamailio, tmp_path: Path) -> None:
    """423 is answered once with the Min-Expires asked for (RFC 3261 §10.2.8)."""
    done = run("--json", "register", "--expires", "60", home=tmp_path, environ=account(own_kamailio))
    assert done.status == 0, done.stderr
    registered = next(line for line in done.lines if line["event"] == "registration.registered")
    assert registered["expires"] == 300


@pytest.mark.parametrize("own_kamailio", [{"nonce_expire": 1}], indirect=True)
def test_stale_nonce_is_replaced(own_kamailio: Kamailio, tmp_path: Path) -> None:
    """A nonce that has grown old in the server costs another round trip and no question."""
    with running("-t", "listen", home=tmp_path, environ=account(own_kamailio, "bob")) as bob:
        bob.expect("registration.registered")
        environ = account(own_kamailio)
        done = run("--json", "options", f"sip:bob@{DOMAIN}", "-c", "1", home=tmp_path / "..", environ=environ)
        assert done.status == 0, done.stderr
    with running("register", "--stay", "--expires", "10", "--trace-sip", home=tmp_path, environ=environ) as alice:
        alice.expect("registration.registered")
        second = alice.expect("registration.registered", seconds=15)
        assert second["status"] == 200
        assert alice.end() == 130


def test_unregister_all_removes_every_binding(kamailio: Kamailio, tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    environ = account(kamailio, "erin")
    for home in (first, second):
        assert run("register", "--keep", home=home, environ=environ).status == 0
    done = run("-t", "unregister", "--all", home=first, environ=environ)
    assert done.status == 0, done.stderr
    assert "Contact: *" in done.stderr
    gone = run("--json", "message", f"sip:erin@{DOMAIN}", "hi", home=first, environ=account(kamailio))
    assert gone.status == 9


def test_options_ping(kamailio: Kamailio, tmp_path: Path) -> None:
    done = run("--json", "options", f"sip:{DOMAIN}", "-c", "3", "-i", "0.05", home=tmp_path, environ=account(kamailio))
    assert done.status == 0, done.stderr
    replies = [line for line in done.lines if line["event"] == "options.reply"]
    assert [reply["seq"] for reply in replies] == [1, 2, 3]
    assert all(reply["rtt_ms"] > 0 for reply in replies)


def test_dead_first_server_fails_over(kamailio: Kamailio, tmp_path: Path) -> None:
    servers = f"ws://127.0.0.1:{free_port()};weight=10 {kamailio.url};weight=1"
    done = run("--json", "register", home=tmp_path, environ=account(kamailio, SIPCLI_WS_SERVERS=servers))
    assert done.status == 0, done.stderr
    connected = next(line for line in done.lines if line["event"] == "transport.connected")
    assert connected["url"].startswith(kamailio.url)


def test_server_restarted_under_register_stay(own_kamailio: Kamailio, tmp_path: Path) -> None:
    """Registered again within 5 s of the server's return."""
    with running("register", "--stay", home=tmp_path, environ=account(own_kamailio)) as alice:
        alice.expect("registration.registered")
        own_kamailio.stop(signal.SIGKILL)
        alice.expect("transport.disconnected")
        own_kamailio.start()
        returned = time.monotonic()
        alice.expect("registration.registered")
        assert time.monotonic() - returned < 5
        assert alice.end(signal.SIGTERM) == 143


def test_drop_in_the_middle_of_a_transaction(own_kamailio: Kamailio, tmp_path: Path) -> None:
    """The request is lost with its connection: exit 8, and it is not sent a second time."""
    arguments = ("-t", "message", f"sip:bob@{DOMAIN}", "hi", "-H", "X-Ignore: yes")
    with running(*arguments, home=tmp_path, environ=account(own_kamailio)) as sender:
        sender.expect("sip.sent")
        own_kamailio.stop(signal.SIGKILL)
        result = sender.expect("result")
        assert sender.wait() == 8
    assert result["cause"] == "Connection Error"


def test_server_that_never_answers(kamailio: Kamailio, tmp_path: Path) -> None:
    begun = time.monotonic()
    done = run(
        *("--json", "message", "bob", "hi", "-H", "X-Ignore: yes", "--timeout", "1"),
        home=tmp_path,
        environ=account(kamailio),
    )
    assert done.status == 5
    assert time.monotonic() - begun < 3


@pytest.mark.parametrize(
    ("status", "code"), [(302, 12), (403, 3), (404, 9), (408, 5), (480, 9), (486, 6), (487, 10), (488, 11), (603, 3)]
)
def test_final_answers_have_their_exit_codes(kamailio: Kamailio, tmp_path: Path, status: int, code: int) -> None:
    done = run("--json", "message", f"sip:{status}@{DOMAIN}", "hi", home=tmp_path, environ=account(kamailio))
    assert (done.status, done.result["status"]) == (code, status), done.stderr
