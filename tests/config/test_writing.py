"""Values as they are shown, and the template of a configuration file."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from sipcli.config import GROUPS, PARAMETERS, Config, load
from sipcli.config.kinds import is_default
from sipcli.config.writing import plain, shown, template, toml

BY_NAME = {parameter.name: parameter for parameter in PARAMETERS}


def test_template_is_all_defaults(tmp_path: Path) -> None:
    """The file sets nothing until a line is uncommented."""
    path = tmp_path / "config.toml"
    path.write_text(template())
    config = load(environ={}, file=path)
    assert not any(config.is_set(parameter.name) for parameter in PARAMETERS)


def test_uncommented_template_is_right(tmp_path: Path) -> None:
    """Each line after its # is a key with its default, or with an example that is accepted."""
    body = template().partition("\n# A profile")[0]
    lines = [line.removeprefix("# ") if " = " in line else line for line in body.splitlines()]
    path = tmp_path / "config.toml"
    path.write_text("\n".join(lines))
    path.chmod(0o600)
    config = load(environ={}, file=path)
    for parameter in PARAMETERS:
        told = not (parameter.python_only or parameter.per_run or parameter.no_effect)
        assert config.is_set(parameter.name) == told or parameter.name == "display_name"
        if told and not is_default(parameter.default):
            assert getattr(config, parameter.name) == parameter.default or parameter.name == "keep_alive"


def test_template_has_every_group_and_help() -> None:
    text = template()
    for group in GROUPS:
        assert f"## {group}\n" in text
    for parameter in PARAMETERS:
        told = not (parameter.python_only or parameter.per_run or parameter.no_effect)
        assert (f"# {parameter.key} = " in text) == told
        assert (f"# {parameter.help}" in text) == told


def test_template_with_values(tmp_path: Path) -> None:
    """What a configuration sets is written so that it is read back."""
    config = Config(
        uri='"A \\"B\\" ¶" <sip:alice@example.com>',
        ws_servers=["wss://a/x;weight=3", "ws://b"],
        register=False,
        connection_timeout=2.5,
        turn_servers={"urls": "turn:t", "username": "u", "password": 'p"\\\t'},
        register_options={"params": {"to_uri": "sip:x@y", "cseq": 5}},
        log={"level": "debug"},
        hack_ip_in_contact="192.0.2.1",
        extra_headers=["X-Foo: foo"],
        password_command=["pass", "my sip"],
        media_constraints={"audio": True, "odd key": [1, "\x7f"]},
    )
    path = tmp_path / "config.toml"
    path.write_text(template(config))
    path.chmod(0o600)
    again = load(environ={}, file=path)
    for parameter in PARAMETERS:
        assert getattr(again, parameter.name) == getattr(config, parameter.name)
        assert again.is_set(parameter.name) == config.is_set(parameter.name)


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("password", "canary", "***"),
        ("password", None, None),
        ("turn_servers", {"urls": "turn:t", "password": "canary"}, [{"urls": ["turn:t"], "password": "***"}]),
        ("turn_servers", "turn:u@t", [{"urls": ["turn:t"], "username": "u"}]),
        ("ws_headers", ["Cookie: canary", "X-Foo: foo"], ["Cookie: ***", "X-Foo: foo"]),
        ("extra_headers", ["authorization: canary"], ["authorization: ***"]),
        ("uri", "alice@example.com", "sip:alice@example.com"),
        ("ws_servers", ["ws://a;weight=1", "ws://b"], ["ws://a;weight=1", "ws://b"]),
        ("connection_timeout", 5, 5),
        ("connection_timeout", 2.5, 2.5),
        ("register", False, False),
        ("register_params", {"call_id": "x"}, {"call_id": "x"}),
        ("authentication_factory", dict, "dict"),
    ],
)
def test_shown(name: str, value: object, text: object) -> None:
    """Passwords are hidden, everything else is as it was set."""
    config = Config(**{name: value})
    assert shown(BY_NAME[name], getattr(config, name)) == text


@pytest.mark.parametrize(
    "value", [True, 5, 2.5, "a", 'a"\\\n\r\t\x00\x7f¶', [], ["a", [1]], {}, {"a": 1, "b c": {"": "x"}, '"': 2, "ä": 3}]
)
def test_toml(value: Any) -> None:
    assert tomllib.loads(f"x = {toml(value)}") == {"x": value}


def test_plain_of_objects() -> None:
    assert plain(Config()) == "Config"
