"""What a journal's entry still means: it brings back what is missing, and never undoes what a phone said later."""

from __future__ import annotations

import pytest

from livepass.core.decision import Decision, Reply
from livepass.core.model import Device, Registration
from livepass.core.replay import (
    Act,
    Entry,
    LastWords,
    Standing,
    body_of,
    by_the_diary,
    depends_on_the_diary,
    entry_of,
    push_token_now,
    read_entry,
    standing,
    write_entry,
)
from livepass.core.snapshots import Twin
from livepass.core.timeline import Event, Kind
from livepass.core.trip1_register import push_token_of

TYPE = "pass.test.replay"
AT = 5000


def entry(act: Act = Act.REGISTER, at: int = AT, serial: str = "a", push_token: str = "aa") -> Entry:
    return Entry(act, at, TYPE, serial, "phone", "f00", push_token)


def device(registered_at: int, push_token: str = "aa") -> Device:
    return Device(TYPE, "phone", push_token, registered_at, 0, 0, None)


def registration(at: int, left_at: int | None = None) -> Registration:
    return Registration(TYPE, "a", "phone", 1, 1, at, left_at, None, 0, None, 0, 0, None)


@pytest.mark.parametrize(
    ("known", "followed", "expected"),
    [
        (None, None, Standing.MISSING),
        (device(AT - 1), None, Standing.MISSING),
        (device(AT + 1), None, Standing.MISSING),
        (device(AT), registration(AT), Standing.THERE),
        (device(AT + 1), registration(AT - 1), Standing.MISSING),
        (device(AT + 1), registration(AT), Standing.THERE),
        (device(AT - 1), registration(AT - 1), Standing.MISSING),
        (device(AT), registration(AT - 9, AT - 1), Standing.MISSING),
        (device(AT), registration(AT - 9, AT), Standing.MISSING),
        (device(AT), registration(AT, AT + 1), Standing.OVERTAKEN),
    ],
    ids=[
        *(
            "nothing is known",
            "the phone is, without the pass",
            "it registered something else since",
            "it is there",
        ),
        *("it registered something else since, but this registration is an older one", "it was repeated since"),
        "an older push token",
        *("it had left before", "it left in the same millisecond", "it left since"),
    ],
)
def test_a_registration(known: Device | None, followed: Registration | None, expected: Standing) -> None:
    assert standing(entry(), known, followed) is expected


@pytest.mark.parametrize(
    ("known", "followed", "expected"),
    [
        (None, None, Standing.THERE),
        (device(AT), None, Standing.THERE),
        (device(AT - 1), registration(AT - 9, AT - 1), Standing.THERE),
        (device(AT - 1), registration(AT - 1), Standing.MISSING),
        (device(AT), registration(AT), Standing.MISSING),
        (device(AT - 1), registration(AT + 1), Standing.OVERTAKEN),
        (device(AT + 1), registration(AT - 1), Standing.OVERTAKEN),
    ],
    ids=[
        *("nothing is known", "no such registration", "it has left", "it never left", "at the same instant"),
        *("it registered since", "the phone registered something since"),
    ],
)
def test_an_unregistration(known: Device | None, followed: Registration | None, expected: Standing) -> None:
    assert standing(entry(Act.UNREGISTER), known, followed) is expected


@pytest.mark.parametrize(("since", "expected"), [(AT, Standing.MISSING), (AT + 1, Standing.OVERTAKEN)])
def test_a_phone_that_registered_under_another_device_id_since(since: int, expected: Standing) -> None:
    twin = Twin("newer", since, None, None, since, 0)
    assert standing(entry(), None, None, [twin]) is expected
    assert standing(entry(Act.UNREGISTER), device(AT - 1), registration(AT - 1), [twin]) is Standing.MISSING


@pytest.mark.parametrize(
    ("act", "found", "followed", "expected"),
    [
        (Act.REGISTER, Standing.MISSING, None, True),
        (Act.REGISTER, Standing.MISSING, registration(AT - 9, AT - 1), True),
        (Act.REGISTER, Standing.THERE, registration(AT), False),
        (Act.REGISTER, Standing.OVERTAKEN, registration(AT, AT), False),
        (Act.UNREGISTER, Standing.THERE, None, True),
        (Act.UNREGISTER, Standing.THERE, registration(AT - 9, AT - 1), True),
        (Act.UNREGISTER, Standing.THERE, registration(AT - 9, AT), False),
        (Act.UNREGISTER, Standing.MISSING, registration(AT - 9), False),
        (Act.UNREGISTER, Standing.OVERTAKEN, registration(AT + 9), False),
    ],
)
def test_the_diary_is_asked_where_no_row_answers(
    act: Act, found: Standing, followed: Registration | None, expected: bool
) -> None:
    assert depends_on_the_diary(entry(act), found, followed) is expected


