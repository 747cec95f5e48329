"""What must always be true of a database: sound ones have no findings, and each thing planted is found, alone."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import engines
from livepass.core.decision import RaiseAsked, RaiseServed
from livepass.core.model import Device, Held, Registration, StoredTemplate, Watermarks
from livepass.core.timeline import Event, Kind
from livepass.store.named import load
from livepass.store.verify import INVARIANTS, Verified, disagreements, verify
from livepass.store.writing import Writing
from servers.postgres import require
from store.hand import T0, TYPE, opened
from store.whole import whole

DAY = 86_400_000
NO_CHECK = {"first_numbers", "some_passes"}


async def verified(url: str, *, now: int = T0, sample: int = 200) -> Verified:
    async with whole(url).snapshot() as snapshot:
        return await verify(snapshot, now=now, sample=sample, quick=False)


async def lived_in(hand: Any) -> None:
    """Two passes and two phones, one of which asked, fetched and was pushed; a worker holds the other's push."""
    await hand.store.write(furnish)
    await hand.put("a", "b")
    await hand.join("d1", "a", token="aa")
    await hand.join("d2", "a", token="bb")
    await hand.join("d2", "b", token="bb")
    await hand.put("a", push_at=T0 + 1)
    number = (await hand.store.counter(TYPE)).seq
    epoch = (await hand.store.counter(TYPE)).epoch
    asked = RaiseAsked(TYPE, "d1", "aa", number - 1, number, (("a", T0 + 5),), T0, epoch)
    served = RaiseServed(TYPE, "d2", "a", number, T0, True, epoch)
    events = [
        Event(Kind.ASKED, T0, TYPE, device_id="d1", seq=number, detail={"asked": number - 1}),
        Event(Kind.FETCHED, T0, TYPE, "a", "d2", seq=number),
    ]
    await hand.store.write(lambda tx: tx.apply((asked, served), events))
    await hand.claim(now=T0 + 70_000, limit=1)


async def furnish(tx: Writing) -> None:
    await tx.put_template("default", StoredTemplate("membership", "r1", b"zip", {}, T0, True))


@pytest.fixture
def sound(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, engine: str) -> str:
    """A copy of a database that has been lived in, with a certificate and the key that its tokens come from."""
    if engine not in MADE:
        MADE[engine] = _made(tmp_path_factory.mktemp("sound") / "a.db")
    if engine == "postgres":
        return require().copy_of(MADE[engine])
    copy = tmp_path / "a.db"
    shutil.copy(MADE[engine].removeprefix("sqlite:///"), copy)
    return f"sqlite:///{copy}"


MADE: dict[str, str] = {}


def _made(path: Path) -> str:
    async def main() -> str:
        async with opened(path) as hand:
            await lived_in(hand)
            url: str = hand.url
            return url

    url = asyncio.run(main())
    engines.run(
        url, "INSERT INTO shared_key (id, purpose, sealed, created_at) VALUES ('k1', 'pass tokens', ?, 1)", b"x"
    )
    engines.run(
        url,
        "INSERT INTO certificate (pass_type, id, team, common_name, organization, issuer, serial_number, not_before,"
        " not_after, intermediate_not_after, nfc, chain_pem, key_sealed, created_at, proven_at, promoted_at,"
        " canary_percent)"
        " VALUES (?, 'c1', 'TEAM123456', '', '', '', '', 1, 2, 2, 0, ?, ?, 1, 1, 1, 0)",
        *(TYPE, b"chain", b"sealed"),
    )
    engines.run(
        url,
        "INSERT INTO apns_key (tenant, id, team, topics, environment, key_sealed, created_at, retired_at)"
        " VALUES ('default', 'KEY0000001', 'TEAM123456', '[]', 'production', ?, 1, NULL)",
        b"sealed",
    )
    engines.run(url, "UPDATE pass_type SET push_key_id = 'KEY0000001'")
    return url


def test_a_sound_database_has_no_findings(sound: str) -> None:
    found = asyncio.run(verified(sound))
    assert found.findings == ()
    assert (found.checks, found.sampled) == (len(INVARIANTS) + 1, 2)


