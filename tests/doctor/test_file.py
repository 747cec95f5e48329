"""Each check of a file: one thing spoiled, and that check and no other says so."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.hazmat.primitives.serialization.pkcs7 import PKCS7Options, PKCS7SignatureBuilder

from doctor.stage import Stage, below, hits, of, untested
from journeys.world import OTHER_TYPE, PASS_TYPE, TEAM, pass_certificate
from livepass.doctor import BY_ID, Credential, Group
from livepass.doctor.package import RULES_OF, check_of
from livepass.emulators.authority import Authority, Issued
from livepass.pkpass import RULES, Problem, StaticFiles, build, canonical, read

Make = Callable[[Stage], bytes]
FILE = (Group.PACKAGE, Group.SIGNATURE, Group.CERTIFICATE, Group.DOCUMENT)


class Loose:
    """Signs now with whatever it is given, checks nothing."""

    def __init__(self, issued: Issued, *, intermediate: bool = True) -> None:
        self._issued, self._intermediate = issued, intermediate

    def sign(self, manifest: bytes, at: datetime) -> bytes:
        signing = PKCS7SignatureBuilder().set_data(manifest)
        signing = signing.add_signer(self._issued.certificate, self._issued.key, SHA256())
        if self._intermediate and self._issued.intermediate:
            signing = signing.add_certificate(self._issued.intermediate)
        return signing.sign(Encoding.DER, [PKCS7Options.DetachedSignature, PKCS7Options.Binary])


def signed_by(stage: Stage, loose: Loose, document: bytes | None = None) -> bytes:
    good = read(stage.data)
    static = StaticFiles.prepare(good.static_files())
    return build(static, document or good.document_bytes, loose, datetime.now(UTC))


def certified(stage: Stage, **spoiled: Any) -> Loose:
    return Loose(issued(stage, **spoiled))


def issued(stage: Stage, **spoiled: Any) -> Issued:
    """A certificate with one thing wrong; the key is the good one's, because keys are slow to make."""
    usual = {"pass_type": PASS_TYPE, "team": TEAM, "key": certificate(stage).key}
    return stage.authority.pass_certificate(**usual | spoiled)


def zipped(stage: Stage, **changed: bytes | None) -> bytes:
    """The good files with some exchanged or (``None``) left out, manifest and signature as they were."""
    into = io.BytesIO()
    with zipfile.ZipFile(into, "w") as archive:
        for name, data in {**read(stage.data).files, **changed}.items():
            if data is not None:
                archive.writestr(name, data)
    return into.getvalue()


def field(**changed: object) -> Callable[[dict[str, Any]], object]:
    return lambda document: document["storeCard"]["primaryFields"][0].update(changed)


def keys(**changed: object) -> Callable[[dict[str, Any]], object]:
    return lambda document: document.update(changed)


def user_made(stage: Stage) -> bytes:
    name = "userpass.com.apple.wallet.x"
    return stage.made(keys(passTypeIdentifier=name), signed_by=issued(stage, pass_type=name))


