"""Every form, unit and default of the parameters: one row of PARAMETERS.md A5 and A6 at a time."""

from __future__ import annotations

import math
from typing import Any

import pytest

from sipcli.config import PARAMETERS, Config
from sipcli.config.servers import IceServer
from sipcli.sip.errors import ConfigError
from sipcli.sip.settings import RegisterParams, Server, Settings
from sipcli.sip.uri import URI

UUID = "8f1fa16a-1165-4a96-8341-785b1ef24f12"
ALICE = URI(scheme="sip", user="alice", host="example.com")


def problem_of(**values: object) -> str:
    """Return what is wrong with a configuration."""
    with pytest.raises(ConfigError) as caught:
        Config(**values)
    assert not caught.value.from_flag
    return str(caught.value)


def test_config_is_settings() -> None:
    """The core takes a Config for its Settings: mypy checks the types, this the names."""
    settings: Settings = Config()
    for name in dir(Settings):
        if not name.startswith("_"):
            assert hasattr(settings, name)


def test_row_1_nothing_configured() -> None:
    """No parameter is mandatory, and no server is dialled that nobody named."""
    config = Config()
    assert config.uri is None
    assert config.ws_servers == ()
    assert config.stun_servers == ()
    assert config.turn_servers == ()
    assert config.ice_servers == ()


def test_row_2_string_is_the_uri() -> None:
    assert Config(uri="alice@example.com").uri == ALICE


@pytest.mark.parametrize("value", [None, "", [], (), {}, math.nan])
@pytest.mark.parametrize("parameter", PARAMETERS, ids=lambda parameter: parameter.name)
def test_row_3_empty_means_default(parameter: Any, value: object) -> None:
    """null, "", [] and NaN mean the default, for every parameter (SIP.js)."""
    assert getattr(Config(**{parameter.name: value}), parameter.name) == parameter.default


def test_row_3_bad_values_are_all_reported() -> None:
    assert problem_of(register_expires="ten", wsServers="x", hackViaTcp="perhaps").splitlines() == [
        'register_expires: expected whole seconds, got: "ten"',
        'wsServers: expected a ws:// or wss:// URL such as "wss://edge.example.com", got: "x"',
        'hackViaTcp: expected true or false, got: "perhaps"',
    ]


@pytest.mark.parametrize(
    ("key", "guess"),
    [
        ("ws_server", "ws_servers"),
        ("wsServer", "wsServers"),
        ("registerExpire", "registerExpires"),
        ("displayname", "display_name"),
        ("hack_ip_contact", "hack_ip_in_contact"),
    ],
)
def test_row_3_unknown_key(key: str, guess: str) -> None:
    """An unknown key is answered with the nearest one, in the spelling of the typist."""
    assert problem_of(**{key: "x"}) == f'{key}: unknown key, did you mean "{guess}"?'


def test_row_3_hopeless_key() -> None:
    assert problem_of(qqqqqq=1) == "qqqqqq: unknown key"


# A5: register_options


def test_row_58_register_options() -> None:
    config = Config(
        registerOptions={
            "expires": 300,
            "extraContactHeaderParams": ["foo= bar"],
            "instanceId": f"uuid:{UUID}",
            "regId": 2,
            "registrar": "sip:registrar.example.com",
            "params": {"toUri": "sip:other@example.com", "to_displayName": "Other", "call_id": "c@x", "cseq": 7},
        }
    )
    assert config.register_expires == 300
    assert config.extra_contact_header_params == ("foo= bar",)
    assert config.instance_id == UUID
    assert config.reg_id == 2
    assert config.registrar_server == URI(scheme="sip", host="registrar.example.com")
    assert config.register_params == RegisterParams(
        to_uri=URI(scheme="sip", user="other", host="example.com"), to_display_name="Other", call_id="c@x", cseq=7
    )


def test_row_58_only_a_table() -> None:
    assert problem_of(register_options="x") == "register_options: expected a table"


