"""Who may use the web console: signing in, sessions, links that let in once, and what people did.

Nothing that lets somebody in is kept as it is: of a session and of a link only the SHA-256 (which suffices for 256
random bits), of a password Argon2id, and a TOTP secret sealed. Users are in ``service.console_users``.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace

from livepass.core.console import (
    IDLE_MS,
    LINKED,
    LONGEST_LINK_MS,
    LONGEST_MS,
    MINUTE_MS,
    SEEN_EVERY_MS,
    Audited,
    ConsoleLink,
    ConsoleSession,
    ConsoleUser,
    Role,
    alive,
    open_link,
)
from livepass.core.model import DEFAULT_TENANT
from livepass.service.console_roles import (
    COMMAND_LINE,
    Visitor,
    audited,
    full_name,
    require_admin,
    require_role,
    whose,
)
from livepass.service.console_users import ConsoleUsers
from livepass.service.passwords import Passwords
from livepass.service.refusals import Forbidden, Refusal
from livepass.service.seams import Chance, Clock, KeyRing, Scheduler, Store, Tx
from livepass.service.tenants import require_tenant
from livepass.service.tries import Tries, source_key

log = logging.getLogger(__name__)

LINK_PATH = "/console/enter#"
"""What a link's text stands behind. A fragment is in no log and no Referer: the page hands it over in a POST."""
_CSRF = b"livepass console csrf v1"


class NotLetIn(Forbidden):
    """Name, password, code or link: which of them is wrong is not said."""

    status = 401
    code = "not_let_in"


