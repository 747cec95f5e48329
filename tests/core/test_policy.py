"""The figures and words that others rely on: Apple's, operators', and what older databases and journals hold."""

from __future__ import annotations

from enum import StrEnum

import pytest

from livepass.core import (
    budget,
    change,
    crowd,
    decision,
    model,
    retelling,
    shedding,
    testimony,
    trip1_register,
    trip2_push,
    trip3_ask,
)
from livepass.core import trip3_fetch as fetch
from livepass.core.authorization import WELL_KNOWN_TOKENS, derive_token
from livepass.core.console import ConsoleUser
from livepass.core.history import Mark, Reason
from livepass.core.replay import Act, Entry, Standing, read_entry, write_entry
from livepass.core.sealed import TAGS, TOKENS, Sealable, Sealed, SharedKey
from livepass.core.snapshots import RegisterSnapshot, Silent
from livepass.core.timeline import TAKEN, Event, Kind, Stand, Trip

SECOND, MINUTE, HOUR, DAY = 1_000, 60_000, 3_600_000, 86_400_000


@pytest.mark.parametrize(
    ("figure", "is_"),
    [
        (trip1_register.ASK_GRACE_MS, MINUTE),
        (trip1_register.TOMBSTONE_MS, HOUR),
        (trip1_register.LATE_MS, 30 * SECOND),
        (trip1_register.CLOCK_AHEAD_MS, DAY),
        (trip1_register.TWINS_KEPT, 3),
        (trip2_push.EXPIRATION_DAYS, 14),
        (trip2_push.CIRCUIT_MS, 5 * MINUTE),
        (trip2_push.RACE_MARGIN_MS, 5 * MINUTE),
        (trip2_push.RACE_OVER_MS, 2 * DAY),
        (trip2_push.RACE_RETRY_MS, 6 * HOUR),
        (trip2_push.FAILED_LADDER, (15 * SECOND, MINUTE, 5 * MINUTE, 15 * MINUTE, HOUR, 6 * HOUR)),
        (trip2_push.UNASKED_LADDER[:5], (MINUTE, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 6 * HOUR)),
        (trip2_push.UNASKED_LADDER[5:], (DAY,) * 30 + (7 * DAY,)),
        (retelling.RETELL_FIRST_MS, 15 * MINUTE),
        (retelling.RETELL_LIMIT, 6),
        (trip3_ask.SIBLING_MS, DAY),
        (fetch.JUST_ASKED_MS, 5 * MINUTE),
        (fetch.CANDIDATES, 100),
        (change.AHEAD_SECONDS, 60),
        (crowd.PHONES_PER_PASS, 64),
        (crowd.SAY_EVERY_MS, HOUR),
        (crowd.SILENT_MS, HOUR),
        (crowd.AT_ONCE, 1000),
        (budget.LIMIT, 3.0),
        (budget.SPACING_MS, 5 * SECOND),
        (budget.START, 250.0),
        (budget.STEP_SECONDS, 1.0),
        (budget.SETTLE_SECONDS, 5.0),
        (shedding.RETRY_AFTER_SECONDS, 30),
        (shedding.UP_AFTER, 2),
        (shedding.DOWN_AFTER, 8),
        (shedding.EASED, 0.5),
        (testimony.MAX_LINES, 50),
        (testimony.MAX_LINE, 2048),
        (TAKEN, -1),
        (model.DEFAULT_TENANT, "default"),
        ((TOKENS, TAGS), ("pass tokens", "change tags")),
    ],
)
def test_a_documented_figure_changes_only_knowingly(figure: object, is_: object) -> None:
    assert figure == is_


def test_shedding_begins_at_the_documented_limits() -> None:
    assert [(rung.level.name, rung.in_flight, rung.lag, rung.fetch_p95) for rung in shedding.RUNGS] == [
        ("LOG", 200, 0.1, 1.0),
        ("READ", 400, 0.2, 1.5),
        ("ASK", 800, 0.5, 2.0),
        ("REGISTER", 3200, 2.0, 8.0),
    ]
    assert [int(level) for level in shedding.Level] == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("words", [Kind, Trip, Stand, Reason, Act, Standing, trip2_push.Next, fetch.Verdict])
def test_a_word_that_is_stored_or_shown_is_its_name(words: type[StrEnum]) -> None:
    assert [word.value for word in words] == [word.name.lower() for word in words]


def test_the_texts_that_are_shown_keep_their_wording() -> None:
    assert [one.value for one in Sealable] == [
        *(
            "shared key",
            "certificate key",
            "APNs key",
            "signing request key",
            "console TOTP secret",
            "pass token",
            "enrolment",
            "webhook secret",
        )
    ]
    assert [one.value for one in fetch.Evidence] == [
        "same connection as its ask",
        "only one phone has it",
        "just told",
        "unknown",
    ]
    assert [one.value for one in model.Prunable] == [
        "events",
        "registrations that were left",
        "registrations of dead push tokens",
        "phones that follow nothing",
        "push tokens of no phone",
        "receipts of wishes that were done",
        "processes that went without a word",
        "answers kept to be repeated",
        "webhook messages",
        "attempts to send webhooks",
        "imports that are over",
    ]


