"""Messages (RFC 3261 §7, §20): reading, changing, writing, answering."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipcli.sip.errors import ParseError
from sipcli.sip.message import (
    MAX_HEAD_SIZE,
    MAX_HEADERS,
    MAX_SIZE,
    REASON_PHRASES,
    FramingError,
    Request,
    Response,
    build_response,
    parse,
    serialize,
)
from sipcli.sip.uri import parse_uri

REQUEST = (
    b"MESSAGE sip:bob@example.com SIP/2.0\r\n"
    b"Via: SIP/2.0/WS a.invalid;branch=z9hG4bK1, SIP/2.0/TCP b\r\n"
    b"v: SIP/2.0/UDP c\r\n"
    b"From: <sip:alice@example.com>;tag=f\r\n"
    b"t: Bob <sip:bob@example.com>\r\n"
    b"i: 1@a\r\n"
    b"CSeq: 7 MESSAGE\r\n"
    b"MAX-FORWARDS : 70\r\n"
    b"Contact: <sip:alice@a.invalid>;expires=60,\r\n <sip:x@y>\r\n"
    b"Route: <sip:p1;lr>\r\n"
    b"Record-Route: <sip:r1;lr>, <sip:r2;lr>\r\n"
    b"Path: <sip:e1;lr>\r\n"
    b"Service-Route: <sip:s1;lr>\r\n"
    b"Expires: 30\r\n"
    b"Min-Expires: 90\r\n"
    b"k: path, gruu\r\n"
    b"Supported: outbound\r\n"
    b"Require: a\r\n"
    b"Proxy-Require: b\r\n"
    b"Unsupported: c\r\n"
    b"Allow: INVITE,ACK\r\n"
    b"Accept: text/plain;q=0.5, */*\r\n"
    b"X-Empty:\r\n"
    b"X-Odd: \xff\xfe ;;,\xc3\xbc\r\n"
    b"c: Text/Plain ; charset=ISO-8859-1\r\n"
    b"Content-Length: 4\r\n"
    b"\r\n"
    b"gr\xfcn"
)


def head(*lines: str) -> bytes:
    return "\r\n".join([*lines, "", ""]).encode()


def test_a_request_as_text() -> None:
    message = parse(REQUEST)
    assert isinstance(message, Request)
    assert (message.method, message.uri_text, message.version) == ("MESSAGE", "sip:bob@example.com", "SIP/2.0")
    assert str(message.uri) == "sip:bob@example.com"
    assert message.original is REQUEST
    assert message.headers[:3] == (
        ("Via", "SIP/2.0/WS a.invalid;branch=z9hG4bK1, SIP/2.0/TCP b"),
        ("v", "SIP/2.0/UDP c"),
        ("From", "<sip:alice@example.com>;tag=f"),
    )
    assert ("MAX-FORWARDS", "70") in message.headers
    assert ("Contact", "<sip:alice@a.invalid>;expires=60, <sip:x@y>") in message.headers
    assert message.get("VIA") == message.get("v") == "SIP/2.0/WS a.invalid;branch=z9hG4bK1, SIP/2.0/TCP b"
    assert message.get_all("Via") == ["SIP/2.0/WS a.invalid;branch=z9hG4bK1, SIP/2.0/TCP b", "SIP/2.0/UDP c"]
    assert message.get("x-empty") == ""
    assert message.get("Subject") is None
    assert message.get_all("Subject") == []
    assert repr(message) == "<Request 'MESSAGE sip:bob@example.com SIP/2.0'>"


def test_a_request_as_values() -> None:
    message = parse(REQUEST)
    assert message.via is not None
    assert (message.via.sent_by, message.via.branch) == ("a.invalid", "z9hG4bK1")
    assert [via.sent_by for via in message.vias] == ["a.invalid", "b", "c"]
    assert message.from_ is not None
    assert message.from_.tag == "f"
    assert message.to is not None
    assert (message.to.display_name, message.to.tag) == ("Bob", None)
    assert message.call_id == "1@a"
    assert message.cseq is not None
    assert (message.cseq.number, message.cseq.method) == (7, "MESSAGE")
    assert message.contact is not None
    assert message.contact.expires == 60
    assert len(message.contacts) == 2
    assert not message.wildcard_contact
    assert str(message.route) == "<sip:p1;lr>"
    assert len(message.routes) == 1
    assert str(message.record_route) == "<sip:r1;lr>"
    assert [str(route) for route in message.record_routes] == ["<sip:r1;lr>", "<sip:r2;lr>"]
    assert [str(path) for path in message.paths] == ["<sip:e1;lr>"]
    assert [str(route) for route in message.service_routes] == ["<sip:s1;lr>"]
    assert (message.max_forwards, message.expires, message.min_expires, message.content_length) == (70, 30, 90, 4)
    assert message.supported == ("path", "gruu", "outbound")
    assert (message.require, message.proxy_require, message.unsupported) == (("a",), ("b",), ("c",))
    assert message.allow == ("INVITE", "ACK")
    assert message.accept == ("text/plain;q=0.5", "*/*")
    assert message.content_type == "Text/Plain ; charset=ISO-8859-1"
    assert message.media_type == "text/plain"
    assert message.text == "grün"
    assert message.via is message.via


def test_absent_header_fields() -> None:
    message = parse(head("SIP/2.0 200 OK"))
    assert isinstance(message, Response)
    values = message.via, message.from_, message.to, message.call_id, message.cseq, message.contact, message.route
    assert values == (None,) * 7
    numbers = message.max_forwards, message.expires, message.min_expires, message.content_length
    assert numbers == (None,) * 4
    assert message.record_route is None
    addresses = message.contacts, message.routes, message.record_routes, message.paths, message.service_routes
    assert addresses == ((),) * 5
    assert message.vias == ()
    assert message.require == message.supported == message.allow == message.accept == ()
    assert message.content_type is message.media_type is None
    assert message.text == ""
    assert not message.wildcard_contact


def test_wildcard_contact() -> None:
    message = parse(head("REGISTER sip:h SIP/2.0", "m:  * "))
    assert message.wildcard_contact
    assert message.contact is None
    assert message.contacts == ()


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("Via: x", "via"),
        ("Via: x", "vias"),
        ("From: <", "from_"),
        ("From: <sip:a>,<sip:b>", "from_"),
        ("To:", "to"),
        ("To: sip:a,sip:b", "to"),
        ("Call-ID:", "call_id"),
        ("Call-ID: a b", "call_id"),
        ("CSeq: -1 X", "cseq"),
        ("Contact: <sip:a b>", "contact"),
        ("Contact: *, *", "contacts"),
        ("Max-Forwards: 256", "max_forwards"),
        ("Expires: 1.5", "expires"),
    ],
)
def test_malformed_header_fields(line: str, name: str) -> None:
    """The message is read; the value is an error each time it is asked for."""
    message = parse(head("OPTIONS sip:h SIP/2.0", line))
    for _ in range(2):
        with pytest.raises(ParseError):
            getattr(message, name)


def test_malformed_request_uris() -> None:
    for line in ("OPTIONS <sip:a@h> SIP/2.0", "OPTIONS sip:a@h; lr SIP/2.0", "OPTIONS  sip:a@h  SIP/2.0"):
        message = parse(head(line))
        assert isinstance(message, Request)
        with pytest.raises(ParseError):
            _ = message.uri


def test_responses() -> None:
    message = parse(head("SIP/2.0 480 Not here, привет"))
    assert isinstance(message, Response)
    assert (message.status, message.reason, message.version) == (480, "Not here, привет", "SIP/2.0")
    for line in ("SIP/2.0 100 ", "SIP/2.0 100"):
        message = parse(head(line))
        assert isinstance(message, Response)
        assert message.reason == ""


def test_other_versions() -> None:
    """The core answers them with 505."""
    request, response = parse(head("OPTIONS sip:h SIP/7.0")), parse(head("sip/3.0 200 OK"))
    assert (request.version, response.version) == ("SIP/7.0", "sip/3.0")
    assert serialize(request).startswith(b"OPTIONS sip:h SIP/7.0\r\n")
    assert serialize(response).startswith(b"sip/3.0 200 OK\r\n")
    assert request.with_added("X", "y").version == "SIP/7.0"


@pytest.mark.parametrize(
    "line",
    [
        "",
        "INVITE",
        "INVITE sip:h",
        "INVITE SIP/2.0",
        "IN,VITE sip:h SIP/2.0",
        " INVITE sip:h SIP/2.0",
        "GET / HTTP/1.1",
        "INVITE sip:h SIP/2",
        "INVITE sip:h SIP/2.0.0",
        "SIP/2.0 000 No",
        "SIP/2.0 099 No",
        "SIP/2.0 700 No",
        "SIP/2.0 999 No",
        "SIP/2.0 4294967301 No",
        "SIP/2.0 -200 No",
        "SIP/2.0 2000",
        "SIP/2.0 20",
        "SIP/2.0 ２００ No",
        "SIP/2.0  200 OK",
        "SIP/2.0",
        "HTTP/1.1 101 Switching Protocols",
        "INVITE sip:h SIP/2.0\nX: y",
        "SIP/2.0 200 OK\rX: y",
        "INVITE sip:h SIP/2.0\r\n Folded: y",
    ],
)
def test_bad_start_lines(line: str) -> None:
    with pytest.raises(ParseError):
        parse(head(line, "Via: SIP/2.0/WS h"))


@pytest.mark.parametrize("line", ["no colon", ":", ": x", "a: b\nc: d", "a: b\rc: d", "a: b\n", "\na: b", "a\rb: c"])
def test_bad_header_lines(line: str) -> None:
    """No colon, no name; and a bare CR or LF, which could become a line of its own in a response."""
    for lines in ((line,), ("X: y", line, "Z: z"), ("X: y", line, "Zzz-Unknown: z")):
        with pytest.raises(ParseError):
            parse(head("OPTIONS sip:h SIP/2.0", *lines))


def test_folded_lines() -> None:
    message = parse(head("OPTIONS sip:h SIP/2.0", "To:", " <sip:a>", "\t  ;tag=1", "X-Long: a", " b:c", " : d", "Y: z"))
    assert message.headers == (("To", "<sip:a> ;tag=1"), ("X-Long", "a b:c : d"), ("Y", "z"))
    assert message.to is not None
    assert message.to.tag == "1"
    again = parse(head("OPTIONS sip:h SIP/2.0", "X: a", " b:c", " b:c"))
    assert again.headers == (("X", "a b:c b:c"),)


def test_empty_lines_before_the_start_line() -> None:
    message = parse(b"\r\n\r\n\r\n" + REQUEST)
    assert message == parse(REQUEST)
    for data in (b"", b"\r\n", b"\r\n\r\n", b"\r\n\r\n\r\n\r\n"):
        with pytest.raises(ParseError):
            parse(data)


def test_a_head_without_an_end() -> None:
    with pytest.raises(ParseError, match="empty line"):
        parse(b"OPTIONS sip:h SIP/2.0\r\nVia: SIP/2.0/WS h\r\n")


@pytest.mark.parametrize("values", [["4"], ["0004"], ["4", "4"], ["\t4 "], []])
def test_content_length(values: list[str]) -> None:
    message = parse(head("OPTIONS sip:h SIP/2.0", *[f"Content-Length: {value}" for value in values]) + b"body")
    assert message.body == b"body"
    assert serialize(message).endswith(b"\r\n\r\nbody")


def test_a_longer_body_is_cut() -> None:
    """RFC 3261 §18.3."""
    message = parse(head("OPTIONS sip:h SIP/2.0", "l: 2") + b"body")
    assert message.body == b"bo"
    assert parse(head("OPTIONS sip:h SIP/2.0", "l: 0") + REQUEST).body == b""


@pytest.mark.parametrize(
    "values",
    [
        ["5"],
        ["-1"],
        ["+4"],
        [""],
        ["x"],
        ["4.0"],
        ["4 4"],
        ["4, 4"],
        ["²"],
        ["٤"],
        ["9" * 5000],
        ["4", "5"],
        ["5", "4"],
        ["4", "-4"],
    ],
)
def test_bad_content_lengths(values: list[str]) -> None:
    """The error carries what could be read, so that it can be answered with 400."""
    with pytest.raises(FramingError) as caught:
        parse(head("OPTIONS sip:h SIP/2.0", "Call-ID: 1", *[f"Content-Length: {value}" for value in values]) + b"body")
    assert caught.value.message.call_id == "1"


def test_sizes() -> None:
    assert len(parse(head("OPTIONS sip:h SIP/2.0") + bytes(MAX_SIZE // 2)).body) == MAX_SIZE // 2
    for data in (
        head("OPTIONS sip:h SIP/2.0") + bytes(MAX_SIZE),
        head("OPTIONS sip:h SIP/2.0", "X: " + "y" * MAX_HEAD_SIZE),
        head("OPTIONS sip:h SIP/2.0", *["X: y"] * (MAX_HEADERS + 1)),
    ):
        with pytest.raises(ParseError, match="at most"):
            parse(data)


def test_serialize() -> None:
    assert serialize(Request("OPTIONS", "sip:h", [("X", "y")])) == head(
        "OPTIONS sip:h SIP/2.0", "X: y", "Content-Length: 0"
    )
    assert serialize(Response(200, "OK", [("l", "9")], b"abc")) == head("SIP/2.0 200 OK", "l: 3") + b"abc"
    assert serialize(Response(200, "", [("l", "0")])) == head("SIP/2.0 200 ", "l: 0")


def test_octets_survive() -> None:
    """Order, names, unknown header fields and octets that are no UTF-8 go back as they came."""
    wire = serialize(parse(REQUEST))
    assert b"X-Odd: \xff\xfe ;;,\xc3\xbc\r\n" in wire
    assert wire == REQUEST.replace(b" : 70", b": 70").replace(b",\r\n <", b", <").replace(b"X-Empty:", b"X-Empty: ")
    assert parse(wire) == parse(REQUEST)
    assert hash(parse(wire)) == hash(parse(REQUEST))


NAMES = st.from_regex(r"[A-Za-z0-9\-.!%*_+`'~]{1,12}", fullmatch=True).filter(
    lambda name: name.lower() not in ("content-length", "l")
)
VALUES = st.text(st.characters(exclude_characters="\r\n\0", exclude_categories=["Cs"])).map(
    lambda text: text.strip(" \t")
)


@given(
    st.sampled_from(["INVITE", "X-y"]),
    st.lists(st.tuples(NAMES, VALUES)),
    st.binary(max_size=40),
)
def test_built_requests_survive_the_wire(method: str, headers: list[tuple[str, str]], body: bytes) -> None:
    request = Request(method, "sip:bob@h", [*headers, ("Content-Length", str(len(body)))], body)
    assert parse(serialize(request)) == request


@given(st.integers(100, 699), VALUES, st.lists(st.tuples(NAMES, VALUES)), st.binary(max_size=40))
def test_built_responses_survive_the_wire(
    status: int, reason: str, headers: list[tuple[str, str]], body: bytes
) -> None:
    response = Response(status, reason, [*headers, ("Content-Length", str(len(body)))], body)
    assert parse(serialize(response)) == response


@pytest.mark.parametrize("name", ["", "a b", "a:b", "a\r\nb", "ü", "a\x00"])
def test_names_that_cannot_be(name: str) -> None:
    for build in (lambda: Request("X", "sip:h", [(name, "y")]), lambda: Response(200, "OK").with_added(name, "y")):
        with pytest.raises(ValueError, match="not a header name"):
            build()


@pytest.mark.parametrize("value", ["a\r\nVia: x", "a\n", "\ra", "a\x00", "\ud800"])
def test_values_that_cannot_be(value: str) -> None:
    request = Request("X", "sip:h", [("A", "b")])
    for build in (
        lambda: Request("X", "sip:h", [("Y", value)]),
        lambda: Request("X", value),
        lambda: Response(200, value),
        lambda: Response(200, "OK", [("Y", value)]),
        lambda: request.with_header("A", value),
        lambda: request.with_added("Y", value),
        lambda: request.with_prepended("Y", value),
        lambda: request.with_body(b"", value),
        lambda: build_response(request, 200, headers=[("Y", value)]),
        lambda: build_response(request, 200, content_type=value),
        lambda: build_response(request, 200, value),
    ):
        with pytest.raises(ValueError, match=r"cannot be|not a"):
            build()


def test_start_lines_that_cannot_be() -> None:
    for method, uri in (("", "sip:h"), ("A B", "sip:h"), ("A\r\n", "sip:h"), ("A", ""), ("A", "sip:h SIP/2.0")):
        with pytest.raises(ValueError, match="not a"):
            Request(method, uri)
    for status in (0, 99, 700):
        with pytest.raises(ValueError, match="not a status"):
            Response(status, "")


def test_changed_copies() -> None:
    request = Request("MESSAGE", parse_uri("sip:h"), [("Via", "1"), ("X", "a"), ("v", "2"), ("x", "b")], b"old")
    assert request.with_header("x", "c").headers == (("Via", "1"), ("x", "c"), ("v", "2"))
    assert request.with_header("New", "c").headers[-1] == ("New", "c")
    assert request.with_added("VIA", "3").get_all("v") == ["1", "2", "3"]
    assert request.with_prepended("Via", "0").get_all("v") == ["0", "1", "2"]
    assert request.without("Via").headers == (("X", "a"), ("x", "b"))
    assert request.without("Nothing") == request
    changed = request.with_body(b"new!", "text/plain")
    assert (changed.body, changed.content_type) == (b"new!", "text/plain")
    assert parse(serialize(changed)).body == b"new!"
    assert changed.with_body(b"", None).content_type is None
    assert request.with_uri(parse_uri("sip:i")).start_line == "MESSAGE sip:i SIP/2.0"
    assert request.body == b"old"
    assert len(request.headers) == 4
    response = Response(200, "OK", [("A", "b")]).with_added("C", "d")
    assert (response.status, response.reason, len(response.headers)) == (200, "OK", 2)
    assert request != response
    assert request != "text"
    received = parse(REQUEST)
    assert received.with_added("A", "b").original is None
    assert received.with_added("A", "b").via == received.via


@pytest.mark.parametrize(
    ("content_type", "body", "text"),
    [
        ("text/plain", "grün".encode(), "grün"),
        ("text/plain;charset=utf-8", b"\xff", "\ufffd"),
        ('text/plain; charset="UTF-8"', "ü".encode(), "ü"),
        ("text/plain;charset=us-ascii", b"a\xff", "a\ufffd"),
        ("text/plain;charset=unicode_escape", b"\\x41", "\\x41"),
        ("text/plain;charset=zlib_codec", b"x", "x"),
        ("text/plain;charset=" + "x" * 5000, b"x", "x"),
    ],
)
def test_charsets(content_type: str, body: bytes, text: str) -> None:
    """Only three charsets are looked up: Python has codecs that are none."""
    assert Request("MESSAGE", "sip:h", [("Content-Type", content_type)], body).text == text


def test_build_response() -> None:
    """RFC 3261 §8.2.6.2."""
    request = parse(REQUEST)
    assert isinstance(request, Request)
    response = build_response(request, 200, to_tag="x", headers=[("X", "y")], body=b"hi", content_type="text/plain")
    assert (response.status, response.reason) == (200, "OK")
    assert response.headers == (
        ("Via", "SIP/2.0/WS a.invalid;branch=z9hG4bK1, SIP/2.0/TCP b"),
        ("Via", "SIP/2.0/UDP c"),
        ("From", "<sip:alice@example.com>;tag=f"),
        ("To", "Bob <sip:bob@example.com>;tag=x"),
        ("Call-ID", "1@a"),
        ("CSeq", "7 MESSAGE"),
        ("X", "y"),
        ("Content-Type", "text/plain"),
    )
    assert response.body == b"hi"
    assert build_response(request, 100, to_tag="x").get("To") == "Bob <sip:bob@example.com>"
    assert build_response(request, 299).reason == ""
    assert build_response(request, 299, "Odd").reason == "Odd"
    in_dialog = request.with_header("To", "sip:bob@h;tag=own")
    assert build_response(in_dialog, 200, to_tag="x").get("To") == "sip:bob@h;tag=own"
    timed = request.with_added("Timestamp", "54")
    assert build_response(timed, 100).get("Timestamp") == "54"
    assert build_response(timed, 200).get("Timestamp") is None


def test_malformed_requests_can_be_answered() -> None:
    """What does not parse is copied as text; what is absent stays absent."""
    request = parse(head("OPTIONS sip:h SIP/2.0", "To: <sip:b d;tag=1", "From: <<\x00", "Via: ;;"))
    assert isinstance(request, Request)
    response = build_response(request, 400, to_tag="x")
    assert response.headers == (("Via", ";;"), ("From", "<<\x00"), ("To", "<sip:b d;tag=1"))
    untagged = parse(head("OPTIONS sip:h SIP/2.0", "To: <<"))
    assert isinstance(untagged, Request)
    assert build_response(untagged, 400, to_tag="x").get("To") == "<<;tag=x"


def test_reason_phrases() -> None:
    assert REASON_PHRASES[486] == "Busy Here"
    assert all(100 <= status <= 699 for status in REASON_PHRASES)


def test_the_table_of_names_is_bounded() -> None:
    """Strangers choose the names of header fields, and must not fill our memory with them."""
    from sipcli.sip.names import known_keys

    for number in range(30):
        parse(head("OPTIONS sip:h SIP/2.0", *[f"X-{number}-{count}: y" for count in range(100)]))
    assert len(known_keys) <= 1024
    message = parse(head("OPTIONS sip:h SIP/2.0", "X-never-seen-Before: y", "VIA: SIP/2.0/WS h", "vIa: SIP/2.0/WS i"))
    assert message.get("x-NEVER-seen-before") == "y"
    assert [via.host for via in message.vias] == ["h", "i"]


def test_the_class_has_no_values() -> None:
    """Asked of the class, an attribute is its description, which is what ``help`` shows."""
    assert Request.uri.__doc__ == "The Request-URI; ParseError when it is malformed."
    assert Request.via is Response.via
    assert Request.call_id is Response.call_id
