"""Where the password comes from (row 85): each source, their order, and what never happens: a hang, a leak."""

from __future__ import annotations

import asyncio
import io
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from sipcli.cli.secrets import ask_password, find_password, stored_password
from sipcli.config import Config, load
from sipcli.sip.errors import ConfigError

posix_only = pytest.mark.skipif(os.name != "posix", reason="terminals and pipes of POSIX")


class Warnings(list[str]):
    """Warnings as they were given."""

    def __call__(self, text: str) -> None:
        self.append(text)


@pytest.fixture
def warnings() -> Warnings:
    """Takes warnings."""
    return Warnings()


@pytest.fixture
def secret_file(tmp_path: Path) -> Path:
    """A file that holds a password and more."""
    path = tmp_path / "secret"
    path.write_text("from file\nsecond line\n")
    path.chmod(0o600)
    return path


def fill(path: Path, octets: bytes, mode: int = 0o600) -> None:
    """Write a file anew."""
    path.write_bytes(octets)
    path.chmod(mode)


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """A pipe: where to read, where to write."""
    reading, writing = os.pipe()
    yield reading, writing
    for descriptor in (reading, writing):
        try:
            os.close(descriptor)
        except OSError:
            continue


def printing(text: str) -> list[str]:
    """Return a command that prints ``text``."""
    return [sys.executable, "-c", f"print({text!r})"]


def loaded(**flags: object) -> Config:
    return load(flags=flags, environ={"HOME": "/nonexistent"})


async def test_nothing(warnings: Warnings) -> None:
    assert await find_password(Config(), warn=warnings) is None
    assert warnings == []


async def test_environment(warnings: Warnings) -> None:
    config = load(environ={"HOME": "/nonexistent", "SIPCLI_PASSWORD": "from env"})
    assert await find_password(config, warn=warnings) == "from env"
    assert warnings == []


async def test_flag_warns(warnings: Warnings) -> None:
    """--password VALUE works, and says who can see it; it does not repeat it."""
    assert await find_password(loaded(password="canary"), warn=warnings) == "canary"
    [warning] = warnings
    assert "--password shows the password" in warning
    assert "canary" not in warning


async def test_file(secret_file: Path, warnings: Warnings) -> None:
    assert await find_password(loaded(password_file=str(secret_file)), warn=warnings) == "from file"
    assert warnings == []


@pytest.mark.parametrize(
    ("octets", "password"),
    [(b"p", "p"), (b"p\r\n", "p"), (b" p \n", " p "), ("påß\n".encode(), "påß"), (b"a:b\"'\\\n", "a:b\"'\\")],
)
async def test_first_line_as_it_is(secret_file: Path, warnings: Warnings, octets: bytes, password: str) -> None:
    fill(secret_file, octets)
    assert await find_password(Config(password_file=secret_file), warn=warnings) == password


@pytest.mark.parametrize("octets", [b"", b"\nx", b"\xff\n", b"x" * 100_000], ids=["empty", "blank", "octets", "long"])
async def test_bad_file(secret_file: Path, warnings: Warnings, octets: bytes) -> None:
    fill(secret_file, octets)
    with pytest.raises(ConfigError, match="expected the password in its first line") as caught:
        await find_password(loaded(password_file=str(secret_file)), warn=warnings)
    assert caught.value.from_flag
    assert str(caught.value).startswith("--password-file: ")


async def test_missing_file(tmp_path: Path, warnings: Warnings) -> None:
    config = load(environ={"HOME": "/nonexistent", "SIPCLI_PASSWORD_FILE": str(tmp_path / "no")})
    with pytest.raises(ConfigError, match=r"SIPCLI_PASSWORD_FILE: password file .*no: No such file") as caught:
        await find_password(config, warn=warnings)
    assert not caught.value.from_flag


@posix_only
async def test_file_that_others_can_read(secret_file: Path, warnings: Warnings) -> None:
    """Mounted secrets have such modes: a warning."""
    fill(secret_file, b"from file\n", 0o644)
    assert await find_password(Config(password_file=secret_file), warn=warnings) == "from file"
    assert warnings == [f"{secret_file}: others can read this password file (mode 0644)"]


@posix_only
async def test_file_may_be_a_pipe(pipe: tuple[int, int], warnings: Warnings) -> None:
    """A shell's <(pass show sip)."""
    reading, writing = pipe
    os.write(writing, b"from pipe\n")
    os.close(writing)
    assert await find_password(Config(password_file=f"/dev/fd/{reading}"), warn=warnings) == "from pipe"
    assert warnings == []


@posix_only
async def test_pipe_without_end_can_be_cancelled(tmp_path: Path, warnings: Warnings) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await find_password(Config(password_file=tmp_path / "pipe"), warn=warnings)
    os.close(os.open(tmp_path / "pipe", os.O_WRONLY))  # the thread that still waits gets its end


