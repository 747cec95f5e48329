"""Webhooks of a world whose service runs as processes: who receives them, and what must hold of them afterwards."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

import httpx2

from journeys.world import World
from service.receiver import Receiver, receiver


@asynccontextmanager
async def listening(world: World) -> AsyncIterator[Receiver]:
    """A receiver on this machine, to which processes that are started from now on may send."""
    allow(world)
    async with receiver() as to:
        yield to


def allow(world: World) -> None:
    world.config = replace(world.config, webhook_loopback=True)


async def add(client: httpx2.AsyncClient, url: str, *events: str, pass_types: Sequence[str] = ()) -> str:
    """Make an endpoint; its id."""
    wanted = {"url": url, "events": list(events), "pass_types": list(pass_types)}
    answer = await client.post("/webhook-endpoints", json=wanted)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


async def leases_run_out(world: World) -> None:
    """The minute is over for which a worker that died had claimed its messages."""
    await world.alter("UPDATE webhook_message SET next_at = 1 WHERE lease IS NOT NULL")


def waiting(world: World) -> int:
    """Messages that are to be sent, or are under way."""
    [(count,)] = world.sql("SELECT count(*) FROM webhook_message WHERE next_at IS NOT NULL")
    return int(count)


def check(world: World, to: Receiver, numbers: set[int], deaths: int) -> None:
    """All of these changes were told, each under one id with one text, however often; what is written down adds up.

    A message is told once more for each of ``deaths`` at the most.
    """
    came: dict[str, list[bytes]] = defaultdict(list)
    for each in to.received:
        came[each.headers["webhook-id"]].append(each.body)
    assert all(len(set(bodies)) == 1 for bodies in came.values()), "one id, two texts"
    told = [json.loads(bodies[0])["data"]["number"] for bodies in came.values()]
    assert len(told) == len(set(told)), "one change, two ids"
    assert numbers <= set(told), "a change that was acknowledged was not told"
    rows = world.sql("SELECT id, attempts, ok, lease FROM webhook_message")
    assert {id_ for id_, *_ in rows} == set(came)
    for id_, attempts, ok, lease in rows:
        noted = world.sql("SELECT number FROM webhook_attempt WHERE message = ? ORDER BY number", id_)
        assert [number for (number,) in noted] == list(range(1, attempts + 1)), "attempts are numbered without a gap"
        assert ok and lease is None
        assert attempts <= len(came[id_]) <= attempts + deaths
