"""Listeners: functions and coroutines, whose failures are seen and do no harm."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from sipcli.emitter import Emitter


@pytest.fixture
async def reported() -> list[dict[str, Any]]:
    """What reached the exception handler of the event loop."""
    contexts: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: contexts.append(context))
    return contexts


def test_order_and_arguments() -> None:
    """Listeners are called in the order they came, with all the arguments."""
    emitter, seen = Emitter(), []
    emitter.on("event", lambda *arguments: seen.append((1, *arguments)))
    emitter.on("event", lambda *arguments: seen.append((2, *arguments)))
    assert emitter.emit("event", "a", None)
    assert seen == [(1, "a", None), (2, "a", None)]
    assert not emitter.emit("another")


def test_decorators() -> None:
    """Without a listener, on and once are decorators and leave the function as it is."""
    emitter, seen = Emitter(), []

    @emitter.on("event")
    def always(value: int) -> None:
        seen.append(("always", value))

    @emitter.once("event")
    def first(value: int) -> None:
        seen.append(("first", value))

    emitter.emit("event", 1)
    emitter.emit("event", 2)
    assert seen == [("always", 1), ("first", 1), ("always", 2)]
    assert list(emitter.listeners("event")) == [always]


def test_off() -> None:
    """A listener can be removed, with the others of its event or with all; what is not there is no error."""
    emitter = Emitter()
    seen: list[object] = []
    emitter.off()
    emitter.off("event", seen.append)
    for event in ("a", "b", "c"):
        emitter.on(event, seen.append)
    emitter.off("a", seen.append)
    emitter.off("a", seen.append)
    emitter.off("b")
    for event in ("a", "b", "c"):
        emitter.emit(event, event)
    emitter.off()
    emitter.emit("c", "c")
    assert seen == ["c"]


def test_listeners_change_while_emitting() -> None:
    """A listener may remove itself and add others; those are called from the next event on."""
    emitter, seen = Emitter(), []

    def once_only() -> None:
        seen.append("first")
        emitter.off("event", once_only)
        emitter.on("event", lambda: seen.append("second"))

    emitter.on("event", once_only)
    emitter.emit("event")
    emitter.emit("event")
    assert seen == ["first", "second"]


async def test_coroutine_listener() -> None:
    """A coroutine function runs as a task, whose end can be waited for."""
    emitter, seen = Emitter(), []

    async def listener(value: int) -> None:
        await asyncio.sleep(0)
        seen.append(value)

    emitter.on("event", listener)
    tasks = emitter.emit_and_list("event", 7)
    assert not seen
    await asyncio.wait(tasks)
    assert seen == [7]


@pytest.mark.parametrize("is_coroutine", [False, True])
async def test_failure_is_reported(reported: list[dict[str, Any]], is_coroutine: bool) -> None:
    """What a listener raises goes to the loop's exception handler; the other listeners are called all the same."""
    emitter, seen = Emitter(), []
    failure = ZeroDivisionError("listener")

    def function() -> None:
        raise failure

    async def coroutine() -> None:
        raise failure

    emitter.on("event", coroutine if is_coroutine else function)
    emitter.on("event", lambda: seen.append("second"))
    if tasks := emitter.emit_and_list("event"):
        await asyncio.wait(tasks)
        await asyncio.sleep(0)
    assert seen == ["second"]
    assert [context["exception"] for context in reported] == [failure]
    assert "test_failure_is_reported" in reported[0]["message"]


async def test_error_event(reported: list[dict[str, Any]]) -> None:
    """A listener of error gets what another raised; what it raises itself is reported, not sent to it again."""
    emitter, seen = Emitter(), []

    def fails() -> None:
        raise ZeroDivisionError("listener")

    def error(exception: Exception) -> None:
        seen.append(exception)
        raise KeyError("error listener")

    emitter.on("event", fails)
    emitter.on("error", error)
    emitter.emit("event")
    assert [type(exception) for exception in seen] == [ZeroDivisionError]
    assert [type(context["exception"]) for context in reported] == [KeyError]


async def test_cancelled_listener(reported: list[dict[str, Any]]) -> None:
    """A coroutine that still runs can be found and ended, without a word."""
    emitter, ended = Emitter(), asyncio.Event()

    async def forever() -> None:
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            ended.set()

    emitter.on("event", forever)
    assert not emitter.running_listeners()
    emitter.emit("event")
    await asyncio.sleep(0)
    [task] = emitter.running_listeners()
    task.cancel()
    await asyncio.wait([task])
    assert ended.is_set()
    assert not emitter.running_listeners()
    assert not reported
