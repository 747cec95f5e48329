"""A wallet of another vendor: polls, knows nothing of tags, fetches whole bodies, and never says goodbye."""

from __future__ import annotations

import json
import random

from simulation.loop import Loop
from simulation.network import Exchange, Network
from simulation.trace import Trace


class NaiveWallet:
    """Holds one pass, by (pass type, serial), with the token it came with."""

    def __init__(self, name: str, loop: Loop, network: Network, trace: Trace, seed: int) -> None:
        self.name = name
        self.loop = loop
        self.network = network
        self.trace = trace
        self.rng = random.Random(f"{seed}/{name}")
        self.device_id = f"naive-{self.rng.randbytes(8).hex()}"
        self.push_token = self.rng.randbytes(32).hex()
        self.every = self.rng.choice((1800.0, 7200.0, 21600.0))
        self.key: tuple[str, str] = ("", "")
        self.token = ""
        self.body = b""
        self.registered = False
        self.asleep = False
        self.asked_at = 0.0

    def add(self, pass_type: str, serial: str, token: str) -> None:
        self.key, self.token = (pass_type, serial), token
        self._poll()

    def _poll(self) -> None:
        """Registers until it was told yes; then asks without a tag, and fetches whatever is named."""
        self.loop.later(self.every * (0.8 + 0.4 * self.rng.random()), self._poll)
        if self.asleep:
            return
        pass_type, serial = self.key
        devices = f"/wallet/v1/devices/{self.device_id}/registrations/{pass_type}"
        if not self.registered:
            body = json.dumps({"pushToken": self.push_token, "platform": "other"}).encode()
            self._send("register", "POST", f"{devices}/{serial}", body)
        else:
            self._send("ask", "GET", devices)

    def _fetch(self, serial: str) -> None:
        if serial == self.key[1]:
            self._send("fetch", "GET", f"/wallet/v1/passes/{self.key[0]}/{serial}")

    def _send(self, kind: str, method: str, path: str, body: bytes = b"") -> None:
        headers = {"User-Agent": "OtherWallet/1"}
        if kind != "ask":
            headers["Authorization"] = f"ApplePass {self.token}"
        named = self.key[1] if kind != "ask" else ""
        port = self.rng.randrange(2, 60000)
        device = self.device_id if kind != "fetch" else ""
        exchange = Exchange(self.name, kind, method, path, "", headers, body, self.key[0], named, device, port)
        self.network.send(exchange, self._answered)

    def _answered(self, exchange: Exchange | None) -> None:
        if exchange is None:
            return
        if exchange.kind == "register" and exchange.status in (200, 201):
            self.registered = True
        elif exchange.kind == "ask" and exchange.status == 200:
            self.asked_at = self.loop.now
            for serial in json.loads(exchange.answer_body)["serialNumbers"]:
                self._fetch(serial)
        elif exchange.kind == "fetch" and exchange.status == 200:
            self.body = exchange.answer_body
