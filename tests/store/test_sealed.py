"""What is sealed, and with which secret key: found by the name in the seal, replaced only where it was not replaced."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

import engines
from livepass.core.console import ConsoleUser
from livepass.core.model import DEFAULT_TENANT, Certificate, Enrolment, SigningRequest, TokenSource
from livepass.core.provider_token import ApnsKey
from livepass.core.sealed import TAGS, TOKENS, Sealable, Sealed, SealedCount, SharedKey
from livepass.core.timeline import TAKEN
from livepass.core.webhooks import Endpoint
from store.hand import T0, TYPE, Hand, opened, version

pytestmark = pytest.mark.usefixtures("engine")

OLD, NEW = "11" * 8, "22" * 8


def sealed(secret: str, content: bytes = b"content") -> bytes:
    """As ``keys.sealing`` lays it out, as far as the store cares."""
    return b"\x01" + bytes.fromhex(secret) + content


def shared(id_: str, purpose: str = TOKENS, secret: str = OLD, at: int = T0) -> SharedKey:
    return SharedKey(id_, purpose, sealed(secret), at)


def certificate(id_: str, secret: str, pass_type: str = TYPE) -> Certificate:
    texts = dict.fromkeys(["team", "common_name", "organization", "issuer", "serial_number"], "x")
    instants = dict.fromkeys(["not_before", "not_after", "intermediate_not_after", "created_at"], T0)
    blank = {"nfc": False, "chain_pem": b"c"}
    return Certificate(id=id_, pass_type=pass_type, key_sealed=sealed(secret), **texts, **instants, **blank)  # type: ignore[arg-type]


def apns_key(id_: str, secret: str) -> ApnsKey:
    return ApnsKey(DEFAULT_TENANT, id_, "TEAM123456", (), "production", sealed(secret), T0, None)


def waiting(id_: str, secret: str, pass_type: str = TYPE, at: int = T0) -> SigningRequest:
    return SigningRequest(id_, pass_type, f"{id_}00", sealed(secret), at)


def user(name: str, secret: str) -> ConsoleUser:
    return ConsoleUser(DEFAULT_TENANT, name, "admin", None, sealed(secret), None, T0, None)


async def imported(hand: Hand, serial: str, secret: str) -> None:
    """A pass that kept the token it came with."""
    made = version(serial)
    row = replace(made.row, token=TokenSource("", b"", sealed(secret, serial.encode())))
    made = replace(made, row=row, creates=True)
    await hand.store.write(lambda tx: tx.put_passes(TYPE, [made], now=T0, push_at=None, urgent=False))


def endpoint(id_: str, secret: str) -> Endpoint:
    return Endpoint(DEFAULT_TENANT, id_, "https://a.example/", None, None, sealed(secret), T0)


async def enrolled(hand: Hand, id_: str, secret: str) -> None:
    """What somebody gave for a pass."""
    row = Enrolment(TYPE, id_, "derived", TAKEN, T0, False, sealed(secret))
    await hand.store.write(lambda tx: tx.put_enrolment(row))


def test_the_first_of_an_id_stays(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path / "a.db") as hand:
            first, late = shared("tokens-1"), replace(shared("tokens-1", secret=NEW), created_at=T0 - 1)
            for key in (first, late, shared("tokens-2", at=T0 + 2), shared("tags-1", TAGS, at=T0 + 1)):
                await hand.store.write(lambda tx, key=key: tx.add_shared_key(key))
            found = await hand.store.shared_keys()
            assert [key.id for key in found] == ["tokens-1", "tags-1", "tokens-2"], "oldest first"
            assert found[0] == first

    asyncio.run(main())


def test_two_transactions_at_once_agree_on_one(tmp_path: Path) -> None:
    """Each writes before it can see the other's."""

    async def main() -> None:
        async with opened(tmp_path / "a.db") as hand:
            other = await engines.open_store(hand.url)
            stores = [hand.store, other] * 4
            keys = [replace(shared("tokens-1"), sealed=sealed(OLD, bytes([n]))) for n in range(len(stores))]

            async def add(store: object, key: SharedKey) -> SharedKey:
                await store.write(lambda tx: tx.add_shared_key(key))  # type: ignore[attr-defined]
                [found] = await store.shared_keys()  # type: ignore[attr-defined]
                return found  # type: ignore[no-any-return]

            found = await asyncio.gather(*(add(store, key) for store, key in zip(stores, keys, strict=True)))
            assert len(set(found)) == 1
            assert found[0] in keys
            await other.close()

    asyncio.run(main())


