"""Digest authentication of requests we send (RFC 3261 §22; RFC 7616; RFC 8760)."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipcli.sip import digest_scheme
from sipcli.sip.digest import (
    Challenge,
    Credentials,
    DigestClient,
    choose_challenge,
    digest_ha1,
    digest_response,
    hashed_username,
    parse_challenge,
    parse_credentials,
)
from sipcli.sip.digest_scheme import build_directives, parse_directives
from sipcli.sip.errors import ParseError
from sipcli.sip.ids import Ids
from sipcli.sip.message import Request, Response, build_response, parse, serialize

DATA = Path(__file__).parent.parent / "data" / "digest"
VECTORS = json.loads((DATA / "vectors.json").read_text("utf-8"))["vectors"]
CASES = json.loads((DATA / "challenges.json").read_text("utf-8"))["cases"]
ALL = ("SHA-512-256", "SHA-256", "MD5")
ALICE = Credentials("alice", "secret")


class Counter:
    """A source of octets that are all different and the same in every run."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, length: int) -> bytes:
        self.count += 1
        return self.count.to_bytes(length, "big")


def client(*algorithms: str) -> DigestClient:
    return DigestClient(algorithms or ALL, Ids(Counter()))


def build_request(
    method: str = "MESSAGE", uri: str = "sip:bob@example.com", *, cseq: int = 1, body: bytes = b""
) -> Request:
    return Request(
        method,
        uri,
        [
            ("Via", "SIP/2.0/WS alice.invalid;branch=z9hG4bK1"),
            ("To", f"<{uri}>"),
            ("From", "<sip:alice@example.com>;tag=a1"),
            ("Call-ID", "call-1"),
            ("CSeq", f"{cseq} {method}"),
            ("X-Last", "1"),
        ],
        body,
    )


def challenge_of(realm: str = "example.com", nonce: str = "n1", algorithm: str = "SHA-256", more: str = "") -> str:
    return f'Digest realm="{realm}", nonce="{nonce}", algorithm={algorithm}, qop="auth"{more}'


def refuse(request: Request, *values: str, proxy: bool = False) -> Response:
    """The 401 or 407 to ``request`` with these challenges, by way of the wire."""
    name = "Proxy-Authenticate" if proxy else "WWW-Authenticate"
    response = build_response(request, 407 if proxy else 401, to_tag="s1", headers=[(name, value) for value in values])
    parsed = parse(serialize(response))
    assert isinstance(parsed, Response)
    return parsed


def resend(request: Request) -> Request:
    """The next try, as the core makes it: CSeq one higher."""
    assert request.cseq is not None
    return request.with_header("CSeq", f"{request.cseq.number + 1} {request.method}")


def answer(digest: DigestClient, request: Request, *values: str, credentials: Credentials = ALICE) -> Request:
    """Return ``request`` as sent again after a 401 with these challenges."""
    return digest.authorize(resend(request), digest.challenged(refuse(request, *values)), credentials)


def sent(request: Request, name: str = "Authorization") -> dict[str, str]:
    """The directives of the only field ``name``."""
    [value] = request.get_all(name)
    return dict(parse_credentials(value))


def expected_response(directives: dict[str, str], request: Request, password: str = "secret") -> str:
    """What a server computes from what it got, for algorithms without -sess."""
    algorithm = directives["algorithm"]
    new = {"MD5": "md5", "SHA-256": "sha256", "SHA-512-256": "sha512_256"}[algorithm]

    def hash_(*parts: str) -> str:
        return hashlib.new(new, ":".join(parts).encode()).hexdigest()

    ha1 = hash_(directives["username"], directives["realm"], password)
    ha2 = hash_(request.method, directives["uri"])
    if "qop" not in directives:
        return hash_(ha1, directives["nonce"], ha2)
    return hash_(ha1, directives["nonce"], directives["nc"], directives["cnonce"], directives["qop"], ha2)


