"""What a lab is told: its users, its domain, and how strict, slow and lossy it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sipcli.sip.timers import Timers

__all__ = ["LabSettings"]


@dataclass(frozen=True, slots=True)
class LabSettings:
    """The parameters of the lab's core. All intervals are seconds."""

    domain: str
    """The host part of the users' addresses of record."""
    host: str
    """Where the lab is reached, as it stands in a URI: an IPv6 address has brackets."""
    port: int
    users: Mapping[str, str] = field(repr=False)
    """Passwords by user name."""
    secure: bool = False
    """Whether clients connect with TLS (Via transport WSS)."""
    realm: str = "lab"
    algorithms: tuple[str, ...] = ("SHA-256", "MD5")
    nonce_lifetime: float = 300.0
    min_expires: int = 0
    """REGISTER for less is answered with 423."""
    max_expires: int = 3600
    """What is granted when more, or nothing, is asked for."""
    slow: float = 1.0
    """How late ``slow@`` answers."""
    timers: Timers = field(default_factory=Timers)
