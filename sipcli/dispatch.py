"""Which context an event of the core belongs to: requests that we send (RFC 3261 §8.1) and receive (§8.2)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from sipcli.contexts import (
    Agent,
    Answer,
    ClientContext,
    InviteServerContext,
    MessageServerContext,
    ServerContext,
)
from sipcli.sip import events
from sipcli.sip.core import UserAgentCore
from sipcli.sip.errors import LocalProtocolError
from sipcli.sip.events import Cause
from sipcli.sip.message import Request, Response
from sipcli.tasks import Tasks

__all__ = ["ClientContexts", "ServerContexts"]

_C = TypeVar("_C", bound=ServerContext)

# How long listeners that are coroutines have to answer a MESSAGE, in seconds: less than the core waits itself.
_ANSWER_TIME = 9.0


class Listening(Agent, Protocol):
    """A user agent with listeners."""

    def emit(self, event: str, *args: object) -> bool: ...
    def emit_and_list(self, event: str, *args: object) -> list[asyncio.Future[Any]]: ...


class ClientContexts:
    """The contexts of requests of ours that have not ended."""

    __slots__ = ("_contexts",)

    def __init__(self) -> None:
        self._contexts: dict[int, ClientContext] = {}

    def add(self, request_id: int, context: ClientContext) -> None:
        self._contexts[request_id] = context

    def take(self, event: events.Event) -> None:
        """Tell a context what became of its request; what is no such event is passed over."""
        match event:
            case events.RequestSent(request_id, request):
                if (context := self._contexts.get(request_id)) is not None:
                    context.request = request
            case events.RequestAccepted(request_id, response):
                self._finish(request_id, response, None)
            case events.RequestRejected(request_id, response, cause):
                self._finish(request_id, response, cause)
            case events.RequestFailed(request_id, cause):
                self._finish(request_id, None, cause)
            case events.RequestProgress(request_id, response):
                if (context := self._contexts.get(request_id)) is not None:
                    context.emit("progress", response, response.reason)
            case events.RequestCancelled(request_id):
                if (context := self._contexts.get(request_id)) is not None:
                    context.emit("cancel")
            case _:
                pass

    def fail(self) -> None:
        """End all that are left: the user agent stops."""
        while self._contexts:
            self._contexts.popitem()[1]._finish(None, Cause.CONNECTION_ERROR)

    def _finish(self, request_id: int, response: Response | None, cause: Cause | None) -> None:
        # A REGISTER of the core's own has no context.
        if (context := self._contexts.pop(request_id, None)) is not None:
            context._finish(response, cause)


class ServerContexts:
    """The contexts of requests of peers that have no final answer."""

    __slots__ = ("_contexts", "_core", "_now", "_perform", "_tasks", "_ua")

    def __init__(
        self, ua: Listening, core: UserAgentCore, now: Callable[[], float], perform: Callable[[], None], tasks: Tasks
    ) -> None:
        """``perform`` carries out what the core wants done after an answer."""
        self._ua = ua
        self._core = core
        self._now = now
        self._perform = perform
        self._tasks = tasks
        self._contexts: dict[int, ServerContext] = {}

    def take(self, event: events.Event) -> None:
        """Tell the application of a request, or a context that its peer has given up."""
        match event:
            case events.MessageReceived(request_id, request):
                self._take_message(self._add(MessageServerContext, request_id, request))
            case events.InviteReceived(request_id, request):
                invite = self._add(InviteServerContext, request_id, request)
                if not self._ua.emit("invite", invite):
                    invite.reject(480)
            case events.ReferReceived(request_id, request):
                refer = self._add(ServerContext, request_id, request)
                # Never followed: where nobody listens it is declined.
                if not self._ua.emit("outOfDialogReferRequested", refer):
                    refer.reject(603)
            case events.IncomingCancelled(request_id):
                if (context := self._contexts.pop(request_id, None)) is not None:
                    context.cancelled = True
                    context.emit("cancel")
            case _:
                pass

    def forget(self) -> None:
        """Forget all that are left: the user agent stops."""
        self._contexts.clear()

    def _add(self, kind: type[_C], request_id: int, request: Request) -> _C:
        def answer(answer: Answer) -> None:
            self._answer(request_id, answer)

        context = kind(self._ua, request, answer)
        self._contexts[request_id] = context
        return context

    def _answer(self, request_id: int, answer: Answer) -> None:
        now, core = self._now(), self._core
        status, reason, headers = answer.status, answer.reason, answer.extra_headers
        if status < 200:
            core.provisional(request_id, now, status=status, reason=reason, extra_headers=headers)
        elif status < 300:
            body, content_type = answer.body, answer.content_type
            core.accept(
                request_id,
                now,
                status=status,
                reason=reason,
                extra_headers=headers,
                body=body,
                content_type=content_type,
            )
        else:
            core.reject(request_id, now, status=status, reason=reason, extra_headers=headers)
        if status >= 200:
            self._contexts.pop(request_id, None)
        self._perform()

    def _take_message(self, context: MessageServerContext) -> None:
        running = self._ua.emit_and_list("message", context)
        if running:
            self._tasks.start(_accept_after(running, context))
        else:
            _accept_unanswered(context)


async def _accept_after(running: list[asyncio.Future[Any]], context: MessageServerContext) -> None:
    await asyncio.wait(running, timeout=_ANSWER_TIME)
    _accept_unanswered(context)


def _accept_unanswered(context: MessageServerContext) -> None:
    if context.answer is None and not context.cancelled:
        try:
            context.accept()
        except LocalProtocolError:
            # The core's own answer was quicker, or we are stopping.
            context.cancelled = True
