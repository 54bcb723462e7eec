"""The user agent on a real connection: rows 1 to 14 and 22 to 57 of the parameters as a program sees them."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import pytest

import sipcli
from sipcli.config import Config
from sipcli.contexts import (
    ClientContext,
    InviteServerContext,
    MessageServerContext,
    RequestFailed,
    ServerContext,
)
from sipcli.lab.server import Lab
from sipcli.sip import events
from sipcli.sip.core import UserAgentCore
from sipcli.sip.digest import Credentials
from sipcli.sip.errors import ConfigError, LocalProtocolError, ParseError
from sipcli.sip.events import Cause
from sipcli.sip.message import Request, build_response
from sipcli.trace import TraceRecord
from sipcli.ua import UA
from tests.ua.peer import PATIENCE, Peer

T = TypeVar("T")


@pytest.fixture
async def peer() -> AsyncIterator[Peer]:
    """A server that answers REGISTER with 200 and leaves everything else to the test."""
    async with Peer({"REGISTER": 200}) as peer:
        yield peer


@pytest.fixture(autouse=True)
async def noise() -> AsyncIterator[list[dict[str, Any]]]:
    """What reaches the exception handler of the event loop: nothing, unless a test takes it out."""
    contexts: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: contexts.append(context))
    yield contexts
    assert contexts == []


def config(peer: Peer | Lab, **values: object) -> Config:
    defaults = {
        "uri": '"Alice" <sip:alice@127.0.0.1>',
        "ws_servers": [peer.url],
        "register": False,
        "connection_recovery_min_interval": 0.05,
        "connection_recovery_max_interval": 0.1,
        "ws_server_reconnection_timeout": 0.05,
        "stop_timeout": 0.2,  # many a test leaves a request unanswered
    }
    return Config(**{**defaults, **values})


@asynccontextmanager
async def running(peer: Peer | Lab, *, recover: bool = True, **values: object) -> AsyncIterator[UA]:
    """A user agent that is connected."""
    async with UA(config(peer, **values), recover=recover) as ua:
        if not ua.is_connected():
            await happened(ua, "connected")
        yield ua


async def happened(ua: UA | ClientContext | ServerContext, name: str, when: Callable[..., bool] | None = None) -> Any:
    """Return the argument of the next event of that name for which ``when`` holds."""
    found: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    def look(*arguments: Any) -> None:
        if not found.done() and (when is None or when(*arguments)):
            found.set_result(arguments[0] if len(arguments) == 1 else arguments)

    ua.on(name, look)
    try:
        return await asyncio.wait_for(found, PATIENCE)
    finally:
        ua.off(name, look)


async def soon(awaitable: Any) -> Any:
    """Return the result of what must not take long."""
    return await asyncio.wait_for(awaitable, PATIENCE)


# A1: construction and life


def test_row_1_anonymous() -> None:
    """Nothing is needed to make a user agent, and making one does nothing."""
    ua = UA()
    assert not ua.is_connected()
    assert not ua.is_registered()
    assert ua.data == {}


async def test_row_1_anonymous_does_not_register(peer: Peer) -> None:
    """Without a uri requests work and a registration is refused at once."""
    async with running(peer, uri=None, register=True) as ua:
        with pytest.raises((LocalProtocolError, ConfigError), match="uri"):
            await ua.register()
        options = ua.request("OPTIONS", "sip:bob@example.com")
        request = await peer.request("OPTIONS")
        assert request.from_ is not None
        assert "anonymous.invalid" in str(request.from_.uri)
        await peer.answer(request, 200)
        assert (await soon(options)).status == 200


async def test_row_1_no_server() -> None:
    """No server is dialled that nobody named."""
    with pytest.raises(LocalProtocolError, match="ws_servers"):
        await UA(Config(uri="alice@example.com")).start()


async def test_rows_4_9_23_start(peer: Peer) -> None:
    """start begins to connect and returns; connecting and connected follow, with the facts."""
    ua = UA(config(peer))
    seen: list[tuple[str, object]] = []
    for name in ("connecting", "connected"):
        ua.on(name, lambda event, name=name: seen.append((name, event)))
    await ua.start()
    assert not ua.is_connected()
    connected = await happened(ua, "connected")
    assert ua.is_connected()
    assert seen == [("connecting", events.Connecting(peer.url, 1)), ("connected", connected)]
    assert connected.url == peer.url
    assert connected.milliseconds > 0
    await ua.start()
    await ua.stop()
    assert not ua.is_connected()
    assert len(seen) == 2


async def test_row_4_register_on_start(peer: Peer) -> None:
    """With register a user agent registers when it has connected, and again after stop and start."""
    ua = UA(config(peer, register=True))
    for _ in range(2):
        await ua.start()
        await happened(ua, "registered")
        assert ua.is_registered()
        await ua.stop()
        assert not ua.is_registered()
    contacts = [message.get("Contact") or "" for message in peer.received]
    assert [";expires=0" in contact for contact in contacts] == [False, True, False, True]


async def test_row_5_stop_order(peer: Peer) -> None:
    """stop removes the binding, then closes the connection with a Close frame; a second stop does nothing."""
    async with running(peer) as ua:
        await soon(ua.register())
        seen: list[str] = []
        ua.on("unregistered", lambda event: seen.append("unregistered"))
        ua.on("disconnected", lambda event: seen.append("disconnected"))
        await asyncio.gather(ua.stop(), ua.stop())
        assert seen == ["unregistered", "disconnected"]
        assert await soon(peer.closes.get()) == 1000
        await ua.stop()
        assert len(seen) == 2


@pytest.mark.parametrize("timeout", [None, 0.0])
@pytest.mark.parametrize("reads", [True, False])
async def test_row_5_stop_is_bounded(peer: Peer, timeout: float | None, reads: bool) -> None:
    """A server that answers nothing any more, not even a Close frame, holds a stop no longer than its time."""
    async with running(peer) as ua:
        await soon(ua.register())
        del peer.answers["REGISTER"]
        if not reads:
            peer.pause()
        pending = ua.message("bob", "never answered")
        began = asyncio.get_running_loop().time()
        await ua.stop(timeout)
        assert asyncio.get_running_loop().time() - began < 0.7
        assert not ua.is_connected()
        with pytest.raises(RequestFailed) as raised:
            await pending
        assert raised.value.cause is Cause.CONNECTION_ERROR


async def test_row_5_stop_before_the_handshake_is_done() -> None:
    """A stop while a server keeps us waiting ends the attempt."""
    accepted = asyncio.Event()
    writers: list[asyncio.StreamWriter] = []

    def silent(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        accepted.set()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        ua = UA(Config(ws_servers=f"ws://127.0.0.1:{port}"))
        await ua.start()
        await soon(accepted.wait())
        await asyncio.wait_for(ua.stop(), 1)
        for writer in writers:
            writer.close()
            await writer.wait_closed()


async def test_row_5_leaves_the_binding_without_graceful_shutdown(peer: Peer) -> None:
    """Without graceful_shutdown the connection is closed and nothing more is sent."""
    async with running(peer, graceful_shutdown=False) as ua:
        await soon(ua.register())
    assert await soon(peer.closes.get()) == 1000
    assert len(peer.received) == 1


async def test_stop_from_a_listener(peer: Peer) -> None:
    """A listener may stop the user agent that calls it."""
    async with running(peer) as ua:
        stopped = asyncio.Event()

        async def stop(_context: MessageServerContext) -> None:
            await ua.stop()
            stopped.set()

        ua.on("message", stop)
        await peer.ask("MESSAGE", body=b"go")
        await soon(stopped.wait())
        assert not ua.is_connected()


async def test_stop_waits_for_listeners(peer: Peer) -> None:
    """A listener that has begun may come to its end; one that does not is ended in time."""
    ua = UA(config(peer))
    seen: list[str] = []

    async def short(_event: object) -> None:
        await asyncio.sleep(0)
        seen.append("short")

    async def endless(_event: object) -> None:
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            seen.append("endless")

    ua.on("disconnected", short)
    ua.on("connected", endless)
    await ua.start()
    await happened(ua, "connected")
    await ua.stop()
    assert seen == ["short", "endless"]


async def test_stop_is_cut_short(peer: Peer) -> None:
    """A stop that is itself cancelled leaves nothing behind, and the next one returns."""
    async with running(peer, stop_timeout=PATIENCE) as ua:
        peer.pause()
        ua.message("bob", "never answered")
        stopping = asyncio.ensure_future(ua.stop())
        joining = asyncio.ensure_future(ua.stop())
        await asyncio.sleep(0)
        stopping.cancel()
        await soon(joining)
        await asyncio.wait_for(ua.stop(), 1)
        assert stopping.cancelled()
        assert not ua.is_connected()


async def test_start_waits_for_the_stop(peer: Peer) -> None:
    """A start during a stop begins when that has ended."""
    async with running(peer) as ua:
        seen: list[str] = []
        ua.on("disconnected", lambda event: seen.append("disconnected"))
        ua.on("connected", lambda event: seen.append("connected"))
        connected = asyncio.ensure_future(happened(ua, "connected"))
        await asyncio.gather(ua.stop(), ua.start())
        await connected
        assert seen == ["disconnected", "connected"]


async def test_autostart(peer: Peer) -> None:
    """Row 72: without autostart nothing is connected before start is called."""
    async with UA(config(peer, autostart=False)) as ua:
        assert not ua.is_connected()
        queued = ua.message("bob", "hi")
        await ua.start()
        await peer.answer(await peer.request("MESSAGE"), 200)
        assert (await soon(queued)).status == 200


# Registration


async def test_rows_6_8_25_register(peer: Peer) -> None:
    """register gives what the registrar granted; its header fields are repeated by the refresh."""
    peer.headers["REGISTER"] = [("Expires", "60")]
    async with running(peer) as ua:
        seen: list[object] = []
        ua.on("registered", seen.append)
        registered = await soon(ua.register(extra_headers=["X-Foo: foo"]))
        assert ua.is_registered()
        assert seen == [registered]
        assert registered.response.status == 200
        assert registered.contact.startswith("sip:")
        assert 0 < registered.refresh_in < registered.expires
        assert registered.rtt > 0
        await soon(ua.register(extra_headers=["X-Foo: foo"]))
        assert [message.get("X-Foo") for message in peer.received] == ["foo", "foo"]


async def test_row_6_bad_header(peer: Peer) -> None:
    """A header field with a line break is a bad argument; nothing is sent."""
    async with running(peer) as ua:
        with pytest.raises(ValueError, match="X-Foo"):
            await ua.register(extra_headers=["X-Foo: foo\r\nX-Bar: bar"])
    assert not peer.received


async def test_row_7_unregister(peer: Peer) -> None:
    """unregister removes our binding, or with all every one; the event has the response and no cause."""
    async with running(peer) as ua:
        await soon(ua.register())
        unregistered = await soon(ua.unregister(extra_headers=["X-Foo: foo"]))
        assert unregistered.response.status == 200
        assert unregistered.cause is None
        assert not ua.is_registered()
        await soon(ua.unregister(all=True))
        _, own, every = peer.received
        assert own.get("X-Foo") == "foo"
        assert ";expires=0" in (own.get("Contact") or "")
        assert every.get("Contact") == "*"
        assert every.get("Expires") == "0"


@pytest.mark.parametrize("status", [403, 503])
async def test_row_27_registration_failed(peer: Peer, status: int) -> None:
    """A refused registration raises, with response and cause, and so does the event, which retry_after belongs to."""
    peer.answers["REGISTER"] = status
    peer.headers["REGISTER"] = [("Retry-After", "7")]
    async with running(peer) as ua:
        failed = asyncio.ensure_future(happened(ua, "registrationFailed"))
        with pytest.raises(RequestFailed) as raised:
            await soon(ua.register())
        event = await failed
        assert raised.value.response is not None
        assert raised.value.response is event.response
        assert raised.value.response.status == status
        assert raised.value.cause is event.cause is Cause.of_status(status)
        assert event.retry_after is not None
        assert 7 <= event.retry_after < 8
        assert not ua.is_registered()


async def test_row_26_unregistered_by_a_drop(peer: Peer) -> None:
    """A drop ends the registration with Connection Error; it is made again over the next connection."""
    async with running(peer) as ua:
        await soon(ua.register())
        unregistered = asyncio.ensure_future(happened(ua, "unregistered"))
        registered = asyncio.ensure_future(happened(ua, "registered"))
        await asyncio.sleep(0)
        peer.drop()
        event = await unregistered
        assert event == events.Unregistered(None, Cause.CONNECTION_ERROR)
        assert not ua.is_registered()
        await registered
        assert ua.is_registered()


@pytest.mark.parametrize("recover", [False, True])
async def test_register_without_a_server(unused_tcp_port: int, recover: bool) -> None:
    """A registration that finds no server fails, at once or when a request would have had its time."""
    server = f"ws://127.0.0.1:{unused_tcp_port}"
    async with UA(Config(uri="alice@127.0.0.1", ws_servers=server, transaction_timeout=0.3), recover=recover) as ua:
        for method in (ua.register, ua.unregister):
            with pytest.raises(RequestFailed) as raised:
                await soon(method())
            assert raised.value.response is None
            assert raised.value.cause is Cause.CONNECTION_ERROR


async def test_cancelled_register_is_no_noise(peer: Peer) -> None:
    """A caller may give up waiting; the registration fails or succeeds without him."""
    peer.answers.clear()
    async with running(peer) as ua:
        waiting = asyncio.ensure_future(ua.register())
        request = await peer.request("REGISTER")
        waiting.cancel()
        failed = asyncio.ensure_future(happened(ua, "registrationFailed"))
        await asyncio.sleep(0)
        await peer.answer(request, 403)
        await failed
        assert waiting.cancelled()


async def test_register_against_the_lab(lab: Lab) -> None:
    """A challenge is answered with the password of the configuration."""
    async with running(lab, uri=lab.uri("alice"), password=lab.users["alice"]) as ua:
        registered = await soon(ua.register())
        assert [str(binding.contact.uri) for binding in lab.bindings("alice")] == [registered.contact]
    assert lab.bindings("alice") == ()


# A2: requests


async def test_rows_10_11_12_13_message(peer: Peer) -> None:
    """message returns its context at once, and the text goes out in UTF-8 with its type and header fields."""
    async with running(peer) as ua:
        context = ua.message("bob", "grüß dich", content_type="text/html", extra_headers=["X-Foo: foo"])
        assert isinstance(context, ClientContext)
        assert not context.done
        request = await peer.request("MESSAGE")
        assert request.uri_text == "sip:bob@127.0.0.1"
        assert request.body == "grüß dich".encode()
        assert request.get("Content-Type") == "text/html"
        assert request.get("X-Foo") == "foo"
        assert request.get("Contact") is None
        await peer.answer(request, 202)
        response = await soon(context)
        assert response.status == 202
        assert context.response is response


async def test_row_11_default_content_type(peer: Peer) -> None:
    """A message is text/plain unless told otherwise; octets go out as they are."""
    async with running(peer) as ua:
        ua.message("bob", b"\xff\x00")
        request = await peer.request("MESSAGE")
        assert request.get("Content-Type") == "text/plain"
        assert request.body == b"\xff\x00"


async def test_row_10_message_waits_for_the_connection(peer: Peer) -> None:
    """A message may be sent before the connection stands; its request is there to look at."""
    ua = UA(config(peer))
    await ua.start()
    context = ua.message("bob", "early")
    assert context.request.uri_text == "sip:bob@127.0.0.1"
    assert str(context.remote_identity.uri) == "sip:bob@127.0.0.1"
    await peer.answer(await peer.request("MESSAGE"), 200)
    assert (await soon(context)).status == 200
    await ua.stop()


@pytest.mark.parametrize(
    "target", ["", "sip:", "sip:@host", "http://example.com", "a b", "bob\r\nX: y", "bob@host:99999"]
)
async def test_rows_10_52_bad_target(peer: Peer, target: str) -> None:
    """A target that is none raises at once, and nothing is sent."""
    async with running(peer) as ua:
        with pytest.raises((ParseError, ValueError)):
            ua.message(target, "hi")
    assert not peer.received


@pytest.mark.parametrize("header", ["X-Foo: a\r\nX-Bar: b", "X-Foo: a\nb", "X-Foo", "X-Foo: \0"])
async def test_rows_12_52_bad_header(peer: Peer, header: str) -> None:
    """A header field that would make another one raises at once, and nothing is sent."""
    async with running(peer) as ua:
        with pytest.raises(ValueError):  # noqa: PT011  the words are the core's
            ua.message("bob", "hi", extra_headers=[header])
    assert not peer.received


async def test_rows_22_32_request(peer: Peer) -> None:
    """request sends any method, with a body or without."""
    async with running(peer) as ua:
        context = ua.request("INFO", "sip:bob@example.com", body="x=1", content_type="application/x-foo")
        request = await peer.request("INFO")
        assert context.method == request.method == "INFO"
        assert request.uri_text == "sip:bob@example.com"
        assert request.text == "x=1"
        assert request.get("Content-Type") == "application/x-foo"
        with pytest.raises(LocalProtocolError, match="ACK"):
            ua.request("ACK", "bob")


async def test_rows_42_to_50_params(peer: Peer) -> None:
    """The params of SIP.js replace what a request usually carries."""
    async with running(peer) as ua:
        context = ua.request(
            "OPTIONS",
            "sip:bob@example.com",
            route_set=["<sip:proxy.example.com;lr>"],
            to_uri="sip:carol@example.com",
            to_display_name="Carol",
            to_tag="t1",
            from_uri="sip:dave@example.com",
            from_display_name="Dave",
            from_tag="f1",
            call_id="call-1",
            cseq=42,
        )
        request = await peer.request("OPTIONS")
        assert request.get("Route") == "<sip:proxy.example.com;lr>"
        assert request.get("To") == '"Carol" <sip:carol@example.com>;tag=t1'
        assert request.get("From") == '"Dave" <sip:dave@example.com>;tag=f1'
        assert request.get("Call-ID") == "call-1"
        assert request.get("CSeq") == "42 OPTIONS"
        assert context.remote_identity.tag == "t1"
        assert str(context.local_identity.uri) == "sip:dave@example.com"
        with pytest.raises(TypeError):
            ua.request("OPTIONS", "bob", no_such_param=1)


# A4: what a context tells


async def test_rows_35_36_request_as_sent(lab: Lab) -> None:
    """request is the one that was sent last: after a challenge it has the credentials and the next CSeq."""
    async with running(lab, uri=lab.uri("alice"), password=lab.users["alice"]) as ua:
        context = ua.message(lab.uri("echo"), "hi")
        first = context.request
        await soon(context)
        assert first.cseq is not None
        assert context.request.cseq is not None
        assert context.request.cseq.number == first.cseq.number + 1
        assert first.get("Proxy-Authorization") is None
        assert context.request.get("Proxy-Authorization") or context.request.get("Authorization")
        assert context.request.call_id == first.call_id
        assert str(context.local_identity.uri) == lab.uri("alice")


async def test_rows_53_54_progress_and_accepted(peer: Peer) -> None:
    """Each provisional response is progress, the 2xx accepted, both with the reason phrase."""
    async with running(peer) as ua:
        context = ua.request("INVITE", "bob")
        seen: list[tuple[str, int, str]] = []
        context.on("progress", lambda response, cause: seen.append(("progress", response.status, cause)))
        context.on("accepted", lambda response, cause: seen.append(("accepted", response.status, cause)))
        request = await peer.request("INVITE")
        await peer.answer(request, 100)
        await peer.answer(request, 180, "Ring Ring")
        await peer.answer(request, 200, None, ("Contact", "<sip:bob@127.0.0.1>"))
        assert (await soon(context)).status == 200
        assert seen == [("progress", 100, "Trying"), ("progress", 180, "Ring Ring"), ("accepted", 200, "OK")]


@pytest.mark.parametrize(
    ("status", "cause"),
    [
        (302, Cause.REDIRECTED),
        (404, Cause.NOT_FOUND),
        (486, Cause.BUSY),
        (500, Cause.SIP_FAILURE_CODE),
        (603, Cause.REJECTED),
    ],
)
async def test_rows_55_56_rejected_and_failed(peer: Peer, status: int, cause: Cause) -> None:
    """A final response from 300 on is rejected and failed, with the cause of its code."""
    async with running(peer) as ua:
        context = ua.message("bob", "hi")
        seen: list[tuple[str, int, Cause]] = []
        context.on("rejected", lambda response, why: seen.append(("rejected", response.status, why)))
        context.on("failed", lambda response, why: seen.append(("failed", response.status, why)))
        await peer.answer(await peer.request("MESSAGE"), status)
        with pytest.raises(RequestFailed):
            await soon(context)
        assert seen == [("rejected", status, cause), ("failed", status, cause)]


async def test_row_56_timeout(peer: Peer) -> None:
    """Without an answer a request ends as Request Timeout, with no response."""
    async with running(peer, transaction_timeout=0.1) as ua:
        context = ua.message("bob", "hi")
        assert await happened(context, "failed") == (None, Cause.REQUEST_TIMEOUT)


async def test_row_56_connection_lost(peer: Peer) -> None:
    """A request cut off by a lost connection fails, and is never sent twice."""
    async with running(peer) as ua:
        context = ua.message("bob", "hi")
        await peer.request("MESSAGE")
        connected = asyncio.ensure_future(happened(ua, "connected"))
        failed = asyncio.ensure_future(happened(context, "failed"))
        await asyncio.sleep(0)
        peer.drop()
        assert await failed == (None, Cause.CONNECTION_ERROR)
        await connected
        ua.request("OPTIONS", "bob")
        await peer.request("OPTIONS")
    assert [message.method for message in peer.received if isinstance(message, Request)] == ["MESSAGE", "OPTIONS"]


async def test_row_56_failed_can_be_heard_however_early(unused_tcp_port: int) -> None:
    """A request that fails at once does so when its maker has had the time to listen."""
    async with UA(Config(ws_servers=f"ws://127.0.0.1:{unused_tcp_port}"), recover=False) as ua:
        await happened(ua, "disconnected")
        context = ua.message("sip:bob@127.0.0.1", "hi")
        assert await happened(context, "failed") == (None, Cause.CONNECTION_ERROR)


async def test_rows_51_57_cancel(peer: Peer) -> None:
    """cancel waits for a provisional response, carries its reason, is an event, and ends as 487."""
    async with running(peer) as ua:
        context = ua.request("INVITE", "bob")
        seen: list[str] = []
        context.on("cancel", lambda: seen.append("cancel"))
        context.cancel(status_code=600, reason_phrase="Nope")
        assert seen == ["cancel"]
        with pytest.raises(LocalProtocolError):
            context.cancel()
        invite = await peer.request("INVITE")
        await peer.answer(invite, 180)
        cancel = await peer.request("CANCEL")
        assert cancel.get("Reason") == 'SIP;cause=600;text="Nope"'
        await peer.answer(cancel, 200)
        await peer.answer(invite, 487)
        with pytest.raises(RequestFailed) as raised:
            await soon(context)
        assert raised.value.cause is Cause.CANCELED


# A3: events


async def test_row_24_disconnected(peer: Peer) -> None:
    """A drop is told at once, with the code and when the next attempt comes."""
    async with running(peer) as ua:
        disconnected = asyncio.ensure_future(happened(ua, "disconnected"))
        await asyncio.sleep(0)
        peer.drop()
        event = await disconnected
        assert event.url == peer.url
        assert event.code == 1006
        assert not event.clean
        assert event.will_retry_in is not None
        assert not ua.is_connected()
        await happened(ua, "connected")


async def test_event_hook_comes_first_and_in_order(peer: Peer) -> None:
    """The listener of event gets everything, each thing before the listener of its name."""
    ua = UA(config(peer))
    seen: list[object] = []
    ua.on("event", lambda event: seen.append(type(event).__name__))
    for name in ("connecting", "connected", "newTransaction", "transactionDestroyed", "disconnected"):
        ua.on(name, lambda event, name=name: seen.append(name))
    await ua.start()
    context = ua.request("OPTIONS", "bob")
    await peer.answer(await peer.request("OPTIONS"), 200)
    await soon(context)
    await ua.stop()
    assert seen[:4] == ["Connecting", "connecting", "Connected", "connected"]
    assert seen[-2:] == ["Disconnected", "disconnected"]
    for kind, name in [("TransactionCreated", "newTransaction"), ("TransactionDestroyed", "transactionDestroyed")]:
        assert seen.index(name) == seen.index(kind) + 1
    assert seen.index("RequestSent") < seen.index("RequestAccepted")


async def test_row_30_notify(peer: Peer) -> None:
    """An out-of-dialog NOTIFY is an event where that is allowed."""
    async with running(peer, allow_legacy_notifications=True) as ua:
        notify = asyncio.ensure_future(happened(ua, "notify"))
        await peer.ask("NOTIFY", ("Event", "message-summary"), body=b"Messages-Waiting: yes")
        event = await notify
        assert event.request.body == b"Messages-Waiting: yes"
        assert (await peer.response()).status == 200


@pytest.mark.parametrize("listens", [False, True])
async def test_rows_30_69_refer(peer: Peer, listens: bool) -> None:
    """An out-of-dialog REFER is declined where nobody listens, and never followed."""
    async with running(peer, allow_out_of_dialog_refers=True) as ua:
        if listens:
            ua.on("outOfDialogReferRequested", lambda refer: refer.accept(202))
        await peer.ask("REFER", ("Refer-To", "<sip:carol@example.com>"), ("Contact", "<sip:bob@127.0.0.1>"))
        assert (await peer.response()).status == (202 if listens else 603)
        ua.request("OPTIONS", "bob")
        await peer.request("OPTIONS")
    assert not [message for message in peer.received if isinstance(message, Request) and message.method == "INVITE"]


async def test_row_31_keep_alive_timeout(peer: Peer) -> None:
    """A server that does not answer a keep-alive is left for another connection."""
    async with running(peer, keep_alive="crlf", keep_alive_interval=0.1, keep_alive_debounce=0.05) as ua:
        timeout = asyncio.ensure_future(happened(ua, "keepAliveTimeout"))
        connected = asyncio.ensure_future(happened(ua, "connected"))
        assert (await timeout).url == peer.url
        await connected


async def test_row_100_ping(peer: Peer) -> None:
    """A ping that is answered keeps the flow, one that is not ends it."""
    async with running(peer, keep_alive="ping", keep_alive_interval=0.05, keep_alive_debounce=0.2) as ua:
        timeouts: list[object] = []
        ua.on("keepAliveTimeout", timeouts.append)
        context = ua.message("bob", "hi")
        request = await peer.request("MESSAGE")
        timeout = asyncio.ensure_future(happened(ua, "keepAliveTimeout"))
        done, _ = await asyncio.wait([timeout], timeout=0.5)
        assert not done
        await peer.answer(request, 200)
        await soon(context)
        peer.pause()
        await timeout


async def test_error_in_the_core(peer: Peer, noise: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch) -> None:
    """Should the core err over a message, that is reported, and the next message is taken."""

    erred = asyncio.Event()

    def err(*_arguments: object) -> None:
        erred.set()
        raise ZeroDivisionError

    async with running(peer) as ua:
        with monkeypatch.context() as patch:
            patch.setattr(UserAgentCore, "receive", err)
            await peer.ask("OPTIONS")
            await soon(erred.wait())
        await peer.ask("OPTIONS", ("X-Again", "yes"))
        assert (await peer.response()).status == 200
        assert ua.is_connected()
    assert [type(context["exception"]) for context in noise] == [ZeroDivisionError]
    noise.clear()


async def test_listener_failure_does_no_harm(peer: Peer, noise: list[dict[str, Any]]) -> None:
    """A listener that raises is reported, and everything goes on."""
    async with running(peer) as ua:

        def fails(_event: object) -> None:
            raise ZeroDivisionError

        ua.on("event", fails)
        context = ua.message("bob", "hi")
        context.on("accepted", fails)
        await peer.answer(await peer.request("MESSAGE"), 200)
        assert (await soon(context)).status == 200
        ua.off()
    assert {type(context["exception"]) for context in noise} == {ZeroDivisionError, TypeError}
    noise.clear()


# Requests from peers


async def test_row_14_message_before_the_200(peer: Peer) -> None:
    """The event comes before the answer; where no listener answers, 200 goes out."""
    async with running(peer) as ua:
        contexts: list[MessageServerContext] = []
        ua.on("message", contexts.append)
        request = await peer.ask("MESSAGE", ("Content-Type", "text/plain"), body="grüß dich".encode())
        response = await peer.response()
        assert response.status == 200
        [context] = contexts
        assert context.ua is ua
        assert context.method == "MESSAGE"
        assert context.request.call_id == request.call_id
        assert context.body == "grüß dich"
        assert context.content_type == "text/plain"
        assert context.remote_identity.display_name == "Bob"
        with pytest.raises(LocalProtocolError):
            context.reject(480)


async def test_row_14_message_without_listener(peer: Peer) -> None:
    """Where nobody listens a message is taken all the same."""
    async with running(peer):
        await peer.ask("MESSAGE", body=b"hi")
        assert (await peer.response()).status == 200


@pytest.mark.parametrize("is_coroutine", [False, True])
async def test_row_14_message_rejected_by_a_listener(peer: Peer, is_coroutine: bool) -> None:
    """A listener may refuse, also one that first awaits something; then there is no 200."""
    async with running(peer) as ua:

        def function(context: MessageServerContext) -> None:
            context.reject(486, "Not Now", extra_headers=["Retry-After: 5"])

        async def coroutine(context: MessageServerContext) -> None:
            assert (await ua.request("OPTIONS", "bob")).status == 200
            function(context)

        ua.on("message", coroutine if is_coroutine else function)
        await peer.ask("MESSAGE", body=b"hi")
        if is_coroutine:
            await peer.answer(await peer.request("OPTIONS"), 200)
        response = await peer.response()
        assert (response.status, response.reason) == (486, "Not Now")
        assert response.get("Retry-After") == "5"


async def test_row_14_message_accepted_by_a_listener(peer: Peer) -> None:
    """A listener may choose the 2xx and its body."""
    async with running(peer) as ua:
        ua.on("message", lambda context: context.accept(202, body="later", content_type="text/plain"))
        await peer.ask("MESSAGE", body=b"hi")
        response = await peer.response()
        assert response.status == 202
        assert response.text == "later"


async def test_row_14_answer_after_the_listener_failed(peer: Peer, noise: list[dict[str, Any]]) -> None:
    """A listener that fails is reported and the message is taken."""
    async with running(peer) as ua:

        async def fails(_context: MessageServerContext) -> None:
            raise ZeroDivisionError

        ua.on("message", fails)
        await peer.ask("MESSAGE", body=b"hi")
        assert (await peer.response()).status == 200
    assert [type(context["exception"]) for context in noise] == [ZeroDivisionError]
    noise.clear()


async def test_flood_of_messages(peer: Peer) -> None:
    """A flood of messages is answered to the last, and what was asked for meanwhile too."""
    async with running(peer) as ua:
        seen: list[str] = []
        ua.on("message", lambda context: seen.append(context.body))
        for number in range(500):
            # Not received by the peer yet, so each needs a number of its own.
            request = Request(
                "MESSAGE",
                "sip:alice@127.0.0.1",
                [
                    ("Via", f"SIP/2.0/WS peer.invalid;branch=z9hG4bKflood{number}"),
                    ("From", "<sip:bob@example.com>;tag=bob"),
                    ("To", "<sip:alice@127.0.0.1>"),
                    ("Call-ID", f"flood-{number}"),
                    ("CSeq", "1 MESSAGE"),
                    ("Max-Forwards", "70"),
                ],
                str(number).encode(),
            )
            await peer.send(request)
        for _ in range(500):
            assert (await peer.response()).status == 200
        assert seen == [str(number) for number in range(500)]


async def test_row_28_invite_without_listener(peer: Peer) -> None:
    """An INVITE that nobody listens for gets 100 and 480."""
    async with running(peer):
        await peer.ask("INVITE", ("Contact", "<sip:bob@127.0.0.1>"))
        assert [(await peer.response()).status for _ in range(2)] == [100, 480]


async def test_row_28_invite_rings_and_is_rejected(peer: Peer) -> None:
    """An INVITE is told to its listener, which may let it ring and reject it."""
    async with running(peer) as ua:
        invited = asyncio.ensure_future(happened(ua, "invite"))
        invite = await peer.ask("INVITE", ("Contact", "<sip:bob@127.0.0.1>"))
        context = await invited
        assert isinstance(context, InviteServerContext)
        context.ring()
        context.reject(486)
        assert [(await peer.response()).status for _ in range(3)] == [100, 180, 486]
        assert invite.call_id == context.request.call_id


async def test_invite_cancelled_by_the_peer(peer: Peer) -> None:
    """A caller who gives up is told to the context, which takes no answer any more."""
    async with running(peer) as ua:
        invited = asyncio.ensure_future(happened(ua, "invite"))
        invite = await peer.ask("INVITE", ("Contact", "<sip:bob@127.0.0.1>"))
        context = await invited
        cancelled = asyncio.ensure_future(happened(context, "cancel"))
        await asyncio.sleep(0)
        headers = [(name, value) for name, value in invite.headers if name not in ("CSeq", "Contact")]
        await peer.send(Request("CANCEL", invite.uri_text, [*headers, ("CSeq", "1 CANCEL")]))
        await cancelled
        await peer.response(487)
        with pytest.raises(LocalProtocolError, match="cancelled"):
            context.reject()


async def test_garbage_does_no_harm(peer: Peer) -> None:
    """What is no message is passed over; the next request is answered."""
    async with running(peer):
        for data in (b"\x00\xff\xfe", b"hello", b"\r\n\r\n", b"SIP/2.0 999999 X\r\n\r\n", b"INVITE\r\n\r\n"):
            await peer.send(data)
        await peer.ask("OPTIONS")
        response = await peer.response(200)
        assert response.cseq is not None
        assert response.cseq.method == "OPTIONS"


# Credentials


@pytest.mark.parametrize("is_coroutine", [False, True])
@pytest.mark.parametrize("place", ["argument", "config"])
async def test_row_70_authentication_factory(lab: Lab, is_coroutine: bool, place: str) -> None:
    """Credentials that the configuration does not hold come from a function, or from a coroutine function."""
    asked: list[UA] = []

    def function(ua: UA) -> Credentials:
        asked.append(ua)
        return Credentials("alice", password=lab.users["alice"])

    async def coroutine(ua: UA) -> Credentials:
        await asyncio.sleep(0)
        return function(ua)

    factory: Any = coroutine if is_coroutine else function
    if place == "config":
        ua = UA(config(lab, uri=lab.uri("alice"), authentication_factory=factory))
    else:
        ua = UA(config(lab, uri=lab.uri("alice")), authentication_factory=factory)
    async with ua:
        assert (await soon(ua.register())).response.status == 200
        assert (await soon(ua.message(lab.uri("echo"), "hi"))).status == 200
    assert asked == [ua]


async def test_row_70_no_credentials(lab: Lab) -> None:
    """Without credentials a challenge is the final response."""
    async with running(lab, uri=lab.uri("alice")) as ua:
        with pytest.raises(RequestFailed) as raised:
            await soon(ua.register())
        assert raised.value.cause is Cause.AUTHENTICATION_ERROR
        assert raised.value.response is not None
        assert raised.value.response.status == 401


async def test_row_70_factory_that_fails(lab: Lab, noise: list[dict[str, Any]]) -> None:
    """A factory that raises is reported, and the request is rejected."""

    def factory(_ua: UA) -> Credentials:
        raise ZeroDivisionError

    async with UA(config(lab, uri=lab.uri("alice")), authentication_factory=factory) as ua:
        with pytest.raises(RequestFailed):
            await soon(ua.register())
    assert [type(context["exception"]) for context in noise] == [ZeroDivisionError]
    noise.clear()


# The log and the trace


async def test_rows_81_82_83_log(peer: Peer, caplog: pytest.LogCaptureFixture) -> None:
    """The connector gets level, category, label and content, and the builtin log the same unless it is off."""
    lines: list[tuple[str, str, str | None, str]] = []
    caplog.set_level("DEBUG", "sipcli")
    log = {"level": "log", "builtin_enabled": False, "connector": lambda *line: lines.append(line)}
    async with running(peer, log=log) as ua:
        await soon(ua.register())
    assert ("log", "transport", None, f"connecting to {peer.url}, attempt 1") in lines
    assert any(category == "registration" for _, category, _, _ in lines)
    assert not any(level == "debug" for level, *_ in lines)
    assert not caplog.records
    lines.clear()
    async with running(peer, log={**log, "level": 3, "builtin_enabled": True}) as ua:
        await soon(ua.register())
    assert any(level == "debug" for level, *_ in lines)
    assert {record.name for record in caplog.records} >= {"sipcli.transport", "sipcli.registration"}


async def test_log_is_escaped(peer: Peer) -> None:
    """What a peer wrote is one line of the log."""
    lines: list[str] = []
    log = {"level": "log", "builtin_enabled": False, "connector": lambda *line: lines.append(line[3])}
    async with running(peer, log=log) as ua:
        await soon(ua.register())
        del peer.answers["REGISTER"]
        waiting = asyncio.ensure_future(ua.register())
        request = await peer.request("REGISTER")
        request = await peer.request("REGISTER")
        data = build_response(request, 403, "No\x1b[2J", to_tag="x")
        await peer.send(data)
        with pytest.raises(RequestFailed):
            await soon(waiting)
        await soon(ua.stop(0))
    assert any("No\\x1b[2J" in line for line in lines)
    assert not any("\x1b" in line for line in lines)


async def test_row_83_connector_that_fails(peer: Peer, noise: list[dict[str, Any]]) -> None:
    """A connector that raises is reported, and everything goes on."""

    def fails(*_line: object) -> None:
        raise ZeroDivisionError

    async with running(peer, log={"builtin_enabled": False, "connector": fails}) as ua:
        assert ua.is_connected()
    assert {type(context["exception"]) for context in noise} == {ZeroDivisionError}
    noise.clear()


async def test_row_95_trace(peer: Peer) -> None:
    """Every message is traced once, numbered, in order, with its direction and flow."""
    records: list[TraceRecord] = []
    async with UA(config(peer), trace=[records.append]) as ua:
        context = ua.message("bob", "hi")
        request = await peer.request("MESSAGE")
        await peer.answer(request, 100)
        await peer.answer(request, 200)
        await soon(context)
    assert [record.n for record in records] == [1, 2, 3]
    assert [record.sent for record in records] == [True, False, False]
    assert {record.flow for record in records} == {peer.url}
    assert [record.data.split(b" ")[:2] for record in records] == [
        [b"MESSAGE", b"sip:bob@127.0.0.1"],
        [b"SIP/2.0", b"100"],
        [b"SIP/2.0", b"200"],
    ]


async def test_row_95_trace_as_configured(lab: Lab, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """trace_sip and trace_file work without the command line, redacted; a second start goes on in the same file."""
    path = tmp_path / "trace.txt"
    values = {"uri": lab.uri("alice"), "password": lab.users["alice"], "trace_sip": True, "trace_file": str(path)}
    ua = UA(config(lab, **values))
    sizes = []
    for _ in range(2):
        async with ua:
            await soon(ua.register())
        sizes.append(path.stat().st_size)
    text = path.read_text("utf-8")
    assert capsys.readouterr().err == text
    assert 0 < sizes[0] < sizes[1]
    assert 'response="***"' in text
    assert text.startswith("→ 1  ")


async def test_trace_that_cannot_be_written(peer: Peer, unwritable: Callable[[TraceRecord], None]) -> None:
    """A full disk ends the trace, says so in the log and harms nothing else."""
    lines: list[tuple[str, str, str | None, str]] = []
    records: list[TraceRecord] = []
    log = {"level": 0, "builtin_enabled": False, "connector": lambda *line: lines.append(line)}
    async with UA(config(peer, log=log), trace=[unwritable, records.append]) as ua:
        context = ua.message("bob", "hi")
        await peer.answer(await peer.request("MESSAGE"), 200)
        assert (await soon(context)).status == 200
    assert len(records) == 2
    assert [line[:2] for line in lines] == [("error", "trace")]


@pytest.fixture
def unwritable() -> Callable[[TraceRecord], None]:
    """A sink whose disk is full."""

    def sink(_record: TraceRecord) -> None:
        raise OSError(28, os.strerror(28))

    return sink


# The package


@pytest.mark.parametrize("name", sipcli.__all__)
def test_public_names(name: str) -> None:
    """Every public name can be had from the package."""
    assert getattr(sipcli, name) is not None
    assert name in dir(sipcli)


def test_public_names_are_declared() -> None:
    """The stub file that type checkers read has the same names, and there are no others."""
    stub = (Path(sipcli.__file__).with_suffix(".pyi")).read_text("ascii")
    declared = [line.split(" as ")[1] for line in stub.splitlines() if line.startswith("from ")]
    assert {*declared, "__version__"} == set(sipcli.__all__)
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = sipcli.no_such_name  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("code", "forbidden"),
    [
        ("import sipcli", "sipcli.ua asyncio typing json"),
        ("import sipcli.ua", "sipcli.transport websockets rich prompt_toolkit aiortc click json pygments tomllib"),
        ("import sipcli.ua, sipcli.transport", "websockets.asyncio rich prompt_toolkit aiortc click"),
    ],
)
def test_imports_are_cheap(code: str, forbidden: str) -> None:
    """Nothing is imported before it is needed."""
    check = f"{code}; import sys; print(*[name for name in {forbidden.split()!r} if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-S", "-c", f"import sys; sys.path[:0] = {sys.path!r}; before = set(sys.modules); {check}"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == ""


def test_user_agent_without_event_loop() -> None:
    """A user agent may be made before there is an event loop, and used in one after another."""

    async def use(ua: UA) -> None:
        async with Peer({"REGISTER": 200}):
            with pytest.raises(LocalProtocolError):
                await ua.start()

    ua = UA(Config(uri="alice@example.com"))
    for _ in range(2):
        asyncio.run(use(ua))
