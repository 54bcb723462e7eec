"""The strict check of a message (RFC 3261 §7, §8.1.1, §20, §25)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sipcli.sip.errors import ParseError

if TYPE_CHECKING:
    from sipcli.sip.message import Message

__all__ = ["validate"]

_MANDATORY = ("via", "from", "to", "call-id", "cseq")


def validate(message: Message) -> None:
    """Raise ParseError for the first thing wrong with ``message``."""
    for name in _MANDATORY:
        if message.get(name) is None:
            raise ParseError(f"a {name} header field", message.start_line)
    for property_name in ("vias", "from_", "to", "call_id", "cseq", "contacts"):
        getattr(message, property_name)
