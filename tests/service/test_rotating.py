"""Certificates that are here."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from livepass.emulators.authority import Authority, Issued
from livepass.service.refusals import NotFound
from service.rig import TEAM, TYPE, rig


def test_a_certificate_is_found_by_the_beginning_of_its_id(
    tmp_path: Path, pass_certificate: Issued, authority: Authority
) -> None:
    async def main() -> None:
        async with rig(tmp_path, pass_certificate, publish=False) as service:
            await service.certify(authority.pass_certificate(TYPE, TEAM))
            first, second = await service.store.certificates(TYPE)
            assert (await service.rotating.get(first.id)).id == first.id
            assert (await service.rotating.get(second.id[:10])).id == second.id
            for text in ("", "nobody"):
                with pytest.raises(NotFound) as refused:
                    await service.rotating.get(text)
                assert refused.value.hint

    asyncio.run(main())
