"""What the lock screen says when a phone takes an update: foretold from the two pass.json, before anybody is pushed.

    a field that was there before, with another value and a changeMessage     its message, with the new value for %@
    several of them at once                                                   one general line (a field report)
    such a message without %@                                                 one general line (a field report)
    no such field                                                             nothing

Fields are matched by ``key``: one that was renamed is a new field, and a new field is not announced. ``%%`` is a
literal percent sign. Message and value are looked up in the new package's texts of the phone's language.

Sources: Apple, Wallet Passes, "PassFieldContent" (changeMessage, %@) and "Adding a Web Service to Update Passes". What
several messages, a missing %@ and a second one look like is reported by vendors or by nobody: ``assumed`` says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from livepass.pkpass.fields import DATE_OPTIONS, FIELD_GROUPS, NUMBER_OPTIONS, STYLES, is_number
from livepass.pkpass.localize import STRINGS, folder_for, languages
from livepass.pkpass.strings import StringsProblem, read_strings

Field = Mapping[str, object]
Say = Callable[[Field, str], str]
"""A field's value in a language, as a phone shows it."""
Says = Literal["exact", "general", "silent"]

_FORMATS = frozenset({*DATE_OPTIONS, *NUMBER_OPTIONS})
PLACEHOLDER = "%@"
MOST_NAMED = 5

SEVERAL = "that several messages become one general line is what vendors report; Apple does not say"
NO_PLACEHOLDER = "that a message without %@ becomes a general line was seen on older iOS; Apple only demands the %@"
MANY_PLACEHOLDERS = "Apple knows one %@ in a changeMessage; that each one is filled is our guess"
FORMATTED = "the value has a format: the phone spells it its own way, by its region"
UNREADABLE = "{name} cannot be read, so the text is shown untranslated"


@dataclass(frozen=True, slots=True)
class Moved:
    """A field with another value. ``before`` is ``None`` for a new field, ``after`` for one that is gone."""

    key: str
    before: Field | None
    after: Field | None

    @property
    def message(self) -> str | None:
        """What the phone would announce it with: the new document's message counts."""
        message = (self.after or {}).get("changeMessage")
        return message if isinstance(message, str) and message and self.before is not None else None

    def row(self) -> dict[str, object]:
        """As the API and the timeline say it; ``message`` is the new document's, announced or not."""
        after = self.after or {}
        before = (self.before or {}).get("value")
        return {"key": self.key, "before": before, "after": after.get("value"), "message": after.get("changeMessage")}


@dataclass(frozen=True, slots=True)
class Notice:
    """``text`` only where ``kind`` is "exact". ``reason`` is half a sentence; ``assumed``: what nobody confirmed."""

    kind: Says
    reason: str
    text: str | None = None
    assumed: tuple[str, ...] = ()

    @property
    def line(self) -> str | None:
        """What to show in its place: the text, a description of the general line, or nothing."""
        if self.kind == "general":
            return f"(one general line, no message: {self.reason})"
        return self.text


def fields_of(document: Mapping[str, object]) -> dict[str, Field]:
    """Every field by its key, in the order of styles and groups; of a key that is there twice the first."""
    found: dict[str, Field] = {}
    for style in STYLES:
        groups = document.get(style)
        if not isinstance(groups, dict):
            continue
        for group in FIELD_GROUPS:
            fields = groups.get(group)
            for field in fields if isinstance(fields, list) else ():
                if isinstance(field, dict) and isinstance(key := field.get("key"), str):
                    found.setdefault(key, field)
    return found


def moved_fields(before: Mapping[str, object] | None, after: Mapping[str, object]) -> list[Moved]:
    """The fields whose value differs, those of the new document first."""
    old, new = fields_of(before or {}), fields_of(after)
    keys = [*new, *(key for key in old if key not in new)]
    pairs = ((key, old.get(key), new.get(key)) for key in keys)
    return [Moved(*pair) for pair in pairs if _value(pair[1]) != _value(pair[2])]


def _value(field: Field | None) -> object:
    return None if field is None else field.get("value")


