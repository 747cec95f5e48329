"""Enrolments: signed, kept sealed, on the pass, and told of, all before the phone is answered; or nothing of it."""

from __future__ import annotations

import asyncio
import json
import logging
from pathlib import Path
from typing import Any

import pytest

from livepass.core.change import http_date
from livepass.core.personalize import MOST_OF_A_PASS, read_asked
from livepass.core.timeline import Kind
from livepass.core.unavailable import Unavailable
from livepass.emulators.authority import Issued
from livepass.pkpass import read, verify
from livepass.service.drafting import Wish
from service.rewards import ADA, DECLARED, SECRETS, card, enrol, form, openssl_verifies, pems, rewards
from service.rig import TYPE, Rig, rig


def shown(pkpass: bytes) -> tuple[Any, Any]:
    """(name, mail) on a package that a phone takes."""
    package = read(pkpass)
    verify(package)
    document: Any = package.document
    card = document["storeCard"]
    return card["secondaryFields"][0]["value"], card["backFields"][0]["value"]


def files_of(pkpass: bytes) -> set[str]:
    return set(read(pkpass).files)


async def opened(service: Rig, serial: str = "1") -> list[Any]:
    return [service.keys.open_enrolment(one) for one in await service.store.enrolments_of(TYPE, serial)]


def test_an_enrolment_is_signed_kept_shown_and_pushed(tmp_path: Path, pass_certificate: Issued) -> None:
    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            issued = await card(service)
            await service.register("1")
            _, tag = await service.ask()
            before = await service.fetch("1")
            assert shown(before.body) == ("Guest", "")
            assert "personalization.json" in files_of(before.body)

            reply = await enrol(service)
            assert reply.status == 200
            assert dict(reply.headers) == {b"content-type": b"application/octet-stream"}
            assert openssl_verifies(reply.body, b"VG9rZW4tMQ", *pems(pass_certificate), tmp_path)
            assert not openssl_verifies(reply.body, b"VG9rZW4tMg", *pems(pass_certificate), tmp_path)

            row = await service.store.pass_(TYPE, "1")
            assert row is not None and row.seq > issued.number
            [kept] = await service.store.enrolments_of(TYPE, "1")
            assert (kept.id, kept.number, kept.on_pass) == (row.enrolled, row.seq, True)
            assert read_asked(service.keys.open_enrolment(kept)).info == ADA
            assert await service.dispatcher.work_once() == 1, "its push is due at once"
            assert (await service.ask(tag=tag))[0] == ["1"]
            after = await service.fetch("1", http_date(issued.last_modified))
            assert after.status == 200, "another version, by its date"
            assert shown(after.body) == ("Ada Q. Lovelace", "ada.lovelace@example.com")
            assert not [name for name in files_of(after.body) if "personalization" in name]
            assert files_of(before.body) - files_of(after.body) == {
                "personalization.json",
                "personalizationLogo@2x.png",
                "en.lproj/personalizationLogo@2x.png",
            }

    asyncio.run(main())


def test_what_somebody_gave_stands_nowhere_but_sealed(
    tmp_path: Path, pass_certificate: Issued, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)

    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            await card(service)
            await service.register("1")
            assert (await enrol(service)).status == 200
            await enrol(service, form({**ADA, "givenName": "Augusta"}, token="another"))
            # Changes of the issuer's say what was there before: also that, without values.
            await service.issuing.put(Wish(TYPE, "1", data={"points": 2, "fullName": "Member 1"}, patch=True))
            await service.issuing.put(Wish(TYPE, "1", data={"points": 3}))
            await service.issuing.preview(Wish(TYPE, "1", data={"points": 3, "fullName": "x"}))
            await service.fetch("1")
            said = repr(await service.timeline("1"))
            assert "⟦fullName⟧" in said, "which field it was is said"
            disk = service.on_disk()
            for secret in SECRETS:
                assert secret not in said and secret not in caplog.text
                assert secret.encode() not in disk
            [event] = [one for one in await service.timeline("1") if one.kind is Kind.PERSONALIZED]
            assert event.detail["fields"] == ["fullName", "givenName", "familyName", "emailAddress"]
            assert event.detail["on_pass"] == ["fullName", "emailAddress"]

    asyncio.run(main())


