"""The device endpoints' part of the matrix: every path × every method × every credential that is not the pass's own ×
every pass that there is or is not. Within a path and a method there is one answer, byte for byte.
"""

from __future__ import annotations

import ast
import asyncio
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from livepass.core.change import http_date
from livepass.core.timeline import Kind
from livepass.emulators.authority import Authority, Issued
from livepass.web import phone
from livepass.web.phone import PhoneApp
from web import asgi
from web.asgi import ADMIN, OTHER, PASS_TYPE, Reply
from web.matrix import NOBODY, Names, Place, device_of, filled, named

PATHS = {
    # as ``phone.PhoneApp`` matches them: methods that reach something, and what they say to a stranger
    "v1/devices/{device_id}/registrations/{pass_type}/{serial}": {"POST": 401, "DELETE": 401},
    "v1/devices/{device_id}/registrations/{pass_type}": {"GET": 204, "HEAD": 204, "POST": 200},
    "v1/passes/{pass_type}/{serial}": {"GET": 401, "HEAD": 401, "POST": 200},
    "v1/log": {"POST": 200},
    "v1/*": {"POST": 200},
    "v1/passes/{pass_type}/{serial}/personalize": {"POST": 401},
}
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
PASSES: Mapping[str, Names] = {
    "ours": named(PASS_TYPE, "1"),
    "another of ours": named(PASS_TYPE, "2"),
    "erased": named(PASS_TYPE, "erased-01"),
    "nobody's": named(PASS_TYPE, "nobody-01"),
    "of the same serial": named(OTHER, "1"),
    "of a type that nobody has": named(NOBODY, "1"),
}
BODIES = (json.dumps({"pushToken": "ab" * 32}).encode(), b"not json")
KEPT = {Kind.FETCH_REFUSED, Kind.REGISTRATION_REFUSED, Kind.UNREGISTER_REFUSED, Kind.PERSONALIZE_REFUSED}
KEPT |= {Kind.ASKED_UNKNOWN}
"""What a stranger's call may leave behind: a line in the diary of a pass or a type that exists, and nothing else."""
KEPT_OF_MESSAGES = {*KEPT, Kind.UNKNOWN_DEVICE_MESSAGE}


def test_every_path_of_the_device_endpoints_has_its_row() -> None:
    """Read from the source, because Apple's few paths are a ``match`` there and no table."""
    tree = ast.parse(Path(phone.__file__).read_text())
    [app] = [node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "PhoneApp"]
    found = {
        "/".join(map(_step, node.pattern.patterns))
        for node in ast.walk(app)
        if isinstance(node, ast.match_case) and isinstance(node.pattern, ast.MatchSequence)
    }
    fetch = {"v1/passes/{pass_type}/{serial}"}
    assert found | fetch == set(PATHS)


def _step(pattern: ast.pattern) -> str:
    if isinstance(pattern, ast.MatchValue):
        return str(ast.literal_eval(pattern.value))
    return "{" + str(pattern.name) + "}" if isinstance(pattern, ast.MatchAs) else "*"


async def _credentials(place: Place, pass_: Names) -> dict[str, str | None]:
    """Everything but the pass's own token."""
    api = place.api
    tokens = {
        "another of ours": await api.token("2"),
        "ours": await api.token("1"),
        "of the same serial": await api.token("1", OTHER),
        "erased": place.erased_token,
    }
    return {
        **{f"the token of {whose}": f"ApplePass {token}" for whose, token in tokens.items() if pass_ != PASSES[whose]},
        "none": None,
        "an empty one": "ApplePass ",
        "nonsense": "ApplePass " + "x" * 43,
        "an API key": f"ApplePass {place.keys['ours']}",
        "the admin's key": f"Bearer {ADMIN}",
        "another scheme": f"Bearer {tokens['ours' if pass_ == PASSES['ours'] else 'another of ours']}",
        "a token and more": f"ApplePass {tokens['ours']}x",
    }


