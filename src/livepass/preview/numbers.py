"""Numbers as a language writes them."""

from __future__ import annotations

from collections.abc import Mapping

from livepass.preview.locales import Locale

_SIGNS: Mapping[str, str] = {
    "AUD": "A$", "BRL": "R$", "CAD": "CA$", "CNY": "CN¥", "EUR": "€", "GBP": "£", "ILS": "₪", "INR": "₹",
    "JPY": "¥", "KRW": "₩", "MXN": "MX$", "NZD": "NZ$", "USD": "$", "VND": "₫",
}  # fmt: skip
# ISO 4217: how many decimals, where it is not two
_DECIMALS: Mapping[str, int] = {
    **dict.fromkeys(("CLP", "ISK", "JPY", "KRW", "PYG", "UGX", "VND", "XAF", "XOF", "XPF"), 0),
    **dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3),
}
_SPACE = "\u00a0"
_MOST_DECIMALS = 3


def _written(value: float, decimals: int, locale: Locale) -> str:
    """Grouped in threes, minus in front."""
    text = f"{value:,.{decimals}f}"
    return text.translate({ord(","): locale.group, ord("."): locale.decimal})


def say_decimal(value: float, locale: Locale) -> str:
    if isinstance(value, int):
        return _written(value, 0, locale)
    text = f"{value:.{_MOST_DECIMALS}f}".rstrip("0").rstrip(".")
    return _written(value, len(text.partition(".")[2]), locale)


def say_percent(value: float, locale: Locale) -> str:
    """Apple: 1 is 100 %."""
    return _written(value * 100, 0, locale) + (f"{_SPACE}%" if locale.suffixed else "%")


def say_scientific(value: float, locale: Locale) -> str:
    mantissa, _, exponent = f"{value:.6e}".partition("e")
    return f"{mantissa.rstrip('0').rstrip('.').replace('.', locale.decimal)}E{int(exponent)}"


def say_currency(value: float, code: str, locale: Locale) -> str:
    """``€8.00``, ``8,00 €``; a currency without a sign is said by its code."""
    code = code.upper()[:3]
    number = _written(abs(value), _DECIMALS.get(code, 2), locale)
    sign = _SIGNS.get(code)
    minus = "-" if value < 0 else ""
    if locale.suffixed:
        return f"{minus}{number}{_SPACE}{sign or code}"
    return f"{minus}{sign}{number}" if sign else f"{minus}{code}{_SPACE}{number}"
