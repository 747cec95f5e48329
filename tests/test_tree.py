"""The tree keeps its rules, and each rule catches what breaks it (``tree_rules.py``)."""

from __future__ import annotations

import pytest

import livepass
from tree_rules import (
    CORE_MAY_NOT_TOUCH,
    MAY_IMPORT,
    PACKAGE,
    RULES,
    Module,
    forbidden_imports,
    formatted_sql,
    imports,
    modules,
    not_deterministic,
    printing,
    tracing_elsewhere,
    unlisted_exports,
    without_docstring,
)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_tree_keeps(rule) -> None:  # type: ignore[no-untyped-def]
    broken = [found for module in modules() for found in rule(module)]
    assert not broken, "\n".join(map(str, broken))


def test_every_file_is_looked_at() -> None:
    paths = {module.path for module in modules()}
    assert {"__init__.py", "core/trip3_ask.py", "service/seams.py", "store/sqlite.py"} <= paths
    assert {entry.name.removesuffix(".py") for entry in PACKAGE.iterdir() if entry.suffix == ".py"} <= {
        "__init__",
        *MAY_IMPORT,
    }


def test_the_public_names_can_be_had() -> None:
    assert all(hasattr(livepass, name) for name in livepass.__all__)
    assert len(set(livepass.__all__)) == len(livepass.__all__)


# ── each rule catches what breaks it

ALLOWED = [
    ("core/x.py", "from livepass.core import model"),
    ("core/x.py", "import json, hmac"),
    ("core/x.py", "from .model import Pass"),
    ("core/x.py", "from . import model"),
    ("pkpass/lint/x.py", "from ..fields import KEYS"),
    ("preview/x.py", "from livepass.pkpass.png import read_png"),
    ("service/x.py", "from livepass.pkpass import build"),
    ("store/x.py", "from livepass.core.model import Pass"),
    ("apns/x.py", "from livepass.core import trip2_push"),
    ("keys/x.py", "from livepass.pkpass import Signer"),
    ("web/x.py", "from livepass.service.answering import Answering\nfrom livepass.preview import draw"),
    ("wiring.py", "from livepass.store import sqlite\nfrom livepass.runtime import WallClock"),
    ("cli/x.py", "from livepass.emulators import iphone\nfrom livepass import wiring, __version__"),
    ("emulators/x.py", "import asyncio\nfrom livepass.emulators.apns import server"),
    ("embed/x.py", "from livepass import wiring\nfrom livepass.web.phone import PhoneApp"),
    ("testing/x.py", "from livepass.emulators.iphone import Wallet\nfrom livepass.cli import demo_passes"),
    ("pytest_plugin.py", "def f():\n    from livepass.testing import Stage"),
    ("__init__.py", "from livepass._version import __version__"),
    ("__main__.py", "from livepass.cli import main"),
]

