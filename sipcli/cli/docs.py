"""Generated documents: manual pages, completion scripts and the README's table. Run ``python -m sipcli.cli.docs``.

``--check`` writes nothing and fails when a file is not what it would be.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path

from sipcli.cli.completion import script
from sipcli.cli.manual import default_of, pages
from sipcli.config import PARAMETERS

__all__ = ["documents", "main"]

_ROOT = Path(__file__).resolve().parent.parent.parent
_SCRIPTS = {"bash": "sipcli.bash", "zsh": "_sipcli", "fish": "sipcli.fish", "powershell": "sipcli.ps1"}
_TABLE = re.compile(r"(<!-- parameters -->\n).*?(<!-- /parameters -->)", re.DOTALL)


def documents(root: Path) -> dict[Path, str]:
    """Return what every generated file below ``root`` holds."""
    made = {root / "man" / path: text for path, text in pages().items()}
    made.update({root / "completions" / name: script(shell) for shell, name in _SCRIPTS.items()})
    readme = root / "README.md"
    if readme.exists():
        text = readme.read_text(encoding="utf-8")
        made[readme] = _TABLE.sub(lambda match: match[1] + _table() + match[2], text)
    return made


def _table() -> str:
    rows = ["| key | flag | default | meaning |", "|---|---|---|---|"]
    for parameter in PARAMETERS:
        flags = f"`{parameter.flags[0]}`" if parameter.flags else ""
        default = default_of(parameter)
        meaning = parameter.help.replace("|", "\\|")
        rows.append(
            f"| `{parameter.key or parameter.name}` | {flags} | {f'`{default}`' if default else ''} | {meaning} |"
        )
    return "\n".join(rows) + "\n"


def _stale_pages(root: Path, made: dict[Path, str]) -> list[Path]:
    """Return pages of commands that there are no more."""
    return sorted(path for path in (root / "man").rglob("*.[0-9]") if path not in made)


def main(arguments: Sequence[str] | None = None, root: Path = _ROOT) -> int:
    """Write the documents, or with ``--check`` say which are stale; return 1 when one was."""
    check = "--check" in (sys.argv[1:] if arguments is None else arguments)
    made = documents(root)
    stale = [path for path, text in made.items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    gone = _stale_pages(root, made)
    if check:
        for path in (*stale, *gone):
            sys.stderr.write(f"{path.relative_to(root)} is stale: run python -m sipcli.cli.docs\n")
        return 1 if stale or gone else 0
    for path in stale:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(made[path], encoding="utf-8")
    for path in gone:
        path.unlink()
    return 0


if __name__ == "__main__":
    sys.exit(main())
