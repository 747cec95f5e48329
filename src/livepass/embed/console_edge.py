"""What the console's process hands in: the configuration as people may see it, the names of the secret keys, and the
doctor, which looks at a file without sending anything.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from livepass.config import PREFIX, SETTINGS, Config
from livepass.web.console.edge import Edge

if TYPE_CHECKING:
    from livepass.wiring import Services


def edge(services: Services, sources: Mapping[str, str] | None = None) -> Edge:
    """``sources``: where each setting that was given came from (``config.sources``); ``None``: not from there."""
    return Edge(
        settings(services.config, sources),
        services.safekeeping.secret_ids,
        judge=judged,
        ready=services.ready,
        canaries=services.config.canary,
    )


def settings(config: Config, sources: Mapping[str, str] | None) -> list[dict[str, Any]]:
    """Every setting, what it is and where it is from; its value, unless it is secret."""
    return [
        {
            "name": f"{PREFIX}{one.name}",
            "what": one.what,
            "source": "whoever started this" if sources is None else sources.get(one.name, "the default"),
            "secret": one.secret,
            "given": bool(getattr(config, one.name.lower())),
            "value": "" if one.secret else _shown(getattr(config, one.name.lower())),
        }
        for one in SETTINGS
    ]


def _shown(value: str | int | tuple[str, ...] | Path | None) -> str:
    """As it would be written; without what an address may hold before its host."""
    if value is None:
        return ""
    text = ",".join(value) if isinstance(value, tuple) else str(value)
    return re.sub(r"//[^/]*@", "//…@", text)


def judged(data: bytes) -> Mapping[str, Any]:
    """The doctor's report of a package. Nothing is sent."""
    from livepass.doctor import Examination, Options

    return Examination(data, Options(offline=True), datetime.now(UTC)).run().as_json()
