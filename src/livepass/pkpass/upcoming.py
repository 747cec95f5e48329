"""What ``upcomingPassInformation`` may say (iOS 26): events to come, for a season ticket. Data only.

Source: Apple, Wallet Passes, "Pass", and Apple's open-source pass builder.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

ENTRY_KEYS: Final[Mapping[str, str]] = {
    "URLs": "object",
    "additionalInfoFields": "objects",
    "auxiliaryStoreIdentifiers": "numbers",
    "backFields": "objects",
    "dateInformation": "object",
    "identifier": "string",
    "images": "object",
    "isActive": "boolean",
    "name": "string",
    "semantics": "object",
    "type": "string",
}
ENTRY_NEEDS: Final = ("identifier", "name", "type")
ENTRY_TYPES: Final = ("event",)
ENTRY_GROUPS: Final = ("additionalInfoFields", "backFields")
DATE_KEYS: Final[Mapping[str, str]] = {
    "date": "string",
    "ignoreTimeComponents": "boolean",
    "isAllDay": "boolean",
    "isUnannounced": "boolean",
    "isUndetermined": "boolean",
    "timeZone": "string",
}
IMAGES: Final[Mapping[str, str]] = {"headerImage": "object", "venueMap": "object"}
IMAGE_KEYS: Final[Mapping[str, str]] = {"URLs": "objects", "reuseExisting": "boolean"}
REUSABLE_IMAGE: Final = "venueMap"  # the one that may be taken from the pass itself
IMAGE_URL_KEYS: Final[Mapping[str, str]] = {"SHA256": "string", "URL": "string", "scale": "number", "size": "number"}
LARGEST_IMAGE: Final = 2_097_152  # bytes
