"""Parameters: what is declared of each, their names in every spelling, and the tables that group them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Literal, NamedTuple, Self

from sipcli.config.kinds import Kind

__all__ = [
    "GROUPS",
    "Group",
    "Opt",
    "Origin",
    "Parameter",
    "Parameters",
    "Problem",
    "Setting",
    "camel_case",
    "describe",
    "flatten",
    "nearest",
    "snake_case",
]

Group = Literal["Identity", "Registration", "Connection", "Security", "On the wire", "Incoming", "Output", "Calls"]
GROUPS: tuple[Group, ...] = (
    "Identity",
    "Connection",
    "Registration",
    "Security",
    "On the wire",
    "Incoming",
    "Output",
    "Calls",
)


# Tuples here and in kinds.py: a dataclass of this size costs six times as much to define, and every start pays for it.
class Opt(NamedTuple):
    """What is declared of a parameter beside its type; the class that declares it fills in name and default."""

    help: str
    """What it does, in a sentence."""
    kind: Kind
    """What values it takes."""
    group: Group
    """The heading it stands under."""
    names: tuple[str, ...] = ()
    """Other keys that mean the same, in snake_case."""
    flag_names: tuple[str, ...] = ()
    """Other flags, as keys."""
    command_flags: Mapping[str, str] = MappingProxyType({})
    """Further flags that one command alone has, by command."""
    short: str | None = None
    """The flag of one letter, with its dash."""
    singular: str | None = None
    """The flag of a list in the singular, as a key, when it is not the name without its s."""
    key: str = ""
    """The key in ``[ua]`` when it is not the name: a dotted key such as ``log.level``."""
    metavar: str = ""
    """What stands for the value in a usage line, when it is not what the kind says."""
    secret: bool = False
    """Whether the value is never shown."""
    per_run: bool = False
    """Whether a file may not hold it: it has to be asked for each time."""
    calls_only: bool = False
    """Whether it matters to calls alone."""
    no_effect: str | None = None
    """Why it is accepted and does nothing, if that is so."""
    python_only: bool = False
    """Whether it is a function or an object that no text can express."""
    flag: bool = True
    """Whether it has flags."""
    name: str = ""
    """In snake_case: the attribute of ``Config``."""
    default: object = None


class Parameter(Opt):
    """One parameter of the user agent, in all its spellings. ``key`` and ``metavar`` are filled in."""

    __slots__ = ()

    @property
    def type_name(self) -> str:
        """What values it takes, in words."""
        return self.kind.name

    @property
    def choices(self) -> tuple[str, ...]:
        """The words it takes, where there are only some."""
        return self.kind.choices

    @property
    def boolean(self) -> bool:
        """Whether its flags are ``--x`` and ``--no-x``."""
        return self.kind.boolean

    @property
    def repeatable(self) -> bool:
        """Whether it is a list, whose flag may be repeated."""
        return self.kind.many

    @property
    def aliases(self) -> tuple[str, ...]:
        """The other keys that mean the same: camelCase and those of other versions of SIP.js."""
        camel = camel_case(self.name)
        return (*((camel,) if camel != self.name else ()), *self.names)

    @property
    def flags(self) -> tuple[str, ...]:
        """The long flags that set it, with their dashes, the documented one first; of a list that is the singular."""
        if not self.flag:
            return ()
        singular = self.singular
        if singular is None and self.repeatable and self.name.endswith("s"):
            singular = self.name[:-1]
        names = [*((singular,) if singular else ()), self.name, *self.flag_names]
        return tuple(["--" + name.replace("_", "-") for name in dict.fromkeys(names)])

    @property
    def negative_flags(self) -> tuple[str, ...]:
        """The long flags that set a boolean to false."""
        return tuple(["--no-" + flag[2:] for flag in self.flags]) if self.boolean else ()

    @property
    def env(self) -> str | None:
        """The name of the environment variable, None when no text can express the value."""
        return None if self.python_only or self.kind.metavar == "TABLE" else "SIPCLI_" + self.name.upper()


OriginKind = Literal["default", "file", "profile", "env", "flag", "argument"]


class Origin(NamedTuple):
    """Where a value comes from; ``source`` names it: ``config.toml:12``, ``SIPCLI_URI``, ``--uri``."""

    kind: OriginKind
    source: str | None = None


class Setting(NamedTuple):
    """A value as it was given for a parameter, and the path of keys that leads to it."""

    parameter: Parameter
    value: object
    path: tuple[str | int, ...]


class Problem(NamedTuple):
    """Something wrong at a path of keys."""

    path: tuple[str | int, ...]
    text: str


class Parameters(tuple[Parameter, ...]):
    """Parameters in the order of their declaration, and by every name."""

    by_name: Mapping[str, Parameter]
    known: Mapping[str, str]
    """The parameter or table that a key in snake_case means."""

    @classmethod
    def declared(cls, annotations: Mapping[str, object], defaults: Mapping[str, object]) -> Self:
        """Return the parameters that a class declares as ``name: Annotated[type, Opt(…)] = default``."""
        self = cls(
            [
                Parameter._make(
                    opt._replace(
                        name=name,
                        default=defaults[name],
                        key=opt.key or name,
                        metavar=opt.metavar or opt.kind.metavar,
                    )
                )
                for name, annotation in annotations.items()
                for opt in getattr(annotation, "__metadata__", ())
            ]
        )
        self.by_name = {parameter.name: parameter for parameter in self}
        self.known = {name: name for name in (*self.by_name, *_TOP_TABLES)} | {
            alias: parameter.name for parameter in self for alias in parameter.names
        }
        return self


def camel_case(name: str) -> str:
    """Return the camelCase spelling of a key: ``ws_servers`` is ``wsServers``."""
    first, *rest = name.split("_")
    return first + "".join([word[:1].upper() + word[1:] for word in rest])


def snake_case(name: str) -> str:
    """Return the snake_case spelling of a key: ``wsServers`` is ``ws_servers``."""
    return "".join(["_" + c.lower() if "A" <= c <= "Z" else c for c in name])


# The tables of SIP.js and what their keys mean: a parameter, or a table in the table. Other keys of a table are the
# parameters of the same name that are listed for it.
_TABLES: dict[str, dict[str, str]] = {
    # A6 rows 81-83
    "log": {"builtin_enabled": "log_builtin_enabled", "level": "log_level", "connector": "log_connector"},
    # SIP.js 0.12: RegisterContext
    "register_options": {
        "expires": "register_expires",
        "registrar": "registrar_server",
        "params": "register_params",
        "extra_contact_header_params": "extra_contact_header_params",
        "extra_headers": "extra_headers",
        "instance_id": "instance_id",
        "reg_id": "reg_id",
        "refresh_frequency": "refresh_frequency",
    },
    # SIP.js 0.11 and later: Transport
    "transport_options": {
        "ws_servers": "ws_servers",
        "server": "ws_servers",
        "ws_server_max_reconnection": "ws_server_max_reconnection",
        "max_reconnection_attempts": "ws_server_max_reconnection",
        "ws_server_reconnection_timeout": "ws_server_reconnection_timeout",
        "reconnection_timeout": "ws_server_reconnection_timeout",
        "connection_timeout": "connection_timeout",
        "connection_recovery_min_interval": "connection_recovery_min_interval",
        "connection_recovery_max_interval": "connection_recovery_max_interval",
        "keep_alive_interval": "keep_alive_interval",
        "keep_alive_debounce": "keep_alive_debounce",
        "trace_sip": "trace_sip",
    },
    # A6 row 92
    "session_description_handler_factory_options": {
        "constraints": "media_constraints",
        "peer_connection_options": "peer_connection_options",
        "rtc_configuration": "rtc_configuration",
        "ice_checking_timeout": "ice_checking_timeout",
        "ice_gathering_timeout": "ice_checking_timeout",
        "ice_servers": "ice_servers",
        "ice_transport_policy": "ice_transport_policy",
        "bundle_policy": "bundle_policy",
        "rtcp_mux_policy": "rtcp_mux_policy",
        "codecs": "codecs",
    },
    "peer_connection_options": {
        "ice_checking_timeout": "ice_checking_timeout",
        "rtc_configuration": "rtc_configuration",
    },
    "rtc_configuration": {
        "ice_servers": "ice_servers",
        "ice_transport_policy": "ice_transport_policy",
        "bundle_policy": "bundle_policy",
        "rtcp_mux_policy": "rtcp_mux_policy",
    },
}
_TOP_TABLES = ("log", "register_options", "transport_options", "session_description_handler_factory_options")


def describe(path: Iterable[str | int]) -> str:
    """Return a path of keys as text: ``ws_servers[1].weight``."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def nearest(word: str, words: Iterable[str]) -> str | None:
    """Return the word of ``words`` that ``word`` most likely stands for."""
    import difflib

    spellings = {known.lower(): known for known in words}
    found = difflib.get_close_matches(word.lower(), spellings, n=1, cutoff=0.6)
    return spellings[found[0]] if found else None


