"""Runs an operation once to count its points, then once for each point, with a process that dies there."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from crashpoints.scene import FIRST, Course, Operation, Scene
from simulation import aftermath
from simulation.process import slowed
from simulation.world import Watching


@dataclass
class Found:
    """``broken``: by point, what did not hold after a death there; point 0 is the run in which nobody dies."""

    operation: Operation
    points: int = 0
    states: int = 0
    broken: dict[int, list[str]] = field(default_factory=dict)


def crash(operation: Operation, point: int | None) -> Course:
    """A fresh world, the operation, a death at the point (``None``: none), and whether all is well afterwards."""
    scene = Scene(operation)
    with Watching(scene), slowed():
        scene.to_the_end(scene._set_up(), "set up")
        scene.rest()
        if operation.prepare is not None:
            scene.to_the_end(operation.prepare(scene), "prepare")
        scene.perform(point)
        _afterwards(scene)
    scene.loop.close()
    scene.server.close()
    return scene.course


def _afterwards(scene: Scene) -> None:
    """It settles; then a pass changes, and every phone has that, too."""
    ledger = scene.ledger
    scene.count_asks()
    scene.rest()
    if not ledger.violations:
        aftermath.check(scene)
    if not ledger.violations:
        if scene.operation.after is not None:
            scene.to_the_end(scene.operation.after(scene), "after")
        scene.count_asks()
        scene.to_the_end(scene.put(FIRST, points="afterwards"), "a last change")
        scene.rest()
        aftermath.check(scene)
    if scene.wreck is not None:
        scene.course.states.append(scene.wreck[0])
        scene.course.acknowledged = scene.wreck[1]
    scene.look_again()


def explore(operation: Operation, points: Iterable[int] | None = None) -> Found:
    """Every point of an operation, or these."""
    found = Found(operation)
    whole = crash(operation, None)
    found.points, found.states = whole.points, len(whole.states)
    broken = list(whole.broken)
    if not whole.acknowledged:
        broken.append("it does not succeed by itself")
    if found.states > operation.states:
        broken.append(f"S7 it is seen in {found.states} states, not in {operation.states}")
    if broken:
        found.broken[0] = broken
    for point in range(1, whole.points + 1) if points is None else points:
        course = crash(operation, point)
        broken = list(course.broken)
        if course.states[-1] not in whole.states:
            broken.append("S7 it is neither wholly done nor wholly not")
        elif course.acknowledged and course.states[-1] != whole.states[-1]:
            broken.append("S7 it was acknowledged, and is not there")
        if broken:
            found.broken[point] = broken
    return found
