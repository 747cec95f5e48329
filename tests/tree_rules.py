"""The rules of the tree (design.md §3), checked over ``ast``: each checker takes a file and answers what is broken."""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).parent.parent / "src" / "livepass"
ROOT = "livepass"


@dataclass(frozen=True, slots=True)
class Broken:
    """One rule broken at one line."""

    path: str
    line: int
    what: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.what}"


@dataclass(frozen=True, slots=True)
class Module:
    """One file. ``part`` is the row of the table it belongs to: ``core`` for ``livepass/core/model.py``."""

    path: str
    source: str

    @property
    def names(self) -> tuple[str, ...]:
        """The dotted name in pieces, without ``livepass``; empty for the package itself."""
        pieces = self.path.removesuffix(".py").split("/")
        return tuple(pieces[:-1] if pieces[-1] == "__init__" else pieces)

    @property
    def package(self) -> tuple[str, ...]:
        """What a relative import starts from."""
        return self.names if self.path.endswith("__init__.py") else self.names[:-1]

    @property
    def part(self) -> str:
        return self.names[0] if self.names else ""

    @property
    def tree(self) -> ast.Module:
        return _parsed(self.path, self.source)

    def broken(self, node: ast.AST, what: str) -> Broken:
        return Broken(self.path, getattr(node, "lineno", 1), what)


@cache
def _parsed(path: str, source: str) -> ast.Module:
    """Parsed once: checkers compare nodes by identity."""
    return ast.parse(source, path)


def modules() -> list[Module]:
    """Every file of the package."""
    return [Module(p.relative_to(PACKAGE).as_posix(), p.read_text("utf-8")) for p in sorted(PACKAGE.rglob("*.py"))]


# ── who may import whom

_PARTS = frozenset(
    {"core", "pkpass", "preview", "service", "store", "outside", "apns", "keys", "web", "cli", "emulators", "doctor"}
    | {"embed", "testing", "client"}
    | {"config", "wiring", "looking", "runtime", "pytest_plugin", "manual", "_version", "__main__"}
)
_ANY = frozenset({*_PARTS, ""})

MAY_IMPORT: Mapping[str, frozenset[str]] = {
    # "" is the package itself: importing from it inside the package is a cycle for all but the edge.
    "core": frozenset({"core"}),
    "pkpass": frozenset({"pkpass"}),
    "preview": frozenset({"preview", "pkpass"}),
    # Judges strangers' services: it must not share the beliefs of ours.
    "doctor": frozenset({"doctor", "pkpass", "_version"}),
    "service": frozenset({"service", "core", "pkpass"}),
    "store": frozenset({"store", "core"}),
    "outside": frozenset({"outside", "core"}),
    "apns": frozenset({"apns", "core"}),
    "keys": frozenset({"keys", "core", "pkpass"}),
    "web": frozenset({"web", "service", "core", "pkpass", "preview", "manual"}),
    "config": frozenset(),
    "manual": frozenset(),
    "runtime": frozenset({"core"}),
    "_version": frozenset(),
    # Beside wiring, for commands that only read: without what reading does without.
    "looking": frozenset({"looking", "config", "runtime", "service", "core", "store"}),
    "wiring": _PARTS
    - {"web", "preview", "cli", "embed", "testing", "client", "emulators", "doctor", "pytest_plugin", "__main__"},
    # The service inside an application of somebody's, who pays for no command line and no stand-ins. Its console counts
    # over a connection that only looks, and hands files that are dropped there to the doctor.
    "embed": frozenset(
        {"embed", "web", "wiring", "looking", "doctor", "service", "core", "pkpass", "config", "_version"}
    ),
    # Shares with the service what answers are made of.
    "client": frozenset({"client", "web", "service", "_version"}),
    "testing": _ANY - {"store", "outside", "apns"},
    "cli": _ANY - {"store", "outside", "apns"},
    "pytest_plugin": frozenset({"testing", "doctor", ""}),
    "__main__": frozenset({"cli"}),
    "": _PARTS - {"preview", "cli", "testing", "emulators", "doctor", "pytest_plugin", "__main__"},
    "emulators": frozenset({"emulators"}),
}

CORE_MAY_NOT_TOUCH = frozenset(
    {"asyncio", "socket", "ssl", "os", "time", "random", "secrets", "logging", "sqlite3", "http", "urllib"}
)


