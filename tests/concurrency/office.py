"""What every process of these tests works on: a configuration that can be handed to a child, and a stocked database."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import engines
from livepass import wiring
from livepass.config import Config
from livepass.emulators.authority import Authority
from livepass.pkpass import Template
from livepass.service.drafting import Wish
from livepass.service.issuing import Issued

PASS_TYPE = "pass.test.livepass"
OTHER_TYPE = "pass.test.other"
TEAM = "TEAM123456"

Settings = Mapping[str, Any]
"""A configuration as JSON."""

DOCUMENT: Mapping[str, Any] = {
    "description": "Membership",
    "organizationName": "Gym",
    "generic": {"primaryFields": [{"key": "value", "label": "VALUE", "value": "${value}"}]},
}
ICON = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c489"
    "0000000d49444154789c6360606060000000050001a5f645400000000049454e44ae426082"
)


def document(description: str = "Membership") -> bytes:
    """pass.json of the template."""
    return json.dumps({**DOCUMENT, "description": description}).encode()


def settings(directory: Path, **more: Any) -> Settings:
    """A new database, of the engine that was chosen, and keys of its own."""
    return {
        "database_url": engines.new_database(directory / "livepass.db"),
        "public_url": "https://localhost",
        "secret_key": [secrets.token_urlsafe(32)],
        "admin_key": "",
        **more,
    }


def config(settings: Settings) -> Config:
    ca_file = settings.get("apns_ca_file")
    return Config(
        **{
            **settings,
            "secret_key": tuple(settings["secret_key"]),
            "apns_ca_file": Path(ca_file) if ca_file else None,
        }
    )


async def stock(settings: Settings, authority: Authority, passes: Mapping[str, Sequence[str]]) -> None:
    """Certificates, a template, and these passes of each type, all with the value ``new``."""
    async with wiring.opened(config(settings)) as services:
        for pass_type in passes:
            issued = authority.pass_certificate(pass_type, TEAM)
            await services.admitting.import_pem(issued.certificate_pem, issued.key_pem, issued.intermediate_pem)
        files = {"pass.json": document(), "icon.png": ICON, "icon@2x.png": ICON}
        await services.publishing.publish(Template.from_files("membership", files), wait=True)
        for pass_type, serials in passes.items():
            wishes = [Wish(pass_type, serial, template="membership", data={"value": "new"}) for serial in serials]
            assert all(isinstance(made, Issued) for made in await services.issuing.put_many(wishes))
