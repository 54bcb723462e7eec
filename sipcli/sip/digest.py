"""Digest authentication of the requests we send (RFC 3261 §22.2-22.4; RFC 7616; RFC 8760)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from sipcli.sip.digest_scheme import (
    Challenge,
    Credentials,
    build_directives,
    choose_challenge,
    digest_ha1,
    digest_response,
    hashed_username,
    parse_challenge,
    parse_credentials,
    parse_directives,
    strongest,
)
from sipcli.sip.errors import ParseError
from sipcli.sip.ids import Ids
from sipcli.sip.message import Message, Request, Response
from sipcli.sip.uri import URI

__all__ = [
    "Challenge",
    "Credentials",
    "DigestClient",
    "choose_challenge",
    "digest_ha1",
    "digest_response",
    "hashed_username",
    "parse_challenge",
    "parse_credentials",
]

# RFC 3261 §22.2, §22.3: which header fields belong to the user agent server and which to a proxy on the way.
_CHALLENGE_FIELDS = (("WWW-Authenticate", False), ("Proxy-Authenticate", True))
_CREDENTIALS_FIELDS = {False: "Authorization", True: "Proxy-Authorization"}
# RFC 7616 §3.5; RFC 7615 §4 for the proxy's.
_INFO_FIELDS = {False: "Authentication-Info", True: "Proxy-Authentication-Info"}

# Answers whose fate we await, and domains that a nonce is reused for: bounds for what peers can make us remember.
_MAX_ANSWERS = 1024
_MAX_DOMAINS = 64

# A protection space: whether a proxy's, and its realm.
_Space = tuple[bool, str]


@dataclass(slots=True)
class _Session:
    """What is remembered of one protection space: the nonce in use and how often it was used."""

    challenge: Challenge
    nonce: str
    cnonce: str
    domains: set[str]
    nc: int = 0
    accepted: bool = False


@dataclass(frozen=True, slots=True)
class _Answer:
    """One set of credentials as sent, for judging the response. ``fresh``: it answered a challenge."""

    space: _Space
    session: _Session
    fresh: bool
    ha1: str = field(repr=False)
    uri: str
    nonce: str
    nc: str
    cnonce: str


class DigestClient:
    """Answers challenges for one user agent and remembers nonces, counts and what each realm has shown itself to be."""

    __slots__ = ("_algorithms", "_answers", "_ids", "_pinned", "_sessions", "_strong")

    def __init__(self, algorithms: Sequence[str], ids: Ids) -> None:
        self._algorithms = tuple(algorithms)
        self._ids = ids
        self._sessions: dict[_Space, _Session] = {}
        self._answers: dict[tuple[str, int], list[_Answer]] = {}
        self._pinned: set[str] = set()
        self._strong: set[str] = set()

    def challenged(self, response: Response, credentials: Credentials | None = None) -> list[Challenge]:
        """Return the challenges of a 401 or 407 to answer, one per realm and side; empty when nothing is usable.

        Left out are realms other than those where we succeeded before, MD5 from a realm that has shown something
        better, and realms that have just refused the credentials (no ``stale``). With ``credentials``, algorithms
        that an HA1 does not fit are left out too.
        """
        offered: dict[_Space, list[Challenge]] = {}
        for name, proxy in _CHALLENGE_FIELDS:
            for value in response.get_all(name):
                try:
                    challenge = parse_challenge(value, proxy=proxy)
                except ParseError:
                    continue
                offered.setdefault((proxy, challenge.realm), []).append(challenge)
        identity = _identity(response)
        answers = self._answers.get(identity, []) if identity is not None else []
        refused = {answer.space for answer in answers if answer.fresh}
        chosen = []
        for space, challenges in offered.items():
            if self._pinned and space[1] not in self._pinned:
                continue
            if credentials is not None:
                challenges = [challenge for challenge in challenges if credentials.usable_with(challenge.algorithm)]
            best = strongest(challenges, self._algorithms)
            if best is None or (best.strength == 0 and space[1] in self._strong):
                continue
            if best.strength > 0:
                self._strong.add(space[1])
            if best.stale or space not in refused:
                chosen.append(best)
        return chosen

    def authorize(self, request: Request, challenges: Iterable[Challenge], credentials: Credentials) -> Request:
        """Return ``request`` with an answer to each challenge; earlier answers to other realms are made anew.

        A challenge whose algorithm ``credentials`` do not fit is not answered.
        """
        domain = _domain(request)
        answers: dict[_Space, _Session] = {}
        for name, proxy in (("Authorization", False), ("Proxy-Authorization", True)):
            # RFC 3261 §22.3: a request that passed one proxy's challenge shows those credentials to the next server
            # too. They must not be sent twice as they are: their nonce count would be a replay.
            for value in request.get_all(name):
                space = _space_of(value, proxy)
                if space in self._sessions:
                    answers[space] = self._sessions[space]
        fresh: set[_Space] = set()
        for challenge in challenges:
            if credentials.usable_with(challenge.algorithm):
                space = (challenge.proxy, challenge.realm)
                answers[space] = self._begin(space, challenge, domain)
                fresh.add(space)
        return self._answer(request, answers, fresh, credentials)

    def preauthorize(self, request: Request, credentials: Credentials) -> Request:
        """Return ``request`` with credentials made from nonces that were accepted for its domain, if there are any."""
        domain = _domain(request)
        answers = {
            space: session
            for space, session in self._sessions.items()
            if session.accepted and domain in session.domains and credentials.usable_with(session.challenge.algorithm)
        }
        return self._answer(request, answers, set(), credentials) if answers else request

    def authenticated(self, response: Response) -> None:
        """Take note of a 2xx: its realms are the user's from now on, and ``nextnonce`` is the nonce to use.

        A server whose ``rspauth`` is wrong does not know the secret: nothing is learnt from it.
        """
        identity = _identity(response)
        if identity is None or not 200 <= response.status < 300:
            return
        for answer in self._answers.pop(identity, ()):
            session = answer.session
            try:
                info = parse_directives(response.get(_INFO_FIELDS[answer.space[0]]) or "")
            except ParseError:
                info = parse_directives("")
            if "rspauth" in info and info["rspauth"].lower() != _expected_rspauth(answer, response):
                continue
            self._pinned.add(answer.space[1])
            session.accepted = True
            nextnonce = info.get("nextnonce")
            if nextnonce and nextnonce != session.nonce:
                session.nonce, session.nc, session.cnonce = nextnonce, 0, self._ids.cnonce()

    def _begin(self, space: _Space, challenge: Challenge, domain: str) -> _Session:
        session = self._sessions.get(space)
        if (
            session is not None
            and session.nonce == challenge.nonce
            and session.challenge.algorithm == challenge.algorithm
        ):
            # The same nonce again, as from a server that has only one: its count goes on.
            session.challenge = challenge
        else:
            domains = session.domains if session is not None and len(session.domains) < _MAX_DOMAINS else set()
            session = _Session(challenge, challenge.nonce, self._ids.cnonce(), domains)
            self._sessions[space] = session
        session.domains.add(domain)
        return session

    def _answer(
        self, request: Request, answers: dict[_Space, _Session], fresh: set[_Space], credentials: Credentials
    ) -> Request:
        kept = [
            (name, value)
            for name, value in request.headers
            if (field_ := name.lower()) not in ("authorization", "proxy-authorization")
            or _space_of(value, field_ == "proxy-authorization") not in answers
        ]
        sent = []
        lines = []
        for space, session in answers.items():
            value, answer = self._credentials(request, space, session, space in fresh, credentials)
            lines.append((_CREDENTIALS_FIELDS[space[0]], value))
            sent.append(answer)
        # Near the top, where a proxy finds them soon (RFC 3261 §7.3.1), and where SIP.js puts them: after CSeq.
        place = next((index for index, (name, _) in enumerate(kept, 1) if name.lower() == "cseq"), len(kept))
        authorized = Request(request.method, request.uri_text, (*kept[:place], *lines, *kept[place:]), request.body)
        identity = _identity(authorized)
        if identity is not None:
            self._answers[identity] = sent
            if len(self._answers) > _MAX_ANSWERS:
                del self._answers[next(iter(self._answers))]
        return authorized

    def _credentials(
        self, request: Request, space: _Space, session: _Session, fresh: bool, credentials: Credentials
    ) -> tuple[str, _Answer]:
        challenge = session.challenge
        algorithm, realm, uri = challenge.algorithm, challenge.realm, request.uri_text
        session.nc += 1
        nc = f"{session.nc:08x}"
        ha1 = digest_ha1(algorithm, credentials.secret_for(algorithm, realm), session.nonce, session.cnonce)
        username = credentials.username
        directives = {
            "username": hashed_username(algorithm, username, realm) if challenge.userhash else username,
            "realm": realm,
            "nonce": session.nonce,
            "uri": uri,
            "response": digest_response(
                algorithm,
                ha1,
                method=request.method,
                uri=uri,
                nonce=session.nonce,
                nc=nc,
                cnonce=session.cnonce,
                qop=challenge.quality,
                body=request.body,
            ),
            "algorithm": algorithm,
        }
        if challenge.quality is not None or algorithm.endswith("-sess"):
            directives["cnonce"] = session.cnonce
        if challenge.opaque is not None:
            directives["opaque"] = challenge.opaque
        if challenge.quality is not None:
            directives["qop"] = challenge.quality
            directives["nc"] = nc
        if challenge.userhash:
            directives["userhash"] = "true"
        answer = _Answer(space, session, fresh, ha1, uri, session.nonce, nc, session.cnonce)
        return "Digest " + build_directives(directives), answer


def _expected_rspauth(answer: _Answer, response: Response) -> str:
    challenge = answer.session.challenge
    return digest_response(
        challenge.algorithm,
        answer.ha1,
        method="",
        uri=answer.uri,
        nonce=answer.nonce,
        nc=answer.nc,
        cnonce=answer.cnonce,
        qop=challenge.quality,
        body=response.body,
    )


def _identity(message: Message) -> tuple[str, int] | None:
    # A response names its request by Call-ID and CSeq (RFC 3261 §8.2.6.2).
    try:
        call_id, cseq = message.call_id, message.cseq
    except ParseError:
        return None
    return None if call_id is None or cseq is None else (call_id, cseq.number)


def _space_of(value: str, proxy: bool) -> _Space | None:
    try:
        return proxy, parse_credentials(value).get("realm", "")
    except ParseError:
        return None


def _domain(request: Request) -> str:
    try:
        uri = request.uri
    except ParseError:
        return request.uri_text
    return uri.host.lower() if isinstance(uri, URI) else request.uri_text
