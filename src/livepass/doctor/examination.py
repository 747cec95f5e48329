"""One examination: which checks are made, in which order, and what of it may be said.

A check that fails hides no other: what needs it is "not tested", with its name, and all the rest goes on.
"""

from __future__ import annotations

import contextlib
import secrets
import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import Final
from urllib.parse import quote

from cryptography import x509

from livepass.doctor.checks import BY_ID, CHECKS, Check, Group
from livepass.doctor.guest import OF_GUEST
from livepass.doctor.network import OF_NETWORK
from livepass.doctor.package import OF_FILE, OF_P12
from livepass.doctor.push import OF_PUSH, PRODUCTION, Probe
from livepass.doctor.report import Report, Result
from livepass.doctor.result import BROKE, NotTested, Outcome, Status, failed, not_tested
from livepass.doctor.service import OF_SERVICE
from livepass.doctor.subject import Credential, Subject
from livepass.doctor.visit import DEVICE, Visit
from livepass.doctor.wire import Bounds, Link, Silent

READS: Final = 10
"""Requests at most: ask 1, fetch 5, without the right token 2, HEAD 1, unknown serial 1."""
LOGS: Final = 1
GUESTS: Final = 19
"""Register 3 and again 1, ask 8, unregister 3; and the cleaning up, 4 at most."""
SHORTEST_SECRET: Final = 4
_LEAVING: Final = 20.0
_LAST: Final = ("NET8",)
"""Made when all calls were made."""


@dataclass(frozen=True, slots=True)
class Options:
    """What may be done. ``roots`` (PEM) are trusted beside the system's, for TLS and for the signature of passes."""

    register: bool = False
    log: bool = False
    apns_probe: bool = False
    credential: Credential | None = None
    offline: bool = False
    roots_pem: str = ""
    apns_url: str = PRODUCTION
    bounds: Bounds = field(default_factory=Bounds)

    @property
    def roots(self) -> Sequence[x509.Certificate]:
        return x509.load_pem_x509_certificates(self.roots_pem.encode()) if self.roots_pem else ()