# The computation


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["id"])
def test_vector(vector: dict[str, Any]) -> None:
    """All vectors of the data: HA1, response, rspauth, user hash."""
    algorithm, nonce, cnonce = vector["algorithm"], vector["nonce"], vector["cnonce"]
    secret = Credentials(vector["username"], vector["password"]).secret_for(algorithm, vector["realm"])
    ha1 = digest_ha1(algorithm, secret, nonce, cnonce)
    assert ha1 == vector["ha1"]

    def compute(method: str) -> str:
        return digest_response(
            algorithm,
            ha1,
            method=method,
            uri=vector["uri"],
            nonce=nonce,
            nc=vector["nc"],
            cnonce=cnonce,
            qop=vector["qop"],
            body=vector["body"].encode(),
        )

    assert compute(vector["method"]) == vector["response"]
    if vector["rspauth"] is not None:
        assert compute("") == vector["rspauth"]
    if vector["userhash_value"] is not None:
        assert hashed_username(algorithm, vector["username"], vector["realm"]) == vector["userhash_value"]


def test_the_data_is_all_there() -> None:
    assert (len(VECTORS), len(CASES)) == (31, 14)


def test_an_unknown_algorithm_is_an_error_of_the_caller() -> None:
    with pytest.raises(ValueError, match="SHA-3000"):
        digest_response("SHA-3000", "00", method="X", uri="sip:a", nonce="n")


# Challenges


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_challenge_case(case: dict[str, Any]) -> None:
    """All cases of the data. Where they leave a policy open: the strongest wins."""
    algorithms = ("SHA-512-256", "SHA-256") if case.get("option") == "refuse-md5" else ALL
    pick = 1 if case["pick"] == "policy" else case["pick"]
    chosen = choose_challenge(case["challenges"], algorithms)
    if pick is None:
        assert chosen is None
        return
    assert chosen == parse_challenge(case["challenges"][pick])
    for name in ("algorithm", "realm", "nonce", "opaque", "stale"):
        if name in case:
            assert getattr(chosen, name) == case[name]
    if "qop" in case:
        assert chosen is not None
        assert chosen.quality == case["qop"]


@pytest.mark.parametrize(
    "order", [["MD5", "SHA-256", "SHA-512-256"], ["SHA-512-256", "SHA-256", "MD5"], ["SHA-256", "SHA-512-256", "MD5"]]
)
def test_the_strongest_wins_wherever_it_stands(order: Sequence[str]) -> None:
    values = [challenge_of(algorithm=algorithm) for algorithm in order]
    chosen = choose_challenge(values, ALL)
    assert chosen is not None
    assert chosen.algorithm == "SHA-512-256"


def test_the_algorithms_may_be_limited() -> None:
    values = [challenge_of(algorithm=algorithm) for algorithm in ("SHA-512-256", "SHA-256", "MD5-sess")]
    chosen = choose_challenge(values, ["md5"])
    assert chosen is not None
    assert chosen.algorithm == "MD5-sess"
    assert choose_challenge(values, []) is None


def test_an_algorithm_that_openssl_lacks_is_not_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    new = hashlib.new

    def without(name: str, *args: Any, **kwargs: Any) -> Any:
        if name == "sha512_256":
            raise ValueError("unsupported hash type sha512_256")
        return new(name, *args, **kwargs)

    digest_scheme._load_hash.cache_clear()
    monkeypatch.setattr(hashlib, "new", without)
    try:
        chosen = choose_challenge([challenge_of(algorithm="SHA-512-256"), challenge_of(algorithm="MD5")], ALL)
    finally:
        digest_scheme._load_hash.cache_clear()
    assert chosen is not None
    assert chosen.algorithm == "MD5"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Digest",
        "Digest ",
        "Basic realm=x",
        'Digest realm="a" nonce="b"',
        'Digest realm="a, nonce="b"',
        'Digest realm="a", nonce="b',
        'Digest realm="a", nonce=b\x07',
        'Digest realm="a\x00", nonce="b"',
        'Digest realm="a", nonce="b", =c',
        'Digest realm="a", nonce="b", c',
        'Digest realm="a", nonce="b", REALM="c"',
    ],
)
def test_what_is_no_digest_challenge_is_refused(text: str) -> None:
    with pytest.raises(ParseError):
        parse_challenge(text)


