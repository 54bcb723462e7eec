"""Standard input without blocking the event loop: a pipe that never ends still leaves Ctrl-C and the deadline."""

from __future__ import annotations

import asyncio
import os
import sys

import click

__all__ = ["is_piped", "read_standard_input"]

_CHUNK = 1 << 16


def is_piped() -> bool:
    """Say whether there is an input that is not a terminal."""
    return sys.stdin is not None and not sys.stdin.isatty()


async def read_standard_input() -> bytes:
    """Return all that was not read yet; raises click.UsageError when standard input is closed."""
    if sys.stdin is None:
        raise click.UsageError("standard input is closed: give the body as text or @FILE")
    descriptor = sys.stdin.fileno()
    read = b""
    while chunk := await _chunk(descriptor):
        read += chunk
    return read


async def _chunk(descriptor: int) -> bytes:
    loop = asyncio.get_running_loop()
    readable: asyncio.Future[None] = loop.create_future()
    try:
        loop.add_reader(descriptor, _settle, readable)
    except (NotImplementedError, PermissionError):
        # Windows, and regular files, which never keep a reader waiting.
        return os.read(descriptor, _CHUNK)
    try:
        await readable
    finally:
        loop.remove_reader(descriptor)
    return os.read(descriptor, _CHUNK)


def _settle(readable: asyncio.Future[None]) -> None:
    if not readable.done():
        readable.set_result(None)
