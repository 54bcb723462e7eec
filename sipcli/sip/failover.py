"""Which WebSocket server is tried next, and after how long (SIP.js 0.7's ``wsServers`` and recovery; RFC 5626 §4.5)."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from sipcli.sip.ids import Ids
from sipcli.sip.settings import Server, Settings

__all__ = ["Failover", "Retry"]

# A server that accepts and hangs up at once must not be redialled at once for ever: a connection that stood for less
# than these seconds forgives nothing.
STABLE_AFTER = 5.0

# Whatever chance and the number of servers: this many attempts take as many least recovery intervals (20 in 40 s).
BURST = 20


@dataclass(frozen=True, slots=True)
class Retry:
    """The next attempt: ``delay`` is in seconds."""

    server: Server
    delay: float


class Failover:
    """Chooses servers: highest weight first, at random among equals, a failed one left out until all have failed.

    With ``recover``, a server that drops us is first tried again ``ws_server_max_reconnection`` times, then the others
    once each, then everything again after a recovery interval, without end. Without it every server is tried once.
    """

    __slots__ = (
        "_attempts",
        "_count",
        "_current",
        "_dropped",
        "_failed",
        "_ids",
        "_reconnections",
        "_recover",
        "_settings",
    )

    def __init__(self, settings: Settings, ids: Ids, *, recover: bool) -> None:
        self._settings = settings
        self._ids = ids
        self._recover = recover
        self._failed: set[int] = set()
        self._attempts: deque[float] = deque(maxlen=BURST)
        self._current = 0
        self._forgive()

    def start(self, now: float) -> Server:
        """Forget every failure and return the first server to try."""
        self._forgive()
        self._attempts.clear()
        self._attempts.append(now)
        return self._choose()

    def lost(self, stood_for: float | None, now: float) -> Retry | None:
        """Say what comes after the current server failed; None when there is nothing left to try.

        ``stood_for`` is how many seconds the connection stood, None when it could not be made.
        """
        retry = self._next(stood_for)
        if retry is None or not self._recover:
            return retry
        if len(self._attempts) == BURST:
            earliest = self._attempts[0] + BURST * self._settings.connection_recovery_min_interval
            retry = Retry(retry.server, max(retry.delay, earliest - now))
        self._attempts.append(now + retry.delay)
        return retry

    def _next(self, stood_for: float | None) -> Retry | None:
        if stood_for is not None:
            if not self._recover:
                return None
            if stood_for >= STABLE_AFTER:
                self._forgive()
            self._dropped = True
        if self._dropped and self._reconnections < self._settings.ws_server_max_reconnection:
            self._reconnections += 1
            delay = 0.0 if self._reconnections == 1 else self._settings.ws_server_reconnection_timeout
            return Retry(self._settings.ws_servers[self._current], delay)
        self._failed.add(self._current)
        if len(self._failed) < len(self._settings.ws_servers):
            return Retry(self._choose(), 0.0)
        if not self._recover:
            return None
        self._failed.clear()
        return Retry(self._choose(), self._recovery_interval())

    def _forgive(self) -> None:
        self._failed.clear()
        self._dropped = False
        self._reconnections = 0
        self._count = 0

    def _choose(self) -> Server:
        servers = self._settings.ws_servers
        left = [index for index in range(len(servers)) if index not in self._failed]
        weight = max(servers[index].weight for index in left)
        equals = [index for index in left if servers[index].weight == weight]
        self._current = equals[int(self._ids.fraction() * len(equals))]
        return servers[self._current]

    def _recovery_interval(self) -> float:
        """Return a random multiple of the least interval, from a range that doubles until it passes the greatest."""
        settings = self._settings
        interval = (int(self._ids.fraction() * 2**self._count) + 1) * settings.connection_recovery_min_interval
        if interval > settings.connection_recovery_max_interval:
            interval = settings.connection_recovery_min_interval
            self._count = 0
        self._count += 1
        return interval
