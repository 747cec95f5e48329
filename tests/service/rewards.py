"""A rewards card that offers an enrolment, and what a phone sends when somebody fills in its form."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from livepass.core.decision import Reply
from livepass.emulators.authority import Issued
from livepass.pkpass import Template
from livepass.service.drafting import Wish
from livepass.service.issuing import Issued as Result
from service.rig import TYPE, Rig, template

ADA: Mapping[str, Any] = {
    "fullName": "Ada Q. Lovelace",
    "givenName": "Ada",
    "familyName": "Lovelace",
    "emailAddress": "ada.lovelace@example.com",
}
SECRETS = ("Lovelace", "ada.lovelace")
"""What of it must stand nowhere."""
FORM: Mapping[str, Any] = {
    "description": "Join, and collect points.",
    "requiredPersonalizationFields": ["PKPassPersonalizationFieldName", "PKPassPersonalizationFieldEmailAddress"],
}
DECLARED: Mapping[str, Any] = {
    "points": {"type": "integer"},
    "fullName": {"type": "string", "default": "Guest"},
    "emailAddress": {"type": "string", "default": ""},
}


def rewards(*, declared: Mapping[str, Any] = DECLARED, form: Any = FORM, **changes: Any) -> Template:
    """The template; without ``form`` it offers nothing."""
    member = {"key": "member", "label": "MEMBER", "value": "${fullName}", "changeMessage": "Hello %@"}
    card = {
        "primaryFields": [{"key": "points", "label": "POINTS", "value": "${points}"}],
        "secondaryFields": [member],
        "backFields": [{"key": "mail", "label": "Mail", "value": "${emailAddress}"}],
    }
    plain = template("rewards", storeCard=card, **changes)
    files = {**plain.files, "variables.json": json.dumps(declared).encode()}
    if form is not None:
        logo = plain.files["icon@2x.png"]
        files |= {"personalization.json": json.dumps(form).encode(), "personalizationLogo@2x.png": logo}
        files |= {"en.lproj/personalizationLogo@2x.png": logo}
    return Template.from_files("rewards", files)


async def card(service: Rig, serial: str = "1", offer: Template | None = None, **data: Any) -> Result:
    """Publish the template and issue a card of it."""
    await service.publishing.publish(offer or rewards(), wait=True)
    return await service.issuing.put(Wish(TYPE, serial, template="rewards", data={"points": 1, **data}))


def form(info: Any = ADA, token: Any = "VG9rZW4tMQ") -> bytes:
    return json.dumps({"personalizationToken": token, "requiredPersonalizationInfo": info}).encode()


async def enrol(service: Rig, body: bytes | None = None, serial: str = "1", allowed: str | None = None) -> Reply:
    allowed = await service.allowed(serial) if allowed is None else allowed
    reply = await service.personalizing.personalize(TYPE, serial, allowed, form() if body is None else body)
    await service.recorder.settle()
    return reply


def openssl_verifies(signature: bytes, content: bytes, leaf: bytes, intermediate: bytes, folder: Path) -> bool:
    """Whether OpenSSL, which knows nothing of us, finds the signature over these bytes good and made by that leaf."""
    for name, data in (("s", signature), ("c", content), ("ca", intermediate)):
        (folder / f"openssl-{name}").write_bytes(data)
    command = (
        "openssl cms -verify -inform DER -binary -content openssl-c -in openssl-s -CAfile openssl-ca -partial_chain"
        " -purpose any -signer openssl-signer -out openssl-out -no_check_time"
    )
    done = subprocess.run(command.split(), cwd=folder, capture_output=True, timeout=30, check=False)
    if done.returncode:
        return False
    signer = (folder / "openssl-signer").read_bytes()
    return signer.split(b"-----")[2].split() == leaf.split(b"-----")[2].split()


def pems(issued: Issued) -> tuple[bytes, bytes]:
    return issued.certificate_pem, issued.intermediate_pem
