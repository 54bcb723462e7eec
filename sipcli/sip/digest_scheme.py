"""The Digest scheme: its header values and its computation (RFC 7616 §3.3-3.5; RFC 8760; RFC 3261 §22.4)."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from sipcli.sip.errors import ParseError
from sipcli.sip.grammar import quote

__all__ = [
    "Challenge",
    "Credentials",
    "Directives",
    "build_directives",
    "canonical_algorithm",
    "choose_challenge",
    "digest_ha1",
    "digest_response",
    "hashed_username",
    "parse_challenge",
    "parse_credentials",
    "parse_directives",
    "strongest",
]

# RFC 8760 §2.2: the names of the algorithms, and hashlib's. From weak to strong.
_HASH_NAMES = {"MD5": "md5", "SHA-256": "sha256", "SHA-512-256": "sha512_256"}
_STRENGTHS = {name: strength for strength, name in enumerate(_HASH_NAMES)}
_SESSION = "-sess"
_QUALITIES = ("auth", "auth-int")
# RFC 3261 §22.4 and RFC 7616 §3.4: the directives that stand without quotes.
_UNQUOTED = frozenset({"algorithm", "nc", "stale", "userhash"})

_SCHEME = re.compile(r"[ \t]*([^\s,=\"]+)[ \t]+")
# auth-param = token EQUAL ( token / quoted-string )                              RFC 3261 §25.1
# More lenient: a value without quotes may hold anything but a comma, a quote or white space, for servers that leave
# the quotes of a nonce away, and an element may be empty, as in any list of HTTP (RFC 9110 §5.6.1).
_DIRECTIVE = re.compile(r"[ \t,]*([\w!%'*+.`~-]+)[ \t]*=[ \t]*(\"(?:[^\"\\]|\\.)*\"|[^\s\",]+)[ \t]*(?:,|$)", re.ASCII)
_QUOTED_PAIR = re.compile(r"\\(.)")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_BLANK = frozenset(" \t,")


@dataclass(frozen=True, slots=True)
class Credentials:
    """A user's name and secret: the password, or HA1 = H(username:realm:password) in hexadecimal.

    ``ha1`` may name its algorithm, as in ``SHA-512-256:2d3d9f…``; without, 32 digits are MD5 and 64 SHA-256.
    """

    username: str
    password: str | None = field(default=None, repr=False)
    ha1: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if self.ha1 is not None and self._split_ha1() is None:
            raise ValueError("expected HA1 as 32 or 64 hexadecimal digits")

    def usable_with(self, algorithm: str) -> bool:
        """Tell whether the secret answers a challenge of ``algorithm``: a password any, HA1 only its own."""
        if self.password is not None:
            return True
        split = self._split_ha1()
        return split is not None and split[0] == algorithm.removesuffix(_SESSION)

    def secret_for(self, algorithm: str, realm: str) -> str:
        """Return H(username:realm:password) for ``algorithm``, which must be usable."""
        split = self._split_ha1()
        if split is not None and split[0] == algorithm.removesuffix(_SESSION):
            return split[1]
        if self.password is None:
            raise ValueError(f"no secret for {algorithm}")
        return _hash(algorithm)(_octets(f"{self.username}:{realm}:{self.password}"))

    def _split_ha1(self) -> tuple[str, str] | None:
        if self.ha1 is None:
            return None
        name, _, digits = self.ha1.rpartition(":")
        digits = digits.lower()
        if not re.fullmatch("[0-9a-f]{32}|[0-9a-f]{64}", digits):
            return None
        algorithm = canonical_algorithm(name) if name else {32: "MD5", 64: "SHA-256"}[len(digits)]
        return (algorithm, digits) if (algorithm == "MD5") == (len(digits) == 32) else None


@dataclass(frozen=True, slots=True)
class Challenge:
    """One WWW-Authenticate or Proxy-Authenticate value; ``algorithm`` in the RFC's spelling, MD5 when absent."""

    realm: str
    nonce: str
    algorithm: str = "MD5"
    qop: tuple[str, ...] = ()
    opaque: str | None = None
    stale: bool = False
    userhash: bool = False
    proxy: bool = False

    @property
    def quality(self) -> str | None:
        """The qop to answer with: ``auth`` when offered, else ``auth-int``, else None."""
        return next((quality for quality in _QUALITIES if quality in self.qop), None)

    def usable(self, algorithms: Sequence[str]) -> bool:
        """Tell whether we can answer: the algorithm is known and among ``algorithms``, and so is a qop, if any."""
        if self.qop and self.quality is None:
            return False
        base = self.algorithm.removesuffix(_SESSION)
        return base in {name.upper().removesuffix("-SESS") for name in algorithms} and _hash_or_none(base) is not None

    @property
    def strength(self) -> int:
        """The rank of the algorithm: 0 is MD5, -1 an unknown one."""
        return _STRENGTHS.get(self.algorithm.removesuffix(_SESSION), -1)


class Directives(Mapping[str, str]):
    """The directives of a Digest value: names in lower case, values unquoted."""

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = dict(values)

    def __getitem__(self, name: str) -> str:
        return self._values[name.lower()]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


def parse_directives(text: str) -> Directives:
    """Parse ``name=value, name="value"``; raises ParseError, also when a directive is repeated."""
    values: dict[str, str] = {}
    position, end = 0, len(text)
    control = _CONTROL.search(text)
    if control is not None:
        # What we read here goes out again in our credentials.
        raise ParseError("auth-param without control characters", text, control.start())
    while position < end:
        match = _DIRECTIVE.match(text, position)
        if match is None:
            if _BLANK.issuperset(text[position:]):
                break
            raise ParseError("auth-param", text, position)
        name, value = match[1].lower(), match[2]
        if name in values:
            # RFC 7616 §3.3: once each. Two nonces or two algorithms are somebody's trick.
            raise ParseError(f"a single {name}", text, position)
        values[name] = _QUOTED_PAIR.sub(r"\1", value[1:-1]) if value.startswith('"') else value
        position = match.end()
    return Directives(values)


