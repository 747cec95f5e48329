"""Which finding a sentence of a phone's log leads to, by itself."""

from __future__ import annotations

import pytest

from livepass.core.findings import BY_CODE
from livepass.core.testimony import SENTENCES
from livepass.core.timeline import Trip
from livepass.core.why import leads_to


@pytest.mark.parametrize(
    ("code", "about", "finding"),
    [
        ("T0", Trip.ASK, "LP303"),
        ("T0", Trip.FETCH, "LP359"),
        ("T0", Trip.REGISTER, None),
        ("T1", Trip.ASK, "LP303"),
        ("T3", Trip.ASK, "LP304"),
        ("T4", Trip.FETCH, "LP353"),
        ("T5b", Trip.FETCH, "LP354"),
        ("S1", Trip.FETCH, "LP357"),
        ("S4", Trip.ASK, "LP307"),
        ("S6", Trip.ASK, "LP305"),
        ("W0", Trip.TESTIMONY, None),
        ("?", Trip.FETCH, None),
    ],
)
def test_a_sentence_leads_to_the_finding_that_it_proves(code: str, about: Trip, finding: str | None) -> None:
    assert leads_to(code, about) == finding


def test_what_it_leads_to_is_in_the_catalogue() -> None:
    found = {leads_to(sentence.code, trip) for sentence in SENTENCES for trip in Trip}
    assert len(found) > 8 and found - {None} <= BY_CODE.keys()
