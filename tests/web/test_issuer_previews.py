"""Pictures over the issuer API: what is asked for is what is drawn, and the page may do nothing but be looked at."""

from __future__ import annotations

import base64
import hashlib
import html
import io
import re
import xml.etree.ElementTree as ET
import zipfile

import pytest

from livepass.core.model import DEFAULT_TENANT
from livepass.pkpass import read
from livepass.service.showing import Showing
from web.asgi import OTHER, PASS_TYPE, Api, folder_zip, with_api

ONE = f"/passes/{PASS_TYPE}/1"
FIELDS = {
    "primaryFields": [{"key": "points", "label": "POINTS", "value": "${points}"}],
    "backFields": [{"key": "terms", "label": "Terms", "value": "None & <b>none</b>"}],
}
CARD = {"description": "Card", "organizationName": "Gym", "storeCard": FIELDS}
EAN = {"format": "PKBarcodeFormatEAN13", "message": "4006381333931", "messageEncoding": "utf-8"}


async def card(api: Api) -> None:
    await api.ok("POST", "/templates?name=card", body=folder_zip(document=CARD), media="application/zip")
    await api.ok("PUT", ONE, {"template": "card", "data": {"points": "P-1234"}, "content": {"barcodes": [EAN]}})


async def text(api: Api, target: str) -> str:
    reply = await api.call("GET", target)
    assert reply.status == 200, reply.body
    return reply.body.decode()


@with_api
async def test_a_page_holds_the_pass_and_may_do_nothing(api: Api) -> None:
    await card(api)
    reply = await api.call("GET", f"{ONE}/preview")
    page = reply.body.decode()
    assert (reply.status, reply.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert page.startswith("<!DOCTYPE html>") and "P-1234" in page and "<script" not in page
    assert reply.headers["x-content-type-options"] == "nosniff" and "no-store" in reply.headers["cache-control"]
    policy = dict(each.strip().partition(" ")[::2] for each in reply.headers["content-security-policy"].split(";"))
    [style] = re.findall(r"<style>(.*?)</style>", page, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(html.unescape(style).encode()).digest()).decode()
    assert policy["default-src"] == "'none'" and policy["style-src"] == f"'sha256-{digest}'" and "sandbox" in policy
    assert policy["img-src"] == "data:" and " style=" not in page


@with_api
async def test_the_query_says_how_it_is_looked_at(api: Api) -> None:
    await card(api)
    front, back = [await text(api, f"{ONE}/preview?side={side}") for side in ("front", "back")]
    assert "P-1234" in front and "Terms" not in front
    assert "None &amp; &lt;b&gt;none&lt;/b&gt;" in back, "the text of a stranger stays text"
    assert await text(api, f"{ONE}/preview?scheme=dark") != await text(api, f"{ONE}/preview?scheme=light")
    assert await text(api, f"{ONE}/preview?ios=18") != await text(api, f"{ONE}/preview?ios=27"), "iOS 18 has no EAN-13"


@with_api
async def test_a_language_has_its_own_texts(api: Api) -> None:
    buffer = io.BytesIO(folder_zip(document=CARD))
    with zipfile.ZipFile(buffer, "a") as archive:
        archive.writestr("de.lproj/pass.strings", '"POINTS" = "PUNKTE";')
    await api.ok("POST", "/templates?name=card", body=buffer.getvalue(), media="application/zip")
    for target in (f"{ONE}/preview", "/templates/card/preview"):
        await api.ok("PUT", ONE, {"template": "card", "data": {"points": 1}})
        assert "PUNKTE" in await text(api, f"{target}?language=de-CH")
        assert "PUNKTE" not in await text(api, f"{target}?language=fr") and "POINTS" in await text(api, target)


@pytest.mark.parametrize(
    ("query", "accept", "media"),
    [
        ("", "", "text/html; charset=utf-8"),
        ("", "*/*", "text/html; charset=utf-8"),
        ("", "image/svg+xml", "image/svg+xml"),
        ("", "text/html,image/svg+xml;q=0.8", "text/html; charset=utf-8"),
        ("?format=svg", "text/html", "image/svg+xml"),
        ("?format=html", "image/svg+xml", "text/html; charset=utf-8"),
    ],
)
@with_api
async def test_which_form_it_has(api: Api, query: str, accept: str, media: str) -> None:
    await card(api)
    reply = await api.call("GET", f"{ONE}/preview{query}", headers=[(b"accept", accept.encode())])
    assert (reply.status, reply.headers["content-type"], reply.headers["vary"]) == (200, media, "accept")
    if media == "image/svg+xml":
        assert ET.fromstring(reply.body).tag == "{http://www.w3.org/2000/svg}svg"
    assert reply.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("ios=25", "?ios"),
        ("ios=new", "?ios"),
        ("scheme=grey", "?scheme"),
        ("side=top", "?side"),
        ("format=png", "?format"),
        ("language=", "?language"),
        ("language=%3Cb%3E", "?language"),
        ("language=deutsch-deutsch-x-y-z", "?language"),
        ("langauge=de", "?langauge"),
    ],
)
@with_api
async def test_what_cannot_be_asked_for(api: Api, query: str, pointer: str) -> None:
    await card(api)
    for target in (f"{ONE}/preview", "/templates/card/preview"):
        reply = await api.call("GET", f"{target}?{query}")
        assert reply.status == 422 and reply.headers["content-type"] == "application/problem+json"
        assert [each["pointer"] for each in reply.json()["errors"]] == [pointer]


@with_api
async def test_a_template_is_filled_with_samples(api: Api) -> None:
    await card(api)
    page = await text(api, "/templates/card/preview")
    assert "Sample" in page and "${" not in page
    missing = await api.call("GET", "/templates/none/preview")
    assert (missing.status, missing.json()["code"]) == (404, "no_template")


@with_api
async def test_what_is_not_there_and_what_is_somebody_elses(api: Api) -> None:
    await card(api)
    for target in (f"/passes/{PASS_TYPE}/none/preview", f"/passes/{OTHER}/1/preview"):
        reply = await api.call("GET", target)
        assert (reply.status, reply.json()["code"]) == (404, "not_found")


@with_api
async def test_no_preview_holds_the_token(api: Api) -> None:
    await card(api)
    built = await api.call("GET", f"{ONE}/pkpass")
    token = str(read(built.body).document["authenticationToken"])
    for query in ("", "?side=back", "?format=svg", "?ios=18&scheme=dark"):
        assert token not in await text(api, f"{ONE}/preview{query}")
    showing = Showing(api.services.store, api.services.issuing.builder)
    for files in (await showing.of_pass(PASS_TYPE, "1"), await showing.of_template(DEFAULT_TENANT, "card")):
        assert b"authenticationToken" not in files["pass.json"], "who draws is not even given it"
