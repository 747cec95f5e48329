"""``livepass pass batch``: a file of any length, on the database here and on a service far away; and what breaks it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from cli.test_remote import running
from livepass.cli import batch
from livepass.core.unavailable import Unavailable
from livepass.service.issuing import Issuing

TYPE = "pass.test.livepass"


def lines(count: int, name: str = "Ada") -> list[str]:
    values = {"pass_type": TYPE, "template": "membership"}
    return [
        json.dumps(values | {"serial": f"s-{n:06}", "data": {"member_no": str(n), "name": name}}) for n in range(count)
    ]


def write(count: int, name: str = "Ada") -> str:
    Path("many.ndjson").write_text("\n".join(lines(count, name)) + "\n")
    return "many.ndjson"


def results(file: str = "results.ndjson") -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path(file).read_text().splitlines()]


def test_results_go_to_a_file_and_the_summary_to_the_terminal(project, monkeypatch):
    monkeypatch.setattr(batch, "CALL_LINES", 7)
    some = lines(20)
    some[4], some[9] = "", "{not json"
    Path("b.ndjson").write_text("\n".join(some))
    ran = project("pass", "batch", "b.ndjson", "--results", "results.ndjson", exit_=1)
    assert "18 passes done" in ran.out and "1 of 19 lines were refused" in ran.err and "line 10:" in ran.err
    assert [(each["line"], each["ok"]) for each in results()] == [(n, n != 10) for n in range(1, 21) if n != 5]
    assert project("pass", "batch", "b.ndjson", "--results", "-", exit_=1).out.startswith('{"pass_type"')
    assert len(project("pass", "batch", "b.ndjson", "--json", exit_=1).rows) == 19
    ran = project("pass", "batch", "b.ndjson", "--results", "nowhere/r", exit_=3)
    assert "nowhere/r cannot be written" in ran.err
    assert "cannot be read" in project("pass", "batch", "nothing.ndjson", exit_=3).err


def test_calls_are_small_enough_for_every_proxy(project, monkeypatch):
    sizes = []
    from livepass.cli.client import Client

    real = Client.request

    async def measured(self: Client, method: str, path: str, **more: Any) -> Any:
        if more.get("body"):
            sizes.append(len(more["body"]))
        return await real(self, method, path, **more)

    monkeypatch.setattr(Client, "request", measured)
    monkeypatch.setattr(batch, "CALL_BYTES", 5000)
    assert "100 passes done" in project("pass", "batch", write(100)).out
    assert len(sizes) > 2 and max(sizes) <= 5000


def test_a_line_that_is_too_long_is_refused_and_never_held(project):
    first, last = lines(2)
    with Path("long.ndjson").open("w") as file:
        file.write(first + "\n")
        file.writelines("x" * 1_000_000 for _ in range(10))
        file.write("\n" + last + "\n")
    ran = project("pass", "batch", "long.ndjson", "--results", "results.ndjson", exit_=1)
    assert [(each["line"], each["ok"]) for each in results()] == [(1, True), (2, False), (3, True)]
    assert "line 2: the line is longer than 1024 KiB" in ran.err


def test_a_file_that_is_sent_again_changes_nothing(project):
    file = write(30)
    project("pass", "batch", file)
    again = project("pass", "batch", file, "--json").rows
    assert len(again) == 30 and not any(each["changed"] for each in again)


def test_who_cannot_be_reached_is_not_tried_for_long(livepass, files):
    began = time.monotonic()
    far = ("--url", "https://127.0.0.1:1", "--key", "k" * 20)
    assert "cannot be reached" in livepass("pass", "batch", write(1), *far, exit_=3).err
    assert time.monotonic() - began < batch.WAITS[0] + 10


@pytest.mark.alone
@pytest.mark.parametrize(
    "count", [100_000, 7_000], ids=["in the middle", "while nothing more comes, and the pipe stays open"]
)
def test_ctrl_c_says_how_far_it_got_and_that_it_may_be_run_again(project, count):
    program = subprocess.Popen(
        [sys.executable, "-m", "livepass", "pass", "batch", "-", "--results", "results.ndjson"],
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    assert program.stdin is not None and program.stderr is not None
    feeding = threading.Thread(target=_feed, args=(program.stdin, count), daemon=True)
    feeding.start()
    while not (Path("results.ndjson").exists() and Path("results.ndjson").read_text().count("\n") > 100):
        assert program.poll() is None, program.stderr.read()
        time.sleep(0.05)
    program.send_signal(signal.SIGINT)
    assert program.wait(60) == 130
    said = program.stderr.read()
    answered = len(results())
    assert f"interrupted; answered up to line {answered}: {answered} passes, 0 refused" in said
    assert "run it again" in said and "Traceback" not in said
    assert len(project("pass", "list", "--limit", "20000", "--json").rows) >= answered


def _feed(stdin: Any, count: int) -> None:
    try:
        for line in lines(count):
            stdin.write(line + "\n")
        stdin.flush()
    except (BrokenPipeError, ValueError):
        pass


def test_a_call_that_the_service_ends_early_goes_on_where_it_ended(project, monkeypatch):
    """The first ten lines are answered, the next ten are not, and then not at all for a while."""
    real, calls = Issuing.put_many, 0

    async def comes_and_goes(self: Issuing, wishes: Any, push: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls in (2, 3, 4):
            raise Unavailable("gone")
        return await real(self, wishes, push)

    monkeypatch.setattr(Issuing, "put_many", comes_and_goes)
    monkeypatch.setattr("livepass.web.issuer_batch.BATCH_LIMIT", 10)
    monkeypatch.setattr(batch, "WAITS", (0.01,) * 3)
    assert "30 passes done" in project("pass", "batch", write(30), "--results", "results.ndjson").out
    assert [each["line"] for each in results()] == list(range(1, 31))
    calls = 0
    monkeypatch.setattr(batch, "WAITS", (0.01,) * 2)
    ran = project("pass", "batch", "many.ndjson", "--json", exit_=3)
    problem = json.loads(ran.err.splitlines()[-1])
    assert "answered up to line 10: 10 passes, 0 refused" in problem["title"] and "run it again" in problem["hint"]
    assert [row["line"] for row in ran.rows] == list(range(1, 11))


def test_a_service_that_restarts_meanwhile_is_waited_for(project, tls, monkeypatch):
    """SIGTERM in the middle: what is left of the file goes to the service that comes after it."""
    monkeypatch.setattr(batch, "CALL_LINES", 1000)
    monkeypatch.setattr(batch, "WAITS", (0.5,) * 60)
    words = ("serve", "--no-worker", "--tls-cert", "tls.pem", "--tls-key", "tls.key", "--port")
    with running(tls, *words, "0") as (_, ready):
        address = ready["address"]
        far = ("--url", address, "--key", Path("secrets/admin.key").read_text().strip(), "--ca", "root.pem")
        program = subprocess.Popen(
            [sys.executable, "-m", "livepass", "pass", "batch", write(6000), "--results", "results.ndjson", *far],
            stderr=subprocess.PIPE,
            text=True,
        )
        while not Path("results.ndjson").exists() or not results():
            assert program.poll() is None
            time.sleep(0.05)
    with running(tls, *words, address.rpartition(":")[2]):
        assert program.wait(120) == 0, program.stderr and program.stderr.read()
    assert [each["line"] for each in results()] == list(range(1, 6001))
    assert len(project("pass", "list", "--limit", "20000", "--json").rows) == 6000