PLANTED: dict[str, tuple[str, ...]] = {
    "no_installation": ("DELETE FROM installation",),
    "pass_type_without_counter": (f"DELETE FROM counter WHERE pass_type = '{TYPE}'",),
    "counter_without_pass_type": (
        "INSERT INTO counter (pass_type, epoch, seq, began, modified_floor, newest_modified)"
        " VALUES ('pass.x', 'e', 0, 0, 0, 0)",
    ),
    "pass_without_pass_type": ("UPDATE pass SET pass_type = 'pass.x' WHERE serial = 'b'",),
    "of_no_tenant": (
        "INSERT INTO template (tenant, name, revision) VALUES ('gone', 'x', 'r1')",
        "INSERT INTO template_revision (tenant, name, revision, files, variables, created_at)"
        " SELECT 'gone', 'x', 'r1', files, variables, created_at FROM template_revision",
    ),
    "import_row_of_no_import": ("INSERT INTO import_row VALUES ('imp_1', 2, 'pass.x', 'c', '{}')",),
    "pass_without_template": ("UPDATE pass SET revision = 'r0' WHERE serial = 'b'",),
    "pass_without_token_key": ("UPDATE pass SET token_key = 'k0' WHERE serial = 'b'",),
    "template_without_revision": ("UPDATE template SET revision = 'r0'",),
    "certificate_of_no_pass_type": ("UPDATE certificate SET pass_type = 'pass.x'",),
    "live_certificate_unproven": ("UPDATE certificate SET proven_at = NULL",),
    "live_certificate_of_another_team": ("UPDATE certificate SET team = 'OTHER'",),
    "push_key_missing": ("UPDATE pass_type SET push_key_id = 'KEY0000002'",),
    "push_key_retired": ("UPDATE apns_key SET retired_at = 1",),
    "push_key_of_another_team": ("UPDATE apns_key SET team = 'OTHER'",),
    "registration_without_pass": ("DELETE FROM pass WHERE serial = 'b'",),
    "registration_without_device": ("UPDATE registration SET device_id = 'd3' WHERE serial = 'b'",),
    "device_without_target": ("DELETE FROM push_target WHERE push_token = 'aa'",),
    "target_without_device": (
        "UPDATE device SET push_token = 'cc' WHERE device_id = 'd1'",
        f"UPDATE push_target SET token_registered_at = {T0 - 2 * DAY} WHERE push_token = 'aa'",
    ),
    "device_without_registration": (
        "DELETE FROM registration WHERE device_id = 'd1'",
        f"UPDATE device SET token_registered_at = {T0 - 2 * DAY} WHERE device_id = 'd1'",
    ),
    "fan_out_without_pass": (f"INSERT INTO fan_out VALUES ('{TYPE}', 'changed', 'c', 1, 1, 0, 1, '', 'z', '')",),
    "fan_out_above_counter": (f"INSERT INTO fan_out VALUES ('{TYPE}', 'changed', 'b', 1, 100, 0, 1, '', 'z', '')",),
    "enrolment_without_pass": (f"INSERT INTO enrolment VALUES ('{TYPE}', 'e1', 'c', 1, 1, 0, 'x')",),
    "pass_without_enrolment": ("UPDATE pass SET enrolled = 'e1' WHERE serial = 'b'",),
    "enrolment_above_counter": (f"INSERT INTO enrolment VALUES ('{TYPE}', 'e1', 'b', 100, 1, 0, 'x')",),
    "epoch_above_counter": ("UPDATE counter SET began = seq + 1",),
    "pass_above_counter": ("UPDATE pass SET seq = seq + 100 WHERE serial = 'b'",),
    "registration_above_counter": ("UPDATE registration SET seq = seq + 100 WHERE serial = 'b'",),
    "device_above_counter": ("UPDATE device SET told = told + 100 WHERE device_id = 'd2'",),
    "target_above_counter": ("UPDATE push_target SET pushed = 100 WHERE push_token = 'aa'",),
    "event_above_counter": ("UPDATE event SET seq = 100 WHERE kind = 'fetched'",),
    "served_above_changed": ("UPDATE pass SET seq = 1 WHERE serial = 'a'",),
    "confirmed_above_served": ("UPDATE registration SET confirmed = served + 1 WHERE serial = 'b'",),
    "joined_after_its_number": ("UPDATE registration SET joined = seq + 1 WHERE serial = 'b'",),
    "number_below_zero": ("UPDATE registration SET confirmed = -1 WHERE serial = 'b'",),
    "retell_without_reason": ("UPDATE registration SET retell_at = 1 WHERE device_id = 'd2' AND serial = 'a'",),
    "lease_forgotten": (f"UPDATE push_target SET lease_until = {T0 - 2 * DAY} WHERE lease IS NOT NULL",),
    "lease_by_halves": ("UPDATE push_target SET lease_until = NULL WHERE lease IS NOT NULL",),
    "dead_by_halves": ("UPDATE push_target SET dead_at = 1 WHERE push_token = 'aa'",),
    "version_from_the_future": (
        f"UPDATE counter SET newest_modified = {(T0 + 2 * DAY) // 1000}",
        f"UPDATE pass SET last_modified = {(T0 + 2 * DAY) // 1000} WHERE serial = 'b'",
    ),
    "version_later_than_the_newest": (f"UPDATE counter SET newest_modified = {T0 // 1000 - 100}",),
    "event_id_given_twice": (),
    "diary_disagrees": ("UPDATE device SET told = told - 1 WHERE device_id = 'd1'",),
}
BESIDES = {
    # What cannot be broken alone.
    "pass_without_pass_type": {"registration_without_pass"},
    "target_without_device": {"device_without_target"},
    **{f"{what}_above_counter": {"diary_disagrees"} for what in ("epoch", "pass", "device", "target", "event")},
    "served_above_changed": {"diary_disagrees"},
}


