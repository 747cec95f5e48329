"""Each sentence of a phone's log has a page whose example is read as that sentence, and where somebody explained it."""

from __future__ import annotations

import pytest

from device_log_page import EXAMPLES, catalogue, line
from livepass.core.testimony import SENTENCES, read_line
from livepass.core.timeline import Trip


def test_every_sentence_is_explained() -> None:
    assert list(catalogue().wrong()) == []


@pytest.mark.parametrize("sentence", SENTENCES, ids=lambda sentence: sentence.code)
def test_an_example_is_read_as_its_sentence(sentence) -> None:  # type: ignore[no-untyped-def]
    read = read_line(line(sentence.code))
    assert (read.code, read.pass_type) == (sentence.code, "pass.com.example.gym")
    assert read.trip is not Trip.TESTIMONY or sentence.trip is Trip.TESTIMONY
    assert set(EXAMPLES) == {each.code for each in SENTENCES}
