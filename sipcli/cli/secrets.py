"""Where the password comes from: a flag, a file, standard input, a command, the keyring, the terminal."""

from __future__ import annotations

import asyncio
import os
import stat
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar, cast

from sipcli.config import Config, Origin
from sipcli.escape import escape
from sipcli.sip.errors import ConfigError

if TYPE_CHECKING:
    import subprocess

__all__ = ["ask_password", "find_password", "stored_password"]

T = TypeVar("T")

_LARGEST = 1 << 16
_COMMAND_TIMEOUT = 10.0
_RANKS = {"default": 0, "argument": 0, "file": 1, "profile": 2, "env": 3, "flag": 4}


async def find_password(
    config: Config,
    *,
    stdin: int | None = None,
    warn: Callable[[str], None],
    timeout: float = _COMMAND_TIMEOUT,
    name: str = "password",
) -> str | None:
    """Return the password that the user pointed to, None when there is none; asks nobody.

    A flag wins over the environment, that over the file; within one of them ``password_file`` wins, then
    ``password_command``. ``stdin`` is the descriptor whose first line ``--password-stdin`` means. ``timeout`` bounds
    the command, in seconds. ``name`` is ``password`` or ``turn_password``. Raises ConfigError.
    """
    source = _chosen(config, name, stdin is not None)
    if source is None:
        return None
    if source == "stdin":
        assert stdin is not None
        return await _from_stdin(stdin)
    origin = config.origins[source]
    if source == name:
        if origin.kind == "flag":
            warn(
                f"{origin.source} shows the password to everyone who can list the processes of this machine; "
                "better: --password-file, --password-stdin or SIPCLI_PASSWORD"
            )
        return _text(getattr(config, name))
    if source.endswith("_file"):
        # It may be a pipe, of a shell's <(…) for one.
        path = getattr(config, source)
        return await _in_thread(lambda: _from_file(path, origin, warn))
    return await _from_command(getattr(config, source), origin, timeout)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _chosen(config: Config, name: str, stdin: bool) -> str | None:
    """Return the parameter that has the password, or ``stdin``."""
    ranks = {}
    for suffix in ("_file", "_command", ""):
        parameter = name + suffix
        if config.is_set(parameter) and getattr(config, parameter):
            ranks[parameter] = _RANKS[config.origins[parameter].kind]
    if stdin:
        ranks["stdin"] = _RANKS["flag"]
    if not ranks:
        return None
    best = max(ranks.values())
    chosen = [parameter for parameter, rank in ranks.items() if rank == best]
    if len(chosen) > 1 and best == _RANKS["flag"]:
        flags = [f"--{'password-stdin' if source == 'stdin' else source.replace('_', '-')}" for source in chosen]
        raise ConfigError(f"{' and '.join(flags)}: expected only one of them", from_flag=True)
    return chosen[0]


def _bad(origin: Origin, text: str) -> ConfigError:
    where = f"{origin.source}: " if origin.source else ""
    return ConfigError(f"{where}{text}", from_flag=origin.kind == "flag")


def _first_line(octets: bytes) -> str | None:
    """Return the first line as text, None when it is empty, too long or no UTF-8."""
    line = octets.partition(b"\n")[0].removesuffix(b"\r")
    if len(line) >= _LARGEST:
        return None
    try:
        return line.decode() or None
    except UnicodeDecodeError:
        return None


def _from_file(path: str, origin: Origin, warn: Callable[[str], None]) -> str:
    try:
        with open(path, "rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            octets = file.read(_LARGEST)
    except OSError as error:
        raise _bad(origin, f"password file {path}: {error.strerror}") from None
    # Secrets that are mounted into containers have mode 0444: a warning, where the configuration file is refused.
    if os.name == "posix" and stat.S_ISREG(mode) and mode & 0o077:
        warn(f"{path}: others can read this password file (mode {stat.S_IMODE(mode):04o})")
    password = _first_line(octets)
    if password is None:
        raise _bad(origin, f"password file {path}: expected the password in its first line")
    return password


async def _from_stdin(descriptor: int) -> str:
    # One line and no more: what follows may be the body of a message.
    password = _first_line(await _read_line(descriptor))
    if password is None:
        raise ConfigError("--password-stdin: expected the password in the first line of standard input", from_flag=True)
    return password


async def _from_command(words: tuple[str, ...], origin: Origin, timeout: float) -> str:
    """Run a command without a shell and return the first line of its output."""
    from subprocess import TimeoutExpired

    shown = f"password command {words[0]}"
    try:
        process = _start(words)
    except (OSError, ValueError) as error:
        raise _bad(origin, f"{shown}: {error.strerror if isinstance(error, OSError) else error}") from None
    try:
        async with asyncio.timeout(timeout):
            octets, status = await _in_thread(lambda: _output_of(process))
    except TimeoutError:
        raise _bad(origin, f"{shown}: expected an end within {timeout:g} s") from None
    finally:
        process.kill()
        with suppress(TimeoutExpired):
            process.wait(1.0)
    if status != 0:
        raise _bad(origin, f"{shown}: expected exit code 0, got: {status}")
    password = _first_line(octets)
    if password is None:
        raise _bad(origin, f"{shown}: expected the password in the first line of its output")
    return password


def _start(words: tuple[str, ...]) -> subprocess.Popen[bytes]:
    import subprocess

    return subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)  # noqa: S603  the user's own


