"""Keys that nobody knows go from a template's zip and from a pass's content into the pass, and come out unchanged."""

from __future__ import annotations

import io
import json
import zipfile

import pytest

from livepass.pkpass import read
from pkpass.odd import IDENTITY, ODD, meant, odd_document, odd_personalization
from web.asgi import PASS_TYPE, Api, folder_zip, png, with_api

TEXT = odd_document(PASS_TYPE)
ONE = f"/passes/{PASS_TYPE}/1"


@pytest.mark.usefixtures("engine")
@with_api
async def test_a_template_uploaded(api: Api) -> None:
    document = {key: each for key, each in json.loads(TEXT).items() if key not in IDENTITY}
    upload = io.BytesIO()
    with zipfile.ZipFile(upload, "w") as archive:
        archive.writestr("pass.json", json.dumps(document))
        archive.writestr("icon.png", png(38))
        archive.writestr("personalization.json", odd_personalization())
    await api.ok("POST", "/templates?name=odd", body=upload.getvalue(), media="application/zip")
    await api.ok("PUT", ONE, {"template": "odd"})
    package = read((await api.call("GET", f"{ONE}/pkpass")).body)
    assert meant(package.document_bytes) == meant(TEXT)
    assert package.files["personalization.json"] == odd_personalization().encode()
    assert meant(json.dumps((await api.ok("GET", ONE))["document"])) == meant(TEXT)
    await api.ok("PATCH", ONE, {"content": {"logoText": "x", "userInfo": {"more": 1}}})
    merged = dict(read((await api.call("GET", f"{ONE}/pkpass")).body).document)
    assert (merged.pop("logoText"), merged["userInfo"].pop("more")) == ("x", 1)  # type: ignore[attr-defined]
    assert meant(json.dumps(merged)) == meant(TEXT), "what is merged over it leaves the rest alone, null too"
    await api.ok("PUT", ONE, {"template": "odd"})
    assert read((await api.call("GET", f"{ONE}/pkpass")).body).document_bytes == package.document_bytes


@pytest.mark.usefixtures("engine")
@with_api
async def test_content_that_is_sent(api: Api) -> None:
    """As a merge patch means it: ``null`` takes a key away, and stays inside of lists."""
    body = f'{{"template": "membership", "data": {{"points": 1.10}}, "content": {{"x": {ODD}}}}}'
    line = f'{{"pass_type": "{PASS_TYPE}", "serial": "2", {body[1:]}'.replace("\n", " ")
    assert (await api.call("PUT", ONE, body=body.encode(), media="application/json")).status == 201
    [done] = (await api.call("POST", "/passes:batch", body=line.encode(), media="application/x-ndjson")).lines()
    assert done["ok"]
    expected = json.dumps(without_nulls(json.loads(ODD)), sort_keys=True)
    for serial in ("1", "2"):
        document = read((await api.call("GET", f"/passes/{PASS_TYPE}/{serial}/pkpass")).body).document
        assert json.dumps(document["x"], sort_keys=True) == expected
        assert json.dumps(document["storeCard"]["primaryFields"][0]["value"]) == "1.1"  # type: ignore[index]


def without_nulls(value: object) -> object:
    if isinstance(value, dict):
        return {key: without_nulls(each) for key, each in value.items() if each is not None}
    return value


@with_api
async def test_numbers_that_no_pass_can_hold_are_refused_not_bent(api: Api) -> None:
    for number in ("18446744073709551616", "-9223372036854775809", "1e400"):
        body = f'{{"template": "membership", "data": {{"points": 1}}, "content": {{"x": {number}}}}}'
        reply = await api.call("PUT", ONE, body=body.encode(), media="application/json")
        assert 400 <= reply.status < 500, (number, reply.body)
        upload = io.BytesIO(folder_zip())
        with zipfile.ZipFile(upload, "a") as archive:
            archive.writestr("variables.json", f'{{"points": {{"type": "number", "default": {number}}}}}')
        made = await api.call("POST", "/templates?name=x", body=upload.getvalue(), media="application/zip")
        assert (made.status, made.json()["code"]) == (422, "template"), (number, made.body)
