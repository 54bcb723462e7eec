"""The user agent client (RFC 3261 §8.1, §9.1, §22; PARAMETERS rows 1, 10-13, 22, 34-57, 71, 77-79, 96, 97, 100)."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipcli import __version__
from sipcli.sip.core import RequestParams
from sipcli.sip.digest import Credentials, parse_credentials
from sipcli.sip.errors import LocalProtocolError, ParseError
from sipcli.sip.events import (
    Cause,
    CredentialsRequired,
    RequestAccepted,
    RequestCancelled,
    RequestFailed,
    RequestProgress,
    RequestRejected,
    RequestSent,
)
from sipcli.sip.headers import NameAddr, parse_name_addr
from sipcli.sip.message import Request, Response, build_response, serialize
from sipcli.sip.uri import URI, parse_uri
from tests.sip.endpoint import Endpoint

CHALLENGE = 'Digest realm="example.com", nonce="n1", algorithm=SHA-256, qop="auth"'
OTHER_CHALLENGE = 'Digest realm="proxy.example.com", nonce="p1", algorithm=MD5, qop="auth"'
STALE = 'Digest realm="example.com", nonce="n2", algorithm=SHA-256, qop="auth", stale=true'
OK_CONTACT = ("Contact", "<sip:bob@bob.invalid;transport=ws>")


def names(request: Request) -> list[str]:
    return [name for name, _ in request.headers]


def send(alice: Endpoint, method: str = "MESSAGE", target: str = "bob", **arguments: object) -> int:
    request_id = alice.core.request(method, target, alice.now, **arguments)  # type: ignore[arg-type]
    alice.drain()
    return request_id


# Requests on the wire (§8.1.1)


def test_row_10_message_on_the_wire() -> None:
    """A MESSAGE has neither Contact nor Allow; its order is that of SIP.js, its length is in octets."""
    alice = Endpoint()
    send(alice, body="Hello ¶".encode())
    request = alice.last_request()
    assert names(request) == [
        *("Via", "Max-Forwards", "To", "From", "Call-ID", "CSeq"),
        *("Content-Type", "Supported", "User-Agent", "Content-Length"),
    ]
    assert request.start_line == "MESSAGE sip:bob@example.com SIP/2.0"
    assert request.get("Content-Length") == "8"
    assert request.get("Supported") == "outbound"
    assert request.get("Max-Forwards") == "70"
    assert re.fullmatch(r"SIP/2\.0/WS [0-9a-v]{12}\.invalid;branch=z9hG4bK[0-9a-f]{16}", request.get("Via") or "")


def test_row_10_message_waits_for_the_connection() -> None:
    """What is asked for before the connection stands is sent when it does."""
    alice = Endpoint(connect=False)
    request_id = send(alice, body=b"hi")
    assert alice.sent == []
    waiting = alice.core.outgoing(request_id)
    assert str(waiting.to) == "<sip:bob@example.com>"
    alice.connect()
    assert len(alice.requests("MESSAGE")) == 1
    assert alice.last_request().call_id == waiting.call_id


@pytest.mark.parametrize(
    "target", ["", "sip:", "sip:@host", "bob@example.com:99999", "bob smith", "http://example.com"]
)
def test_row_10_bad_targets_are_refused(target: str) -> None:
    """A target that is none raises at once."""
    alice = Endpoint()
    with pytest.raises(ParseError):
        send(alice, target=target)
    assert alice.sent == []


def test_row_11_content_type() -> None:
    """The Content-Type is text/plain unless given, and stands before Supported; without a body there is none."""
    alice = Endpoint()
    send(alice, body=b"hi")
    assert alice.last_request().content_type == "text/plain"
    send(alice, body=b"{}", content_type="application/json")
    request = alice.last_request()
    assert request.content_type == "application/json"
    assert names(request).index("Content-Type") == names(request).index("Supported") - 1
    send(alice, body=b"")
    assert alice.last_request().content_type is None
    send(alice, body=b"", content_type="text/plain")
    assert alice.last_request().content_type == "text/plain"


def test_row_12_extra_headers_go_out_as_they_are() -> None:
    """Extra header fields follow CSeq, in order, unknown ones too."""
    alice = Endpoint()
    send(alice, extra_headers=["X-Foo: foo", "x-BAR:  b:a,r ", "Subject: ¶"])
    request = alice.last_request()
    assert names(request)[6:9] == ["X-Foo", "x-BAR", "Subject"]
    assert request.get("x-bar") == "b:a,r"
    assert request.get("Subject") == "¶"


@pytest.mark.parametrize(
    "header", ["X-Foo: a\r\nX-Evil: b", "X-Foo: a\nb", "X-\rFoo: a", "no colon", ": x", "X-Foo: \0"]
)
def test_row_12_header_injection_is_refused(header: str) -> None:
    """CR, LF and NUL never get into a message."""
    alice = Endpoint()
    with pytest.raises(ValueError, match=r"header|CR, LF"):
        send(alice, extra_headers=[header])
    assert alice.sent == []
    assert alice.core.next_deadline() is None


def test_extra_headers_replace_those_that_may_occur_once() -> None:
    """A header field of the user's takes the place of ours, also in its compact form."""
    alice = Endpoint()
    send(alice, body=b"<a/>", extra_headers=["Max-Forwards: 1", "c: text/xml", "User-Agent: mine"])
    request = alice.last_request()
    assert request.get_all("Max-Forwards") == ["1"]
    assert request.get_all("Content-Type") == ["text/xml"]
    assert request.get_all("User-Agent") == ["mine"]


