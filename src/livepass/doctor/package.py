"""Checks of the file alone: package, signature, certificates and pass.json."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.x509.oid import NameOID, ObjectIdentifier

from livepass.doctor.result import Outcome, failed, not_tested, passed, warning, worst
from livepass.doctor.subject import Credential, Subject
from livepass.pkpass import RULES, CertificateFacts, PkpassError, Problem, lint
from livepass.pkpass.certificate import facts
from livepass.pkpass.names import GENERATED
from livepass.pkpass.strict_json import JsonProblem

SOON: Final = timedelta(days=30)
SKEW: Final = timedelta(minutes=10)
"""A signing time that far ahead may still be the clock of this machine."""

RULES_OF: Final[Mapping[str, tuple[str, ...]]] = {
    # check → the rules of lint that it stands for; a rule ending in - stands for all that begin so
    "PKG5": ("icon-",),
    "PKG6": ("image", "strings-", "reserved-name", "file-name", "stray-file", "unknown-file"),
    "JSN1": (
        "json-", "required-key", "value-type", "unknown-key", "format-version", "pass-type-identifier",
        "serial-alphabet", "sharing", "grouping-identifier", "newer-than-ios",
    ),
    "JSN2": ("style", "transit-type", "poster-", "semantic-boarding", "link-style"),
    "JSN3": ("field-",),
    "JSN4": ("web-service-",),
    "JSN5": ("token-",),
    "JSN6": ("barcode-",),
    "JSN7": (
        "app-launch-url", "nfc", "semantic-", "featured-action", "certificate-nfc", "upcoming-", "personalization",
    ),
    "JSN8": ("change-message",),
    "JSN9": ("date", "relevant-date", "location", "max-distance", "beacon", "color"),
}  # fmt: skip
_BY_PLACE: Final = {"/webServiceURL": "JSN4", "/authenticationToken": "JSN5"}
_ELSEWHERE: Final = frozenset({"certificate-pass-type", "certificate-team"})
"""SIG6 and SIG7 say these."""


def check_of(problem: Problem) -> str | None:
    """The check that a problem of lint belongs to."""
    if problem.rule in _ELSEWHERE:
        return None
    if problem.pointer in _BY_PLACE:
        return _BY_PLACE[problem.pointer]
    return next(
        (check for check, rules in RULES_OF.items() if problem.rule.startswith(rules)),
        "JSN1",  # a rule that is newer than this table
    )


# ── the package


def archive(subject: Subject) -> Outcome:
    try:
        count = len(subject.files)
    except PkpassError as error:
        return failed(error.reason)
    return passed(f"{count} files")


def three_files(subject: Subject) -> Outcome:
    missing = [name for name in GENERATED if name not in subject.files]
    return failed(f"missing: {', '.join(missing)}") if missing else passed("all three are there")


def readable(subject: Subject) -> Outcome:
    try:
        return passed(f"{len(subject.document)} keys")
    except JsonProblem as problem:
        return failed(str(problem))


def listed(subject: Subject) -> Outcome:
    try:
        misfits = subject.misfits()
    except JsonProblem as problem:
        return failed(f"manifest.json: {problem}")
    if misfits:
        return failed("; ".join(misfits[:5]) + ("; …" if len(misfits) > 5 else ""))
    return passed(f"{len(subject.manifest)} files, all as listed")


# ── the signature


def signed(subject: Subject) -> Outcome:
    try:
        found = subject.signature
    except PkpassError as error:
        return failed(error.reason)
    return passed(f"{found.digest}, signed at {found.signed_at:%Y-%m-%d %H:%M:%SZ}")


def with_intermediate(subject: Subject) -> Outcome:
    if subject.intermediate is None:
        return failed(f"no certificate in it issued the leaf, which names {_issuer(subject)}", _others(subject))
    return passed(subject.intermediate.subject.rfc4514_string())


def _issuer(subject: Subject) -> str:
    return subject.signature.certificate.issuer.rfc4514_string()


def _others(subject: Subject) -> str:
    return ", ".join(each.subject.rfc4514_string() for each in subject.signature.others) or "none"


def _facts(subject: Subject) -> CertificateFacts:
    assert subject.intermediate is not None  # SIG2
    return facts(subject.signature.certificate, subject.intermediate, subject.root)


def right_kind(subject: Subject) -> Outcome:
    try:
        found = _facts(subject)
    except PkpassError as error:
        return failed(error.reason)
    return passed(f"{found.common_name}, serial {found.serial}")


def apples(subject: Subject) -> Outcome:
    try:
        found = _facts(subject)
    except PkpassError as error:
        return not_tested(error.reason)
    if subject.root is not None:
        return passed(f"issued under {subject.root.subject.rfc4514_string()}, which --ca-file names")
    return failed(found.root_statement, found.issuer) if found.root == "foreign" else passed(found.root_statement)


def in_time(subject: Subject) -> Outcome:
    assert subject.intermediate is not None  # SIG2
    at = subject.signature.signed_at
    if at > subject.now + SKEW:
        return failed("the signing time lies in the future", _day(at))
    for what, each in (("certificate", subject.signature.certificate), ("intermediate", subject.intermediate)):
        if not each.not_valid_before_utc <= at <= each.not_valid_after_utc:
            period = f"{_day(each.not_valid_before_utc)} to {_day(each.not_valid_after_utc)}"
            return failed(f"the {what} is valid from {period}, and the pass was signed on {_day(at)}", _day(at))
    return passed(f"signed on {_day(at)}, inside both validities")


def _same(subject: Subject, key: str, oid: ObjectIdentifier, certificate: x509.Certificate) -> Outcome:
    wanted, given = _name(certificate, oid), subject.document.get(key)
    return passed(wanted) if given == wanted else failed(f"the certificate is for {wanted!r}", f"{key} {given!r}")


def same_type(subject: Subject) -> Outcome:
    return _same(subject, "passTypeIdentifier", NameOID.USER_ID, subject.signature.certificate)


def same_team(subject: Subject) -> Outcome:
    return _same(subject, "teamIdentifier", NameOID.ORGANIZATIONAL_UNIT_NAME, subject.signature.certificate)


def issuers(subject: Subject) -> Outcome:
    name = str(subject.document.get("passTypeIdentifier", ""))
    return failed("a pass that a person made on a phone", name) if name.startswith("userpass.") else passed(name)


# ── certificates


def signer_lasts(subject: Subject) -> Outcome:
    until = subject.signature.certificate.not_valid_after_utc
    said = lasts(until, subject.now)
    if until < subject.now + SOON:
        return warning(f"signed on {_day(subject.signature.signed_at)} with a certificate that {said}", _day(until))
    return passed(said)


def p12_fits(subject: Subject, credential: Credential) -> Outcome:
    if not credential.belongs:
        return failed("its private key belongs to another certificate")
    return worst(
        _same(subject, "passTypeIdentifier", NameOID.USER_ID, credential.certificate),
        _same(subject, "teamIdentifier", NameOID.ORGANIZATIONAL_UNIT_NAME, credential.certificate),
    )


def p12_lasts(subject: Subject, credential: Credential) -> Outcome:
    until = credential.certificate.not_valid_after_utc
    if not credential.certificate.not_valid_before_utc <= subject.now <= until:
        return failed(lasts(until, subject.now), _day(until))
    said = lasts(until, subject.now)
    return warning(said, _day(until)) if until < subject.now + SOON else passed(said)


def lasts(until: datetime, now: datetime) -> str:
    """When a certificate ends, as the end of a sentence."""
    days = (until - now).days
    if until < now:
        return f"expired {(now - until).days} days ago" if (now - until).days else "expired today"
    return f"expires in {days} days" if days else "expires today"


# ── pass.json and the files beside it


def linted(check: str) -> Callable[[Subject], Outcome]:
    """A check made of rules of lint. What only we demand (rules of source "ours") is a warning at most."""

    def look(subject: Subject) -> Outcome:
        found = [each for each in _problems(subject) if check_of(each) == check]
        return worst(*map(_as_outcome, found)) if found else passed("as phones accept it")

    return look


def _problems(subject: Subject) -> list[Problem]:
    try:
        document = subject.document
    except (JsonProblem, KeyError):
        document = {}
    try:
        certificate = _facts(subject) if subject.intermediate is not None else None
    except (PkpassError, KeyError):
        certificate = None
    return lint(document, subject.static, certificate)


def _as_outcome(problem: Problem) -> Outcome:
    place = f" at {problem.pointer}" if problem.pointer.startswith("/") else ""
    said = f"{problem.message}{place}"
    ours = problem.rule in RULES and RULES[problem.rule].source == "ours"
    return failed(said, problem.rule) if problem.severity == "fatal" and not ours else warning(said, problem.rule)


def callable_url(subject: Subject) -> Outcome:
    if "webServiceURL" not in subject.document:
        return warning("no webServiceURL: phones never ask for updates of this pass", "missing")
    return linted("JSN4")(subject)


def _name(certificate: x509.Certificate, oid: ObjectIdentifier) -> str:
    values = certificate.subject.get_attributes_for_oid(oid)
    return str(values[0].value) if len(values) == 1 else ""


def _day(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d}"


OF_FILE: Final[Mapping[str, Callable[[Subject], Outcome]]] = {
    "PKG1": archive,
    "PKG2": three_files,
    "PKG3": readable,
    "PKG4": listed,
    "PKG5": linted("PKG5"),
    "PKG6": linted("PKG6"),
    "SIG1": signed,
    "SIG2": with_intermediate,
    "SIG3": right_kind,
    "SIG4": apples,
    "SIG5": in_time,
    "SIG6": same_type,
    "SIG7": same_team,
    "SIG8": issuers,
    "CRT1": signer_lasts,
    **{check: linted(check) for check in ("JSN1", "JSN2", "JSN3", "JSN5", "JSN6", "JSN7", "JSN8", "JSN9")},
    "JSN4": callable_url,
}
OF_P12: Final[Mapping[str, Callable[[Subject, Credential], Outcome]]] = {"CRT2": p12_fits, "CRT3": p12_lasts}
