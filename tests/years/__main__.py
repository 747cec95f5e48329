"""Runs one scene: ``python -m years SCENE FOLDER``, under libfaketime (``sky.travel``)."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import engines
from years.scenes import SCENES, world_of_years

LIMIT_SECONDS = 250.0


async def main(scene: str, directory: Path) -> None:
    async with asyncio.timeout(LIMIT_SECONDS), world_of_years(directory) as world:
        await SCENES[scene](world)


engines.choose("sqlite")
asyncio.run(main(sys.argv[1], Path(sys.argv[2])))
