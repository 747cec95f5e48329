"""The matrix: every break of the table, caused for real, is named by the first verdict, and nothing else is accused.

The service stands behind a proxy; phone and APNs are emulated, over real sockets. Where nothing of a break reaches the
service, the honest verdict is that it does not know: LP002 where nobody registered, LP301 where nobody asks, and LP000
where only the testimony is lost. Once it is mended, the pass is current, and nothing is held against anybody.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator

import pytest

import engines
from journeys.broken import AT_INSTALL, Homes, House, Scene, opened
from livepass.emulators.authority import Authority
from livepass.emulators.between.breaks import BREAKS, BY_NAME
from livepass.emulators.between.scene import Where

NAMED: dict[str, str] = {
    # break → the verdict that names it
    "register-202": "LP108",
    "register-401": "LP108",
    "register-503": "LP108",
    "register-cut": "LP002",
    "register-body-dropped": "LP109",
    "delete-lost": "LP307",
    "apns-down": "LP206",
    "apns-cut": "LP206",
    "apns-stalled": "LP206",
    "apns-403": "LP202",
    "certificate-revoked": "LP202",
    "apns-413": "LP209",
    "apns-429": "LP207",
    "apns-503": "LP207",
    "push-dropped": "LP301",
    "bad-device-token": "LP205",
    "other-topic": "LP204",
    "login-on-ask": "LP303",
    "ask-404": "LP303",
    "ask-503": "LP303",
    "ask-html": "LP304",
    "ask-cut": "LP301",
    "ask-stalled": "LP301",
    "ask-cached": "LP308",
    "ask-query-cut": "LP309",
    "list-truncated": "LP304",
    "list-gzipped": "LP304",
    "list-emptied": "LP308",
    "list-to-204": "LP308",
    "tag-as-number": "LP304",
    "tag-stripped": "LP305",
    "tag-repeated": "LP305",
    "authorization-stripped": "LP360",
    "fetch-401": "LP359",
    "fetch-503": "LP359",
    "fetch-stalled": "LP352",
    "fetch-cut": "LP361",
    "stale-304": "LP355",
    "stale-file": "LP355",
    "another-file": "LP354",
    "last-modified-stripped": "LP357",
    "file-html": "LP353",
    "file-truncated": "LP353",
    "file-gzipped": "LP353",
    "file-transcoded": "LP353",
    "file-wrong-hash": "LP353",
    "file-signed-by-another": "LP353",
    "log-dropped": "LP000",
    "log-204": "LP000",
    "tls-expired": "LP301",
    "tls-other-host": "LP301",
    "tls-self-signed": "LP301",
    "redirect": "LP301",
    "double-v1": "LP310",
    "phone-offline": "LP301",
    "phone-wiped": "LP203",
    "updates-off": "LP102",
    "clock-behind": "LP000",
}
NAMED_AT_INSTALL = {name: NAMED[name] for name in AT_INSTALL} | {
    # Broken already when the phone registers, it is another verdict.
    "authorization-stripped": "LP109",
    "tls-expired": "LP002",
    "tls-other-host": "LP002",
    "tls-self-signed": "LP002",
    "redirect": "LP002",
    "double-v1": "LP110",
    "phone-offline": "LP002",
}
SLOW = ("apns-down", "apns-stalled")
"""Of APNs' silence it takes the sender's own patience."""

CASES = [(one.name, False) for one in BREAKS if one.name not in AT_INSTALL]
CASES += [(one.name, True) for one in BREAKS if one.name in NAMED_AT_INSTALL]


def test_every_break_has_a_verdict() -> None:
    assert NAMED.keys() == BY_NAME.keys() == {name for name, _ in CASES}


EVERY = os.environ.get("LIVEPASS_TEST_EVERY_BREAK") == "1"
PLACES = [
    pytest.param(engine, name, at_install, id=f"{engine}-{name}{'-at-install' if at_install else ''}")
    for engine in engines.ENGINES
    for number, (name, at_install) in enumerate(CASES)
    if engine == "sqlite" or EVERY or number % 3 == 0
]
"""Each of them takes seconds of waiting: on PostgreSQL a third of them, and at night all."""


@pytest.fixture(scope="module")
def homes(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, authority: Authority
) -> Iterator[Homes]:
    with opened(request.param, tmp_path_factory.mktemp("house"), authority) as homes:
        yield homes


@pytest.mark.parametrize(("homes", "name", "at_install"), PLACES, indirect=["homes"])
def test_the_first_verdict_names_the_break_and_nothing_else_is_accused(
    name: str, at_install: bool, homes: Homes
) -> None:
    runner, house = homes
    runner.run(caused(house, name, at_install))


async def caused(house: House, name: str, at_install: bool) -> None:
    async with asyncio.timeout(60), Scene(house, await house.new_type()) as scene:
        bystander = BY_NAME[name].where is Where.PHONE and not at_install
        if bystander:
            await scene.bystander()
        await scene.play([name], at_install=at_install)
        await scene.named([NAMED_AT_INSTALL[name] if at_install else NAMED[name]], 30 if name in SLOW else 10)
        await house.accuses_nobody_else()
        if bystander:
            assert {one.code for one in await house.why(scene.topic, "3")} == {"LP000"}
        await scene.mend()
