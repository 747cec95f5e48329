"""The checks of our own installation that are made through its public address: clocks, and what phones meet."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import formatdate

import pytest

from doctor.stage import Stage, hits, of, untested
from doctor.test_service import BAD_TLS, HTML, always, answered, instead, no_tag
from journeys.world import Spoil, is_ask
from livepass.doctor import Bounds, Installation, Report, examine_own
from livepass.doctor.own import FROM_OUTSIDE

Place = Callable[[Stage], AbstractContextManager[str]]
"""What is wrong at the public address: the address itself, for the length of a block."""


def judged(stage: Stage, url: str) -> Report:
    """Nothing is known of the installation but where it is."""
    return examine_own(Installation(url, datetime.now(UTC)), stage.options())


def _address(stage: Stage) -> str:
    return f"https://localhost:{stage.front.port}/wallet"


def edited(pattern: bytes, by: Callable[[], bytes]) -> Place:
    """Something in front of the service that changes a line of its answers."""

    @contextlib.contextmanager
    def place(stage: Stage) -> Iterator[str]:
        stage.front.edits = lambda data: re.sub(pattern, by(), data, flags=re.IGNORECASE)
        yield _address(stage)

    return place


def dated(seconds: float) -> Place:
    """Its clock is off by so much."""
    return edited(rb"\r\ndate: [^\r]*", lambda: b"\r\nDate: " + formatdate(time.time() + seconds, usegmt=True).encode())


# ── SELF8


@pytest.mark.parametrize("seconds", [-3600, 3600, -9, 9])
def test_clocks_that_do_not_agree(stage: Stage, seconds: int) -> None:
    with dated(seconds)(stage) as url:
        report = judged(stage, url)
    assert hits(report) == {"SELF8": "warning"}
    said = re.fullmatch(r"this machine and the public address are (\d+) s apart", of(report, "SELF8"))
    assert said and abs(int(said[1]) - abs(seconds)) <= 2, of(report, "SELF8")


def test_clocks_that_agree_nearly(stage: Stage) -> None:
    with dated(-3)(stage) as url:
        assert hits(judged(stage, url)) == {}


@pytest.mark.parametrize(
    "place",
    [edited(rb"\r\ndate: [^\r]*", bytes), edited(rb"\r\ndate: [^\r]*", lambda: b"\r\nDate: yesterday")],
    ids=["none", "no date"],
)
def test_an_address_that_tells_no_time(stage: Stage, place: Place) -> None:
    with place(stage) as url:
        report = judged(stage, url)
    assert hits(report) == {} and "SELF8" in untested(report)
    assert of(report, "SELF8") == "the public address gives no Date"


# ── SELF10


@dataclass(frozen=True)
class Row:
    """What is wrong outside, and the check of the public address that fails for it."""

    what: str
    check: str
    place: Place


def spoiled(spoil: Spoil) -> Place:
    @contextlib.contextmanager
    def place(stage: Stage) -> Iterator[str]:
        with stage.world.spoiled(spoil):
            yield _address(stage)

    return place


def tls(what: str) -> Place:
    @contextlib.contextmanager
    def place(stage: Stage) -> Iterator[str]:
        stage.front.context = next(row for row in BAD_TLS if row.what == what).context(stage)
        yield _address(stage)

    return place


@contextlib.contextmanager
def garbage(stage: Stage) -> Iterator[str]:
    stage.front.says = b"SSH-2.0-OpenSSH_9.2\r\n"
    yield _address(stage)


@contextlib.contextmanager
def nobody(stage: Stage) -> Iterator[str]:
    yield "https://localhost:1/wallet"


OUTSIDE = [
    Row("nobody listens", "NET1", nobody),
    Row("an expired certificate", "NET2", tls("expired")),
    Row("a certificate of another host", "NET2", tls("of another host")),
    Row("TLS 1.1", "NET3", tls("TLS 1.1")),
    Row("another protocol", "NET5", garbage),
    Row("every ask is redirected", "NET6", spoiled(answered(302, is_ask, location="/login/"))),
    Row("a login page", "NET7", spoiled(answered(200, always, HTML, content_type="text/html"))),
    Row("an error for unknown phones", "WS6", spoiled(instead(204, 500, no_tag))),
]


@pytest.mark.parametrize("row", OUTSIDE, ids=[row.what for row in OUTSIDE])
def test_an_address_that_phones_cannot_use(stage: Stage, row: Row) -> None:
    with row.place(stage) as url:
        report = judged(stage, url)
    assert hits(report) == {row.check: "failed", "SELF10": "failed"}
    assert of(report, "SELF10") == f"{row.check} failed"
    if row.check in ("NET1", "NET5"):
        assert of(report, "SELF8").startswith("needs NET"), "nobody told the time"


def test_what_phones_put_up_with_is_a_warning_of_its_own(stage: Stage) -> None:
    with tls("ends in a week")(stage) as url:
        report = examine_own(Installation(url, datetime.now(UTC)), stage.options(bounds=Bounds(slow=0.0)))
    assert hits(report) == {"NET4": "warning", "NET8": "warning"} and of(report, "SELF10") == "as phones need it"


def test_every_check_from_outside_is_spoiled() -> None:
    assert {row.check for row in OUTSIDE} | {"NET4", "NET8"} == set(FROM_OUTSIDE)
