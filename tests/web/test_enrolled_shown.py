"""Wherever a pass with an enrolment is shown, what somebody gave stands on it, as on the pass that phones fetch: never
what stands in its place where it is stored.
"""

from __future__ import annotations

import io
import json
import zipfile

from livepass import preview
from service.rewards import form, rewards
from web.asgi import PASS_TYPE, Api, with_api

PATH = f"/passes/{PASS_TYPE}/r"
NAME, STANDS_IN = "Ada Q. Lovelace", "⟦"


async def enrolled(api: Api) -> None:
    await api.ok("POST", "/templates?name=rewards", body=rewards().to_zip(), media="application/zip")
    await api.ok("PUT", PATH, {"template": "rewards", "data": {"points": 1}})
    header = f"ApplePass {await api.token('r')}"
    assert (await api.services.personalizing.personalize(PASS_TYPE, "r", header, form())).status == 200


@with_api
async def test_in_the_picture(api: Api) -> None:
    await enrolled(api)
    shown = (await api.call("GET", f"{PATH}/preview")).body.decode()
    assert NAME in shown
    assert STANDS_IN not in shown


@with_api
async def test_in_a_draft_so_that_only_what_changes_differs(api: Api) -> None:
    await enrolled(api)
    reply = await api.call("POST", f"{PATH}:draft", {"data": {"points": 2}})
    with zipfile.ZipFile(io.BytesIO(reply.body)) as archive:
        document = json.loads(archive.read("pass.json"))
        assert "personalization.json" not in archive.namelist()
    assert document["storeCard"]["secondaryFields"][0]["value"] == NAME
    assert "authenticationToken" not in document


@with_api
async def test_on_the_share_page(api: Api) -> None:
    await enrolled(api)
    sharing = api.services.sharing
    link = await sharing.share(PASS_TYPE, "r")
    opened = await sharing.open(link.url.rpartition("/")[2])
    assert opened is not None
    assert STANDS_IN not in json.dumps(opened.document(["en"]), ensure_ascii=False)
    assert "personalization.json" not in opened.files
    drawn = await sharing.drawn(opened, "en", lambda files, language: preview.svg(preview.draw(files)))
    assert NAME in drawn.decode()
