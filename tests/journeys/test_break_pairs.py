"""Two breaks at once: the first verdict names one of the two.

On SQLite only: what is said follows from what was written down, and the matrix writes it down on both engines.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from journeys.broken import AT_INSTALL, Homes, House, Scene, opened
from journeys.test_breaks import NAMED, NAMED_AT_INSTALL, SLOW
from livepass.emulators.authority import Authority
from livepass.emulators.between.breaks import BREAKS, BY_NAME
from livepass.emulators.between.scene import Where

SILENT = frozenset({"log-dropped", "redirect", "double-v1", "phone-offline", "phone-wiped"}) | {
    one.name for one in BREAKS if one.name.startswith("tls-")
}
"""With these, nothing that a phone says gets through."""

UNHEARD: dict[str, str] = {
    # What is left to say of a break when no phone says anything.
    **dict.fromkeys(("register-202",), "LP003"),
    **dict.fromkeys(("register-401", "register-503"), "LP002"),
    **dict.fromkeys(("delete-lost", "list-truncated", "list-gzipped", "list-emptied", "list-to-204"), "LP352"),
    **dict.fromkeys(("login-on-ask", "ask-404", "ask-503", "ask-html", "ask-cached"), "LP301"),
    **dict.fromkeys(("tag-as-number", "fetch-401", "fetch-503", "stale-304", "stale-file", "another-file"), "LP352"),
    # The service saw everything go well.
    **dict.fromkeys(("tag-stripped", "tag-repeated", "last-modified-stripped"), "LP000"),
    **dict.fromkeys((one.name for one in BREAKS if one.where is Where.PACKAGE), "LP000"),
}

ALONE = frozenset({*SLOW, "ask-query-cut"})
"""These take long, or more than one change."""
KEEP_THE_DELETE = SILENT - {"log-dropped"} | {"authorization-stripped", "delete-lost"}
"""With these, nobody hears that updates were switched off: then it is no break of the service's."""


def combinable(one: str, other: str) -> bool:
    if "updates-off" in (one, other) and KEEP_THE_DELETE & {one, other}:
        return False
    return one != other and not ALONE & {one, other}


def selected() -> list[tuple[str, str]]:
    """Of the whole table, each row with those that stand so many rows further on: all trips meet all others."""
    names = [one.name for one in BREAKS if one.name not in ALONE]
    pairs = {
        (name, names[(row + far) % len(names)])
        for far in (13, 29)
        for row, name in enumerate(names)
        if far == 13 or row % 2
    }
    return sorted(pair for pair in pairs if combinable(*pair))


def names_of(pair: tuple[str, str]) -> tuple[list[str], bool]:
    """The verdicts that name one of the two, and whether both are broken before the phone registers."""
    at_install = bool(AT_INSTALL & set(pair))
    codes = []
    for one in pair:
        codes.append(NAMED_AT_INSTALL.get(one, NAMED[one]) if at_install else NAMED[one])
        if one in UNHEARD and SILENT & set(pair):
            codes.append(UNHEARD[one])
    return codes, at_install


PAIRS = selected()


def test_there_are_enough_and_every_break_that_can_is_in_one() -> None:
    assert len(PAIRS) >= 60
    assert {name for pair in PAIRS for name in pair} == BY_NAME.keys() - ALONE


@pytest.fixture(scope="module")
def homes(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Iterator[Homes]:
    with opened("sqlite", tmp_path_factory.mktemp("house"), authority) as homes:
        yield homes


@pytest.mark.parametrize("pair", PAIRS, ids=["+".join(pair) for pair in PAIRS])
def test_the_first_verdict_names_one_of_two_breaks(pair: tuple[str, str], homes: Homes) -> None:
    runner, house = homes
    runner.run(caused(house, pair))


async def caused(house: House, pair: tuple[str, str]) -> None:
    codes, at_install = names_of(pair)
    async with asyncio.timeout(60), Scene(house, await house.new_type()) as scene:
        await scene.play(pair, at_install=at_install)
        await scene.named(codes)
        await house.accuses_nobody_else()
