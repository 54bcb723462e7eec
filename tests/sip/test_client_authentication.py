"""Whose secret answers a challenge (RFC 3261 §22.2; SECURITY §1; PARAMETERS rows 71, 85, 100)."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from sipcli.config import Config
from sipcli.sip.client_authentication import ClientAuthentication
from sipcli.sip.digest import Credentials, parse_credentials
from sipcli.sip.identity import Identity
from sipcli.sip.ids import Ids
from sipcli.sip.message import Request, Response

REQUEST = Request("MESSAGE", "sip:bob@example.com", [("Call-ID", "c"), ("CSeq", "1 MESSAGE")])
CHALLENGE = 'Digest realm="r", nonce="n", algorithm=MD5, qop="auth"'


def authentication(**settings: Any) -> ClientAuthentication:
    ids = Ids(Random(1).randbytes)
    config = Config(**{"uri": "alice@example.com", **settings})
    return ClientAuthentication(config, Identity(config, ids), ids)


def challenge(*values: str) -> Response:
    headers = [("Call-ID", "c"), ("CSeq", "1 MESSAGE"), *[("WWW-Authenticate", value) for value in values]]
    return Response(401, "Unauthorized", headers)


@pytest.mark.parametrize(
    ("settings", "username", "knows"),
    [
        ({}, "alice", False),
        ({"password": "x"}, "alice", True),
        ({"authorization_ha1": "0" * 32}, "alice", True),
        ({"authorization_user": "al", "password": "x"}, "al", True),
        ({"uri": "sip:al%20ice@example.com"}, "al ice", False),
    ],
)
def test_rows_71_85_username_and_secret(settings: dict[str, Any], username: str, knows: bool) -> None:
    """The user part unless configured; a password, or its hash."""
    one = authentication(**settings)
    assert (one.username, one.knows_secret) == (username, knows)


def test_ha1_answers_only_its_algorithm() -> None:
    """An MD5 hash is no answer to SHA-256."""
    one = authentication(authorization_ha1="0" * 32)
    assert one.can_answer(challenge(CHALLENGE))
    assert not one.can_answer(challenge(CHALLENGE.replace("MD5", "SHA-256")))


def test_realm_of() -> None:
    """That of the challenge which would be answered."""
    one = authentication()
    assert one.realm_of(challenge("Basic realm=x", CHALLENGE)) == "r"
    assert one.realm_of(challenge("Basic realm=x")) is None
    assert one.realm_of(challenge()) is None


def test_provided_secret_is_forgotten_when_refused_and_a_configured_one_kept() -> None:
    """So that the next request asks again."""
    one = authentication()
    one.provide(Credentials("alice", "x"))
    assert one.knows_secret
    one.refused()
    assert one.preauthorize(REQUEST) is REQUEST
    other = authentication(password="x")
    other.refused()
    assert other.knows_secret


def test_answer_keeps_what_was_proved_before() -> None:
    """§22.3: a proxy's credentials, made anew; a header field of the user's own once."""
    one = authentication(password="x")
    mine = REQUEST.with_added("Authorization", "Bearer t")
    first = one.answer(
        mine,
        Response(407, "", [("Call-ID", "c"), ("CSeq", "1 MESSAGE"), ("Proxy-Authenticate", CHALLENGE)]),
        mine,
    )
    second = one.answer(mine, challenge(CHALLENGE.replace('"r"', '"s"')), first)
    assert parse_credentials(second.get("Proxy-Authorization") or "")["nc"] == "00000002"
    values = second.get_all("Authorization")
    assert values.count("Bearer t") == 1
    assert len(values) == 2
