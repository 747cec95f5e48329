"""Who may do what to whose: every route of the issuer API × every kind of caller × every foreign object.

``matrix`` holds the rows. A route, or a parameter that names an object, fails here until it has one.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest

from livepass.emulators.authority import Authority, Issued
from livepass.service.access import OF_ALL_PASS_TYPES, SCOPES, Caller
from livepass.store.reading import Reading
from livepass.web.issuer import OPERATIONS
from livepass.web.operations import Operation
from web import asgi
from web.asgi import OTHER, PASS_TYPE, Reply
from web.matrix import (
    OF_EVERYBODY,
    PASSES,
    ROWS,
    SAYS_NOTHING,
    Ask,
    Foreign,
    Names,
    Place,
    asks_of,
    filled,
    named,
    plain,
)

T = TypeVar("T")
Visit = Callable[[Callable[[Place], Awaitable[T]]], T]

IN_ORDER = sorted(OPERATIONS, key=lambda each: each.method == "DELETE")
"""What ends things comes last: should it reach theirs, nothing would be left to show."""
LISTS = [
    each
    for each in OPERATIONS
    if each.method == "GET"
    and "cursor" in each.query.__struct_fields__
    and each.name != "listTenants"
    and "{id}" not in each.path
    and each.scopes != ("webhooks:admin",)
]
STRANGERS = ("nothing", "garbage", "garbage like a key", "another's secret", "a revoked key", "a pass's token")


@pytest.fixture
def visit(tmp_path: Path, authority: Authority, certificates: tuple[Issued, ...]) -> Visit[T]:
    """Runs a coroutine in a place where our things are, and theirs not yet."""

    def run(steps: Callable[[Place], Awaitable[T]]) -> T:
        async def work() -> T:
            async with asgi.opened(tmp_path, certificates[:1]) as api:
                return await steps(await Place(api, authority, certificates).ours())

        return asyncio.run(work())

    return run


# ── the table is whole


def test_every_route_and_every_parameter_has_its_row() -> None:
    assert {operation.name for operation in OPERATIONS} == set(ROWS)
    for operation in OPERATIONS:
        asked = {name for query in ROWS[operation.name].queries for name in re.findall(r"(\w+)=", query)}
        assert set(operation.query.__struct_fields__) - SAYS_NOTHING <= asked, operation.name
        assert ("{id}" in operation.path) == bool(ROWS[operation.name].id)
        assert (operation.body is None) == (ROWS[operation.name].bodies == (None,))
        if operation.body is not None and operation.body.struct is not None:
            fields = {field for body in ROWS[operation.name].bodies for field in body}
            named = {"pass_type", "serial", "pass_types", "template", "p12"} & set(
                operation.body.struct.__struct_fields__
            )
            assert named <= fields, operation.name


def test_every_route_is_under_a_scope() -> None:
    """Fails when a route forgets to ask for a key; and names the few objects that belong to everybody."""
    assert [operation.name for operation in OPERATIONS if not operation.scopes] == ["getOpenapi"]
    named = re.compile(r"\{(type|id|holder|p12|keys|apns_keys|requests|webhooks|imports)\}")
    unrelated = {each.name for each in OPERATIONS if not named.search(_words(each))}
    assert unrelated == set(OF_EVERYBODY)


def _words(operation: Operation) -> str:
    row = ROWS[operation.name]
    return f"{operation.path} {row.queries} {row.bodies}"


# ── callers that we do not know, and callers that may not


@pytest.mark.parametrize("stranger", STRANGERS)
def test_strangers_learn_and_change_nothing(visit: Visit[None], stranger: str) -> None:
    async def steps(place: Place) -> None:
        await place.theirs()
        key = await _key_of(place, stranger)
        before = await place.everything()
        for operation in OPERATIONS:
            if not operation.scopes:
                continue
            told = [plain(reply, names) for _, reply, names in await _all(place, operation, key)]
            assert {status for status, _, _ in told} == {401}, operation.name
            assert len({body for _, _, body in told if body}) == 1, operation.name
        assert await place.everything() == before

    visit(steps)


async def _key_of(place: Place, stranger: str) -> str | None:
    return {
        "nothing": None,
        "garbage": "nobody",
        "garbage like a key": "lp_0123456789ab_" + "A" * 43,
        "another's secret": "_".join([*place.keys["ours"].split("_")[:2], place.keys["reading"].split("_", 2)[2]]),
        "a revoked key": place.keys["revoked"],
        "a pass's token": await place.api.token("theirs-01", OTHER),
    }[stranger]


def test_without_the_scope_nobody_learns_or_changes_anything(visit: Visit[None]) -> None:
    """A key with every other scope, for every pass type."""

    async def steps(place: Place) -> None:
        await place.theirs()
        for operation in OPERATIONS:
            others = [scope for scope in SCOPES if scope not in operation.scopes]
            if not operation.scopes:
                continue
            key = await place.api.key(*others)
            await place.api.call("GET", "/nowhere", key=key)
            first = await _all(place, operation, key, first=True)  # ``last_used_at`` moves with the first call
            before = await place.everything()
            told = [plain(reply, names) for _, reply, names in [*first, *await _all(place, operation, key)]]
            assert {status for status, _, _ in told} == {403}, operation.name
            assert len({body for _, _, body in told if body}) == 1, operation.name
            assert await place.everything() == before, operation.name

    visit(steps)


# ── callers that may, but not here


@pytest.mark.parametrize(
    ("key", "engine"), [("ours", "sqlite"), ("ours", "postgres"), ("reading", "sqlite")], indirect=["engine"]
)
@pytest.mark.usefixtures("engine")
def test_what_is_theirs_is_answered_like_what_is_nobodys(visit: Visit[list[str]], key: str) -> None:
    assert visit(lambda place: _leaks(place, key)) == []


async def _leaks(place: Place, key: str) -> list[str]:
    """Where an answer about their object differs from one about nobody's, holds more than the caller sent, or moved
    anything.
    """
    await place.theirs()
    found: list[str] = []
    for operation in IN_ORDER:
        before = await place.everything()
        may = operation.scopes == () or (
            key == "ours"
            and operation.name != "lookAtCertificates"
            and not OF_ALL_PASS_TYPES.intersection(operation.scopes)
        )
        for ask, foreign in _about(operation):
            theirs, nobodys = place.names(foreign)
            for method in _methods(operation):
                one = await place.call(ask, theirs, place.keys[key], method)
                two = await place.call(ask, nobodys, place.keys[key], method)
                if plain(one, theirs) != plain(two, nobodys):
                    found.append(f"{ask}: {one.status} {one.body!r} is not {two.status} {two.body!r}")
                if one.status < 300 and _says(one, place):
                    found.append(f"{ask}: shows theirs: {one.body!r}")
                if may and one.status not in _expected(operation):
                    found.append(f"{ask}: {one.status}")
        if await place.everything() != before:
            found.append(f"{operation.name} changed something")
    return found


def _about(operation: Operation) -> Iterator[tuple[Ask, Foreign]]:
    for ask in asks_of(operation):
        for foreign in PASSES.values():
            if not (foreign.ours and ROWS[operation.name].creates):
                yield ask, foreign


def _methods(operation: Operation) -> tuple[str, ...]:
    return ("GET", "HEAD") if operation.method == "GET" else (operation.method,)


def _says(reply: Reply, place: Place) -> list[str]:
    """What of theirs an answer holds that no caller sent: their names are longer than any echo of a prefix."""
    theirs = [place.more[0][name] for name in ("certificate", "key", "apns_key", "request", "device")]
    return [name for name in [*theirs, "theirs-01"] if f'"{name}"'.encode() in reply.body]


def _expected(operation: Operation) -> tuple[int, ...]:
    """What a caller with the scope is told of another's object."""
    about_one = re.search(r"\{(type|id|holder)\}", operation.path)
    if operation.name == "putPasses" or (operation.method == "GET" and not about_one):
        return (200,)
    if operation.name in ("importCertificate", "importApnsKey", "createSigningRequest", "createKey", "importPasses"):
        return (403, 422)
    return (404,)


