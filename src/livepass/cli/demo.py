"""``livepass demo``: the whole loop on this machine. No Apple account, no phone, nothing left behind."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import signal
import sys
import time
from typing import Any

import click

from livepass._version import __version__
from livepass.cli.faults import Exit
from livepass.cli.root import Noun
from livepass.cli.session import Session

TOLD = ("push", "answer", "failure", "banner", "alert", "complaint")
"""What a phone does that is worth a line on the terminal."""


@click.group("demo", cls=Noun, invoke_without_command=True)
@click.option("--once", is_flag=True, help="Play the whole tour, print each round trip, and exit.")
@click.option("--keep", is_flag=True, help="Keep the directory with the database and the throwaway certificates.")
@click.pass_context
def demo(context: click.Context, once: bool, keep: bool) -> None:
    """Run everything locally: service, APNs, phone, three sample passes.

    Without --once it stays up until Ctrl-C; `livepass demo change` in a second terminal changes a pass.
    """
    if context.invoked_subcommand is None:
        logging.getLogger("httpx2").setLevel(logging.WARNING)
        as_json = context.ensure_object(Session).as_json
        sys.exit(asyncio.run(_once(keep, as_json) if once else _stay(keep, as_json)))


@demo.command()
@click.argument("value", required=False)
@click.pass_obj
def change(session: Session, value: str | None) -> None:
    """Change the coffee card's points in the running demo, and follow the change to the phone."""
    sys.exit(asyncio.run(_change(value, session.as_json)))


@demo.command()
@click.pass_obj
def status(session: Session) -> None:
    """Show what each phone of the running demo was last seen to hold."""
    sys.exit(asyncio.run(_status(session.as_json)))


# ── the demo itself


async def _once(keep: bool, as_json: bool) -> int:
    from livepass.cli.demo_tour import Tour
    from livepass.cli.demo_world import running

    started = time.monotonic()
    async with running(lambda _name, _event: None, keep) as world:
        if as_json:
            well = await Tour(world, lambda _line: None, lambda scene: click.echo(json.dumps(scene))).play()
            click.echo(json.dumps({"every_phone_current": well}))
            return 0 if well else Exit.PROBLEM
        _introduce(world, started)
        well = await Tour(world, click.echo).play()
    click.echo(f"\n{'every phone shows the current value' if well else 'something is stale: see ✗ above'}")
    return 0 if well else Exit.PROBLEM


async def _stay(keep: bool, as_json: bool) -> int:
    from livepass.cli.demo_world import running, state_file

    started = time.monotonic()
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    introduced = False

    def tell(name: str, event: Any) -> None:
        if introduced and event.what in TOLD and as_json:
            click.echo(json.dumps({"at": event.at, "phone": name, "what": event.what, "text": event.text}))
        elif introduced and event.what in TOLD:
            click.echo(f"  {time.strftime('%H:%M:%S')}  {name}: {event.what:9} {event.text}")

    async with running(tell, keep) as world:
        if not as_json:
            _introduce(world, started)
        introduced = True
        path = state_file()
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            json.dump(world.facts(), file)
        if as_json:
            click.echo(json.dumps(world.facts()))
        else:
            _invite(world, keep)
        try:
            await stop.wait()
        finally:
            with contextlib.suppress(OSError):
                path.unlink()
    if not as_json:
        click.echo("\nstopped" + ("" if keep else "; everything is deleted"))
    return 0


def _invite(world: Any, keep: bool) -> None:
    click.echo("\n  Try    livepass demo change       in a second terminal")
    click.echo("         livepass demo status")
    click.echo(f"  API    {world.url}/api/v1         key {world.admin_key}")
    click.echo("  Stop   Ctrl-C" + ("" if keep else ", which deletes everything"))
    click.echo("")


def _introduce(world: Any, started: float) -> None:
    from livepass.cli.demo_passes import SAMPLES
    from livepass.cli.demo_world import PASS_TYPE, TEAM

    took = time.monotonic() - started
    lines = (
        ("throwaway Apple-like CA", f"pass certificate {PASS_TYPE}, team {TEAM}"),
        ("pass service", f"{world.url}/wallet"),
        ("emulated APNs", f"{world.apns.url}  (HTTP/2, TLS, client certificate)"),
        ("emulated phone", f"{', '.join(world.phones)}, rules of iOS 27, rate limiting off"),
        (f"{len(SAMPLES)} sample passes", " · ".join(sample.title for sample in SAMPLES)),
        ("added to the phone", f"and registered {took:.1f} s after the start"),
    )
    click.echo(f"livepass {__version__} · demo: nothing here talks to Apple\n")
    for what, text in lines:
        click.echo(f"  ✓ {what:24} {text}")


