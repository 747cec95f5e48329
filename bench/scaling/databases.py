"""Large databases of both engines, filled fast and alike, and kept for the next run.

With N registrations: a phone follows one pass, but 4 in 84 follow five; a pass is on one phone, but one in 49 on two;
all is of one pass type but for five small ones of a hundred registrations each. Documents are about 1 KB. Keys are
random, and rows lie in the order in which they were made, as in an installation that grew.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import random
import secrets
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from livepass import wiring
from livepass.config import Config
from livepass.emulators.authority import Authority
from livepass.pkpass import Template
from livepass.service.drafting import Wish
from servers.postgres import Server, binaries

MANY = "pass.bench.many"
FEW = tuple(f"pass.bench.few{number}" for number in range(1, 6))
EACH_OF_FEW = 100
SAMPLE = "M0000000000000000"
TEAM = "BENCH12345"
CHUNK = 250_000
BYTES = {"postgres": 3300, "sqlite": 2250}
"""On disk for each registration, everything included; half as much again is wanted while it is filled."""

DOCUMENT = {
    "organizationName": "Sample Club",
    "description": "Membership of Sample Club",
    "backgroundColor": "rgb(20, 30, 40)",
    "foregroundColor": "rgb(255, 255, 255)",
    "storeCard": {
        "headerFields": [{"key": "points", "label": "Points", "value": "${points}", "changeMessage": "Now %@"}],
        "primaryFields": [{"key": "level", "label": "Level", "value": "Gold"}],
        "backFields": [
            {"key": "terms", "label": "Terms", "value": "Points are added within a day of a purchase. " * 6},
            {"key": "help", "label": "Help", "value": "Ask at any desk, or write to us at any time. " * 5},
        ],
    },
}

# Both engines read this: md5(text) is text, {blob(…)} is spelled for each. i counts registrations from 0; d is the
# number of its phone (the first of its five), p the number of its pass.
SERIES = """
SELECT i, CASE WHEN i % 100 < 80 THEN i ELSE i - i % 5 END AS d, CASE WHEN i % 50 = 29 THEN i - 1 ELSE i END AS p,
       CASE WHEN i < :n - 500 THEN '{many}' ELSE '{few}' || ((:n - 1 - i) / 100 + 1) END AS pass_type
  FROM numbers
"""
FILL = {
    "pass": """
INSERT INTO pass (pass_type, serial, seq, edit, last_modified, manifest_sha, document, template, revision, pinned,
                  refused_revision, data, content, token_key, token_salt, token_sealed, voided, created_at, changed_at)
SELECT s.pass_type, {serial}, 2 * i + 1, 1, :now / 1000, md5('m' || i) || md5('n' || i),
       {document}, 'bench', :revision, 0, NULL, {data}, {content}, :token_key, {salt}, NULL, 0, :now, :now
  FROM ({series}) s WHERE i = p
""",
    "device": """
INSERT INTO device (pass_type, device_id, push_token, token_registered_at, asked, told, asked_at)
SELECT s.pass_type, {device}, {token}, :now, 2 * :n, 2 * :n, :now FROM ({series}) s WHERE i = d
""",
    "registration": """
INSERT INTO registration (pass_type, device_id, serial, joined, seq, registered_at, left_at, superseded_at, served,
                          served_at, confirmed, retold, retell_at)
SELECT s.pass_type, {device}, {serial}, 2 * i + 2, 2 * i + 2, :now, NULL, NULL, 2 * i + 2, :now, 2 * i + 2, 0, NULL
  FROM ({series}) s
""",
    "push_target": """
INSERT INTO push_target (pass_type, push_token, token_registered_at, wanted, acked, pushed, urgent, sending, attempts,
                         next_at, hold_until, lease, lease_until, score, last_push_at, dead_at, dead_reason)
SELECT s.pass_type, {token}, :now, 2 * i + 2, 2 * :n, 2 * i + 2, 0, 0, 0, :now, 0, NULL, NULL, 0, NULL, NULL, NULL
  FROM ({series}) s WHERE i = d
""",
    "event": """
