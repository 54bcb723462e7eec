"""What one run keeps for the next: the instance id and the Contact user of each address of record (RFC 5626 §4.1)."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from sipcli.config import Config, state_directory
from sipcli.sip.ids import Ids

__all__ = ["Binding", "binding_of", "with_binding"]

_LARGEST = 4096
_LONGEST_NAME = 200
_CONTACT_USER = 8
_SAFE = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.@+")


@dataclass(frozen=True, slots=True)
class Binding:
    """By what a registrar recognises this machine."""

    instance_id: str
    """A UUID."""
    contact_user: str


def with_binding(
    config: Config, *, environ: Mapping[str, str], ids: Ids, warn: Callable[[str], None] | None = None
) -> Config:
    """Return the configuration with the instance id and the Contact user that its address of record has here.

    What the configuration names itself stays. A later process then refreshes or removes the same binding.
    """
    if config.uri is None or (config.is_set("instance_id") and config.is_set("contact_name")):
        return config
    # Host names are compared without regard to case (RFC 3261 §19.1.4).
    aor = replace(config.uri.aor(), host=config.uri.host.lower())
    binding = binding_of(str(aor), state_directory(environ), ids, warn)
    return config.replace(
        instance_id=config.instance_id or binding.instance_id,
        contact_name=config.contact_name or binding.contact_user,
    )


def binding_of(address_of_record: str, directory: str, ids: Ids, warn: Callable[[str], None] | None = None) -> Binding:
    """Return the binding that ``directory`` holds for an address of record; a new one is kept there.

    A damaged file is replaced and a warning given. A directory that cannot be written to costs the memory, no more.
    """
    path = os.path.join(directory, "bindings", _file_name(address_of_record))
    damaged = False
    try:
        binding = _read(path)
    except OSError:
        binding = None
    else:
        damaged = binding is None
    if binding is not None:
        return binding
    binding = Binding(ids.uuid(), ids.token(_CONTACT_USER))
    if damaged and warn is not None:
        warn(f"{path}: not a binding, replaced by a new one")
    try:
        return _keep(path, address_of_record, binding, over=damaged)
    except OSError:
        return binding


def _file_name(address_of_record: str) -> str:
    name = "".join([c if c in _SAFE else "".join([f"%{octet:02X}" for octet in c.encode()]) for c in address_of_record])
    if len(name) > _LONGEST_NAME:
        import hashlib

        name = hashlib.sha256(address_of_record.encode()).hexdigest()
    return name


def _read(path: str) -> Binding | None:
    """Return what a file holds, None when that is no binding; raises OSError."""
    # No waiting: the name may be a pipe that nobody writes to.
    with open(os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0)), "rb") as file:
        octets = file.read(_LARGEST) or b""
    try:
        fields = dict([line.split(" ", 1) for line in octets.decode().splitlines() if not line.startswith("#")])
        return Binding(_instance_id(fields["instance_id"]), _contact_user(fields["contact_user"]))
    except (ValueError, KeyError):
        return None


def _instance_id(text: str) -> str:
    if [len(part) for part in text.split("-")] != [8, 4, 4, 4, 12] or text.strip("0123456789abcdef-"):
        raise ValueError(text)
    return text


def _contact_user(text: str) -> str:
    if not (text.isascii() and text.isalnum() and len(text) <= 64):
        raise ValueError(text)
    return text


def _keep(path: str, address_of_record: str, binding: Binding, *, over: bool) -> Binding:
    """Write a binding and return it, or the one that another process has written meanwhile; raises OSError."""
    folder = os.path.dirname(path)
    _make_folder(os.path.dirname(folder))
    _make_folder(folder)
    text = (
        f"# {address_of_record}: by this the registrar recognises this machine\n"
        f"instance_id {binding.instance_id}\n"
        f"contact_user {binding.contact_user}\n"
    )
    # Written beside and then renamed: nobody ever reads half a file.
    partial = f"{path}.{binding.contact_user}"
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with open(descriptor, "wb") as file:
            if os.name == "posix":
                os.fchmod(descriptor, 0o600)
            file.write(text.encode())
        if not over:
            try:
                os.link(partial, path)
            except FileExistsError:
                # Two processes began at once: both use what was there first.
                return _read(path) or binding
            except (OSError, NotImplementedError):
                # A file system without links; the last to rename wins then.
                os.replace(partial, path)
            return binding
        os.replace(partial, path)
    finally:
        if os.path.lexists(partial):
            os.unlink(partial)
    return binding


def _make_folder(folder: str) -> None:
    """Make a folder of ours, whatever the umask; one that is there keeps its mode."""
    os.makedirs(os.path.dirname(folder), exist_ok=True)
    try:
        os.mkdir(folder, 0o700)
    except FileExistsError:
        return
    os.chmod(folder, 0o700)
