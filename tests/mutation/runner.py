"""Runs mutants in forks of one warm pytest: the tests are collected once, each fork changes one thing and runs some.

What differs inside one function is put into that function's code. What an import must see (tables, defaults, fields) is
imported anew in the fork, with the tests. A mutant is killed by a test that fails, by a module that cannot be imported,
or by the end of its processor time.
"""

from __future__ import annotations

import ast
import os
import re
import resource
import signal
import sys
import types
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec, spec_from_loader
from pathlib import Path
from typing import Any

import coverage
import pytest
from hypothesis import Phase, settings

from mutation.operators import Mutant, mutants_of

SECONDS = 10
"""Processor time of a mutant: several times what all tests of the core take."""
KILLED, TIMED_OUT, SURVIVED = "killed", "timed out", "survived"
_BROKEN = 9
"""How a fork ends that could not judge: no verdict, and never a kill."""
PYTEST = ["-p", "no:cacheprovider", "-p", "no:terminal", "--noconftest", "--import-mode=importlib", "--capture=no"]
PYTEST += ["-o", "addopts=", "-o", "timeout=0"]
os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"


@dataclass
class Subject:
    """A package whose modules are mutated, and the folder with the tests that judge them."""

    package: str
    tests: Path
    modules: Sequence[str] = ()

    def trees(self) -> dict[str, tuple[ast.Module, Path]]:
        found = {}
        spec = find_spec(self.package)
        assert spec is not None and spec.submodule_search_locations is not None
        for path in sorted(Path(next(iter(spec.submodule_search_locations))).glob("*.py")):
            if path.stem != "__init__" and (not self.modules or path.stem in self.modules):
                found[path.stem] = (ast.parse(path.read_text("utf-8")), path)
        return found

    def mutants(self) -> list[Mutant]:
        return [one for name, (tree, _) in self.trees().items() for one in mutants_of(tree, name)]


class _Loop:
    """Takes the place of pytest's own loop over the collected tests."""

    def __init__(self, subject: Subject, chosen: Any, jobs: int, tell: Any, seconds: int) -> None:
        self.subject, self.chosen, self.jobs, self.tell, self.seconds = subject, chosen, jobs, tell, seconds
        self.verdicts: dict[str, str] = {}
        self.failed = False

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.failed = self.failed or report.failed

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        if session.testsfailed:
            raise pytest.UsageError("the tests cannot be collected")
        items = session.items
        _calm(items)
        trees = self.subject.trees()
        touched = self._touched(items, trees)
        if self.failed:
            raise pytest.UsageError("the tests fail without any mutant")
        waiting: dict[int, Mutant] = {}
        todo = self.chosen([one for name, (tree, _) in trees.items() for one in mutants_of(tree, name)])
        for mutant in sorted(todo, key=lambda one: not one.owner):  # first the many that cost little
            tree, path = trees[mutant.module]
            picked = _picked(mutant, items, touched[mutant.module])
            while len(waiting) >= self.jobs:
                self._reap(waiting)
            files = _files(self.subject, mutant.module, items, touched[mutant.module])
            judge = partial(self._judge, mutant, tree, path, picked, files)
            waiting[_forked(judge, self.seconds)] = mutant
        while waiting:
            self._reap(waiting)
        return True

    def _touched(self, items: Sequence[pytest.Item], trees: dict[str, Any]) -> dict[str, dict[int, set[int]]]:
        """For each module and line, the tests (by number) that ran it."""
        found: dict[str, dict[int, set[int]]] = {name: {} for name in trees}
        names = {str(path): name for name, (_, path) in trees.items()}
        watch = coverage.Coverage(data_file=None, config_file=False, include=list(names))
        watch.start()
        for number, item in enumerate(items):
            _clear_caches(self.subject.package)
            watch.switch_context(str(number))
            _run([item])
        watch.stop()
        data = watch.get_data()
        for path, name in names.items():
            for line, contexts in data.contexts_by_lineno(path).items():
                found[name][line] = {int(number) for number in contexts if number}
        return found

    def _reap(self, waiting: dict[int, Mutant]) -> None:
        pid, status = os.wait()
        if pid in waiting:
            mutant = waiting.pop(pid)
            if os.WIFEXITED(status) and os.WEXITSTATUS(status) == _BROKEN:
                raise RuntimeError(f"the tool cannot run {mutant.name!r}")
            verdict = TIMED_OUT if os.WIFSIGNALED(status) else SURVIVED if os.WEXITSTATUS(status) == 0 else KILLED
            self.verdicts[mutant.name] = verdict
            self.tell(mutant, verdict)

    def _judge(
        self, mutant: Mutant, tree: ast.Module, path: Path, items: Sequence[pytest.Item], files: Sequence[Path]
    ) -> bool:
        """In the fork: whether all tests pass."""
        mutant.apply()
        code = compile(ast.fix_missing_locations(tree), str(path), "exec", dont_inherit=True)
        module = f"{self.subject.package}.{mutant.module}"
        # A module that no test imports has no function here yet.
        function = _function(sys.modules[module], mutant.owner) if mutant.owner and module in sys.modules else None
        # A function that no test ran may be one that builds a table. One that lost its super() closes over less.
        inside = _code(code, mutant.owner) if function is not None and items else None
        if inside is not None and inside.co_freevars == function.__code__.co_freevars:
            _clear_caches(self.subject.package)
            function.__code__ = inside
            for item in items:
                _run([item])
                if self.failed:
                    return False
            return True
        return _imported_anew(self.subject, module, code, files)


