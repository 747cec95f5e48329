"""What drafts of one batch have in common, read once: their pass type, its certificate, their templates; and their
passes in few statements. What has changed by the time they are stored is noticed there.
"""

from __future__ import annotations

from collections.abc import Sequence

from livepass.core.model import Pass, PassType
from livepass.pkpass import Template
from livepass.service.building import Builder
from livepass.service.seams import Identity, Store


class Gathered:
    """Reads for one batch; the first answer stands."""

    def __init__(self, store: Store, builder: Builder) -> None:
        self._store = store
        self._builder = builder
        self._passes: dict[tuple[str, str], Pass | None] = {}
        self._types: dict[str, PassType | None] = {}
        self._identities: dict[str, Identity] = {}
        self._templates: dict[tuple[str, str, str | None], Template | None] = {}

    async def read(self, pass_type: str, serials: Sequence[str]) -> None:
        """Read these passes now, in one statement; those that were read before are dropped."""
        found = await self._store.passes_named(pass_type, serials)
        self._passes = {(pass_type, serial): found.get(serial) for serial in serials}

    async def pass_(self, pass_type: str, serial: str) -> Pass | None:
        key = (pass_type, serial)
        return self._passes[key] if key in self._passes else await self._store.pass_(pass_type, serial)

    async def type_(self, pass_type: str) -> PassType | None:
        if pass_type not in self._types:
            self._types[pass_type] = await self._store.pass_type(pass_type)
        return self._types[pass_type]

    async def identity(self, pass_type: str) -> Identity:
        """Raises ``CannotBuild``."""
        if pass_type not in self._identities:
            self._identities[pass_type] = await self._builder.identity(pass_type)
        return self._identities[pass_type]

    async def template(self, tenant: str, name: str, revision: str | None) -> Template | None:
        key = (tenant, name, revision)
        if key not in self._templates:
            self._templates[key] = await self._builder.template(tenant, name, revision)
        return self._templates[key]