@pytest.mark.usefixtures("engine")
def test_lists_and_counts_do_not_move_with_what_is_theirs(visit: Visit[None]) -> None:
    """The whole of what a caller can read of others' business, before there was any and after."""

    async def steps(place: Place) -> None:
        before = await _read(place)
        await place.theirs()
        assert await _read(place) == before
        pages = await _walks(place, place.keys["ours"])
        assert {name for name, count in pages.items() if count < 2} == {
            "listTemplates",
            "listCertificates",
            "listApnsKeys",
        }, pages

    visit(steps)


async def _read(place: Place) -> list[tuple[int, bytes]]:
    """Everything that reads, with every filter, in pages of one and at once."""
    told = []
    for operation in OPERATIONS:
        if operation.method == "GET":
            for ask in asks_of(operation):
                if "{" not in ask.query:
                    reply = await place.call(ask, MINE, place.keys["ours"])
                    told.append((reply.status, _AGAIN.sub(b"", reply.body)))
    return told


_AGAIN = re.compile(rb'"look_again_at":"[^"]*"')
"""Counted from now on, so it is another at each reading."""


MINE: Names = {
    **named(PASS_TYPE, "1", certificate="0" * 64, key="0" * 12, apns_key="0" * 10, template="membership"),
}


async def _walks(place: Place, key: str) -> dict[str, int]:
    """How many pages of one each list has, walked to its end. None holds a word of theirs."""
    pages: dict[str, int] = {}
    for operation in LISTS:
        start = f"{filled(operation.path, MINE)}?limit=1"
        if operation.name == "listEnrolments":  # the order of one pass type is not another's
            start += f"&pass_type={PASS_TYPE}"
        target: str | None = start
        count = 0
        while target is not None:
            reply = await place.api.call("GET", target, key=key)
            assert reply.status == 200 and OTHER.encode() not in reply.body, (operation.name, reply.body)
            cursor = reply.json()["next_cursor"]
            target = cursor and f"{start}&cursor={cursor}"
            count += 1
        pages[operation.name] = count
    return pages


