"""The versions of iOS that matter here, and what came with which. What is not named is older than all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from livepass.pkpass.links import BOARDING_LINKS

IOS: Final = (18, 26, 27)

# Key at the top of pass.json → first iOS that knows it
KEYS_SINCE: Final[Mapping[str, int]] = {
    "featuredActions": 27,
    "posterGeneric": 27,
    "upcomingPassInformation": 26,
    **dict.fromkeys(BOARDING_LINKS, 26),
}
BARCODES_SINCE: Final[Mapping[str, int]] = dict.fromkeys(
    ("PKBarcodeFormatCode39", "PKBarcodeFormatCodabar", "PKBarcodeFormatEAN13", "PKBarcodeFormatI2of5"), 27
)
SCHEMES_SINCE: Final[Mapping[str, int]] = {"semanticBoardingPass": 26}
# Of the two spellings of one date in relevantDates
RELEVANT_DATE_READ_BY: Final[Mapping[str, tuple[int, ...]]] = {"relevantDate": (18,), "date": (26, 27)}


def is_new_barcode(format_: object) -> bool:
    """Whether it is a format that older phones skip."""
    return isinstance(format_, str) and format_ in BARCODES_SINCE


def ios_names(versions: tuple[int, ...]) -> str:
    """``iOS 18``, ``iOS 26 and iOS 27``."""
    names = [f"iOS {version}" for version in versions]
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))
