"""Where values come from: precedence, profiles, the environment, and errors that name file and line."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from sipcli.config import Config, Origin, load
from sipcli.sip.errors import ConfigError

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a configuration file that only its owner can read."""

    def write(text: str, mode: int = 0o600) -> Path:
        path = tmp_path / "config.toml"
        path.write_text(text)
        path.chmod(mode)
        return path

    return write


def problems_of(file: Path | None = None, **keywords: object) -> tuple[list[str], bool]:
    """Return what is wrong, without the folder's name, and whether a flag is at fault."""
    arguments = {"environ": {"HOME": "/nonexistent"}, "file": file, **keywords}
    with pytest.raises(ConfigError) as caught:
        load(**arguments)  # type: ignore[arg-type]
    folder = "" if file is None else f"{file.parent}{os.sep}"
    problems = caught.value.problems
    return [problem.replace(folder, "") if folder else problem for problem in problems], caught.value.from_flag


def test_nothing() -> None:
    config = load(environ={"HOME": "/nonexistent"})
    assert config.uri is None
    assert config.file is None
    assert config.profile is None
    assert {origin.kind for origin in config.origins.values()} == {"default"}


def test_precedence(write: Write) -> None:
    """A flag wins over the environment, that over the profile, that over [ua], that over the default."""
    file = write(
        """\
default_profile = "work"
[ua]
display_name = "file"
register_expires = 1
contact_name = "file"
user_agent = "file"
[profiles.work]
display_name = "profile"
register_expires = 2
contactName = "profile"
"""
    )
    config = load(
        flags={"display_name": "flag"},
        environ={"SIPCLI_DISPLAY_NAME": "env", "SIPCLI_REGISTER_EXPIRES": "3"},
        file=file,
    )
    assert config.display_name == "flag"
    assert config.register_expires == 3
    assert config.contact_name == "profile"
    assert config.user_agent_string == "file"
    assert config.profile == "work"
    assert config.file == str(file)
    origins = config.origins
    assert origins["display_name"] == Origin("flag", "--display-name")
    assert origins["register_expires"] == Origin("env", "SIPCLI_REGISTER_EXPIRES")
    assert origins["contact_name"] == Origin("profile", f"{file}:10")
    assert origins["user_agent_string"] == Origin("file", f"{file}:6")
    assert origins["uri"] == Origin("default")
    assert config.is_set("display_name")
    assert not config.is_set("uri")


def test_empty_stops_the_search(write: Write) -> None:
    """Row 3: an empty value means the default, whatever stands below."""
    file = write('[ua]\ndisplay_name = "Alice"\n[profiles.plain]\ndisplay_name = ""\n')
    assert load(environ={}, file=file).display_name == "Alice"
    assert load(environ={}, file=file, profile="plain").display_name is None
    assert load(environ={}, file=file, flags={"display_name": ""}).display_name is None


def test_empty_variable_is_unset(write: Write) -> None:
    file = write('[ua]\ndisplay_name = "Alice"\n')
    assert load(environ={"SIPCLI_DISPLAY_NAME": ""}, file=file).display_name == "Alice"


def test_flags_that_were_not_given() -> None:
    config = load(flags={"uri": None, "ws_servers": (), "register": None}, environ={"HOME": "/nonexistent"})
    assert not config.is_set("uri")
    assert not config.is_set("ws_servers")
    assert not config.is_set("register")


def test_flags_are_text() -> None:
    """What a command line holds is text, lists of text, or a boolean."""
    config = load(
        flags={
            "ws_servers": ("ws://a;weight=2", "ws://b"),
            "register": False,
            "register_expires": "300",
            "connection_timeout": "2.5",
            "hack_ip_in_contact": "true",
            "extra_headers": ["X-Foo: foo"],
            "log_level": "3",
        },
        environ={"HOME": "/nonexistent"},
    )
    assert [(server.url, server.weight) for server in config.ws_servers] == [("ws://a", 2), ("ws://b", 0)]
    assert config.register is False
    assert config.origins["register"] == Origin("flag", "--no-register")
    assert config.register_expires == 300
    assert config.connection_timeout == 2.5
    assert config.hack_ip_in_contact is True
    assert config.extra_headers == ("X-Foo: foo",)
    assert config.log_level == 3


