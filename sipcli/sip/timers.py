"""The timers of the transaction layer (RFC 3261 §17, table 4; RFC 6026 §8)."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Timers"]


@dataclass(frozen=True, slots=True)
class Timers:
    """Base values, in seconds; everything else follows from them."""

    T1: float = 0.5
    """Estimate of the round-trip time."""
    T2: float = 4.0
    """Longest interval between retransmissions of a non-INVITE request or an INVITE response."""
    T4: float = 5.0
    """Longest time a message stays in the network."""
    transaction_timeout: float = 32.0
    """Timers B, F, H, L and M: 64*T1."""
