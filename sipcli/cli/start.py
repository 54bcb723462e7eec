"""The first screen: what is configured, and what to try."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from sipcli.cli.flags import Given
from sipcli.config import config_path, load
from sipcli.sip.errors import ConfigError

__all__ = ["first_screen"]


def first_screen(given: Given, environ: Mapping[str, str]) -> str:
    """Return what ``sipcli`` without a command says; a configuration that is wrong is said, and is no failure."""
    file, profile = given.get("config"), given.get("profile")
    try:
        config = load(
            environ=environ,
            file=Path(file) if isinstance(file, str) else None,
            profile=profile if isinstance(profile, str) else None,
        )
    except ConfigError as error:
        return f"The configuration has a mistake: {error.problems[0]}\n{_try(('sipcli config check', 'show them all'))}"
    if config.uri is None:
        return "No account configured yet, and that is fine.\n" + _try(
            ("sipcli demo", "see registration and messages work on this machine (2 s)"),
            ("sipcli lab", "run a practice SIP server here; message echo@, 486@ …"),
            ("sipcli config init", f"create {_short(config_path(environ), environ)} for your provider"),
            ("sipcli options sip:HOST -s wss://HOST", "ping a SIP server, no account needed"),
        )
    who = f"{config.uri} at {', '.join(server.url for server in config.ws_servers) or 'no server yet (ws_servers)'}"
    if config.profile is not None:
        who += f", profile {config.profile}"
    return f"{who}\n" + _try(
        ("sipcli register", "is the account right?"),
        ('sipcli message bob "hello"', "send a text"),
        ("sipcli listen", "register and print what arrives"),
        ("sipcli config show", "every parameter, and where its value comes from"),
    )


def _try(*commands: tuple[str, str]) -> str:
    return "\n".join([f"  {command:<39}  {what}" for command, what in commands])


def _short(path: str | os.PathLike[str], environ: Mapping[str, str]) -> str:
    text, home = os.fspath(path), environ.get("HOME")
    return f"~{text.removeprefix(home)}" if home and text.startswith(home + os.sep) else text
