"""Answers the calls that this installation makes to its own public address (``core.echo``): tells how they arrived.

There is nothing here for strangers: without a ticket of this installation's own a call is one for a pass type that does
not exist. A ticket that somebody reads on the way opens an echo of his own call, for two minutes.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from livepass.core.decision import Reply
from livepass.core.echo import PROOF, TYPE, echo_key, modified, opened, proof
from livepass.service.seams import Chance, Clock, KeyRing

if TYPE_CHECKING:
    from livepass.web.phone import Request

PER_MINUTE = 240
"""Echoes of one process: twenty rounds of calls."""
_PADDING = "." * 1024
"""Proxies compress what is long enough."""


class Echo:
    """One object per process."""

    def __init__(self, keys: KeyRing, clock: Clock, chance: Chance) -> None:
        self._keys = keys
        self._clock = clock
        self._chance = chance
        self._minute, self._count = 0, 0

    def ticket(self, request: Request) -> str:
        """The ticket of a call to ourselves; "": this is none, or there were too many lately."""
        parts = request.parts
        if TYPE not in parts:
            return ""
        now = self._clock.now()
        place = parts[2] if parts[:2] == ("v1", "devices") and len(parts) > 2 else parts[3] if len(parts) > 3 else ""
        ticket = opened(place, echo_key(self._keys.tag_key), now)
        if not ticket:
            return ""
        if now // 60_000 != self._minute:
            self._minute, self._count = now // 60_000, 0
        self._count += 1
        return ticket if self._count <= PER_MINUTE else ""

    def answer(self, request: Request, ticket: str, target: str, length: int) -> Reply:
        """With the headers that a pass or a list would have. ``length``: of the body that came."""
        fetch = request.parts[1] == "passes"
        at = modified(ticket)
        held = fetch and request.if_modified_since == at
        status, body = (304, b"") if held else (200, self._body(request, ticket, target, length))
        if request.method == "HEAD":
            body = b""
        media = b"application/vnd.apple.pkpass" if fetch else b"application/json"
        signed = proof(echo_key(self._keys.tag_key), ticket, request.method, status, body)
        headers = [(PROOF.encode(), signed.encode()), (b"content-type", media)]
        return Reply(status, (*headers, (b"last-modified", at.encode())) if fetch else tuple(headers), body)

    def _body(self, request: Request, ticket: str, target: str, length: int) -> bytes:
        said = {
            "ticket": ticket,
            "answer": self._chance.token_bytes(8).hex(),
            "target": target,
            "authorization": request.authorization,
            "if_modified_since": request.if_modified_since,
            "connection": request.connection,
            "started_at": request.started_at,
            "at": self._clock.now(),
            "length": length,
            "padding": _PADDING,
        }
        return json.dumps(said).encode()