def test_a_pass_type_of_another_tenant_than_its_rows_is_found(sound: str) -> None:
    """Its passes' template and its APNs key are not there, as that tenant has them."""
    engines.run(sound, "INSERT INTO tenant (name, title, created_at) VALUES ('brand', 'Brand', 1)")
    assert asyncio.run(verified(sound)).findings == ()
    engines.run(sound, "UPDATE pass_type SET tenant = 'brand'")
    found = asyncio.run(verified(sound))
    assert {finding.name for finding in found.findings} == {"pass_without_template", "push_key_missing"}


@pytest.mark.parametrize("name", PLANTED)
def test_what_is_planted_is_found(sound: str, name: str) -> None:
    for statement in PLANTED[name]:
        engines.run(sound, statement)
    if name == "event_id_given_twice":
        on_sqlite = "UPDATE sqlite_sequence SET seq = 1 WHERE name = 'event'"
        engines.run(sound, on_sqlite if sound.startswith("sqlite:") else "SELECT setval('event_id_seq', 1)")
    found = {one.name: one for one in asyncio.run(verified(sound)).findings}
    assert set(found) == {name} | BESIDES.get(name, set())
    assert found[name].count == len(found[name].first) >= 1
    assert found[name].means and found[name].remedy


def test_a_lease_on_what_is_not_due_any_more_is_not_forgotten(sound: str) -> None:
    """A worker died after its push; the phone came, and nobody has to push it again."""
    engines.run(sound, f"UPDATE push_target SET lease_until = {T0 - 2 * DAY}, acked = wanted WHERE lease IS NOT NULL")
    assert "lease_forgotten" not in {finding.name for finding in asyncio.run(verified(sound)).findings}


def test_a_finding_names_some_and_counts_all_and_shows_no_push_token(sound: str) -> None:
    for number in range(100):
        engines.run(
            sound,
            "INSERT INTO push_target (pass_type, push_token, token_registered_at, wanted, acked, pushed, urgent,"
            " sending, attempts, next_at, hold_until, score) VALUES (?, ?, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0)",
            *(TYPE, f"{number:064x}"),
        )
    findings = asyncio.run(verified(sound, now=T0 + DAY + 1)).findings
    [found] = [one for one in findings if one.name == "target_without_device"]
    assert (found.count, len(found.first)) == (100, 5)
    assert not any(f"{number:064x}"[-20:] in shown for number in range(100) for shown in found.first)
    assert all(shown.startswith(f"{TYPE}/") for shown in found.first)


def test_a_damaged_file_is_found(tmp_path: Path) -> None:
    """An index that lacks a row: only a comparison with its table finds it. (PostgreSQL has no check of its own.)"""
    sound = _made(tmp_path / "a.db")
    with closing(sqlite3.connect(sound.removeprefix("sqlite:///"))) as db:
        db.execute("PRAGMA writable_schema = ON")
        db.execute("UPDATE sqlite_schema SET sql = sql || ' WHERE 1 = 0' WHERE name = 'device_by_token'")
        db.commit()
    with closing(sqlite3.connect(sound.removeprefix("sqlite:///"))) as db:
        db.execute("INSERT INTO device SELECT pass_type, 'd9', push_token, 1, 0, 0, NULL FROM device LIMIT 1")
        db.execute("DELETE FROM device WHERE device_id = 'd9'")
        db.execute("UPDATE device SET push_token = 'bb' WHERE device_id = 'd1'")
        db.execute("PRAGMA writable_schema = ON")
        db.execute("UPDATE sqlite_schema SET sql = replace(sql, ' WHERE 1 = 0', '') WHERE name = 'device_by_token'")
        db.commit()

    async def main(quick: bool) -> set[str]:
        async with whole(sound).snapshot() as snapshot:
            return {one.name for one in (await verify(snapshot, now=T0, sample=0, quick=quick)).findings}

    assert "damaged_file" in asyncio.run(main(False))
    assert "damaged_file" not in asyncio.run(main(True))


