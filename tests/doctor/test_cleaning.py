"""The fake device never stays: not after failures, not after Ctrl-C at any step; and where it stays, that is said."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest

from doctor.stage import SERIAL, Stage, hits, of, untested
from doctor.test_service import answered, instead, is_method
from journeys.world import Answer, is_ask
from livepass.doctor import Bounds, Examination
from livepass.web.phone import Scope

Which = Callable[[Scope], bool]


class Interrupting:
    """Sends SIGINT while the n-th call of a kind is being answered."""

    def __init__(self, which: Which, number: int, pid: int = 0) -> None:
        self.which, self.left, self.pid = which, number, pid

    def __call__(self, scope: Scope, answer: Answer) -> None:
        if self.which(scope):
            self.left -= 1
            if self.left == 0:
                os.kill(self.pid or os.getpid(), signal.SIGINT)


@pytest.fixture(autouse=True)
def heeds_ctrl_c() -> Iterator[None]:
    """Also where the tests themselves were started in the background, which ignores it, and so do their children."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


STEPS = [
    ("the wrong token is refused", is_method("POST"), 1),
    ("it registers", is_method("POST"), 2),
    ("it registers again", is_method("POST"), 3),
    ("it asks", is_ask, 2),
    ("it asks with its tag", is_ask, 3),
    ("it unregisters with a wrong token", is_method("DELETE"), 1),
    ("it unregisters", is_method("DELETE"), 2),
    ("it registers anew", is_method("POST"), 4),
]


@pytest.mark.parametrize(("step", "which", "number"), STEPS, ids=[row[0] for row in STEPS])
def test_ctrl_c_at_any_step(stage: Stage, step: str, which: Which, number: int) -> None:
    examination = Examination(stage.data, stage.full(), datetime.now(UTC))
    with stage.world.spoiled(Interrupting(which, number)), pytest.raises(KeyboardInterrupt):
        examination.run()
    assert examination.cleaned, examination.cleanup
    assert "unregistered (200)" in examination.cleanup
    assert stage.registered() == []


def test_ctrl_c_twice(stage: Stage) -> None:
    """The second one comes while the device is taken back, and waits."""
    twice = [Interrupting(is_ask, 2), Interrupting(is_method("DELETE"), 1)]

    def both(scope: Scope, answer: Answer) -> None:
        for each in twice:
            each(scope, answer)

    examination = Examination(stage.data, stage.full(), datetime.now(UTC))
    with stage.world.spoiled(both), pytest.raises(KeyboardInterrupt):
        examination.run()
    assert twice[1].left <= 0 and examination.cleaned and stage.registered() == []


def test_ctrl_c_on_the_command_line(stage: Stage) -> None:
    package, roots = stage.world.directory / "acme.pkpass", stage.world.directory / "ca.crt"
    package.write_bytes(stage.data)
    interrupting = Interrupting(is_ask, 2)
    with stage.world.spoiled(interrupting):
        program = subprocess.Popen(
            [sys.executable, "-m", "livepass", "doctor", package, "--register", "--yes", "--ca-file", roots],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        interrupting.pid = program.pid
        out, err = program.communicate(timeout=60)
    assert program.returncode == 130, err
    assert out == "" and "Traceback" not in err
    assert "unregistered (200)" in err
    assert stage.registered() == []


def test_a_device_that_cannot_be_taken_back_is_said_to_be_there(stage: Stage) -> None:
    report = stage.judge_spoiled(answered(500, is_method("DELETE")))
    assert "WS11" in hits(report)
    assert not report.cleaned and "may still be registered" in report.cleanup
    assert f"/{SERIAL}" in report.cleanup and stage.token not in report.cleanup


def test_a_device_that_stays_whatever_was_answered(stage: Stage) -> None:
    """DELETE is answered 200, yet the device is listed, and known when it registers: no proof, and none is claimed."""
    report = stage.judge_spoiled(instead(201, 200, is_method("POST")))
    assert not report.cleaned and "nothing shows that it is gone" in report.cleanup
    assert "WS11" in hits(report)


def test_a_service_that_goes_away_meanwhile(stage: Stage) -> None:
    """It answers nothing from the second registration on: bounded, and said."""

    def gone(scope: Scope, answer: Answer) -> None:
        if scope["method"] == "POST" and answer.status == 200:
            stage.front.says = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            answer.headers[b"connection"] = b"close"

    report = stage.judge_spoiled(gone)
    assert not report.cleaned and "may still be registered" in report.cleanup
    stage.front.says = b""
    _remove_all(stage)


def _remove_all(stage: Stage) -> None:
    """As the sentence says: by hand."""
    for device in stage.registered():

        async def remove(device: str = device) -> int:
            async with stage.world.client() as client:
                headers = await stage.world.authorization(SERIAL)
                target = f"/v1/devices/{device}/registrations/pass.test.livepass/{SERIAL}"
                return int((await client.delete(target, headers=headers)).status_code)

        assert stage.do(remove()) == 200
    assert stage.registered() == []


def test_the_token_goes_nowhere_and_into_no_report(stage: Stage) -> None:
    """A server that sends the token back in everything that is quoted."""
    token = stage.token

    def echo(scope: Scope, answer: Answer) -> None:
        if is_ask(scope) and answer.status == 200:
            answer.body = json.dumps({"serialNumbers": [SERIAL], "lastUpdated": [token]}).encode()

    report = stage.judge_spoiled(echo)
    assert "…" in of(report, "WS9")
    assert token not in json.dumps(report.as_json())

    stage.front.requests = b""
    redirect = answered(302, is_ask, location=f"https://localhost:1/?t={token}")
    report = stage.judge_spoiled(redirect)
    assert token not in json.dumps(report.as_json()) and "…" in of(report, "NET6")
    assert token.encode() not in stage.front.requests, "nothing is fetched where asks are redirected"


@pytest.mark.parametrize("token", ["line\r\nX-Injected: 1 abcdef", "0123456789abcdef\u20ac", "0123456789\x00abcdef"])
def test_a_token_that_no_header_carries(stage: Stage, token: str) -> None:
    report = stage.judge(stage.made(lambda d: d.update(authenticationToken=token)))
    assert hits(report) == {"JSN5": "warning"}
    assert "cannot carry" in of(report, "WS1") and "WS8" in untested(report)
    assert b"Injected" not in stage.front.requests
    assert token not in str(report.as_json()) and "0123456789" not in str(report.as_json())


def test_what_trickles_is_given_up(stage: Stage) -> None:
    """A byte now and then is no answer, however long it goes on."""
    stage.front.says, stage.front.trickles = b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", threading.Event()
    try:
        report = stage.judge(options=stage.options(bounds=Bounds(answer=1.0)))
    finally:
        stage.front.trickles.set()
        stage.front.trickles = None
    assert hits(report) == {"NET5": "failed"}
    assert "nothing came in time" in of(report, "NET5")
