"""What ``--json`` prints: every event and its fields. It only grows; the manual page is made from it."""

from __future__ import annotations

__all__ = ["COMMON_FIELDS", "EVENTS", "RESULT_FIELDS"]

Fields = dict[str, tuple[str, str]]
"""Name of a field, then its JSON type ("a or b" where it may be either) and what it says."""

COMMON_FIELDS: Fields = {
    "v": ("integer", "version of this format: 1"),
    "ts": ("string", "time of the event: RFC 3339, UTC, milliseconds"),
    "event": ("string", "name of the event"),
}

_URL: Fields = {"url": ("string", "the server")}
_RECEIVED: Fields = {
    "from": ("string or null", "who sent it: display name and URI, without tag"),
    "to": ("string or null", "whom it was sent to"),
    "body": ("string", "the body as text"),
    "content_type": ("string or null", "Content-Type as received"),
    "call_id": ("string or null", "Call-ID"),
}
_REQUEST: Fields = {
    "method": ("string or null", "method of the request that was sent"),
    "status": ("integer", "status code"),
    "reason": ("string", "reason phrase"),
}
_CALL_ID: Fields = {"call_id": ("string or null", "Call-ID")}
_CAUSE: Fields = {"cause": ("string", "cause, as in sipcli-exit-codes(7)")}
_TRACE: Fields = {
    "n": ("integer", "counts the messages from 1"),
    "flow": ("string", "the connection's server"),
    "text": ("string", "the message, secrets cut to *** unless --show-secrets"),
    "size": ("integer", "octets on the wire"),
}

EVENTS: dict[str, tuple[str, Fields]] = {
    "transport.connecting": (
        "An attempt to connect begins.",
        {**_URL, "attempt": ("integer", "counts from 1 since the last success")},
    ),
    "transport.connected": (
        "The connection stands.",
        {
            **_URL,
            "attempt": ("integer", "the attempt that succeeded"),
            "subprotocol": ("string", "WebSocket subprotocol: sip"),
            "tls": ("boolean", "whether it is encrypted"),
            "ms": ("number", "milliseconds it took"),
        },
    ),
    "transport.disconnected": (
        "The connection was lost, closed, or could not be made.",
        {
            **_URL,
            "code": ("integer", "WebSocket close code; 1006 without a close handshake"),
            "reason": ("string", "why, in words"),
            "clean": ("boolean", "whether a close handshake took place"),
            "will_retry_in": ("number or null", "seconds to the next attempt; null when there is none"),
        },
    ),
    "transport.keep_alive_timeout": ("No answer to a keep-alive: the connection is replaced.", _URL),
    "registration.registered": (
        "The registrar holds the binding; again on each refresh.",
        {
            "status": ("integer", "status code"),
            "contact": ("string", "the Contact"),
            "expires": ("integer", "granted expiry in seconds"),
            "refresh_in": ("number", "seconds to the refresh"),
            "gruu": ("string or null", "public GRUU (RFC 5627)"),
            "rtt_ms": ("number", "milliseconds from REGISTER to answer"),
        },
    ),
    "registration.unregistered": (
        "The binding is gone.",
        {
            "status": ("integer or null", "status code of the removal"),
            "cause": ("string or null", "null when it was removed as asked"),
        },
    ),
    "registration.failed": (
        "A REGISTER failed.",
        {
            "status": ("integer or null", "status code; null without an answer"),
            "reason": ("string or null", "reason phrase"),
            **_CAUSE,
            "retry_after": ("number or null", "seconds to the next attempt"),
        },
    ),
    "request.progress": ("A provisional response to a request of ours.", {**_REQUEST, **_CALL_ID}),
    "request.accepted": ("A 2xx response.", {**_REQUEST, **_CALL_ID}),
    "request.rejected": ("A final response from 300 on.", {**_REQUEST, **_CAUSE, **_CALL_ID}),
    "request.failed": (
        "No usable final response came.",
        {"method": _REQUEST["method"], **_CAUSE, **_CALL_ID},
    ),
    "request.cancelled": ("A request was cancelled.", {"method": _REQUEST["method"], **_CALL_ID}),
    "options.reply": (
        "A final response to a ping.",
        {
            "seq": ("integer", "number of the ping, from 1"),
            "status": _REQUEST["status"],
            "reason": _REQUEST["reason"],
            "rtt_ms": ("number", "round-trip time in milliseconds"),
        },
    ),
    "options.timeout": ("A ping without an answer.", {"seq": ("integer", "number of the ping, from 1")}),
    "message.received": ("A MESSAGE arrived.", _RECEIVED),
    "notify.received": (
        "A NOTIFY arrived (allow_legacy_notifications).",
        {"package": ("string or null", "Event header field"), **_RECEIVED},
    ),
    "refer.received": (
        "A REFER arrived (allow_out_of_dialog_refers).",
        {"refer_to": ("string or null", "Refer-To header field"), **_RECEIVED},
    ),
    "call.incoming": (
        "An INVITE arrived.",
        {
            "call": ("integer", "counts the calls of this run from 1"),
            "sdp": ("string", "the body"),
            **{name: kind for name, kind in _RECEIVED.items() if name != "body"},
        },
    ),
    "call.ended": (
        "A call ended.",
        {
            "call": ("integer", "the number that call.incoming gave it"),
            "call_id": _CALL_ID["call_id"],
            "cause": ("string", "why"),
            "by": ("string", "local or remote"),
            "from": _RECEIVED["from"],
            "to": _RECEIVED["to"],
        },
    ),
    "lab.started": (
        "The practice server listens (lab).",
        {
            "url": ("string", "its WebSocket URL"),
            "domain": ("string", "the domain of its users"),
            "users": ("array", "objects with user, uri and password"),
            "environment": ("object", "the variables that make sipcli its first user"),
        },
    ),
    "sip.sent": ("A message went out (--trace-sip).", _TRACE),
    "sip.received": ("A message came in (--trace-sip).", _TRACE),
    "transaction.created": ("A transaction began (-vv).", {"key": ("string", "branch and method")}),
    "transaction.destroyed": ("A transaction ended (-vv).", {"key": ("string", "branch and method")}),
    "config": (
        "One parameter of the configuration (config show).",
        {
            "key": ("string", "the key"),
            "value": ("any", "the value; secrets are ***"),
            "origin": ("string", "default, file, profile, env or flag"),
            "source": ("string or null", "where: file and line, variable or flag"),
        },
    ),
}

RESULT_FIELDS: Fields = {
    "ok": ("boolean", "whether the exit code is 0"),
    "exit_code": ("integer", "the exit code"),
    "command": ("string", "the command; empty when the command line names none"),
    "cause": ("string or null", "cause, as in sipcli-exit-codes(7)"),
    "status": ("integer or null", "status code of the final response"),
    "reason": ("string or null", "its reason phrase"),
}
"""The fields of the last line; a command adds its own, and a failure ``error``: what was wrong, in words."""
