"""Real peers as fixtures; a missing one is a skip with its name, or a failure where SIPCLI_REQUIRE_PEERS is set."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.certificates import Authority
from tests.peers.kamailio import Kamailio
from tests.peers.user_agent import UserAgentProcess

_HERE = Path(__file__).parent


def _require(found: bool, what: str) -> None:
    if found:
        return
    reason = f"{what} is not installed: tests/peers/install.sh installs it"
    if os.environ.get("SIPCLI_REQUIRE_PEERS"):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def needs_kamailio() -> None:
    """Skip, or fail in CI, where Kamailio or its WebSocket module is missing."""
    found = shutil.which("kamailio", path=os.environ.get("PATH", "") + ":/usr/sbin") is not None
    module = any(Path("/usr/lib").glob("*/kamailio/modules/websocket.so"))
    _require(found and module, "Debian's kamailio with kamailio-websocket-modules")


@pytest.fixture(scope="session")
def needs_user_agents() -> None:
    """Skip, or fail in CI, where node, JsSIP or SIP.js is missing."""
    _require(shutil.which("node") is not None, "node")
    for package in ("jssip", "sip.js", "ws"):
        _require((_HERE / "node_modules" / package).is_dir(), f"npm's {package}")


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """A private CA, with a certificate for localhost and 127.0.0.1."""
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def kamailio(
    needs_kamailio: None, authority: Authority, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Kamailio]:
    """A server with MD5 digest, over ws:// and wss://."""
    certificate, key = authority.issue("127.0.0.1", "localhost")
    with Kamailio(tmp_path_factory.mktemp("kamailio"), certificate=certificate, key=key) as server:
        yield server


@pytest.fixture
def jssip(needs_user_agents: None, kamailio: Kamailio) -> Iterator[UserAgentProcess]:
    """JsSIP in node, registered at Kamailio as carol."""
    with UserAgentProcess("jssip_peer.js", kamailio.url, "carol") as peer:
        yield peer


@pytest.fixture
def sipjs(needs_user_agents: None, kamailio: Kamailio) -> Iterator[UserAgentProcess]:
    """SIP.js in node, registered at Kamailio as dave."""
    with UserAgentProcess("sipjs_peer.js", kamailio.url, "dave") as peer:
        yield peer
