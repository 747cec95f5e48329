"""``Client``: waits for each answer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from time import sleep
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


def _now(make: Callable[P, Call[T]]) -> Callable[Concatenate[Client, P], T]:
    def send(self: Client, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self.send(make(*args, **kwargs))

    return named(send, make)


def _pages(make: Callable[P, List[T]]) -> Callable[Concatenate[Client, P], Iterator[T]]:
    def walk(self: Client, /, *args: P.args, **kwargs: P.kwargs) -> Iterator[T]:
        return self.walk(make(*args, **kwargs))

    return named(walk, make)


class Client(Settings):
    """Waits for each answer. A context manager. Raises ``Refused`` and ``Unreachable``."""

    def __init__(self, url: str, key: str, **options: Any) -> None:
        super().__init__(url, key, **options)
        self._http = httpx2.Client(**self._options)

    def send(self, call: Call[T]) -> T:
        """Send a call of ``calls``."""
        attempt = 1
        while True:
            try:
                return call.read(self._answer(call))
            except (Refused, Unreachable) as error:
                wait = self.wait(call, attempt, error)
                if wait is None:
                    raise
            sleep(wait)
            attempt += 1

    def _answer(self, call: Call[Any]) -> bytes:
        try:
            reply = self._http.request(**self.request(call))
        except httpx2.HTTPError as error:
            raise unreachable(self.base, error) from error
        return body_of(reply.status_code, reply.headers, reply.content)

    def walk(self, rows: List[T]) -> Iterator[T]:
        """All rows of a list, page by page, as they are wanted."""
        cursor = rows.cursor
        while True:
            page = self.send(rows.page(cursor))
            yield from page.data
            cursor = page.next_cursor
            if not cursor:
                return

    def put_passes(self, lines: Iterable[Mapping[str, Any]], *, push: Push = "auto") -> Iterator[BatchLine]:
        """Up to a million passes, ``{"pass_type": …, "serial": …}`` with what ``put_pass`` takes: what became of each,
        in order and as it becomes known. A line that is refused holds up none. Raises ``BatchEnded``.
        """
        sent = (written(line) for line in lines)
        request: dict[str, Any] = {"params": {"push": push}, "headers": {"Content-Type": NDJSON}, "content": sent}
        try:
            with self._http.stream("POST", f"{API}/passes:batch", **request) as reply:
                if reply.status_code >= 300:
                    body_of(reply.status_code, reply.headers, reply.read())
                for text in reply.iter_lines():
                    yield read_line(text)
        except httpx2.HTTPError as error:
            raise unreachable(self.base, error) from error

    def close(self) -> None:
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    put_pass = _now(calls.put_pass)
    create_pass = _now(calls.create_pass)
    patch_pass = _now(calls.patch_pass)
    foresee_patch = _now(calls.foresee_patch)
    get_pass = _now(calls.get_pass)
    void_pass = _now(calls.void_pass)
    erase_pass = _now(calls.erase_pass)
    pkpass = _now(calls.pkpass)
    bundle = _now(calls.bundle)
    why = _now(calls.why)
    why_all = _now(calls.why_all)
    share_pass = _now(calls.share_pass)
    push_pass = _now(calls.push_pass)
    push_all = _now(calls.push_all)
    timeline = _pages(calls.timeline)
    passes = _pages(calls.passes)
    funnel = _now(calls.funnel)
    registrations = _pages(calls.registrations)
    pushes = _pages(calls.pushes)
    device_logs = _pages(calls.device_logs)
    stats = _now(calls.stats)
    versions = _now(calls.versions)
    pass_files = _now(calls.pass_files)
    draft_pass = _now(calls.draft_pass)
    preview_pass = _now(calls.preview_pass)
    preview_template = _now(calls.preview_template)
    import_p12 = _now(calls.import_p12)
    certificates = _pages(calls.certificates)
    certificate = _now(calls.certificate)
    prove_certificate = _now(calls.prove_certificate)
    canary_certificate = _now(calls.canary_certificate)
    promote_certificate = _now(calls.promote_certificate)
    roll_back_certificate = _now(calls.roll_back_certificate)
    retire_certificate = _now(calls.retire_certificate)
    certificate_plan = _now(calls.certificate_plan)
    watch_certificates = _now(calls.watch_certificates)
    look_at_certificates = _now(calls.look_at_certificates)
    create_signing_request = _now(calls.create_signing_request)
    signing_requests = _pages(calls.signing_requests)
    remove_signing_request = _now(calls.remove_signing_request)
    import_certificate = _now(calls.import_certificate)
    import_apns_key = _now(calls.import_apns_key)
    apns_keys = _pages(calls.apns_keys)
    apns_key = _now(calls.apns_key)
    retire_apns_key = _now(calls.retire_apns_key)
    choose_push_credential = _now(calls.choose_push_credential)
    publish_template = _now(calls.publish_template)
    templates = _pages(calls.templates)
    template = _now(calls.template)
    create_key = _now(calls.create_key)
    keys = _pages(calls.keys)
    key = _now(calls.key)
    revoke_key = _now(calls.revoke_key)
    add_tenant = _now(calls.add_tenant)
    tenants = _pages(calls.tenants)
    tenant = _now(calls.tenant)
    rename_tenant = _now(calls.rename_tenant)
    remove_tenant = _now(calls.remove_tenant)
    export_holder = _now(calls.export_holder)
    foresee_erasure = _now(calls.foresee_erasure)
    erase_holder = _now(calls.erase_holder)
    enrolments_of = _now(calls.enrolments_of)
    enrolments = _pages(calls.enrolments)
    import_passes = _now(calls.import_passes)
    imports = _pages(calls.imports)
    import_job = _now(calls.import_job)
    import_errors = _pages(calls.import_errors)
    cancel_import = _now(calls.cancel_import)
    add_webhook = _now(calls.add_webhook)
    webhooks = _pages(calls.webhooks)
    webhook = _now(calls.webhook)
    enable_webhook = _now(calls.enable_webhook)
    remove_webhook = _now(calls.remove_webhook)
    rotate_webhook = _now(calls.rotate_webhook)
    send_test_webhook = _now(calls.send_test_webhook)
    webhook_messages = _pages(calls.webhook_messages)
    webhook_attempts = _now(calls.webhook_attempts)
    resend_webhook = _now(calls.resend_webhook)
    recover_webhooks = _now(calls.recover_webhooks)
