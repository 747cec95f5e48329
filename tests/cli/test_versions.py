"""``livepass pass versions`` and ``pass diff --since``: what a pass was, as the console's page says it."""

from __future__ import annotations

import pytest

NAME = "pass.test.livepass/1001"


@pytest.fixture
def changed(project):
    project("pass", "issue", NAME, "--template", "membership", 'member_no="1001"', "name=Ada", "points=120")
    project("pass", "set", NAME, "points=130")
    project("pass", "set", NAME, "points=140", "name=Grace")
    return project


def test_each_number_with_what_came_with_it(changed):
    found = changed("pass", "versions", NAME, "--json").json
    newest, middle, first = found["data"]
    assert newest["number"] > middle["number"] > first["number"]
    assert [row["kind"] for row in found["data"]] == ["changed", "changed", "issued"]
    assert found["ends"] == "" and all(row["known"] for row in found["data"])
    out = changed("pass", "versions", NAME).out
    assert "points 120 → 130" in out and "“You have 130 points”" in out


def test_a_version_beside_another_and_beside_now(changed):
    newest, middle, first = (row["number"] for row in changed("pass", "versions", NAME, "--json").json["data"])
    found = changed("pass", "diff", NAME, "--since", str(first), "--until", str(middle), "--json", exit_=1).json
    assert [(each["key"], each["changes"]["value"]) for each in found["fields"]] == [
        ("points", {"before": 120, "after": 130})
    ]
    assert (found["before"], found["after"]) == (f"n{first}", f"n{middle}")
    now = changed("pass", "diff", NAME, "--since", str(first), "--json", exit_=1).json
    assert {each["key"] for each in now["fields"]} == {"points", "name"}
    assert changed("pass", "diff", NAME, "--since", str(newest), "--json").json["same"]
    assert "no version n999" in changed("pass", "diff", NAME, "--since", "999", exit_=3).err


@pytest.mark.parametrize(
    "words", [(NAME, "points=1", "--since", "1"), (NAME, "--until", "1"), (NAME, NAME, "--since", "1")]
)
def test_what_cannot_be_compared_is_a_mistake(changed, words):
    assert "--since N" in changed("pass", "diff", *words, exit_=2).err
