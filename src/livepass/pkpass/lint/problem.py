"""What lint says: a problem, and the table of rules behind the problems."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from livepass.pkpass.since import IOS

Severity = Literal["fatal", "warning"]
Effect = Literal["refused", "logged", "invisible", "grant"]
Problems = Iterator["Problem"]


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with a pass.

    ``severity``: "fatal", the phone refuses the pass (or the pass could never be kept alive); "warning", the phone
    logs it or ignores the part. ``pointer``: a JSON pointer into pass.json, or a file name (no leading slash).
    ``effect``: see ``Rule``. ``ios``: the versions concerned.
    """

    rule: str
    severity: Severity
    pointer: str
    message: str
    remedy: str
    effect: Effect = "refused"
    ios: tuple[int, ...] = IOS


@dataclass(frozen=True, slots=True)
class Rule:
    """A line of the table: the usual severity, what is demanded, who says so, and what comes of it.

    ``effect``: "refused", the phone refuses the pass (or we do, where the source is "ours"); "logged", the phone logs
    it and leaves the part out; "invisible", the part has no effect and nobody says so; "grant", Apple must permit it
    first. ``ios``: the versions concerned.
    """

    severity: Severity
    demand: str
    source: str
    own_effect: Effect | None = None
    ios: tuple[int, ...] = IOS

    @property
    def effect(self) -> Effect:
        """Its own, or what its severity usually means."""
        return self.own_effect or ("refused" if self.severity == "fatal" else "invisible")

    def effect_as(self, severity: Severity) -> Effect:
        """The effect where its severity depends on the place: phones log what they do not refuse there."""
        if severity == self.severity:
            return self.effect
        return "refused" if severity == "fatal" else "logged"


_PASS = "Apple, Wallet Passes: Pass"
_FIELD = "Apple, Wallet Passes: PassFieldContent"
_BARCODE = "Apple, Wallet Passes: Pass.Barcodes"
_BUILD = "Apple, Wallet Passes: Building a Pass"
_SOURCE = "Apple, Wallet Passes: Creating the Source for a Pass"
_BUILDER = "Apple's open-source pass builder; archived: Wallet Developer Guide"
_SERVICE = "Apple, Wallet Passes: Adding a Web Service to Update Passes"
_PHONE = "observed on phones"
_OURS = "ours"
_TAGS = "Apple, Wallet Passes: SemanticTags"
_LAYOUT = "Apple's documentation and Apple's pass builder, which differ; unconfirmed"
_UPCOMING = "Apple's pass builder"
_FIELD_REPORTS = "field reports; unconfirmed"
_LOGGED_FORMS = "what phones log about bad dates names the forms without; unconfirmed"

_UNTIL_26 = (18, 26)
_SINCE_26 = (26, 27)

