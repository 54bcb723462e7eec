"""sipcli: a SIP softphone and signalling tool, as a command and as a library.

Type checkers read the public names in ``__init__.pyi``; here each is loaded from its home on first use, because
``sipcli --version`` must not pay for the protocol. Nothing is imported when this module is.
"""

__version__ = "0.1.0"

_HOMES = {
    "UA": "sipcli.ua",
    "Cause": "sipcli.sip.events",
    "ClientContext": "sipcli.contexts",
    "Config": "sipcli.config",
    "ConfigError": "sipcli.sip.errors",
    "Credentials": "sipcli.sip.digest",
    "InviteServerContext": "sipcli.contexts",
    "Lab": "sipcli.lab.server",
    "LocalProtocolError": "sipcli.sip.errors",
    "MessageServerContext": "sipcli.contexts",
    "ParseError": "sipcli.sip.errors",
    "RemoteProtocolError": "sipcli.sip.errors",
    "Request": "sipcli.sip.message",
    "RequestFailed": "sipcli.contexts",
    "Response": "sipcli.sip.message",
    "ServerContext": "sipcli.contexts",
    "SipError": "sipcli.sip.errors",
    "TraceRecord": "sipcli.trace",
}

__all__ = [*_HOMES, "__version__"]


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value: object = getattr(import_module(home), name)
    globals()[name] = value  # the next use does not come here
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
