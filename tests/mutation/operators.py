"""What may be wrong in a module: every place in its syntax tree, and what is put there instead.

Left alone: docstrings, annotations, imports, decorators of functions, the text of exceptions, and prose (a string with
two blanks or more): people judge those. A mutant is named by where it is and what it says, never by a line number.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

COMPARISONS: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Add,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
    ast.Pow: ast.Mult,
}
CALLS = {"min": "max", "max": "min", "any": "all", "all": "any", "lower": "upper", "match": "fullmatch"}
UNWRAPPED = frozenset({"strip", "rstrip", "lower", "sorted", "struck", "tuple"})
"""Calls whose first argument (or receiver) may stand for their result."""
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


@dataclass
class Mutant:
    """One change of a tree. ``apply`` makes it, ``undo`` takes it back. ``owner``: the function whose code alone
    differs (``("Pace", "after")``); empty for what an import must see.
    """

    module: str
    name: str
    line: int
    lines: range
    owner: tuple[str, ...]
    before: str
    after: str
    place: tuple[Any, str, int | None] = field(repr=False)
    new: Any = field(repr=False)
    old: Any = field(repr=False, default=None)

    def apply(self) -> None:
        self._put(self.new)

    def undo(self) -> None:
        self._put(self.old)

    def _put(self, what: Any) -> None:
        parent, name, index = self.place
        if index is None:
            setattr(parent, name, what)
        else:
            getattr(parent, name)[index] = what


def mutants_of(tree: ast.Module, module: str) -> list[Mutant]:
    """All mutants of a module, in the order of its text."""
    found: list[Mutant] = []
    seen: dict[str, int] = {}
    for site in _sites(tree, (), None):
        for new in _variants(site):
            mutant = _mutant(module, site, new)
            seen[mutant.name] = seen.get(mutant.name, 0) + 1
            if seen[mutant.name] > 1:
                mutant.name += f" #{seen[mutant.name]}"
            found.append(mutant)
    return found


@dataclass
class _Site:
    place: tuple[Any, str, int | None]
    node: Any
    statement: ast.stmt
    owner: tuple[str, ...]
    inside: bool
    """Inside the body of a function: its code alone differs."""

    @property
    def where(self) -> str:
        return ".".join(self.owner)


_SKIPPED_FIELDS = {"annotation", "returns", "decorator_list", "bases"}


def _sites(node: ast.AST, owner: tuple[str, ...], statement: ast.stmt | None, inside: bool = False) -> Iterator[_Site]:
    for name, value in ast.iter_fields(node):
        body = name == "body" and isinstance(node, (*FUNCTIONS, ast.ClassDef))
        if name in _SKIPPED_FIELDS:
            continue
        deeper = inside or (body and isinstance(node, FUNCTIONS))
        for index, child in enumerate(value) if isinstance(value, list) else [(None, value)]:
            if not isinstance(child, ast.AST) or _left_alone(child):
                continue
            at = child if isinstance(child, ast.stmt) else statement
            named = isinstance(child, (*FUNCTIONS, ast.ClassDef)) and not inside
            here = (*owner, child.name) if named else owner  # type: ignore[attr-defined]
            if at is not None:
                yield _Site((node, name, index), child, at, here, deeper)
            yield from _sites(child, here, at, deeper)


def _left_alone(node: ast.AST) -> bool:
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        return True
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return True
    if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
        return True
    return isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == "T" for t in node.targets)


def _variants(site: _Site) -> Iterator[Any]:
    node = site.node
    by_kind = _BY_KIND.get(type(node))
    if by_kind is not None:
        yield from by_kind(node, site)
    if isinstance(node, (ast.If, ast.While, ast.IfExp)):
        for value in (True, False):
            yield _with(node, test=ast.Constant(value))
    if isinstance(node, ast.comprehension):
        for index in range(len(node.ifs)):
            yield _with(node, ifs=_without(node.ifs, index))


def _compare(node: ast.Compare, site: _Site) -> Iterator[Any]:
    for index, op in enumerate(node.ops):
        for other in COMPARISONS[type(op)]:
            yield _with(node, ops=[*node.ops[:index], other(), *node.ops[index + 1 :]])


def _bool_op(node: ast.BoolOp, site: _Site) -> Iterator[Any]:
    yield _with(node, op=ast.And() if isinstance(node.op, ast.Or) else ast.Or())
    for index in range(len(node.values)):
        rest = _without(node.values, index)
        yield rest[0] if len(rest) == 1 else _with(node, values=rest)


def _unary_op(node: ast.UnaryOp, site: _Site) -> Iterator[Any]:
    if isinstance(node.op, (ast.Not, ast.USub)):
        yield node.operand


def _bin_op(node: ast.BinOp, site: _Site) -> Iterator[Any]:
    if type(node.op) in ARITHMETIC:
        yield _with(node, op=ARITHMETIC[type(node.op)]())


def _constant(node: ast.Constant, site: _Site) -> Iterator[Any]:
    value, (parent, name, _) = node.value, site.place
    if isinstance(parent, ast.JoinedStr) or (isinstance(parent, ast.Compare) and name == "op"):
        return
    if isinstance(value, bool):
        yield ast.Constant(not value)
    elif isinstance(value, (int, float)):
        yield ast.Constant(value + 1)
        if value > 0:
            yield ast.Constant(value - 1)
    elif isinstance(value, str) and not isinstance(site.statement, ast.Raise) and value.count(" ") < 2:
        yield ast.Constant("XX" + value)
    elif isinstance(value, bytes):
        yield ast.Constant(b"XX" + value)


def _call(node: ast.Call, site: _Site) -> Iterator[Any]:
    function = node.func
    called = function.id if isinstance(function, ast.Name) else getattr(function, "attr", "")
    if called in CALLS:
        other = CALLS[called]
        renamed = ast.Name(other, ast.Load()) if isinstance(function, ast.Name) else _with(function, attr=other)
        yield _with(node, func=renamed)
    if called in UNWRAPPED and isinstance(function, ast.Attribute):
        yield function.value
    elif called in UNWRAPPED and node.args:
        yield node.args[0]
    for index in range(len(node.keywords)):
        yield _with(node, keywords=_without(node.keywords, index))


def _rows(node: ast.Dict, site: _Site) -> Iterator[Any]:
    for index in range(len(node.keys)):
        yield _with(node, keys=_without(node.keys, index), values=_without(node.values, index))


def _elements(node: ast.Tuple | ast.List | ast.Set, site: _Site) -> Iterator[Any]:
    if isinstance(getattr(node, "ctx", ast.Load()), ast.Load) and not isinstance(site.place[0], ast.Subscript):
        unpacked = isinstance(node, ast.Tuple) and site.inside and not isinstance(site.place[0], ast.Compare)
        for index in range(len(node.elts)) if not unpacked and (len(node.elts) > 1 or not site.inside) else ():
            yield _with(node, elts=_without(node.elts, index))


def _return(node: ast.Return, site: _Site) -> Iterator[Any]:
    if node.value is not None and not (isinstance(node.value, ast.Constant) and not node.value.value):
        yield ast.Return(ast.Constant(None))


def _assign(node: ast.Assign, site: _Site) -> Iterator[Any]:
    if isinstance(node.targets[0], (ast.Subscript, ast.Attribute)):
        yield ast.Pass()
    elif site.inside and not isinstance(node.value, ast.Constant) and not isinstance(node.targets[0], ast.Tuple):
        yield _with(node, value=ast.Constant(None))


def _gone(node: ast.stmt, site: _Site) -> Iterator[Any]:
    yield ast.Pass()


def _loop_control(node: ast.stmt, site: _Site) -> Iterator[Any]:
    yield ast.Break() if isinstance(node, ast.Continue) else ast.Continue()
    yield ast.Pass()


_BY_KIND: dict[type[ast.AST], Any] = {
    ast.Compare: _compare,
    ast.BoolOp: _bool_op,
    ast.UnaryOp: _unary_op,
    ast.BinOp: _bin_op,
    ast.Constant: _constant,
    ast.Call: _call,
    ast.Dict: _rows,
    ast.Tuple: _elements,
    ast.List: _elements,
    ast.Set: _elements,
    ast.Return: _return,
    ast.Assign: _assign,
    ast.AugAssign: _gone,
    ast.Expr: _gone,
    ast.Raise: _gone,
    ast.Delete: _gone,
    ast.Continue: _loop_control,
    ast.Break: _loop_control,
}


def _with(node: Any, **changed: Any) -> Any:
    new = copy.copy(node)
    for name, value in changed.items():
        setattr(new, name, value)
    return new


def _without(items: list[Any], index: int) -> list[Any]:
    return [*items[:index], *items[index + 1 :]]


def _mutant(module: str, site: _Site, new: Any) -> Mutant:
    ast.copy_location(new, site.node)
    statement = site.statement
    before = _text(statement)
    first = min([statement.lineno, *(d.lineno for d in getattr(statement, "decorator_list", ()))])
    body = getattr(statement, "body", None)
    last = max(first, body[0].lineno - 1) if body else statement.end_lineno or first
    line = getattr(site.node, "lineno", statement.lineno)
    mutant = Mutant(
        module, "", line, range(first, last + 1), site.owner if site.inside else (), before, "", site.place, new
    )
    mutant.old = site.node
    mutant.apply()
    mutant.after = _text(new if site.node is statement else statement)
    mutant.undo()
    mutant.before, mutant.after = _difference(before, mutant.after)
    mutant.name = ": ".join(part for part in (module, site.where, f"{mutant.before} → {mutant.after}") if part)
    return mutant


def _text(statement: ast.stmt) -> str:
    """A statement in one line; of one that has a body, its head."""
    shown = copy.copy(statement)
    for name, value in (("body", [ast.Pass()]), ("orelse", []), ("handlers", []), ("finalbody", [])):
        if hasattr(shown, name):
            setattr(shown, name, value)
    return " ".join(ast.unparse(ast.fix_missing_locations(shown)).split())


_AROUND = 45


def _difference(before: str, after: str) -> tuple[str, str]:
    """The two lines, long ones cut down to what differs and some of what stands around it."""
    if len(before) <= 2 * _AROUND + 20:
        return before, after
    short = min(len(before), len(after))
    head = next((i for i in range(short) if before[i] != after[i]), short)
    tail = next((i for i in range(short - head) if before[-1 - i] != after[-1 - i]), short - head)
    start, end = max(0, head - _AROUND), max(0, tail - _AROUND)
    dots = "…" if start else ""
    return tuple(dots + text[start : len(text) - end] + ("…" if end else "") for text in (before, after))  # type: ignore[return-value]