@pytest.mark.parametrize(
    ("target", "uri"),
    [
        ("bob", "sip:bob@example.com"),
        ("bob@example.org", "sip:bob@example.org"),
        ("sips:bob@example.org", "sip:bob@example.org"),
        ("tel:+1(555)12-34", "sip:+15551234@example.com"),
        ('"Bob" <sip:bob@example.org;transport=tcp>', "sip:bob@example.org;transport=tcp"),
    ],
)
def test_row_22_targets(target: str, uri: str) -> None:
    """Request-URI and To follow from what the user wrote."""
    alice = Endpoint()
    send(alice, "OPTIONS", target)
    request = alice.last_request()
    assert request.uri_text == uri
    assert request.to is not None
    assert str(request.to.uri) == uri


def test_row_22_targets_that_are_values() -> None:
    """A URI or an address goes out as it is."""
    alice = Endpoint()
    address = parse_name_addr('"Bob" <sip:b:secret@example.org:5070;transport=ws>')
    for target in (address, address.uri):
        assert isinstance(target, NameAddr | URI)
        alice.core.request("OPTIONS", target, alice.now)
        alice.drain()
        assert alice.last_request().uri_text == "sip:b:secret@example.org:5070;transport=ws"
    assert alice.requests()[0].get("To") == str(address)


def test_row_22_sips_only_over_wss() -> None:
    """A sips: target that is kept is refused without a secure server, and sent with one."""
    with pytest.raises(LocalProtocolError, match="wss"):
        send(Endpoint(keep_sips=True), target="sips:bob@example.com")
    alice = Endpoint(keep_sips=True, ws_servers=["wss://example.com"])
    send(alice, target="sips:bob@example.com")
    assert alice.last_request().uri_text == "sips:bob@example.com"


def test_sips_does_not_go_out_on_an_insecure_flow() -> None:
    """With servers of both kinds, what decides is the flow that stands."""
    alice = Endpoint(keep_sips=True, ws_servers=["wss://b.example.com", {"ws_uri": "ws://a.example.com", "weight": 9}])
    request_id, request = alice.core.begin_request("MESSAGE", "sips:bob@example.com", alice.now)
    alice.drain()
    assert request.uri_text == "sips:bob@example.com"
    assert alice.sent == []
    assert alice.events[-1] == RequestFailed(request_id, Cause.CONNECTION_ERROR)


def test_row_22_options_says_what_we_accept() -> None:
    """OPTIONS carries Accept, and no Contact."""
    alice = Endpoint()
    send(alice, "OPTIONS")
    assert "application/sdp" in (alice.last_request().get("Accept") or "")
    assert alice.last_request().get("Contact") is None


def test_row_22_any_method() -> None:
    """Any token is a method but ACK; what is no token is refused."""
    alice = Endpoint()
    send(alice, "FOO")
    assert alice.last_request().method == "FOO"
    with pytest.raises(ValueError, match="method"):
        send(alice, "F OO")
    with pytest.raises(LocalProtocolError):
        send(alice, "ACK")


def test_row_1_anonymous_user_agent() -> None:
    """Without a uri, requests come from anonymous.XXXXXX@anonymous.invalid; a bare user name has no domain then."""
    alice = Endpoint(uri=None)
    send(alice, "OPTIONS", "bob@example.com")
    assert re.fullmatch(
        r"<sip:anonymous\.[0-9a-v]{6}@anonymous\.invalid>;tag=.+", alice.last_request().get("From") or ""
    )
    with pytest.raises(ParseError):
        send(alice, "OPTIONS", "bob")


def test_row_35_36_37_order_and_identities() -> None:
    """Route, Via, …, extra, Supported, User-Agent; From and To with display names."""
    alice = Endpoint(display_name='Al "Ice" ¶', use_preloaded_route=True)
    send(alice, target='"Bob" <sip:bob@example.com>', extra_headers=["X-Foo: 1"], body=b"x")
    request = alice.last_request()
    assert names(request) == [
        *("Route", "Via", "Max-Forwards", "To", "From", "Call-ID", "CSeq", "X-Foo"),
        *("Content-Type", "Supported", "User-Agent", "Content-Length"),
    ]
    assert request.from_ is not None
    assert request.from_.display_name == 'Al "Ice" ¶'
    assert request.from_.uri == alice.core.local_identity.uri
    assert request.get("To") == '"Bob" <sip:bob@example.com>'


def test_rows_42_to_50_params() -> None:
    """Each of ``params`` stands where it belongs."""
    alice = Endpoint(use_preloaded_route=True)
    params = RequestParams(
        route_set=("<sip:one.example.com;lr>", "<sip:two.example.com;lr>"),
        to_uri=parse_uri("sip:carol@example.org"),  # type: ignore[arg-type]
        to_display_name="Carol",
        to_tag="t1",
        from_uri="dave@example.org",
        from_display_name="Dave",
        from_tag="f1",
        call_id="c@1",
        cseq=77,
    )
    send(alice, params=params)
    request = alice.last_request()
    assert request.uri_text == "sip:bob@example.com"
    assert request.get_all("Route") == ["<sip:one.example.com;lr>", "<sip:two.example.com;lr>"]
    assert request.get("To") == '"Carol" <sip:carol@example.org>;tag=t1'
    assert request.get("From") == '"Dave" <sip:dave@example.org>;tag=f1'
    assert request.get("Call-ID") == "c@1"
    assert request.get("CSeq") == "77 MESSAGE"


@pytest.mark.parametrize(
    "params",
    [RequestParams(call_id="a b"), RequestParams(call_id=""), RequestParams(cseq=-1), RequestParams(cseq=2**31)],
)
def test_bad_params_are_refused(params: RequestParams) -> None:
    """What would make a message that is none is refused."""
    with pytest.raises(ValueError, match=r"call_id|cseq"):
        send(Endpoint(), params=params)


