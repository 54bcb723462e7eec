"""``sipcli config``: show, init, check, path."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from sipcli.config import PARAMETERS
from tests.program import Finished, run

posix_only = pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home folder without a configuration."""
    return tmp_path


@pytest.fixture
def file(home: Path) -> Path:
    """The name of the configuration file of ``home``, in a folder that is there."""
    path = home / ".config" / "sipcli" / "config.toml"
    path.parent.mkdir(parents=True)
    return path


def write(path: Path, text: str, mode: int = 0o600) -> None:
    path.write_text(text)
    path.chmod(mode)


def config(home: Path, *arguments: str, **environ: str) -> Finished:
    return run("config", *arguments, home=home, environ=environ)


# show


def test_show_json(home: Path, file: Path) -> None:
    """One object a parameter: key, value, origin, source; then the result."""
    write(
        file,
        'default_profile = "lab"\n[ua]\nuri = "alice@example.com"\nlog.level = "debug"\n'
        '[profiles.lab]\nws_servers = ["ws://127.0.0.1:5080"]\n',
    )
    done = config(home, "show", "--json", "--register-expires", "300", SIPCLI_DISPLAY_NAME="Alice")
    assert done.status == 0
    *lines, result = done.lines
    assert [line["event"] for line in lines] == ["config"] * len(PARAMETERS)
    found = {line["key"]: (line["value"], line["origin"], line["source"]) for line in lines}
    assert found["uri"] == ("sip:alice@example.com", "file", "~/.config/sipcli/config.toml:3")
    assert found["ws_servers"] == (["ws://127.0.0.1:5080"], "profile", "~/.config/sipcli/config.toml:6")
    assert found["display_name"] == ("Alice", "env", "SIPCLI_DISPLAY_NAME")
    assert found["register_expires"] == (300, "flag", "--register-expires")
    assert found["log.level"] == (3, "file", "~/.config/sipcli/config.toml:4")
    assert found["register"] == (True, "default", None)
    assert (result["event"], result["ok"], result["profile"], result["file"]) == ("result", True, "lab", str(file))


def test_show_for_people(home: Path) -> None:
    done = config(home, "show", "-u", "alice@example.com")
    assert done.status == 0
    first = done.stdout.splitlines()[0].split()
    assert first == ["uri", '"sip:alice@example.com"', "(flag", "--uri)"]
    assert len(done.stdout.splitlines()) == len(PARAMETERS)


@pytest.mark.parametrize("key", ["registerExpires", "register_expires"])
def test_show_some(home: Path, key: str) -> None:
    assert config(home, "show", key).stdout == "register_expires  600  (default)\n"


def test_show_unknown_key(home: Path) -> None:
    done = config(home, "show", "registr")
    assert done.status == 2
    assert 'registr: unknown key, did you mean "registrar' in done.stderr or '"register"' in done.stderr


@pytest.mark.parametrize("flags", [[], ["--show-secrets"], ["--json"], ["--json", "--show-secrets", "-vvv"]])
def test_row_85_show_never_shows_secrets(home: Path, file: Path, flags: list[str]) -> None:
    write(
        file,
        '[ua]\nauthorization_ha1 = "ca4a57ca4a57ca4a57ca4a57ca4a57ca"\nturn_password = "canary"\n'
        'turn_servers = { urls = "turn:t", username = "u", password = "canary" }\n'
        'ws_headers = ["Cookie: canary"]\n[profiles.other]\npassword = "canary"\n',
    )
    done = config(home, "show", *flags, SIPCLI_PASSWORD="canary")
    assert done.status == 0, done.stderr
    assert "canary" not in done.stdout + done.stderr
    assert "ca4a57" not in done.stdout + done.stderr
    assert "***" in done.stdout


# init


@posix_only
def test_init(home: Path) -> None:
    """The file is readable by its owner alone, and right as it is."""
    done = config(home, "init")
    assert done.status == 0, done.stderr
    path = home / ".config" / "sipcli" / "config.toml"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert "~/.config/sipcli/config.toml" in done.stdout
    assert config(home, "check").status == 0
    assert config(home, "show").status == 0


@posix_only
def test_init_whatever_the_umask(home: Path) -> None:
    before = os.umask(0)
    try:
        config(home, "init")
    finally:
        os.umask(before)
    path = home / ".config" / "sipcli" / "config.toml"
    modes = [stat.S_IMODE(one.stat().st_mode) for one in (path, path.parent)]
    assert modes == [0o600, 0o700]


def test_init_over_a_file(home: Path, file: Path) -> None:
    """Exit 7 without --force, and the file as it was."""
    write(file, "# mine\n")
    done = config(home, "init", "--json")
    assert done.status == 7
    assert done.result["exit_code"] == 7
    assert "--force" in done.stderr
    assert file.read_text() == "# mine\n"
    assert config(home, "init", "--force").status == 0
    assert "[ua]" in file.read_text()
    assert [path.name for path in file.parent.iterdir()] == ["config.toml"]


@posix_only
def test_init_force_keeps_a_link(home: Path, file: Path) -> None:
    target = home / "dotfiles.toml"
    target.write_text("# mine\n")
    file.symlink_to(target)
    assert config(home, "init").status == 7
    assert config(home, "init", "--force").status == 0
    assert file.is_symlink()
    assert "[ua]" in target.read_text()
    assert stat.S_IMODE(target.stat().st_mode) == 0o600


