"""A move to another address: who needs the old one, and until when."""

from __future__ import annotations

from livepass.core.moving import PATIENCE_MS, Leg, Standing, added

NOW = 1_790_000_000_000


def test_only_who_was_not_seen_to_fetch_needs_the_old_address() -> None:
    legs = {Leg.NOT_SWITCHED: 1, Leg.WAITING: 2, Leg.FETCHED: 3, Leg.MOVED: 4, Leg.GONE: 5, Leg.NEVER: 6}
    standing = Standing(legs, NOW)
    assert (standing.stranded, standing.concerned, standing.share) == (3, 10, 0.7)
    assert Standing({}, 0).share == 1.0


def test_the_earliest_instant_is_now_once_nobody_needs_it_and_a_month_after_the_last_switch_otherwise() -> None:
    assert Standing({Leg.FETCHED: 1, Leg.GONE: 9}, NOW).earliest(NOW) == NOW
    assert Standing({Leg.WAITING: 1}, NOW - 5).earliest(NOW) == NOW - 5 + PATIENCE_MS
    assert Standing({Leg.WAITING: 1}, NOW - 2 * PATIENCE_MS).earliest(NOW) == NOW
    assert Standing({Leg.NOT_SWITCHED: 1, Leg.WAITING: 1}, NOW).earliest(NOW) is None


def test_pass_types_add_up() -> None:
    both = added([Standing({Leg.MOVED: 1}, 5), Standing({Leg.MOVED: 2, Leg.GONE: 1}, 3)])
    assert (both.legs, both.switched_at) == ({Leg.MOVED: 3, Leg.GONE: 1}, 5)
    assert added([]) == Standing({}, 0)