SPOILED: list[tuple[str, str, str, Make]] = [
    # check, what was spoiled, what its evidence says, how; further checks that must say so follow after a plus
    ("PKG1", "cut short", "not a zip archive", lambda s: s.data[:-30]),
    ("PKG1", "no zip at all", "not a zip archive", lambda s: b"<html>Please log in</html>"),
    ("PKG2", "no signature", "missing: signature", lambda s: zipped(s, signature=None)),
    ("PKG3", "pass.json is no JSON", "", lambda s: signed_by(s, certified(s), b'{"formatVersion": 1')),
    ("PKG3", "pass.json has a key twice", "", lambda s: signed_by(s, certified(s), b'{"a": 1, "a": 2}')),
    ("PKG4+PKG6", "a file was exchanged", "has another SHA-1", lambda s: zipped(s, **{"icon@2x.png": png(s)})),
    ("PKG4", "a file was added", "logo.png is not listed", lambda s: zipped(s, **{"logo.png": png(s)})),
    ("PKG4", "a file was taken out", "is listed and not there", lambda s: zipped(s, **{"icon@3x.png": None})),
    ("PKG5", "no icon", "no icon.png", lambda s: s.made(files={"icon.png": None})),
    ("PKG5", "one size of icon", "one size", lambda s: s.made(files={"icon@2x.png": None, "icon@3x.png": None})),
    ("PKG6", "a file that Wallet does not know", "", lambda s: s.made(files={"notes.txt": b"x"})),
    ("PKG6", "a logo that is no PNG", "no PNG", lambda s: s.made(files={"logo.png": b"GIF89a" + bytes(40)})),
    ("SIG1", "signature of another pass", "", lambda s: zipped(s, signature=other(s))),
    ("SIG1", "no signature but a text", "CMS", lambda s: zipped(s, signature=b"none")),
    ("SIG2", "no intermediate", "issued the leaf", lambda s: signed_by(s, Loose(certificate(s), intermediate=False))),
    ("SIG3", "a certificate for something else", "signing passes", lambda s: signed_by(s, no_pass(s))),
    ("SIG3", "the name field was filled in", "marked", lambda s: signed_by(s, certified(s, marker="Gym"))),
    ("SIG4", "another root", "does not chain to Apple", lambda s: s.made(signed_by=elsewhere(s))),
    ("SIG5+CRT1", "signed after the certificate had expired", "and the pass was signed on",
     lambda s: signed_by(s, certified(s, starts=timedelta(days=-40), days=10))),
    ("SIG6", "certificate of another type", "pass.test.other",
     lambda s: signed_by(s, certified(s, pass_type="pass.test.other"))),
    ("SIG7", "certificate of another team", "OTHER00000", lambda s: signed_by(s, certified(s, team="OTHER00000"))),
    ("SIG8+JSN1+CRT2", "made on a phone", "a person made", user_made),
    ("CRT1", "certificate ends soon", "expires in 19 days", lambda s: signed_by(s, certified(s, days=20))),
    ("JSN1", "no organizationName", "organizationName", lambda s: s.made(lambda d: d.pop("organizationName"))),
    ("JSN1", "a number for a text", "/description", lambda s: s.made(keys(description=1))),
    ("JSN2", "two styles", "", lambda s: s.made(keys(coupon={"primaryFields": []}))),
    ("JSN3", "a key twice", "terms", lambda s: s.made(field(key="terms"))),
    ("JSN4", "http", "https", lambda s: s.made(keys(webServiceURL="http://localhost/wallet"))),
    ("JSN4", "/v1 at the end", "/v1", lambda s: s.made(lambda d: d.update(webServiceURL=d["webServiceURL"] + "/v1"))),
    ("JSN4", "no web service", "never ask", lambda s: s.made(lambda d: d.pop("webServiceURL"))),
    ("JSN5", "a short token", "15 characters", lambda s: s.made(keys(authenticationToken="a1b2c3d4e5f6g7h"))),
    ("JSN5", "no token", "needs an authenticationToken", lambda s: s.made(lambda d: d.pop("authenticationToken"))),
    ("JSN6", "an unknown barcode", "", lambda s: s.made(keys(barcodes=[
        {"format": "PKBarcodeFormatNone", "message": "1", "messageEncoding": "iso-8859-1"}]))),
    ("JSN7", "a link to no app", "appLaunchURL", lambda s: s.made(keys(appLaunchURL="gym://"))),
    ("JSN8", "a change message without a place", "%@", lambda s: s.made(field(changeMessage="Points changed"))),
    ("JSN9", "a date of some sort", "expirationDate", lambda s: s.made(keys(expirationDate="next Tuesday"))),
]  # fmt: skip


def other(stage: Stage) -> bytes:
    return read(stage.made(keys(logoText="x"))).signature


def no_pass(stage: Stage) -> Loose:
    return certified(stage, passbook_eku=False)


def png(stage: Stage) -> bytes:
    return read(stage.data).files["icon.png"]


def certificate(stage: Stage) -> Issued:
    return pass_certificate(stage.authority, PASS_TYPE)


