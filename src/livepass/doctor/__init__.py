"""Judges a pass and the web service that it names, anybody's, by what phones accept.

report = Examination(data, Options(register=True), now).run()

Imports the file format and nothing else of livepass: who judges strangers must not share our service's beliefs
(docs/adr/0020-the-doctor-stands-alone.md).
"""

from __future__ import annotations

from livepass.doctor.checks import BY_ID, CHECKS, Check, Group
from livepass.doctor.examination import Examination, Options
from livepass.doctor.junit import junit
from livepass.doctor.own import Installation, examine_own
from livepass.doctor.report import Report, Result
from livepass.doctor.result import Outcome, Status
from livepass.doctor.subject import Credential
from livepass.doctor.wire import Bounds

__all__ = [
    "BY_ID",
    "CHECKS",
    "Bounds",
    "Check",
    "Credential",
    "Examination",
    "Group",
    "Installation",
    "Options",
    "Outcome",
    "Report",
    "Result",
    "Status",
    "examine_own",
    "junit",
]
