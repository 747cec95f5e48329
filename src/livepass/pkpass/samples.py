"""A pass.json of a template for which nobody gave values yet: samples of the right kind, to look at and to lint."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from livepass.pkpass.lint import Problem, lint, shared_messages
from livepass.pkpass.template import Template
from livepass.pkpass.variables import VariableType

FILLED_IN: Mapping[str, object] = {
    # What livepass adds to every pass, so a template may leave it out.
    "formatVersion": 1,
    "passTypeIdentifier": "pass.example.lint",
    "teamIdentifier": "TEAM000000",
    "serialNumber": "sample",
    "webServiceURL": "https://example.com/wallet",
    "authenticationToken": "2b7e151628aed2a6abf7158809cf4f3c",
}

SAMPLES: Mapping[VariableType, object] = {
    VariableType.SCALAR: "Sample",
    VariableType.TEXT: "Sample",
    VariableType.STRING: "Sample",
    VariableType.NUMBER: 1,
    VariableType.INTEGER: 1,
    VariableType.BOOLEAN: True,
    VariableType.DATE: "2026-11-23T18:30:00+00:00",
}


def lint_template(
    template: Template, data: Mapping[str, object] | None = None, ios: Collection[int] | None = None
) -> list[Problem]:
    """The problems of a pass that is ``filled``, and of the template itself. Raises ``TemplateDataError``."""
    _, found = filled(template, data or {}, ios)
    return [*found, *template.grants_needed, *shared_messages(template.document)]


def filled(
    template: Template, data: Mapping[str, object], ios: Collection[int] | None = None
) -> tuple[dict[str, object], list[Problem]]:
    """A pass.json with ``data``, and samples where none is given; and its problems, those of ``ios`` alone if given.

    A variable without a declared type is tried as text; where that does not fit, as a number, then as a date. Raises
    ``TemplateDataError`` for data that does not fit.
    """
    required = {name: each for name, each in template.declarations.items() if each.required}
    values = {**{name: SAMPLES[each.type] for name, each in required.items()}, **data}
    undeclared = [
        variable
        for variable in template.declarations.values()
        if variable.type is VariableType.SCALAR and variable.name not in data
    ]
    document = {**FILLED_IN, **template.render(values)}
    found = lint(document, template.static, ios=ios)
    for kind in (VariableType.NUMBER, VariableType.DATE):
        misfits = tuple(each.pointer for each in found if each.pointer and _is_misfit(each))
        names = [
            variable.name for variable in undeclared if any(place.startswith(misfits) for place in variable.used_at)
        ]
        if not names:
            break
        values.update(dict.fromkeys(names, SAMPLES[kind]))
        document = {**FILLED_IN, **template.render(values)}
        found = lint(document, template.static, ios=ios)
    return document, found


def _is_misfit(problem: Problem) -> bool:
    """Whether another sample may be what the template wants there."""
    return problem.severity == "fatal" or problem.rule in {"value-type", "semantic-type"}
