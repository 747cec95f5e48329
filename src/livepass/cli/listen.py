"""``livepass listen``: webhooks beside a developer, as they happen, and on to a receiver on this machine.

It makes an endpoint that is sent nothing and reads its messages, so it sees what any endpoint would get, wherever the
service runs; that endpoint is removed in the end.
"""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any

import click

from livepass.cli.faults import usage
from livepass.cli.render import Cell, bad, dim, good, instant, text_of
from livepass.cli.root import Verb
from livepass.cli.session import Session, run

if TYPE_CHECKING:
    import httpx2

    from livepass.cli.client import Client

POLL_SECONDS = 1.0
FORWARD_SECONDS = 15.0
"""As long as a webhook waits for its answer."""
SHOWN = 200
"""Characters that are shown of what a receiver answers."""
PAGE = 500


@click.command(cls=Verb)
@click.option("--event", "events", multiple=True, metavar="NAME", help="Only these events; repeatable (default all).")
@click.option("--type", "pass_types", multiple=True, metavar="TYPE", help="Only these pass types; repeatable.")
@click.option("--forward", metavar="URL", help="Send each on to this address, signed, and show what it answers.")
@click.option("--count", type=click.IntRange(1), help="End after so many events (default: never).")
@click.pass_obj
def listen(
    session: Session, events: tuple[str, ...], pass_types: tuple[str, ...], forward: str | None, count: int | None
) -> None:
    """Print each webhook event as it happens, until Ctrl-C; with --forward, send it on to a receiver.

    The secret that is shown in the beginning signs what is forwarded, and is of no use afterwards.
    """
    if forward is not None and not forward.startswith(("http://", "https://")):
        raise usage(f"{forward!r} is no address", "--forward takes one such as http://127.0.0.1:3000/hooks")
    body = {"url": _polled(), "events": list(events), "pass_types": list(pass_types)}

    async def work() -> None:
        from livepass.cli.client import connected

        with _ended_by_sigterm():
            async with connected(session) as client, _endpoint(client, body) as made, _sender() as http:
                _say_ready(session, made)
                left = count
                async for message in _messages(client, made["id"]):
                    answer = await _forwarded(http, forward, made["secret"], message) if forward else None
                    _show(session, message, answer)
                    left = None if left is None else left - 1
                    if left == 0:
                        return

    try:
        run(work())
    except (KeyboardInterrupt, asyncio.CancelledError):
        return


def _polled() -> str:
    from livepass.core.webhooks import POLLED

    return POLLED


@contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """As Ctrl-C does: so that the endpoint is removed."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    if task is not None:
        loop.add_signal_handler(signal.SIGTERM, task.cancel)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGTERM)


@asynccontextmanager
async def _endpoint(client: Client, body: Mapping[str, Any]) -> AsyncIterator[dict[str, Any]]:
    from livepass.cli.client import address

    made = (await client.request("POST", "/webhook-endpoints", json=body)).json()
    try:
        yield made
    finally:
        await client.request("DELETE", address("webhook-endpoints", made["id"]))


@asynccontextmanager
async def _sender() -> AsyncIterator[httpx2.AsyncClient]:
    import httpx2

    async with httpx2.AsyncClient(timeout=FORWARD_SECONDS, trust_env=False, follow_redirects=False) as http:
        yield http


async def _messages(client: Client, id_: str) -> AsyncIterator[dict[str, Any]]:
    """New ones, oldest first. One that was written late stands behind newer ones: known ones are known by their ids."""
    from livepass.cli.client import address

    path, seen = address("webhook-endpoints", id_, "messages"), set[str]()
    while True:
        limit = PAGE
        found = await client.rows(path, limit=limit)
        while len(found) == limit and not any(one["id"] in seen for one in found):
            limit *= 2
            found = await client.rows(path, limit=limit)
        for message in reversed(found):
            if message["id"] not in seen:
                seen.add(message["id"])
                yield message
        await asyncio.sleep(POLL_SECONDS)


async def _forwarded(http: httpx2.AsyncClient, url: str, secret: str, message: Mapping[str, Any]) -> dict[str, Any]:
    """What a receiver answers: ``status`` 0 where none came, and then ``said`` is why."""
    import httpx2

    from livepass.core import webhook_signature

    body = message["body"].encode()
    signed = webhook_signature.headers([secret], message["id"], int(time.time()), body)
    try:
        reply = await http.post(url, content=body, headers={**signed, "Content-Type": "application/json"})
    except (httpx2.HTTPError, httpx2.InvalidURL, OSError, ValueError) as error:
        return {"status": 0, "said": (str(error) or type(error).__name__)[:SHOWN]}
    said = "".join(each if each.isprintable() else " " for each in reply.text[:SHOWN]).strip()
    return {"status": reply.status_code, "said": said}


def _say_ready(session: Session, made: Mapping[str, Any]) -> None:
    ready = {"ready": True, "endpoint": made["id"], "secret": made["secret"]}
    said = f"Ready: the secret of what is forwarded is {made['secret']} (^C to quit)"
    session.out.show(ready, lambda page: page.line(good(said)))


def _show(session: Session, message: Mapping[str, Any], answer: Mapping[str, Any] | None) -> None:
    import json

    row = {"id": message["id"], "at": message["at"], "event": message["event"], "body": json.loads(message["body"])}
    if answer is not None:
        row["answer"] = answer
    data = row["body"]["data"]
    about = "/".join(str(data[key]) for key in ("pass_type", "serial") if key in data)
    more = ", ".join(f"{k} {text_of(v)}" for k, v in data.items() if k not in ("pass_type", "serial", "number"))
    cells: list[Cell] = [dim(instant(row["at"])), row["event"], about, dim(more)]
    session.out.show(row, lambda page: page.line(*cells, *_answered(answer)))


def _answered(answer: Mapping[str, Any] | None) -> list[Cell]:
    if answer is None:
        return []
    status = answer["status"]
    if 200 <= status < 300:
        return [good(f"→ {status}")]
    return [bad(f"→ {status or 'no answer'}: {answer['said']}")]
