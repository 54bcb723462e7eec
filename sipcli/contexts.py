"""What the caller holds: one request of ours, or one of a peer's, and what became of it (RFC 3261 §8)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from sipcli.emitter import Emitter
from sipcli.escape import escape
from sipcli.sip.errors import LocalProtocolError, SipError
from sipcli.sip.events import Cause
from sipcli.sip.headers import NameAddr
from sipcli.sip.message import Request, Response

__all__ = [
    "Agent",
    "Answer",
    "ClientContext",
    "InviteServerContext",
    "MessageServerContext",
    "RequestFailed",
    "ServerContext",
]


class RequestFailed(SipError):  # noqa: N818  the name that SIP.js users and the events know
    """A request that did not succeed.

    ``response`` is the final response from 300 on, None where none came; ``cause`` says what that amounts to.
    """

    def __init__(self, response: Response | None, cause: Cause) -> None:
        self.response = response
        self.cause = cause
        super().__init__(response, cause)

    def __str__(self) -> str:
        if self.response is None:
            return str(self.cause)
        return f"{self.response.status} {escape(self.response.reason)} ({self.cause})"


class Agent(Protocol):
    """The user agent, as an application finds it in ``context.ua``."""

    @property
    def data(self) -> dict[Any, Any]: ...
    def is_connected(self) -> bool: ...
    def is_registered(self) -> bool: ...
    def message(self, target: str, body: str | bytes) -> ClientContext: ...
    def request(self, method: str, target: str) -> ClientContext: ...
    async def stop(self, timeout: float | None = None) -> None: ...


class ClientContext(Emitter):
    """A request that we send.

    Awaiting it, as often as wanted, gives the final 2xx response or raises RequestFailed. It emits
    ``progress(response, reason)``, ``accepted(response, reason)``, ``rejected(response, cause)`` and, after that or
    where no response came, ``failed(response, cause)``; ``cancel()`` when the request is cancelled.
    """

    __slots__ = ("_cancel", "_cancelled", "_waiters", "cause", "data", "method", "request", "response", "ua")

    def __init__(self, ua: Agent, request: Request, cancel: Callable[[int | None, str | None], None]) -> None:
        super().__init__()
        self.ua = ua
        self.method = request.method
        self.request = request
        """As last sent, or as it will be sent once the connection stands."""
        self.response: Response | None = None
        """The final response."""
        self.cause: Cause | None = None
        """Why the request failed; None while it has not."""
        self.data: dict[Any, Any] = {}
        """For the application: nothing else touches it."""
        self._cancel = cancel
        self._cancelled = False
        self._waiters: list[asyncio.Future[None]] = []

    @property
    def local_identity(self) -> NameAddr:
        """The From of the request."""
        return _present(self.request.from_)

    @property
    def remote_identity(self) -> NameAddr:
        """The To of the request."""
        return _present(self.request.to)

    @property
    def done(self) -> bool:
        """Whether the request has ended, however it did."""
        return self.response is not None or self.cause is not None

    def cancel(self, status_code: int | None = None, reason_phrase: str | None = None) -> None:
        """Cancel an INVITE that has no final response (RFC 3261 §9.1); the two go into a Reason header field.

        Raises ValueError for a status code that is not from 200 to 699, and LocalProtocolError for another method,
        for a request that has ended and for a second call.
        """
        if status_code is not None and not 200 <= status_code <= 699:
            raise ValueError(f"status_code: expected 200 to 699, got: {status_code}")
        if self.method != "INVITE":
            raise LocalProtocolError(f"only an INVITE can be cancelled, this is: {self.method}")
        if self.done:
            raise LocalProtocolError("the request has ended, there is nothing to cancel")
        if self._cancelled:
            raise LocalProtocolError("the request has been cancelled already")
        self._cancel(status_code, reason_phrase)
        self._cancelled = True

    def __await__(self) -> Generator[Any, None, Response]:
        return self._ended().__await__()

    async def _ended(self) -> Response:
        if not self.done:
            waiter = asyncio.get_running_loop().create_future()
            self._waiters.append(waiter)
            await waiter
        if self.cause is not None:
            raise RequestFailed(self.response, self.cause)
        assert self.response is not None
        return self.response

    def _finish(self, response: Response | None, cause: Cause | None) -> None:
        # Called by the user agent, once.
        self.response, self.cause = response, cause
        if cause is None:
            assert response is not None
            self.emit("accepted", response, response.reason)
        else:
            if response is not None:
                self.emit("rejected", response, cause)
            self.emit("failed", response, cause)
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)


@dataclass(frozen=True, slots=True)
class Answer:
    """A response that an application wants sent."""

    status: int
    reason: str | None = None
    extra_headers: tuple[str, ...] = ()
    body: bytes = b""
    content_type: str | None = None


class ServerContext(Emitter):
    """A request that a peer sent, and that may be answered once. It emits ``cancel()`` when the peer gives up."""

    __slots__ = ("_answer", "answer", "cancelled", "data", "method", "request", "ua")

    def __init__(self, ua: Agent, request: Request, answer: Callable[[Answer], None]) -> None:
        super().__init__()
        self.ua = ua
        self.method = request.method
        self.request = request
        self.answer: Answer | None = None
        """The final answer, once there is one."""
        self.cancelled = False
        """Whether the peer gave up before there was one."""
        self.data: dict[Any, Any] = {}
        """For the application: nothing else touches it."""
        self._answer = answer

    @property
    def local_identity(self) -> NameAddr:
        """The To of the request."""
        return _present(self.request.to)

    @property
    def remote_identity(self) -> NameAddr:
        """The From of the request."""
        return _present(self.request.from_)

    @property
    def body(self) -> str:
        """The body as text; ``request.body`` has the octets."""
        return self.request.text

    @property
    def content_type(self) -> str | None:
        """The Content-Type as received."""
        return self.request.get("Content-Type")

    def accept(
        self,
        status: int = 200,
        reason: str | None = None,
        *,
        extra_headers: Sequence[str] = (),
        body: str | bytes = b"",
        content_type: str | None = None,
    ) -> None:
        """Answer with a 2xx. Raises ValueError for another status, LocalProtocolError when it is answered already."""
        _check_status(status, 200, 299)
        self._finish(Answer(status, reason, tuple(extra_headers), _octets(body), content_type))

    def reject(self, status: int = 480, reason: str | None = None, *, extra_headers: Sequence[str] = ()) -> None:
        """Answer with a status from 300 on. Raises ValueError for another, LocalProtocolError as ``accept`` does."""
        _check_status(status, 300, 699)
        self._finish(Answer(status, reason, tuple(extra_headers)))

    def _finish(self, answer: Answer) -> None:
        self._check_open()
        self._answer(answer)
        self.answer = answer

    def _check_open(self) -> None:
        if self.cancelled:
            raise LocalProtocolError("the peer has cancelled the request")
        if self.answer is not None:
            raise LocalProtocolError(f"the request has been answered already: {self.answer.status}")


class MessageServerContext(ServerContext):
    """A MESSAGE (RFC 3428). Where no listener answers, 200 goes out when all have ended."""

    __slots__ = ()


class InviteServerContext(ServerContext):
    """An INVITE: 100 has been sent. Calls are not built yet, so it can ring and be rejected."""

    __slots__ = ()

    def accept(self, *_: Any, **__: Any) -> None:
        """Raise LocalProtocolError: there is no media to answer with."""
        raise LocalProtocolError("a call cannot be accepted without media; reject it")

    def ring(self, status: int = 180, reason: str | None = None, *, extra_headers: Sequence[str] = ()) -> None:
        """Send a provisional response, from 101 on. Raises as ``reject`` does."""
        _check_status(status, 101, 199)
        self._check_open()
        self._answer(Answer(status, reason, tuple(extra_headers)))


def _check_status(status: int, lowest: int, highest: int) -> None:
    if not lowest <= status <= highest:
        raise ValueError(f"status: expected {lowest} to {highest}, got: {status}")


def _octets(body: str | bytes) -> bytes:
    return body.encode() if isinstance(body, str) else body


def _present(identity: NameAddr | None) -> NameAddr:
    # The core lets no request out or in that lacks From or To.
    assert identity is not None
    return identity
