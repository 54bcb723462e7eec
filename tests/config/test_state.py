"""What one run keeps for the next, by address of record."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from sipcli.config import Config
from sipcli.sip.ids import Ids
from sipcli.state import Binding, binding_of, with_binding

AOR = "sip:alice@example.com"
needs_modes = pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="the modes of folders bind no root")


@pytest.fixture
def ids() -> Ids:
    """Identifiers from chance."""
    return Ids(os.urandom)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A state directory that is not there yet."""
    return tmp_path / "state" / "sipcli"


def the_file(directory: Path) -> Path:
    """Return the only file in a state directory."""
    [file] = [path for path in directory.rglob("*") if path.is_file()]
    return file


def test_is_kept(directory: Path, ids: Ids) -> None:
    first = binding_of(AOR, str(directory), ids)
    assert binding_of(AOR, str(directory), ids) == first
    assert binding_of("sip:bob@example.com", str(directory), ids) != first


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")
@pytest.mark.parametrize("umask", [0o000, 0o077, 0o777])
def test_modes(directory: Path, ids: Ids, umask: int) -> None:
    """The file is 0600 and its folders 0700, whatever the umask."""
    directory.parent.mkdir()
    before = os.umask(umask)
    try:
        binding_of(AOR, str(directory), ids)
    finally:
        os.umask(before)
    assert stat.S_IMODE(the_file(directory).stat().st_mode) == 0o600
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert stat.S_IMODE((directory / "bindings").stat().st_mode) == 0o700


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe",
        b"instance_id x\ncontact_user y\n",
        b"instance_id 8f1fa16a-1165-4a96-8341-785b1ef24f12\n",
        b"instance_id 8f1fa16a-1165-4a96-8341-785b1ef24f12\ncontact_user a@b>\r\n",
        b"x" * 100_000,
    ],
    ids=["empty", "octets", "no-uuid", "no-user", "bad-user", "long"],
)
def test_damaged_file_is_replaced(directory: Path, ids: Ids, content: bytes) -> None:
    binding_of(AOR, str(directory), ids)
    file = the_file(directory)
    file.write_bytes(content)
    warnings: list[str] = []
    binding = binding_of(AOR, str(directory), ids, warnings.append)
    assert warnings == [f"{file}: not a binding, replaced by a new one"]
    assert binding_of(AOR, str(directory), ids, warnings.append) == binding
    assert len(warnings) == 1
    assert the_file(directory) == file


def test_directory_that_cannot_be_made(tmp_path: Path, ids: Ids) -> None:
    """A file stands where the folder should: the memory is lost, nothing else."""
    (tmp_path / "state").write_text("")
    binding = binding_of(AOR, str(tmp_path / "state" / "sipcli"), ids)
    assert isinstance(binding, Binding)


@needs_modes
def test_directory_that_cannot_be_written(tmp_path: Path, ids: Ids) -> None:
    tmp_path.chmod(0o500)
    try:
        assert isinstance(binding_of(AOR, str(tmp_path / "sipcli"), ids), Binding)
    finally:
        tmp_path.chmod(0o700)


def test_pipe_is_not_waited_for(directory: Path, ids: Ids) -> None:
    binding_of(AOR, str(directory), ids)
    file = the_file(directory)
    file.unlink()
    os.mkfifo(file)
    warnings: list[str] = []
    binding = binding_of(AOR, str(directory), ids, warnings.append)
    assert len(warnings) == 1
    assert binding_of(AOR, str(directory), ids) == binding


def test_two_at_once(directory: Path, ids: Ids) -> None:
    """The one that was there first is what both use."""

    class Late(Ids):
        def uuid(self) -> str:
            self.other = binding_of(AOR, str(directory), ids)
            return super().uuid()

    late = Late(os.urandom)
    assert binding_of(AOR, str(directory), late) == late.other
    assert the_file(directory)


def test_nothing_is_left_beside(directory: Path, ids: Ids) -> None:
    for user in ("alice", "bob", "alice"):
        binding_of(f"sip:{user}@example.com", str(directory), ids)
    assert len(list((directory / "bindings").iterdir())) == 2


@pytest.mark.parametrize(
    "address",
    ["sip:../../etc/passwd@x", "sip:a/b@x", "sip:..@x", "sip:%2e@x", "sip:" + "a" * 500 + "@x", "sip:a\\b@[::1]"],
)
def test_any_address_is_a_file_name(directory: Path, ids: Ids, address: str) -> None:
    binding = binding_of(address, str(directory), ids)
    assert the_file(directory).parent == directory / "bindings"
    assert binding_of(address, str(directory), ids) == binding


def test_with_binding(tmp_path: Path, ids: Ids) -> None:
    """Row 61: restarts reuse the instance id; what the configuration names stays."""
    environ = {"XDG_STATE_HOME": str(tmp_path)}
    config = with_binding(Config(uri="alice@example.com"), environ=environ, ids=ids)
    again = with_binding(Config(uri="alice@EXAMPLE.com"), environ=environ, ids=ids)
    assert config.instance_id == again.instance_id is not None
    assert config.contact_name == again.contact_name is not None
    own = with_binding(Config(uri="alice@example.com", contact_name="desk"), environ=environ, ids=ids)
    assert (own.instance_id, own.contact_name) == (config.instance_id, "desk")
    assert with_binding(Config(), environ=environ, ids=ids).instance_id is None
    assert (tmp_path / "sipcli").is_dir()
