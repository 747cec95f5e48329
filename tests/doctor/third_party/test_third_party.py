"""Services that others wrote, judged: the doctor must find their faults, and nothing else.

Each row of a table was read by a person against Apple's contract, and says why it is there.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from doctor.stage import OF_PUSH, hits, of, untested
from doctor.third_party.services import TOKEN, django, node, running
from livepass.doctor import Examination, Options
from livepass.emulators.authority import Authority

Judged = dict[str, tuple[str, str]]
"""What is not passed: check → status, and a part of the evidence."""

DJANGO: Judged = {
    # 400 for a device without registrations. Apple names no status for it; phones log and repeat it, as any 4xx there.
    "WS6": ("warning", "400: for an unknown device"),
    # Its tag is an ISO date with +00:00, and + arrives as a space: midnight is read instead, so that each ask within
    # the day is told the pass again, with the tag that the phone already has.
    "WS9": ("warning", "for its own tag, with the same tag: a fetch for nothing at each ask; it misreads"),
    # A tag that is no date is an exception in its own code; a date of the future is believed.
    "WS10": ("warning", "an empty tag is answered 500; a tag of another service is answered 500; a tag of the future"),
}
NODE: Judged = {
    # Last-Modified is new Date() of each answer: what changes while a pass is built, in the same second, is lost.
    "WS3": ("warning", "Last-Modified is the time of the answer"),
}


@pytest.mark.timeout(500)
@pytest.mark.parametrize(
    ("service", "expected"), [(django, DJANGO), (node, NODE)], ids=["django-walletpass", "express"]
)
def test_a_service_that_others_wrote(
    service: Callable[[], list[str]], expected: Judged, tmp_path: Path, authority: Authority
) -> None:
    options = Options(register=True, log=True, roots_pem=authority.root_pem.decode())
    with running(service(), tmp_path, authority) as theirs:
        report = Examination(theirs.package, options, datetime.now(UTC)).run()
    found = {check: (status, of(report, check)) for check, status in hits(report).items()}
    assert {check: status for check, (status, _) in found.items()} == {
        id_: said[0] for id_, said in expected.items()
    }, found
    for check, (_, evidence) in expected.items():
        assert evidence in found[check][1]
    assert untested(report) <= {"CRT2", "CRT3", *OF_PUSH}
    assert report.cleaned, report.cleanup
    assert TOKEN not in str(report.as_json())
