"""Digest authentication of requests we receive (RFC 3261 §22.1; RFC 7616 §3.3, §3.4), against our own client."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipcli.sip.digest import Credentials, DigestClient, parse_challenge, parse_credentials
from sipcli.sip.digest_scheme import build_directives, parse_directives
from sipcli.sip.digest_server import DigestServer, Verdict
from sipcli.sip.ids import Ids
from sipcli.sip.message import Request, build_response
from tests.sip.test_digest import Counter, build_request, resend

ALICE = Credentials("alice", "secret")
ALGORITHMS = ("MD5", "MD5-sess", "SHA-256", "SHA-256-sess", "SHA-512-256", "SHA-512-256-sess")


def make_server(
    *algorithms: str, nonce_lifetime: float = 300.0, qop: tuple[str, ...] = ("auth", "auth-int")
) -> DigestServer:
    return DigestServer(
        "example.com", algorithms or ("SHA-256", "MD5"), Ids(Counter()), nonce_lifetime=nonce_lifetime, qop=qop
    )


def authorize(
    server: DigestServer,
    request: Request,
    *,
    credentials: Credentials = ALICE,
    digest: DigestClient | None = None,
    now: float = 0.0,
) -> Request:
    """Return ``request`` as our own client sends it after the server's challenge."""
    digest = digest or DigestClient(ALGORITHMS, Ids(Counter()))
    headers = [("WWW-Authenticate", value) for value in server.challenges(now)]
    challenges = digest.challenged(build_response(request, 401, headers=headers))
    return digest.authorize(resend(request), challenges, credentials)


def value_of(request: Request) -> str:
    value = request.get("Authorization")
    assert value is not None
    return value


def changed(request: Request, **directives: str) -> str:
    """The credentials of ``request`` with some directives replaced, or removed when empty."""
    values = dict(parse_credentials(value_of(request))) | directives
    return "Digest " + build_directives({name: value for name, value in values.items() if value})


def test_challenges_stand_strongest_first() -> None:
    values = make_server("MD5", "sha-512-256", "SHA-256").challenges(0.0)
    challenges = [parse_challenge(value) for value in values]
    assert [challenge.algorithm for challenge in challenges] == ["SHA-512-256", "SHA-256", "MD5"]
    assert {(c.realm, c.qop, c.stale) for c in challenges} == {("example.com", ("auth", "auth-int"), False)}
    assert 'algorithm=SHA-256, qop="auth,auth-int"' in values[1]
    assert parse_challenge(make_server().challenges(0.0, stale=True)[0]).stale


def test_an_algorithm_that_is_not_there_is_refused() -> None:
    with pytest.raises(ValueError, match="SHA-3000"):
        make_server("SHA-3000")


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("qop", [("auth",), ("auth-int",), ("auth", "auth-int"), ()])
def test_our_own_client_is_accepted(algorithm: str, qop: tuple[str, ...]) -> None:
    server = make_server(algorithm, qop=qop)
    request = authorize(server, build_request(body=b"Gr\xc3\xbc\xc3\x9fe"))
    assert server.verify(value_of(request), request, ALICE, 1.0) is Verdict.ACCEPTED


@pytest.mark.parametrize("credentials", [Credentials("alice", "wrong"), Credentials("bob", "secret")])
def test_other_credentials_are_wrong(credentials: Credentials) -> None:
    server = make_server()
    request = authorize(server, build_request(), credentials=credentials)
    assert server.verify(value_of(request), request, ALICE, 1.0) is Verdict.WRONG


def test_a_server_may_know_the_ha1_only() -> None:
    server = make_server("SHA-256")
    request = authorize(server, build_request())
    ha1 = Credentials("alice", ha1=ALICE.secret_for("SHA-256", "example.com"))
    assert server.verify(value_of(request), request, ha1, 1.0) is Verdict.ACCEPTED
    assert server.verify(value_of(request), request, Credentials("alice", ha1="0" * 32), 1.0) is Verdict.WRONG


def test_credentials_are_for_one_request() -> None:
    """Neither another method nor another Request-URI nor, with auth-int, another body will do."""
    server = make_server(qop=("auth-int",))
    request = authorize(server, build_request(body=b"pay 1"))
    value = value_of(request)
    for other in (
        build_request("OPTIONS", body=b"pay 1"),
        build_request(uri="sip:carol@example.com", body=b"pay 1"),
        build_request(uri="tel:+1", body=b"pay 1"),
        build_request(uri="sip:", body=b"pay 1"),
        build_request(body=b"pay 2"),
    ):
        assert server.verify(value, other, ALICE, 1.0) is Verdict.WRONG


def test_the_uri_may_be_spelt_differently() -> None:
    """RFC 7616 §3.4.6: proxies may rewrite the Request-URI within its meaning."""
    server = make_server()
    request = authorize(server, build_request(uri="sip:bob@EXAMPLE.com"))
    assert server.verify(value_of(request), build_request(), ALICE, 1.0) is Verdict.ACCEPTED


