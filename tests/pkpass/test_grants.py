"""What needs a grant of Apple's is told while a template is designed."""

from __future__ import annotations

import asyncio
from pathlib import Path

from livepass.emulators.authority import Authority
from livepass.pkpass import grants_needed
from service.rig import TEAM, TYPE, clock_of, rig, template

NFC = {"message": "42", "encryptionPublicKey": "x"}


def test_nfc_needs_a_grant_and_nothing_else_does() -> None:
    [one] = grants_needed({"nfc": NFC, "barcodes": []})
    assert (one.rule, one.severity, one.pointer) == ("nfc-grant", "warning", "/nfc")
    assert "payment and access" in one.remedy
    assert grants_needed({"barcodes": []}) == []


def test_a_template_says_so_until_there_is_such_a_certificate(tmp_path: Path, authority: Authority) -> None:
    plain, able = (authority.pass_certificate(TYPE, TEAM, nfc=nfc) for nfc in (False, True))

    async def main() -> None:
        async with rig(tmp_path, plain, clock=clock_of(plain)) as service:
            made = await service.publishing.publish(template("card", nfc=NFC), wait=True)
            assert [(one.rule, one.pointer) for one in made.problems] == [("nfc-grant", "/nfc")]
            await service.certify(able)
            assert (await service.publishing.publish(template("card", nfc=NFC), wait=True)).problems == ()

    asyncio.run(main())