def test_what_is_sealed_with_what_is_counted_by_kind_and_secret(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path / "a.db") as hand:
            assert await hand.store.sealed_counts() == []
            await hand.put("derived")
            for serial, secret in (("i1", OLD), ("i2", OLD), ("i3", NEW)):
                await imported(hand, serial, secret)
            await hand.store.write(lambda tx: tx.add_shared_key(shared("tokens-1")))
            await hand.store.write(lambda tx: tx.put_certificate(certificate("c1", NEW)))
            await hand.store.write(lambda tx: tx.put_apns_key(apns_key("k1", OLD)))
            await hand.store.write(lambda tx: tx.put_signing_request(waiting("r1", OLD)))
            await hand.store.write(lambda tx: tx.put_console_user(user("u1", NEW)))
            await hand.store.write(lambda tx: tx.put_console_user(replace(user("u2", NEW), totp_sealed=None)))
            await enrolled(hand, "e1", NEW)
            await hand.store.write(lambda tx: tx.put_webhook_endpoint(endpoint("w1", NEW)))
            assert sorted(await hand.store.sealed_counts(), key=repr) == sorted(
                [
                    SealedCount(Sealable.SHARED_KEY, OLD, 1),
                    SealedCount(Sealable.CERTIFICATE, NEW, 1),
                    SealedCount(Sealable.APNS_KEY, OLD, 1),
                    SealedCount(Sealable.SIGNING_REQUEST, OLD, 1),
                    SealedCount(Sealable.TOTP, NEW, 1),
                    SealedCount(Sealable.TOKEN, OLD, 2),
                    SealedCount(Sealable.TOKEN, NEW, 1),
                    SealedCount(Sealable.ENROLMENT, NEW, 1),
                    SealedCount(Sealable.WEBHOOK, NEW, 1),
                ],
                key=repr,
            )

    asyncio.run(main())


async def fill(hand: Hand) -> None:
    """Of each kind: two under the old secret key, one under the new."""
    for n, secret in enumerate((OLD, NEW, OLD), 1):
        await hand.store.write(lambda tx, n=n, secret=secret: tx.add_shared_key(shared(f"tokens-{n}", secret=secret)))
        await hand.store.write(lambda tx, n=n, secret=secret: tx.put_certificate(certificate(f"c{n}", secret)))
        await hand.store.write(lambda tx, n=n, secret=secret: tx.put_apns_key(apns_key(f"k{n}", secret)))
        await hand.store.write(lambda tx, n=n, secret=secret: tx.put_signing_request(waiting(f"r{n}", secret, "")))
        await hand.store.write(lambda tx, n=n, secret=secret: tx.put_console_user(user(f"u{n}", secret)))
        await imported(hand, f"i{n}", secret)
        await enrolled(hand, f"e{n}", secret)
        await hand.store.write(lambda tx, n=n, secret=secret: tx.put_webhook_endpoint(endpoint(f"w{n}", secret)))


NAMES = {
    Sealable.SHARED_KEY: [(TOKENS, "tokens-1"), (TOKENS, "tokens-3")],
    Sealable.CERTIFICATE: [(TYPE, "c1"), (TYPE, "c3")],
    Sealable.APNS_KEY: [(DEFAULT_TENANT, "k1"), (DEFAULT_TENANT, "k3")],
    Sealable.SIGNING_REQUEST: [("", "r1"), ("", "r3")],
    Sealable.TOTP: [(DEFAULT_TENANT, "u1"), (DEFAULT_TENANT, "u3")],
    Sealable.TOKEN: [(TYPE, "i1"), (TYPE, "i3")],
    Sealable.ENROLMENT: [(TYPE, "e1"), (TYPE, "e3")],
    Sealable.WEBHOOK: [(DEFAULT_TENANT, "w1"), (DEFAULT_TENANT, "w3")],
}