def imports(module: Module) -> Iterator[tuple[ast.AST, tuple[str, ...]]]:
    """Every module named by an import, wherever it stands: at the top, in a function, under ``TYPE_CHECKING``."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            yield from ((node, tuple(alias.name.split("."))) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = _from(module, node)
            # ``from livepass import core`` names a part; ``from livepass import __version__`` the package itself.
            yield from ((node, (*base, alias.name) if base == (ROOT,) else base) for alias in node.names)
        elif isinstance(node, ast.Call) and _called(node) in ("import_module", "__import__") and node.args:
            name = _text(node.args[0])
            yield node, tuple(name.split(".")) if name else ("a name made at run time",)


def _from(module: Module, node: ast.ImportFrom) -> tuple[str, ...]:
    named = tuple(node.module.split(".")) if node.module else ()
    if not node.level:
        return named
    start = (ROOT, *module.package)
    return (*start[: len(start) - node.level + 1], *named)


def forbidden_imports(module: Module) -> Iterator[Broken]:
    """The table of design.md §3."""
    allowed = MAY_IMPORT.get(module.part)
    if allowed is None:
        yield Broken(module.path, 1, f"{module.part!r} is not in the import table")
        return
    for node, name in imports(module):
        if name[0] == ROOT:
            part = name[1] if len(name) > 1 and name[1] in _PARTS else ""
            if part not in allowed:
                yield module.broken(node, f"{module.part or ROOT} may not import {'.'.join(name)}")
        elif module.part == "core" and (name[0] in CORE_MAY_NOT_TOUCH or name[0] not in sys.stdlib_module_names):
            yield module.broken(node, f"core may not touch {'.'.join(name)}")


# ── nothing that a seeded run could not repeat

_NOT_REPEATABLE = frozenset({"time", "random", "uuid", "secrets", "asyncio", "threading", "socket"})
_TODAY = frozenset({"now", "utcnow", "today"})
_IN_ORDER = frozenset({"list", "tuple", "iter", "enumerate", "zip", "map", "filter", "join", "extend", "deque"})


def not_deterministic(module: Module) -> Iterator[Broken]:
    """For ``core`` and ``service``: no clock, chance, concurrency, order of sets, ``hash()`` or ``id()``."""
    if module.part not in ("core", "service"):
        return
    for node, name in imports(module):
        if name[0] in _NOT_REPEATABLE:
            yield module.broken(node, f"{name[0]} may not be imported here: it comes through a seam")
    aliases = _aliases(module.tree)
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Attribute):
            owner = aliases.get(ast.unparse(node.value), ast.unparse(node.value)).rpartition(".")[2]
            if (owner in ("datetime", "date") and node.attr in _TODAY) or (owner, node.attr) == ("os", "urandom"):
                yield module.broken(node, f"{owner}.{node.attr} is not repeatable")
        elif isinstance(node, ast.ImportFrom) and node.module == "os" and any(a.name == "urandom" for a in node.names):
            yield module.broken(node, "os.urandom is not repeatable")
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id in ("hash", "id"):
            yield module.broken(node, f"{node.id}() differs from run to run")
        for iterated in _iterated(node):
            if _is_set(iterated):
                yield module.broken(iterated, "a set has no order: sort it")


def _aliases(tree: ast.AST) -> dict[str, str]:
    """What ``import … as`` calls things."""
    return {
        alias.asname: alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
        if alias.asname
    }


def _iterated(node: ast.AST) -> list[ast.expr]:
    """What ``node`` goes through in order."""
    if isinstance(node, ast.For | ast.AsyncFor | ast.comprehension):
        return [node.iter]
    if isinstance(node, ast.Starred | ast.YieldFrom):
        return [node.value]
    if isinstance(node, ast.Assign) and any(isinstance(target, ast.Tuple | ast.List) for target in node.targets):
        return [node.value]
    if isinstance(node, ast.Call) and _called(node) in _IN_ORDER:
        return list(node.args)
    return []


def _is_set(node: ast.expr) -> bool:
    if isinstance(node, ast.BinOp):
        return _is_set(node.left) or _is_set(node.right)
    made = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("set", "frozenset")
    return made or isinstance(node, ast.Set | ast.SetComp)


# ── SQL is written, never put together

_SQL = ("SELECT ", "INSERT ", "UPDATE ", "DELETE ", "WITH ", "CREATE ", "ALTER ", "DROP ", "REPLACE ")


def formatted_sql(module: Module) -> Iterator[Broken]:
    """For ``store``: nothing put together reaches ``.execute*``, and nothing put together begins like a statement.

    ``PRAGMA`` takes no parameters, so a statement that begins with it may be formatted.
    """
    if module.part != "store":
        return
    executed = {
        argument
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Call) and (_called(node) or "").startswith("execute")
        for argument in node.args[:1]
    }
    for node in ast.walk(module.tree):
        start = _put_together(node)
        if start is None or start.startswith("PRAGMA "):
            continue
        if node in executed or start.startswith(_SQL):
            yield module.broken(node, "SQL is put together here: name a statement and bind parameters")


def _put_together(node: ast.AST) -> str | None:
    """How a string that is made of others begins, as far as it is written out; ``None`` for any other expression."""
    if isinstance(node, ast.JoinedStr):
        varies = any(isinstance(piece, ast.FormattedValue) for piece in node.values)
        return _start(node) if varies else None
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mod | ast.Add):
        return _start(node.left)
    if isinstance(node, ast.Call) and _called(node) in ("format", "format_map", "join", "replace"):
        assert isinstance(node.func, ast.Attribute | ast.Name)
        return _start(node.func.value) if isinstance(node.func, ast.Attribute) else ""
    return None


def _start(node: ast.expr) -> str:
    if isinstance(node, ast.JoinedStr) and node.values:
        node = node.values[0]
    return (_text(node) or "").lstrip().upper()


# ── the rest


def printing(module: Module) -> Iterator[Broken]:
    """Only the command line prints."""
    if module.part == "cli":
        return
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Name) and node.id == "print":
            yield module.broken(node, "only cli prints")


def without_docstring(module: Module) -> Iterator[Broken]:
    """Every package says what it is."""
    if module.path.endswith("__init__.py") and not ast.get_docstring(module.tree):
        yield Broken(module.path, 1, "a package has a docstring")


def unlisted_exports(module: Module) -> Iterator[Broken]:
    """For ``livepass/__init__.py``: the public names are the names in ``__all__``."""
    if module.path != "__init__.py":
        return
    listed: set[str] = set()
    bound: set[str] = set()
    for node in _at_the_top(module.tree):
        if isinstance(node, ast.Import | ast.ImportFrom) and getattr(node, "module", "") not in (
            "__future__",
            "typing",
        ):
            bound |= {alias.asname or alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            bound.add(node.name)
        elif isinstance(node, ast.Assign):
            names = {target.id for target in node.targets if isinstance(target, ast.Name)}
            if names == {"__all__"}:
                listed = set(ast.literal_eval(node.value))
            else:
                bound |= names
    public = {name for name in bound if not name.startswith("_") or name == "__version__"}
    for name in sorted(public ^ listed):
        yield Broken(
            module.path, 1, f"{name} is {'bound but not in' if name in public else 'not bound but in'} __all__"
        )


def _at_the_top(tree: ast.Module) -> Iterator[ast.stmt]:
    """What a type checker sees bound: also what is imported later, when it is asked for."""
    for node in tree.body:
        checked_only = isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        yield from node.body if checked_only and isinstance(node, ast.If) else (node,)


def tracing_elsewhere(module: Module) -> Iterator[Broken]:
    """OpenTelemetry is an extra: one file knows it, which is loaded where somebody traces."""
    if module.path == "outside/tracing.py":
        return
    for node, name in imports(module):
        if name[0] == "opentelemetry" or name[:3] == ("livepass", "outside", "tracing"):
            # What wiring names for the type checker, and loads inside a function, is no import at the start.
            if module.path == "wiring.py" and name[0] == ROOT and node not in module.tree.body:
                continue
            yield module.broken(node, f"only outside/tracing.py may import {'.'.join(name)}")


RULES: tuple[Callable[[Module], Iterator[Broken]], ...] = (
    forbidden_imports,
    not_deterministic,
    formatted_sql,
    printing,
    without_docstring,
    unlisted_exports,
    tracing_elsewhere,
)


def _called(node: ast.Call) -> str | None:
    """The last piece of what is called: ``execute`` for ``db.execute(…)``."""
    if isinstance(node.func, ast.Attribute):
        return node.func.attr
    return node.func.id if isinstance(node.func, ast.Name) else None


def _text(node: ast.AST) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None
