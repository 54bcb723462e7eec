"""Work that runs beside its caller, and whose failure is seen."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from typing import Any

__all__ = ["Tasks"]


class Tasks:
    """The tasks that are running. One that fails is reported to the exception handler of the event loop."""

    __slots__ = ("_owner", "_running")

    def __init__(self, owner: str) -> None:
        """``owner`` says whose tasks they are, for the report."""
        self._owner = owner
        self._running: set[asyncio.Task[Any]] = set()

    def __iter__(self) -> Iterator[asyncio.Task[Any]]:
        return iter([*self._running])

    def start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run ``work`` as a task."""
        task = asyncio.get_running_loop().create_task(work)
        self._running.add(task)
        task.add_done_callback(self._ended)
        return task

    def cancel(self) -> None:
        """Cancel all that run."""
        for task in self:
            task.cancel()

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._running.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            context = {"message": f"Exception in a task of the {self._owner}", "exception": error, "task": task}
            task.get_loop().call_exception_handler(context)
