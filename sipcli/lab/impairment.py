"""A network that is slow and loses messages, between the lab and its clients."""

from __future__ import annotations

from collections import deque

from sipcli.sip.ids import Ids

__all__ = ["Impairment"]


class Impairment:
    """Holds back what the lab sends for ``delay`` seconds and loses a share ``loss`` of the messages each way.

    The order of messages is kept. Over WebSocket a lost message is never sent again: what remains is the timeout.
    """

    __slots__ = ("_held", "_ids", "delay", "loss")

    def __init__(self, ids: Ids, *, delay: float = 0.0, loss: float = 0.0) -> None:
        self._ids = ids
        self.delay = delay
        self.loss = loss
        self._held: deque[tuple[float, int, bytes]] = deque()

    def is_lost(self) -> bool:
        """Cast the die for one message."""
        return self.loss > 0 and self._ids.fraction() < self.loss

    def hold(self, flow: int, data: bytes, now: float) -> bool:
        """Take a message that is to be sent later; False when it may go at once."""
        if self.delay <= 0 and not self._held:
            return False
        # The delay may have been changed: nothing overtakes.
        due = max(now + self.delay, self._held[-1][0] if self._held else now)
        self._held.append((due, flow, data))
        return True

    def due(self, now: float) -> list[tuple[int, bytes]]:
        """Return the messages whose time has come."""
        released = []
        while self._held and self._held[0][0] <= now:
            released.append(self._held.popleft()[1:])
        return released

    def next_deadline(self) -> float | None:
        """Return when ``due`` has something, or None."""
        return self._held[0][0] if self._held else None
