"""Building requests outside a dialog (RFC 3261 §8.1.1; PARAMETERS rows 6, 12, 42-50, 97)."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from sipcli.config import Config
from sipcli.sip.headers import NameAddr, parse_name_addr
from sipcli.sip.identity import Identity
from sipcli.sip.ids import Ids
from sipcli.sip.request_builder import RequestBuilder, RequestParams, split_header, user_agent
from sipcli.sip.uri import parse_uri

BOB = NameAddr(None, parse_uri("sip:bob@example.com"))


def builder(**settings: Any) -> tuple[RequestBuilder, Identity]:
    ids = Ids(Random(1).randbytes)
    config = Config(**{"uri": "alice@example.com", "ws_servers": ["ws://example.com"], **settings})
    identity = Identity(config, ids)
    return RequestBuilder(config, identity, ids), identity


def test_next_keeps_all_but_cseq_and_target() -> None:
    """§8.1.3.5: what a repetition has in common with the request before it."""
    drafts, _ = builder()
    draft = drafts.draft("MESSAGE", BOB, body=b"x", params=RequestParams(cseq=7))
    again = draft.next()
    assert (again.cseq, again.target, again.head, again.tail) == (8, draft.target, draft.head, draft.tail)
    assert again.next(parse_uri("sip:carol@example.com")).target == "sip:carol@example.com"


def test_target_with_tag_and_display_name() -> None:
    """To is the target as it was given."""
    drafts, _ = builder()
    draft = drafts.draft("BYE", parse_name_addr('"Bob" <sip:bob@example.com>;tag=1'))
    assert dict(draft.head)["To"] == '"Bob" <sip:bob@example.com>;tag=1'


def test_empty_display_name_is_none() -> None:
    """To say that there is to be none."""
    drafts, _ = builder(display_name="Alice")
    draft = drafts.draft("MESSAGE", BOB, params=RequestParams(from_display_name="", to_display_name=""))
    assert dict(draft.head)["From"].startswith("<sip:alice@example.com>;tag=")
    assert dict(draft.head)["To"] == "<sip:bob@example.com>"


def test_extra_contact_of_a_register_is_one_more() -> None:
    """It does not replace the own binding."""
    drafts, identity = builder()
    draft = drafts.register((("Contact", "<sip:a@b>"),), identity.address, 1, "c", ["m: <sip:c@d>"])
    assert [value for name, value in draft.tail if name in ("Contact", "m")] == ["<sip:c@d>", "<sip:a@b>"]


@pytest.mark.parametrize("text", ["", "X", ":", " : x"])
def test_split_header_refuses(text: str) -> None:
    """What has no name or no colon."""
    with pytest.raises(ValueError, match="header field"):
        split_header(text)


def test_split_header() -> None:
    """At the first colon, without the white space around."""
    assert split_header(" X-Foo :\t a:b ") == ("X-Foo", "a:b")


def test_row_97_user_agent() -> None:
    """Appended behind a plus."""
    assert user_agent(Config(user_agent_string="+ a b")).endswith(" a b")
    assert user_agent(Config(user_agent_string="a b")) == "a b"
