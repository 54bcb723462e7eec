"""CANCEL and its Reason (RFC 3261 §9.1; RFC 3326; PARAMETERS row 51)."""

from __future__ import annotations

import pytest

from sipcli.sip.cancellation import build_cancel, build_reason
from sipcli.sip.message import Request


@pytest.mark.parametrize(
    ("code", "phrase", "reason"),
    [
        (None, None, ""),
        (None, "", ""),
        (600, "Nope", 'SIP;cause=600;text="Nope"'),
        (480, None, 'SIP;cause=480;text="Temporarily Unavailable"'),
        (299, None, 'SIP;cause=299;text=""'),
        (None, 'say "no"', 'SIP;text="say \\"no\\""'),
    ],
)
def test_row_51_reason(code: int | None, phrase: str | None, reason: str) -> None:
    """As SIP.js 0.11.6 writes it."""
    assert build_reason(code, phrase) == reason


@pytest.mark.parametrize(("code", "phrase"), [(199, None), (700, None), (-1, "x"), (200, "a\r\nb"), (None, "\0")])
def test_row_51_bad_reason(code: int | None, phrase: str | None) -> None:
    """ValueError."""
    with pytest.raises(ValueError, match=r"status_code|reason_phrase"):
        build_reason(code, phrase)


def test_cancel_is_made_of_its_invite() -> None:
    """One Via, the whole route, no body, no credentials."""
    invite = Request(
        "INVITE",
        "sip:bob@example.com",
        [
            ("Route", "<sip:p;lr>"),
            ("Via", "SIP/2.0/WS a.invalid;branch=z9hG4bK1"),
            ("To", "<sip:bob@example.com>"),
            ("From", "<sip:alice@example.com>;tag=1"),
            ("Call-ID", "c"),
            ("CSeq", "5 INVITE"),
            ("Authorization", "Digest x=1"),
            ("Content-Type", "application/sdp"),
        ],
        b"v=0",
    )
    cancel = build_cancel(invite, "SIP;cause=600")
    assert cancel.start_line == "CANCEL sip:bob@example.com SIP/2.0"
    assert [name for name, _ in cancel.headers] == [
        *("Route", "Via", "Max-Forwards", "To", "From", "Call-ID", "CSeq", "Reason")
    ]
    assert cancel.get("CSeq") == "5 CANCEL"
    assert cancel.body == b""
