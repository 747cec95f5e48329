"""A rewards card, end to end over real sockets: offered, signed up for, signed, pushed, and fetched as the person's."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from journeys.world import PASS_TYPE, Answer, World, journey, shows, until
from livepass.core.testimony import read_line
from livepass.core.timeline import Kind
from livepass.emulators.iphone import PhoneRunner
from service.rewards import openssl_verifies, rewards

ADA = {"fullName": "Ada Q. Lovelace", "givenName": "Ada", "familyName": "Lovelace", "emailAddress": "ada@example.com"}
END = "-----END CERTIFICATE-----\n"
PHONE_NUMBER = {"phoneNumber": "+43 1 123456"}


def name(phone: PhoneRunner, serial: str = "r-1") -> object:
    return phone.wallet[serial].field("member")


async def offered(world: World, *serials: str) -> PhoneRunner:
    """A phone with cards that offer to sign up, registered."""
    await world.services.publishing.publish(rewards(), wait=True)
    phone = await world.phone()
    for serial in serials:
        await world.issue(serial, 5, template="rewards")
        await phone.install(await world.pkpass(serial))
    await phone.settle()
    return phone


async def sign_up(phone: PhoneRunner, info: dict[str, str], serial: str = "r-1") -> int | None:
    phone.wallet.personalize(PASS_TYPE, serial, info, phone.clock.now())
    phone.wake()
    await phone.settle()
    return [one.status for one in phone.wallet.history if one.request.kind == "personalize"][-1]


class Heard:
    """What went over the wire of one call, as somebody between phone and service sees it."""

    def __init__(self) -> None:
        self.signature = b""

    def __call__(self, scope: Any, answer: Answer) -> None:
        if scope["path"].endswith("/personalize"):
            self.signature = answer.body


@journey()
async def test_signing_up_makes_the_card_the_persons(world: World) -> None:
    phone = await offered(world, "r-1")
    assert name(phone) == "Guest"
    form = phone.wallet.offers(PASS_TYPE, "r-1")
    assert form is not None and form.description == "Join, and collect points."
    before, mark, heard = await world.number(), world.mark(), Heard()

    with world.spoiled(heard):
        assert await sign_up(phone, ADA | PHONE_NUMBER) == 200
    [call] = [one.request for one in phone.wallet.history if one.request.kind == "personalize"]
    sent = json.loads(call.body or b"")
    assert "phoneNumber" not in sent["requiredPersonalizationInfo"], "what was not asked for"
    [certificate] = await world.services.store.certificates(PASS_TYPE)
    leaf, intermediate = (f"{part}{END}".encode() for part in certificate.chain_pem.decode().split(END)[:2])
    token = sent["personalizationToken"].encode()
    assert openssl_verifies(heard.signature, token, leaf, intermediate, world.directory)

    await until(lambda: name(phone) == "Ada Q. Lovelace", "the card shows the name")
    await until(lambda: world.pushed(after=mark), "it was pushed")
    await until(lambda: [x for x in phone.wallet.history if x.request.kind == "ask" and x.status == 200][1:], "asked")
    await phone.settle()
    card = phone.wallet["r-1"].package
    assert not [file for file in card.files if "personalization" in file]
    assert phone.wallet.offers(PASS_TYPE, "r-1") is None
    assert await world.number() == before + 1, "one number for all of it"
    kinds = [event.kind for event in await world.timeline("r-1")]
    assert kinds.index(Kind.PERSONALIZED) < kinds.index(Kind.PUSH_ACCEPTED, kinds.index(Kind.PERSONALIZED))


@journey()
async def test_the_other_phone_with_the_card_hears_of_it_and_may_still_sign_up(world: World) -> None:
    first = await offered(world, "r-1")
    second = await world.phone()
    await second.install(await world.pkpass("r-1"))
    await second.settle()
    await world.nothing_due()
    second.set_airplane_mode(True)
    assert await sign_up(first, ADA) == 200
    await until(lambda: name(first) == "Ada Q. Lovelace", "the first phone shows the name")
    # The other one filled in its form before it heard: signed and kept, and the card is whose it is.
    second.wallet.personalize(PASS_TYPE, "r-1", ADA | {"fullName": "Charles Babbage"}, second.clock.now())
    second.set_airplane_mode(False)
    await until(lambda: name(second) == "Ada Q. Lovelace", "the other phone shows the first one's name")
    await second.settle()
    kept = await world.services.store.enrolments_of(PASS_TYPE, "r-1")
    assert [one.on_pass for one in kept] == [True, False]


@journey(content=False)
async def test_a_spoiled_signature_is_complained_of_and_the_card_is_the_persons_all_the_same(world: World) -> None:
    phone = await offered(world, "r-1")

    def spoil(scope: Any, answer: Answer) -> None:
        if scope["path"].endswith("/personalize"):
            answer.body = answer.body[:-1] + bytes([answer.body[-1] ^ 1])

    with world.spoiled(spoil):
        assert await sign_up(phone, ADA) == 200
    await until(lambda: name(phone) == "Ada Q. Lovelace", "the card shows the name")
    await phone.settle()
    [line] = phone.wallet.complaints
    assert read_line(line).code == "W0"
    said = [event.detail["code"] for event in await world.timeline("r-1") if event.kind is Kind.TESTIFIED]
    assert said == ["W0"]


@journey(content=False)
async def test_a_phone_with_a_token_that_is_not_the_passs_is_refused_and_does_not_come_again(world: World) -> None:
    phone = await offered(world, "r-1")
    phone.wallet["r-1"].token = "x" * 43
    assert await sign_up(phone, ADA) == 401
    await asyncio.sleep(0)
    assert [one.status for one in phone.wallet.history if one.request.kind == "personalize"] == [401]
    assert read_line(phone.wallet.complaints[0]).code == "T0"
    assert await world.services.store.enrolments_of(PASS_TYPE, "r-1") == []
    assert Kind.PERSONALIZE_REFUSED in [event.kind for event in await world.timeline("r-1")]


@journey()
async def test_many_sign_up_while_the_issuer_changes_cards(world: World) -> None:
    serials = [f"r-{n}" for n in range(6)]
    phone = await offered(world, *serials)
    for serial in serials:
        phone.wallet.personalize(PASS_TYPE, serial, ADA | {"fullName": f"Member {serial}"}, phone.clock.now())
    phone.wake()
    await asyncio.gather(*(world.change(serial, 50 + n) for n, serial in enumerate(serials)))
    await phone.settle()
    for n, serial in enumerate(serials):
        await shows(phone, serial, 50 + n)
        assert name(phone, serial) == f"Member {serial}"
    assert {one.status for one in phone.wallet.history if one.request.kind == "personalize"} == {200}
