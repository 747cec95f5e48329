"""``AsyncClient``: as ``Client``, to be awaited."""

from __future__ import annotations

from asyncio import sleep
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

import httpx2

from livepass.client import calls
from livepass.client.address import API
from livepass.client.call import Call, List, Push
from livepass.client.faults import Refused, Unreachable
from livepass.client.sending import NDJSON, BatchLine, Settings, body_of, named, read_line, unreachable, written

P = ParamSpec("P")
T = TypeVar("T")


def _later(make: Callable[P, Call[T]]) -> Callable[Concatenate[AsyncClient, P], Awaitable[T]]:
    def send(self: AsyncClient, /, *args: P.args, **kwargs: P.kwargs) -> Awaitable[T]:
        return self.send(make(*args, **kwargs))

    return named(send, make)


def _later_pages(make: Callable[P, List[T]]) -> Callable[Concatenate[AsyncClient, P], AsyncIterator[T]]:
    def walk(self: AsyncClient, /, *args: P.args, **kwargs: P.kwargs) -> AsyncIterator[T]:
        return self.walk(make(*args, **kwargs))

    return named(walk, make)


class AsyncClient(Settings):
    """As ``Client``, to be awaited; lists and batches are asynchronous iterators."""

    def __init__(self, url: str, key: str, **options: Any) -> None:
        super().__init__(url, key, **options)
        self._http = httpx2.AsyncClient(**self._options)

    async def send(self, call: Call[T]) -> T:
        """Send a call of ``calls``."""
        attempt = 1
        while True:
            try:
                return call.read(await self._answer(call))
            except (Refused, Unreachable) as error:
                wait = self.wait(call, attempt, error)
                if wait is None:
                    raise
            await sleep(wait)
            attempt += 1

    async def _answer(self, call: Call[Any]) -> bytes:
        try:
            reply = await self._http.request(**self.request(call))
        except httpx2.HTTPError as error:
            raise unreachable(self.base, error) from error
        return body_of(reply.status_code, reply.headers, reply.content)

    async def walk(self, rows: List[T]) -> AsyncIterator[T]:
        """All rows of a list, page by page, as they are wanted."""
        cursor = rows.cursor
        while True:
            page = await self.send(rows.page(cursor))
            for row in page.data:
                yield row
            cursor = page.next_cursor
            if not cursor:
                return

    async def put_passes(self, lines: Iterable[Mapping[str, Any]], *, push: Push = "auto") -> AsyncIterator[BatchLine]:
        """As ``Client.put_passes``."""

        async def sent() -> AsyncIterator[bytes]:
            for line in lines:
                yield written(line)

        request: dict[str, Any] = {"params": {"push": push}, "headers": {"Content-Type": NDJSON}, "content": sent()}
        try:
            async with self._http.stream("POST", f"{API}/passes:batch", **request) as reply:
                if reply.status_code >= 300:
                    body_of(reply.status_code, reply.headers, await reply.aread())
                async for text in reply.aiter_lines():
                    yield read_line(text)
        except httpx2.HTTPError as error:
            raise unreachable(self.base, error) from error

    async def close(self) -> None:
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    put_pass = _later(calls.put_pass)
    create_pass = _later(calls.create_pass)
    patch_pass = _later(calls.patch_pass)
    foresee_patch = _later(calls.foresee_patch)
    get_pass = _later(calls.get_pass)
    void_pass = _later(calls.void_pass)
    erase_pass = _later(calls.erase_pass)
    pkpass = _later(calls.pkpass)
    bundle = _later(calls.bundle)
    why = _later(calls.why)
    why_all = _later(calls.why_all)
    share_pass = _later(calls.share_pass)
    push_pass = _later(calls.push_pass)
    push_all = _later(calls.push_all)
    timeline = _later_pages(calls.timeline)
    passes = _later_pages(calls.passes)
    funnel = _later(calls.funnel)
    registrations = _later_pages(calls.registrations)
    pushes = _later_pages(calls.pushes)
    device_logs = _later_pages(calls.device_logs)
    stats = _later(calls.stats)
    versions = _later(calls.versions)
    pass_files = _later(calls.pass_files)
    draft_pass = _later(calls.draft_pass)
    preview_pass = _later(calls.preview_pass)
    preview_template = _later(calls.preview_template)
    import_p12 = _later(calls.import_p12)
    certificates = _later_pages(calls.certificates)
    certificate = _later(calls.certificate)
    prove_certificate = _later(calls.prove_certificate)
    canary_certificate = _later(calls.canary_certificate)
    promote_certificate = _later(calls.promote_certificate)
    roll_back_certificate = _later(calls.roll_back_certificate)
    retire_certificate = _later(calls.retire_certificate)
    certificate_plan = _later(calls.certificate_plan)
    watch_certificates = _later(calls.watch_certificates)
    look_at_certificates = _later(calls.look_at_certificates)
    create_signing_request = _later(calls.create_signing_request)
    signing_requests = _later_pages(calls.signing_requests)
    remove_signing_request = _later(calls.remove_signing_request)
    import_certificate = _later(calls.import_certificate)
    import_apns_key = _later(calls.import_apns_key)
    apns_keys = _later_pages(calls.apns_keys)
    apns_key = _later(calls.apns_key)
    retire_apns_key = _later(calls.retire_apns_key)
    choose_push_credential = _later(calls.choose_push_credential)
    publish_template = _later(calls.publish_template)
    templates = _later_pages(calls.templates)
    template = _later(calls.template)
    create_key = _later(calls.create_key)
    keys = _later_pages(calls.keys)
    key = _later(calls.key)
    revoke_key = _later(calls.revoke_key)
    add_tenant = _later(calls.add_tenant)
    tenants = _later_pages(calls.tenants)
    tenant = _later(calls.tenant)
    rename_tenant = _later(calls.rename_tenant)
    remove_tenant = _later(calls.remove_tenant)
    export_holder = _later(calls.export_holder)
    foresee_erasure = _later(calls.foresee_erasure)
    erase_holder = _later(calls.erase_holder)
    enrolments_of = _later(calls.enrolments_of)
    enrolments = _later_pages(calls.enrolments)
    import_passes = _later(calls.import_passes)
    imports = _later_pages(calls.imports)
    import_job = _later(calls.import_job)
    import_errors = _later_pages(calls.import_errors)
    cancel_import = _later(calls.cancel_import)
    add_webhook = _later(calls.add_webhook)
    webhooks = _later_pages(calls.webhooks)
    webhook = _later(calls.webhook)
    enable_webhook = _later(calls.enable_webhook)
    remove_webhook = _later(calls.remove_webhook)
    rotate_webhook = _later(calls.rotate_webhook)
    send_test_webhook = _later(calls.send_test_webhook)
    webhook_messages = _later_pages(calls.webhook_messages)
    webhook_attempts = _later(calls.webhook_attempts)
    resend_webhook = _later(calls.resend_webhook)
    recover_webhooks = _later(calls.recover_webhooks)
