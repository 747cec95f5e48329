"""Phones come, go, change their push token, are restored, switched off and on: whoever holds a pass is reached."""

from __future__ import annotations

import asyncio

from journeys.world import PASS_TYPE, World, journey, points, shows, until, without_proxy
from livepass.core.timeline import Kind
from livepass.emulators.iphone import PhoneRunner, Wallet


async def holding_two(world: World) -> PhoneRunner:
    phone = await world.holding("1", 10)
    await world.issue("2", 20)
    await phone.install(await world.pkpass("2"))
    await phone.settle()
    return phone


@journey
async def test_all_passes_follow_a_new_push_token(world: World) -> None:
    """Fails when a pass stays with the old token, or anything is ever pushed to it again."""
    phone = await holding_two(world)
    old = phone.wallet.push_token
    await world.change("1", 11)
    await shows(phone, "1", 11)
    await phone.replace_push_token()
    new = phone.wallet.push_token
    await until(lambda: all(held.registered for held in phone.wallet.passes.values()))
    await phone.settle()
    mark = world.mark()

    await world.change("1", 12, push="now")
    await shows(phone, "1", 12)
    await world.change("2", 22, push="now")
    await shows(phone, "2", 22)

    await world.nothing_due()
    assert old != new
    assert {push.token for push in world.pushed(mark)} == {new}
    assert world.sql("SELECT push_token FROM push_target") == [(new,)]
    kinds = [event.kind for event in await world.timeline("1")]
    assert kinds.count(Kind.TOKEN_CHANGED) == 1


@journey
async def test_one_registration_with_the_new_token_is_enough(world: World) -> None:
    """Fails when the token is kept per pass: only one of the phone's passes is registered again."""
    phone = await holding_two(world)
    record = next(iter(phone.wallet.records.values()))
    old, new = phone.wallet.push_token, "ab" * 32
    world.apns.register_device(new, [PASS_TYPE])
    async with world.client() as client:
        assert await world.register(client, record.device_id, "1", new) == 200
    mark = world.mark()
    await world.change("2", 22)
    await until(lambda: world.pushed(mark), "a push for the other pass")
    await world.nothing_due()
    assert {push.token for push in world.pushed(mark)} == {new}
    assert world.pushed(mark, old) == []


@journey
async def test_a_push_that_was_owed_to_the_old_token_goes_to_the_new_one(world: World) -> None:
    """Fails when what is due is lost with the token it was due to. The phone must not ask by itself, so it is ours."""
    await world.issue("1", 1)
    old, new = "aa" * 32, "bb" * 32
    world.apns.register_device(old, [PASS_TYPE])
    world.apns.register_device(new, [PASS_TYPE])
    world.apns.chaos.set("status:503", count=1)
    async with world.client() as client:
        assert await world.register(client, "phone", "1", old) == 201
        changed = await world.change("1", 2)
        await until(lambda: world.pushed(token=old), "the first try")
        await world.nothing_due()
        mark = world.mark()
        assert await world.register(client, "phone", "1", new) == 200
    joined = changed.number + 1
    assert await world.services.issuing.push(PASS_TYPE, "1") == 1
    await until(lambda: world.sql("SELECT pushed FROM push_target") == [(joined,)], "a push to the new token")
    await world.nothing_due()
    assert {push.token for push in world.pushed(mark)} == {new}


@journey
async def test_two_device_ids_with_one_push_token_get_one_push(world: World) -> None:
    """Fails when a push is made per device id, or when a push token is thought to be unique."""
    phone = await world.holding("1", 10)
    token = phone.wallet.push_token
    async with world.client() as client:
        assert await world.register(client, "another-record", "1", token) == 201
    mark = world.mark()
    for value in (11, 12):
        await world.change("1", value, push="now")
        await shows(phone, "1", value)
        await world.nothing_due()
    assert [push.token for push in world.pushed(mark)] == [token, token]
    assert await world.registrations("1") == 2


