"""Answers of the issuer API from the database here, without the API: the same words, in a fraction of the time."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import msgspec

from livepass.cli.database import explained
from livepass.core.unavailable import Unavailable
from livepass.looking import looking
from livepass.service.refusals import Refusal
from livepass.web.issuer_answers_why import Why

if TYPE_CHECKING:
    from livepass.cli.faults import Fault
    from livepass.cli.session import Session
    from livepass.service.explaining import Explaining


async def why(session: Session, pass_type: str, serial: str) -> dict[str, Any]:
    """As ``GET /passes/{type}/{serial}/why`` answers."""
    async with _looking(session) as explaining:
        found: dict[str, Any] = msgspec.to_builtins(Why.of(await explaining.explain(pass_type, serial)))
        return found


async def standing(session: Session) -> dict[str, Any]:
    """How all registrations stand, and the processes: nothing that takes a walk where a service counted lately."""
    from livepass.cli import standing
    from livepass.web.issuer_answers_phones import ProcessRow

    async with _looking(session) as explaining:
        found = await standing.found(session.config(), explaining)
        now, rows = explaining.clock.now(), await explaining.store.processes()
        return found | {"processes": msgspec.to_builtins([ProcessRow.of(row, now) for row in rows])}


@asynccontextmanager
async def _looking(session: Session) -> AsyncIterator[Explaining]:
    """The database of the environment. What goes wrong is said as the API says it."""
    config = session.config()
    with explained(config):
        async with looking(config) as explaining:
            try:
                yield explaining
            except (Refusal, Unavailable) as error:
                raise _refused(session, error) from error


def _refused(session: Session, error: Refusal | Unavailable) -> Fault:
    from livepass.cli.client import problem
    from livepass.web import problems

    if isinstance(error, Unavailable):
        session.out.note(f"livepass: {error}")
        error = problems.unavailable()
    return problem(error.status, msgspec.json.encode(problems.problem(error)), problems.MEDIA_TYPE)