def test_every_check_has_its_statement_and_every_statement_its_check() -> None:
    for engine in ("sqlite", "postgres"):
        assert set(load(engine, "verify")) == set(INVARIANTS) | NO_CHECK
        files = [set(load(engine, file)) for file in ("queries", "archive", "verify")]
        assert sum(map(len, files)) == len(set.union(*files)), "one name for two statements"
    assert set(PLANTED) == set(INVARIANTS) | {"diary_disagrees"}


# ── what a diary says, and what it cannot say any more

T, S, D, G = TYPE, "a", "d1", "target"


def held(**marks: int) -> Held:
    registration = Registration(T, S, D, 1, 1, 1, None, None, 0, None, 0, 0, None)
    return Held(registration, Device(T, D, "aa", 1, 0, 0, None), Watermarks(**marks), G, None, None, None)


def diary(*lines: tuple[Kind, int]) -> list[Event]:
    def event(kind: Kind, seq: int) -> Event:
        if kind is Kind.ASKED:
            return Event(kind, 1, T, device_id=D, seq=seq, detail={"asked": seq})
        if kind is Kind.PUSH_ACCEPTED:
            return Event(kind, 1, T, target=G, seq=seq)
        return Event(kind, 1, T, S, D, seq=seq)

    return [event(*line) for line in lines]


WHOLE = diary((Kind.ISSUED, 1), (Kind.REGISTERED, 2), (Kind.PUSH_ACCEPTED, 3), (Kind.ASKED, 3), (Kind.FETCHED, 3))
SAID = {"changed": 1, "pushed": 3, "asked": 3, "told": 3, "served": 3}


@pytest.mark.parametrize("mark", SAID)
@pytest.mark.parametrize("off", [-1, 1])
def test_a_mark_that_no_event_accounts_for_is_told(mark: str, off: int) -> None:
    assert not list(disagreements(WHOLE, held(**SAID), 1))
    [said] = [*disagreements(WHOLE, held(**(SAID | {mark: SAID[mark] + off})), 1)] or [""]
    # Too few pushes are possible, and cost one: a token that was given up and came back starts anew.
    assert (f"{mark} is {SAID[mark] + off}" in said) is not ((mark, off) == ("pushed", -1))


def test_what_is_older_than_the_diary_is_believed() -> None:
    late = diary((Kind.CHANGED, 50))
    assert not list(disagreements(late, held(changed=50, pushed=49, asked=40, told=49, served=49), 50))
    assert list(disagreements(late, held(changed=50, served=50), 50))


def test_a_diary_that_was_forgotten_as_a_whole_accuses_nobody(sound: str) -> None:
    """A pass type of which nothing was heard for as long as events are kept."""
    engines.run(sound, "DELETE FROM event")
    assert asyncio.run(verified(sound)).findings == ()


def test_a_phone_that_was_forgotten_and_came_back_starts_anew() -> None:
    again = [*WHOLE, *diary((Kind.REGISTERED, 5))]
    assert not list(disagreements(again, held(changed=1), 1))
    assert not list(disagreements(again, held(changed=1, asked=3, pushed=3), 1)), "or it was never forgotten"
    asked = [*again, *diary((Kind.ASKED, 5))]
    assert list(disagreements(asked, held(changed=1, told=5), 1))
    assert not list(disagreements(asked, held(changed=1, told=5, asked=5), 1))


@pytest.mark.parametrize("kind", [Kind.ASKED, Kind.FETCHED])
def test_what_was_answered_before_a_new_history_and_written_down_in_it_may_be_stored_or_not(kind: Kind) -> None:
    events = [*WHOLE, *diary((Kind.NEW_EPOCH, 9), (kind, 8))]
    for stored in ({}, {"asked": 8, "told": 8} if kind is Kind.ASKED else {"served": 8}):
        assert not list(disagreements(events, held(**(SAID | {"changed": 9} | stored)), 1))
    assert list(disagreements([*events, *diary((kind, 9))], held(**(SAID | {"changed": 9})), 1)), "in the new one it is"
