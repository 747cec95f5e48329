"""What personalization.json may say: the rewards enrolment that Wallet offers when a pass is added. Data only.

Source: field reports about Apple's "Personalization"; unconfirmed on a phone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

PERSONALIZATION: Final = "personalization.json"
PERSONALIZATION_KEYS: Final[Mapping[str, str]] = {
    "description": "string",
    "requiredPersonalizationFields": "strings",
    "termsAndConditions": "string",
}
PERSONALIZATION_NEEDS: Final = ("description", "requiredPersonalizationFields")
PERSONALIZATION_FIELDS: Final = tuple(
    f"PKPassPersonalizationField{field}" for field in ("Name", "PostalCode", "EmailAddress", "PhoneNumber")
)
PERSONALIZATION_LOGO: Final = "personalizationLogo"


def is_enrolment(path: str) -> bool:
    """Whether a file is of the form that Wallet shows, also in a localisation: the file itself, or its logo."""
    name = path.rpartition("/")[2]
    return name == PERSONALIZATION or name.partition("@")[0].removesuffix(".png") == PERSONALIZATION_LOGO


def offers_enrolment(paths: Iterable[str]) -> bool:
    """Whether a pass of these files offers an enrolment."""
    return PERSONALIZATION in paths
