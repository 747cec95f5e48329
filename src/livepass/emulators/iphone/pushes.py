"""Where an emulated phone gets its pushes: the control port of an emulated APNs. Not a protocol of Apple's.

POST   {control}/devices/{token}              {"topics": ["pass.x"]}      the phone exists and listens to these
GET    {control}/devices/{token}/pushes?wait=SECONDS                      long poll; the phone is online while it
waits
       → {"pushes": [{"topic": "pass.x", "apns_id": "…", "at_ms": 0}]}
DELETE {control}/devices/{token}                                          wiped, or the token was replaced
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import httpx2

from livepass.emulators.iphone.transport import Verify


@dataclass(frozen=True)
class Push:
    """One delivered push. ``at_ms`` is the time of delivery at the emulated APNs."""

    topic: str
    apns_id: str = ""
    at_ms: int = 0


class PushClient:
    """One phone's line to the emulated APNs. Errors of the line are ``httpx2.HTTPError``."""

    def __init__(self, control_url: str, *, verify: Verify = True) -> None:
        self._base = control_url.rstrip("/")
        self._http = httpx2.AsyncClient(verify=verify, trust_env=False, timeout=10.0)

    async def register(self, token: str, topics: Sequence[str]) -> None:
        """Make the token live for these topics."""
        await self._ask("POST", token, json={"topics": list(topics)})

    async def wait(self, token: str, seconds: float) -> list[Push]:
        """The pushes that arrive within that time, as soon as there is one; empty when none does."""
        url = f"{self._base}/devices/{token}/pushes"
        answer = await self._http.get(url, params={"wait": f"{seconds:g}"}, timeout=seconds + 10)
        answer.raise_for_status()
        return [
            Push(str(push["topic"]), str(push.get("apns_id", "")), int(push.get("at_ms", 0)))
            for push in answer.json()["pushes"]
        ]

    async def forget(self, token: str) -> None:
        """The token is dead from now on."""
        await self._ask("DELETE", token)

    async def close(self) -> None:
        await self._http.aclose()

    async def _ask(self, method: str, token: str, json: object | None = None) -> None:
        answer = await self._http.request(method, f"{self._base}/devices/{token}", json=json)
        answer.raise_for_status()
