"""A phone held in the hand: a wallet, a clock that the test turns, and a naive web service without sockets.

The service believes nothing in common with livepass: a counter, a dictionary, and answers that a test may replace.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from email.utils import formatdate
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from emulators.iphone.pass_maker import PASS_TYPE, URL, Maker
from livepass.emulators.iphone import PhoneSettings, Quirks, Request, Wallet

START = 1_800_000_000.0
Answer = tuple[int, dict[str, str], bytes]


def reply(status: int = 200, body: bytes | str | dict[str, Any] = b"", **headers: str) -> Answer:
    if isinstance(body, dict):
        body = json.dumps(body)
    raw = body.encode() if isinstance(body, str) else body
    return status, {name.replace("_", "-"): value for name, value in headers.items()}, raw


def listing(serials: list[Any], tag: Any = None) -> Answer:
    return reply(200, {"serialNumbers": serials} | ({} if tag is None else {"lastUpdated": tag}))


class Service:
    """Answers like the tutorial does. ``replies`` overrides the answer of one kind; ``log`` holds what phones wrote."""

    def __init__(self, maker: Maker) -> None:
        self.maker = maker
        self.seq = 0
        self.passes: dict[str, tuple[bytes, str, int]] = {}
        self.registered: dict[tuple[str, str], str] = {}
        self.requests: list[Request] = []
        self.replies: dict[str, Answer | Callable[[Request], Answer]] = {}
        self.log: list[str] = []

    def put(self, serial: str = "S-1", points: Any = 120, **changes: Any) -> bytes:
        self.seq += 1
        data = self.maker(serial, points, **changes)
        self.passes[serial] = (data, formatdate(START + self.seq, usegmt=True), self.seq)
        return data

    def __call__(self, request: Request) -> Answer:
        self.requests.append(request)
        chosen = self.replies.get(request.kind)
        if chosen is not None:
            return chosen(request) if callable(chosen) else chosen
        return getattr(self, f"_{request.kind}")(request)  # type: ignore[no-any-return]

    def _register(self, request: Request) -> Answer:
        device, serial = self._names(request.url)
        self.registered[device, serial] = json.loads(request.body or b"")["pushToken"]
        return reply(201)

    def _unregister(self, request: Request) -> Answer:
        self.registered.pop(self._names(request.url), None)
        return reply(200)

    def _ask(self, request: Request) -> Answer:
        address = urlsplit(request.url)
        device = address.path.split("/")[-3]
        since = int(parse_qs(address.query).get("passesUpdatedSince", ["0"])[0])
        mine = {serial for owner, serial in self.registered if owner == device}
        changed = [serial for serial, (_, _, seq) in self.passes.items() if seq > since and serial in mine]
        return listing(changed, str(self.seq)) if changed else reply(204)

    def _fetch(self, request: Request) -> Answer:
        serial = unquote(unquote(urlsplit(request.url).path.split("/")[-1]))
        data, modified, _ = self.passes[serial]
        if request.headers.get("If-Modified-Since") == modified:
            return reply(304)
        return reply(200, data, Last_Modified=modified, Content_Type="application/vnd.apple.pkpass")

    def _log(self, request: Request) -> Answer:
        self.log += json.loads(request.body or b"")["logs"]
        return reply(200)

    def _lifecycle(self, request: Request) -> Answer:
        return reply(200)

    def _head(self, request: Request) -> Answer:
        return reply(200)

    @staticmethod
    def _names(url: str) -> tuple[str, str]:
        parts = urlsplit(url).path.split("/")
        return parts[-4], unquote(unquote(parts[-1]))


class Hand:
    """One phone and one service. ``kinds`` lists what was sent since it was last read."""

    def __init__(
        self,
        maker: Maker,
        quirks: dict[str, str] | None = None,
        settings: PhoneSettings | None = None,
        seed: int = 1,
        wallet: Wallet | None = None,
        service: Service | None = None,
    ) -> None:
        self.maker = maker
        self.now = START
        self.service = service or Service(maker)
        self.wallet = wallet or Wallet(
            [maker.authority.root], rng=random.Random(seed), settings=settings, quirks=Quirks(quirks)
        )

    def settle(self) -> list[Request]:
        """Let the phone talk until it is quiet at this moment; return what it sent."""
        sent: list[Request] = []
        while requests := self.wallet.due(self.now):
            for request in requests:
                sent.append(request)
                self.wallet.answered(request.id, *self.service(request), self.now)
            assert len(sent) < 500, "the phone does not come to rest"
        return sent

    def wait(self, seconds: float) -> list[Request]:
        """Let time pass, with everything that falls due on the way."""
        end = self.now + seconds
        sent = self.settle()
        while (due := self.wallet.next_due()) is not None and due <= end:
            self.now = max(self.now, due)
            sent += self.settle()
        self.now = end
        return sent

    def add(self, serial: str = "S-1", points: Any = 120, **changes: Any) -> list[Request]:
        self.wallet.add(self.service.put(serial, points, **changes), self.now)
        return self.settle()

    def push(self, topic: str = PASS_TYPE) -> list[Request]:
        self.wallet.push(topic, self.now)
        return self.settle()

    def change(self, serial: str = "S-1", points: Any = 130, **changes: Any) -> list[Request]:
        self.service.put(serial, points, **changes)
        return self.push()

    @property
    def record(self) -> Any:
        return next(iter(self.wallet.records.values()))

    def said(self, phrase: str) -> list[str]:
        return [line for line in self.wallet.complaints if phrase in line]


def kinds(requests: list[Request]) -> list[str]:
    return [request.kind for request in requests]


def address(request: Request) -> str:
    assert request.url.startswith(URL)
    return request.url.removeprefix(URL)
