"""What a command looks at: a .pkpass file, a template's folder, or a pass of the service, as its files by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from livepass.cli import names
from livepass.cli.faults import Fault, usage
from livepass.cli.names import PassName

if TYPE_CHECKING:
    from livepass.cli.client import Client
    from livepass.pkpass.difference import Side

KINDS = "FILE.pkpass|TEMPLATE_DIR|TYPE/SERIAL"
PASS_JSON, TOKEN = "pass.json", "authenticationToken"


@dataclass(frozen=True, slots=True)
class Subject:
    """One of them, as it was typed. ``pass_name``: a pass of the service; ``folder``: a template."""

    word: str
    pass_name: PassName | None = None
    folder: bool = False

    @classmethod
    def of(cls, word: str) -> Self:
        """What a word names. A ``Fault`` of usage where it can be none of them."""
        if Path(word).is_dir():
            return cls(word, folder=True)
        if word.endswith(".pkpass") or Path(word).is_file():
            return cls(word)
        pass_type, slash, serial = word.partition("/")
        if not slash or not pass_type.startswith("pass.") or not serial:
            raise usage(f"{word!r} is no .pkpass, no folder and no pass", f"name one of {KINDS.replace('|', ', ')}")
        return cls(word, PassName(pass_type, serial))


def parted(words: Sequence[str]) -> tuple[list[str], dict[str, Any]]:
    """Subjects, and the key=value that follow them. What is there as a file is a subject, whatever its name holds."""
    subjects: list[str] = []
    rest = list(words)
    while rest and ("=" not in rest[0] or Path(rest[0]).exists()):
        subjects.append(rest.pop(0))
    return subjects, names.values(rest)


async def side(client: Client | None, subject: Subject, data: Mapping[str, Any]) -> Side:
    """A subject's pass.json and files; ``data`` fills a template. ``client`` for what the service has."""
    from livepass.cli import checking
    from livepass.pkpass.difference import Side

    if subject.pass_name is not None:
        return await _served(client, subject.pass_name)
    if subject.folder:
        template = checking.template(subject.word)
        return _side(checking.sampled(template, data), template.static.files)
    opened = checking.package(subject.word)
    return Side(opened.document, opened.files)


async def like(client: Client | None, subject: Subject, other: Subject, beside: Side, data: Mapping[str, Any]) -> Side:
    """A template filled like the pass that stands beside it: what the service adds is the same, and the values of a
    pass of the service too, where the template has such variables.
    """
    from livepass.cli import checking

    template = checking.template(subject.word)
    content: Mapping[str, Any] = {}
    if other.pass_name is not None and client is not None:
        from livepass.cli.client import address

        found = await client.get(address("passes", *other.pass_name))
        known = found.get("data") or {}
        data = {**{key: value for key, value in known.items() if key in template.declarations}, **data}
        content = found.get("content") or {}
    from livepass.pkpass import merge_patch
    from livepass.pkpass.samples import FILLED_IN

    document = merge_patch(checking.sampled(template, data), content)
    assert isinstance(document, dict)
    given = {key: beside.document[key] for key in FILLED_IN if key in beside.document}
    added = {key: value for key, value in given.items() if key not in template.document}
    return _side({**document, **added}, template.static.files)


async def would_be(client: Client, name: PassName, data: Mapping[str, Any]) -> Side:
    """A pass of the service as it would be with other values: made there, unsigned, and changed nowhere."""
    from livepass.cli.client import address

    path = address("passes", *name) + ":draft"
    return _unsigned((await client.request("POST", path, json={"data": dict(data)})).body)


async def version(client: Client, name: PassName, number: int | None) -> Side:
    """A pass of the service as it was with that number; without one, as it is. Unsigned."""
    from livepass.cli.client import address

    query = {} if number is None else {"number": number}
    return _unsigned((await client.request("GET", address("passes", *name, "files"), query=query)).body)


def _unsigned(data: bytes) -> Side:
    from livepass.pkpass.strict_json import parse_object
    from livepass.pkpass.zip_read import read_zip

    files = read_zip(data)
    return _side(parse_object(files[PASS_JSON]), files)


async def _served(client: Client | None, name: PassName) -> Side:
    from livepass.cli.client import address
    from livepass.pkpass import InvalidPackage, read
    from livepass.pkpass.difference import Side

    assert client is not None
    try:
        opened = read((await client.request("GET", address("passes", *name, "pkpass"))).body)
    except InvalidPackage as error:
        raise Fault(f"{name}: {error.reason}", hint=error.hint, code="package") from error
    return Side(opened.document, opened.files)


def _side(document: Mapping[str, object], files: Mapping[str, bytes]) -> Side:
    """Nobody's token: what is unsigned has none, and a made-up one would only look like one."""
    from livepass.pkpass import canonical
    from livepass.pkpass.difference import Side

    bare = {key: value for key, value in document.items() if key != TOKEN}
    return Side(bare, {**files, PASS_JSON: canonical(bare)})
