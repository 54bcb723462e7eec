"""``sipcli demo``: the first thing anybody runs."""

from __future__ import annotations

import time
from pathlib import Path

from tests.program import run


def test_demo(tmp_path: Path) -> None:
    began = time.monotonic()
    done = run("demo", home=tmp_path)
    assert done.status == 0, done.stderr
    assert time.monotonic() - began < 3
    assert "is registered for 600 s" in done.stdout
    assert "came back after" in done.stdout
    assert "REGISTER sip:127.0.0.1 SIP/2.0" in done.stderr
    assert "SIP/2.0 401 Unauthorized" in done.stderr
    assert 'response="***"' in done.stderr


def test_demo_as_json(tmp_path: Path) -> None:
    done = run("--json", "demo", "-q", home=tmp_path)
    assert done.status == 0, done.stderr
    assert done.result["echo"] == "Hello from sipcli ✓"
    assert done.result["removed"] is True
    assert done.stderr == ""


def test_demo_ignores_the_configuration(tmp_path: Path) -> None:
    environ = {"SIPCLI_URI": "http:nonsense", "SIPCLI_CONFIG": "/nonexistent", "SIPCLI_WS_SERVERS": "ws://192.0.2.1"}
    done = run("demo", home=tmp_path, environ={**environ, "http_proxy": "http://127.0.0.1:1"})
    assert done.status == 0, done.stderr
    assert not (tmp_path / ".local").exists()
