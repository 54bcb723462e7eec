"""A running ``listen`` and the torture messages (RFC 4475, RFC 5118), over a real WebSocket."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from sipcli.sip.message import Response
from tests.program import running
from tests.ua.peer import Peer

_DATA = Path(__file__).parent.parent / "data"
_CASES: list[tuple[str, dict[str, Any]]] = [
    (folder, case)
    for folder in ("rfc4475", "rfc5118")
    for case in json.loads((_DATA / folder / "index.json").read_text())["messages"]
]
# A request that is for somebody else; an INVITE that nobody takes; a BYE of no dialog; what nothing is wrong with.
_PROCESSED = {"404", "480", "481", "200"}


async def test_every_torture_message_has_an_allowed_outcome(tmp_path: Path) -> None:
    """Each is answered as the index says, or as a request for another user is; after each, OPTIONS is answered."""
    async with Peer({"REGISTER": 200}) as peer:
        environ = {"SIPCLI_URI": "alice@example.com", "SIPCLI_WS_SERVERS": peer.url, "SIPCLI_NO_ANSWER_TIMEOUT": "1"}
        with running("listen", home=tmp_path, environ=environ) as listener:
            await peer.request("REGISTER")
            wrong = {}
            for folder, case in _CASES:
                statuses = await _statuses_after((_DATA / folder / case["file"]).read_bytes(), peer)
                outcome = statuses - {"100", "180"} or {"discard"}
                if outcome & _PROCESSED:
                    outcome |= {"process", "404"}
                allowed = {*case["endpoint"], "404"}
                if case["kind"] == "response":
                    # Nothing was asked: processing a response is to find that out.
                    allowed.add("discard")
                if not outcome & allowed:
                    wrong[case["name"]] = (outcome, allowed)
            assert wrong == {}
            assert listener.end() == 130
            assert "Traceback" not in listener.errors


async def _statuses_after(data: bytes, peer: Peer) -> set[str]:
    """Send octets, then an OPTIONS; return the statuses of what is answered before that is."""
    before = len(peer.received)
    await peer.send(data)
    asked = await peer.ask("OPTIONS")
    while (answer := await peer.response()).get("Call-ID") != asked.get("Call-ID"):
        pass
    assert answer.status == 200
    answers = [message for message in peer.received[before:] if isinstance(message, Response)]
    return {str(message.status) for message in answers if message is not answer}
