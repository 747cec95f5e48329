"""``docs/reference/api.md``, made from the OpenAPI document. Written by ``python tests/api_page.py``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from livepass.service.access import SCOPES
from livepass.web.issuer import OPERATIONS
from livepass.web.openapi import document
from made_pages import REFERENCE, cell

PAGE = REFERENCE / "api.md"

HEAD = """# The issuer API

Under `/api/v1`, with `Authorization: Bearer KEY`. Times are RFC 3339 in UTC. Unknown fields and query parameters are
refused. Errors are problems (RFC 9457) with a `code`, a `hint` and, where a part of the request is at fault, its JSON
pointer. The whole description, with the schemas of what is sent and answered, is OpenAPI 3.1 and served at
`/api/v1/openapi.json`.

"""
FOOT = """
This page is made from the operations themselves: `python tests/api_page.py` writes it, and a test compares.
"""


def page() -> str:
    described = json.loads(document(OPERATIONS))
    groups: dict[str, list[str]] = {}
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            [group] = operation["tags"]
            groups.setdefault(group, []).append(_operation(method.upper(), path, operation))
    scopes = "".join(f"| `{scope}` | {cell(what)} |\n" for scope, what in SCOPES.items())
    said = "\n".join(f"## {group}\n\n" + "\n".join(operations) for group, operations in groups.items())
    return f"{HEAD}## Scopes of a key\n\n| scope | lets it |\n|---|---|\n{scopes}\n{said}{FOOT}"


def _operation(method: str, path: str, operation: dict[str, Any]) -> str:
    asked = [one for one in operation.get("parameters", ()) if one["in"] == "query"]
    lines = [f"### `{method} {path}`", "", _text(operation["description"]), ""]
    if asked:
        rows = [f"| `{one['name']}` | {cell(_text(one.get('description', '')))} |" for one in asked]
        lines += ["| query | what |", "|---|---|", *rows, ""]
    return "\n".join([*lines, f"Answers {', '.join(_answers(operation))}.", ""])


def _answers(operation: dict[str, Any]) -> Iterator[str]:
    for status, answer in operation["responses"].items():
        kinds = " or ".join(f"`{kind}`" for kind in answer.get("content", ()))
        yield f"{status} ({kinds})" if kinds else str(status)


def _text(text: str) -> str:
    return "\n\n".join(" ".join(part.split()) for part in text.split("\n\n")).replace("<", "&lt;")


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
