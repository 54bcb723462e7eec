"""A Pygments lexer for traced SIP and the SDP in it (RFC 3261 §7, RFC 8866 §5)."""

from __future__ import annotations

from typing import ClassVar

# Pygments ships no types.
from pygments.lexer import RegexLexer, bygroups, include  # type: ignore[import-untyped]
from pygments.token import (  # type: ignore[import-untyped]
    Generic,
    Keyword,
    Literal,
    Name,
    Number,
    Operator,
    Punctuation,
    String,
    Text,
    Whitespace,
)

__all__ = ["SipLexer"]


class SipLexer(RegexLexer):  # type: ignore[misc]
    """Colours messages as ``sipcli.trace`` shows them, headings included. Every text is lexed; none is an error."""

    name = "SIP"
    aliases: ClassVar[list[str]] = ["sip"]
    mimetypes: ClassVar[list[str]] = ["message/sip"]
    filenames: ClassVar[list[str]] = ["*.sip"]
    url = "https://www.rfc-editor.org/rfc/rfc3261"

    tokens: ClassVar[dict[str, list[object]]] = {
        "root": [
            include("heading"),
            (r"\r?\n", Whitespace),
            # Request-Line (§7.1) and Status-Line (§7.2)
            (
                r"([^\s()<>@,;:\\/\[\]?={}]+)([ \t]+)(\S+)([ \t]+)(SIP/\d+\.\d+)([ \t]*)(\r?\n|\Z)",
                bygroups(
                    Name.Function, Whitespace, Name.Namespace, Whitespace, Keyword.Reserved, Whitespace, Whitespace
                ),
                "header",
            ),
            (r"(SIP/\d+\.\d+)([ \t]+)(?=\d)", bygroups(Keyword.Reserved, Whitespace), ("header", "status")),
            include("sdp"),
            (r"[^\r\n]+", Text),
            (r"\r", Text),
        ],
        "heading": [
            (r"^[→←][^\r\n]*", Generic.Heading),
        ],
        "status": [
            (r"1\d\d\b[^\r\n]*", Generic.Output),
            (r"2\d\d\b[^\r\n]*", Generic.Inserted),
            (r"3\d\d\b[^\r\n]*", Generic.Strong),
            (r"[^\r\n]+", Generic.Error),
            (r"\r?\n", Whitespace, "#pop"),
            (r"\r", Text),
        ],
        "header": [
            # The empty line that ends the header fields; what follows is a body.
            (r"\r?\n", Whitespace, "#pop"),
            (r"^[ \t]+(?=\S)", Whitespace, "value"),
            (r"^([\w.!%*+`'~-]+)([ \t]*)(:)", bygroups(Name.Attribute, Whitespace, Operator), "value"),
            (r"[^\r\n]+", Text),
            (r"\r", Text),
        ],
        "value": [
            (r"\r?\n", Whitespace, "#pop"),
            (r'"(?:[^"\\\r\n]|\\[^\r\n])*"?', String),
            (r"\*\*\*", Generic.Deleted),
            (r"(?:sips?|tel|wss?|https?|urn):[^\s<>\",;]+", Name.Namespace),
            (r"(SIP)(/)(\d+\.\d+)(/)(\w+)", bygroups(Keyword, Punctuation, Number, Punctuation, Keyword.Type)),
            (r"([;,?&])([ \t]*)([\w.!%*+`'~-]+)(?=[ \t]*=)", bygroups(Punctuation, Whitespace, Name.Variable)),
            (r"(;)([ \t]*)([\w.!%*+`'~-]+)", bygroups(Punctuation, Whitespace, Name.Variable)),
            (r"(Digest|Basic|Bearer)\b", Keyword),
            (r"[\w.!%*+`'~-]+(?=[ \t]*=)", Name.Variable),
            (r"\b\d+\b", Number),
            (r"[<>;,=]", Punctuation),
            (r"[ \t]+", Whitespace),
            (r"[\w.!%*+`'~@:/\\-]+", Literal),
            (r"[^\r\n]", Text),
            (r"\r", Text),
        ],
        "sdp": [
            (r"^(a)(=)([\w-]+)(:?)([^\r\n]*)", bygroups(Name.Tag, Operator, Name.Attribute, Punctuation, String)),
            (r"^(m)(=)([^\r\n]*)", bygroups(Name.Tag, Operator, Keyword.Type)),
            (r"^([vosiuepcbtrzk])(=)([^\r\n]*)", bygroups(Name.Tag, Operator, Literal)),
        ],
    }
