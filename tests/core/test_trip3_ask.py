"""Trip 3a: what a tag means, and 200 or 204."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from livepass.core.change import AHEAD_SECONDS
from livepass.core.decision import Decision, NewEpoch, RaiseAsked, Reinstate, Revive
from livepass.core.model import Counter, Device, Registration, Tag
from livepass.core.retelling import RETELL_LIMIT, next_retelling
from livepass.core.snapshots import Listed
from livepass.core.timeline import TAKEN, Kind
from livepass.core.trip1_register import TOMBSTONE_MS
from livepass.core.trip3_ask import SIBLING_MS, AskFacts, ask, heard, read_tag, write_tag

TYPE, PHONE = "pass.test", "d41d8cd98f00b204e9800998ecf8427e"
KEY = b"k" * 32
NOW = 1_790_000_000_000
EPOCH, FRESH = "0123456789ab", "ba9876543210"
PUSH = "ab" * 32


def listed(
    serial: str, newest: int, *, left_at: int | None = None, superseded_at: int | None = None, retold: int = 0
) -> Listed:
    """Told again ``retold`` times of its newest version."""
    seq, at = newest if retold else 1, NOW - 9_000
    return Listed(
        Registration(TYPE, serial, PHONE, 1, seq, at, left_at, superseded_at, 0, None, 0, retold, None), newest
    )


DEVICE = Device(TYPE, PHONE, PUSH, NOW - 9_000, asked=5, told=8, asked_at=NOW - 8_000)
ROWS = (listed("b", 9), listed("a", 7), listed("c", 8))
COUNTER = Counter(TYPE, EPOCH, 10)
DAY_BEFORE_LAST_ASK = NOW - 8_000 - SIBLING_MS


def call(text: str | None, **changes: object) -> AskFacts:
    facts = AskFacts(TYPE, PHONE, text, read_tag(text, TYPE, KEY), COUNTER, DEVICE, ROWS, False, False, KEY, FRESH, NOW)
    return replace(facts, **changes)  # type: ignore[arg-type]


def tag(seq: int, epoch: str = EPOCH) -> str:
    return write_tag(Tag(epoch, seq), TYPE, KEY)


def answer(decision: Decision) -> dict[str, object]:
    return dict(json.loads(decision.reply.body))


# ── the tag on the wire

SEQS = st.integers(0, 10**18 - 1)
EPOCHS = st.from_regex(r"[0-9A-Za-z_-]{1,16}", fullmatch=True)


@given(EPOCHS, SEQS)
def test_a_tag_comes_back_as_it_went(epoch: str, seq: int) -> None:
    text = write_tag(Tag(epoch, seq), TYPE, KEY)
    assert read_tag(text, TYPE, KEY) == Tag(epoch, seq)
    assert re.fullmatch(r"[0-9A-Za-z_.~-]+", text), "phones do not escape + & ="
    assert text.startswith(f"v1.{epoch}.{seq}.")


@given(st.text() | st.from_regex(r"v1\.[0-9A-Za-z_-]{1,16}\.[0-9]{1,19}\.[0-9A-Za-z_-]{8}", fullmatch=True))
def test_what_we_did_not_write_is_no_tag(text: str) -> None:
    read = read_tag(text, TYPE, KEY)
    assert read is None or write_tag(read, TYPE, KEY) == text


@given(EPOCHS, SEQS, st.integers(0, 50), st.characters(codec="utf-8"))
def test_a_tag_with_any_character_changed_is_no_tag(epoch: str, seq: int, at: int, other: str) -> None:
    text = write_tag(Tag(epoch, seq), TYPE, KEY)
    at %= len(text)
    garbled = text[:at] + other + text[at + 1 :]
    assume(garbled != text)
    assert read_tag(garbled, TYPE, KEY) is None


@given(EPOCHS, SEQS)
def test_a_tag_of_another_key_or_pass_type_is_no_tag(epoch: str, seq: int) -> None:
    assert read_tag(write_tag(Tag(epoch, seq), TYPE, b"x" * 32), TYPE, KEY) is None
    assert read_tag(write_tag(Tag(epoch, seq), "pass.other", KEY), TYPE, KEY) is None


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "10",
        "2024-07-08T08:03:13.588412 00:00",
        tag(7)[:-1],
        tag(7) + "A",
        tag(7) + "\n",
        " " + tag(7),
        tag(7).replace(".7.", ".07."),
        tag(7).replace(".7.", ".-7."),
        tag(7).replace(".7.", ".٧."),
        tag(7).replace("v1", "v2"),
        tag(7).upper(),
        "v1." + "9" * 5_000,
    ],
)
def test_no_empty_garbled_or_foreign_tag_means_tell_everything(text: str | None) -> None:
    decision = ask(call(text))
    assert decision.reply.status == 200
    assert answer(decision)["serialNumbers"] == ["a", "b", "c"]
    (raised,) = decision.writes
    assert isinstance(raised, RaiseAsked)
    assert (raised.asked, raised.told) == (0, 10), "a tag that is not ours proves nothing about what was seen"


@pytest.mark.parametrize(
    ("sent", "since"),
    [(None, None), (Tag(FRESH, 3), None), (Tag(EPOCH, 11), None), (Tag(EPOCH, 10), 10), (Tag(EPOCH, 0), 0)],
    ids=["none", "another epoch", "ahead of the counter", "newest", "first"],
)
def test_what_a_tag_means(sent: Tag | None, since: int | None) -> None:
    assert heard(sent, COUNTER) == since


# ── 200 or 204


@pytest.mark.parametrize(
    ("since", "serials"),
    [(0, ["a", "b", "c"]), (6, ["a", "b", "c"]), (7, ["b", "c"]), (8, ["b"]), (9, []), (10, [])],
)
def test_newer_than_the_tag_and_nothing_else(since: int, serials: list[str]) -> None:
    decision = ask(call(tag(since)))
    if serials:
        assert decision.reply.status == 200
        assert answer(decision) == {"serialNumbers": serials, "lastUpdated": tag(10)}
        assert dict(decision.reply.headers)[b"content-type"] == b"application/json"
    else:
        assert (decision.reply.status, decision.reply.body) == (204, b"")


def test_the_tag_is_a_string_and_never_the_one_just_sent() -> None:
    decision = ask(call(tag(8)))
    assert isinstance(answer(decision)["lastUpdated"], str)
    assert answer(decision)["lastUpdated"] != tag(8)


def test_passes_without_a_number_are_told_to_a_phone_without_a_tag() -> None:
    decision = ask(call(None, listed=(listed("a", 0),), counter=Counter(TYPE, EPOCH, 0)))
    assert answer(decision) == {"serialNumbers": ["a"], "lastUpdated": tag(0)}


@pytest.mark.parametrize(
    ("spoiled", "kinds"),
    [
        ({"device": None}, [Kind.ASKED_UNKNOWN]),
        ({"listed": ()}, [Kind.ASKED_UNKNOWN]),
        ({"listed": (listed("a", 9, left_at=NOW - TOMBSTONE_MS),)}, [Kind.ASKED_UNKNOWN]),
        ({"counter": None}, []),
    ],
    ids=["unknown phone", "follows nothing", "left an hour ago", "unknown pass type"],
)
@pytest.mark.parametrize("text", [None, tag(3), "2024-07-08"])
def test_an_unknown_phone_gets_the_answer_of_one_that_is_up_to_date(
    spoiled: dict[str, object], kinds: list[Kind], text: str | None
) -> None:
    decision = ask(call(text, **spoiled))
    assert decision.reply == ask(call(tag(10))).reply
    assert decision.writes == ()
    assert [event.kind for event in decision.events] == kinds
    for event in decision.events:
        assert event.detail == {"status": 204, "tag": text, "ours": text == tag(3)}


def test_a_tombstone_is_told_for_an_hour() -> None:
    rows = (listed("a", 9, left_at=NOW - TOMBSTONE_MS + 1), listed("b", 9, left_at=NOW - TOMBSTONE_MS))
    assert answer(ask(call(tag(3), listed=rows)))["serialNumbers"] == ["a"]


# ── what an ask raises


def test_an_ask_acknowledges_what_was_pushed() -> None:
    decision = ask(call(tag(8)))
    assert decision.writes == (
        RaiseAsked(TYPE, PHONE, PUSH, 8, 10, (("b", NOW + 15 * 60_000),), NOW, EPOCH, DAY_BEFORE_LAST_ASK),
    )
    (event,) = decision.events
    assert (event.kind, event.device_id, event.seq) == (Kind.ASKED, PHONE, 10)
    assert event.detail == {"status": 200, "asked": 8, "tag": tag(8), "serials": ["b"], "count": 1}


@pytest.mark.parametrize(
    ("device", "raises"),
    [
        (replace(DEVICE, told=10, asked=10), False),
        (replace(DEVICE, told=9, asked=10), True),
        (replace(DEVICE, told=10, asked=9), True),
    ],
    ids=["nothing new", "told rises", "asked rises"],
)
def test_an_ask_without_news_writes_only_what_rises(device: Device, raises: bool) -> None:
    decision = ask(call(tag(10), device=device))
    assert decision.reply.status == 204
    assert len(decision.writes) == raises
    assert decision.events[0].detail == {"status": 204, "asked": 10, "tag": tag(10)}


def test_a_long_list_is_told_in_full_and_written_down_in_part() -> None:
    rows = tuple(listed(f"s{n:03}", 9) for n in range(120))
    decision = ask(call(None, listed=rows))
    serials = answer(decision)["serialNumbers"]
    detail = decision.events[0].detail
    assert isinstance(serials, list)
    assert len(serials) == 120
    assert (detail["serials"], detail["count"]) == (serials[:50], 120)


def test_an_ask_revives_a_token_believed_dead() -> None:
    assert Revive(TYPE, PUSH, NOW) in ask(call(tag(8), target_dead=True)).writes


def test_what_anybody_may_send_is_written_down_short_and_printable() -> None:
    for facts in (call("\x1b[2J\u202e" + "x" * 200), call("\x1b[2J\u202e" + "x" * 200, device=None)):
        assert ask(facts).events[0].detail["tag"] == "?[2J?" + "x" * 75


# ── told is not delivered


@pytest.mark.parametrize(("retold", "minutes"), [(0, 15), (1, 30), (2, 60), (5, 480), (6, None), (7, None)])
def test_told_is_not_delivered(retold: int, minutes: int | None) -> None:
    """What was told without evidence is told again: 15 min, doubling, bounded."""
    again = None if minutes is None else NOW + minutes * 60_000
    assert next_retelling(retold, NOW) == again
    (raised,) = ask(call(tag(8), listed=(listed("a", 9, retold=retold),))).writes
    assert isinstance(raised, RaiseAsked)
    assert raised.named == (("a", again),)


def test_what_the_tag_says_was_told_and_nobody_wrote_down_is_waited_for_from_now_on() -> None:
    """The process that told it died before it could say so: the phone has the tag, and perhaps not the pass."""
    rows = (listed("a", 7), listed("b", 9), listed("c", 9, retold=2), listed("d", 10))
    decision = ask(call(tag(9), device=replace(DEVICE, told=8), listed=rows))
    assert answer(decision)["serialNumbers"] == ["d"], "it is not told out of turn"
    (raised,) = decision.writes
    assert isinstance(raised, RaiseAsked)
    first, third = NOW + 15 * 60_000, NOW + 60 * 60_000
    assert raised.named == (("d", first), ("b", first), ("c", third))
    (raised,) = ask(call(tag(9), device=replace(DEVICE, told=9), listed=rows[:3])).writes
    assert isinstance(raised, RaiseAsked)
    assert raised.named == (), "once is enough"


@pytest.mark.parametrize("newest", [10, 11])
def test_a_version_that_is_newer_than_its_last_retelling_starts_afresh(newest: int) -> None:
    """A new epoch makes everything newer and resets no row: without this it would be told once and given up."""
    row = listed("a", 9, retold=RETELL_LIMIT)
    (raised,) = ask(call(tag(8), listed=(Listed(row.registration, newest),))).writes
    assert isinstance(raised, RaiseAsked)
    assert raised.named == (("a", NOW + 15 * 60_000),)


def test_a_superseded_device_id_that_is_told_of_something_may_stand_for_a_phone_after_all() -> None:
    rows = (listed("a", 9, superseded_at=NOW - 9), listed("b", 9), listed("c", 7, superseded_at=NOW - 9))
    decision = ask(call(tag(8), listed=rows))
    assert answer(decision)["serialNumbers"] == ["a", "b"], "superseded is answered like any other"
    assert [write for write in decision.writes if isinstance(write, Reinstate)] == [Reinstate(TYPE, PHONE, "a")]


@pytest.mark.parametrize(
    ("asked_at", "since"), [(NOW - 8_000, DAY_BEFORE_LAST_ASK), (None, NOW - SIBLING_MS)], ids=["asked", "never asked"]
)
def test_siblings_are_records_that_were_heard_as_lately(asked_at: int | None, since: int) -> None:
    (raised,) = ask(call(tag(8), device=replace(DEVICE, asked_at=asked_at))).writes
    assert isinstance(raised, RaiseAsked)
    assert raised.siblings_since == since


def test_retelling_ends_after_about_a_day() -> None:
    waits = [next_retelling(retold, 0) for retold in range(RETELL_LIMIT)]
    assert sum(wait for wait in waits if wait is not None) == 15.75 * 3_600_000


# ── history that went back


def test_a_valid_tag_ahead_of_the_counter_is_a_new_epoch_and_an_alarm() -> None:
    decision = ask(call(tag(11)))
    assert answer(decision) == {"serialNumbers": ["a", "b", "c"], "lastUpdated": tag(10, FRESH)}
    assert decision.writes[0] == NewEpoch(TYPE, EPOCH, FRESH, NOW // 1000 + AHEAD_SECONDS)
    alarm, asked = decision.events
    assert (alarm.kind, alarm.device_id, alarm.seq) == (Kind.NEW_EPOCH, PHONE, TAKEN)
    assert alarm.detail == {"reason": "tag_ahead", "from": EPOCH, "epoch": FRESH, "counter": 10, "tag": 11}
    assert (asked.kind, asked.detail["asked"]) == (Kind.ASKED, 0)


@pytest.mark.parametrize("lost", [{"device": None}, {"listed": ()}])
def test_a_phone_whose_registration_went_with_it_shows_it_too(lost: dict[str, Any]) -> None:
    decision = ask(call(tag(11), **lost))
    assert (decision.reply.status, decision.reply.body) == (204, b"")
    assert [type(write) for write in decision.writes] == [NewEpoch]
    assert [event.kind for event in decision.events] == [Kind.ASKED_UNKNOWN, Kind.NEW_EPOCH]


@pytest.mark.parametrize("text", [tag(11, FRESH), tag(3, FRESH), tag(10), write_tag(Tag(EPOCH, 11), TYPE, b"x")])
def test_nothing_else_is_a_new_epoch(text: str) -> None:
    assert not [write for write in ask(call(text)).writes if isinstance(write, NewEpoch)]


def test_another_epoch_means_tell_everything() -> None:
    decision = ask(call(tag(9, FRESH)))
    assert answer(decision) == {"serialNumbers": ["a", "b", "c"], "lastUpdated": tag(10)}


# ── no phone ever misses a change

SERIALS, PHONES = ("a", "b", "c"), ("p", "q")


@dataclass
class World:
    """A server of three dictionaries and phones that do what phones do: store the tag they were given."""

    seq: int = 0
    epoch: str = EPOCH
    restores: int = 0
    passes: dict[str, int] = field(default_factory=lambda: dict.fromkeys(SERIALS, 0))
    joined: dict[tuple[str, str], int] = field(default_factory=dict)
    devices: dict[str, Device] = field(default_factory=dict)
    tags: dict[str, str | None] = field(default_factory=lambda: dict.fromkeys(PHONES))
    told: dict[tuple[str, str], int] = field(default_factory=dict)

    def change(self, serials: frozenset[str]) -> None:
        """A bulk change takes one number."""
        self.seq += 1
        self.passes.update(dict.fromkeys(serials, self.seq))

    def join(self, phone: str, serial: str) -> None:
        """Joining takes a number; the phone holds the pass of some time before."""
        if (phone, serial) not in self.joined:
            self.seq += 1
            self.joined[phone, serial] = self.seq
            self.devices.setdefault(phone, Device(TYPE, phone, PUSH, 0, 0, 0, None))

    def newest(self, phone: str) -> dict[str, int]:
        return {serial: max(self.passes[serial], at) for (who, serial), at in self.joined.items() if who == phone}

    def forget_tag(self, phone: str, tag: str | None) -> None:
        self.tags[phone] = tag

    def go_back(self, numbers: int) -> None:
        """A restore that lost numbers, and takes a new epoch as every restore must."""
        self.seq, self.restores = max(0, self.seq - numbers), self.restores + 1
        self.epoch = f"epoch-{self.restores}"
        self.passes = {serial: min(at, self.seq) for serial, at in self.passes.items()}
        self.joined = {key: min(at, self.seq) for key, at in self.joined.items()}
        self.devices = {phone: replace(device, asked=0, told=0) for phone, device in self.devices.items()}
        self.told.clear()

    def ask(self, phone: str) -> None:
        sent, newest = self.tags[phone], self.newest(phone)
        read = read_tag(sent, TYPE, KEY)
        counter = Counter(TYPE, self.epoch, self.seq)
        rows = [
            Listed(Registration(TYPE, s, phone, 1, 1, 0, None, None, 0, None, 0, 0, None), n) for s, n in newest.items()
        ]
        facts = AskFacts(TYPE, phone, sent, read, counter, self.devices.get(phone), rows, False, False, KEY, FRESH, NOW)
        decision = ask(facts)
        named: list[str] = []
        if decision.reply.status == 200:
            body = json.loads(decision.reply.body)
            named, self.tags[phone] = body["serialNumbers"], body["lastUpdated"]
            assert named
            assert self.tags[phone] != sent, "serials with the tag just sent"
        since = read.seq if read is not None and read.epoch == self.epoch else -1
        assert set(named) == {serial for serial, at in newest.items() if at > since}
        self.told.update({(phone, serial): newest[serial] for serial in named})
        for serial, at in newest.items():
            assert self.told[phone, serial] >= at, "a phone was never told of a change"
        for write in decision.writes:
            assert isinstance(write, RaiseAsked)
            before = self.devices[phone]
            assert before.told <= write.told == self.seq
            assert write.asked == max(since, 0)
            self.devices[phone] = replace(before, asked=max(before.asked, write.asked), told=write.told)


PHONE_NAMES = st.sampled_from(PHONES)
STEPS = st.one_of(
    st.tuples(st.just(World.change), st.frozensets(st.sampled_from(SERIALS), min_size=1)),
    st.tuples(st.just(World.join), PHONE_NAMES, st.sampled_from(SERIALS)),
    st.tuples(st.just(World.ask), PHONE_NAMES),
    st.tuples(st.just(World.ask), PHONE_NAMES),
    st.tuples(st.just(World.forget_tag), PHONE_NAMES, st.sampled_from([None, "", "v1.x.1.AAAAAAAA"])),
)


@given(st.lists(STEPS, max_size=40))
def test_no_phone_ever_misses_a_change(steps: list[tuple]) -> None:  # type: ignore[type-arg]
    world = World()
    for step, *arguments in steps:
        step(world, *arguments)


@given(st.lists(STEPS | st.tuples(st.just(World.go_back), st.integers(0, 5)), max_size=40))
def test_no_phone_ever_misses_a_change_after_a_restore(steps: list[tuple]) -> None:  # type: ignore[type-arg]
    world = World()
    for step, *arguments in steps:
        step(world, *arguments)


def test_an_ask_acknowledges_a_push_that_is_still_due_though_nothing_is_new() -> None:
    """A token shared by two records may be due for the other one: asking is what ends it."""
    steady = replace(DEVICE, told=COUNTER.seq, asked=COUNTER.seq)
    quiet = ask(call(tag(COUNTER.seq), device=steady))
    assert quiet.reply.status == 204
    assert quiet.writes == ()
    due = ask(call(tag(COUNTER.seq), device=steady, push_due=True))
    assert [write.told for write in due.writes if isinstance(write, RaiseAsked)] == [COUNTER.seq]


def test_a_phone_that_has_heard_the_newest_number_is_known_though_nothing_was_listed() -> None:
    decision = ask(call(tag(10), listed=()))
    assert decision.reply.status == 204
    assert [event.kind for event in decision.events] == [Kind.ASKED]
    assert [write.told for write in decision.writes if isinstance(write, RaiseAsked)] == [10]


def test_what_is_told_once_more_is_waited_for_once_more() -> None:
    """A phone that lost its tag is told everything, though it had been told all of it before."""
    decision = ask(call(None, device=replace(DEVICE, asked=10, told=10)))
    [raised] = [write for write in decision.writes if isinstance(write, RaiseAsked)]
    assert [serial for serial, _ in raised.named] == ["a", "b", "c"]


def test_what_is_waited_for_already_is_waited_for_anew() -> None:
    """Whether it still is when this is written, nobody knows yet: a fetch of what it was before may be noted first."""
    rows = tuple(replace(row, registration=replace(row.registration, retell_at=NOW)) for row in ROWS)
    decision = ask(call(None, listed=(*rows, listed("d", 10))))
    [raised] = [write for write in decision.writes if isinstance(write, RaiseAsked)]
    assert [serial for serial, _ in raised.named] == ["a", "b", "c", "d"]


def test_a_decision_cannot_be_added_to() -> None:
    assert isinstance(ask(call(tag(10))).events, tuple)


def test_what_was_written_down_as_told_is_not_waited_for_anew() -> None:
    [raised] = [write for write in ask(call(tag(9))).writes if isinstance(write, RaiseAsked)]
    assert [serial for serial, _ in raised.named] == ["b"], "told was 8: only what came after"


def test_a_list_has_no_blanks() -> None:
    """It goes over a phone's radio: some have thousands of passes."""
    assert b" " not in ask(call(tag(6))).reply.body


@pytest.mark.parametrize("serial", ['a"b\\', "\u00e9\u2028", "\x00\x1f</"])
def test_a_list_is_json_whatever_a_serial_holds(serial: str) -> None:
    body = ask(call(tag(6), listed=(listed(serial, 9), listed("b", 9)))).reply.body
    assert body.isascii()
    assert json.loads(body) == {"lastUpdated": tag(10), "serialNumbers": sorted([serial, "b"])}


def test_an_ask_of_an_unknown_phone_is_filed_under_its_device_id() -> None:
    [event] = ask(call(tag(10), device=None, listed=())).events
    assert (event.kind, event.device_id) == (Kind.ASKED_UNKNOWN, PHONE)