@pytest.mark.parametrize(
    "directives",
    [
        {"realm": "other"},
        {"realm": ""},
        {"nonce": ""},
        {"username": ""},
        {"uri": ""},
        {"response": ""},
        {"response": "é"},
        {"algorithm": "MD5"},
        {"algorithm": "SHA-512-256"},
        {"algorithm": "nonsense"},
        {"cnonce": ""},
        {"nc": ""},
        {"nc": "1"},
        {"nc": "0000000x"},
        {"nc": "٠٠٠٠٠٠٠١"},
        {"nc": "00000002"},
        {"qop": "auth-conf"},
        {"qop": ""},
    ],
    ids=str,
)
def test_credentials_that_were_tampered_with_are_wrong(directives: dict[str, str]) -> None:
    server = make_server()
    request = authorize(server, build_request())
    assert server.verify(changed(request, **directives), request, ALICE, 1.0) is Verdict.WRONG
    assert server.verify(value_of(request), request, ALICE, 1.0) is Verdict.ACCEPTED


@given(st.text())
def test_any_text_is_judged(text: str) -> None:
    server = make_server()
    for value in (text, "Digest " + text):
        assert server.verify(value, build_request(), ALICE, 0.0) is Verdict.WRONG


def test_a_hashed_user_name_is_recognised() -> None:
    """RFC 7616 §3.4.4."""
    server = make_server("SHA-256")
    [value] = server.challenges(0.0)
    request = build_request()
    digest = DigestClient(ALGORITHMS, Ids(Counter()))
    response = build_response(request, 401, headers=[("WWW-Authenticate", value + ", userhash=true")])
    authorized = digest.authorize(resend(request), digest.challenged(response), ALICE)
    assert parse_credentials(value_of(authorized))["username"] != "alice"
    assert server.verify(value_of(authorized), authorized, ALICE, 1.0) is Verdict.ACCEPTED
    assert server.verify(value_of(authorized), authorized, Credentials("bob", "secret"), 1.0) is Verdict.WRONG


def test_a_replay_is_stale() -> None:
    server = make_server()
    request = authorize(server, build_request())
    verdicts = [server.verify(value_of(request), request, ALICE, 1.0) for _ in range(3)]
    assert verdicts == [Verdict.ACCEPTED, Verdict.STALE, Verdict.STALE]


def test_a_growing_count_is_accepted_and_a_shrinking_one_is_stale() -> None:
    server = make_server()
    digest = DigestClient(ALGORITHMS, Ids(Counter()))
    first = authorize(server, build_request(), digest=digest)
    digest.authenticated(build_response(first, 200, to_tag="s1"))
    second = digest.preauthorize(build_request(cseq=10), ALICE)
    third = digest.preauthorize(build_request(cseq=11), ALICE)
    verdicts = [server.verify(value_of(r), r, ALICE, 1.0) for r in (first, third, second)]
    assert verdicts == [Verdict.ACCEPTED, Verdict.ACCEPTED, Verdict.STALE]


def test_the_old_form_is_good_for_once() -> None:
    server = make_server("MD5", qop=())
    request = authorize(server, build_request())
    verdicts = [server.verify(value_of(request), request, ALICE, 1.0) for _ in range(2)]
    assert verdicts == [Verdict.ACCEPTED, Verdict.STALE]


def test_a_nonce_expires() -> None:
    server = make_server(nonce_lifetime=10.0)
    request = authorize(server, build_request(), now=100.0)
    assert server.verify(value_of(request), request, ALICE, 110.1) is Verdict.STALE
    assert server.verify(value_of(request), request, ALICE, 109.9) is Verdict.ACCEPTED


def test_a_nonce_of_another_server_is_stale() -> None:
    """As after a restart: the secret is right, so the user need not be asked again (RFC 7616 §3.3)."""
    request = authorize(make_server(), build_request())
    restarted = DigestServer("example.com", ["SHA-256"], Ids(lambda length: bytes(range(7, 7 + length))))
    assert restarted.verify(value_of(request), request, ALICE, 1.0) is Verdict.STALE
    assert restarted.verify(value_of(request), request, Credentials("alice", "wrong"), 1.0) is Verdict.WRONG


def test_challenges_cost_no_memory_and_counts_are_bounded() -> None:
    """What is forgotten must not be replayed."""
    server = make_server("SHA-256")
    first = authorize(server, build_request(), now=0.0)
    assert server.verify(value_of(first), first, ALICE, 1.0) is Verdict.ACCEPTED
    for number in range(4096):
        now = 1.0 + number / 1000
        request = authorize(server, build_request(), now=now)
        assert server.verify(value_of(request), request, ALICE, now) is Verdict.ACCEPTED
    assert len(server._counts) == 4096
    assert server.verify(value_of(first), first, ALICE, 6.0) is Verdict.STALE


@pytest.mark.parametrize("qop", [("auth",), ("auth-int",), ()])
def test_the_server_shows_that_it_knows_the_secret(qop: tuple[str, ...]) -> None:
    """Our client believes what ``authentication_info`` gives, and nothing else (RFC 7616 §3.5)."""
    server = make_server(qop=qop)
    digest = DigestClient(ALGORITHMS, Ids(Counter()))
    request = authorize(server, build_request(), digest=digest)
    info = server.authentication_info(value_of(request), b"done", ALICE)
    assert "rspauth" in parse_directives(info)
    response = build_response(
        request, 200, to_tag="s1", headers=[("Authentication-Info", info)], body=b"done", content_type="text/plain"
    )
    digest.authenticated(response)
    assert digest.preauthorize(build_request(cseq=10), ALICE).get("Authorization") is not None
