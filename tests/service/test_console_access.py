"""Coming into the console: by password and code, by a link, by a proxy; and what ends it."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

import engines
from livepass.core.history import Reason
from livepass.service.access import SCOPES
from livepass.service.console_access import NotLetIn, proxied_session
from livepass.service.console_roles import SCOPES_OF, Visitor
from livepass.service.epochs import begin_epochs
from livepass.service.passwords import Passwords
from livepass.service.refusals import Forbidden, Refusal
from livepass.service.tries import TooMany
from service.console_door import HOUR, MINUTE, OTHER, PASSWORD, SOURCE, Dice, Door, door, run

pytestmark = pytest.mark.usefixtures("engine")


async def refused(attempt: Awaitable[object], kind: type[Refusal] = NotLetIn) -> str:
    with pytest.raises(kind) as caught:
        await attempt
    return str(caught.value)


# ── by password


def test_a_password_lets_in_and_only_a_hash_of_the_session_is_kept(tmp_path: Path) -> None:
    async def test(here: Door) -> None:
        session = await here.login(" Ada ")
        assert len(session) == 43
        visitor = await here.console.visitor(session)
        now = here.clock.now()
        assert visitor == Visitor("ada", "operator", visitor.csrf if visitor else "", now, now)
        [row] = here.rows("console_session")
        assert row["id"] == hashlib.sha256(session.encode()).hexdigest()
        [user] = here.rows("console_user")
        assert user["password"].startswith("$argon2id$v=19$m=19456,t=2,p=1$")
        assert await here.login() != session, "a new one each time"
        for wrong in (None, "", session[:-1], session.swapcase(), row["id"], "\x00", "\ud800"):
            assert await here.console.visitor(wrong) is None
        await here.console.logout(session)
        await here.console.logout(session)
        assert await here.console.visitor(session) is None

    run(tmp_path, test)


def test_one_sentence_for_whatever_is_wrong(tmp_path: Path) -> None:
    async def test(here: Door) -> None:
        await here.console.add_user("bob", "viewer", OTHER)
        await here.console.add_user("proxied", "viewer")
        await here.console.disable("bob")
        await here.enrol()
        said = {
            await refused(here.login(*given))
            for given in (
                ("ada", OTHER, here.code()),
                ("ada", PASSWORD, None),
                ("ada", PASSWORD, "000000"),
                ("bob", OTHER),
                ("proxied", ""),
                ("nobody", PASSWORD),
                ("\x00\ud800", PASSWORD),
                ("ada", ""),
            )
        }
        assert said == {"name, password or code is wrong"}
        assert here.rows("console_session") == []

    run(tmp_path, test)


def test_an_unknown_name_costs_the_same_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The work is counted where it is done, off the loop: what is looked at, and with which costs."""
    done: list[str] = []

    async def test(here: Door) -> None:
        from cryptography.hazmat.primitives.kdf import argon2

        class Counting:
            @staticmethod
            def verify_phc_encoded(password: bytes, phc: str) -> None:
                done.append(phc.rpartition("$")[0].rpartition("$")[0] + f" {len(phc)}")
                argon2_verify(password, phc)

        argon2_verify = argon2.Argon2id.verify_phc_encoded
        await here.console.add_user("proxied", "viewer")
        monkeypatch.setattr(argon2, "Argon2id", Counting)
        for name in ("ada", "nobody", "proxied", ""):
            await refused(here.login(name, OTHER))
        monkeypatch.undo()

    run(tmp_path, test)
    assert len(done) == 4 and len(set(done)) == 1, done


def test_nobody_may_try_for_ever(tmp_path: Path) -> None:
    async def test(here: Door) -> None:
        for _ in range(10):
            await refused(here.login("ada", OTHER, source="192.0.2.1"))
        said = await refused(here.login(source="192.0.2.2"), TooMany)
        assert said == "too many tries to sign in; come back in 16 min", "by name, also from elsewhere and if right"
        await refused(here.login("bob", OTHER, source="192.0.2.1"), TooMany)
        here.clock.ms += 10 * HOUR
        await refused(here.login(source="192.0.2.2"), TooMany)
        here.clock.seconds += 899
        assert "come back in 1 min" in await refused(here.login(source="192.0.2.2"), TooMany)
        here.clock.seconds += 1
        assert await here.login(source="192.0.2.1")

    run(tmp_path, test)


