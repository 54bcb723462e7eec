"""What a programmer, a user or a peer can do wrong (RFC 3261 §21 for the status codes)."""

from __future__ import annotations

__all__ = ["ConfigError", "LocalProtocolError", "ParseError", "RemoteProtocolError", "SipError"]

_SHOWN = 60


class SipError(Exception):
    """The base of every exception that sipcli raises on purpose."""


class ParseError(SipError):
    """Octets or text that break a grammar rule.

    ``rule`` is the rule's name in RFC 3261 §25.1, ``text`` what was read and ``position`` the offset in it.
    """

    def __init__(self, rule: str, text: str, position: int = 0) -> None:
        self.rule = rule
        self.text = text
        self.position = position
        super().__init__(rule, text, position)

    def __str__(self) -> str:
        where = f" at position {self.position}" if self.position else ""
        start = max(0, self.position - _SHOWN // 2)
        return f"expected {self.rule}{where}, got: {_shown(self.text[start : start + _SHOWN])}"


def _shown(text: str) -> str:
    """Return ``text`` in double quotes, with escapes for whatever a terminal would act upon."""
    escaped = [repr(character)[1:-1] if not character.isprintable() else character for character in text]
    return '"' + "".join(escaped).replace('"', '\\"') + '"'


class ConfigError(SipError):
    """Parameters that are unknown, missing or have a bad value; each problem says where and what would be right.

    ``from_flag``: the command line carried every one of them, which is wrong usage rather than bad configuration.
    """

    def __init__(self, *problems: str, from_flag: bool = False) -> None:
        self.problems = problems
        self.from_flag = from_flag
        super().__init__(*problems)

    def __str__(self) -> str:
        return "\n".join(self.problems)


class LocalProtocolError(SipError):
    """Something that the program asked for and that is illegal in this state."""


class RemoteProtocolError(SipError):
    """A request that must be refused; ``status`` is the answer that the peer should get."""

    def __init__(self, status: int, reason: str) -> None:
        self.status = status
        self.reason = reason
        super().__init__(status, reason)

    def __str__(self) -> str:
        return f"{self.status} {self.reason}"