def flatten(
    values: Mapping[str, object], parameters: Parameters, at: tuple[str | int, ...] = ()
) -> tuple[list[Setting], list[Problem]]:
    """Return what a table of keys in any spelling says of which parameter, and what is wrong with its keys."""
    settings: dict[str, Setting] = {}
    problems: list[Problem] = []
    for name, value, path in _walk(values, parameters.known, at, problems):
        earlier = settings.get(name)
        if earlier is not None:
            problems.append(Problem(path, f"{describe(earlier.path[len(at) :])} has set the same parameter already"))
        else:
            settings[name] = Setting(parameters.by_name[name], value, path)
    return list(settings.values()), problems


def _walk(
    values: Mapping[str, object], known: Mapping[str, str], at: tuple[str | int, ...], problems: list[Problem]
) -> Iterator[tuple[str, object, tuple[str | int, ...]]]:
    for key, value in values.items():
        path = (*at, key)
        name = known.get(key) or known.get(snake_case(key))
        if name is None:
            problems.append(Problem(path, _unknown(key, known)))
        elif name not in _TABLES:
            yield name, value, path
        elif isinstance(value, Mapping):
            yield from _walk(value, _TABLES[name], path, problems)
        elif value is not None:
            problems.append(Problem(path, "expected a table"))


def _unknown(key: str, known: Mapping[str, str]) -> str:
    # A camelCase typist is answered in camelCase.
    camel = snake_case(key) != key
    guess = nearest(snake_case(key), known)
    if guess is None:
        return "unknown key"
    return f'unknown key, did you mean "{camel_case(guess) if camel else guess}"?'
