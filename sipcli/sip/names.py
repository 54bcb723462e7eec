"""Names of header fields: upper and lower case, compact forms (RFC 3261 §7.3.1, §7.3.3)."""

from __future__ import annotations

__all__ = ["header_key", "known_keys"]

# RFC 3261 §7.3.3 and the IANA registry of compact forms.
_COMPACT = {
    "a": "accept-contact",
    "b": "referred-by",
    "c": "content-type",
    "d": "request-disposition",
    "e": "content-encoding",
    "f": "from",
    "i": "call-id",
    "j": "reject-contact",
    "k": "supported",
    "l": "content-length",
    "m": "contact",
    "n": "identity-info",
    "o": "event",
    "r": "refer-to",
    "s": "subject",
    "t": "to",
    "u": "allow-events",
    "v": "via",
    "x": "session-expires",
    "y": "identity",
}

# Spellings seen so far and the key each stands for. Strangers choose the names: the table is bounded.
known_keys = dict(_COMPACT)
_LIMIT = 1024
_LONGEST = 40


def header_key(name: str) -> str:
    """Return what all spellings of a header name have in common: its long form in lower case."""
    key = known_keys.get(name)
    if key is None:
        key = name.strip(" \t").lower()
        key = _COMPACT.get(key, key)
        # A known name is not looked at again: neither empty nor the beginning of a folded line may become one.
        if name[:1].strip() and len(name) <= _LONGEST and len(known_keys) < _LIMIT:
            known_keys[name] = key
    return key