INSERT INTO event (at, kind, pass_type, serial, device_id, target, seq, detail)
SELECT :now, 'registered', s.pass_type, {serial}, {device}, NULL, 2 * i + 2, '{{"new": true}}' FROM ({series}) s
""",
}


ASKED = ("device", "push_target", "registration", "pass_seq")
"""What an ask reads: tables, and an index."""


def device_of(number: int) -> int:
    """The phone of a registration."""
    return number if number % 100 < 80 else number - number % 5


def device_id(number: int) -> str:
    return _md5(f"d{device_of(number)}")


def push_token(number: int) -> str:
    return _md5(f"t{device_of(number)}") + _md5(f"u{device_of(number)}")


def serial(number: int) -> str:
    """The pass of a registration."""
    return "M" + _md5(f"p{number - 1 if number % 50 == 29 else number}")[:16]


def single(number: int) -> bool:
    """Whether that registration's phone follows one pass, which is on no other phone."""
    return number % 100 < 80 and number % 50 not in (28, 29)


@dataclass(frozen=True)
class Database:
    """One filled database."""

    engine: str
    size: int
    config: Config
    bytes_on_disk: int
    fill_seconds: float

    @property
    def large(self) -> int:
        """How many registrations are of the large pass type: their numbers are below this."""
        return self.size - len(FEW) * EACH_OF_FEW


class Folder:
    """Where the databases of a benchmark are: a cluster of PostgreSQL, and files of SQLite."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir(parents=True, exist_ok=True)
        path.chmod(0o755)
        closed = [str(step) for step in path.resolve().parents if not step.stat().st_mode & 0o001]
        if os.geteuid() == 0 and closed:
            sys.exit(f"bench/scale: as root, PostgreSQL runs as nobody, who cannot get into {closed[0]}")
        self._notes = path / "filled.json"
        self._secret = path / "secret"
        if not self._secret.exists():
            self._secret.write_text(secrets.token_urlsafe(32))
        self._server: Server | None = None

    def close(self) -> None:
        if self._server is not None:
            self._server.close()

    @property
    def server(self) -> Server:
        if self._server is None:
            self._server = Server.keep(self.path / "postgres", settings=settings())
        return self._server

    def config(self, url: str) -> Config:
        return Config(url, "https://bench.invalid", (self._secret.read_text(),), "bench-admin-key-of-16")

    def filled(self, engine: str, size: int) -> Database:
        """That database: as it was left, or filled now."""
        name = f"{engine}-{size}"
        notes = json.loads(self._notes.read_text()) if self._notes.exists() else {}
        url = self._url(engine, size)
        known = notes.get(name, {})
        if known.get("fingerprint") != _fingerprint():
            self._require_space(engine, size)
            self._drop(engine, size)
            started = time.monotonic()
            print(f"filling {name}", file=sys.stderr, flush=True)
            url = self._create(engine, size)
            asyncio.run(_prepare(self.config(url)))
            fill = _fill_postgres if engine == "postgres" else _fill_sqlite
            fill(url, size)
            known = {"fingerprint": _fingerprint(), "seconds": round(time.monotonic() - started, 1)}
            self._notes.write_text(json.dumps({**notes, name: known}))
        return Database(engine, size, self.config(url), self._size(engine, size), known["seconds"])

    def fresh(self, engine: str) -> Config:
        """A database with certificates and a template and one pass; the one that was made before is dropped."""
        self.forget(engine)
        config = self.config(self._create(engine, 0))
        asyncio.run(_prepare(config))
        return config

    def forget(self, engine: str) -> None:
        """Drop the fresh one."""
        self._drop(engine, 0)

    def make_due(self, database: Database, count: int) -> None:
        """That many pushes are due, of phones all over the table and for the first time; no others are."""
        chosen = random.Random(count).sample(range(database.large), count * 5 // 4)
        tokens = list({device_of(number): push_token(number) for number in chosen}.values())[:count]
        if len(tokens) < count:
            raise ValueError(f"{database.size:,} registrations have too few phones for {count:,} pushes")
        asyncio.run(_due_postgres(database, tokens)) if database.engine == "postgres" else _due_sqlite(database, tokens)

    def read_through(self, database: Database) -> None:
        """Bring it into memory as far as it fits, and what asks read last: days of use would have kept it there."""
        postgres = database.engine == "postgres"
        for path in self._postgres_files(database) if postgres else [self._file(database.size)]:
            _read(path)
        if postgres:
            for path in self._postgres_files(database, ASKED):
                _read(path)
            return
        with contextlib.closing(sqlite3.connect(database.config.sqlite_path)) as db:
            for name in ASKED:
                db.execute("SELECT sum(pgsize) FROM dbstat WHERE name = ?", (name,)).fetchone()

    def _postgres_files(self, database: Database, names: Sequence[str] = ()) -> list[Path]:
        """Of all that it holds, or of these tables with their keys, and indexes."""
        name = _name(database.size)
        [(number,)] = self.server.rows("SELECT oid FROM pg_database WHERE datname = $1", None, name)
        folder = self.path / "postgres/data/base" / str(number)
        if not names:
            return list(folder.iterdir())
        found = "SELECT pg_relation_filenode(oid) FROM pg_class WHERE relname = ANY($1) OR relname = ANY($2)"
        files = self.server.rows(found, name, list(names), [f"{one}_pkey" for one in names])
        return [path for (file,) in files for path in (folder / str(file), *folder.glob(f"{file}.*"))]

    def _url(self, engine: str, size: int) -> str:
        return self.server.url(_name(size)) if engine == "postgres" else f"sqlite:///{self._file(size)}"

    def _file(self, size: int) -> Path:
        return self.path / f"{_name(size)}.db"

    def _create(self, engine: str, size: int) -> str:
        if engine == "postgres":
            # Made by name and not remembered by the server object, which would drop it at the end.
            self.server.run_sql(f"CREATE DATABASE {_name(size)}")
        return self._url(engine, size)

    def _drop(self, engine: str, size: int) -> None:
        if engine == "postgres":
            self.server.drop_database(_name(size))
        else:
            for path in self.path.glob(f"{_name(size)}.db*"):
                path.unlink()

    def _size(self, engine: str, size: int) -> int:
        if engine == "postgres":
            return int(self.server.rows("SELECT pg_database_size($1)", None, _name(size))[0][0])
        return self._file(size).stat().st_size

    def _require_space(self, engine: str, size: int) -> None:
        needed, free = int(size * BYTES[engine] * 1.5) + (8 << 30) * (size >= 10**6), shutil.disk_usage(self.path).free
        if free < needed:
            sys.exit(f"bench/scale: {self.path} has {free / 1e9:.0f} GB free, and {engine} with {size:,} registrations "
                     f"needs {needed / 1e9:.0f} GB while it is filled: name another folder with --keep")  # fmt: skip


def version() -> str:
    """Of the PostgreSQL that is measured. Raises ``NoPostgres``."""
    said = subprocess.run([binaries() / "postgres", "--version"], capture_output=True, text=True, check=True).stdout
    return said.strip().rpartition(" ")[2]


def settings() -> Mapping[str, str]:
    """What one would set on a small server of this much memory. Every commit is on disk before it is acknowledged."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20
    return {
        "shared_buffers": f"{min(memory // 4, 4096)}MB",
        "effective_cache_size": f"{memory // 2}MB",
        "work_mem": "16MB",
        "maintenance_work_mem": "512MB",
        "max_wal_size": "4GB",
        "min_wal_size": "1GB",
        "wal_keep_size": "0",
        "checkpoint_timeout": "15min",
        "random_page_cost": "1.1",
        "fsync": "on",
        "synchronous_commit": "on",
    }


