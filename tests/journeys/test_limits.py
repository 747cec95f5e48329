"""How long a journey may take."""

from __future__ import annotations

from journeys.world import World, journey


def test_pytest_stops_no_journey_before_its_own_limit() -> None:
    @journey(limit=300)
    async def steps(world: World) -> None:
        """Long, and never begun."""

    [mark] = steps.pytestmark  # type: ignore[attr-defined]
    assert mark.name == "timeout" and mark.args[0] > 300
