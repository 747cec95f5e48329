"""The issuer's side: what is a change, what two issuers at once leave behind, and what never changes."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from livepass.core.timeline import Kind
from livepass.emulators.authority import Authority, Issued
from livepass.pkpass import Template, read
from livepass.service.building import Builder
from livepass.service.drafting import Wish
from livepass.service.issuing import ATTEMPTS, BATCH_LIMIT, READ_AT_ONCE, Issuing
from livepass.service.issuing import Issued as Result
from livepass.service.refusals import Conflict, NotFound, Refusal, TooLarge
from service.rig import HOUR, MINUTE, OTHER, TEAM, TYPE, Rig, points_of, rig, template


def patch(serial: str, data: dict[str, Any] | None = None, **changes: Any) -> Wish:
    return Wish(TYPE, serial, data=data, patch=True, **changes)


def in_between(service: Rig, monkeypatch: pytest.MonkeyPatch, happens: Any, times: int = 1) -> list[int]:
    """Let something happen between a draft and its transaction, the first ``times`` times."""
    real, count = service.issuing._store_drafts, [0]

    async def later(*arguments: Any, **more: Any) -> Any:
        if count[0] < times:
            count[0] += 1
            await happens()
        return await real(*arguments, **more)

    monkeypatch.setattr(service.issuing, "_store_drafts", later)
    return count


def another(service: Rig) -> Issuing:
    """Another process's issuing, over the same database."""
    builder = Builder(service.store, service.keys, service.clock, service.scheduler)
    return Issuing(
        service.store, service.keys, builder, service.clock, service.chance, service.due, service.issuing.drafting._url
    )


# ── what is a change


def test_the_same_again_moves_nothing(tmp_path: Path, pass_certificate: Issued) -> None:
    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            first = await service.issue("1", 10)
            await service.register("1")
            await service.ask()
            service.clock.pass_(HOUR)
            again = await service.issue("1", 10)
            assert (first.created, first.changed, again.created, again.changed) == (True, True, False, False)
            assert (again.number, again.last_modified) == (first.number, first.last_modified)
            assert (again.registrations, again.pushes_due) == (1, 0)
            assert await service.store.due() == []
            assert service.elsewhere("SELECT seq FROM counter") == [(2,)], "one change, one joining"
            assert (await service.kinds("1"))[-1] == "unchanged"
            row = await service.store.pass_(TYPE, "1")
            assert row is not None
            assert row.edit == 2, "but it is a write, which a draft by somebody else must notice"

    asyncio.run(main())


def test_last_modified_is_later_each_time_within_a_second(tmp_path: Path, pass_certificate: Issued) -> None:
    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            seen = [(await service.issue("1", n)).last_modified for n in range(4)]
            assert seen == list(range(seen[0], seen[0] + 4))
            service.clock.pass_(HOUR)
            assert (await service.issue("1", 9)).last_modified == service.clock.now() // 1000

    asyncio.run(main())


def test_a_change_is_pushed_as_the_issuer_wants(tmp_path: Path, pass_certificate: Issued) -> None:
    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            await service.issue("1", 0)
            await service.register("1")
            await service.ask()
            silent = await service.change("1", 1, "none")
            assert (silent.changed, silent.registrations, silent.pushes_due) == (True, 1, 0)
            assert await service.store.due() == []
            loud = await service.change("1", 2, "auto")
            assert loud.pushes_due == 1
            assert await service.store.due() == [(TYPE, service.clock.now())]
            assert (await service.target()).urgent == 0
            urgent = await service.change("1", 3, "now")
            assert (await service.target()).urgent == urgent.number

    asyncio.run(main())


def test_voiding_keeps_what_the_pass_says_and_a_put_takes_it_back(tmp_path: Path, pass_certificate: Issued) -> None:
    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            await service.issue("1", 10)
            voided = await service.issuing.put(Wish(TYPE, "1", void=True))
            assert voided.changed
            document = await service.document("1")
            assert document["voided"] is True
            assert document["storeCard"]["primaryFields"][0]["value"] == 10
            assert (await service.issuing.put(Wish(TYPE, "1", void=True))).changed is False
            await service.change("1", 20)
            assert (await service.document("1"))["voided"] is True, "a patch does not revive it"
            await service.issue("1", 20)
            assert "voided" not in await service.document("1")
            kinds = [kind for kind in await service.kinds("1") if kind != "unchanged"]
            assert kinds == ["issued", "voided", "changed", "changed"]

    asyncio.run(main())


