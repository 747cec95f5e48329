"""Phones' calls: durable before the answer, strangers kept from the writer, evidence, a history that went back."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from livepass.core import trip3_fetch
from livepass.core.change import http_date
from livepass.core.model import Tag
from livepass.core.rotation import Link
from livepass.core.timeline import Kind, fold
from livepass.core.trip3_ask import read_tag, write_tag
from livepass.emulators.authority import Authority, Issued
from service.rig import MINUTE, TEAM, TYPE, Rig, points_of, rig


class Refused(Exception):
    """A unit of work reached the writer that should not have."""


def closed_to_writers(service: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(work: Any) -> None:
        raise Refused

    monkeypatch.setattr(service.store, "write", refuse)


def body(token: str) -> bytes:
    return json.dumps({"pushToken": token}).encode()


# ── trip 1


def test_a_registration_is_durable_before_it_is_answered(tmp_path: Path, pass_certificate: Issued) -> None:
    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            await service.issue("1")
            assert await service.register("1") == 201
            seen = service.elsewhere("SELECT device_id, serial, left_at FROM registration")
            assert seen == [("phone", "1", None)]
            assert service.elsewhere("SELECT push_token FROM device") == [("aa",)]
            assert await service.register("1", token="bb") == 200
            assert service.elsewhere("SELECT push_token FROM device") == [("bb",)], "the newest token wins, also on 200"
            assert service.elsewhere("SELECT push_token FROM push_target") == [("bb",)]

    asyncio.run(main())


def test_registering_again_is_not_a_second_registration(tmp_path: Path, pass_certificate: Issued) -> None:
    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            await service.issue("1")
            statuses = await asyncio.gather(*(service.register("1") for _ in range(10)))
            assert sorted(statuses) == [200] * 9 + [201], "decided again inside the transaction"
            assert service.elsewhere("SELECT count(*), max(joined) FROM registration") == [(1, 11)]
            assert service.elsewhere("SELECT seq FROM counter") == [(11,)], "each may be of another copy of the pass"

    asyncio.run(main())


@pytest.mark.parametrize(
    ("serial", "header", "sent", "status"),
    [
        ("1", None, body("aa"), 401),
        ("1", "ApplePass " + "x" * 43, body("aa"), 401),
        ("1", "token of the other", body("aa"), 401),
        ("1", "right", b"not json", 400),
        ("1", "right", body("not hex"), 400),
        ("nobody", "right", body("aa"), 401),
        ("nobody", "token of a stranger", body("aa"), 401),
    ],
)
def test_what_is_refused_never_reaches_the_writer(
    serial: str,
    header: str | None,
    sent: bytes,
    status: int,
    tmp_path: Path,
    pass_certificate: Issued,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            await service.issue("1")
            await service.issue("2")
            headers = {
                "right": await service.allowed("1"),
                "token of the other": await service.allowed("2"),
                "token of a stranger": f"ApplePass {service.keys.stranger_token('default', TYPE, serial)}",
            }
            closed_to_writers(service, monkeypatch)
            presented = headers.get(header or "", header)
            reply = await service.answering.register(TYPE, serial, "phone", presented, sent)
            assert (reply.status, reply.body) == (status, b"")
            if status == 401:
                reply = await service.answering.unregister(TYPE, serial, "phone", presented)
                assert (reply.status, reply.body) == (401, b"")
            assert service.elsewhere("SELECT count(*) FROM registration") == [(0,)]
            await service.recorder.settle()

    asyncio.run(main())


def test_a_stranger_costs_the_same_work_and_leaves_no_trace(
    tmp_path: Path, pass_certificate: Issued, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            await service.issue("1")
            derived: list[str] = []
            for name in ("token", "stranger_token"):
                real = getattr(service.keys, name)
                monkeypatch.setattr(service.keys, name, lambda *a, real=real: derived.append(a[2]) or real(*a))
            before = service.elsewhere("SELECT count(*) FROM event")
            wrong = "ApplePass " + "x" * 43
            for serial in ("1", "nobody"):
                await service.answering.register(TYPE, serial, "phone", wrong, body("aa"))
                await service.answering.fetch(TYPE, serial, wrong, None, None)
            assert derived == ["1", "1", "nobody", "nobody"], "one derivation each, known or not"
            await service.recorder.settle()
            kinds = service.elsewhere("SELECT kind, serial FROM event WHERE id > :id", id=before[0][0])
            assert sorted(kinds) == [("fetch_refused", "1"), ("registration_refused", "1")]

    asyncio.run(main())


def test_unregistering_is_200_again_and_again(tmp_path: Path, pass_certificate: Issued) -> None:
    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            await service.issue("1")
            allowed = await service.allowed("1")
            for _ in range(2):
                assert (await service.answering.unregister(TYPE, "1", "phone", allowed)).status == 200
            await service.register("1")
            assert (await service.answering.unregister(TYPE, "1", "phone", allowed)).status == 200
            assert service.elsewhere("SELECT left_at IS NOT NULL FROM registration") == [(1,)]
            assert await service.register("1") == 201

    asyncio.run(main())


def test_a_serial_that_was_encoded_twice_is_found(tmp_path: Path, pass_certificate: Issued) -> None:
    """Phones are reported to encode a serial twice; we decode once, then once more where nobody has it."""

    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            await service.issue("a_b")
            allowed = await service.allowed("a_b")
            reply = await service.answering.register(TYPE, "a%5Fb", "phone", allowed, body("aa"))
            assert reply.status == 201
            assert (await service.answering.fetch(TYPE, "a%5Fb", allowed, None, None)).reply.status == 200
            assert (await service.answering.unregister(TYPE, "a%5Fb", "phone", allowed)).status == 200
            assert service.elsewhere("SELECT serial FROM registration") == [("a_b",)]
            assert (await service.answering.fetch(TYPE, "a%255Fb", allowed, None, None)).reply.status == 401, (
                "not thrice"
            )

    asyncio.run(main())


# ── trip 3 ask


def test_the_three_trips_end_with_a_current_phone(tmp_path: Path, pass_certificate: Issued) -> None:
    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            await service.issue("1", 10)
            await service.register("1")
            serials, tag = await service.ask()
            assert serials == ["1"]
            reply = await service.fetch("1")
            assert reply.status == 200
            assert points_of(reply.body) == 10
            assert await service.ask(tag=tag) == ([], tag)
            changed = await service.change("1", 20)
            assert await service.dispatcher.work_once() == 1
            serials, newer = await service.ask(tag=tag)
            assert (serials, newer) == (["1"], changed.tag)
            condition = dict(reply.headers)[b"last-modified"].decode()
            reply = await service.fetch("1", condition)
            assert (reply.status, (await service.fetch("1", http_date(changed.last_modified))).status) == (200, 304)
            [held] = await service.store.held(TYPE, "1")
            assert held.watermarks.served == held.watermarks.changed == held.watermarks.told == held.watermarks.pushed
            assert held.registration.confirmed == held.watermarks.changed
            folded = fold(await service.timeline("1"), serial="1", device_id="phone", target=held.target)
            assert folded == held.watermarks, "the stored numbers are what the events add up to"

    asyncio.run(main())


def test_a_tag_from_the_future_starts_a_new_history(
    tmp_path: Path, pass_certificate: Issued, caplog: pytest.LogCaptureFixture
) -> None:
    """The database was restored: what phones hold proves it, and everything is told again."""

    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            await service.issue("1")
            await service.register("1")
            _, tag = await service.ask()
            ours = read_tag(tag, TYPE, service.keys.tag_key)
            assert ours is not None
            future = write_tag(Tag(ours.epoch, ours.seq + 1000), TYPE, service.keys.tag_key)
            answers = await asyncio.gather(*(service.ask(tag=future) for _ in range(5)))
            epochs = {read_tag(newer, TYPE, service.keys.tag_key).epoch for _, newer in answers}  # type: ignore[union-attr]
            assert [serials for serials, _ in answers] == [["1"]] * 5
            assert len(epochs) == 1, "those who notice together agree on one new epoch"
            assert epochs != {ours.epoch}
            assert service.elsewhere("SELECT epoch FROM counter") == [(epochs.pop(),)], (
                "durable before anybody hears it"
            )
            assert (await service.ask(tag=tag))[0] == ["1"], "a tag of the old history means: tell everything"
            assert (await service.ask(tag=answers[0][1]))[0] == []
            alarms = await service.store.events(kinds=["new_epoch"], pass_type=TYPE, after=0, limit=9)
            assert alarms
            assert alarms[0].detail["reason"] == "tag_ahead"

    with caplog.at_level(logging.ERROR):
        asyncio.run(main())
    assert "went back in time" in caplog.text


def test_a_second_restore_gets_an_epoch_of_its_own(tmp_path: Path, pass_certificate: Issued) -> None:
    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            await service.issue("1")
            await service.register("1")
            _, tag = await service.ask()
            epochs = []
            for _ in range(3):
                ours = read_tag(tag, TYPE, service.keys.tag_key)
                assert ours is not None
                epochs.append(ours.epoch)
                future = write_tag(Tag(ours.epoch, ours.seq + 1000), TYPE, service.keys.tag_key)
                _, tag = await service.ask(tag=future)
            assert len(set(epochs)) == 3

    asyncio.run(main())


def test_asking_in_vain_tells_a_stranger_nothing(tmp_path: Path, pass_certificate: Issued) -> None:
    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            await service.issue("1")
            await service.register("1")
            _, tag = await service.ask()
            known = await service.answering.ask(TYPE, "phone", tag, None)
            unknown = await service.answering.ask(TYPE, "nobody", tag, None)
            foreign = await service.answering.ask("pass.test.nobody", "nobody", tag, None)
            assert known == unknown == foreign
            assert known.status == 204

    asyncio.run(main())


# ── trip 3 fetch


def test_the_token_is_checked_before_the_condition(tmp_path: Path, pass_certificate: Issued) -> None:
    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            issued = await service.issue("1")
            current = http_date(issued.last_modified)
            refused = await service.answering.fetch(TYPE, "1", "ApplePass wrong", current, None)
            unknown = await service.answering.fetch(TYPE, "nobody", "ApplePass wrong", current, None)
            assert refused.reply == unknown.reply
            assert refused.reply.status == 401
            earlier = await service.fetch("1", http_date(issued.last_modified - 1))
            later = await service.fetch("1", http_date(issued.last_modified + 1))
            assert (earlier.status, later.status) == (200, 200), "304 only for the very text we sent"

    asyncio.run(main())


def test_of_several_phones_the_one_on_the_same_connection_took_it(tmp_path: Path, pass_certificate: Issued) -> None:
    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            issued = await service.issue("1")
            for device, token in (("one", "aa"), ("two", "bb")):
                await service.register("1", device, token)
            await service.ask("one", connection="10.0.0.1:1")
            await service.ask("two", connection="10.0.0.2:2")
            await service.fetch("1", connection="10.0.0.1:1")
            held = {one.device.device_id: one.registration for one in await service.store.held(TYPE, "1")}
            assert (held["one"].served, held["one"].confirmed) == (issued.number, issued.number)
            assert (held["two"].served, held["two"].confirmed) == (0, 0)
            await service.fetch("1", connection="10.0.0.9:9")
            held = {one.device.device_id: one.registration for one in await service.store.held(TYPE, "1")}
            assert (held["two"].served, held["two"].confirmed) == (issued.number, 0), "likely, and marked so"
            evidence = [event.detail["evidence"] for event in await service.timeline("1") if event.kind is Kind.FETCHED]
            assert evidence == ["same connection as its ask", "just told"]

    asyncio.run(main())


def test_a_connection_proves_nothing_once_it_is_old_or_for_another_type(
    tmp_path: Path, pass_certificate: Issued
) -> None:
    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            await service.issue("1")
            for device, token in (("one", "aa"), ("two", "bb")):
                await service.register("1", device, token)
            await service.ask("one", connection="10.0.0.1:1")
            service.clock.pass_(5 * MINUTE)
            await service.fetch("1", connection="10.0.0.1:1")
            assert [one.registration.served for one in await service.store.held(TYPE, "1")] == [0, 0]

    asyncio.run(main())


def test_what_was_not_written_out_was_not_served(tmp_path: Path, pass_certificate: Issued) -> None:
    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            await service.issue("1")
            await service.register("1")
            fetched = await service.answering.fetch(TYPE, "1", await service.allowed("1"), None, None)
            await service.recorder.settle()
            assert fetched.reply.status == 200
            assert (await service.store.held(TYPE, "1"))[0].registration.served == 0
            head = await service.answering.fetch(TYPE, "1", await service.allowed("1"), None, None, body=False)
            head.written()
            await service.recorder.settle()
            assert (head.reply.status, head.reply.body) == (200, b"")
            assert (await service.store.held(TYPE, "1"))[0].registration.served == 0, "a HEAD hands nothing over"

    asyncio.run(main())


def test_without_a_certificate_a_fetch_is_503_and_written_down(tmp_path: Path, pass_certificate: Issued) -> None:
    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            issued = await service.issue("1")
            await service.register("1")
            service.without_certificate()
            reply = await service.fetch("1")
            assert (reply.status, reply.body) == (503, b"")
            [event] = [event for event in await service.timeline("1") if event.kind is Kind.FETCH_FAILED]
            assert event.detail == {"status": 503, "reason": f"no certificate is live for {TYPE}"}
            assert (await service.store.held(TYPE, "1"))[0].registration.served == 0
            current = await service.fetch("1", http_date(issued.last_modified))
            assert current.status == 304, "which needs no signature"

    asyncio.run(main())


def test_with_a_certificate_that_lapsed_a_fetch_is_503_too(tmp_path: Path, authority: Authority) -> None:
    """The day a certificate lapses must be visible in the timeline, not a traceback per phone."""

    async def main() -> None:
        async with rig(tmp_path, authority.pass_certificate(TYPE, TEAM, days=20)) as service:
            await service.issue("1")
            await service.register("1")
            service.clock.pass_(30 * 24 * 60 * MINUTE)
            reply = await service.fetch("1")
            assert reply.status == 503
            [event] = [event for event in await service.timeline("1") if event.kind is Kind.FETCH_FAILED]
            assert event.detail["status"] == 503

    asyncio.run(main())


def test_a_pass_that_is_erased_while_it_is_fetched_is_503(
    tmp_path: Path, pass_certificate: Issued, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            await service.issue("1")
            allowed = await service.allowed("1")
            real = service.store.lineage

            async def erasing(pass_type: str) -> Sequence[Link]:
                await service.issuing.erase(TYPE, "1")
                return await real(pass_type)

            monkeypatch.setattr(service.store, "lineage", erasing)
            assert (await service.answering.fetch(TYPE, "1", allowed, None, None)).reply.status == 503

    asyncio.run(main())


def test_body_and_last_modified_are_of_one_version(
    tmp_path: Path, pass_certificate: Issued, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A change between the decision and the building: the answer is the newer one throughout."""

    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            await service.issue("1", 10)
            await service.register("1")
            allowed = await service.allowed("1")
            real, newer = service.store.lineage, []

            async def changing(pass_type: str) -> Sequence[Link]:
                if not newer:
                    newer.append(None)
                    newer[0] = await service.change("1", 20)
                return await real(pass_type)

            monkeypatch.setattr(service.store, "lineage", changing)
            fetched = await service.answering.fetch(TYPE, "1", allowed, None, None)
            fetched.written()
            await service.recorder.settle()
            assert dict(fetched.reply.headers)[b"last-modified"].decode() == http_date(newer[0].last_modified)
            assert points_of(fetched.reply.body) == 20
            assert (await service.store.held(TYPE, "1"))[0].registration.served == newer[0].number

    asyncio.run(main())


