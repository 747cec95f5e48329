"""The page of a pass: what its headline says of the phones that follow it, and what is done only when it is typed."""

from __future__ import annotations

import engines
from web.asgi import PASS_TYPE
from web.console.console_app import Console, with_console

PAGE = f"passes/{PASS_TYPE}/1001"


@with_console
async def test_a_phone_that_left_is_listed_and_counts_for_nothing(console: Console) -> None:
    api = console.api
    await api.issue("1001")
    for phone in ("left", "stays"):
        await api.register("1001", phone)
    header = f"ApplePass {await api.token('1001')}"
    assert (await api.services.answering.unregister(PASS_TYPE, "1001", "left", header)).status == 200
    served = "UPDATE registration SET served = 99, served_at = ? WHERE device_id = 'stays'"
    engines.run(api.services.config.database_url, served, api.services.clock.now())
    page = await console.html(PAGE)
    assert "1001 ● current" in page.text.replace("\xa0", " "), page.text[:400]
    assert "stopped listening" in page.text


@with_console
async def test_a_pass_is_voided_only_when_its_serial_is_typed(console: Console) -> None:
    await console.api.issue("1001")
    for typed in ("", "1002"):
        refused = await console.page(PAGE, form={"act": "void", "confirm": typed})
        assert b"it was not confirmed" in refused.body
    assert (await console.page(PAGE, form={"act": "void", "confirm": " 1001 "})).status == 303
    row = await console.api.row("1001")
    assert row is not None and row.voided


@with_console
async def test_nothing_is_pushed_where_no_name_is_typed(console: Console) -> None:
    await console.api.issue("1001")
    refused = await console.page("pushes", form={"pass_type": "", "confirm": ""})
    assert refused.status == 200
    assert b"it was not confirmed" in refused.body
