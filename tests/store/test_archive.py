"""One archive for both engines: everything, unchanged; and nothing else than a whole one is taken."""

from __future__ import annotations

import asyncio
import io
import json
import random
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

import engines
from livepass.core.sealed import Sealable
from livepass.store.archive import Archive, BadArchive, require_restorable
from livepass.store.rows import Row
from livepass.store.whole import ARCHIVED, NOT_ARCHIVED
from store.whole import archived, contents, fill, fill_oddly, made

ROADS = [(one, other) for one in engines.ENGINES for other in engines.ENGINES]


@pytest.mark.parametrize(("one", "other"), ROADS)
def test_every_row_of_every_table_arrives_as_it_was(tmp_path: Path, one: str, other: str) -> None:
    source, target = made(one, tmp_path / "one.db"), made(other, tmp_path / "other.db")
    fill_oddly(source)
    # Where a database is stored, and who holds a lease on what, belongs to the database that was backed up.
    engines.run(source, "UPDATE push_target SET lease = NULL, lease_until = NULL, sending = 0")
    engines.run(source, "UPDATE import_job SET lease = NULL, lease_until = 0")

    async def main() -> None:
        data, manifest = await archived(source)
        before = await contents(source)
        assert all(before.values()), "no table is empty, or nothing is proved"
        assert {name: table.rows for name, table in manifest.tables.items()} == {n: len(r) for n, r in before.items()}
        assert (await fill(target, data)).set_aside == ""
        for url in (source, target):
            engines.run(url, "UPDATE installation SET physical = ''")
        assert await contents(target) == await contents(source)

    asyncio.run(main())


def test_every_table_of_the_schema_is_in_the_archive(tmp_path: Path, engine: str) -> None:
    url = engines.new_database(tmp_path / "a.db")
    there = {name for name in engines.tables(url) if not name.startswith("sqlite_")}
    assert there == {*ARCHIVED, *NOT_ARCHIVED}
    assert len(ARCHIVED) == len(set(ARCHIVED))


# ── what is taken for an archive


