"""What a template wants to be told: its variables, their types, and whether given data fits."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from livepass.pkpass.dates import parse_date
from livepass.pkpass.errors import DataProblem, TemplateDataError
from livepass.pkpass.limits import DEFAULT_LIMITS
from livepass.pkpass.placeholders import Use, is_name
from livepass.pkpass.pointer import did_you_mean, down


class VariableType(StrEnum):
    """The first two are inferred from use; the others are declared in variables.json."""

    SCALAR = "scalar"
    TEXT = "text"
    STRING = "string"
    NUMBER = "number"
    INTEGER = "integer"
    BOOLEAN = "boolean"
    DATE = "date"


def _is_number(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    # What pass.json cannot hold (NaN, more than 64 bits) is better refused here, where the variable has a name.
    return math.isfinite(value) if isinstance(value, float) else -(1 << 63) <= value < 1 << 64


def _is_string(value: object) -> bool:
    return isinstance(value, str)


# Type → does a value fit, and how to say it in an error
_TYPES: dict[VariableType, tuple[Callable[[object], bool], str]] = {
    VariableType.SCALAR: (
        lambda value: isinstance(value, str | bool) or _is_number(value),
        "a string, a number, true or false",
    ),
    VariableType.TEXT: (lambda value: isinstance(value, str) or _is_number(value), "a string or a number"),
    VariableType.STRING: (_is_string, "a string"),
    VariableType.NUMBER: (_is_number, "a number"),
    VariableType.INTEGER: (lambda value: isinstance(value, int) and _is_number(value), "a whole number"),
    VariableType.BOOLEAN: (lambda value: isinstance(value, bool), "true or false"),
    VariableType.DATE: (
        lambda value: parse_date(value) is not None,
        "a date such as 2026-11-23T18:30:00+01:00",
    ),
}
DECLARABLE = frozenset(VariableType) - {VariableType.SCALAR, VariableType.TEXT}
_DECLARATION_KEYS = frozenset({"type", "default", "description"})


@dataclass(frozen=True, slots=True)
class Variable:
    """One variable. ``default`` counts only when not ``required``; ``used_at`` are pointers into pass.json."""

    name: str
    type: VariableType
    required: bool = True
    default: object = None
    description: str = ""
    used_at: tuple[str, ...] = ()


def gather(uses: Iterable[Use], declared: Mapping[str, object] | None) -> tuple[dict[str, Variable], list[str]]:
    """The variables of a template by name, sorted, and everything wrong with how they are used or declared."""
    places: dict[str, list[Use]] = {}
    problems = []
    for use in uses:
        if is_name(use.name):
            places.setdefault(use.name, []).append(use)
        else:
            problems.append(f"{use.pointer}: {use.name!r} is no variable name; write $${{ for a literal ${{")
    if declared is None:
        return {name: _inferred(name, places[name]) for name in sorted(places)}, problems
    variables = {}
    for name in sorted(declared):
        try:
            variables[name] = _declared(name, declared[name], places.get(name, []))
        except ValueError as error:
            problems.append(f"variables.json: {name}: {error}")
    for name in sorted(places.keys() - declared.keys()):
        hint = did_you_mean(name, declared)
        problems.append(f"{places[name][0].pointer}: ${{{name}}} is not declared in variables.json{hint}")
    return variables, problems


def _inferred(name: str, uses: list[Use]) -> Variable:
    """Text around it anywhere makes it text: what fits there fits a whole string too."""
    kind = VariableType.SCALAR if all(use.whole for use in uses) else VariableType.TEXT
    return Variable(name, kind, used_at=tuple(use.pointer for use in uses))


def _declared(name: str, declaration: object, uses: list[Use]) -> Variable:
    if not is_name(name) or not isinstance(declaration, dict):
        raise ValueError('declare a variable as {"type": …}, its name of letters, digits and underscores')
    for key in sorted(declaration.keys() - _DECLARATION_KEYS):
        raise ValueError(f"unknown key {key!r}{did_you_mean(key, _DECLARATION_KEYS)}")
    kind = declaration.get("type")
    if not isinstance(kind, str) or kind not in DECLARABLE:
        raise ValueError(f"the type is one of {', '.join(sorted(DECLARABLE))}")
    kind = VariableType(kind)
    if kind is VariableType.BOOLEAN and not all(use.whole for use in uses):
        raise ValueError("true and false have no text; use it as a whole string only")
    default, description = declaration.get("default"), declaration.get("description", "")
    if "default" in declaration and not fits(default, kind):
        raise ValueError(f"the default is not {_TYPES[kind][1]}")
    if not isinstance(description, str):
        raise ValueError("the description is not a string")
    return Variable(name, kind, "default" not in declaration, default, description, tuple(use.pointer for use in uses))


def fits(value: object, kind: VariableType) -> bool:
    """Whether a JSON value is of this type."""
    return _TYPES[kind][0](value)


def check(variables: Mapping[str, Variable], data: Mapping[str, object]) -> dict[str, object]:
    """A value for every variable. Raises ``TemplateDataError`` with all that is missing, unknown or misfit."""
    problems = [
        DataProblem(down("", name), f"the template has no such variable{did_you_mean(str(name), variables)}")
        for name in sorted(map(str, data))
        if name not in variables
    ]
    values = {}
    for name, variable in variables.items():
        if name in data:
            values[name] = data[name]
            if not fits(data[name], variable.type):
                problems.append(DataProblem(down("", name), f"must be {_TYPES[variable.type][1]}"))
        elif variable.required:
            where = f", used at {', '.join(variable.used_at)}" if variable.used_at else ""
            problems.append(DataProblem(down("", name), f"is missing{where}"))
        else:
            values[name] = variable.default
    # A name may stand in a template a million times: counted before anything is filled.
    texts = ((value, len(variables[name].used_at)) for name, value in values.items() if isinstance(value, str))
    if sum(len(text) * times for text, times in texts) > DEFAULT_LIMITS.file_bytes:
        problems.append(DataProblem("", f"makes a pass.json of more than {DEFAULT_LIMITS.file_bytes} bytes"))
    if problems:
        raise TemplateDataError(problems)
    return values
