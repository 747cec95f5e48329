"""Templates: a folder comes in, becomes an immutable revision, and the passes that follow it are built anew."""

from __future__ import annotations

from dataclasses import dataclass

from livepass.core.model import DEFAULT_TENANT, StoredTemplate
from livepass.pkpass import Problem, Template, shared_messages
from livepass.service.issuing import Issuing
from livepass.service.seams import Clock, Scheduler, Store, Tx
from livepass.service.tenants import require_tenant


@dataclass(frozen=True, slots=True)
class Published:
    """A revision that is current now. ``new`` is false when it was already. ``problems`` are worth knowing, and did not
    stop it.
    """

    name: str
    revision: str
    variables: dict[str, str]
    new: bool
    problems: tuple[Problem, ...] = ()


class Publishing:
    """One object per process."""

    def __init__(self, store: Store, issuing: Issuing, clock: Clock, scheduler: Scheduler) -> None:
        self._store = store
        self._issuing = issuing
        self._clock = clock
        self._scheduler = scheduler

    async def publish(self, template: Template, *, wait: bool = False, tenant: str = DEFAULT_TENANT) -> Published:
        """Make the files of a tenant's template its current revision. Passes follow in the background, or before this
        returns (``wait``); what a crash leaves undone is finished by the next housekeeping round.
        """
        variables = {name: kind.value for name, kind in template.variables.items()}
        before = await self._store.template(tenant, template.name, None)
        new = before is None or before.revision != template.revision
        files = await self._scheduler.off_loop(template.to_zip)
        stored = StoredTemplate(template.name, template.revision, files, variables, self._clock.now(), True)

        async def work(tx: Tx) -> None:
            await require_tenant(tx, tenant)
            await tx.put_template(tenant, stored)

        await self._store.write(work)
        if wait:
            await self._follow(tenant, template.name)
        elif new:
            self._scheduler.spawn(self._follow(tenant, template.name), f"follow-{template.name}")
        problems = (*await self._missing_grants(tenant, template), *shared_messages(template.document))
        return Published(template.name, template.revision, variables, new, problems)

    async def _missing_grants(self, tenant: str, template: Template) -> list[Problem]:
        """What no certificate of the tenant allows, whichever of its pass types the template's passes belong to."""
        needed = template.grants_needed
        if not needed:
            return []
        theirs = await self._store.within_tenant(tenant)
        certificates = await self._store.certificates(None, None if theirs is None else sorted(theirs))
        return [] if any(one.nfc and one.retired_at is None for one in certificates) else needed

    async def _follow(self, tenant: str, name: str) -> None:
        while await self._issuing.follow(tenant, name):
            pass
