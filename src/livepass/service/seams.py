"""What the use cases need of the world, and nothing more.

The same use cases run over SQLite and real sockets, and under a seeded scheduler with virtual time; so nothing in this
package touches a clock, randomness, asyncio or a socket except through these.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeVar

from livepass.core.model import DEFAULT_TENANT
from livepass.service.console_seams import ConsoleReader, ConsoleTx
from livepass.service.idempotency_seams import IdempotencyTx
from livepass.service.import_seams import ImportReader, ImportTx
from livepass.service.webhook_seams import WebhookReader, WebhookTx

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Coroutine, Hashable, Iterable, Mapping, Sequence
    from contextlib import AbstractAsyncContextManager, AbstractContextManager
    from datetime import datetime

    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import rsa

    from livepass.core.decision import PassVersion, Write
    from livepass.core.echo import Heard, Shot
    from livepass.core.funnel import Funnel
    from livepass.core.history import Witness
    from livepass.core.house import Chores, FanOut, Owed
    from livepass.core.model import (
        ApiKey,
        Certificate,
        Counter,
        Enrolment,
        Held,
        Pass,
        PassType,
        Posted,
        Process,
        Prunable,
        Registration,
        SigningRequest,
        StoredTemplate,
        Tag,
        Target,
        Tenant,
        TokenSource,
    )
    from livepass.core.morning import Behind
    from livepass.core.provider_token import ApnsKey, PushKey
    from livepass.core.replay import Entry, Page
    from livepass.core.rotation import Link
    from livepass.core.sealed import Sealable, Sealed, SealedCount, SharedKey
    from livepass.core.snapshots import AskSnapshot, Candidates, Crowd, FetchSnapshot, Handed, RegisterSnapshot
    from livepass.core.staleness import Instants, Waiting
    from livepass.core.timeline import Event
    from livepass.core.trip2_push import Credential, Outcome, PushAnswer, PushCredential, PushMessage
    from livepass.core.verdict import Circuit, Cohort
    from livepass.core.watching import Seen, Watched
    from livepass.core.webhooks import News
    from livepass.pkpass import CertificateFacts

T = TypeVar("T")


class Clock(Protocol):
    """Wall time, in milliseconds since the Unix epoch, and a stopwatch in seconds."""

    def now(self) -> int: ...

    def stopwatch(self) -> float: ...


class Chance(Protocol):
    """Randomness. ``fraction`` is in [0, 1)."""

    def token_bytes(self, count: int) -> bytes: ...

    def fraction(self) -> float: ...


class Signal(Protocol):
    """Wakes whoever waits; set twice before anybody waits, it wakes once."""

    def set(self) -> None: ...

    async def wait(self, seconds: float) -> bool:
        """True when it was set, False when the time ran out. Clears itself."""


class Scheduler(Protocol):
    """Concurrency: tasks, sleeping, waiting."""

    def spawn(self, work: Coroutine[Any, Any, None], name: str) -> None: ...

    def signal(self) -> Signal: ...

    async def sleep(self, seconds: float) -> None: ...

    async def off_loop(
        self, work: Callable[[], T], *, share: Hashable = None, aside: bool = False, brief: bool = False
    ) -> T:
        """Run something that computes for long (building, signing) without holding up the others.

        ``share``: its name; who asks for it meanwhile gets the same result. ``aside``: one after the other, on a thread
        that nothing needs which a phone waits for. ``brief``: no longer than a signature, and never behind what is.
        """


Work = Literal["change", "register", "push", "ask", "fetch", "webhook"]
"""What is traced. A change and a registration take a number, and all that follows from it is told under that number."""
Served = Callable[[str, int], None]
"""What a request turned out to ask for (the pattern of its path, with no id in it), and its status; 0: hung up."""


class Tracing(Protocol):
    """Tells whoever follows a change what was done for it, and how long that took. Never raises and never waits.

    Nothing that names a person, a phone or a pass may be told: it goes to another service. Where nobody follows, there
    is ``None`` in its place, which costs no call.
    """

    def tell(
        self,
        work: Work,
        pass_type: str,
        numbers: Sequence[int],
        seconds: float,
        facts: Mapping[str, str | int],
        failed: str = "",
    ) -> None:
        """Work that ended now, and which change numbers it was for; none: for no change. ``failed``: why it did."""

    def link(self, pass_type: str, number: int) -> None:
        """The request that is being answered led to that change, which was stored with those of others."""

    def serving(self, method: str, headers: Iterable[tuple[bytes, bytes]]) -> AbstractContextManager[Served]:
        """Around a request that is answered: what is told meanwhile belongs to it."""


class Reader(ConsoleReader, ImportReader, WebhookReader, Protocol):
    """Reads. Each is one statement, so one snapshot.

    ``within`` keeps a list to these pass types (``None``: all): what a caller may not see is never read.
    """

    async def ask_snapshot(self, pass_type: str, device_id: str, tag: Tag | None) -> AskSnapshot:
        """Registrations are left out for a tag that names the newest number, where the phone is written down to have
        been told that: none can be newer.
        """

    async def fetch_snapshot(self, pass_type: str, serial: str) -> FetchSnapshot: ...

    async def register_snapshot(
        self, pass_type: str, serial: str, device_id: str, *, push_token: str | None = None, most_phones: int = 0
    ) -> RegisterSnapshot:
        """Twins are those that share ``push_token`` (``None``: the one that the phone has); phones are counted up to
        ``most_phones``.
        """

    async def last_left(self, pass_type: str, serial: str, device_id: str) -> int | None:
        """When the phone unregistered this pass last, or registered it under another device id instead, as far as the
        events that are kept say it.
        """

    async def candidates(self, handed: Sequence[Handed], *, limit: int) -> Sequence[Candidates]:
        """Who may have got each. Of a pass that more than ``limit`` phones follow, only the phone that asked."""

    async def pass_(self, pass_type: str, serial: str) -> Pass | None: ...

    async def token_holder(self, pass_type: str, token_print: str) -> str | None:
        """The serial number of the pass with that imported token."""

    async def addresses(self, pass_type: str) -> Sequence[tuple[str, int, int]]:
        """Where phones that hold passes of a type call: (webServiceURL, passes, when the last of them got it)."""

    async def passes_at(self, pass_type: str, url: str, *, after: str, limit: int) -> Sequence[str]:
        """Serial numbers of passes that name an address, in order, after one."""

    async def moves(self, pass_type: str, url: str) -> Mapping[str, int]:
        """How many registrations stand where on their way to an address, by ``core.moving.Leg``."""

    async def stragglers(self, pass_type: str, url: str, *, limit: int) -> Sequence[tuple[str, str, int | None]]:
        """(serial, device id, asked last) of phones that still need another address; who is silent longest, first."""

    async def enrolment(self, pass_type: str, enrolment_id: str) -> Enrolment | None: ...

    async def enrolments_of(self, pass_type: str, serial: str) -> Sequence[Enrolment]:
        """Of one pass, oldest first."""

    async def enrolments(
        self, pass_type: str, *, epoch: str, after: int, limit: int
    ) -> Sequence[tuple[Enrolment, str]]:
        """Those of a pass type after a number of that epoch, in the order in which they were stored, each with the
        present epoch. When another has begun since, all of them.
        """

    async def passes_named(self, pass_type: str, serials: Sequence[str]) -> Mapping[str, Pass]:
        """Those of these serial numbers that there are, by serial number."""

    async def passes(
        self,
        *,
        pass_type: str | None,
        template: str | None,
        prefix: str,
        after: tuple[str, str],
        limit: int,
        within: Sequence[str] | None = None,
        holder: str | None = None,
    ) -> Sequence[Pass]: ...

    async def held(self, pass_type: str, serial: str) -> Sequence[Held]: ...

    async def held_and_owed(
        self, pass_type: str, serial: str, *, limit: int, first: str = ""
    ) -> Sequence[tuple[Held, Target | None]]:
        """As ``held``, by device id, from ``first`` on and no more than so many, each with what is owed to it."""

    async def count_followed(self, pass_type: str) -> int:
        """How many registrations are told of changes."""

    async def behind(self, pass_type: str, *, some: int, most: int) -> Sequence[Behind]:
        """Who was not served what is current, in lots that stand alike, with up to ``some`` of each named. Where there
        are ``most`` or more, so many of them are looked at, and the lots are estimated from those.
        """

    async def last_of_pass(self, pass_type: str, serial: str, *, limit: int) -> Sequence[Event]:
        """The newest events that name a pass, newest first."""

    async def polls(self, pass_type: str, serial: str, *, limit: int) -> Sequence[Event]:
        """The newest fetches of a pass by wallets that poll, newest first."""

    async def versions_of_pass(self, pass_type: str, serial: str, *, most: int, limit: int) -> Sequence[Event]:
        """The events that made the versions of a pass, newest first: among the newest ``most`` that name it."""

    async def last_of_phone(self, pass_type: str, device_id: str, target: str, *, limit: int) -> Sequence[Event]:
        """The newest events of a phone, and the newest of its pushes, that name no pass. So many of each."""

    async def last_new_epoch(self, pass_type: str) -> Event | None: ...

    async def canary_runs(self, pass_type: str, *, limit: int) -> Sequence[Event]:
        """The newest runs of a canary, newest first."""

    async def canary_passes(self) -> Sequence[str]:
        """The pass types that a canary pass is there of, in order."""

    async def strangers(self, pass_type: str, *, limit: int) -> Sequence[Event]:
        """The newest asks for phones that we do not know, newest first."""

    async def circuit(self, pass_type: str) -> Circuit | None: ...

    async def pushed_and_asked(self, pass_type: str, *, after: int, before: int, limit: int) -> Cohort:
        """How many of a sample of ``limit`` push tokens were pushed between two instants, and asked since."""

    async def followed_by(self, pass_type: str, serials: Sequence[str]) -> Mapping[str, tuple[int, int]]:
        """(phones, live push tokens) that follow each pass, by serial; nothing for a pass that nobody follows."""

    async def registrations(
        self,
        *,
        pass_type: str | None,
        device_id: str | None,
        after: tuple[str, str, str],
        limit: int,
        within: Sequence[str] | None = None,
    ) -> Sequence[Registration]: ...

    async def targets(
        self,
        *,
        pass_type: str | None,
        due_only: bool,
        after: tuple[str, str],
        limit: int,
        within: Sequence[str] | None = None,
    ) -> Sequence[tuple[str, Target]]:
        """Push targets by (pass type, first device that has the token), each with that device."""

    async def timeline(self, pass_type: str, serial: str, *, after: int, limit: int) -> Sequence[Event]: ...

    async def events(
        self, *, kinds: Sequence[str], pass_type: str | None, after: int, limit: int
    ) -> Sequence[Event]: ...

    async def testimony(
        self,
        *,
        pass_type: str | None,
        code: str | None,
        before: int,
        limit: int,
        within: Sequence[str] | None = None,
    ) -> Sequence[Event]:
        """What phones said, newest first."""

    async def installation(self) -> str:
        """What the database has been called since it was made, also in its copies."""

    async def counters(self) -> Sequence[Counter]:
        """Every pass type's, in one statement."""

    async def new_epochs(self, pass_type: str) -> Sequence[Event]:
        """The epochs that a pass type began after its first, oldest first."""

    async def database_time(self) -> int | None:
        """The clock that all processes share, in milliseconds; ``None``: there is none but each process's own."""

    async def counter(self, pass_type: str) -> Counter | None: ...

    async def pass_type(self, pass_type: str) -> PassType | None: ...

    async def pass_types(self) -> Sequence[PassType]: ...

    async def certificate(self, certificate_id: str) -> Certificate | None: ...

    async def certificates(
        self, pass_type: str | None, within: Sequence[str] | None = None
    ) -> Sequence[Certificate]: ...

    async def tenant(self, name: str) -> Tenant | None:
        """One of ``tenants``; the one that is always there has no row."""

    async def tenants(self) -> Sequence[Tenant]:
        """By name: those beside the one that is always there."""

    async def within_tenant(self, name: str) -> frozenset[str] | None:
        """The pass types of a tenant; ``None``: it is the only one here, and all are its."""

    async def signing_requests(
        self, tenant: str = DEFAULT_TENANT, within: Sequence[str] | None = None
    ) -> Sequence[SigningRequest]:
        """Oldest first."""

    async def lineage(self, pass_type: str) -> Sequence[Link]:
        """All certificates of a pass type, as the rules of their life look at them."""

    async def lineages(self) -> Sequence[Sequence[Link]]:
        """As ``lineage``, of every pass type that has any."""

    async def watched(self, pass_type: str | None = None) -> Sequence[Watched]:
        """What is watched of certificates (``None``: of everything), as it was seen last, by subject."""

    async def apns_key(self, tenant: str, key_id: str) -> ApnsKey | None: ...

    async def apns_keys(self, tenant: str) -> Sequence[ApnsKey]:
        """By id, retired ones too."""

    async def push_key_users(self, tenant: str, key_id: str) -> Sequence[str]:
        """The pass types that a key pushes for."""

    async def template(self, tenant: str, name: str, revision: str | None) -> StoredTemplate | None:
        """``revision`` ``None`` means the current one."""

    async def templates(self, tenant: str) -> Sequence[StoredTemplate]: ...

    async def followers(self, tenant: str, template: str, revision: str, *, limit: int) -> Sequence[Pass]:
        """Passes that follow a template, not pinned, and not built from its current ``revision``."""

    async def following(self, tenant: str, template: str, revision: str, *, most: int) -> tuple[int, int, int]:
        """How many passes follow a template and are not pinned: built from ``revision``, not built from it, and those
        of the latter that cannot be. No more than ``most`` (twice that, of the latter two) are counted.
        """

    async def templates_behind(self) -> Sequence[tuple[str, str, str]]:
        """(tenant, name, current revision) of templates with passes that do not have it yet."""

    async def api_key(self, key_id: str) -> ApiKey | None: ...

    async def api_keys(self) -> Sequence[ApiKey]: ...

    async def shared_keys(self) -> Sequence[SharedKey]:
        """Oldest first."""

    async def sealed_counts(self) -> Sequence[SealedCount]: ...

    async def sealed_otherwise(
        self, kind: Sealable, secret: str, *, after: tuple[str, str], limit: int
    ) -> Sequence[Sealed]:
        """Things that are sealed with another secret key than the one of that id, by (``within``, ``id``)."""

    async def due(self) -> Sequence[tuple[str, int]]:
        """(pass type, instant) for each pass type that has pushes waiting: when its first one may go."""

    async def funnel(self, pass_type: str, *, since: int) -> Funnel:
        """How far the passes came whose share page or file was opened since then."""

    async def stats(self, pass_type: str | None, within: Sequence[str] | None = None) -> Mapping[str, int]: ...

    async def staleness(self, pass_type: str, now: int) -> Sequence[Waiting]:
        """Who was not served what is current, by how old that is. Walks all registrations of the pass type."""

    async def served_lately(self, pass_type: str, *, since: int, first: str, limit: int) -> Sequence[Instants]:
        """The last instants of the registrations that were served since then, among the ``limit`` that come after the
        device id ``first``, and round to it.
        """

    async def newest(
        self,
        *,
        kinds: Sequence[str],
        pass_type: str | None,
        limit: int,
        most: int,
        before: int = ...,
        within: Sequence[str] | None = None,
    ) -> Sequence[Event]:
        """Events of these kinds, newest first, among the newest ``most`` of all (those before the id ``before``)."""

    async def due_first(self, pass_type: str, *, limit: int) -> Sequence[tuple[str, Target]]:
        """Pushes that are due, those that may go first before the others; each with the first phone of its token."""

    async def due_up_to(self, pass_type: str, now: int, *, most: int) -> Owed:
        """Of the ``most`` that may go first."""

    async def circuits(self) -> Sequence[tuple[str, Circuit]]:
        """By pass type; those whose time is over as well."""

    async def behind_template(self, tenant: str, template: str, revision: str, *, most: int) -> tuple[int, int]:
        """(passes that are still to be built from that revision, passes that could not be), of ``most`` of both."""

    async def fan_outs_under_way(self, *, limit: int) -> Sequence[FanOut]: ...

    async def chores(self, now: int, *, most: int) -> Chores:
        """Counted up to ``most`` each."""

    async def count_passes(self) -> int:
        """Of all pass types."""

    async def table_sizes(self) -> Sequence[tuple[str, int, int]]:
        """(table, rows, bytes) by name. SQLite: counted, and bytes of the whole file; PostgreSQL: estimated, and
        bytes of each with its indexes.
        """

    async def processes(self) -> Sequence[Process]:
        """Those that have not said goodbye, also if they have not been heard for long."""


