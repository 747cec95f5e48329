"""APNs keys: take one in, choose which pass types push with it, retire it. Choosing back is a command as well: nothing
changes from a key to a certificate, or the other way, by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from livepass.core.model import PassType
from livepass.core.provider_token import IMPORT, ApnsKey, KeyRefused, meaning, to_certificate
from livepass.core.timeline import Event, Kind
from livepass.core.trip2_push import PushMessage, random_uuid
from livepass.pkpass import PkpassError
from livepass.service.proving import NOBODY, taken
from livepass.service.refusals import Conflict, NotFound, Refusal
from livepass.service.seams import Chance, Clock, KeyRing, Prober, Store, Tx
from livepass.service.tenants import require_tenant

Environment = Literal["production", "sandbox", "both"]


@dataclass(frozen=True, slots=True)
class Listed:
    """A key and the pass types that push with it."""

    key: ApnsKey
    pass_types: Sequence[str]


@dataclass(frozen=True, slots=True)
class Chosen:
    """What pushes for a pass type from now on: a key, or (``None``) the certificate. ``heard``: what APNs said to the
    probe; ``""``: it was not asked.
    """

    pass_type: str
    key_id: str | None
    heard: str = ""


class ApnsKeys:
    """One object per process."""

    def __init__(self, store: Store, keys: KeyRing, clock: Clock, chance: Chance, prober: Prober) -> None:
        self._store = store
        self._keys = keys
        self._clock = clock
        self._chance = chance
        self._prober = prober

    async def import_(
        self,
        tenant: str,
        data: bytes,
        key_id: str,
        team: str,
        topics: Sequence[str] = (),
        environment: Environment = "production",
    ) -> Listed:
        """Take in a key from the bytes of its .p8. One that is here already is replaced, if those that use it can."""
        try:
            key = self._keys.from_p8(
                data,
                tenant=tenant,
                key_id=key_id,
                team=team,
                topics=sorted(set(topics)),
                environment=environment,
                now=self._clock.now(),
            )
        except KeyRefused as error:
            raise Refusal(str(error), hint=error.hint, code="apns_key_refused") from error

        async def work(tx: Tx) -> Listed:
            await require_tenant(tx, tenant)
            old = await tx.lock_apns_key(tenant, key_id)
            users = await tx.push_key_users(tenant, key_id)
            for user in users:
                row = await tx.pass_type(user)
                assert row is not None
                _require_fit(key, row)
            await tx.put_apns_key(key)
            return Listed(replace(key, created_at=old.created_at) if old else key, users)

        return await self._store.write(work)

    async def all(self, tenant: str) -> Sequence[Listed]:
        """By id, retired ones too."""
        return [await self._listed(key) for key in await self._store.apns_keys(tenant)]

    async def get(self, tenant: str, key_id: str) -> Listed:
        """One key."""
        return await self._listed(await self._key(self._store, tenant, key_id))

    async def use(self, tenant: str, pass_type: str, key_id: str | None, *, probe: bool = True) -> Chosen:
        """Push for a pass type with a key from now on; ``None``: with its certificate. What waited is due at once.

        ``probe``: ask APNs first, with one push that no phone can get; a certificate is never asked about, because the
        way back must not depend on anything.
        """
        row = await self._pass_type(tenant, pass_type)
        if key_id is None:
            return await self._choose(row, None)
        key = await self._key(self._store, tenant, key_id)
        _require_fit(key, row)
        heard = await self._ask(key, pass_type) if probe else ""
        return replace(await self._choose(row, key_id), heard=heard)

    async def retire(self, tenant: str, key_id: str) -> Listed:
        """Take a key out of use; its row stays. Refused while a pass type pushes with it."""
        now = self._clock.now()

        async def work(tx: Tx) -> Listed:
            await tx.lock_apns_key(tenant, key_id)
            key = await self._key(tx, tenant, key_id)
            users = await tx.push_key_users(tenant, key_id)
            if users:
                raise Conflict(
                    f"{', '.join(users)} {'is' if len(users) == 1 else 'are'} pushed with APNs key {key_id}",
                    hint=f"choose another one first: {to_certificate(users[0])}",
                    code="in_use",
                )
            retired = key if key.retired_at is not None else replace(key, retired_at=now)
            await tx.put_apns_key(retired)
            return Listed(retired, ())

        return await self._store.write(work)

    # ── steps

    async def _listed(self, key: ApnsKey) -> Listed:
        return Listed(key, await self._store.push_key_users(key.tenant, key.id))

    async def _key(self, store: Store | Tx, tenant: str, key_id: str) -> ApnsKey:
        key = await store.apns_key(tenant, key_id)
        if key is None:
            raise no_key(key_id)
        return key

    async def _pass_type(self, tenant: str, pass_type: str) -> PassType:
        row = await self._store.pass_type(pass_type)
        if row is None or row.tenant != tenant:
            raise no_pass_type(pass_type)
        return row

    async def _choose(self, row: PassType, key_id: str | None) -> Chosen:
        now = self._clock.now()

        async def work(tx: Tx) -> None:
            if key_id is not None:
                await tx.lock_apns_key(row.tenant, key_id)
                _require_fit(await self._key(tx, row.tenant, key_id), row)
            await tx.choose_push_key(row.pass_type, key_id, now)
            detail = {"credential": "certificate" if key_id is None else "key", "key": key_id}
            await tx.add_events([Event(Kind.PUSH_CREDENTIAL_CHOSEN, now, row.pass_type, detail=detail)])

        await self._store.write(work)
        return Chosen(row.pass_type, key_id)

    async def _ask(self, key: ApnsKey, pass_type: str) -> str:
        """What APNs says to a push that no phone can get. Raises ``Refusal`` unless it took key and topic."""
        try:
            opened = self._keys.open_push_key(key)
        except PkpassError as error:
            raise Refusal(error.reason, hint=error.hint, code="apns_key_closed") from error
        now = self._clock.now()
        message = PushMessage(NOBODY, pass_type, random_uuid(self._chance.token_bytes(16)), now // 1000)
        answer = await self._prober(opened, message)
        said = f"{answer.status} {answer.reason}".strip()
        if taken(answer):
            return said
        if taken(answer) is False:
            known = meaning(answer.reason)
            raise Refusal(
                f"APNs refuses {opened.said} for {pass_type}: {said}{f' ({known.means})' if known.means else ''}",
                hint=f"{known.do}. Nothing was changed",
                code="apns_key_refused",
            )
        raise Refusal(
            f"APNs said nothing of {opened.said}: {said}",
            hint="try again; or choose it without asking: --no-probe, or probe=false. Nothing was changed",
            code="apns_not_asked",
        )


def no_key(key_id: str) -> NotFound:
    """One answer for a key that does not exist and for one that the caller may not know of."""
    return NotFound(f"there is no APNs key {key_id}", hint="livepass apns-key list shows them", code="no_apns_key")


def no_pass_type(pass_type: str) -> NotFound:
    """As ``no_key``."""
    hint = "importing its certificate makes it known: livepass cert import FILE.p12"
    return NotFound(f"there is no pass type {pass_type}", hint=hint)


def _require_fit(key: ApnsKey, row: PassType) -> None:
    """Raise unless the key may push for the pass type, as far as we know without asking APNs."""
    if key.retired_at is not None:
        raise Conflict(f"APNs key {key.id} was retired", hint=f"import it again: {IMPORT}", code="retired")
    if row.team and row.team != key.team:
        raise Refusal(
            f"{row.pass_type} belongs to team {row.team}, APNs key {key.id} to {key.team}",
            hint=f"APNs takes keys of a topic's own team only: use one of {row.team}, or the certificate",
            code="wrong_team",
        )
    if key.topics and row.pass_type not in key.topics:
        raise Refusal(
            f"APNs key {key.id} is limited to {', '.join(key.topics)}",
            hint=f"if Apple lists {row.pass_type} too, import the key again with that --topic",
            code="wrong_topic",
        )
    if key.environment == "sandbox":
        raise Refusal(
            f"APNs key {key.id} is for Apple's sandbox, and passes are pushed by production alone",
            hint="make a key for production at developer.apple.com, and import that",
            code="wrong_environment",
        )