def test_init_elsewhere_with_values(home: Path) -> None:
    done = config(
        home, "init", "my.toml", "-u", '"A" <sip:alice@example.com>', "-s", "wss://a;weight=2", "--no-register"
    )
    assert done.status == 0, done.stderr
    shown = config(home, "show", "-C", "my.toml", "uri", "display_name", "ws_servers", "register")
    assert [line.split("  ")[0:1] + line.split()[1:2] for line in shown.stdout.splitlines()] == [
        ["uri", '"sip:alice@example.com"'],
        ["display_name", '"A"'],
        ["ws_servers", '["wss://a;weight=2"]'],
        ["register", "false"],
    ]


def test_init_with_a_value_that_a_file_cannot_hold(home: Path) -> None:
    done = config(home, "init", "--insecure")
    assert done.status == 2
    assert not (home / ".config").exists()


def test_init_where_nothing_can_be_written(home: Path) -> None:
    (home / "file").write_text("")
    done = config(home, "init", "file/config.toml")
    assert done.status == 7
    assert "cannot be written" in done.stderr
    assert "Traceback" not in done.stderr


# check


def test_check_without_a_file(home: Path) -> None:
    done = config(home, "check")
    assert done.status == 0
    assert "no such file" in done.stdout


def test_check_reports_everything(home: Path, file: Path) -> None:
    """Every mistake, of every profile, with its line; exit 7."""
    write(
        file,
        "[ua]\nregister_expires = 'ten'\nws_server = 'x'\n[profiles.a]\nuri = 'alice'\n[profiles.b]\nregister = 1\n",
    )
    done = config(home, "check", "--json")
    assert done.status == 7
    assert done.result["problems"] == [
        '~/.config/sipcli/config.toml:3: ws_server: unknown key, did you mean "ws_servers"?',
        '~/.config/sipcli/config.toml:2: register_expires: expected whole seconds, got: "ten"',
        '~/.config/sipcli/config.toml:5: uri: expected a SIP URI with a user such as "alice@example.com", got: "alice"',
        "~/.config/sipcli/config.toml:7: register: expected true or false, got: 1",
    ]
    assert config(home, "check").stderr.count("config.toml:") == 4


def test_row_100_check_names_keys_without_effect(home: Path, file: Path) -> None:
    write(
        file,
        '[ua]\nuri = "alice@example.com"\nws_servers = "wss://a"\nhackCleanJitsiSdpImageattr = true\n'
        "custom = { a = 1 }\n[profiles.a]\ndtmf_type = 'rtp'\n",
    )
    done = config(home, "check", "--json")
    assert done.status == 0
    warnings = done.result["warnings"]
    assert [line.split(": ")[1:3] for line in warnings] == [
        ["hack_clean_jitsi_sdp_imageattr", "has no effect"],
        ["custom", "has no effect"],
    ]
    assert warnings[0].startswith("~/.config/sipcli/config.toml:4: ")
    assert "~/.config/sipcli/config.toml:7: dtmf_type: matters to calls only" in done.result["calls_only"]
    people = config(home, "check")
    assert "has no effect" in people.stderr
    assert "profiles: a" in people.stdout


def test_check_warns(home: Path, file: Path) -> None:
    """What is missing, a password over ws://, and a variable that nobody reads."""
    write(file, '[ua]\nws_servers = ["ws://a.example", "ws://127.0.0.1", "ws://[::1]:80", "wss://b"]\npassword = "x"\n')
    done = config(home, "check", "--json", SIPCLI_WS_SERVER="x")
    assert done.status == 0
    missing, open_server, unknown = done.result["warnings"]
    assert missing.startswith("uri is not set")
    assert "ws://a.example: what ws:// carries can be read" in open_server
    assert unknown == "SIPCLI_WS_SERVER: unknown variable, did you mean SIPCLI_WS_SERVERS?"


@posix_only
def test_row_85_check_refuses_exposed_secrets(home: Path, file: Path) -> None:
    write(file, '[profiles.a]\npassword = "canary"\n', 0o644)
    done = config(home, "check")
    assert done.status == 7
    assert f"chmod 600 {file}" in done.stderr
    assert "canary" not in done.stderr


def test_check_a_missing_file(home: Path) -> None:
    assert config(home, "check", "-C", "missing.toml").status == 2
    assert config(home, "check", SIPCLI_CONFIG="missing.toml").status == 7


# path, and every command


def test_path(home: Path, file: Path) -> None:
    done = config(home, "path")
    assert done.stdout == f"{file}\n"
    assert "config init" in done.stderr
    assert config(home, "path", "-C", "other.toml").stdout == f"{home / 'other.toml'}\n"
    assert config(home, "path", SIPCLI_CONFIG="/x.toml").stdout == "/x.toml\n"
    assert config(home, "path", XDG_CONFIG_HOME="/x").stdout == "/x/sipcli/config.toml\n"
    done = config(home, "path", "--json")
    assert (done.result["path"], done.result["exists"]) == (str(file), False)


def test_without_a_subcommand(home: Path) -> None:
    done = config(home)
    assert done.status == 2
    assert "Traceback" not in done.stderr


def test_bad_file_stops_a_command(home: Path, file: Path) -> None:
    """Exit 7 with file, line, key and what would be right; also as JSON."""
    write(file, '[ua]\nuri = "alice@example.com"\nregister_expires = "ten"\n')
    done = run("--json", "options", "sip:example.com", home=home)
    assert done.status == 7
    assert 'config.toml:3: register_expires: expected whole seconds, got: "ten"' in done.result["error"]
    assert 'config.toml:3: register_expires: expected whole seconds, got: "ten"' in done.stderr


def test_bad_flag_is_usage(home: Path) -> None:
    done = run("options", "sip:example.com", "--register-expires", "ten", home=home)
    assert done.status == 2
    assert '--register-expires: expected whole seconds, got: "ten"' in done.stderr
