"""sipcli and the browser libraries, JsSIP and SIP.js, exchange messages through Kamailio."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.peers.kamailio import DOMAIN, Kamailio, password_of
from tests.peers.user_agent import UserAgentProcess
from tests.program import run, running

pytestmark = pytest.mark.peer

TEXT = "Grüße, “¶€ĸøĸø” 你好 👋"


@pytest.fixture(params=["jssip", "sipjs"])
def peer(request: pytest.FixtureRequest) -> UserAgentProcess:
    """Each library in turn."""
    found = request.getfixturevalue(request.param)
    assert isinstance(found, UserAgentProcess)
    return found


@pytest.fixture
def account(kamailio: Kamailio) -> dict[str, str]:
    return {
        "SIPCLI_URI": f"alice@{DOMAIN}",
        "SIPCLI_WS_SERVERS": kamailio.url,
        "SIPCLI_PASSWORD": password_of("alice"),
    }


def test_message_to_the_library(peer: UserAgentProcess, account: dict[str, str], tmp_path: Path) -> None:
    done = run("message", peer.uri, TEXT, home=tmp_path, environ=account)
    assert done.status == 0, done.stderr
    received = peer.expect("message")
    assert received["body"] == TEXT
    assert received["from"] == f"sip:alice@{DOMAIN}"


def test_message_from_the_library(peer: UserAgentProcess, account: dict[str, str], tmp_path: Path) -> None:
    with running("listen", "--count", "1", home=tmp_path, environ=account) as listener:
        listener.expect("registration.registered")
        peer.message(f"sip:alice@{DOMAIN}", TEXT)
        received = listener.expect("message.received")
        assert received["body"] == TEXT
        assert peer.user in received["from"]
        assert peer.expect("accepted")["status"] == 200
        assert listener.wait() == 0


def test_message_refused_reaches_the_library(peer: UserAgentProcess, account: dict[str, str], tmp_path: Path) -> None:
    with running("listen", "--reply", "486", home=tmp_path, environ=account) as listener:
        listener.expect("registration.registered")
        peer.message(f"sip:alice@{DOMAIN}", TEXT)
        assert peer.expect("failed")["status"] == 486
        assert listener.end() == 130
