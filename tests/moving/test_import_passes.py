"""``livepass import passes``: rows of a file become passes, once each, whatever comes in between."""

from __future__ import annotations

import asyncio
import csv
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from journeys.service_process import environment
from journeys.world import PASS_TYPE, World, journey, template, until
from moving.hands import command

ISSUE = ("import", "passes")
GIVEN = ("--type", PASS_TYPE, "--template", "membership")


def write(path: Path, header: str, *rows: str) -> Path:
    path.write_text("\n".join((header, *rows)) + "\n", "utf-8")
    return path


def problems(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


async def points(world: World, serial: str) -> Any:
    row = await world.services.store.pass_(PASS_TYPE, serial)
    return None if row is None else json.loads(row.data)["points"]


@journey(elsewhere=True)
async def test_rows_become_passes_and_errors_say_which_row_and_column(world: World) -> None:
    file = write(
        world.directory / "members.csv",
        "﻿Nummer;Punkte;Notiz",
        "1001;5;a",
        "1002;;no points, so the template has to have some",
        "no/slash;7;a",
        '1003;"12,5";comma',
        "1004;8",
        "1005;9;=cmd",
    )
    # A number where the template says so.
    await world.services.publishing.publish(
        template(files={"variables.json": json.dumps({"points": {"type": "number"}}).encode()}), wait=True
    )
    words = (*ISSUE, str(file), *GIVEN, "--map", "serial=Nummer", "--map", "points=Punkte")
    before = await world.number()
    code, found = await command(world, *words, "--dry-run")
    assert (code, found.get("rows"), found.get("new"), found.get("refused")) == (1, 6, 2, 4), found
    assert found["dry_run"] and found["unused_columns"] == ["Notiz"]
    assert await world.number() == before and world.sql("SELECT count(*) FROM pass") == [(0,)]

    code, found = await command(world, *words)
    assert (code, found["new"], found["refused"]) == (1, 2, 4)
    assert await world.number() == before + 1, "one number for all of them"
    assert [await points(world, serial) for serial in ("1001", "1002", "1003", "1005")] == [5, None, None, 9]
    wrong = {row["row"]: (row["column"], row["serial"]) for row in problems(Path(f"{file}.errors.csv"))}
    assert wrong == {"3": ("Punkte", "1002"), "4": ("Nummer", "no/slash"), "5": ("Punkte", "1003"), "6": ("", "")}
    assert all(row["what_to_do"] for row in problems(Path(f"{file}.errors.csv")))
    assert rows_done(Path(f"{file}.import")) == 0

    # Once more: nothing moves. Mended and changed: that alone does.
    await command(world, *words)
    assert await world.number() == before + 1
    write(file, "Nummer;Punkte;Notiz", "1001;6;a", "1002;1;a")
    code, found = await command(world, *words)
    assert (code, found["new"], found["changed"], found["refused"]) == (0, 1, 1, 0)
    assert not os.path.exists(f"{file}.errors.csv")  # noqa: ASYNC240 - a stat


TOKENS: Mapping[str, str] = {
    "kept": "0123456789abcdef-kept",
    "weak": "short",
    "sample": "vxwxd7J8AlNNFPS8k0a0FfUFtq0ewzFdc",
    "twin-1": "shared-by-two-passes",
    "twin-2": "shared-by-two-passes",
}


@journey(elsewhere=True)
async def test_tokens_come_along_sealed_and_those_that_anybody_could_have_do_not(world: World) -> None:
    rows = [{"serial": serial, "points": 1, "authentication_token": token} for serial, token in TOKENS.items()]
    rows.append({"serial": "away", "points": 1, "web_service_url": "https://elsewhere.example/wallet"})
    file = world.directory / "members.ndjson"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    code, found = await command(world, *ISSUE, str(file), *GIVEN)
    assert (code, found["new"], found["refused"]) == (1, 1, 5), found
    wrong = {row["serial"]: row["column"] for row in problems(Path(f"{file}.errors.csv"))}
    assert wrong == dict.fromkeys(("weak", "sample", "twin-1", "twin-2"), "authentication_token") | {
        "away": "web_service_url"
    }
    assert (await world.authorization("kept"))["Authorization"] == f"ApplePass {TOKENS['kept']}"
    assert TOKENS["kept"] not in repr(world.sql("SELECT * FROM pass"))

    # Not in a second file either, and never in place of the one that phones hold.
    for serial, token, where in (
        ("other", TOKENS["kept"], "authentication_token"),
        ("kept", "f" * 3 + "0123456789abcd", "x"),
    ):
        file.write_text(json.dumps({"serial": serial, "points": 1, "authentication_token": token}) + "\n")
        code, found = await command(world, *ISSUE, str(file), *GIVEN)
        assert (code, found["refused"]) == (1, 1), (serial, where)
    assert (await world.authorization("kept"))["Authorization"] == f"ApplePass {TOKENS['kept']}"


def rows_done(state: Path) -> int:
    return int(json.loads(state.read_text())["tally"]["rows"]) if state.exists() else 0


def further(process: asyncio.subprocess.Process, state: Path, done: int) -> bool:
    return process.returncode is not None or rows_done(state) > done


def many(path: Path, count: int) -> Path:
    return write(path, "serial,points", *(f"{number},{number % 97}" for number in range(count)), "bad/one,1")


@pytest.mark.timeout(400)
@journey(elsewhere=True, limit=300)
async def test_killed_in_the_middle_it_goes_on_and_nothing_comes_twice(world: World) -> None:
    count = 4000
    file = many(world.directory / "many.csv", count)
    words = [sys.executable, "-m", "livepass", *ISSUE, str(file), *GIVEN, "--push", "none", "--json"]
    state, before = Path(f"{file}.import"), await world.number()
    for _ in range(2):
        process = await asyncio.create_subprocess_exec(
            *words, env=environment(world), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        done = rows_done(state)
        await until(partial(further, process, state, done), "it gets on", 60)
        assert process.returncode is None, (await process.communicate())[1]
        os.kill(process.pid, signal.SIGKILL)
        await process.wait()
    code, found = await command(world, *ISSUE, str(file), *GIVEN, "--push", "none")
    assert (code, found["rows"], found["refused"]) == (1, count + 1, 1), found
    assert found["resumed_at"] >= 2000 and rows_done(state) == 0
    assert world.sql("SELECT count(*) FROM pass") == [(count,)]
    assert [row["serial"] for row in problems(Path(f"{file}.errors.csv"))] == ["bad/one"]
    # A number for a thousand passes, and none for what was done already.
    assert await world.number() - before == count // 1000
    assert world.sql("SELECT count(*) FROM event WHERE kind = 'issued'") == [(count,)]


@journey(elsewhere=True)
async def test_the_state_of_another_file_is_not_gone_on_with(world: World) -> None:
    file = many(world.directory / "many.csv", 3)
    write(Path(f"{file}.import"), json.dumps({"what": "x", "tally": {"rows": 2}, "errors_bytes": 0}))
    code, found = await command(world, *ISSUE, str(file), *GIVEN)
    assert (code, found["exit"]) == (4, 4) and "--restart" in found["hint"]
    code, found = await command(world, *ISSUE, str(file), *GIVEN, "--restart")
    assert (found["rows"], found["new"]) == (4, 3)


@journey(elsewhere=True)
async def test_garbage_is_refused_row_by_row(world: World) -> None:
    file = world.directory / "garbage.csv"
    file.write_bytes(b'serial,points\n1,\xff\xfe\n2,5\n"3,5\n' + b"x" * 300_000 + b"\n")
    code, found = await command(world, *ISSUE, str(file), *GIVEN)
    assert (code, found["new"]) == (1, 1), found
    ndjson = world.directory / "garbage.ndjson"
    ndjson.write_bytes(
        b'{"serial": "4", "points": 1}\n[]\n{"serial"\n'
        + b"[" * 100_000
        + b"\n"
        + b"y" * 3_000_000
        + b'\n{"serial": 5}\n'
    )
    code, found = await command(world, *ISSUE, str(ndjson), *GIVEN)
    assert (code, found["new"], found["refused"]) == (1, 1, 5), found


@journey(elsewhere=True)
async def test_a_running_service_takes_the_file_too(world: World) -> None:
    from journeys.service_process import serve

    file = many(world.directory / "many.csv", 3)
    world.socket.close()
    async with serve(world):
        remote = ("--url", world.config.public_url, "--key", world.config.admin_key, "--ca", str(world.ca_file))
        elsewhere = replace(world.config, database_url="sqlite:////nowhere/x.db")
        world_there, world.config = world.config, elsewhere
        try:
            code, found = await command(world, *ISSUE, str(file), *GIVEN, *remote)
        finally:
            world.config = world_there
    assert (code, found["new"], found["refused"]) == (1, 3, 1), found
    assert world.sql("SELECT count(*) FROM pass") == [(3,)]


@pytest.mark.nightly
@journey(elsewhere=True, books=False, limit=3600)
async def test_a_million_rows_in_bounded_memory(world: World) -> None:
    file = many(world.directory / "million.csv", 1_000_000)
    words = [sys.executable, "-m", "livepass", *ISSUE, str(file), *GIVEN, "--push", "none", "--json"]
    script = "import resource as r, subprocess, sys; subprocess.run(sys.argv[1:]); print(r.getrusage(-1).ru_maxrss)"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, *words, env=environment(world), stdout=subprocess.PIPE
    )
    out, _ = await process.communicate()
    assert world.sql("SELECT count(*) FROM pass") == [(1_000_000,)]
    assert int(out.splitlines()[-1]) < 400_000  # KiB