# ── testimony


def test_testimony_is_kept_for_our_types_only(tmp_path: Path, pass_certificate: Issued) -> None:
    def line(pass_type: str) -> str:
        context = f"pass type {pass_type}, serial number 1; with web service url https://x"
        return f"Get pass task ({context}) encountered error: Authentication failure"

    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            await service.issue("1")
            logs = json.dumps({"logs": [line(TYPE), line("pass.somebody.else"), "no type"]}).encode()
            for sent in (logs, b"garbage", b"", b'{"logs": 3}', b"[" * 5000):
                reply = service.answering.testify(sent)
                assert (reply.status, reply.body) == (200, b"")
            await service.recorder.settle()
            [said] = await service.store.testimony(pass_type=None, code=None, before=2**62, limit=9)
            assert (said.pass_type, said.serial, said.detail["code"]) == (TYPE, "1", "T0")

    asyncio.run(main())


@pytest.mark.parametrize(("over", "whose"), [("c1", "phone"), ("c2", None), (None, None)])
def test_a_line_that_names_nobody_is_the_phones_that_was_told_over_its_connection(
    tmp_path: Path, pass_certificate: Issued, over: str | None, whose: str | None
) -> None:
    said = "Response to 'What changed?' request included 1 serial numbers but omitted a lastUpdated tag."
    lines = [f"Web service error for {TYPE} (https://x): {said}", f"Web service error for {TYPE} (https://x): Who?"]

    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            await service.issue("1")
            await service.register("1", "phone")
            assert (await service.answering.ask(TYPE, "phone", None, "c1")).status == 200
            service.answering.testify(json.dumps({"logs": lines}).encode(), over)
            await service.recorder.settle()
            found = await service.store.testimony(pass_type=None, code=None, before=2**62, limit=9)
            assert [(one.device_id, "evidence" in one.detail) for one in found] == [(whose, whose is not None)] * 2

    asyncio.run(main())


