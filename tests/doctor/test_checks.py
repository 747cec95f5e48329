"""The table of checks: whole, in an order that can be made, and the page made of it."""

from __future__ import annotations

from doctor_page import PAGE, page
from livepass.doctor import CHECKS, Group
from livepass.doctor.examination import MADE


def test_ids_are_unique_and_every_one_is_made() -> None:
    ids = [check.id for check in CHECKS]
    assert len(ids) == len(set(ids))
    assert set(MADE) == {check.id for check in CHECKS if check.group is not Group.SELF}


def test_what_a_check_needs_is_made_before_it() -> None:
    seen: set[str] = set()
    for check in CHECKS:
        assert set(check.needs) <= seen, check.id
        seen.add(check.id)


def test_what_is_missing_on_phones_stands_with_failures_only() -> None:
    for check in CHECKS:
        assert check.severity == "failed" or not check.breaks, check.id


def test_the_page_is_the_table() -> None:
    assert PAGE.read_text("utf-8") == page(), "python tests/doctor_page.py"