@journey
async def test_a_restored_phone_with_the_same_token_gets_one_push(world: World) -> None:
    """Fails when the old record's share of the token is pushed as well: the phone keeps only the newer record."""
    old = await world.holding("1", 10)
    wallet = old.wallet.restore_onto_new_phone(old.clock.now(), world.rng(), push_token=old.wallet.push_token)
    old.set_airplane_mode(True)
    new = await world.phone(wallet)
    await until(lambda: new.wallet["1"].registered)
    await new.settle()
    mark = world.mark()
    await world.change("1", 11)
    await shows(new, "1", 11)
    await world.nothing_due()
    assert len(world.pushed(mark)) == 1
    assert points(old, "1") == 10


@journey
async def test_a_backup_on_another_phone_leaves_both_up_to_date(world: World) -> None:
    """Fails when the second phone takes the place of the first, or keeps its tag and so misses what came before."""
    first = await world.holding("1", 10)
    backup = first.wallet
    await world.change("1", 11)
    await shows(first, "1", 11)
    second = await world.phone(backup.restore_onto_new_phone(first.clock.now(), world.rng()))
    await until(lambda: second.wallet["1"].registered)
    await second.settle()
    assert await world.registrations("1") == 2
    mark = world.mark()
    await world.change("1", 12, push="now")
    await shows(first, "1", 12)
    await shows(second, "1", 12)
    await world.nothing_due()
    tokens = {first.wallet.push_token, second.wallet.push_token}
    assert len(tokens) == len(world.pushed(mark)) == 2
    assert {push.token for push in world.pushed(mark)} == tokens


@journey
async def test_an_old_backup_catches_up_although_its_tag_is_old(world: World) -> None:
    """Fails when a tag that another device got is not a tag like any other."""
    first = await world.holding("1", 10)
    old = first.wallet.restore_onto_new_phone(first.clock.now(), world.rng())
    for value in (11, 12):
        await world.change("1", value, push="now")
        await shows(first, "1", value)
    second = await world.phone(old)
    await shows(second, "1", 12)


@journey
async def test_automatic_updates_off_and_on_again(world: World) -> None:
    """Fails when DELETE is not taken, or when the phone that comes back is not told what it missed."""
    phone = await world.holding("1", 10)
    phone.wallet.set_automatic_updates(PASS_TYPE, "1", False, phone.clock.now())
    phone.wake()
    await phone.settle()
    assert await world.registrations("1") == 0
    issued = await world.change("1", 11)
    assert (issued.changed, issued.registrations, issued.pushes_due) == (True, 0, 0)
    await world.nothing_due()
    await phone.settle()
    assert points(phone, "1") == 10

    phone.wallet.set_automatic_updates(PASS_TYPE, "1", True, phone.clock.now())
    phone.wake()
    await shows(phone, "1", 11)
    assert await world.registrations("1") == 1
    await world.change("1", 12, push="now")
    await shows(phone, "1", 12)


@journey
async def test_a_pass_deleted_on_the_phone_leaves_the_others_alone(world: World) -> None:
    """Fails when the deleted pass is still counted, or its phone stops hearing of the pass that it kept.

    Its tombstone is still listed: the phone keeps quiet about it, as it does for an hour.
    """
    phone = await holding_two(world)
    phone.wallet.delete(PASS_TYPE, "2", phone.clock.now())
    phone.wake()
    await phone.settle()
    assert (await world.registrations("1"), await world.registrations("2")) == (1, 0)
    await world.change("2", 22)
    await world.change("1", 11, push="now")
    await shows(phone, "1", 11)
    kinds = [event.kind for event in await world.timeline("2")]
    assert kinds.count(Kind.UNREGISTERED) == 1


@journey
async def test_a_pass_deleted_and_added_again_starts_anew(world: World) -> None:
    """Fails when the tombstone of the first copy beats the registration of the second."""
    phone = await world.holding("1", 10)
    phone.wallet.delete(PASS_TYPE, "1", phone.clock.now())
    phone.wake()
    await phone.settle()
    downloaded = await world.pkpass("1")
    await world.change("1", 11)
    await phone.install(downloaded)
    await shows(phone, "1", 11)
    assert await world.registrations("1") == 1
    await world.change("1", 12, push="now")
    await shows(phone, "1", 12)


