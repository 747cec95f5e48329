"""From a pass's row to its signed bytes: template, token, certificate."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from datetime import UTC, datetime
from typing import Generic, TypeVar

import orjson

from livepass.core.model import Pass, PassType
from livepass.core.personalize import fill_in, read_asked, values
from livepass.core.provider_token import IMPORT, to_certificate
from livepass.core.rotation import Link, signing, signing_for
from livepass.core.trip2_push import Credential
from livepass.pkpass import PkpassError, StaticFiles, Template, build, canonical, manifest
from livepass.pkpass.lint import is_looked_at, look_at
from livepass.pkpass.names import DOCUMENT
from livepass.service.safekeeping import keep_up
from livepass.service.seams import Clock, Identity, KeyRing, Reader, Scheduler

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")
T = TypeVar("T")

BUILT_BYTES = 64 * 1024 * 1024
TEMPLATES = 128


class CannotBuild(Exception):
    """A pass cannot be built now. ``hint`` says what to do about it."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


class Recent(Generic[K, V]):
    """The most recently used values, up to a total weight."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._weight = 0
        self._items: OrderedDict[K, tuple[V, int]] = OrderedDict()

    def get(self, key: K) -> V | None:
        item = self._items.get(key)
        if item is None:
            return None
        self._items.move_to_end(key)
        return item[0]

    def put(self, key: K, value: V, weight: int = 1) -> None:
        old = self._items.pop(key, None)
        self._weight += weight - (old[1] if old else 0)
        self._items[key] = (value, weight)
        while self._weight > self._limit and len(self._items) > 1:
            _, (_, dropped) = self._items.popitem(last=False)
            self._weight -= dropped


class Builder:
    """Builds passes, and remembers what it built: phones come back in crowds for the same bytes."""

    def __init__(self, store: Reader, keys: KeyRing, clock: Clock, scheduler: Scheduler) -> None:
        self._store = store
        self._keys = keys
        self._clock = clock
        self._scheduler = scheduler
        self._templates: Recent[tuple[str, str, str], Template] = Recent(TEMPLATES)
        self._built: Recent[tuple[str, str, int, int, str], bytes] = Recent(BUILT_BYTES)
        self._identities: dict[tuple[str, int], Identity] = {}

    async def signs(self, pass_type: str, serial: str) -> Link | None:
        """The certificate that signs a pass now, asked for anew each time: another process may have promoted one.

        Raises ``CannotBuild`` for one that is revoked, which is the one only where no other is live.
        """
        link = signing_for(await self._store.lineage(pass_type), serial, self._clock.now())
        if link is not None and link.revoked_at is not None:
            raise CannotBuild(f"certificate {link.id} of {pass_type} is revoked", "livepass help LP505")
        return link

    async def identity(self, pass_type: str) -> Identity:
        """The certificate that signs and pushes for a pass type now, whatever a canary signs."""
        return await self._opened(pass_type, signing(await self._store.lineage(pass_type), self._clock.now()))

    async def _opened(self, pass_type: str, link: Link | None) -> Identity:
        """Read and opened once: what may change of a certificate is its intermediate, for one that ends later."""
        key = (link.id, link.intermediate_not_after) if link is not None else ("", 0)
        if key not in self._identities:
            self._identities[key] = await self._open(pass_type, link)
        return self._identities[key]

    async def _open(self, pass_type: str, link: Link | None) -> Identity:
        certificate = None if link is None else await self._store.certificate(link.id)
        if certificate is None:
            raise CannotBuild(
                f"no certificate is live for {pass_type}",
                "livepass cert import FILE.p12 --password-file F",
            )
        try:
            return self._keys.open(certificate)
        except PkpassError as error:
            raise CannotBuild(error.reason, error.hint) from error

    async def push_credential(self, row: PassType) -> Credential:
        """What pushes for a pass type: the key that was chosen, or its live certificate. Never one for the other."""
        if row.push_key_id is None:
            return (await self.identity(row.pass_type)).push_credential()
        back = f"or push with the certificate: {to_certificate(row.pass_type)}"
        key = await self._store.apns_key(row.tenant, row.push_key_id)
        if key is None:
            raise CannotBuild(
                f"APNs key {row.push_key_id} is not in the database",
                f"import it: {IMPORT}; {back}",
            )
        try:
            return self._keys.open_push_key(key)
        except PkpassError as error:
            raise CannotBuild(error.reason, f"{error.hint}; {back}") from error

    async def template(self, tenant: str, name: str, revision: str | None) -> Template | None:
        """A template's revision, ready to build from; ``None`` when there is none. No revision: the current one."""
        if revision is not None:
            known = self._templates.get((tenant, name, revision))
            if known is not None:
                return known
        stored = await self._store.template(tenant, name, revision)
        if stored is None:
            return None
        key = (tenant, name, stored.revision)
        template = self._templates.get(key)
        if template is None:
            template = await self._scheduler.off_loop(lambda: Template.from_zip(stored.files, name=name), share=key)
            self._templates.put(key, template)
        return template

    async def look_at(self, static: StaticFiles) -> None:
        """What ``lint`` needs of a template's files, once in its time here. A phone never waits for it."""
        if not is_looked_at(static):
            await self._scheduler.off_loop(lambda: look_at(static), aside=True)

    async def signer(self, pass_type: str, serial: str) -> Identity:
        """What signs for one pass now. Raises ``CannotBuild``."""
        return await self._opened(pass_type, await self.signs(pass_type, serial))

    async def enrolled(self, pass_type: str, enrolment_id: str | None) -> Mapping[str, str]:
        """What somebody gave and the pass may show, by key; nothing where nobody enrolled. Raises ``CannotBuild``."""
        if not enrolment_id:
            return {}
        enrolment = await self._store.enrolment(pass_type, enrolment_id)
        if enrolment is None:
            raise CannotBuild(f"enrolment {enrolment_id} is not in the database", "restore it from a backup")
        try:
            return values(read_asked(self._keys.open_enrolment(enrolment)))
        except PkpassError as error:
            raise CannotBuild(error.reason, error.hint) from error

    async def breathe(self) -> None:
        """Let others run in the middle of something long."""
        await self._scheduler.sleep(0)

    async def off_loop(self, work: Callable[[], T]) -> T:
        """Run something long beside the loop."""
        return await self._scheduler.off_loop(work)

    def remembered(
        self, pass_type: str, serial: str, seq: int, last_modified: int, certificate_id: str
    ) -> bytes | None:
        """The bytes of this version under this certificate, when they were built here before.

        A number alone does not name a version: after a restore the same numbers are given out again.
        """
        return self._built.get((pass_type, serial, seq, last_modified, certificate_id))

    async def pkpass(self, row: Pass, tenant: str) -> bytes:
        """The signed pass."""
        return await self.signed_by(await self.signs(row.pass_type, row.serial), row, tenant)

    async def signed_by(self, link: Link | None, row: Pass, tenant: str) -> bytes:
        """The pass, signed by what ``signs`` said. Building runs off the loop: one signature is longer than many
        answers.
        """
        identity = await self._opened(row.pass_type, link)
        known = self.remembered(row.pass_type, row.serial, row.seq, row.last_modified, identity.id)
        if known is not None:
            return known
        template = await self._template_of(row, tenant)
        await keep_up(self._store, self._keys, row.token)
        given, static = await self.enrolled(row.pass_type, row.enrolled), files_of(template, row.enrolled)
        at = datetime.fromtimestamp(self._clock.now() / 1000, UTC)
        try:
            document = self.complete(row.document, tenant, row, given)
            built = await self._scheduler.off_loop(lambda: build(static, document, identity, at), brief=True)
        except PkpassError as error:  # above all: the certificate has lapsed
            raise CannotBuild(str(error), error.hint) from error
        self._built.put((row.pass_type, row.serial, row.seq, row.last_modified, identity.id), built, len(built))
        return built

    async def _template_of(self, row: Pass, tenant: str) -> Template:
        template = await self.template(tenant, row.template, row.revision)
        if template is None:
            raise CannotBuild(
                f"revision {row.revision[:12]} of template {row.template} is not in the database",
                f"import the template again: livepass template import {row.template}",
            )
        return template

    async def shown(self, row: Pass, tenant: str) -> Mapping[str, bytes]:
        """The pass to look at: its files by name, as phones get them, but for the token. Needs no certificate. Raises
        ``CannotBuild``.
        """
        template = await self._template_of(row, tenant)
        given = await self.enrolled(row.pass_type, row.enrolled)
        document = canonical(fill_in(orjson.loads(row.document), given)) if given else row.document
        return {**files_of(template, row.enrolled).files, DOCUMENT: document}

    async def bundle(self, passes: Mapping[str, bytes]) -> bytes:
        """The .pkpasses of signed passes by their names in it; each is verified once more, off the loop."""
        from livepass.pkpass import several  # here, because whoever builds one pass does without

        try:
            return await self._scheduler.off_loop(lambda: several.bundle(passes))
        except PkpassError as error:
            raise CannotBuild(str(error), error.hint) from error

    def complete(self, document: bytes, tenant: str, row: Pass, given: Mapping[str, str]) -> bytes:
        """pass.json as the phone gets it: the stored document, what somebody gave, and the token, which is never
        stored.
        """
        parsed = orjson.loads(document)
        if given:
            parsed = fill_in(parsed, given)
        if "webServiceURL" in parsed:
            parsed["authenticationToken"] = self._keys.token(tenant, row.pass_type, row.serial, row.token)
        return canonical(parsed)


def files_of(template: Template, enrolled: str | None) -> StaticFiles:
    """The files beside pass.json: whoever has enrolled is not asked again."""
    return template.enrolled if enrolled else template.static


def manifest_sha(static: StaticFiles, document: bytes) -> str:
    """What identifies a version: the hash of the manifest, so of every file, and not of the signature."""
    return hashlib.sha256(manifest(static, document)).hexdigest()
