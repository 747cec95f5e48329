"""``docs/reference/findings.md`` and a page for each finding. ``python tests/findings_page.py`` writes them anew."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator, Mapping
from itertools import product

from livepass.core import why, why_pass, why_said
from livepass.core.findings import FINDINGS, Finding
from livepass.core.provider_token import MEANINGS, to_certificate
from livepass.core.testimony import SENTENCES
from livepass.core.timeline import Trip
from livepass.core.trip2_push import DAY, HOUR, MINUTE
from livepass.core.verdict import Sure
from made_pages import Catalogue, cell, facts

EXAMPLE = {
    "pass": "pass.com.example.gym/1001",
    "phone": "Phone 3f2a9c41",
    "trip": "push",
    "status": "401",
    "reason": "BadCertificate",
    "line": "Get serial #s task (…) encountered error: Unexpected response code 401",
    "count": "14",
    "days": "21",
    "do": "livepass cert prove 3f2a9c41d0e5b768, then livepass cert promote 3f2a9c41d0e5b768",
    "pushed": "120",
    "when": "2026-10-31T23:59:00Z",
    "phones": "70",
    "cap": "64",
    "never_asked": "3",
    "url": "https://passes.example.com/wallet",
    "ours": "https://wallet.example.com/wallet",
}
"""What stands on a page for what ``why`` fills in, unless the finding has words of its own."""
EXAMPLES: Mapping[str, Mapping[str, str]] = {
    "LP101": {"reason": "wrong token"},
    "LP404": {"reason": "points, level changed but have no changeMessage"},
    "LP405": {"reason": "several fields with a changeMessage changed: points, level"},
    "LP108": {"line": "Authentication failure"},
    "LP109": {"reason": "no token"},
    "LP203": {"reason": "Unregistered"},
    "LP204": {"reason": "DeviceTokenNotForTopic"},
    "LP205": {"reason": "BadDeviceToken"},
    "LP206": {"reason": "Unreachable"},
    "LP207": {"status": "503", "reason": "ServiceUnavailable"},
    "LP209": {"status": "400", "reason": "BadPriority"},
    "LP212": {
        "reason": "InvalidProviderToken",
        "key": "ABC123DEFG",
        "means": f" ({MEANINGS['InvalidProviderToken'].means})",
        "do": "S" + MEANINGS["InvalidProviderToken"].do[1:],
        "back": to_certificate("pass.com.example.gym"),
    },
    "LP304": {"line": "Get serial #s task (…) encountered error: Server response was malformed (…)"},
    "LP305": {"line": "Response to 'What changed?' request included 1 serial numbers but omitted a lastUpdated tag."},
    "LP306": {"reason": "restored"},
    "LP307": {"line": "Update requested for unregistered serial number 1001"},
    "LP312": {"line": "Get serial #s task (…) encountered error: Unexpected response code 301"},
    "LP308": {"line": "Device received spurious push. Request for passesUpdatedSince '…' returned no serial numbers"},
    "LP353": {"line": "Get pass task (…) encountered error: Received invalid pass data (…)"},
    "LP354": {"line": "Requested serial number 1001, received serial number 1002"},
    "LP355": {"line": "Server requested update to serial number '1001', but the pass was unchanged."},
    "LP357": {
        "line": "Server returned the pass data for serial number '1001' but did not provide a 'last-modified' header."
    },
    "LP358": {"status": "503", "reason": "no certificate is live for pass.com.example.gym"},
    "LP359": {"line": "Get pass task (…) encountered error: Unexpected response code 502"},
    "LP362": {"line": "Get pass task (…) encountered error: Unexpected response code 308"},
    "LP402": {"reason": "expirationDate: not a date"},
    "LP506": {"reason": "the key does not open with any configured secret key"},
}

SECTIONS = (
    "On the wire",
    "How it comes about",
    "What the holder sees",
    "Check by hand",
    "Do not",
    "How it heals",
    "Sources",
)

HEAD = """# Findings

What `livepass why` may say of a pass, by number. LP0xx are states, LP1xx the register trip, LP2xx the push, LP30x the
ask, LP35x the fetch, LP4xx the change and the package, LP5xx certificates. A number is never given to another finding.
Each has a page, which `livepass help LP303` prints.

| code | name | trip | problem | who acts | how sure |
|---|---|---|---|---|---|
"""
TAIL = """
## What only a look from outside can show

No record of the service proves these, so `livepass why` never says them:

