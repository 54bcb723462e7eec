"""Route sets: preloaded ones and those of dialogs (RFC 3261 §8.1.2, §12.2.1.1)."""

from __future__ import annotations

from collections.abc import Sequence

from sipcli.sip.errors import ParseError
from sipcli.sip.headers import parse_name_addr
from sipcli.sip.uri import URI

__all__ = ["apply_route_set"]


def apply_route_set(target: str, route_set: Sequence[str]) -> tuple[str, tuple[str, ...]]:
    """Return the Request-URI and the Route values of a request to ``target``.

    A first route without ``lr`` is a strict router (RFC 2543): it takes the place of the target, which goes to the end.
    """
    if not route_set:
        return target, ()
    try:
        first = parse_name_addr(route_set[0]).uri
    except ParseError:
        # Not ours to repair: it goes to the peer as it came.
        return target, tuple(route_set)
    if not isinstance(first, URI) or "lr" in first.params:
        return target, tuple(route_set)
    # §12.2.1.1: what must not stand in a Request-URI is taken out of it.
    router = URI(
        scheme=first.scheme, user=first.user, host=first.host, port=first.port, params=first.params.without("method")
    )
    return str(router), (*route_set[1:], f"<{target}>")