def test_environment_is_text() -> None:
    config = load(
        environ={
            "HOME": "/nonexistent",
            "SIPCLI_URI": '"Alice" <sip:alice@example.com>',
            "SIPCLI_WS_SERVERS": "ws://a;weight=2\tws://b\n",
            "SIPCLI_REGISTER": "no",
            "SIPCLI_TRACE_SIP": "1",
            "SIPCLI_REGISTER_EXPIRES": " 300 ",
            "SIPCLI_AUTH_ALGORITHMS": "MD5 SHA-256",
            "SIPCLI_HACK_IP_IN_CONTACT": "192.0.2.1",
            "SIPCLI_EXTRA_HEADERS": "X-Foo: foo bar\nX-Bar: bar",
            "SIPCLI_PASSWORD_COMMAND": "pass show 'my sip'",
            "SIPCLI_PASSWORD": "a b",
            "SIPCLI_LOG_LEVEL": "debug",
            "SIPCLI_NO_SUCH_THING": "x",
            "UNRELATED": "x",
        }
    )
    assert str(config.uri) == "sip:alice@example.com"
    assert config.display_name == "Alice"
    assert config.origins["display_name"] == Origin("env", "SIPCLI_URI")
    assert [(server.url, server.weight) for server in config.ws_servers] == [("ws://a", 2), ("ws://b", 0)]
    assert config.register is False
    assert config.trace_sip is True
    assert config.register_expires == 300
    assert config.auth_algorithms == ("MD5", "SHA-256")
    assert config.hack_ip_in_contact == "192.0.2.1"
    assert config.extra_headers == ("X-Foo: foo bar", "X-Bar: bar")
    assert config.password_command == ("pass", "show", "my sip")
    assert config.password == "a b"
    assert config.log_level == 3


@pytest.mark.parametrize("text", ["ten", "1_000", "١٢", "inf", "nan", "1e3", "-5", "", "9" * 5000, "--1", "0x10"])
def test_numbers_in_text(text: str) -> None:
    """Digits are ASCII, and nothing that Python alone takes for a number is one."""
    problems, from_flag = problems_of(flags={"register_expires": text or " "})
    assert from_flag
    assert problems[0].startswith("--register-expires: expected whole seconds")


def test_bad_flag() -> None:
    """Exit 2: the flag is named as the user knows it."""
    problems, from_flag = problems_of(flags={"register_expires": "ten", "keep_alive": "x"})
    assert problems == [
        '--register-expires: expected whole seconds, got: "ten"',
        '--keep-alive: expected "ping", "crlf", "options" or "none", got: "x"',
    ]
    assert from_flag


def test_bad_variable() -> None:
    """Exit 7."""
    problems, from_flag = problems_of(environ={"HOME": "/nonexistent", "SIPCLI_REGISTER": "perhaps"})
    assert problems == ['SIPCLI_REGISTER: expected true or false, got: "perhaps"']
    assert not from_flag


def test_bad_file(write: Write) -> None:
    """Exit 7: every mistake, with file, line, key, what would be right, and the nearest known name."""
    file = write(
        """\
[ua]
uri = "alice"
register_expires = "ten"
ws_server = "wss://edge.example.com"

ws_servers = [
    "wss://a",
    { ws_uri = "http://b" },
    { ws_uri = "ws://b", wait = 1 },
]
log.level = "loud"
register = "yes"
[ua.register_options]
regId = true
"""
    )
    problems, from_flag = problems_of(file)
    assert problems == [
        'config.toml:4: ws_server: unknown key, did you mean "ws_servers"?',
        'config.toml:2: uri: expected a SIP URI with a user such as "alice@example.com", got: "alice"',
        'config.toml:3: register_expires: expected whole seconds, got: "ten"',
        'config.toml:8: ws_servers[1].ws_uri: expected a ws:// or wss:// URL such as "wss://edge.example.com", '
        'got: "http://b"',
        'config.toml:11: log.level: expected 0 to 3, or "error", "warn", "log" or "debug", got: "loud"',
        'config.toml:12: register: expected true or false, got: "yes"',
        "config.toml:14: register_options.regId: expected a whole number, got: true",
    ]
    assert not from_flag


def test_file_and_flag_both_bad(write: Write) -> None:
    problems, from_flag = problems_of(write("[ua]\nregister = 1\n"), flags={"register_expires": "ten"})
    assert len(problems) == 2
    assert not from_flag


