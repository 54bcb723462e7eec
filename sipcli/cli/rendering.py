"""What the core's events say: a JSON line for programs, a note for people."""

from __future__ import annotations

from sipcli.cli.output import Output
from sipcli.cli.progress import Progress
from sipcli.sip.errors import ParseError
from sipcli.sip.events import (
    Cause,
    Connected,
    Connecting,
    CredentialsRequired,
    Disconnected,
    Event,
    IncomingCancelled,
    InviteReceived,
    KeepAliveTimeout,
    MessageReceived,
    NotifyReceived,
    ReferReceived,
    Registered,
    RegistrationFailed,
    RequestAccepted,
    RequestCancelled,
    RequestFailed,
    RequestProgress,
    RequestRejected,
    RequestSent,
    TransactionCreated,
    TransactionDestroyed,
    Unregistered,
)
from sipcli.sip.headers import NameAddr
from sipcli.sip.message import Message, Request, Response

__all__ = ["Renderer", "identity", "message_fields", "milliseconds"]


def milliseconds(seconds: float) -> float:
    """Return a time in milliseconds, to the microsecond."""
    return round(seconds * 1000, 3)


def identity(message: Message, name: str) -> str | None:
    """Return the From or To of a message as a peer wrote it, without its tag; None when there is none."""
    try:
        value = message.from_ if name == "From" else message.to
    except ParseError:
        return message.get(name)
    return None if value is None else str(NameAddr(value.display_name, value.uri, value.params.without("tag")))


def message_fields(request: Request) -> dict[str, object]:
    """Return the fields that the JSON line of a received request has."""
    return {
        "from": identity(request, "From"),
        "to": identity(request, "To"),
        "body": request.text,
        "content_type": request.get("Content-Type"),
        "call_id": request.get("Call-ID"),
    }


