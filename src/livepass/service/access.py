"""Who calls the issuer API, and what they may do.

A key is ``lp_<id>_<secret>``; only the SHA-256 of the secret is kept, which suffices for 256 random bits. A key may be
limited to pass types: everything outside them answers as if it did not exist. Nobody can hand out more than they have.

Every caller acts as one tenant, and what is another tenant's is outside as well. The operator (``tenants:admin``, which
only the tenant that is always there can give) says per request as which (``TENANT_HEADER``).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from livepass.core.model import DEFAULT_TENANT, ApiKey
from livepass.service.refusals import Fault, Forbidden, NotFound, Refusal
from livepass.service.seams import Chance, Clock, Store, Tx
from livepass.service.tenants import no_tenant, require_tenant

Scope = Literal[
    "passes:read",
    "passes:write",
    "pushes:write",
    "templates:write",
    "certs:admin",
    "keys:admin",
    "logs:read",
    "enrolments:read",
    "tenants:admin",
    "holders:admin",
    "webhooks:admin",
]

SCOPES: Mapping[Scope, str] = {
    "passes:read": "read passes, their files, timelines, registrations and pushes",
    "passes:write": "issue, change, void and erase passes",
    "pushes:write": "send due pushes at once",
    "templates:write": "publish templates",
    "certs:admin": "import and list certificates and APNs keys, and choose which of them push",
    "keys:admin": "create, list and revoke API keys",
    "logs:read": "read what phones say",
    "enrolments:read": "read what people gave when they signed up for rewards",
    "tenants:admin": "of the operator: make and remove tenants, and act as any of them",
    "holders:admin": "read all that is kept of a person, and erase it",
    "webhooks:admin": "say where events are sent, and see what was",
}
OF_ALL_PASS_TYPES: frozenset[str] = frozenset({"templates:write", "tenants:admin", "webhooks:admin"})
"""Scopes over what belongs to no pass type: a new revision of a template changes passes of every type."""
OF_TENANTS = frozenset(SCOPES) - {"tenants:admin"}
"""Whatever can be done as a tenant that is not the installation's own."""
TENANT_HEADER = "livepass-tenant"

PREFIX = "lp_"
SHORTEST_ADMIN_KEY = 16
USED_EVERY_MS = 3_600_000
"""``last_used_at`` is for finding forgotten keys; an hour is exact enough, and a write per request is not."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who is calling. ``pass_types``: what the key is limited to (``None``: nothing); ``theirs``: the pass types of the
    tenant (``None``: there is no other tenant, so that all are).
    """

    name: str
    tenant: str
    scopes: frozenset[str]
    pass_types: tuple[str, ...] | None = None
    theirs: frozenset[str] | None = None
    key_id: str = ""
    """Empty: no API key of the database."""

    @property
    def within(self) -> tuple[str, ...] | None:
        """The pass types that there are, as far as the caller is concerned; ``None``: all."""
        if self.theirs is None:
            return self.pass_types
        return tuple(sorted(self.theirs if self.pass_types is None else self.theirs.intersection(self.pass_types)))

    @property
    def of_all(self) -> bool:
        """Whether what is the whole installation's is the caller's to see."""
        return self.within is None or (self.pass_types is None and "tenants:admin" in self.scopes)

    def sees(self, pass_type: str) -> bool:
        """Whether this pass type exists, as far as the caller is concerned."""
        return (self.pass_types is None or pass_type in self.pass_types) and (
            self.theirs is None or pass_type in self.theirs
        )

    def require(self, *scopes: str) -> None:
        """Raise ``Forbidden`` unless the caller has one of these scopes."""
        if not self.scopes.intersection(scopes):
            named = " or ".join(scopes)
            raise Forbidden(
                f"this API key has no scope {named}", hint=f"use a key that has {named}", code="missing_scope"
            )

    def covers(self, key: ApiKey) -> bool:
        """Whether a key is one that the caller may see: none of its pass types lies outside the caller's."""
        if key.tenant != self.tenant:
            return False
        return self.pass_types is None or (key.pass_types is not None and set(key.pass_types) <= set(self.pass_types))


