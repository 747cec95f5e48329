"""The certificates page and the steps of a certificate's life, taken through forms."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from livepass.core.trip2_push import Credential, PushAnswer, PushMessage
from livepass.emulators.authority import Authority
from livepass.web.console import expiry
from web.asgi import PASS_TYPE
from web.console.rooms import Room, with_room

TEAM = "TEAM123456"
NOW = 1_800_000_000_000
DAY = 86_400_000


async def takes_it(credential: Credential, message: PushMessage) -> PushAnswer:
    """As APNs answers to a token that no phone has, where it takes the certificate."""
    return PushAnswer(message, 400, "BadDeviceToken", None, message.apns_id)


async def staged(room: Room, authority: Authority) -> str:
    """The next certificate of the pass type, taken in as a .p12 through the form; answers its id."""
    issued = authority.pass_certificate(PASS_TYPE, TEAM)
    reply = await room.post("/certificates", files={"p12": issued.p12("a secret word")}, password="a secret word")
    assert reply.status == 303, reply.body
    return reply.headers["location"].rpartition("/")[2]


async def stage(room: Room, certificate: str) -> str:
    return str((await room.json(f"/certificates/{certificate}"))["stage"])


@with_room
async def test_a_certificate_goes_from_staged_to_live_and_back(room: Room, authority: Authority) -> None:
    room.api.services.rotating._prober = takes_it
    new = await staged(room, authority)
    page = f"/certificates/{new}"
    assert await stage(room, new) == "staged"
    # Each step, and how far the certificate has come after it.
    steps: list[tuple[dict[str, str], str]] = [
        ({"act": "prove"}, "proven"),
        ({"act": "canary", "percent": "5"}, "canary"),
        ({"act": "canary", "percent": "0"}, "proven"),
        ({"act": "promote", "confirm": new[:8]}, "live"),
        ({"act": "roll back", "confirm": PASS_TYPE}, "proven"),
        ({"act": "retire", "confirm": new}, "retired"),
    ]
    for fields, after in steps:
        reply = await room.post(page, **fields)
        assert reply.status == 303, (fields, reply.body)
        assert await stage(room, new) == after, fields
    [live] = [one for one in await room.api.services.store.certificates(PASS_TYPE) if one.live]
    assert live.id != new


@pytest.mark.parametrize("typed", ["", "yes", "pass.test.other", "{start:.5}", "x{start}"])
@with_room
async def test_nothing_is_exchanged_or_ended_unless_its_name_is_typed(
    room: Room, authority: Authority, typed: str
) -> None:
    room.api.services.rotating._prober = takes_it
    new = await staged(room, authority)
    await room.post(f"/certificates/{new}", act="prove")
    before = await room.api.services.store.lineage(PASS_TYPE)
    for certificate in (link.id for link in before):
        for act in ("promote", "roll back", "retire"):
            reply = await room.post(f"/certificates/{certificate}", act=act, confirm=typed.format(start=certificate))
            assert reply.status == 200
            assert b"it was not confirmed" in reply.body
    assert await room.api.services.store.lineage(PASS_TYPE) == before


@with_room
async def test_what_cannot_be_done_is_said_with_what_to_do(room: Room, authority: Authority) -> None:
    new = await staged(room, authority)
    steps = {one["step"]: one for one in (await room.json(f"/certificates/{new}"))["steps"]}
    assert [name for name, one in steps.items() if one["may"]] == ["prove", "retire"]
    assert steps["promote"]["hint"] == f"prove it first: livepass cert prove {new}"
    assert [name for name, one in steps.items() if one["next"]] == ["prove"]
    # APNs cannot be heard in these tests.
    unheard = await room.post(f"/certificates/{new}", act="prove")
    assert b"whether APNs takes it is not known" in unheard.body
    for fields in (
        {"act": "canary", "percent": "99"},
        {"act": "canary", "percent": "much"},
        {"act": "prove", "push_token": "zz"},
    ):
        assert b"what was filled in does not fit" in (await room.post(f"/certificates/{new}", **fields)).body
    assert (await room.post("/certificates/0000", act="prove")).status == 404
    assert await stage(room, new) == "staged"


@with_room
async def test_a_p12_is_taken_in_with_its_password_only(room: Room, authority: Authority) -> None:
    p12 = authority.pass_certificate(PASS_TYPE, TEAM).p12("a secret word")
    before = len(await room.api.services.store.certificates(None))
    for files, password in (({"p12": p12}, "another word"), ({"p12": b"no p12"}, "a secret word"), ({"p12": b""}, "")):
        reply = await room.post("/certificates", files=files, password=password)
        assert reply.status == 200
        assert b'role="alert"' in reply.body
        assert b"word" not in reply.body.replace(b"password", b""), "a password is not shown again"
    assert len(await room.api.services.store.certificates(None)) == before


@with_room
async def test_it_says_what_stops_and_what_hangs_on_it(room: Room) -> None:
    await room.api.issue("1001")
    await room.api.register("1001", "a-phone")
    plans = {one["pass_type"]: one for one in (await room.json("/certificates"))["plans"]}
    assert (plans[PASS_TYPE]["passes"], plans[PASS_TYPE]["registrations"]) == (1, 1)
    assert any("signing" in date["stops"] for date in plans[PASS_TYPE]["dates"])
    html = (await room.get("/certificates", "viewer")).body.decode()
    assert "1 passes and 1 registrations hang on it" in html
    assert "passes that phones hold stay" in html
    assert "<form method" not in html, "a viewer has no forms"


@with_room
async def test_a_look_at_everything_is_noted(room: Room) -> None:
    assert (await room.post("/certificates", act="watch")).status == 303
    # Unlike a look at what a form would do, it signs and calls: that is noted.
    assert ("a admin", "Certificates: watch", "") in room.doors.noted
    rows = (await room.json("/certificates"))["watched"]
    assert [one["sound"] for one in rows if one["kind"] == "certificate"] == [True, True]


# ── the drawing


def watched(kind: str, days: float | None, state: str = "fine", pass_type: str | None = PASS_TYPE) -> dict[str, Any]:
    ends = None if days is None else datetime.fromtimestamp(NOW / 1000, UTC) + timedelta(days=days)
    return {"kind": kind, "pass_type": pass_type, "certificate": "c" * 16, "state": state, "ends_at": ends}


@pytest.mark.parametrize(
    ("days", "width", "word"),
    [
        (400, 100.0, "fine, 400 days"),
        (4000, 100.0, "fine, 4000 days"),
        (100, 25.0, "fine, 100 days"),
        (-3, 0.0, "3 days ago"),
    ],
)
def test_a_bar_is_as_long_as_what_is_left(days: float, width: float, word: str) -> None:
    _, row = expiry.drawn([watched("certificate", days)], [], NOW)["rows"]
    assert row["width"] == width
    assert row["word"].endswith(word)


def test_what_was_not_looked_at_has_no_bar() -> None:
    _, row = expiry.drawn([watched("public_tls", None, pass_type=None)], [], NOW)["rows"]
    assert (row["word"], row["width"], row["kind"]) == ("not looked at yet", None, "dim")


def test_rows_stand_below_their_pass_type_and_within_the_drawing() -> None:
    found = expiry.drawn(
        [watched("apns_tls", 9, pass_type=None), watched("intermediate", 900), watched("certificate", 9, "soon")],
        [],
        NOW,
    )
    assert [row.get("head") or row["what"].partition(" c")[0] for row in found["rows"]] == [
        PASS_TYPE,
        "signing",
        "its intermediate",
        "this service's connections",
        "TLS of APNs",
    ]
    ys = [row["y"] for row in found["rows"]]
    assert ys == sorted(set(ys))
    assert max(ys) < found["bottom"] < found["height"]
