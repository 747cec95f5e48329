"""Templates come in as immutable revisions; the passes that follow them are built anew."""

from __future__ import annotations

import asyncio
from pathlib import Path

from livepass.emulators.authority import Issued
from service.rig import TYPE, rig, template


def test_the_same_files_again_are_not_a_new_revision(tmp_path: Path, pass_certificate: Issued) -> None:
    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            first = await service.issue("1")
            again = await service.publishing.publish(template(), wait=True)
            assert (again.new, again.revision, again.variables) == (False, template().revision, {"points": "scalar"})
            row = await service.store.pass_(TYPE, "1")
            assert row is not None
            assert (row.seq, row.edit) == (first.number, 1)

    asyncio.run(main())


def test_passes_follow_before_it_returns_when_it_is_to_wait(tmp_path: Path, pass_certificate: Issued) -> None:
    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            for serial in ("1", "2", "3"):
                await service.issue(serial)
            await service.register("1")
            await service.ask()
            published = await service.publishing.publish(template(description="New"), wait=True)
            assert published.new
            rows = await service.store.passes(pass_type=TYPE, template=None, prefix="", after=("", ""), limit=9)
            assert {row.revision for row in rows} == {published.revision}
            assert len({row.seq for row in rows}) == 1, "one number for all of them"
            assert [pass_type for pass_type, _ in await service.store.due()] == [TYPE]

    asyncio.run(main())


def test_passes_follow_in_the_background_otherwise(tmp_path: Path, pass_certificate: Issued) -> None:
    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            await service.issue("1")
            published = await service.publishing.publish(template(description="New"))
            async with asyncio.timeout(10):
                while (await service.document("1"))["description"] != "New":  # noqa: ASYNC110 - has no event
                    await asyncio.sleep(0.01)
            row = await service.store.pass_(TYPE, "1")
            assert row is not None
            assert row.revision == published.revision

    asyncio.run(main())


def test_going_back_to_an_older_revision_is_a_publication_too(tmp_path: Path, pass_certificate: Issued) -> None:
    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            await service.issue("1")
            await service.publishing.publish(template(description="New"), wait=True)
            back = await service.publishing.publish(template(), wait=True)
            assert back.new
            assert (await service.document("1"))["description"] == "Membership"
            row = await service.store.pass_(TYPE, "1")
            assert row is not None
            assert row.seq == 3, "phones have the other one: it is a change"

    asyncio.run(main())


def test_a_revision_that_moves_no_byte_of_a_pass_moves_no_pass(tmp_path: Path, pass_certificate: Issued) -> None:
    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            first = await service.issue("1", 5)
            await service.publishing.publish(template(logoText="Gym"), wait=True)
            second = await service.store.pass_(TYPE, "1")
            await service.publishing.publish(template(logoText="Gym", description="Membership"), wait=True)
            third = await service.store.pass_(TYPE, "1")
            assert second is not None
            assert third is not None
            assert (second.seq, third.seq, third.edit) == (first.number + 1, first.number + 1, second.edit)

    asyncio.run(main())