def test_row_42_strict_router() -> None:
    """A first route without lr takes the place of the Request-URI (§12.2.1.1)."""
    alice = Endpoint()
    send(alice, params=RequestParams(route_set=("<sip:strict.example.com>", "<sip:two.example.com;lr>")))
    request = alice.last_request()
    assert request.uri_text == "sip:strict.example.com"
    assert request.get_all("Route") == ["<sip:two.example.com;lr>", "<sip:bob@example.com>"]


def test_row_49_call_ids_share_a_prefix() -> None:
    """Call-IDs of one user agent begin alike and are 20 characters long; another one's begin differently."""
    alice, other = Endpoint(), Endpoint(seed=2)
    for _ in range(2):
        send(alice)
    send(other)
    first, second = [request.call_id or "" for request in alice.requests()]
    assert len(first) == 20
    assert first[:5] == second[:5] != (other.last_request().call_id or "")[:5]
    assert first != second


def test_row_77_hack_ip_in_contact() -> None:
    """True puts an address of TEST-NET-1 into Via and Contact, a string puts that host there."""
    alice = Endpoint(hack_ip_in_contact=True)
    send(alice, "INVITE")
    via, contact = alice.last_request().via, alice.core.contact
    assert via is not None
    assert re.fullmatch(r"192\.0\.2\.([1-9]|[1-9]\d|1\d\d|2[0-4]\d|25[0-4])", via.host)
    assert contact.host == via.host
    alice = Endpoint(hack_ip_in_contact="203.0.113.9")
    send(alice)
    assert (alice.last_request().get("Via") or "").startswith("SIP/2.0/WS 203.0.113.9;branch=")


def test_row_78_hack_via_tcp() -> None:
    """Via says TCP; Contact does not change."""
    alice = Endpoint(hack_via_tcp=True)
    send(alice, "INVITE")
    assert (alice.last_request().get("Via") or "").startswith("SIP/2.0/TCP ")
    assert ";transport=ws" in (alice.last_request().get("Contact") or "")


def test_row_79_hack_wss_in_transport() -> None:
    """Contact says wss; Via and Route do not change."""
    alice = Endpoint(hack_wss_in_transport=True, use_preloaded_route=True)
    send(alice, "INVITE")
    request = alice.last_request()
    assert ";transport=wss" in (request.get("Contact") or "")
    assert (request.get("Via") or "").startswith("SIP/2.0/WS ")
    assert request.get("Route") == "<sip:127.0.0.1:5060;lr;transport=ws>"


def test_via_says_wss_on_a_secure_flow() -> None:
    """RFC 7118 §5.1."""
    alice = Endpoint(ws_servers=["wss://example.com"])
    send(alice)
    assert (alice.last_request().get("Via") or "").startswith("SIP/2.0/WSS ")


@pytest.mark.parametrize(
    ("server", "route"),
    [
        ("ws://edge.example.com", "<sip:edge.example.com;lr;transport=ws>"),
        ("wss://edge.example.com:8443/path", "<sip:edge.example.com:8443;lr;transport=ws>"),
        ("ws://[2001:db8::1]:5060", "<sip:[2001:db8::1]:5060;lr;transport=ws>"),
    ],
)
def test_row_96_preloaded_route(server: str, route: str) -> None:
    """The route names the server of the flow, with a port only if the URL names one, in REGISTER too."""
    alice = Endpoint(ws_servers=[server], use_preloaded_route=True, register=True)
    send(alice)
    assert [request.get_all("Route") for request in alice.requests()] == [[route], [route]]


def test_row_100_preloaded_route_set() -> None:
    """The whole route, in order, behind the server's own if that is used too."""
    alice = Endpoint(preloaded_route_set=["<sip:a.example.com;lr>", "<sip:b.example.com;lr>"])
    send(alice)
    assert alice.last_request().get_all("Route") == ["<sip:a.example.com;lr>", "<sip:b.example.com;lr>"]


@pytest.mark.parametrize(
    ("value", "header"),
    [
        (None, f"sipcli/{__version__}"),
        ("myAwesomeApp", "myAwesomeApp"),
        ("+ myAwesomeApp", f"sipcli/{__version__} myAwesomeApp"),
    ],
)
def test_row_97_user_agent_string(value: str | None, header: str) -> None:
    """It replaces the whole header field, and with a plus is appended."""
    alice = Endpoint(user_agent_string=value)
    send(alice)
    assert alice.last_request().get("User-Agent") == header


def test_row_100_contact_and_rport() -> None:
    """contact_name, contact_transport and force_rport."""
    alice = Endpoint(contact_name="al ice", contact_transport="tcp", force_rport=True)
    send(alice, "INVITE")
    request = alice.last_request()
    assert request.via is not None
    assert request.get("Contact") == f"<sip:al%20ice@{request.via.host};transport=tcp;ob>"
    assert (request.get("Via") or "").endswith(";rport")


def test_rows_89_90_100_supported() -> None:
    """100rel and replaces when supported, further tags only if registered, unless that check is switched off."""
    tags: dict[str, Any] = {"rel100": "supported", "replaces": "supported", "extra_supported": ["timer", "x-own"]}
    alice = Endpoint(**tags)
    send(alice)
    assert alice.last_request().get("Supported") == "100rel, replaces, outbound, timer"
    alice = Endpoint(**tags, hack_allow_unregistered_option_tags=True)
    send(alice)
    assert alice.last_request().get("Supported") == "100rel, replaces, outbound, timer, x-own"
    alice = Endpoint(rel100="required")
    send(alice, "INVITE")
    assert alice.last_request().get("Require") == "100rel"


# Outcomes (§8.1.3)


