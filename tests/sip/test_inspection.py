"""The order in which requests are inspected (RFC 3261 §8.2)."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from sipcli.config import Config
from sipcli.sip.identity import Identity
from sipcli.sip.ids import Ids
from sipcli.sip.inspection import Inspector
from sipcli.sip.message import Request
from tests.sip.endpoint import build_request


def inspect(request: Request, **settings: Any) -> int | None:
    config = Config(**{"uri": "alice@example.com", **settings})
    inspector = Inspector(config, Identity(config, Ids(Random(1).randbytes)), "INVITE, MESSAGE, OPTIONS")
    refusal = inspector.inspect(request, secure=False)
    return None if refusal is None else refusal.status


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (build_request("SUBSCRIBE", "tel:+1", [("Require", "x")], to_tag="t"), 481),
        (build_request("SUBSCRIBE", "tel:+1", [("Require", "x")]), 405),
        (build_request("INVITE", "tel:+1", [("Require", "x"), ("Accept", "text/x")]), 416),
        (build_request("INVITE", "sip:bob@x", [("Require", "x"), ("Accept", "text/x")]), 404),
        (build_request("INVITE", headers=[("Require", "x"), ("Accept", "text/x")]), 420),
        (build_request("INVITE", headers=[("Content-Type", "a/b"), ("Accept", "text/x")], body=b"x"), 415),
        (build_request("INVITE", headers=[("Accept", "text/x")]), 406),
        (build_request("INVITE"), None),
    ],
)
def test_first_fault_decides(request_: Request, status: int | None) -> None:
    """Dialog, method, target, extensions, content."""
    assert inspect(request_) == status


def test_what_is_supported_may_be_required() -> None:
    """What our Supported says, and GRUUs."""
    request = build_request("OPTIONS", headers=[("Require", "outbound, GRUU, 100rel, timer")])
    assert inspect(request) == 420
    assert inspect(request, rel100="supported", extra_supported=["timer"]) is None