def test_row_59_one_value_by_two_names() -> None:
    """``expires`` and ``register_expires`` are the same parameter: setting both is a mistake, not a race."""
    assert "register_expires has set the same parameter" in problem_of(
        register_expires=300, register_options={"expires": 400}
    )


@pytest.mark.parametrize("text", ["foo=bar", ";foo=bar", "foo", 'foo="a b"', "foo= bar"])
def test_row_60_contact_params(text: str) -> None:
    assert Config(extra_contact_header_params=text).extra_contact_header_params == (text.removeprefix(";"),)


@pytest.mark.parametrize("text", ["=x", 'foo="a', "foo=a\r\nEvil: 1", "foo=a,b", "foo=>", 'foo="', "a b=c"])
def test_row_60_bad_contact_params(text: str) -> None:
    assert problem_of(extra_contact_header_params=[text]).startswith("extra_contact_header_params: expected a Contact")


@pytest.mark.parametrize("text", [UUID, f"uuid:{UUID}", UUID.upper(), f"urn:uuid:{UUID}"])
def test_row_61_and_80_instance_id(text: str) -> None:
    assert Config(instanceId=text).instance_id == UUID


@pytest.mark.parametrize("text", ["x", UUID[:-1], UUID.replace("-", ""), UUID[:-1] + "g"])
def test_row_61_bad_instance_id(text: str) -> None:
    assert "expected a UUID" in problem_of(instance_id=text)


def test_row_62_params_are_checked() -> None:
    assert problem_of(register_options={"params": {"cseq": -1}}) == (
        "register_options.params.cseq: expected a whole number of 0 or more, got: -1"
    )
    assert "register_options.params.toUr: expected a table of" in problem_of(register_options={"params": {"toUr": 1}})
    assert problem_of(register_params=5).startswith("register_params: expected a table of")
    assert "expected a Call-ID" in problem_of(register_options={"params": {"call_id": "a b"}})


@pytest.mark.parametrize("value", [0, 1, 17])
def test_row_63_reg_id(value: int) -> None:
    assert Config(reg_id=value).reg_id == value


def test_row_63_default_reg_id() -> None:
    """Instance and reg-id 1, as SIP.js 0.6 to 0.11 sent them."""
    assert Config().reg_id == 1


@pytest.mark.parametrize("value", ["sip:registrar.example.com", "registrar.example.com", "SIP:registrar.example.com"])
@pytest.mark.parametrize("key", ["registrar", "registrar_server", "registrarServer"])
def test_row_64_and_88_registrar(key: str, value: str) -> None:
    assert Config(**{key: value}).registrar_server == URI(scheme="sip", host="registrar.example.com")


@pytest.mark.parametrize("value", ["sip:alice@example.com", "sips:example.com", "http://example.com", "a b"])
def test_row_64_registrar_without_user(value: str) -> None:
    assert problem_of(registrar_server=value).startswith("registrar_server: expected a SIP URI without a user")


# A6: the UA parameters


@pytest.mark.parametrize(
    "text",
    [
        "alice@example.com",
        "sip:alice@example.com",
        "<sip:alice@example.com>",
        "SIP:alice@example.com",
        " alice@example.com ",
    ],
)
def test_row_66_uri(text: str) -> None:
    config = Config(uri=text)
    assert config.uri == ALICE
    assert config.display_name is None


@pytest.mark.parametrize(
    "text", ['"Alice" <sip:alice@example.com>', "Alice <sip:alice@example.com>", '"Alice"<alice@example.com>']
)
def test_row_66_uri_with_name(text: str) -> None:
    config = Config(uri=text)
    assert config.uri == ALICE
    assert config.display_name == "Alice"
    assert Config(uri=text, display_name="Bob").display_name == "Bob"


