"""Where the trace of a command goes: standard error, JSON lines, a file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sipcli.cli.output import Output
from sipcli.config import Config
from sipcli.sip.errors import ConfigError
from sipcli.trace import FileSink, TraceRecord, TraceSink, as_json, text_sink

__all__ = ["trace_sinks"]


@contextmanager
def trace_sinks(output: Output, config: Config) -> Iterator[list[TraceSink]]:
    """Give the sinks that the configuration asks for; a file is closed at the end. Raises ConfigError."""
    sinks: list[TraceSink] = []
    if config.trace_sip:
        sinks.append(_coloured(output, config.show_secrets) if output.colour_err else _plain(output, config))
        if output.json:
            sinks.append(_json(output, config.show_secrets))
    if config.trace_file is None:
        yield sinks
        return
    try:
        file = FileSink(config.trace_file, config.show_secrets)
    except OSError as error:
        origin = config.origins["trace_file"]
        raise ConfigError(
            f'{origin.source or "trace_file"}: "{config.trace_file}" cannot be written: {error.strerror}',
            from_flag=origin.kind == "flag",
        ) from error
    try:
        yield [*sinks, file]
    finally:
        file.close()


def _plain(output: Output, config: Config) -> TraceSink:
    sink = text_sink(output.stderr, config.show_secrets)

    def write(record: TraceRecord) -> None:
        output.clear_transient()
        try:
            sink(record)
        except BrokenPipeError:
            output.lose_stderr()

    return write


def _coloured(output: Output, show_secrets: bool) -> TraceSink:
    # Only a terminal pays for Pygments.
    from pygments import highlight  # type: ignore[import-untyped]  # Pygments ships no types
    from pygments.formatters import TerminalFormatter  # type: ignore[import-untyped]  # the same

    from sipcli.cli.lexer import SipLexer
    from sipcli.trace import as_text

    lexer, formatter = SipLexer(stripnl=False), TerminalFormatter()

    def sink(record: TraceRecord) -> None:
        output.clear_transient()
        output.stderr.write(highlight(as_text(record, show_secrets), lexer, formatter))
        output.stderr.flush()

    return sink


def _json(output: Output, show_secrets: bool) -> TraceSink:
    def sink(record: TraceRecord) -> None:
        fields = as_json(record, show_secrets)
        output.event(str(fields["event"]), **{name: fields[name] for name in ("n", "flow", "text", "size")})

    return sink
