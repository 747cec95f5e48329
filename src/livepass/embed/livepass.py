"""``Livepass``: the whole service as one object.

Theory of operation. The object is made at import time and opens nothing. The first call, or the first phone, opens the
database in the event loop that it comes in; from then on the object belongs to that loop. Nothing depends on a
lifespan, because those of mounted applications do not run: pushes go out where somebody runs ``running()``, or a
``livepass worker`` beside; where nobody does, a change that makes pushes due says so in the log.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from livepass import config as settings
from livepass.config import Config, ConfigError
from livepass.core.webhooks import STALE
from livepass.embed import handlers, outbox
from livepass.embed.connections import Engine
from livepass.embed.handlers import Handler, Handlers
from livepass.embed.mounting import Around, Mounted, unmounted, whole
from livepass.web.app import API
from livepass.web.share import PREFIX as SHARED

if TYPE_CHECKING:
    from livepass.core.timeline import Event
    from livepass.embed.sync import SyncLivepass
    from livepass.pkpass import Template
    from livepass.service.admitting import Imported
    from livepass.service.drafting import Wish
    from livepass.service.explaining import Explained
    from livepass.service.issuing import Issued, Preview, Push
    from livepass.service.publishing import Published
    from livepass.web.app import Asgi
    from livepass.web.console.people import Who
    from livepass.wiring import Services

log = logging.getLogger(__name__)

REMIND_SECONDS = 60.0
"""How often it is said that nobody pushes."""
PRESENT_MS = 30_000
"""A process that was heard within this time pushes."""


class WrongLoop(RuntimeError):
    """The object was opened in another event loop, which still runs."""


class Livepass:
    """The service behind passes, inside an application of yours.

        lp = Livepass.from_env()
        app.mount("/wallet", lp.device_app())

        async with lp.running():  # in your application's lifespan: sends pushes
            await lp.change("pass.com.example.gym", "1001", data={"visits_left": 8})

    Settings are those of ``livepass.toml`` by their names there. Methods raise ``Refusal`` for what cannot be done as
    it was asked, and ``Unavailable`` while the database is away.
    """

    def __init__(self, *, config: Config | None = None, **given: Any) -> None:
        """``Livepass(database_url=…, public_url=…, secret_key=…)``: only what is given counts, neither a file nor the
        environment. Raises ``ConfigError``.
        """
        self.config = config or settings.given(given)
        self._sources: Mapping[str, str] | None = None
        self._handlers = Handlers()
        self._services: Services | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._opening: asyncio.Task[Services] | None = None
        self._runners = 0
        self._reminded = float("-inf")
        self._sync: SyncLivepass | None = None
        self._apps: dict[object, tuple[Services, Asgi]] = {}

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None, directory: Path | None = None) -> Self:
        """With the settings of ``LIVEPASS_…`` and ``livepass.toml``, as the command line has them. Raises
        ``ConfigError``.
        """
        made = cls(config=settings.load(environ, directory))
        made._sources = settings.sources(environ, directory)
        return made

    # ── opening and closing

    async def services(self) -> Services:
        """The use cases, opened in this loop. Raises ``SchemaMismatch``, ``BadSecretKey``, ``WrongLoop``."""
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            if self._loop is not None and not self._loop.is_closed() and self._services is not None:
                raise WrongLoop("this Livepass was opened in another event loop: use lp.sync from other threads")
            self._loop, self._services, self._opening = loop, None, None
        if self._services is None:
            if self._opening is None:
                self._opening = loop.create_task(self._open(), name="livepass-open")
            try:
                self._services = await asyncio.shield(self._opening)
            finally:
                if self._opening is not None and self._opening.done():
                    self._opening = None
        return self._services

    async def _open(self) -> Services:
        from livepass import wiring

        opened = await wiring.Services.open(self.config)
        self._handlers.begin(opened.store)
        opened.hears_of_stale = lambda: self._handlers.hears(STALE)
        return opened

    async def close(self) -> None:
        """Write what was observed and close the database. ``running()`` does it at its end."""
        if self._sync is not None:
            await asyncio.to_thread(self._sync.close)
        opened, self._services, self._loop = self._services, None, None
        if opened is not None:
            await opened.recorder.settle()
            await self._handlers.end()
            await opened.close()

    async def upgrade(self) -> list[str]:
        """Bring the database to this version's schema: safe at every start. Answers the migrations that ran."""
        from livepass import wiring

        return await wiring.upgrade(self.config)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Self]:
        """Send pushes and keep house meanwhile; any number of processes may. Leaving drains what is under way, 20
        seconds at most, and closes.
        """
        opened = await self.services()
        if self._runners:
            raise RuntimeError("this Livepass runs already: enter running() once a process")
        self._runners += 1
        try:
            # Nothing is shed: that a loop is late which others use too says nothing of this service.
            async with opened.present("serve+worker", sheds=False), opened.working():
                yield self
        finally:
            self._runners -= 1
            await self.close()

    @property
    def is_running(self) -> bool:
        """Whether this process sends pushes."""
        return self._runners > 0

    # ── applications

    def device_app(self) -> Asgi:
        """What phones talk to, to be mounted at any prefix. ``PUBLIC_URL`` must name the mount point, or what lies
        above a mount at ``…/wallet``; a request that came another way is said in the log.
        """
        from livepass.embed import apps

        async def phone() -> Asgi:
            return await self._app("phone", apps.phone)

        return Mounted(phone, self.config.web_service_url)

    def api_app(self) -> Asgi:
        """The issuer API, mounted at ``/api/v1`` or given the requests below it."""
        from livepass.embed import apps

        return self._below(API, "api", lambda opened: apps.api(opened, [self.config.admin_key]))

    def share_app(self) -> Asgi:
        """The pages of share links, mounted at ``/p`` of ``PUBLIC_URL`` or given the requests below it."""
        from livepass.embed import apps

        return self._below(SHARED.rstrip("/"), "share", apps.share)

    def console_app(self, who: Who) -> Asgi:
        """The console, for whom ``who`` lets in, mounted at any prefix.

        ``who`` is asked of every request before anything is answered: a function, plain or async, from a Starlette
        ``Request`` (without its body) to ``(name, role)``, or ``(name, role, tenant)``, or ``None`` for nobody. Roles
        are ``viewer``, ``operator`` and ``admin``. Nobody signs in here; an exception or any other answer lets nobody
        in, and is said in the log. Raises ``ConfigError`` without the extra ``console``.
        """
        if not callable(who):
            raise TypeError("console_app(who) takes a function from a request to (name, role), or None for nobody")
        try:
            from livepass.embed import console
        except ImportError as error:
            raise ConfigError(f"the console needs {error.name}", "install livepass[console]") from error
        this = object()  # two of them on one Livepass let in whom each of them lets in

        async def answer(scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] == "http":
                app = await self._app(this, lambda opened: console.of_host(opened, who, self._sources))
                await app(whole(scope), receive, send)

        return answer

    def around(self, app: Asgi) -> Asgi:
        """``app`` with phones' requests taken out, and ``running()`` for as long as the server's lifespan: for what
        cannot mount an ASGI application, such as Django.
        """
        return Around(app, self.device_app(), self.config.web_service_url, self.running)

    def _below(self, prefix: str, name: str, make: Callable[[Services], Asgi]) -> Asgi:
        async def below(scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] == "http":
                await (await self._app(name, make))(unmounted(scope, prefix), receive, send)

        return below

    async def _app(self, which: object, make: Callable[[Services], Asgi]) -> Asgi:
        opened = await self.services()
        known = self._apps.get(which)
        if known is None or known[0] is not opened:
            known = self._apps[which] = (opened, make(opened))
        return known[1]

    # ── passes

    async def issue(
        self,
        pass_type: str,
        serial: str,
        *,
        template: str | None = None,
        data: Mapping[str, Any] | None = None,
        content: Mapping[str, Any] | None = None,
        revision: str | None = None,
        push: Push = "auto",
    ) -> Issued:
        """Make the pass what this says: as ``PUT /api/v1/passes/{type}/{serial}``. Durable when this returns."""
        return await self._put(outbox.wish(pass_type, serial, template, data, content, revision, patch=False), push)

    async def change(
        self,
        pass_type: str,
        serial: str,
        *,
        data: Mapping[str, Any] | None = None,
        content: Mapping[str, Any] | None = None,
        template: str | None = None,
        push: Push = "auto",
        connection: Any = None,
    ) -> Issued | None:
        """Change what is named and keep the rest: as ``PATCH``. ``None`` in ``data`` takes a value away.

        With ``connection`` the change becomes part of that connection's transaction, and happens once that is
        committed (``outbox``): then there is nothing to answer yet.
        """
        wanted = outbox.wish(pass_type, serial, template, data, content, None, patch=True)
        if connection is None:
            return await self._put(wanted, push)
        await outbox.write_async(connection, wanted, push)
        return None

    def change_in(
        self,
        connection: Any,
        pass_type: str,
        serial: str,
        *,
        data: Mapping[str, Any] | None = None,
        content: Mapping[str, Any] | None = None,
        template: str | None = None,
        push: Push = "auto",
    ) -> None:
        """As ``change`` with a connection, for one that does not await: DB-API, SQLAlchemy, Django."""
        outbox.write(connection, outbox.wish(pass_type, serial, template, data, content, None, patch=True), push)

    @staticmethod
    def outbox_table(engine: Engine) -> str:
        """The statement that makes the table for ``change_in`` in a database of yours: ``sqlite``, ``postgresql``."""
        return outbox.TABLES[engine]

    async def void(self, pass_type: str, serial: str, push: Push = "auto") -> Issued:
        """Mark the pass as void, and tell its phones."""
        from livepass.service.drafting import Wish

        return await self._put(Wish(pass_type, serial, patch=True, void=True), push)

    async def erase(self, pass_type: str, serial: str) -> None:
        """Forget the pass, its registrations and its history: its phones are refused from now on."""
        await (await self.services()).issuing.erase(pass_type, serial)

    async def preview(self, pass_type: str, serial: str, *, data: Mapping[str, Any]) -> Preview:
        """What a change would do, without doing it."""
        wanted = outbox.wish(pass_type, serial, None, data, None, None, patch=True)
        return await (await self.services()).issuing.preview(wanted)

    async def pkpass(self, pass_type: str, serial: str) -> bytes:
        """The signed pass as it is now, of type ``application/vnd.apple.pkpass``."""
        return await (await self.services()).issuing.pkpass(pass_type, serial)

    async def push_now(self, pass_type: str, serial: str | None = None) -> int:
        """Send what is due of a pass, or of a whole pass type, whatever the phones' patience; answers how many."""
        return await (await self.services()).issuing.push(pass_type, serial)

    async def why(self, pass_type: str, serial: str) -> Explained:
        """Why the pass is not up to date on its phones, with the proof."""
        from livepass.service.explaining import Explaining

        opened = await self.services()
        await opened.recorder.settle()
        explaining = Explaining(opened.store, opened.clock, self.config.web_service_url)
        return await explaining.explain(pass_type, serial)

    async def timeline(self, pass_type: str, serial: str, *, after: int = 0, limit: int = 1000) -> list[Event]:
        """What happened to the pass, oldest first, with ids above ``after``."""
        opened = await self.services()
        await opened.recorder.settle()
        return list(await opened.store.timeline(pass_type, serial, after=after, limit=limit))

    async def share_link(self, pass_type: str, serial: str) -> str:
        """The address of a page from which the pass can be added."""
        return (await (await self.services()).sharing.share(pass_type, serial)).url

    async def _put(self, wanted: Wish, push: Push) -> Issued:
        opened = await self.services()
        issued = await opened.issuing.put(wanted, push)
        if issued.pushes_due and not self._runners:
            await self._remind(opened, issued.pushes_due)
        return issued

    async def _remind(self, opened: Services, due: int) -> None:
        if opened.clock.stopwatch() < self._reminded + REMIND_SECONDS:
            return
        now = opened.clock.now()
        if any("worker" in one.role and one.heard_at > now - PRESENT_MS for one in await opened.store.processes()):
            return
        self._reminded = opened.clock.stopwatch()
        log.warning(
            "%d pushes are due and no process sends them: enter `async with lp.running()` in your application's own "
            "lifespan (those of mounted applications do not run), or run `livepass worker` beside it",
            due,
        )

    # ── what passes are made of

    async def publish(self, template: Template | str | Path) -> Published:
        """Make a template, or a folder, its name's current revision. Passes that follow it are built anew."""
        from livepass.pkpass import Template

        found = template if isinstance(template, Template) else Template.from_folder(template)
        return await (await self.services()).publishing.publish(found)

    async def import_p12(self, data: bytes, password: str) -> Imported:
        """A certificate with its key. The first one of a pass type goes live when it proves itself."""
        return await (await self.services()).admitting.import_p12(data, password)

    # ── what happened

    def on(self, name: str) -> Callable[[Handler], Handler]:
        """Call a function, plain or async, with each ``Happening`` of that name: ``@lp.on("registration.created")``.

        Best effort, and only of what this process wrote: it runs after the phone's answer, in order, at most once; what
        a crash cuts off is lost, and an exception is logged. Raises ``ValueError`` for a name that there is not.
        """
        handlers.check(name)

        def decorate(handler: Handler) -> Handler:
            self._handlers.add(name, handler)
            return handler

        return decorate

    # ── for code that does not await

    @property
    def sync(self) -> SyncLivepass:
        """The same for code that does not await: over connections and a loop of its own, on a thread of its own."""
        if self._sync is None:
            from livepass.embed.sync import SyncLivepass

            self._sync = SyncLivepass(self._twin())
        return self._sync

    def _twin(self) -> Livepass:
        """For another loop: the same settings and the same handlers."""
        twin = Livepass(config=self.config)
        twin._handlers = self._handlers.twin()
        return twin
