"""Follows a pass of our own with an emulated phone, over the public address, and says which leg breaks.

Of all processes one runs at a time: a run begins with a change of the canary pass that is only made of the version that
was read. Nothing needs to be put right after a process that died in the middle: the phone is always the same one, and
the next run registers it anew. A canary pass is forgotten as soon as no running process has that canary.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final

from livepass.core import canary
from livepass.core.canary import Leg, Run, Step
from livepass.core.canary_standing import apart, having, running
from livepass.core.model import DEFAULT_TENANT, Pass
from livepass.core.trip3_ask import read_tag
from livepass.core.unavailable import Unavailable
from livepass.pkpass import PkpassError, Template, read, verify
from livepass.service.drafting import Wish
from livepass.service.issuing import Issued, Issuing
from livepass.service.metering import Meters
from livepass.service.preconditions import Precondition, PreconditionFailed, version_of
from livepass.service.presence import Running
from livepass.service.publishing import Publishing
from livepass.service.refusals import Conflict, Refusal
from livepass.service.seams import CanaryPhone, CanaryPhones, Clock, KeyRing, Scheduler, Store, Tx

log = logging.getLogger(__name__)

FIRST_SECONDS = 5.0
"""Whoever starts us may start the proxy in the same moment."""
ROUND_SECONDS = 15.0
GONE_SECONDS = 60.0
"""A process that gave no sign for so long has no canaries any more."""
POLL_SECONDS = 0.1
DOCUMENT: Final[Mapping[str, object]] = {
    "description": "Canary of livepass",
    "organizationName": "livepass",
    "storeCard": {"primaryFields": [{"key": "changed", "label": "CHANGED", "value": "${changed}"}]},
}
ICON: Final = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000026000000260802000000275f7ef90000002e4944415478daedcd310d000008"
    "03b049413a7290850b789af46fa6eb58944aa552a9542a954aa552a9542a7fcb056312a39947edc2d80000000049454e44ae"
    "426082"
)
"""A plain square."""


class Busy(Conflict):
    """Another run is under way."""


class Canary:
    """One object per process. ``pass_types``: those that have a canary. ``within_ms``: how soon it sees a change."""

    def __init__(
        self,
        store: Store,
        keys: KeyRing,
        issuing: Issuing,
        publishing: Publishing,
        clock: Clock,
        scheduler: Scheduler,
        meters: Meters,
        pass_types: Sequence[str],
        within_ms: int,
    ) -> None:
        self.store = store
        self.keys = keys
        self.issuing = issuing
        self.clock = clock
        self.scheduler = scheduler
        self.pass_types = tuple(pass_types)
        self.within_ms = within_ms
        self._publishing = publishing
        self._meters = meters
        self._running = Running(store, clock, GONE_SECONDS)
        self._said: dict[str, str] = {}
        self._apart: Mapping[str, str] = {}

    # ── the rounds

    async def run(self, phones: CanaryPhones) -> None:
        """Run until cancelled. What fails is logged, and tried again. Without pass types, what is left of canaries is
        forgotten all the same.
        """
        await self.scheduler.sleep(FIRST_SECONDS)
        while True:
            await self._guarded(self.look())
            for pass_type in self.pass_types:
                await self._guarded(self._round(pass_type, phones))
            await self.scheduler.sleep(ROUND_SECONDS)

    async def _guarded(self, work: Awaitable[None]) -> None:
        try:
            await work
        except Unavailable as error:
            log.debug("the canary waits for the database: %s", error)
        except Exception:
            log.exception("the canary stumbled; it goes on")

    async def _round(self, pass_type: str, phones: CanaryPhones) -> None:
        row, now = await self.store.pass_(pass_type, canary.SERIAL), self.clock.now()
        begun = [one.at for one in await self.store.canary_runs(pass_type, limit=1)] + ([row.changed_at] if row else [])
        if any(0 <= now - at < canary.EVERY_MS for at in begun):  # later than now: the clock was set back meanwhile
            return
        try:
            self._say(await self.once(pass_type, phones))
        except Busy:
            log.debug("another process runs the canary of %s", pass_type)

    def _say(self, run: Run) -> None:
        """Each trouble is said once, for as long as it lasts."""
        before = self._said.get(run.pass_type, canary.COHERENT)
        self._said[run.pass_type] = run.outcome
        if run.outcome == before:
            return
        if run.coherent:
            log.warning("the canary of %s sees its changes in time again", run.pass_type)
        else:
            log.error("the canary of %s: %s (%s)", run.pass_type, run.sentence, run.remedy)

    # ── beside the other processes

    async def look(self) -> None:
        """Forget the canary passes that no running process has, and say where processes disagree."""
        processes = [one for one in await self._running.look() if one.canaries is not None]
        self._warn(apart(processes))
        wanted = {*self.pass_types, *having(processes)}
        for pass_type in await self.store.canary_passes():
            if pass_type not in wanted:
                await self._forget(pass_type)

    def _warn(self, found: Mapping[str, str]) -> None:
        """Once for as long as they disagree about a pass type, whichever processes those are."""
        for pass_type in sorted(found.keys() - self._apart.keys()):
            log.warning("%s: it has a canary for as long as a process has it; set it alike", found[pass_type])
        for pass_type in sorted(self._apart.keys() - found.keys()):
            log.info("all processes agree again about LIVEPASS_CANARY and %s", pass_type)
        self._apart = found

    async def wanted(self, pass_type: str) -> bool:
        """Whether these settings or a running process have that canary."""
        return pass_type in self.pass_types or pass_type in having(
            running(await self.store.processes(), self.clock.now())
        )

    async def _forget(self, pass_type: str) -> None:
        """Unless somebody runs it by hand."""
        row, now = await self.store.pass_(pass_type, canary.SERIAL), self.clock.now()
        if row is None or 0 <= now - row.changed_at < canary.RESTS_MS or await self._under_way(pass_type):
            return
        if await self.remove(pass_type, row):
            log.info("the canary pass of %s was forgotten: no running process has it", pass_type)

    async def remove(self, pass_type: str, row: Pass | None = None) -> bool:
        """Forget the canary pass; with ``row``, if it is still that. What its runs found is kept, as all events are."""

        async def work(tx: Tx) -> bool:
            await tx.pass_identities(pass_type, [canary.SERIAL])  # held from here on
            present = await tx.pass_(pass_type, canary.SERIAL)
            if present is None or (row is not None and version_of(present) != version_of(row)):
                return False
            return await tx.erase_pass(pass_type, canary.SERIAL)

        return await self.store.write(work)

    # ── one run

    async def once(self, pass_type: str, phones: CanaryPhones) -> Run:
        """One run, written down. Raises ``Busy``."""
        row, at = await self.store.pass_(pass_type, canary.SERIAL), self.clock.now()
        if await self._under_way(pass_type):
            raise Busy(f"a canary of {pass_type} is on its way", hint="wait for it: livepass canary status")
        going = _Going(self, pass_type, phones, row)
        try:
            await going.through()
        except _Broken:
            await going.leave()
        finally:
            await going.close()
        run = Run(pass_type, at, going.steps, going.seen_ms, self.within_ms)
        self._meters.canary_ran(run.outcome, run.took())
        await self.store.write(lambda tx: tx.add_events([run.event()]))
        return run

    async def _under_way(self, pass_type: str) -> bool:
        """Whether a phone registered that can still be at it. By when it did and not by when the pass changed, which is
        never set back: after a clock that was ahead, a run that died would be waited for all that time.
        """
        held, now = await self.store.held(pass_type, canary.SERIAL), self.clock.now()
        phones = [one.registration for one in held if one.registration.left_at is None]
        return any(0 <= now - phone.registered_at < canary.BOUND_MS for phone in phones)

    async def publish(self, pass_type: str) -> None:
        """The template of canary passes, for the tenant of a pass type."""
        type_ = await self.store.pass_type(pass_type)
        tenant, template = type_.tenant if type_ else DEFAULT_TENANT, made()
        there = await self.store.template(tenant, canary.TEMPLATE, None)
        if there is None or there.revision != template.revision:
            await self._publishing.publish(template, tenant=tenant)


def made() -> Template:
    """The template of canary passes."""
    return Template.from_files(canary.TEMPLATE, {"pass.json": json.dumps(DOCUMENT).encode(), "icon.png": ICON})


class _Broken(Exception):
    """A leg broke: the run ends."""


class _Going:
    """A run that is under way."""

    def __init__(self, owner: Canary, pass_type: str, phones: CanaryPhones, row: Pass | None) -> None:
        self.steps: list[Step] = []
        self.seen_ms: int | None = None
        self._owner = owner
        self._type = pass_type
        self._phones = phones
        self._before = row
        self._device, self._token = canary.identity(owner.keys.tag_key, pass_type)
        self._phone: CanaryPhone | None = None
        self._number, self._value = 0, _value_of(row)
        self._registered = False

    async def through(self) -> None:
        """Every leg in its order. Raises ``_Broken``, ``Busy``."""
        await self._leg(Leg.ISSUE, self._issue)
        await self._leg(Leg.REGISTER, self._register)
        await self._leg(Leg.ASK, self._ask)
        await self._leg(Leg.FETCH, self._fetch)
        begun = self._owner.clock.stopwatch()
        await self._leg(Leg.CHANGE, self._change)
        await self._leg(Leg.PUSH, self._pushed)
        await self._leg(Leg.ASK, self._ask)
        await self._leg(Leg.FETCH, self._fetch)
        self.seen_ms = self._since(begun)
        await self._leg(Leg.AGAIN, self._again)
        await self._leg(Leg.UNREGISTER, self._unregister)

    async def leave(self) -> None:
        """After a leg that broke, the phone takes itself back as well as it can."""
        if self._registered:
            await self._on.unregister()

    async def close(self) -> None:
        if self._phone is not None:
            await self._phone.close()

    async def _leg(self, leg: Leg, work: Callable[[], Awaitable[str]]) -> None:
        begun = self._owner.clock.stopwatch()
        try:
            wrong = await work()
        except PreconditionFailed as error:
            raise Busy(f"another process has begun a canary of {self._type}") from error
        except (Refusal, PkpassError) as error:
            wrong = str(error)
        except Exception as error:
            log.exception("the canary of %s broke", self._type)
            wrong = f"{type(error).__name__}, see the log"
        self.steps.append(Step(leg, self._since(begun), wrong))
        if wrong:
            raise _Broken

    def _since(self, begun: float) -> int:
        return round(1000 * (self._owner.clock.stopwatch() - begun))

    # ── the legs: "" or what is wrong

    async def _issue(self) -> str:
        """The first change is the claim: of two processes that read the same version, one makes it."""
        await self._owner.publish(self._type)
        there = self._before
        claim = Precondition(none_match=("*",)) if there is None else Precondition(match=(version_of(there),))
        issued = await self._put(claim)
        pkpass = await self._owner.issuing.pkpass(self._type, canary.SERIAL)
        self._number = issued.number
        self._phone = self._phones(pkpass, self._device, self._token)
        return ""

    async def _put(self, only_if: Precondition) -> Issued:
        self._value = max(self._owner.clock.now(), self._value + 1)
        data = {"changed": self._value}
        wish = Wish(self._type, canary.SERIAL, template=canary.TEMPLATE, data=data, only_if=only_if, canary=True)
        return await self._owner.issuing.put(wish)

    async def _register(self) -> str:
        self._registered = True
        return canary.of_register(await self._on.register())

    async def _change(self) -> str:
        issued = await self._put(Precondition(match=("*",)))
        self._number = issued.number
        return "" if issued.pushes_due else "it made no push due for a phone that is registered"

    async def _pushed(self) -> str:
        """Until a worker has taken the push. It goes nowhere: there is no phone that APNs knows."""
        clock, until = self._owner.clock, self._owner.clock.stopwatch() + self._owner.within_ms / 1000
        while not await self._taken():
            if clock.stopwatch() >= until:
                return f"no worker has taken the push in {self._owner.within_ms / 1000:g} s"
            await self._owner.scheduler.sleep(POLL_SECONDS)
        return ""

    async def _taken(self) -> bool:
        owed = await self._owner.store.held_and_owed(self._type, canary.SERIAL, limit=8)
        targets = [target for _, target in owed if target is not None and target.push_token == self._token]
        soon = self._owner.clock.now() + canary.TAKEN_MS // 2
        return all(target.acked >= target.wanted or target.next_at > soon for target in targets)

    async def _ask(self) -> str:
        tag = self._on.tag
        return canary.of_ask(await self._on.ask(), tag, self._number, self._number_in)

    def _number_in(self, tag: str) -> int | None:
        found = read_tag(tag, self._type, self._owner.keys.tag_key)
        return None if found is None else found.seq

    async def _fetch(self) -> str:
        heard = await self._on.fetch()
        wrong = canary.of_fetch(heard)
        if wrong:
            return wrong
        document = await self._owner.scheduler.off_loop(lambda: _opened(heard.body))
        return canary.of_value(_shown(document), self._value)

    async def _again(self) -> str:
        return canary.of_again(await self._on.fetch())

    async def _unregister(self) -> str:
        self._registered = False
        return canary.of_unregister(await self._on.unregister())

    @property
    def _on(self) -> CanaryPhone:
        assert self._phone is not None, "the pass was issued first"
        return self._phone


def _opened(pkpass: bytes) -> Mapping[str, object]:
    """Its pass.json, if a phone would believe its signature. Raises ``PkpassError``."""
    package = read(pkpass)
    verify(package)
    return package.document


def _value_of(row: Pass | None) -> int:
    """What stands on the pass before the run: a clock that was set back must not say less."""
    found = json.loads(row.data).get("changed") if row is not None else None
    return found if isinstance(found, int) else 0


def _shown(document: Mapping[str, object]) -> object:
    try:
        return document["storeCard"]["primaryFields"][0]["value"]  # type: ignore[index]
    except (KeyError, TypeError, IndexError):
        return None
