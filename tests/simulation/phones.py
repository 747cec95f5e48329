"""A phone in the world: the emulated ``Wallet``, its line to the service and to APNs, and what its owner does to it."""

from __future__ import annotations

import hashlib
import random
from collections import Counter
from collections.abc import Callable
from typing import Any, ClassVar

from livepass.emulators.iphone import Package, Quirks, Refused, Wallet
from livepass.emulators.iphone.model import PassKey, Request, Sent
from livepass.emulators.iphone.package import read
from simulation.apple import Apple
from simulation.loop import Loop
from simulation.network import BASE, Exchange, Network
from simulation.papers import SIGNATURES, authority, opened
from simulation.trace import Trace

IDLE = 90.0
"""How long a phone keeps its connection."""


class SimWallet(Wallet):
    """The emulated phone, with two eyes of the simulator in it: what it gave up, and what it was handed."""

    stranded: dict[PassKey, None]
    """Passes whose registration the phone gave up: nobody can reach it for them."""
    gave_up: dict[PassKey, None]
    """Passes whose fetch the phone gave up, and that it has not asked for since."""
    verified: ClassVar[set[str]] = set()
    """Certificates of which one signature was verified in full."""
    refused: Callable[[str], None]

    def read(self, data: bytes) -> Package:
        """Signatures cost more than all the rest: a certificate's first one is verified as a phone does it, the others
        are compared with what was signed.
        """
        signature = opened(data).files.get("signature", b"")
        signed = SIGNATURES.get(signature)
        try:
            if signed is None or signed.certificate_id not in self.verified:
                package = read(data, roots=self.roots)
                if signed is not None:
                    self.verified.add(signed.certificate_id)
                return package
            package = opened(data)
            if signed.manifest != package.files["manifest.json"] or signed.pass_type != package.pass_type:
                raise Refused("Data signature did not verify successfully", "of another manifest or pass type")
            if not signed.valid:
                raise Refused("not trusted", "signed outside the validity of its certificate")
        except Refused as refused:
            self.refused(str(refused))
            raise
        return package

    def abandon(self, sent: Sent) -> None:
        if sent.task.kind == "register":
            self.stranded[sent.task.pass_key] = None
        elif sent.task.kind == "fetch":
            self.gave_up[sent.task.pass_key] = None
        super().abandon(sent)


def manifest_of(package: Package) -> str:
    return hashlib.sha256(package.files["manifest.json"]).hexdigest()