RULES: Final[Mapping[str, Rule]] = {
    # keys and types
    "json-invalid": Rule("fatal", "pass.json is UTF-8 JSON with an object at the top", _PASS),
    "json-duplicate-key": Rule("fatal", "no object has a key twice: two readers would take different ones", _OURS),
    "required-key": Rule("fatal", "the required keys are there and not empty", _PASS),
    "value-type": Rule("fatal", "each value has its documented JSON type", _PASS),
    "unknown-key": Rule("warning", "keys are documented ones; others are kept and ignored by phones", _PASS),
    "format-version": Rule("fatal", "formatVersion is 1", _PASS),
    # identity
    "pass-type-identifier": Rule("fatal", "passTypeIdentifier starts with pass.", _PASS),
    "serial-alphabet": Rule("fatal", "serials we issue have 1 to 100 of A-Z a-z 0-9 . _ -, safe in every URL", _OURS),
    "certificate-pass-type": Rule("fatal", "pass type equals the certificate's", _BUILD),
    "certificate-team": Rule("fatal", "team equals the certificate's", _BUILD),
    "certificate-nfc": Rule("fatal", "nfc needs an NFC-enabled certificate", _PASS, "grant"),
    "sharing": Rule("fatal", "only Apple's own passes carry the key sharing", _PHONE),
    "grouping-identifier": Rule("warning", "groupingIdentifier works for boarding passes and event tickets", _PASS),
    # web service
    "web-service-url": Rule("fatal", "webServiceURL is https, with no query, fragment, user or trailing /v1", _SERVICE),
    "web-service-slash": Rule("warning", "webServiceURL ends without a slash", _OURS),
    "token-length": Rule("fatal", "authenticationToken has 16 characters or more", _SERVICE),
    "token-sample": Rule("fatal", "authenticationToken is not a published sample", _OURS),
    "token-alphabet": Rule("warning", "authenticationToken fits an HTTP header: visible ASCII", _OURS),
    # style and fields
    "style": Rule("fatal", "exactly one classic style, or posterGeneric", _PASS),
    "style-fallback": Rule(
        "warning", "posterGeneric has a classic style beside it for iOS 26 and older", _PASS, "refused", _UNTIL_26
    ),
    "style-scheme": Rule("warning", "preferredStyleSchemes names known schemes", _PASS),
    "transit-type": Rule("fatal", "boarding passes, and they alone, have a transitType of the list", _PASS),
    "poster-groups": Rule(
        "warning", "posterGeneric shows one header field, four primary fields, one footer", _PASS, ios=(27,)
    ),
    "poster-event": Rule("warning", "a poster event ticket has what its layout needs, or may look as before", _LAYOUT),
    "semantic-boarding": Rule(
        "warning", "a semantic boarding pass has what its layout needs, or may look as before", _LAYOUT, ios=_SINCE_26
    ),
    "link-style": Rule("warning", "addresses for buttons belong to the style of the pass", _PASS),
    "field-key": Rule("fatal", "each field has a key that is not empty", _FIELD),
    "field-key-duplicate": Rule("fatal", "field keys are unique across all groups", _FIELD),
    "field-value": Rule("fatal", "each field has a value", _FIELD),
    "field-value-type": Rule("fatal", "a field's value is a string or a number", _FIELD),
    "field-enum": Rule("fatal", "styles and alignments are of their lists", _FIELD),
    "field-date": Rule("fatal", "a field with date options has a W3C date as its value", _FIELD),
    "field-number": Rule("fatal", "a field with number options has a number as its value", _FIELD),
    "field-date-and-number": Rule("fatal", "a field has date options or number options, not both", _FIELD),
    "field-number-style-and-currency": Rule("fatal", "a field has numberStyle or currencyCode, not both", _FIELD),
    "field-currency": Rule("fatal", "currencyCode is three capital letters (ISO 4217)", _FIELD),
    "field-row": Rule("fatal", "row is 0 or 1, in auxiliary fields", _FIELD),
    "field-alignment": Rule("warning", "primary and back fields are not aligned", _FIELD),
    "field-detectors": Rule("warning", "data detectors are of the list, and in back fields", _FIELD),
    "field-attributed": Rule("warning", "attributedValue holds no markup but <a href>", _FIELD),
    "change-message": Rule("warning", "changeMessage holds %@, or the phone shows no message", _FIELD),
    "change-message-shared": Rule(
        "warning", "no variable of a template changes two fields with a changeMessage", _FIELD_REPORTS
    ),
    # looks
    "color": Rule("fatal", "colours are rgb(r, g, b), each 0 to 255", _PASS),
    "color-hex": Rule(
        "warning", "colours are rgb(): Apple's builder rewrites #hex before a phone sees it", _PASS, "logged"
    ),
    # barcodes
    "barcode-key": Rule("fatal", "a barcode has format, message and messageEncoding, all strings", _BARCODE),
    "barcode-format": Rule("fatal", "barcode formats are of the list; barcode takes QR, PDF417, Aztec", _BARCODE),
    "barcode-encoding": Rule("fatal", "messageEncoding is an IANA character set", _BARCODE),
    "barcode-message": Rule("fatal", "the message can be written in its messageEncoding", _BARCODE),
    "barcode-fallback": Rule(
        "warning", "one barcode is of a format that phones before iOS 27 show", _BARCODE, ios=_UNTIL_26
    ),
    # relevance
    "date": Rule("fatal", "dates are YYYY-MM-DDTHH:MM[:SS] with Z or ±HH:MM", _PASS),
    "date-fraction": Rule("warning", "dates have no fraction of a second", _LOGGED_FORMS, "refused"),
    "relevant-date": Rule("warning", "a relevant date has date, or startDate and a later endDate", _PASS, "logged"),
    "relevant-date-spelling": Rule(
        "warning", "a single date is there as date (iOS 26) and as relevantDate (iOS 18)", _FIELD_REPORTS
    ),
    "location": Rule("fatal", "locations have a latitude of ±90 and a longitude of ±180", _PASS),
    "location-count": Rule("warning", "at most ten locations count", _PASS),
    "max-distance": Rule("fatal", "maxDistance is greater than zero", _PASS),
    "beacon": Rule("warning", "beacons have a UUID, major and minor of 0 to 65535", _PASS, "logged"),
    # apps, NFC, meaning
    "app-launch-url": Rule("fatal", "appLaunchURL needs associatedStoreIdentifiers", _PASS),
    "nfc": Rule("fatal", "nfc has a message and an encryptionPublicKey", _PASS),
    "nfc-grant": Rule("warning", "Apple grants NFC on request, before there is such a certificate", _PASS, "grant"),
    "nfc-key": Rule("fatal", "encryptionPublicKey is base64 of a P-256 public key (SubjectPublicKeyInfo)", _PASS),
    "nfc-key-form": Rule("warning", "encryptionPublicKey is in compressed form", _PASS, "logged"),
    "nfc-message": Rule("warning", "the nfc message has at most 64 bytes", _PASS),
    "semantic-amount": Rule("warning", "amounts are strings, with a currencyCode", _TAGS, "logged"),
    "semantic-tag": Rule("warning", "semantic tags, and the keys in them, are documented ones", _TAGS),
    "semantic-type": Rule("warning", "each semantic tag has its documented type", _TAGS),
    "semantic-enum": Rule("warning", "event types, security programs and capabilities are of their lists", _TAGS),
    "semantic-spelling": Rule("warning", "what Apple spells in two ways is there in both", _TAGS),
    "featured-action": Rule("warning", "at most two featuredActions, of known types", _PASS, ios=(27,)),
    "upcoming-entry": Rule(
        "warning", "an upcoming event has a name, the type event and an identifier of its own", _UPCOMING, ios=_SINCE_26
    ),
    "upcoming-image": Rule(
        "warning", "its images are https, with their SHA256, of 2 MB at most", _UPCOMING, ios=_SINCE_26
    ),
    "personalization": Rule("warning", "the rewards enrolment is complete: nfc, texts, fields, logo", _FIELD_REPORTS),
    # which iOS
    "newer-than-ios": Rule("warning", "each iOS that is asked about knows the key", _PASS),
    # files
    "icon-missing": Rule("fatal", "icon.png is there", _BUILD),
    "icon-scale": Rule("warning", "icon@2x.png or icon@3x.png is there: no phone shows the plain size", _BUILD),
    "image": Rule("warning", "images are PNG (fatal for the icon)", _BUILD, "logged"),
    "image-size": Rule("warning", "no image side is longer than 4096 pixels", _OURS),
    "image-shadowed": Rule("warning", "an image is at the top or localised; at the top it hides the others", _BUILD),
    "strings-encoding": Rule("warning", "pass.strings is UTF-16 with its mark, or UTF-8", _BUILD),
    "reserved-name": Rule("fatal", "nothing bears the name of a file that every build makes", _BUILD),
    "file-name": Rule("fatal", "file names are plain, localised ones one level deep in xx.lproj", _BUILD),
    "stray-file": Rule("warning", "nothing is there that desktops leave behind", _BUILD),
    "unknown-file": Rule("warning", "files are ones that Wallet knows", _BUILD),
    "strings-syntax": Rule("warning", 'pass.strings is lines of "key" = "value";', _SOURCE),
    "strings-duplicate": Rule("warning", "no key has two texts in one pass.strings", _OURS),
    "strings-keys": Rule("warning", "all languages have the same keys", _BUILD),
    "strings-key-spelling": Rule("warning", "a key is spelled exactly as the text in pass.json", _SOURCE),
    "strings-change-message": Rule("warning", "the translation of a changeMessage keeps its %@", _FIELD),
    "image-damaged": Rule("warning", "an image is a whole PNG: every part and every pixel is there", _OURS),
    "image-larger": Rule("warning", "no image is larger than Wallet shows it", _BUILDER),
    "image-cropped": Rule("warning", "an image that fills an area has its shape", _BUILDER),
    "image-scale": Rule("warning", "@2x and @3x are twice and three times the plain image", _BUILD),
    "image-languages": Rule("warning", "a localised image has the same sizes in every language", _SOURCE),
}


def problem(
    rule: str,
    pointer: str,
    message: str,
    remedy: str,
    severity: Severity | None = None,
    ios: tuple[int, ...] | None = None,
    effect: Effect | None = None,
) -> Problem:
    """A problem of the table; ``severity``, ``ios`` and ``effect`` where they depend on the place."""
    row = RULES[rule]
    severity = severity or row.severity
    return Problem(rule, severity, pointer, message, remedy, effect or row.effect_as(severity), ios or row.ios)
