"""``livepass pass bundle``: several passes in one .pkpasses, and what there is to say about one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from livepass.cli import names
from livepass.cli.faults import Fault, usage
from livepass.cli.names import PASS, PassName
from livepass.cli.render import Column, good
from livepass.cli.root import Verb
from livepass.cli.session import Session, run


class _PassOrFileType(click.ParamType[PassName | Path]):
    name = "TYPE/SERIAL|FILE.pkpass"

    def convert(
        self, value: str | PassName | Path, param: click.Parameter | None, ctx: click.Context | None
    ) -> PassName | Path:
        if isinstance(value, str):
            return Path(value) if value.endswith(".pkpass") else PASS.convert(value, param, ctx)
        return value


@click.command(cls=Verb)
@click.argument("passes", nargs=-1, required=True, type=_PassOrFileType(), metavar="TYPE/SERIAL|FILE.pkpass …")
@click.option("-o", "--output", required=True, metavar="FILE", help="Where to write the .pkpasses; - is stdout.")
@click.pass_obj
def bundle(session: Session, passes: Sequence[PassName | Path], output: str) -> None:
    """Write up to ten passes into one .pkpasses, which Safari offers to add together.

    What ends in .pkpass is a file; anything else is a pass of the service, built as phones get it. Files alone need
    no service. The order is the one given.
    """
    from livepass.pkpass import InvalidPackage, InvalidSignature, several

    if output == "-" and session.as_json:
        raise usage("-o - and --json both want standard output", "name a file")
    if len(passes) > several.MOST_PASSES:  # before a single one is built
        raise usage(f"{len(passes)} passes are too many for a bundle", f"put at most {several.MOST_PASSES} into one")
    wanted = [each.serial if isinstance(each, PassName) else each.name for each in passes]
    entries = several.entry_names(wanted)
    try:
        contents = (
            run(_contents(session, passes))
            if any(isinstance(each, PassName) for each in passes)
            else [names.read_bytes(each) for each in passes if isinstance(each, Path)]
        )
        made = several.bundle(dict(zip(entries, contents, strict=True)))
    except (InvalidPackage, InvalidSignature) as error:
        raise Fault(error.reason, hint=error.hint, code="package") from error
    names.write_bytes(output, made)
    if output != "-":
        document = {"file": output, "bytes": len(made), "passes": entries}
        said = f"{output}: {len(entries)} {'pass' if len(entries) == 1 else 'passes'}, {len(made)} bytes"
        session.out.show(document, lambda page: page.line(good(said)))


async def _contents(session: Session, passes: Sequence[PassName | Path]) -> list[bytes]:
    """The passes of the service, which come together, and those of files, in the order given."""
    from livepass.cli.client import connected
    from livepass.pkpass import several

    wanted = [{"pass_type": each[0], "serial": each[1]} for each in passes if isinstance(each, PassName)]
    async with connected(session) as client:
        answer = await client.request("POST", "/passes:bundle", json={"passes": wanted}, reads=True)
    built = iter(several.split(answer.body).values())
    return [next(built) if isinstance(each, PassName) else names.read_bytes(each) for each in passes]


def verify_each(session: Session, file: str) -> None:
    """``livepass pass verify`` of a bundle: one row a pass."""
    from livepass.cli import checking

    rows = [
        {"entry": entry, **checking.verified_json(file, found)}
        for entry, found in checking.verified_each(file, session.ca).items()
    ]
    columns: list[Column] = [
        ("ENTRY", "entry"),
        ("PASS", lambda row: good(f"{row['pass_type']}/{row['serial']}")),
        ("TEAM", "team"),
        ("ROOT", "root_statement"),
    ]
    session.out.rows(rows, columns)