def foretell(
    moved: Sequence[Moved],
    files: Mapping[str, bytes] | None = None,
    language: str | None = None,
    *,
    new: bool = False,
    say: Say | None = None,
) -> Notice:
    """What a phone of ``language`` says of these changes; ``None``: as the pass is written, untranslated.

    ``files`` are those of the new package. ``new``: the phone did not have the pass before. ``say`` spells numbers and
    formatted values in a language; without it they stand as they are written.
    """
    if new:
        return Notice("silent", "a pass that is added is not announced")
    speaking = [each for each in moved if each.message]
    if not speaking:
        return Notice("silent", _why_silent(moved))
    if len(speaking) > 1:
        return Notice("general", f"several fields with a changeMessage changed: {_named(speaking)}", None, (SEVERAL,))
    (only,) = speaking
    translations, assumed = _translations(files or {}, language)
    return _one(only, translations, assumed, (lambda field: say(field, language)) if say and language else as_text)


def foretell_all(
    moved: Sequence[Moved], files: Mapping[str, bytes], *, new: bool = False, say: Say | None = None
) -> dict[str, Notice]:
    """Language → notice, for each that the package has texts for."""
    return {language: foretell(moved, files, language, new=new, say=say) for language in languages(files)}


def _one(
    moved: Moved, translations: Mapping[str, str], assumed: tuple[str, ...], spell: Callable[[Field], str]
) -> Notice:
    field, written = moved.after or {}, moved.message or ""
    # What the value holds is never a placeholder, and "%%" is taken first: "%%@" is a percent sign and an at sign.
    parts = translations.get(written, written).split("%%")
    places = sum(part.count(PLACEHOLDER) for part in parts)
    if not places:
        reason = f"the changeMessage of {moved.key} has no %@, the place for the new value"
        return Notice("general", reason, None, (*assumed, NO_PLACEHOLDER))
    value = field.get("value")
    value = spell(field if not isinstance(value, str) else {**field, "value": translations.get(value, value)})
    text = "%".join(part.replace(PLACEHOLDER, value) for part in parts)
    notes = ((MANY_PLACEHOLDERS,) if places > 1 else ()) + ((FORMATTED,) if is_formatted(field) else ())
    return Notice("exact", f"{moved.key} changed and has a changeMessage", text, (*assumed, *notes))


def is_formatted(field: Field) -> bool:
    """Whether the phone spells the value by its region."""
    return not _FORMATS.isdisjoint(field)


def as_text(field: Field) -> str:
    """The value as one reads it. Where the field has a format this is an approximation."""
    value = field.get("value", "")
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if is_number(value) and "currencyCode" in field:
        return f"{field['currencyCode']} {value:.2f}"
    if is_number(value) and field.get("numberStyle") == "PKNumberStylePercent":
        return f"{value:.0%}"
    return str(value)


def _translations(files: Mapping[str, bytes], language: str | None) -> tuple[Mapping[str, str], tuple[str, ...]]:
    """The texts of a language, and what there is to say about them."""
    name = f"{folder_for(files, language)}/{STRINGS}" if language else ""
    if name not in files:
        return {}, ()
    try:
        return read_strings(files[name]), ()
    except StringsProblem:
        return {}, (UNREADABLE.format(name=name),)


def _why_silent(moved: Sequence[Moved]) -> str:
    """Why none of these speaks: the fields that might have, those that are new, those that are gone."""
    if not moved:
        return "no field has another value"
    mute = [each for each in moved if each.before is not None and each.after is not None]
    if mute:
        has = "has" if len(mute) == 1 else "have"
        return f"{_named(mute)} changed but {has} no changeMessage"
    return ", ".join(_appearing(moved))


def _appearing(moved: Sequence[Moved]) -> Iterator[str]:
    fresh = [each for each in moved if each.before is None]
    gone = [each for each in moved if each.after is None]
    if fresh:
        yield f"{_named(fresh)} {'is' if len(fresh) == 1 else 'are'} new, and only a field that was there is announced"
    if gone:
        yield f"{_named(gone)} {'is' if len(gone) == 1 else 'are'} gone"


def _named(moved: Sequence[Moved]) -> str:
    names = [each.key for each in moved[:MOST_NAMED]]
    return ", ".join(names) + (f" and {len(moved) - MOST_NAMED} more" if len(moved) > MOST_NAMED else "")
