"""The list of parameters: what everything else is generated from."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import sipcli
from sipcli.config import GROUPS, PARAMETERS, Config
from sipcli.config.kinds import is_default
from sipcli.config.options import camel_case, snake_case
from sipcli.config.writing import plain

BY_NAME = {parameter.name: parameter for parameter in PARAMETERS}


def test_flags_are_unique() -> None:
    flags = [flag for parameter in PARAMETERS for flag in (*parameter.flags, *parameter.negative_flags)]
    flags += [parameter.short for parameter in PARAMETERS if parameter.short]
    assert len(flags) == len(set(flags))


def test_keys_are_unique() -> None:
    keys = [key for parameter in PARAMETERS for key in (parameter.name, *parameter.aliases)]
    assert len(keys) == len(set(keys))


@pytest.mark.parametrize("parameter", PARAMETERS, ids=lambda parameter: parameter.name)
def test_declaration(parameter: Any) -> None:
    """Each has a sentence of help, a group, a default that is in normal form, and one spelling per style."""
    assert parameter.help.endswith(".")
    assert parameter.group in GROUPS
    assert parameter.metavar
    assert snake_case(camel_case(parameter.name)) == parameter.name
    if not is_default(parameter.default):
        assert parameter.kind.read(plain(parameter.default)) == parameter.default
    if parameter.python_only:
        assert not parameter.flags
        assert parameter.env is None
    if parameter.flags:
        assert parameter.env == "SIPCLI_" + parameter.name.upper()


@pytest.mark.parametrize(
    ("name", "flags"),
    [
        ("uri", ("--uri",)),
        ("ws_servers", ("--ws-server", "--ws-servers")),
        ("stun_servers", ("--stun-server", "--stun-servers")),
        ("turn_servers", ("--turn-server", "--turn-servers")),
        ("ws_headers", ("--ws-header", "--ws-headers")),
        ("codecs", ("--codec", "--codecs")),
        ("auth_algorithms", ("--auth-algorithm", "--auth-algorithms")),
        ("authorization_user", ("--authorization-user", "--auth-user")),
        ("authorization_ha1", ("--authorization-ha1", "--ha1")),
        ("registrar_server", ("--registrar-server", "--registrar")),
        ("user_agent_string", ("--user-agent-string", "--user-agent")),
        ("connection_timeout", ("--connection-timeout", "--connect-timeout")),
        ("log_level", ("--log-level",)),
        ("log_connector", ()),
        (
            "extra_contact_header_params",
            ("--extra-contact-header-param", "--extra-contact-header-params", "--contact-param"),
        ),
    ],
)
def test_flags(name: str, flags: tuple[str, ...]) -> None:
    """Lists in the singular and the plural; the aliases of PARAMETERS.md."""
    assert BY_NAME[name].flags == flags


def test_boolean_flags() -> None:
    assert BY_NAME["register"].boolean
    assert BY_NAME["register"].negative_flags == ("--no-register",)
    assert BY_NAME["proxy"].negative_flags == ("--no-proxy",)
    assert not BY_NAME["hack_ip_in_contact"].boolean
    assert BY_NAME["hack_ip_in_contact"].negative_flags == ()


def test_short_flags() -> None:
    shorts = {parameter.name: parameter.short for parameter in PARAMETERS if parameter.short}
    assert shorts == {"uri": "-u", "ws_servers": "-s", "trace_sip": "-t"}


def test_expires_is_a_flag_of_register() -> None:
    """Row 59."""
    assert BY_NAME["register_expires"].command_flags == {"register": "--expires"}


def test_choices() -> None:
    assert BY_NAME["keep_alive"].choices == ("ping", "crlf", "options", "none")
    assert BY_NAME["keep_alive"].metavar == "ping|crlf|options|none"


def test_secrets() -> None:
    assert {parameter.name for parameter in PARAMETERS if parameter.secret} == {
        "password",
        "authorization_ha1",
        "turn_password",
    }


DOCUMENTED = """
    uri wsServers allowLegacyNotifications allowOutOfDialogRefers authenticationFactory authorizationUser autostart
    connectionRecoveryMaxInterval connectionRecoveryMinInterval displayName dtmfType hackIpInContact hackViaTcp
    hackWssInTransport instanceId log noAnswerTimeout password register registerExpires registrarServer rel100
    replaces sessionDescriptionHandlerFactory sessionDescriptionHandlerFactoryOptions stunServers traceSip
    turnServers usePreloadedRoute userAgentString wsServerMaxReconnection wsServerReconnectionTimeout
    registerOptions transportOptions keepAliveInterval keepAliveDebounce connectionTimeout contactName
    contactTransport forceRport extraSupported hackAllowUnregisteredOptionTags hackCleanJitsiSdpImageattr
    hackStripTcp iceCheckingTimeout rtcpMuxPolicy autostop custom authorizationHa1 preloadedRouteSet
    gracefulShutdown sendInitialProvisionalResponse refreshFrequency optionsPingInterval
"""


@pytest.mark.parametrize("name", DOCUMENTED.split())
def test_every_parameter_of_the_seeds_is_there(name: str) -> None:
    """Rows 58 to 100, in both spellings."""
    Config(**{name: None})
    Config(**{snake_case(name): None})


def test_imports_little() -> None:
    """The start pays for no TOML reader, no word matching and no click."""
    code = (
        "import sys, sipcli.config; sipcli.config.load(environ={'HOME': '/nonexistent'});"
        "print(*{'tomllib', 'difflib', 'click', 'shlex', 'pathlib', 'asyncio', 'json'} & set(sys.modules))"
    )
    environ = {**os.environ, "PYTHONPATH": str(Path(sipcli.__file__).parent.parent)}
    done = subprocess.run([sys.executable, "-S", "-c", code], capture_output=True, text=True, check=True, env=environ)
    assert done.stdout.split() == []