def test_rows_53_54_progress_and_accepted() -> None:
    """Each provisional response is told, 100 included, then the final one; nothing is left."""
    alice = Endpoint()
    request_id = send(alice)
    request = alice.answer(100)
    alice.answer(183)
    alice.answer(202)
    assert [event.response.status for event in alice.told(RequestProgress)] == [100, 183]
    assert alice.last(RequestAccepted).response.status == 202
    assert [(event.id, event.request.via) for event in alice.told(RequestSent)] == [(request_id, request.via)]
    assert alice.core.next_deadline() is None
    with pytest.raises(LocalProtocolError):
        alice.core.outgoing(request_id)


@pytest.mark.parametrize(
    ("status", "cause"),
    [
        *((code, Cause.REDIRECTED) for code in (300, 301, 302, 305, 380)),
        (401, Cause.AUTHENTICATION_ERROR),
        (403, Cause.REJECTED),
        (404, Cause.NOT_FOUND),
        (407, Cause.AUTHENTICATION_ERROR),
        (408, Cause.REQUEST_TIMEOUT),
        (410, Cause.UNAVAILABLE),
        (430, Cause.UNAVAILABLE),
        (480, Cause.UNAVAILABLE),
        (484, Cause.ADDRESS_INCOMPLETE),
        (486, Cause.BUSY),
        (487, Cause.CANCELED),
        (488, Cause.INCOMPATIBLE_SDP),
        (503, Cause.SIP_FAILURE_CODE),
        (600, Cause.BUSY),
        (603, Cause.REJECTED),
        (604, Cause.NOT_FOUND),
        (606, Cause.INCOMPATIBLE_SDP),
    ],
)
def test_row_55_rejected_with_a_cause(status: int, cause: Cause) -> None:
    """Every final response from 300 on has its cause, redirects included."""
    alice = Endpoint()
    request_id = send(alice)
    alice.answer(status)
    event = alice.last(RequestRejected)
    assert (event.id, event.response.status, event.cause) == (request_id, status, cause)
    assert alice.core.next_deadline() is None


def test_row_56_timeout() -> None:
    """No final response within 64*T1: Request Timeout."""
    alice = Endpoint()
    request_id = send(alice)
    alice.advance(31.9)
    assert not alice.told(RequestFailed)
    alice.advance(0.2)
    assert alice.told(RequestFailed) == [RequestFailed(request_id, Cause.REQUEST_TIMEOUT)]
    assert len(alice.requests()) == 1, "nothing is resent on a reliable flow"


def test_row_56_connection_lost() -> None:
    """A flow that is lost fails its requests, which are not sent again on the next."""
    alice = Endpoint()
    request_id = send(alice)
    alice.drop()
    assert alice.told(RequestFailed) == [RequestFailed(request_id, Cause.CONNECTION_ERROR)]
    alice.advance(0)
    alice.establish()
    assert len(alice.requests()) == 1


def test_request_fails_when_no_connection_will_come() -> None:
    """Without recovery a request that waits ends when the last server has failed."""
    alice = Endpoint(connect=False, recover=False)
    request_id = send(alice)
    alice.core.start(alice.now)
    alice.drain()
    alice.drop()
    assert alice.events[-1] == RequestFailed(request_id, Cause.CONNECTION_ERROR)


def test_request_does_not_wait_for_ever() -> None:
    """With recovery it waits as long as a transaction may take."""
    alice = Endpoint(connect=False)
    request_id = send(alice)
    alice.advance(32)
    assert alice.events == [RequestFailed(request_id, Cause.CONNECTION_ERROR)]


@pytest.mark.parametrize(
    "change",
    [
        lambda response: response.with_prepended("Via", "SIP/2.0/WS other.invalid;branch=z9hG4bK2"),
        lambda response: response.with_header("Via", str(response.via).replace(".invalid", ".example")),
        lambda response: response.with_header("CSeq", "1 MESSAGE"),
        lambda response: response.with_header("CSeq", f"{2**64} MESSAGE"),
        lambda response: response.with_header("CSeq", "-1 MESSAGE"),
        lambda response: response.with_header("CSeq", ""),
        lambda response: response.with_header("Call-ID", "another"),
        lambda response: response.without("Call-ID"),
        lambda response: response.without("To"),
        lambda response: response.with_header("From", "<<>>"),
    ],
    ids=[
        "two Via",
        "foreign sent-by",
        "CSeq",
        "huge",
        "negative",
        "empty",
        "Call-ID",
        "no Call-ID",
        "no To",
        "bad From",
    ],
)
def test_responses_that_are_not_ours_are_dropped(change: object) -> None:
    """§8.1.3.3, §18.1.2, and what no answer of a sane peer looks like."""
    alice = Endpoint()
    send(alice)
    response = build_response(alice.last_request(), 200, to_tag="b1")
    alice.deliver(change(response))  # type: ignore[operator]
    assert not alice.told(RequestAccepted)
    alice.deliver(response)
    assert len(alice.told(RequestAccepted)) == 1


def test_response_with_a_short_body_is_dropped() -> None:
    """Less body than Content-Length says: not a response (§18.3)."""
    alice = Endpoint()
    send(alice)
    data = serialize(build_response(alice.last_request(), 200, to_tag="b1"))
    alice.deliver(data.replace(b"Content-Length: 0", b"Content-Length: 5"))
    assert not alice.told(RequestAccepted)
    alice.answer(200)
    assert len(alice.told(RequestAccepted)) == 1


def test_a_request_ends_once() -> None:
    """What comes after the final response is not told."""
    alice = Endpoint()
    send(alice)
    request = alice.answer(486)
    for status in (100, 200, 486):
        alice.answer(status, request=request)
    assert alice.events[-1] == alice.last(RequestRejected)
    assert len(alice.told(RequestRejected)) == 1
    assert not alice.told(RequestAccepted)


