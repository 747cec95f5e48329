"""The control port: only for whoever has the secret, and only what it says."""

from __future__ import annotations

import asyncio

import httpx2

from livepass.emulators.between.breaks import BREAKS, BY_NAME
from livepass.emulators.between.control import Control
from livepass.emulators.between.scene import Break

SECRET = {"Authorization": "Bearer s3cret"}


def test_it_breaks_and_mends_for_whoever_has_the_secret() -> None:
    broken: list[Break] = []

    async def cause(one: Break) -> None:
        broken.append(one)

    async def mend() -> list[Break]:
        mended, broken[:] = broken[:], []
        return mended

    async def main() -> None:
        async with (
            asyncio.timeout(20),
            Control("s3cret", cause, mend, lambda: broken) as control,
            httpx2.AsyncClient(base_url=control.url, trust_env=False) as client,
        ):
            for headers in ({}, {"Authorization": "s3cret"}, {"Authorization": "Bearer s3cre"}):
                refused = await client.post("/break", json={"name": "ask-404"}, headers=headers)
                assert (refused.status_code, broken) == (401, [])
            page = await client.post("/mend", headers={**SECRET, "Origin": "https://example.com"})
            assert page.status_code == 403, "a web page in a browser here must not break anything"
            answer = await client.post("/break", json={"name": "ask-404"}, headers=SECRET)
            assert [one["name"] for one in answer.json()["broken"]] == ["ask-404"]
            assert broken == [BY_NAME["ask-404"]]
            listed = (await client.get("/breaks", headers=SECRET)).json()["breaks"]
            assert [one["name"] for one in listed] == [one.name for one in BREAKS]
            assert [one["name"] for one in listed if one["broken"]] == ["ask-404"]
            for path, body in (("/break", {"name": "nothing"}), ("/break", {}), ("/fix", {})):
                assert (await client.post(path, json=body, headers=SECRET)).status_code == 404
            mended = (await client.post("/mend", headers=SECRET)).json()["mended"]
            assert ([one["name"] for one in mended], broken) == (["ask-404"], [])

    asyncio.run(main())