def test_empty_list_elements_and_unknown_directives_are_passed_over() -> None:
    challenge = parse_challenge('Digest , realm="r",, nonce=dGVzdA==, charset=UTF-8, domain="sip:x", ')
    assert challenge == Challenge("r", "dGVzdA==")
    assert len(parse_directives("a=1, ,B=2,")) == 2


@given(st.text())
def test_any_text_is_a_challenge_or_a_parse_error(text: str) -> None:
    for value in (text, "Digest " + text, 'Digest realm="r", nonce="n", ' + text):
        with contextlib.suppress(ParseError):
            parse_challenge(value)
        choose_challenge([value], ALL)


@given(st.text(st.characters(min_codepoint=32, exclude_characters="\x7f", codec="utf-8")))
def test_a_quoted_value_survives(value: str) -> None:
    assert parse_directives(build_directives({"realm": value}))["realm"] == value


# Credentials


def test_secrets_are_not_shown() -> None:
    shown = repr(Credentials("alice", "hunter2", "0123456789abcdef" * 2))
    assert "alice" in shown
    assert "hunter2" not in shown
    assert "0123456789abcdef" not in shown


@pytest.mark.parametrize("ha1", ["", "xyz", "0" * 31, "0" * 40, "SHA-256:" + "0" * 32, "MD5:" + "0" * 64])
def test_what_is_no_ha1_is_refused(ha1: str) -> None:
    with pytest.raises(ValueError, match="HA1"):
        Credentials("alice", ha1=ha1)


@pytest.mark.parametrize("vector", [v for v in VECTORS if v["qop"] == "auth"], ids=lambda vector: vector["id"])
def test_ha1_answers_as_the_password_does(vector: dict[str, Any]) -> None:
    """HA1 = H(username:realm:password), also where the session's key is derived from it."""
    algorithm, realm = vector["algorithm"], vector["realm"]
    base = algorithm.removesuffix("-sess")
    new = {"MD5": "md5", "SHA-256": "sha256", "SHA-512-256": "sha512_256"}[base]
    ha1 = hashlib.new(new, f"{vector['username']}:{realm}:{vector['password']}".encode()).hexdigest()
    credentials = Credentials(vector["username"], ha1=f"{base}:{ha1.upper()}")
    assert credentials.usable_with(algorithm)
    secret = credentials.secret_for(algorithm, realm)
    assert digest_ha1(algorithm, secret, vector["nonce"], vector["cnonce"]) == vector["ha1"]


def test_ha1_is_for_one_algorithm() -> None:
    """Bare, 32 digits are MD5 and 64 SHA-256; a better challenge is passed over for one that HA1 answers."""
    md5 = Credentials("alice", ha1=hashlib.md5(b"alice:example.com:secret").hexdigest())
    assert [md5.usable_with(algorithm) for algorithm in ("MD5", "MD5-sess", "SHA-256")] == [True, True, False]
    sha = Credentials("alice", ha1="0" * 64)
    assert [sha.usable_with(algorithm) for algorithm in ("MD5", "SHA-256", "SHA-512-256")] == [False, True, False]
    with pytest.raises(ValueError, match="MD5"):
        sha.secret_for("MD5", "example.com")

    digest = client()
    request = build_request()
    response = refuse(request, challenge_of(algorithm="SHA-256"), challenge_of(algorithm="MD5"))
    [challenge] = digest.challenged(response, md5)
    assert challenge.algorithm == "MD5"
    directives = sent(digest.authorize(resend(request), [challenge], md5))
    assert directives["response"] == expected_response(directives, request)


def test_a_challenge_that_the_ha1_does_not_fit_is_not_answered() -> None:
    md5 = Credentials("alice", ha1="0" * 32)
    digest = client()
    request = build_request()
    assert digest.challenged(refuse(request, challenge_of(algorithm="SHA-256")), md5) == []
    assert digest.authorize(request, [Challenge("r", "n", "SHA-256")], md5) == request


# Answers on the wire