def test_a_later_change_keeps_what_was_given_and_brings_no_form_back(tmp_path: Path, pass_certificate: Issued) -> None:
    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            await card(service)
            await enrol(service)
            await service.issuing.put(Wish(TYPE, "1", data={"points": 9}))
            assert shown((await service.fetch("1")).body) == ("Ada Q. Lovelace", "ada.lovelace@example.com")
            await service.publishing.publish(rewards(description="Rewards, anew"), wait=True)
            body = (await service.fetch("1")).body
            assert read(body).document["description"] == "Rewards, anew"
            assert shown(body)[0] == "Ada Q. Lovelace"
            assert not [name for name in files_of(body) if "personalization" in name]
            unchanged = await service.issuing.put(Wish(TYPE, "1", data={"points": 9}))
            assert not unchanged.changed

    asyncio.run(main())


def test_the_issuer_has_the_last_word(tmp_path: Path, pass_certificate: Issued) -> None:
    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            await card(service, fullName="Member 42")
            await enrol(service)
            assert shown((await service.fetch("1")).body) == ("Member 42", "ada.lovelace@example.com")
            await service.issuing.put(Wish(TYPE, "1", data={"emailAddress": "desk@example.com"}, patch=True))
            assert shown((await service.fetch("1")).body)[1] == "desk@example.com"
            await service.issuing.put(Wish(TYPE, "1", data={"points": 1}))
            assert shown((await service.fetch("1")).body) == ("Ada Q. Lovelace", "ada.lovelace@example.com")

    asyncio.run(main())


def test_only_declared_variables_that_take_any_text_are_filled(tmp_path: Path, pass_certificate: Issued) -> None:
    number = {**DECLARED, "emailAddress": {"type": "number", "default": 0}}

    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            await card(service, offer=rewards(declared=number))
            assert (await enrol(service)).status == 200
            assert shown((await service.fetch("1")).body) == ("Ada Q. Lovelace", 0)

    asyncio.run(main())


def test_what_does_not_fit_on_the_pass_is_left_out_and_kept(tmp_path: Path, pass_certificate: Issued) -> None:
    """Wallet takes no barcode that cannot be encoded: the pass is changed without, and nobody is refused."""
    barcode = {"format": "PKBarcodeFormatQR", "message": "${fullName}", "messageEncoding": "iso-8859-1"}

    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            await card(service, offer=rewards(barcode=barcode))
            reply = await enrol(service, form({"fullName": "Ада Лавлейс"}))
            fetched = await service.fetch("1")
            assert (reply.status, shown(fetched.body)[0]) == (200, "Guest")
            assert "personalization.json" not in files_of(fetched.body)
            assert read_asked((await opened(service))[0]).info == {"fullName": "Ада Лавлейс"}
            result = await service.issuing.put(Wish(TYPE, "1", data={"points": 2}, patch=True))
            assert [fault.rule for fault in result.warnings] == ["enrolment"]

    asyncio.run(main())


@pytest.mark.parametrize("info", [{}, None, {"shoeSize": 38, "fullName": 7}])
def test_whoever_gives_nothing_has_enrolled_too(tmp_path: Path, pass_certificate: Issued, info: Any) -> None:
    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            await card(service)
            assert (await enrol(service, form(info))).status == 200
            assert read_asked((await opened(service))[0]).info == (info or {})
            assert "personalization.json" not in files_of((await service.fetch("1")).body)

    asyncio.run(main())


# ── a second one


def test_a_second_enrolment_is_kept_and_the_first_stays_on_the_pass(tmp_path: Path, pass_certificate: Issued) -> None:
    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            await card(service)
            await enrol(service)
            before = await service.store.pass_(TYPE, "1")
            assert before is not None
            reply = await enrol(service, form({"fullName": "Charles Babbage"}, token="token-2"))
            assert reply.status == 200
            assert openssl_verifies(reply.body, b"token-2", *pems(pass_certificate), tmp_path)
            assert await service.store.pass_(TYPE, "1") == before, "no phone is called for what it has"
            assert [read_asked(one).info for one in await opened(service)] == [ADA, {"fullName": "Charles Babbage"}]
            assert [one.on_pass for one in await service.store.enrolments_of(TYPE, "1")] == [True, False]
            again = (await service.timeline("1"))[-1]
            assert (again.kind, again.detail["fields"]) == (Kind.ENROLLED_AGAIN, ["fullName"])
            [_, last] = await service.store.enrolments_of(TYPE, "1")
            assert again.seq == last.number > before.seq, "no number is taken for nothing"
            assert shown((await service.fetch("1")).body)[0] == "Ada Q. Lovelace"

    asyncio.run(main())