FORBIDDEN = [
    *(("core/x.py", f"import {name}") for name in sorted(CORE_MAY_NOT_TOUCH)),
    ("core/x.py", "import urllib.parse"),
    ("core/x.py", "from http import HTTPStatus"),
    ("core/x.py", "import orjson"),
    ("core/x.py", "from livepass.pkpass import build"),
    ("core/x.py", "from livepass import service"),
    ("core/x.py", "from livepass import __version__"),
    ("core/x.py", "import livepass"),
    ("core/x.py", "from ..store import sqlite"),
    ("core/x.py", "from .. import store"),
    ("core/x.py", "def f():\n    from livepass.store import sqlite"),
    ("core/x.py", "if TYPE_CHECKING:\n    from livepass.service.seams import Store"),
    ("core/x.py", "try:\n    import livepass.web\nexcept ImportError: pass"),
    ("core/x.py", "importlib.import_module('livepass.store')"),
    ("core/x.py", "__import__('livepass.store')"),
    ("core/x.py", "import_module(name)"),
    ("core/sub/__init__.py", "from ...store import sqlite"),
    ("pkpass/x.py", "from livepass.core import model"),
    ("pkpass/x.py", "from livepass.preview import draw"),
    ("preview/x.py", "from livepass.core import model"),
    ("preview/x.py", "from livepass.web import app"),
    ("service/x.py", "from livepass.store import sqlite"),
    ("service/x.py", "from livepass.config import Config"),
    ("service/x.py", "from livepass.preview import draw"),
    ("service/x.py", "import livepass.keys.ring"),
    ("store/x.py", "from livepass.pkpass import build"),
    ("store/x.py", "from livepass.apns import ApnsSender"),
    ("apns/x.py", "from livepass.pkpass import build"),
    ("apns/x.py", "from livepass.keys import ring"),
    ("keys/x.py", "from livepass.service import seams"),
    ("web/x.py", "from livepass.store import sqlite"),
    ("web/x.py", "from livepass.keys import ring"),
    ("web/x.py", "from livepass.wiring import Services"),
    ("wiring.py", "from livepass.web import app"),
    ("wiring.py", "from livepass.cli import main"),
    ("wiring.py", "from livepass import emulators"),
    ("cli/x.py", "from livepass.store import sqlite"),
    ("cli/x.py", "from livepass import apns"),
    ("embed/x.py", "from livepass.cli import serving"),
    ("embed/x.py", "from livepass.emulators import iphone"),
    ("wiring.py", "from livepass.embed import apps"),
    ("pytest_plugin.py", "from livepass.wiring import Services"),
    ("config.py", "from livepass.core import model"),
    ("emulators/x.py", "from livepass.core import model"),
    ("emulators/iphone/x.py", "from ...core import trip3_ask"),
    ("emulators/x.py", "from livepass import __version__"),
    ("new_part.py", ""),
]


@pytest.mark.parametrize(("path", "source"), ALLOWED)
def test_what_the_import_table_allows(path: str, source: str) -> None:
    assert list(forbidden_imports(Module(path, source))) == []


@pytest.mark.parametrize(("path", "source"), FORBIDDEN)
def test_what_the_import_table_forbids(path: str, source: str) -> None:
    assert list(forbidden_imports(Module(path, source)))


def test_relative_imports_are_resolved() -> None:
    found = imports(Module("pkpass/lint/rules.py", "from ..fields import A\nfrom . import b\nfrom ... import core"))
    assert [name for _, name in found] == [
        ("livepass", "pkpass", "fields"),
        ("livepass", "pkpass", "lint"),
        ("livepass", "core"),
    ]


@pytest.mark.parametrize(
    "source",
    [
        *(f"import {name}" for name in ("time", "random", "uuid", "secrets", "asyncio", "threading", "socket")),
        "def f():\n    from time import monotonic",
        "datetime.now(UTC)",
        "datetime.datetime.utcnow()",
        "date.today()",
        "from datetime import datetime as dt\ndt.now()",
        "import datetime as dt\ndt.datetime.now()",
        "clock = datetime.now",
        "os.urandom(8)",
        "import os as o\no.urandom(8)",
        "from os import urandom",
        "for x in {1, 2}: pass",
        "for x in set(xs): pass",
        "for x in frozenset(xs) - ys: pass",
        "[x for x in {y for y in ys}]",
        "list(set(xs))",
        "tuple({1, 2})",
        "','.join({'a', 'b'})",
        "enumerate(set(xs))",
        "f(*{1, 2})",
        "a, b = {1, 2}",
        "hash('a')",
        "id(x)",
        "sorted(xs, key=id)",
    ],
)
def test_what_is_not_deterministic(source: str) -> None:
    assert list(not_deterministic(Module("core/x.py", source)))
    assert list(not_deterministic(Module("service/x.py", source)))
    assert not list(not_deterministic(Module("store/x.py", source)))


@pytest.mark.parametrize(
    "source",
    [
        "self._clock.now()",
        "from datetime import UTC, datetime\ndatetime.fromtimestamp(0, UTC)",
        "for x in sorted({1, 2}): pass",
        "sorted(set(xs))",
        "x in {1, 2}",
        "seen = set()\nseen.add(1)",
        "len(set(xs))",
        "class Event:\n    id: int = 0\n    def set(self): ...",
        "event.id",
        "self._due.set()",
        "for x in [1, 2]: pass",
    ],
)
def test_what_is_deterministic(source: str) -> None:
    assert list(not_deterministic(Module("service/x.py", source))) == []


