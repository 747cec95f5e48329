"""Answers phones: the five calls of Wallet's web service.

Each call gathers one snapshot, lets ``core`` decide, and applies. What must be durable before the answer (a
registration) is written before it; what was merely observed is written after it.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from functools import cache

from livepass.core import crowd, testimony, trip1_register, trip3_ask, trip3_fetch
from livepass.core.authorization import accepts, fingerprint, presented_token
from livepass.core.change import http_date
from livepass.core.crowd import PHONES_PER_PASS
from livepass.core.decision import Decision, NewEpoch, Reply
from livepass.core.history import Reason
from livepass.core.misdirected import STATUS as NOT_FOUND
from livepass.core.misdirected import misdirected
from livepass.core.model import PassHead, TokenSource
from livepass.core.polling import NOTED_MS, family_of
from livepass.core.replay import Act, entry_of
from livepass.core.snapshots import AskSnapshot, Candidates, Handed
from livepass.core.timeline import Event, Kind
from livepass.core.trip1_register import LATE_MS, held_up
from livepass.service.building import Builder, CannotBuild, Recent
from livepass.service.epochs import Begun, begin_epochs, new_epoch, say_loudly
from livepass.service.lookout import Lookout
from livepass.service.metering import Meters
from livepass.service.observing import Delivery, Noted, Recorder
from livepass.service.pressure import Load
from livepass.service.ration import Ration
from livepass.service.safekeeping import keep_up
from livepass.service.seams import Chance, Clock, Journal, KeyRing, Store, Tracing, Tx
from livepass.service.whose import expected_token, known_serial

log = logging.getLogger(__name__)

CONNECTIONS = 20_000
STRANGERS = 10_000
STRANGER_MS = 600_000
CROWDS = 10_000
POLLS = 20_000
LATE_SAID_MS = 600_000
SAID_A_MINUTE = 600
"""Lines of what phones say that are kept. Nobody has to prove anything to say something, and it is kept for months."""
LEFT_OUT_SAID_MS = 60_000


class Answering:
    """One object per process. ``connection`` names the TCP connection of a request, where that is known.

    Registrations are acknowledged when they are durable in the database and, where there is one, in the ``journal``.
    """

    def __init__(
        self,
        store: Store,
        keys: KeyRing,
        builder: Builder,
        recorder: Recorder,
        clock: Clock,
        chance: Chance,
        *,
        lookout: Lookout | None = None,
        journal: Journal | None = None,
        phones_per_pass: int = PHONES_PER_PASS,
        tracing: Tracing | None = None,
    ) -> None:
        self._store = store
        self._keys = keys
        self._builder = builder
        self._recorder = recorder
        self._clock = clock
        self._chance = chance
        self._lookout = lookout
        self._journal = journal
        self._phones_per_pass = phones_per_pass
        self._tracing = tracing
        self._crowds: Recent[tuple[str, str], int] = Recent(CROWDS)
        # Of this process only. A fetch that reaches another one costs retellings, which are bounded, and nothing where
        # the proxy keeps a connection with one process: docs/how-to/stand-behind-a-proxy.md.
        self._asked_over: Recent[tuple[str, str], tuple[str, int]] = Recent(CONNECTIONS)
        self._strangers: Recent[tuple[str, str], int] = Recent(STRANGERS)
        self._polls: Recent[tuple[str, str, str, int, int], tuple[int, int]] = Recent(POLLS)
        self._spare_epoch = new_epoch(chance)
        self._late_said_at = 0
        self._said = Ration(clock, SAID_A_MINUTE)
        self._left_out, self._left_out_said_at = 0, 0
        self.load = Load(clock)
        self.meters = Meters()

    # ── trip 1

    async def register(
        self,
        pass_type: str,
        serial: str,
        device_id: str,
        authorization: str | None,
        body: bytes,
        started_at: int | None = None,
    ) -> Reply:
        """``POST …/registrations/{type}/{serial}``. Durable when this returns 200 or 201. ``started_at``: when the edge
        took it, where it says so.
        """
        rule = trip1_register.register
        return await self._trip1(rule, pass_type, serial, device_id, authorization, body, started_at)

    async def unregister(
        self, pass_type: str, serial: str, device_id: str, authorization: str | None, started_at: int | None = None
    ) -> Reply:
        """``DELETE …/registrations/{type}/{serial}``. ``started_at``: when the edge took it, where it says so."""
        rule = trip1_register.unregister
        return await self._trip1(rule, pass_type, serial, device_id, authorization, b"", started_at)

    async def _trip1(
        self,
        rule: trip1_register.Rule,
        pass_type: str,
        serial: str,
        device_id: str,
        authorization: str | None,
        body: bytes,
        started_at: int | None = None,
    ) -> Reply:
        serial = await known_serial(self._store, pass_type, serial)
        push_token = trip1_register.push_token_of(body)
        crowded, number = False, 0
        began = self._clock.stopwatch() if self._tracing is not None else 0.0

        @cache
        def expected(tenant: str, source: TokenSource | None) -> str:
            """Derived once a request: a pass that is not there costs a stranger what one that is there does."""
            return expected_token(self._keys, tenant, pass_type, serial, source)

        async def shown() -> bool:
            """Whether the token was, by one short read. Then a registration is nearly always written."""
            snapshot = await self._store.fetch_snapshot(pass_type, serial)
            source = snapshot.head.token if snapshot.head else None
            await keep_up(self._store, self._keys, source)
            return accepts(authorization, expected(snapshot.tenant, source), known=source is not None)

        async def decide(reader: Store | Tx) -> Decision:
            nonlocal crowded
            # Phones are counted once: where it is decided.
            most_phones = 0 if reader is self._store else self._phones_per_pass
            snapshot = await reader.register_snapshot(
                pass_type, serial, device_id, push_token=push_token, most_phones=most_phones
            )
            crowded = crowd.crowded(snapshot.phones, self._phones_per_pass)
            await keep_up(reader, self._keys, snapshot.token)
            facts = trip1_register.RegisterFacts(
                pass_type,
                serial,
                device_id,
                authorization,
                body,
                expected(snapshot.tenant, snapshot.token),
                snapshot.token is not None,
                snapshot.device,
                snapshot.registration,
                snapshot.target_dead,
                self._clock.now(),
                snapshot.twins,
                started_at,
            )
            return rule(facts)

        async def work(tx: Tx) -> Decision:
            nonlocal number
            await tx.lock_phone(pass_type, device_id, push_token)
            decision = await decide(tx)
            number = (await tx.apply(decision.writes, decision.events)).get(pass_type, 0)
            return decision

        # Strangers never reach the writer: what is refused on a plain read is refused there.
        likely = push_token is not None and await shown()
        decision = None if likely else await decide(self._store)
        if decision is None or decision.writes:
            decision = await self._store.write(work)
        else:
            self._recorder.note(decision.writes, decision.events)
        reply = decision.reply
        await self._keep(decision, fingerprint(presented_token(authorization) or ""), push_token, started_at)
        if crowded and reply.status == 201:
            self._thin_out(pass_type, serial, device_id)
        if self._tracing is not None and number:
            took = self._clock.stopwatch() - began
            self._tracing.tell("register", pass_type, (number,), took, {"status": reply.status})
        return reply

    def _thin_out(self, pass_type: str, serial: str, device_id: str) -> None:
        """A pass has too many phones: see, after the answer, whether some of them are none."""
        now, key = self._clock.now(), (pass_type, serial)
        seen_at = self._crowds.get(key)
        if seen_at is not None and now - seen_at < crowd.SAY_EVERY_MS:
            return
        self._crowds.put(key, now)

        async def note(tx: Tx) -> Noted:
            found = await tx.crowd(pass_type, serial, device_id, cap=self._phones_per_pass, limit=crowd.AT_ONCE)
            if found is None:
                return (), ()
            return crowd.thin_out(crowd.CrowdFacts(pass_type, serial, found, self._phones_per_pass, now))

        self._recorder.later(note)

    async def _keep(self, decision: Decision, token: str, push_token: str | None, started_at: int | None) -> None:
        """What is about to be acknowledged is kept outside the database too. Raises ``Unavailable``: then the phone
        comes again, and it is kept then.
        """
        entry = entry_of(decision, token, push_token, started_at)
        if entry is None:
            return
        if self._lookout is not None and entry.act is Act.REGISTER:
            self._lookout.registered(entry.pass_type, entry.device_id, entry.at)
        if self._journal is not None:
            await self._journal.append(entry)

    # ── trip 3 ask

    async def ask(
        self,
        pass_type: str,
        device_id: str,
        tag_text: str | None,
        connection: str | None,
        *,
        body: bool = True,
        started_at: int | None = None,
    ) -> Reply:
        """``GET …/registrations/{type}?passesUpdatedSince=``. A ``HEAD`` (``body`` false) tells nobody anything, so
        nothing is noted of it; nor of one that was held up since ``started_at``: whoever asked may have gone.
        """
        began = self._clock.stopwatch() if self._tracing is not None else 0.0
        snapshot, decision = await self._decide_ask(pass_type, device_id, tag_text)
        if decision.writes and any(isinstance(write, NewEpoch) for write in decision.writes):
            await self._begin_epoch(pass_type, decision)
            snapshot, decision = await self._decide_ask(pass_type, device_id, tag_text)
        reply = decision.reply
        if not body or self._came_late(started_at):
            return reply
        if snapshot.push_due and snapshot.device is not None:
            self.meters.asked(self._clock.now(), snapshot.pushed_at, snapshot.device.asked_at)
        if self._worth_noting(decision, pass_type, device_id):
            self._recorder.note(decision.writes, decision.events)
        if connection is not None and reply.status == 200:
            self._asked_over.put((connection, pass_type), (device_id, self._clock.now()))
        if self._tracing is not None and reply.status == 200:
            told = self._told(snapshot, pass_type, tag_text)
            self._tracing.tell("ask", pass_type, told, self._clock.stopwatch() - began, {"status": reply.status})
        return reply

    def _told(self, snapshot: AskSnapshot, pass_type: str, tag_text: str | None) -> Sequence[int]:
        """The numbers of what an ask is told of."""
        tag, counter = trip3_ask.read_tag(tag_text, pass_type, self._keys.tag_key), snapshot.counter
        since, now = trip3_ask.heard(tag, counter) if counter is not None else None, self._clock.now()
        rows = [row for row in snapshot.listed if trip1_register.followed(row.registration, now)]
        return [row.newest for row in rows if since is None or row.newest > since]

    async def _begin_epoch(self, pass_type: str, decision: Decision) -> None:
        """Durable before any tag of the new epoch leaves; for all pass types, because all went back.

        A tag of the lost history is a foreign one from then on, so it does this once, however many phones bring it.
        """
        [renewal] = [write for write in decision.writes if isinstance(write, NewEpoch)]
        [alarm] = [event for event in decision.events if event.kind is Kind.NEW_EPOCH]
        self._spare_epoch = new_epoch(self._chance)
        now, lost = self._clock.now(), self._lookout.lost_modified() if self._lookout is not None else {}

        async def work(tx: Tx) -> tuple[Begun, ...]:
            counters = await tx.counters()
            if not any((one.pass_type, one.epoch) == (pass_type, renewal.old_epoch) for one in counters):
                return ()
            return await begin_epochs(
                tx, counters, Reason.TAG_AHEAD, now=now, chance=self._chance, lost=lost, alarm=(renewal, alarm)
            )

        say_loudly(await self._store.write(work), Reason.TAG_AHEAD)

    def _worth_noting(self, decision: Decision, pass_type: str, device_id: str) -> bool:
        """Anybody can ask for a phone that does not exist: each such id is written down once in ten minutes."""
        if not decision.events or decision.events[0].kind is not Kind.ASKED_UNKNOWN:
            return True
        now, key = self._clock.now(), (pass_type, device_id)
        noted = self._strangers.get(key)
        if noted is not None and now - noted < STRANGER_MS:
            return False
        self._strangers.put(key, now)
        return True

    async def _decide_ask(self, pass_type: str, device_id: str, tag_text: str | None) -> tuple[AskSnapshot, Decision]:
        key = self._keys.tag_key
        tag = trip3_ask.read_tag(tag_text, pass_type, key)
        snapshot = await self._store.ask_snapshot(pass_type, device_id, tag)
        decision = trip3_ask.ask(
            trip3_ask.AskFacts(
                pass_type,
                device_id,
                tag_text,
                tag,
                snapshot.counter,
                snapshot.device,
                snapshot.listed,
                snapshot.target_dead,
                snapshot.push_due,
                key,
                self._spare_epoch,
                self._clock.now(),
            )
        )
        return snapshot, decision

    # ── trip 3 fetch

    async def fetch(
        self,
        pass_type: str,
        serial: str,
        authorization: str | None,
        if_modified_since: str | None,
        connection: str | None,
        *,
        body: bool = True,
        started_at: int | None = None,
        user_agent: str | None = None,
    ) -> Fetched:
        """``GET`` or (``body`` false) ``HEAD /v1/passes/{type}/{serial}``. Call ``written`` once it is all sent.

        One that was held up since ``started_at`` is answered, and is no evidence that anybody has the pass now; nor is
        one by a wallet that polls (``core.polling``) that a phone has it.
        """
        began = self._clock.stopwatch() if self._tracing is not None else 0.0
        wallet = family_of(authorization, user_agent)
        serial = await known_serial(self._store, pass_type, serial)
        snapshot = await self._store.fetch_snapshot(pass_type, serial)
        head = snapshot.head
        await keep_up(self._store, self._keys, head.token if head else None)
        expected = expected_token(self._keys, snapshot.tenant, pass_type, serial, head.token if head else None)
        facts = trip3_fetch.FetchFacts(
            pass_type, serial, authorization, if_modified_since, expected, head, self._clock.now(), wallet
        )
        verdict, decision = trip3_fetch.fetch(facts)
        self._recorder.note(decision.writes, decision.events)

        def handed(reply: Reply, seq: int) -> Fetched:
            if self._tracing is not None:
                took = self._clock.stopwatch() - began
                self._tracing.tell("fetch", pass_type, (seq,), took, {"status": reply.status})
            if wallet:
                self._polled(pass_type, serial, wallet, reply.status, seq)
                return Fetched(self, reply)
            if self._came_late(started_at) or self._ahead(started_at):
                return Fetched(self, reply)
            conditional = if_modified_since is not None
            since = head.last_modified if head is not None else 0
            return Fetched(self, reply, pass_type, serial, seq, conditional, connection, snapshot.epoch, since)

        if wallet and head is not None and verdict is trip3_fetch.Verdict.REFUSE:
            self._polled(pass_type, serial, wallet, decision.reply.status, 0)
        if head is None or verdict is trip3_fetch.Verdict.REFUSE or not body:
            return Fetched(self, decision.reply)
        if verdict is trip3_fetch.Verdict.NOT_MODIFIED:
            return handed(decision.reply, head.seq)
        try:
            return handed(*await self._built(pass_type, serial, snapshot.tenant, head, decision.reply))
        except CannotBuild as error:
            log.error("cannot build %s/%s: %s (%s)", pass_type, serial, error, error.hint)
            event = Event(Kind.FETCH_FAILED, facts.now, pass_type, serial, detail={"status": 503, "reason": str(error)})
            self._recorder.note((), (event,))
            return Fetched(self, Reply(503))

    async def _built(self, pass_type: str, serial: str, tenant: str, head: PassHead, reply: Reply) -> tuple[Reply, int]:
        """Body and ``Last-Modified`` of one version: the one decided on, or a newer one that came meanwhile."""
        link = await self._builder.signs(pass_type, serial)
        built = self._builder.remembered(pass_type, serial, head.seq, head.last_modified, link.id if link else "")
        if built is not None:
            return Reply(reply.status, reply.headers, built), head.seq
        row = await self._store.pass_(pass_type, serial)
        if row is None:
            raise CannotBuild("the pass was erased while it was being fetched", "nothing to do")
        built = await self._builder.signed_by(link, row, tenant)
        last_modified = (b"last-modified", http_date(row.last_modified).encode())
        headers = (*(header for header in reply.headers if header[0] != b"last-modified"), last_modified)
        return Reply(reply.status, headers, built), row.seq

    def _served(self, fetched: Fetched) -> None:
        """A version is in somebody's hands; whose is worked out where the registrations can be read."""
        now = self._clock.now()
        pass_type, serial = fetched.pass_type, fetched.serial

        def handed() -> Handed:
            asked = self._asked_over.get((fetched.connection or "", pass_type))
            return Handed(pass_type, serial, asked[0] if asked else None)

        async def note(tx: Tx, phones: Candidates) -> Noted:
            candidates = [
                trip3_fetch.Candidate(
                    registration, device, self._same_connection(fetched.connection, pass_type, device.device_id, now)
                )
                for registration, device in phones.found
            ]
            if not candidates and not await _known(tx, Event(Kind.FETCHED, now, pass_type, serial)):
                return (), ()  # erased meanwhile: nothing of it may be written down any more
            facts = trip3_fetch.ServedFacts(
                pass_type,
                serial,
                fetched.seq,
                fetched.reply.status,
                fetched.conditional,
                len(fetched.reply.body),
                candidates,
                now,
                fetched.epoch,
                phones.crowded,
            )
            self._measure(fetched, facts)
            return trip3_fetch.served(facts)

        self._recorder.later(Delivery(handed, note))

    def _polled(self, pass_type: str, serial: str, wallet: str, status: int, seq: int) -> None:
        """A wallet that polls was answered. Written down once an hour, with how often it was since."""
        now, key = self._clock.now(), (pass_type, serial, wallet, status, seq)
        noted_at, unnoted = self._polls.get(key) or (0, 0)
        if noted_at and now - noted_at < NOTED_MS:
            self._polls.put(key, (noted_at, unnoted + 1))
            return
        self._polls.put(key, (now, 0))
        detail = {"wallet": wallet, "status": status, "fetches": unnoted + 1}
        event = Event(Kind.POLLED, now, pass_type, serial, seq=seq, detail=detail)

        async def note(tx: Tx) -> Noted:
            return (), (event,) if await _known(tx, event) else ()

        self._recorder.later(note)

    def _measure(self, fetched: Fetched, facts: trip3_fetch.ServedFacts) -> None:
        """How long a phone took that was told of this version and was not seen to fetch it before."""
        one, _ = trip3_fetch.attribute(facts.candidates, facts.seq, facts.now, crowded=facts.crowded)
        if one is None or one.device.asked_at is None or fetched.measured:
            return
        if one.registration.served < facts.seq <= one.device.told:
            fetched.measured = True  # a note that could not be written is worked out once more
            since = max(1000 * fetched.since, one.registration.registered_at)
            self.meters.served(facts.pass_type, facts.now, one.device.asked_at, since)

    def _same_connection(self, connection: str | None, pass_type: str, device_id: str, now: int) -> bool:
        if connection is None:
            return False
        asked = self._asked_over.get((connection, pass_type))
        return asked is not None and asked[0] == device_id and now - asked[1] < trip3_fetch.JUST_ASKED_MS

    # ── testimony

    def testify(self, body: bytes, connection: str | None = None) -> Reply:
        """``POST /v1/log``: 200 always; kept after the answer, for pass types that we have, and so much a minute."""
        now = self._clock.now()
        lines = testimony.lines_of(body)
        lines = lines[: self._room(len(lines))]
        events = [self._of_whom(event, connection) for line in lines if (event := testimony.testify(line, now))]
        if events:
            counted = False

            async def note(tx: Tx) -> Noted:
                nonlocal counted
                types = {kept.pass_type for kept in await tx.pass_types()}
                ours = [event for event in events if event.pass_type in types]
                if not counted:  # a note that could not be written is worked out once more
                    counted = True
                    for event in ours:
                        self.meters.said(str(event.detail["code"]))
                return (), ours

            self._recorder.later(note)
        return Reply(200)

    def _of_whom(self, event: Event, connection: str | None) -> Event:
        """A line that names neither pass nor phone is the phone's that was told of something over this connection."""
        if event.serial is not None or event.device_id is not None or connection is None:
            return event
        asked = self._asked_over.get((connection, event.pass_type))
        if asked is None or event.at - asked[1] >= trip3_fetch.JUST_ASKED_MS:
            return event
        evidence = {"evidence": trip3_fetch.Evidence.SAME_CONNECTION.value}
        return replace(event, device_id=asked[0], detail={**event.detail, **evidence})

    def unknown_message(self, path: str, body: bytes) -> Reply:
        """Any other ``POST /v1/…``: 200 and a line in the diary, because Apple adds calls without telling."""
        shown, event = testimony.unknown_message(path, body, self._clock.now())
        if not self._room(1):
            return Reply(200)
        log.info("a device sent an unknown message to %s (%d bytes)", shown, len(body))
        if event is not None:

            async def note(tx: Tx) -> Noted:
                return (), (event,) if await _known(tx, event) else ()

            self._recorder.later(note)
        return Reply(200)

    def misdirected(self, method: str, parts: Sequence[str]) -> Reply:
        """A call with ``/v1`` twice in the path, which is answered 404; ``parts`` is the rest of it. Written down where
        it names a pass or a phone that we know.
        """
        event = misdirected(method, parts, self._clock.now())
        if event is not None and self._room(1):

            async def note(tx: Tx) -> Noted:
                return (), (event,) if await _known(tx, event) else ()

            self._recorder.later(note)
        return Reply(NOT_FOUND)

    def _room(self, lines: int) -> int:
        """How many of so many lines are kept. That some are not is said now and then."""
        room, now = self._said.take(lines), self._clock.now()
        self._left_out += lines - room
        if self._left_out and now - self._left_out_said_at >= LEFT_OUT_SAID_MS:
            log.warning("phones say more than is kept: %d lines left out", self._left_out)
            self._left_out, self._left_out_said_at = 0, now
        return room

    # ── shared

    def _came_late(self, started_at: int | None) -> bool:
        """Whether whoever made this request may have gone. Said now and then: where a proxy's clock is wrong, every
        request is late, and no delivery is ever seen.
        """
        if started_at is None:
            return False
        now = self._clock.now()
        late = held_up(started_at, now)
        if late and now - self._late_said_at >= LATE_SAID_MS:
            self._late_said_at = now
            log.warning(
                "a request came %d s after its X-Request-Start and proves nothing: is the proxy slow, its clock off?",
                (now - started_at) // 1000,
            )
        return late

    def _ahead(self, started_at: int | None) -> bool:
        """Whether the edge's clock was ahead when it took this request. It may have been set right since, and the
        request be an old one that a proxy repeats: nobody can tell. What was not seen to arrive is told again.
        """
        return started_at is not None and started_at - self._clock.now() > LATE_MS


async def _known(tx: Tx, event: Event) -> bool:
    """Whether the pass that an event names is ours, or the phone where it names none."""
    if event.serial is not None:
        return await tx.pass_(event.pass_type, event.serial) is not None
    return (await tx.ask_snapshot(event.pass_type, event.device_id or "", None)).device is not None


class Fetched:
    """An answer to a fetch, and what to note once its last byte is written."""

    def __init__(
        self,
        answering: Answering,
        reply: Reply,
        pass_type: str = "",
        serial: str = "",
        seq: int = 0,
        conditional: bool = False,
        connection: str | None = None,
        epoch: str = "",
        since: int = 0,
    ) -> None:
        self._answering = answering
        self.reply = reply
        self.pass_type = pass_type
        self.serial = serial
        self.seq = seq
        self.conditional = conditional
        self.connection = connection
        self.epoch = epoch
        self.since = since
        self.measured = False

    def written(self) -> None:
        """Everything was handed to the phone."""
        if self.pass_type:
            self._answering._served(self)
