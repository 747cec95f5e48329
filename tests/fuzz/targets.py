"""Every target, by name."""

from __future__ import annotations

from collections.abc import Mapping

from fuzz import apns, files, issuer, packages, phones, signatures, template_files
from fuzz.target import Target

TARGETS: Mapping[str, Target] = {
    target.name: target
    for family in (packages, signatures, phones, apns, files, issuer, template_files)
    for target in family.TARGETS
}