def test_a_token_derived_by_an_earlier_release_still_opens_its_pass() -> None:
    token = derive_token(b"k" * 32, "default", "pass.test", "membership.42", b"salt")
    assert token == "_nY-CvVMTN5rrN09N3WwkLt4bFzrScS5uDAAsEXjoS8"
    assert trip3_ask.write_tag(model.Tag("e1", 42), "pass.test", b"k" * 32) == "v1.e1.42.fFIEOoRE"


def test_a_journal_written_by_an_earlier_release_is_still_read() -> None:
    entry = Entry(Act.REGISTER, 7, "pass.test", "s", "d", "t", "ab")
    text = b'{"act":"register","at":7,"type":"pass.test","serial":"s","device":"d","token":"t","push":"ab"}'
    assert write_entry(entry) == text
    assert read_entry(text) == entry


def test_the_tokens_of_apples_samples_are_known() -> None:
    assert {"vxwxd7J8AlNNFPS8k0a0FfUFtq0ewzFdc", "vxwxd7J8AlNNFPS8k0a0FfUFtq0ewzFd"} == WELL_KNOWN_TOKENS


SECRET = "feedfacefeedface"
BYTES = SECRET.encode()


@pytest.mark.parametrize(
    "row",
    [
        Entry(Act.REGISTER, 7, "pass.test", "s", "d", "t", SECRET),
        SharedKey("k1", TOKENS, BYTES, 1),
        Sealed(Sealable.TOKEN, TOKENS, "k1", BYTES),
        model.TokenSource("k1", b"salt", BYTES),
        model.Device("pass.test", "d", SECRET, 1, 0, 0, None),
        model.Pass(
            "pass.test",
            "s",
            1,
            1,
            1,
            "sha",
            BYTES,
            "t",
            "r",
            False,
            BYTES,
            BYTES,
            model.TokenSource("k", b""),
            False,
            1,
            1,
        ),
        model.Enrolment("pass.test", "e", "s", 1, 1, True, BYTES),
        model.Target("pass.test", SECRET, 1, 1, 0, 0, 0, 0, 0, 0, None, 0.0, None, 1, None, None),
        model.Certificate("c", "pass.test", "T", "n", "o", "i", "1", 0, 1, 1, False, BYTES, BYTES, 0, None, None, True),
        model.StoredTemplate("t", "r", BYTES, {}, 0, True),
        ConsoleUser("default", "ada", "admin", SECRET, BYTES, 1, 1, None),
        model.ApiKey("k", "default", "n", SECRET, (), None, 0, None, None),
        decision.Forget("pass.test", "d", "s", SECRET, 1, 0),
        decision.SaveDevice("pass.test", "d", SECRET, 1),
        decision.Supersede("pass.test", "d", "s", SECRET, 1),
        decision.Retarget("pass.test", "d", SECRET, SECRET, 1),
        decision.Revive("pass.test", SECRET, 1),
        decision.RaiseAsked("pass.test", "d", SECRET, 0, 0, (), 1, "e"),
        Silent("d", SECRET, 1, 1),
        trip2_push.PushMessage(SECRET, "pass.test", "id", 1),
        trip2_push.PushCredential("c", "pass.test", b"chain", BYTES, BYTES),
    ],
    ids=lambda row: type(row).__name__,
)
def test_a_secret_never_stands_in_a_repr(row: object) -> None:
    assert SECRET not in repr(row)


def test_what_is_not_said_of_a_row_means_nothing_happened_yet() -> None:
    assert model.Counter("pass.test", "e", 7) == model.Counter("pass.test", "e", 7, began=0, modified_floor=0)
    assert model.Watermarks(7) == model.Watermarks(7, pushed=0, asked=0, told=0, served=0)
    event = Event(Kind.ISSUED, 1, "pass.test")
    assert (event.serial, event.device_id, event.target, event.seq, event.id) == (None, None, None, 0, 0)
    assert decision.Join("pass.test", "d", "s", 1, 2).target == ""
    assert decision.RaiseAsked("pass.test", "d", "ab", 0, 0, (), 1, "e").siblings_since == 0
    assert RegisterSnapshot(None, "default", None, None, False).phones == 0
    assert decision.Reply(204) == decision.Reply(204, (), b"")
    assert Entry(Act.UNREGISTER, 1, "pass.test", "s", "d", "t").push_token == ""
    assert Mark("e", 0, 1).modified == 0
    assert hash(model.Tag("e", 1)) == hash(model.Tag("e", 1))
    row = model.Pass(
        "pass.test", "s", 1, 1, 1, "", b"", "", "", False, b"", b"", model.TokenSource("k", b""), False, 1, 1
    )
    assert not decision.PassVersion(row, moves=True, event=None).creates
    message = trip2_push.PushMessage("ab", "pass.test", "id", 1)
    assert (message.priority, message.push_type, message.payload) == (10, None, b"{}")
    assert (shedding.Shedding().level, shedding.Shedding().over, shedding.Shedding().under) == (0, 0, 0)
    assert not fetch.ServedFacts("pass.test", "s", 1, 200, False, 1, (), 1, "e").crowded
    assert not hasattr(model.Tag("e", 1), "__dict__")