def test_a_call_that_somebody_repeats_is_answered_and_kept_once(tmp_path: Path, pass_certificate: Issued) -> None:
    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            await card(service)
            for _ in range(3):
                reply = await enrol(service)
                assert reply.status == 200
                assert openssl_verifies(reply.body, b"VG9rZW4tMQ", *pems(pass_certificate), tmp_path)
            assert len(await opened(service)) == 1
            assert (await service.kinds("1")).count("personalized") == 1

    asyncio.run(main())


def test_so_many_are_kept_of_a_pass_and_no_more_are_acknowledged(tmp_path: Path, pass_certificate: Issued) -> None:
    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            await card(service)
            bodies = [form(token=f"token-{n}") for n in range(MOST_OF_A_PASS + 3)]
            replies = await asyncio.gather(*(enrol(service, body) for body in bodies))
            assert sorted(reply.status for reply in replies) == [200] * MOST_OF_A_PASS + [503] * 3
            assert len(await opened(service)) == MOST_OF_A_PASS
            assert (await service.kinds("1")).count("personalize_failed") == 3
            assert (await enrol(service, form(token="token-99"))).status == 503

    asyncio.run(main())


def test_of_two_phones_at_once_one_is_on_the_pass(tmp_path: Path, pass_certificate: Issued) -> None:
    """Each of two processes draws the first enrolment; one has to see that it is not."""

    async def main() -> None:
        async with (
            rig(tmp_path, pass_certificate) as one,
            rig(tmp_path, None, publish=False, clock=one.clock, seed=2) as two,
        ):
            await card(one)
            for serial in map(str, range(2, 8)):
                await one.issuing.put(Wish(TYPE, serial, template="rewards", data={"points": 1}))
                names = [{"fullName": "Ada"}, {"fullName": "Charles"}]
                replies = await asyncio.gather(
                    *(enrol(at, form(name), serial) for at, name in zip((one, two), names, strict=True))
                )
                assert [reply.status for reply in replies] == [200, 200]
                kept = await one.store.enrolments_of(TYPE, serial)
                assert sorted(one.on_pass for one in kept) == [False, True]
                row = await one.store.pass_(TYPE, serial)
                assert row is not None
                [first] = [each for each in kept if each.on_pass]
                assert (row.enrolled, row.seq) == (first.id, first.number)
                name = read_asked(one.keys.open_enrolment(first)).info["fullName"]
                assert shown((await one.fetch(serial)).body)[0] == name

    asyncio.run(main())


def test_an_issuer_and_a_phone_at_once_lose_nothing(tmp_path: Path, pass_certificate: Issued) -> None:
    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            await card(service)
            for serial in map(str, range(2, 6)):
                await service.issuing.put(Wish(TYPE, serial, template="rewards", data={"points": 1}))
                changes = [service.issuing.put(Wish(TYPE, serial, data={"points": n}, patch=True)) for n in (5, 6)]
                reply, *_ = await asyncio.gather(enrol(service, serial=serial), *changes)
                body = (await service.fetch(serial)).body
                assert (reply.status, shown(body)[0]) == (200, "Ada Q. Lovelace")
                document: Any = read(body).document
                assert document["storeCard"]["primaryFields"][0]["value"] in (5, 6)

    asyncio.run(main())


# ── refused, and nothing kept


async def untouched(service: Rig, before: Any) -> None:
    assert await service.store.pass_(TYPE, "1") == before
    assert service.elsewhere("SELECT count(*) FROM enrolment") == [(0,)]
    assert "personalized" not in await service.kinds("1")


@pytest.mark.parametrize("allowed", ["ApplePass wrong-token-wrong-token", "", "Bearer x"])
def test_a_wrong_token_and_a_stranger_are_answered_alike(
    tmp_path: Path, pass_certificate: Issued, allowed: str
) -> None:
    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            await card(service)
            before = await service.store.pass_(TYPE, "1")
            refused = await enrol(service, allowed=allowed)
            stranger = await enrol(service, serial="nobody", allowed=allowed)
            garbage = await enrol(service, b"{", allowed=allowed)
            assert refused == stranger == garbage
            assert (refused.status, refused.body) == (401, b"")
            await untouched(service, before)
            assert (await service.kinds("1")).count("personalize_refused") == 2

    asyncio.run(main())


