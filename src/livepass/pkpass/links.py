"""Addresses for the buttons beside a pass, and the style that each belongs to. Data only.

Source: Apple, Wallet Passes, "Pass"; poster event tickets read the first, boarding passes the others.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

EVENT_LINKS: Final = (
    "accessibilityURL",
    "addOnURL",
    "bagPolicyURL",
    "contactVenueEmail",
    "contactVenuePhoneNumber",
    "contactVenueWebsite",
    "directionsInformationURL",
    "merchandiseURL",
    "orderFoodURL",
    "parkingInformationURL",
    "purchaseParkingURL",
    "sellURL",
    "transferURL",
    "transitInformationURL",
)
BOARDING_LINKS: Final = (  # iOS 26
    "changeSeatURL",
    "entertainmentURL",
    "managementURL",
    "purchaseAdditionalBaggageURL",
    "purchaseLoungeAccessURL",
    "purchaseWifiURL",
    "registerServiceAnimalURL",
    "reportLostBagURL",
    "requestWheelchairURL",
    "trackBagsURL",
    "transitProviderEmail",
    "transitProviderPhoneNumber",
    "transitProviderWebsiteURL",
    "upgradeURL",
)
STYLE_OF_LINK: Final[Mapping[str, str]] = {
    **dict.fromkeys(EVENT_LINKS, "eventTicket"),
    **dict.fromkeys(BOARDING_LINKS, "boardingPass"),
}