def run(subject: Subject, chosen: Any, jobs: int, tell: Any, seconds: int = SECONDS) -> dict[str, str]:
    """The verdict of each mutant that ``chosen`` leaves of all. Raises ``RuntimeError`` when the tests do not pass."""
    loop = _Loop(subject, chosen, jobs, tell, seconds)
    ended = pytest.main([*PYTEST, str(subject.tests)], plugins=[loop])
    if ended != 0:
        raise RuntimeError(f"the tests in {subject.tests} do not pass without any mutant: {ended!r}")
    return loop.verdicts


def _forked(judge: Callable[[], bool], seconds: int) -> int:
    pid = os.fork()
    if pid:
        return pid
    try:
        signal.signal(signal.SIGXCPU, signal.SIG_DFL)
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 5))
        quiet = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(quiet, stream)
        passed = judge()
    except BaseException:
        os._exit(_BROKEN)
    os._exit(0 if passed else 1)


def _run(items: Sequence[pytest.Item]) -> None:
    for item in items:
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=None)


def _calm(items: Sequence[pytest.Item]) -> None:
    """Examples that are the same each time, are not shrunk and not remembered."""
    for item in items:
        function = getattr(item, "obj", None)
        inner = getattr(function, "__func__", function)
        if hasattr(inner, "_hypothesis_internal_use_settings"):
            old = inner._hypothesis_internal_use_settings
            inner._hypothesis_internal_use_settings = settings(
                old, deadline=None, database=None, derandomize=True, phases=(Phase.explicit, Phase.generate)
            )


def _picked(mutant: Mutant, items: Sequence[pytest.Item], lines: dict[int, set[int]]) -> list[pytest.Item]:
    """The tests that ran the mutant's lines; those of the module's own file first, those with many examples last."""
    numbers = set().union(*(lines.get(line, set()) for line in mutant.lines))

    def rank(number: int) -> tuple[bool, bool, int]:
        item = items[number]
        return _has_many_examples(item), item.path.stem != f"test_{mutant.module}", number

    return [items[number] for number in sorted(numbers, key=rank)]


def _has_many_examples(item: pytest.Item) -> bool:
    return hasattr(getattr(item, "obj", None), "_hypothesis_internal_use_settings")


def _clear_caches(package: str) -> None:
    for name, module in list(sys.modules.items()):
        if name.startswith(f"{package}."):
            for value in list(vars(module).values()):
                if hasattr(value, "cache_clear"):
                    value.cache_clear()


def _function(module: types.ModuleType, owner: Sequence[str]) -> Any:
    """``None``: it is made inside another function, which ran long ago."""
    found: Any = module
    for name in owner:
        if name not in vars(found):
            return None
        found = vars(found)[name]
    found = getattr(found, "fget", None) or getattr(found, "__func__", found)
    return getattr(found, "__wrapped__", found)


def _code(code: types.CodeType, owner: Sequence[str]) -> types.CodeType:
    for name in owner:
        code = next(one for one in reversed(code.co_consts) if isinstance(one, types.CodeType) and one.co_name == name)
    return code


class _Mutated(MetaPathFinder, Loader):
    """Imports one module from code that is given."""

    def __init__(self, module: str, code: types.CodeType) -> None:
        self.module, self.code = module, code

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> ModuleSpec | None:
        return spec_from_loader(fullname, self) if fullname == self.module else None

    def exec_module(self, module: types.ModuleType) -> None:
        exec(self.code, module.__dict__)


class _Calm:
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        _calm(session.items)


def _imported_anew(subject: Subject, module: str, code: types.CodeType, files: Sequence[Path]) -> bool:
    """Whether all files of tests pass, one after the other."""
    top = subject.package.split(".")[0]
    for name, there in list(sys.modules.items()):
        of_tests = Path(getattr(there, "__file__", None) or "/").is_relative_to(subject.tests)
        if name.split(".")[0] == top or "test_" in name or of_tests:
            del sys.modules[name]
    sys.meta_path.insert(0, _Mutated(module, code))
    return all(pytest.main([*PYTEST, "-x", str(path)], plugins=[_Calm()]) == 0 for path in files)


def _files(subject: Subject, module: str, items: Sequence[pytest.Item], lines: dict[int, set[int]]) -> Sequence[Path]:
    """The files of tests that ran anything of a module or name it; its own first, then the small ones, and those with
    many examples last.
    """
    ran = {items[number].path for numbers in lines.values() for number in numbers}
    every = sorted(subject.tests.glob("test_*.py"))
    importing = {path for path in every if re.search(rf"\b{module}\b", path.read_text("utf-8"))}
    near = [path for path in every if path in ran | importing] or every
    slow = {item.path for item in items if _has_many_examples(item)}

    def rank(path: Path) -> tuple[bool, bool, bool, int]:
        return path.stem != f"test_{module}", path in slow, path not in importing, path.stat().st_size

    return sorted(near, key=rank)