@posix_only
async def test_standard_input(pipe: tuple[int, int], warnings: Warnings) -> None:
    """The first line and not an octet more: what follows may be the body of a message."""
    reading, writing = pipe
    os.write(writing, b"from stdin\nthe body")
    assert await find_password(Config(), stdin=reading, warn=warnings) == "from stdin"
    assert os.read(reading, 100) == b"the body"


@posix_only
async def test_standard_input_may_be_slow(pipe: tuple[int, int], warnings: Warnings) -> None:
    reading, writing = pipe
    task = asyncio.create_task(find_password(Config(), stdin=reading, warn=warnings))
    for part in (b"from", b" stdin", b"\n"):
        await asyncio.sleep(0)
        os.write(writing, part)
    assert await task == "from stdin"


@posix_only
async def test_standard_input_can_be_cancelled(pipe: tuple[int, int], warnings: Warnings) -> None:
    """Ctrl-C and the deadline end the wait, and nothing is left that reads."""
    reading, writing = pipe
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.02):
            await find_password(Config(), stdin=reading, warn=warnings)
    os.write(writing, b"x")
    await asyncio.sleep(0)
    assert os.read(reading, 1) == b"x"


@pytest.mark.parametrize("octets", [b"", b"\n", b"\xff\n"])
async def test_standard_input_without_a_password(tmp_path: Path, warnings: Warnings, octets: bytes) -> None:
    """Also: standard input may be a file."""
    path = tmp_path / "input"
    path.write_bytes(octets)
    with path.open("rb") as file, pytest.raises(ConfigError, match="--password-stdin: expected") as caught:
        await find_password(Config(), stdin=file.fileno(), warn=warnings)
    assert caught.value.from_flag


async def test_standard_input_from_a_file(secret_file: Path, warnings: Warnings) -> None:
    with secret_file.open("rb", buffering=0) as file:
        assert await find_password(Config(), stdin=file.fileno(), warn=warnings) == "from file"
        assert file.read() == b"second line\n"


async def test_command(warnings: Warnings) -> None:
    """The first line of what it prints; its words reach it as they are, without a shell."""
    config = Config(password_command=[*printing("from command\nmore"), "$HOME;`x`"])
    assert await find_password(config, warn=warnings) == "from command"
    code = "import sys; print(sys.argv[1])"
    config = Config(password_command=[sys.executable, "-c", code, "$HOME; echo *"])
    assert await find_password(config, warn=warnings) == "$HOME; echo *"


async def test_command_gets_no_input(warnings: Warnings) -> None:
    """Standard input is the message's."""
    config = Config(password_command=[sys.executable, "-c", "import sys; print('got', repr(sys.stdin.read()))"])
    assert await find_password(config, warn=warnings) == "got ''"


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["/nonexistent/command"], "password command /nonexistent/command: No such file"),
        ([sys.executable, "-c", "print('canary'); raise SystemExit(3)"], "expected exit code 0, got: 3"),
        ([sys.executable, "-c", "pass"], "expected the password in the first line of its output"),
        ([sys.executable, "-c", "import sys; sys.stdout.write('canary' * 99999)"], "expected "),
        (["a\0b"], "password command a"),
    ],
)
async def test_bad_command(words: list[str], problem: str, warnings: Warnings) -> None:
    with pytest.raises(ConfigError) as caught:
        await find_password(Config(password_command=words), warn=warnings)
    assert problem in str(caught.value)
    assert "canary" not in str(caught.value)


async def test_command_that_does_not_end(warnings: Warnings) -> None:
    """Its time is bounded, and it is ended."""
    started = time.monotonic()
    config = Config(password_command=[sys.executable, "-c", "import time; time.sleep(60)"])
    with pytest.raises(ConfigError, match=r"expected an end within 0\.2 s"):
        await find_password(config, warn=warnings, timeout=0.2)
    assert time.monotonic() - started < 5


@posix_only
async def test_command_that_leaves_a_child_behind(warnings: Warnings) -> None:
    """A child that holds the pipe open does not hold us."""
    config = Config(password_command=["sh", "-c", "sleep 5 & echo x"])
    with pytest.raises(ConfigError, match="expected an end"):
        await find_password(config, warn=warnings, timeout=0.2)


async def test_order_of_the_layers(secret_file: Path, tmp_path: Path, warnings: Warnings) -> None:
    """A flag wins over the environment, that over the file, whatever kind of source each names."""
    file = tmp_path / "config.toml"
    file.write_text(f"[ua]\npassword_command = {printing('from config')!r}\n")
    environ = {"HOME": "/nonexistent"}
    assert await find_password(load(environ=environ, file=file), warn=warnings) == "from config"
    environ["SIPCLI_PASSWORD"] = "from env"
    assert await find_password(load(environ=environ, file=file), warn=warnings) == "from env"
    config = load(flags={"password_file": str(secret_file)}, environ=environ, file=file)
    assert await find_password(config, warn=warnings) == "from file"