def test_who_gets_in_is_not_kept_out_by_that(tmp_path: Path) -> None:
    async def test(here: Door) -> None:
        for _ in range(9):
            await refused(here.login("ada", OTHER))
        for _ in range(3):
            await here.login()
        await refused(here.login("ada", OTHER))
        await refused(here.login(), TooMany)

    run(tmp_path, test)


# ── with a code


def test_a_code_is_taken_once(tmp_path: Path) -> None:
    async def test(here: Door) -> None:
        await here.enrol()
        await refused(here.login(code=here.code(-1)))  # "the first code was it already"
        session = await here.login(code=here.code())
        assert await here.console.visitor(session)
        await refused(here.login(code=here.code()))
        await refused(here.login(code=here.code(-1)))
        assert await here.login(code=here.code(1))
        here.clock.pass_(-MINUTE)
        for away in (-1, 0, 1):
            await refused(here.login(code=here.code(away)))  # "the clock was set back"
        here.clock.pass_(3 * MINUTE)
        assert await here.login(code=here.code())

    run(tmp_path, test)


def test_of_many_who_show_one_code_at_once_one_comes_in(tmp_path: Path) -> None:
    """On two processes, so that nothing in memory decides it."""

    async def test(here: Door) -> None:
        await here.enrol()
        async with door(here.url, here.clock, seed=2) as there:
            [user] = await here.console.users()
            attempts = [
                each.store.write(lambda tx, each=each: each.console._begin(tx, user, here.code(), SOURCE))
                for each in [here, there] * 5
            ]
            found = await asyncio.gather(*attempts)
            assert sorted(map(bool, found)) == [False] * 9 + [True], "whose passwords were looked at already"
            attempts = [each.login(code=here.code(1)) for each in [here, there] * 3]
            ended = await asyncio.gather(*attempts, return_exceptions=True)
        assert sorted(isinstance(one, NotLetIn) for one in ended) == [False] + [True] * 5, ended
        assert len(here.rows("console_session")) == 2

    run(tmp_path, test)


# ── by a link


def test_a_link_lets_in_once_as_what_it_says(tmp_path: Path) -> None:
    async def test(here: Door) -> None:
        link = await here.console.new_link("viewer", minutes=5)
        assert len(link) == 43
        [row] = here.rows("console_link")
        assert row["id"] == hashlib.sha256(link.encode()).hexdigest()
        session = await here.console.redeem(link)
        visitor = await here.console.visitor(session)
        assert visitor is not None and (visitor.role, visitor.name) == ("viewer", f"link {row['id'][:8]}")
        for wrong in (link, "", "none", row["id"], "\x00\ud800"):
            assert "was used, has expired, or never was one" in await refused(here.console.redeem(wrong))
        await here.console.end_all(visitor.name)
        assert await here.console.visitor(session) is None

    run(tmp_path, test)


@pytest.mark.parametrize("away", [5 * MINUTE, 10 * HOUR, -25 * HOUR])
def test_a_link_that_came_at_a_wrong_time_is_spent(tmp_path: Path, away: int) -> None:
    async def test(here: Door) -> None:
        link = await here.console.new_link("admin", minutes=5)
        here.clock.ms += away
        await refused(here.console.redeem(link))
        here.clock.ms -= away
        await refused(here.console.redeem(link))  # "also when the clock is set back"

    run(tmp_path, test)


def test_of_many_who_come_by_one_link_at_once_one_comes_in(tmp_path: Path) -> None:
    async def test(here: Door) -> None:
        link = await here.console.new_link("admin")
        async with door(here.url, here.clock, seed=2) as there:
            attempts = (each.console.redeem(link) for each in [here, there] * 5)
            found = await asyncio.gather(*attempts, return_exceptions=True)
        assert sorted(isinstance(one, NotLetIn) for one in found) == [False] + [True] * 9, found
        assert len(here.rows("console_session")) == 1

    run(tmp_path, test)


@pytest.mark.parametrize(("role", "minutes"), [("root", 15), ("admin", 0), ("admin", 1441), ("admin", -1)])
def test_a_link_that_cannot_be(tmp_path: Path, role: str, minutes: int) -> None:
    async def test(here: Door) -> None:
        await refused(here.console.new_link(role, minutes=minutes), Refusal)  # type: ignore[arg-type]
        assert here.rows("console_link") == []

    run(tmp_path, test)


