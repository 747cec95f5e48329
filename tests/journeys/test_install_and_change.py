"""The plain road: a pass is installed, changes, and is shown."""

from __future__ import annotations

import itertools

import pytest

from journeys.world import PASS_TYPE, World, journey, points, shows, until
from livepass.core.timeline import Kind, Trip, fold
from livepass.emulators.iphone import PhoneSettings, Wallet
from livepass.emulators.iphone.quirks import Quirks
from livepass.service.drafting import Wish

UNHURRIED = PhoneSettings(disable_rate_limiting=True)
"""A phone with the Developer menu's switch on: its patience is not what a journey is about."""


@journey
async def test_a_change_is_pushed_asked_for_fetched_and_shown(world: World) -> None:
    """Fails when any of the three trips stays open, takes place twice, or is not written down."""
    phone = await world.holding("1", 100)
    assert points(phone, "1") == 100
    before = await world.timeline("1")
    assert [event.kind for event in before] == [Kind.ISSUED, Kind.REGISTERED, Kind.ASKED, Kind.FETCHED]
    assert world.pushed() == []

    issued = await world.change("1", 200)
    assert (issued.changed, issued.registrations, issued.pushes_due) == (True, 1, 1)
    await shows(phone, "1", 200)

    assert phone.wallet.last_banner == "You have 200 points"
    assert [(push.token, push.topic, push.payload) for push in world.pushed()] == [
        (phone.wallet.push_token, PASS_TYPE, b"{}")
    ]
    await world.nothing_due()
    events = (await world.timeline("1"))[len(before) :]
    # APNs' answer and the phone's ask race to our door: both follow the change, and the fetch follows the ask.
    assert sorted(event.trip for event in events) == sorted([Trip.CHANGE, Trip.PUSH, Trip.ASK, Trip.FETCH])
    assert [event.kind for event in events if event.trip is not Trip.PUSH] == [Kind.CHANGED, Kind.ASKED, Kind.FETCHED]
    assert [event.id for event in events] == sorted(event.id for event in events)
    assert {event.seq for event in events} == {issued.number}

    [held] = await world.held("1")
    everything = await world.timeline("1")
    folded = fold(everything, serial="1", device_id=held.registration.device_id, target=held.target)
    assert folded == held.watermarks
    assert held.watermarks.served == held.watermarks.told == held.watermarks.pushed == issued.number


@journey
async def test_two_passes_that_change_at_once_share_one_push(world: World) -> None:
    """Fails when a push is made per pass, or when the list names only one of them."""
    phone = await world.holding("1", 10)
    await world.issue("2", 20)
    await phone.install(await world.pkpass("2"))
    await phone.settle()
    mark = world.mark()
    wishes = [Wish(PASS_TYPE, serial, data={"points": 99}, patch=True) for serial in ("1", "2")]
    first, second = await world.services.issuing.put_many(wishes)
    assert first.number == second.number  # type: ignore[union-attr]
    await shows(phone, "1", 99)
    await shows(phone, "2", 99)
    await world.nothing_due()
    assert len(world.pushed(mark)) == 1


@journey
async def test_a_change_between_download_and_registration_is_not_missed(world: World) -> None:
    """Fails when a registration is only told of changes that come after it."""
    await world.issue("1", 100)
    downloaded = await world.pkpass("1")
    await world.change("1", 200)
    phone = await world.phone()
    await phone.install(downloaded)
    assert points(phone, "1") == 100
    await shows(phone, "1", 200)
    assert world.pushed() == []


@journey
async def test_nor_when_the_phone_already_holds_a_later_tag(world: World) -> None:
    """Fails when joining takes no number of its own: the phone's tag is later than the change it missed.

    The phone must not come for the pass by itself, or the list would not be what is tested.
    """
    wallet = Wallet(
        [world.authority.root],
        rng=world.rng(),
        settings=UNHURRIED,
        quirks=Quirks({"second-pass-fetches-directly": "no"}),
    )
    phone = await world.phone(wallet)
    await world.issue("other", 1)
    await phone.install(await world.pkpass("other"))
    await phone.settle()
    await world.issue("1", 100)
    downloaded = await world.pkpass("1")
    missed = await world.change("1", 200)
    later = await world.change("other", 2)
    assert later.number > missed.number
    await shows(phone, "other", 2)
    await phone.install(downloaded)
    await shows(phone, "1", 200)


@journey
async def test_changes_within_one_second_are_all_shown(world: World) -> None:
    """Fails when Last-Modified repeats within a second: the phone would be told 304 and keep the older pass."""
    await world.issue("1", 0)
    phone = await world.phone(settings=UNHURRIED)
    await phone.install(await world.pkpass("1"))
    await phone.settle()
    made = []
    for value in range(1, 11):
        made.append(await world.change("1", value, push="now"))
        await shows(phone, "1", value)
        changed = await world.timeline("1")
        seconds = [event.at // 1000 for event in changed if event.kind is Kind.CHANGED]
        if len(seconds) > len(set(seconds)) + 1:
            break
    else:
        pytest.fail("this machine makes no two changes within a second")
    assert all(earlier.last_modified < later.last_modified for earlier, later in itertools.pairwise(made))
    assert len(phone.wallet.banners) == len(made)


@journey
async def test_a_change_that_changes_nothing_moves_nothing(world: World) -> None:
    """Fails when an identical manifest takes a number, a push or a new Last-Modified."""
    phone = await world.holding("1", 100)
    made = await world.change("1", 200)
    await shows(phone, "1", 200)
    await world.nothing_due()
    number, mark, asked = await world.number(), world.mark(), len(phone.wallet.history)

    again = await world.change("1", 200, push="now")
    assert (again.changed, again.number, again.last_modified) == (False, made.number, made.last_modified)
    assert again.pushes_due == 0
    whole = await world.issue("1", 200)
    assert (whole.changed, whole.created, whole.last_modified) == (False, False, made.last_modified)

    assert await world.number() == number
    assert await world.services.issuing.push(PASS_TYPE, None) == 0
    await world.nothing_due()
    assert world.pushed(mark) == []
    assert len(phone.wallet.history) == asked
    async with world.client() as client:
        headers = await world.authorization("1") | {"If-Modified-Since": str(phone.wallet["1"].last_modified)}
        assert (await client.get(f"/v1/passes/{PASS_TYPE}/1", headers=headers)).status_code == 304


@journey
async def test_a_change_is_there_when_the_call_returns(world: World) -> None:
    """Fails when anything is durable only later: another connection to the database must see it at once."""
    await world.issue("1", 100)
    for value in range(20):
        issued = await world.change("1", value)
        assert world.sql("SELECT seq FROM pass") == [(issued.number,)]


@journey
async def test_a_person_who_pulls_to_refresh_needs_no_push(world: World) -> None:
    """Fails when a fetch without an ask is refused, or leaves the pass standing on an earlier trip."""
    phone = await world.holding("1", 100)
    await world.change("1", 200, push="none")
    phone.wallet.pull_to_refresh(PASS_TYPE, "1", phone.clock.now())
    phone.wake()
    await shows(phone, "1", 200)
    [held] = await world.held("1")
    assert held.watermarks.served == held.watermarks.changed > held.watermarks.told
    assert world.pushed() == []
    await until(lambda: phone.wallet.last_banner == "You have 200 points")
