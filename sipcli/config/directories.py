"""Where files are kept: the XDG Base Directory Specification, and what Windows has instead."""

from __future__ import annotations

import os
from collections.abc import Mapping

__all__ = ["abbreviated", "config_path", "state_directory"]


def _base(environ: Mapping[str, str], variable: str, fallback: str, windows: str) -> str:
    path = environ.get(variable, "")
    # The specification: a relative path in these variables is to be ignored.
    if os.path.isabs(path):
        return path
    if os.name == "nt" and environ.get(windows):
        return environ[windows]
    home = environ.get("HOME", "")
    return os.path.join(home if os.path.isabs(home) else os.path.expanduser("~"), *fallback.split("/"))


def config_path(environ: Mapping[str, str]) -> str:
    """Return the name of the configuration file that is read when no other is asked for."""
    return os.path.join(_base(environ, "XDG_CONFIG_HOME", ".config", "APPDATA"), "sipcli", "config.toml")


def state_directory(environ: Mapping[str, str]) -> str:
    """Return the folder for what one run keeps for the next."""
    return os.path.join(_base(environ, "XDG_STATE_HOME", ".local/state", "LOCALAPPDATA"), "sipcli")


def abbreviated(path: str, environ: Mapping[str, str]) -> str:
    """Return ``path`` with the home folder written as ``~``."""
    home = environ.get("HOME", "")
    return f"~{path[len(home) :]}" if home and path.startswith(home.rstrip("/") + "/") else path
