"""A .pkpasses bundle: up to ten whole .pkpass files in one zip, which Safari offers to add together.

Source: Apple, Wallet Passes, "Distributing and Updating a Pass": at most 10 passes or 150 MB. Apple does not say how
the files inside are named; we take plain names that end in ``.pkpass``, at the top level, and nothing beside them.
Nothing inside is trusted: every pass is opened by ``reader`` and judged by ``verifier`` as if it had come alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from cryptography import x509

from livepass.pkpass.errors import InvalidPackage, InvalidSignature
from livepass.pkpass.limits import DEFAULT_LIMITS, Limits
from livepass.pkpass.names import check_distinct, check_name, is_junk
from livepass.pkpass.reader import Package, read
from livepass.pkpass.verifier import Verified, verify
from livepass.pkpass.zip_read import read_zip
from livepass.pkpass.zip_write import archive, entry, head

MEDIA_TYPE = "application/vnd.apple.pkpasses"
ENDING = ".pkpasses"
PASS_ENDING = ".pkpass"
MOST_PASSES = 10
MOST_BYTES = 150_000_000  # Apple says "150 MB"; this is the smaller reading

# A pass in a bundle may be as large as a pass that comes alone, and no larger.
LIMITS = Limits(
    archive_bytes=MOST_BYTES,
    entries=MOST_PASSES,
    total_bytes=MOST_PASSES * DEFAULT_LIMITS.archive_bytes,
    file_bytes=DEFAULT_LIMITS.archive_bytes,
)
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9._@-]+")
_LONGEST_STEM = 80


def split(data: bytes, limits: Limits = LIMITS) -> dict[str, bytes]:
    """Every .pkpass of a bundle by its name in the zip, none opened yet. Raises ``InvalidPackage``."""
    passes = read_zip(data, limits)
    if not passes:
        raise InvalidPackage("the bundle holds no pass", f"a bundle holds 1 to {MOST_PASSES} .pkpass files")
    for name in passes:
        _check_entry(name, limits)
    return passes


def opened(data: bytes) -> Iterator[tuple[str, Package]]:
    """Each pass of a bundle, one after the other, so that only one lies inflated in memory.

    Raises ``InvalidPackage`` that names the pass as soon as one is hostile, damaged or incomplete.
    """
    for name, content in split(data).items():
        yield name, _read(name, content)


def verify_all(data: bytes, *, roots: Sequence[x509.Certificate] | None = None) -> dict[str, Verified]:
    """Would a phone believe each of them? See ``verify``.

    Raises ``InvalidPackage`` or ``InvalidSignature`` for the first that it would not, named by its entry.
    """
    return _verified(opened(data), roots)


def bundle(passes: Mapping[str, bytes]) -> bytes:
    """The .pkpasses of these .pkpass files (name in the zip → bytes), in this order, the same bytes each time.

    Each one must verify by itself and be another pass than the rest. ``entry_names`` makes names that fit. Raises
    ``InvalidPackage`` or ``InvalidSignature``, which name the pass.
    """
    if not 1 <= len(passes) <= MOST_PASSES:
        raise InvalidPackage(f"{len(passes)} passes make no bundle", f"put 1 to {MOST_PASSES} passes into one")
    check_distinct(passes)
    for name in passes:
        _check_entry(name, LIMITS)
    _verified(((name, _read(name, content)) for name, content in passes.items()), None)
    # Passes are zips already: deflating them again gains nothing.
    made = archive(head([entry(name, content, deflate=False) for name, content in passes.items()]), ())
    if len(made) > MOST_BYTES:
        raise InvalidPackage(f"the bundle has {len(made)} bytes", f"at most {MOST_BYTES} are allowed; make two")
    return made


def entry_names(wanted: Sequence[str]) -> list[str]:
    """A name in the zip for each of these serials or file names: safe, ending in .pkpass, no two alike in any case."""
    taken: set[str] = set()
    names = []
    for each in wanted:
        plain = _NOT_IN_NAMES.sub("-", each.removesuffix(PASS_ENDING))[:_LONGEST_STEM].strip(".-") or "pass"
        stem, number = plain, 1
        while stem.casefold() in taken:
            number += 1
            stem = f"{plain}-{number}"
        taken.add(stem.casefold())
        names.append(f"{stem}{PASS_ENDING}")
    return names


def _check_entry(name: str, limits: Limits) -> None:
    check_name(name, limits)
    if "/" in name or is_junk(name) or not name.endswith(PASS_ENDING):
        raise InvalidPackage(
            f"{name!r} is no pass", "a bundle holds .pkpass files at its top level, and nothing beside them"
        )


def _read(name: str, content: bytes) -> Package:
    try:
        return read(content)
    except InvalidPackage as error:
        raise InvalidPackage(f"{name}: {error.reason}", error.hint) from error


def _verified(passes: Iterator[tuple[str, Package]], roots: Sequence[x509.Certificate] | None) -> dict[str, Verified]:
    found: dict[str, Verified] = {}
    seen: dict[tuple[str, str], str] = {}
    for name, package in passes:
        try:
            verified = verify(package, roots=roots)
        except (InvalidPackage, InvalidSignature) as error:
            raise type(error)(f"{name}: {error.reason}", error.hint) from error
        identity = verified.pass_type, verified.serial
        if identity in seen:
            # A phone keeps one pass of each type and serial number: the other would be lost without a word.
            raise InvalidPackage(
                f"{seen[identity]} and {name} are one pass, {'/'.join(identity)}", "put each pass in once"
            )
        seen[identity] = name
        found[name] = verified
    return found
