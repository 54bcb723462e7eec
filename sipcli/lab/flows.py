"""The connections of the lab's clients, and the tokens that name them in Record-Route (RFC 5626 §5)."""

from __future__ import annotations

from collections.abc import Iterator, Set
from dataclasses import dataclass

from sipcli.sip.ids import Ids

__all__ = ["Flow", "Flows"]


@dataclass(frozen=True, slots=True)
class Flow:
    """One connection, and where it comes from: ``host`` as it stands in a URI."""

    number: int
    host: str
    port: int
    token: str
    """Unguessable: whoever knows it has been sent it (RFC 5626 §10.1)."""


class Flows(Set[int]):
    """The connections that stand now, by number."""

    __slots__ = ("_flows", "_ids")

    def __init__(self, ids: Ids) -> None:
        self._ids = ids
        self._flows: dict[int, Flow] = {}

    def __contains__(self, number: object) -> bool:
        return number in self._flows

    def __iter__(self) -> Iterator[int]:
        return iter(self._flows)

    def __len__(self) -> int:
        return len(self._flows)

    def __getitem__(self, number: int) -> Flow:
        return self._flows[number]

    def add(self, number: int, host: str, port: int) -> None:
        """Take note of a new connection."""
        self._flows[number] = Flow(number, host, port, self._ids.token(20))

    def discard(self, number: int) -> None:
        """Forget a connection that is gone."""
        self._flows.pop(number, None)

    def pair(self, one: int | None, other: int) -> str:
        """Return what names two flows in the user part of a Record-Route."""
        return ".".join([self._token(one), self._token(other)])

    def opposite(self, pair: str, number: int) -> int | None:
        """Return the flow at the other end of a pair that ``number`` belongs to; None when it is gone or forged."""
        tokens = pair.split(".")
        own = self._token(number)
        if len(tokens) != 2 or own not in tokens:
            return None
        wanted = tokens[1 - tokens.index(own)]
        return next((flow.number for flow in self._flows.values() if flow.token == wanted), None)

    def _token(self, number: int | None) -> str:
        flow = None if number is None else self._flows.get(number)
        return "gone" if flow is None else flow.token
