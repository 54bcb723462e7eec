"""Requests outside a dialog, before they know their flow (RFC 3261 §8.1.1)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from sipcli import __version__
from sipcli.sip.errors import LocalProtocolError
from sipcli.sip.grammar import Params
from sipcli.sip.headers import NameAddr
from sipcli.sip.identity import Hop, Identity
from sipcli.sip.ids import Ids
from sipcli.sip.message import Request
from sipcli.sip.names import header_key
from sipcli.sip.option_tags import supported_tags
from sipcli.sip.routing import apply_route_set
from sipcli.sip.settings import Settings
from sipcli.sip.target import parse_target
from sipcli.sip.uri import URI, AnyURI

__all__ = ["ACCEPTED_TYPES", "Draft", "RequestBuilder", "RequestParams", "split_header", "user_agent"]

# What an INVITE of a peer may carry, and MESSAGE besides.
ACCEPTED_TYPES = "application/sdp, application/dtmf-relay, text/plain"

# RFC 3261 §8.1.1.8: those that can make a dialog, or refresh its target.
_WITH_CONTACT = frozenset({"INVITE", "SUBSCRIBE", "REFER", "NOTIFY", "UPDATE"})
# Header fields of ours that one among the extra header fields replaces: they may occur only once.
_REPLACEABLE = frozenset({"max-forwards", "accept", "content-type", "user-agent"})
# RFC 3261 §8.1.1.5.
_MAX_CSEQ = 2**31 - 1

Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class RequestParams:
    """The ``params`` of SIP.js: what a request carries instead of the usual."""

    route_set: tuple[str, ...] = ()
    """Route values; they replace the preloaded route."""
    to_uri: URI | str | None = None
    to_display_name: str | None = None
    to_tag: str | None = None
    from_uri: URI | str | None = None
    from_display_name: str | None = None
    from_tag: str | None = None
    call_id: str | None = None
    cseq: int | None = None


_USUAL = RequestParams()


@dataclass(frozen=True, slots=True)
class Draft:
    """A request without Via, and without the Route of its flow: what its repetitions have in common."""

    method: str
    target: str
    head: Headers
    """Max-Forwards, To, From, Call-ID."""
    cseq: int
    tail: Headers
    """What follows CSeq."""
    body: bytes = b""
    route_set: tuple[str, ...] | None = None
    """None: the preloaded route of the flow."""

    def build(self, hop: Hop, branch: str) -> Request:
        """Return the request as it goes out on ``hop``."""
        routes = hop.routes if self.route_set is None else self.route_set
        target = self.target
        if routes:
            target, routes = apply_route_set(target, routes)
        return Request(
            self.method,
            target,
            (
                *[("Route", route) for route in routes],
                ("Via", f"{hop.via}{branch}{hop.via_params}"),
                *self.head,
                ("CSeq", f"{self.cseq} {self.method}"),
                *self.tail,
            ),
            self.body,
        )

    def next(self, target: AnyURI | None = None) -> Draft:
        """Return the draft of a repetition: the CSeq grows, all else stays (§8.1.3.5), but a redirected target."""
        return replace(self, cseq=self.cseq + 1, target=self.target if target is None else str(target))


def split_header(text: str) -> tuple[str, str]:
    """Return name and value of an extra header field; ValueError when it is none."""
    name, colon, value = text.partition(":")
    if not colon or not name.strip():
        raise ValueError(f'expected a header field such as "X-Foo: bar", got: {text!r}')
    return name.strip(" \t"), value.strip(" \t")


def user_agent(settings: Settings) -> str:
    """Return the User-Agent: ``sipcli/VERSION``, followed or replaced by ``user_agent_string``."""
    text = settings.user_agent_string
    if text is None:
        return f"sipcli/{__version__}"
    return f"sipcli/{__version__} {text[1:].strip()}" if text.startswith("+") else text


class RequestBuilder:
    """Builds drafts for one user agent."""

    __slots__ = ("_address", "_identity", "_ids", "_settings", "_supported", "_user_agent", "allow")

    def __init__(self, settings: Settings, identity: Identity, ids: Ids) -> None:
        self._settings = settings
        self._identity = identity
        self._ids = ids
        self._user_agent = ("User-Agent", user_agent(settings))
        self._address = str(identity.address)
        # Without and with a GRUU.
        self._supported = [", ".join(supported_tags(settings, gruu=gruu)) for gruu in (False, True)]
        methods = ["ACK", "BYE", "CANCEL", "INVITE", "MESSAGE", "NOTIFY", "OPTIONS"]
        if settings.allow_out_of_dialog_refers:
            methods.append("REFER")
        self.allow = ", ".join(methods)
        """The methods that are answered with something else than 405."""

    def address(self, target: URI | NameAddr | str) -> NameAddr:
        """Return what a target means; a bare user name belongs to our own domain.

        Raises ParseError for text that is none, LocalProtocolError for ``sips:`` when no server is secure.
        """
        settings = self._settings
        if isinstance(target, str):
            uri = settings.uri
            domain = None if uri is None else uri.host if uri.port is None else f"{uri.host}:{uri.port}"
            target = parse_target(target, domain=domain, keep_tel=settings.keep_tel, keep_sips=settings.keep_sips)
        address = NameAddr(None, target) if isinstance(target, URI) else target
        secure = isinstance(address.uri, URI) and address.uri.scheme == "sips"
        if secure and not any(server.secure for server in settings.ws_servers):
            raise LocalProtocolError("sips: needs a wss:// server, there is none")
        return address

    def draft(
        self,
        method: str,
        target: NameAddr,
        *,
        body: bytes = b"",
        content_type: str | None = None,
        extra_headers: Sequence[str] = (),
        params: RequestParams | None = None,
    ) -> Draft:
        """Return the draft of a request to ``target``; ValueError for what cannot stand in a message."""
        params = params or _USUAL
        own: list[tuple[str, str]] = []
        if method in _WITH_CONTACT:
            own.append(("Contact", self._identity.dialog_contact()))
        if method == "INVITE":
            own.append(("Allow", self.allow))
            if self._settings.rel100 == "required":
                own.append(("Require", "100rel"))
        elif method == "OPTIONS":
            own.append(("Accept", ACCEPTED_TYPES))
        if body or content_type is not None:
            own.append(("Content-Type", content_type or "text/plain"))
        own.append(("Supported", self.supported()))
        to = target
        if params.to_uri is not None or params.to_display_name is not None or params.to_tag is not None:
            to = _to(target, params)
        return self._assemble(method, str(target.uri), to, own, extra_headers, body, params)

    def register(self, contact: Headers, to: NameAddr, cseq: int, call_id: str, extra_headers: Sequence[str]) -> Draft:
        """Return the draft of a REGISTER (§10.2) with these header fields for its Contact."""
        own = [*contact, ("Supported", ", ".join(supported_tags(self._settings, register=True)))]
        params = RequestParams(cseq=cseq, call_id=call_id)
        return self._assemble("REGISTER", str(self._identity.registrar()), to, own, extra_headers, b"", params)

    def supported(self) -> str:
        """Return the Supported of everything but REGISTER."""
        return self._supported[self._identity.gruu is not None]

    def response_headers(self) -> Headers:
        """Return what every answer of ours carries."""
        return (self._user_agent,)

    def _assemble(
        self,
        method: str,
        target: str,
        to: NameAddr,
        own: Iterable[tuple[str, str]],
        extra_headers: Sequence[str],
        body: bytes,
        params: RequestParams,
    ) -> Draft:
        if params.call_id is not None and (
            not params.call_id or not params.call_id.isprintable() or " " in params.call_id
        ):
            raise ValueError(f"call_id: expected a word, got: {params.call_id!r}")
        if params.cseq is not None and not 0 <= params.cseq <= _MAX_CSEQ:
            raise ValueError(f"cseq: expected 0 to {_MAX_CSEQ}, got: {params.cseq}")
        head = [
            ("Max-Forwards", "70"),
            ("To", str(to)),
            ("From", self._from(params)),
            ("Call-ID", params.call_id or self._identity.call_id()),
        ]
        tail = [*own, self._user_agent]
        if extra_headers:
            extra = [split_header(text) for text in extra_headers]
            replaced = _REPLACEABLE.intersection([header_key(name) for name, _ in extra])
            head = [field for field in head if field[0].lower() not in replaced]
            tail = [*extra, *[field for field in tail if field[0].lower() not in replaced]]
        return Draft(
            method,
            target,
            tuple(head),
            self._ids.cseq() if params.cseq is None else params.cseq,
            tuple(tail),
            body,
            params.route_set or None,
        )

    def _from(self, params: RequestParams) -> str:
        if params.from_uri is None and params.from_display_name is None and params.from_tag is None:
            return f"{self._address};tag={self._ids.tag()}"
        address = self._identity.address
        name = address.display_name if params.from_display_name is None else params.from_display_name or None
        uri = params.from_uri or address.uri
        tag = self._ids.tag() if params.from_tag is None else params.from_tag
        return str(NameAddr(name, uri if not isinstance(uri, str) else _sip_uri(uri), Params([("tag", tag)])))


def _to(target: NameAddr, params: RequestParams) -> NameAddr:
    name = target.display_name if params.to_display_name is None else params.to_display_name or None
    uri = params.to_uri or target.uri
    to = NameAddr(name, uri if not isinstance(uri, str) else _sip_uri(uri))
    return to if params.to_tag is None else replace(to, params=to.params.with_param("tag", params.to_tag))


def _sip_uri(text: str) -> AnyURI:
    return parse_target(text, domain=None, keep_tel=True, keep_sips=True).uri
