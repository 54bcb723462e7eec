"""Inspection of incoming requests: may they be processed at all (RFC 3261 §8.2.1, §8.2.2, §8.2.3, §12.2.2)."""

from __future__ import annotations

from dataclasses import dataclass

from sipcli.sip.identity import Identity
from sipcli.sip.message import Request
from sipcli.sip.option_tags import supported_tags
from sipcli.sip.request_builder import ACCEPTED_TYPES
from sipcli.sip.settings import Settings
from sipcli.sip.uri import URI

__all__ = ["Inspector", "Refusal"]

# Known to this user agent as requests inside a dialog only: without a dialog there is none, whatever the method.
_DIALOG_METHODS = frozenset({"BYE", "INFO", "INVITE", "NOTIFY", "PRACK", "REFER", "SUBSCRIBE", "UPDATE"})
_SDP = "application/sdp"


@dataclass(frozen=True, slots=True)
class Refusal:
    """The answer to a request that is not processed."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()


class Inspector:
    """Judges requests by the settings and the identity of one user agent."""

    __slots__ = ("_allow", "_identity", "_methods", "_settings")

    def __init__(self, settings: Settings, identity: Identity, allow: str) -> None:
        """``allow`` is the value of our Allow header field."""
        self._settings = settings
        self._identity = identity
        self._allow = allow
        self._methods = frozenset(allow.split(", "))

    def inspect(self, request: Request, *, secure: bool) -> Refusal | None:
        """Return the refusal of a well-formed request other than ACK and CANCEL, None when it may be processed.

        ``secure``: it came over TLS. Merged requests are not looked for: only the transactions can tell.
        """
        return (
            self._inspect_dialog(request)
            or self._inspect_method(request)
            or self._inspect_target(request, secure=secure)
            or self._inspect_origin(request)
            or self._inspect_require(request)
            or self._inspect_content(request)
        )

    def _inspect_dialog(self, request: Request) -> Refusal | None:
        # §12.2.2: before anything else, since the Request-URI of a dialog is whatever the Contact became on its way.
        to = request.to
        if to is not None and to.tag is not None and request.method in _DIALOG_METHODS:
            return Refusal(481)
        return None

    def _inspect_method(self, request: Request) -> Refusal | None:
        # §8.2.1
        return None if request.method in self._methods else Refusal(405, (("Allow", self._allow),))

    def _inspect_target(self, request: Request, *, secure: bool) -> Refusal | None:
        # §8.2.2.1
        uri = request.uri
        if not isinstance(uri, URI) or (uri.scheme == "sips" and not secure):
            return Refusal(416)
        return None if self._identity.is_ours(uri) else Refusal(404)

    def _inspect_origin(self, request: Request) -> Refusal | None:
        # §8.2.2.2: our own request has come back to us, as SIP.js and JsSIP see it.
        to = request.to
        if (request.call_id or "").startswith(self._identity.call_id_prefix) and (to is None or to.tag is None):
            return Refusal(482)
        return None

    def _inspect_require(self, request: Request) -> Refusal | None:
        # §8.2.2.3
        ours = {tag.lower() for tag in (*supported_tags(self._settings), "gruu")}
        unknown = [tag for tag in request.require if tag.lower() not in ours]
        return Refusal(420, (("Unsupported", ", ".join(unknown)),)) if unknown else None

    def _inspect_content(self, request: Request) -> Refusal | None:
        # §8.2.3. A MESSAGE may be of any type: it is shown, not understood.
        encodings = [encoding.lower() for encoding in request.get_list("content-encoding")]
        if request.body and any(encoding != "identity" for encoding in encodings):
            return Refusal(415, (("Accept-Encoding", "identity"),))
        if request.method != "INVITE":
            return None
        if request.body and request.media_type != _SDP and not _is_optional(request):
            return Refusal(415, (("Accept", _SDP),))
        # §20.1: without Accept, application/sdp is meant.
        if request.get("accept") is not None and not _accepts_sdp(request.accept):
            return Refusal(406, (("Accept", ACCEPTED_TYPES),))
        return None


def _is_optional(request: Request) -> bool:
    # §20.11: a body of an unknown type is ignored when its handling is optional.
    disposition = request.get("content-disposition") or ""
    return "handling=optional" in "".join(disposition.lower().split())


def _accepts_sdp(ranges: tuple[str, ...]) -> bool:
    types = {"".join(range_.partition(";")[0].split()).lower() for range_ in ranges}
    return not types.isdisjoint({_SDP, "application/*", "*/*"})
