"""Apps, NFC and featured actions."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_der_public_key

from livepass.pkpass.fields import (
    ACTION_KEYS,
    ACTION_TYPES,
    LONGEST_NFC_MESSAGE,
    MOST_ACTIONS,
    NFC_KEYS,
)
from livepass.pkpass.lint.keys import objects, typed
from livepass.pkpass.lint.problem import Problems, problem
from livepass.pkpass.pointer import did_you_mean

KEYS = frozenset({"appLaunchURL", "nfc", "featuredActions"})
_COMPRESSED_POINT = 33  # bytes: sign and x; both coordinates take 65


def check(document: Mapping[str, object]) -> Problems:
    """What few passes use, and what is often wrong when they do."""
    if "appLaunchURL" in document and not document.get("associatedStoreIdentifiers"):
        yield problem(
            "app-launch-url",
            "/appLaunchURL",
            "appLaunchURL needs at least one of associatedStoreIdentifiers",
            "add the App Store number of your app, or remove appLaunchURL",
        )
    nfc = document.get("nfc")
    if isinstance(nfc, Mapping):
        yield from _nfc(nfc)
    yield from _actions(document)


def _nfc(nfc: Mapping[str, object]) -> Problems:
    needed = ("message", "encryptionPublicKey")
    yield from typed({key: each for key, each in nfc.items() if key not in needed}, NFC_KEYS, "/nfc")
    for key in needed:
        if not isinstance(nfc.get(key), str) or not nfc.get(key):
            yield problem("nfc", f"/nfc/{key}", f"nfc needs a {key}, a string", f"give nfc a {key}")
    message, public_key = nfc.get("message"), nfc.get("encryptionPublicKey")
    if isinstance(message, str) and len(message.encode(errors="replace")) > LONGEST_NFC_MESSAGE:
        yield problem(
            "nfc-message",
            "/nfc/message",
            f"readers get the first {LONGEST_NFC_MESSAGE} bytes of the message only",
            "shorten it, or send a number that your system looks up",
        )
    if isinstance(public_key, str) and public_key:
        yield from _nfc_key(public_key)


def _nfc_key(text: str) -> Problems:
    where = "/nfc/encryptionPublicKey"
    data = _p256(text)
    if data is None:
        yield problem(
            "nfc-key",
            where,
            "encryptionPublicKey is no P-256 public key",
            "write the SubjectPublicKeyInfo of a P-256 key (DER, compressed point) in base64",
        )
    # The point stands last; its first octet tells the form.
    elif data[-_COMPRESSED_POINT] not in {2, 3} or len(data) > 2 * _COMPRESSED_POINT:
        yield problem(
            "nfc-key-form",
            where,
            "encryptionPublicKey holds the point in full; Wallet asks for the compressed form",
            "convert it: openssl ec -pubin -conv_form compressed",
        )


def _p256(text: str) -> bytes | None:
    """The DER, if it is a P-256 public key."""
    try:
        data = base64.b64decode(text, validate=True)
        key = load_der_public_key(data)
    except (ValueError, binascii.Error, UnsupportedAlgorithm):
        return None
    usable = isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1)
    return data if usable else None


def _actions(document: Mapping[str, object]) -> Problems:
    actions = objects(document, "featuredActions")
    if len(actions) > MOST_ACTIONS:
        yield problem(
            "featured-action", "/featuredActions", f"only {MOST_ACTIONS} featuredActions show", "keep the best two"
        )
    for pointer, action in actions:
        yield from typed({key: each for key, each in action.items() if key != "type"}, ACTION_KEYS, pointer, "warning")
        kind = action.get("type")
        if kind not in ACTION_TYPES:
            yield problem(
                "featured-action",
                f"{pointer}/type",
                f"{kind!r} is no type of action{did_you_mean(str(kind), ACTION_TYPES)}",
                f"use one of {', '.join(ACTION_TYPES)}",
            )
