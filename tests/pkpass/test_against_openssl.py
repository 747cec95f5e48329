"""Our verdict on spoiled passes against another one: ``openssl cms -verify``, ``zipfile``, ``json`` and ``hashlib``.

Where we refuse what they take, a row says why; nothing is taken that they refuse, but for what a row names.
``LIVEPASS_TEST_MUTATIONS=5000`` tries as many, ``LIVEPASS_TEST_SEED`` others.
"""

from __future__ import annotations

import collections
import hashlib
import io
import json
import os
import random
import re
import subprocess
import warnings
import zipfile
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.x509.oid import NameOID

from livepass.emulators.authority import Authority
from livepass.pkpass import PkpassError, read, verify
from pkpass.mutations import SPOILERS, Cms, Kit, Materials

COUNT = int(os.environ.get("LIVEPASS_TEST_MUTATIONS", "300"))
SEED = int(os.environ.get("LIVEPASS_TEST_SEED", "1"))

STRICTER = {
    # what we say (as an expression) → why, although openssl, or a lenient reader, takes it
    "no signed attributes": "the signing time is one of them",
    "must contain a signing date": "phones judge the certificates at that time",
    "signing time is not a time": "likewise; openssl never looks at it",
    "content type is not plain data": "Apple's code takes plain data only",
    "carries the signed content inside": "it would be checked instead of the manifest beside it",
    r"has \d+ signers": "Wallet takes one; of two, each reader could believe another",
    "algorithm that is not RSA with SHA-1 or SHA-2": "MD5 can be forged, SHA-224 Apple never used, and a digest that "
    "contradicts the signature's algorithm has two meanings",
    "signer's certificate is not in the signature": "the issuer is compared byte for byte; openssl folds case",
    "that nobody knows|what nobody knows": "a set is constructed (X.690 §8.12); openssl takes one that says it is not",
    "parameters that it does not take": "RFC 5754 has none or NULL; openssl ignores what they are",
    "bytes follow the structure": "what follows a signature is not covered by it, and nothing needs it",
    "not meant for signing passes": "Apple's policy: extended key usage 1.2.840.113635.100.4.14",
    "but marked": "Apple's policy: the marker names the pass type",
    "are one name": "of two entries of a name, each reader could take another; disks fold case",
    "is not a localisation": "Apple: files stand at the top, or in one xx.lproj",
    "not allowed|points outside": "a name must mean one file inside the package, on any system",
    "itself a zip archive": "a package holds images and texts",
    "there twice in one object": "of two values of a key, each reader could take another",
    "byte order mark": "JSON has none (RFC 8259 §8.1)",
    "nested deeper": "readers with a stack fall over it",
    "gives no SHA-1": "Apple's own tool writes 40 lower-case digits, and phones compare text",
}
LAXER = {
    # spoiler after which we take what they refuse → why that is right
    "signed in its last second": "RFC 5280 §4.1.2.5: a certificate is valid through notAfter; openssl ends before it",
}


@dataclass(frozen=True)
class Verdict:
    good: bool
    why: str