class Tx(ConsoleTx, IdempotencyTx, ImportTx, WebhookTx, Reader, Protocol):
    """A write transaction: reads see what it wrote; everything becomes visible at once, or not at all."""

    async def apply(self, writes: Sequence[Write], events: Sequence[Event]) -> Mapping[str, int]:
        """Apply decisions of any number of phones. Answers the numbers taken, by pass type."""

    async def lock_phone(self, pass_type: str, device_id: str, push_token: str | None = None) -> None:
        """Nobody else registers or unregisters for this phone until the end, under whichever device id. Read what you
        decide on after it. ``push_token`` is the one that it comes with; ``None``: the one that it has.
        """

    async def crowd(self, pass_type: str, serial: str, device_id: str, *, cap: int, limit: int) -> Crowd | None:
        """The phones of a pass: counted up to ``cap + limit``; those that never asked, among ``limit`` or so from
        ``device_id`` on. ``None``: somebody else is looking at this moment.
        """

    async def pass_identities(self, pass_type: str, serials: Sequence[str]) -> Mapping[str, tuple[int, TokenSource]]:
        """Which writing of which pass is there: (edit, token) by serial. Nobody else changes them until the end."""

    async def locked_counter(self, pass_type: str) -> Counter | None:
        """The counter, and nobody else takes a number or begins an epoch until the end."""

    async def spread_epoch(self, now: int, limit: int) -> bool:
        """Make pushes of a new history due, ``limit`` of a pass type at a time. False: all are, or others are at it."""

    async def put_passes(
        self, pass_type: str, versions: Sequence[PassVersion], *, now: int, push_at: int | None, urgent: bool
    ) -> tuple[int, int]:
        """Store versions of passes of one type under one number; answers (number, pushes due by now). Where more phones
        are owed one than are made due at once, ``fan_out`` goes on with it.

        ``push_at`` ``None`` leaves pushes undue: phones hear of it when they ask by themselves.
        """

    async def take_receipt(self, pass_type: str, receipt: str, now: int) -> bool:
        """Whether this wish was not done before; from now on it was. Others who take it wait for the end."""

    async def put_enrolment(self, enrolment: Enrolment) -> int:
        """Keep one more; answers its number, which it takes where that is ``timeline.TAKEN``."""

    async def erase_pass(self, pass_type: str, serial: str, *, told_at: int | None = None) -> bool:
        """Forget a pass and all that is kept of it; answers whether it was there. ``told_at``: now, and webhooks tell
        that its registrations ended; ``None``: none does.
        """

    async def add_tenant(self, tenant: Tenant) -> bool:
        """Whether there was none of that name."""

    async def lock_tenant(self, name: str) -> bool:
        """Whether there is such a tenant; nobody removes it until the end."""

    async def rename_tenant(self, name: str, title: str) -> bool: ...

    async def remove_tenant(self, name: str) -> None: ...

    async def left_in_tenant(self, name: str) -> Sequence[tuple[str, int]]:
        """What keeps a tenant from being removed, and how much of it."""

    async def ensure_pass_type(self, pass_type: str, tenant: str, team: str, epoch: str, now: int) -> None: ...

    async def put_certificate(self, certificate: Certificate) -> None: ...

    async def put_signing_request(self, request: SigningRequest) -> None: ...

    async def remove_signing_request(self, request_id: str) -> bool: ...

    async def put_link(self, link: Link) -> None:
        """Write the instants of a certificate's life, and its canary."""

    async def locked_lineage(self, pass_type: str) -> Sequence[Link]:
        """As ``lineage``; until the commit nobody else takes a step with one of them."""

    async def use_credential(self, pass_type: str, now: int) -> None:
        """Push what waited for a certificate that APNs takes."""

    async def watch(self, watched: Sequence[Watched]) -> None:
        """Begin to watch; of what is watched already, take the dates: a later end is a renewal."""

    async def claim_look(self, subject: str, now: int, until: int) -> bool:
        """Whether a look is due, and ours: nobody else's is, until then."""

    async def put_seen(self, subject: str, seen: Seen, now: int, look_at: int) -> bool:
        """Write down what a look found, and when the next one is due; answers whether its problem is another one."""

    async def say_days(self, subject: str, ends_at: int, days: int) -> bool:
        """Whether nobody said this threshold of this end, nor a lower one; from now on we did."""

    async def lock_apns_key(self, tenant: str, key_id: str) -> ApnsKey | None:
        """The key, and nobody else changes or chooses it until the end."""

    async def put_apns_key(self, key: ApnsKey) -> None: ...

    async def choose_push_key(self, pass_type: str, key_id: str | None, now: int) -> None:
        """Push with that key from now on, or with the certificate; what waited for the other one is due at once."""

    async def lock_push_credential(self, pass_type: str) -> PassType | None:
        """The pass type, and nobody chooses another credential for it until the end. Before its pushes are written."""

    async def resume_pushes(self, pass_type: str, now: int) -> None:
        """What waited for a credential need not wait for its next turn."""

    async def put_process(self, process: Process) -> None:
        """A sign of life."""

    async def remove_process(self, process_id: str) -> None: ...

    async def add_shared_key(self, key: SharedKey) -> None:
        """Where there is one of that id already, that one stays."""

    async def reseal(self, kind: Sealable, renewed: Sequence[tuple[Sealed, bytes]]) -> None:
        """Put another seal in place of each, where it is still the one that was read."""

    async def put_template(self, tenant: str, template: StoredTemplate) -> None: ...

    async def refuse_revision(self, pass_type: str, serial: str, revision: str) -> None:
        """Note that a pass cannot be built from a revision, so that it is not tried for ever."""

    async def add_events(self, events: Sequence[Event]) -> None: ...

    async def put_api_key(self, key: ApiKey) -> None: ...

    async def touch_api_key(self, key_id: str, now: int) -> None: ...

    async def revoke_api_key(self, key_id: str, now: int) -> bool: ...

    async def claim_targets(
        self, pass_type: str, *, lease: str, now: int, lease_until: int, limit: int
    ) -> Sequence[Target]:
        """Lease due targets of a pass type. Takes over leases that ran out. ``passes`` is 0 where it makes no
        difference to the phone's patience (``core.budget``).
        """

    async def record_outcomes(self, lease: str, outcomes: Sequence[Outcome], now: int) -> None:
        """Store outcomes and their events; a target whose lease is not ours any more keeps its row."""

    async def hold_targets(self, lease: str, held: Sequence[tuple[Target, int]]) -> None:
        """Give targets back until an instant each, without having sent anything."""

    async def open_circuit(
        self, pass_type: str, until: int, reason: str, now: int, push_key_id: str | None = None
    ) -> None: ...

    async def want_now(self, pass_type: str, serial: str | None, now: int) -> int:
        """Make the pushes of a pass (or of a whole type) due now, budget or not; answers how many that are, or will be
        when ``fan_out`` has gone on with it.
        """

    async def fan_out(self, now: int, limit: int) -> bool:
        """Go on with what more phones are owed than are made due at once: ``limit`` of them at most. False: nothing is
        left, or others are at it.
        """

    async def retell(self, now: int, limit: int) -> int:
        """Tell again what was told and shows no evidence of delivery; answers how many registrations."""

    async def prune(self, what: Prunable, before: int, limit: int) -> int:
        """Forget ``limit`` rows at most that are older than that; answers how many. What others hold stays for now."""