def test_contradiction_names_its_source(write: Write) -> None:
    problems, from_flag = problems_of(write("[ua]\nconnection_recovery_max_interval = 1\n"))
    assert problems == [
        "config.toml:2: connection_recovery_max_interval: "
        "expected at least connection_recovery_min_interval (2), got: 1"
    ]
    assert not from_flag
    problems, from_flag = problems_of(flags={"client_key": "x"})
    assert problems == ["--client-key: expected client_cert with it: the certificate that the key belongs to"]
    assert from_flag


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[ua]\nuri = \n", "config.toml:2: Invalid value, at column 7"),
        ("[ua]\n\nuri\n", "config.toml:3: Expected '=' after a key in a key/value pair, at column 4"),
        ("[ua]\nx = [1,\n", "config.toml:3: "),
        ("[ua]\nuri = 1\nuri = 2\n", "config.toml:3: Cannot overwrite a value"),
        ('uri = "x"\n', "config.toml:1: uri: expected it under [ua] or [profiles.NAME]"),
        ("[log]\nlevel = 1\n", "config.toml:1: log: expected it under [ua] or [profiles.NAME]"),
        ("[profile.x]\n", 'config.toml:1: profile: unknown key, did you mean "profiles"?'),
        ("ua = 5\n", "config.toml:1: ua: expected a table, got: 5"),
        ("[profiles]\nx = 5\n", "config.toml:2: profiles.x: expected a table, got: 5"),
        ("default_profile = 5\n", "config.toml:1: default_profile: expected the name of a profile, got: 5"),
        ('default_profile = "x"\n', 'config.toml:1: default_profile: no profile "x": '),
        ("[ua]\nlog_connector = 5\n", "config.toml:2: log_connector: expected a function; it can only be set"),
        ("[ua]\ninsecure = true\n", "config.toml:2: insecure: only for one run: --insecure"),
        (
            "[ua]\nwsServers = 'ws://a'\nws_servers = 'ws://b'\n",
            "config.toml:3: ws_servers: wsServers has set the same",
        ),
    ],
)
def test_bad_shape(write: Write, text: str, problem: str) -> None:
    problems, from_flag = problems_of(write(text))
    assert problems[0].startswith(problem)
    assert not from_flag


def test_not_utf_8(write: Write) -> None:
    file = write("")
    file.write_bytes(b"[ua]\ndisplay_name = '\xff'\n")
    assert problems_of(file) == (["config.toml:2: expected UTF-8"], False)


def test_too_large(write: Write) -> None:
    assert problems_of(write("#" * (1 << 20) + "\n"))[0][0].startswith("config.toml: expected at most")


def test_deep_nesting(write: Write) -> None:
    problems, _ = problems_of(write("x = " + "[" * 5000))
    assert problems[0].startswith("config.toml")


def test_which_file(write: Write, tmp_path: Path) -> None:
    """--config, else SIPCLI_CONFIG, else the XDG folder; nothing from the working directory."""
    file = write('[ua]\ndisplay_name = "flag"\n')
    other = tmp_path / "other.toml"
    other.write_text('[ua]\ndisplay_name = "variable"\n')
    folder = tmp_path / "xdg" / "sipcli"
    folder.mkdir(parents=True)
    (folder / "config.toml").write_text('[ua]\ndisplay_name = "xdg"\n')
    home = tmp_path / "home" / ".config" / "sipcli"
    home.mkdir(parents=True)
    (home / "config.toml").write_text('[ua]\ndisplay_name = "home"\n')
    environ = {"SIPCLI_CONFIG": str(other), "XDG_CONFIG_HOME": str(tmp_path / "xdg"), "HOME": str(tmp_path / "home")}
    names = [load(environ=environ, file=file).display_name]
    for variable in ("SIPCLI_CONFIG", "XDG_CONFIG_HOME", "HOME"):
        names.append(load(environ=environ).display_name)
        del environ[variable]
    assert names == ["flag", "variable", "xdg", "home"]


def test_home_is_abbreviated(tmp_path: Path) -> None:
    folder = tmp_path / ".config" / "sipcli"
    folder.mkdir(parents=True)
    (folder / "config.toml").write_text('[ua]\ndisplay_name = "x"\n')
    config = load(environ={"HOME": str(tmp_path)})
    assert config.origins["display_name"].source == "~/.config/sipcli/config.toml:2"


def test_relative_xdg_is_ignored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """XDG: a relative path in its variables is to be ignored."""
    (tmp_path / "sipcli").mkdir()
    (tmp_path / "sipcli" / "config.toml").write_text('[ua]\ndisplay_name = "x"\n')
    monkeypatch.chdir(tmp_path)
    assert load(environ={"XDG_CONFIG_HOME": ".", "HOME": "/nonexistent"}).display_name is None


def test_missing_files(tmp_path: Path) -> None:
    missing = tmp_path / "missing.toml"
    problems, from_flag = problems_of(missing)
    assert problems == ['--config: there is no file "missing.toml"']
    assert from_flag
    problems, from_flag = problems_of(environ={"SIPCLI_CONFIG": "/nonexistent/x.toml"})
    assert problems == ['SIPCLI_CONFIG: there is no file "/nonexistent/x.toml"']
    assert not from_flag
    assert "cannot be read: Is a directory" in problems_of(tmp_path)[0][0]


