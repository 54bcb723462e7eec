"""The registration (RFC 3261 §10.2; RFC 5626; RFC 5627; PARAMETERS rows 4-9, 25-27, 58-64, 75, 80, 86-88, 100)."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipcli.sip.digest import Credentials, parse_credentials
from sipcli.sip.errors import LocalProtocolError
from sipcli.sip.events import (
    Cause,
    CredentialsRequired,
    Disconnected,
    Registered,
    RegistrationFailed,
    RequestAccepted,
    RequestSent,
    Unregistered,
)
from sipcli.sip.message import Request
from sipcli.sip.registration import MAX_REGISTERS, TRANSITIONS, Input, State
from sipcli.sip.settings import RegisterParams
from sipcli.sip.uri import parse_uri
from tests.sip.endpoint import Endpoint

CHALLENGE = 'Digest realm="example.com", nonce="n1", algorithm=SHA-256, qop="auth"'
INSTANCE = "8f1fa16a-1165-4a96-8341-785b1ef24f12"


def register(alice: Endpoint, *extra_headers: str) -> None:
    alice.core.register(alice.now, extra_headers=extra_headers)
    alice.drain()


def unregister(alice: Endpoint, **arguments: Any) -> None:
    alice.core.unregister(alice.now, **arguments)
    alice.drain()


def grant(alice: Endpoint, expires: int | str | None = 600, params: str = "", *others: str) -> Request:
    """Answer the last REGISTER with 200 and its own Contact, granting ``expires``."""
    request = alice.requests("REGISTER")[-1]
    contact = (request.get("Contact") or "").rpartition(";expires=")[0] + params
    if expires is not None:
        contact += f";expires={expires}"
    return alice.answer(200, [("Contact", value) for value in (*others, contact)], request=request)


def registered(**settings: Any) -> Endpoint:
    alice = Endpoint(register=True, **settings)
    grant(alice)
    return alice


# The REGISTER on the wire (§10.2)


def test_register_on_the_wire() -> None:
    """Request-URI without user, To is the address of record, the Contact's parameters in their order."""
    alice = Endpoint(register=True, display_name="Alice", instance_id=INSTANCE, contact_name="al")
    request = alice.last_request()
    assert request.start_line == "REGISTER sip:example.com SIP/2.0"
    assert request.get("To") == '"Alice" <sip:alice@example.com>'
    assert (request.get("From") or "").startswith('"Alice" <sip:alice@example.com>;tag=')
    assert request.via is not None
    assert request.get("Contact") == (
        f'<sip:al@{request.via.host};transport=ws>;reg-id=1;+sip.instance="<urn:uuid:{INSTANCE}>";expires=600'
    )
    assert request.get("Supported") == "path, gruu, outbound"
    assert request.get("Expires") is None
    assert "MESSAGE" in (request.get("Allow") or "")
    assert [name for name, _ in request.headers][6:] == [
        *("Contact", "Allow", "Supported", "User-Agent", "Content-Length")
    ]


def test_row_4_register_on_start() -> None:
    """register = true registers as soon as the connection stands, and before anything else is sent."""
    alice = Endpoint(connect=False, register=True)
    alice.core.request("MESSAGE", "bob", alice.now)
    alice.connect()
    assert [request.method for request in alice.requests()] == ["REGISTER", "MESSAGE"]


def test_row_86_register_false() -> None:
    """Nothing is registered unasked."""
    assert Endpoint(register=False).sent == []


def test_row_1_anonymous_user_agents_do_not_register() -> None:
    """register() without a uri is the program's mistake; register = true without a uri registers nothing."""
    alice = Endpoint(uri=None, register=True)
    assert alice.sent == []
    with pytest.raises(LocalProtocolError, match="uri"):
        register(alice)


def test_row_6_extra_headers_are_repeated_by_each_refresh() -> None:
    """They stand before Contact, behind those of the settings."""
    alice = Endpoint(extra_headers=["X-All: 1"])
    register(alice, "X-Foo: foo")
    grant(alice)
    alice.advance(540)
    for request in alice.requests("REGISTER"):
        assert [name for name, _ in request.headers][6:9] == ["X-All", "X-Foo", "Contact"]
    assert len(alice.requests("REGISTER")) == 2


