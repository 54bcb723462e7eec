"""The registrar and its location service (RFC 3261 §10.3; outbound, RFC 5626 §6; GRUU, RFC 5627 §5)."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace

from sipcli.lab.settings import LabSettings
from sipcli.sip.errors import RemoteProtocolError
from sipcli.sip.grammar import parse_digits
from sipcli.sip.headers import NameAddr
from sipcli.sip.ids import Ids
from sipcli.sip.message import Request, Response, build_response
from sipcli.sip.uri import URI, AnyURI, URIParams, escape_user

__all__ = ["Binding", "Registrar", "Target"]

SUPPORTED = ("outbound", "path", "gruu")

_TEMPORARY = "tgruu."
# Refreshes mint temporary GRUUs without end (RFC 5627 §3.1.2 lets all of them live); the newest are kept.
_MAX_TEMPORARY = 32


@dataclass(frozen=True, slots=True)
class Target:
    """Where a request may go: its next Request-URI, and the flow that reaches it."""

    uri: AnyURI
    flow: int


@dataclass(frozen=True, slots=True)
class Binding:
    """One contact of a user, and the flow that it registered over."""

    contact: NameAddr
    """As registered, without ``expires``."""
    flow: int
    expires_at: float
    call_id: str
    cseq: int
    instance: str | None = None
    """``+sip.instance`` without its brackets."""
    reg_id: int | None = None
    temporary_gruus: tuple[str, ...] = ()

    @property
    def target(self) -> Target:
        return Target(self.contact.uri, self.flow)

    def replaces(self, older: Binding) -> bool:
        """Tell whether this is the same binding as ``older``, registered anew."""
        if self.reg_id is not None and (self.instance, self.reg_id) == (older.instance, older.reg_id):
            return True  # RFC 5626 §6: instance and reg-id name the binding, whatever the URI
        uri, other = self.contact.uri, older.contact.uri
        return uri.equivalent(other) if isinstance(uri, URI) else uri == other


class Registrar:
    """Holds the bindings of the lab's users; the newest one is the last of its user's."""

    __slots__ = ("_bindings", "_ids", "_settings")

    def __init__(self, settings: LabSettings, ids: Ids) -> None:
        self._settings = settings
        self._ids = ids
        self._bindings: dict[str, list[Binding]] = {user: [] for user in settings.users}

    def bindings(self, user: str, now: float) -> tuple[Binding, ...]:
        """Return the bindings of ``user`` that have not expired, the newest last."""
        kept = [binding for binding in self._bindings.get(user, ()) if binding.expires_at > now]
        if user in self._bindings:
            self._bindings[user] = kept
        return tuple(kept)

    def register(self, user: str, request: Request, flow: int, now: float) -> Response:
        """Process an authenticated REGISTER of ``user`` (RFC 3261 §10.3 steps 2, 6 to 8) and return the answer.

        Raises RemoteProtocolError and ParseError, and then has changed nothing.
        """
        unsupported = [tag for tag in request.require if tag.lower() not in SUPPORTED]
        if unsupported:
            return self._refuse(request, 420, [("Unsupported", ", ".join(unsupported))])
        old = self.bindings(user, now)
        if request.wildcard_contact:
            if request.expires != 0 or request.contacts:
                raise RemoteProtocolError(400, "Contact * needs Expires: 0 and stands alone")
            changes = [replace(binding, expires_at=now) for binding in old]
        else:
            changes = [self._requested(contact, request, flow, now) for contact in request.contacts]
        if any(now < change.expires_at < now + self._settings.min_expires for change in changes):
            return self._refuse(request, 423, [("Min-Expires", str(self._settings.min_expires))])
        if sum(change.reg_id is not None and change.expires_at > now for change in changes) > 1:
            raise RemoteProtocolError(400, "One contact with a reg-id at a time")  # RFC 5626 §6
        self._bindings[user] = list(self._changed(old, changes, request))
        return self._granted(user, request, any(change.reg_id is not None for change in changes), now)

    def locate(self, uri: URI, live: Collection[int], now: float) -> list[Target]:
        """Return where an address of record, or a GRUU, is reached over ``live`` flows: one target an instance."""
        instance = uri.params.get("gr")
        user = uri.username or ""
        if "gr" in uri.params and user.startswith(_TEMPORARY):
            found = [
                binding
                for each in self._bindings
                for binding in self.bindings(each, now)
                if user in binding.temporary_gruus
            ]
        else:
            found = [binding for binding in self.bindings(user, now) if not instance or binding.instance == instance]
        targets: dict[object, Target] = {}
        for binding in found:
            if binding.flow in live:
                # RFC 5626 §7: one flow of an instance at a time, the newest.
                targets[binding.instance or binding.contact.uri] = binding.target
        return list(targets.values())

    def knows(self, uri: URI) -> bool:
        """Tell whether an address of record is a user's; a GRUU of an instance that is gone is nobody's."""
        return (uri.username or "") in self._bindings

    def locate_contact(self, uri: AnyURI, live: Collection[int], now: float) -> Target | None:
        """Return where a registered contact is reached, as named by a request inside a dialog."""
        for user in self._bindings:
            for binding in reversed(self.bindings(user, now)):
                contact = binding.contact.uri
                if binding.flow in live and isinstance(contact, URI) and contact.equivalent(uri):
                    return Target(uri, binding.flow)
        return None

    def _requested(self, contact: NameAddr, request: Request, flow: int, now: float) -> Binding:
        """Return the binding that a Contact value asks for; one that is to be removed expires now."""
        uri = contact.uri
        if isinstance(uri, URI) and "gr" in uri.params:
            raise RemoteProtocolError(403, "A GRUU is no contact")  # RFC 5627 §5.1
        expires = contact.expires
        if expires is None:
            # §10.3 step 7: the header field, else our own choice; a malformed parameter is 3600 (§10.2.1.1).
            expires = self._settings.max_expires if "expires" in contact.params else request.expires
        expires = self._settings.max_expires if expires is None else min(expires, self._settings.max_expires)
        cseq, call_id = request.cseq, request.call_id
        assert cseq is not None
        assert call_id is not None
        instance = (contact.params.get("+sip.instance") or "").strip("<>") or None
        reg_id = None
        if instance is not None and "outbound" in _lower(request.supported):
            value = contact.params.get("reg-id")
            # RFC 5626 §4.2.1: 1 to 2**31 - 1. Without an instance it is ignored (§6).
            reg_id = None if value is None else parse_digits(value, "reg-id", 2**31 - 1)
        return Binding(
            replace(contact, params=contact.params.without("expires")),
            flow,
            now + expires,
            call_id,
            cseq.number,
            instance,
            reg_id,
        )

    def _changed(self, old: Iterable[Binding], changes: Iterable[Binding], request: Request) -> Iterable[Binding]:
        call_id, cseq = request.call_id, request.cseq
        assert cseq is not None
        kept = list(old)
        for change in changes:
            minted: tuple[str, ...] = ()
            for binding in [binding for binding in kept if change.replaces(binding)]:
                if binding.call_id == call_id and binding.cseq >= cseq.number:
                    # §10.3 step 7: out of order. RFC 3261 names no status code; §12.2.2 has 500 for the like.
                    raise RemoteProtocolError(500, "CSeq Out of Order")
                if binding.call_id == call_id:
                    # RFC 5627 §5.2: temporary GRUUs live as long as the Call-ID of their registration.
                    minted += binding.temporary_gruus
                kept.remove(binding)
            if change.instance is not None and "gruu" in _lower(request.supported):
                minted = (*minted[1 - _MAX_TEMPORARY :], _TEMPORARY + self._ids.token(20))
            kept.append(replace(change, temporary_gruus=minted))
        return kept

    def _granted(self, user: str, request: Request, outbound: bool, now: float) -> Response:
        gruu = "gruu" in _lower(request.supported)
        headers = [("Contact", str(self._as_granted(user, binding, gruu, now))) for binding in self.bindings(user, now)]
        if outbound:
            headers.append(("Require", "outbound"))  # RFC 5626 §6
        headers.append(("Supported", ", ".join(SUPPORTED)))
        return build_response(request, 200, to_tag=self._ids.tag(), headers=headers)

    def _as_granted(self, user: str, binding: Binding, gruu: bool, now: float) -> NameAddr:
        params = binding.contact.params.with_param("expires", str(round(binding.expires_at - now)))
        if gruu and binding.instance is not None:
            public = self._uri(escape_user(user), URIParams().with_param("gr", binding.instance))
            params = params.with_param("pub-gruu", str(public))
            if binding.temporary_gruus:
                temporary = self._uri(binding.temporary_gruus[-1], URIParams([("gr", None)]))
                params = params.with_param("temp-gruu", str(temporary))
        return replace(binding.contact, params=params)

    def _uri(self, user: str, params: URIParams) -> URI:
        return URI(scheme="sip", user=user, host=self._settings.domain, params=params)

    def _refuse(self, request: Request, status: int, headers: list[tuple[str, str]]) -> Response:
        return build_response(request, status, to_tag=self._ids.tag(), headers=headers)


def _lower(tags: Iterable[str]) -> set[str]:
    return {tag.lower() for tag in tags}
