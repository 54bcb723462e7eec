"""Route sets (RFC 3261 §8.1.2, §12.2.1.1)."""

from __future__ import annotations

import pytest

from sipcli.sip.routing import apply_route_set


@pytest.mark.parametrize(
    ("route_set", "expected"),
    [
        ((), ("sip:t@x", ())),
        (("<sip:a;lr>", "<sip:b>"), ("sip:t@x", ("<sip:a;lr>", "<sip:b>"))),
        (("<sip:a>",), ("sip:a", ("<sip:t@x>",))),
        (("<tel:+1>",), ("sip:t@x", ("<tel:+1>",))),
        (("nonsense",), ("sip:t@x", ("nonsense",))),
    ],
)
def test_route_sets(route_set: tuple[str, ...], expected: tuple[str, tuple[str, ...]]) -> None:
    """Loose and strict routers, and what is neither."""
    assert apply_route_set("sip:t@x", route_set) == expected
