"""The fixture ``livepass_app``: the service of a test, over HTTPS, with its push worker; and the passes it issued."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, TypeVar

import httpx2
import uvicorn

from livepass.cli.demo_passes import SAMPLES
from livepass.core.model import Target
from livepass.core.timeline import Event
from livepass.embed.livepass import Livepass
from livepass.service.explaining import Explained
from livepass.service.issuing import Issued
from livepass.testing.stage import Door, Stage
from livepass.wiring import Services

T = TypeVar("T")

LOOK_SECONDS = 0.005
DEFAULTS: Mapping[str, Mapping[str, Any]] = {sample.name: sample.data for sample in SAMPLES}
"""Of the samples that come with livepass; templates of yours say theirs in ``variables.json``."""


class IssuedPass:
    """A pass of the service under test."""

    def __init__(self, app: App, pass_type: str, serial: str) -> None:
        self._app = app
        self.pass_type = pass_type
        self.serial = serial

    @property
    def pkpass(self) -> bytes:
        """The signed file as it is now."""
        return self._app.call(self._app.livepass.pkpass(self.pass_type, self.serial))

    def set(self, **data: Any) -> Issued:
        """Change values; phones hear of it with ``phone.deliver_pushes()``."""
        changed = self._app.call(self._app.livepass.change(self.pass_type, self.serial, data=data))
        assert changed is not None
        return changed

    def void(self) -> Issued:
        """Mark it as void."""
        return self._app.call(self._app.livepass.void(self.pass_type, self.serial))

    def why(self) -> Explained:
        """Why it is not up to date on its phones."""
        return self._app.call(self._app.livepass.why(self.pass_type, self.serial))

    def timeline(self) -> list[Event]:
        """What happened to it, oldest first."""
        return self._app.call(self._app.livepass.timeline(self.pass_type, self.serial))


class App:
    """A service that runs. ``livepass`` is the object behind it, ``url`` where it is served (``PUBLIC_URL``)."""

    def __init__(
        self, stage: Stage, livepass: Livepass, asgi: Any, door: Door, pass_type: str, templates: Sequence[Path]
    ) -> None:
        self._stage = stage
        self._asgi = asgi
        self._door = door
        self._templates = {folder.name: folder for folder in templates}
        self._published: set[str] = set()
        self._stack = AsyncExitStack()
        self._clients: list[httpx2.Client] = []
        self.livepass = livepass
        self.pass_type = pass_type
        self.url = door.url

    def issue(self, template: str, *, serial: str, pass_type: str = "", **data: Any) -> IssuedPass:
        """A new pass. ``template`` is one of ``livepass_templates``, or of the samples: gym, coffee and concert."""
        named = pass_type or self.pass_type
        self.call(self._issue(template, named, serial, data))
        return IssuedPass(self, named, serial)

    def pass_(self, serial: str, pass_type: str = "") -> IssuedPass:
        """A pass that your own code issued."""
        return IssuedPass(self, pass_type or self.pass_type, serial)

    def client(self) -> httpx2.Client:
        """An HTTP client for whatever the application under test answers besides."""
        trust = ssl.create_default_context(cafile=str(self._stage.ca_file))
        made = httpx2.Client(base_url=self.url, verify=trust, trust_env=False, timeout=30)
        self._clients.append(made)
        return made

    def call(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine of ``livepass`` where it lives: ``app.call(app.livepass.void(…))``."""
        return self._stage.run(work)

    async def _issue(self, template: str, pass_type: str, serial: str, data: Mapping[str, Any]) -> None:
        await self._publish(template)
        defaults = {} if template in self._templates else DEFAULTS.get(template, {})
        await self._certify(pass_type)
        await self.livepass.issue(pass_type, serial, template=template, data={**defaults, **data})

    async def _publish(self, name: str) -> None:
        if name in self._published:
            return
        self._published.add(name)
        if name in self._templates:
            await self.livepass.publish(self._templates[name])
        for sample in SAMPLES:
            if sample.name == name and name not in self._templates:
                await self.livepass.publish(sample.template())

    async def _certify(self, pass_type: str) -> None:
        opened = await self.livepass.services()
        if await opened.store.pass_type(pass_type) is None:
            issued = self._stage.certificate(pass_type)
            await opened.admitting.import_pem(issued.certificate_pem, issued.key_pem, issued.intermediate_pem)

    async def send_pushes(self, timeout: float) -> None:  # noqa: ASYNC109 - bounds a wait of ours
        """Send what is due, whatever phones tolerate. Raises ``TimeoutError`` while APNs keeps one waiting so long."""
        opened = await self.livepass.services()
        for outbox in opened.draining:
            while await outbox.once():
                pass
        await opened.recorder.settle()
        async with asyncio.timeout(timeout):
            await self._rest(opened)
            # Held for a phone's patience, or to be tried again. Others wait for a phone that has just joined to ask.
            held = [each for each in await self._unsent(opened) if each.attempts or each.last_push_at is not None]
            for pass_type in sorted({target.pass_type for target in held}):
                await opened.issuing.push(pass_type, None)
            await self._rest(opened)
        await opened.recorder.settle()

    async def _rest(self, opened: Services) -> None:
        """Until nothing is being sent, nor is to be sent now."""
        while True:
            now = opened.clock.now()
            if not any(target.lease or target.next_at <= now for target in await self._unsent(opened)):
                return
            await asyncio.sleep(LOOK_SECONDS)

    async def _unsent(self, opened: Services) -> list[Target]:
        """What APNs has not accepted yet."""
        found = [
            target
            for kept in await opened.store.pass_types()
            for _, target in await opened.store.due_first(kept.pass_type, limit=1000)
        ]
        return [target for target in found if target.lease or target.pushed < target.wanted]

    # ── running

    def start(self) -> None:
        self._stage.run(self._start())

    def stop(self) -> None:
        for client in self._clients:
            client.close()
        self._stage.run(self._stack.aclose())

    async def _start(self) -> None:
        await self.livepass.upgrade()
        await self._certify(self.pass_type)
        for name in self._templates:
            await self._publish(name)
        certificate, key = self._stage.tls_files
        server = uvicorn.Server(
            uvicorn.Config(
                self._asgi,
                log_config=None,
                ws="none",
                timeout_keep_alive=60,
                timeout_graceful_shutdown=2,
                ssl_certfile=str(certificate),
                ssl_keyfile=str(key),
            )
        )
        serving = asyncio.create_task(server.serve([self._door.socket]))
        self._stack.push_async_callback(_ended, server, serving)
        while not server.started:
            if serving.done():
                await serving
                raise RuntimeError("the application under test did not start: its lifespan failed")
            await asyncio.sleep(LOOK_SECONDS)
        if not self.livepass.is_running:
            await self._stack.enter_async_context(self.livepass.running())


async def _ended(server: uvicorn.Server, serving: asyncio.Task[None]) -> None:
    server.should_exit = True
    await serving


async def nothing_else(scope: Any, receive: Callable[[], Any], send: Callable[[Any], Any]) -> None:
    """An application beside livepass that answers 404."""
    if scope["type"] != "http":
        raise ValueError(f"nothing here answers {scope['type']}")
    body = json.dumps({"detail": "nothing is here but what phones ask for"}).encode()
    await send({"type": "http.response.start", "status": 404, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": body})
