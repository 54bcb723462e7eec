"""Answering challenges with the user's secret (RFC 3261 §22.2, §22.3)."""

from __future__ import annotations

from sipcli.sip.digest import Credentials, DigestClient
from sipcli.sip.identity import Identity
from sipcli.sip.ids import Ids
from sipcli.sip.message import Request, Response
from sipcli.sip.settings import Settings

__all__ = ["ClientAuthentication"]


class ClientAuthentication:
    """The secret of the settings, or one that was provided later, and the digest that uses it."""

    __slots__ = ("_credentials", "_digest", "_provided", "username")

    def __init__(self, settings: Settings, identity: Identity, ids: Ids) -> None:
        self.username = settings.authorization_user or identity.uri.username or ""
        self._digest = DigestClient(settings.auth_algorithms, ids)
        self._credentials: Credentials | None = None
        self._provided = False
        if settings.password is not None or settings.authorization_ha1 is not None:
            self._credentials = Credentials(self.username, settings.password, settings.authorization_ha1)

    @property
    def knows_secret(self) -> bool:
        return self._credentials is not None

    def provide(self, credentials: Credentials) -> None:
        """Use these from now on."""
        self._credentials = credentials
        self._provided = True

    def refused(self) -> None:
        """Forget a secret that somebody typed in wrong, so that the next request asks again."""
        if self._provided:
            self._credentials = None
            self._provided = False

    def realm_of(self, response: Response) -> str | None:
        """Return the realm that a secret is needed for; None when no challenge can be answered at all."""
        challenges = self._digest.challenged(response)
        return challenges[0].realm if challenges else None

    def can_answer(self, response: Response) -> bool:
        """Tell whether the secret answers a challenge of ``response`` and was not just refused."""
        return bool(self._digest.challenged(response, self._credentials))

    def answer(self, request: Request, response: Response, refused: Request) -> Request:
        """Return ``request`` with credentials for the challenges of ``response``, which answered ``refused``.

        What ``refused`` proved to others on the way is proved anew: a 401 may follow a 407 (§22.3).
        """
        assert self._credentials is not None
        for name in ("Authorization", "Proxy-Authorization"):
            for value in refused.get_all(name):
                if value not in request.get_all(name):
                    request = request.with_added(name, value)
        return self._digest.authorize(request, self._digest.challenged(response, self._credentials), self._credentials)

    def preauthorize(self, request: Request) -> Request:
        """Return ``request`` with credentials from a nonce that is known for its domain, if there is one."""
        if self._credentials is None:
            return request
        return self._digest.preauthorize(request, self._credentials)

    def succeeded(self, response: Response) -> None:
        """Take note of a 2xx."""
        if self._credentials is not None:
            self._digest.authenticated(response)