@pytest.mark.parametrize(
    "source",
    [
        "db.execute(f'SELECT {x}')",
        "db.execute('SELECT %s' % x)",
        "db.execute('SELECT {}'.format(x))",
        "db.execute('SELECT ' + x)",
        "db.execute(query + ' LIMIT 1')",
        "db.execute(f'{query} LIMIT 1')",
        "db.executemany(f'INSERT INTO {x} VALUES (?)', rows)",
        "db.executescript(' '.join(parts))",
        "db.execute(query.replace('?', x))",
        "sql = f'''\n  select {x}'''\ndb.execute(sql)",
        "sql = 'DELETE FROM ' + table",
        "db.execute('PRAGMATIC ' + x)",
    ],
)
def test_sql_that_is_put_together(source: str) -> None:
    assert list(formatted_sql(Module("store/x.py", source)))


@pytest.mark.parametrize(
    "source",
    [
        "db.execute('SELECT ?', (x,))",
        "db.execute('SELECT 1' ' LIMIT 1')",
        "db.execute(f'BEGIN')",
        "db.execute(statements[name], parameters)",
        "db.execute(statement)",
        "db.execute(f'PRAGMA user_version = {int(x)}')",
        "db.execute('PRAGMA busy_timeout = ' + str(10))",
        "raise KeyError(f'two statements are named {name}')",
        "','.join(names)",
    ],
)
def test_sql_that_is_written(source: str) -> None:
    assert list(formatted_sql(Module("store/x.py", source))) == []


def test_only_the_command_line_prints() -> None:
    assert list(printing(Module("service/x.py", "print('x')")))
    assert list(printing(Module("service/x.py", "log = print")))
    assert not list(printing(Module("cli/x.py", "print('x')")))
    assert not list(printing(Module("service/x.py", "fingerprint(x); pprint(x)\n'print(x)'")))


def test_a_package_says_what_it_is() -> None:
    assert list(without_docstring(Module("core/__init__.py", "")))
    assert list(without_docstring(Module("emulators/between/__init__.py", "# a comment")))
    assert not list(without_docstring(Module("core/__init__.py", '"""Rules."""')))
    assert not list(without_docstring(Module("core/x.py", "")))


@pytest.mark.parametrize(
    ("source", "complaints"),
    [
        ("from livepass._version import __version__\n__all__ = ['__version__']", 0),
        ("from __future__ import annotations\nfrom x import a as b, _c\n__all__ = ['b']", 0),
        ("from x import a\n__all__ = []", 1),
        ("__all__ = ['a']", 1),
        ("def a(): ...\nclass B: ...\nC = 1", 3),
    ],
)
def test_the_export_list_is_what_all_says(source: str, complaints: int) -> None:
    assert len(list(unlisted_exports(Module("__init__.py", source)))) == complaints
    assert not list(unlisted_exports(Module("core/__init__.py", source)))


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("service/x.py", "from opentelemetry import trace"),
        ("core/x.py", "import opentelemetry.trace"),
        ("web/x.py", "def f():\n    from opentelemetry import propagate"),
        ("outside/files.py", "from opentelemetry.sdk.trace import TracerProvider"),
        ("outside/x.py", "from livepass.outside.tracing import OtelTracing"),
        ("wiring.py", "from livepass.outside.tracing import OtelTracing"),
        ("wiring.py", "def f():\n    import opentelemetry"),
    ],
)
def test_opentelemetry_is_an_extra(path: str, source: str) -> None:
    assert list(tracing_elsewhere(Module(path, source)))


def test_opentelemetry_has_its_place() -> None:
    assert not list(tracing_elsewhere(Module("outside/tracing.py", "from opentelemetry import trace")))
    late = "def f():\n    from livepass.outside.tracing import OtelTracing"
    assert not list(tracing_elsewhere(Module("wiring.py", late)))
