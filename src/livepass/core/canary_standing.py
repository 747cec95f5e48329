"""How the canary of a pass type stands, for whoever looks at it; and which running processes have it.

A process has canaries of the pass types that its own settings name, and a pass type has one for as long as a running
process does: so processes can be started anew one after the other, and none undoes what another one does. Where they
disagree, that is said.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from itertools import takewhile
from typing import Final

from livepass.core import canary
from livepass.core.canary import Run
from livepass.core.frozen import frozen
from livepass.core.model import PRESENT_MS, Process

SILENT_MS: Final = 1_800_000
"""After so long without a run nothing watches. Six were due meanwhile."""
SHOWN: Final = 3
"""Processes that a sentence names."""


class State(StrEnum):
    COHERENT = "coherent"
    NEW = "new"
    """It has not run yet."""
    FAILS = "fails"
    SILENT = "silent"
    OFF = "off"
    """Processes run, and none has it: what is left of it is forgotten soon."""


@frozen
class Standing:
    """How the canary of a pass type stands at ``now``. ``runs``: of the last day, newest first; ``newest``: of all.
    ``named_by``: how many of the ``of`` running processes have it; ``here``: the settings of who asks name it.
    """

    pass_type: str
    now: int
    runs: Sequence[Run]
    newest: Run | None
    named_by: int = 0
    of: int = 0
    here: bool = True

    @property
    def share(self) -> float | None:
        """Of the last day's runs, those that saw their change in time; ``None``: there was none."""
        return canary.share(self.runs, self.now)

    @property
    def state(self) -> State:
        if self.of and not self.named_by:
            return State.SILENT if self.here else State.OFF
        if self.newest is None:
            return State.NEW
        if self.now - self.newest.at > SILENT_MS:
            return State.SILENT
        return State.COHERENT if self.newest.coherent else State.FAILS

    @property
    def needs(self) -> bool:
        """Somebody has to do ``remedy``."""
        return self.state in (State.FAILS, State.SILENT)

    @property
    def since(self) -> int | None:
        """When the first of the runs began that failed in a row, as far as a day goes; or the last run of one that is
        silent.
        """
        if self.newest is None or not self.needs:
            return None
        failed = list(takewhile(lambda run: not run.coherent, self.runs)) if self.state is State.FAILS else []
        return failed[-1].at if failed else self.newest.at

    @property
    def _last(self) -> Run:
        assert self.newest is not None
        return self.newest

    @property
    def sentence(self) -> str:
        """What is wrong; empty: nothing."""
        if self.state is State.FAILS:
            return self._last.sentence
        if self.state is not State.SILENT:
            return ""
        if self.of and not self.named_by:
            return "no running process has it"
        return f"nothing has run it for {_minutes(self.now - self._last.at)}"

    @property
    def remedy(self) -> str:
        if self.state is State.FAILS:
            return self._last.remedy
        if self.state is not State.SILENT:
            return ""
        return "start livepass serve and livepass worker with LIVEPASS_CANARY; livepass status shows what runs"


def _minutes(ms: int) -> str:
    minutes = ms // 60_000
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h"


# ── the processes


def running(processes: Sequence[Process], now: int) -> Sequence[Process]:
    """Those of which something was heard lately and that have canaries, or might: not one inside an application."""
    return [one for one in processes if one.canaries is not None and now - one.heard_at < PRESENT_MS]


def having(processes: Sequence[Process]) -> Mapping[str, Sequence[Process]]:
    """By pass type, in order: which processes have its canary."""
    names = sorted({name for one in processes for name in named(one)})
    return {name: [one for one in processes if name in named(one)] for name in names}


def named(process: Process) -> Sequence[str]:
    """The pass types that a process has canaries of."""
    return (process.canaries or "").split()


def apart(processes: Sequence[Process]) -> Mapping[str, str]:
    """By pass type what is to be said where some of the running processes have its canary and others do not."""
    return {
        name: f"LIVEPASS_CANARY names {name} for {_listed(have)}, and not for "
        f"{_listed([one for one in processes if one not in have])}"
        for name, have in having(processes).items()
        if len(have) < len(processes)
    }


def _listed(processes: Sequence[Process]) -> str:
    shown = [f"{one.role} on {one.host} (pid {one.pid})" for one in processes[:SHOWN]]
    return ", ".join(shown) + (f" and {len(processes) - SHOWN} more" if len(processes) > SHOWN else "")
