"""What a caller holds: a request of ours, and one of a peer's."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from sipcli.contexts import (
    Answer,
    ClientContext,
    InviteServerContext,
    MessageServerContext,
    RequestFailed,
    ServerContext,
)
from sipcli.sip.errors import LocalProtocolError, SipError
from sipcli.sip.events import Cause
from sipcli.sip.message import Request, Response, build_response
from sipcli.ua import UA


def request(method: str = "MESSAGE", body: bytes = b"", *headers: tuple[str, str]) -> Request:
    return Request(
        method,
        "sip:bob@example.com",
        [
            ("Via", "SIP/2.0/WS a.invalid;branch=z9hG4bK1"),
            ("From", '"Alice" <sip:alice@example.com>;tag=a'),
            ("To", "<sip:bob@example.com>"),
            ("Call-ID", "c"),
            ("CSeq", f"1 {method}"),
            *headers,
        ],
        body,
    )


def response(status: int, reason: str | None = None) -> Response:
    return build_response(request(), status, reason, to_tag="b")


class Client:
    """A client context, what it emitted and what was cancelled."""

    def __init__(self, method: str = "MESSAGE") -> None:
        self.ua = UA()
        self.cancelled: list[tuple[int | None, str | None]] = []
        self.context = ClientContext(self.ua, request(method), lambda *reason: self.cancelled.append(reason))
        self.events: list[tuple[Any, ...]] = []
        for name in ("progress", "accepted", "rejected", "failed", "cancel"):
            self.context.on(name, lambda *arguments, name=name: self.events.append((name, *arguments)))


class Server:
    """A server context and what was answered."""

    def __init__(self, kind: type[ServerContext] = MessageServerContext, message: Request | None = None) -> None:
        self.answers: list[Answer] = []
        self.context = kind(UA(), message or request(), self.answers.append)


# A request of ours


def test_rows_33_34_35_36_37_38_attributes() -> None:
    """Owner, method, request, identities and the application's own data."""
    client = Client()
    context = client.context
    assert context.ua is client.ua
    assert context.method == "MESSAGE"
    assert context.request.uri_text == "sip:bob@example.com"
    assert str(context.local_identity) == '"Alice" <sip:alice@example.com>;tag=a'
    assert str(context.remote_identity) == "<sip:bob@example.com>"
    assert context.data == {}
    context.data["key"] = "value"
    assert Client().context.data == {}


async def test_row_54_accepted() -> None:
    """A 2xx is the result of awaiting, as often as one likes; listeners get the response and its reason phrase."""
    client = Client()
    waiting = [asyncio.ensure_future(client.context._ended()) for _ in range(2)]
    await asyncio.sleep(0)
    assert not client.events
    final = response(202, "Accepted")
    client.context._finish(final, None)
    assert [await waiter for waiter in waiting] == [final, final]
    assert await client.context is final
    assert client.context.done
    assert client.context.cause is None
    assert client.events == [("accepted", final, "Accepted")]


async def test_row_55_rejected_emits_failed() -> None:
    """A final response from 300 on is rejected and failed, both with its cause; awaiting raises it every time."""
    client = Client()
    final = response(486)
    client.context._finish(final, Cause.BUSY)
    assert client.events == [("rejected", final, Cause.BUSY), ("failed", final, Cause.BUSY)]
    for _ in range(2):
        with pytest.raises(RequestFailed) as raised:
            await client.context
        assert raised.value.response is final
        assert raised.value.cause is Cause.BUSY
        assert str(raised.value) == "486 Busy Here (Busy)"


async def test_row_56_failed_without_response() -> None:
    """Where no response came, failed says why and the response is None."""
    client = Client()
    client.context._finish(None, Cause.REQUEST_TIMEOUT)
    assert client.events == [("failed", None, Cause.REQUEST_TIMEOUT)]
    with pytest.raises(RequestFailed, match=r"^Request Timeout$") as raised:
        await client.context
    assert raised.value.response is None


async def test_unawaited_failure_is_no_noise() -> None:
    """A caller who only listens is not told by asyncio that he did not await."""
    client = Client()
    client.context._finish(None, Cause.CONNECTION_ERROR)
    assert client.context.cause == "Connection Error"


