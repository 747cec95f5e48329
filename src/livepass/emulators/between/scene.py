"""What a break may act on, and what each break is made of: something that begins, and gives back how to undo it.

The service is not in it. It cannot tell a break from the real thing, because nothing of it was switched.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from livepass.emulators.apns.server import ApnsServer
from livepass.emulators.authority import Authority
from livepass.emulators.between.proxy import Proxy
from livepass.emulators.iphone import PhoneRunner


class Scene(Protocol):
    """The wire, APNs and the phones that hold passes of one pass type."""

    @property
    def proxy(self) -> Proxy: ...

    @property
    def apns(self) -> ApnsServer: ...

    @property
    def authority(self) -> Authority:
        """Whom the phones trust."""

    @property
    def topic(self) -> str:
        """The pass type that is broken, where a break can be of one."""

    @property
    def holders(self) -> Sequence[PhoneRunner]:
        """The phones that are broken, where a break is of phones."""


Undo = Callable[[], Awaitable[None]]
Begin = Callable[[Scene], Awaitable[Undo]]


class Where(StrEnum):
    """The round trip or the thing that a break spoils."""

    REGISTER = "register"
    PUSH = "push"
    ASK = "ask"
    FETCH = "fetch"
    TESTIMONY = "testimony"
    CERTIFICATE = "certificate"
    PACKAGE = "package"
    PHONE = "phone"


@dataclass(frozen=True)
class Break:
    """One thing that goes wrong in real life. ``sentence`` says what, for people; ``joining``: it is seen only when a
    phone registers.
    """

    name: str
    where: Where
    sentence: str
    begin: Begin
    joining: bool = False


class Broken:
    """What is broken in a scene at the moment."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._undo: list[tuple[Break, Undo]] = []

    @property
    def breaks(self) -> list[Break]:
        return [broken for broken, _ in self._undo]

    async def cause(self, one: Break) -> None:
        """Break one thing more. The same one twice is once."""
        if one not in self.breaks:
            self._undo.append((one, await one.begin(self._scene)))

    async def mend(self) -> list[Break]:
        """Undo everything, the last first; what it was."""
        mended = []
        while self._undo:
            one, undo = self._undo.pop()
            await undo()
            mended.append(one)
        return mended
