"""Looks at a package or a template on this machine, with nothing but the file: verify and lint."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography import x509

from livepass.cli.faults import Fault, Where, usage
from livepass.cli.names import read_bytes
from livepass.pkpass import (
    IOS,
    InvalidPackage,
    InvalidSignature,
    Package,
    Problem,
    Template,
    TemplateDataError,
    TemplateError,
    Verified,
    lint,
    lint_template,
    read,
    samples,
    several,
    verify,
)


def package(path: str) -> Package:
    """A .pkpass file, opened."""
    try:
        return read(read_bytes(path))
    except InvalidPackage as error:
        raise Fault(f"{path}: {error.reason}", hint=error.hint, code="package") from error


def verified(path: str, ca: Path | None) -> Verified:
    """The package, if a phone would believe it."""
    try:
        return verify(package(path), roots=_roots(ca) if ca else None)
    except InvalidPackage as error:
        raise Fault(f"{path}: {error.reason}", hint=error.hint, code="package") from error
    except InvalidSignature as error:
        raise Fault(f"{path}: {error.reason}", hint=error.hint, code="signature") from error


def verified_each(path: str, ca: Path | None) -> dict[str, Verified]:
    """The passes of a .pkpasses by their names in it, if a phone would believe every one."""
    try:
        return several.verify_all(read_bytes(path), roots=_roots(ca) if ca else None)
    except InvalidPackage as error:
        raise Fault(f"{path}: {error.reason}", hint=error.hint, code="package") from error
    except InvalidSignature as error:
        raise Fault(f"{path}: {error.reason}", hint=error.hint, code="signature") from error


def verified_json(path: str, found: Verified) -> dict[str, Any]:
    """What was verified, for ``--json``."""
    certificate = found.certificate
    return {
        "file": path,
        "pass_type": found.pass_type,
        "serial": found.serial,
        "team": found.team,
        "organization": certificate.organization,
        "signed_at": _rfc3339(found.signature.signed_at),
        "certificate_not_after": _rfc3339(certificate.not_after),
        "root": certificate.root,
        "root_statement": certificate.root_statement,
        "root_checked": found.root_checked,
    }


def versions(text: str | None) -> tuple[int, ...] | None:
    """``18,26`` as numbers; ``None`` where nobody asked."""
    if text is None:
        return None
    words = [word.strip() for word in text.split(",")]
    known = {str(version): version for version in IOS}
    for word in words:
        if word not in known:
            raise usage(
                f"--ios {text}: {word!r} is no version of iOS that lint knows",
                f"write some of {', '.join(known)}, with commas between",
            )
    return tuple(sorted({known[word] for word in words}))


def linted(path: str, data: Mapping[str, Any], ios: tuple[int, ...] | None = None) -> list[Problem]:
    """The problems of a package, of each package of a bundle, or of a template folder filled with ``data`` and samples.

    In a bundle the name of the package stands before each pointer: ``1001.pkpass:/storeCard``.
    """
    if not Path(path).is_dir():
        if path.endswith(several.ENDING):
            return _lint_each(path, ios)
        opened = package(path)
        return lint(opened.document, opened.static_files(), ios=ios)
    read_in = template(path)
    with _fitting(read_in):
        return lint_template(read_in, data, ios)


def template(path: str) -> Template:
    """A template's folder."""
    try:
        return Template.from_folder(path)
    except TemplateError as error:
        raise Fault(f"{path}: {error.reason}", hint=error.hint, code="template") from error


def sampled(template: Template, data: Mapping[str, Any]) -> dict[str, object]:
    """A pass.json of the template, filled with ``data``, and with samples where none is given."""
    with _fitting(template):
        document, _ = samples.filled(template, data)
        return document


@contextmanager
def _fitting(template: Template) -> Iterator[None]:
    """Data that does not fit the template, in our words."""
    try:
        yield
    except TemplateDataError as error:
        where = [Where(each.pointer, each.message) for each in error.problems]
        raise Fault(f"template {template.name} cannot be filled", hint=error.hint, where=where) from error


def _lint_each(path: str, ios: tuple[int, ...] | None) -> list[Problem]:
    found = []
    try:
        for name, opened in several.opened(read_bytes(path)):
            problems = lint(opened.document, opened.static_files(), ios=ios)
            found += [replace(each, pointer=f"{name}:{each.pointer}") for each in problems]
    except InvalidPackage as error:
        raise Fault(f"{path}: {error.reason}", hint=error.hint, code="package") from error
    return found


def _roots(ca: Path) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(read_bytes(ca))
    except ValueError as error:
        raise usage(f"--ca {ca} holds no PEM certificate", "name a PEM file with one or more certificates") from error


def _rfc3339(at: datetime | None) -> str | None:
    return None if at is None else at.astimezone(UTC).isoformat().replace("+00:00", "Z")
