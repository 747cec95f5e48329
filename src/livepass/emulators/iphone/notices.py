"""What the lock screen says after an update: the difference of two documents, read through ``changeMessage``.

Apple: a changed field with a changeMessage is announced, one without is silent, and the push itself says nothing.
Fields are matched by key, so a renamed key announces nothing. What several messages at once look like is a field
report (quirk).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from livepass.emulators.iphone.package import Package
from livepass.emulators.iphone.quirks import Quirks

GENERIC: Final = "Pass changed"
"""What is shown where no single message fits. The exact words on a current phone are not known; these are ours."""

_PLACEHOLDER = "%@"


def announcements(old: Package, new: Package, quirks: Quirks, language: str = "en") -> list[str]:
    """The banner texts of an update, in the order shown; empty when it is silent."""
    before = old.fields()
    messages = [
        _message(new, field, quirks, language)
        for key, field in new.fields().items()
        if field.get("changeMessage") and key in before and before[key].get("value") != field.get("value")
    ]
    if len(messages) > 1 and quirks.on("several-messages-one-banner"):
        return [GENERIC]
    return messages


def shown(field: Mapping[str, Any]) -> str:
    """A field's value as text. Currency and percent are approximations of the phone's own formatting."""
    value = field.get("value", "")
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if "currencyCode" in field and isinstance(value, (int, float)):
        return f"{field['currencyCode']} {value:.2f}"
    if field.get("numberStyle") == "PKNumberStylePercent" and isinstance(value, (int, float)):
        return f"{value:.0%}"
    return str(value)


def _message(package: Package, field: Mapping[str, Any], quirks: Quirks, language: str) -> str:
    # Apple: a literal percent sign is written %%, also before an @.
    parts = package.localized(str(field["changeMessage"]), language).split("%%")
    if not any(_PLACEHOLDER in part for part in parts) and quirks["message-without-placeholder"] == "generic":
        return GENERIC
    value = package.localized(shown(field), language)
    return "%".join(part.replace(_PLACEHOLDER, value) for part in parts)