def test_an_unknown_message_is_written_down_for_a_pass_that_exists(tmp_path: Path, pass_certificate: Issued) -> None:
    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            await service.issue("1")
            for serial in ("1", "nobody"):
                path = f"/v1/passes/{TYPE}/{serial}/passLifecycleUpdate"
                assert service.answering.unknown_message(path, b'{"passState":"x\xff"}').status == 200
            assert service.answering.unknown_message("/v1/hello", b"").status == 200
            await service.recorder.settle()
            found = await service.store.events(kinds=["unknown_device_message"], pass_type=None, after=0, limit=9)
            assert [event.serial for event in found] == ["1"]
            assert found[0].detail["path"] == f"/v1/passes/{TYPE}/1/passLifecycleUpdate"

    asyncio.run(main())


def test_an_unknown_message_is_kept_without_what_is_secret_in_it(
    tmp_path: Path, pass_certificate: Issued, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    token = "PBJjaXgqqJqTXLfCJAcKsHg2iW-IMeWiO_0AFYGasUE"

    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            await service.issue("1")
            named = f'{{"authenticationToken": "{token}", "passState": "added"}}'.encode()
            service.answering.unknown_message(f"/v1/passes/{TYPE}/1/news/{token}", named)
            service.answering.unknown_message(f"/v1/passes/{TYPE}/1/personalize", b'{"familyName": "Lovelace"}')
            await service.recorder.settle()
            found = await service.store.events(kinds=["unknown_device_message"], pass_type=None, after=0, limit=9)
            assert [(event.detail["path"], event.detail["body"]) for event in found] == [
                (f"/v1/passes/{TYPE}/1/news/…", '{"authenticationToken": "(struck)", "passState": "added"}'),
                (f"/v1/passes/{TYPE}/1/personalize", ""),
            ]

    asyncio.run(main())
    assert "/v1/passes/…/…/news/…" in caplog.text and token not in caplog.text


def test_in_a_crowd_a_fetch_is_the_phones_that_asked_over_its_connection(
    tmp_path: Path, pass_certificate: Issued, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trip3_fetch, "CANDIDATES", 2)

    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            await service.issue("1")
            for n in range(3):
                await service.register("1", f"phone{n}", f"a{n}")
                await service.ask(f"phone{n}", connection=f"10.0.0.{n}:1")
            await service.fetch("1", connection="10.0.0.1:1")
            await service.fetch("1", connection="10.0.0.9:9")
            await service.fetch("1")
            fetches = [event for event in await service.timeline("1") if event.kind is Kind.FETCHED]
            assert [event.device_id for event in fetches] == ["phone1", None, None]
            assert [event.detail["evidence"] for event in fetches] == ["same connection as its ask", *["unknown"] * 2]

    asyncio.run(main())


def test_a_call_with_v1_twice_is_written_down_for_passes_and_phones_that_exist(
    tmp_path: Path, pass_certificate: Issued
) -> None:
    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            await service.issue("1")
            await service.register("1")
            for method, path in (
                ("POST", f"v1/devices/new/registrations/{TYPE}/1"),
                ("POST", f"v1/devices/new/registrations/{TYPE}/2"),
                ("GET", f"v1/devices/phone/registrations/{TYPE}"),
                ("GET", f"v1/devices/new/registrations/{TYPE}"),
                ("GET", f"v1/passes/{TYPE}/1"),
                ("GET", "v1/passes/pass.other/1"),
                ("POST", "v1/log"),
            ):
                assert service.answering.misdirected(method, path.split("/")).status == 404
            await service.recorder.settle()
            kinds = ["registration_refused", "ask_refused", "fetch_refused"]
            found = await service.store.events(kinds=kinds, pass_type=None, after=0, limit=9)
            assert [(one.kind.value, one.serial, one.device_id) for one in found] == [
                ("registration_refused", "1", "new"),
                ("ask_refused", None, "phone"),
                ("fetch_refused", "1", None),
            ]

    asyncio.run(main())
