"""Building: bytes are remembered by version and certificate, and a promotion is followed without a restart."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from livepass.emulators.authority import Authority, Issued
from livepass.pkpass import read, verify
from livepass.service.building import Builder, CannotBuild, Recent
from promoting import promote
from service.rig import TEAM, TYPE, Rig, points_of, rig, template


def counted(service: Rig, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How often something was built."""
    real, built = service.scheduler.off_loop, []

    async def counting(work: Any, **how: Any) -> Any:
        built.append(1)
        return await real(work, **how)

    monkeypatch.setattr(service.scheduler, "off_loop", counting)
    return built


def test_a_version_is_built_once_a_certificate(
    tmp_path: Path, pass_certificate: Issued, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            await service.issue("1", 10)
            built = counted(service, monkeypatch)
            first = await service.issuing.pkpass(TYPE, "1")
            for _ in range(5):
                assert (await service.fetch("1")).body == first
            assert len(built) == 1
            await service.change("1", 20)
            second = await service.issuing.pkpass(TYPE, "1")
            assert (len(built), points_of(second)) == (2, 20)
            newer = await service.certify(authority.pass_certificate(TYPE, TEAM))
            assert await service.issuing.pkpass(TYPE, "1") == second, "staged is not live"
            await service.store.write(lambda tx: promote(tx, TYPE, newer, 0))
            third = await service.issuing.pkpass(TYPE, "1")
            assert len(built) == 3
            assert read(third).signature != read(second).signature
            assert read(third).manifest_bytes == read(second).manifest_bytes, "only the signature: nothing is re-pushed"
            assert service.elsewhere("SELECT seq FROM counter") == [(2,)]

    asyncio.run(main())


def test_a_promotion_by_another_process_is_followed_without_a_restart(
    tmp_path: Path, pass_certificate: Issued, authority: Authority
) -> None:
    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            await service.issue("1", 10)
            before = await service.issuing.pkpass(TYPE, "1")
            async with rig(tmp_path, None, clock=service.clock, publish=False, seed=2) as other:
                newer = await other.certify(authority.pass_certificate(TYPE, TEAM))
                await other.store.write(lambda tx: promote(tx, TYPE, newer, 0))
            assert (await service.builder.identity(TYPE)).id == newer
            after = read((await service.fetch("1")).body)
            verify(after)
            assert after.signature != read(before).signature
            assert after.manifest_bytes == read(before).manifest_bytes

    asyncio.run(main())


def test_the_same_number_of_another_history_is_another_version(tmp_path: Path, pass_certificate: Issued) -> None:
    """After a restore numbers are given out again: bytes from before it must not be served for them."""

    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            await service.issue("1", 10)
            assert points_of(await service.issuing.pkpass(TYPE, "1")) == 10
            await service.change("1", 20)
            assert points_of((await service.fetch("1")).body) == 20
            await service.store.write(lambda tx: tx.erase_pass(TYPE, "1"))
            service.elsewhere("UPDATE counter SET seq = 1")  # a backup from before the change
            service.clock.pass_(60_000)
            await service.issue("1", 30)
            assert points_of((await service.fetch("1")).body) == 30

    asyncio.run(main())


def test_the_document_is_the_stored_one_and_the_token(tmp_path: Path, pass_certificate: Issued) -> None:
    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            await service.issue("1", 10)
            document = dict(read(await service.issuing.pkpass(TYPE, "1")).document)
            assert document.pop("authenticationToken") == await service.token("1")
            assert document == await service.document("1")
            assert (document["serialNumber"], document["passTypeIdentifier"]) == ("1", TYPE)

    asyncio.run(main())


def test_what_is_missing_is_named_with_what_to_do(tmp_path: Path, pass_certificate: Issued) -> None:
    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            await service.issue("1", 10)
            row = await service.store.pass_(TYPE, "1")
            assert row is not None
            await service.publishing.publish(template(description="New"), wait=False)
            service.elsewhere("DELETE FROM template_revision WHERE revision = :revision", revision=row.revision)
            service.builder._templates = Recent(1)
            with pytest.raises(CannotBuild, match=f"revision {row.revision[:12]} of template membership") as missing:
                await service.builder.pkpass(row, "default")
            assert missing.value.hint == "import the template again: livepass template import membership"
            with pytest.raises(CannotBuild, match="no certificate is live") as missing:
                await service.builder.identity("pass.test.nobody")
            assert "livepass cert import" in missing.value.hint

    asyncio.run(main())


def test_a_chain_that_does_not_fit_its_key_is_no_traceback(
    tmp_path: Path, pass_certificate: Issued, authority: Authority
) -> None:
    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            await service.issue("1", 10)
            chain = authority.pass_certificate(TYPE, TEAM).certificate_pem + pass_certificate.intermediate_pem
            service.elsewhere("UPDATE certificate SET chain_pem = :chain", chain=chain)
            another = Builder(service.store, service.keys, service.clock, service.scheduler)
            with pytest.raises(CannotBuild) as broken:
                await another.identity(TYPE)
            assert broken.value.hint

    asyncio.run(main())


def test_templates_are_opened_once(tmp_path: Path, pass_certificate: Issued) -> None:
    async def main() -> None:
        async with rig(tmp_path, pass_certificate) as service:
            current = await service.builder.template("default", "membership", None)
            assert current is not None
            assert await service.builder.template("default", "membership", current.revision) is current
            assert await service.builder.template("default", "membership", None) is current
            assert await service.builder.template("default", "membership", "0" * 64) is None

    asyncio.run(main())


# ── what is remembered


def test_the_least_recently_used_goes_first() -> None:
    recent: Recent[str, str] = Recent(3)
    for key in "abc":
        recent.put(key, key.upper())
    assert recent.get("a") == "A"
    recent.put("d", "D")
    assert [recent.get(key) for key in "abcd"] == ["A", None, "C", "D"]


def test_weight_is_counted_also_when_a_value_is_replaced() -> None:
    recent: Recent[str, str] = Recent(10)
    for _ in range(50):
        recent.put("a", "x", 4)
    recent.put("b", "y", 6)
    assert recent.get("a") == "x"
    recent.put("a", "z", 5)
    assert (recent.get("a"), recent.get("b")) == ("z", None)


def test_one_value_heavier_than_the_limit_is_kept_alone() -> None:
    recent: Recent[str, str] = Recent(10)
    recent.put("a", "x", 4)
    recent.put("big", "y", 99)
    assert (recent.get("a"), recent.get("big")) == (None, "y")
