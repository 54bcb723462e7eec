"""How long a binding lasts and when to act (RFC 3261 §10.2.4, §20.33; PARAMETERS row 87)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipcli.sip.headers import parse_name_addr
from sipcli.sip.lease import LEAST_LEASE, MAX_RETRY_AFTER, backoff, granted_expiry, refresh_delay, retry_after
from sipcli.sip.message import Response


@given(granted=st.integers(0, 2**32), frequency=st.none() | st.integers(50, 99))
def test_refresh_is_within_the_lease_and_never_soon(granted: int, frequency: int | None) -> None:
    """At least half the least lease from now, and before a lease of that or more is over."""
    delay = refresh_delay(granted, frequency)
    assert LEAST_LEASE / 2 <= delay < max(granted, LEAST_LEASE)


@given(failures=st.integers(1, 10**6), fraction=st.floats(0, 1))
def test_backoff_stays_between(failures: int, fraction: float) -> None:
    """Not below the shortest, not above the longest, however often it failed."""
    assert 2 <= backoff(failures, 2, 30, fraction) <= 30


def test_backoff_with_bounds_in_the_wrong_order() -> None:
    """The shortest wins."""
    assert backoff(5, 60, 30, 0) == 60


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("120", 120),
        (" 18 ;duration=3600", 18),
        ("5 (in a meeting)", 5),
        ("0", 0),
        ("9999999999", MAX_RETRY_AFTER),
        ("99999999999", None),
        ("1.5", None),
        ("-1", None),
        ("\N{SUPERSCRIPT TWO}", None),
        ("", None),
    ],
)
def test_retry_after(text: str, seconds: int | None) -> None:
    """Digits, with a comment and parameters behind."""
    assert retry_after(Response(503, "", [("Retry-After", text)])) == seconds
    assert retry_after(Response(503, "")) is None
    assert retry_after(None) is None


def test_granted_expiry() -> None:
    """The Contact's parameter, else Expires, else what was asked for."""
    response = Response(200, "OK", [("Expires", "50")])
    assert granted_expiry(response, parse_name_addr("<sip:a@b>;expires=7"), 600) == 7
    assert granted_expiry(response, parse_name_addr("<sip:a@b>;expires=x"), 600) == 50
    assert granted_expiry(response, None, 600) == 50
    assert granted_expiry(Response(200, "OK", [("Expires", "x")]), None, 600) == 600