def test_row_66_uri_as_an_object() -> None:
    assert Config(uri=ALICE).uri == ALICE
    assert Config(registrar=URI(scheme="sip", host="example.com")).registrar_server == URI(
        scheme="sip", host="example.com"
    )
    params = RegisterParams(cseq=5)
    assert Config(register_params=params).register_params is params
    assert Config(register_params={"to_uri": ALICE, "call_id": None}).register_params == RegisterParams(to_uri=ALICE)
    assert Config(ws_servers=[EDGE]).ws_servers == (EDGE,)
    server = IceServer(("turn:t",))
    assert Config(turn_servers=server).turn_servers == (server,)


def test_row_66_name_with_escapes() -> None:
    assert Config(uri='"A \\"B\\" ¶" <sip:alice@example.com>').display_name == 'A "B" ¶'


def test_row_66_user_in_another_script() -> None:
    uri = Config(uri="josé@example.com").uri
    assert uri is not None
    assert uri.user == "jos%C3%A9"


@pytest.mark.parametrize(
    "text",
    [
        "alice",
        "sip:example.com",
        "sips:alice@example.com",
        "tel:+15551234",
        "http://example.com",
        "alice@",
        "@example.com",
        "alice@example.com:99999999",
        "a b@example.com",
        "alice@example.com?Subject=x",
        "sip:",
        "<sip:alice@example.com",
        '"Alice" x <sip:alice@example.com>',
        '"Alice <sip:alice@example.com>',
        5,
        "alice\r\n@example.com",
    ],
)
def test_row_66_bad_uri(text: object) -> None:
    assert problem_of(uri=text).startswith("uri: expected a SIP URI with a user")


def test_row_66_password_in_uri_is_not_shown() -> None:
    message = problem_of(uri="alice:canary@example.com")
    assert "canary" not in message
    assert "password_file" in message


EDGE = Server("wss://edge.example.com", True, "edge.example.com", 443, explicit_port=False)


@pytest.mark.parametrize(
    ("value", "servers"),
    [
        ("wss://edge.example.com", [EDGE]),
        (["wss://edge.example.com"], [EDGE]),
        (
            ["ws://a.example.com:8443/sip?KEY=1234", {"ws_uri": "wss://edge.example.com", "weight": 10}],
            [
                Server("ws://a.example.com:8443/sip?KEY=1234", False, "a.example.com", 8443),
                Server("wss://edge.example.com", True, "edge.example.com", 443, 10, explicit_port=False),
            ],
        ),
        (
            {"wsUri": "ws://a", "weight": 1},
            [Server("ws://a", False, "a", 80, 1, explicit_port=False)],
        ),
        ("ws://a;weight=7", [Server("ws://a", False, "a", 80, 7, explicit_port=False)]),
        ("ws://a/x;y?z;weight=7", [Server("ws://a/x;y?z", False, "a", 80, 7, explicit_port=False)]),
        ("WSS://[2001:DB8::1]:443/", [Server("wss://[2001:DB8::1]:443/", True, "2001:db8::1", 443)]),
        (
            "ws://bücher.example",
            [Server("ws://xn--bcher-kva.example", False, "xn--bcher-kva.example", 80, explicit_port=False)],
        ),
        ([{"ws_uri": "ws://a"}], [Server("ws://a", False, "a", 80, explicit_port=False)]),
    ],
)
@pytest.mark.parametrize("key", ["ws_servers", "wsServers"])
def test_row_67_forms(key: str, value: object, servers: list[Server]) -> None:
    """String, list, tables, and lists of both; path and query are part of the URL."""
    assert list(Config(**{key: value}).ws_servers) == servers


