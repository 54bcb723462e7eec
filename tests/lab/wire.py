"""Phones that talk to a LabCore without sockets or a clock: what one sends is answered before the call returns."""

from __future__ import annotations

import random

from sipcli.lab.core import LabCore
from sipcli.lab.impairment import Impairment
from sipcli.lab.settings import LabSettings
from sipcli.sip.digest import Credentials, DigestClient
from sipcli.sip.ids import Ids
from sipcli.sip.message import Request, Response, build_response, parse, serialize

__all__ = ["Phone", "Wire"]

PASSWORDS = {"alice": "secret of alice", "bob": "secret of bob", "carol": "secret of carol"}


class Wire:
    """A lab, its time and its phones."""

    def __init__(
        self,
        *,
        delay: float = 0.0,
        loss: float = 0.0,
        algorithms: tuple[str, ...] = ("SHA-256", "MD5"),
        min_expires: int = 0,
        max_expires: int = 3600,
        nonce_lifetime: float = 300.0,
    ) -> None:
        self.ids = Ids(random.Random(1).randbytes)
        settings = LabSettings(
            "127.0.0.1",
            "127.0.0.1",
            5080,
            PASSWORDS,
            algorithms=algorithms,
            min_expires=min_expires,
            max_expires=max_expires,
            nonce_lifetime=nonce_lifetime,
        )
        self.impairment = Impairment(self.ids, delay=delay, loss=loss)
        self.lab = LabCore(settings, self.ids, self.impairment)
        self.now = 1000.0
        self.phones: dict[int, Phone] = {}

    def phone(self, user: str, *, register: bool = False) -> Phone:
        """Connect one more phone of ``user``, which may not be a user of the lab."""
        phone = Phone(self, len(self.phones) + 1, user)
        self.phones[phone.flow] = phone
        self.lab.connected(phone.flow, "127.0.0.1", 40000 + phone.flow, "127.0.0.1")
        if register:
            assert phone.register().status == 200
        return phone

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        until = self.now + seconds
        while (deadline := self.lab.next_deadline()) is not None and deadline <= until:
            self.now = deadline
            self.lab.handle_timer(self.now)
            self.deliver()
        self.now = until

    def deliver(self) -> None:
        """Hand the lab's output to the phones."""
        for output in self.lab.outputs():
            self.phones[output.flow].arrived.append(output.data)


class Phone:
    """One client's connection, and what arrived on it."""

    def __init__(self, wire: Wire, flow: int, user: str) -> None:
        self.wire = wire
        self.flow = flow
        self.user = user
        self.uri = f"sip:{user}@127.0.0.1"
        self.host = f"phone{flow}.invalid"
        self.contact = f"sip:{user}{flow}@{self.host};transport=ws"
        self.call_id = f"call-{flow}"
        self.cseq = 0
        self.arrived: list[bytes] = []
        self._digest = DigestClient(("SHA-512-256", "SHA-256", "MD5"), wire.ids)

    # Out

    def send(self, data: bytes | Request | Response) -> None:
        """Send one message."""
        octets = data if isinstance(data, bytes) else serialize(data)
        self.wire.lab.receive(octets, self.flow, self.wire.now)
        self.wire.deliver()

    def hang_up(self) -> None:
        """Lose the connection."""
        self.wire.lab.disconnected(self.flow, self.wire.now)
        self.wire.deliver()

    def request(
        self,
        method: str,
        to: str,
        *headers: tuple[str, str],
        uri: str | None = None,
        body: bytes = b"",
        to_tag: str = "",
    ) -> Request:
        """Build a request to ``to``, ``bob`` or a whole URI."""
        self.cseq += 1
        target = to if ":" in to else f"sip:{to}@127.0.0.1"
        fields = [
            ("Via", f"SIP/2.0/WS {self.host};branch={self.wire.ids.branch()};rport"),
            ("Max-Forwards", "70"),
            ("To", f"<{target}>" + (f";tag={to_tag}" if to_tag else "")),
            ("From", f"<{self.uri}>;tag=tag{self.flow}"),
            ("Call-ID", self.call_id),
            ("CSeq", f"{self.cseq} {method}"),
        ]
        given = {name for name, _ in headers}
        return Request(method, uri or target, [*(field for field in fields if field[0] not in given), *headers], body)

    def start(self, request: Request, *, password: str | None = None) -> None:
        """Send a request, and sign it when challenged."""
        self.send(request)
        last = parse(self.arrived[-1]) if self.arrived else None
        if not isinstance(last, Response) or last.status not in (401, 407):
            return
        credentials = Credentials(self.user, password or PASSWORDS.get(self.user, "-"))
        challenges = self._digest.challenged(last, credentials)
        if challenges:
            self.arrived.clear()
            self.cseq += 1
            again = request.with_header("CSeq", f"{self.cseq} {request.method}").without("Via")
            again = again.with_prepended("Via", f"SIP/2.0/WS {self.host};branch={self.wire.ids.branch()};rport")
            self.send(self._digest.authorize(again, challenges, credentials))

    def exchange(self, request: Request, *, password: str | None = None) -> Response:
        """Send a request, sign it when challenged, and return the last response that came."""
        self.start(request, password=password)
        return self.response()

    def ask(self, method: str, to: str, *headers: tuple[str, str], body: bytes = b"") -> Response:
        """Build, send and sign a request."""
        return self.exchange(self.request(method, to, *headers, body=body))

    def register(
        self, *contact_params: str, supported: str = "", headers: tuple[tuple[str, str], ...] = ()
    ) -> Response:
        """Register this phone's contact."""
        contact = "".join([f"<{self.contact}>", *(f";{param}" for param in contact_params)])
        fields = [("Contact", contact), *([("Supported", supported)] if supported else []), *headers]
        return self.exchange(self.request("REGISTER", self.uri, *fields, uri="sip:127.0.0.1"))

    def answer(self, request: Request, status: int, reason: str | None = None, *headers: tuple[str, str]) -> None:
        """Answer a request that arrived."""
        self.send(build_response(request, status, reason, to_tag=f"tag{self.flow}", headers=headers))

    # In

    def messages(self) -> list[Request | Response]:
        """Return what arrived since the last call."""
        arrived, self.arrived = self.arrived, []
        return [parse(data) for data in arrived]

    def response(self) -> Response:
        """Return the last of what arrived, a response; what came before it is forgotten."""
        message = self.messages()[-1]
        assert isinstance(message, Response)
        return message

    def incoming(self) -> Request:
        """Return the one message that arrived, a request."""
        [message] = self.messages()
        assert isinstance(message, Request)
        return message