class ConsoleAccess(ConsoleUsers):
    """One object per process."""

    def __init__(self, store: Store, keys: KeyRing, clock: Clock, chance: Chance, scheduler: Scheduler) -> None:
        tries = Tries(clock)
        super().__init__(store, keys, clock, chance, Passwords(chance, scheduler), tries)

    # ── coming in

    async def login(self, name: str, password: str, code: str | None, *, source: str) -> str:
        """A new session's id. Raises ``NotLetIn``, ``TooMany`` and ``Busy``.

        The work is the same whether or not there is such a user; each code lets in once. ``source`` is the address that
        it comes from.
        """
        tenant, own = whose(name)
        tried = (f"name {full_name(tenant, own)}", source_key(source))
        began = self._tries.begin(tried)
        user = await self._store.console_user(tenant, own)
        right = await self._passwords.right(user.password if user else None, password)
        session = None
        if user is not None and right:
            session = await self._store.write(lambda tx: self._begin(tx, user, code, source))
        if session is None:
            log.warning("somebody at %s was not let into the console: wrong name, password or code", source)
            raise NotLetIn(
                "name, password or code is wrong", hint="a code works once: wait for the next one, then try again"
            )
        self._tries.succeed(tried, began)
        return session

    async def _begin(self, tx: Tx, checked: ConsoleUser, code: str | None, source: str) -> str | None:
        """A session of the user, who must still be as they were when the password was looked at."""
        user = await tx.lock_console_user(checked.tenant, checked.name)
        if user is None or user.disabled_at is not None or user.password != checked.password:
            return None
        if user.asks_code:
            step = self._step(user, code or "")
            if step is None:
                return None
            await tx.put_console_user(replace(user, totp_step=step))
        return await self._admit(tx, user.tenant, user.name, user.role, "signed in", {"source": source})

    async def redeem(self, link: str) -> str:
        """A new session's id, of the link's role: for whoever comes first. Raises ``NotLetIn``."""
        hashed = _hashed(link)

        async def work(tx: Tx) -> str | None:
            now = self._clock.now()
            found = await tx.console_link(hashed)
            if found is None or not await tx.use_console_link(hashed, now) or not open_link(found, now):
                return None  # one that came too late is used up all the same, whatever the clock says later
            name = f"{LINKED}{hashed[:8]}"
            return await self._admit(tx, found.tenant, name, found.role, "came by a link", {})

        session = await self._store.write(work) if await self._store.console_link(hashed) else None
        if session is None:
            raise NotLetIn(
                "this link was used, has expired, or never was one", hint="livepass console link prints a new one"
            )
        return session

    async def _admit(
        self, tx: Tx, tenant: str, name: str, role: Role, action: str, detail: Mapping[str, object]
    ) -> str:
        now, session = self._clock.now(), self._text()
        await tx.drop_old_console_access(seen_before=now - IDLE_MS, created_before=now - LONGEST_MS, now=now)
        await tx.add_console_session(ConsoleSession(_hashed(session), tenant, name, role, now, now))
        await tx.add_audit(audited(full_name(tenant, name), role, action, "", detail, now, tenant))
        return session

    async def new_link(
        self, role: Role, *, minutes: int = 15, by: Visitor = COMMAND_LINE, tenant: str = DEFAULT_TENANT
    ) -> str:
        """The text of a link that lets in once, within so many minutes. It goes behind ``LINK_PATH``."""
        require_admin(by, tenant)
        require_role(role)
        if not 1 <= minutes <= LONGEST_LINK_MS // MINUTE_MS:
            most = LONGEST_LINK_MS // MINUTE_MS
            raise Refusal(f"a link cannot be good for {minutes} minutes", hint=f"from 1 to {most}")
        text, now = self._text(), self._clock.now()
        link = ConsoleLink(_hashed(text), tenant, role, now + minutes * MINUTE_MS, None)

        async def work(tx: Tx) -> None:
            await require_tenant(tx, tenant)
            await tx.add_console_link(link)
            detail = {"role": role, "minutes": minutes}
            await tx.add_audit(audited(by.name, by.role, "made a link", f"{LINKED}{link.id[:8]}", detail, now, tenant))

        await self._store.write(work)
        return text

    # ── sessions

    async def visitor(self, session: str | None) -> Visitor | None:
        """Who holds this session; ``None``: nobody any more. What was found ended once stays so, whatever clocks do."""
        found = await self._store.console_session(_hashed(session)) if session else None
        if session is None or found is None:
            return None
        (row, user), now = found, self._clock.now()
        if not alive(row, user, now):
            await self._store.write(lambda tx: tx.end_console_session(row.id))
            return None
        if now - row.seen_at >= SEEN_EVERY_MS:
            await self._store.write(lambda tx: tx.see_console_session(row.id, now))
        name, seen_at = full_name(row.tenant, row.name), max(row.seen_at, now)
        return Visitor(name, row.role, self._csrf(session), row.created_at, seen_at, row.tenant)

    async def logout(self, session: str) -> None:
        """End a session. Doing it twice is fine."""
        await self._store.write(lambda tx: tx.end_console_session(_hashed(session)))

    async def proxied(self, name: str, role: Role) -> Visitor:
        """Somebody whom a trusted proxy, or the application around the console, names: no session here, and no
        password. Raises ``Forbidden`` for a user who was disabled here, and for a name that is none.
        """
        require_role(role)
        tenant, own = whose(name)
        ours = own.startswith(LINKED) or own == COMMAND_LINE.name  # the audit log would take them for somebody else
        if not 1 <= len(name) <= 200 or not name.isprintable() or ours:
            raise Forbidden("that is no name that somebody may have here", hint="look what the proxy calls people")
        if tenant != DEFAULT_TENANT and await self._store.tenant(tenant) is None:
            raise Forbidden("that is somebody of a tenant that is not here", hint="livepass tenant list")
        user = await self._store.console_user(tenant, own)
        if user is not None and user.disabled_at is not None:
            raise Forbidden(f"{name} is disabled", hint="an admin of the console decides")
        now = self._clock.now()
        return Visitor(name, role, self._csrf(proxied_session(name)), now, now, tenant)

    def csrf_ok(self, visitor_session: str, given: str) -> bool:
        """Whether a form carries the token of its session. Of somebody ``proxied``: ``proxied_session(name)``."""
        return hmac.compare_digest(self._csrf(visitor_session).encode(), given.encode("utf-8", "surrogatepass"))

    def _csrf(self, session: str) -> str:
        """The same on all hosts, and nothing that leads back to the session."""
        key = hmac.digest(self._keys.tag_key, _CSRF, "sha256")
        return hmac.digest(key, session.encode("utf-8", "surrogatepass"), "sha256").hex()

    # ── what people did

    async def note(
        self, visitor: Visitor, action: str, subject: str = "", detail: Mapping[str, object] | None = None
    ) -> None:
        """Write down what a visitor did. ``detail`` must hold nothing secret."""
        now = self._clock.now()
        row = audited(visitor.name, visitor.role, action, subject, detail or {}, now, visitor.tenant)
        await self._store.write(lambda tx: tx.add_audit(row))

    async def audited(
        self, *, before: int | None = None, limit: int, tenant: str = DEFAULT_TENANT
    ) -> Sequence[Audited]:
        """What people of a tenant did, newest first; ``before`` an id."""
        return await self._store.audited(tenant, before=before, limit=limit)

    def _text(self) -> str:
        return base64.urlsafe_b64encode(self._chance.token_bytes(32)).rstrip(b"=").decode()


def proxied_session(name: str) -> str:
    """What stands for the session of somebody whom a proxy names; no session's id has a space."""
    return f"proxied {name}"


def _hashed(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
