"""Kamailio on loopback, started and stopped by the tests: WebSocket, and secure WebSocket with a private CA."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path
from types import TracebackType

__all__ = ["DOMAIN", "Kamailio", "free_port", "password_of", "wait_for_port"]

DOMAIN = "127.0.0.1"
_CONFIGURATION = Path(__file__).with_name("kamailio.cfg")
_TLS_PROFILE = """[server:default]
method = TLSv1.2+
verify_certificate = no
require_certificate = no
private_key = {key}
certificate = {certificate}
"""


def password_of(user: str) -> str:
    """Return the password that the server's configuration gives to every user."""
    return f"secret-{user}"


def free_port() -> int:
    """Return a TCP port of 127.0.0.1 that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for_port(port: int, *, seconds: float = 10.0) -> None:
    """Return when something listens at 127.0.0.1:``port``; TimeoutError after ``seconds``."""
    deadline = time.monotonic() + seconds
    while True:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        if time.monotonic() > deadline:
            raise TimeoutError(f"nothing listens at 127.0.0.1:{port} after {seconds} s")
        os.sched_yield()


class Kamailio:
    """One server process group; a context manager. ``stop`` and ``start`` again make a restart on the same ports."""

    def __init__(
        self,
        folder: Path,
        *,
        algorithm: str = "MD5",
        min_expires: int = 0,
        nonce_expire: int = 300,
        certificate: Path | None = None,
        key: Path | None = None,
    ) -> None:
        self.folder = folder
        self.port = free_port()
        self.tls_port = free_port()
        self.log = folder / f"kamailio-{self.port}.log"
        self._process: subprocess.Popen[bytes] | None = None
        run = folder / f"run-{self.port}"
        run.mkdir(parents=True)
        self._command = [_executable(), "-DD", "-E", "-f", str(_CONFIGURATION), "-Y", str(run), "-m", "64", "-M", "8"]
        defines: dict[str, object] = {
            "PORT": self.port,
            "TLS_PORT": self.tls_port,
            "MIN_EXPIRES": min_expires,
            "NONCE_EXPIRE": nonce_expire,
            "ALGORITHM": f'"{algorithm}"',
        }
        if certificate is not None and key is not None:
            profile = run / "tls.cfg"
            profile.write_text(_TLS_PROFILE.format(key=key, certificate=certificate))
            defines["WITH_TLS"] = 1
            defines["TLS_CONFIG"] = f'"{profile}"'
        for name, value in defines.items():
            self._command += ["-A", f"{name}={value}"]
        self._secure = certificate is not None

    @property
    def url(self) -> str:
        """The WebSocket URL."""
        return f"ws://127.0.0.1:{self.port}"

    @property
    def secure_url(self) -> str:
        """The secure WebSocket URL."""
        return f"wss://127.0.0.1:{self.tls_port}"

    def start(self) -> None:
        """Start the server and return when it listens."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        wait_for_port(self.port)
        if self._secure:
            wait_for_port(self.tls_port)

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """End the server: all its processes, and only these."""
        if self._process is None:
            return
        os.killpg(self._process.pid, how)
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(5)
        self._process = None

    def __enter__(self) -> Kamailio:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()


def _executable() -> str:
    found = shutil.which("kamailio", path=os.environ.get("PATH", "") + ":/usr/sbin")
    if found is None:
        raise FileNotFoundError("kamailio")
    return found