class Store(Reader, Protocol):
    """The database. Reads are single statements; writes are whole units of work."""

    async def write(self, work: Callable[[Tx], Awaitable[T]]) -> T:
        """Run ``work`` in one transaction. When this returns, the work is durable; when it raises, nothing happened,
        except that ``Unavailable`` leaves it open when the connection broke during the commit.

        ``work`` may be run again after a conflict, so it must not act outside ``tx``; and it must be quick, because
        others wait for it.
        """

    async def recheck(self) -> None:
        """Look whether what was opened is still the database: begins a new history (as at the start) when it is another
        copy, raises ``Unavailable`` when there is no telling any more.
        """

    def on_commit(self, notice: Callable[[], None]) -> None:
        """Call ``notice`` soon after anybody commits, also another process. A hint: some commits may share one."""

    def on_events(self, heard: Callable[[Sequence[Event | News]], None]) -> None:
        """Call ``heard``, in the loop, with the events of each unit of this process once it is committed, and with what
        it told that is none of the timeline's. Where a unit takes a number, its events say ``TAKEN``.
        """

    async def close(self) -> None: ...


class WitnessFile(Protocol):
    """What was seen of the database, kept outside it. Raises ``OSError``."""

    def held(self) -> AbstractAsyncContextManager[None]:
        """Nobody else reads or writes it meanwhile."""

    async def read(self) -> Witness | None:
        """``None`` when there is none, or nothing that can be understood."""

    async def write(self, witness: Witness) -> None: ...


