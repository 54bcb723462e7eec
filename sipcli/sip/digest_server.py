"""Digest authentication of the requests we receive (RFC 3261 §22.1; RFC 7616 §3.3, §3.4; RFC 8760)."""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from enum import Enum

from sipcli.sip.digest_scheme import (
    Challenge,
    Credentials,
    Directives,
    build_directives,
    canonical_algorithm,
    digest_ha1,
    digest_response,
    hashed_username,
    parse_credentials,
)
from sipcli.sip.errors import ParseError
from sipcli.sip.ids import Ids
from sipcli.sip.message import Request
from sipcli.sip.uri import URI, parse_uri

__all__ = ["DigestServer", "Verdict"]

# Nonces whose counts are kept.
_MAX_NONCES = 4096


class Verdict(Enum):
    """What credentials amount to; ``STALE``: right but for their nonce, to be challenged with ``stale=true``."""

    ACCEPTED = "accepted"
    STALE = "stale"
    WRONG = "wrong"


class DigestServer:
    """Makes challenges for one realm and judges credentials.

    A nonce holds its time and a keyed hash of it, so a challenge costs no memory; only counts of nonces that were
    used with the right secret are kept.
    """

    __slots__ = ("_algorithms", "_counts", "_ids", "_key", "_lifetime", "_not_before", "_qop", "_realm")

    def __init__(
        self,
        realm: str,
        algorithms: Sequence[str],
        ids: Ids,
        *,
        nonce_lifetime: float = 300.0,
        qop: Sequence[str] = ("auth", "auth-int"),
    ) -> None:
        """``nonce_lifetime`` is in seconds; ``qop`` may be empty for the form of RFC 2069."""
        offers = [Challenge(realm, "-", canonical_algorithm(algorithm)) for algorithm in algorithms]
        for offer in offers:
            if not offer.usable([offer.algorithm]):
                raise ValueError(f"digest algorithm {offer.algorithm!r} is not available")
        # RFC 8760 §2.4: in order of preference.
        self._algorithms = [offer.algorithm for offer in sorted(offers, key=lambda offer: -offer.strength)]
        self._realm = realm
        self._ids = ids
        self._lifetime = nonce_lifetime
        self._qop = tuple(qop)
        self._key = ids.token(32).encode()
        self._counts: dict[str, int] = {}
        self._not_before = -1.0

    def challenges(self, now: float, *, stale: bool = False) -> list[str]:
        """Return the values of WWW-Authenticate or Proxy-Authenticate, strongest first."""
        nonce = self._make_nonce(now)
        values = []
        for algorithm in self._algorithms:
            directives = {"realm": self._realm, "nonce": nonce, "algorithm": algorithm}
            if self._qop:
                directives["qop"] = ",".join(self._qop)
            if stale:
                directives["stale"] = "true"
            values.append("Digest " + build_directives(directives, quoted_qop=True))
        return values

    def verify(self, value: str, request: Request, credentials: Credentials, now: float) -> Verdict:
        """Judge an Authorization or Proxy-Authorization value against what ``credentials`` would have sent."""
        try:
            directives = parse_credentials(value)
            right = self._is_right(directives, request, credentials)
        except ParseError:
            right = False
        if not right:
            return Verdict.WRONG
        nonce = directives["nonce"]
        if not self._is_fresh(nonce, now):
            return Verdict.STALE
        # RFC 7616 §3.4: a count that does not grow is a replay. The form without qop has none, and is good for once.
        count = int(directives["nc"], 16) if "qop" in directives else 1
        if count <= self._counts.get(nonce, 0):
            return Verdict.STALE
        self._counts.pop(nonce, None)
        self._counts[nonce] = count
        if len(self._counts) > _MAX_NONCES:
            # The one unused for longest. Its count is lost, so it, and what is older, must not come again.
            forgotten = next(iter(self._counts))
            del self._counts[forgotten]
            self._not_before = max(self._not_before, _issued(forgotten))
        return Verdict.ACCEPTED

    def authentication_info(self, value: str, body: bytes, credentials: Credentials) -> str:
        """Return an Authentication-Info value, ``rspauth`` and all (RFC 7616 §3.5), for credentials just accepted.

        ``body`` is that of the response to be sent.
        """
        directives = parse_credentials(value)
        info = {"rspauth": self._response_of(directives, "", body, credentials)}
        if "qop" in directives:
            info |= {"qop": directives["qop"], "cnonce": directives["cnonce"], "nc": directives["nc"]}
        return build_directives(info)

    def _is_right(self, directives: Directives, request: Request, credentials: Credentials) -> bool:
        algorithm = _algorithm_of(directives)
        if algorithm not in self._algorithms or not credentials.usable_with(algorithm):
            return False
        if directives.get("realm") != self._realm or not directives.get("nonce"):
            return False
        username = credentials.username
        if directives.get("userhash", "").lower() == "true":
            username = hashed_username(algorithm, username, self._realm)
        if directives.get("username") != username:
            return False
        qop = directives.get("qop")
        if qop is not None:
            if qop not in self._qop or not directives.get("cnonce"):
                return False
            nc = directives.get("nc", "")
            if len(nc) != 8 or not set(nc.lower()) <= set("0123456789abcdef"):
                return False
        if not _same_uri(directives.get("uri", ""), request):
            return False
        expected = self._response_of(directives, request.method, request.body, credentials)
        return hmac.compare_digest(expected.encode(), directives.get("response", "").lower().encode("utf-8", "replace"))

    def _response_of(self, directives: Directives, method: str, body: bytes, credentials: Credentials) -> str:
        algorithm = _algorithm_of(directives)
        nonce, cnonce = directives["nonce"], directives.get("cnonce")
        return digest_response(
            algorithm,
            digest_ha1(algorithm, credentials.secret_for(algorithm, self._realm), nonce, cnonce),
            method=method,
            uri=directives["uri"],
            nonce=nonce,
            nc=directives.get("nc"),
            cnonce=cnonce,
            qop=directives.get("qop"),
            body=body,
        )

    def _make_nonce(self, now: float) -> str:
        # The random part keeps two challenges of the same instant apart: they must not share a count.
        text = f"{int(now * 1000):x}.{self._ids.cnonce()}"
        return f"{text}.{self._sign(text)}"

    def _is_fresh(self, nonce: str, now: float) -> bool:
        text, _, signature = nonce.rpartition(".")
        if not hmac.compare_digest(self._sign(text).encode(), signature.encode("utf-8", "replace")):
            return False
        issued = _issued(text)
        return now - issued <= self._lifetime and issued > self._not_before

    def _sign(self, text: str) -> str:
        return hmac.new(self._key, text.encode("utf-8", "replace"), "sha256").hexdigest()[:32]


def _issued(nonce: str) -> float:
    return int(nonce.partition(".")[0], 16) / 1000


def _algorithm_of(directives: Directives) -> str:
    return canonical_algorithm(directives.get("algorithm", "MD5"))


def _same_uri(text: str, request: Request) -> bool:
    # RFC 7616 §3.4.6: the uri directive and the Request-URI must name the same resource.
    if text == request.uri_text:
        return True
    try:
        uri, other = parse_uri(text), request.uri
    except ParseError:
        return False
    return isinstance(uri, URI) and isinstance(other, URI) and uri.equivalent(other)