def test_voiding_does_not_unpin_a_pass(tmp_path: Path, pass_certificate: Issued) -> None:
    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            old = template().revision
            await service.issuing.put(Wish(TYPE, "1", "membership", {"points": 1}, revision=old))
            await service.publishing.publish(template(description="Another"), wait=True)
            await service.issuing.put(Wish(TYPE, "1", void=True))
            row = await service.store.pass_(TYPE, "1")
            assert row is not None
            assert (row.pinned, row.revision, row.voided) == (True, old, True)

    asyncio.run(main())


def test_what_is_not_there_is_neither_patched_nor_voided_nor_erased_nor_pushed(
    tmp_path: Path, pass_certificate: Issued
) -> None:
    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            for attempt in (
                service.issuing.put(patch("nobody", {"points": 1})),
                service.issuing.put(Wish(TYPE, "nobody", void=True)),
                service.issuing.erase(TYPE, "nobody"),
                service.issuing.push(TYPE, "nobody"),
                service.issuing.pkpass(TYPE, "nobody"),
            ):
                with pytest.raises(NotFound, match="there is no pass") as refused:
                    await attempt
                assert refused.value.hint

    asyncio.run(main())


# ── two issuers at once


def test_patches_of_different_keys_at_once_both_survive(tmp_path: Path, pass_certificate: Issued) -> None:
    two = {
        "storeCard": {
            "primaryFields": [{"key": "a", "label": "A", "value": "${a}"}],
            "secondaryFields": [{"key": "b", "label": "B", "value": "${b}"}],
        }
    }

    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            await service.publishing.publish(template("two", **two), wait=True)
            await service.issuing.put(Wish(TYPE, "1", "two", {"a": 0, "b": 0}))
            other = another(service)
            for n in range(1, 6):
                results = await asyncio.gather(
                    service.issuing.put(patch("1", {"a": n})), other.put(patch("1", {"b": n}))
                )
                assert {result.changed for result in results} == {True}
                row = await service.store.pass_(TYPE, "1")
                assert row is not None
                assert json.loads(row.data) == {"a": n, "b": n}
            assert service.elsewhere("SELECT seq FROM counter") == [(11,)]

    asyncio.run(main())


