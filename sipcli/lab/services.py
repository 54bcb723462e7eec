"""The number plan: users who are programs, each with its own way to answer."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

from sipcli.lab.settings import LabSettings
from sipcli.sip.message import REASON_PHRASES

__all__ = ["NUMBER_PLAN", "Answer", "Services"]

NUMBER_PLAN = MappingProxyType(
    {
        "echo": "answers a MESSAGE with 200 and sends it back to the sender, where that is registered",
        "slow": "answers late",
        "NNN": "answers with the status NNN, from 300 to 699: 486@ is busy, 302@ redirects to echo@",
    }
)
"""What answers now, for people."""

# For calls, which come later: known, so that nobody registers under these names or takes their 480 for a mistake.
_CALL_SERVICES = frozenset(
    {
        "bad",
        "bye",
        "drop",
        "dtmf",
        "early",
        "fork",
        "hold",
        "nomid",
        "nomux",
        "novideo",
        "prack",
        "refer",
        "ring",
        "tone",
    }
)
_ALLOW = ("Allow", "MESSAGE, OPTIONS")


@dataclass(frozen=True, slots=True)
class Answer:
    """What a service says to a request. ``after`` is in seconds; ``echo``: the body goes back in a MESSAGE."""

    status: int
    reason: str
    headers: tuple[tuple[str, str], ...] = ()
    after: float = 0.0
    echo: bool = False


class Services:
    """The users that the number plan names."""

    __slots__ = ("_domain", "_slow")

    def __init__(self, settings: LabSettings) -> None:
        self._domain = settings.domain
        self._slow = settings.slow

    @staticmethod
    def owns(user: str) -> bool:
        """Tell whether ``user`` is one of the number plan."""
        return user in NUMBER_PLAN or user in _CALL_SERVICES or _is_status(user)

    def answer(self, user: str, method: str) -> Answer:
        """Return what ``user``, one of the number plan, says to a request."""
        if _is_status(user):
            return self._status(int(user))
        if user in _CALL_SERVICES or method == "INVITE":
            return Answer(480, f"The lab takes no calls yet: {user}@ comes later")
        if method not in ("MESSAGE", "OPTIONS"):
            return Answer(405, "Method Not Allowed", (_ALLOW,))
        return Answer(
            200,
            "OK",
            (_ALLOW,) if method == "OPTIONS" else (),
            after=self._slow if user == "slow" else 0.0,
            echo=user == "echo" and method == "MESSAGE",
        )

    def _status(self, status: int) -> Answer:
        # RFC 3261 §8.1.3.4: a redirection says where to.
        headers = (("Contact", f"<sip:echo@{self._domain}>"),) if status < 400 else ()
        return Answer(status, REASON_PHRASES.get(status, f"Status {status}"), headers)


def _is_status(user: str) -> bool:
    return len(user) == 3 and user.isascii() and user.isdigit() and 300 <= int(user) <= 699
