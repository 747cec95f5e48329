"""The users of the web console: added, given a role, a password, a second factor; disabled, and never deleted.

Each change ends the sessions that were begun before it, in the same transaction, and stands in the audit log.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from urllib.parse import quote

from livepass.core.console import ConsoleUser, Role
from livepass.core.model import DEFAULT_TENANT
from livepass.core.sealed import Sealable, Sealed
from livepass.core.totp import DIGITS, SECRET_BYTES, STEP_MS
from livepass.service.console_roles import (
    COMMAND_LINE,
    Visitor,
    audited,
    full_name,
    require_admin,
    require_role,
    whose,
)
from livepass.service.passwords import Passwords, require_good
from livepass.service.refusals import Conflict, Fault, Forbidden, NotFound, Refusal
from livepass.service.seams import Chance, Clock, KeyRing, Store, Tx
from livepass.service.tenants import require_tenant
from livepass.service.tries import Tries

NAME = re.compile(r"[a-z0-9][a-z0-9._@+-]{0,63}")
ISSUER = "livepass"

Change = Callable[[ConsoleUser], ConsoleUser]


class ConsoleUsers:
    """The part of ``ConsoleAccess`` that is about users."""

    def __init__(
        self, store: Store, keys: KeyRing, clock: Clock, chance: Chance, passwords: Passwords, tries: Tries
    ) -> None:
        self._store = store
        self._keys = keys
        self._clock = clock
        self._chance = chance
        self._passwords = passwords
        self._tries = tries

    async def users(self, tenant: str = DEFAULT_TENANT) -> Sequence[ConsoleUser]:
        """By name; disabled ones too."""
        return await self._store.console_users(tenant)

    async def user(self, name: str) -> ConsoleUser | None:
        """The user of that name, whatever its case."""
        return await self._store.console_user(*whose(name))

    async def any_user(self) -> bool:
        """Whether there is anybody who may come in."""
        return any(user.disabled_at is None for user in await self.users())

    async def add_user(
        self, name: str, role: Role, password: str | None = None, *, by: Visitor = COMMAND_LINE
    ) -> ConsoleUser:
        """A new user. Without a password, somebody whom only a proxy lets in. Raises ``Refusal``."""
        tenant, name = whose(name)
        require_admin(by, tenant)
        require_role(role)
        if not NAME.fullmatch(name):
            why = "a name has up to 64 letters, digits and . _ @ + - and begins with a letter or digit"
            raise Refusal(f"{name!r} is no name for a user", hint=why, faults=[Fault("/name", why)])
        kept = await self._hashed(name, password)
        user = ConsoleUser(tenant, name, role, kept, None, None, self._clock.now(), None)

        async def work(tx: Tx) -> None:
            await require_tenant(tx, tenant)
            if not await tx.add_console_user(user):
                raise Conflict(f"there is a user {name} already", hint="livepass console user list shows them")
            await self._note(tx, by, "added a user", tenant, name, {"role": role})

        await self._store.write(work)
        return user

    async def set_password(self, name: str, password: str, *, by: Visitor = COMMAND_LINE, current: str = "") -> None:
        """Another password. Everybody may change their own, and says the ``current`` one."""
        if by.name == full_name(*whose(name)):
            await self._require_current(name, current)
        kept = await self._hashed(whose(name)[1], password)
        await self._change(name, lambda user: replace(user, password=kept), by, "changed a password", own=True)

    async def set_role(self, name: str, role: Role, *, by: Visitor = COMMAND_LINE) -> None:
        """Another role."""
        require_role(role)
        await self._change(name, lambda user: replace(user, role=role), by, "changed a role", detail={"role": role})

    async def disable(self, name: str, *, by: Visitor = COMMAND_LINE) -> None:
        """Let a user in no more. Doing it twice is fine."""
        now = self._clock.now()
        await self._change(name, lambda user: replace(user, disabled_at=user.disabled_at or now), by, "disabled a user")

    async def enable(self, name: str, *, by: Visitor = COMMAND_LINE) -> None:
        """Let a user in again, with the password that they had."""
        await self._change(name, lambda user: replace(user, disabled_at=None), by, "enabled a user")

    async def end_all(self, name: str, *, by: Visitor = COMMAND_LINE) -> None:
        """End all sessions of a user, or of a link."""
        tenant, name = whose(name)
        _require_own(by, tenant, name)

        async def work(tx: Tx) -> None:
            ended = await tx.end_console_sessions_of(tenant, name)
            await self._note(tx, by, "ended sessions", tenant, name, {"sessions": ended})

        await self._store.write(work)

    # ── the second factor

    async def enrol_totp(self, name: str, *, by: Visitor = COMMAND_LINE) -> str:
        """A new secret, as the ``otpauth://`` address that an app reads. It counts from ``confirm_totp`` on, and is
        never shown again. Raises ``Conflict`` for a user who has one that counts.
        """
        (tenant, own), secret = whose(name), self._chance.token_bytes(SECRET_BYTES)
        name = full_name(tenant, own)
        sealed = self._keys.seal(Sealable.TOTP, tenant, own, secret)

        def enrolled(user: ConsoleUser) -> ConsoleUser:
            if user.asks_code:
                raise Conflict(f"{name} has a second factor already", hint="take that away first")
            return replace(user, totp_sealed=sealed, totp_step=None)

        await self._change(name, enrolled, by, "began to enrol a second factor", own=True, ends=False)
        text = base64.b32encode(secret).decode().rstrip("=")
        about = f"secret={text}&issuer={ISSUER}&algorithm=SHA1&digits={DIGITS}&period={STEP_MS // 1000}"
        return f"otpauth://totp/{ISSUER}:{quote(name)}?{about}"

    async def confirm_totp(self, name: str, code: str, *, by: Visitor = COMMAND_LINE) -> None:
        """The first code: from now on signing in takes one. Raises ``Refusal``."""

        def confirmed(user: ConsoleUser) -> ConsoleUser:
            step = self._step(user, code)
            if step is None:
                raise Refusal(
                    "that is not the code of this moment", hint="are the clocks of the phone and of the server right?"
                )
            return replace(user, totp_step=step)

        await self._change(name, confirmed, by, "enrolled a second factor", own=True, ends=False)

    async def drop_totp(self, name: str, *, by: Visitor = COMMAND_LINE) -> None:
        """Ask for no code any more: of somebody whose phone is lost. Only an admin may."""
        await self._change(name, lambda user: replace(user, totp_sealed=None, totp_step=None), by, "dropped a factor")

    def _step(self, user: ConsoleUser, code: str) -> int | None:
        if user.totp_sealed is None:
            return None
        sealed = Sealed(Sealable.TOTP, user.tenant, user.name, user.totp_sealed)
        return self._keys.totp_step(sealed, code, self._clock.now(), user.totp_step)

    # ── what all have in common

    async def _change(
        self,
        name: str,
        change: Change,
        by: Visitor,
        action: str,
        *,
        detail: Mapping[str, object] | None = None,
        own: bool = False,
        ends: bool = True,
    ) -> None:
        """``own``: one may do it to oneself. ``ends``: sessions that were begun before it."""
        tenant, name = whose(name)
        if own:
            _require_own(by, tenant, name)
        else:
            require_admin(by, tenant)

        async def work(tx: Tx) -> None:
            user = await tx.lock_console_user(tenant, name)
            if user is None:
                raise NotFound(f"there is no user {name}", hint="livepass console user list shows them")
            await tx.put_console_user(change(user))
            if ends:
                await tx.end_console_sessions_of(tenant, name)
            await self._note(tx, by, action, tenant, name, detail or {})

        await self._store.write(work)

    async def _hashed(self, name: str, password: str | None) -> str | None:
        if password is None:
            return None
        require_good(password, name)
        return await self._passwords.hashed(password)

    async def _require_current(self, name: str, password: str) -> None:
        """Whoever found a browser open may not take the account over. Tries count as those to sign in."""
        tried = (f"name {full_name(*whose(name))}",)
        began = self._tries.begin(tried)
        user = await self._store.console_user(*whose(name))
        if not await self._passwords.right(user.password if user else None, password):
            raise Forbidden("the present password is another one", hint="an admin can set a new one")
        self._tries.succeed(tried, began)

    async def _note(
        self, tx: Tx, by: Visitor, action: str, tenant: str, name: str, detail: Mapping[str, object]
    ) -> None:
        """In the log of the tenant whose user it is about."""
        subject, now = full_name(tenant, name), self._clock.now()
        await tx.add_audit(audited(by.name, by.role, action, subject, detail, now, tenant))


def _require_own(by: Visitor, tenant: str, name: str) -> None:
    """Raise ``Forbidden`` unless it is about the visitor, or they are an admin."""
    if by.name != full_name(tenant, name):
        require_admin(by, tenant)