# ── the second terminal


async def _change(value: str | None, as_json: bool) -> int:
    from livepass.cli.demo_passes import COFFEE

    async with _connected() as (client, facts):
        if client is None:
            return Exit.UNCHECKED
        address = f"/api/v1/passes/{facts['pass_type']}/{COFFEE.serial}"
        before = (await _read(client, address))["data"][COFFEE.variable]
        wanted = _number(value) if value is not None else before + 10
        started = time.time()
        body = {"data": {COFFEE.variable: wanted}}
        response = await client.patch(address, params={"push": "now"}, json=body)
        answer = response.json()
        if response.status_code != 200:
            click.echo(f"refused: {answer.get('title')}", err=True)
            return Exit.PROBLEM
        seen: list[Any] = []
        current = not answer["changed"] or await _followed(client, address, answer["number"], seen)
        took = round((time.time() - started) * 1000)
        if as_json:
            click.echo(json.dumps({**answer, "before": before, "after": wanted, "ms": took, "events": seen}))
            return 0 if current else Exit.PROBLEM
        click.echo(f"{facts['pass_type']}/{COFFEE.serial}   {COFFEE.variable} {before} → {wanted}\n")
        for event in seen:
            click.echo(f"  ✓ {event['kind']:15} {event['at']}  {event['detail'].get('status', '')}")
        if not answer["changed"]:
            click.echo("  nothing changed: no number, no push")
        elif current:
            click.echo(f"\nevery registration is current after {took} ms")
        else:
            click.echo("the phone has not fetched it within 30 s", err=True)
        return 0 if current else Exit.PROBLEM


async def _read(client: Any, path: str, **query: Any) -> Any:
    """What the demo's API answers. Raises ``Fault`` for a refusal."""
    from livepass.cli.client import problem

    response = await client.get(path, params=query)
    if response.status_code != 200:
        raise problem(response.status_code, response.content, response.headers.get("content-type", ""))
    return response.json()


async def _followed(client: Any, address: str, number: int, seen: list[Any]) -> bool:
    """Collect each trip's event of a change until every registration is current; false when that takes too long."""
    after, end = 0, time.monotonic() + 30
    while time.monotonic() < end:
        page = await _read(client, f"{address}/timeline", after=after, limit=500)
        for event in page["data"]:
            after = max(after, event["id"])
            if event["seq"] == number and event["trip"] in ("change", "push", "ask", "fetch"):
                seen.append(event)
        registrations = (await _read(client, address))["registrations"]
        if registrations and all(one["stands_on"] == "current" for one in registrations):
            return True
        await asyncio.sleep(0.05)
    return False


async def _status(as_json: bool) -> int:
    async with _connected() as (client, facts):
        if client is None:
            return Exit.UNCHECKED
        passes = (await _read(client, "/api/v1/passes"))["data"]
        found = []
        for one in passes:
            detail = await _read(client, f"/api/v1/passes/{one['pass_type']}/{one['serial']}")
            found.append({"serial": one["serial"], "number": detail["number"], "phones": detail["registrations"]})
        if as_json:
            click.echo(json.dumps({"demo": {k: v for k, v in facts.items() if k != "key"}, "passes": found}))
            return 0
        for one in found:
            click.echo(f"{one['serial']}  number {one['number']}")
            for phone in one["phones"]:
                marks = "  ".join(f"{key} {value}" for key, value in phone["watermarks"].items())
                click.echo(f"   {phone['device_id'][:8]}…  {phone['stands_on']:8} {marks}")
        return 0


@contextlib.asynccontextmanager
async def _connected() -> Any:
    """A client of the running demo, or ``None`` (said on stderr) when none runs."""
    import ssl

    import httpx2

    from livepass.cli.demo_world import PASS_TYPE, state_file

    try:
        facts = json.loads(state_file().read_text()) | {"pass_type": PASS_TYPE}
        context = ssl.create_default_context(cafile=facts["ca_file"])
    except (OSError, ValueError):
        click.echo("no demo is running\nhint: livepass demo", err=True)
        yield None, {}
        return
    headers = {"Authorization": f"Bearer {facts['key']}"}
    async with httpx2.AsyncClient(base_url=facts["url"], headers=headers, verify=context, trust_env=False) as client:
        try:
            await client.get("/livez")
        except httpx2.TransportError:
            click.echo("the demo that ran last is gone\nhint: livepass demo", err=True)
            yield None, {}
            return
        yield client, facts


def _number(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return text
