"""A user agent and a running lab, over a real WebSocket: everything between the Python API and the echo."""

from __future__ import annotations

import asyncio

from sipcli.config import Config
from sipcli.contexts import MessageServerContext
from sipcli.lab.server import Lab
from sipcli.ua import UA


async def test_register_message_echo(lab: Lab) -> None:
    """A user agent registers, sends to echo@, gets its text back, and leaves nothing behind."""
    config = Config(uri=lab.uri("alice"), ws_servers=[lab.url], password=lab.users["alice"], register=False)
    async with asyncio.timeout(10), UA(config) as ua:
        echoed: asyncio.Future[MessageServerContext] = asyncio.get_running_loop().create_future()
        ua.once("message", echoed.set_result)
        registered = await ua.register()
        assert registered.response.status == 200
        [binding] = lab.bindings("alice")
        assert str(binding.contact.uri) == registered.contact
        response = await ua.message(lab.uri("echo"), "grüß dich")
        assert response.status == 200
        assert (await echoed).request.text == "grüß dich"
    assert lab.bindings("alice") == ()


async def test_message_between_users(lab: Lab) -> None:
    """Two users of the lab, each with a connection of its own."""
    agents = [
        UA(Config(uri=lab.uri(user), ws_servers=[lab.url], password=lab.users[user], register=False))
        for user in ("alice", "bob")
    ]
    alice, bob = agents
    async with asyncio.timeout(10), alice, bob:
        arrived: asyncio.Future[MessageServerContext] = asyncio.get_running_loop().create_future()
        bob.once("message", arrived.set_result)
        await bob.register()
        assert (await alice.message("bob", "hi")).status == 200
        assert (await arrived).body == "hi"
