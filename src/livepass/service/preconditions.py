"""``If-Match`` and ``If-None-Match``: a change that is only wanted of the version that was read.

They are looked at where a draft is drawn, and whether that draft is still of the newest version is looked at in the
transaction that stores it: of two changes of one version, one finds another version there.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from livepass.core.model import Pass
from livepass.service.refusals import Fault, Refusal

ANY = "*"
_TAG = re.compile(r'\s*(?P<weak>W/)?"(?P<tag>[\x21\x23-\x7e\x80-\xff]*)"\s*')
MOST_TAGS = 50


class PreconditionFailed(Refusal):
    """The pass is not the one that the caller had seen."""

    status = 412
    code = "precondition_failed"


@dataclass(frozen=True, slots=True)
class Precondition:
    """``match``: the version has to be one of these; ``none_match``: it may be none of those. ``None``: not asked;
    ``*`` among them: any version at all.
    """

    match: tuple[str, ...] | None = None
    none_match: tuple[str, ...] | None = None

    def __bool__(self) -> bool:
        return self.match is not None or self.none_match is not None

    def require(self, row: Pass | None) -> None:
        """Raise ``PreconditionFailed`` unless the pass as it is (``None``: not there) fits. RFC 9110, 13.2.2."""
        if not self:
            return
        there = None if row is None else version_of(row)
        if self.match is not None and (there is None or not {ANY, there}.intersection(self.match)):
            said = "there is no such pass" if there is None else "it was changed since"
            raise _failed("If-Match", f"the pass is not the version that If-Match names: {said}")
        if self.none_match is not None and there is not None and {ANY, there}.intersection(self.none_match):
            raise _failed("If-None-Match", "there is a pass already, and If-None-Match forbids that")


WHATEVER = Precondition()
"""Nothing was asked."""


def precondition(if_match: str | None, if_none_match: str | None) -> Precondition:
    """From the headers. Raises ``Refusal`` for what cannot be read: a condition is never passed over."""
    return Precondition(
        # A weak tag never matches strongly (RFC 9110, 8.8.3.2), and we give none.
        None if if_match is None else _tags("If-Match", if_match, weak=False),
        None if if_none_match is None else _tags("If-None-Match", if_none_match, weak=True),
    )


def version_of(row: Pass) -> str:
    """What names a writing of a pass, for an ``ETag``: another one after each write, also one that changes no byte of
    the pass, and for a pass that was erased and made again. Where its phones stand is no part of it.
    """
    token = row.token
    parts = (
        *(str(row.edit).encode(), token.key_id.encode(), token.salt, token.sealed or b"", row.manifest_sha.encode()),
        (row.holder or "").encode(),
        *(row.template.encode(), row.revision.encode(), b"%d%d" % (row.pinned, row.voided), row.data, row.content),
    )
    return hashlib.sha256(b"".join(len(part).to_bytes(8, "big") + part for part in parts)).hexdigest()[:32]


def _tags(header: str, value: str, *, weak: bool) -> tuple[str, ...]:
    if value.strip() == ANY:
        return (ANY,)
    found: list[str] = []
    parts = value.split(",") if len(value) < MOST_TAGS * 80 else [""]
    for part in parts:
        tag = _TAG.fullmatch(part)
        if tag is None:
            raise Refusal(
                f"{header} cannot be read",
                hint="send an ETag as it was given, in its quotes, or *",
                faults=[Fault(header, "is neither * nor a list of entity tags")],
                code="precondition",
            )
        if weak or not tag["weak"]:
            found.append(tag["tag"])
    return tuple(found)


def _failed(header: str, said: str) -> PreconditionFailed:
    hint = "read the pass again, and decide anew: its ETag names the version" if header == "If-Match" else ""
    return PreconditionFailed(said, hint=hint, faults=[Fault(header, said)])