class Phone:
    """``on`` ends when the phone is replaced for good; ``online`` comes and goes."""

    def __init__(
        self, name: str, loop: Loop, network: Network, apple: Apple, trace: Trace, seed: int, quirks: Quirks
    ) -> None:
        self.name = name
        self.loop = loop
        self.network = network
        self.apple = apple
        self.trace = trace
        self.rng = random.Random(f"{seed}/{name}")
        self.wallet = SimWallet([authority().root], rng=self.rng, quirks=quirks)
        self._adopt_wallet()
        self.on = True
        self.online = True
        self.port = 1
        self._used = 0.0
        self._due: float | None = None
        self.refusals: list[str] = []
        self.bodies: dict[tuple[PassKey, str], int] = {}
        """How often each version was downloaded in full though the phone held it."""
        self.readded: dict[PassKey, int] = {}
        self.enrolled: dict[PassKey, str | None] = {}
        """The token with which each pass was registered: one that was added anew since is another pass."""
        self.asks: Counter[str] = Counter()
        """Asks that were answered, by pass type, since it was last counted, or last registered a pass."""
        self.needed: Counter[str] = Counter()
        """How many of them it took until something new came."""
        self.trying: dict[PassKey, int] = {}
        """How many there were when it first tried to fetch what it has not got since: its own tries take none."""
        self.tokens = 0
        """How often its push token changed: each time, what we count of its patience begins anew."""
        self.pushed: Callable[[Phone, str], None] = lambda *_: None

    def _adopt_wallet(self) -> None:
        self.wallet.stranded, self.wallet.gave_up = {}, {}
        self.wallet.refused = lambda text: self.refusals.append(text)
        self.apple.issue(self.wallet.push_token, self)

    def __str__(self) -> str:
        return self.name

    # ── talking

    def pump(self) -> None:
        """Send what is due, and come back when the next is."""
        if not self.on or not self.online:
            return
        now = self.loop.now
        for request in self.wallet.due(now):
            self._send(request)
        due = self.wallet.next_due()
        if due is None or (self._due is not None and now < self._due <= due):
            return
        self._due = due
        self.loop.at(due, lambda: self._come_back(due))

    def _come_back(self, due: float) -> None:
        if self._due == due:
            self._due = None
            self.pump()

    def _send(self, request: Request) -> None:
        now = self.loop.now
        if now - self._used > IDLE:
            self.port += 1
        self._used = now
        address, _, query = request.url.removeprefix(BASE).partition("?")
        parts = address.split("/")
        held = self.wallet.passes.get((request.pass_type, request.serial or ""))
        exchange = Exchange(
            self.name,
            request.kind,
            request.method,
            address,
            query,
            request.headers,
            request.body or b"",
            request.pass_type,
            request.serial or "",
            parts[4] if len(parts) > 4 and parts[3] == "devices" else "",
            self.port,
            manifest_of(held.package) if held is not None else "",
        )
        if request.kind == "fetch":
            self.trying.setdefault((request.pass_type, request.serial or ""), self.asks[request.pass_type])
        self.network.send(exchange, lambda answered: self._answered(request, answered))

    def _answered(self, request: Request, answered: Exchange | None) -> None:
        if not self.on:
            return
        now, key = self.loop.now, (request.pass_type, request.serial or "")
        if answered is None or not self.online:
            self.wallet.failed(request.id, "no answer", now)
        else:
            self._used = now
            before = self.wallet.passes.get(key)
            was = before.package if before is not None else None
            self.wallet.answered(request.id, answered.status, answered.answer_headers, answered.answer_body, now)
            self._took(request, answered, key, was)
        self.pump()

    def _took(self, request: Request, answered: Exchange, key: PassKey, was: Any) -> None:
        if request.kind == "ask" and answered.status in (200, 204):
            self.asks[request.pass_type] += 1
        if request.kind == "register" and answered.status in (200, 201):
            self.wallet.stranded.pop(key, None)
            self.enrolled[key] = answered.token
            self.asks[request.pass_type] = 0  # what it asked before could not name this pass
        if request.kind == "fetch" and answered.status in (200, 304):
            self.wallet.gave_up.pop(key, None)
        held = self.wallet.passes.get(key)
        if request.kind == "fetch" and answered.status == 200 and held is not None:
            version = manifest_of(held.package)
            if held.package is was:
                self.bodies[key, version] = self.bodies.get((key, version), 0) + 1
            if held.package is not was:
                self.needed[key[0]] = min(self.trying.get(key, self.asks[key[0]]), self.asks[key[0]])
            self.trace.note("took", f"{self.name} {key[1]} {version[:8]}{'' if held.package is was else ' new'}")
        if request.kind == "fetch" and (answered.status == 304 or (held is not None and held.package is not was)):
            self.trying.pop(key, None)

    def push(self, topic: str) -> None:
        self.trace.note("push", f"{self.name} {topic}")
        self.wallet.push(topic, self.loop.now)
        self.pushed(self, topic)
        self.pump()

    def wants(self, topic: str) -> bool:
        return self.on and any(held.updatable for held in self.wallet.passes_of(topic))

    def count_anew(self) -> None:
        """From now on it is counted how many asks it takes."""
        self.asks.clear()
        self.needed.clear()
        self.trying = dict.fromkeys(self.trying, 0)

    # ── what its owner does

    def add(self, pkpass: bytes) -> PassKey:
        held = self.wallet.add(pkpass, self.loop.now)
        self.readded[held.key] = self.readded.get(held.key, 0) + 1
        self.trace.note("add", f"{self.name} {held.serial} {manifest_of(held.package)[:8]}")
        self.asks[held.pass_type] = self.needed[held.pass_type] = 0
        self.apple.want(self.wallet.push_token, held.pass_type)
        self.pump()
        return held.key

    def delete(self, key: PassKey) -> None:
        self.trace.note("delete", f"{self.name} {key[1]}")
        self.wallet.delete(*key, self.loop.now)
        self._left(key[0])

    def toggle(self, key: PassKey, on: bool) -> None:
        self.trace.note("toggle", f"{self.name} {key[1]} {on}")
        self.asks[key[0]] = self.needed[key[0]] = 0
        self.wallet.set_automatic_updates(*key, on, self.loop.now)
        self._left(key[0])

    def _left(self, topic: str) -> None:
        if self.wants(topic):
            self.apple.want(self.wallet.push_token, topic)
        else:
            self.apple.unwant(self.wallet.push_token, topic)
        self.pump()

    def go_offline(self) -> None:
        self.trace.note("offline", self.name)
        self.online = False
        self.wallet.set_airplane_mode(True, self.loop.now)

    def come_back(self) -> None:
        if self.online:
            return
        self.trace.note("online", self.name)
        self.online = True
        self.wallet.set_airplane_mode(False, self.loop.now)
        self.port += 1
        self.apple.back_online(self.wallet.push_token)
        self.pump()

    def reboot(self) -> None:
        self.trace.note("reboot", self.name)
        self.port += 1
        self.wallet.reboot(self.loop.now)
        self.pump()

    def new_token(self) -> None:
        self.trace.note("token", self.name)
        self.tokens += 1
        self.apple.retire(self.wallet.push_token)
        self.wallet.new_push_token(None, self.loop.now)
        self.apple.issue(self.wallet.push_token, self)
        self.pump()

    def move_to(self, name: str, seed: int, *, keep_old: bool) -> Phone:
        """A backup of this phone on another one. The old one is put away, or goes on as well."""
        other = Phone(name, self.loop, self.network, self.apple, self.trace, seed, self.wallet.quirks)
        self.trace.note("move", f"{self.name} to {name}{' and stays' if keep_old else ''}")
        self.apple.retire(other.wallet.push_token)
        restored = self.wallet.restore_onto_new_phone(self.loop.now, other.rng)
        restored.__class__ = SimWallet
        assert isinstance(restored, SimWallet)
        other.wallet = restored
        other._adopt_wallet()
        if not keep_old:
            self.on = False
            self.apple.retire(self.wallet.push_token)
        other.pushed = self.pushed
        other.pump()
        return other
