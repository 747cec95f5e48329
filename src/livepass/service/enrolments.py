"""What people gave when they signed up for rewards, opened for the issuer whose passes they hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from livepass.core.model import Enrolment
from livepass.core.personalize import read_asked
from livepass.pkpass import PkpassError
from livepass.service.refusals import no_pass
from livepass.service.seams import KeyRing, Store


@dataclass(frozen=True, slots=True)
class Given:
    """One enrolment. ``info`` is what was sent, as it was sent; ``None`` where it does not open, and ``unreadable``
    says why. ``epoch``: the history that its number is of; empty where it was not asked for.
    """

    enrolment: Enrolment
    info: Mapping[str, object] | None = field(repr=False)
    unreadable: str = ""
    epoch: str = ""


class Enrolments:
    """Reads them. One that does not open is told as such: the others are not held up by it."""

    def __init__(self, store: Store, keys: KeyRing) -> None:
        self._store = store
        self._keys = keys

    async def of_pass(self, pass_type: str, serial: str) -> Sequence[Given]:
        """Those of one pass, oldest first. Raises ``NotFound``."""
        if await self._store.pass_(pass_type, serial) is None:
            raise no_pass(pass_type, serial)
        return [self._opened(one) for one in await self._store.enrolments_of(pass_type, serial)]

    async def after(self, pass_type: str, epoch: str, number: int, limit: int) -> Sequence[Given]:
        """Those of a pass type that were stored after the one with this number, in that order: whoever goes on after
        the last one misses none. When history went back since (another ``epoch``), from the beginning.
        """
        found = await self._store.enrolments(pass_type, epoch=epoch, after=number, limit=limit)
        return [self._opened(one, present) for one, present in found]

    def _opened(self, enrolment: Enrolment, epoch: str = "") -> Given:
        try:
            return Given(enrolment, read_asked(self._keys.open_enrolment(enrolment)).info, epoch=epoch)
        except PkpassError as error:
            return Given(enrolment, None, f"{error.reason}: {error.hint}", epoch)