def test_a_draft_that_went_stale_is_drawn_anew(
    tmp_path: Path, pass_certificate: Issued, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            await service.issue("1", 10)
            other = another(service)
            in_between(service, monkeypatch, lambda: other.put(patch("1", content={"description": "Other"})))
            result = await service.change("1", 20)
            document = await service.document("1")
            assert document["description"] == "Other"
            assert document["storeCard"]["primaryFields"][0]["value"] == 20
            assert result.number == 3

    asyncio.run(main())


def test_a_pass_that_two_make_at_once_is_made_once(tmp_path: Path, pass_certificate: Issued) -> None:
    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            wish = Wish(TYPE, "1", "membership", {"points": 1})
            results = await asyncio.gather(service.issuing.put(wish), another(service).put(wish))
            assert sorted(result.created for result in results) == [False, True]
            assert len({result.tag for result in results}) == 1

    asyncio.run(main())


def test_a_template_that_is_published_meanwhile_is_the_one_that_counts(
    tmp_path: Path, pass_certificate: Issued, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            newer = template(description="Newer")
            in_between(service, monkeypatch, lambda: service.publishing.publish(newer, wait=True))
            await service.issue("1", 10)
            row = await service.store.pass_(TYPE, "1")
            assert row is not None
            assert row.revision == newer.revision
            assert (await service.document("1"))["description"] == "Newer"

    asyncio.run(main())


def test_a_pass_that_is_erased_and_made_again_meanwhile_is_not_what_was_drafted(
    tmp_path: Path, pass_certificate: Issued, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both copies are at their first edit, but their tokens differ, and so do their manifests."""

    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            await service.issue("1", 10)
            other = another(service)

            async def replace() -> None:
                await other.erase(TYPE, "1")
                await other.put(Wish(TYPE, "1", "membership", {"points": 10}))

            in_between(service, monkeypatch, replace)
            await service.change("1", 20)
            assert (await service.change("1", 20)).changed is False

    asyncio.run(main())


def test_an_issuer_who_is_never_fast_enough_is_told_and_holds_up_nobody(
    tmp_path: Path, pass_certificate: Issued, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            await service.certify(authority.pass_certificate(OTHER, TEAM))
            await service.issue("1", 0)
            other, n = another(service), iter(range(1, 1000))
            count = in_between(service, monkeypatch, lambda: other.put(patch("1", {"points": next(n)})), times=10**6)
            with pytest.raises(Conflict, match="faster") as refused:
                await service.issuing.put(patch("1", {"points": -1}))
            assert (refused.value.code, refused.value.status, refused.value.hint) == (
                "busy",
                409,
                "send the change again",
            )
            assert count[0] == ATTEMPTS
            results = await service.issuing.put_many(
                [
                    Wish(OTHER, "1", "membership", {"points": 1}),
                    patch("1", {"points": -1}),
                    Wish(TYPE, "2", "nothing"),
                    Wish(TYPE, "3", "membership", {"points": 1}),
                ]
            )
            assert [type(result) for result in results] == [Result, Conflict, Refusal, Result], "the last one is new"

    asyncio.run(main())


def test_a_pass_that_others_change_all_the_time_does_not_keep_the_rest_of_a_roll_out_back(
    tmp_path: Path, pass_certificate: Issued, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor is it taken for one that cannot be built: it follows in another round."""

    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            for serial in ("1", "2", "3"):
                await service.issue(serial)
            await service.announce(template(organizationName="Other Gym"))
            other, n = another(service), iter(range(1, 1000))
            in_between(service, monkeypatch, lambda: other.put(patch("2", {"points": next(n)})), times=ATTEMPTS)
            assert await service.issuing.follow("default", "membership") == 2
            for serial in ("1", "2", "3"):  # a change by its issuer follows too
                assert (await service.document(serial))["organizationName"] == "Other Gym"
                assert "template_refused" not in await service.kinds(serial)
            assert service.elsewhere("SELECT serial FROM pass WHERE refused_revision IS NOT NULL") == []

    asyncio.run(main())


# ── what never changes


def test_an_installed_pass_keeps_its_address_and_its_token(tmp_path: Path, pass_certificate: Issued) -> None:
    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            await service.issue("1", 10)
            token = await service.token("1")
            clock = service.clock
        async with rig(tmp_path, None, clock=clock, publish=False, url="https://elsewhere.example/wallet") as moved:
            await moved.change("1", 20)
            await moved.issue("1", 30)
            await moved.issue("2", 30)
            assert (await moved.document("1"))["webServiceURL"] == "https://passes.example.com/wallet"
            assert (await moved.document("2"))["webServiceURL"] == "https://elsewhere.example/wallet"
            assert await moved.token("1") == token
            assert read(await moved.issuing.pkpass(TYPE, "1")).document["authenticationToken"] == token

    asyncio.run(main())


def test_a_token_stands_nowhere_in_the_database(tmp_path: Path, pass_certificate: Issued) -> None:
    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            for serial in ("1", "2"):
                await service.issue(serial, 10)
                await service.register(serial)
                await service.fetch(serial)
            tokens = {await service.token("1"), await service.token("2")}
            assert len(tokens) == 2
            stored = service.on_disk()
            assert b"passes.example.com" in stored, "this does look where the documents are"
            assert not [token for token in tokens if token.encode() in stored]
            assert not [token for token in tokens if token.encode().hex().encode() in stored]
            pem = pass_certificate.key_pem.splitlines()[5]
            assert pem not in stored

    asyncio.run(main())


def test_a_template_may_not_say_who_the_pass_is(tmp_path: Path, pass_certificate: Issued) -> None:
    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            await service.publishing.publish(template("liar", serialNumber="other"), wait=True)
            with pytest.raises(Refusal, match="serialNumber is 'other'") as refused:
                await service.issuing.put(Wish(TYPE, "1", "liar", {"points": 1}))
            assert refused.value.code == "identity"
            with pytest.raises(Refusal, match="teamIdentifier"):
                await service.issuing.put(
                    Wish(TYPE, "1", "membership", {"points": 1}, {"teamIdentifier": "ABCDE12345"})
                )
            content = {
                "authenticationToken": "vxwxd7J8AlNNFPS8k0a0FfUFtq0ewzFdc",
                "webServiceURL": "https://evil.example",
            }
            await service.issuing.put(Wish(TYPE, "1", "membership", {"points": 1}, content))
            package = read(await service.issuing.pkpass(TYPE, "1")).document
            assert package["authenticationToken"] == await service.token("1")
            assert package["webServiceURL"] == "https://passes.example.com/wallet"

    asyncio.run(main())


# ── refusals


@pytest.mark.parametrize(
    ("wish", "code", "says"),
    [
        (Wish("com.example", "1", "membership"), "invalid", "is not a pass type"),
        (Wish(TYPE, "a b", "membership"), "invalid", "cannot be a serial"),
        (Wish(TYPE, "", "membership"), "invalid", "cannot be a serial"),
        (Wish(TYPE, "x" * 101, "membership"), "invalid", "cannot be a serial"),
        (Wish(TYPE, "1\n", "membership"), "invalid", "cannot be a serial"),
        (Wish(TYPE, "1"), "invalid", "needs a template"),
        (Wish(TYPE, "1", "membrship"), "no_template", "no template"),
        (Wish(TYPE, "1", "membership", {"points": 1}, revision="0" * 64), "no_revision", "has no revision"),
        (Wish(TYPE, "1", "membership", {}), "template_data", "cannot be filled"),
        (Wish(TYPE, "1", "membership", {"points": 1, "more": 2}), "template_data", "cannot be filled"),
        (Wish(TYPE, "1", "membership", {"points": 1}, {"description": None}), "lint", "would refuse"),
        (Wish(TYPE, "1", "membership", {"points": 1}, {"x": float("nan")}), "document", "not finite"),
        (Wish(OTHER, "1", "membership", {"points": 1}), "no_certificate", "no certificate"),
    ],
)
def test_a_wish_that_cannot_be_is_refused_and_leaves_nothing(
    wish: Wish, code: str, says: str, tmp_path: Path, pass_certificate: Issued
) -> None:
    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            with pytest.raises(Refusal, match=says) as refused:
                await service.issuing.put(wish)
            assert refused.value.code == code
            assert refused.value.hint or refused.value.faults or code == "no_revision"
            assert service.elsewhere("SELECT count(*) FROM pass") == [(0,)]
            assert service.elsewhere("SELECT seq FROM counter WHERE pass_type = :t", t=TYPE) == [(0,)]

    asyncio.run(main())


def test_a_name_that_is_nearly_right_is_suggested(tmp_path: Path, pass_certificate: Issued) -> None:
    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            with pytest.raises(Refusal) as refused:
                await service.issuing.put(Wish(TYPE, "1", "membrship"))
            assert refused.value.hint == "did you mean membership?"

    asyncio.run(main())


# ── many


def test_a_batch_takes_one_number_a_type_and_answers_in_order(
    tmp_path: Path, pass_certificate: Issued, authority: Authority
) -> None:
    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            await service.certify(authority.pass_certificate(OTHER, TEAM))
            wish = lambda serial, pass_type=TYPE, points=1: Wish(  # noqa: E731
                pass_type, serial, "membership", {"points": points}
            )
            results = await service.issuing.put_many(
                [wish("1"), wish("1", OTHER), wish("1"), wish("bad serial"), wish("2"), wish("2", OTHER), wish("1")]
            )
            shown = [
                (r.serial, r.pass_type, r.number) if isinstance(r, Result) else r.title.split(" ")[-1] for r in results
            ]
            assert shown == [
                *[("1", TYPE, 1), ("1", OTHER, 1), "call", "number", ("2", TYPE, 1), ("2", OTHER, 1), "call"]
            ]
            assert service.elsewhere("SELECT pass_type, seq FROM counter ORDER BY 1") == [(TYPE, 1), (OTHER, 1)]
            again = await service.issuing.put_many([wish("1"), wish("2", points=5)])
            assert [(r.changed, r.number) for r in again if isinstance(r, Result)] == [(False, 1), (True, 2)]

    asyncio.run(main())


def test_one_phone_with_many_passes_of_a_batch_is_pushed_once(tmp_path: Path, pass_certificate: Issued) -> None:
    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            for serial in "123":
                await service.issue(serial)
                await service.register(serial)
            await service.ask()
            results = await service.issuing.put_many([patch(serial, {"points": 7}) for serial in "123"])
            assert [r.pushes_due for r in results if isinstance(r, Result)] == [1, 1, 1]
            await service.dispatcher.work_once()
            assert service.sender.taken() == ["aa"]
            assert (await service.ask())[0] == ["1", "2", "3"]

    asyncio.run(main())


def test_a_batch_has_a_limit(tmp_path: Path, pass_certificate: Issued) -> None:
    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            with pytest.raises(TooLarge, match="1001 passes"):
                await service.issuing.put_many([patch(str(n)) for n in range(BATCH_LIMIT + 1)])
            assert await service.issuing.put_many([]) == []

    asyncio.run(main())


def test_refusals_stay_with_their_wish_when_the_others_are_drawn_anew(
    tmp_path: Path, pass_certificate: Issued, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            await service.issue("1", 10)
            other = another(service)
            in_between(service, monkeypatch, lambda: other.erase(TYPE, "1"))
            first, second = await service.issuing.put_many([patch("1", {"points": 1}), patch("nobody")])
            assert isinstance(first, NotFound)
            assert isinstance(second, NotFound)
            assert (first.title, second.title) == (f"there is no pass {TYPE}/1", f"there is no pass {TYPE}/nobody")

    asyncio.run(main())


# ── the rest


def test_a_preview_says_what_would_change_and_changes_nothing(tmp_path: Path, pass_certificate: Issued) -> None:
    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            new = await service.issuing.preview(Wish(TYPE, "1", "membership", {"points": 1}))
            assert (new.created, new.changed, new.notice.kind, new.registrations) == (True, True, "silent", 0)
            assert service.elsewhere("SELECT count(*) FROM pass") == [(0,)]
            await service.issue("1", 10)
            await service.register("1")
            seen = await service.issuing.preview(patch("1", {"points": 20}))
            assert (seen.created, seen.changed, seen.registrations) == (False, True, 1)
            assert seen.notice.text == "20 points"
            assert [(field["key"], field["before"], field["after"]) for field in seen.fields] == [("points", 10, 20)]
            assert not (await service.issuing.preview(patch("1"))).changed
            assert points_of(await service.issuing.pkpass(TYPE, "1")) == 10

    asyncio.run(main())


def test_erasing_forgets_the_pass_and_its_phones_are_refused(tmp_path: Path, pass_certificate: Issued) -> None:
    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            await service.issue("forgotten", 10)
            await service.register("forgotten")
            allowed = await service.allowed("forgotten")
            await service.ask()
            await service.fetch("forgotten")
            await service.issuing.erase(TYPE, "forgotten")
            left = {table: str(service.elsewhere(f"SELECT * FROM {table}")) for table in service.tables()}
            assert not [table for table, rows in left.items() if "forgotten" in rows]
            assert (await service.answering.fetch(TYPE, "forgotten", allowed, None, None)).reply.status == 401
            await service.issue("forgotten", 10)
            assert await service.allowed("forgotten") != allowed, "a new pass, a new token"

    asyncio.run(main())


def test_pushing_now_makes_due_what_is_waiting(tmp_path: Path, pass_certificate: Issued) -> None:
    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            await service.issue("1")
            await service.register("1")
            assert (await service.target()).next_at == service.clock.now() + MINUTE
            assert await service.issuing.push(TYPE, "1") == 1
            assert await service.dispatcher.work_once() == 1
            assert await service.issuing.push(TYPE, None) == 1
            await service.ask()
            assert await service.issuing.push(TYPE, None) == 0

    asyncio.run(main())


def test_a_lapsed_certificate_refuses_a_download_with_a_hint(tmp_path: Path, authority: Authority) -> None:
    async def main() -> None:
        async with rig(tmp_path, authority.pass_certificate(TYPE, TEAM, days=20)) as service:
            await service.issue("1", 10)
            service.clock.pass_(30 * 24 * HOUR)
            with pytest.raises(Refusal) as refused:
                await service.issuing.pkpass(TYPE, "1")
            assert (refused.value.code, bool(refused.value.hint)) == ("cannot_build", True)

    asyncio.run(main())


# ── following a template


def test_passes_follow_their_template_and_pinned_ones_do_not(tmp_path: Path, pass_certificate: Issued) -> None:
    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            old = template().revision
            await service.issue("follows", 1)
            await service.issuing.put(Wish(TYPE, "pinned", "membership", {"points": 1}, revision=old))
            await service.publishing.publish(template(description="New"), wait=True)
            assert (await service.document("follows"))["description"] == "New"
            assert (await service.document("pinned"))["description"] == "Membership"
            await service.change("pinned", 2)
            assert (await service.document("pinned"))["description"] == "Membership", "a patch keeps the pin"
            await service.issue("pinned", 2)
            assert (await service.document("pinned"))["description"] == "New", "a put without it takes it off"

    asyncio.run(main())


def test_a_picture_alone_is_a_change(tmp_path: Path, pass_certificate: Issued) -> None:
    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            first = await service.issue("1", 1)
            await service.publishing.publish(template(colour=10), wait=True)
            row = await service.store.pass_(TYPE, "1")
            assert row is not None
            assert row.seq == first.number + 1
            assert row.last_modified > first.last_modified

    asyncio.run(main())


def test_a_pass_that_the_new_revision_cannot_build_keeps_the_old_one_and_is_not_tried_again(
    tmp_path: Path, pass_certificate: Issued
) -> None:
    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            await service.issue("1", 1)
            await service.issue("2", 1)
            more = template(logoText="${logo}")
            await service.issuing.put(patch("2"))
            await service.publishing.publish(more, wait=True)
            row = await service.store.pass_(TYPE, "1")
            assert row is not None
            assert row.revision == template().revision
            refused = await service.store.events(kinds=["template_refused"], pass_type=TYPE, after=0, limit=9)
            assert [event.serial for event in refused] == ["1", "2"]
            assert refused[0].detail["revision"] == more.revision
            assert "logo" in str(refused[0].detail["faults"])
            assert await service.issuing.follow_all() == 0
            assert points_of(await service.issuing.pkpass(TYPE, "1")) == 1, "it is served as it was"
            await service.issuing.put(patch("1", {"logo": "Gym"}))
            assert (await service.document("1"))["logoText"] == "Gym"

    asyncio.run(main())


def test_a_pass_that_is_erased_during_a_roll_out_leaves_no_trace(
    tmp_path: Path, pass_certificate: Issued, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            await service.issue("forgotten", 1)
            await service.issue("kept", 1)
            other = another(service)
            in_between(service, monkeypatch, lambda: other.erase(TYPE, "forgotten"))
            await service.publishing.publish(template(description="New"), wait=True)
            assert (await service.document("kept"))["description"] == "New"
            assert "forgotten" not in str(service.elsewhere("SELECT * FROM event"))

    asyncio.run(main())


def test_the_number_of_a_pass_reads_as_phones_see_it(tmp_path: Path, pass_certificate: Issued) -> None:
    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            issued = await service.issue("1", 1)
            row = await service.store.pass_(TYPE, "1")
            assert row is not None
            assert await service.issuing.tag(row) == issued.tag
            await service.register("1")
            assert (await service.ask())[1] != issued.tag, "joining took a number of its own"

    asyncio.run(main())


def test_following_nothing_is_nothing(tmp_path: Path, pass_certificate: Issued) -> None:
    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            assert await service.issuing.follow("default", "nobody") == 0
            assert await service.issuing.follow_all() == 0
            assert isinstance(await service.builder.template("default", "membership", None), Template)
            assert Kind.TEMPLATE_REFUSED.value not in str(service.elsewhere("SELECT kind FROM event"))

    asyncio.run(main())


def test_changes_side_by_side_do_not_wait_for_one_that_went_stale(
    tmp_path: Path, pass_certificate: Issued, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody asked for them to become visible together."""

    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            for serial in ("1", "2"):
                await service.issue(serial, 10)
            told: list[tuple[str, int]] = []

            async def then(_: Any, issued: Result) -> None:
                told.append((issued.serial, issued.number))

            other = another(service)
            in_between(service, monkeypatch, lambda: other.put(patch("1", content={"description": "Other"})))
            wishes = [patch("1", {"points": 20}), patch("nobody"), patch("2", {"points": 20})]
            stale, nobody, two = await service.issuing.put_side_by_side(wishes, "auto", {0: then, 2: then})
            assert stale is None and isinstance(two, Result) and two.changed and isinstance(nobody, NotFound)
            assert told == [("2", two.number)], "what goes with each goes with its own"
            document = await service.document("1")
            assert document["description"] == "Other"
            assert document["storeCard"]["primaryFields"][0]["value"] == 10

    asyncio.run(main())


def test_what_passes_of_a_batch_share_is_read_once(tmp_path: Path, pass_certificate: Issued) -> None:
    """On PostgreSQL each statement is a trip over the network: six for each pass would take longer than the rest."""

    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            count, real = 2 * READ_AT_ONCE, service.store._db.rows  # type: ignore[attr-defined]
            asked: Counter[str] = Counter()

            async def rows(name: str, parameters: Any) -> Any:
                asked[name] += 1
                return await real(name, parameters)

            service.store._db.rows = rows  # type: ignore[attr-defined]
            wishes = [Wish(TYPE, str(n), template="membership", data={"points": n}) for n in range(count)]
            assert all(not isinstance(each, Refusal) for each in await service.issuing.put_many(wishes))
            assert asked.pop("passes_named") == count / READ_AT_ONCE
            assert asked == {"pass_type": 1, "template": 1, "lineage": 1, "certificate": 1}

    asyncio.run(main())
