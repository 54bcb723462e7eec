"""The user agent's log on standard error: with ``-v``, ``-vv``, or as ``log.level`` says."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from sipcli.cli.output import Output
from sipcli.config import Config

__all__ = ["log_to"]

_DEBUG = 3


class _Handler(logging.Handler):
    """Writes records as notes."""

    def __init__(self, output: Output) -> None:
        super().__init__()
        self._output = output

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record."""
        self._output.note(f"{record.name.removeprefix('sipcli.')}: {record.getMessage()}", style="dim")


@contextmanager
def log_to(output: Output, config: Config) -> Iterator[Config]:
    """Write the log to ``output`` for a while; gives the configuration with the level that ``-v`` asks for."""
    logger = logging.getLogger("sipcli")
    wanted = output.verbose >= 1 or config.is_set("log_level")
    # Without any handler, logging would print warnings as it likes.
    handler = _Handler(output) if wanted else logging.NullHandler()
    logger.addHandler(handler)
    propagate, level = logger.propagate, logger.level
    logger.propagate = False
    logger.setLevel(logging.DEBUG)
    try:
        raised = output.verbose >= 2 and not config.is_set("log_level")
        yield config.replace(log_level=_DEBUG) if raised else config
    finally:
        logger.removeHandler(handler)
        logger.propagate = propagate
        logger.setLevel(level)