@pytest.mark.parametrize(
    "url",
    [
        "edge.example.com",
        "http://edge.example.com",
        "ws://",
        "ws:///path",
        "ws://a:0",
        "ws://a:65536",
        "ws://a:x",
        "ws://a b",
        "ws://a/b c",
        "ws://a/#f",
        "ws://a/ü",
        "ws://a\r\nEvil: 1",
        "ws://[::1",
        "ws://a:٣",
        "ws://..\u3002",
        5,
        {"weight": 1},
        {"ws_uri": "ws://a", "weight": "heavy"},
        {"ws_uri": "ws://a", "wait": 1},
        {"ws_uri": "ws://a", "wsUri": "ws://a"},
        "ws://a;weight=x",
    ],
)
def test_row_67_bad_servers(url: object) -> None:
    message = problem_of(ws_servers=["ws://good", url])
    assert message.startswith("ws_servers[1]")
    assert ": expected " in message


def test_row_67_password_in_url_is_refused_and_not_shown() -> None:
    message = problem_of(ws_servers="ws://user:canary@host/")
    assert "canary" not in message
    assert "without user and password" in message


BOOLEANS = {
    "allow_legacy_notifications": (68, False),
    "allow_out_of_dialog_refers": (69, False),
    "autostart": (72, True),
    "hack_via_tcp": (78, False),
    "hack_wss_in_transport": (79, False),
    "register": (86, True),
    "trace_sip": (95, False),
    "use_preloaded_route": (96, False),
    "force_rport": (100, False),
    "hack_allow_unregistered_option_tags": (100, False),
    "hack_clean_jitsi_sdp_imageattr": (100, False),
    "hack_strip_tcp": (100, False),
    "autostop": (100, True),
    "graceful_shutdown": (100, True),
    "send_initial_provisional_response": (100, True),
}


@pytest.mark.parametrize("name", BOOLEANS, ids=lambda name: f"row_{BOOLEANS[name][0]}_{name}")
def test_booleans(name: str) -> None:
    assert getattr(Config(), name) is BOOLEANS[name][1]
    assert getattr(Config(**{name: True}), name) is True
    assert getattr(Config(**{name: False}), name) is False
    for wrong in (1, 0, "true", "no"):
        assert problem_of(**{name: wrong}).startswith(f"{name}: expected true or false, got: ")


# name: row, default, least, greatest or None, and whether only whole numbers do
NUMBERS: dict[str, tuple[int, float | None, float, float | None, bool]] = {
    "connection_recovery_max_interval": (73, 30, 2, None, False),
    "connection_recovery_min_interval": (74, 2, 0.1, 30, False),
    "dtmf_duration": (76, 100, 70, 6000, True),
    "dtmf_gap": (76, 500, 50, None, True),
    "no_answer_timeout": (84, 60, 0.1, None, False),
    "no_answer_code": (84, 408, 400, 699, True),
    "register_expires": (87, 600, 1, None, True),
    "refresh_frequency": (87, None, 50, 99, True),
    "ws_server_max_reconnection": (98, 3, 0, None, True),
    "ws_server_reconnection_timeout": (99, 4, 0, None, False),
    "keep_alive_interval": (100, 25, 0, None, False),
    "keep_alive_debounce": (100, 10, 0.1, None, False),
    "connection_timeout": (100, 5, 0.1, None, False),
    "ice_checking_timeout": (100, 2000, 1, None, False),
    "options_ping_interval": (100, None, 0.1, None, False),
    "reg_id": (63, 1, 0, None, True),
    "session_expires": (89, 1800, 90, None, True),
    "transaction_timeout": (56, 32, 0.1, None, False),
    "stop_timeout": (5, 2, 0, None, False),
    "rtp_timeout": (92, 10, 0, None, False),
    "follow_redirects": (22, 0, 0, 70, True),
}


@pytest.mark.parametrize("name", NUMBERS, ids=lambda name: f"row_{NUMBERS[name][0]}_{name}")
def test_numbers(name: str) -> None:
    _, default, least, greatest, whole = NUMBERS[name]
    assert getattr(Config(), name) == default
    assert getattr(Config(**{name: least}), name) == least
    wrong: list[object] = [-1, "ten", "5", True, [1, 2], {"a": 1}, 1e300, math.inf]
    if least > 0:
        wrong.append(0)
    if whole:
        wrong.append(100.5)
    if greatest is not None:
        assert getattr(Config(**{name: greatest}), name) == greatest
        wrong.append(greatest + 1)
    for value in wrong:
        assert problem_of(**{name: value}).startswith(f"{name}: expected ")