# ── what ends a session


ENDS: dict[str, Callable[[Door], Awaitable[object]]] = {
    "password": lambda here: here.console.set_password("ada", OTHER),
    "role": lambda here: here.console.set_role("ada", "viewer"),
    "disabled": lambda here: here.console.disable("ada"),
    "factor dropped": lambda here: here.console.drop_totp("ada"),
    "end_all": lambda here: here.console.end_all("ada"),
    "a restored copy": lambda here: here.store.write(
        lambda tx: begin_epochs(tx, (), Reason.OTHER_COPY, now=here.clock.now(), chance=Dice(3), lost={})
    ),
}


@pytest.mark.parametrize("how", ENDS)
def test_a_session_ends_with_what_it_was_begun_for(tmp_path: Path, how: str) -> None:
    async def test(here: Door) -> None:
        await here.console.add_user("bob", "viewer", OTHER)
        sessions = [await here.login(), await here.login()]
        others = await here.login("bob", OTHER)
        await ENDS[how](here)
        assert [await here.console.visitor(session) for session in sessions] == [None, None]
        assert (await here.console.visitor(others) is None) == (how == "a restored copy")
        if how == "disabled":
            await here.console.enable("ada")
            assert await here.console.visitor(sessions[0]) is None

    run(tmp_path, test)