@pytest.fixture(scope="module")
def whole_one(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    url = made("sqlite", tmp_path_factory.mktemp("whole") / "a.db")
    fill_oddly(url)
    return asyncio.run(archived(url))[0]


def test_everything_that_is_sealed_is_found_in_it(whole_one: bytes) -> None:
    """A restore asks of each whether it opens."""
    assert {each.kind for each in Archive(io.BytesIO(whole_one)).sealed()} == set(Sealable)


def read(data: bytes) -> dict[str, list[Row]]:
    """Everything in an archive, verified. Raises ``BadArchive``."""
    found = Archive(io.BytesIO(data))
    found.verify()
    assert all(isinstance(each.sealed, bytes) for each in found.sealed())
    return {name: [row for rows in found.rows(name) for row in rows] for name in ARCHIVED}


def rewritten(data: bytes, change: Callable[[dict[str, bytes]], None]) -> bytes:
    """The archive with other members, as a zip that holds together."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    change(members)
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return stream.getvalue()


def manifest_with(**changes: Any) -> Callable[[dict[str, bytes]], None]:
    def change(members: dict[str, bytes]) -> None:
        members["manifest.json"] = json.dumps(json.loads(members["manifest.json"]) | changes).encode()

    return change


def last_row_gone(members: dict[str, bytes]) -> None:
    *kept, _, end = members["pass.ndjson"].split(b"\n")
    members["pass.ndjson"] = b"\n".join([*kept, end])


def half_a_row(members: dict[str, bytes]) -> None:
    members["pass.ndjson"] = members["pass.ndjson"][:-20]


def another_row(members: dict[str, bytes]) -> None:
    members["pass.ndjson"] = members["pass.ndjson"].replace(b'"0Zo', b'"1Zo', 1)


def without(name: str) -> Callable[[dict[str, bytes]], None]:
    return lambda members: members.pop(name) and None


def with_another(members: dict[str, bytes]) -> None:
    members["surplus.ndjson"] = b""


def key_as_text(members: dict[str, bytes]) -> None:
    manifest = json.loads(members["manifest.json"])
    manifest["tables"]["shared_key"]["columns"] = [
        [name, "text"] for name, _ in manifest["tables"]["shared_key"]["columns"]
    ]
    members["manifest.json"] = json.dumps(manifest).encode()


def no_json(members: dict[str, bytes]) -> None:
    members["manifest.json"] = b"{"


SPOILED: dict[str, tuple[Callable[[dict[str, bytes]], None], str]] = {
    "a row less": (last_row_gone, "table pass is not what the manifest says: 2 rows of 3"),
    "half a row": (half_a_row, "table pass is not what"),
    "another row": (another_row, "table pass is not what"),
    "a table less": (without("circuit.ndjson"), "does not hold the tables"),
    "a table more": (with_another, "does not hold the tables"),
    "no manifest": (without("manifest.json"), "no backup of livepass"),
    "no JSON": (no_json, "cannot be read"),
    "no tables": (manifest_with(tables={}), "does not hold the tables"),
    "nonsense": (manifest_with(tables=[1]), "cannot be read"),
    "no number": (manifest_with(schema=float("inf")), "OverflowError"),
    "a key as text": (key_as_text, "holds a key that is none"),
    "a later format": (manifest_with(format=2, livepass="9.1"), "format 2; this livepass knows 1"),
}


def test_a_whole_archive_is_read(whole_one: bytes) -> None:
    assert all(read(whole_one).values())
    assert all(read(rewritten(whole_one, lambda _: None)).values())


@pytest.mark.parametrize("name", SPOILED)
def test_what_is_not_what_it_says_is_refused(whole_one: bytes, name: str) -> None:
    change, said = SPOILED[name]
    with pytest.raises(BadArchive, match=said):
        read(rewritten(whole_one, change))


def test_half_a_file_is_refused(whole_one: bytes) -> None:
    for end in [0, 1, 30, *range(100, len(whole_one), len(whole_one) // 40), len(whole_one) - 1]:
        with pytest.raises(BadArchive):
            read(whole_one[:end])


def test_a_zip_that_points_before_itself_or_is_packed_otherwise_is_refused(whole_one: bytes) -> None:
    with pytest.raises(BadArchive, match="negative seek"):
        read(whole_one[40:])
    stream = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(whole_one)) as archive, zipfile.ZipFile(stream, "w", zipfile.ZIP_LZMA) as other:
        for name in archive.namelist():
            other.writestr(name, archive.read(name))
    with pytest.raises(BadArchive, match="in a way that no backup is"):
        read(stream.getvalue())


def test_a_bit_that_fell_over_is_found_or_does_no_harm(whole_one: bytes) -> None:
    sound, harmless = read(whole_one), 0
    rng = random.Random(7)
    for _ in range(300):
        place = rng.randrange(len(whole_one))
        spoiled = whole_one[:place] + bytes([whole_one[place] ^ 1 << rng.randrange(8)]) + whole_one[place + 1 :]
        with suppress(BadArchive):
            assert read(spoiled) == sound
            harmless += 1
    assert harmless < 150


@pytest.mark.parametrize(("by", "hint"), [(-1, "livepass db upgrade"), (1, "or newer")])
def test_an_archive_of_another_schema_is_refused(whole_one: bytes, by: int, hint: str) -> None:
    known = Archive(io.BytesIO(whole_one)).manifest.schema
    data = rewritten(whole_one, manifest_with(schema=known + by))
    with pytest.raises(BadArchive, match=f"schema {known + by}; this livepass has schema {known}") as refused:
        require_restorable(Archive(io.BytesIO(data)).manifest)
    assert hint in refused.value.hint
    require_restorable(Archive(io.BytesIO(whole_one)).manifest)


def test_what_was_put_into_a_column_by_hand_is_backed_up(tmp_path: Path) -> None:
    """SQLite keeps whatever it is given."""
    url = made("sqlite", tmp_path / "a.db")
    fill_oddly(url, rows=1)
    engines.run(url, "UPDATE pass SET document = 'text', template = x'ff41'")
    [row] = read(asyncio.run(archived(url))[0])["pass"]
    assert b"text" in row
    assert "\ufffdA" in row