def test_row_6_bad_header_is_refused() -> None:
    """CR and LF."""
    alice = Endpoint()
    with pytest.raises(ValueError, match="CR, LF"):
        register(alice, "X-Foo: a\r\nX-Evil: b")
    assert alice.sent == []


@pytest.mark.parametrize("params", [["foo=bar"], ["foo", '+sip.x="1"']])
def test_row_60_contact_params_stand_before_expires(params: list[str]) -> None:
    """They are appended as they are."""
    alice = Endpoint(register=True, extra_contact_header_params=params)
    contact = alice.last_request().get("Contact") or ""
    assert contact.endswith("".join(f";{param}" for param in params) + ";expires=600")


def test_rows_59_87_expires() -> None:
    """register_expires is what is asked for."""
    alice = Endpoint(register=True, register_expires=1234)
    assert (alice.last_request().get("Contact") or "").endswith(";expires=1234")


@pytest.mark.parametrize("reg_id", [0, 7])
def test_rows_61_63_80_instance_and_reg_id(reg_id: int) -> None:
    """reg_id 0 is none; an instance that was configured is sent all the same; a random one otherwise."""
    alice = Endpoint(register=True, reg_id=reg_id, instance_id=f"uuid:{INSTANCE}")
    contact = alice.last_request().contact
    assert contact is not None
    assert contact.params.get("reg-id") == ("7" if reg_id else None)
    assert contact.params.get("+sip.instance") == f"<urn:uuid:{INSTANCE}>"
    contact = Endpoint(register=True, reg_id=reg_id).last_request().contact
    assert contact is not None
    assert ("+sip.instance" in contact.params) == bool(reg_id)


def test_row_62_params() -> None:
    """To, Call-ID and the first CSeq."""
    alice = Endpoint(
        register=True,
        register_params=RegisterParams(
            to_uri=parse_uri("sip:al@example.org"),  # type: ignore[arg-type]
            to_display_name="Al",
            call_id="one@two",
            cseq=81,
        ),
    )
    request = alice.last_request()
    assert request.get("To") == '"Al" <sip:al@example.org>'
    assert request.get("Call-ID") == "one@two"
    assert request.get("CSeq") == "81 REGISTER"


def test_rows_64_88_registrar_server() -> None:
    """The Request-URI is that of the registrar."""
    alice = Endpoint(register=True, registrar_server="sip:registrar.example.org:5070")
    assert alice.last_request().uri_text == "sip:registrar.example.org:5070"
    assert alice.last_request().get("To") == "<sip:alice@example.com>"


def test_row_75_display_name_in_to() -> None:
    """Quotes inside are escaped."""
    alice = Endpoint(register=True, display_name='Al "x"')
    assert alice.last_request().get("To") == '"Al \\"x\\"" <sip:alice@example.com>'


def test_row_89_supported_100rel_in_register() -> None:
    """As SIP.js has it; replaces is left out."""
    alice = Endpoint(register=True, rel100="supported", replaces="supported")
    assert alice.last_request().get("Supported") == "path, gruu, 100rel, outbound"


def test_call_id_stays_and_cseq_grows() -> None:
    """One Call-ID for all of them (§10.2), challenges and removal included."""
    alice = Endpoint(register=True, password="secret")
    alice.answer(401, [("WWW-Authenticate", CHALLENGE)])
    grant(alice)
    alice.advance(540)
    grant(alice)
    unregister(alice)
    requests = alice.requests("REGISTER")
    numbers = [request.cseq.number for request in requests if request.cseq]
    assert numbers == list(range(numbers[0], numbers[0] + 4))
    assert len({request.call_id for request in requests}) == 1
    counts = [parse_credentials(request.get("Authorization") or "")["nc"] for request in requests[1:]]
    assert counts == ["00000001", "00000002", "00000003"]


# What the registrar grants (§10.2.4)


def test_rows_8_25_registered() -> None:
    """registered says what was granted, for the own Contact among others."""
    alice = Endpoint(register=True)
    assert not alice.registered()
    alice.now += 0.25
    grant(alice, 300, "", "<sip:other@elsewhere.invalid>;expires=10")
    event = alice.last(Registered)
    assert (event.expires, event.refresh_in, event.rtt) == (300, 270.0, 0.25)
    assert event.contact == str(alice.core.contact)
    assert event.gruu is None
    assert alice.registered()
    assert not alice.told(RequestAccepted)
    assert not alice.told(RequestSent)


