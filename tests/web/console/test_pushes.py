"""The page of pushes: what is due, what APNs answered to those of each change, which credential it refuses."""

from __future__ import annotations

from collections.abc import Mapping

import engines
from livepass.core.authorization import fingerprint
from livepass.core.timeline import Event, Kind
from livepass.core.trip2_push import PushAnswer, message, read_answer
from web.asgi import OTHER, PASS_TYPE, push_token_of
from web.console.console_app import Console, with_console

Answers = Mapping[str, tuple[int, str]]


async def followed(console: Console, *devices: str, serial: str = "a") -> int:
    """A pass that these phones follow, changed since; its number."""
    await console.api.issue(serial, 1)
    for device in devices:
        await console.api.register(serial, device)
    await console.api.issue(serial, 2)
    row = await console.api.row(serial)
    assert row is not None
    return row.seq


async def answered(console: Console, answers: Answers, *, later: int = 60_000) -> None:
    """APNs says this to the pushes of these phones, and the store writes it down, as a worker would."""
    services = console.api.services
    store, now = services.store, services.clock.now() + later
    engines.run(services.config.database_url, "UPDATE push_target SET next_at = 0, hold_until = 0")
    targets = await store.write(
        lambda tx: tx.claim_targets(PASS_TYPE, lease="l", now=now, lease_until=now + 60_000, limit=500)
    )
    by_token = {push_token_of(device): answer for device, answer in answers.items()}
    outcomes = [
        read_answer(
            target,
            PushAnswer(message(target, "id", now), *by_token[target.push_token], None, "id"),
            now,
            1.0,
            trust_token_errors=True,
        )
        for target in targets
        if target.push_token in by_token
    ]
    assert len(outcomes) == len(answers)
    await store.write(lambda tx: tx.record_outcomes("l", outcomes, now))


@with_console
async def test_a_change_with_its_answers_and_whose_each_is(console: Console) -> None:
    number = await followed(console, "d1", "d2", "d3", "d4", "d5")
    held = fingerprint(push_token_of("d5"))
    until = console.api.services.clock.now() + 600_000
    event = Event(Kind.PUSH_HELD, until - 1, PASS_TYPE, None, None, held, number, {"until": until, "score": 3.1})
    await console.api.services.store.write(lambda tx: tx.add_events([event]))
    answers = {"d1": (200, ""), "d2": (410, "Unregistered"), "d3": (0, "Timeout"), "d4": (403, "BadCertificate")}
    await answered(console, answers)
    [line] = [one for one in (await console.data("pushes"))["changes"] if one["number"] == number]
    assert line["cause"] == {
        "kind": "changed",
        "serial": "a",
        "at": line["cause"]["at"],
        "fields": [{**line["cause"]["fields"][0], "before": 1, "after": 2}],
    }
    assert (line["phones"], line["accepted"], line["held"]) == (4, 1, 1)
    assert {(one["reason"], one["whose"]) for one in line["answers"]} == {
        ("", "nobody"),
        ("Unregistered", "phone"),
        ("Timeout", "network"),
        ("BadCertificate", "certificate or key"),
    }
    page = await console.html("pushes")
    assert "410 Unregistered" in page.text and "held for the phone’s patience" in page.text
    assert "first answer after" in page.text
    assert f"/console/passes/{PASS_TYPE}/a" in page.links()


@with_console
async def test_what_is_due_by_pass_type_and_what_goes_next(console: Console) -> None:
    await followed(console, "d1", "d2", "d3")
    await answered(console, {"d1": (200, "")})
    data = await console.data("pushes")
    [row] = [one for one in data["types"] if one["pass_type"] == PASS_TYPE]
    assert (row["due"], row["accepted"]) == (3, 1)
    assert len(data["due"]) == 3 and {one["pass_type"] for one in data["due"]} == {PASS_TYPE}
    assert all(one["device_id"].endswith("…") or len(one["device_id"]) <= 7 for one in data["due"])
    other = await console.data(f"pushes?pass_type={OTHER}")
    assert other["due"] == [] and other["changes"] == []
    assert [one["pass_type"] for one in other["types"]] == [OTHER]
    page = await console.html("pushes")
    assert "accepted by APNs, not asked yet" in page.text and "not accepted yet" in page.text
    assert "livepass push list --due" in page.text


@with_console
async def test_a_credential_that_apns_refuses(console: Console) -> None:
    now = console.api.services.clock.now()
    assert "not refused" in (await console.html("pushes")).text
    store = console.api.services.store
    await store.write(lambda tx: tx.open_circuit(PASS_TYPE, now + 300_000, "BadCertificate", now, None))
    await store.write(lambda tx: tx.open_circuit(OTHER, now - 1, "ExpiredProviderToken", now - 300_000, "KEY1234567"))
    found = {one["pass_type"]: one["circuit"] for one in (await console.data("pushes"))["types"]}
    assert (found[PASS_TYPE]["open"], found[PASS_TYPE]["credential"]) == (True, "certificate")
    assert (found[OTHER]["open"], found[OTHER]["credential"]) == (False, "APNs key KEY1234567")
    page = await console.html("pushes")
    assert (
        "APNs refuses the certificate: BadCertificate" in page.text and "was refused: ExpiredProviderToken" in page.text
    )


@with_console
async def test_pushing_now_wants_the_pass_type_typed(console: Console) -> None:
    url = console.api.services.config.database_url
    await followed(console, "d1", "d2")
    far = console.api.services.clock.now() + 3_600_000
    engines.run(url, "UPDATE push_target SET next_at = ?", far)
    for form in ({}, {"pass_type": PASS_TYPE}, {"pass_type": PASS_TYPE, "confirm": OTHER}, {"confirm": ""}):
        reply = await console.page("pushes", form=form)
        assert reply.status == 200 and b"nothing was done" in reply.body
    unknown = {"pass_type": "pass.test.unknown", "confirm": "pass.test.unknown"}
    assert b"there is no pass type" in (await console.page("pushes", form=unknown)).body
    typed = {"pass_type": PASS_TYPE, "confirm": f" {PASS_TYPE} "}
    assert (await console.page("pushes", "viewer", typed)).status == 403
    assert (await console.page("pushes", form={**typed, "csrf": "another"})).status == 403
    assert {row["next_at"] for row in engines.look(url, "SELECT next_at FROM push_target")} == {far}
    reply = await console.page("pushes", form=typed)
    assert (reply.status, reply.headers["location"]) == (303, f"/console/pushes?pass_type={PASS_TYPE}")
    assert "2%20pushes" in reply.headers["set-cookie"]
    assert all(row["next_at"] < far for row in engines.look(url, "SELECT next_at FROM push_target"))


@with_console
async def test_viewers_see_figures_and_no_values_and_no_form(console: Console) -> None:
    await followed(console, "d1")
    page = await console.html("pushes", role="viewer")
    assert "confirm" not in page.raw and "(hidden)" in page.text
    assert "confirm" in (await console.html("pushes")).raw