def test_profiles(write: Write) -> None:
    file = write('default_profile = "a"\n[profiles.a]\ndisplay_name = "A"\n[profiles.lab]\ndisplay_name = "L"\n')
    assert load(environ={}, file=file).display_name == "A"
    assert load(environ={"SIPCLI_PROFILE": "lab"}, file=file).display_name == "L"
    assert load(environ={"SIPCLI_PROFILE": "lab"}, file=file, profile="a").display_name == "A"
    assert problems_of(file, profile="labb") == (
        ['--profile: no profile "labb" in config.toml, did you mean "lab"?'],
        True,
    )
    assert problems_of(file, environ={"SIPCLI_PROFILE": "qqqq"}) == (
        ['SIPCLI_PROFILE: no profile "qqqq" in config.toml, expected one of: a, lab'],
        False,
    )
    assert "there is no file" in problems_of(profile="a")[0][0]


def test_other_profiles_are_not_judged(write: Write) -> None:
    """A mistake in a profile that is not used stops nobody; `config check` finds it."""
    assert load(environ={}, file=write("[profiles.a]\nnonsense = 1\n")).profile is None


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")
@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660, 0o602])
@pytest.mark.parametrize(
    ("text", "where"),
    [
        ('[ua]\npassword = "x"', "2: password"),
        ('[ua]\nauthorizationPassword = "x"', "2: authorizationPassword"),
        (f'[ua]\nauthorization_ha1 = "{"0" * 32}"', "2: authorization_ha1"),
        ('[ua]\nturn_password = "x"', "2: turn_password"),
        ('[ua]\nturn_servers = { urls = "turn:a", password = "x" }', "2: turn_servers.password"),
        ('[[ua.turn_servers]]\nurls = "turn:a"\npassword = "x"', "3: turn_servers[0].password"),
        ('[[ua.ice_servers]]\nurls = "turn:a"\ncredential = "x"', "3: ice_servers[0].credential"),
        ('[profiles.unused]\n[profiles.b]\npassword = "x"', "3: password"),
    ],
)
def test_row_85_exposed_secrets(write: Write, text: str, where: str, mode: int) -> None:
    """A secret in a file that others can read is refused, in any profile, with the chmod to run."""
    file = write(text, mode)
    problems, from_flag = problems_of(file)
    assert problems == [f"config.toml:{where}: others can read this file (mode {mode:04o}), run: chmod 600 config.toml"]
    assert not from_flag
    file.chmod(0o600)
    load(environ={}, file=file)


def test_row_85_no_secret_any_mode(write: Write) -> None:
    load(environ={}, file=write('[ua]\npassword = ""\nuri = "alice@example.com"\n', 0o644))


def test_paths_start_at_the_file(write: Write, tmp_path: Path) -> None:
    """A relative name in the file means the file's folder; a flag's means the working directory."""
    file = write('[ua]\nca_file = "ca.pem"\npassword_file = "/run/secret"\n')
    config = load(environ={}, file=file, flags={"trace_file": "x.txt"})
    assert config.ca_file == str(tmp_path / "ca.pem")
    assert config.password_file == "/run/secret"
    assert config.trace_file == "x.txt"


def test_home_in_paths(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/alice")
    assert Config(ca_file="~/ca.pem").ca_file == "/home/alice/ca.pem"
    assert Config(ca_file=Path("ca.pem")).ca_file == "ca.pem"


def test_no_secret_in_problems(write: Write) -> None:
    """Whatever is wrong with a secret, the problem does not show it."""
    file = write(
        '[ua]\npassword = ["canary"]\nauthorization_ha1 = "canary"\n'
        'turn_servers = [{urls="turn:a:b", password="canary"}]\n'
    )
    problems, _ = problems_of(file, environ={"SIPCLI_PASSWORD": "a\ncanary"}, flags={"authorization_ha1": "canary"})
    assert len(problems) == 5
    assert "canary" not in "".join(problems)


def test_tables_in_a_file(write: Write) -> None:
    """Rows 58, 67 and 92 as TOML tables."""
    file = write(
        """\
[ua.register_options]
expires = 300
[ua.register_options.params]
cseq = 5
[ua.session_description_handler_factory_options]
codecs = ["PCMU"]
[[ua.ws_servers]]
ws_uri = "ws://a"
weight = 10
[[ua.ws_servers]]
wsUri = "ws://b"
"""
    )
    config = load(environ={}, file=file)
    assert config.register_expires == 300
    assert config.register_params.cseq == 5
    assert config.codecs == ("PCMU",)
    assert [(server.url, server.weight) for server in config.ws_servers] == [("ws://a", 10), ("ws://b", 0)]
    assert config.origins["ws_servers"].source == f"{file}:7"
    assert config.origins["register_params"].source == f"{file}:3"


def test_unknown_flag_is_a_programmers_mistake() -> None:
    with pytest.raises(TypeError, match="no parameter is called 'urii'"):
        load(flags={"urii": "x"}, environ={})
