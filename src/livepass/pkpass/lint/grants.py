"""What a pass may carry only with a grant of Apple's: to be known while it is designed, months before it is built.

Apple, Wallet Passes, "Pass": of all keys only ``nfc`` asks for one. Payment cards and access (home, car, hotel, campus,
corporate badges) are programmes with agreements of their own, and no key of pass.json leads there.
"""

from __future__ import annotations

from collections.abc import Mapping

from livepass.pkpass.lint.problem import Problem, problem


def grants_needed(document: Mapping[str, object]) -> list[Problem]:
    """The keys of a pass.json, or of a template's, that need a grant: warnings, whatever certificates there are."""
    if "nfc" not in document:
        return []
    return [
        problem(
            "nfc-grant",
            "/nfc",
            "nfc needs a certificate of the kind Pass Type ID with NFC, which Apple grants on request",
            "ask Apple for NFC passes (an Account Holder, in the developer portal) before you design on it; "
            "payment and access are programmes with agreements of their own",
        )
    ]
