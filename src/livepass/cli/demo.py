"""``livepass demo``: the whole loop on this machine. No Apple account, no phone, nothing left behind."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import sys
import time
import webbrowser
from typing import Any

import click

from livepass._version import __version__
from livepass.cli.demo_breaks import break_, fix
from livepass.cli.demo_link import SECRETS, connected, left_word, read
from livepass.cli.faults import Exit
from livepass.cli.root import Noun
from livepass.cli.session import Session

TOLD = ("push", "answer", "failure", "banner", "alert", "complaint")
"""What a phone does that is worth a line on the terminal."""


@click.group("demo", cls=Noun, invoke_without_command=True)
@click.option("--once", is_flag=True, help="Play the whole tour, print each round trip, and exit.")
@click.option("--keep", is_flag=True, help="Keep the directory with the database and the throwaway certificates.")
@click.option("--no-open", is_flag=True, help="Do not open the demo's page in a browser.")
@click.pass_context
def demo(context: click.Context, once: bool, keep: bool, no_open: bool) -> None:
    """Run everything locally: service, APNs, phone, three sample passes.

    Without --once it stays up until Ctrl-C. In a second terminal, `livepass demo change` changes a pass, and
    `livepass demo break` breaks something between the phone and the service, for `livepass why` to name.
    """
    if context.invoked_subcommand is None:
        logging.getLogger("httpx2").setLevel(logging.WARNING)
        as_json = context.ensure_object(Session).as_json
        sys.exit(asyncio.run(_once(keep, as_json) if once else _stay(keep, as_json, opens=not (no_open or as_json))))


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


demo.add_command(break_)
demo.add_command(fix)


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


async def _stay(keep: bool, as_json: bool, *, opens: bool) -> int:
    from livepass.cli.demo_world import running

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
        with left_word(world.facts()):
            if as_json:
                click.echo(json.dumps(world.facts()))
            else:
                _invite(world, keep)
            if opens and world.console_url and _has_display():
                webbrowser.open(f"{world.console_url}demo")
            await stop.wait()
    if not as_json:
        click.echo("\nstopped" + ("" if keep else "; everything is deleted"))
    return 0


def _has_display() -> bool:
    """Whether there is a screen to open a page on."""
    return sys.platform == "darwin" or any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))


def _invite(world: Any, keep: bool) -> None:
    page = f"{world.console_url}demo" if world.console_url else "needs livepass[console]"
    click.echo(f"\n  Page   {page}")
    click.echo("  Try    livepass demo change       in a second terminal")
    click.echo("         livepass demo status")
    click.echo("         livepass demo break --list   what can go wrong, by name")
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
        ("proxy before it", f"{world.proxy.url}/wallet, where the phones go"),
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

    async with connected() as (client, facts):
        address = f"/api/v1/passes/{facts['pass_type']}/{COFFEE.serial}"
        before = (await read(client, address))["data"][COFFEE.variable]
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


async def _followed(client: Any, address: str, number: int, seen: list[Any]) -> bool:
    """Collect each trip's event of a change until every registration is current; false when that takes too long."""
    after, end = 0, time.monotonic() + 30
    while time.monotonic() < end:
        # Before the timeline: what they stand on was written with its event, which is there to be read then.
        registrations = (await read(client, address))["registrations"]
        page = await read(client, f"{address}/timeline", after=after, limit=500)
        for event in page["data"]:
            after = max(after, event["id"])
            if event["seq"] == number and event["trip"] in ("change", "push", "ask", "fetch"):
                seen.append(event)
        if registrations and all(one["stands_on"] == "current" for one in registrations):
            return True
        await asyncio.sleep(0.05)
    return False


async def _status(as_json: bool) -> int:
    async with connected() as (client, facts):
        passes = (await read(client, "/api/v1/passes"))["data"]
        found = []
        for one in passes:
            detail = await read(client, f"/api/v1/passes/{one['pass_type']}/{one['serial']}")
            found.append({"serial": one["serial"], "number": detail["number"], "phones": detail["registrations"]})
        if as_json:
            click.echo(json.dumps({"demo": {k: v for k, v in facts.items() if k not in SECRETS}, "passes": found}))
            return 0
        for one in found:
            click.echo(f"{one['serial']}  number {one['number']}")
            for phone in one["phones"]:
                marks = "  ".join(f"{key} {value}" for key, value in phone["watermarks"].items())
                click.echo(f"   {phone['device_id'][:8]}…  {phone['stands_on']:8} {marks}")
        return 0


def _number(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return text
