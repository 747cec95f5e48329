"""``livepass holder``: what is kept of a person, handed over and erased."""

from __future__ import annotations

import json
from pathlib import Path

TYPE = "pass.test.livepass"
ADA = "crm-4711"


def test_all_that_is_kept_of_a_person(project):
    for serial in ("1001", "1002"):
        given = ("--template", "membership", f'member_no="{serial}"', "name=Ada", "--holder", ADA)
        project("pass", "issue", f"{TYPE}/{serial}", *given)
    project("pass", "issue", f"{TYPE}/1003", "--template", "membership", 'member_no="1003"', "name=Bob")
    assert [row["serial"] for row in project("pass", "list", "--holder", ADA, "--json").rows] == ["1001", "1002"]
    assert ADA in project("pass", "show", f"{TYPE}/1001").out
    project("pass", "set", f"{TYPE}/1003", "--holder", "crm-0815")
    project("pass", "set", f"{TYPE}/1003", exit_=2)

    exported = json.loads(project("holder", "export", ADA).out)
    assert [one["data"]["name"] for one in exported["passes"]] == ["Ada", "Ada"]
    assert "2 passes" in project("holder", "export", ADA, "-o", "ada.json").out
    assert [one["serial"] for one in json.loads(Path("ada.json").read_text())["passes"]] == ["1001", "1002"]

    assert "say --yes" in project("holder", "erase", ADA, exit_=4).err
    assert "would be forgotten" in project("holder", "erase", ADA, "--dry-run").out
    assert len(json.loads(project("holder", "export", ADA).out)["passes"]) == 2
    erased = project("holder", "erase", ADA, "--yes")
    assert f"{TYPE}/1001" in erased.out and "backups" in erased.out
    assert "no pass of this holder" in project("holder", "erase", ADA, "--yes", exit_=1).err
    assert [row["serial"] for row in project("pass", "list", "--json").rows] == ["1003"]