def elsewhere(stage: Stage) -> Issued:
    return Authority(name="Elsewhere").pass_certificate(PASS_TYPE, TEAM)


@pytest.mark.parametrize(("checks", "what", "evidence", "make"), SPOILED, ids=[f"{row[0]}-{row[1]}" for row in SPOILED])
def test_what_is_spoiled_is_what_is_said(stage: Stage, checks: str, what: str, evidence: str, make: Make) -> None:
    report = stage.judge_file(make(stage))
    expected = checks.split("+")
    assert set(hits(report)) == set(expected), hits(report)
    assert evidence in of(report, expected[0])
    in_file = {check.id for check in BY_ID.values() if check.group in FILE}
    # A leaf of the wrong kind has no chain to speak of.
    hidden = set().union(*map(below, expected)) | ({"SIG4"} if expected == ["SIG3"] else set())
    assert untested(report) & in_file <= hidden


def test_every_check_of_the_file_is_spoiled() -> None:
    spoiled = {check for row in SPOILED for check in row[0].split("+")}
    assert spoiled | {"CRT3"} == {check.id for check in BY_ID.values() if check.group in FILE}


@pytest.mark.parametrize(
    ("expected", "spoiled", "evidence"),
    [
        ({"CRT2": "failed"}, {"pass_type": "pass.test.other"}, "pass.test.other"),
        ({"CRT2": "failed"}, {"team": "OTHER00000"}, "OTHER00000"),
        ({"CRT3": "warning"}, {"days": 20}, "expires in 19 days"),
        ({"CRT3": "failed"}, {"starts": timedelta(days=-30), "days": 20}, "expired 10 days ago"),
    ],
)
def test_a_p12_that_does_not_fit(
    stage: Stage, expected: dict[str, str], spoiled: dict[str, Any], evidence: str
) -> None:
    p12 = issued(stage, **spoiled).p12("x")
    report = stage.judge(options=replace(stage.options(credential=Credential.from_p12(p12, "x")), offline=True))
    assert hits(report) == expected
    assert evidence in of(report, *expected)


def test_a_key_of_another_certificate(stage: Stage) -> None:
    key = pass_certificate(stage.authority, OTHER_TYPE).key
    mixed = stage.options(credential=Credential(certificate(stage).certificate, key), offline=True)
    assert hits(stage.judge(options=mixed)) == {"CRT2": "failed"}
    p12 = replace(certificate(stage), key=key).p12("x")
    in_one_file = stage.options(credential=Credential.from_p12(p12, "x"), offline=True)
    assert hits(stage.judge(options=in_one_file)) == {"CRT2": "failed"}


def test_time_passes(stage: Stage) -> None:
    """The same file, judged a year later: the pass on the phone is as good as ever, its certificate is not."""
    report = stage.judge_file(stage.data, now=datetime.now(UTC) + timedelta(days=400))
    assert hits(report) == {"CRT1": "warning", "CRT3": "failed"}
    assert "expired" in of(report, "CRT1")


def test_what_only_we_demand_is_no_failure(stage: Stage) -> None:
    """Serials with a slash are asking for trouble, and phones take them."""
    report = stage.judge_file(stage.made(keys(serialNumber="a/b")))
    assert hits(report) == {"JSN1": "warning"}


def test_every_rule_of_lint_belongs_to_a_check() -> None:
    for rule in RULES:
        named = [check for check, rules in RULES_OF.items() if rule.startswith(rules)]
        assert named or check_of(Problem(rule, "fatal", "", "", "")) is None, rule


def test_the_fields_of_a_document_in_any_shape_break_no_check(stage: Stage) -> None:
    for value in (None, 7, [], {}, "x" * 5000, [[[]]]):
        for key in ("serialNumber", "passTypeIdentifier", "webServiceURL", "authenticationToken", "storeCard"):
            data = signed_by(stage, Loose(certificate(stage)), canonical({**read(stage.data).document, key: value}))
            report = stage.judge_file(data)
            assert not [each for each in report.results if "itself broke" in each.outcome.evidence], (key, value)
