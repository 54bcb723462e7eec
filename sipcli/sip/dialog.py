"""Dialogs (RFC 3261 §12)."""

from __future__ import annotations

from dataclasses import dataclass

from sipcli.sip.errors import ParseError
from sipcli.sip.headers import NameAddr
from sipcli.sip.message import Message, Request, Response
from sipcli.sip.routing import apply_route_set

__all__ = ["Dialog", "DialogId", "dialog_id_of"]

DialogId = tuple[str, str | None, str | None]
"""Call-ID, local tag, remote tag (§12)."""


@dataclass(frozen=True, slots=True)
class Dialog:
    """The state of a dialog that we began (§12.1.2)."""

    id: DialogId
    local: str
    """From of our requests, with tag."""
    remote: str
    """To of our requests, with tag."""
    remote_target: str
    route_set: tuple[str, ...]
    local_cseq: int
    """Of the request that made the dialog."""

    @classmethod
    def of_response(cls, request: Request, response: Response) -> Dialog:
        """Return the dialog that a response to ``request`` makes.

        What a peer got wrong is replaced: it must have an ACK, and a BYE, all the same.
        """
        to = _parsed(response, "to") or _parsed(request, "to")
        from_ = _parsed(request, "from_")
        cseq = request.cseq
        assert cseq is not None  # it is a request of ours
        try:
            contact = response.contact
        except ParseError:
            contact = None
        return cls(
            id=(request.call_id or "", None if from_ is None else from_.tag, None if to is None else to.tag),
            local=request.get("From") or "",
            remote=_safe(response.get("To")) or request.get("To") or "",
            remote_target=request.uri_text if contact is None else str(contact.uri),
            route_set=_route_set(response),
            local_cseq=cseq.number,
        )

    def head(self) -> tuple[tuple[str, str], ...]:
        """Return Max-Forwards, To, From and Call-ID of our requests (§12.2.1.1)."""
        return (("Max-Forwards", "70"), ("To", self.remote), ("From", self.local), ("Call-ID", self.id[0]))

    def build_ack(self, invite: Request, via: str) -> Request:
        """Return the ACK for a 2xx to ``invite`` (§13.2.2.4): a request of its own, with the INVITE's credentials."""
        target, routes = apply_route_set(self.remote_target, self.route_set)
        credentials = [
            (name, value) for name in ("Authorization", "Proxy-Authorization") for value in invite.get_all(name)
        ]
        headers = [
            *[("Route", route) for route in routes],
            ("Via", via),
            *self.head(),
            ("CSeq", f"{self.local_cseq} ACK"),
            *credentials,
        ]
        return Request("ACK", target, headers)


def dialog_id_of(request: Request) -> DialogId:
    """Return the dialog that an incoming request belongs to, if it exists (§12.2.2)."""
    from_, to = _parsed(request, "from_"), _parsed(request, "to")
    return (request.get("Call-ID") or "", None if to is None else to.tag, None if from_ is None else from_.tag)


def _parsed(message: Message, name: str) -> NameAddr | None:
    try:
        value: NameAddr | None = getattr(message, name)
    except ParseError:
        return None
    return value


def _safe(value: str | None) -> str | None:
    # Nothing of ours may hold a NUL, though what we receive may.
    return value if value is not None and "\0" not in value else None


def _route_set(response: Response) -> tuple[str, ...]:
    # §12.1.2: the Record-Route values as they came, in reverse order.
    try:
        routes = [f"<{route.uri}>{route.params}" for route in response.record_routes]
    except ParseError:
        return ()
    return () if any("\0" in route for route in routes) else tuple(reversed(routes))