@pytest.mark.parametrize("kind", list(Sealable))
def test_what_another_secret_sealed_is_found_page_by_page(tmp_path: Path, kind: Sealable) -> None:
    async def main() -> None:
        async with opened(tmp_path / "a.db") as hand:
            await hand.put("derived")
            await fill(hand)
            found = await hand.store.sealed_otherwise(kind, NEW, after=("", ""), limit=10)
            assert [(one.within, one.id) for one in found] == NAMES[kind]
            assert {one.sealed[1:9].hex() for one in found} == {OLD}
            after, paged = ("", ""), []
            while page := await hand.store.sealed_otherwise(kind, NEW, after=after, limit=1):
                after = (page[0].within, page[0].id)
                paged += page
            assert paged == found
            assert len(await hand.store.sealed_otherwise(kind, OLD, after=("", ""), limit=10)) == 1

    asyncio.run(main())


@pytest.mark.parametrize("kind", list(Sealable))
def test_a_new_seal_takes_the_place_of_the_one_that_was_read(tmp_path: Path, kind: Sealable) -> None:
    async def main() -> None:
        async with opened(tmp_path / "a.db") as hand:
            await fill(hand)
            first, last = await hand.store.sealed_otherwise(kind, NEW, after=("", ""), limit=10)
            meanwhile = sealed(OLD, b"replaced meanwhile")
            await hand.store.write(lambda tx: tx.reseal(kind, [(last, meanwhile)]))
            renewed = [(last, sealed(NEW, b"late")), (first, sealed(NEW, b"renewed"))]
            await hand.store.write(lambda tx: tx.reseal(kind, renewed))
            assert await hand.store.sealed_otherwise(kind, NEW, after=("", ""), limit=10) == [
                Sealed(kind, last.within, last.id, meanwhile)
            ]
            contents = [
                one.sealed for one in await hand.store.sealed_otherwise(kind, "0" * 16, after=("", ""), limit=9)
            ]
            assert contents[0] == sealed(NEW, b"renewed")

    asyncio.run(main())


def test_a_signing_request_waits_until_it_is_removed(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path / "a.db") as hand:
            store = hand.store
            late, early, other = waiting("r1", OLD, at=T0 + 1), waiting("r2", OLD), waiting("r3", OLD, "pass.other")
            for each in (late, early, other):
                await store.write(lambda tx, each=each: tx.put_signing_request(each))
            assert await store.signing_requests() == [early, other, late], "oldest first"
            assert await store.signing_requests(within=[TYPE]) == [early, late]
            assert await store.signing_requests(within=[]) == []
            assert await store.write(lambda tx: tx.remove_signing_request("r2")) is True
            assert await store.write(lambda tx: tx.remove_signing_request("r2")) is False
            assert await store.signing_requests(within=[TYPE, "pass.other"]) == [other, late]

    asyncio.run(main())


def test_a_pass_that_is_sealed_anew_did_not_change(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path / "a.db") as hand:
            await imported(hand, "i1", OLD)
            before = await hand.store.pass_(TYPE, "i1")
            [old] = await hand.store.sealed_otherwise(Sealable.TOKEN, NEW, after=("", ""), limit=10)
            await hand.store.write(lambda tx: tx.reseal(Sealable.TOKEN, [(old, sealed(NEW))]))
            after = await hand.store.pass_(TYPE, "i1")
            assert before is not None
            assert after == replace(before, token=TokenSource("", b"", sealed(NEW)))
            assert (await hand.store.counter(TYPE)).seq == before.seq

    asyncio.run(main())
