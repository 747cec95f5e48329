"""A phone's page lists its requests as they came over the wire, without a token or a whole device id."""

from __future__ import annotations

from web.asgi import PASS_TYPE
from web.console.console_app import Console, with_console

DEVICE = "d3v1ce-that-no-page-shows-whole"


@with_console
async def test_the_requests_of_a_phone_as_they_came(console: Console) -> None:
    api = console.api
    await api.issue("1001")
    await api.register("1001", DEVICE)
    answering, token = api.services.answering, await api.token("1001")
    asked = await answering.ask(PASS_TYPE, DEVICE, None, "here:1")
    assert asked.status == 200
    served = await answering.fetch(PASS_TYPE, "1001", f"ApplePass {token}", None, "here:1")
    served.written()
    (await answering.fetch(PASS_TYPE, "1001", "ApplePass wrong", None, "there:2")).written()
    await api.services.recorder.settle(5)
    [row] = (await console.data(f"passes/{PASS_TYPE}/1001"))["pass"]["registrations"]
    path = f"passes/{PASS_TYPE}/1001/phones/{row['phone']}"
    found = (await console.data(path))["requests"]
    assert {(one["method"], one["status"], one["certain"]) for one in found} == {
        ("POST", 201, True),
        ("GET", 200, True),
        ("GET", 401, False),
    }
    fetch = next(one for one in found if one["bytes"])
    assert (fetch["bytes"], fetch["asked_with"]) == (len(served.reply.body), ["no If-Modified-Since"])
    for role in ("viewer", "operator"):
        page = await console.html(path, role)
        assert f"GET /v1/passes/{PASS_TYPE}/1001" in page.text
        assert "unauthorized-is-retried" in page.text and "names no phone" in page.text.replace("\xa0", " ")
        assert token not in page.raw and DEVICE not in page.raw
