"""From a link to a change that a phone fetched: over real sockets, with a phone that adds the pass from those bytes."""

from __future__ import annotations

import re
from dataclasses import replace

import httpx2
import pytest

from journeys.service_process import serve
from journeys.world import PASS_TYPE, World, journey, shows
from livepass.core.funnel import Funnel
from livepass.core.share import DAY
from livepass.core.timeline import Kind, Trip

IPHONE = {
    "User-Agent": "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/18.6 Mobile/15E148 Safari/604.1"
}


async def counted(world: World) -> tuple[int, ...]:
    """How many passes came to each step of the funnel."""
    await world.services.recorder.settle()
    funnel: Funnel = await world.services.store.funnel(PASS_TYPE, since=0)
    return (funnel.viewed, funnel.downloaded, funnel.registered, funnel.updated)


async def file_of(client: httpx2.AsyncClient, url: str) -> bytes:
    """What whoever opens the page and taps gets."""
    page = await client.get(url, headers=IPHONE)
    assert page.status_code == 200, page.text
    [address] = re.findall(r'href="([^"]+)">Add to Apple Wallet', page.text)
    file = await client.get(page.url.join(address), headers=IPHONE)
    assert file.headers["content-type"] == "application/vnd.apple.pkpass"
    return file.content


@journey
async def test_a_link_is_opened_and_its_pass_added_changed_and_confirmed(world: World) -> None:
    """Fails when any step is not seen, is counted too early, or names whoever took it."""
    for serial in ("1", "2"):
        await world.issue(serial, 100)
    phone = await world.phone()
    shared = await world.services.sharing.share(PASS_TYPE, "1")
    assert await counted(world) == (0, 0, 0, 0)
    async with world.client() as client:
        assert (await client.get(shared.url, headers=IPHONE)).status_code == 200
        assert await counted(world) == (1, 0, 0, 0)
        file = await file_of(client, shared.url)
    assert await counted(world) == (1, 1, 0, 0)

    await phone.install(file)
    await phone.settle()
    assert await counted(world) == (1, 1, 1, 0)

    await world.change("1", 200)
    await shows(phone, "1", 200)
    assert await counted(world) == (1, 1, 1, 1)

    events = [event for event in await world.timeline("1") if event.kind in (Kind.SHARE_VIEWED, Kind.PKPASS_DOWNLOADED)]
    assert [event.trip for event in events] == [Trip.REGISTER, Trip.REGISTER]
    for event in events:
        assert (event.detail, event.device_id, event.target) == ({"platform": "iphone"}, None, None)


@journey(books=False)  # of what is erased no number stays
async def test_what_is_tampered_with_erased_or_over_opens_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    for serial in ("1", "2", "3"):
        await world.issue(serial, 100)
    share = world.services.sharing.share
    mine, erased, anew = [await share(PASS_TYPE, serial, DAY) for serial in ("1", "2", "3")]
    for serial in ("2", "3"):
        await world.services.issuing.erase(PASS_TYPE, serial)
    await world.issue("3", 100)
    async with world.client() as client:

        async def refused(url: str) -> bytes:
            answers = [await client.get(url + file) for file in ("", "/pass.pkpass")]
            assert {answer.status_code for answer in answers} == {404}
            [body] = {answer.content for answer in answers}
            return body

        tampered = [mine.url[:at] + ("A" if mine.url[at] != "A" else "B") + mine.url[at + 1 :] for at in (-1, -30, -50)]
        bodies = [await refused(url) for url in (*tampered, erased.url, anew.url, mine.url + "A", mine.url + "/x")]
        assert (await client.get(mine.url)).status_code == 200
        now = world.services.clock.now()
        monkeypatch.setattr(world.services.clock, "now", lambda: now + DAY * 1000)
        bodies.append(await refused(mine.url))
        monkeypatch.undo()
        assert len(set(bodies)) == 1


@journey(elsewhere=True, books=False, content=False, limit=120)
async def test_links_hold_in_another_process_and_after_the_secret_key_was_replaced(world: World) -> None:
    """Fails when a link depends on what only one process knows, or on the key that only seals."""
    await world.issue("1", 100)
    shared = await world.services.sharing.share(PASS_TYPE, "1")
    world.config = replace(world.config, secret_key=("N" * 43, *world.config.secret_key))
    async with serve(world), world.client() as client:
        assert (await file_of(client, shared.url))[:2] == b"PK"
