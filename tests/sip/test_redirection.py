"""Target sets (RFC 3261 §8.1.3.4)."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sipcli.sip.message import Response
from sipcli.sip.redirection import TargetSet
from sipcli.sip.uri import URI, parse_uri


def uri(text: str) -> URI:
    parsed = parse_uri(text)
    assert isinstance(parsed, URI)
    return parsed


def moved(*contacts: str, status: int = 302) -> Response:
    return Response(status, "Moved", [("Contact", contact) for contact in contacts])


def test_order() -> None:
    """By q, those without first; equal ones as they came; the newest answer's before older ones."""
    targets = TargetSet(uri("sip:a@x"), 9, secure=False)
    assert str(targets.next(moved("<sip:b@x>;q=0.5, <sip:c@x>", "<sip:d@x>;q=0.5"))) == "sip:c@x"
    assert str(targets.next(moved("<sip:e@x>"))) == "sip:e@x"
    assert str(targets.next(Response(404, ""))) == "sip:b@x"
    assert str(targets.next(Response(404, ""))) == "sip:d@x"
    assert targets.next(Response(404, "")) is None


def test_what_is_left_out() -> None:
    """What was tried, other schemes, sips: without security; header fields and method of a URI."""
    targets = TargetSet(uri("sip:a@x"), 9, secure=False)
    contacts = ["<sip:a@X>", "<sips:b@x>", "<tel:+1>", "<mailto:a@x>", "<sip:c@x;method=BYE;p=1?Subject=x>"]
    assert str(targets.next(moved(*contacts))) == "sip:c@x;p=1"
    assert targets.next(Response(404, "")) is None
    assert str(TargetSet(None, 1, secure=True).next(moved("<sips:b@x>"))) == "sips:b@x"


def test_what_is_no_redirect() -> None:
    """6xx, 305 and 380, a Contact that is none."""
    for response in (
        moved("<sip:b@x>", status=600),
        moved("<sip:b@x>", status=305),
        moved("<<>>"),
        moved("*"),
        moved(),
    ):
        assert TargetSet(uri("sip:a@x"), 9, secure=False).next(response) is None


@given(limit=st.integers(0, 5), answers=st.lists(st.lists(st.integers(0, 9), max_size=5), max_size=20))
def test_it_ends(limit: int, answers: list[list[int]]) -> None:
    """Never more than the limit, never the same twice."""
    targets = TargetSet(uri("sip:0@x"), limit, secure=False)
    gone = [targets.next(moved(*[f"<sip:{user}@x>" for user in users])) for users in answers]
    tried = [str(target) for target in gone if target is not None]
    assert len(tried) <= limit
    assert len({"sip:0@x", *tried}) == len(tried) + 1
