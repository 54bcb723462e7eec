"""Bodies: text, files byte for byte, standard input less one newline."""

from __future__ import annotations

from pathlib import Path

import click
import pytest

from sipcli.cli.bodies import Body, body_argument, body_option, content_type_of


async def test_text() -> None:
    assert await body_argument("hällo\n", None) == Body("hällo\n".encode(), "text/plain")
    assert await body_argument("", "text/html") == Body(b"", "text/html")


async def test_octets_of_the_command_line_are_kept() -> None:
    assert await body_argument("\udcff", None) == Body(b"\xff", "text/plain")


async def test_file_is_sent_byte_for_byte(tmp_path: Path) -> None:
    file = tmp_path / "note.json"
    file.write_bytes(b"\xff\r\n\n")
    assert await body_argument(f"@{file}", None) == Body(b"\xff\r\n\n", "application/json")
    assert await body_option(None, str(file), "text/x") == Body(b"\xff\r\n\n", "text/x")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.txt", "text/plain"),
        ("a.JSON", "application/json"),
        ("a.xml", "text/xml"),
        ("offer.sdp", "application/sdp"),
        ("a.pidf", "application/pidf+xml"),
        ("noext", "text/plain"),
        ("a.nosuch", "text/plain"),
        ("a.png", "image/png"),
    ],
)
def test_type_by_suffix(name: str, expected: str) -> None:
    assert content_type_of(name) == expected


@pytest.mark.parametrize("name", ["missing", "", ".", "nul\0"])
async def test_file_that_cannot_be_read_is_wrong_usage(name: str, tmp_path: Path) -> None:
    with pytest.raises(click.UsageError, match="cannot read the body"):
        await body_argument(f"@{tmp_path / name if name else name}", None)


async def test_two_bodies_are_wrong_usage() -> None:
    with pytest.raises(click.UsageError, match="exclude"):
        await body_option("a", "b", None)


async def test_no_body_at_all() -> None:
    assert await body_option(None, None, None) == Body(b"", "text/plain")
