"""One visit to a web service: what was asked once is remembered, and a fake device never stays.

The pass's token goes to the ``webServiceURL`` of the pass, over a connection that is to be trusted, and nowhere else.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from urllib.parse import quote

from livepass.doctor.result import NotTested
from livepass.doctor.subject import Subject
from livepass.doctor.wire import Link, Reply, Sight, Silent

DEVICE: Final = "livepass-doctor-"
WRONG: Final = "livepass-doctor-has-no-such-token"
"""A token that no pass has."""
NOWHERE: Final = "livepass-doctor-no-such-serial"

_VISIBLE: Final = re.compile("[ -~]+")
_IN_PATH: Final = "!$&'()*+,;=:@-._~"
_IN_QUERY: Final = "/?:@!$&'()*+,;=-._~"
"""What phones leave as it is in a query (observed; unconfirmed): + & = among them."""


@dataclass(slots=True)
class Visit:
    """``device`` and ``push_token`` are made up for this visit, the latter 64 hexadecimal digits."""

    subject: Subject
    link: Link
    now: datetime
    device: str
    push_token: str
    registered: bool = False
    """Whether the fake device may stand in the service's books: from before it is sent there until its end is seen."""
    _replies: dict[str, Reply] = field(default_factory=dict)

    # ── the calls of a phone

    @property
    def base(self) -> str:
        """The path of ``webServiceURL``; one slash at its end makes no difference, as on phones."""
        return self.subject.url.path.rstrip("/")

    @property
    def pass_target(self) -> str:
        return f"{self.base}/v1/passes/{self._type}/{_part(self.subject.text('serialNumber'))}"

    @property
    def device_target(self) -> str:
        return f"{self.base}/v1/devices/{_part(self.device)}/registrations/{self._type}"

    @property
    def registration_target(self) -> str:
        return f"{self.device_target}/{_part(self.subject.text('serialNumber'))}"

    @property
    def nowhere_target(self) -> str:
        return f"{self.base}/v1/passes/{self._type}/{NOWHERE}"

    @property
    def _type(self) -> str:
        return _part(self.subject.text("passTypeIdentifier"))

    @property
    def token(self) -> dict[str, str]:
        """The header of a phone that holds the pass. Raises ``NotTested`` where it cannot be written."""
        token = self.subject.text("authenticationToken")
        if not _VISIBLE.fullmatch(token):
            raise NotTested("authenticationToken holds characters that a header cannot carry")
        return authorization(token)

    def sight(self) -> Sight:
        """TLS as offered. Raises ``NotTested``."""
        try:
            return self.link.sight()
        except Silent as error:
            raise NotTested(str(error)) from error

    def stranger(self) -> Reply:
        """The first call, which needs no secret: an unknown device asks. Raises ``Silent``."""
        return self._once("stranger", "GET", self.device_target)

    def fetched(self) -> Reply:
        """The pass, for its token. Raises ``Silent``."""
        return self._once("fetched", "GET", self.pass_target, self.token)

    def _once(self, name: str, method: str, target: str, headers: Mapping[str, str] | None = None) -> Reply:
        if name not in self._replies:
            self._replies[name] = self.link.call(method, target, headers or {})
        return self._replies[name]

    def fetch(self, headers: Mapping[str, str], method: str = "GET") -> Reply:
        return self.link.call(method, self.pass_target, headers)

    def ask(self, tag: str | None = None) -> Reply:
        """Ask as a phone does: no Authorization, the tag in the query as phones write it."""
        query = "" if tag is None else f"?passesUpdatedSince={quote(tag, safe=_IN_QUERY)}"
        return self.link.call("GET", self.device_target + query, {})

    def register(self, headers: Mapping[str, str]) -> Reply:
        body = json.dumps({"pushToken": self.push_token}).encode()
        self.registered = True
        return self.link.call("POST", self.registration_target, {**headers, "Content-Type": "application/json"}, body)

    def unregister(self, headers: Mapping[str, str]) -> Reply:
        return self.link.call("DELETE", self.registration_target, headers)

    def complain(self, line: str) -> Reply:
        body = json.dumps({"logs": [line]}).encode()
        return self.link.call("POST", f"{self.base}/v1/log", {"Content-Type": "application/json"}, body)

    # ── the end

    def leave(self) -> tuple[bool, str]:
        """Take the fake device back, whatever happened before. Whether it is proved to be gone, and a sentence.

        Has requests of its own beyond the bounds: nothing may keep it from trying.
        """
        if not self.registered:
            return True, "nothing was registered"
        self.link.close()
        self.link.sent = 0
        try:
            status = self.unregister(self.token).status
            proof = "nothing is listed for it any more"
            asked = self.ask()
            if asked.status not in (200, 204, 404) or self.subject.text("serialNumber") in serials(asked):
                # Some go on telling for a while: then 201 for a new registration shows that the old one was gone.
                anew, status = self.register(self.token).status, self.unregister(self.token).status
                if anew != 201:
                    return False, self._by_hand(f"DELETE is answered {status}, and nothing shows that it is gone")
                proof = "known no more: registering it again was new (201), and was taken back"
        except (Silent, NotTested) as error:
            return False, self._by_hand(str(error))
        if status >= 300 and status not in (404, 410):
            return False, self._by_hand(f"DELETE is answered {status}")
        self.registered = False
        return True, f"fake device {self.device} unregistered ({status}): {proof}"

    def _by_hand(self, why: str) -> str:
        return (
            f"fake device {self.device} may still be registered ({why}); remove it: DELETE {self.registration_target} "
            "with the token of the pass"
        )


def serials(reply: Reply) -> list[object]:
    """``serialNumbers`` of an answer to an ask; none where there is nothing of the kind."""
    if reply.status != 200:
        return []
    try:
        found = json.loads(reply.body)
    except (ValueError, RecursionError):
        return []
    listed = found.get("serialNumbers") if isinstance(found, dict) else None
    return listed if isinstance(listed, list) else []


def authorization(token: str) -> dict[str, str]:
    return {"Authorization": f"ApplePass {token}"}


def _part(text: str) -> str:
    return quote(text, safe=_IN_PATH)