async def test_one_waiter_gives_up() -> None:
    """A cancelled waiter takes nothing from the others."""
    client = Client()
    first, second = (asyncio.ensure_future(client.context._ended()) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    final = response(200)
    client.context._finish(final, None)
    assert await second is final
    assert first.cancelled()


def test_reason_of_a_peer_is_escaped() -> None:
    """What a peer wrote does not control the terminal that shows the exception."""
    assert str(RequestFailed(response(400, "Bad \x1b[2J"), Cause.SIP_FAILURE_CODE)) == (
        "400 Bad \\x1b[2J (SIP Failure Code)"
    )
    assert issubclass(RequestFailed, SipError)


@pytest.mark.parametrize("status_code", [199, 700, 0, -1])
def test_rows_51_52_bad_status_code(status_code: int) -> None:
    """A status code that is none is a bad argument, and nothing is cancelled."""
    client = Client("INVITE")
    with pytest.raises(ValueError, match="200 to 699"):
        client.context.cancel(status_code)
    assert not client.cancelled


def test_rows_51_52_cancel_once() -> None:
    """An INVITE can be cancelled once, with a reason."""
    client = Client("INVITE")
    client.context.cancel(600, "Nope")
    with pytest.raises(LocalProtocolError, match="already"):
        client.context.cancel()
    assert client.cancelled == [(600, "Nope")]


def test_rows_51_52_nothing_to_cancel() -> None:
    """Another method cannot be cancelled, nor a request that has ended."""
    with pytest.raises(LocalProtocolError, match="MESSAGE"):
        Client().context.cancel()
    client = Client("INVITE")
    client.context._finish(response(404), Cause.NOT_FOUND)
    with pytest.raises(LocalProtocolError, match="ended"):
        client.context.cancel()


# A request of a peer


def test_row_29_message_context() -> None:
    """A message shows its body, its type and who is who."""
    message = request("MESSAGE", "grüß dich".encode(), ("c", "text/plain;charset=utf-8"))
    context = Server(message=message).context
    assert context.method == "MESSAGE"
    assert context.request is message
    assert context.body == "grüß dich"
    assert context.content_type == "text/plain;charset=utf-8"
    assert str(context.local_identity) == "<sip:bob@example.com>"
    assert str(context.remote_identity) == '"Alice" <sip:alice@example.com>;tag=a'
    assert context.data == {}
    assert Server().context.content_type is None


def test_accept_and_reject() -> None:
    """An answer carries everything that was given, and there is one answer only."""
    server = Server()
    server.context.accept(202, "Later", extra_headers=["X-Foo: bar"], body="ok", content_type="text/plain")
    assert server.answers == [Answer(202, "Later", ("X-Foo: bar",), b"ok", "text/plain")]
    assert server.context.answer == server.answers[0]
    with pytest.raises(LocalProtocolError, match="answered already: 202"):
        server.context.reject(486)
    rejected = Server()
    rejected.context.reject(486, extra_headers=["Retry-After: 5"])
    assert rejected.answers == [Answer(486, None, ("Retry-After: 5",))]
    with pytest.raises(LocalProtocolError):
        rejected.context.accept()


@pytest.mark.parametrize("status", [100, 199, 300, 700])
def test_accept_takes_2xx_only(status: int) -> None:
    """A status that accepts nothing is a bad argument."""
    server = Server()
    with pytest.raises(ValueError, match="200 to 299"):
        server.context.accept(status)
    assert not server.answers


@pytest.mark.parametrize("status", [100, 200, 299, 700])
def test_reject_takes_failures_only(status: int) -> None:
    """A status that rejects nothing is a bad argument."""
    server = Server()
    with pytest.raises(ValueError, match="300 to 699"):
        server.context.reject(status)
    assert not server.answers


def test_answer_that_cannot_be_sent_is_none() -> None:
    """When the core refuses an answer, another one can be given."""

    def refuse_first(answer: Answer) -> None:
        if answer.extra_headers:
            raise ValueError("bad header")
        answers.append(answer)

    answers: list[Answer] = []
    context = MessageServerContext(UA(), request(), refuse_first)
    with pytest.raises(ValueError, match="bad header"):
        context.accept(extra_headers=["X: a\r\nY: b"])
    assert context.answer is None
    context.accept()
    assert [answer.status for answer in answers] == [200]


def test_invite_rings_and_is_rejected() -> None:
    """An INVITE can ring as often as wanted before its answer, and not be accepted while there are no calls."""
    server = Server(InviteServerContext, request("INVITE"))
    context = server.context
    assert isinstance(context, InviteServerContext)
    context.ring()
    context.ring(183, "Soon", extra_headers=["X-Foo: bar"])
    with pytest.raises(ValueError, match="101 to 199"):
        context.ring(100)
    with pytest.raises(LocalProtocolError, match="media"):
        context.accept()
    context.reject()
    assert server.answers == [Answer(180), Answer(183, "Soon", ("X-Foo: bar",)), Answer(480)]
    with pytest.raises(LocalProtocolError):
        context.ring()


def test_cancelled_request_takes_no_answer() -> None:
    """What the peer has cancelled is not answered any more."""
    server = Server(InviteServerContext, request("INVITE"))
    server.context.cancelled = True
    for answer in (server.context.reject, server.context.ring):  # type: ignore[attr-defined]
        with pytest.raises(LocalProtocolError, match="cancelled"):
            answer()
    assert not server.answers
