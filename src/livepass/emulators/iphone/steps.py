"""A phone with one pass that takes one trip at a time, when it is told: for whoever measures them one by one.

It writes its requests as ``Wallet`` does, and keeps what a phone keeps: the tag, and the text of Last-Modified. Unlike
``Wallet`` it never comes by itself, repeats nothing and complains of nothing.
"""

from __future__ import annotations

from typing import Final

from livepass.emulators.iphone import addressing
from livepass.emulators.iphone.answers import read_listing
from livepass.emulators.iphone.model import InstalledPass, Kind, PhoneSettings, Record, Task
from livepass.emulators.iphone.package import reopen
from livepass.emulators.iphone.transport import Reply, Transport

SETTINGS: Final = PhoneSettings()


class SteppedPhone:
    """``pkpass`` as it was installed; its signature is the caller's to judge. Raises ``Refused`` for what is no pass,
    ``ValueError`` for one without a web service.
    """

    def __init__(self, pkpass: bytes, device_id: str, push_token: str, transport: Transport) -> None:
        package = reopen(pkpass)
        self._held = InstalledPass(package, added_at=0, modified_at=0, token=package.token)
        key = self._held.record_key
        if key is None:
            raise ValueError("the pass names no web service")
        self._record = Record(*key, device_id=device_id, push_token=push_token)
        self._transport = transport

    @property
    def tag(self) -> str | None:
        """The newest that it was given."""
        return self._record.tag

    async def register(self) -> Reply:
        """All raise ``Unreachable``."""
        return await self._send("register")

    async def ask(self) -> Reply:
        reply = await self._send("ask")
        told = read_listing(reply.body) if reply.status == 200 else None
        if told is not None and told.tag is not None:
            self._record.tag = told.tag
        return reply

    async def fetch(self) -> Reply:
        reply = await self._send("fetch")
        if reply.status == 200:
            self._held.last_modified = reply.headers.get("last-modified")
        return reply

    async def unregister(self) -> Reply:
        return await self._send("unregister")

    async def _send(self, kind: Kind) -> Reply:
        held, record = self._held, self._record
        task = Task(kind, *record.key, serial=held.serial, token=held.token)
        request = addressing.request(1, task, record, held, (), SETTINGS, twice=False)
        return await self._transport.send(request)