class Journal(Protocol):
    """Registrations as they were acknowledged, kept outside the database. Several processes share its folder."""

    async def append(self, entry: Entry) -> None:
        """Durable when this returns. Raises ``Unavailable``."""

    def pages(self, places: dict[str, int], since: int | None) -> AsyncIterator[Page]:
        """A page a day, in order, of entries from ``since`` on; from ``places``, which is moved on: what is read once
        is not read again.
        """

    def turn(self, seconds: float) -> AbstractAsyncContextManager[bool]:
        """Whether it is ours to replay now: false when another process does for longer than that."""

    async def replayed(self) -> Mapping[str, str] | None:
        """The epoch of each pass type when all of it was replayed last; ``None``: not known."""

    async def mark_replayed(self, epochs: Mapping[str, str]) -> None: ...


class Outbox(Protocol):
    """Wishes in a host's database. Raises ``OSError`` or ``Unavailable`` where that is away."""

    async def waiting(self, limit: int) -> Sequence[Posted]:
        """The oldest, in order; none, while another process does them."""

    async def done(self, receipts: Sequence[str]) -> None:
        """Forget these."""

    async def refuse(self, receipt: str, why: str) -> None:
        """Keep it, and never show it as waiting again."""

    async def close(self) -> None: ...


class Sender(Protocol):
    """APNs. Never raises for a push: what goes wrong is an answer with status 0."""

    async def send(
        self,
        credential: Credential,
        messages: Sequence[PushMessage],
        answered: Callable[[PushAnswer], None],
    ) -> None:
        """Returns when each message has had exactly one answer; calls ``answered`` as each arrives."""

    async def retire(self, credential_id: str) -> None: ...

    async def close(self) -> None: ...


