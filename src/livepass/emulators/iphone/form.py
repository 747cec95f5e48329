"""The rewards sign-up that a pass offers: which form its ``personalization.json`` makes, and what of it is sent.

Apple names the file and the call; which keys each field stands for is read from field reports (protocol sheet 1.11).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from livepass.emulators.iphone.package import Package, parse_json
from livepass.emulators.iphone.quirks import Quirks

FILE: Final = "personalization.json"
FIELDS: Final[Mapping[str, tuple[str, ...]]] = {
    "PKPassPersonalizationFieldName": ("fullName", "givenName", "familyName"),
    "PKPassPersonalizationFieldPostalCode": ("postalCode", "ISOCountryCode"),
    "PKPassPersonalizationFieldEmailAddress": ("emailAddress",),
    "PKPassPersonalizationFieldPhoneNumber": ("phoneNumber",),
}
KEYS: Final = tuple(key for keys in FIELDS.values() for key in keys)


@dataclass(frozen=True)
class Form:
    """What the person sees: a text, and fields to fill in."""

    description: str
    fields: tuple[str, ...]
    terms: str | None = None

    def keys(self, quirks: Quirks) -> tuple[str, ...]:
        """What the fields stand for in the call."""
        implied = [key for field in self.fields for key in FIELDS[field]]
        if not quirks.on("postal-code-brings-country"):
            implied = [key for key in implied if key != "ISOCountryCode"]
        return tuple(dict.fromkeys(implied))


def form_of(package: Package) -> Form | None:
    """The form of a package; None when it has none that a phone could show."""
    try:
        found = parse_json(package.files.get(FILE, b""))
    except ValueError:
        return None
    if not isinstance(found, dict) or not isinstance(found.get("description"), str):
        return None
    required, terms = found.get("requiredPersonalizationFields"), found.get("termsAndConditions")
    texts = isinstance(required, list) and all(isinstance(each, str) for each in required)
    fields = tuple(field for field in required or () if field in FIELDS) if texts else ()
    return Form(found["description"], fields, terms if isinstance(terms, str) else None) if fields else None