def test_the_answer_is_written_as_sip_servers_like_it() -> None:
    """algorithm, qop and nc stand without quotes, everything else in them (RFC 3261 §22.4, §25.1)."""
    request = build_request("REGISTER", "sip:example.com")
    authorized = answer(client(), request, challenge_of(more=', opaque="o\\"1"'))
    value = authorized.get("Authorization")
    assert value is not None
    directives = dict(parse_credentials(value))
    assert value == (
        'Digest username="alice", realm="example.com", nonce="n1", uri="sip:example.com", '
        f'response="{expected_response(directives, request)}", algorithm=SHA-256, cnonce="0000000000000001", '
        'opaque="o\\"1", qop=auth, nc=00000001'
    )
    names = [name for name, _ in authorized.headers]
    assert names[names.index("CSeq") + 1] == "Authorization"
    assert [field for field in authorized.headers if field[0] != "Authorization"] == list(resend(request).headers)
    authorized.validate()


def test_the_old_form_has_neither_qop_nor_count() -> None:
    request = build_request()
    directives = sent(answer(client(), request, 'Digest realm="r", nonce="n1"'))
    assert directives.keys() == {"username", "realm", "nonce", "uri", "response", "algorithm"}
    assert directives["response"] == expected_response(directives, request)


def test_auth_int_is_answered_when_it_is_alone() -> None:
    """Over the real body, unlike SIP.js (RFC 7616 §3.4.3)."""
    request = build_request(body=b"Hello, Bob!")
    directives = sent(answer(client(), request, 'Digest realm="r", nonce="n1", qop="auth-int"'))
    assert directives["qop"] == "auth-int"
    ha1 = hashlib.md5(b"alice:r:secret").hexdigest()
    ha2 = hashlib.md5(b"MESSAGE:sip:bob@example.com:" + hashlib.md5(b"Hello, Bob!").hexdigest().encode()).hexdigest()
    text = f"{ha1}:n1:00000001:{directives['cnonce']}:auth-int:{ha2}"
    assert directives["response"] == hashlib.md5(text.encode()).hexdigest()


@pytest.mark.parametrize("qop", [', qop="auth"', ""])
def test_a_session_key_is_made_from_nonce_and_cnonce(qop: str) -> None:
    """-sess without qop needs the cnonce in the answer all the same."""
    directives = sent(answer(client(), build_request(), f'Digest realm="r", nonce="n1", algorithm=MD5-sess{qop}'))
    assert directives["algorithm"] == "MD5-sess"
    assert directives["cnonce"]
    first = hashlib.md5(b"alice:r:secret").hexdigest()
    ha1 = hashlib.md5(f"{first}:n1:{directives['cnonce']}".encode()).hexdigest()
    ha2 = hashlib.md5(b"MESSAGE:sip:bob@example.com").hexdigest()
    middle = f"00000001:{directives['cnonce']}:auth:" if qop else ""
    assert directives["response"] == hashlib.md5(f"{ha1}:n1:{middle}{ha2}".encode()).hexdigest()


def test_the_user_name_is_hashed_when_asked_for() -> None:
    """RFC 7616 §3.4.4."""
    directives = sent(answer(client(), build_request(), challenge_of(more=", userhash=true")))
    assert directives["userhash"] == "true"
    assert directives["username"] == hashlib.sha256(b"alice:example.com").hexdigest()


def test_names_and_passwords_are_utf_8() -> None:
    request = build_request()
    credentials = Credentials("Jäsøn", "pässwört ☃")
    authorized = answer(client(), request, challenge_of(realm="größe"), credentials=credentials)
    assert 'username="Jäsøn"'.encode() in serialize(authorized)
    directives = sent(authorized)
    assert directives["response"] == expected_response(directives, request, "pässwört ☃")


def test_a_realm_that_is_not_utf_8_goes_back_as_it_came() -> None:
    request = build_request()
    response = build_response(request, 401, headers=[("WWW-Authenticate", challenge_of(realm="R"))])
    parsed = parse(serialize(response).replace(b'"R"', b'"\xff\xfe"'))
    assert isinstance(parsed, Response)
    digest = client()
    authorized = digest.authorize(resend(request), digest.challenged(parsed), ALICE)
    assert b'realm="\xff\xfe"' in serialize(authorized)


