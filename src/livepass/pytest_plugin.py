"""pytest --livepass-conformance URL --livepass-pass FILE.pkpass: the doctor's checks as tests of any web service.

One test for each check, named by its id; failures show the evidence, what could not be tested is skipped and says why.
Without the option this file does nothing, and imports nothing of livepass.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from livepass.doctor import Check, Examination, Report, Result

NODE = "livepass-conformance"
CLEAN_UP = "CLEAN-UP"
OPTIONS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("--livepass-conformance", {"metavar": "URL", "help": "webServiceURL of the service to judge: calls go to it."}),
    ("--livepass-pass", {"metavar": "FILE", "help": "A pass of that service (.pkpass), whose token is used there."}),
    ("--livepass-register", {"action": "store_true", "help": "Also register a fake device; it is always taken back."}),
    ("--livepass-log", {"action": "store_true", "help": "Also write one line into the service's log of phones."}),
    ("--livepass-ca-file", {"metavar": "FILE", "help": "PEM file of roots to trust, for TLS and signatures."}),
    ("--livepass-strict", {"action": "store_true", "help": "Warnings are failures too."}),
)


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("livepass", "conformance of a Wallet web service")
    for name, more in OPTIONS:
        group.addoption(name, **more)


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--livepass-conformance"):
        config.pluginmanager.register(Conformance(config), NODE)


class Conformance:
    """One examination, made when the first of its tests runs."""

    def __init__(self, config: pytest.Config) -> None:
        self._strict = bool(config.getoption("--livepass-strict"))
        self._examination = _examination(config)
        self._report: Report | None = None

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, session: pytest.Session, items: list[pytest.Item]) -> None:
        """First, so that -k and -m choose among these too."""
        items.extend(Checks.from_parent(session, name=NODE, nodeid=NODE, conformance=self).collect())

    def report(self) -> Report:
        if self._report is None:
            self._report = self._examination.run()
        return self._report

    def result(self, check: Check) -> Result:
        return next(each for each in self.report().results if each.check.id == check.id)

    def fails(self, result: Result) -> bool:
        return result.status.value == "failed" or (self._strict and result.status.value == "warning")


def _examination(config: pytest.Config) -> Examination:
    """Raises ``pytest.UsageError``."""
    from livepass.doctor import Examination, Options

    url, file = str(config.getoption("--livepass-conformance")), config.getoption("--livepass-pass")
    if not file:
        raise pytest.UsageError("--livepass-conformance needs --livepass-pass FILE.pkpass: a pass of that service")
    ca_file = config.getoption("--livepass-ca-file")
    try:
        data = Path(file).read_bytes()
        roots = Path(ca_file).read_text("ascii") if ca_file else ""
        options = Options(
            register=bool(config.getoption("--livepass-register")),
            log=bool(config.getoption("--livepass-log")),
            roots_pem=roots,
        )
        examination = Examination(data, options, datetime.now(UTC))
    except (OSError, ValueError) as error:
        raise pytest.UsageError(f"--livepass-conformance cannot begin: {error}") from error
    named = examination.url
    if named.rstrip("/") != url.rstrip("/"):
        # The token of a pass goes to the webServiceURL of that pass and nowhere else.
        raise pytest.UsageError(f"the pass names another webServiceURL: {named or 'none'}, not {url}")
    return examination


class Checks(pytest.Collector):
    """All checks of a pass and its service."""

    def __init__(self, *, conformance: Conformance, **more: Any) -> None:
        super().__init__(**more)
        self._conformance = conformance

    def collect(self) -> Iterator[pytest.Item]:
        from livepass.doctor import CHECKS, Group

        for check in CHECKS:
            if check.group is not Group.SELF:
                yield CheckItem.from_parent(self, name=check.id, check=check, conformance=self._conformance)
        yield CleanUpItem.from_parent(self, name=CLEAN_UP, conformance=self._conformance)


class Unfit(Exception):
    """A check that failed; the text is the whole story."""


class _Item(pytest.Item):
    def __init__(self, *, conformance: Conformance, **more: Any) -> None:
        super().__init__(**more)
        self.conformance = conformance

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """No traceback: it would show our code."""
        return str(excinfo.value) if isinstance(excinfo.value, Unfit) else super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, None, str]:
        return Path(NODE), None, f"{NODE} {self.name}"


class CheckItem(_Item):
    """One check."""

    def __init__(self, *, check: Check, **more: Any) -> None:
        super().__init__(**more)
        self.check = check

    def runtest(self) -> None:
        result = self.conformance.result(self.check)
        said = result.outcome.evidence
        if self.conformance.fails(result):
            raise Unfit(_story(result))
        if result.status.value == "not tested":
            pytest.skip(said)
        if result.status.value == "warning":
            warnings.warn(pytest.PytestWarning(f"{self.name} {said}"), stacklevel=1)
        self.add_report_section("call", "evidence", said)

    def reportinfo(self) -> tuple[Path, None, str]:
        return Path(NODE), None, f"{self.check.id} {self.check.title}"


class CleanUpItem(_Item):
    """The fake device is gone."""

    def runtest(self) -> None:
        report = self.conformance.report()
        if not report.cleaned:
            raise Unfit(report.cleanup)
        if not report.cleanup:
            pytest.skip("nothing was registered")
        self.add_report_section("call", "evidence", report.cleanup)


def _story(result: Result) -> str:
    check, outcome = result.check, result.outcome
    rows = [
        ("", f"{check.id} {check.title}"),
        ("evidence", outcome.evidence),
        ("expected", check.expected),
        ("actual", outcome.actual),
        ("on phones", check.why),
        ("remedy", check.remedy),
        ("see", check.docs),
    ]
    return "\n".join(f"{name + ': ' if name else ''}{text}" for name, text in rows if text)