# Challenges (§22)


def test_challenge_is_answered() -> None:
    """401: CSeq + 1, same Call-ID, From tag and body, new branch, credentials behind CSeq (PARAMETERS A7)."""
    alice = Endpoint(password="secret")
    send(alice, body=b"hi", extra_headers=["X-Foo: 1"])
    first = alice.answer(401, [("WWW-Authenticate", CHALLENGE)])
    second = alice.last_request()
    assert (first.cseq, second.cseq) != (None, None)
    assert second.cseq.number == first.cseq.number + 1  # type: ignore[union-attr]
    assert second.call_id == first.call_id
    assert second.from_ == first.from_
    assert second.body == first.body
    assert second.via != first.via
    assert names(second)[5:8] == ["CSeq", "Authorization", "X-Foo"]
    credentials = parse_credentials(second.get("Authorization") or "")
    assert (credentials["username"], credentials["nc"], credentials["uri"]) == ("alice", "00000001", second.uri_text)
    alice.answer(200)
    assert len(alice.told(RequestAccepted)) == 1
    assert not alice.told(RequestRejected)


def test_407_then_401() -> None:
    """Both challenges in a row are answered, the proxy's again with a growing count."""
    alice = Endpoint(password="secret")
    send(alice)
    alice.answer(407, [("Proxy-Authenticate", OTHER_CHALLENGE)])
    alice.answer(401, [("WWW-Authenticate", CHALLENGE)])
    request = alice.last_request()
    assert parse_credentials(request.get("Proxy-Authorization") or "")["nc"] == "00000002"
    assert parse_credentials(request.get("Authorization") or "")["nc"] == "00000001"
    assert len(request.get_all("Proxy-Authorization")) == 1
    alice.answer(200)
    assert alice.told(RequestAccepted)


def test_401_and_407_at_once() -> None:
    """One response with both challenges gets both answers."""
    alice = Endpoint(password="secret")
    send(alice)
    alice.answer(401, [("Proxy-Authenticate", OTHER_CHALLENGE), ("WWW-Authenticate", CHALLENGE)])
    assert alice.last_request().get("Proxy-Authorization")
    assert alice.last_request().get("Authorization")


def test_stale_nonce_is_replaced() -> None:
    """stale=true is no refusal."""
    alice = Endpoint(password="secret")
    send(alice)
    alice.answer(401, [("WWW-Authenticate", CHALLENGE)])
    alice.answer(401, [("WWW-Authenticate", STALE)])
    assert parse_credentials(alice.last_request().get("Authorization") or "")["nonce"] == "n2"
    alice.answer(200)
    assert alice.told(RequestAccepted)


def test_wrong_password_is_not_tried_again() -> None:
    """A second 401 of the same realm, not stale, is the end."""
    alice = Endpoint(password="wrong")
    request_id = send(alice)
    alice.answer(401, [("WWW-Authenticate", CHALLENGE)])
    alice.answer(401, [("WWW-Authenticate", CHALLENGE.replace("n1", "n9"))])
    assert len(alice.requests()) == 2
    event = alice.last(RequestRejected)
    assert (event.id, event.cause) == (request_id, Cause.AUTHENTICATION_ERROR)


def test_challenges_without_end() -> None:
    """A server that finds every nonce stale gets four answers and no more."""
    alice = Endpoint(password="secret")
    send(alice)
    for count in range(100):
        if alice.told(RequestRejected):
            break
        alice.answer(401, [("WWW-Authenticate", STALE.replace("n2", f"n{count}"))])
    assert len(alice.requests()) == 5
    assert alice.core.next_deadline() is None


def test_unusable_challenges() -> None:
    """No challenge, Basic, an unknown algorithm, garbage: rejected at once, with a password and without."""
    for headers in ([], ["Basic realm=x"], [CHALLENGE.replace("SHA-256", "SHA-3")], ["Digest \0"[:-1] + "realm"]):
        for password in (None, "secret"):
            alice = Endpoint(password=password)
            send(alice)
            alice.answer(401, [("WWW-Authenticate", value) for value in headers])
            assert alice.last(RequestRejected).cause is Cause.AUTHENTICATION_ERROR
            assert len(alice.requests()) == 1
            assert not alice.told(CredentialsRequired)


def test_row_71_authorization_user_and_ha1() -> None:
    """authorization_user is the digest's user name, and authorization_ha1 stands in for the password."""
    alice = Endpoint(authorization_user="al", authorization_ha1="0" * 64)
    send(alice)
    alice.answer(401, [("WWW-Authenticate", CHALLENGE)])
    assert parse_credentials(alice.last_request().get("Authorization") or "")["username"] == "al"


def test_nonce_is_used_again() -> None:
    """The next request carries credentials at once, with a growing count."""
    alice = Endpoint(password="secret")
    send(alice)
    alice.answer(401, [("WWW-Authenticate", CHALLENGE)])
    alice.answer(200)
    send(alice)
    assert parse_credentials(alice.last_request().get("Authorization") or "")["nc"] == "00000002"
    alice.answer(401, [("WWW-Authenticate", STALE)])
    alice.answer(200)
    assert len(alice.told(RequestAccepted)) == 2


def test_foreign_realm_gets_nothing_after_the_first_success() -> None:
    """SECURITY: the realm is pinned; a request elsewhere gives nothing away."""
    alice = Endpoint(password="secret")
    send(alice)
    alice.answer(401, [("WWW-Authenticate", CHALLENGE)])
    alice.answer(200)
    send(alice, target="mallory@evil.example")
    assert alice.last_request().get("Authorization") is None
    alice.answer(401, [("WWW-Authenticate", CHALLENGE.replace("example.com", "evil.example"))])
    assert alice.last(RequestRejected).cause is Cause.AUTHENTICATION_ERROR
    assert len(alice.requests()) == 3