@pytest.mark.parametrize("path", PATHS)
def test_all_that_is_not_the_owner_gets_one_answer(
    path: str, tmp_path: Path, authority: Authority, certificates: tuple[Issued, ...]
) -> None:
    """Unknown serial, wrong token, another pass's token, with a condition that would hold and without: all alike."""

    async def steps() -> None:
        async with asgi.opened(tmp_path, certificates[:1]) as api:
            place = await (await Place(api, authority, certificates).ours()).theirs()
            app = PhoneApp(api.services.answering, personalizing=api.services.personalizing)
            row = await api.row("1")
            assert row is not None
            held = http_date(row.last_modified)
            before = await place.everything()
            for method in METHODS:
                answers: dict[str, Reply] = {}
                for whose, pass_ in PASSES.items():
                    for what, authorization in (await _credentials(place, pass_)).items():
                        for body in BODIES if method == "POST" else (b"",):
                            for condition in (None, held):
                                reply = await _call(app, method, path, pass_, authorization, condition, body)
                                answers[f"{whose}, {what}, {body!r}, {condition}"] = reply
                first = next(iter(answers.values()))
                assert {each: reply for each, reply in answers.items() if reply != first} == {}, (method, path)
                assert first.status == PATHS[path].get(method, 404), (method, path)
            _only_the_diary_grew(before, await place.everything())

    asyncio.run(steps())


def _only_the_diary_grew(before: Mapping[str, Sequence[str]], after: Mapping[str, Sequence[str]]) -> None:
    for table in before:
        new = [row for row in after[table] if row not in before[table]]
        gone = [row for row in before[table] if row not in after[table]]
        if table == "event":
            assert gone == []
            assert [row for row in new if not any(f"'kind': '{kind.value}'" in row for kind in KEPT_OF_MESSAGES)] == []
            assert [row for row in new if "nobody-01" in row or "erased-01" in row or NOBODY in row] == []
        elif table != "sqlite_sequence":  # SQLite's own count of events
            assert (new, gone) == ([], []), table


async def _call(
    app: PhoneApp, method: str, path: str, pass_: Names, authorization: str | None, condition: str | None, body: bytes
) -> Reply:
    names = {"device_id": "a-stranger", "pass_type": pass_["type"], "serial": pass_["serial"]}
    headers = [] if authorization is None else [(b"authorization", authorization.encode())]
    if condition is not None:
        headers.append((b"if-modified-since", condition.encode()))
    return await asgi.send(app, method, "/" + filled(path, names).replace("*", "news"), [body], headers)


def test_the_list_of_a_phone_is_of_one_pass_type(
    tmp_path: Path, authority: Authority, certificates: tuple[Issued, ...]
) -> None:
    """A phone's id under another pass type, one that left no trace, and one that never was: 204 and not a byte more."""

    async def steps() -> None:
        async with asgi.opened(tmp_path, certificates[:1]) as api:
            await (await Place(api, authority, certificates).ours()).theirs()
            app = PhoneApp(api.services.answering, personalizing=api.services.personalizing)

            async def ask(device: str, pass_type: str) -> Reply:
                return await asgi.send(app, "GET", f"/v1/devices/{device}/registrations/{pass_type}")

            mine, theirs = device_of(PASS_TYPE, "1"), device_of(OTHER, "1")
            assert (await ask(mine, PASS_TYPE)).json()["serialNumbers"] == ["1"]
            assert (await ask(theirs, OTHER)).json()["serialNumbers"] == ["1"]
            nothing = await ask("never-was", PASS_TYPE)
            assert nothing.status == 204
            for device, pass_type in ((mine, OTHER), (theirs, PASS_TYPE), (mine, NOBODY), ("never-was", NOBODY)):
                assert await ask(device, pass_type) == nothing

    asyncio.run(steps())


def test_the_owner_is_told_apart(tmp_path: Path, authority: Authority, certificates: tuple[Issued, ...]) -> None:
    """What the rows above would show if it were let in: the same calls, with the pass's own token."""

    async def steps() -> None:
        async with asgi.opened(tmp_path, certificates[:1]) as api:
            await Place(api, authority, certificates).ours()
            app = PhoneApp(api.services.answering, personalizing=api.services.personalizing)
            owner: Any = f"ApplePass {await api.token('1')}"
            told = {}
            for path, methods in PATHS.items():
                for method in methods:
                    reply = await _call(app, method, path, PASSES["ours"], owner, None, BODIES[0])
                    told[method, path.rpartition("/")[2]] = reply.status
            assert told["POST", "{serial}"] == 200 and told["GET", "{serial}"] == 200
            assert told["DELETE", "{serial}"] == 200

    asyncio.run(steps())
