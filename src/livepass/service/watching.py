"""Watches certificates: their ends, a test signature a day, revocation, and TLS as phones and APNs show it.

Of all processes of all hosts one looks, and one speaks: a conditional update decides which. What is said is an event
and a line in the log, with the remedy in it; how everything stands at any moment is ``told``.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace

from livepass.core.rotation import Link
from livepass.core.timeline import Event, Kind
from livepass.core.watch_told import State, Told, survey
from livepass.core.watching import (
    HOUR,
    PROBLEMS,
    Level,
    Problem,
    Seen,
    Watched,
    What,
    alarm,
    heir,
    next_look,
    subjects,
)
from livepass.pkpass import PkpassError
from livepass.service.proving import sign_sample
from livepass.service.refusals import Refusal
from livepass.service.rounds import Rounds
from livepass.service.seams import Chance, Clock, KeyRing, Look, Revocations, Scheduler, Store, Tx

log = logging.getLogger(__name__)

ROUND_SECONDS = 3600.0
REMEMBERED_SECONDS = 10.0
"""``/readyz`` and ``/metrics`` are asked by machines, and without a key: so often at most they cost a read."""
LOUDNESS: Mapping[Level, int] = {
    Level.NOTE: logging.INFO,
    Level.WARNING: logging.WARNING,
    Level.ALARM: logging.ERROR,
}


class Watching:
    """One object per process; only one that runs the worker looks by itself."""

    def __init__(
        self,
        store: Store,
        keys: KeyRing,
        clock: Clock,
        chance: Chance,
        scheduler: Scheduler,
        looks: Mapping[What, Look],
        revocations: Revocations | None = None,
    ) -> None:
        self._store = store
        self._keys = keys
        self._clock = clock
        self._chance = chance
        self._scheduler = scheduler
        self._looks = looks
        self._revocations = revocations
        self._remembered: tuple[float, list[Told]] | None = None
        self._rounds = Rounds(scheduler)

    # ── how everything stands

    async def told(self, within: int | None = None) -> list[Told]:
        """Worst first. ``within`` (milliseconds): what ends that soon is told as such; ``None``: the usual time."""
        return survey(await self._store.lineages(), await self._store.watched(), self._clock.now(), within)

    async def told_lately(self) -> list[Told]:
        """As ``told``, some seconds old at most."""
        now = self._clock.stopwatch()
        if self._remembered is None or now - self._remembered[0] >= REMEMBERED_SECONDS:
            self._remembered = (now, await self.told())
        return self._remembered[1]

    async def ended(self) -> list[str]:
        """What signs no more, for ``/readyz``.

        It does not make a process unready: phones still register and ask, changes are kept, and a load balancer that
        took every process out of service would turn a halt of updates into an outage.
        """
        bad = (State.ENDED, State.REVOKED, State.UNSOUND)
        return [one.sentence for one in await self.told_lately() if one.needs and one.state in bad and one.pass_type]

    # ── the round

    async def run(self) -> None:
        """Watch until ``stop``. What fails is logged and tried again in an hour."""
        with self._rounds.going():
            while not self._rounds.stopping:
                try:
                    await self.once()
                except Exception:
                    log.exception("the certificates could not be watched; it is tried again in an hour")
                await self._rounds.wait(ROUND_SECONDS)

    async def stop(self, seconds: float = 1.0) -> None:
        """A look that is under way is not waited for: whoever it hangs on must not hold up the end of a process, and
        another one takes it in an hour.
        """
        await self._rounds.stop(seconds)

    async def once(self, *, at_once: bool = False) -> None:
        """Look at what is due (``at_once``: at everything), and say what is due to be said."""
        lineages = await self._store.lineages()
        rows = await self._watched(lineages)
        links = {link.id: link for lineage in lineages for link in lineage}
        for row in rows:
            if self._rounds.stopping:
                return
            if row.kind in (What.CERTIFICATE, What.INTERMEDIATE):
                continue
            now = self._clock.now()
            if at_once or (row.look_at <= now and await self._claimed(row, now)):
                await self._look(row, links.get(row.certificate_id))
        for row in await self._watched(lineages):
            await self._say_end(row, lineages)
        self._remembered = None

    async def _watched(self, lineages: Sequence[Sequence[Link]]) -> list[Watched]:
        """What is to be watched now, as it was seen last; what is new is written down first."""
        looks = [*self._looks, What.SIGNATURE, *([What.REVOCATION] if self._revocations else [])]
        first = self._clock.now() + int(self._chance.fraction() * HOUR)
        wanted = list(subjects(lineages, looks, first))
        known = {row.subject: row for row in await self._store.watched()}
        new = [
            one for one in wanted if one.subject not in known or one.ends_at not in (None, known[one.subject].ends_at)
        ]
        if new:
            await self._store.write(lambda tx: tx.watch(new))
            known = {row.subject: row for row in await self._store.watched()}
        return [known[one.subject] for one in wanted]

    async def _claimed(self, row: Watched, now: int) -> bool:
        return await self._store.write(lambda tx: tx.claim_look(row.subject, now, now + HOUR))

    # ── a look

    async def _look(self, row: Watched, link: Link | None) -> None:
        """A look that fails in a way that nobody thought of is no reason not to take the others."""
        try:
            if row.kind is What.SIGNATURE and link is not None:
                seen = await self._try_signing(link)
            elif row.kind is What.REVOCATION and link is not None:
                seen = await self._ask_revocation(link)
            else:
                seen = await self._looks[row.kind]()
        except Exception as error:
            log.exception("a look at %s failed", row.subject)
            seen = Seen(problem=Problem.UNKNOWN, detail=f"{type(error).__name__}, see the log")
        if seen is None:
            return
        now = self._clock.now()
        look_at = next_look(now, seen, self._chance.fraction())

        async def work(tx: Tx) -> bool:
            changed = await tx.put_seen(row.subject, seen, now, look_at)
            if changed and PROBLEMS.get(seen.problem) is Level.ALARM:
                detail = {**_detail(row), "problem": seen.problem.value, "detail": seen.detail}
                await tx.add_events([Event(Kind.CERTIFICATE_UNSOUND, now, row.pass_type, detail=detail)])
            return changed

        if await self._store.write(work):
            await self._say_problem(row, seen)

    async def _try_signing(self, link: Link) -> Seen | None:
        """``None``: what has ended or is revoked signs nothing, which is told as that."""
        now = self._clock.now()
        certificate = await self._store.certificate(link.id)
        if certificate is None or not link.signs_at(now):
            return None
        try:
            identity = self._keys.open(certificate)
            await self._scheduler.off_loop(lambda: sign_sample(identity, now))
        except (PkpassError, Refusal) as error:
            return Seen(problem=Problem.UNSOUND, detail=str(error))
        return Seen()

    async def _ask_revocation(self, link: Link) -> Seen | None:
        now = self._clock.now()
        certificate = await self._store.certificate(link.id)
        if certificate is None or link.revoked_at is not None or self._revocations is None:
            return None
        answer = await self._revocations(certificate.chain_pem, now)
        if answer.status == "unknown":
            return Seen(problem=Problem.UNKNOWN, detail=answer.reason)
        if answer.status == "revoked":
            await self._revoked(link, answer.at or now, answer.reason)
            return Seen(problem=Problem.REVOKED, detail=answer.reason)
        return Seen()

    async def _revoked(self, link: Link, at: int, reason: str) -> None:
        """From now on another live one signs, if there is any, by the rule that always decides."""
        now = self._clock.now()

        async def work(tx: Tx) -> bool:
            current = next((one for one in await tx.locked_lineage(link.pass_type) if one.id == link.id), None)
            if current is None or current.revoked_at is not None:
                return False
            await tx.put_link(replace(current, revoked_at=at))
            await tx.use_credential(link.pass_type, now)
            detail = {"certificate": link.id, "revoked_at": at, "reason": reason}
            await tx.add_events([Event(Kind.CERTIFICATE_REVOKED, now, link.pass_type, detail=detail)])
            return True

        if await self._store.write(work):
            self._remembered = None
            await self._say(link.id, What.CERTIFICATE, Level.ALARM)

    # ── saying

    async def _say_end(self, row: Watched, lineages: Sequence[Sequence[Link]]) -> None:
        now = self._clock.now()
        inherited = any(
            link.id == row.certificate_id and heir(link, lineage, now) is not None
            for lineage in lineages
            for link in lineage
        )
        due = alarm(row, now, inherited=inherited)
        if due is None or row.ends_at is None:
            return
        ends_at = row.ends_at

        async def work(tx: Tx) -> bool:
            if not await tx.say_days(row.subject, ends_at, due.days):
                return False
            kind = Kind.CERTIFICATE_ENDED if due.ended else Kind.CERTIFICATE_EXPIRING
            detail = {**_detail(row), "days": due.left, "ends_at": ends_at}
            await tx.add_events([Event(kind, now, row.pass_type, detail=detail)])
            return True

        if await self._store.write(work):
            await self._say(row.certificate_id, row.kind, due.level)

    async def _say_problem(self, row: Watched, seen: Seen) -> None:
        if row.kind is What.REVOCATION:
            if seen.problem is Problem.UNKNOWN:
                log.info("whether certificate %s is revoked could not be asked: %s", row.certificate_id, seen.detail)
        elif seen.problem in PROBLEMS:
            kind = What.CERTIFICATE if row.kind is What.SIGNATURE else row.kind
            await self._say(row.certificate_id, kind, PROBLEMS[seen.problem])
        elif not seen.problem and row.problem:
            log.warning("%s is well again: what was wrong was %s", row.subject, row.detail)

    async def _say(self, certificate_id: str, kind: What, level: Level) -> None:
        """In the words in which it is told everywhere."""
        for one in await self.told():
            if (one.certificate_id, one.kind) == (certificate_id, kind):
                log.log(LOUDNESS[level], "%s%s", one.sentence, f": {one.remedy}" if one.remedy else "")


def _detail(row: Watched) -> dict[str, object]:
    return {"subject": row.subject, "what": row.kind.value, "certificate": row.certificate_id}
