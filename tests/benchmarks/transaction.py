"""Measures the transaction layer: CPU time of one client transaction, how it grows with those live, and its memory.

Run it with the package installed: ``python tests/benchmarks/transaction.py``. It ends within fifteen seconds.
"""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable
from statistics import median

from sipcli.sip.message import Request, Response, build_response, parse, serialize
from sipcli.sip.timers import Timers
from sipcli.sip.transaction import TransactionLayer

FLOW = 1
COUNT = 2000
ROUNDS = 9
MANY = 100_000
# PERFORMANCE goal: the cost with 10,000 live transactions, over that with 100.
GROWTH = 1.3
# What a transaction may cost beside building, writing and reading its messages, and with all of it, in microseconds.
BUDGET_LAYER = 15.0
BUDGET_WHOLE = 40.0
# How far the peak may rise over the second half of many transactions, in MiB.
FLAT = 1.0


def build_request(branch: str) -> Request:
    return Request(
        "OPTIONS",
        "sip:bob@example.com",
        [
            ("Via", f"SIP/2.0/WS 8gvqcc5stg6v.invalid;branch={branch}"),
            ("Max-Forwards", "69"),
            ("To", "<sip:bob@example.com>"),
            ("From", '"Alice" <sip:alice@example.com>;tag=5fb8c0c25ed5'),
            ("Call-ID", branch),
            ("CSeq", "1 OPTIONS"),
            ("Supported", "path, gruu, outbound"),
            ("User-Agent", "sipcli"),
        ],
    )


def layer_with(live: int) -> TransactionLayer:
    """Return a layer with that many transactions that wait for their answer."""
    layer = TransactionLayer(Timers())
    for number in range(live):
        layer.send_request(build_request(f"z9hG4bKlive{number}"), FLOW, 0.0, reliable=True)
    layer.effects()
    return layer


def prepared(count: int) -> list[tuple[Request, Response]]:
    """Return requests and parsed responses whose match fields have been read."""
    pairs = []
    for number in range(count):
        request = build_request(f"z9hG4bK{number}")
        response = parse(serialize(build_response(request, 200, to_tag="b1")))
        assert isinstance(response, Response)
        for message in (request, response):
            assert message.via is not None
            assert message.via.branch is not None
            assert message.cseq is not None
        pairs.append((request, response))
    return pairs


def run_layer(layer: TransactionLayer, pairs: list[tuple[Request, Response]]) -> float:
    """Return the CPU microseconds of one transaction: begun, matched and ended, as its driver does it."""
    began = time.process_time()
    for now, (request, response) in enumerate(pairs):
        layer.send_request(request, FLOW, now * 1e-4, reliable=True)
        layer.effects()
        layer.next_deadline()
        layer.receive_response(response, now * 1e-4)
        layer.effects()
        layer.next_deadline()
    return (time.process_time() - began) / len(pairs) * 1e6


def run_whole(layer: TransactionLayer, count: int) -> float:
    """Return the CPU microseconds of one transaction, messages built, written and read included.

    The response's octets are made from the request's, which stands for the peer and costs next to nothing.
    """
    tail = b'\r\nTo: <sip:bob@example.com>;tag=b1\r\nFrom: "Alice" <sip:alice@example.com>;tag=5fb8c0c25ed5\r\n'
    began = time.process_time()
    for number in range(count):
        branch = f"z9hG4bK{number}"
        now = number * 1e-4
        layer.send_request(build_request(branch), FLOW, now, reliable=True)
        for effect in layer.effects():
            if (message := getattr(effect, "message", None)) is not None:
                serialize(message)
        via = b"SIP/2.0 200 OK\r\nVia: SIP/2.0/WS 8gvqcc5stg6v.invalid;branch=" + branch.encode()
        response = parse(via + tail + b"Call-ID: " + branch.encode() + b"\r\nCSeq: 1 OPTIONS\r\n\r\n")
        assert isinstance(response, Response)
        assert layer.receive_response(response, now)
        layer.effects()
        layer.next_deadline()
    return (time.process_time() - began) / count * 1e6


def in_turn(*subjects: Callable[[], float]) -> list[list[float]]:
    """Run every subject once a round, after one round that does not count."""
    rounds = [[subject() for subject in subjects] for _ in range(ROUNDS + 1)][1:]
    return [list(column) for column in zip(*rounds, strict=True)]


def peak_mebibytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> int:
    run_whole(TransactionLayer(Timers()), MANY // 2)
    halfway = peak_mebibytes()
    run_whole(TransactionLayer(Timers()), MANY // 2)
    risen = peak_mebibytes() - halfway

    pairs = prepared(COUNT)
    few, many, idle = layer_with(100), layer_with(10_000), TransactionLayer(Timers())
    with_few, with_many, whole = in_turn(
        lambda: run_layer(few, pairs), lambda: run_layer(many, pairs), lambda: run_whole(idle, COUNT)
    )
    growth = median(b / a for a, b in zip(with_few, with_many, strict=True))
    rows = [
        ("layer, 100 live, us", median(with_few), BUDGET_LAYER),
        ("layer, 10,000 live, us", median(with_many), BUDGET_LAYER * GROWTH),
        ("growth, 10,000 over 100 live", growth, GROWTH),
        ("with building, writing, reading, us", median(whole), BUDGET_WHOLE),
        (f"rise over {MANY // 2:,} transactions, MiB", risen, FLAT),
    ]
    for name, value, goal in rows:
        print(f"{'met' if value <= goal else 'MISSED':>6}  {name}: {value:.2f} (goal {goal:.2f})")
    return 0 if all(value <= goal for _, value, goal in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
