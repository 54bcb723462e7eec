"""The life of a command's user agent: what is warned of, said, traced, and how it stops."""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sipcli.cli.rendering import Renderer
from sipcli.cli.runner import Run
from sipcli.cli.secrets import ask_password, find_password, stored_password
from sipcli.cli.tracing import trace_sinks
from sipcli.config import Config
from sipcli.sip.digest import Credentials
from sipcli.sip.errors import ConfigError
from sipcli.sip.ids import Ids
from sipcli.state import with_binding
from sipcli.transport.dial import is_loopback
from sipcli.ua import UA, AuthenticationFactory

__all__ = ["user_agent"]

# What is left for stopping when the deadline has passed: a command ends within a second of it.
_AFTER_DEADLINE = 0.8


@asynccontextmanager
async def user_agent(run: Run, config: Config, *, recover: bool) -> AsyncIterator[UA]:
    """Start a user agent, say its events, and stop it at the end; raises ConfigError when no server is named."""
    _check(run, config)
    config = await _with_secrets(run, _with_binding(run, config))
    renderer = run.renderer = Renderer(run.output, recover=recover)
    with trace_sinks(run.output, config) as sinks:
        ua = UA(config, recover=recover, trace=sinks, authentication_factory=_factory(config))
        ua.on("event", renderer.event)
        await ua.start()
        try:
            yield ua
        finally:
            held = ua.is_registered() and config.graceful_shutdown
            renderer.unregistered = None
            await ua.stop(_time_to_stop(run, config))
            renderer.done()
            if held:
                _say_removed(run, renderer)


def _check(run: Run, config: Config) -> None:
    if not config.ws_servers:
        raise ConfigError(
            "ws_servers is not set: which server?",
            "for this run:  -s wss://sip.example.com, or SIPCLI_WS_SERVERS=wss://sip.example.com",
            'for good:      sipcli config init, then ws_servers = "wss://sip.example.com" in the file',
        )
    output = run.output
    if config.profile is not None:
        output.note(f"profile {config.profile}: {config.uri or 'no uri'}")
    if config.insecure:
        output.warning("--insecure: the server's certificate is not verified")
    secret = any((config.password, config.password_file, config.password_command, config.authorization_ha1))
    if secret or run.password_stdin:
        for server in config.ws_servers:
            if not server.secure and not is_loopback(server.host):
                output.warning(f"{server.url} is not encrypted: others on the way can read and alter what is sent")


def _with_binding(run: Run, config: Config) -> Config:
    return with_binding(config, environ=run.environ, ids=Ids(secrets.token_bytes), warn=run.output.warning)


async def _with_secrets(run: Run, config: Config) -> Config:
    await run.read_password_line(config)
    password = run.password or await find_password(config, warn=run.output.warning)
    return config.replace(password=password) if password else config


def _factory(config: Config) -> AuthenticationFactory | None:
    """Return what finds credentials once a server asks for some: the keyring, then the user."""
    if config.authentication_factory is not None or config.uri is None:
        return None
    username = config.authorization_user or config.uri.username

    async def ask(_ua: UA) -> Credentials | None:
        if username is None:
            return None
        password = await stored_password(config) or await ask_password(f"Password of {username}: ")
        return Credentials(username, password) if password else None

    return ask


def _time_to_stop(run: Run, config: Config) -> float:
    if run.timeout is None:
        return config.stop_timeout
    left = run.started + run.timeout - time.monotonic()
    return min(config.stop_timeout, max(left, _AFTER_DEADLINE))


def _say_removed(run: Run, renderer: Renderer) -> None:
    gone = renderer.unregistered
    removed = gone is not None and gone.cause is None
    run.fields["removed"] = removed
    if removed:
        run.output.note("the binding is removed", level=1)
    else:
        run.output.warning("the binding was not removed: the registrar did not confirm it; it ends by itself")
