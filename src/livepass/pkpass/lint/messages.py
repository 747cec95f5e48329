"""Do the change messages of a template come one at a time?

If several fields with a changeMessage change at once, Wallet is said to show one general notice in place of their words
(a vendor's page; unconfirmed). Fields that show the same variable always change at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from livepass.pkpass.fields import FIELD_GROUPS, STYLES
from livepass.pkpass.lint.problem import Problem, problem
from livepass.pkpass.placeholders import uses


def shared_messages(document: Mapping[str, object]) -> list[Problem]:
    """The variables of a template's pass.json that change several fields with a changeMessage."""
    fields = set(_with_message(document))
    showing: dict[tuple[str, str], dict[str, None]] = {}
    for use in uses(document):
        field, _, key = use.pointer.rpartition("/")
        if key == "value" and field in fields:
            # A phone shows one style: the fallback's fields are the same ones for an older phone.
            showing.setdefault((field.split("/")[1], use.name), {})[field] = None
    return [
        problem(
            "change-message-shared",
            f"{list(places)[1]}/changeMessage",
            f"a change of {name} changes {len(places)} fields with a changeMessage, and phones may show none",
            "keep the changeMessage of one of them",
        )
        for (_, name), places in showing.items()
        if len(places) > 1
    ]


def _with_message(document: Mapping[str, object]) -> Iterator[str]:
    """Where the fields with a changeMessage stand."""
    for style in STYLES:
        groups = document.get(style)
        for group in FIELD_GROUPS if isinstance(groups, Mapping) else ():
            fields = groups.get(group) if isinstance(groups, Mapping) else None
            for index, field in enumerate(fields if isinstance(fields, list) else ()):
                if isinstance(field, Mapping) and "changeMessage" in field:
                    yield f"/{style}/{group}/{index}"
