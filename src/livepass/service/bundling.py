"""Several passes in one file: all that were asked for, as they are now, or none and a word about each that is wrong."""

from __future__ import annotations

from collections.abc import Sequence

from livepass.service.access import Caller
from livepass.service.issuing import Issuing
from livepass.service.refusals import Fault, NotFound, Refusal, no_pass
from livepass.service.seams import Reader

Name = tuple[str, str]
"""Pass type and serial."""


async def bundle(store: Reader, issuing: Issuing, caller: Caller, named: Sequence[Name]) -> bytes:
    """The .pkpasses of these passes, in this order. What the caller may not see is answered like what is not there.

    They are built one after the other, so that a bundle takes no more of the signing pool than one pass does. Raises
    ``Refusal`` with a fault for each pass that is wrong, at ``/passes/INDEX``.
    """
    from livepass.pkpass import several  # here, because whoever issues does without

    _check_distinct(named)
    there = [caller.sees(name[0]) and await store.pass_(*name) is not None for name in named]
    if not all(there):
        raise _missing(named, [index for index, found in enumerate(there) if not found])
    built: dict[str, bytes] = {}
    refused: dict[int, Refusal] = {}
    entries = several.entry_names([serial for _, serial in named])
    for index, (entry, name) in enumerate(zip(entries, named, strict=True)):
        try:
            built[entry] = await issuing.pkpass(*name)
        except NotFound as refusal:  # erased since it was looked for
            raise _missing(named, [index]) from refusal
        except Refusal as refusal:
            refused[index] = refusal
    if refused:
        raise _not_built(named, refused)
    return await issuing.bundled(built)


def _check_distinct(named: Sequence[Name]) -> None:
    """A phone keeps one pass of each type and serial number, so a bundle holds it once."""
    faults = [
        Fault(
            f"/passes/{index}", f"{'/'.join(name)} is /passes/{named.index(name)} again", "name each pass once", "twice"
        )
        for index, name in enumerate(named)
        if named.index(name) < index
    ]
    if faults:
        raise Refusal(faults[0].message, hint=faults[0].remedy, faults=faults)


def _missing(named: Sequence[Name], indexes: Sequence[int]) -> NotFound:
    one = no_pass(*named[indexes[0]])
    title = one.title if len(indexes) == 1 else f"{len(indexes)} of these passes are not there"
    faults = [Fault(f"/passes/{index}", no_pass(*named[index]).title) for index in indexes]
    return NotFound(title, hint=one.hint, faults=faults)


def _not_built(named: Sequence[Name], refused: dict[int, Refusal]) -> Refusal:
    first, *others = refused.values()
    index = next(iter(refused))
    title = f"{'/'.join(named[index])}: {first.title}"
    if others:
        title += f"; and {len(others)} more that cannot be built now"
    faults = [
        Fault(f"/passes/{index}", f"{'/'.join(named[index])}: {each.title}", each.hint)
        for index, each in refused.items()
    ]
    return Refusal(title, hint=first.hint, faults=faults, code=first.code)