def test_whole_floats_are_whole() -> None:
    """JavaScript knows no difference between 600.0 and 600."""
    config = Config(register_expires=600.0)
    assert config.register_expires == 600
    assert isinstance(config.register_expires, int)


@pytest.mark.parametrize("key", ["authorization_user", "authorizationUser", "auth_user", "authorizationUsername"])
def test_row_71_authorization_user(key: str) -> None:
    assert Config(**{key: "alice123"}).authorization_user == "alice123"


def test_row_70_authentication_factory() -> None:
    assert Config(authenticationFactory=dict).authentication_factory is dict
    assert problem_of(authentication_factory="x").startswith("authentication_factory: expected a function")


def test_row_73_maximum_not_under_minimum() -> None:
    assert problem_of(connectionRecoveryMinInterval=60) == (
        "connection_recovery_min_interval: expected at most connection_recovery_max_interval (30), got: 60"
    )
    assert problem_of(connectionRecoveryMinInterval=4, connectionRecoveryMaxInterval=3) == (
        "connection_recovery_max_interval: expected at least connection_recovery_min_interval (4), got: 3"
    )
    assert Config(connectionRecoveryMinInterval=60, connectionRecoveryMaxInterval=60)


@pytest.mark.parametrize("name", ["Alice ¶€ĸøĸø", 'the "A"', "back\\slash", "<Alice>"])
def test_row_75_display_name(name: str) -> None:
    assert Config(displayName=name).display_name == name


def test_row_75_one_line() -> None:
    assert problem_of(display_name="a\r\nVia: b") == 'display_name: expected text on one line, got: "a\\r\\nVia: b"'


@pytest.mark.parametrize("value", ["info", "rtp", "INFO"])
def test_row_76_dtmf_type(value: str) -> None:
    assert Config().dtmf_type == "info"
    assert Config(dtmfType=value).dtmf_type == value.lower()
    assert problem_of(dtmfType="tone") == 'dtmfType: expected "info" or "rtp", got: "tone"'


@pytest.mark.parametrize(
    ("value", "normal"),
    [
        (True, True),
        (False, False),
        ("192.0.2.7", "192.0.2.7"),
        ("[::1]", "[::1]"),
        ("true", True),
        ("a.example", "a.example"),
    ],
)
def test_row_77_hack_ip_in_contact(value: object, normal: object) -> None:
    assert Config(hackIpInContact=value).hack_ip_in_contact == normal


@pytest.mark.parametrize("value", [5, "a b", "a@b", "a:5060"])
def test_row_77_bad_host(value: object) -> None:
    assert problem_of(hack_ip_in_contact=value).startswith("hack_ip_in_contact: expected true, false or a host, got: ")


def test_row_81_log_builtin_enabled() -> None:
    assert Config().log.builtin_enabled is True
    assert Config(log={"builtinEnabled": False}).log_builtin_enabled is False
    assert Config(logBuiltinEnabled=False).log.builtin_enabled is False


@pytest.mark.parametrize(
    ("value", "level"),
    [
        (0, 0),
        (1, 1),
        (2, 2),
        (3, 3),
        (4, 3),
        (99, 3),
        ("error", 0),
        ("warn", 1),
        ("log", 2),
        ("debug", 3),
        ("DEBUG", 3),
    ],
)
def test_row_82_log_level(value: object, level: int) -> None:
    assert Config().log.level == 2
    assert Config(log={"level": value}).log.level == level
    assert Config(logLevel=value).log_level == level


@pytest.mark.parametrize("value", ["loud", -1, True])
def test_row_82_bad_level(value: object) -> None:
    assert problem_of(log={"level": value}).startswith("log.level: expected 0 to 3, or ")


