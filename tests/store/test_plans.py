"""What SQLite does for each statement that runs often: it must not grow with the number of passes or phones."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from livepass.store.named import load
from livepass.store.sqlite import connect, upgrade

RARE = {
    # Lists and figures for operators, and hourly chores: these may walk a table.
    "passes", "registrations", "targets", "stats", "events", "testimony", "waiting", "want_now", "resume_pushes",
    "prune_events", "prune_dead", "prune_devices", "prune_targets",
    "sealed_counts", "tokens_sealed_otherwise", "new_epochs",
}  # fmt: skip
BIG = "pass|device|registration|push_target|event|p|d|r|g|o"
WALK = re.compile(rf"(?:SCAN (?:{BIG})\b|SEARCH (?:{BIG}) USING .*\(pass_type=\?\)$)")
STATEMENTS = load("sqlite")


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("plans") / "livepass.db"
    upgrade(path, uuid="x", now=0)
    return path


@pytest.mark.parametrize("name", sorted(set(STATEMENTS) - RARE))
def test_nothing_on_a_frequent_path_walks_a_whole_pass_type(database: Path, name: str) -> None:
    statement = STATEMENTS[name]
    db = connect(database)
    try:
        parameters = dict.fromkeys(re.findall(r":(\w+)", statement), 1)
        plan = [row[3] for row in db.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)]
    finally:
        db.close()
    walked = [step for step in plan if WALK.match(step)]
    # The next due push of a pass type is the first entry of an index that begins with the pass type.
    assert not walked or (name == "due" and "push_target_due" in walked[0]), walked


def test_when_a_phone_left_is_found_without_the_other_phones_of_the_pass(database: Path) -> None:
    statement = STATEMENTS["last_left"]
    db = connect(database)
    try:
        parameters = dict.fromkeys(re.findall(r":(\w+)", statement), 1)
        plan = [row[3] for row in db.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)]
    finally:
        db.close()
    assert any("event_left (pass_type=? AND serial=? AND device_id=?)" in step for step in plan), plan


def test_an_ask_reads_no_document(database: Path) -> None:
    statement = STATEMENTS["ask_snapshot"]
    db = connect(database)
    try:
        plan = [row[3] for row in db.execute(f"EXPLAIN QUERY PLAN {statement}", {"pass_type": "t", "device_id": "d"})]
    finally:
        db.close()
    assert any("COVERING INDEX pass_seq (pass_type=? AND serial=?)" in step for step in plan), plan


def test_the_rare_ones_exist() -> None:
    assert set(STATEMENTS) >= RARE