def test_credentials_are_asked_for() -> None:
    """Without a secret the application is asked; what it says serves later requests too."""
    alice = Endpoint()
    request_id = send(alice)
    alice.answer(401, [("WWW-Authenticate", CHALLENGE)])
    assert alice.last(CredentialsRequired) == CredentialsRequired(request_id, "example.com", "alice")
    alice.core.provide_credentials(request_id, Credentials("alice", "secret"), alice.now)
    alice.drain()
    alice.answer(200)
    assert alice.last(RequestAccepted).id == request_id
    send(alice)
    assert alice.last_request().get("Authorization")
    assert len(alice.told(CredentialsRequired)) == 1


def test_no_credentials_is_a_rejection() -> None:
    """None ends the request as the 401 that it is."""
    alice = Endpoint()
    request_id = send(alice)
    alice.answer(401, [("WWW-Authenticate", CHALLENGE)])
    alice.core.provide_credentials(request_id, None, alice.now)
    alice.drain()
    event = alice.last(RequestRejected)
    assert (event.id, event.response.status, event.cause) == (request_id, 401, Cause.AUTHENTICATION_ERROR)
    alice.core.provide_credentials(request_id, None, alice.now)  # too late: nothing happens
    alice.drain()
    assert len(alice.told(RequestRejected)) == 1


def test_wrong_credentials_are_asked_for_again_by_the_next_request() -> None:
    """A secret that was typed in and refused is forgotten."""
    alice = Endpoint()
    request_id = send(alice)
    alice.answer(401, [("WWW-Authenticate", CHALLENGE)])
    alice.core.provide_credentials(request_id, Credentials("alice", "wrong"), alice.now)
    alice.drain()
    alice.answer(401, [("WWW-Authenticate", CHALLENGE)])
    assert alice.told(RequestRejected)
    send(alice)
    alice.answer(401, [("WWW-Authenticate", CHALLENGE)])
    assert len(alice.told(CredentialsRequired)) == 2


def test_connection_lost_while_asking() -> None:
    """The request fails; the secret is kept for the next one."""
    alice = Endpoint()
    request_id = send(alice)
    alice.answer(401, [("WWW-Authenticate", CHALLENGE)])
    alice.drop()
    assert alice.told(RequestFailed) == [RequestFailed(request_id, Cause.CONNECTION_ERROR)]
    alice.core.provide_credentials(request_id, Credentials("alice", "secret"), alice.now)
    alice.advance(0)
    alice.establish()
    send(alice)
    alice.answer(401, [("WWW-Authenticate", CHALLENGE)])
    assert alice.last_request().get("Authorization")


# Redirects (§8.1.3.4)


def redirect(alice: Endpoint, *contacts: str, status: int = 302) -> None:
    alice.answer(status, [("Contact", contact) for contact in contacts])


def test_redirects_are_not_followed_unasked() -> None:
    """Exit 12 without --follow-redirects."""
    alice = Endpoint()
    send(alice)
    redirect(alice, "<sip:carol@example.com>")
    assert alice.last(RequestRejected).cause is Cause.REDIRECTED
    assert len(alice.requests()) == 1


def test_redirects_are_followed_in_the_order_of_q() -> None:
    """The best contact first, the next when it fails; To stays, CSeq grows; the last answer counts."""
    alice = Endpoint(follow_redirects=5)
    send(alice)
    redirect(alice, "<sip:low@example.com>;q=0.1, <sip:high@example.com>;q=0.9", "<sips:no@example.com>", "<tel:+1>")
    assert alice.last_request().uri_text == "sip:high@example.com"
    assert alice.last_request().get("To") == "<sip:bob@example.com>"
    alice.answer(404)
    assert alice.last_request().uri_text == "sip:low@example.com"
    alice.answer(480)
    assert alice.last(RequestRejected).response.status == 480
    numbers = [request.cseq.number for request in alice.requests() if request.cseq]
    assert numbers == [numbers[0], numbers[0] + 1, numbers[0] + 2]


def test_redirects_in_a_circle_end() -> None:
    """No URI is tried twice."""
    alice = Endpoint(follow_redirects=50)
    send(alice)
    redirect(alice, "<sip:carol@example.com>")
    redirect(alice, "<sip:bob@EXAMPLE.com>")
    assert alice.last(RequestRejected).cause is Cause.REDIRECTED
    assert len(alice.requests()) == 2


def test_redirects_are_counted() -> None:
    """A server that always knows somebody else is believed so many times."""
    alice = Endpoint(follow_redirects=3)
    send(alice)
    for count in range(100):
        if alice.told(RequestRejected):
            break
        redirect(alice, f"<sip:user{count}@example.com>")
    assert len(alice.requests()) == 4


def test_6xx_ends_a_redirected_request() -> None:
    """It speaks for every target."""
    alice = Endpoint(follow_redirects=3)
    send(alice)
    redirect(alice, "<sip:a@example.com>, <sip:b@example.com>")
    alice.answer(603)
    assert alice.last(RequestRejected).cause is Cause.REJECTED
    assert len(alice.requests()) == 2


@pytest.mark.parametrize("status", [300, 301, 302, 305, 380])
def test_which_redirects_are_followed(status: int) -> None:
    """305 and 380 mean something else than the same request elsewhere."""
    alice = Endpoint(follow_redirects=3)
    send(alice)
    redirect(alice, "<sip:carol@example.com;method=BYE?Route=%3Csip:evil%3E>", status=status)
    followed = len(alice.requests()) == 2
    assert followed == (status <= 302)
    if followed:
        assert alice.last_request().uri_text == "sip:carol@example.com"


