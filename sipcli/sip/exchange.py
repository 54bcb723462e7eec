"""One request of ours with its repetitions, until its final response (RFC 3261 §8.1.3)."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, auto

from sipcli.sip.cancellation import Cancellation
from sipcli.sip.dialog import DialogId
from sipcli.sip.events import (
    CredentialsRequired,
    RequestAccepted,
    RequestCancelled,
    RequestFailed,
    RequestProgress,
    RequestRejected,
    RequestSent,
)
from sipcli.sip.message import Request, Response
from sipcli.sip.redirection import TargetSet
from sipcli.sip.request_builder import Draft
from sipcli.sip.uri import AnyURI

__all__ = ["Authentication", "ClientEvent", "Exchange", "State"]

ClientEvent = (
    RequestSent
    | RequestProgress
    | RequestAccepted
    | RequestRejected
    | RequestFailed
    | RequestCancelled
    | CredentialsRequired
)


class Authentication(Enum):
    """Whether a challenge to a request is answered."""

    ASK = auto()
    """With the secret of the settings, else with one that the application is asked for."""
    KNOWN = auto()
    """With a secret that is known; nobody is asked."""
    NEVER = auto()


class State(Enum):
    WAITING = auto()
    """For a flow."""
    CALLING = auto()
    """Sent; no answer yet."""
    PROCEEDING = auto()
    """A provisional response has come."""
    CHALLENGED = auto()
    """Waiting for the secret."""
    ACCEPTED = auto()
    """An INVITE after its 2xx: more may come until timer M."""


@dataclass(slots=True)
class Exchange:
    """One request and its repetitions, until its final response."""

    id: int
    draft: Draft
    uri: AnyURI
    authentication: Authentication
    published: bool
    budget: int
    """How often it may still be sent."""
    targets: TargetSet | None
    state: State = State.WAITING
    request: Request | None = None
    key: str | None = None
    authentications: int = 0
    challenge: Response | None = None
    """The 401 or 407 that waits for the secret."""
    cancellation: Cancellation | None = None
    acknowledged: dict[DialogId, Request] = field(default_factory=dict)
    """The ACKs of the dialogs that an INVITE made."""
    ends: DialogId | None = None
    """The dialog that a BYE ends."""
