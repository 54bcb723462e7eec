"""Cancelling an INVITE (RFC 3261 §9.1; RFC 3326)."""

from __future__ import annotations

from dataclasses import dataclass

from sipcli.sip.grammar import quote
from sipcli.sip.message import Request
from sipcli.sip.status import REASON_PHRASES

__all__ = ["Cancellation", "build_cancel", "build_reason"]


@dataclass(slots=True)
class Cancellation:
    """What was asked for. The CANCEL needs a provisional response first: ``sent`` says whether it went out."""

    reason: str
    """The Reason header field, empty for none."""
    sent: bool = False


def build_reason(status_code: int | None, reason_phrase: str | None) -> str:
    """Return the Reason of a CANCEL, empty when neither is given.

    Raises ValueError for a status code that is not from 200 to 699 and for a phrase that is not printable.
    """
    if status_code is not None and not 200 <= status_code <= 699:
        raise ValueError(f"status_code: expected 200 to 699, got: {status_code}")
    if status_code is None and not reason_phrase:
        return ""
    text = reason_phrase or REASON_PHRASES.get(status_code or 0, "")
    if not text.isprintable():
        raise ValueError(f"reason_phrase: expected printable text, got: {text!r}")
    cause = "" if status_code is None else f";cause={status_code}"
    return f"SIP{cause};text={quote(text)}"


def build_cancel(invite: Request, reason: str) -> Request:
    """Return the CANCEL for an INVITE as it was sent."""
    sequence = (invite.get("CSeq") or "").partition(" ")[0]
    # Request-URI, Call-ID, To, From, the number of CSeq, Route and the topmost Via are those of the INVITE.
    headers = [
        *[("Route", route) for route in invite.get_all("Route")],
        ("Via", invite.get("Via") or ""),
        ("Max-Forwards", "70"),
        *[(name, invite.get(name) or "") for name in ("To", "From", "Call-ID")],
        ("CSeq", f"{sequence} CANCEL"),
    ]
    if reason:
        headers.append(("Reason", reason))
    headers += [("User-Agent", value) for value in invite.get_all("User-Agent")]
    return Request("CANCEL", invite.uri_text, headers)
