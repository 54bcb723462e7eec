"""Who we are on the wire (RFC 3261 §8.1.1; RFC 5626; RFC 5627; RFC 7118; PARAMETERS rows 1, 60-64, 77-80, 96)."""

from __future__ import annotations

import re
from random import Random
from typing import Any

import pytest

from sipcli.config import Config
from sipcli.sip.headers import parse_name_addr, parse_name_addrs
from sipcli.sip.identity import Identity
from sipcli.sip.ids import Ids
from sipcli.sip.uri import URI, parse_uri

UUID = "8f1fa16a-1165-4a96-8341-785b1ef24f12"


def identity(**settings: Any) -> Identity:
    return Identity(Config(**{"uri": "alice@example.com", **settings}), Ids(Random(1).randbytes))


def uri(text: str) -> URI:
    parsed = parse_uri(text)
    assert isinstance(parsed, URI)
    return parsed


def test_names_are_chosen_once() -> None:
    """Via and Contact share an .invalid host; a Call-ID begins with the user agent's own prefix."""
    alice = identity()
    assert re.fullmatch(r"sip:[0-9a-v]{8}@[0-9a-v]{12}\.invalid;transport=ws", str(alice.contact))
    assert alice.contact.host == alice.host
    assert alice.call_id() != alice.call_id()
    assert alice.call_id().startswith(alice.call_id_prefix)


def test_row_1_anonymous() -> None:
    """A random user at anonymous.invalid."""
    assert re.fullmatch(r"sip:anonymous\.[0-9a-v]{6}@anonymous\.invalid", str(identity(uri=None).uri))


def test_registrar() -> None:
    """The own URI less the user part, or what was configured."""
    assert str(identity(uri="sip:alice@example.com:5070").registrar()) == "sip:example.com:5070"
    assert str(identity(registrar_server="sip:r.example.com").registrar()) == "sip:r.example.com"


@pytest.mark.parametrize(
    ("settings", "params"),
    [
        ({"reg_id": 0}, ""),
        ({"instance_id": UUID}, f';reg-id=1;+sip.instance="<urn:uuid:{UUID}>"'),
        ({"instance_id": UUID, "reg_id": 0}, f';+sip.instance="<urn:uuid:{UUID}>"'),
        ({"reg_id": 0, "extra_contact_header_params": ["a=b", "c"]}, ";a=b;c"),
    ],
)
def test_rows_60_61_63_register_contact(settings: dict[str, Any], params: str) -> None:
    """The parameters and their order."""
    alice = identity(**settings)
    assert alice.register_contact(60) == f"<{alice.contact}>{params};expires=60"


def test_instance_and_reg_id_decide_which_binding_is_ours() -> None:
    """reg-id first among those of our instance, the instance before the user part."""
    alice = identity(instance_id=UUID, contact_name="c")
    bindings = [
        "<sip:c@a.invalid>",
        f'<sip:x@b>;+sip.instance="<urn:uuid:{UUID}>";reg-id=2',
        f'<sip:x@c>;+sip.instance="<urn:uuid:{UUID.upper()}>";reg-id=1',
        "<tel:+1>",
    ]
    for count in range(4):
        contacts = tuple(parse_name_addrs(", ".join(bindings[: count + 1])))
        assert alice.own_binding(contacts) == contacts[min(count, 2)]
    assert alice.own_binding(()) is None
    assert alice.own_binding(tuple(parse_name_addrs("<sip:y@c>, <tel:+1>"))) is None
    without = identity(reg_id=0, contact_name="c")
    contacts = tuple(parse_name_addrs(", ".join(bindings[::-1])))
    assert without.own_binding(contacts) == contacts[-1]


def test_gruus_are_taken_and_forgotten() -> None:
    """Only what is a SIP URI; its header fields are left out."""
    alice = identity()
    alice.take_gruus(parse_name_addr('<sip:c@a>;pub-gruu="sip:alice@example.com;gr=x?a=b";temp-gruu="tel:+1"'))
    assert (alice.gruu, alice.temporary_gruu) == ("sip:alice@example.com;gr=x", None)
    assert alice.dialog_contact() == "<sip:alice@example.com;gr=x>"
    alice.take_gruus(None)
    assert alice.dialog_contact() == f"<{alice.contact};ob>"
    alice.take_gruus(parse_name_addr('<sip:c@a>;pub-gruu="<<";temp-gruu="sip:t@example.com;gr"'))
    assert (alice.gruu, alice.temporary_gruu) == (None, "sip:t@example.com;gr")


def test_is_ours() -> None:
    """Address of record, Contact, GRUUs, instance; a host alone."""
    alice = identity(instance_id=UUID, contact_name="c", uri="sip:al%69ce@example.com")
    alice.take_gruus(parse_name_addr('<sip:c@a>;pub-gruu="sip:p@example.com;gr=x";temp-gruu="sip:t@example.com;gr"'))
    for user in ("alice", "c", "p", "t"):
        assert alice.is_ours(uri(f"sip:{user}@anywhere.invalid;alias=1~2~3"))
    assert alice.is_ours(uri(f"sip:other@example.com;gr=urn:uuid:{UUID}"))
    assert alice.is_ours(uri("sip:127.0.0.1:5060"))
    assert not alice.is_ours(uri("sip:other@example.com"))
