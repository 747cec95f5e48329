"""Any order of coming, going, changes of users and clocks that run or are set: a session that is over stays over."""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import engines
from livepass.core.history import Reason
from livepass.service.console_access import ConsoleAccess, NotLetIn
from livepass.service.epochs import begin_epochs
from service.console_door import HOUR, MINUTE, OTHER, PASSWORD, Dice, Door, door

NAMES = ("ada", "bob")
STEPS = 150


@dataclass
class Known:
    """What is so of one session, written down by hand."""

    name: str
    role: str
    created: int
    seen: int
    over: bool = False

    def outlived(self, now: int) -> bool:
        idle, age = now - self.seen, now - self.created
        return not (-MINUTE <= idle <= 30 * MINUTE and -MINUTE <= age <= 12 * HOUR)


@dataclass
class User:
    role: str = "operator"
    password: str = PASSWORD
    disabled: bool = False


class History:
    """One history, as its seed has it."""

    def __init__(self, here: Door, seed: int) -> None:
        self.here = here
        self.random = random.Random(seed)
        self.known: dict[str, Known] = {}
        self.users = {name: User() for name in NAMES}

    @property
    def now(self) -> int:
        return self.here.clock.now()

    def live(self) -> list[str]:
        return [session for session, known in self.known.items() if not known.over]

    def _begun(self, session: str, name: str, role: str) -> None:
        assert session not in self.known
        for each in self.known.values():  # what is old goes when somebody comes
            each.over = each.over or self.now - each.seen > 30 * MINUTE or self.now - each.created > 12 * HOUR
        self.known[session] = Known(name, role, self.now, self.now)

    def _ended(self, *names: str) -> None:
        for each in self.known.values():
            each.over = each.over or each.name in names

    # ── coming and going

    async def login(self) -> None:
        name = self.random.choice(NAMES)
        user = self.users[name]
        try:
            session = await self.here.login(name, user.password)
        except NotLetIn:
            assert user.disabled
        else:
            assert not user.disabled
            self._begun(session, name, user.role)

    async def login_with_the_other_password(self) -> None:
        self.here.clock.seconds += 1000  # how often one may try is not what is asked here
        name = self.random.choice(NAMES)
        [other] = {PASSWORD, OTHER} - {self.users[name].password}
        with pytest.raises(NotLetIn):
            await self.here.login(name, other)

    async def come_by_a_link(self) -> None:
        text = await self.here.console.new_link("admin", minutes=15)
        late = self.random.choice([0, 0, 0, 14 * MINUTE, 15 * MINUTE])
        self.here.clock.pass_(late)
        if late < 15 * MINUTE:
            session = await self.here.console.redeem(text)
            self._begun(session, f"link {hashlib.sha256(text.encode()).hexdigest()[:8]}", "admin")
        for back in (0, self.random.choice([0, late])):
            self.here.clock.ms -= back
            with pytest.raises(NotLetIn):
                await self.here.console.redeem(text)

    async def visit(self, *sessions: str) -> None:
        for session in sessions or [self.random.choice(self.live() or list(self.known))]:
            known = self.known[session]
            visitor = await self.here.console.visitor(session)
            known.over = known.over or known.outlived(self.now)
            assert (visitor is None) == known.over, known
            if visitor is not None:
                assert (visitor.role, visitor.created_at) == (known.role, known.created)
                known.seen = self.now if self.now - known.seen >= MINUTE else known.seen

    async def visit_with_all(self) -> None:
        await self.visit(*self.known)

    async def stay(self) -> None:
        """Not idle: only how long it lasts in all can end it."""
        session = self.random.choice(self.live() or list(self.known))
        for _ in range(self.random.choice([2, 12, 25])):
            self.here.clock.pass_(30 * MINUTE)
            await self.visit(session)

    async def logout(self) -> None:
        session = self.random.choice(list(self.known))
        await self.here.console.logout(session)
        self.known[session].over = True

    # ── users

    async def change_a_user(self) -> None:
        name, console = self.random.choice(NAMES), self.here.console
        user = self.users[name]
        what = self.random.randrange(4)
        if what == 0:
            user.password = self.random.choice([PASSWORD, OTHER])
            await console.set_password(name, user.password)
        elif what == 1:
            user.role = self.random.choice(["viewer", "operator", "admin"])
            await console.set_role(name, user.role)  # type: ignore[arg-type]
        elif what == 2:
            user.disabled = not user.disabled
            await (console.disable(name) if user.disabled else console.enable(name))
        else:
            await console.end_all(name)
        self._ended(name)

    # ── time, processes, the database

    async def time_passes(self) -> None:
        self.here.clock.pass_(self.random.choice([1, MINUTE, 5 * MINUTE, 5 * MINUTE, 30 * MINUTE + 1]))

    async def the_clock_is_set_back(self) -> None:
        """What was over by the later one must have been seen to be so: nobody could know it otherwise."""
        await self.visit_with_all()
        self.here.clock.ms -= self.random.choice([1, MINUTE, MINUTE + 1, 20 * MINUTE, HOUR])

    async def another_process(self) -> None:
        here = self.here
        here.console = ConsoleAccess(here.store, here.keys, here.clock, here.console._chance, here.scheduler)

    async def the_database_turns_out_to_be_a_copy(self) -> None:
        more: dict[str, Any] = {"now": self.now, "chance": Dice(3), "lost": {}}
        await self.here.store.write(lambda tx: begin_epochs(tx, (), Reason.OTHER_COPY, **more))
        for each in self.known.values():
            each.over = True


WEIGHTS: dict[Callable[[History], Awaitable[None]], int] = {
    History.login: 8,
    History.login_with_the_other_password: 1,
    History.come_by_a_link: 12,
    History.visit: 30,
    History.visit_with_all: 5,
    History.stay: 3,
    History.logout: 4,
    History.change_a_user: 8,
    History.time_passes: 12,
    History.the_clock_is_set_back: 4,
    History.another_process: 2,
    History.the_database_turns_out_to_be_a_copy: 1,
}


@pytest.mark.parametrize("seed", range(6))
def test_a_session_that_is_over_stays_over(tmp_path: Path, seed: int) -> None:
    async def main() -> None:
        async with door(engines.new_database(tmp_path / "livepass.db")) as here:
            for name in NAMES:
                await here.console.add_user(name, "operator", PASSWORD)
            history = History(here, seed)
            await history.come_by_a_link()
            while not history.known:
                await history.come_by_a_link()
            for step in history.random.choices(list(WEIGHTS), list(WEIGHTS.values()), k=STEPS):
                await step(history)
            await history.visit_with_all()
            assert len(history.known) > 10

    asyncio.run(main())