class Renderer:
    """Says each event as it comes; ``recover`` tells whether a lost connection is news or the end."""

    def __init__(self, output: Output, *, recover: bool) -> None:
        self._output = output
        self._progress = Progress(output)
        self._recover = recover
        self._requests: dict[int, Request] = {}
        self._call_count = 0
        self._calls: dict[str | None, int] = {}
        self.ever_connected = False
        self.last_disconnect: Disconnected | None = None
        self.unregistered: Unregistered | None = None

    def event(self, event: Event) -> None:
        """Say one event of the core."""
        output = self._output
        self._say_what_is_awaited(event)
        match event:
            case Connecting():
                output.event("transport.connecting", url=event.url, attempt=event.attempt)
            case Connected():
                again = self.ever_connected
                self.ever_connected = True
                output.event(
                    "transport.connected",
                    url=event.url,
                    attempt=event.attempt,
                    subprotocol="sip",
                    tls=event.url.startswith("wss:"),
                    ms=round(event.milliseconds, 3),
                )
                if again:
                    self._news(f"connected to {event.url} again")
            case Disconnected():
                self.last_disconnect = event
                output.event(
                    "transport.disconnected",
                    url=event.url,
                    code=event.code,
                    reason=event.reason,
                    clean=event.clean,
                    will_retry_in=event.will_retry_in,
                )
                self._say_disconnected(event)
            case KeepAliveTimeout():
                output.event("transport.keep_alive_timeout", url=event.url)
                self._news(f"no answer to the keep-alive on {event.url}")
            case Registered() | Unregistered() | RegistrationFailed():
                self._registration(event)
            case RequestSent():
                self._requests[event.id] = event.request
            case RequestProgress() | RequestAccepted() | RequestRejected() | RequestFailed() | RequestCancelled():
                self._request(event)
            case CredentialsRequired():
                pass  # not the event, but what came of it, is of interest
            case MessageReceived():
                output.event("message.received", **message_fields(event.request))
            case InviteReceived():
                self._call_incoming(event.request)
            case IncomingCancelled():
                self.call_ended(event.request, Cause.CANCELED, by="remote")
            case NotifyReceived():
                output.event("notify.received", package=event.request.get("Event"), **message_fields(event.request))
            case ReferReceived():
                output.event("refer.received", refer_to=event.request.get("Refer-To"), **message_fields(event.request))
            case TransactionCreated() | TransactionDestroyed():
                self._transaction(event)

    def done(self) -> None:
        """Say nothing more of what is awaited: the user agent has stopped."""
        self._progress.done()

    def _say_what_is_awaited(self, event: Event) -> None:
        match event:
            case Connecting():
                self._progress.wait_for(f"connecting to {event.url}")
            case RequestSent():
                self._progress.wait_for(f"waiting for an answer to {event.request.method}")
            case RequestProgress():
                self._progress.wait_for(f"{event.response.status} {event.response.reason}")
            case (
                Connected()
                | Disconnected()
                | Registered()
                | Unregistered()
                | RegistrationFailed()
                | CredentialsRequired()
            ):
                self._progress.done()
            case RequestAccepted() | RequestRejected() | RequestFailed():
                self._progress.done()

    def _say_disconnected(self, event: Disconnected) -> None:
        if event.will_retry_in is not None:
            self._news(f"{event.url}: {event.reason or 'connection lost'}; next try in {event.will_retry_in:.1f} s")

    def _news(self, text: str) -> None:
        # For those who wait while a connection is repaired; with -v the log says it, and more.
        if self._recover and not self._output.verbose:
            self._output.note(text)

    def _registration(self, event: Registered | Unregistered | RegistrationFailed) -> None:
        output = self._output
        if isinstance(event, Registered):
            output.event("registration.registered", **registered_fields(event))
            return
        cause = None if event.cause is None else str(event.cause)
        status, reason = _status_of(event.response)
        if isinstance(event, Unregistered):
            self.unregistered = event
            output.event("registration.unregistered", status=status, cause=cause)
            return
        output.event("registration.failed", status=status, reason=reason, cause=cause, retry_after=event.retry_after)
        if event.retry_after is not None:
            self._news(f"registration failed: {reason or cause}; next try in {event.retry_after:.0f} s")

    def _request(
        self, event: RequestProgress | RequestAccepted | RequestRejected | RequestFailed | RequestCancelled
    ) -> None:
        request = self._requests.get(event.id)
        method = None if request is None else request.method
        name = type(event).__name__.removeprefix("Request").lower()
        fields: dict[str, object] = {"method": method}
        if isinstance(event, RequestProgress | RequestAccepted | RequestRejected):
            fields.update(status=event.response.status, reason=event.response.reason)
        if isinstance(event, RequestRejected | RequestFailed):
            fields["cause"] = str(event.cause)
        if not isinstance(event, RequestProgress | RequestCancelled):
            self._requests.pop(event.id, None)
        fields["call_id"] = None if request is None else request.get("Call-ID")
        self._output.event(f"request.{name}", **fields)

    def _call_incoming(self, request: Request) -> None:
        self._call_count += 1
        number = self._calls[request.get("Call-ID")] = self._call_count
        fields = message_fields(request)
        sdp = fields.pop("body")
        self._output.event("call.incoming", call=number, sdp=sdp, **fields)

    def call_ended(self, request: Request, cause: Cause, *, by: str) -> None:
        """Say that an incoming call has ended, ``by`` whom: ``local`` or ``remote``."""
        call_id = request.get("Call-ID")
        self._output.event(
            "call.ended",
            call=self._calls.pop(call_id, self._call_count),
            call_id=call_id,
            cause=str(cause),
            by=by,
            **{"from": identity(request, "From"), "to": identity(request, "To")},
        )

    def _transaction(self, event: TransactionCreated | TransactionDestroyed) -> None:
        name = "created" if isinstance(event, TransactionCreated) else "destroyed"
        if self._output.verbose >= 2:
            self._output.event(f"transaction.{name}", key=event.key)


def registered_fields(event: Registered) -> dict[str, object]:
    """Return the fields that the JSON line of a registration has."""
    return {
        "status": event.response.status,
        "contact": event.contact,
        "expires": event.expires,
        "refresh_in": round(event.refresh_in, 3),
        "gruu": event.gruu,
        "rtt_ms": milliseconds(event.rtt),
    }


def _status_of(response: Response | None) -> tuple[int | None, str | None]:
    return (None, None) if response is None else (response.status, response.reason)