def test_binding_is_found_by_instance_first() -> None:
    """A contact that a proxy has rewritten beyond recognition still has our instance."""
    alice = Endpoint(register=True, instance_id=INSTANCE)
    mine = f'<sip:x@10.0.0.1:1234>;+sip.instance="<urn:uuid:{INSTANCE.upper()}>";reg-id=1;expires=100'
    other_flow = f'<sip:x@10.0.0.1:1234>;+sip.instance="<urn:uuid:{INSTANCE}>";reg-id=2;expires=50'
    same_user = f"<sip:{alice.core.contact.user}@old.invalid>;expires=20"
    alice.answer(200, [("Contact", f"{same_user}, {other_flow}, {mine}")])
    assert alice.last(Registered).expires == 100


def test_binding_is_found_by_user_part() -> None:
    """Host, port and parameters do not matter, as with Kamailio's received."""
    alice = Endpoint(register=True)
    user = alice.core.contact.user
    alice.answer(200, [("Contact", f'<sip:{user}@1.2.3.4:5;alias=x>;expires=77;received="sip:1.2.3.4:5"')])
    assert alice.last(Registered).expires == 77


def test_answer_without_our_binding_is_no_registration() -> None:
    """A 200 that lists others only: not registered, and said so."""
    alice = Endpoint(register=True)
    alice.answer(200, [("Contact", "<sip:other@elsewhere.invalid>;expires=10")])
    assert not alice.registered()
    assert alice.last(RegistrationFailed).response is not None


@pytest.mark.parametrize(
    ("headers", "expires"),
    [
        ([("Expires", "120")], 120),
        ([], 600),
        ([("Contact", "*")], 600),
        ([("Contact", "<<>>"), ("Expires", "90")], 90),
        ([("Expires", "soon")], 600),
    ],
)
def test_answer_without_contact_is_believed(headers: list[tuple[str, str]], expires: int) -> None:
    """Some registrars list nothing: Expires counts, else what was asked for."""
    alice = Endpoint(register=True)
    alice.answer(200, headers)
    assert alice.last(Registered).expires == expires


def test_expires_header_counts_without_the_parameter() -> None:
    """§10.2.4: the parameter of the Contact, else Expires."""
    alice = Endpoint(register=True)
    alice.answer(200, [("Contact", f"<{alice.core.contact}>"), ("Expires", "333")])
    assert alice.last(Registered).expires == 333


def test_own_registrar_may_require_outbound() -> None:
    """Kamailio puts Require: outbound into its 200."""
    alice = Endpoint(register=True)
    alice.answer(200, [("Contact", f"<{alice.core.contact}>;expires=60"), ("Require", "outbound")])
    assert alice.registered()


def test_gruu_is_used_elsewhere_but_not_in_register() -> None:
    """RFC 5627; SIP.js had it in the REGISTER's own Contact."""
    alice = Endpoint(register=True, instance_id=INSTANCE)
    gruus = ';pub-gruu="sip:alice@example.com;gr=urn:uuid:x";temp-gruu="sip:tgruu.7hs@example.com;gr"'
    grant(alice, 600, gruus)
    event = alice.last(Registered)
    assert event.gruu == "sip:alice@example.com;gr=urn:uuid:x"
    assert event.temporary_gruu == "sip:tgruu.7hs@example.com;gr"
    alice.core.request("INVITE", "bob", alice.now)
    alice.drain()
    invite = alice.requests("INVITE")[-1]
    assert invite.get("Contact") == "<sip:alice@example.com;gr=urn:uuid:x>"
    assert invite.get("Supported") == "gruu, outbound"
    alice.advance(541)
    assert (alice.requests("REGISTER")[-1].get("Contact") or "").startswith(f"<{alice.core.contact}>;reg-id=1")
    grant(alice, 600, ';pub-gruu="not a uri"')
    assert alice.last(Registered).gruu is None


# Refreshing (row 87)


