"""How long a binding lasts, when to refresh it and when to try again (RFC 3261 §10.2.4, §20.33; RFC 5626 §4.5)."""

from __future__ import annotations

import re

from sipcli.sip.errors import ParseError
from sipcli.sip.headers import NameAddr
from sipcli.sip.message import Response

__all__ = ["LEAST_LEASE", "MAX_RETRY_AFTER", "backoff", "granted_expiry", "refresh_delay", "retry_after"]

# A lease below this is treated as this, in seconds: a registrar that grants next to nothing must not be asked
# without end.
LEAST_LEASE = 10
# A refresh goes out this long before the lease ends, or after this part of it, whichever is earlier.
_MARGIN = 5.0
_LATEST = 0.9
# RFC 5626 §4.5 waits for half an hour at most; no Retry-After is obeyed beyond that.
MAX_RETRY_AFTER = 1800
_SECONDS = re.compile(r"[ \t]*([0-9]{1,10})(?![0-9.])")


def granted_expiry(response: Response, binding: NameAddr | None, asked: int) -> int:
    """Return what a 2xx to REGISTER grants: the expires of our Contact, else Expires, else what we asked for."""
    if binding is not None and binding.expires is not None:
        return binding.expires
    try:
        expires = response.expires
    except ParseError:
        expires = None
    return asked if expires is None else expires


def refresh_delay(granted: int, frequency: int | None) -> float:
    """Return after how many seconds a lease is to be refreshed; ``frequency`` is in percent of it."""
    lease = max(granted, LEAST_LEASE)
    return lease * frequency / 100 if frequency is not None else min(lease - _MARGIN, lease * _LATEST)


def retry_after(response: Response | None) -> int | None:
    """Return the Retry-After of a response, at most MAX_RETRY_AFTER; None when there is none."""
    match = _SECONDS.match((response and response.get("retry-after")) or "")
    return None if match is None else min(int(match[1]), MAX_RETRY_AFTER)


def backoff(failures: int, shortest: float, longest: float, fraction: float) -> float:
    """Return the delay after this many failures in a row: it doubles up to ``longest``, less up to half of it.

    ``fraction`` is a random number from 0 to 1, so that the clients of a registrar that was away do not come at once.
    """
    longest = max(longest, shortest)
    delay = min(longest, shortest * 2.0 ** min(failures, 20))
    return max(shortest, delay * (0.5 + 0.5 * fraction))
