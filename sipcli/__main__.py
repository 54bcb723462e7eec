"""The program's entry; ``--version`` is answered before anything is imported."""

from __future__ import annotations

import sys

__all__ = ["main"]


def main() -> int:
    """Run the command line and return the exit code."""
    if sys.argv[1:2] in (["--version"], ["-V"]):
        from sipcli import __version__

        sys.stdout.write(f"sipcli {__version__}\n")
        return 0
    # Modules make objects that stay: looking for garbage among them costs a twentieth of a short command.
    import gc

    gc.disable()
    try:
        from sipcli.cli.app import run
    except KeyboardInterrupt:
        return 130
    return run(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