def test_a_challenge_with_control_characters_is_not_answered() -> None:
    request = build_request()
    response = build_response(request, 401, headers=[("WWW-Authenticate", challenge_of(nonce="N"))])
    parsed = parse(serialize(response).replace(b'"N"', b'"\x00"'))
    assert isinstance(parsed, Response)
    assert client().challenged(parsed) == []


# Several realms, several tries


def test_one_answer_for_each_realm() -> None:
    """RFC 3261 §22.3: a 401 or 407 may carry challenges of several servers, WWW and Proxy together."""
    request = build_request()
    digest = client()
    response = refuse(request, challenge_of("a"), challenge_of("b"), challenge_of("a", algorithm="MD5"))
    response = response.with_added("Proxy-Authenticate", challenge_of("a", nonce="p1"))
    challenges = digest.challenged(response)
    assert [(c.proxy, c.realm, c.algorithm) for c in challenges] == [
        (False, "a", "SHA-256"),
        (False, "b", "SHA-256"),
        (True, "a", "SHA-256"),
    ]
    authorized = digest.authorize(resend(request), challenges, ALICE)
    assert [parse_credentials(value)["realm"] for value in authorized.get_all("Authorization")] == ["a", "b"]
    assert sent(authorized, "Proxy-Authorization")["nonce"] == "p1"


def test_a_407_and_then_a_401() -> None:
    """The proxy's credentials stay, with a new count: the request is another (RFC 3261 §22.3)."""
    request = build_request()
    digest = client()
    first = digest.authorize(
        resend(request), digest.challenged(refuse(request, challenge_of("proxy"), proxy=True)), ALICE
    )
    challenges = digest.challenged(refuse(first, challenge_of("server")))
    second = digest.authorize(resend(first), challenges, ALICE)
    assert sent(second, "Proxy-Authorization")["nc"] == "00000002"
    assert sent(second)["nc"] == "00000001"
    assert sent(second)["realm"] == "server"


def test_a_401_and_a_407_that_loop_end() -> None:
    """Refused without ``stale``, credentials are not sent again to that realm."""
    request = build_request()
    digest = client()
    first = answer(digest, request, challenge_of())
    assert digest.challenged(refuse(first, challenge_of(nonce="n2"))) == []


def test_a_stale_nonce_is_replaced() -> None:
    request = build_request()
    digest = client()
    first = answer(digest, request, challenge_of())
    second = answer(digest, first, challenge_of(nonce="n2", more=", stale=TRUE"))
    directives = sent(second)
    assert (directives["nonce"], directives["nc"]) == ("n2", "00000001")
    assert directives["cnonce"] != sent(first)["cnonce"]


def test_a_foreign_scheme_stays_in_the_request() -> None:
    request = build_request().with_added("Authorization", "Bearer abc")
    authorized = answer(client(), request, challenge_of())
    assert "Bearer abc" in authorized.get_all("Authorization")
    assert len(authorized.get_all("Authorization")) == 2


@pytest.mark.parametrize("stronger", ["SHA-256", "SHA-512-256"])
def test_no_md5_after_something_better(stronger: str) -> None:
    """Once SHA-256 was seen for a realm no MD5 in the same run, whatever the next challenge says."""
    digest = client()
    request = build_request()
    assert digest.challenged(refuse(request, challenge_of(algorithm=stronger), challenge_of(algorithm="MD5")))
    assert digest.challenged(refuse(request, challenge_of(algorithm="MD5"))) == []
    assert digest.challenged(refuse(request, challenge_of("other", algorithm="MD5")))


def test_an_unusable_algorithm_does_not_rule_out_md5() -> None:
    digest = client("MD5")
    request = build_request()
    assert digest.challenged(refuse(request, challenge_of(algorithm="SHA-256"))) == []
    assert digest.challenged(refuse(request, challenge_of(algorithm="MD5")))


def succeed(digest: DigestClient, request: Request, *values: str, info: str | None = None) -> Request:
    """Challenge, answer and accept ``request``; return it as accepted."""
    authorized = answer(digest, request, *values)
    headers = [] if info is None else [("Authentication-Info", info)]
    digest.authenticated(build_response(authorized, 200, to_tag="s1", headers=headers))
    return authorized


