"""Any octets give a message or a ParseError, and nothing else, in bounded time."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sipcli.sip.errors import ParseError
from sipcli.sip.message import FramingError, Message, Request, build_response, parse, serialize
from sipcli.sip.uri import URI

DATA = Path(__file__).parent.parent / "data"
CORPUS = sorted(
    path.read_bytes() for folder in ("rfc4475", "rfc5118", "rfc7118") for path in (DATA / folder).glob("*.dat")
)

# What has broken parsers before: lengths, numbers, quotes, brackets, escapes, line ends, octets that are no UTF-8.
HOSTILE = [
    b"",
    b"\r\n",
    b"\r",
    b"\n",
    b"\0",
    b" ",
    b"\t",
    b"\r\n ",
    b'"',
    b"\\",
    b"<",
    b">",
    b",",
    b";",
    b";;",
    b"=",
    b":",
    b"@",
    b"%",
    b"%00",
    b"%zz",
    b"*",
    b"[",
    b"]",
    b"[::]",
    b":::",
    b"\xff",
    b"\xed\xa0\x80",
    b"\xc2\xb2",
    b"\xd9\xa1",
    b"-1",
    b"0",
    b"99999",
    b"18446744073709551616",
    b"9" * 5000,
    b"NaN",
    b";tag=",
    b";branch=z9hG4bK",
    b"a" * 3000,
    b"Content-Length: 5\r\n",
    b"l: 0\r\n",
    b"Via: \r\n",
    b"SIP/2.0 200 OK\r\n",
    b'"\\"' * 500,
    b"<sip:" * 300,
    b";x" * 800,
    b"," * 800,
]
NAMES = [name for name in vars(Message) if not name.startswith("_") and not callable(vars(Message)[name])]
MUTATIONS = 20_000


def ask_everything(data: bytes) -> None:
    """Parse ``data`` and read all that can be read; only a ParseError may come of it."""
    try:
        message = parse(data)
    except FramingError as error:
        message = error.message
    except ParseError as error:
        _ = str(error)
        return
    for name in NAMES:
        try:
            str(getattr(message, name))
        except ParseError:
            continue
    _ask_values(message)
    wire = serialize(message)
    again = parse(wire)
    assert again.body == message.body
    assert again.get_all("via") == message.get_all("via")
    assert serialize(again) == wire
    if isinstance(message, Request):
        answered = parse(serialize(build_response(message, 400, to_tag="x")))
        assert answered.get_all("via") == message.get_all("via")
        with contextlib.suppress(ParseError):
            str(message.uri)
    with contextlib.suppress(ParseError):
        message.validate()


def _ask_values(message: Message) -> None:
    """What has been read has every part, and reads back."""
    for name in ("from_", "to", "contact", "route", "record_route"):
        try:
            address = getattr(message, name)
        except ParseError:
            continue
        if address is not None:
            _ = address.uri, address.display_name, address.tag, address.expires, address.q, hash(address)
            if isinstance(address.uri, URI):
                _ = address.uri.username, address.uri.equivalent(address.uri.aor()), dict(address.uri.params)
    try:
        vias = message.vias
    except ParseError:
        return
    for via in vias:
        _ = via.transport, via.sent_by, via.branch, via.received, via.rport, hash(via)


@given(st.binary(max_size=400))
def test_any_octets(data: bytes) -> None:
    ask_everything(data)
    ask_everything(b"OPTIONS sip:h SIP/2.0\r\n" + data + b"\r\n\r\n")


@given(
    st.sampled_from(
        ["Via", "From", "To", "Contact", "CSeq", "Call-ID", "Route", "Content-Type", "Expires", "Supported"]
    ),
    st.text(alphabet='ab1 \t"\\<>@;=,:*/[]%?()\u00fc\udcff\x00sip', max_size=60),
)
@settings(max_examples=400)
def test_any_header_field(name: str, value: str) -> None:
    ask_everything(f"OPTIONS sip:h SIP/2.0\r\n{name}: {value}\r\n\r\n".encode("utf-8", "surrogateescape"))
    ask_everything(f"OPTIONS {value} SIP/2.0\r\n\r\n".encode("utf-8", "surrogateescape"))


@given(st.sampled_from(CORPUS), st.lists(st.tuples(st.integers(0, 4000), st.integers(0, 60), st.sampled_from(HOSTILE))))
def test_any_mutation(data: bytes, changes: list[tuple[int, int, bytes]]) -> None:
    for position, removed, inserted in changes:
        data = data[:position] + inserted + data[position + removed :]
    ask_everything(data)


def mutate(random: Random, data: bytes) -> bytes:
    """Change ``data`` in one to four places."""
    for _ in range(random.randint(1, 4)):
        position = random.randrange(len(data) + 1)
        match random.randrange(5):
            case 0:
                data = data[:position] + random.choice(HOSTILE) + data[position:]
            case 1:
                data = data[:position] + random.choice(HOSTILE) + data[position + random.randrange(1, 20) :]
            case 2:
                data = data[:position] + random.randbytes(random.randrange(1, 5)) + data[position + 1 :]
            case 3:
                data = data[:position] + data[position + random.randrange(1, 200) :]
            case _:
                lines = data.split(b"\r\n")
                one, other = random.randrange(len(lines)), random.randrange(len(lines))
                lines[one], lines[other] = lines[other], lines[one] + random.choice(HOSTILE)
                data = b"\r\n".join(lines)
    return data


@pytest.mark.parametrize("seed", range(4))
def test_many_mutations(seed: int) -> None:
    """No exception but the parser's own, and none takes long."""
    random = Random(seed)
    costs = []
    for _ in range(MUTATIONS // 4):
        data = mutate(random, random.choice(CORPUS))
        started = time.process_time()
        ask_everything(data)
        costs.append(time.process_time() - started)
    costs.sort()
    assert costs[len(costs) * 99 // 100] < 0.02
    assert costs[-1] < 0.5


@pytest.mark.parametrize(
    "data",
    [
        b"OPTIONS sip:h SIP/2.0\r\n" + b"a:\r\n" * 30000 + b"\r\n",
        b"OPTIONS sip:h SIP/2.0\r\n" + b"Via: SIP/2.0/WS h\r\n" * 2000 + b"\r\n",
        b"OPTIONS sip:h SIP/2.0\r\nContact: " + b"<sip:a@h>," * 12000 + b"\r\n\r\n",
        b"OPTIONS sip:h SIP/2.0\r\nContact: <sip:a@h>" + b";a" * 60000 + b"\r\n\r\n",
        b"OPTIONS sip:h SIP/2.0\r\nTo: " + b'"\\' * 60000 + b"\r\n\r\n",
        b"OPTIONS sip:h SIP/2.0\r\nTo: <sip:" + b" " * 120000 + b"h>\r\n\r\n",
        b"OPTIONS sip:h SIP/2.0\r\nX: y" + b"\r\n " * 40000 + b"\r\n\r\n",
        b"OPTIONS sip:h SIP/2.0\r\nTo: sip:" + b"%41" * 40000 + b"@h\r\n\r\n",
        b"OPTIONS sip:[" + b":" * 120000 + b"] SIP/2.0\r\n\r\n",
        b"OPTIONS sip:h SIP/2.0\r\nContent-Length: " + b"9" * 120000 + b"\r\n\r\n",
        b"\r\n" * 500000,
        b"\0" * 1000000,
    ],
    ids=range(12),
)
def test_the_worst_that_fits(data: bytes) -> None:
    started = time.process_time()
    ask_everything(data)
    assert time.process_time() - started < 1.5
