"""The table of hostility: what a peer does, and what must come of it."""

from __future__ import annotations

from apns.hostility import answers, farewells, levels, lines
from apns.hostility.case import Case

CASES: list[Case] = [*farewells.ROWS, *levels.ROWS, *answers.ROWS, *lines.ROWS]
