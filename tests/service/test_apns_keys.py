"""APNs keys: taken in, chosen, refused, left again; and nothing changes from one credential to another by itself."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from livepass.core.provider_token import PushKey
from livepass.core.trip2_push import CIRCUIT_MS, PushCredential
from livepass.emulators.authority import Authority, Issued
from livepass.service.proving import NOBODY
from livepass.service.refusals import Conflict, NotFound, Refusal
from provider_keys import Minted
from service.rig import OTHER, TEAM, TYPE, Rig, rig, until
from service.test_pushing import holding

pytestmark = pytest.mark.usefixtures("engine")
KEY, SECOND = Minted(), Minted("SECOND1234")
TENANT = "default"
TOKEN_COMPLAINT = (400, "BadDeviceToken")

Steps = Callable[[Rig], Awaitable[None]]


@pytest.fixture
def run(tmp_path: Path, pass_certificate: Issued) -> Callable[[Steps], None]:
    """In a process with a live certificate and a key that was taken in."""

    def within(steps: Steps) -> None:
        async def main() -> None:
            async with rig(tmp_path, pass_certificate) as service:
                service.sender.answers[NOBODY] = TOKEN_COMPLAINT
                await taken(service)
                await steps(service)

        asyncio.run(main())

    return within


async def taken(service: Rig, key: Minted = KEY, **more: Any) -> None:
    await service.apns_keys.import_(TENANT, key.p8, key.id, key.team, **more)


async def refused(work: Awaitable[Any], code: str) -> str:
    with pytest.raises(Refusal) as error:
        await work
    assert error.value.code == code
    assert error.value.hint
    return f"{error.value.title} — {error.value.hint}"


# ── taking in


def test_a_key_that_is_taken_in_pushes_for_nothing_yet(run: Callable[[Steps], None]) -> None:
    async def steps(service: Rig) -> None:
        [row] = await service.apns_keys.all(TENANT)
        assert (row.key.id, row.key.team, row.key.topics, list(row.pass_types)) == (KEY.id, TEAM, (), [])
        assert KEY.p8.split(b"\n")[1] not in service.on_disk()
        assert await service.apns_keys.get(TENANT, KEY.id) == row
        assert (await service.store.pass_type(TYPE)).push_key_id is None  # type: ignore[union-attr]
        await holding(service, ("one", "aa"))
        await service.change("1", 5)
        await service.dispatcher.work_once()
        assert [type(shown) for shown in service.sender.credentials] == [PushCredential]

    run(steps)


def test_a_bad_file_is_refused_with_a_remedy(run: Callable[[Steps], None]) -> None:
    async def steps(service: Rig) -> None:
        text = await refused(service.apns_keys.import_(TENANT, b"x", KEY.id, TEAM), "apns_key_refused")
        assert "not PEM" in text and "developer.apple.com" in text
        await refused(service.apns_keys.import_(TENANT, KEY.p8, "abc", TEAM), "apns_key_refused")
        assert len(await service.apns_keys.all(TENANT)) == 1

    run(steps)


def test_a_key_in_use_is_not_replaced_by_one_that_does_not_suit(run: Callable[[Steps], None]) -> None:
    async def steps(service: Rig) -> None:
        await service.apns_keys.use(TENANT, TYPE, KEY.id)
        created = (await service.apns_keys.get(TENANT, KEY.id)).key.created_at
        service.clock.pass_(1000)
        await refused(service.apns_keys.import_(TENANT, KEY.p8, KEY.id, "OTHERTEAM0"), "wrong_team")
        await refused(service.apns_keys.import_(TENANT, KEY.p8, KEY.id, TEAM, [OTHER]), "wrong_topic")
        sandbox = service.apns_keys.import_(TENANT, KEY.p8, KEY.id, TEAM, environment="sandbox")
        await refused(sandbox, "wrong_environment")
        again = await service.apns_keys.import_(TENANT, Minted().p8, KEY.id, TEAM, [TYPE])
        assert (again.key.topics, again.pass_types, again.key.created_at) == ((TYPE,), [TYPE], created)
        assert (await service.apns_keys.get(TENANT, KEY.id)).key == again.key

    run(steps)


# ── choosing


def test_a_chosen_key_pushes_from_the_next_batch_on(run: Callable[[Steps], None]) -> None:
    async def steps(service: Rig) -> None:
        await holding(service, ("one", "aa"))
        chosen = await service.apns_keys.use(TENANT, TYPE, KEY.id)
        assert (chosen.key_id, chosen.heard) == (KEY.id, "400 BadDeviceToken")
        [probe] = service.sender.sent
        assert (probe.push_token, probe.topic) == (NOBODY, TYPE)
        await service.change("1", 5)
        await service.dispatcher.work_once()
        shown = service.sender.credentials[-1]
        assert isinstance(shown, PushKey) and (shown.key_id, shown.team) == (KEY.id, TEAM)
        [event] = await service.store.events(kinds=["push_credential_chosen"], pass_type=TYPE, after=0, limit=9)
        assert event.detail == {"credential": "key", "key": KEY.id}
        assert (await service.apns_keys.get(TENANT, KEY.id)).pass_types == [TYPE]

    run(steps)


def test_a_key_that_does_not_suit_is_not_chosen(run: Callable[[Steps], None]) -> None:
    async def steps(service: Rig) -> None:
        use = service.apns_keys.use
        await taken(service, Minted("FOREIGN123", "OTHERTEAM0"))
        text = await refused(use(TENANT, TYPE, "FOREIGN123"), "wrong_team")
        assert TEAM in text and "OTHERTEAM0" in text
        await taken(service, Minted("LIMITED123"), topics=[OTHER])
        assert "--topic" in await refused(use(TENANT, TYPE, "LIMITED123"), "wrong_topic")
        await taken(service, Minted("SANDBOX123"), environment="sandbox")
        await refused(use(TENANT, TYPE, "SANDBOX123"), "wrong_environment")
        await service.apns_keys.retire(TENANT, KEY.id)
        await refused(use(TENANT, TYPE, KEY.id), "retired")
        await refused(use(TENANT, TYPE, "NOSUCHKEY1"), "no_apns_key")
        await refused(use("other", TYPE, KEY.id), "not_found")
        await refused(use(TENANT, "pass.no.such", None), "not_found")
        assert service.sender.sent == [], "APNs is not asked about these"
        assert (await service.store.pass_type(TYPE)).push_key_id is None  # type: ignore[union-attr]

    run(steps)


@pytest.mark.parametrize(
    ("answer", "code", "words"),
    [
        ((403, "InvalidProviderToken"), "apns_key_refused", "developer.apple.com"),
        ((403, "ExpiredProviderToken"), "apns_key_refused", "NTP"),
        ((403, "BadEnvironmentKeyIdInToken"), "apns_key_refused", "production"),
        ((400, "TopicDisallowed"), "apns_key_refused", "limited to no topics"),
        ((403, "NewReason"), "apns_key_refused", "403 NewReason"),
        ((0, "Unreachable"), "apns_not_asked", "--no-probe"),
        ((500, "InternalServerError"), "apns_not_asked", "--no-probe"),
    ],
)
def test_what_apns_does_not_take_is_not_chosen(
    run: Callable[[Steps], None], answer: tuple[int, str], code: str, words: str
) -> None:
    async def steps(service: Rig) -> None:
        service.sender.answers[NOBODY] = answer
        text = await refused(service.apns_keys.use(TENANT, TYPE, KEY.id), code)
        assert words in text and "Nothing was changed" in text and KEY.id in text
        assert (await service.store.pass_type(TYPE)).push_key_id is None  # type: ignore[union-attr]
        assert (await service.apns_keys.use(TENANT, TYPE, KEY.id, probe=False)).heard == ""
        assert (await service.store.pass_type(TYPE)).push_key_id == KEY.id  # type: ignore[union-attr]

    run(steps)


@pytest.mark.parametrize("answer", [(200, ""), (410, "Unregistered"), (400, "DeviceTokenNotForTopic")])
def test_a_word_about_the_token_means_that_the_key_was_taken(
    run: Callable[[Steps], None], answer: tuple[int, str]
) -> None:
    async def steps(service: Rig) -> None:
        service.sender.answers[NOBODY] = answer
        heard = (await service.apns_keys.use(TENANT, TYPE, KEY.id)).heard
        assert heard == f"{answer[0]} {answer[1]}".strip()

    run(steps)


# ── leaving


def test_a_key_is_not_retired_while_it_pushes(run: Callable[[Steps], None]) -> None:
    async def steps(service: Rig) -> None:
        await service.apns_keys.use(TENANT, TYPE, KEY.id)
        with pytest.raises(Conflict, match=TYPE) as error:
            await service.apns_keys.retire(TENANT, KEY.id)
        assert error.value.hint.endswith(f"livepass apns-key use {TYPE} --certificate")
        await service.apns_keys.use(TENANT, TYPE, None)
        retired = (await service.apns_keys.retire(TENANT, KEY.id)).key
        assert retired.retired_at == service.clock.now()
        service.clock.pass_(1000)
        assert (await service.apns_keys.retire(TENANT, KEY.id)).key == retired, "twice is fine"
        with pytest.raises(NotFound):
            await service.apns_keys.retire(TENANT, "NOSUCHKEY1")
        await taken(service)
        assert (await service.apns_keys.get(TENANT, KEY.id)).key.retired_at is None

    run(steps)


# ── refused while pushing


def test_a_refused_key_holds_its_pushes_back_and_the_certificate_is_not_used_for_it(
    run: Callable[[Steps], None], caplog: pytest.LogCaptureFixture
) -> None:
    async def steps(service: Rig) -> None:
        await holding(service, ("one", "aa"))
        await service.apns_keys.use(TENANT, TYPE, KEY.id)
        service.sender.answers["aa"] = (403, "InvalidProviderToken")
        await service.change("1", 5)
        with caplog.at_level(logging.ERROR):
            await service.dispatcher.work_once()
        for word in (KEY.id, TEAM, "InvalidProviderToken", "revoked", f"livepass apns-key use {TYPE} --certificate"):
            assert word in caplog.text
        circuit = await service.store.circuit(TYPE)
        assert circuit is not None
        assert (circuit.reason, circuit.push_key_id) == ("InvalidProviderToken", KEY.id)
        [event] = await service.store.events(kinds=["circuit_opened"], pass_type=TYPE, after=0, limit=9)
        assert event.detail["key"] == KEY.id
        service.clock.pass_(CIRCUIT_MS * 2)
        await service.dispatcher.work_once()
        assert all(isinstance(shown, PushKey) for shown in service.sender.credentials)
        service.sender.taken()
        service.sender.answers.clear()
        await service.apns_keys.use(TENANT, TYPE, None)
        assert await service.store.circuit(TYPE) is None
        await service.dispatcher.work_once()
        assert service.sender.taken() == ["aa"], "at once"
        assert isinstance(service.sender.credentials[-1], PushCredential)

    run(steps)


def test_a_refusal_that_comes_after_the_choice_holds_nothing_back(run: Callable[[Steps], None]) -> None:
    """The batch was under way with the key when somebody chose the certificate."""

    async def steps(service: Rig) -> None:
        await holding(service, ("one", "aa"))
        await service.apns_keys.use(TENANT, TYPE, KEY.id)
        service.sender.taken()
        service.sender.answers["aa"] = (403, "InvalidProviderToken")
        await service.change("1", 5)

        async def choose() -> None:
            service.sender.before_answer = None
            await service.apns_keys.use(TENANT, TYPE, None)

        service.sender.before_answer = choose
        await service.dispatcher.work_once()
        assert await service.store.circuit(TYPE) is None
        service.sender.answers.clear()
        service.sender.taken()
        await service.dispatcher.work_once()
        assert service.sender.taken() == ["aa"]
        assert isinstance(service.sender.credentials[-1], PushCredential)

    run(steps)


def test_a_key_that_does_not_open_or_is_gone_is_named_with_the_way_back(
    run: Callable[[Steps], None], caplog: pytest.LogCaptureFixture
) -> None:
    async def steps(service: Rig) -> None:
        await holding(service, ("one", "aa"))
        await service.apns_keys.use(TENANT, TYPE, KEY.id)
        service.sender.taken()
        for spoil in ("UPDATE apns_key SET key_sealed = :sealed", "DELETE FROM apns_key WHERE key_sealed = :sealed"):
            caplog.clear()
            service.elsewhere(spoil, sealed=b"\x01nonsense")
            await service.change("1", len(spoil))
            with caplog.at_level(logging.ERROR):
                await service.dispatcher.work_once()
            assert KEY.id in caplog.text and f"livepass apns-key use {TYPE} --certificate" in caplog.text
            circuit = await service.store.circuit(TYPE)
            assert circuit is not None and circuit.push_key_id == KEY.id
            assert service.sender.taken() == []
            service.clock.pass_(CIRCUIT_MS * 2)
        await service.apns_keys.use(TENANT, TYPE, None)
        await service.dispatcher.work_once()
        assert service.sender.taken() == ["aa"]

    run(steps)


def test_the_connections_of_a_key_stay_while_another_pass_type_pushes_with_it(
    run: Callable[[Steps], None], authority: Authority
) -> None:
    async def steps(service: Rig) -> None:
        await service.certify(authority.pass_certificate(OTHER, TEAM))
        for pass_type, token in ((TYPE, "aa"), (OTHER, "bb")):
            await holding(service, ("one", token), pass_type=pass_type)
            await service.apns_keys.use(TENANT, pass_type, KEY.id)
        points = iter(range(1, 100))

        async def both() -> None:
            service.clock.pass_(2 * 86_400_000)
            for pass_type in (TYPE, OTHER):
                await service.change("1", next(points), pass_type=pass_type)
            await service.dispatcher.work_once()

        await both()
        shown = service.sender.credentials[-1].id
        assert {one.id for one in service.sender.credentials} == {shown}
        await service.apns_keys.use(TENANT, TYPE, None)
        await both()
        await asyncio.sleep(0.05)
        assert service.sender.retired == [], "the other one still pushes with it"
        await service.apns_keys.use(TENANT, OTHER, None)
        await both()
        await until(lambda: service.sender.retired == [shown], "now nobody does")

    run(steps)


def test_another_file_under_the_same_id_gets_other_connections(run: Callable[[Steps], None]) -> None:
    async def steps(service: Rig) -> None:
        await holding(service, ("one", "aa"))
        await service.apns_keys.use(TENANT, TYPE, KEY.id)
        await service.change("1", 5)
        await service.dispatcher.work_once()
        old = service.sender.credentials[-1].id
        await taken(service, Minted())
        service.clock.pass_(2 * 86_400_000)
        await service.change("1", 6)
        await service.dispatcher.work_once()
        assert service.sender.credentials[-1].id != old
        await until(lambda: service.sender.retired == [old], "the old connections are given up")

    run(steps)


def test_bad_tokens_of_one_pass_type_do_not_excuse_those_of_another(
    run: Callable[[Steps], None], authority: Authority
) -> None:
    """So many at once are our mistake, and no phone of that type is buried; one of the other type is just dead."""

    async def steps(service: Rig) -> None:
        await service.certify(authority.pass_certificate(OTHER, TEAM))
        many = [(f"phone{n}", f"{n:02x}") for n in range(20)]
        await holding(service, *many, pass_type=OTHER)
        await holding(service, ("one", "aa"))
        for pass_type in (TYPE, OTHER):
            await service.apns_keys.use(TENANT, pass_type, KEY.id)
        service.sender.answers |= dict.fromkeys([*(token for _, token in many), "aa"], TOKEN_COMPLAINT)
        for pass_type in (OTHER, TYPE):
            await service.change("1", 5, "now", pass_type=pass_type)
            await service.dispatcher.work_once()
        dead = [(await service.target(token, OTHER)).dead_at for _, token in many]
        assert dead.count(None) > 10
        assert (await service.target("aa")).dead_at is not None

    run(steps)