@pytest.mark.parametrize(
    ("granted", "frequency", "refresh_in"),
    [
        (600, None, 540.0),
        (50, None, 45.0),
        (30, None, 25.0),
        (10, None, 5.0),
        (8, None, 5.0),
        (1, None, 5.0),
        (600, 50, 300.0),
        (600, 99, 594.0),
        (1, 50, 5.0),
    ],
)
def test_row_87_refresh(granted: int, frequency: int | None, refresh_in: float) -> None:
    """min(granted - 5 s, 90 %), or refresh_frequency percent; a short lease counts as ten seconds."""
    alice = Endpoint(register=True, refresh_frequency=frequency)
    grant(alice, granted)
    assert alice.last(Registered).refresh_in == refresh_in
    alice.advance(refresh_in - 0.01)
    assert len(alice.requests()) == 1
    alice.advance(0.02)
    assert len(alice.requests()) == 2
    grant(alice, granted)
    assert len(alice.told(Registered)) == 2
    assert not alice.told(Unregistered)


@pytest.mark.parametrize("expires", ["0", "1", "NaN", "-1", "", '"x"', "99999999999999999999", "1e3", None])
def test_no_lease_makes_a_loop(expires: str | None) -> None:
    """JsSIP and SIP.js loop on expires of NaN, 0 or negative; at most one REGISTER in five seconds."""
    alice = Endpoint(register=True)
    for _ in range(20):
        grant(alice, expires)
        alice.advance(1)
    assert len(alice.requests()) <= 5
    assert alice.registered()


# Failures


def test_row_27_registration_failed() -> None:
    """Response and cause; for good without recovery."""
    alice = Endpoint(register=True, recover=False)
    alice.answer(503, [("Retry-After", "7")])
    event = alice.last(RegistrationFailed)
    assert event.response is not None
    assert (event.response.status, event.cause, event.retry_after) == (503, Cause.SIP_FAILURE_CODE, 7)
    alice.advance(100)
    assert len(alice.requests()) == 1


@pytest.mark.parametrize(
    ("status", "cause"),
    [(403, Cause.REJECTED), (404, Cause.NOT_FOUND), (401, Cause.AUTHENTICATION_ERROR), (302, Cause.REDIRECTED)],
)
def test_what_is_not_tried_again(status: int, cause: Cause) -> None:
    """A refusal stays one, until the next connection."""
    alice = Endpoint(register=True)
    alice.answer(status, [("Contact", "<sip:elsewhere.example.com>")])
    assert alice.last(RegistrationFailed).cause is cause
    alice.advance(1000)
    assert len(alice.requests()) == 1
    alice.drop()
    alice.advance(0)
    alice.establish()
    assert len(alice.requests()) == 2


def test_redirected_register_is_followed_when_asked() -> None:
    """--follow-redirects goes for REGISTER too."""
    alice = Endpoint(register=True, follow_redirects=1)
    alice.answer(302, [("Contact", "<sip:other.example.com>")])
    assert alice.last_request().uri_text == "sip:other.example.com"
    grant(alice)
    assert alice.registered()


def test_retry_after_is_obeyed() -> None:
    """Never earlier than asked, a little later, and over a reconnect too (onsip/SIP.js#472)."""
    alice = Endpoint(register=True)
    alice.answer(503, [("Retry-After", "60 (busy)")])
    delay = alice.last(RegistrationFailed).retry_after
    assert delay is not None
    assert 60 <= delay <= 66
    alice.advance(20)
    alice.drop()
    alice.advance(0)
    alice.establish()
    alice.advance(39.9)
    assert len(alice.requests()) == 1
    alice.advance(7)
    assert len(alice.requests()) == 2
    grant(alice)
    assert alice.registered()


def test_register_by_hand_does_not_wait() -> None:
    """Retry-After binds the machine, not its user."""
    alice = Endpoint(register=True)
    alice.answer(503, [("Retry-After", "60")])
    register(alice)
    assert len(alice.requests()) == 2


@pytest.mark.parametrize("value", ["0", "4294967295", "99999999999999999999", "-1", "soon", "1.5"])
def test_retry_after_of_any_kind_is_bounded(value: str) -> None:
    """No storm and no wait without end."""
    alice = Endpoint(register=True)
    alice.answer(503, [("Retry-After", value)])
    delay = alice.last(RegistrationFailed).retry_after
    assert delay is not None
    assert 2 <= delay <= 1980


