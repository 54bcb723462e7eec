"""The messages that the parsers are measured on: what a softphone sends and receives, no two alike."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

__all__ = ["corpus"]


def corpus(count: int, seed: int = 1) -> list[bytes]:
    """Return ``count`` messages, of ten kinds in turn; the same ones for the same seed."""
    random = Random(seed)
    return [_KINDS[number % len(_KINDS)](random) for number in range(count)]


def _hex(random: Random, octets: int) -> str:
    return random.randbytes(octets).hex()


def _message(lines: list[str], body: str = "") -> bytes:
    return "\r\n".join([*lines, f"Content-Length: {len(body.encode())}", "", body]).encode()


def _via(random: Random) -> str:
    return f"Via: SIP/2.0/WSS {_hex(random, 6)}.invalid;branch=z9hG4bK{_hex(random, 8)};rport"


def _dialog(random: Random, method: str, to_tag: bool) -> list[str]:
    number = random.randrange(10000)
    return [
        f'From: "Alice {number}" <sip:alice{number}@example.com>;tag={_hex(random, 10)}',
        f"To: <sip:bob{number}@example.com>" + (f";tag={_hex(random, 10)}" if to_tag else ""),
        f"Call-ID: {_hex(random, 12)}",
        f"CSeq: {random.randrange(1, 9999)} {method}",
    ]


def _contact(random: Random) -> str:
    return f"Contact: <sip:{_hex(random, 4)}@{_hex(random, 6)}.invalid;transport=ws;ob>"


def _sdp(random: Random, candidates: int) -> str:
    lines = [
        "v=0",
        f"o=- {random.randrange(10**18)} 2 IN IP4 127.0.0.1",
        "s=-",
        "t=0 0",
        "a=group:BUNDLE 0",
        "m=audio 9 UDP/TLS/RTP/SAVPF 111 0 8 126",
        "c=IN IP4 0.0.0.0",
        "a=fingerprint:sha-256 " + ":".join([f"{octet:02X}" for octet in random.randbytes(32)]),
        f"a=ice-ufrag:{_hex(random, 2)}",
        f"a=ice-pwd:{_hex(random, 12)}",
    ]
    for foundation in range(candidates):
        port = random.randrange(1024, 65536)
        lines.append(f"a=candidate:{foundation} 1 udp 2130706431 192.0.2.{foundation} {port} typ host generation 0")
    lines += [
        "a=rtpmap:111 opus/48000/2",
        "a=rtpmap:0 PCMU/8000",
        "a=rtpmap:126 telephone-event/8000",
        "a=sendrecv",
        "",
    ]
    return "\r\n".join(lines)


def _digest(random: Random, uri: str) -> str:
    return (
        f'Digest algorithm=SHA-256, username="alice", realm="example.com", nonce="{_hex(random, 16)}", uri="{uri}", '
        f'response="{_hex(random, 32)}", qop=auth, cnonce="{_hex(random, 8)}", nc=00000001'
    )


def _register(random: Random) -> bytes:
    return _message(
        [
            "REGISTER sip:example.com SIP/2.0",
            _via(random),
            "Max-Forwards: 70",
            *_dialog(random, "REGISTER", to_tag=False),
            f"Authorization: {_digest(random, 'sip:example.com')}",
            f'{_contact(random)};reg-id=1;+sip.instance="<urn:uuid:{_hex(random, 16)}>";expires=600',
            "Allow: ACK,CANCEL,INVITE,MESSAGE,BYE,OPTIONS,INFO,NOTIFY,REFER",
            "Supported: path, gruu, outbound",
            "User-Agent: sipcli",
        ]
    )


def _invite(random: Random) -> bytes:
    return _message(
        [
            f"INVITE sip:bob{random.randrange(10000)}@example.com SIP/2.0",
            _via(random),
            "Max-Forwards: 70",
            *_dialog(random, "INVITE", to_tag=False),
            _contact(random),
            "Allow: ACK,CANCEL,INVITE,MESSAGE,BYE,OPTIONS,INFO,NOTIFY,REFER",
            "Session-Expires: 1800;refresher=uac",
            "Supported: timer, gruu, ice, replaces, outbound",
            "User-Agent: sipcli",
            "Content-Type: application/sdp",
        ],
        _sdp(random, 20),
    )


def _ringing(random: Random) -> bytes:
    return _message(
        [
            "SIP/2.0 180 Ringing",
            *[f"{_via(random)};received=192.0.2.{hop}" for hop in range(5)],
            *[f"Record-Route: <sip:{_hex(random, 8)}@192.0.2.{hop}:443;transport=ws;lr;r2=on>" for hop in range(3)],
            *_dialog(random, "INVITE", to_tag=True),
            _contact(random),
            "Server: proxy",
        ]
    )


def _answer(random: Random) -> bytes:
    return _message(
        [
            "SIP/2.0 200 OK",
            _via(random),
            f"Record-Route: <sip:{_hex(random, 8)}@192.0.2.1:443;transport=ws;lr=on>",
            *_dialog(random, "INVITE", to_tag=True),
            _contact(random),
            "Require: timer",
            "Session-Expires: 1800;refresher=uac",
            "Supported: timer, gruu, ice, replaces, outbound",
            "Content-Type: application/sdp",
        ],
        _sdp(random, 14),
    )


def _text(random: Random) -> bytes:
    return _message(
        [
            f"MESSAGE sip:bob{random.randrange(10000)}@example.com SIP/2.0",
            _via(random),
            "Max-Forwards: 70",
            *_dialog(random, "MESSAGE", to_tag=False),
            "Supported: outbound",
            "User-Agent: sipcli",
            "Content-Type: text/plain",
        ],
        "Grüße, " + _hex(random, 20),
    )


def _notify(random: Random) -> bytes:
    return _message(
        [
            f"NOTIFY sip:{_hex(random, 4)}@{_hex(random, 6)}.invalid;transport=ws SIP/2.0",
            f"{_via(random)};received=192.0.2.9",
            f"{_via(random)};received=192.0.2.10",
            "Max-Forwards: 69",
            *_dialog(random, "NOTIFY", to_tag=True),
            "Contact: <sip:192.0.2.20:5060>",
            "Event: message-summary",
            "Subscription-State: active;expires=600",
            "Content-Type: application/simple-message-summary",
        ],
        "Messages-Waiting: yes\r\nVoice-Message: 2/8\r\n",
    )


def _challenge(random: Random) -> bytes:
    return _message(
        [
            "SIP/2.0 401 Unauthorized",
            f"{_via(random)}=40000;received=192.0.2.33",
            *_dialog(random, "REGISTER", to_tag=True),
            f'WWW-Authenticate: Digest realm="example.com", nonce="{_hex(random, 16)}", qop="auth", algorithm=SHA-256',
            "Server: registrar",
        ]
    )


def _registered(random: Random) -> bytes:
    return _message(
        [
            "SIP/2.0 200 OK",
            _via(random),
            *_dialog(random, "REGISTER", to_tag=True),
            *[f"{_contact(random)};expires={random.randrange(1, 600)};q=0.{binding}" for binding in range(4)],
            "Supported: path, outbound",
            "Server: registrar",
        ]
    )


def _compact(random: Random) -> bytes:
    return _message(
        [
            f"BYE sip:{_hex(random, 4)}@{_hex(random, 6)}.invalid SIP/2.0",
            _via(random).replace("Via", "v"),
            "Max-Forwards: 70",
            f"f: <sip:alice@example.com>;tag={_hex(random, 10)}",
            f"t: <sip:bob@example.com>;tag={_hex(random, 10)}",
            f"i: {_hex(random, 12)}",
            f"CSeq: {random.randrange(1, 9999)} BYE",
            'Reason: SIP;cause=200;text="Call completed elsewhere"',
        ]
    )


def _options(random: Random) -> bytes:
    return _message(
        [
            f"OPTIONS sip:{_hex(random, 4)}@{_hex(random, 6)}.invalid;transport=ws SIP/2.0",
            f"Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK{_hex(random, 8)}",
            "Max-Forwards: 70",
            *_dialog(random, "OPTIONS", to_tag=False),
            "Contact: <sip:keepalive@192.0.2.1:5060>",
            "Accept: application/sdp",
            "User-Agent: proxy",
        ]
    )


_KINDS: list[Callable[[Random], bytes]] = [
    _register,
    _invite,
    _ringing,
    _answer,
    _text,
    _notify,
    _challenge,
    _registered,
    _compact,
    _options,
]
