"""Values as they are shown, plain for JSON and in TOML for people; the template of a configuration file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from sipcli.config.options import GROUPS, Parameter
from sipcli.config.parameters import PARAMETERS, Config
from sipcli.config.servers import IceServer
from sipcli.sip.settings import RegisterParams, Server
from sipcli.sip.uri import URI

__all__ = ["plain", "shown", "template", "toml"]

_HIDDEN = "***"
_SECRET_HEADERS = frozenset({"authorization", "proxy-authorization", "cookie"})
_PROFILE = """
# A profile holds the same keys and wins over [ua]: --profile work, or default_profile = "work" above [ua].
# [profiles.work]
# uri = "alice@work.example.com"
# ws_servers = ["wss://sip.work.example.com"]
"""


def plain(value: object) -> object:
    """Return a value of a parameter as numbers, text, lists and dicts, secrets of servers included."""
    match value:
        case Server():
            return value.url if value.weight == 0 else f"{value.url};weight={value.weight}"
        case IceServer():
            fields: dict[str, object] = {"urls": [*value.urls], "username": value.username, "password": value.password}
            return {name: field for name, field in fields.items() if field is not None}
        case RegisterParams():
            params: dict[str, object] = {
                "to_uri": plain(value.to_uri),
                "to_display_name": value.to_display_name,
                "call_id": value.call_id,
                "cseq": value.cseq,
            }
            return {name: field for name, field in params.items() if field is not None}
        case URI():
            return str(value)
        case Mapping():
            return {str(key): plain(field) for key, field in value.items()}
        case list() | tuple():
            return [plain(item) for item in value]
        case None | bool() | int() | str():
            return value
        case float():
            return int(value) if value == int(value) else value
        case _:
            return getattr(value, "__qualname__", type(value).__qualname__)


def shown(parameter: Parameter, value: object) -> object:
    """Return what may be shown of a value, plain: secrets are ``***``."""
    if parameter.secret:
        return None if value is None else _HIDDEN
    if parameter.name in ("ws_headers", "extra_headers") and isinstance(value, tuple):
        return [_without_secret(line) for line in value]
    if parameter.name in ("turn_servers", "ice_servers") and isinstance(value, tuple):
        return [_hidden_password(plain(server)) for server in value]
    return plain(value)


def _without_secret(line: str) -> str:
    name = line.partition(":")[0]
    return f"{name}: {_HIDDEN}" if name.lower() in _SECRET_HEADERS else line


def _hidden_password(server: object) -> object:
    if isinstance(server, dict) and "password" in server:
        return {**server, "password": _HIDDEN}
    return server


_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def toml(value: object) -> str:
    """Return a plain value as TOML."""
    match value:
        case bool():
            return "true" if value else "false"
        case int() | float():
            return str(value)
        case Mapping():
            fields = ", ".join([f"{_key(str(key))} = {toml(field)}" for key, field in value.items()])
            return f"{{ {fields} }}" if fields else "{}"
        case list() | tuple():
            return "[" + ", ".join([toml(item) for item in value]) + "]"
        case _:
            # basic-unescaped and escape of TOML 1.0
            text = "" if value is None else str(value)
            characters = [_ESCAPES.get(c) or (c if c >= " " and c != "\x7f" else f"\\u{ord(c):04X}") for c in text]
            return '"' + "".join(characters) + '"'


def _key(key: str) -> str:
    bare = key.isascii() and key.replace("_", "").replace("-", "").isalnum()
    return key if bare else toml(key)


def template(config: Config | None = None) -> str:
    """Return a configuration file that names every parameter in a comment; what ``config`` sets is not one."""
    lines = [
        "# Configuration of sipcli. The lines that begin with # show each key and its default, or an example.",
        "# A flag wins over the environment (SIPCLI_ and the key in capitals), that over this file.",
        "",
        "[ua]",
    ]
    for group in GROUPS:
        lines += ["", f"## {group}"]
        for parameter in PARAMETERS:
            if parameter.group == group and not (parameter.python_only or parameter.per_run or parameter.no_effect):
                lines += ["", *_entry(parameter, config)]
    return "\n".join(lines) + "\n" + _PROFILE


def _entry(parameter: Parameter, config: Config | None) -> Iterator[str]:
    choices = f" One of: {', '.join(parameter.choices)}." if parameter.choices and not parameter.repeatable else ""
    yield f"# {parameter.help}{choices}"
    if config is not None and config.is_set(parameter.name):
        yield f"{parameter.key} = {toml(plain(getattr(config, parameter.name)))}"
    else:
        default = plain(parameter.default)
        value = parameter.kind.written if default is None or default == [] or default == {} else toml(default)
        yield f"# {parameter.key} = {value}"
