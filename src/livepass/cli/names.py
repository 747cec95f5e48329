"""How things are named on the command line: passes as TYPE/SERIAL, values as key=value, times, files and ``-``."""

from __future__ import annotations

import contextlib
import json
import math
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, Literal, NamedTuple, TypeVar

import click

from livepass.cli.faults import Fault, Where, unchecked, usage

F = TypeVar("F", bound=Callable[..., Any])


class PassName(NamedTuple):
    """One pass."""

    pass_type: str
    serial: str

    def __str__(self) -> str:
        return f"{self.pass_type}/{self.serial}"


class _PassNameType(click.ParamType[PassName]):
    name = "TYPE/SERIAL"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> PassName:
        if isinstance(value, PassName):
            return value
        pass_type, slash, serial = str(value).partition("/")
        if not slash or not pass_type or not serial:
            self.fail(f"{value!r} names no pass; write TYPE/SERIAL, as in pass.com.example.gym/1001", param, ctx)
        return PassName(pass_type, serial)


PASS = _PassNameType()


def pass_argument(name: str = "name") -> Callable[[F], F]:
    """The argument TYPE/SERIAL, as a ``PassName``."""
    return click.argument(name, type=PASS, metavar="TYPE/SERIAL")


class _InstantType(click.ParamType[int]):
    name = "instant"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        try:
            at = datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is not a time: write 2026-11-24T09:30:00Z", param, ctx)
        return int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1000)


INSTANT = _InstantType()
"""An RFC 3339 time or date (UTC unless it says otherwise), as milliseconds."""


Push = Literal["auto", "now", "none"]

push_option = click.option(
    "--push",
    type=click.Choice(["auto", "now", "none"]),
    default="auto",
    help="auto (default): within the phones' patience; now: at once; none: wakes nobody, phones hear when they ask.",
)


def values(words: Sequence[str]) -> dict[str, Any]:
    """``points=130 name=Ada`` as an object.

    A value that is a JSON number, true, false, null or a string in quotes is that; anything else is text as it stands.
    """
    found: dict[str, Any] = {}
    for word in words:
        key, equals, text = word.partition("=")
        if not equals or not key:
            raise usage(f"{word!r} is not key=value", f"write {word}=VALUE" if word and not equals else "name a key")
        if key in found:
            raise usage(f"{key} is given twice", "give each key once")
        found[key] = value(text)
    return found


def value(text: str) -> Any:
    """One value: see ``values``."""
    try:
        found = json.loads(text, parse_constant=_never, parse_float=_finite)
    except (ValueError, RecursionError):
        return text
    return text if isinstance(found, dict | list) else found


def _never(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")  # NaN and Infinity


def _finite(number: str) -> float:
    found = float(number)
    if not math.isfinite(found):
        raise ValueError(f"{number} is larger than numbers can be")
    return found


def read_object(path: str) -> dict[str, Any]:
    """The JSON object in a file, or on standard input (``-``)."""
    data = read_bytes(path)
    try:
        found = json.loads(data, parse_constant=_never, parse_float=_finite)
    except RecursionError as error:
        raise Fault(f"{shown(path)} is nested too deep", hint="check the file") from error
    except ValueError as error:
        raise Fault(f"{shown(path)} is not JSON", where=[Where("", str(error))], hint="check the file") from error
    if not isinstance(found, dict):
        raise Fault(f"{shown(path)} holds no JSON object", hint='write {"key": value, …}')
    return found


def read_bytes(path: str | Path) -> bytes:
    """A file, or standard input (``-``)."""
    if str(path) == "-":
        return sys.stdin.buffer.read()
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise unchecked(f"{path} cannot be read: {error.strerror or error}", "check the name of the file") from error


@contextlib.contextmanager
def opened(path: str) -> Iterator[IO[bytes]]:
    """A file, or standard input (``-``), to be read bit by bit."""
    if path == "-":
        yield sys.stdin.buffer
        return
    try:
        file = Path(path).open("rb")  # noqa: SIM115 - closed below
    except OSError as error:
        raise unchecked(f"{path} cannot be read: {error.strerror or error}", "check the name of the file") from error
    with file:
        yield file


def write_bytes(path: str | Path, data: bytes, mode: int = 0o644) -> None:
    """Write a file, whole or not at all; ``-`` is standard output. A link stays, and its file is written. What is there
    and no file, such as a pipe or ``/dev/stdout``, is written into: to put a file in its place would break it for all.
    """
    if str(path) == "-":
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
        return
    path = Path(path)
    try:
        if path.exists() and not path.is_file():
            path.write_bytes(data)
        else:
            _write_whole(path.resolve(), data, mode)
    except OSError as error:
        raise unchecked(f"{path} cannot be written: {error.strerror or error}", "name another file") from error


def _write_whole(path: Path, data: bytes, mode: int) -> None:
    beside = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            file.write(data)
        beside.replace(path)
    except OSError:
        beside.unlink(missing_ok=True)
        raise


def shown(path: str) -> str:
    """A file's name as it is said in a message."""
    return "standard input" if path == "-" else path


def confirm(question: str, word: str, *, yes: bool, as_json: bool) -> None:
    """Go on only if a person types ``word``, or said ``--yes``. Otherwise refused."""
    from livepass.cli.faults import refused

    if yes:
        return
    if as_json or not sys.stdin.isatty():
        raise refused(question, "say --yes if you mean it")
    sys.stderr.write(f"{question}\ntype {word} to go on: ")
    sys.stderr.flush()
    if sys.stdin.readline().strip() != word:
        raise refused("nothing was done: the answer was another one", f"type exactly {word}, or say --yes")