def test_the_realm_is_pinned_by_the_first_success() -> None:
    """Afterwards nobody else's challenge is answered (the SIP digest leak)."""
    digest = client()
    request = build_request()
    assert digest.challenged(refuse(request, challenge_of("evil")))
    succeed(digest, request, challenge_of("example.com"))
    later = build_request(cseq=10)
    assert digest.challenged(refuse(later, challenge_of("evil"))) == []
    assert digest.challenged(refuse(later, challenge_of("example.com", nonce="n2")))


@pytest.mark.parametrize("status", [183, 401, 403, 404, 486])
def test_only_a_2xx_is_a_success(status: int) -> None:
    digest = client()
    authorized = answer(digest, build_request(), challenge_of())
    digest.authenticated(build_response(authorized, status, to_tag="s1"))
    assert digest.challenged(refuse(build_request(cseq=10), challenge_of("other")))
    assert digest.preauthorize(build_request(cseq=11), ALICE).get("Authorization") is None


# Reuse of a nonce


def test_a_known_nonce_is_reused_with_a_growing_count() -> None:
    """RFC 7616 §3.4: unlike SIP.js, which repeats nc=00000001 and is challenged again."""
    digest = client()
    accepted = succeed(digest, build_request("REGISTER", "sip:example.com"), challenge_of())
    request = build_request(cseq=10)
    second = digest.preauthorize(request, ALICE)
    third = digest.preauthorize(build_request(cseq=11), ALICE)
    assert [sent(r)["nc"] for r in (accepted, second, third)] == ["00000001", "00000002", "00000003"]
    assert len({sent(r)["cnonce"] for r in (accepted, second, third)}) == 1
    directives = sent(second)
    assert directives["uri"] == "sip:bob@example.com"
    assert directives["response"] == expected_response(directives, request)


def test_nothing_is_known_at_first() -> None:
    request = build_request()
    assert client().preauthorize(request, ALICE) is request


def test_a_nonce_is_for_the_domain_that_took_it() -> None:
    digest = client()
    succeed(digest, build_request("REGISTER", "sip:example.com"), challenge_of())
    for uri in ("sip:bob@other.example", "tel:+15551234", "urn:service:sos"):
        request = build_request(uri=uri, cseq=10)
        assert digest.preauthorize(request, ALICE) is request
    assert digest.preauthorize(build_request(uri="sip:bob@EXAMPLE.com", cseq=11), ALICE).get("Authorization")


def test_a_second_domain_of_the_same_realm_is_learnt() -> None:
    digest = client()
    succeed(digest, build_request(), challenge_of())
    succeed(digest, build_request(uri="sip:bob@other.example", cseq=10), challenge_of(nonce="n2"))
    for uri in ("sip:bob@other.example", "sip:bob@example.com"):
        assert sent(digest.preauthorize(build_request(uri=uri, cseq=20), ALICE))["nonce"] == "n2"


def test_a_reused_nonce_that_is_refused_is_replaced_once() -> None:
    """A server that was restarted need not say ``stale``; it was not our password that it refused."""
    digest = client()
    succeed(digest, build_request(), challenge_of())
    reused = digest.preauthorize(build_request(cseq=10), ALICE)
    again = answer(digest, reused, challenge_of(nonce="n2"))
    assert sent(again)["nonce"] == "n2"
    assert digest.challenged(refuse(again, challenge_of(nonce="n3"))) == []


def test_the_same_nonce_again_goes_on_counting() -> None:
    digest = client()
    first = answer(digest, build_request(), challenge_of())
    other = answer(digest, build_request(cseq=10), challenge_of())
    assert [sent(r)["nc"] for r in (first, other)] == ["00000001", "00000002"]


def test_a_nonce_is_not_reused_with_a_secret_that_does_not_fit() -> None:
    digest = client()
    succeed(digest, build_request(), challenge_of())
    request = build_request(cseq=10)
    assert digest.preauthorize(request, Credentials("alice", ha1="0" * 32)) is request


