"""JSON that a careless reader loses something of, in keys that Wallet does not know: it has to come out as it went in.

text = odd_document("pass.test.livepass")   # a whole pass.json, as text, with ODD everywhere a key may stand
same(text, package.document_bytes)          # in meaning, to the last bit and type
"""

from __future__ import annotations

import json
from typing import Any

ODD = r"""{
  "most of a double": 9007199254740993, "most": 18446744073709551615, "least": -9223372036854775808,
  "price": 1.10, "whole": 1.0, "one": 1, "true": true, "minus": -0.0, "tiny": 5e-324, "huge": 1.7976931348623157e308,
  "exact": 0.1000000000000000055, "exponent": 1E2,
  "escaped": "\u00e9\ud83d\ude00\u0000\u001f\u007f\u2028\/\\\"", "plain": "é😀", "two": "e\u0301", "money": "$5 {x}",
  "": {}, "a/b~c": [[], {}, null, [null, [false]]], "none": null, "nul\u0000": "", "__proto__": {"a": 1},
  "deep": {"deep": {"deep": {"deep": [1, "1", 1.5, true, {"null": null}]}}}, "a list": [1, 1.0, "1", true, null, {}]
}"""
_HERE = "ODD STANDS HERE"
IDENTITY = ("passTypeIdentifier", "serialNumber", "teamIdentifier", "webServiceURL", "authenticationToken")


def odd_document(pass_type: str, team: str = "TEAM123456") -> str:
    """A pass.json with ``ODD`` beside what Wallet knows: at its top, in a style, a field, semantics, a barcode."""
    more = {"x-odd": _HERE}
    semantics = {"eventName": "Reading", **more}
    document: dict[str, Any] = {
        "formatVersion": 1,
        "passTypeIdentifier": pass_type,
        "serialNumber": "theirs-1",
        "teamIdentifier": team,
        "organizationName": "Theirs",
        "description": "Membership",
        "userInfo": _HERE,
        "semantics": semantics,
        "barcodes": [{"format": "PKBarcodeFormatQR", "message": "1", "messageEncoding": "iso-8859-1", **more}],
        "locations": [{"latitude": 48.10, "longitude": 11.0, **more}],
        "storeCard": {
            "primaryFields": [{"key": "points", "label": "Points", "value": 120, "semantics": semantics, **more}],
            "backFields": [{"key": "terms", "value": "Ours", **more}],
            **more,
        },
        **more,
    }
    return json.dumps(document).replace(f'"{_HERE}"', ODD)


def odd_personalization() -> str:
    return json.dumps({"description": "Join", "requiredPersonalizationFields": [], "x": _HERE}).replace(
        f'"{_HERE}"', ODD
    )


def meant(text: str | bytes) -> str:
    """A pass.json without what the service says in it, spelled in one way: 1, 1.0 and true are three."""
    document = json.loads(text)
    return json.dumps({key: each for key, each in document.items() if key not in IDENTITY}, sort_keys=True)
