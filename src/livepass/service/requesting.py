"""Keys that are made here for certificates to come: the request goes to Apple's portal, the key stays."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from livepass.core.model import DEFAULT_TENANT, SigningRequest
from livepass.service.refusals import Forbidden, NotFound, Refusal, refusing
from livepass.service.seams import Clock, KeyRing, Scheduler, Store, Tx
from livepass.service.tenants import require_tenant


class Requesting:
    """One object per process. ``within``: the pass types of the tenant that the caller may touch (``None``: all)."""

    def __init__(self, store: Store, keys: KeyRing, clock: Clock, scheduler: Scheduler) -> None:
        self._store = store
        self._keys = keys
        self._clock = clock
        self._scheduler = scheduler

    async def make(
        self,
        pass_type: str = "",
        team: str = "",
        email: str = "",
        *,
        within: Collection[str] | None = None,
        tenant: str = DEFAULT_TENANT,
    ) -> tuple[SigningRequest, bytes]:
        """A new key, and the request (PEM) for the portal. ``pass_type``: what it is meant for, if that is known;
        ``team`` and ``email`` only help people to tell requests apart.
        """
        if within is not None and not pass_type:
            raise Refusal(
                "this API key is for some pass types, and the request names none",
                hint="say which pass type the certificate is for: --type TYPE, or pass_type",
            )
        if within is not None and pass_type not in within:
            raise foreign(pass_type)
        now = self._clock.now()
        with refusing("signing_request"):
            # Making an RSA key takes a noticeable moment.
            made, pem = await self._scheduler.off_loop(
                lambda: self._keys.new_signing_request(pass_type, team, email, now, tenant)
            )

        async def work(tx: Tx) -> None:
            await require_tenant(tx, tenant)
            await tx.put_signing_request(made)

        await self._store.write(work)
        return made, pem

    async def waiting(
        self, within: Collection[str] | None = None, *, tenant: str = DEFAULT_TENANT
    ) -> Sequence[SigningRequest]:
        """The keys whose certificate has not come, oldest first."""
        return await self._store.signing_requests(tenant, None if within is None else list(within))

    async def remove(
        self, request_id: str, *, within: Collection[str] | None = None, tenant: str = DEFAULT_TENANT
    ) -> None:
        """Forget a key that waits. A certificate that was issued for it can never be used."""
        if all(each.id != request_id for each in await self.waiting(within, tenant=tenant)):
            raise NotFound(f"there is no signing request {request_id}", hint="livepass cert csr list shows them")

        async def work(tx: Tx) -> None:
            await tx.remove_signing_request(request_id)

        await self._store.write(work)


def foreign(pass_type: str) -> Forbidden:
    """The caller may not touch this pass type."""
    return Forbidden(
        f"this API key is not for {pass_type}",
        hint="use a key for that pass type, or one for all",
        code="foreign_pass_type",
    )