def test_a_sign_in_that_was_overtaken_lets_nobody_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The password was right when it was looked at, and is another, or its owner disabled, when the session begins."""

    async def test(here: Door) -> None:
        looked = Passwords.right
        changes: list[tuple[str, Callable[[], Awaitable[None]]]] = [
            (PASSWORD, lambda: here.console.set_password("ada", OTHER)),
            (OTHER, lambda: here.console.disable("ada")),
        ]
        for password, change in changes:

            async def right(
                self: Passwords, kept: str | None, given: str, change: Callable[[], Awaitable[None]] = change
            ) -> bool:
                found = await looked(self, kept, given)
                await change()
                return found

            with monkeypatch.context() as patch:
                patch.setattr(Passwords, "right", right)
                await refused(here.login("ada", password))
            assert here.rows("console_session") == []

    run(tmp_path, test)


def test_half_an_hour_idle_and_half_a_day_at_most(tmp_path: Path) -> None:
    async def test(here: Door) -> None:
        session = await here.login()
        for _ in range(24):
            here.clock.pass_(30 * MINUTE)
            assert await here.console.visitor(session)
        here.clock.pass_(1)
        assert await here.console.visitor(session) is None, "half a day"
        session = await here.login()
        here.clock.pass_(30 * MINUTE + 1)
        assert await here.console.visitor(session) is None, "half an hour"
        here.clock.pass_(-10 * MINUTE)
        assert await here.console.visitor(session) is None, "what was found ended stays so"
        assert here.rows("console_session") == []

    run(tmp_path, test)


def test_a_visit_is_written_down_once_a_minute(tmp_path: Path) -> None:
    async def test(here: Door) -> None:
        session, began = await here.login(), here.clock.now()
        for later, seen in ((1, 0), (MINUTE - 1, 0), (MINUTE, MINUTE), (MINUTE + 1, MINUTE), (3 * MINUTE,) * 2):
            here.clock.ms = began + later
            visitor = await here.console.visitor(session)
            assert visitor is not None and visitor.seen_at == began + later
            assert here.rows("console_session")[0]["seen_at"] == began + seen

    run(tmp_path, test)


def test_a_clock_that_is_set_back_ends_sessions_rather_than_lengthen_them(tmp_path: Path) -> None:
    async def test(here: Door) -> None:
        session = await here.login()
        here.clock.ms -= 30_000
        assert await here.console.visitor(session), "two hosts' clocks"
        here.clock.ms -= HOUR
        assert await here.console.visitor(session) is None
        here.clock.ms += HOUR
        assert await here.console.visitor(session) is None

    run(tmp_path, test)


def test_sessions_and_links_that_are_over_do_not_pile_up(tmp_path: Path) -> None:
    async def test(here: Door) -> None:
        await here.login()
        await here.console.new_link("viewer")
        here.clock.pass_(HOUR)
        kept = await here.login()
        assert [row["id"] for row in here.rows("console_session")] == [hashlib.sha256(kept.encode()).hexdigest()]
        assert here.rows("console_link") == []

    run(tmp_path, test)


# ── what a visitor may do


def test_roles_are_scopes(tmp_path: Path) -> None:
    assert SCOPES_OF["viewer"] == {"passes:read", "logs:read"}
    assert SCOPES_OF["operator"] == {"passes:read", "logs:read", "passes:write", "pushes:write"}
    assert SCOPES_OF["admin"] == set(SCOPES)

    async def test(here: Door) -> None:
        visitor = await here.console.visitor(await here.login())
        assert visitor is not None
        caller = visitor.caller()
        assert (caller.name, caller.pass_types, caller.scopes) == ("ada", None, SCOPES_OF["operator"])
        caller.require("passes:write", "certs:admin")
        with pytest.raises(Forbidden, match="the role operator may not do this") as caught:
            caller.require("certs:admin")
        assert caught.value.hint == "it takes admin"

    run(tmp_path, test)


def test_a_forms_token_is_its_sessions_own_on_every_host(tmp_path: Path) -> None:
    async def test(here: Door) -> None:
        session, other = await here.login(), await here.login()
        visitor = await here.console.visitor(session)
        assert visitor is not None and visitor.csrf not in (session, "") and visitor.csrf not in repr(visitor)
        async with door(here.url, here.clock, seed=9) as there:
            for console in (here.console, there.console):
                assert console.csrf_ok(session, visitor.csrf)
                for wrong in ("", session, visitor.csrf[:-1], visitor.csrf + "0", "\ud800"):
                    assert not console.csrf_ok(session, wrong)
                assert not console.csrf_ok(other, visitor.csrf)

    run(tmp_path, test)


def test_whom_a_proxy_names_needs_no_session(tmp_path: Path) -> None:
    async def test(here: Door) -> None:
        visitor = await here.console.proxied("Zoë@example.com", "admin")
        assert (visitor.name, visitor.role) == ("Zoë@example.com", "admin")
        assert here.console.csrf_ok(proxied_session("Zoë@example.com"), visitor.csrf)
        assert not here.console.csrf_ok(proxied_session("ada"), visitor.csrf)
        assert here.rows("console_session") == []
        await here.console.disable("ada")
        for name in ("ada", "ADA", "", "x" * 201, "two\nlines", "link 12345678"):
            await refused(here.console.proxied(name, "viewer"), Forbidden)
        await refused(here.console.proxied("bob", "root"), Refusal)  # type: ignore[arg-type]

    run(tmp_path, test)


# ── the audit log


def test_who_did_what_is_written_down_without_secrets(tmp_path: Path) -> None:
    async def test(here: Door) -> None:
        address = await here.enrol()
        code = here.code()
        session = await here.login(code=code)
        link = await here.console.new_link("admin", minutes=5)
        by_link = await here.console.redeem(link)
        visitor = await here.console.visitor(session)
        assert visitor is not None
        stray = {"password": "a stray secret value", "count": 3, "said": f"Bearer {session}", "long": "x" * 900}
        await here.console.note(visitor, "pushed", "pass.test/1", stray)
        rows = await here.log()
        assert [(row.who, row.role, row.action, row.subject) for row in rows] == [
            ("command line", "admin", "added a user", "ada"),
            ("command line", "admin", "began to enrol a second factor", "ada"),
            ("command line", "admin", "enrolled a second factor", "ada"),
            ("ada", "operator", "signed in", ""),
            ("command line", "admin", "made a link", f"link {hashlib.sha256(link.encode()).hexdigest()[:8]}"),
            (f"link {hashlib.sha256(link.encode()).hexdigest()[:8]}", "admin", "came by a link", ""),
            ("ada", "operator", "pushed", "pass.test/1"),
        ]
        assert rows[3].detail == {"source": SOURCE} and rows[0].at == here.clock.now()
        assert rows[-1].detail["count"] == 3 and len(str(rows[-1].detail["long"])) == 500
        text = repr(rows) + repr([here.rows(table) for table in engines.tables(here.url)])
        secrets = (PASSWORD, address.split("secret=")[1][:32], here.secret.hex(), session, link, by_link)
        assert [one for one in (*secrets, "a stray secret value", visitor.csrf) if one in text] == []
        first = await here.console.audited(limit=2)
        assert [row.action for row in first] == ["pushed", "came by a link"]
        assert [row.action for row in await here.console.audited(before=first[-1].id, limit=1)] == ["made a link"]

    run(tmp_path, test)