def test_redirect_without_a_usable_contact() -> None:
    """No Contact, or one that is none: the 3xx is the answer."""
    for contacts in ([], ["*"], ["<<>>"]):
        alice = Endpoint(follow_redirects=3)
        send(alice)
        redirect(alice, *contacts)
        assert alice.last(RequestRejected).cause is Cause.REDIRECTED


# INVITE (§9.1, §13.2.2.4)


def test_accepted_invite_is_acknowledged_and_ended() -> None:
    """ACK and BYE go to the remote target through the route set; nothing is left open."""
    alice = Endpoint()
    request_id = send(alice, "INVITE")
    invite = alice.answer(180)
    routes = ["<sip:p2.example.com;lr>", "<sip:tok/+=@p1.example.com;transport=ws;lr=on;ftag=a>"]
    alice.answer(200, [*[("Record-Route", route) for route in routes], OK_CONTACT])
    ack, bye = alice.requests()[1:]
    assert (ack.method, bye.method) == ("ACK", "BYE")
    assert invite.cseq is not None
    for request, number in ((ack, invite.cseq.number), (bye, invite.cseq.number + 1)):
        assert request.uri_text == "sip:bob@bob.invalid;transport=ws"
        assert request.get_all("Route") == routes[::-1]
        assert request.get("To") == "<sip:bob@example.com>;tag=b1"
        assert request.get("From") == invite.get("From")
        assert request.call_id == invite.call_id
        assert request.get("CSeq") == f"{number} {request.method}"
        assert request.via != invite.via
    assert alice.last(RequestAccepted).id == request_id
    alice.answer(200, request=bye)
    alice.advance(40)
    assert alice.core.next_deadline() is None
    assert len(alice.told(RequestAccepted)) == 1


def test_2xx_again_and_from_a_fork() -> None:
    """A 2xx that comes again gets its ACK again; another dialog gets its own ACK and BYE."""
    alice = Endpoint()
    send(alice, "INVITE")
    invite = alice.answer(200, [OK_CONTACT])
    alice.answer(200, [OK_CONTACT], request=invite)
    assert len(alice.requests("ACK")) == 2
    assert alice.requests("ACK")[0] == alice.requests("ACK")[1]
    assert len(alice.requests("BYE")) == 1
    alice.answer(200, [OK_CONTACT], request=invite, to_tag="b2")
    assert [request.to.tag for request in alice.requests("BYE") if request.to] == ["b1", "b2"]
    assert len(alice.told(RequestAccepted)) == 1


@pytest.mark.parametrize(
    "headers",
    [[], [("Contact", "<<>>")], [("Contact", "*")], [OK_CONTACT, ("Record-Route", "<<>>")], [("Contact", "<tel:+1>")]],
)
def test_2xx_of_a_careless_peer_is_acknowledged(headers: list[tuple[str, str]]) -> None:
    """It must have its ACK and BYE, whatever it forgot."""
    alice = Endpoint()
    send(alice, "INVITE")
    alice.answer(200, headers)
    assert [request.method for request in alice.requests()] == ["INVITE", "ACK", "BYE"]


def test_challenged_invite() -> None:
    """The ACK of the 401 has the INVITE's branch (§17.1.1.3); that of the 2xx its credentials (§13.2.2.4)."""
    alice = Endpoint(password="secret")
    send(alice, "INVITE")
    first = alice.answer(401, [("WWW-Authenticate", CHALLENGE)])
    ack, second = alice.requests()[1:]
    assert (ack.method, second.method) == ("ACK", "INVITE")
    assert ack.via == first.via
    alice.answer(200, [OK_CONTACT], request=second)
    ack = alice.requests("ACK")[-1]
    assert ack.get("Authorization") == second.get("Authorization")


def test_row_51_cancel_waits_for_a_provisional_response() -> None:
    """CANCEL has the INVITE's branch, Route, To without tag, CSeq number, and the Reason."""
    alice = Endpoint(use_preloaded_route=True)
    request_id = send(alice, "INVITE")
    alice.core.cancel(request_id, alice.now, status_code=600, reason_phrase="Nope")
    alice.drain()
    assert not alice.requests("CANCEL")
    assert alice.told(RequestCancelled) == [RequestCancelled(request_id)]
    invite = alice.answer(180)
    cancel = alice.last_request()
    assert cancel.method == "CANCEL"
    assert cancel.get("Reason") == 'SIP;cause=600;text="Nope"'
    assert cancel.uri_text == invite.uri_text
    for name in ("Via", "Route", "To", "From", "Call-ID"):
        assert cancel.get_all(name) == invite.get_all(name)
    assert cancel.cseq is not None
    assert invite.cseq is not None
    assert cancel.cseq.number == invite.cseq.number
    alice.answer(183, request=invite)
    assert len(alice.requests("CANCEL")) == 1
    alice.answer(200, request=cancel)
    alice.answer(487, request=invite)
    event = alice.last(RequestRejected)
    assert (event.response.status, event.cause) == (487, Cause.CANCELED)
    assert alice.core.next_deadline() is None


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({}, None),
        ({"status_code": 486}, 'SIP;cause=486;text="Busy Here"'),
        ({"reason_phrase": 'a "b"'}, 'SIP;text="a \\"b\\""'),
    ],
)
def test_row_51_reason(arguments: dict[str, object], reason: str | None) -> None:
    """Code and phrase are optional."""
    alice = Endpoint()
    request_id = send(alice, "INVITE")
    alice.answer(180)
    alice.core.cancel(request_id, alice.now, **arguments)  # type: ignore[arg-type]
    alice.drain()
    assert alice.last_request().get("Reason") == reason


