"""The life of a command's user agent: what is warned of, said, traced, and how it stops."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sipcli.cli.logs import log_to
from sipcli.cli.rendering import Renderer
from sipcli.cli.runner import Run
from sipcli.cli.tracing import trace_sinks
from sipcli.config import Config
from sipcli.sip.errors import ConfigError
from sipcli.transport.dial import is_loopback
from sipcli.ua import UA

__all__ = ["user_agent"]

# What is left for stopping when the deadline has passed: a command ends within a second of it.
_AFTER_DEADLINE = 0.8


@asynccontextmanager
async def user_agent(run: Run, config: Config, *, recover: bool) -> AsyncIterator[UA]:
    """Start a user agent, say its events, and stop it at the end; raises ConfigError when no server is named."""
    _check(run, config)
    renderer = run.renderer = Renderer(run.output, recover=recover)
    finder = run.password_of(config)
    with trace_sinks(run.output, config) as sinks, log_to(run.output, config) as logged:
        # Which of several passwords counts depends on where each stands: the finder knows, the core would take this.
        config = logged.replace(password=None)
        ua = UA(config, recover=recover, trace=sinks, authentication_factory=finder.credentials)
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
