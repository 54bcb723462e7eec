"""Redirects: the target set of a request (RFC 3261 §8.1.3.4)."""

from __future__ import annotations

from dataclasses import replace

from sipcli.sip.errors import ParseError
from sipcli.sip.message import Response
from sipcli.sip.uri import URI

__all__ = ["TargetSet"]

# 305 names a proxy to go through and 380 another service: neither is the same request elsewhere.
_REDIRECTS = frozenset({300, 301, 302})
_MAX_TARGETS = 64


class TargetSet:
    """Where a request may still go: contacts of 3xx responses in the order of q, none of them twice."""

    __slots__ = ("_left", "_limit", "_secure", "_tried")

    def __init__(self, target: URI | None, limit: int, *, secure: bool) -> None:
        """``limit`` is how often the request may be sent elsewhere; ``secure`` allows ``sips:`` targets."""
        self._tried = [] if target is None else [target]
        self._left: list[URI] = []
        self._limit = limit
        self._secure = secure

    def next(self, response: Response) -> URI | None:
        """Take the final response from the last target and return where to go next; None to give up."""
        if response.status >= 600:
            # §8.1.3.4: a 6xx speaks for all targets.
            return None
        if response.status in _REDIRECTS:
            self._add(response)
        while self._left and self._limit > 0:
            target = self._left.pop(0)
            # §8.1.3.4: a URI that was tried is not tried again; else two servers could send us to each other for ever.
            if not any(target.equivalent(tried) for tried in self._tried):
                self._tried.append(target)
                self._limit -= 1
                return target
        return None

    def _add(self, response: Response) -> None:
        try:
            contacts = response.contacts
        except ParseError:
            return
        ordered = sorted(contacts[:_MAX_TARGETS], key=lambda contact: -1.0 if contact.q is None else -contact.q)
        found = []
        for contact in ordered:
            uri = contact.uri
            if isinstance(uri, URI) and (uri.scheme == "sip" or self._secure):
                # §19.1.5: header fields and a method that a stranger wants in our request are left out.
                found.append(replace(uri, headers=(), params=uri.params.without("method")))
        # The contacts of the newest answer replace the target that gave it.
        self._left = (found + self._left)[:_MAX_TARGETS]
