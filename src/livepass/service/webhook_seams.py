"""The part of ``service.seams.Reader`` and ``Tx`` that webhooks need, and the way out to their receivers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from livepass.core.webhooks import Attempt, Endpoint, Message, News


class WebhookReader(Protocol):
    """Reads. Each is one statement, so one snapshot."""

    async def webhook_endpoint(self, tenant: str, endpoint_id: str) -> Endpoint | None: ...

    async def webhook_endpoints(self, tenant: str) -> Sequence[Endpoint]:
        """By id; disabled ones too."""

    async def webhooks_failing(self) -> Sequence[Endpoint]:
        """Of all tenants: those whose last attempt failed, and those that were disabled for it."""

    async def webhook_counts(self, tenant: str, *, most: int) -> Mapping[str, tuple[int, int]]:
        """Of each endpoint of a tenant: how many messages wait, and how many failed for good; each up to ``most``."""

    async def webhooks_unanswered(
        self, endpoint_id: str, *, failed: bool, limit: int
    ) -> Sequence[tuple[Message, Attempt | None]]:
        """Messages with their last attempt: what is tried next, first; or, ``failed``, what failed for good, newest
        first.
        """

    async def webhooks_due(self) -> Sequence[tuple[Endpoint, int]]:
        """Enabled endpoints with something to send, and when the first of it is due."""

    async def standing_page(
        self, pass_type: str, *, after: str, limit: int, phones: int
    ) -> Sequence[tuple[str, bool, bool]]:
        """Passes by serial: (serial, whether a phone of it was not served what is current, whether that is told). Of
        each, so many ``phones`` are looked at, the first by device id.
        """

    async def webhook_messages(
        self, endpoint_id: str, *, before: tuple[int, str] | None, limit: int
    ) -> Sequence[Message]:
        """Newest first; older than ``before`` (instant, id)."""

    async def webhook_attempts(self, endpoint_id: str, message_id: str) -> Sequence[Attempt]:
        """In order."""


class WebhookTx(WebhookReader, Protocol):
    """Writes. Messages of events are written by ``add_events`` and ``apply``, and by nothing else."""

    async def add_webhook_messages(self, messages: Sequence[Message]) -> None:
        """Messages about nothing that happened: tests."""

    async def tell_stale(self, serial: str, found: News) -> bool:
        """Tell that a pass is stale, once until ``forget_stale``. Whether it was."""

    async def forget_stale(self, pass_type: str, serials: Sequence[str]) -> None:
        """Their phones were served what is current."""

    async def lock_webhook_endpoint(self, tenant: str, endpoint_id: str) -> Endpoint | None:
        """The endpoint, which nobody else changes until the end."""

    async def put_webhook_endpoint(self, endpoint: Endpoint) -> None: ...

    async def remove_webhook_endpoint(self, endpoint_id: str) -> None:
        """What was sent there, and was to be, is left to ``drop_removed_webhooks``: there may be millions."""

    async def drop_removed_webhooks(self, limit: int) -> int:
        """Forget up to ``limit`` messages, and as many attempts, of endpoints that were removed; answers how many."""

    async def claim_webhooks(
        self, endpoint_id: str, *, lease: str, now: int, lease_until: int, limit: int
    ) -> Sequence[Message]:
        """Due messages, which nobody else gets until ``lease_until``."""

    async def record_webhook(self, lease: str, attempt: Attempt, next_at: int | None) -> bool:
        """Whether the lease still was ours: then the attempt counts. ``next_at`` ``None``: there is no further one."""

    async def judge_webhook_endpoint(self, endpoint_id: str, ok: bool, now: int, failing_before: int) -> bool:
        """Note whether an endpoint answers; disable one that has not since ``failing_before``. Whether it was."""

    async def resend_webhook(self, endpoint_id: str, message_id: str, now: int) -> bool:
        """False: there is none, or it is under way."""

    async def recover_webhooks(self, endpoint_id: str, since: int, now: int) -> int:
        """Make those that failed for good due again; answers how many."""


class Poster(Protocol):
    """Sends one webhook."""

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> tuple[int, str]:
        """Status and the beginning of the answer; 0 and why, where none came. Raises nothing that a receiver causes."""

    def check(self, url: str) -> str:
        """What is wrong with an address, as far as it can be told without looking it up; ``""``: nothing."""
