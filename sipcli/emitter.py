"""Events by name, as in SIP.js: what a user agent and a context have in common."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar, overload

from pyee.asyncio import AsyncIOEventEmitter

from sipcli.escape import escape

__all__ = ["Emitter", "Listener"]

Listener = Callable[..., Any]
_L = TypeVar("_L", bound=Listener)


class _Listeners(AsyncIOEventEmitter):
    """pyee's emitter, whose listeners cannot fail unnoticed and cannot fail the one who emits."""

    def _emit_run(self, f: Listener, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        try:
            result = f(*args, **kwargs)
        except Exception as error:
            self._failed(f, error)
            return
        if isinstance(result, Coroutine):
            result = asyncio.get_running_loop().create_task(result)
        elif not isinstance(result, asyncio.Future):
            return
        self._waiting.add(result)
        result.add_done_callback(lambda future: self._done(f, future))

    def _done(self, listener: Listener, future: asyncio.Future[Any]) -> None:
        self._waiting.discard(future)
        if not future.cancelled() and (error := future.exception()) is not None:
            self._failed(listener, error)

    def _failed(self, listener: Listener, error: BaseException) -> None:
        listeners = self.listeners("error")
        # A listener of `error` that fails itself would be called for ever.
        if isinstance(error, Exception) and listeners and listener not in listeners:
            self.emit("error", error)
            return
        name = escape(getattr(listener, "__qualname__", repr(listener)))
        context = {"message": f"Exception in the event listener {name}", "exception": error}
        asyncio.get_running_loop().call_exception_handler(context)

    @property
    def running(self) -> set[asyncio.Future[Any]]:
        """What listeners that are coroutines became, as long as they have not ended."""
        return self._waiting

    def emit_and_list(self, event: str, *args: object) -> list[asyncio.Future[Any]]:
        """Emit, and return what the listeners that are coroutines became."""
        before = set(self._waiting)
        self.emit(event, *args)
        return [future for future in self._waiting if future not in before]


class Emitter:
    """Something that emits events to listeners, which may be functions or coroutine functions.

    What a listener raises goes to the listeners of ``error``; where there are none, to the exception handler of the
    event loop. It never reaches the one who emits, nor keeps the other listeners from being called.
    """

    __slots__ = ("_listeners",)

    def __init__(self) -> None:
        # Most contexts never get a listener, so the emitter proper is made by the first.
        self._listeners: _Listeners | None = None

    @overload
    def on(self, event: str) -> Callable[[_L], _L]: ...
    @overload
    def on(self, event: str, listener: _L) -> _L: ...
    def on(self, event: str, listener: _L | None = None) -> _L | Callable[[_L], _L]:
        """Call ``listener`` on every ``event``; without a listener return a decorator."""
        if listener is None:
            return lambda decorated: self.on(event, decorated)
        self._made().add_listener(event, listener)
        return listener

    @overload
    def once(self, event: str) -> Callable[[_L], _L]: ...
    @overload
    def once(self, event: str, listener: _L) -> _L: ...
    def once(self, event: str, listener: _L | None = None) -> _L | Callable[[_L], _L]:
        """Call ``listener`` on the next ``event`` only; without a listener return a decorator."""
        if listener is None:
            return lambda decorated: self.once(event, decorated)
        self._made().once(event, listener)
        return listener

    def off(self, event: str | None = None, listener: Listener | None = None) -> None:
        """Remove ``listener`` from ``event``, all listeners of ``event``, or all there are; none left is fine."""
        if self._listeners is None:
            return
        if listener is None:
            self._listeners.remove_all_listeners(event)
        elif event is not None and listener in self._listeners.listeners(event):
            self._listeners.remove_listener(event, listener)

    def emit(self, event: str, *args: object) -> bool:
        """Call the listeners of ``event`` in the order they came; return whether there was one."""
        return self._listeners is not None and self._listeners.emit(event, *args)

    def listeners(self, event: str) -> Sequence[Listener]:
        """Return the listeners of ``event``."""
        return () if self._listeners is None else self._listeners.listeners(event)

    def emit_and_list(self, event: str, *args: object) -> list[asyncio.Future[Any]]:
        """Do as ``emit``; return what the listeners that are coroutines became."""
        return [] if self._listeners is None else self._listeners.emit_and_list(event, *args)

    def running_listeners(self) -> set[asyncio.Future[Any]]:
        """Return the listeners that are coroutines and have not come to their end."""
        return set() if self._listeners is None else set(self._listeners.running)

    def _made(self) -> _Listeners:
        if self._listeners is None:
            self._listeners = _Listeners()
        return self._listeners