class Authorities(Protocol):
    """Certificate authorities, over HTTP. Only hosts that the settings name are asked, whatever a certificate says."""

    async def ask(self, address: str, *, body: bytes | None = None, media: str = "", most: int) -> bytes:
        """The answer to a GET, or to a POST of ``body``, of ``most`` bytes at most. Raises ``CannotFetch``."""


class Prober(Protocol):
    """One push, on a connection of its own that is closed afterwards."""

    async def __call__(self, credential: Credential, message: PushMessage) -> PushAnswer: ...


class CanaryPhone(Protocol):
    """An emulated phone with one pass, over the public address. What goes wrong is what it hears; each call is bounded
    in time.
    """

    @property
    def tag(self) -> str | None:
        """The newest that it was given."""

    async def register(self) -> Heard: ...

    async def ask(self) -> Heard: ...

    async def fetch(self) -> Heard: ...

    async def unregister(self) -> Heard: ...

    async def close(self) -> None: ...


class CanaryPhones(Protocol):
    """Makes one with a pass on it (.pkpass)."""

    def __call__(self, pkpass: bytes, device_id: str, push_token: str) -> CanaryPhone: ...


class Caller(Protocol):
    """Calls the public address as a phone would, following nothing. Bounded in time; what goes wrong is what it hears.

    Nothing is called after a first call that got no answer.
    """

    async def __call__(self, shots: Iterable[Shot]) -> list[tuple[Shot, Heard]]: ...