def _read(path: Path) -> None:
    with contextlib.suppress(FileNotFoundError), path.open("rb") as file:  # PostgreSQL makes some anew
        while file.read(1 << 20):
            pass


def _name(size: int) -> str:
    return f"scale_{size}"


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def _fingerprint() -> str:
    """Changes with the schema and with what is filled in: a database of an older one is of no use."""
    import livepass.store

    folder = Path(livepass.store.__file__).parent / "migrations"
    text = "".join(path.read_text() for path in sorted(folder.glob("*.sql")))
    return _md5(text + SERIES + json.dumps(FILL) + json.dumps(DOCUMENT))


def template() -> Template:
    """What every pass is built from: a document of about 1 KB, and a small icon."""
    icon = bytes.fromhex(
        "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c6360f8cf500f0003860180"
        "5a347d6b0000000049454e44ae426082"
    )
    files = dict.fromkeys(("icon.png", "icon@2x.png", "icon@3x.png"), icon)
    return Template.from_files("bench", {"pass.json": json.dumps(DOCUMENT).encode(), **files})


async def _prepare(config: Config) -> None:
    """The schema, the certificates, the template, and one pass that the others are made after."""
    await wiring.upgrade(config)
    authority = Authority()
    async with wiring.opened(config) as services:
        for pass_type in (MANY, *FEW):
            issued = authority.pass_certificate(pass_type, TEAM)
            await services.admitting.import_pem(issued.certificate_pem, issued.key_pem, issued.intermediate_pem)
        await services.publishing.publish(template(), wait=True)
        await services.issuing.put(Wish(MANY, SAMPLE, "bench", {"points": 0}))