def test_backoff_grows() -> None:
    """5xx and timeouts are tried again after 2 to 4 s, then more, up to 30 s."""
    alice = Endpoint(register=True)
    delays = []
    for _ in range(10):
        alice.answer(500)
        delays.append(alice.last(RegistrationFailed).retry_after or 0)
        alice.advance(delays[-1])
    assert len(alice.requests()) == 11
    assert 2 <= delays[0] <= 4
    assert all(15 <= delay <= 30 for delay in delays[4:])
    grant(alice)
    alice.advance(541)
    alice.answer(500)
    assert (alice.last(RegistrationFailed).retry_after or 0) <= 4, "success resets it"


def test_timeout_is_tried_again() -> None:
    """Request Timeout, and another attempt while that is wanted."""
    alice = Endpoint(register=True)
    alice.advance(32)
    assert alice.last(RegistrationFailed).cause is Cause.REQUEST_TIMEOUT
    alice.advance(5)
    assert len(alice.requests()) == 2


def test_row_26_failed_refresh_is_not_the_end() -> None:
    """A refresh that fails is registrationFailed; unregistered comes when the lease is over."""
    alice = registered()
    alice.advance(540)
    alice.answer(403)
    assert alice.last(RegistrationFailed).cause is Cause.REJECTED
    assert alice.registered()
    alice.advance(59)
    assert not alice.told(Unregistered)
    alice.advance(2)
    assert alice.told(Unregistered) == [Unregistered(None, Cause.EXPIRES)]
    assert not alice.registered()
    assert alice.core.next_deadline() is None


def test_failed_refresh_is_tried_again_within_the_lease_and_after() -> None:
    """Until it succeeds."""
    alice = registered()
    alice.advance(540)
    for _ in range(20):
        alice.answer(500)
        alice.advance(alice.last(RegistrationFailed).retry_after or 0)
    assert alice.told(Unregistered) == [Unregistered(None, Cause.EXPIRES)]
    grant(alice)
    assert alice.registered()


def test_lease_that_ends_while_a_refresh_is_out() -> None:
    """Its answer registers anew."""
    alice = Endpoint(register=True)
    grant(alice, 20)
    alice.advance(21)
    assert alice.told(Unregistered) == [Unregistered(None, Cause.EXPIRES)]
    grant(alice, 20)
    assert alice.registered()


def test_423_is_obeyed_once_and_kept() -> None:
    """The interval that the registrar wants is asked for, by refreshes too."""
    alice = Endpoint(register=True, register_expires=60)
    alice.answer(423, [("Min-Expires", "300")])
    assert (alice.last_request().get("Contact") or "").endswith(";expires=300")
    grant(alice, 300)
    alice.advance(300)
    assert (alice.last_request().get("Contact") or "").endswith(";expires=300")


@pytest.mark.parametrize("values", [["300", "600"], ["300", "300"], ["60"], ["0"], [], ["-5"], ["99999999999"], ["x"]])
def test_423_without_end(values: list[str]) -> None:
    """A second 423, or one that makes no sense, is a failure: one REGISTER more at most."""
    alice = Endpoint(register=True, register_expires=60)
    for value in [*values, *["700", "800", "900"]]:
        alice.answer(423, [("Min-Expires", value)] if values else [])
    assert len(alice.requests()) <= 2
    failed = alice.last(RegistrationFailed)
    assert failed.response is not None
    assert failed.response.status == 423


def test_registers_per_command_are_bounded() -> None:
    """Challenges and 423 together: at most eight (SECURITY goal 8)."""
    alice = Endpoint(register=True, password="secret", recover=False, register_expires=60)
    for count in range(100):
        if alice.told(RegistrationFailed):
            break
        if count == 3:
            alice.answer(423, [("Min-Expires", "300")])
        else:
            challenge = CHALLENGE.replace("n1", f"n{count}") + ", stale=true"
            alice.answer(401, [("WWW-Authenticate", challenge)])
    assert len(alice.requests()) <= MAX_REGISTERS
    alice.advance(1000)
    assert len(alice.requests()) <= MAX_REGISTERS


def test_challenges() -> None:
    """407 and then 401, then the binding."""
    alice = Endpoint(register=True, password="secret")
    alice.answer(407, [("Proxy-Authenticate", CHALLENGE)])
    alice.answer(401, [("WWW-Authenticate", CHALLENGE.replace("example.com", "example.org"))])
    grant(alice)
    assert alice.registered()