# ── the matrix would notice


def test_it_notices_a_route_that_forgets_whose_it_is(visit: Visit[list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Caller, "sees", lambda *_: True)
    leaks = visit(lambda place: _leaks(place, "ours"))
    for name in (
        "putPass",
        "patchPass",
        "getPass",
        "deletePass",
        "getPkpass",
        "draftPass",
        "previewPass",
        "listVersions",
        "getPassFiles",
        "getTimeline",
        "getWhy",
        "getWhyAll",
        "getEnrolments",
        "listEnrolments",
        "pushPass",
        "push",
        "bundlePasses",
        "importPasses",
        "getImport",
        "listImportErrors",
        "cancelImport",
    ):
        assert [leak for leak in leaks if leak.startswith(_beginning(name))], name
    for name in ("getCertificate", "putPasses", "getApnsKey", "choosePushCredential"):
        assert [leak for leak in leaks if leak.startswith(_beginning(name))], name
    assert "deletePass changed something" in leaks


def test_it_notices_a_list_that_forgets_whose_it_is(visit: Visit[list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Reading, "_array", lambda *_: None)
    monkeypatch.setattr(Caller, "covers", lambda *_: True)
    leaks = visit(lambda place: _leaks(place, "ours"))
    for name in ("listPasses", "listRegistrations", "listPushes", "listDeviceLogs", "getStats", "listCertificates"):
        assert [leak for leak in leaks if leak.startswith(_beginning(name))], name
    for name in ("listSigningRequests", "removeSigningRequest", "listKeys", "getKey", "revokeKey"):
        assert [leak for leak in leaks if leak.startswith(_beginning(name))], name


def _beginning(name: str) -> str:
    [ask, *_] = [asks_of(operation) for operation in OPERATIONS if operation.name == name]
    return f"{ask[0].operation.method} {ask[0].target.partition('?')[0]}"


async def _all(
    place: Place, operation: Operation, key: str | None, *, first: bool = False
) -> list[tuple[Ask, Reply, Names]]:
    """Every call of a route, about what is theirs and what is nobody's."""
    told = []
    for ask in asks_of(operation):
        for foreign in PASSES.values():
            for names in place.names(foreign):
                for method in _methods(operation):
                    told.append((ask, await place.call(ask, names, key, method), names))
                    if first:
                        return told
    return told
