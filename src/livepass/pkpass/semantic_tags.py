"""What ``semantics`` may say: every tag, its kind, and the words that its lists take. Data only.

Source: Apple, Wallet Passes, "SemanticTags" and the pages below it, as of iOS 27, and Apple's open-source pass builder,
which spells some tags in another way: ``SPELLINGS``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

# Kinds beside those of ``fields.KINDS``: "date" is a string in the form of dates.py, the names below are objects.
OBJECTS: Final[Mapping[str, Mapping[str, str]]] = {
    "amount": {"amount": "string", "currencyCode": "string"},
    "event date": {
        "date": "date",
        "ignoreTimeComponents": "boolean",
        "timeZone": "string",
        "unannounced": "boolean",
        "undetermined": "boolean",
    },
    "coordinates": {"altitude": "number", "latitude": "number", "longitude": "number"},
    "person name": dict.fromkeys(
        ("familyName", "givenName", "middleName", "namePrefix", "nameSuffix", "nickname", "phoneticRepresentation"),
        "string",
    ),
    "seat": dict.fromkeys(
        (
            "seatAisle",
            "seatDescription",
            "seatIdentifier",
            "seatLevel",
            "seatNumber",
            "seatRow",
            "seatSection",
            "seatSectionColor",
            "seatType",
        ),
        "string",
    ),
    "network": {"password": "string", "ssid": "string"},
}
LISTS: Final[Mapping[str, str]] = {"seats": "seat", "networks": "network"}

_EVENTS: Final[Mapping[str, str]] = {
    **dict.fromkeys(
        (
            "additionalTicketAttributes",
            "admissionLevel",
            "admissionLevelAbbreviation",
            "attendeeName",
            "awayTeamAbbreviation",
            "awayTeamLocation",
            "awayTeamName",
            "entranceDescription",
            "eventName",
            "eventType",
            "genre",
            "homeTeamAbbreviation",
            "homeTeamLocation",
            "homeTeamName",
            "leagueAbbreviation",
            "leagueName",
            "sportName",
            "venueEntrance",
            "venueEntranceDoor",
            "venueEntranceGate",
            "venueEntrancePortal",
            "venueName",
            "venuePhoneNumber",
            "venueRegionName",
            "venueRoom",
        ),
        "string",
    ),
    **dict.fromkeys(
        (
            "eventEndDate",
            "eventStartDate",
            "venueBoxOfficeOpenDate",
            "venueCloseDate",
            "venueDoorsOpenDate",
            "venueFanZoneOpenDate",
            "venueGatesOpenDate",
            "venueOpenDate",
            "venueParkingLotsOpenDate",
        ),
        "date",
    ),
    **dict.fromkeys(("albumIDs", "artistIDs", "performerNames", "playlistIDs"), "strings"),
    **dict.fromkeys(("silenceRequested", "tailgatingAllowed"), "boolean"),
    "eventStartDateInfo": "event date",
    "seats": "seats",
    "venueLocation": "coordinates",
    "wifiAccess": "networks",
}

_ENDS: Final = ("departure", "destination")
_TRAVEL: Final[Mapping[str, str]] = {
    **dict.fromkeys(
        (
            "airlineCode",
            "airlineLoungePlaceID",
            "boardingGroup",
            "boardingSequenceNumber",
            "boardingZone",
            "carNumber",
            "confirmationNumber",
            "flightCode",
            "internationalDocumentsVerifiedDeclarationName",
            "membershipProgramName",
            "membershipProgramNumber",
            "membershipProgramStatus",
            "priorityStatus",
            "securityScreening",
            "ticketFareClass",
            "transitProvider",
            "transitStatus",
            "transitStatusReason",
            "vehicleName",
            "vehicleNumber",
            "vehicleType",
        ),
        "string",
    ),
    **{
        f"{end}{what}": "string"
        for end in _ENDS
        for what in (
            "AirportCode",
            "AirportName",
            "AirportTimeZone",
            "CityName",
            "Gate",
            "LocationDescription",
            "LocationTimeZone",
            "Platform",
            "StationName",
            "Terminal",
        )
    },
    **{f"{end}Location": "coordinates" for end in _ENDS},
    **{f"{end}{what}SecurityPrograms": "strings" for end in _ENDS for what in ("Airport", "Location")},
    **{
        f"{when}{what}Date": "date" for when in ("current", "original") for what in ("Arrival", "Boarding", "Departure")
    },
    **dict.fromkeys(
        (
            "airlinePassengerCapabilities",  # the builder's only
            "loungePlaceIDs",
            "passengerAirlineSSRs",
            "passengerCapabilities",
            "passengerEligibleSecurityPrograms",
            "passengerInformationSSRs",
            "passengerServiceSSRs",
        ),
        "strings",
    ),
    "duration": "number",  # seconds
    "flightNumber": "number",
    "internationalDocumentsAreVerified": "boolean",
    "passengerName": "person name",
}

TAGS: Final[Mapping[str, str]] = {**_EVENTS, **_TRAVEL, "balance": "amount", "totalPrice": "amount"}

EVENT_TYPES: Final = tuple(
    f"PKEventType{kind}"
    for kind in (
        "Generic",
        "LivePerformance",
        "Movie",
        "Sports",
        "Conference",
        "Convention",
        "Workshop",
        "SocialGathering",
    )
)
SECURITY_PROGRAMS: Final = tuple(
    f"PKTransitSecurityProgram{program}"
    for program in ("TSAPreCheck", "TSAPreCheckTouchlessID", "OSS", "ITI", "ITD", "GlobalEntry", "CLEAR")
)
CAPABILITIES: Final = tuple(
    f"PKPassengerCapability{capability}"
    for capability in ("Preboarding", "PriorityBoarding", "Carryon", "PersonalItem", "LapInfant")
)
ENUMS: Final[Mapping[str, tuple[str, ...]]] = {
    "eventType": EVENT_TYPES,
    "passengerCapabilities": CAPABILITIES,
    "passengerEligibleSecurityPrograms": SECURITY_PROGRAMS,
    **{f"{end}{what}SecurityPrograms": SECURITY_PROGRAMS for end in _ENDS for what in ("Airport", "Location")},
}

# Apple's documentation and Apple's builder disagree; nobody outside knows which of the two a phone reads. Write both.
SPELLINGS: Final[tuple[tuple[str, str], ...]] = (
    *((f"{end}LocationTimeZone", f"{end}AirportTimeZone") for end in _ENDS),
    *((f"{end}LocationSecurityPrograms", f"{end}AirportSecurityPrograms") for end in _ENDS),
    ("loungePlaceIDs", "airlineLoungePlaceID"),
)

# What the new layouts need: of each line one, all of its tags. Without them a phone is said to show the old layout.
Needs = tuple[tuple[tuple[str, ...], ...], ...]
POSTER_EVENT_NEEDS: Final[Needs] = (
    (("eventName",),),
    (("venueName",),),
    (("venueRegionName",),),
    (("venueRoom",),),
    (("performerNames",), ("homeTeamAbbreviation", "awayTeamAbbreviation")),
)
SEMANTIC_BOARDING_NEEDS: Final[Needs] = (
    (("airlineCode",),),
    (("flightNumber",),),
    (("originalDepartureDate",),),
    (("originalBoardingDate",),),
    (("originalArrivalDate",),),
    (("departureAirportCode",),),
    (("departureCityName",),),
    (("departureLocationTimeZone",), ("departureAirportTimeZone",)),
    (("destinationAirportCode",),),
    (("destinationCityName",),),
    (("destinationLocationTimeZone",), ("destinationAirportTimeZone",)),
    (("passengerName",),),
)
