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
    "behind", "count_followed", "sealed_counts", "tokens_sealed_otherwise", "new_epochs", "last_new_epoch", "strangers",
    "canary_runs",
    "staleness", "chores", "count_passes", "table_sizes",
    # Of a move to another address, which somebody asks for.
    "addresses", "moves", "stragglers",
}  # fmt: skip
NEXT = {"due", "due_first", "due_up_to"}
"""The next due pushes of a pass type are the first entries of an index that begins with the pass type."""
BIG = "pass|device|registration|push_target|event|p|d|r|g|o"
WALK = re.compile(rf"(?:SCAN (?:{BIG})\b|SEARCH (?:{BIG}) USING .*\(pass_type=\?\)$)")
STATEMENTS = load("sqlite")


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("plans") / "livepass.db"
    upgrade(path, uuid="x", now=0)
    return path


def plan_of(database: Path, name: str) -> list[str]:
    """How SQLite means to run a statement, step by step."""
    statement = STATEMENTS[name]
    db = connect(database)
    try:
        parameters = dict.fromkeys(re.findall(r":(\w+)", statement), 1)
        return [row[3] for row in db.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)]
    finally:
        db.close()


@pytest.mark.parametrize("name", sorted(set(STATEMENTS) - RARE))
def test_nothing_on_a_frequent_path_walks_a_whole_pass_type(database: Path, name: str) -> None:
    walked = [step for step in plan_of(database, name) if WALK.match(step)]
    assert not walked or (name in NEXT and "push_target_due" in walked[0]), walked


@pytest.mark.parametrize(
    ("name", "step"),
    [
        pytest.param("last_left", "event_left (pass_type=? AND serial=? AND device_id=?)", id="no other phones"),
        pytest.param("passes_beginning", "(pass_type=? AND serial>? AND serial<?)", id="serials that begin so"),
        pytest.param("webhooks_waiting", "INDEX webhook_message_due (endpoint=? AND next_at>?)", id="next webhooks"),
        pytest.param("webhooks_failed", "INDEX webhook_message_failed (endpoint=?)", id="failed webhooks"),
        pytest.param("webhook_counts", "INDEX webhook_message_failed (endpoint=?)", id="failed webhooks, counted"),
        pytest.param("recover_webhooks", "INDEX webhook_message_failed (endpoint=? AND at>?)", id="failed since"),
        pytest.param(
            "drop_removed_webhooks", "sqlite_autoindex_webhook_message_1 (endpoint>?)", id="from one to the next"
        ),
        pytest.param("drop_removed_attempts", "PRIMARY KEY (endpoint>?)", id="from one to the next attempt"),
        pytest.param("standing_page", "registration_by_pass (pass_type=? AND serial=?)", id="in the order of phones"),
        pytest.param("ask_snapshot", "COVERING INDEX pass_seq (pass_type=? AND serial=?)", id="no document"),
    ],
)
def test_what_is_read_is_no_more_than_what_is_wanted(database: Path, name: str, step: str) -> None:
    plan = plan_of(database, name)
    assert any(step in one for one in plan), plan


def test_the_rare_ones_exist() -> None:
    assert set(STATEMENTS) >= RARE
