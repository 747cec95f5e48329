"""``livepass import list``, ``show`` and ``cancel``: imports over the API, from a shell."""

from __future__ import annotations

import asyncio

import pytest

from cli.conftest import PASS_TYPE, Livepass
from livepass.cli.client import connected
from livepass.cli.database import services
from livepass.cli.session import Session
from web.import_child import importer_of, stumbles

HEADER = b"serial,member_no,name,visits_left"


def taken(file: bytes, **query: str) -> str:
    """The id of an import that the API took in."""

    async def work() -> str:
        async with connected(Session()) as client:
            given = {"pass_type": PASS_TYPE, "template": "membership", **query}
            reply = await client.request("POST", "/imports", query=given, body=file, content_type="text/csv")
            return str(reply.json()["id"])

    return asyncio.run(work())


def worked_off() -> None:
    async def work() -> None:
        async with services(Session().config()) as opened:
            while await importer_of(opened).once():
                pass

    asyncio.run(work())


def test_imports_are_listed_shown_and_cancelled(project: object, livepass: Livepass) -> None:
    assert livepass("import", "list", "--json").rows == []
    assert "livepass help import-passes-over-the-api" in livepass("import", "list").out
    livepass("help", "import-passes-over-the-api")
    first = taken(HEADER + b",colour\na,1,Ada,2,red\nbad serial,1,Ada,2,red\nshort\n")
    worked_off()
    second = taken(HEADER + b"\nb,2,Bea,3\nc,3,Cem,4\n", dry_run="true")
    assert [row["id"] for row in livepass("import", "list", "--json").rows] == [second, first]
    assert [row["id"] for row in livepass("import", "list", "--limit", "1", "--json").rows] == [second]
    lines = livepass("import", "list").out.splitlines()
    assert "MADE" in lines[0] and "waits for a worker" in lines[1] and "over; not all rows went through" in lines[2]
    shown = livepass("import", "show", first, exit_=1).out
    assert "row 3 bad serial serial" in shown and "row 4" in shown and "these columns fill nothing: colour" in shown
    found = livepass("import", "show", first, "--json", exit_=1).json
    assert (found["made"], found["refused"], [error["row"] for error in found["errors"]]) == (1, 2, [3, 4])
    assert "there may be more" in livepass("import", "show", first, "--limit", "1", exit_=1).out
    assert "a dry run" in livepass("import", "show", second).out
    assert f"{second} is cancelled; it was a dry run" in livepass("import", "cancel", second).out
    assert livepass("import", "cancel", second, "--json").json["state"] == "cancelled"
    assert f"{first} was over before; passes that it made or changed stay: 1" in livepass("import", "cancel", first).out
    for verb in ("show", "cancel"):
        assert livepass("import", verb, "imp_none", "--json", exit_=1).problem["code"] == "not_found"


def test_an_import_that_fails_says_when_it_is_tried_again(
    project: object, livepass: Livepass, monkeypatch: pytest.MonkeyPatch
) -> None:
    stumbles(monkeypatch.setattr, lambda wish: True)
    job = taken(HEADER + b"\na,1,Ada,2\n")
    worked_off()
    for words in (("list",), ("show", job)):
        assert "failed 1 times; next try 20" in livepass("import", *words).out
