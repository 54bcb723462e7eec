"""Who we are on the wire: From, Via, Contact, GRUU (RFC 3261 §8.1.1; RFC 5626 §4; RFC 5627 §4; RFC 7118 §5)."""

from __future__ import annotations

from dataclasses import dataclass, replace

from sipcli.sip.errors import ParseError
from sipcli.sip.headers import NameAddr
from sipcli.sip.ids import Ids
from sipcli.sip.settings import Server, Settings
from sipcli.sip.uri import URI, AnyURI, URIParams, escape_user, parse_uri

__all__ = ["Hop", "Identity"]

_CALL_ID_PREFIX = 5
_CALL_ID_REST = 15


@dataclass(frozen=True, slots=True)
class Hop:
    """What requests on one flow show of it."""

    flow: int
    secure: bool
    via: str
    """A Via value that ends where its branch begins."""
    via_params: str
    """What follows the branch."""
    routes: tuple[str, ...]
    """The preloaded route of requests outside a dialog."""
    reliable: bool = True
    """A WebSocket loses nothing: no timers A, E, G, and D, I, J, K are zero (RFC 7118 §5)."""


class Identity:
    """The names of one user agent, chosen once."""

    __slots__ = (
        "_ids",
        "_settings",
        "address",
        "call_id_prefix",
        "contact",
        "gruu",
        "host",
        "instance",
        "reg_id",
        "temporary_gruu",
        "uri",
    )

    def __init__(self, settings: Settings, ids: Ids) -> None:
        self._settings = settings
        self._ids = ids
        self.uri = settings.uri or _anonymous(ids)
        """The address of record."""
        self.address = NameAddr(settings.display_name, self.uri)
        """The From of our requests, without tag."""
        self.host = _host(settings, ids)
        """The host of Via and Contact: a name that cannot be dialled, unless the settings say otherwise."""
        self.reg_id = settings.reg_id or None
        instance = settings.instance_id or (ids.uuid() if self.reg_id is not None else None)
        self.instance = None if instance is None else f"urn:uuid:{instance}"
        transport = settings.contact_transport or ("wss" if settings.hack_wss_in_transport else "ws")
        self.contact = URI(
            scheme="sip",
            user=escape_user(settings.contact_name or ids.token(8)),
            host=self.host,
            params=URIParams([("transport", transport)]),
        )
        """The Contact of REGISTER, never a GRUU."""
        self.gruu: str | None = None
        self.temporary_gruu: str | None = None
        self.call_id_prefix = ids.token(_CALL_ID_PREFIX)

    def call_id(self) -> str:
        """Return a new Call-ID that we recognise as our own making."""
        return self.call_id_prefix + self._ids.token(_CALL_ID_REST)

    def registrar(self) -> URI:
        """Return the Request-URI of REGISTER: no user part (RFC 3261 §10.2)."""
        uri = self._settings.registrar_server or self.uri
        return URI(scheme=uri.scheme, host=uri.host, port=uri.port)

    def dialog_contact(self) -> str:
        """Return the Contact of requests and responses that make a dialog: a GRUU where we hold one."""
        if self.gruu is not None:
            return f"<{self.gruu}>"
        # RFC 5626 §4.3: requests to this contact are to come over the flow of this dialog.
        return f"<{self.contact};ob>"

    def register_contact(self, expires: int) -> str:
        """Return the Contact of REGISTER (RFC 5626 §4.2.1)."""
        text = f"<{self.contact}>"
        if self.reg_id is not None:
            text += f";reg-id={self.reg_id}"
        if self.instance is not None:
            text += f';+sip.instance="<{self.instance}>"'
        for param in self._settings.extra_contact_header_params:
            text += f";{param.strip().lstrip(';')}"
        return f"{text};expires={expires}"

    def hop(self, flow: int, server: Server) -> Hop:
        """Return what requests on ``flow`` to ``server`` carry in Via and Route."""
        transport = "TCP" if self._settings.hack_via_tcp else "WSS" if server.secure else "WS"
        routes = self._settings.preloaded_route_set
        if self._settings.use_preloaded_route:
            host = f"[{server.host}]" if ":" in server.host else server.host
            port = f":{server.port}" if server.explicit_port else ""
            routes = (f"<sip:{host}{port};lr;transport=ws>", *routes)
        return Hop(
            flow,
            server.secure,
            f"SIP/2.0/{transport} {self.host};branch=",
            ";rport" if self._settings.force_rport else "",
            routes,
        )

    def is_ours(self, uri: URI) -> bool:
        """Tell whether a Request-URI means us: by GRUU or instance, else by the user part alone.

        Whatever a proxy did to host and parameters of our Contact does not matter. A URI without a user part names a
        host only, and the flow has brought the request to that.
        """
        if uri.user is None:
            return True
        if self.instance is not None and uri.params.get("gr") == self.instance:
            return True
        return uri.username in self._usernames()

    def _usernames(self) -> list[str | None]:
        names = [self.uri.username, self.contact.username]
        for gruu in (self.gruu, self.temporary_gruu):
            parsed = None if gruu is None else _parsed(gruu)
            if isinstance(parsed, URI):
                names.append(parsed.username)
        return names

    def own_binding(self, contacts: tuple[NameAddr, ...]) -> NameAddr | None:
        """Return the contact of a registrar's answer that is ours: by instance and reg-id first, then by user part."""
        if self.instance is not None:
            by_instance = [contact for contact in contacts if self._has_our_instance(contact)]
            for contact in by_instance:
                if contact.params.get("reg-id") == str(self.reg_id):
                    return contact
            if by_instance:
                return by_instance[0]
        for contact in contacts:
            if isinstance(contact.uri, URI) and contact.uri.username == self.contact.username:
                return contact
        return None

    def _has_our_instance(self, contact: NameAddr) -> bool:
        # RFC 5627 §5.2 has the URN compared as a URN: its case does not matter.
        instance = contact.params.get("+sip.instance")
        return instance is not None and instance.strip("<> ").lower() == self.instance

    def take_gruus(self, contact: NameAddr | None) -> None:
        """Note the GRUUs that the registrar gave to our contact (RFC 5627 §4.2); None forgets them."""
        params = {} if contact is None else contact.params
        self.gruu = _usable(params.get("pub-gruu"))
        self.temporary_gruu = _usable(params.get("temp-gruu"))


def _anonymous(ids: Ids) -> URI:
    return URI(scheme="sip", user=f"anonymous.{ids.token(6)}", host="anonymous.invalid")


def _host(settings: Settings, ids: Ids) -> str:
    hack = settings.hack_ip_in_contact
    if isinstance(hack, str):
        return hack
    # TEST-NET-1 (RFC 5737), as SIP.js has it.
    return f"192.0.2.{int(ids.fraction() * 254) + 1}" if hack else ids.invalid_host()


def _parsed(text: str) -> AnyURI | None:
    try:
        return parse_uri(text)
    except ParseError:
        return None


def _usable(gruu: str | None) -> str | None:
    # It will stand in a Contact of ours: nothing but a SIP URI.
    uri = None if gruu is None else _parsed(gruu)
    return str(replace(uri, headers=())) if isinstance(uri, URI) else None
