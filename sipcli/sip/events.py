"""What comes out of the core: orders for the driver, and events for the application.

The driver performs ``Connect``, ``Disconnect``, ``Transmit`` and ``Ping``; everything else is news. An event's
``id`` is what the command that began the request returned, or what the core gave to an incoming request.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from sipcli.sip.message import Request, Response
from sipcli.sip.settings import Server

__all__ = [
    "Cause",
    "Connect",
    "Connected",
    "Connecting",
    "CredentialsRequired",
    "Disconnect",
    "Disconnected",
    "Event",
    "IncomingCancelled",
    "InviteReceived",
    "KeepAliveTimeout",
    "MessageReceived",
    "NotifyReceived",
    "Output",
    "Ping",
    "ReferReceived",
    "Registered",
    "RegistrationFailed",
    "RequestAccepted",
    "RequestCancelled",
    "RequestFailed",
    "RequestProgress",
    "RequestRejected",
    "RequestSent",
    "TransactionCreated",
    "TransactionDestroyed",
    "Transmit",
    "Unregistered",
]


class Cause(StrEnum):
    """Failure and end causes: the strings of SIP.js and JsSIP."""

    CONNECTION_ERROR = "Connection Error"
    REQUEST_TIMEOUT = "Request Timeout"
    SIP_FAILURE_CODE = "SIP Failure Code"
    INTERNAL_ERROR = "Internal Error"
    BUSY = "Busy"
    REJECTED = "Rejected"
    REDIRECTED = "Redirected"
    UNAVAILABLE = "Unavailable"
    NOT_FOUND = "Not Found"
    ADDRESS_INCOMPLETE = "Address Incomplete"
    INCOMPATIBLE_SDP = "Incompatible SDP"
    AUTHENTICATION_ERROR = "Authentication Error"
    DIALOG_ERROR = "Dialog Error"
    WEBRTC_NOT_SUPPORTED = "WebRTC Not Supported"
    WEBRTC_ERROR = "WebRTC Error"
    CANCELED = "Canceled"
    NO_ANSWER = "No Answer"
    EXPIRES = "Expires"
    NO_ACK = "No ACK"
    NO_PRACK = "No PRACK"
    USER_DENIED_MEDIA_ACCESS = "User Denied Media Access"
    BAD_MEDIA_DESCRIPTION = "Bad Media Description"
    RTP_TIMEOUT = "RTP Timeout"
    TERMINATED = "Terminated"

    @classmethod
    def of_status(cls, status: int) -> Cause:
        """Return the cause that a final status code from 300 on amounts to."""
        return _CAUSE_OF_STATUS.get(status, cls.SIP_FAILURE_CODE)


_CAUSE_OF_STATUS = {
    **dict.fromkeys((300, 301, 302, 305, 380), Cause.REDIRECTED),
    **dict.fromkeys((401, 407), Cause.AUTHENTICATION_ERROR),
    **dict.fromkeys((403, 603), Cause.REJECTED),
    **dict.fromkeys((404, 604), Cause.NOT_FOUND),
    408: Cause.REQUEST_TIMEOUT,
    **dict.fromkeys((410, 430, 480), Cause.UNAVAILABLE),
    484: Cause.ADDRESS_INCOMPLETE,
    **dict.fromkeys((486, 600), Cause.BUSY),
    487: Cause.CANCELED,
    **dict.fromkeys((488, 606), Cause.INCOMPATIBLE_SDP),
}


# Orders for the driver


@dataclass(frozen=True, slots=True)
class Connect:
    """Open a connection to ``server``; answer with ``connected`` or ``disconnected`` for ``flow``."""

    flow: int
    server: Server


@dataclass(frozen=True, slots=True)
class Disconnect:
    """Close the connection of ``flow``."""

    flow: int
    code: int = 1000
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Transmit:
    """Send one whole message, or a CRLF keep-alive, on ``flow``."""

    flow: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Ping:
    """Send a WebSocket ping on ``flow``; answer with ``pong``."""

    flow: int


# The connection


@dataclass(frozen=True, slots=True)
class Connecting:
    """An attempt to connect begins; ``attempt`` counts from 1 since the last success."""

    url: str
    attempt: int


@dataclass(frozen=True, slots=True)
class Connected:
    """The connection stands, sub-protocol agreed."""

    url: str
    attempt: int
    milliseconds: float


@dataclass(frozen=True, slots=True)
class Disconnected:
    """The connection was lost, or could not be made.

    ``code`` and ``reason`` are those of the WebSocket close, or 1006 and the error in words. ``clean``: a close
    handshake took place. ``will_retry_in`` is in seconds, None when there will be no further attempt.
    """

    url: str
    code: int
    reason: str
    clean: bool
    will_retry_in: float | None
    cause: Cause | None = None


@dataclass(frozen=True, slots=True)
class KeepAliveTimeout:
    """No answer to a keep-alive within ``keep_alive_debounce``: the flow is replaced."""

    url: str


# The registration (RFC 3261 §10)


@dataclass(frozen=True, slots=True)
class Registered:
    """The registrar holds our binding; fires again on each refresh. Times in seconds, ``rtt`` of the last REGISTER."""

    response: Response
    contact: str
    expires: int
    refresh_in: float
    gruu: str | None
    temporary_gruu: str | None
    rtt: float


@dataclass(frozen=True, slots=True)
class Unregistered:
    """Our binding is gone: ``cause`` is None after a positive answer to its removal."""

    response: Response | None
    cause: Cause | None


@dataclass(frozen=True, slots=True)
class RegistrationFailed:
    """A REGISTER failed.

    ``retry_after`` is in seconds: when the next attempt will be, or, where there will be none, what the registrar's
    Retry-After says.
    """

    response: Response | None
    cause: Cause
    retry_after: float | None = None


# Requests we send


@dataclass(frozen=True, slots=True)
class RequestSent:
    """A request went out; again for each authorised or redirected repetition, with the request as sent."""

    id: int
    request: Request


@dataclass(frozen=True, slots=True)
class RequestProgress:
    id: int
    response: Response


@dataclass(frozen=True, slots=True)
class RequestAccepted:
    id: int
    response: Response


@dataclass(frozen=True, slots=True)
class RequestRejected:
    """A final response from 300 on."""

    id: int
    response: Response
    cause: Cause


@dataclass(frozen=True, slots=True)
class RequestFailed:
    """No usable final response: timeout, connection lost."""

    id: int
    cause: Cause


@dataclass(frozen=True, slots=True)
class RequestCancelled:
    """``cancel`` was asked for; the final response is still to come."""

    id: int


@dataclass(frozen=True, slots=True)
class CredentialsRequired:
    """A challenge for which the configuration holds no secret; answer with ``provide_credentials``."""

    id: int
    realm: str
    username: str


# Requests we receive


@dataclass(frozen=True, slots=True)
class MessageReceived:
    """A MESSAGE that waits for ``accept`` or ``reject``."""

    id: int
    request: Request


@dataclass(frozen=True, slots=True)
class InviteReceived:
    """An INVITE; 100 has been sent."""

    id: int
    request: Request


@dataclass(frozen=True, slots=True)
class IncomingCancelled:
    """An INVITE ended without our answer.

    ``cause`` is Canceled after the caller gave up (487 has been sent), No Answer after ``no_answer_timeout``, Expires
    after the time that the INVITE was good for, Connection Error when its flow was lost.
    """

    id: int
    request: Request
    cause: Cause = Cause.CANCELED


@dataclass(frozen=True, slots=True)
class NotifyReceived:
    """An out-of-dialog NOTIFY, taken because ``allow_legacy_notifications`` is set; 200 has been sent."""

    request: Request


@dataclass(frozen=True, slots=True)
class ReferReceived:
    """An out-of-dialog REFER, taken because ``allow_out_of_dialog_refers`` is set; it waits for an answer."""

    id: int
    request: Request


# Transactions, for the debug log


@dataclass(frozen=True, slots=True)
class TransactionCreated:
    key: str


@dataclass(frozen=True, slots=True)
class TransactionDestroyed:
    key: str


Event = (
    Connecting
    | Connected
    | Disconnected
    | KeepAliveTimeout
    | Registered
    | Unregistered
    | RegistrationFailed
    | RequestSent
    | RequestProgress
    | RequestAccepted
    | RequestRejected
    | RequestFailed
    | RequestCancelled
    | CredentialsRequired
    | MessageReceived
    | InviteReceived
    | IncomingCancelled
    | NotifyReceived
    | ReferReceived
    | TransactionCreated
    | TransactionDestroyed
)
Output = Connect | Disconnect | Transmit | Ping | Event