class Theirs:
    """The other opinion, in other people's code. What was asked before is remembered: most passes share signatures."""

    def __init__(self, folder: Path, authority: Authority) -> None:
        self._folder = folder
        self._asked: dict[tuple[bytes, bytes, int], Verdict | x509.Certificate] = {}
        (folder / "root.pem").write_bytes(authority.root_pem)

    def __call__(self, data: bytes, at: datetime) -> Verdict:
        try:
            with warnings.catch_warnings(), zipfile.ZipFile(io.BytesIO(data)) as archive:
                warnings.simplefilter("ignore")
                files = {name: archive.read(name) for name in archive.namelist()}
            manifest = json.loads(files["manifest.json"])
            document = json.loads(files["pass.json"])
            hashed = {
                name: hashlib.sha1(content).hexdigest()
                for name, content in files.items()
                if name not in ("manifest.json", "signature")
            }
            if {name: value.lower() for name, value in manifest.items()} != hashed:
                return Verdict(False, "hashes")
            signer = self._signer(files["manifest.json"], files["signature"], at)
            if isinstance(signer, Verdict):
                return signer
            named = (_subject(signer, NameOID.USER_ID), _subject(signer, NameOID.ORGANIZATIONAL_UNIT_NAME))
            if (document.get("passTypeIdentifier"), document.get("teamIdentifier")) != named:
                return Verdict(False, "identity")
        except (KeyError, ValueError, AttributeError, RecursionError, zipfile.BadZipFile) as error:
            return Verdict(False, f"{type(error).__name__}: {error}")
        return Verdict(True, "")

    def _signer(self, manifest: bytes, signature: bytes, at: datetime) -> Verdict | x509.Certificate:
        key = (manifest, signature, int(at.timestamp()))
        if key not in self._asked:
            self._asked[key] = self._run(*key)
        return self._asked[key]

    def _run(self, manifest: bytes, signature: bytes, at: int) -> Verdict | x509.Certificate:
        (self._folder / "manifest.json").write_bytes(manifest)
        (self._folder / "signature").write_bytes(signature)
        (self._folder / "signer.pem").unlink(missing_ok=True)
        command = (
            "openssl cms -verify -binary -content manifest.json -inform DER -in signature -CAfile root.pem "
            f"-no-CApath -no-CAstore -purpose any -attime {at} -signer signer.pem -out /dev/null"
        )
        done = subprocess.run(command.split(), cwd=self._folder, capture_output=True, check=False)
        if done.returncode != 0:
            return Verdict(False, done.stderr.decode("utf-8", "replace").strip().replace("\n", " | "))
        return x509.load_pem_x509_certificate((self._folder / "signer.pem").read_bytes())


def _subject(certificate: x509.Certificate, kind: x509.ObjectIdentifier) -> object:
    values = certificate.subject.get_attributes_for_oid(kind)
    return values[0].value if len(values) == 1 else None


def ours(data: bytes, authority: Authority) -> Verdict:
    try:
        verify(read(data), roots=[authority.root])
    except PkpassError as error:
        return Verdict(False, error.reason if error.hint else "without a hint")
    return Verdict(True, "")


def test_two_readers_of_spoiled_passes_agree(
    materials: Materials, files: dict[str, bytes], document: dict[str, object], tmp_path: Path
) -> None:
    """Fails when a pass is taken that nobody else takes, or refused for a reason that no row names."""
    theirs, rng = Theirs(tmp_path, materials.authority), random.Random(SEED)
    met: collections.Counter[str] = collections.Counter()
    wrong: list[str] = []
    names = list(SPOILERS)
    for number in range(max(COUNT, len(names))):
        chosen = [names[number]] if number < len(names) else _several(rng, names)
        kit = Kit(
            random.Random(rng.random()), materials, dict(files), dict(document), Cms(materials.good, materials.now)
        )
        for name in chosen:
            SPOILERS[name](kit)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            data = kit.built()
        one, two = ours(data, materials.authority), theirs(data, kit.cms.at)
        if one.good == two.good:
            met["agreed: " + ("good" if one.good else "refused")] += 1
            continue
        if two.good:
            rows = [row for row in STRICTER if re.search(row, one.why)]
            found = f"{chosen}: we refuse: {one.why}"
        else:
            rows = [row for row in LAXER if row in chosen]
            found = f"{chosen}: we take what they refuse: {two.why[:300]}"
        met.update(rows)
        if len(rows) != 1:
            wrong.append(found)
            (tmp_path / f"wrong-{len(wrong)}.pkpass").write_bytes(
                data
            )  # keys are new each time: the seed is not enough
    assert wrong == [], "\n".join(sorted(set(wrong))[:20])
    assert set(met) == {"agreed: good", "agreed: refused", *STRICTER, *LAXER}, met


def _several(rng: random.Random, names: list[str]) -> list[str]:
    """Half of them flips, where a reader's corners are; the rest one or two spoilers of any kind."""
    if rng.random() < 0.5:
        return [rng.choice(["flip the signature", "flip the signature", "a damaged certificate", "flip the manifest"])]
    return rng.sample(names, rng.choice((1, 1, 2)))
