"""The doctor's report for people: one line a section, a line for each thing that is wrong, and what it means."""

from __future__ import annotations

from livepass.cli.render import Page, bad, dim, good, warn
from livepass.doctor import Report, Result, Status
from livepass.doctor.report import by_group

LONGEST = 200
_NAME = 13
_COUNT = 8


def draw(page: Page, report: Report) -> None:
    """The whole report."""
    about = report.subject
    who = [" ".join(about[key] for key in ("organization", "description") if key in about)]
    who += ["/".join(about[key] for key in ("pass_type", "serial") if key in about), about.get("url", "")]
    page.line(dim(" · ".join(each for each in who if each)))
    page.line("")
    for name, results in by_group(report):
        _group(page, name, results)
    if report.cleanup:
        page.line(f" {'Clean-up':<{_NAME}}", good(report.cleanup) if report.cleaned else bad(report.cleanup))
    page.line("")
    _summary(page, report)


def _group(page: Page, name: str, results: list[Result]) -> None:
    passed = sum(each.status is Status.PASSED for each in results)
    lines = [bad(_said(each)) for each in results if each.status is Status.FAILED]
    lines += [warn(_said(each)) for each in results if each.status is Status.WARNING]
    reasons: dict[str, list[str]] = {}
    for each in results:
        if each.status is Status.NOT_TESTED:
            reasons.setdefault(each.outcome.evidence, []).append(each.check.id)
    lines += [dim(_cut(f"– {', '.join(ids)} not tested: {why}")) for why, ids in reasons.items()]
    count = f"{passed}/{len(results)}"
    mark = good(count) if passed == len(results) else dim(f"  {count}")
    pad = " " * (_COUNT - len(mark.text))
    page.line(f" {name:<{_NAME}}", mark, *(each for line in lines[:1] for each in (pad, line)))
    for line in lines[1:]:
        page.line(" " * (_NAME + _COUNT + 2), line)


def _said(result: Result) -> str:
    return _cut(f"{result.check.id} {result.outcome.evidence}")


def _cut(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= LONGEST else line[: LONGEST - 1] + "…"


def _summary(page: Page, report: Report) -> None:
    failed, warnings = len(report.failed), len(report.warnings)
    if not failed and not warnings:
        page.line(good("no problems"))
    else:
        said = f"{failed} problem{'s' * (failed != 1)}, {warnings} warning{'s' * (warnings != 1)}"
        page.line(bad(said) if failed else warn(said))
    page.line("What happens on phones today:")
    for each in report.phones:
        state = each.state if each.check is None else f"{each.state:<18} {each.check.id:<6}"
        page.line(f"   {each.what:<14}", state.rstrip(), *([dim(_cut(each.why))] if each.why else []))
    for number, result in enumerate(report.fix_first):
        head = "Fix first:" if not number else ""
        page.line(
            f"{head:<10}",
            f"{result.check.id:<6} → {_cut(result.check.remedy)}",
            dim(f"livepass help {result.check.id}"),
        )
