"""Ways to spoil a pass that was good, by name: its bytes, files, manifest, pass.json, CMS or certificates.

A spoiler gets a fresh ``Kit`` and spoils it; what it leaves is zipped by the caller. Randomness is the kit's own.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import random
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.serialization import Encoding

from livepass.emulators.authority import Authority, Issued
from livepass.pkpass.cms_read import issuer_and_serial
from livepass.pkpass.der import oid, parse, set_of, tlv

DATA, SIGNED_DATA = "1.2.840.113549.1.7.1", "1.2.840.113549.1.7.2"
CONTENT_TYPE, MESSAGE_DIGEST, SIGNING_TIME = (f"1.2.840.113549.1.9.{last}" for last in (3, 4, 5))
DIGESTS: Mapping[str, tuple[str, hashes.HashAlgorithm, str]] = {
    "md5": ("1.2.840.113549.2.5", hashes.MD5(), "1.2.840.113549.1.1.4"),
    "sha1": ("1.3.14.3.2.26", hashes.SHA1(), "1.2.840.113549.1.1.5"),
    "sha224": ("2.16.840.1.101.3.4.2.4", hashes.SHA224(), "1.2.840.113549.1.1.14"),
    "sha256": ("2.16.840.1.101.3.4.2.1", hashes.SHA256(), "1.2.840.113549.1.1.11"),
    "sha384": ("2.16.840.1.101.3.4.2.2", hashes.SHA384(), "1.2.840.113549.1.1.12"),
    "sha512": ("2.16.840.1.101.3.4.2.3", hashes.SHA512(), "1.2.840.113549.1.1.13"),
}
RSA = "1.2.840.113549.1.1.1"


@dataclass
class Materials:
    """Keys and certificates, which are slow to make, and what each is good for."""

    authority: Authority
    stranger: Authority
    good: Issued
    other_type: Issued
    other_team: Issued
    short: Issued
    no_usage: Issued
    no_marker: Issued
    foreign: Issued
    now: datetime

    @classmethod
    def make(cls, authority: Authority, stranger: Authority, good: Issued, now: datetime) -> Materials:
        pass_type, team = "pass.test.livepass", "TEAM123456"
        of = authority.pass_certificate
        return cls(
            authority,
            stranger,
            good,
            of("pass.test.another", team),
            of(pass_type, "TEAM654321"),
            of(pass_type, team, starts=timedelta(days=-30), days=20),
            of(pass_type, team, passbook_eku=False),
            of(pass_type, team, marker="pass.test.another"),
            stranger.pass_certificate(pass_type, team),
            now,
        )


def attribute(kind: str, *values: bytes) -> bytes:
    return tlv(0x30, oid(kind), tlv(0x31, *values))


def algorithm(dotted: str, parameters: bytes = b"\x05\0") -> bytes:
    return tlv(0x30, oid(dotted), parameters)


@dataclass
class Cms:
    """A signature taken apart: change a part, and ``made`` signs what is left of it."""

    issued: Issued
    at: datetime
    digest: str = "sha256"
    claimed_digest: str = ""
    announced_digest: str = ""
    signature_algorithm: str = RSA
    attributes: list[bytes] | None = None
    extra: list[bytes] = field(default_factory=list)
    drop: set[str] = field(default_factory=set)
    digest_values: int = 1
    order: Callable[[list[bytes]], list[bytes]] = sorted
    without_attributes: bool = False
    certificates: list[x509.Certificate] | None = None
    content: bytes = b""
    content_type: str = DATA
    version: int = 1
    more_fields: bytes = b""
    unsigned: bytes = b""
    signers: int = 1
    pss: bool = False
    signature_parameters: bytes = b"\x05\0"

    def made(self, manifest: bytes) -> bytes:
        leaf = self.issued.certificate.public_bytes(Encoding.DER)
        info = tlv(0x30, *self._info(leaf, manifest))
        inner = tlv(0x30, oid(self.content_type), *([tlv(0xA0, tlv(0x04, self.content))] if self.content else []))
        assert self.issued.intermediate is not None
        inside = [self.issued.certificate, self.issued.intermediate] if self.certificates is None else self.certificates
        chain = set_of(0xA0, [each.public_bytes(Encoding.DER) for each in inside])
        digests = tlv(0x31, algorithm(DIGESTS[self.announced_digest or self.claimed_digest or self.digest][0]))
        version = bytes((2, 1, self.version))
        signed = tlv(0x30, version, digests, inner, chain, self.more_fields, tlv(0x31, *[info] * self.signers))
        return tlv(0x30, oid(SIGNED_DATA), tlv(0xA0, signed))

    def _info(self, leaf: bytes, manifest: bytes) -> list[bytes]:
        digest = hashlib.new(self.digest, manifest).digest()
        named = {
            "kind": attribute(CONTENT_TYPE, oid(self.content_type)),
            "time": attribute(SIGNING_TIME, tlv(0x17, self.at.strftime("%y%m%d%H%M%SZ").encode())),
            "digest": attribute(MESSAGE_DIGEST, *[tlv(0x04, digest)] * self.digest_values),
        }
        attributes = [value for name, value in named.items() if name not in self.drop] + self.extra
        body = b"".join(self.order(attributes))
        signed = manifest if self.without_attributes else tlv(0x31, body)
        algorithm_ = DIGESTS[self.digest][1]
        pad = padding.PSS(padding.MGF1(algorithm_), 32) if self.pss else padding.PKCS1v15()
        return [
            b"\x02\x01\x01",
            tlv(0x30, issuer_and_serial(leaf)),
            algorithm(DIGESTS[self.claimed_digest or self.digest][0]),
            b"" if self.without_attributes else tlv(0xA0, body),
            algorithm(self.signature_algorithm, self.signature_parameters),
            tlv(0x04, self.issued.key.sign(signed, pad, algorithm_)),
            self.unsigned,
        ]


@dataclass
class Kit:
    """A good pass, taken apart, for a spoiler to spoil."""

    rng: random.Random
    materials: Materials
    files: dict[str, bytes]
    document: dict[str, object]
    cms: Cms
    more_entries: list[tuple[str, bytes]] = field(default_factory=list)
    write_manifest: Callable[[dict[str, str]], bytes] = lambda listed: json.dumps(listed).encode()
    listed: dict[str, str] = field(default_factory=dict)
    after: list[Callable[[dict[str, bytes]], None]] = field(default_factory=list)

    def built(self) -> bytes:
        """The package: pass.json, manifest and signature made of the parts, then spoiled once more (``after``)."""
        files = {**self.files}
        files.setdefault("pass.json", json.dumps(self.document).encode())
        hashed = {name: hashlib.sha1(data).hexdigest() for name, data in files.items()}
        manifest = self.write_manifest(hashed | self.listed)
        files |= {"manifest.json": manifest, "signature": self.cms.made(manifest)}
        for spoil in self.after:
            with contextlib.suppress(ValueError, KeyError):  # another spoiler took away what this one spoils
                spoil(files)
        return zipped([*files.items(), *self.more_entries])


def hashes_of(files: Mapping[str, bytes]) -> dict[str, str]:
    """What a manifest lists."""
    generated = ("manifest.json", "signature")
    return {name: hashlib.sha1(data).hexdigest() for name, data in files.items() if name not in generated}


def zipped(entries: list[tuple[str, bytes]]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in entries:
            archive.writestr(name, data)
    return buffer.getvalue()


Spoiler = Callable[[Kit], None]
SPOILERS: dict[str, Spoiler] = {}


def spoiler(name: str) -> Callable[[Spoiler], Spoiler]:
    def kept(function: Spoiler) -> Spoiler:
        SPOILERS[name] = function
        return function

    return kept


def _set(name: str, **parts: object) -> None:
    """A spoiler that changes parts of the CMS and nothing else."""

    def spoil(kit: Kit) -> None:
        for part, value in parts.items():
            setattr(kit.cms, part, value)

    SPOILERS[name] = spoil


# ── bytes


def _flip(kit: Kit, name: str) -> None:
    def flip(files: dict[str, bytes]) -> None:
        data = bytearray(files[name])
        for _ in range(kit.rng.choice((1, 1, 1, 2, 5))):
            data[kit.rng.randrange(len(data))] ^= 1 << kit.rng.randrange(8)
        files[name] = bytes(data)

    kit.after.append(flip)


SPOILERS["nothing"] = lambda kit: None
SPOILERS["flip the manifest"] = lambda kit: _flip(kit, "manifest.json")
SPOILERS["flip the signature"] = lambda kit: _flip(kit, "signature")
SPOILERS["flip pass.json"] = lambda kit: _flip(kit, "pass.json")
SPOILERS["flip an image"] = lambda kit: _flip(kit, kit.rng.choice(["icon.png", "icon@2x.png", "logo.png"]))


def _signature(change: Callable[[Kit, bytes], bytes]) -> Spoiler:
    def spoil(kit: Kit) -> None:
        kit.after.append(lambda files: files.update(signature=change(kit, files["signature"])))

    return spoil


SPOILERS["cut the signature"] = _signature(lambda kit, data: data[: kit.rng.randrange(len(data))])
SPOILERS["append to the signature"] = _signature(lambda kit, data: data + kit.rng.randbytes(kit.rng.randrange(1, 9)))
SPOILERS["append zeros to the signature"] = _signature(lambda kit, data: data + b"\0\0")
SPOILERS["an empty signature"] = _signature(lambda kit, data: b"")
SPOILERS["a damaged certificate"] = _signature(lambda kit, data: _in_certificate(kit, data))
SPOILERS["indefinite lengths"] = _signature(lambda kit, data: indefinite(data, 2))
SPOILERS["long lengths"] = _signature(lambda kit, data: data[:1] + b"\x83\0" + data[2:])
SPOILERS["two of two bytes swapped"] = _signature(lambda kit, data: _swapped(kit, data))


@spoiler("the issuer in another case")
def _(kit: Kit) -> None:
    def lower(files: dict[str, bytes]) -> None:
        data = files["signature"]
        name = kit.cms.issued.certificate.issuer.public_bytes()
        at = data.rindex(name)  # the last one is the signer's; the others stand in certificates
        files["signature"] = data[:at] + name.replace(b"Demo", b"demo") + data[at + len(name) :]

    kit.after.append(lower)


@spoiler("certificates that are said to be one value")
def _(kit: Kit) -> None:
    def primitive(files: dict[str, bytes]) -> None:
        signed = parse(files["signature"]).children()[1].children()[0]
        at = signed.children()[3].start
        files["signature"] = files["signature"][:at] + b"\x80" + files["signature"][at + 1 :]

    kit.after.append(primitive)


def _in_certificate(kit: Kit, data: bytes) -> bytes:
    copy = bytearray(data)
    certificate = kit.rng.choice([kit.cms.issued.certificate, kit.cms.issued.intermediate])
    assert certificate is not None
    encoded = certificate.public_bytes(Encoding.DER)
    copy[data.index(encoded) + kit.rng.randrange(len(encoded))] ^= 1 << kit.rng.randrange(8)
    return bytes(copy)


def _swapped(kit: Kit, data: bytes) -> bytes:
    copy = bytearray(data)
    at = kit.rng.randrange(len(data) - 1)
    copy[at], copy[at + 1] = copy[at + 1], copy[at]
    return bytes(copy)


def indefinite(data: bytes, levels: int) -> bytes:
    node = parse(data)
    body = b"".join(
        indefinite(each.encoded, levels - 1) if levels and each.tag in {0x30, 0x31, 0xA0} else each.encoded
        for each in node.children()
    )
    return bytes((node.tag, 0x80)) + body + b"\0\0"


# ── files


@spoiler("another pass's signature")
def _(kit: Kit) -> None:
    kit.after.append(lambda files: files.update(signature=kit.cms.made(files["manifest.json"] + b" ")))


@spoiler("another pass's manifest and signature")
def _(kit: Kit) -> None:
    def swap(files: dict[str, bytes]) -> None:
        files["manifest.json"] = json.dumps(hashes_of(files) | {"pass.json": "0" * 40}).encode()
        files["signature"] = kit.cms.made(files["manifest.json"])

    kit.after.append(swap)


@spoiler("a file that nobody listed")
def _(kit: Kit) -> None:
    kit.after.append(lambda files: files.update({kit.rng.choice(["a.png", "en.lproj/more.strings"]): b"new"}))


@spoiler("a file is gone")
def _(kit: Kit) -> None:
    kit.after.append(lambda files: files.pop(kit.rng.choice(sorted(files))) and None)


@spoiler("a file has another name")
def _(kit: Kit) -> None:
    kit.after.append(lambda files: files.update({"renamed.png": files.pop(kit.rng.choice(["icon.png", "logo.png"]))}))


@spoiler("two files have changed places")
def _(kit: Kit) -> None:
    kit.after.append(lambda files: files.update({"icon.png": files["logo.png"], "logo.png": files["icon.png"]}))


@spoiler("a file is there twice, the same")
def _(kit: Kit) -> None:
    kit.more_entries.append(("icon.png", kit.files["icon.png"]))


@spoiler("a file is there twice, another first")
def _(kit: Kit) -> None:
    kit.after.append(lambda files: files.update({"icon.png": b"another"}))
    kit.more_entries.append(("icon.png", kit.files["icon.png"]))


@spoiler("a file in two cases")
def _(kit: Kit) -> None:
    kit.files["ICON.png"] = b"another"


@spoiler("a file in a folder of its own")
def _(kit: Kit) -> None:
    kit.files["images/icon.png"] = b"image"


@spoiler("a name that leads outside")
def _(kit: Kit) -> None:
    kit.files[kit.rng.choice(["../a.png", "/a.png", "a\\b.png", "en.lproj/../../a.png"])] = b"image"


@spoiler("an archive inside")
def _(kit: Kit) -> None:
    kit.files["inner.zip"] = zipped([("a", b"b")])


# ── the manifest, signed as it is


@spoiler("the manifest lists what is not there")
def _(kit: Kit) -> None:
    kit.listed["thumbnail.png"] = "0" * 40


@spoiler("the manifest lists itself")
def _(kit: Kit) -> None:
    kit.listed["manifest.json"] = "0" * 40


@spoiler("a wrong hash")
def _(kit: Kit) -> None:
    kit.listed["icon.png"] = hashlib.sha1(b"another").hexdigest()


@spoiler("hashes in upper case")
def _(kit: Kit) -> None:
    kit.write_manifest = lambda listed: json.dumps({name: value.upper() for name, value in listed.items()}).encode()


@spoiler("SHA-256 where SHA-1 belongs")
def _(kit: Kit) -> None:
    kit.listed["icon.png"] = hashlib.sha256(kit.files["icon.png"]).hexdigest()


@spoiler("a name twice in the manifest")
def _(kit: Kit) -> None:
    kit.write_manifest = lambda listed: b'{"icon.png": "' + b"0" * 40 + b'", ' + json.dumps(listed).encode()[1:]


@spoiler("a manifest with white space")
def _(kit: Kit) -> None:
    kit.write_manifest = lambda listed: b" \r\n" + json.dumps(listed, indent=3).encode().replace(b"\n", b"\r\n") + b"\n"


@spoiler("a manifest with a byte order mark")
def _(kit: Kit) -> None:
    kit.write_manifest = lambda listed: b"\xef\xbb\xbf" + json.dumps(listed).encode()


@spoiler("a manifest that is a list")
def _(kit: Kit) -> None:
    kit.write_manifest = lambda listed: json.dumps(list(listed.items())).encode()


@spoiler("a manifest of nothing")
def _(kit: Kit) -> None:
    kit.write_manifest = lambda listed: b"{}"


# ── pass.json


@spoiler("another pass type")
def _(kit: Kit) -> None:
    kit.document["passTypeIdentifier"] = "pass.test.another"


@spoiler("another team")
def _(kit: Kit) -> None:
    kit.document["teamIdentifier"] = "TEAM654321"


@spoiler("no pass type")
def _(kit: Kit) -> None:
    del kit.document["passTypeIdentifier"]


@spoiler("a key twice in pass.json")
def _(kit: Kit) -> None:
    kit.files["pass.json"] = b'{"serialNumber": "other", ' + json.dumps(kit.document).encode()[1:]


@spoiler("a pass.json that is too deep")
def _(kit: Kit) -> None:
    deep: object = 1
    for _ in range(60):
        deep = [deep]
    kit.document["userInfo"] = deep


# ── the CMS, signed as it is

_set("no signed attributes", without_attributes=True)
_set("no signing time", drop={"time"})
_set("no message digest", drop={"digest"})
_set("no content type", drop={"kind"})
_set("content type is not data", content_type="1.2.840.113549.1.9.16.1.4")
_set("content inside", content=b"something")
_set("attributes in another order", order=lambda parts: sorted(parts, reverse=True))
_set("message digest of two values", digest_values=2)
_set("message digest of no value", digest_values=0)
_set("an attribute more", extra=[attribute("1.2.840.113549.1.9.15", b"\x30\0")])
_set("an attribute twice", extra=[attribute(CONTENT_TYPE, oid(DATA))])
_set("a time that is none", drop={"time"}, extra=[attribute(SIGNING_TIME, tlv(0x17, b"not a time at"))])
_set("a time of a kind that is none", drop={"time"}, extra=[attribute(SIGNING_TIME, tlv(0x0C, b"261123100000Z"))])
_set("unsigned attributes", unsigned=tlv(0xA1, attribute("1.2.840.113549.1.9.52", tlv(0x04, b"x"))))
_set("a field more for the signer", unsigned=tlv(0xA2, b"\x05\0"))
_set("revocation lists, none", more_fields=b"\xa1\0")
_set("a field that nobody knows", more_fields=tlv(0xA5, b"\x05\0"))
_set("parameters that none has", signature_parameters=b"\x04\x01x")
_set("a NULL that is none", signature_parameters=b"\x25\0")
_set("no parameters", signature_parameters=b"")
_set("parameters twice", signature_parameters=b"\x05\0\x05\0")
_set("a field more before the signers", more_fields=b"\x05\0")
_set("certificates twice", more_fields=tlv(0xA0))
_set("version 3", version=3)
_set("version 99", version=99)
_set("the same signer twice", signers=2)
_set("no signer", signers=0)
for _name, (_, _, _with_rsa) in DIGESTS.items():
    _set(f"signed with {_name}", digest=_name)
    _set(f"signed with {_name}, named with RSA", digest=_name, signature_algorithm=_with_rsa)
_set("another digest is claimed", claimed_digest="sha512")
_set("another digest is announced", announced_digest="sha512")
_set("another signature algorithm is claimed", signature_algorithm=DIGESTS["sha512"][2])
_set("PSS", pss=True)
_set("PSS by name", pss=True, signature_algorithm="1.2.840.113549.1.1.10")
_set("an algorithm that nobody knows", signature_algorithm="1.2.3.4")

# ── certificates


def _certificates(
    name: str, pick: Callable[[Materials], Issued], chain: Callable[[Materials], list[x509.Certificate]] | None = None
) -> None:
    def spoil(kit: Kit) -> None:
        kit.cms.issued = pick(kit.materials)
        if chain is not None:
            kit.cms.certificates = chain(kit.materials)

    SPOILERS[name] = spoil


_certificates("of another pass type", lambda m: m.other_type)
_certificates("of another team", lambda m: m.other_team)
_certificates("of a strange authority", lambda m: m.foreign)
_certificates("lapsed", lambda m: m.short)
_certificates("not for passes", lambda m: m.no_usage)
_certificates("marked for another type", lambda m: m.no_marker)
_certificates("no intermediate", lambda m: m.good, lambda m: [m.good.certificate])
_certificates("no leaf", lambda m: m.good, lambda m: [m.authority.intermediate])
_certificates("no certificates", lambda m: m.good, lambda m: [])
_certificates(
    "the root inside", lambda m: m.good, lambda m: [m.good.certificate, m.authority.intermediate, m.authority.root]
)
_certificates(
    "a strange root inside",
    lambda m: m.foreign,
    lambda m: [m.foreign.certificate, m.stranger.intermediate, m.stranger.root],
)
_certificates(
    "another generation's intermediate", lambda m: m.good, lambda m: [m.good.certificate, m.stranger.intermediate]
)
_certificates(
    "a strange intermediate beside",
    lambda m: m.good,
    lambda m: [m.good.certificate, m.authority.intermediate, m.stranger.intermediate],
)
_certificates(
    "a certificate twice",
    lambda m: m.good,
    lambda m: [m.good.certificate, m.good.certificate, m.authority.intermediate],
)
_certificates("another leaf inside", lambda m: m.good, lambda m: [m.other_type.certificate, m.authority.intermediate])


@spoiler("signed before the certificate began")
def _(kit: Kit) -> None:
    kit.cms.at = kit.cms.issued.certificate.not_valid_before_utc - timedelta(seconds=1)


@spoiler("signed in its last second")
def _(kit: Kit) -> None:
    kit.cms.at = kit.cms.issued.certificate.not_valid_after_utc


@spoiler("signed a second after its last")
def _(kit: Kit) -> None:
    kit.cms.at = kit.cms.issued.certificate.not_valid_after_utc + timedelta(seconds=1)


@spoiler("lapsed, but signed in time")
def _(kit: Kit) -> None:
    kit.cms.issued = kit.materials.short
    kit.cms.at = kit.materials.now - timedelta(days=25)


@spoiler("a key that is not in its certificate")
def _(kit: Kit) -> None:
    good = kit.materials.good
    kit.cms.issued = Issued(good.certificate, kit.materials.other_type.key, good.intermediate)
