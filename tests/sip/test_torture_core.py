"""The torture messages at a user agent (RFC 4475, RFC 5118): what it does is what the index allows.

The index speaks of a user agent that each request is meant for, so alice goes by the name in the Request-URI. What it
calls ``process`` is a 200, an event for the application, or 481 to what belongs to a dialog that alice does not know.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sipcli.sip.errors import ParseError
from sipcli.sip.events import (
    Event,
    IncomingCancelled,
    InviteReceived,
    MessageReceived,
    RequestAccepted,
    RequestFailed,
    RequestProgress,
    RequestRejected,
    TransactionCreated,
    TransactionDestroyed,
)
from sipcli.sip.message import Request, Response, parse
from sipcli.sip.uri import URI
from tests.sip.endpoint import Endpoint, build_request

DATA = Path(__file__).parent.parent / "data"
CASES = [
    pytest.param(folder, case, id=f"{folder}-{case['name']}")
    for folder in ("rfc4475", "rfc5118")
    for case in json.loads((DATA / folder / "index.json").read_text())["messages"]
]
FINAL = 200
NO_DIALOG = 481


def user_of(data: bytes) -> str:
    """Return the user that a message is meant for."""
    try:
        message = parse(data)
        uri = message.uri if isinstance(message, Request) else None
    except ParseError:
        uri = None
    return (uri.user if isinstance(uri, URI) else None) or "alice"


def outcome_of(alice: Endpoint, before: list[Event]) -> set[str]:
    """Return what alice did, in the words of the index."""
    events = [
        event
        for event in alice.events[len(before) :]
        if not isinstance(event, TransactionCreated | TransactionDestroyed)
    ]
    statuses = alice.statuses()
    outcome = {str(status) for status in statuses}
    if any(isinstance(event, InviteReceived | MessageReceived) for event in events) or {FINAL, NO_DIALOG} & {*statuses}:
        outcome.add("process")
    if not statuses and not events:
        outcome.add("discard")
    return outcome


@pytest.mark.parametrize(("folder", "case"), CASES)
def test_torture(folder: str, case: dict[str, Any]) -> None:
    """Each message has one of its outcomes, and alice lives on without anything left to do."""
    data = (DATA / folder / case["file"]).read_bytes()
    alice = Endpoint(uri=f"sip:{user_of(data)}@example.com")
    before = list(alice.events)
    alice.deliver(data)
    outcome = outcome_of(alice, before)
    if case["kind"] == "response" and "process" in case["endpoint"]:
        # It answers nothing that alice has asked, so processing it is to find that out.
        assert outcome == {"discard"}
    else:
        assert outcome & set(case["endpoint"]), outcome
    alice.advance(100)
    assert not alice.told(RequestAccepted) + alice.told(RequestRejected) + alice.told(RequestFailed)
    assert not alice.told(RequestProgress)
    assert not alice.requests()
    assert len([status for status in alice.statuses() if status >= FINAL]) <= 1
    assert len(alice.told(IncomingCancelled)) <= len(alice.told(InviteReceived))
    assert alice.core.next_deadline() is None
    alice.deliver(build_request("OPTIONS", "sip:example.com", call_id="afterwards", branch="z9hG4bKafterwards"))
    assert alice.statuses()[-1] == FINAL


@pytest.mark.parametrize(("folder", "case"), CASES)
def test_torture_of_a_stranger(folder: str, case: dict[str, Any]) -> None:
    """Alice under her own name: the same outcomes, or 404 where the request is not for her."""
    data = (DATA / folder / case["file"]).read_bytes()
    alice = Endpoint(uri="sip:nobody-else@example.com")
    before = list(alice.events)
    alice.deliver(data)
    outcome = outcome_of(alice, before)
    assert outcome & {*case["endpoint"], "404"} or outcome == {"discard"}, outcome


def test_dblreq_second_message_is_noise() -> None:
    """RFC 4475 §3.1.1.8: what follows the Content-Length is never acted upon."""
    alice = Endpoint(uri="sip:example.com@example.com")
    alice.deliver((DATA / "rfc4475" / "dblreq.dat").read_bytes())
    assert alice.statuses() == [405]
    assert not alice.told(InviteReceived)


def test_bext01_names_what_is_not_supported() -> None:
    """RFC 4475 §3.3.7: Require counts, Proxy-Require does not."""
    data = (DATA / "rfc4475" / "bext01.dat").read_bytes()
    alice = Endpoint(uri=f"sip:{user_of(data)}@example.com")
    alice.deliver(data)
    (response,) = alice.responses()
    assert isinstance(response, Response)
    assert response.unsupported == ("nothingSupportsThis", "nothingSupportsThisEither")
