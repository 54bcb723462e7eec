"""Identifiers that must be unique or unguessable (RFC 3261 §8.1.1.7, §19.3; RFC 5626 §4.1): chance is an argument."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["Ids"]

# RFC 3261 §8.1.1.7: every branch of an RFC 3261 client begins with this.
MAGIC_COOKIE = "z9hG4bK"
_ALPHABET = b"0123456789abcdefghijklmnopqrstuv"
# Which character an octet stands for: its low five bits say.
_CHARACTERS = bytes([_ALPHABET[octet & 31] for octet in range(256)])


class Ids:
    """Makes identifiers from a source of random octets, such as ``secrets.token_bytes``."""

    __slots__ = ("_random_bytes",)

    def __init__(self, random_bytes: Callable[[int], bytes]) -> None:
        self._random_bytes = random_bytes

    def token(self, length: int) -> str:
        """Return ``length`` characters of base 32: five bits of chance each."""
        return self._random_bytes(length).translate(_CHARACTERS).decode()

    def branch(self) -> str:
        """Return a Via branch (§8.1.1.7)."""
        return MAGIC_COOKIE + self._random_bytes(8).hex()

    def tag(self) -> str:
        """Return a From or To tag of 80 random bits (§19.3 asks for 32)."""
        return self._random_bytes(10).hex()

    def call_id(self) -> str:
        """Return a Call-ID (§8.1.1.4)."""
        return self._random_bytes(12).hex()

    def cnonce(self) -> str:
        """Return a client nonce (RFC 7616 §3.4)."""
        return self._random_bytes(8).hex()

    def cseq(self) -> int:
        """Return a first CSeq number: small, so that it never comes near 2**31 (§8.1.1.5)."""
        return int.from_bytes(self._random_bytes(2), "big") % 9999 + 1

    def uuid(self) -> str:
        """Return a random UUID, version 4 (RFC 4122 §4.4)."""
        octets = bytearray(self._random_bytes(16))
        octets[6] = octets[6] & 0x0F | 0x40
        octets[8] = octets[8] & 0x3F | 0x80
        text = octets.hex()
        return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"

    def invalid_host(self) -> str:
        """Return a host name for Via and Contact of a client that cannot be dialled (RFC 7118 §5.2)."""
        return self.token(12) + ".invalid"

    def fraction(self) -> float:
        """Return a number from 0 to under 1, for jitter and the choice among equals."""
        # As many bits as a float holds: with more, the greatest would be rounded to 1.
        return (int.from_bytes(self._random_bytes(7), "big") >> 3) / (1 << 53)