"""
OUTSIDE = (
    "the copy on the phone has no web service address or token",  # I1
    "the pass was downloaded, and its phone never reached us",  # I4
    "a single fetch was slow or cut off",  # F6
    "another pass of the same holder is being looked at",  # R3
)
"""What no record of ours can show. The letters are those of the first draft of the catalogue."""
FOOT = """
This page and the head of each finding's page are made from `src/livepass/core/findings.py`:
`python tests/findings_page.py` writes them, and a test compares.
"""


def catalogue() -> Catalogue:
    heads = {finding.code: head(finding) for finding in FINDINGS}
    return Catalogue("findings", "tests/findings_page.py", index(), heads, SECTIONS, 120)


def index() -> str:
    rows = "".join(map(_row, FINDINGS))
    return HEAD + rows + TAIL + "".join(f"- {text}\n" for text in OUTSIDE) + FOOT


def _row(finding: Finding) -> str:
    columns = (
        f"[{finding.code}](findings/{finding.code}.md)",
        finding.name,
        finding.trip.value if finding.trip else "–",
        "yes" if finding.problem else "no",
        finding.who.value,
        sure(finding.code),
    )
    return "".join(f"| {cell(column)} " for column in columns) + "|\n"


def head(finding: Finding) -> str:
    words = {**EXAMPLE, **EXAMPLES.get(finding.code, {})}
    said = lines(finding.code)
    return f"# {finding.code} {finding.name}\n\n> {finding.sentence.format(**words)}\n\n" + facts(
        ("trip", finding.trip.value if finding.trip else "none"),
        ("problem", "yes: `livepass why` leaves with exit code 1" if finding.problem else "no"),
        ("who acts", finding.who.value),
        ("do", finding.remedy.format(**words)),
        ("look again", f"after {span(finding.again)}" if finding.again else "waiting alone shows nothing more"),
        ("how sure", sure(finding.code)),
        *((("shown by", f"the phone's own log: {said}"),) if said else ()),
    )


def lines(code: str) -> str:
    """The sentences of a phone's log that prove it."""
    said = product(SENTENCES, Trip, (None, 301))
    of = [
        sentence.code
        for sentence, trip, status in said
        if why.leads_to(sentence.code, trip, status, "Register") == code
    ]
    return ", ".join(f"[{each}](../device-log/{each}.md)" for each in dict.fromkeys(of))


def span(ms: int) -> str:
    for unit, name in ((DAY, "day"), (HOUR, "hour"), (MINUTE, "minute")):
        if ms % unit == 0:
            return f"{'an' if name == 'hour' else 'a'} {name}" if ms == unit else f"{ms // unit} {name}s"
    raise AssertionError(ms)


# ── how sure a rule can be, read off its code


def sure(code: str) -> str:
    found = set(_sure(code))
    words = [each.value for each in Sure if each in found]
    return " or ".join(filter(None, (", ".join(words[:-1]), words[-1])))


def _sure(code: str) -> Iterator[Sure]:
    tree = ast.parse("\n".join(inspect.getsource(part) for part in (why_said, why_pass, why)))
    functions = {name: node for node in tree.body for name in _defines(node)}
    for node in ast.walk(tree):
        # ("LP303", _ASK | _FETCH, Said(…)) in RULES, and verdict("LP501", facts, now, Found({})) elsewhere
        if isinstance(node, ast.Tuple) and len(node.elts) == 3 and _names(node.elts[0], code):
            yield from _reached(node.elts[2], functions, set())
        elif isinstance(node, ast.Call) and node.args and _names(node.args[0], code):
            yield from _reached(node.args[3], functions, set())


def _defines(node: ast.stmt) -> Iterator[str]:
    """Functions, classes, and rules that have a name."""
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        yield node.name
    elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id != "RULES":
        yield node.targets[0].id


def _names(node: ast.AST, text: str) -> bool:
    return text in [each.value for each in ast.walk(node) if isinstance(each, ast.Constant)]


def _reached(node: ast.AST, functions: Mapping[str, ast.AST], seen: set[str]) -> Iterator[Sure]:
    """What stands as sureness in a piece of code and the functions that it names; ``Found`` is certain by itself."""
    for each in ast.walk(node):
        if isinstance(each, ast.Attribute) and isinstance(each.value, ast.Name) and each.value.id == "Sure":
            yield Sure[each.attr]
        elif isinstance(each, ast.Call) and isinstance(each.func, ast.Name) and each.func.id == "Found":
            if len(each.args) < 3 and "sure" not in {keyword.arg for keyword in each.keywords}:
                yield Sure.CERTAIN
        elif isinstance(each, ast.Name) and each.id in functions.keys() - {"Found", "Sure", "View"} - seen:
            seen.add(each.id)
            yield from _reached(functions[each.id], functions, seen)


if __name__ == "__main__":
    catalogue().write()