def test_row_83_log_connector() -> None:
    def connector(level: str, category: str, label: str | None, content: str) -> None: ...

    assert Config(log={"connector": connector}).log.connector is connector
    assert (
        problem_of(log={"connector": 1}) == "log.connector: expected a function; it can only be set from Python, got: 1"
    )


def test_row_84_default_is_60() -> None:
    assert Config().no_answer_timeout == 60
    assert Config(no_answer_timeout=12).no_answer_timeout == 12


def test_row_85_password() -> None:
    """A password is kept and never shown: not in repr, not in an error."""
    config = Config(password="canary", authorization_ha1="0" * 32, turn_password="canary")
    assert config.password == "canary"
    assert "canary" not in repr(config)
    assert "0" * 32 not in repr(config)
    for name in ("password", "turn_password", "authorization_ha1"):
        assert "canary" not in problem_of(**{name: "canary\n"})
        assert "canary" not in problem_of(**{name: ["canary", "x"]})


@pytest.mark.parametrize("value", ["none", "supported", "required"])
def test_row_89_rel100(value: str) -> None:
    assert Config().rel100 == "none"
    assert Config(rel100=value).rel100 == value
    assert Config(rel100="UNSUPPORTED").rel100 == "none"
    assert problem_of(rel100="yes") == 'rel100: expected "none", "supported" or "required", got: "yes"'


def test_row_90_replaces() -> None:
    assert Config().replaces == "none"
    assert Config(replaces="supported").replaces == "supported"
    assert "replaces: expected" in problem_of(replaces="required")


def test_row_91_session_description_handler_factory() -> None:
    assert Config(sessionDescriptionHandlerFactory=dict).session_description_handler_factory is dict
    assert "a function" in problem_of(session_description_handler_factory=1)


def test_row_92_session_description_handler_factory_options() -> None:
    config = Config(
        sessionDescriptionHandlerFactoryOptions={
            "constraints": {"audio": True, "video": False},
            "codecs": ["opus", "PCMU"],
            "bundlePolicy": "max-bundle",
            "peerConnectionOptions": {
                "iceCheckingTimeout": 5000,
                "rtcConfiguration": {
                    "iceServers": [
                        {"urls": "stun:stun.example.com"},
                        {"urls": "turn:t", "username": "u", "credential": "p"},
                    ],
                    "iceTransportPolicy": "relay",
                    "rtcpMuxPolicy": "negotiate",
                },
            },
        }
    )
    assert config.media_constraints == {"audio": True, "video": False}
    assert config.codecs == ("opus", "PCMU")
    assert config.ice_checking_timeout == 5000
    assert config.ice_servers == (IceServer(("stun:stun.example.com",)), IceServer(("turn:t",), "u", "p"))
    assert config.ice_transport_policy == "relay"
    assert config.rtcp_mux_policy == "negotiate"
    assert config.bundle_policy == "max-bundle"


@pytest.mark.parametrize(
    ("value", "servers"),
    [
        ("stun:example.org", ("stun:example.org",)),
        ("example.org", ("stun:example.org",)),
        (["stun:example.org", "stuns:example.org"], ("stun:example.org", "stuns:example.org")),
        (["stun:example.org:8000"], ("stun:example.org:8000",)),
        ([], ()),
    ],
)
def test_row_93_stun_servers(value: object, servers: tuple[str, ...]) -> None:
    assert Config(stunServers=value).stun_servers == servers


@pytest.mark.parametrize("value", ["stun:", "stun:a:0", "stun:a b", "stun:a?transport=udp", 5, ["stun:a", "turn:@"]])
def test_row_93_bad_stun_servers(value: object) -> None:
    assert problem_of(stun_servers=value).startswith("stun_servers")


