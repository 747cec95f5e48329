"""The console's users: who may change whom, what a password must be, and a second factor's life."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from livepass.core.console import Role
from livepass.service.console_access import NotLetIn
from livepass.service.console_roles import COMMAND_LINE, Visitor
from livepass.service.passwords import require_good
from livepass.service.refusals import Conflict, Forbidden, NotFound, Refusal
from livepass.service.tries import TooMany
from service.console_door import OTHER, PASSWORD, Door, run

pytestmark = pytest.mark.usefixtures("engine")


def visitor(name: str, role: Role) -> Visitor:
    return replace(COMMAND_LINE, name=name, role=role)


ADMIN, OPERATOR, ADA = visitor("root", "admin"), visitor("bob", "operator"), visitor("ada", "operator")


@pytest.mark.parametrize(
    ("password", "why"),
    [
        ("elevenchars", "it has 11 characters; it needs 12"),
        ("x" * 513, "it may have 512"),
        ("password1234", "among the first"),
        ("PassWord2026!!", "among the first"),
        ("passwordpassword", "among the first"),
        ("livepass-123456", "among the first"),
        ("１２３４５６７８９０１２３", "among the first"),
        ("012345678901", "among the first"),
        ("aaaaaaaaaaaaaaa", "little more than"),
        ("ada.lovelaceada.lovelace", "little more than"),
        ("Ada.Lovelace1", "little more than"),
    ],
)
def test_a_password_that_is_not_taken(password: str, why: str) -> None:
    with pytest.raises(Refusal, match=why) as caught:
        require_good(password, "ada.lovelace")
    assert password not in f"{caught.value} {caught.value.hint} {caught.value.faults}"


@pytest.mark.parametrize(
    "password", [PASSWORD, OTHER, "hk7-Wq2-vbn-p", "пароль из слов", "ada.lovelace plays the harp"]
)
def test_a_password_that_is_taken(password: str) -> None:
    require_good(password, "ada.lovelace")


def test_names_are_told_apart_and_kept_small(tmp_path: Path) -> None:
    async def test(here: Door) -> None:
        made = await here.console.add_user(" Bob@Example.com ", "viewer", OTHER)
        assert made.name == "bob@example.com"
        with pytest.raises(Conflict, match="a user ada already"):
            await here.console.add_user("ADA", "admin", OTHER)
        for name in ("", " ", "two words", "link 1", "command line", "-x", "a" * 65, "zoë", "a\nb", "x\x00"):
            with pytest.raises(Refusal, match="no name for a user"):
                await here.console.add_user(name, "admin", OTHER)
        with pytest.raises(Refusal, match="no role root"):
            await here.console.add_user("eve", "root", OTHER)  # type: ignore[arg-type]
        assert [(user.name, user.role) for user in await here.console.users()] == [
            ("ada", "operator"),
            ("bob@example.com", "viewer"),
        ]

    run(tmp_path, test)


def test_there_is_somebody_as_long_as_one_is_let_in(tmp_path: Path) -> None:
    async def test(here: Door) -> None:
        assert await here.console.any_user()
        await here.console.disable("ada")
        first = (await here.console.users())[0].disabled_at
        here.clock.pass_(9)
        await here.console.disable("ada")
        assert first is not None and (await here.console.users())[0].disabled_at == first
        assert not await here.console.any_user()
        await here.console.enable("ada")
        assert await here.console.any_user()
        assert await here.login()

    run(tmp_path, test)


def test_a_password_and_a_role_are_changed(tmp_path: Path) -> None:
    async def test(here: Door) -> None:
        await here.console.set_password("ada", OTHER)
        with pytest.raises(NotLetIn):
            await here.login()
        await here.console.set_role("Ada", "viewer", by=ADMIN)
        found = await here.console.visitor(await here.login("ada", OTHER))
        assert found is not None and found.role == "viewer"
        log = await here.log()
        assert [(row.who, row.action, row.subject, row.detail) for row in log][1:3] == [
            ("command line", "changed a password", "ada", {}),
            ("root", "changed a role", "ada", {"role": "viewer"}),
        ]
        for change in (
            here.console.set_password("none", OTHER),
            here.console.set_role("none", "admin"),
            here.console.disable("none"),
            here.console.enrol_totp("none"),
        ):
            with pytest.raises(NotFound, match="there is no user none"):
                await change
        with pytest.raises(Refusal, match="not taken"):
            await here.console.set_password("ada", "short")
        assert await here.login("ada", OTHER)

    run(tmp_path, test)


def test_a_name_may_do_to_itself_what_only_admins_do_to_others(tmp_path: Path) -> None:
    async def test(here: Door) -> None:
        console = here.console
        await console.add_user("root", "admin", OTHER, by=ADMIN)
        for by in (OPERATOR, ADA, visitor("eve", "viewer")):
            for change in (
                console.add_user("eve", "admin", OTHER, by=by),
                console.set_password("root", OTHER, by=by),
                console.set_role("ada", "admin", by=by),
                console.disable("ada", by=by),
                console.enable("ada", by=by),
                console.drop_totp("ada", by=by),
                console.enrol_totp("root", by=by),
                console.confirm_totp("root", "000000", by=by),
                console.end_all("root", by=by),
                console.new_link("admin", by=by),
            ):
                with pytest.raises(Forbidden, match="may not do this"):
                    await change
        await console.end_all("ada", by=ADA)
        await console.enrol_totp("ada", by=ADA)
        await console.set_password("ada", OTHER, by=ADA, current=PASSWORD)
        assert await here.login("ada", OTHER)

    run(tmp_path, test)


def test_ones_own_password_takes_the_present_one(tmp_path: Path) -> None:
    async def test(here: Door) -> None:
        await here.console.add_user("root", "admin", OTHER)
        for by, password in ((ADA, PASSWORD), (ADMIN, OTHER)):
            for _ in range(10):
                with pytest.raises(Forbidden, match="the present password is another one"):
                    await here.console.set_password(by.name, "a new one of some words", by=by, current="guessed")
            with pytest.raises(TooMany):
                await here.console.set_password(by.name, "a new one of some words", by=by, current=password)

    run(tmp_path, test)


def test_a_second_factor_counts_from_its_first_code_on(tmp_path: Path) -> None:
    async def test(here: Door) -> None:
        first = await here.console.enrol_totp("ada")
        assert await here.login(), "not asked for before it is confirmed"
        address = await here.enrol()
        assert address != first, "one that was not confirmed is replaced"
        url = urlsplit(address)
        assert (url.scheme, url.netloc, url.path) == ("otpauth", "totp", "/livepass:ada")
        values = {name: value for name, [value] in parse_qs(url.query).items()}
        assert len(values.pop("secret")) == 32
        assert values == {"issuer": "livepass", "algorithm": "SHA1", "digits": "6", "period": "30"}
        with pytest.raises(NotLetIn):
            await here.login()
        assert await here.login(code=here.code())
        with pytest.raises(Conflict, match="has a second factor already"):
            await here.console.enrol_totp("ada")
        [row] = here.rows("console_user")
        assert row["totp_step"] == here.clock.now() // 30_000
        await here.console.drop_totp("ada")
        assert await here.login()

    run(tmp_path, test)


def test_a_first_code_must_be_right(tmp_path: Path) -> None:
    async def test(here: Door) -> None:
        with pytest.raises(Refusal, match="not the code of this moment"):
            await here.console.confirm_totp("ada", "000000")
        await here.console.enrol_totp("ada")
        for code in ("", "000000", "abcdef"):
            with pytest.raises(Refusal, match="not the code of this moment"):
                await here.console.confirm_totp("ada", code)
        assert await here.login()

    run(tmp_path, test)


def test_a_first_code_that_came_again_is_no_second_one(tmp_path: Path) -> None:
    async def test(here: Door) -> None:
        await here.enrol()
        with pytest.raises(Refusal, match="not the code of this moment"):
            await here.console.confirm_totp("ada", here.code(-1))

    run(tmp_path, test)
