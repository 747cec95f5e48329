"""What the runbooks say that a well service answers from outside is what it answers."""

from __future__ import annotations

import re
from pathlib import Path

import httpx2

from web.asgi import PASS_TYPE, Api, with_api
from web.test_batch_over_sockets import served

DOCS = Path(__file__).parents[2] / "docs"
CALL = re.compile(r"curl -s?i (?:-d '(?P<data>[^']*)' )?'?https://passes\.example\.com(?P<path>[^\s'`]+)'?")
STATUS = re.compile(r"[`\s]*(?:#|must\s+answer)\s+(\d{3})")


def promised(page: Path) -> list[tuple[str | None, str, int]]:
    """(body or none, path, status) of each call whose answer is told."""
    text = page.read_text()
    found = []
    for call in CALL.finditer(text):
        status = STATUS.match(text, call.end())
        if status:
            found.append((call["data"], call["path"], int(status[1])))
    return found


PROMISES = [(page.stem, *one) for page in sorted(DOCS.rglob("*.md")) for one in promised(page)]


def test_there_are_promises() -> None:
    assert len(PROMISES) >= 8
    assert {status for *_, status in PROMISES} == {200, 204, 401}
    assert {page for page, *_ in PROMISES} >= {"everything-stopped-updating", "LP302", "LP303", "LP352"}


@with_api
async def test_a_well_service_answers_as_promised(api: Api) -> None:
    await api.issue("1001")
    async with served(api) as port, httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
        for page, data, path, status in PROMISES:
            there = path.replace("TYPE", PASS_TYPE).replace("SERIAL", "1001")
            reply = await client.request("GET" if data is None else "POST", there, content=data)
            assert (reply.status_code, reply.content) == (status, b""), (page, path)
