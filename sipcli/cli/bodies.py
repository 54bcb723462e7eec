"""Bodies from the command line: text, standard input, or a file byte for byte (RFC 3261 §7.4)."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import click

from sipcli.cli.standard_input import is_piped, read_standard_input

__all__ = ["Body", "body_argument", "body_option", "content_type_of"]

TEXT_PLAIN = "text/plain"

# Types of SIP that the library's table does not know.
_MORE_TYPES = {".sdp": "application/sdp", ".pidf": "application/pidf+xml", ".sipfrag": "message/sipfrag"}


@dataclass(frozen=True, slots=True)
class Body:
    """Octets and their Content-Type."""

    data: bytes
    content_type: str


async def body_argument(text: str | None, content_type: str | None) -> Body:
    """Return what BODY stands for: text, ``-``, ``@FILE``, or what is piped in when there is none.

    Raises click.UsageError when there is nothing to read or it cannot be read.
    """
    if text is None:
        if not is_piped():
            raise click.UsageError("BODY is missing: give a text, @FILE, or pipe something in")
        text = "-"
    if text == "-":
        return await _standard_input(content_type)
    if text.startswith("@"):
        return _file(text[1:], content_type)
    return Body(os.fsencode(text), content_type or TEXT_PLAIN)


async def body_option(text: str | None, file: str | None, content_type: str | None) -> Body:
    """Return the body that ``--body`` or ``--body-file`` names; an empty one without either."""
    if text is not None and file is not None:
        raise click.UsageError("--body and --body-file exclude each other")
    if file == "-" or (file is None and text == "-"):
        return await _standard_input(content_type)
    if file is not None:
        return _file(file, content_type)
    return Body(os.fsencode(text or ""), content_type or TEXT_PLAIN)


def content_type_of(path: str) -> str:
    """Return the Content-Type that a file's suffix says, else text/plain."""
    suffix = Path(path).suffix.lower()
    if suffix in _MORE_TYPES:
        return _MORE_TYPES[suffix]
    import mimetypes  # only where a file is sent

    # The library's own table: what is installed on a machine should not change what is sent.
    return mimetypes.MimeTypes().guess_type(f"x{suffix}", strict=True)[0] or TEXT_PLAIN


def _file(path: str, content_type: str | None) -> Body:
    try:
        data = Path(path).read_bytes()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise click.UsageError(f'cannot read the body from "{path}": {reason}') from error
    return Body(data, content_type or content_type_of(path))


async def _standard_input(content_type: str | None) -> Body:
    content_type = content_type or TEXT_PLAIN
    data = await read_standard_input()
    if content_type.partition(";")[0].strip().lower() == TEXT_PLAIN:
        # The newline that ends a line of text is the pipe's, not the message's.
        data = data[:-2] if data.endswith(b"\r\n") else data.removesuffix(b"\n")
    return Body(data, content_type)
