"""The running demo as the console's demo page knows it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from livepass.cli.demo_passes import SAMPLES
from livepass.emulators.between.breaks import BREAKS, BY_NAME
from livepass.service.refusals import NotFound
from livepass.web.console.page import Held

if TYPE_CHECKING:
    from livepass.cli.demo_world import Demo

_BY_SERIAL = {sample.serial: sample for sample in SAMPLES}


class DemoDesk:
    """What each phone shows is read from the phone itself, which shares nothing with the service."""

    def __init__(self, world: Demo) -> None:
        self._world = world

    def held(self) -> list[Held]:
        return [
            Held(
                phone=name,
                pass_type=one.pass_type,
                serial=one.serial,
                title=_BY_SERIAL[one.serial].title,
                variable=_BY_SERIAL[one.serial].variable,
                value=one.field(_BY_SERIAL[one.serial].field),
                files=one.package.files,
                version=one.package.manifest_hash[:12],
                banner=next((said.text for said in reversed(runner.wallet.banners) if said.serial == one.serial), ""),
            )
            for name, runner in self._world.phones.items()
            for one in runner.wallet.passes.values()
            if one.serial in _BY_SERIAL
        ]

    async def change(self, serial: str, value: Any) -> None:
        await self._world.change(_BY_SERIAL[serial], value)

    def breaks(self) -> list[Mapping[str, Any]]:
        broken = {one.name for one in self._world.breaks}
        return [{"name": one.name, "sentence": one.sentence, "broken": one.name in broken} for one in BREAKS]

    async def cause(self, name: str) -> None:
        if name not in BY_NAME:
            raise NotFound(f"nothing that can be broken is called {name!r}", hint="livepass demo break --list")
        await self._world.cause(BY_NAME[name])

    async def mend(self) -> None:
        await self._world.mend()
