"""Passes built and signed on one core: beside what RSA allows, and what others make of the same images and keys.

The pass carries 40 KB of images that do not compress; every build has other values, and goes through JSON, the
manifest, the signature and the zip.
"""

from __future__ import annotations

import json
import random
import re
import struct
import subprocess
import tempfile
import zipfile
import zlib
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from beside import children, peers
from beside.roles import timed
from beside.rows import Row
from livepass.emulators.authority import Authority
from livepass.pkpass import Signer, Template, build, canonical, read, verify

if TYPE_CHECKING:
    from beside.measures import Bench

PASS_TYPE, TEAM = "pass.bench.livepass", "BENCH12345"
TOKEN = "q3Gq0vFzG5h1Qm1p9b0sZwq3Gq0vFzG5h1Qm1p9b0sZ"
IMAGES = {
    # name → width, height; a byte a pixel
    "icon.png": (29, 29),
    "icon@2x.png": (58, 58),
    "icon@3x.png": (87, 87),
    "logo.png": (150, 50),
    "strip@2x.png": (200, 104),
}
DOCUMENT = {
    "formatVersion": 1,
    "passTypeIdentifier": PASS_TYPE,
    "teamIdentifier": TEAM,
    "serialNumber": "${serial}",
    "organizationName": "Sample Club",
    "description": "Membership of Sample Club",
    "webServiceURL": "https://passes.example.com/wallet",
    "authenticationToken": TOKEN,
    "backgroundColor": "rgb(20, 30, 40)",
    "foregroundColor": "rgb(255, 255, 255)",
    "barcodes": [{"format": "PKBarcodeFormatQR", "message": "${serial}", "messageEncoding": "iso-8859-1"}],
    "storeCard": {
        "headerFields": [{"key": "points", "label": "Points", "value": "${points}", "changeMessage": "Now %@"}],
        "primaryFields": [{"key": "level", "label": "Level", "value": "Gold"}],
        "secondaryFields": [{"key": "name", "label": "Name", "value": "Member ${serial}"}],
        "backFields": [
            {"key": f"back{number}", "label": f"Section {number}", "value": "Terms and conditions apply. " * 6}
            for number in range(8)
        ],
    },
}


def images() -> dict[str, bytes]:
    """Grey noise: 40 KB that do not compress."""
    noise = random.Random(1)
    return {name: _png(width, height, noise) for name, (width, height) in IMAGES.items()}


def _png(width: int, height: int, noise: random.Random) -> bytes:
    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack("!I", len(content)) + kind + content + struct.pack("!I", zlib.crc32(kind + content))

    rows = b"".join(b"\0" + noise.randbytes(width) for _ in range(height))
    head = chunk(b"IHDR", struct.pack("!IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def template() -> Template:
    return Template.from_files("bench", {**images(), "pass.json": json.dumps(DOCUMENT).encode()})


def ours(seconds: float) -> None:
    """A child: passes per second of processor time."""
    issued = Authority().pass_certificate(PASS_TYPE, TEAM)
    signer = Signer.from_pem(issued.certificate_pem, issued.key_pem, issued.intermediate_pem)
    made = template()
    sample = made.render({"serial": "0", "points": 0})

    def one(number: int) -> bytes:
        document = {**sample, "serialNumber": str(number)}
        return build(made.static, canonical(document), signer, datetime.now(UTC))

    verify(read(one(1)))
    print("ready", flush=True)
    print(json.dumps({"per_cpu_second": timed(seconds, one), "bytes": len(one(2))}), flush=True)


def openssl(seconds: float) -> float:
    """RSA-2048 signatures a second of the openssl on this machine, on the core of what is measured."""
    command = ["openssl", "speed", "-seconds", str(max(1, round(seconds))), "rsa2048"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, **children.pinned(children.MEASURED))
    line = re.search(r"^rsa\s*2048 bits\s+\S+s\s+\S+s\s+([\d.]+)", done.stdout, re.MULTILINE)
    if line is None:
        raise SystemExit(f"openssl speed printed something unexpected:\n{done.stdout}")
    return float(line[1])


def build_row(bench: Bench, name: str) -> Row:
    row, seconds = Row(name, "passes/CPU-s"), bench.plan.seconds
    for _ in range(bench.plan.rounds):
        limit = openssl(seconds)
        found = children.outcome("build", seconds=seconds)
        row.add(found["per_cpu_second"], openssl=limit)
    row.note = f"{found['bytes']:,} bytes a package."
    return row


def peers_row(bench: Bench, name: str) -> Row:
    """Each peer as its documentation says, with what it lets one prepare prepared once, outside the loop."""
    row, seconds = Row(name, "passes/CPU-s"), bench.plan.seconds
    with tempfile.TemporaryDirectory(prefix="livepass-bench-") as folder:
        given = _given(Path(folder), seconds)
        programs = {
            "passkit-generator": peers.node("passkit_generator.mjs"),
            "pass-js": peers.node("pass_js.mjs"),
            "django-walletpass": peers.python("django_builds.py", "django"),
            "py-pkpass": peers.python("py_pkpass_builds.py", "py-pkpass"),
        }
        for _ in range(bench.plan.rounds):
            found = {peer: _measured(command, given) for peer, command in programs.items()}
            row.add(children.outcome("build", seconds=seconds)["per_cpu_second"], **found)
    row.note = "Same images, document and keys; node's CPU time includes its threads."
    return row


def _given(folder: Path, seconds: float) -> Path:
    """What the peers are told, and the files they read."""
    write_keys(folder)
    model = folder / "model.pass"
    model.mkdir()
    for name, content in images().items():
        (model / name).write_bytes(content)
    document = json.loads(json.dumps(DOCUMENT).replace('"${points}"', "120").replace("${serial}", "0"))
    (model / "pass.json").write_text(json.dumps(document))
    given: dict[str, Any] = {"folder": str(folder), "seconds": seconds, "pass_type": PASS_TYPE, "team": TEAM}
    (folder / "given.json").write_text(json.dumps(given))
    return folder / "given.json"


def write_keys(folder: Path) -> None:
    """certificate.pem, key.pem and wwdr.pem."""
    issued = Authority().pass_certificate(PASS_TYPE, TEAM)
    files = {"certificate.pem": issued.certificate_pem, "key.pem": issued.key_pem, "wwdr.pem": issued.intermediate_pem}
    for name, content in files.items():
        (folder / name).write_bytes(content)


def _measured(command: list[str], given: Path) -> float:
    """Run a peer: it builds for the seconds that it is given, writes one package, and says how many per CPU second."""
    with children.ended(
        subprocess.Popen(
            [*command, str(given)], stdout=subprocess.PIPE, text=True, **children.pinned(children.MEASURED)
        )
    ) as process:
        found = children.told(process, command[-1])
    # Not verified: some put Apple's intermediate beside whatever certificate they are given.
    with zipfile.ZipFile(given.parent / "built.pkpass") as built:
        lacking = {"pass.json", "manifest.json", "signature", *IMAGES} - set(built.namelist())
    if lacking:
        raise SystemExit(f"{command[-1]} built a pass without {', '.join(sorted(lacking))}")
    return float(found["per_cpu_second"])
