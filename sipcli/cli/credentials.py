"""The credentials of a run: asked for when a server first wants them, and never before (RFC 3261 §22)."""

from __future__ import annotations

import sys
from collections.abc import Callable

from sipcli.cli.secrets import ask_password, find_password, stored_password
from sipcli.config import Config
from sipcli.sip.digest import Credentials
from sipcli.sip.errors import ConfigError

__all__ = ["PasswordFinder"]


class PasswordFinder:
    """Finds the password once: where the configuration points to, in the keyring, on the terminal."""

    def __init__(self, config: Config, warn: Callable[[str], None], *, stdin: bool) -> None:
        self._config = config
        self._warn = warn
        self._stdin = stdin
        self._found = False
        self._password: str | None = None
        self.error: ConfigError | None = None
        """What was wrong with the place that the configuration points to."""
        self.missing = False
        """Whether a password was wanted and there is none."""

    async def read_line(self) -> None:
        """Read the password now when it stands in standard input, before what follows it. Raises ConfigError."""
        if self._stdin:
            await self._find()

    async def credentials(self, _ua: object) -> Credentials | None:
        """Return the credentials for a challenge, None where there are none; ``error`` may say why."""
        config = self._config
        username = config.authorization_user or (None if config.uri is None else config.uri.username)
        if username is None:
            self.missing = True
            return None
        try:
            await self._find()
        except ConfigError as error:
            self.error = error
            return None
        if self._password is None:
            self._password = await stored_password(config) or await ask_password(f"Password of {username}: ")
        if self._password is None:
            self.missing = True
            return None
        return Credentials(username, self._password)

    async def _find(self) -> None:
        if not self._found:
            self._found = True
            stdin = sys.stdin.fileno() if self._stdin and sys.stdin is not None else None
            self._password = await find_password(self._config, stdin=stdin, warn=self._warn)
