"""What several pages draw in the same way."""

from __future__ import annotations

from livepass.web.console.drawing import environment

MOVED = environment().from_string("{% import 'macros.html' as m %}{{ m.moved(fields) }}")


def test_of_an_enrolment_the_names_alone_are_told() -> None:
    """Its event names what was given, and not what: that is personal."""
    assert "fullName" in MOVED.render(fields=["fullName", "emailAddress"])
    change = MOVED.render(fields=[{"key": "points", "before": 1, "after": 2}])
    assert "points" in change and "<del>1</del>" in change and "<ins>2</ins>" in change
