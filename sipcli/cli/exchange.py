"""One request and its final response, as ``message`` and ``request`` report them (RFC 3261 §8.1)."""

from __future__ import annotations

import time

from sipcli.cli.output import Outcome
from sipcli.cli.rendering import identity, milliseconds
from sipcli.cli.runner import Run
from sipcli.contexts import ClientContext, RequestFailed
from sipcli.sip.message import Response

__all__ = ["exchange"]


async def exchange(run: Run, context: ClientContext, *, include: bool = False) -> Outcome:
    """Wait for the final response, print it, and return its outcome; with ``include`` print its header fields too."""
    sent = time.monotonic()
    request = context.request
    run.fields.update(
        method=request.method,
        **{"from": identity(request, "From"), "to": identity(request, "To")},
        call_id=request.get("Call-ID"),
        rtt_ms=None,
    )
    try:
        response = await context
    except RequestFailed as error:
        if error.response is not None:
            run.fields["rtt_ms"] = milliseconds(time.monotonic() - sent)
            if include:
                _print_response(run, error.response)
        raise
    run.fields["rtt_ms"] = milliseconds(time.monotonic() - sent)
    if include:
        _print_response(run, response)
    else:
        run.output.line(
            f"{run.fields['to']}: {response.status} {response.reason} ({run.fields['rtt_ms']:.1f} ms)", bullet="✓"
        )
        if response.body:
            run.output.block(response.text)
    if response.body:
        run.fields.update(content_type=response.get("Content-Type"), body=response.text)
    return Outcome.of_response(response)


def _print_response(run: Run, response: Response) -> None:
    run.fields["headers"] = [[name, value] for name, value in response.headers]
    run.output.line(f"SIP/2.0 {response.status} {response.reason}", style="bold")
    for name, value in response.headers:
        run.output.line(f"{name}: {value}")
    if response.body:
        run.output.line()
        run.output.block(response.text)