@pytest.mark.parametrize(
    ("act", "left_at", "kept_since", "expected"),
    [
        (Act.REGISTER, None, 0, Standing.MISSING),
        (Act.REGISTER, AT - 1, 0, Standing.MISSING),
        (Act.REGISTER, AT, 0, Standing.MISSING),
        (Act.REGISTER, AT + 1, AT + 2, Standing.OVERTAKEN),
        (Act.UNREGISTER, None, AT, Standing.UNSAID),
        (Act.UNREGISTER, AT - 1, AT, Standing.UNSAID),
        (Act.UNREGISTER, AT, AT, Standing.THERE),
        (Act.UNREGISTER, None, AT + 1, Standing.THERE),
    ],
)
def test_the_diary_knows_what_was_said_to_another_host(
    act: Act, left_at: int | None, kept_since: int, expected: Standing
) -> None:
    assert by_the_diary(entry(act), left_at, kept_since) is expected


def test_the_newest_push_token_stays() -> None:
    assert push_token_now(entry(), None) == "aa"
    assert push_token_now(entry(), device(AT, "bb")) == "aa"
    assert push_token_now(entry(), device(AT + 1, "bb")) == "bb"
    assert push_token_of(body_of("aa")) == "aa"


def test_the_last_word_of_a_phone_counts() -> None:
    words = LastWords()
    for one in (entry(at=1), entry(Act.UNREGISTER, 5), entry(Act.UNREGISTER, 3), entry(at=5), entry(at=9)):
        words.note(one)
    assert [words.undone(entry(at=at)) for at in (1, 4, 5, 9)] == [True, True, False, False]
    assert not words.undone(entry(at=1, serial="b")), "of another pass nothing was said"
    assert not words.undone(entry(Act.UNREGISTER, 3))


@pytest.mark.parametrize(
    ("said", "undone"),
    [
        ((Act.UNREGISTER, Act.REGISTER), False),
        ((Act.REGISTER, Act.UNREGISTER), True),
        ((Act.UNREGISTER, Act.REGISTER, Act.UNREGISTER), True),
        ((Act.REGISTER, Act.UNREGISTER, Act.REGISTER), False),
    ],
)
def test_in_one_millisecond_the_order_counts(said: tuple[Act, ...], undone: bool) -> None:
    """A phone's requests may follow one another within a millisecond, and the last of them is what it wants."""
    words = LastWords()
    for act in said:
        words.note(entry(act))
    assert words.undone(entry()) is undone


# ── what is written down


@pytest.mark.parametrize(
    ("kind", "act"),
    [
        (Kind.REGISTERED, Act.REGISTER),
        (Kind.REGISTRATION_REFRESHED, Act.REGISTER),
        (Kind.TOKEN_CHANGED, Act.REGISTER),
        (Kind.UNREGISTERED, Act.UNREGISTER),
        (Kind.UNREGISTER_REFUSED, None),
        (Kind.REGISTRATION_REFUSED, None),
    ],
)
def test_what_is_acknowledged_is_kept(kind: Kind, act: Act | None) -> None:
    decision = Decision(Reply(200), (), (Event(kind, AT, TYPE, "a", "phone"),))
    kept = entry_of(decision, "f00", "aa", None)
    assert kept == (None if act is None else entry(act))
    assert entry_of(Decision(Reply(401)), "f00", None, None) is None


@pytest.mark.parametrize(("started_at", "at"), [(None, AT), (AT - 7, AT - 7), (AT + 7, AT)])
def test_a_delete_counts_from_when_it_started(started_at: int | None, at: int) -> None:
    decision = Decision(Reply(200), (), (Event(Kind.UNREGISTERED, AT, TYPE, "a", "phone"),))
    kept = entry_of(decision, "f00", None, started_at)
    assert kept == entry(Act.UNREGISTER, at, push_token="")


def test_an_entry_survives_being_written() -> None:
    assert read_entry(write_entry(entry())) == entry()
    assert "aa" not in repr(entry()).replace("pass", ""), "a push token is personal"


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"[]",
        b"{}",
        b"\xff",
        b"[" * 5000,
        write_entry(entry()).replace(b'"register"', b'"erase"'),
        write_entry(entry()).replace(b"5000", b'"5000"'),
        write_entry(entry()).replace(b'"phone"', b"7"),
    ],
)
def test_what_is_no_entry_is_refused(text: bytes) -> None:
    with pytest.raises(ValueError):
        read_entry(text)


def test_what_is_there_is_not_overtaken_by_another_device_id() -> None:
    twin = Twin("newer", AT + 1, None, None, AT + 1, 0)
    assert standing(entry(), device(AT), registration(AT), [twin]) is Standing.THERE


def test_a_registration_without_its_phone_is_not_there() -> None:
    assert standing(entry(), None, registration(AT)) is Standing.MISSING
    assert standing(entry(Act.UNREGISTER), None, registration(AT)) is Standing.THERE