@pytest.mark.parametrize(
    ("value", "servers"),
    [
        (
            {"urls": "turn:exam.org", "username": "alice", "password": "racecar"},
            [IceServer(("turn:exam.org",), "alice", "racecar")],
        ),
        (
            {"urls": ["turn:exam.org", "turns:exam.org"], "username": "Al", "password": "yo"},
            [IceServer(("turn:exam.org", "turns:exam.org"), "Al", "yo")],
        ),
        (
            [
                {"urls": "turn:exam.org", "username": "alice", "password": "racecar"},
                {"server": "turn:exam.org?transport=udp", "username": "bob", "password": "dog"},
            ],
            [
                IceServer(("turn:exam.org",), "alice", "racecar"),
                IceServer(("turn:exam.org?transport=udp",), "bob", "dog"),
            ],
        ),
        ("turn:user@host?transport=tcp", [IceServer(("turn:host?transport=tcp",), "user")]),
        ("turn:host:3478", [IceServer(("turn:host:3478",))]),
    ],
)
def test_row_94_turn_servers(value: object, servers: list[IceServer]) -> None:
    assert list(Config(turnServers=value).turn_servers) == servers


@pytest.mark.parametrize(
    "value",
    [
        "stun:a",
        "host",
        "turn:a?transport=sctp",
        {"username": "x"},
        {"urls": ["turn:a", "stun:b"]},
        {"urls": "turn:a", "user": "x"},
        {"urls": "turn:a", "password": 5},
        5,
    ],
)
def test_row_94_every_entry_is_checked(value: object) -> None:
    assert problem_of(turn_servers=["turn:good", value]).startswith("turn_servers[1]")


def test_row_94_password_is_not_shown() -> None:
    config = Config(turn_servers={"urls": "turn:a", "username": "u", "password": "canary"})
    assert "canary" not in repr(config)
    assert "canary" not in problem_of(turn_servers="turn:u:canary@host")


@pytest.mark.parametrize("value", ["myAwesomeApp", "+ plus/1"])
@pytest.mark.parametrize("key", ["user_agent_string", "userAgentString", "user_agent"])
def test_row_97_user_agent_string(key: str, value: str) -> None:
    assert Config(**{key: value}).user_agent_string == value


@pytest.mark.parametrize(("key", "value"), [("contactName", "alice1"), ("contactTransport", "tcp")])
def test_row_100_contact(key: str, value: str) -> None:
    config = Config(**{key: value})
    assert value in (config.contact_name, config.contact_transport)
    for wrong in ("a@b", "a\n", 5):
        assert problem_of(**{key: wrong}).startswith(f"{key}: expected a ")


def test_row_100_extra_supported() -> None:
    assert Config(extraSupported=["a", "b"]).extra_supported == ("a", "b")
    assert "extra_supported[1]: expected a word" in problem_of(extra_supported=["a", "b c"])


def test_row_100_preloaded_route_set() -> None:
    config = Config(preloadedRouteSet=["<sip:p1.example.com;lr>", "sip:p2.example.com;lr"])
    assert config.preloaded_route_set == ("<sip:p1.example.com;lr>", "<sip:p2.example.com;lr>")
    for wrong in ("http://x", "tel:+1555", "<sip:", "x", 5):
        assert "preloaded_route_set: expected a route" in problem_of(preloaded_route_set=wrong)


@pytest.mark.parametrize(
    "value", ["0" * 32, "A" * 64, "SHA-512-256:" + "1" * 64, "md5:" + "2" * 32], ids=lambda value: value[:12]
)
def test_row_100_authorization_ha1(value: str) -> None:
    ha1 = Config(authorizationHa1=value).authorization_ha1
    assert ha1 is not None
    assert ha1.lower() == value.lower()


@pytest.mark.parametrize("value", ["0" * 31, "x" * 32, "MD5:" + "1" * 64, "CRC:" + "1" * 32])
def test_row_100_bad_ha1(value: str) -> None:
    message = problem_of(authorization_ha1=value)
    assert value not in message


