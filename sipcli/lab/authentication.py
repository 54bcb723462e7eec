"""Who sent a request: the registrar's 401 and the proxy's 407 (RFC 3261 §22.2, §22.3)."""

from __future__ import annotations

from sipcli.lab.settings import LabSettings
from sipcli.sip.digest_scheme import Credentials, parse_credentials
from sipcli.sip.digest_server import DigestServer, Verdict
from sipcli.sip.errors import ParseError
from sipcli.sip.ids import Ids
from sipcli.sip.message import Request, Response, build_response

__all__ = ["Authenticator"]


class Authenticator:
    """Challenges the lab's users and judges their credentials."""

    __slots__ = ("_credentials", "_digest", "_ids", "_realm")

    def __init__(self, settings: LabSettings, ids: Ids) -> None:
        self._ids = ids
        self._realm = settings.realm
        self._credentials = [Credentials(user, password) for user, password in settings.users.items()]
        self._digest = DigestServer(settings.realm, settings.algorithms, ids, nonce_lifetime=settings.nonce_lifetime)

    def refusal(self, request: Request, user: str, now: float, *, proxy: bool) -> Response | None:
        """Return the answer to a request that ``user`` did not sign, or None when ``user`` did.

        Without right credentials it is a challenge; with those of another user it is 403.
        """
        stale = False
        for value in request.get_all("Proxy-Authorization" if proxy else "Authorization"):
            # Every user is tried: the user name may be hashed (RFC 7616 §3.4.4), or somebody else's.
            for credentials in self._credentials:
                verdict = self._digest.verify(value, request, credentials, now)
                if verdict is Verdict.ACCEPTED:
                    if credentials.username == user:
                        return None
                    return build_response(request, 403, f"Not {user}'s credentials", to_tag=self._ids.tag())
                stale = stale or verdict is Verdict.STALE
        name, status = ("Proxy-Authenticate", 407) if proxy else ("WWW-Authenticate", 401)
        challenges = [(name, value) for value in self._digest.challenges(now, stale=stale)]
        return build_response(request, status, to_tag=self._ids.tag(), headers=challenges)

    def without_credentials(self, request: Request) -> Request:
        """Return the request as the next hop may see it: our own realm's credentials are used up (§22.3)."""
        values = request.get_all("Proxy-Authorization")
        if not values:
            return request
        stripped = request.without("Proxy-Authorization")
        for value in values:
            if not self._is_ours(value):
                stripped = stripped.with_added("Proxy-Authorization", value)
        return stripped

    def _is_ours(self, value: str) -> bool:
        try:
            return parse_credentials(value).get("realm") == self._realm
        except ParseError:
            return False