def rspauth(request: Request, body: bytes = b"") -> str:
    """What the server that took ``request`` says of itself."""
    directives = sent(request)
    ha1 = hashlib.sha256(b"alice:example.com:secret").hexdigest()
    return digest_response(
        "SHA-256",
        ha1,
        method="",
        uri=directives["uri"],
        nonce=directives["nonce"],
        nc=directives["nc"],
        cnonce=directives["cnonce"],
        qop="auth",
        body=body,
    )


def test_nextnonce_is_the_nonce_to_use() -> None:
    """RFC 7616 §3.5."""
    digest = client()
    accepted = succeed(digest, build_request(), challenge_of(), info='nextnonce="n2"')
    directives = sent(digest.preauthorize(build_request(cseq=10), ALICE))
    assert (directives["nonce"], directives["nc"]) == ("n2", "00000001")
    assert directives["cnonce"] != sent(accepted)["cnonce"]


def test_the_proxy_s_nextnonce_comes_in_its_own_field() -> None:
    """RFC 7615 §4."""
    digest = client()
    request = build_request()
    challenges = digest.challenged(refuse(request, challenge_of(), proxy=True))
    authorized = digest.authorize(resend(request), challenges, ALICE)
    headers = [("Authentication-Info", 'nextnonce="x"'), ("Proxy-Authentication-Info", 'nextnonce="n2"')]
    digest.authenticated(build_response(authorized, 200, to_tag="s1", headers=headers))
    reused = digest.preauthorize(build_request(cseq=10), ALICE)
    assert sent(reused, "Proxy-Authorization")["nonce"] == "n2"


def test_a_server_that_shows_the_secret_is_believed() -> None:
    digest = client()
    authorized = answer(digest, build_request(), challenge_of())
    info = f'rspauth="{rspauth(authorized)}", nextnonce="n2", qop=auth, nc=00000001'
    digest.authenticated(build_response(authorized, 200, to_tag="s1", headers=[("Authentication-Info", info)]))
    assert sent(digest.preauthorize(build_request(cseq=10), ALICE))["nonce"] == "n2"


def test_a_server_that_does_not_know_the_secret_teaches_nothing() -> None:
    digest = client()
    succeed(digest, build_request(), challenge_of(), info=f'rspauth="{"0" * 64}", nextnonce="n2"')
    request = build_request(cseq=10)
    assert digest.preauthorize(request, ALICE) is request
    assert digest.challenged(refuse(request, challenge_of("other")))


@pytest.mark.parametrize("info", ["", "nonsense", 'nextnonce="a", nextnonce="b"', 'nextnonce=""', "nextnonce"])
def test_an_odd_authentication_info_is_ignored(info: str) -> None:
    digest = client()
    succeed(digest, build_request(), challenge_of(), info=info)
    assert sent(digest.preauthorize(build_request(cseq=10), ALICE))["nonce"] == "n1"


def test_a_response_to_nothing_is_ignored() -> None:
    digest = client()
    for odd in (build_request(cseq=99), build_request().without("CSeq"), build_request().with_header("CSeq", "x")):
        digest.authenticated(build_response(odd, 200, to_tag="s1"))
        assert digest.challenged(refuse(odd)) == []


def test_a_request_without_a_readable_uri_is_authorized_too() -> None:
    request = build_request(uri="sip:")
    directives = sent(answer(client(), request, challenge_of()))
    assert directives["uri"] == "sip:"


def test_a_request_without_cseq_is_authorized_and_not_remembered() -> None:
    digest = client()
    request = build_request().without("CSeq")
    authorized = digest.authorize(request, [parse_challenge(challenge_of())], ALICE)
    assert authorized.headers[-1][0] == "Authorization"
    digest.authenticated(build_response(authorized, 200, to_tag="s1"))
    assert digest.preauthorize(request, ALICE) is request


def test_what_peers_make_us_remember_is_bounded() -> None:
    digest = client()
    for number in range(2000):
        uri = f"sip:bob@domain{number}.example"
        succeed(digest, build_request(uri=uri, cseq=2 * number + 1), challenge_of(nonce=f"n{number}"))
        answer(digest, build_request(uri=uri, cseq=10_000 + 2 * number), challenge_of(nonce=f"m{number}"))
    assert len(digest._answers) <= 1024
    [session] = digest._sessions.values()
    assert len(session.domains) <= 64
