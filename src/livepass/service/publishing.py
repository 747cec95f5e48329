"""Templates: a folder comes in, becomes an immutable revision, and the passes that follow it are built anew."""

from __future__ import annotations

from dataclasses import dataclass

from livepass.core.model import DEFAULT_TENANT, StoredTemplate
from livepass.pkpass import Problem, Template, shared_messages
from livepass.service.issuing import Issuing
from livepass.service.seams import Clock, Scheduler, Store


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

    async def publish(self, template: Template, *, wait: bool = False) -> Published:
        """Make a template's files its current revision. Passes follow in the background, or before this returns
        (``wait``); what a crash leaves undone is finished by the next housekeeping round.
        """
        variables = {name: kind.value for name, kind in template.variables.items()}
        before = await self._store.template(DEFAULT_TENANT, template.name, None)
        new = before is None or before.revision != template.revision
        files = await self._scheduler.off_loop(template.to_zip)
        stored = StoredTemplate(template.name, template.revision, files, variables, self._clock.now(), True)
        await self._store.write(lambda tx: tx.put_template(DEFAULT_TENANT, stored))
        if wait:
            await self._follow(template.name)
        elif new:
            self._scheduler.spawn(self._follow(template.name), f"follow-{template.name}")
        problems = (*await self._missing_grants(template), *shared_messages(template.document))
        return Published(template.name, template.revision, variables, new, problems)

    async def _missing_grants(self, template: Template) -> list[Problem]:
        """What no certificate here allows: none of a pass type that the template's passes may come to belong to."""
        needed = template.grants_needed
        if not needed or any(one.nfc and one.retired_at is None for one in await self._store.certificates(None)):
            return []
        return needed

    async def _follow(self, name: str) -> None:
        while await self._issuing.follow(DEFAULT_TENANT, name):
            pass
