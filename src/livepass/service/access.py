"""Who calls the issuer API, and what they may do.

A key is ``lp_<id>_<secret>``; only the SHA-256 of the secret is kept, which suffices for 256 random bits. A key may be
limited to pass types: everything outside them answers as if it did not exist. Nobody can hand out more than they have.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from livepass.core.model import DEFAULT_TENANT, ApiKey
from livepass.service.refusals import Fault, Forbidden, NotFound, Refusal
from livepass.service.seams import Chance, Clock, Store

Scope = Literal[
    "passes:read",
    "passes:write",
    "pushes:write",
    "templates:write",
    "certs:admin",
    "keys:admin",
    "logs:read",
    "enrolments:read",
    "holders:admin",
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
    "holders:admin": "read all that is kept of a person, and erase it",
}
OF_ALL_PASS_TYPES: frozenset[str] = frozenset({"templates:write"})
"""Scopes over what belongs to no pass type: a new revision of a template changes passes of every type."""

PREFIX = "lp_"
SHORTEST_ADMIN_KEY = 16
USED_EVERY_MS = 3_600_000
"""``last_used_at`` is for finding forgotten keys; an hour is exact enough, and a write per request is not."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who is calling. ``pass_types`` ``None``: all of them."""

    name: str
    tenant: str
    scopes: frozenset[str]
    pass_types: tuple[str, ...] | None = None
    id: str = ""
    """The API key's; ``admin`` for all admin keys."""

    def sees(self, pass_type: str) -> bool:
        """Whether this pass type exists, as far as the caller is concerned."""
        return self.pass_types is None or pass_type in self.pass_types

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

    async def authenticate(self, authorization: str | None) -> Caller | None:
        """The caller behind an ``Authorization`` header; ``None`` for nobody we know."""
        secret = _bearer(authorization)
        if secret is None:
            return None
        if self._is_admin(secret):
            return Caller("admin", DEFAULT_TENANT, frozenset(SCOPES), id="admin")
        return await self._by_key(secret)

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
        return Caller(key.name, key.tenant, frozenset(key.scopes), key.pass_types, key.id)

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
        await self._store.write(lambda tx: tx.put_api_key(key))
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
