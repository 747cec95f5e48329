"""A report as JUnit XML, which CI systems draw."""

from __future__ import annotations

import re
from typing import Final
from xml.sax.saxutils import escape, quoteattr

from livepass.doctor.report import Report, Result
from livepass.doctor.result import Status

_NOT_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit(report: Report) -> str:
    """One suite; warnings count as passed, with their evidence in ``system-out``."""
    cases = "".join(map(_case, report.results))
    counts = f'tests="{len(report.results)}" failures="{len(report.failed)}" errors="0"'
    skipped = len(report.of(Status.NOT_TESTED))
    name = _attribute("livepass doctor " + " ".join(report.subject.values()))
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<testsuites><testsuite name={name} {counts} skipped="{skipped}">\n{cases}</testsuite></testsuites>\n'
    )


def _case(result: Result) -> str:
    check, outcome = result.check, result.outcome
    name = _attribute(f"{check.id} {check.title}")
    head = f"<testcase classname={_attribute('doctor.' + check.group.value)} name={name}"
    said = _text(f"{outcome.evidence}\nexpected: {check.expected}\nactual: {outcome.actual}\nremedy: {check.remedy}\n")
    match outcome.status:
        case Status.FAILED:
            return f"{head}><failure message={_attribute(outcome.evidence)}>{said}</failure></testcase>\n"
        case Status.NOT_TESTED:
            return f"{head}><skipped message={_attribute(outcome.evidence)}/></testcase>\n"
        case Status.WARNING:
            return f"{head}><system-out>warning: {said}</system-out></testcase>\n"
        case Status.PASSED:
            return f"{head}/>\n"


def _text(text: str) -> str:
    return escape(_NOT_XML.sub("\ufffd", text))


def _attribute(text: str) -> str:
    return quoteattr(_NOT_XML.sub("\ufffd", text))