def test_rows_51_52_cancel_at_the_wrong_time() -> None:
    """A bad code is ValueError; a second call, another method and a request that has ended LocalProtocolError."""
    alice = Endpoint()
    invite, message = send(alice, "INVITE"), send(alice)
    for code in (0, 199, 700):
        with pytest.raises(ValueError, match="status_code"):
            alice.core.cancel(invite, alice.now, status_code=code)
    with pytest.raises(ValueError, match="reason_phrase"):
        alice.core.cancel(invite, alice.now, reason_phrase="a\r\nb")
    with pytest.raises(LocalProtocolError, match="INVITE"):
        alice.core.cancel(message, alice.now)
    alice.core.cancel(invite, alice.now)
    with pytest.raises(LocalProtocolError, match="already"):
        alice.core.cancel(invite, alice.now)
    with pytest.raises(LocalProtocolError, match="ended"):
        alice.core.cancel(99, alice.now)


def test_cancel_after_the_answer() -> None:
    """An INVITE that was accepted cannot be cancelled."""
    alice = Endpoint()
    request_id = send(alice, "INVITE")
    alice.answer(200, [OK_CONTACT])
    with pytest.raises(LocalProtocolError, match="accepted"):
        alice.core.cancel(request_id, alice.now)


def test_cancel_that_crosses_the_answer() -> None:
    """The 2xx is acknowledged and ended, and the request counts as cancelled."""
    alice = Endpoint()
    request_id = send(alice, "INVITE")
    alice.core.cancel(request_id, alice.now)
    alice.answer(200, [OK_CONTACT])
    assert [request.method for request in alice.requests()] == ["INVITE", "ACK", "BYE"]
    assert alice.told(RequestFailed) == [RequestFailed(request_id, Cause.CANCELED)]
    assert not alice.told(RequestAccepted)


def test_cancel_before_the_connection_stands() -> None:
    """What was never sent is not sent."""
    alice = Endpoint(connect=False)
    request_id = send(alice, "INVITE")
    alice.core.cancel(request_id, alice.now)
    alice.drain()
    assert alice.events == [RequestCancelled(request_id), RequestFailed(request_id, Cause.CANCELED)]
    alice.connect()
    assert alice.sent == []


def test_cancelled_invite_is_not_repeated() -> None:
    """A challenge after cancel() is the end."""
    alice = Endpoint(password="secret")
    request_id = send(alice, "INVITE")
    alice.core.cancel(request_id, alice.now)
    alice.answer(401, [("WWW-Authenticate", CHALLENGE)])
    assert alice.told(RequestFailed) == [RequestFailed(request_id, Cause.CANCELED)]
    assert len(alice.requests("INVITE")) == 1


def test_cancel_that_nobody_answers() -> None:
    """After 64*T1 the cancelled INVITE is over (§9.1)."""
    alice = Endpoint()
    request_id = send(alice, "INVITE")
    alice.answer(180)
    alice.core.cancel(request_id, alice.now)
    alice.drain()
    alice.advance(33)
    assert alice.told(RequestFailed) == [RequestFailed(request_id, Cause.CANCELED)]
    assert alice.core.next_deadline() is None


def test_peer_bye_that_crosses_ours() -> None:
    """It gets 200, and 481 once the dialog is over."""
    alice = Endpoint()
    send(alice, "INVITE")
    invite = alice.answer(200, [OK_CONTACT])
    assert invite.from_ is not None
    headers = [
        ("Via", "SIP/2.0/WS bob.invalid;branch=z9hG4bKb"),
        ("Max-Forwards", "70"),
        ("To", f"<sip:alice@example.com>;tag={invite.from_.tag}"),
        ("From", "<sip:bob@example.com>;tag=b1"),
        ("Call-ID", invite.call_id or ""),
    ]
    alice.deliver(Request("BYE", "sip:x@y.invalid", [*headers, ("CSeq", "1 BYE")]))
    assert alice.statuses() == [200]
    alice.answer(200, request=alice.requests("BYE")[0])
    headers[0] = ("Via", "SIP/2.0/WS bob.invalid;branch=z9hG4bKc")
    alice.deliver(Request("BYE", "sip:x@y.invalid", [*headers, ("CSeq", "2 BYE")]))
    assert alice.statuses() == [200, 481]


@given(statuses=st.lists(st.sampled_from([100, 180, 199, 200, 302, 401, 407, 480, 487, 503, 600]), max_size=6))
def test_every_request_ends_once_and_leaves_nothing(statuses: list[int]) -> None:
    """Whatever is answered, in whatever order: one end, and no deadline after it."""
    for method in ("MESSAGE", "INVITE"):
        alice = Endpoint(password="secret", follow_redirects=2)
        request_id = send(alice, method)
        for status in statuses:
            target = next(request for request in reversed(alice.requests()) if request.method == method)
            headers = [("WWW-Authenticate", CHALLENGE), ("Proxy-Authenticate", OTHER_CHALLENGE), OK_CONTACT]
            alice.answer(status, headers, request=target)
        if method == "INVITE" and not any(status >= 200 for status in statuses) and statuses:
            alice.core.cancel(request_id, alice.now)
        alice.advance(200)
        ends = alice.told(RequestAccepted) + alice.told(RequestRejected) + alice.told(RequestFailed)
        if method == "MESSAGE" or ends:
            assert [event.id for event in ends] == [request_id]
            assert alice.core.next_deadline() is None


def test_response_type_is_what_was_parsed() -> None:
    """The event carries the response with its octets."""
    alice = Endpoint()
    send(alice)
    alice.answer(200, [("X-Foo", "1")], body=b"yes", content_type="text/plain")
    response = alice.last(RequestAccepted).response
    assert isinstance(response, Response)
    assert (response.get("x-foo"), response.body) == ("1", b"yes")
    assert response.original is not None
