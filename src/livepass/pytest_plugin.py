"""livepass for pytest: fixtures with an emulated phone and APNs for tests of yours, and the doctor's checks as tests.

Fixtures: ``livepass_app``, ``phone``, ``phones`` and ``apns``; those that begin with ``livepass_`` are there to be
overridden, and say so.

pytest --livepass-conformance URL --livepass-pass FILE.pkpass: one test for each check of any web service, named by its
id; failures show the evidence, what could not be tested is skipped and says why.

Until a fixture or the option is used, this file does nothing, and imports nothing of livepass.
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
    from livepass.testing import Apns, App, Phone, Phones, Stage
    from livepass.testing.stage import Door

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


# ── fixtures


@pytest.fixture(scope="session")
def livepass_stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """What all tests share: a thread, and an authority with its certificates."""
    from livepass.testing import Stage

    stage = Stage(tmp_path_factory.mktemp("livepass"))
    yield stage
    stage.close()


@pytest.fixture
def apns(livepass_stage: Stage) -> Iterator[Apns]:
    """An emulated APNs: what was pushed (``apns.pushes``), and what it shall answer (``apns.answer(410)``)."""
    from livepass.testing import Apns

    apns = Apns(livepass_stage)
    apns.start()
    yield apns
    apns.stop()


@pytest.fixture
def livepass_pass_type() -> str:
    """Override it to have passes of your own pass type."""
    return "pass.test.livepass"


@pytest.fixture
def livepass_templates(request: pytest.FixtureRequest) -> list[Path]:
    """Folders of templates, each by its name. Override it when they are not in ``templates/`` beside your tests."""
    folder = request.config.rootpath / "templates"
    return sorted(path.parent for path in folder.glob("*/pass.json"))


@pytest.fixture
def livepass_roots() -> list[Path]:
    """PEM files that phones trust besides: override it for a service with a certificate of its own."""
    return []


@pytest.fixture
def livepass_door() -> Iterator[Door]:
    """The port that the service will listen on: ``livepass_door.url`` is its ``PUBLIC_URL``."""
    from livepass.testing.stage import Door

    door = Door()
    yield door
    door.close()


@pytest.fixture
def livepass_settings(
    livepass_door: Door, apns: Apns, tmp_path_factory: pytest.TempPathFactory, livepass_stage: Stage
) -> dict[str, Any]:
    """The settings of the service under test: what a ``Livepass`` of yours needs to run in a test."""
    import secrets

    folder = tmp_path_factory.mktemp("livepass-app")
    return {
        "database_url": f"sqlite:///{folder}/livepass.db",
        "public_url": livepass_door.url,
        "secret_key": secrets.token_urlsafe(32),
        "admin_key": secrets.token_urlsafe(24),
        "apns_url": apns.url,
        "apns_ca_file": str(livepass_stage.ca_file),
        "public_ca_file": str(livepass_stage.ca_file),
        "certificate_hosts": "off",
    }


@pytest.fixture
def livepass_object(livepass_settings: dict[str, Any]) -> Any:
    """The ``Livepass`` under test. Override it to return yours, made with ``livepass_settings``."""
    from livepass import Livepass

    return Livepass(**livepass_settings)


@pytest.fixture
def livepass_asgi(livepass_object: Any) -> Any:
    """The ASGI application under test. Override it to return yours, which mounts ``livepass_object``'s."""
    from livepass.testing.app import nothing_else

    return livepass_object.around(nothing_else)


@pytest.fixture
def livepass_app(
    livepass_stage: Stage,
    livepass_object: Any,
    livepass_asgi: Any,
    livepass_door: Door,
    livepass_pass_type: str,
    livepass_templates: list[Path],
) -> Iterator[App]:
    """The service, over HTTPS, with its push worker: ``livepass_app.issue("coffee", serial="LP-1", points=120)``."""
    from livepass.testing import App

    app = App(livepass_stage, livepass_object, livepass_asgi, livepass_door, livepass_pass_type, livepass_templates)
    app.start()
    yield app
    app.stop()


@pytest.fixture
def phones(
    request: pytest.FixtureRequest, livepass_stage: Stage, apns: Apns, livepass_roots: list[Path]
) -> Iterator[Phones]:
    """As many phones as a test needs: ``phones("Grace's iPhone")``."""
    from livepass.testing import Phones

    app = request.getfixturevalue("livepass_app") if "livepass_app" in request.fixturenames else None
    made = Phones(livepass_stage, apns, app, livepass_roots)
    yield made
    made.close()


@pytest.fixture
def phone(phones: Phones) -> Phone:
    """An emulated iPhone, with nothing on it."""
    return phones()