class Look(Protocol):
    """A look from outside at a TLS certificate. Bounded in time; what goes wrong is what it has seen."""

    async def __call__(self) -> Seen: ...


@dataclass(frozen=True, slots=True)
class Revocation:
    """Whether whoever issued a certificate still stands by it. ``at`` (milliseconds) and ``reason``: of a revocation;
    of ``unknown``, ``reason`` says why.
    """

    status: Literal["good", "revoked", "unknown"]
    at: int | None = None
    reason: str = ""


class Revocations(Protocol):
    """Asks for it, over the network. Bounded in time; whatever goes wrong is ``unknown``."""

    async def __call__(self, chain_pem: bytes, now: int) -> Revocation:
        """``chain_pem``: the leaf, then its intermediate."""


class Identity(Protocol):
    """An opened certificate: it signs passes and authenticates to APNs."""

    @property
    def id(self) -> str: ...

    @property
    def facts(self) -> CertificateFacts: ...

    def sign(self, manifest: bytes, at: datetime) -> bytes: ...

    def push_credential(self) -> PushCredential: ...


class KeyRing(Protocol):
    """Keys. Nothing secret leaves it except into a signature, a sealed blob or a token of one pass."""

    @property
    def tag_key(self) -> bytes: ...

    @property
    def share_key(self) -> bytes:
        """What signs share links, and nothing else."""

    @property
    def token_key_id(self) -> str:
        """The shared key with which new passes' tokens are derived."""

    @property
    def secret_ids(self) -> Sequence[str]:
        """The names of the configured secret keys; the first one seals."""

    def adopt(self, keys: Sequence[SharedKey]) -> None:
        """Take in the shared keys, oldest first. Raises ``PkpassError`` for one that does not open, with the others
        taken in.
        """

    def new_shared_key(self, key_id: str, purpose: str, now: int) -> SharedKey: ...

    def knows(self, source: TokenSource) -> bool:
        """Whether the key that this token is derived with was taken in."""

    def token(self, tenant: str, pass_type: str, serial: str, source: TokenSource) -> str: ...

    def stranger_token(self, tenant: str, pass_type: str, serial: str) -> str:
        """A token nobody has, at the cost of a real one: what an unknown serial is compared with."""

    def open_enrolment(self, enrolment: Enrolment) -> bytes:
        """What was sealed. Raises ``PkpassError``."""

    def seal(self, kind: Sealable, within: str, id_: str, secret: bytes) -> bytes: ...

    def reseal(self, one: Sealed) -> bytes:
        """The same, sealed with the first secret key. Raises ``PkpassError``."""

    def totp_step(self, one: Sealed, code: str, now: int, after: int | None) -> int | None:
        """The step that a code is of (``core.totp``), by the sealed secret. Raises ``PkpassError``."""

    def open_webhook(self, one: Sealed) -> bytes:
        """An endpoint's secrets. Raises ``PkpassError``."""

    def open(self, certificate: Certificate) -> Identity:
        """The certificate, opened; kept open, because opening a key is slow."""

    def from_p8(
        self, data: bytes, *, tenant: str, key_id: str, team: str, topics: Sequence[str], environment: str, now: int
    ) -> ApnsKey:
        """Take in an APNs key, from the bytes of its .p8. Raises ``KeyRefused``."""

    def open_push_key(self, key: ApnsKey) -> PushKey:
        """The key, opened; kept open. Raises ``PkpassError``."""

    def take_in(
        self,
        certificate: x509.Certificate,
        key: rsa.RSAPrivateKey | Sealed,
        intermediate: x509.Certificate,
        root: x509.Certificate | None,
        now: int,
    ) -> Certificate:
        """A certificate to be stored, with its key: one that came along, or one that lies sealed here. Raises
        ``PkpassError``.
        """

    def new_signing_request(
        self, pass_type: str, team: str, email: str, now: int, tenant: str = DEFAULT_TENANT
    ) -> tuple[SigningRequest, bytes]:
        """A fresh key, sealed, and the request (PEM) to be given to Apple. It takes a noticeable moment."""
