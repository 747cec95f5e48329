"""A phone beside a real service: the emulated ``Wallet`` with the time that it is told, its requests as JSON."""

from __future__ import annotations

import copy
import itertools
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from cryptography import x509

from livepass.emulators.iphone import Wallet
from livepass.emulators.iphone.model import Request

BASE = "https://localhost"
numbers = itertools.count(1)


class Phone:
    """``asks``: how many of its asks were answered since it was last counted, by pass type; ``needed``: how many of
    them it took until nothing new came any more.
    """

    def __init__(self, name: str, wallet: Wallet) -> None:
        self.name = name
        self.wallet = wallet
        self.tokens = {wallet.push_token}
        self.under_way: dict[int, Request] = {}
        self.asks: Counter[str] = Counter()
        self.needed: Counter[str] = Counter()

    @classmethod
    def new(cls, name: str, roots: Sequence[x509.Certificate]) -> Phone:
        return cls(name, Wallet(roots, rng=random.Random(name)))

    def copied(self) -> Phone:
        """The same phone once more, from here on with a life of its own."""
        assert not self.under_way
        return Phone(self.name, copy.deepcopy(self.wallet, {id(self.wallet.roots): self.wallet.roots}))

    def count_asks(self) -> None:
        self.asks.clear()
        self.needed.clear()

    def due(self, now: float) -> list[dict[str, Any]]:
        """What it sends now."""
        made = []
        for request in self.wallet.due(now):
            number = next(numbers)
            self.under_way[number] = request
            made.append(
                {
                    "number": number,
                    "who": self.name,
                    "kind": request.kind,
                    "method": request.method,
                    "address": request.url.removeprefix(BASE),
                    "headers": dict(request.headers),
                    "body": (request.body or b"").decode(),
                }
            )
        return made

    def take(self, number: int, status: int, headers: Mapping[str, str], body: bytes, now: float) -> None:
        request = self.under_way.pop(number)
        key = (request.pass_type, request.serial or "")
        before = self.wallet.passes[key].package if key in self.wallet.passes else None
        self.wallet.answered(request.id, status, headers, body, now)
        if request.kind == "ask" and status in (200, 204):
            self.asks[request.pass_type] += 1
        if request.kind == "fetch" and key in self.wallet.passes and self.wallet.passes[key].package is not before:
            self.needed[request.pass_type] = self.asks[request.pass_type]

    def hang_up(self, now: float) -> None:
        """No answer comes any more."""
        for request in self.under_way.values():
            self.wallet.failed(request.id, "no answer", now)
        self.under_way.clear()
