"""``livepass template images``: the sizes that a template lacks, made from its largest images."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from livepass.cli import names
from livepass.cli.faults import Fault, unchecked
from livepass.cli.render import Cell, Column, dim, good
from livepass.cli.root import Verb
from livepass.cli.session import Session


@click.command("images", cls=Verb)
@click.argument("folder")
@click.option("--force", is_flag=True, help="Overwrite: make every smaller size anew, and strip metadata.")
@click.option("--dry-run", is_flag=True, help="Only say what would be written.")
@click.pass_obj
def images(session: Session, folder: str, force: bool, dry_run: bool) -> None:
    """Make the missing @2x and plain images of a template from its largest ones.

    They hold pixels and colours alone, no metadata. What is there stays as it is without --force. Scaling needs
    Pillow: pip install 'livepass[images]'.
    """
    from livepass.pkpass import Template, TemplateError
    from livepass.pkpass.image_set import EXTRA, NoPillow, steps
    from livepass.pkpass.png import PngProblem

    try:
        files = Template.from_folder(folder).files
        done = list(steps(files, force=force))
    except TemplateError as error:
        raise Fault(f"{folder}: {error.reason}", hint=error.hint, code="template") from error
    except OSError as error:
        raise Fault(f"{folder} cannot be read: {error.strerror}", hint="name a folder", code="template") from error
    except PngProblem as error:
        raise Fault(f"{folder}/{error}", hint=error.hint, code="image") from error
    except NoPillow as error:
        raise unchecked(str(error), f"pip install 'livepass[{EXTRA}]'") from error
    rows: list[dict[str, Any]] = []
    for each in done:
        data = each.data if each.data is not None else files[each.name]
        if each.data is not None and not dry_run:
            names.write_bytes(Path(folder, each.name), each.data)
        rows.append(
            {
                "file": each.name,
                "done": each.done,
                "written": each.data is not None and not dry_run,
                "width": each.width,
                "height": each.height,
                "bytes": len(data),
                "source": each.source or None,
                "metadata": each.metadata,
            }
        )
    columns: list[Column] = [
        ("FILE", "file"),
        ("", lambda row: _said(row, dry_run=dry_run)),
        ("PIXELS", lambda row: f"{row['width']} by {row['height']}"),
        ("BYTES", "bytes"),
    ]
    session.out.rows(rows, columns, f"no images in {folder}")


def _said(row: Mapping[str, Any], *, dry_run: bool) -> Cell:
    if row["done"] == "kept":
        return dim(f"kept, with {row['metadata']} bytes of metadata (--force strips)" if row["metadata"] else "kept")
    would = "would be " if dry_run else ""
    return good(f"{would}made from {row['source']}" if row["source"] else f"{would}stripped of {row['metadata']} bytes")
