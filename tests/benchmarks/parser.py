"""Measures the parser against the sipmessage package on the same messages, and prints ratios of CPU time.

Run it with the package installed: ``python -m tests.benchmarks.parser``. It ends within ten seconds.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from statistics import median

import sipmessage  # type: ignore[import-not-found, unused-ignore]

from sipcli.sip.message import parse
from tests.benchmarks.corpus import corpus

COUNT = 1000
ROUNDS = 7
# PERFORMANCE goals: how many times the anchor's speed.
GOALS = {"index": 1.8, "match fields": 6.0, "full": 1.8}


def index(data: bytes) -> object:
    return parse(data)


def match_fields(data: bytes) -> object:
    """Read what finds the transaction and the dialog."""
    message = parse(data)
    via, from_, to, contact = message.via, message.from_, message.to, message.contact
    assert via is not None
    assert from_ is not None
    assert to is not None
    return via, via.branch, from_, from_.tag, to, to.tag, message.call_id, message.cseq, contact


def _fields(data: bytes) -> object:
    message = parse(data)
    via, from_, to, cseq, contact = message.via, message.from_, message.to, message.cseq, message.contact
    assert via is not None
    assert from_ is not None
    assert to is not None
    assert cseq is not None
    return (
        (via.transport, via.host, via.port, via.branch),
        (from_.display_name or "", str(from_.uri), from_.tag),
        (to.display_name or "", str(to.uri), to.tag),
        message.call_id,
        (cseq.number, cseq.method),
        None if contact is None else (str(contact.uri), contact.params.get("expires")),
    )


def full(data: bytes) -> object:
    """Read and check everything."""
    return parse(data, strict=True)


def anchor_index(data: bytes) -> object:
    return sipmessage.Message.parse(data)


def anchor_match_fields(data: bytes) -> object:
    message = sipmessage.Message.parse(data)
    via = message.via[0]
    from_, to, contacts = message.from_address, message.to_address, message.contact
    branch, from_tag, to_tag = via.parameters["branch"], from_.parameters.get("tag"), to.parameters.get("tag")
    return via, branch, from_, from_tag, to, to_tag, message.call_id, message.cseq, contacts


def _anchor_fields(data: bytes) -> object:
    message = sipmessage.Message.parse(data)
    via = message.via[0]
    from_, to, cseq, contacts = message.from_address, message.to_address, message.cseq, message.contact
    contact = contacts[0] if contacts else None
    return (
        (via.transport, via.host, via.port, via.parameters.get("branch")),
        (from_.name, str(from_.uri), from_.parameters.get("tag")),
        (to.name, str(to.uri), to.parameters.get("tag")),
        message.call_id,
        (cseq.sequence, cseq.method),
        None if contact is None else (str(contact.uri), contact.parameters.get("expires")),
    )


def anchor_full(data: bytes) -> object:
    message = sipmessage.Message.parse(data)
    return [
        getattr(message, name)
        for name in (
            "via",
            "from_address",
            "to_address",
            "call_id",
            "cseq",
            "contact",
            "route",
            "record_route",
            "content_length",
            "content_type",
            "expires",
            "max_forwards",
            "accept",
            "require",
            "supported",
            "authorization",
            "www_authenticate",
            "server",
            "user_agent",
        )
    ]


def measure(read: Callable[[bytes], object], messages: list[bytes]) -> float:
    """Return microseconds of CPU time a message."""
    started = time.process_time()
    for data in messages:
        read(data)
    return (time.process_time() - started) / len(messages) * 1e6


def main() -> int:
    messages = corpus(COUNT)
    for data in messages:
        ours, theirs = _fields(data), _anchor_fields(data)
        assert ours == theirs, f"{ours}\n{theirs}"
        full(data)
    late = False
    for name, read, anchor in (
        ("index", index, anchor_index),
        ("match fields", match_fields, anchor_match_fields),
        ("full", full, anchor_full),
    ):
        ours_us, theirs_us, ratios = [], [], []
        for _ in range(ROUNDS):
            ours_us.append(measure(read, messages))
            theirs_us.append(measure(anchor, messages))
            ratios.append(theirs_us[-1] / ours_us[-1])
        print(f"{name}: sipcli {_spread(ours_us)} us, sipmessage {_spread(theirs_us)} us, ratio {_spread(ratios)}")
        late = late or median(ratios) < GOALS[name]
    return int(late)


def _spread(values: list[float]) -> str:
    return f"{min(values):.1f}/{median(values):.1f}/{max(values):.1f}"


if __name__ == "__main__":
    sys.exit(main())