def test_row_100_options_ping_interval() -> None:
    """SIP.js 0.21: the interval of OPTIONS requests makes them the keep-alive."""
    config = Config(optionsPingInterval=7)
    assert (config.keep_alive, config.keep_alive_interval) == ("options", 7)
    assert Config(optionsPingInterval=7, keep_alive="crlf").keep_alive == "crlf"


def test_row_100_no_keep_alive() -> None:
    """SIP.js: an interval of 0 is no keep-alive."""
    assert Config(keepAliveInterval=0).keep_alive == "none"


def test_row_100_custom() -> None:
    assert Config(custom={"anything": [1]}).custom == {"anything": [1]}
    assert problem_of(custom=5) == "custom: expected a table, got: 5"


def test_transport_options() -> None:
    """SIP.js 0.11 and later keep these in a table of their own."""
    config = Config(
        transportOptions={
            "wsServers": ["wss://edge.example.com"],
            "maxReconnectionAttempts": 5,
            "reconnectionTimeout": 6,
            "connectionTimeout": 7,
            "keepAliveInterval": 8,
            "keepAliveDebounce": 9,
            "traceSip": True,
        }
    )
    assert config.ws_servers == (EDGE,)
    assert (config.ws_server_max_reconnection, config.ws_server_reconnection_timeout) == (5, 6)
    assert (config.connection_timeout, config.keep_alive_interval, config.keep_alive_debounce) == (7, 8, 9)
    assert config.trace_sip
    assert Config(transport_options={"server": "wss://edge.example.com"}).ws_servers == (EDGE,)


def test_auth_algorithms() -> None:
    assert Config().auth_algorithms == ("SHA-512-256", "SHA-256", "MD5")
    assert Config(auth_algorithms=["sha-256", "SHA-256"]).auth_algorithms == ("SHA-256",)
    assert "expected SHA-512-256, SHA-256 or MD5" in problem_of(auth_algorithms=["MD4"])


@pytest.mark.parametrize("key", ["extra_headers", "ws_headers"])
def test_header_fields(key: str) -> None:
    assert getattr(Config(**{key: ["X-Foo:foo", "X-Bar: b: c"]}), key) == ("X-Foo: foo", "X-Bar: b: c")
    for wrong in ("X-Foo", ": foo", "X Foo: foo", "X-Foo: a\r\nEvil: 1", "X-Foo: \x00", "X-Foo: \x1b"):
        assert problem_of(**{key: [wrong]}).startswith(f"{key}: expected a header field")


def test_client_key_needs_its_certificate() -> None:
    assert problem_of(client_key="key.pem").startswith("client_key: expected client_cert with it")
    assert Config(client_key="key.pem", client_cert="cert.pem").client_key == "key.pem"


def test_password_command() -> None:
    assert Config(password_command="pass show 'my sip'").password_command == ("pass", "show", "my sip")
    assert Config(password_command=["pass", "my sip"]).password_command == ("pass", "my sip")
    assert "quotes closed" in problem_of(password_command="pass 'x")
    assert "a command line" in problem_of(password_command=5)


def test_replace() -> None:
    """A copy keeps what was set, its origins too, and is checked like the original."""
    config = Config(uri='"Alice" <sip:alice@example.com>', ws_servers="wss://edge.example.com;weight=3")
    other = config.replace(password="canary", registerExpires=300)
    assert other.uri == ALICE
    assert other.display_name == "Alice"
    assert other.ws_servers == config.ws_servers
    assert (other.password, other.register_expires) == ("canary", 300)
    assert config.password is None
    assert other.is_set("register_expires")
    assert not config.is_set("register_expires")
    assert other.replace(uri="bob@example.com").display_name is None
    with pytest.raises(ConfigError):
        config.replace(register_expires=0)


def test_does_not_change() -> None:
    config = Config()
    with pytest.raises(AttributeError, match=r"use replace\(register=…\)"):
        config.register = False


def test_long_values_are_cut() -> None:
    assert len(problem_of(uri="x" * 10_000)) < 250