def _output_of(process: subprocess.Popen[bytes]) -> tuple[bytes, int]:
    assert process.stdout is not None
    with process.stdout:
        octets = process.stdout.read(_LARGEST)
    return octets, process.wait()


async def stored_password(config: Config) -> str | None:
    """Return what the system's keyring holds for service ``sipcli`` and the address of record, None without keyring."""
    if config.uri is None:
        return None
    user = f"{config.uri.username}@{config.uri.host}"
    return await _in_thread(lambda: _from_keyring(user))


def _from_keyring(user: str) -> str | None:
    from importlib import import_module

    try:
        keyring = import_module("keyring")
        errors = import_module("keyring.errors")
    except ImportError:
        return None
    # A bare machine has the library and no keyring. Backends let the errors of D-Bus out as they are.
    try:
        password = keyring.get_password("sipcli", user)
    except (errors.KeyringError, OSError, RuntimeError):
        return None
    return _text(password) or None


async def ask_password(prompt: str) -> str | None:
    """Ask for a password on the terminal, without echo; None where there is no terminal, or nothing is entered.

    Cancelling it, as Ctrl-C does, gives the terminal back as it was. ``prompt`` may hold what a peer wrote.
    """
    if not sys.stdin.isatty():
        return None
    prompt = escape(prompt)
    if sys.platform == "win32":
        from getpass import getpass

        return await _in_thread(lambda: getpass(prompt)) or None
    import termios

    try:
        terminal = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY)
    except OSError:
        return None
    # getpass would wait where neither Ctrl-C nor the deadline reaches it.
    try:
        before = termios.tcgetattr(terminal)
        silent = [*before]
        silent[3] &= ~termios.ECHO
        try:
            termios.tcsetattr(terminal, termios.TCSAFLUSH, silent)
            os.write(terminal, prompt.encode())
            line = await _read_line(terminal)
        finally:
            termios.tcsetattr(terminal, termios.TCSAFLUSH, before)
            os.write(terminal, b"\n")
    except (OSError, termios.error):
        return None
    finally:
        os.close(terminal)
    return _first_line(line)


async def _read_line(descriptor: int) -> bytes:
    """Read up to the end of a line and not an octet further; cancelling it leaves nothing behind."""
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[None] = loop.create_future()
    line = bytearray()

    def read() -> None:
        octet = _read_octet(descriptor)
        line.extend(octet)
        if octet in (b"", b"\n") or len(line) >= _LARGEST:
            loop.remove_reader(descriptor)
            if not ended.done():
                ended.set_result(None)

    try:
        loop.add_reader(descriptor, read)
    except PermissionError:
        # A file: it is never waited for.
        return _read_line_now(descriptor)
    except NotImplementedError:
        # Windows: nothing tells when a pipe has something to read.
        return await _in_thread(lambda: _read_line_now(descriptor))
    try:
        await ended
    finally:
        loop.remove_reader(descriptor)
    return bytes(line)


def _read_line_now(descriptor: int) -> bytes:
    line = b""
    while len(line) < _LARGEST and (octet := _read_octet(descriptor)) not in (b"", b"\n"):
        line += octet
    return line


def _read_octet(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 1)
    except OSError:
        # A terminal that hung up has nothing more to say.
        return b""


async def _in_thread(function: Callable[[], T]) -> T:
    """Return what a function that may wait for ever returns: unlike an executor's, its thread holds up no exit."""
    loop = asyncio.get_running_loop()
    result: asyncio.Future[T] = loop.create_future()

    def tell(value: T | None, error: BaseException | None) -> None:
        if result.done():
            return
        if error is not None:
            result.set_exception(error)
        else:
            result.set_result(cast("T", value))

    def work() -> None:
        value, error = None, None
        try:
            value = function()
        except BaseException as raised:
            error = raised
        # The loop may be gone by now, and nobody waits then.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(tell, value, error)

    threading.Thread(target=work, name="sipcli-secret", daemon=True).start()
    return await result