async def test_order_in_a_layer(secret_file: Path, warnings: Warnings) -> None:
    environ = {
        "HOME": "/nonexistent",
        "SIPCLI_PASSWORD": "from env",
        "SIPCLI_PASSWORD_FILE": str(secret_file),
    }
    assert await find_password(load(environ=environ), warn=warnings) == "from file"


async def test_two_flags_are_a_mistake(secret_file: Path, warnings: Warnings) -> None:
    config = loaded(password="canary", password_file=str(secret_file))
    with pytest.raises(ConfigError) as caught:
        await find_password(config, stdin=0, warn=warnings)
    assert str(caught.value) == "--password-file and --password and --password-stdin: expected only one of them"
    assert caught.value.from_flag


async def test_row_94_turn_password(secret_file: Path, warnings: Warnings) -> None:
    """The same sources for the password of TURN servers."""
    config = Config(turn_password_file=secret_file)
    assert await find_password(config, warn=warnings, name="turn_password") == "from file"
    assert await find_password(config, warn=warnings) is None


# The keyring


class _KeyringError(Exception):
    pass


def with_keyring(monkeypatch: pytest.MonkeyPatch, answer: str | BaseException | None) -> list[tuple[str, str]]:
    """Put a keyring in place that gives this answer; return what it is asked."""
    asked: list[tuple[str, str]] = []

    def get_password(service: str, user: str) -> str | None:
        asked.append((service, user))
        if isinstance(answer, BaseException):
            raise answer
        return answer

    keyring, errors = ModuleType("keyring"), ModuleType("keyring.errors")
    keyring.get_password = get_password  # type: ignore[attr-defined]
    errors.KeyringError = _KeyringError  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "keyring", keyring)
    monkeypatch.setitem(sys.modules, "keyring.errors", errors)
    return asked


async def test_keyring(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = with_keyring(monkeypatch, "from keyring")
    assert await stored_password(Config(uri="alice@example.com")) == "from keyring"
    assert asked == [("sipcli", "alice@example.com")]


@pytest.mark.parametrize("answer", [None, "", _KeyringError("no keyring"), RuntimeError("no D-Bus"), OSError("gone")])
async def test_bare_machine(monkeypatch: pytest.MonkeyPatch, answer: str | BaseException | None) -> None:
    """No keyring is never an error."""
    with_keyring(monkeypatch, answer)
    assert await stored_password(Config(uri="alice@example.com")) is None


async def test_without_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "keyring", None)
    assert await stored_password(Config(uri="alice@example.com")) is None
    assert await stored_password(Config()) is None


# The terminal

ASK = """
import asyncio, fcntl, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
from sipcli.cli.secrets import ask_password
async def main():
    try:
        async with asyncio.timeout(float(sys.argv[1])):
            print("got", repr(await ask_password("Password of alice\\x1b[31m: ")))
    except TimeoutError:
        print("cancelled")
asyncio.run(main())
"""


def on_a_terminal(typed: bytes, timeout: float = 10.0) -> tuple[str, bool]:
    """Run ``ask_password`` on a terminal of its own; return what that showed, and whether it echoes afterwards."""
    import pty
    import subprocess
    import termios

    terminal, other_end = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-c", ASK, str(timeout)],
        stdin=other_end,
        stdout=other_end,
        stderr=other_end,
        start_new_session=True,
    ) as child:
        shown = b""
        while not shown.endswith((b": ", b"\r\n")):
            shown += os.read(terminal, 1000)
        os.write(terminal, typed)
        child.wait(30)
    echo = bool(termios.tcgetattr(other_end)[3] & termios.ECHO)
    os.set_blocking(terminal, False)
    shown += os.read(terminal, 10_000)
    os.close(other_end)
    os.close(terminal)
    return shown.decode(), echo


@posix_only
def test_prompt() -> None:
    """What is typed is not shown, what a peer wrote is escaped, and the terminal echoes again afterwards."""
    shown, echo = on_a_terminal("påss wörd\n".encode())
    assert shown.startswith("Password of alice\\x1b[31m: ")
    assert shown.count("wörd") == 1
    assert "got 'påss wörd'" in shown
    assert echo


@posix_only
@pytest.mark.parametrize("typed", [b"\n", b"\x04"], ids=["empty", "Ctrl-D"])
def test_prompt_without_an_answer(typed: bytes) -> None:
    shown, echo = on_a_terminal(typed)
    assert "got None" in shown
    assert echo


@posix_only
def test_prompt_is_cancelled() -> None:
    """The deadline or Ctrl-C while it waits: the terminal is as it was."""
    shown, echo = on_a_terminal(b"half a pass", timeout=0.3)
    assert "cancelled" in shown
    assert "half" not in shown
    assert echo


async def test_no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody to ask: None at once, never a wait."""
    monkeypatch.setattr(sys, "stdin", io.StringIO("x"))
    assert await ask_password("Password: ") is None
