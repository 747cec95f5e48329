"""``serving.serve`` inside a loop that runs already, as the demo uses it; and what it writes to the log."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import os
import signal
import sys
from typing import Any

import httpx2
import pytest

from livepass import config, wiring
from livepass.cli import logs, serving
from livepass.cli.faults import Exit, Fault
from livepass.runtime import AsyncScheduler
from livepass.store.named import migrations
from livepass.web import request_ids


@pytest.fixture
def settings(livepass):
    livepass("init")
    livepass("db", "upgrade")
    return config.load()


def test_serve_in_a_running_loop_until_it_is_told_to_stop(settings):
    async def work() -> list[int]:
        stop, address = asyncio.Event(), asyncio.get_running_loop().create_future()
        async with wiring.opened(settings) as services:
            serving_ = asyncio.create_task(
                serving.serve(services, host="127.0.0.1", port=0, ready=address.set_result, stop=stop)
            )
            async with httpx2.AsyncClient(base_url=await address) as http:
                answers = [(await http.get(path)).status_code for path in ("/livez", "/readyz", "/api/v1/passes")]
                stop.set()
                await asyncio.wait_for(serving_, 10)
                with pytest.raises(httpx2.ConnectError):
                    await http.get("/livez")
        return answers

    handler = signal.getsignal(signal.SIGTERM)
    assert asyncio.run(work()) == [200, 200, 401]
    assert signal.getsignal(signal.SIGTERM) is handler, "signals belong to the caller"


def test_processes_stand_in_the_table_for_as_long_as_they_run(settings):
    async def roles(running: Any, reader: wiring.Services) -> list[tuple[str, int, int]]:
        """What the table says while that runs."""
        task, found = asyncio.create_task(running), []
        while not found and not task.done():
            await asyncio.sleep(0.02)
            found = [(row.role, row.pid, row.schema) for row in await reader.store.processes()]
        stop.set()
        await asyncio.wait_for(task, 30)
        stop.clear()
        assert await reader.store.processes() == []
        return found

    async def work() -> None:
        here = (os.getpid(), migrations("sqlite")[-1].number)
        async with wiring.opened(settings) as one, wiring.opened(settings) as reader:
            at = {"host": "127.0.0.1", "port": 0, "stop": stop}
            assert await roles(serving.serve(one, **at), reader) == [("serve+worker", *here)]
            assert await roles(serving.serve(one, worker=False, **at), reader) == [("serve", *here)]
            assert await roles(serving.work(one, stop=stop), reader) == [("worker", *here)]

    stop = asyncio.Event()
    asyncio.run(work())


@pytest.mark.parametrize("sheds", [True, False])
def test_load_is_shed_by_whoever_has_the_loop_alone(settings, sheds, monkeypatch):
    """The demo's loop is late because of its phones, too: that is no reason to refuse them."""
    watched = []

    async def run(watch: Any) -> None:
        watched.append(watch)

    monkeypatch.setattr(wiring.Watch, "run", run)

    async def work() -> None:
        stop, address = asyncio.Event(), asyncio.get_running_loop().create_future()
        async with wiring.opened(settings) as services:
            serving_ = asyncio.create_task(
                serving.serve(services, host="127.0.0.1", port=0, sheds=sheds, ready=address.set_result, stop=stop)
            )
            await address
            stop.set()
            await asyncio.wait_for(serving_, 20)

    asyncio.run(work())
    assert bool(watched) is sheds


def test_cancelling_finishes_what_is_being_answered(settings):
    async def work() -> bytes:
        address = asyncio.get_running_loop().create_future()
        async with wiring.opened(settings) as services:
            serving_ = asyncio.create_task(
                serving.serve(services, host="127.0.0.1", port=0, worker=False, ready=address.set_result)
            )
            host, _, port = (await address).removeprefix("http://").partition(":")
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(b"POST /wallet/v1/log HTTP/1.1\r\nHost: x\r\nContent-Length: 11\r\n\r\n")
            await writer.drain()
            await asyncio.sleep(0.1)
            serving_.cancel()
            await asyncio.sleep(0.1)
            writer.write(b'{"logs":[]}')
            answer = await asyncio.wait_for(reader.read(), 10)
            writer.close()
            with pytest.raises(asyncio.CancelledError):
                await serving_
        return answer

    assert asyncio.run(work()).startswith(b"HTTP/1.1 200 ")


def test_a_port_that_is_taken_is_a_fault_not_an_exit(settings):
    async def work() -> None:
        async with wiring.opened(settings) as services:
            busy = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
            async with busy:
                await serving.serve(services, host="127.0.0.1", port=busy.sockets[0].getsockname()[1])

    with pytest.raises(Fault) as caught:
        asyncio.run(work())
    assert caught.value.exit is Exit.UNCHECKED


def test_logs_are_json_without_credentials():
    try:
        raise ValueError("Bearer lp_0123456789ab_abcdefghijklmnop")
    except ValueError:
        record = logging.LogRecord(
            "livepass", logging.ERROR, "x.py", 1, "ApplePass %s of %s", ("s3cret/token", "ab" * 32), sys.exc_info()
        )
    line = json.loads(logs.JsonLines().format(record))
    assert line["level"] == "error" and line["message"] == "ApplePass (struck) of (struck)"
    assert "abcdefghijklmnop" not in line["exception"] and "ValueError" in line["exception"]


@pytest.mark.parametrize(
    ("form", "terminal", "as_json"),
    [("", True, False), ("", False, True), ("text", False, False), ("json", True, True)],
)
def test_the_form_of_the_log_is_chosen_or_what_its_reader_needs(form, terminal, as_json, monkeypatch):
    stream = io.StringIO()
    stream.isatty = lambda: terminal
    monkeypatch.setattr(sys, "stderr", stream)
    before = logging.root.handlers[:], logging.root.level
    try:
        logs.configure(form)
        logging.getLogger("x").info("Authorization: ApplePass %s", "s" * 40)
    finally:
        logging.root.handlers[:], logging.root.level = before[0], before[1]
    assert stream.getvalue().startswith("{") is as_json and "sss" not in stream.getvalue()


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_line_says_of_which_request_it_is(form, monkeypatch):
    """Fails when lines cannot be told apart by request, or what goes on by itself is taken for part of one."""
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    before = logging.root.handlers[:], logging.root.level
    log = logging.getLogger("x")

    async def later() -> None:
        log.info("by itself")

    async def work() -> None:
        scheduler = AsyncScheduler()
        token = request_ids.begin("req_7")
        log.info("in it")
        log.info("request req_7: said already")
        scheduler.spawn(later(), "later")
        await asyncio.sleep(0)
        request_ids.end(token)
        for _ in range(2):
            token = request_ids.begin()
            log.info("of a phone")
            request_ids.end(token)
        await scheduler.close()

    try:
        logs.configure(form)
        asyncio.run(work())
    finally:
        logging.root.handlers[:], logging.root.level = before[0], before[1]
    lines = stream.getvalue().splitlines()
    if form == "json":
        ids = [json.loads(line).get("request") for line in lines]
        assert ids[:3] == ["req_7", "req_7", None] and ids[3] != ids[4] and ids[3].startswith("dev_")
    else:
        said = [line.partition(" INFO ")[2] for line in lines]
        assert said[:3] == ["[req_7] in it", "request req_7: said already", "by itself"]
        assert said[3].startswith("[dev_") and said[3] != said[4]