def test_credentials_are_asked_for() -> None:
    """The application gets the question, and None is an Authentication Error."""
    alice = Endpoint(register=True)
    alice.answer(401, [("WWW-Authenticate", CHALLENGE)])
    question = alice.last(CredentialsRequired)
    assert (question.realm, question.username) == ("example.com", "alice")
    alice.core.provide_credentials(question.id, Credentials("alice", "secret"), alice.now)
    alice.drain()
    grant(alice)
    assert alice.registered()
    bob = Endpoint(register=True)
    bob.answer(401, [("WWW-Authenticate", CHALLENGE)])
    bob.core.provide_credentials(bob.last(CredentialsRequired).id, None, bob.now)
    bob.drain()
    assert bob.last(RegistrationFailed).cause is Cause.AUTHENTICATION_ERROR


# Removal (§10.2.2)


def test_row_7_unregister() -> None:
    """Our Contact with expires=0, no Allow; then not registered and nothing more to do."""
    alice = registered()
    unregister(alice, extra_headers=["X-Bye: 1"])
    request = alice.last_request()
    assert request.get("Contact") == (alice.requests()[0].get("Contact") or "").replace("expires=600", "expires=0")
    assert request.get("Allow") is None
    assert request.get("X-Bye") == "1"
    alice.answer(200)
    event = alice.last(Unregistered)
    assert event.response is not None
    assert event.cause is None
    assert not alice.registered()
    assert alice.core.next_deadline() is None
    alice.drop()
    alice.advance(0)
    alice.establish()
    assert len(alice.requests()) == 2, "nobody wants to be registered any more"


def test_row_7_unregister_all() -> None:
    """Contact: * and Expires: 0, also when we are not registered."""
    alice = Endpoint()
    unregister(alice, all=True)
    request = alice.last_request()
    assert (request.get("Contact"), request.get("Expires")) == ("*", "0")
    alice.answer(200)
    assert alice.told(Unregistered)


def test_row_7_unregister_waits_for_the_connection() -> None:
    """And fails if that does not come."""
    alice = Endpoint(connect=False)
    unregister(alice)
    alice.connect()
    assert len(alice.requests()) == 1
    bob = Endpoint(connect=False, recover=False)
    unregister(bob)
    bob.core.start(bob.now)
    bob.drain()
    bob.drop()
    assert bob.told(RegistrationFailed) == [RegistrationFailed(None, Cause.CONNECTION_ERROR)]


def test_row_7_unregister_timeout() -> None:
    """SIP.js says nothing; we do."""
    alice = registered()
    unregister(alice)
    alice.advance(33)
    assert alice.told(RegistrationFailed) == [RegistrationFailed(None, Cause.REQUEST_TIMEOUT)]
    assert not alice.registered()


def test_refused_removal() -> None:
    """Whatever the refusal, it is not repeated."""
    for status in (423, 500, 503, 403):
        alice = registered()
        unregister(alice)
        alice.answer(status, [("Min-Expires", "9999"), ("Retry-After", "1")])
        alice.advance(100)
        assert alice.told(RegistrationFailed)
        assert len(alice.requests()) == 2


# One at a time (onsip/SIP.js#1071)


def test_commands_wait_for_the_register_that_is_out() -> None:
    """register, register, unregister: three REGISTERs, one after the other's answer."""
    alice = Endpoint()
    register(alice, "X-N: 1")
    register(alice, "X-N: 2")
    unregister(alice)
    assert len(alice.requests()) == 1
    grant(alice)
    assert alice.last_request().get("X-N") == "2"
    assert len(alice.requests()) == 2
    grant(alice)
    assert (alice.last_request().get("Contact") or "").endswith("expires=0")
    alice.answer(200)
    assert len(alice.requests()) == 3
    assert not alice.registered()


def test_same_command_twice_in_the_queue_is_one() -> None:
    """A hundred impatient calls are two REGISTERs."""
    alice = Endpoint()
    for _ in range(100):
        register(alice)
    grant(alice)
    grant(alice)
    assert len(alice.requests()) == 2


# The connection


def test_rows_8_26_drop_and_reconnect() -> None:
    """A drop ends the registration at once; every reconnect registers again."""
    alice = registered()
    alice.drop()
    assert alice.told(Unregistered) == [Unregistered(None, Cause.CONNECTION_ERROR)]
    assert alice.events.index(alice.last(Disconnected)) < alice.events.index(alice.last(Unregistered))
    assert not alice.registered()
    for _ in range(3):
        alice.advance(4)
        alice.establish()
        grant(alice)
        assert alice.registered()
        alice.drop()
    assert len(alice.requests()) == 4