def test_what_cannot_be_read_is_400_and_noted(tmp_path: Path, pass_certificate: Issued) -> None:
    manifest = json.dumps({"pass.json": "0" * 40})

    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            await card(service)
            before = await service.store.pass_(TYPE, "1")
            for body in (b"", b"{", form(token=""), form(token=manifest)):
                reply = await enrol(service, body)
                assert (reply.status, reply.body) == (400, b"")
            await untouched(service, before)
            assert (await service.kinds("1")).count("personalize_refused") == 4

    asyncio.run(main())


def test_a_pass_that_never_offered_one_signs_nothing(tmp_path: Path, pass_certificate: Issued) -> None:
    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            await card(service, offer=rewards(form=None))
            before = await service.store.pass_(TYPE, "1")
            assert before is not None and before.enrolled is None
            reply = await enrol(service)
            assert (reply.status, reply.body) == (400, b"")
            await untouched(service, before)

    asyncio.run(main())


def test_a_form_that_was_taken_back_meanwhile_is_still_taken_in(tmp_path: Path, pass_certificate: Issued) -> None:
    """Somebody filled it in: the phone held the version before."""

    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            await card(service)
            await service.publishing.publish(rewards(form=None), wait=True)
            assert "personalization.json" not in files_of((await service.fetch("1")).body)
            assert (await enrol(service)).status == 200
            assert shown((await service.fetch("1")).body)[0] == "Ada Q. Lovelace"

    asyncio.run(main())


def test_what_cannot_be_signed_is_not_kept(
    tmp_path: Path, pass_certificate: Issued, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            await card(service)
            before = await service.store.pass_(TYPE, "1")
            service.without_certificate()
            reply = await enrol(service)
            assert (reply.status, reply.body) == (503, b"")
            await untouched(service, before)
            [event] = [one for one in await service.timeline("1") if one.kind is Kind.PERSONALIZE_FAILED]
            assert event.detail == {"status": 503, "reason": f"no certificate is live for {TYPE}"}

    asyncio.run(main())
    assert "an enrolment for" in caplog.text and not any(secret in caplog.text for secret in SECRETS)


def test_what_is_not_committed_is_not_acknowledged(
    tmp_path: Path, pass_certificate: Issued, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database goes at the last moment: all of it is undone, and the phone gets no 200."""

    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            await card(service)
            before = await service.store.pass_(TYPE, "1")
            write = service.store.write

            async def interrupted(work: Any) -> Any:
                async def cut_off(tx: Any) -> None:
                    await work(tx)
                    raise Unavailable("the connection is gone")

                return await write(cut_off)

            monkeypatch.setattr(service.store, "write", interrupted)
            allowed = await service.allowed("1")
            with pytest.raises(Unavailable):
                await service.personalizing.personalize(TYPE, "1", allowed, form())
            monkeypatch.undo()
            await untouched(service, before)

    asyncio.run(main())


def test_an_enrolment_whose_secret_is_gone_stops_the_pass_and_says_so(tmp_path: Path, pass_certificate: Issued) -> None:
    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            await card(service)
            await enrol(service)
            service.elsewhere("UPDATE enrolment SET sealed = :sealed", sealed=b"\x01" + bytes(60))
            assert (await service.fetch("1")).status == 503
            [event] = [one for one in await service.timeline("1") if one.kind is Kind.FETCH_FAILED]
            assert "which is not configured" in str(event.detail["reason"])
            service.elsewhere("DELETE FROM enrolment")
            assert (await service.fetch("1")).status == 503

    asyncio.run(main())


def test_a_pass_that_is_erased_takes_its_enrolments_along(tmp_path: Path, pass_certificate: Issued) -> None:
    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            await card(service)
            allowed = await service.allowed("1")
            await enrol(service)
            await enrol(service, form(token="two"))
            await service.issuing.erase(TYPE, "1")
            assert service.elsewhere("SELECT count(*) FROM enrolment") == [(0,)]
            assert (await enrol(service, allowed=allowed)).status == 401
            await card(service)
            assert shown((await service.fetch("1")).body) == ("Guest", ""), "nothing of it comes back"

    asyncio.run(main())


def test_a_new_secret_key_seals_them_anew(tmp_path: Path, pass_certificate: Issued) -> None:
    new = "B" * 43

    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            await card(service)
            await enrol(service)
            clock = service.clock
        async with rig(tmp_path, None, publish=False, clock=clock, secrets=(new, "A" * 43)) as service:
            assert not (await service.safekeeping.reseal()).closed
        async with rig(tmp_path, None, publish=False, clock=clock, secrets=(new,)) as service:
            assert shown((await service.fetch("1")).body)[0] == "Ada Q. Lovelace"

    asyncio.run(main())