@journey
async def test_a_phone_that_was_offline_gets_one_push_and_catches_up(world: World) -> None:
    """Fails when pushes are sent with no time to live, or when an unanswered push stops the later ones."""
    phone = await world.holding("1", 10)
    token = phone.wallet.push_token
    phone.set_airplane_mode(True)
    world.apns.set_offline(token)
    mark, asked = world.mark(), len(phone.wallet.history)
    for value in (11, 12, 13):
        await world.change("1", value, push="now")
        await world.nothing_due()
    assert points(phone, "1") == 10
    assert len(world.pushed(mark)) == 3
    world.apns.set_offline(token, False)
    phone.set_airplane_mode(False)
    await shows(phone, "1", 13)
    await world.nothing_due()
    fates = [push.push.fate for push in world.pushed(mark) if push.push]
    assert fates == ["overwritten", "overwritten", "delivered"]
    assert [call.request.kind for call in phone.wallet.history[asked:]] == ["ask", "fetch"]


@without_proxy("it stamps requests, and one that started before the phone registered last takes no number")
@journey
async def test_first_registrations_at_the_same_time(world: World) -> None:
    """Fails when two registrations race for a row or a number: a 5xx, two 201 for one device, or a gap (the books)."""
    await world.issue("1", 1)
    async with world.client() as client:
        two = await asyncio.gather(*(world.register(client, device, "1", "ab" * 32) for device in ("a", "b")))
        assert two == [201, 201]
        same = await asyncio.gather(*(world.register(client, "c", "1", "cd" * 32) for _ in range(2)))
        assert sorted(same) == [200, 201]
        crowd = await asyncio.gather(*(world.register(client, f"d{n // 3}", "1", f"{n // 3:064x}") for n in range(60)))
        assert sorted(crowd) == [200] * 40 + [201] * 20
    assert await world.registrations("1") == 23
    assert await world.number() == 1 + 2 + 2 + 60, "who registers again joins again"


@journey
async def test_registering_and_leaving_at_the_same_time(world: World) -> None:
    """Fails when a DELETE and a POST of one pass leave a mixture: the one that came last decides, each gets 200."""
    await world.issue("1", 1)
    path = f"/v1/devices/a/registrations/{PASS_TYPE}/1"
    headers = await world.authorization("1")
    async with world.client() as client:
        assert await world.register(client, "a", "1", "ab" * 32) == 201
        for _ in range(10):
            left, joined = await asyncio.gather(
                client.delete(path, headers=headers), world.register(client, "a", "1", "ab" * 32)
            )
            assert left.status_code == 200
            assert joined in (200, 201)
            assert await world.register(client, "a", "1", "ab" * 32) in (200, 201)
            assert await world.registrations("1") == 1


@journey
async def test_two_pass_types_on_one_phone_keep_to_themselves(world: World) -> None:
    """Fails when numbers, tags or pushes of one pass type leak into another."""
    other_type = "pass.test.other"
    await world.certify(other_type)
    phone = await world.holding("1", 10)
    await world.issue("1", 70, other_type)
    await phone.install(await world.pkpass("1", other_type))
    await phone.settle()
    number, mark = await world.number(), world.mark()
    await world.change("1", 71, other_type)
    await until(lambda: phone.wallet.passes[other_type, "1"].field("points") == 71)
    await phone.settle()
    await world.nothing_due()
    assert phone.wallet.passes[PASS_TYPE, "1"].field("points") == 10
    assert {push.topic for push in world.pushed(mark)} == {other_type}
    assert await world.number() == number


@journey
async def test_a_wiped_phone_does_not_hold_up_the_others(world: World) -> None:
    """Fails when one dead token among the holders of a pass stops the pushes behind it."""
    phones = [await world.holding("1", 10)]
    for _ in range(2):
        phone = await world.phone(Wallet([world.authority.root], rng=world.rng()))
        await phone.install(await world.pkpass("1"))
        await phone.settle()
        phones.append(phone)
    await phones[1].wipe()
    await world.change("1", 11)
    await shows(phones[0], "1", 11)
    await shows(phones[2], "1", 11)