def test_register_is_repeated_after_a_reconnect_without_the_setting() -> None:
    """register() means: from now on."""
    alice = Endpoint()
    register(alice, "X-Foo: 1")
    grant(alice)
    alice.drop()
    alice.advance(0)
    alice.establish()
    assert len(alice.requests()) == 2
    assert alice.last_request().get("X-Foo") == "1"


@pytest.mark.parametrize("state", ["registering", "refreshing", "unregistering"])
def test_drop_while_a_register_is_out(state: str) -> None:
    """It fails or ends what there was; it is told once."""
    alice = Endpoint(register=True)
    if state != "registering":
        grant(alice)
        if state == "refreshing":
            alice.advance(540)
        else:
            unregister(alice)
    alice.drop()
    told = alice.told(Unregistered) + alice.told(RegistrationFailed)
    assert [event.cause for event in told] == [Cause.CONNECTION_ERROR]
    assert isinstance(told[0], Unregistered) == (state == "refreshing")
    assert not alice.registered()
    alice.advance(0)
    alice.establish()
    assert len(alice.requests()) == {"registering": 2, "refreshing": 3, "unregistering": 2}[state]


def test_register_fails_when_no_connection_will_come() -> None:
    """Without recovery."""
    alice = Endpoint(connect=False, recover=False)
    register(alice)
    alice.core.start(alice.now)
    alice.drain()
    alice.drop()
    assert alice.told(RegistrationFailed) == [RegistrationFailed(None, Cause.CONNECTION_ERROR)]


# The table


def test_every_pair_is_a_row_or_absorbed_on_purpose() -> None:
    """What is out decides what can come: answers only while a REGISTER is out, timers only while they run."""
    in_flight = {State.REGISTERING, State.REFRESHING, State.UNREGISTERING}
    answers = {Input.ACCEPTED, Input.TOO_BRIEF, Input.TEMPORARY, Input.FAILED}
    commands = {Input.REGISTER, Input.UNREGISTER, Input.REMOVE, Input.LEAVE}
    absorbed = {
        *product(set(State) - in_flight, answers),
        *product(in_flight, commands),
        (State.UNREGISTERING, Input.TOO_BRIEF),
        # Nothing to remove, nothing to leave.
        (State.UNREGISTERED, Input.REMOVE),
        (State.UNREGISTERED, Input.LEAVE),
        # No timer runs.
        *product(in_flight, [Input.AGAIN]),
        *product([State.UNREGISTERED, State.REGISTERING, State.UNREGISTERING], [Input.LEASE]),
    }
    assert set(product(State, Input)) == set(TRANSITIONS) | absorbed
    assert not set(TRANSITIONS) & absorbed


ACTIONS = st.one_of(
    st.sampled_from(["register", "unregister", "drop", "establish", "grant"]),
    st.sampled_from([200, 302, 401, 403, 423, 480, 500, 503]),
    st.floats(0, 700),
)


@given(actions=st.lists(ACTIONS, max_size=15))
def test_never_two_at_once_and_never_a_storm(actions: list[str | int | float]) -> None:
    """Whatever happens: one REGISTER at a time, and the rate of REGISTERs is bounded."""
    alice = Endpoint(register=True, password="secret")
    for action in actions:
        before = len(alice.requests())
        connected = alice.core.connected_flow is not None
        out = alice.core._registration.request_id
        match action:
            case "register":
                register(alice)
            case "unregister":
                unregister(alice)
            case "drop" if connected:
                alice.drop()
            case "establish" if not connected:
                alice.advance(40)
                if alice.core.connected_flow is None:
                    alice.establish()
            case "grant" if connected and alice.requests():
                grant(alice)
            case int() if connected and alice.requests():
                headers = [("WWW-Authenticate", CHALLENGE), ("Min-Expires", "900"), ("Retry-After", "3")]
                alice.answer(action, headers)
            case float():
                alice.advance(action)
                assert len(alice.requests()) - before <= 2 + action / 2
                continue
            case _:
                pass
        if out is not None and action in ("register", "unregister"):
            assert len(alice.requests()) == before
        assert len(alice.requests()) - before <= 1
