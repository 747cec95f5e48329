"""How languages write dates and numbers: a small table in place of Unicode's large one (approximate, and said so)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

_RIGHT_TO_LEFT = frozenset({"ar", "fa", "he", "iw", "ps", "ur", "yi"})


@dataclass(frozen=True, slots=True)
class Locale:
    """``short`` … ``full``: patterns for ``str.format`` over d, dd, m, mm, y, yy, month, mon, day. ``clock``: 12 or 24.

    ``suffixed``: a currency stands behind its number.
    """

    short: str
    medium: str
    long: str
    full: str
    months: tuple[str, ...]
    days: tuple[str, ...]
    clock: int = 24
    joint: str = ", "
    decimal: str = ","
    group: str = "."
    suffixed: bool = True


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_EN = Locale(
    "{m}/{d}/{yy}", "{mon} {d}, {y}", "{month} {d}, {y}", "{day}, {month} {d}, {y}",
    _words("January February March April May June July August September October November December"),
    _words("Monday Tuesday Wednesday Thursday Friday Saturday Sunday"),
    clock=12, decimal=".", group=",", suffixed=False,
)  # fmt: skip
_NUMBERS_ALONE = Locale(
    "{y}-{mm}-{dd}", "{y}-{mm}-{dd}", "{y}-{mm}-{dd}", "{y}-{mm}-{dd}", (), (), joint=" ", decimal=".", group=",",
)  # fmt: skip

LOCALES: Mapping[str, Locale] = {
    "en": _EN,
    "de": Locale(
        "{dd}.{mm}.{yy}", "{dd}.{mm}.{y}", "{d}. {month} {y}", "{day}, {d}. {month} {y}",
        _words("Januar Februar März April Mai Juni Juli August September Oktober November Dezember"),
        _words("Montag Dienstag Mittwoch Donnerstag Freitag Samstag Sonntag"),
    ),
    "es": Locale(
        "{d}/{m}/{yy}", "{d} {mon} {y}", "{d} de {month} de {y}", "{day}, {d} de {month} de {y}",
        _words("enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre"),
        _words("lunes martes miércoles jueves viernes sábado domingo"),
    ),
    "fr": Locale(
        "{dd}/{mm}/{y}", "{d} {mon} {y}", "{d} {month} {y}", "{day} {d} {month} {y}",
        _words("janvier février mars avril mai juin juillet août septembre octobre novembre décembre"),
        _words("lundi mardi mercredi jeudi vendredi samedi dimanche"),
        joint=" ", group="\u202f",
    ),
    "it": Locale(
        "{dd}/{mm}/{yy}", "{d} {mon} {y}", "{d} {month} {y}", "{day} {d} {month} {y}",
        _words("gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre dicembre"),
        _words("lunedì martedì mercoledì giovedì venerdì sabato domenica"),
    ),
    "nl": Locale(
        "{dd}-{mm}-{y}", "{d} {mon} {y}", "{d} {month} {y}", "{day} {d} {month} {y}",
        _words("januari februari maart april mei juni juli augustus september oktober november december"),
        _words("maandag dinsdag woensdag donderdag vrijdag zaterdag zondag"),
        joint=" ",
    ),
    "pt": Locale(
        "{dd}/{mm}/{yy}", "{d} de {mon} de {y}", "{d} de {month} de {y}", "{day}, {d} de {month} de {y}",
        _words("janeiro fevereiro março abril maio junho julho agosto setembro outubro novembro dezembro"),
        _words("segunda-feira terça-feira quarta-feira quinta-feira sexta-feira sábado domingo"),
    ),
}  # fmt: skip


def locale_of(language: str, note: Callable[[str], None]) -> Locale:
    """The row for a language, or digits alone with a note."""
    name = main_part(language)
    if name not in LOCALES:
        note(f"dates and numbers are not written as in the language {language!r}: that is not known here")
    return LOCALES.get(name, _NUMBERS_ALONE)


def direction(language: str) -> str:
    """``rtl`` or ``ltr``."""
    return "rtl" if main_part(language) in _RIGHT_TO_LEFT else "ltr"


def main_part(language: str) -> str:
    return language.replace("_", "-").partition("-")[0].casefold()
