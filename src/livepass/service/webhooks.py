"""Where webhooks go: made, changed, rotated, tried, and what was sent there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from livepass.core import webhook_signature
from livepass.core.sealed import Sealable, Sealed
from livepass.core.webhooks import NAMES, POLLED, TEST, Attempt, Endpoint, Message, Secrets, test_body
from livepass.service.refusals import Conflict, Fault, NotFound, Refusal
from livepass.service.seams import Chance, Clock, KeyRing, Store, Tx
from livepass.service.tenants import require_tenant
from livepass.service.webhook_seams import Poster

MOST = 50
"""Endpoints of one tenant: each of them costs every event a row."""
SECRET_BYTES = 32


class Webhooks:
    """One object per process."""

    def __init__(self, store: Store, keys: KeyRing, poster: Poster, clock: Clock, chance: Chance) -> None:
        self._store = store
        self._keys = keys
        self._poster = poster
        self._clock = clock
        self._chance = chance

    async def add(
        self, tenant: str, url: str, events: Sequence[str] | None, pass_types: Sequence[str] | None
    ) -> tuple[Endpoint, str]:
        """An endpoint and its secret, which is shown this once."""
        self._check(url, events)
        fresh, id_, now = self._fresh(), f"we_{self._chance.token_bytes(12).hex()}", self._clock.now()
        sealed = self._keys.seal(Sealable.WEBHOOK, tenant, id_, Secrets(fresh).to_bytes())
        made = Endpoint(tenant, id_, url, _listed(pass_types), _listed(events), sealed, now)

        async def work(tx: Tx) -> None:
            await require_tenant(tx, tenant)
            if len(await tx.webhook_endpoints(tenant)) >= MOST:
                raise Conflict(f"there are {MOST} endpoints, and there may be no more", hint="remove one", code="full")
            await tx.put_webhook_endpoint(made)

        await self._store.write(work)
        return made, fresh

    async def all(self, tenant: str) -> Sequence[Endpoint]:
        """By id."""
        return await self._store.webhook_endpoints(tenant)

    async def get(self, tenant: str, id_: str) -> Endpoint:
        found = await self._store.webhook_endpoint(tenant, id_)
        if found is None:
            raise _no_endpoint(id_)
        return found

    async def remove(self, tenant: str, id_: str) -> None:
        """Remove an endpoint: what was not sent yet is not sent any more, and nobody reads its messages. A keeper drops
        them, some at a time (``Keeper.drop_removed``).
        """

        async def work(tx: Tx) -> None:
            await _locked(tx, tenant, id_)
            await tx.remove_webhook_endpoint(id_)

        await self._store.write(work)

    async def enable(self, tenant: str, id_: str, *, enabled: bool) -> Endpoint:
        """Disabled: nothing is sent there, nor noted for it; what waited is sent once it is enabled again."""
        now = self._clock.now()

        async def work(tx: Tx) -> Endpoint:
            old = await _locked(tx, tenant, id_)
            if enabled:
                new = replace(old, failing_since=None, disabled_at=None, disabled_why="")
            else:
                new = old if old.disabled_at is not None else replace(old, disabled_at=now, disabled_why="by hand")
            await tx.put_webhook_endpoint(new)
            return new

        return await self._store.write(work)

    async def rotate(self, tenant: str, id_: str) -> tuple[Endpoint, str]:
        """A fresh secret; the one before it signs beside it for a day."""
        fresh, now = self._fresh(), self._clock.now()

        async def work(tx: Tx) -> Endpoint:
            old = await _locked(tx, tenant, id_)
            opened = self._keys.open_webhook(Sealed(Sealable.WEBHOOK, tenant, id_, old.sealed))
            secrets = Secrets.of_bytes(opened).rotated(fresh, now)
            new = replace(old, sealed=self._keys.seal(Sealable.WEBHOOK, tenant, id_, secrets.to_bytes()))
            await tx.put_webhook_endpoint(new)
            return new

        return await self._store.write(work), fresh

    async def test(self, tenant: str, id_: str, name: str = TEST, pass_type: str = "pass.test.example") -> Message:
        """Send a message of that name about nothing that happened, whether or not the endpoint listens for it."""
        if name != TEST:
            _check_events([name])
        now = self._clock.now()
        message = Message(id_, f"msg_{self._chance.token_bytes(12).hex()}", name, now, test_body(name, now, pass_type))
        message = replace(message, next_at=now)

        async def work(tx: Tx) -> None:
            if (await _locked(tx, tenant, id_)).disabled_at is not None:
                raise Conflict(f"{id_} is disabled", hint=f"livepass webhook enable {id_}", code="disabled")
            await tx.add_webhook_messages([message])

        await self._store.write(work)
        return message

    async def messages(self, tenant: str, id_: str, *, before: tuple[int, str] | None, limit: int) -> Sequence[Message]:
        """Newest first."""
        await self.get(tenant, id_)
        return await self._store.webhook_messages(id_, before=before, limit=limit)

    async def attempts(self, tenant: str, id_: str, message_id: str) -> Sequence[Attempt]:
        """In order; none of a message that there is not."""
        await self.get(tenant, id_)
        return await self._store.webhook_attempts(id_, message_id)

    async def resend(self, tenant: str, id_: str, message_id: str) -> None:
        """Send a message again, with the same id."""
        now = self._clock.now()

        async def work(tx: Tx) -> None:
            await _locked(tx, tenant, id_)
            if not await tx.resend_webhook(id_, message_id, now):
                raise NotFound(
                    f"{id_} has no message {message_id} that could be sent again",
                    hint=f"livepass webhook messages {id_} lists them; one that is under way is sent in any case",
                )

        await self._store.write(work)

    async def recover(self, tenant: str, id_: str, since: int) -> int:
        """Send again what failed for good since an instant; answers how many messages that are."""
        now = self._clock.now()

        async def work(tx: Tx) -> int:
            await _locked(tx, tenant, id_)
            return await tx.recover_webhooks(id_, since, now)

        return await self._store.write(work)

    # ── steps

    def _fresh(self) -> str:
        return webhook_signature.secret_of(self._chance.token_bytes(SECRET_BYTES))

    def _check(self, url: str, events: Sequence[str] | None) -> None:
        if url != POLLED and (why := self._poster.check(url)):
            hint = "name an https address of the open internet, such as https://example.com/hooks"
            raise Refusal(f"webhooks cannot go to {url!r}: {why}", hint=hint, faults=[Fault("/url", why)])
        _check_events(events or ())


def _check_events(names: Sequence[str]) -> None:
    for name in names:
        if name not in NAMES:
            raise Refusal(f"no event is called {name!r}", hint=f"there are {', '.join(NAMES)}")


def _listed(names: Sequence[str] | None) -> Sequence[str] | None:
    return tuple(sorted(set(names))) if names else None


async def _locked(tx: Tx, tenant: str, id_: str) -> Endpoint:
    found = await tx.lock_webhook_endpoint(tenant, id_)
    if found is None:
        raise _no_endpoint(id_)
    return found


def _no_endpoint(id_: str) -> NotFound:
    """One answer for an endpoint that does not exist and for another tenant's."""
    return NotFound(f"there is no webhook endpoint {id_}", hint="livepass webhook list shows them")