class Access:
    """One object per process. ``admin_keys`` may do everything; those under 16 characters are ignored."""

    def __init__(self, store: Store, clock: Clock, chance: Chance, admin_keys: Sequence[str]) -> None:
        self._store = store
        self._clock = clock
        self._chance = chance
        self._admin_hashes = tuple(_hashed(key) for key in admin_keys if len(key) >= SHORTEST_ADMIN_KEY)

    async def authenticate(self, authorization: str | None, tenant: str | None = None) -> Caller | None:
        """The caller behind an ``Authorization`` header; ``None`` for nobody we know. ``tenant``: as which they act.

        Raises ``Forbidden`` for whoever may not choose, and ``NotFound``.
        """
        secret = _bearer(authorization)
        if secret is None:
            return None
        if self._is_admin(secret):
            known: Caller | None = Caller("admin", DEFAULT_TENANT, frozenset(SCOPES))
        else:
            known = await self._by_key(secret)
        return None if known is None else await self.acting(known, tenant or known.tenant)

    async def acting(self, caller: Caller, tenant: str) -> Caller:
        """The caller as one of that tenant, with its pass types as they are now."""
        scopes = caller.scopes
        if tenant != caller.tenant:
            if "tenants:admin" not in caller.scopes:
                raise Forbidden(
                    "this API key acts as its own tenant only",
                    hint="leave out Livepass-Tenant; only a key with tenants:admin may choose",
                    code="foreign_tenant",
                )
            if "\x00" in tenant or (tenant != DEFAULT_TENANT and await self._store.tenant(tenant) is None):
                raise no_tenant(tenant)
        if tenant != DEFAULT_TENANT:
            scopes = scopes & OF_TENANTS
        theirs = await self._store.within_tenant(tenant)
        return replace(caller, tenant=tenant, scopes=scopes, theirs=theirs)

    def _is_admin(self, secret: str) -> bool:
        """Compared as hashes, and with every key: how long it takes tells neither length nor place."""
        presented = _hashed(secret)
        matches = [hmac.compare_digest(presented, known) for known in self._admin_hashes]
        return any(matches)

    async def _by_key(self, presented: str) -> Caller | None:
        key_id, _, secret = presented.removeprefix(PREFIX).partition("_")
        if not presented.startswith(PREFIX) or not secret or "\x00" in key_id:
            return None
        key = await self._store.api_key(key_id)
        same = hmac.compare_digest(_hashed(secret), key.secret_hash if key else _hashed(""))
        if key is None or not same or key.revoked_at is not None:
            return None
        await self._note_use(key)
        return Caller(key.name, key.tenant, frozenset(key.scopes), key.pass_types, key_id=key.id)

    async def _note_use(self, key: ApiKey) -> None:
        now = self._clock.now()
        if key.last_used_at is None or now - key.last_used_at >= USED_EVERY_MS:
            await self._store.write(lambda tx: tx.touch_api_key(key.id, now))

    # ── keys

    async def create(
        self, caller: Caller, name: str, scopes: Sequence[Scope], pass_types: Sequence[str] | None
    ) -> tuple[ApiKey, str]:
        """A new key and its text, which is never shown again."""
        wanted = tuple(scope for scope in SCOPES if scope in scopes)
        _check_grant(caller, wanted, pass_types)
        secret = base64.urlsafe_b64encode(self._chance.token_bytes(32)).rstrip(b"=").decode()
        key = ApiKey(
            id=self._chance.token_bytes(6).hex(),
            tenant=caller.tenant,
            name=name,
            secret_hash=_hashed(secret),
            scopes=wanted,
            pass_types=None if pass_types is None else tuple(sorted(set(pass_types))),
            created_at=self._clock.now(),
            last_used_at=None,
            revoked_at=None,
        )

        async def work(tx: Tx) -> None:
            await require_tenant(tx, caller.tenant)
            await tx.put_api_key(key)

        await self._store.write(work)
        return key, f"{PREFIX}{key.id}_{secret}"

    async def keys(self, caller: Caller) -> list[ApiKey]:
        """The keys that the caller may see, revoked ones too."""
        return [key for key in await self._store.api_keys() if caller.covers(key)]

    async def key(self, caller: Caller, key_id: str) -> ApiKey:
        """A key by its id."""
        key = await self._store.api_key(key_id)
        if key is None or not caller.covers(key):
            raise NotFound(f"there is no API key {key_id}", hint="livepass key list shows them")
        return key

    async def revoke(self, caller: Caller, key_id: str) -> None:
        """End a key at once. Doing it twice is fine."""
        key = await self.key(caller, key_id)
        now = self._clock.now()
        await self._store.write(lambda tx: tx.revoke_api_key(key.id, now))


def _check_grant(caller: Caller, scopes: Sequence[str], pass_types: Sequence[str] | None) -> None:
    if missing := [scope for scope in scopes if scope not in caller.scopes]:
        raise Forbidden(
            f"this API key cannot give {', '.join(missing)}: it does not have that itself",
            hint="create the key with one that has those scopes",
            code="missing_scope",
        )
    if caller.pass_types is not None and (pass_types is None or not set(pass_types) <= set(caller.pass_types)):
        raise Forbidden(
            f"this API key is for {', '.join(caller.pass_types)} only, so the new one has to be too",
            hint='name "pass_types" among those',
            code="foreign_pass_type",
        )
    shared = sorted(OF_ALL_PASS_TYPES.intersection(scopes))
    if pass_types is not None and shared:
        raise Refusal(
            f"{', '.join(shared)} cannot be limited to pass types: a template belongs to all of them",
            hint="leave out that scope, or the pass types",
            faults=[Fault("/pass_types", f"does not go with {', '.join(shared)}")],
        )


def _bearer(authorization: str | None) -> str | None:
    """The credential of ``Authorization: Bearer …``, as RFC 6750 has it."""
    scheme, _, credential = (authorization or "").strip().partition(" ")
    credential = credential.strip()
    return credential if scheme.lower() == "bearer" and credential else None


def _hashed(secret: str) -> str:
    """Servers hand headers over as Latin-1: an admin key beyond ASCII is the same bytes either way."""
    try:
        data = secret.encode("latin-1")
        data.decode("utf-8")
    except UnicodeError:
        data = secret.encode("utf-8", "surrogatepass")
    return hashlib.sha256(data).hexdigest()
