"""Tenants: the brands of one installation. Each has its own pass types, certificates, templates, keys and people.

``DEFAULT_TENANT`` is always there and has no row: an installation with one brand never hears of tenants.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from livepass.core.model import DEFAULT_TENANT, Tenant
from livepass.service.refusals import Conflict, Fault, NotFound, Refusal
from livepass.service.seams import Clock, Store, Tx

NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
LONGEST_TITLE = 100
THE_FIRST = Tenant(DEFAULT_TENANT, DEFAULT_TENANT, 0)


@dataclass(frozen=True, slots=True)
class Filled:
    """A tenant, and what there is of it: words and numbers."""

    tenant: Tenant
    holds: Sequence[tuple[str, int]]


class Tenants:
    """One object per process."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def all(self) -> Sequence[Tenant]:
        """By name, the one that is always there first."""
        return [THE_FIRST, *await self._store.tenants()]

    async def get(self, name: str) -> Filled:
        """One, and what there is of it. Raises ``NotFound``."""

        async def work(tx: Tx) -> Filled:
            found = THE_FIRST if name == DEFAULT_TENANT else await tx.tenant(name)
            if found is None:
                raise no_tenant(name)
            return Filled(found, await tx.left_in_tenant(name))

        return await self._store.write(work)

    async def add(self, name: str, title: str = "") -> Tenant:
        """A new one, with nothing in it. Raises ``Refusal``."""
        if not NAME.fullmatch(name):
            why = "a name has up to 40 small letters, digits and - and does not begin with -"
            raise Refusal(f"{name!r} is no name for a tenant", hint=why, faults=[Fault("/name", why)])
        made = Tenant(name, _title(title or name), self._clock.now())

        async def work(tx: Tx) -> None:
            if name == DEFAULT_TENANT or not await tx.add_tenant(made):
                raise Conflict(f"there is a tenant {name} already", hint="livepass tenant list shows them")

        await self._store.write(work)
        return made

    async def rename(self, name: str, title: str) -> Tenant:
        """Another title. The name stays: it is part of the token in every pass. Raises ``NotFound``."""
        title = _title(title)
        _require_other(name, "has no title of its own")

        async def work(tx: Tx) -> Tenant:
            found = await tx.tenant(name)
            if found is None or not await tx.rename_tenant(name, title):
                raise no_tenant(name)
            return replace(found, title=title)

        return await self._store.write(work)

    async def remove(self, name: str) -> None:
        """Forget an empty one; its revoked keys, disabled people and audit log stay. Raises ``Conflict`` with what is
        left in it.
        """
        _require_other(name, "is always there")

        async def work(tx: Tx) -> None:
            if not await tx.lock_tenant(name):
                raise no_tenant(name)
            if left := await tx.left_in_tenant(name):
                said = ", ".join(f"{count} {what}" for what, count in left)
                raise Conflict(
                    f"the tenant {name} is not empty: {said}",
                    hint="a tenant goes only when nothing of it is left; its keys can be revoked meanwhile",
                    code="tenant_not_empty",
                )
            await tx.remove_tenant(name)

        await self._store.write(work)


async def require_tenant(tx: Tx, name: str) -> None:
    """Before something is put into a tenant: it is there, and stays until the end. Raises ``NotFound``."""
    if name != DEFAULT_TENANT and not await tx.lock_tenant(name):
        raise no_tenant(name)


def no_tenant(name: str) -> NotFound:
    """There is none of that name."""
    return NotFound(f"there is no tenant {name}", hint="livepass tenant list shows them", code="no_tenant")


def _require_other(name: str, why: str) -> None:
    if name == DEFAULT_TENANT:
        raise Refusal(f"the tenant {name} {why}", hint="it is the installation's own: livepass tenant list")


def _title(title: str) -> str:
    title = title.strip()
    if not 1 <= len(title) <= LONGEST_TITLE or not title.isprintable():
        why = f"a title has 1 to {LONGEST_TITLE} characters that can be printed"
        raise Refusal("that is no title for a tenant", hint=why, faults=[Fault("/title", why)])
    return title