class Examination:
    """Looks at one package and at the service that it names. Nothing is sent before ``run``."""

    def __init__(self, data: bytes, options: Options, now: datetime) -> None:
        self.subject = Subject(data, options.roots, now)
        self.options = options
        self.now = now
        self.cleanup, self.cleaned = "", True
        self._visit: Visit | None = None
        self._probe: Probe | None = None
        self._found: dict[str, Outcome] = {}

    # ── what is going to happen

    @property
    def url(self) -> str:
        """``webServiceURL`` of the pass; empty: it names none."""
        try:
            return self.subject.text("webServiceURL")
        except NotTested:
            return ""

    @property
    def host(self) -> str:
        """Whom calls go to; empty: to nobody, because the pass names no web service that could be called."""
        try:
            url = self.subject.url
        except NotTested:
            return ""
        return url.netloc.rpartition("@")[2] if url.scheme == "https" else ""

    def plan(self) -> list[str]:
        """What will be sent, in sentences; empty: nothing leaves this machine."""
        said: list[str] = []
        if self.options.offline:
            return said
        if self.host:
            count = READS + LOGS * self.options.log + GUESTS * self.options.register
            guest = ", incl. one fake device (removed at the end)" if self.options.register else ""
            logged = ", incl. one line for its log" if self.options.log else ""
            said.append(f"sends {count} requests at most to {self.host}{guest}{logged}")
        if self.options.apns_probe and self.options.credential:
            said.append(f"sends one push to a made-up token to {self.options.apns_url}")
        return said

    # ── the run

    def run(self) -> Report:
        """Make every check. Whatever happens, Ctrl-C too, the fake device is taken back first."""
        try:
            for check in _in_order():
                self._found[check.id] = outcome(check, self._found, partial(self._look, check))
        finally:
            self._clean_up()
        results = tuple(
            Result(check, self._struck(self._found[check.id])) for check in CHECKS if check.group is not Group.SELF
        )
        return Report(self._named(), results, self.cleanup, self.cleaned)

    def _look(self, check: Check) -> Outcome:
        options = self.options
        if check.id in OF_FILE:
            return OF_FILE[check.id](self.subject)
        if check.id in OF_P12:
            if options.credential is None:
                raise NotTested("needs --p12")
            return OF_P12[check.id](self.subject, options.credential)
        if options.offline:
            raise NotTested("nothing is sent with --offline")
        if check.id in OF_PUSH:
            if not options.apns_probe:
                raise NotTested("needs --apns-probe")
            return OF_PUSH[check.id](self._probing())
        if (check.asks == "--register" and not options.register) or (check.asks == "--log" and not options.log):
            raise NotTested(f"needs {check.asks}")
        return {**OF_NETWORK, **OF_SERVICE, **OF_GUEST}[check.id](self._visiting())

    def _visiting(self) -> Visit:
        if self._visit is None:
            self._visit = visiting(self.subject, self.options, self.now)
        return self._visit

    def _probing(self) -> Probe:
        if self._probe is None:
            assert self.options.credential is not None  # CRT2
            topic = self.subject.text("passTypeIdentifier")
            self._probe = Probe(self.options.credential, topic, self.options.apns_url, self.options.roots_pem)
        return self._probe

    def _clean_up(self) -> None:
        visit = self._visit
        if visit is None:
            return
        if visit.registered:
            visit.link.bounds = replace(visit.link.bounds, answer=_LEAVING)
            with _undisturbed():
                self.cleaned, said = visit.leave()
            self.cleanup = self._strike(said)
        visit.link.close()

    # ── what may be said

    def _named(self) -> dict[str, str]:
        known = {}
        for name, key in (
            ("organization", "organizationName"),
            ("description", "description"),
            ("pass_type", "passTypeIdentifier"),
            ("serial", "serialNumber"),
            ("url", "webServiceURL"),
        ):
            with contextlib.suppress(NotTested):
                known[name] = self._strike(self.subject.text(key)[:200])
        return known

    def _struck(self, outcome: Outcome) -> Outcome:
        return Outcome(outcome.status, self._strike(outcome.evidence), self._strike(outcome.actual))

    def _strike(self, text: str) -> str:
        """Without the pass's token, which a server may send back in anything that is quoted."""
        try:
            token = self.subject.text("authenticationToken")
        except NotTested:
            return text
        for form in (token, quote(token, safe="")):
            if len(form) >= SHORTEST_SECRET:
                text = text.replace(form, "…")
        return text


def outcome(check: Check, found: Mapping[str, Outcome], look: Callable[[], Outcome]) -> Outcome:
    """What a check says, if what it needs held as far as that was looked at."""
    for needed in check.needs:
        before = found.get(needed)
        if before is not None and before.status is Status.FAILED:
            return not_tested(f"needs {needed}, which failed")
        if before is not None and before.status is Status.NOT_TESTED:
            return before  # for the same reason
    try:
        return look()
    except NotTested as why:
        return not_tested(str(why))
    except Silent as fault:
        return failed(str(fault))
    except Exception as fault:  # a check that breaks must not hide the others
        return not_tested(f"{BROKE} ({type(fault).__name__}); please report it")


def visiting(subject: Subject, options: Options, now: datetime) -> Visit:
    """A visit to the web service that ``subject`` names. Raises ``NotTested`` when there is none to call."""
    url = subject.url
    if url.scheme != "https" or url.hostname is None:
        raise NotTested("webServiceURL is not https, and nothing is sent where others can read it")
    link = Link(url.hostname, url.port or 443, options.roots_pem, options.bounds)
    return Visit(subject, link, now, DEVICE + secrets.token_hex(8), secrets.token_hex(32))


def _in_order() -> Iterator[Check]:
    yield from (check for check in CHECKS if check.group is not Group.SELF and check.id not in _LAST)
    yield from (BY_ID[name] for name in _LAST)


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """A second Ctrl-C must not stop the cleaning up, which is bounded itself."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


MADE: Final[Mapping[str, Callable[..., Outcome]]] = {
    **OF_FILE, **OF_P12, **OF_NETWORK, **OF_SERVICE, **OF_GUEST, **OF_PUSH
}  # fmt: skip
"""Every check of a pass, by id."""