def _statements(blob: str) -> dict[str, str]:
    """The statements of the fill, with bytes made of text as the engine makes them."""
    few = FEW[0].removesuffix("1")
    pieces = {
        "series": SERIES.format(many=MANY, few=few),
        "serial": "'M' || substr(md5('p' || p), 1, 16)",
        "device": "md5('d' || d)",
        "token": "md5('t' || d) || md5('u' || d)",
        "document": blob.format(f"replace(:document, '{SAMPLE}', 'M' || substr(md5('p' || p), 1, 16))"),
        "data": blob.format("""'{"points":0}'"""),
        "content": blob.format("'{}'"),
        "salt": blob.format("substr(md5('a' || i), 1, 16)"),
    }
    return {table: statement.format(**pieces) for table, statement in FILL.items()}


def _chunks(size: int) -> Iterator[tuple[int, int]]:
    for start in range(0, size, CHUNK):
        yield start, min(start + CHUNK, size) - 1


def _fill_postgres(url: str, size: int) -> None:
    asyncio.run(_fill_postgres_now(url, size))


async def _fill_postgres_now(url: str, size: int) -> None:
    db = await asyncpg.connect(url)
    try:
        sample = await db.fetchrow("SELECT document, revision, token_key FROM pass WHERE serial = $1", SAMPLE)
        values = {
            ":now": str(time.time_ns() // 1_000_000),
            ":n": str(size),
            ":document": _literal(sample["document"].decode()),
            ":revision": _literal(sample["revision"]),
            ":token_key": _literal(sample["token_key"]),
        }
        await db.execute("SET synchronous_commit = off")
        for table, statement in _statements("convert_to({}, 'UTF8')").items():
            for name, value in values.items():
                statement = statement.replace(name, value)
            for start, end in _chunks(size):
                numbers = f"(SELECT i::bigint FROM generate_series({start}, {end}) i) numbers"
                await db.execute(statement.replace("FROM numbers", f"FROM {numbers}"))
            _say(table)
        await db.execute(f"UPDATE counter SET seq = {2 * size}")
        await db.execute("VACUUM (ANALYZE)")
        await db.execute("CHECKPOINT")
    finally:
        await db.close()


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _fill_sqlite(url: str, size: int) -> None:
    db = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
    try:
        db.create_function("md5", 1, _md5, deterministic=True)
        for pragma in ("journal_mode = OFF", "synchronous = OFF", "cache_size = -2000000", "locking_mode = EXCLUSIVE"):
            db.execute(f"PRAGMA {pragma}")
        document, revision, key = db.execute(
            "SELECT document, revision, token_key FROM pass WHERE serial = ?", (SAMPLE,)
        ).fetchone()
        values = {
            "now": time.time_ns() // 1_000_000,
            "n": size,
            "document": document.decode(),
            "revision": revision,
            "token_key": key,
        }
        numbers = (
            "(WITH RECURSIVE c(i) AS (SELECT :first UNION ALL SELECT i + 1 FROM c WHERE i < :last) SELECT i FROM c)"
        )
        for table, statement in _statements("CAST({} AS BLOB)").items():
            for start, end in _chunks(size):
                statement_here = statement.replace("FROM numbers", f"FROM {numbers} numbers")
                db.execute("BEGIN")
                db.execute(statement_here, {**values, "first": start, "last": end})
                db.execute("COMMIT")
            _say(table)
        db.execute("UPDATE counter SET seq = ?", (2 * size,))
        db.execute("PRAGMA locking_mode = NORMAL")
        db.execute("PRAGMA journal_mode = WAL")
        os.sync()
    finally:
        db.close()


_NOT_DUE = "UPDATE push_target SET acked = wanted, lease = NULL, lease_until = NULL WHERE wanted > acked"
_DUE = (
    "UPDATE push_target SET wanted = acked + 1, next_at = 1, attempts = 0, score = 0, last_push_at = NULL"
    f" WHERE pass_type = '{MANY}' AND push_token "
)


async def _due_postgres(database: Database, tokens: Sequence[str]) -> None:
    db = await asyncpg.connect(database.config.database_url)
    try:
        await db.execute(_NOT_DUE)
        await db.execute(_DUE + "= ANY($1)", tokens)
        await db.execute("VACUUM (ANALYZE) push_target")
    finally:
        await db.close()


def _due_sqlite(database: Database, tokens: Sequence[str]) -> None:
    db = sqlite3.connect(database.config.sqlite_path, timeout=60)
    try:
        db.execute(_NOT_DUE)
        db.executemany(_DUE + "= ?", [(token,) for token in tokens])
        db.commit()
    finally:
        db.close()


def _say(table: str) -> None:
    print(f"  {time.strftime('%H:%M:%S')} {table}", file=sys.stderr, flush=True)