def parse_challenge(text: str, *, proxy: bool = False) -> Challenge:
    """Parse one Digest challenge; raises ParseError for another scheme, or without realm or nonce."""
    directives = _parse_digest(text)
    for name in ("realm", "nonce"):
        if name not in directives:
            raise ParseError(f"{name} in the challenge", text, len(text))
    return Challenge(
        realm=directives["realm"],
        nonce=directives["nonce"],
        algorithm=canonical_algorithm(directives.get("algorithm", "MD5")),
        qop=tuple(directives.get("qop", "").replace(",", " ").lower().split()),
        opaque=directives.get("opaque"),
        stale=directives.get("stale", "").lower() == "true",
        userhash=directives.get("userhash", "").lower() == "true",
        proxy=proxy,
    )


def parse_credentials(text: str) -> Directives:
    """Parse an Authorization or Proxy-Authorization value; raises ParseError for another scheme than Digest."""
    return _parse_digest(text)


def build_directives(directives: Mapping[str, str], *, quoted_qop: bool = False) -> str:
    """Return the directives as they stand in a header field, each quoted as RFC 3261 §22.4 has it.

    ``qop`` is a token in credentials and a quoted list in challenges.
    """
    return ", ".join(
        f"{name}={value if name in _UNQUOTED or (name == 'qop' and not quoted_qop) else quote(value)}"
        for name, value in directives.items()
    )


def canonical_algorithm(name: str) -> str:
    """Return the name of an algorithm in the RFC's spelling: ``SHA-256-sess`` for ``sha-256-SESS``."""
    upper = name.strip().upper()
    return upper[: -len(_SESSION)] + _SESSION if upper.endswith("-SESS") else upper


def choose_challenge(values: Sequence[str], algorithms: Sequence[str]) -> Challenge | None:
    """Return the challenge to answer among header values, or None.

    The strongest algorithm wins wherever it stands, which is stricter than RFC 8760 §2.4 (the topmost known): a
    server that lists MD5 first gets no MD5. What cannot be read or answered is skipped.
    """
    return strongest([challenge for value in values if (challenge := _challenge_or_none(value))], algorithms)


def strongest(challenges: Sequence[Challenge], algorithms: Sequence[str]) -> Challenge | None:
    """Return the usable challenge of the strongest algorithm, the first of equals, or None."""
    usable = [challenge for challenge in challenges if challenge.usable(algorithms)]
    return max(usable, key=lambda challenge: challenge.strength, default=None)


def digest_ha1(algorithm: str, secret: str, nonce: str, cnonce: str | None) -> str:
    """Return H(A1) from H(username:realm:password) (RFC 7616 §3.4.2)."""
    if not algorithm.endswith(_SESSION):
        return secret
    return _hash(algorithm)(_octets(f"{secret}:{nonce}:{cnonce or ''}"))


def digest_response(
    algorithm: str,
    ha1: str,
    *,
    method: str,
    uri: str,
    nonce: str,
    nc: str | None = None,
    cnonce: str | None = None,
    qop: str | None = None,
    body: bytes = b"",
) -> str:
    """Return the ``response`` directive (RFC 7616 §3.4.1), or ``rspauth`` with an empty ``method`` (§3.5).

    ``ha1`` is what ``digest_ha1`` gave; without ``qop`` it is the form of RFC 2069. Raises ValueError for an
    algorithm that is not known here.
    """
    hash_ = _hash(algorithm)
    a2 = f"{method}:{uri}"
    if qop == "auth-int":
        a2 += ":" + hash_(body)
    ha2 = hash_(_octets(a2))
    if qop is None:
        return hash_(_octets(f"{ha1}:{nonce}:{ha2}"))
    return hash_(_octets(f"{ha1}:{nonce}:{nc}:{cnonce}:{qop}:{ha2}"))


def hashed_username(algorithm: str, username: str, realm: str) -> str:
    """Return the ``username`` directive that goes with ``userhash=true`` (RFC 7616 §3.4.4)."""
    return _hash(algorithm)(_octets(f"{username}:{realm}"))


def _challenge_or_none(text: str) -> Challenge | None:
    try:
        return parse_challenge(text)
    except ParseError:
        return None


def _parse_digest(text: str) -> Directives:
    match = _SCHEME.match(text)
    if match is None or match[1].lower() != "digest":
        raise ParseError('"Digest"', text, 0)
    return parse_directives(text[match.end() :])


def _octets(text: str) -> bytes:
    # RFC 7616 §4: UTF-8. What was not UTF-8 on the wire is hashed as it came.
    return text.encode("utf-8", "surrogateescape")


def _hash(algorithm: str) -> Callable[[bytes], str]:
    hash_ = _hash_or_none(algorithm.removesuffix(_SESSION))
    if hash_ is None:
        raise ValueError(f"unknown digest algorithm {algorithm!r}")
    return hash_


def _hash_or_none(algorithm: str) -> Callable[[bytes], str] | None:
    name = _HASH_NAMES.get(algorithm)
    return None if name is None else _load_hash(name)


@functools.cache
def _load_hash(name: str) -> Callable[[bytes], str] | None:
    # Imported when first challenged: most commands never are.
    import hashlib

    new = functools.partial(hashlib.new, name, usedforsecurity=False)
    try:
        new()
    except ValueError:
        # Some builds of OpenSSL have no SHA-512/256, and hashlib does not bring its own.
        return None
    return lambda octets: new(octets).hexdigest()
