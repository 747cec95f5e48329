"""``livepass phone``: an emulated iPhone on the command line, against any service."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from livepass.cli import names
from livepass.cli.faults import Exit, Fault, refused, usage
from livepass.cli.names import PassName, pass_argument
from livepass.cli.polling import poll
from livepass.cli.render import Column, Mark, Page, dim, good, instant, text_of, warn
from livepass.cli.root import noun
from livepass.cli.session import Session, run

if TYPE_CHECKING:
    from livepass.emulators.iphone import InstalledPass, PhoneEvent, PhoneRunner, Wallet

    Act = Callable[[PhoneRunner], Awaitable[None]]

SAVE_SECONDS = 0.5
"""How often a running phone is written to its file when something happened."""
MARKS = {"failure": "bad", "complaint": "bad", "alert": "bad", "banner": "good", "push": "name"}

state_option = click.option(
    "--state",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("phone.json"),
    metavar="FILE",
    help="The file that this phone lives in (default phone.json).",
)
control_option = click.option(
    "--apns-control", metavar="URL", help="Control address of an emulated APNs, where the phone gets its pushes."
)


@noun("phone")
def phone() -> None:
    """An emulated iPhone, against any service: what it sends, shows and complains about.

    It is built from Apple's pages and field reports, and promises nothing about a real one: livepass phone quirks
    lists what it assumes. The phone lives in a file, --state, with the tokens of its passes.
    """


# ── what a person does


@phone.command()
@click.argument("source", metavar="FILE|URL")
@click.option("--allow-http", is_flag=True, help="As the developer switch of that name: take services without TLS.")
@state_option
@control_option
@click.pass_obj
def add(session: Session, source: str, allow_http: bool, state: Path, apns_control: str | None) -> None:
    """Add a pass, and register it. The first one makes the phone: --ca names the roots that it trusts."""
    from livepass.emulators.iphone import Refused, Unreachable

    async def act(runner: PhoneRunner) -> None:
        if allow_http:
            from dataclasses import replace

            runner.wallet.settings = replace(runner.wallet.settings, allow_http_services=True)
        try:
            held = await runner.install(source if "://" in source else names.read_bytes(source))
        except Refused as error:
            where = f"it says: {error.why}" if error.why else "livepass pass verify FILE says more"
            raise Fault(f"the phone does not take {source}: {error.text}", hint=where, code="refused") from error
        except Unreachable as error:
            raise Fault(f"{source} cannot be fetched: {error}", Exit.UNCHECKED, hint="check the address") from error
        added.append(held)

    added: list[InstalledPass] = []
    events, wallet = _act(session, state, act, apns_control, create=True)
    name = f"{added[0].pass_type}/{added[0].serial}"
    document = _pass_json(added[0]) | {"offers": _offers(wallet, added[0])}
    if document["offers"]:
        session.out.note(f"it offers to sign up: livepass phone personalize {name} {document['offers'][0]}=…")
    _report(session, wallet, events, f"{name} is on the phone", document)


@phone.command()
@pass_argument()
@state_option
@click.pass_obj
def pull(session: Session, name: PassName, state: Path) -> None:
    """Pull to refresh: fetch one pass without asking what changed."""
    from livepass.cli.handset import pass_on

    async def act(runner: PhoneRunner) -> None:
        pass_on(runner.wallet, name)
        runner.wallet.pull_to_refresh(*name, runner.clock.now())
        runner.wake()

    events, wallet = _act(session, state, act)
    _report(session, wallet, events, f"{name} pulled", _pass_json(wallet.passes[name]))


@phone.command()
@pass_argument()
@click.argument("given", nargs=-1, metavar="KEY=VALUE…")
@state_option
@control_option
@click.pass_obj
def personalize(
    session: Session, name: PassName, given: tuple[str, ...], state: Path, apns_control: str | None
) -> None:
    """Fill in the form of a pass that offers to sign up for rewards, and send it: once, as phones do.

    Keys are fullName, givenName, familyName, postalCode, ISOCountryCode, emailAddress and phoneNumber; those that the
    pass does not ask for are not sent.
    """
    from livepass.cli.handset import pass_on

    info = dict(_pair(each) for each in given)

    async def act(runner: PhoneRunner) -> None:
        pass_on(runner.wallet, name)
        try:
            runner.wallet.personalize(*name, info, runner.clock.now())
        except ValueError as error:
            hint = "livepass phone add says what a pass offers; who has enrolled is not asked again"
            raise Fault(str(error), hint=hint, code="no_sign_up") from error
        runner.wake()

    events, wallet = _act(session, state, act, apns_control)
    answers = [exchange.status for exchange in wallet.history if exchange.request.kind == "personalize"]
    held = wallet.passes[name]
    document = _pass_json(held) | {"status": answers[-1], "offers": _offers(wallet, held)}
    done = "is signed up" if answers[-1] == 200 else "is not signed up, and the phone does not try again"
    _report(session, wallet, events, f"{name} {done}", document)


def _pair(given: str) -> tuple[str, str]:
    key, equals, value = given.partition("=")
    if not equals:
        raise usage(f"{given!r} is not KEY=VALUE", "as in fullName='Ada Lovelace'")
    return key, value


@phone.command()
@pass_argument()
@state_option
@click.pass_obj
def delete(session: Session, name: PassName, state: Path) -> None:
    """Remove a pass from the phone, which unregisters it."""
    from livepass.cli.handset import pass_on

    async def act(runner: PhoneRunner) -> None:
        pass_on(runner.wallet, name)
        runner.wallet.delete(*name, runner.clock.now())
        runner.wake()

    events, wallet = _act(session, state, act)
    _report(session, wallet, events, f"{name} is off the phone", {"pass_type": name.pass_type, "serial": name.serial})


@phone.command()
@click.argument("switch", type=click.Choice(["on", "off"]))
@pass_argument()
@state_option
@click.pass_obj
def updates(session: Session, switch: str, name: PassName, state: Path) -> None:
    """The switch Automatic Updates on the back of a pass: off unregisters, on registers."""
    from livepass.cli.handset import pass_on

    async def act(runner: PhoneRunner) -> None:
        pass_on(runner.wallet, name)
        runner.wallet.set_automatic_updates(*name, switch == "on", runner.clock.now())
        runner.wake()

    events, wallet = _act(session, state, act)
    _report(session, wallet, events, f"automatic updates of {name} are {switch}", _pass_json(wallet.passes[name]))


@phone.command()
@click.option("--to", "to", type=click.Path(path_type=Path, dir_okay=False), required=True, metavar="FILE")
@state_option
@click.pass_obj
def restore(session: Session, to: Path, state: Path) -> None:
    """Restore a backup of this phone onto a new one, which lives in the file --to. This phone stays as it is."""
    import random
    import secrets

    from livepass.cli.handset import opened, save

    if to.exists():
        raise refused(f"{to} holds something already", "name a new file: --to")
    with opened(state, session.ca, keep=False) as old:
        rng = random.Random(secrets.randbits(128))  # noqa: S311 - plays a phone, guards nothing
        save(old.restore_onto_new_phone(time.time(), rng), to)

    async def nothing(_: PhoneRunner) -> None:
        return None

    events, wallet = _act(session, to, nothing)
    document = {"phone": str(to), "passes": [_pass_json(held) for held in wallet.passes.values()]}
    _report(session, wallet, events, f"the backup of {state} is on the phone {to}", document)


# ── what Apple does


@phone.command("push")
@click.argument("pass_type", metavar="TYPE")
@state_option
@click.pass_obj
def push_(session: Session, pass_type: str, state: Path) -> None:
    """Hand the phone a push, without any APNs: it asks what changed and fetches that."""

    async def act(runner: PhoneRunner) -> None:
        if pass_type not in runner.wallet.topics:
            hint = f"it listens to: {', '.join(runner.wallet.topics) or 'nothing'}"
            raise Fault(f"this phone listens to no pass of type {pass_type}", hint=hint)
        await runner.deliver_push(pass_type)

    events, wallet = _act(session, state, act)
    document = {"pass_type": pass_type, "passes": [_pass_json(each) for each in wallet.passes_of(pass_type)]}
    _report(session, wallet, events, f"a push for {pass_type} was handed over", document)


@phone.command()
@state_option
@control_option
@click.pass_obj
def token(session: Session, state: Path, apns_control: str | None) -> None:
    """Give the phone a new push token: every pass registers again with it."""

    async def act(runner: PhoneRunner) -> None:
        await runner.replace_push_token()

    events, wallet = _act(session, state, act, apns_control)
    document = {"passes": [_pass_json(held) for held in wallet.passes.values()]}
    _report(session, wallet, events, "the phone has a new push token", document)


@phone.command("run")
@state_option
@control_option
@click.option("--console", is_flag=True, help="Also what the phone says to itself.")
@click.pass_obj
def run_(session: Session, state: Path, apns_control: str | None, console: bool) -> None:
    """Stay on: register, wait for pushes, ask, fetch; one line for each thing that happens. Ctrl-C ends it."""
    from livepass.cli.handset import opened, save, talking

    async def work(wallet: Wallet) -> None:
        happened = asyncio.Event()

        def heard(event: PhoneEvent) -> None:
            happened.set()
            if console or event.what != "console":
                _say(session, event)

        ending = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, ending.set)
        async with talking(wallet, heard, apns_control):
            session.out.note(f"{len(wallet.passes)} passes; Ctrl-C ends it")
            if apns_control is None:
                session.out.note("nothing pushes to this phone: --apns-control URL names an emulated APNs that does")
            while not ending.is_set():
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(ending.wait(), SAVE_SECONDS)
                if happened.is_set():
                    happened.clear()
                    save(wallet, state)

    with opened(state, session.ca) as wallet:
        run(work(wallet))


# ── look


@phone.command("list")
@state_option
@click.pass_obj
def list_(session: Session, state: Path) -> None:
    """The passes on the phone."""
    from livepass.cli.handset import opened

    with opened(state, session.ca, keep=False) as wallet:
        rows = [_pass_json(held) for held in wallet.passes.values()]
    columns: list[Column] = [
        ("PASS", lambda row: f"{row['pass_type']}/{row['serial']}"),
        ("FROM", "organization"),
        ("REGISTERED", "registered"),
        ("UPDATES", lambda row: "on" if row["automatic_updates"] else "off"),
        ("CHANGED", lambda row: instant(row["modified_at"])),
    ]
    session.out.rows(rows, columns, "no passes: livepass phone add FILE")


@phone.command()
@pass_argument()
@state_option
@click.pass_obj
def show(session: Session, name: PassName, state: Path) -> None:
    """A pass as it is on the phone, and what the lock screen said of it."""
    from livepass.cli.handset import opened, pass_on
    from livepass.emulators.iphone import notices

    with opened(state, session.ca, keep=False) as wallet:
        held = pass_on(wallet, name)
        banners = [banner.text for banner in wallet.banners if (banner.pass_type, banner.serial) == name]
    fields = {key: notices.shown(field) for key, field in held.package.fields().items()}
    document = _pass_json(held) | {"fields": fields, "banners": banners}

    def draw(page: Page) -> None:
        page.line(Mark(str(name), "name"), dim(held.package.organization))
        page.facts(*fields.items())
        page.facts(
            ("registered", text_of(held.registered)),
            ("updates", "on" if held.automatic_updates else "off"),
            ("last-modified", text_of(held.last_modified)),
        )
        for text in banners[-5:]:
            page.line("lock screen:", good(f"“{text}”"))

    session.out.show(document, draw)


@phone.command()
@click.option("--console", is_flag=True, help="What the phone says to itself; no server hears it.")
@state_option
@click.pass_obj
def log(session: Session, console: bool, state: Path) -> None:
    """What the phone complained about to its services, and what that means."""
    from livepass.cli.handset import opened
    from livepass.core.testimony import read_line

    with opened(state, session.ca, keep=False) as wallet:
        lines = list(wallet.console if console else wallet.complaints)
    if console:
        session.out.rows([{"line": line} for line in lines], [("LINE", "line")], "nothing")
        return
    read = [(line, read_line(line)) for line in lines]
    rows = [{"line": line, "code": known.code, "meaning": known.meaning} for line, known in read]
    columns: list[Column] = [("CODE", "code"), ("MEANING", "meaning"), ("LINE", "line")]
    session.out.rows(rows, columns, "no complaints")


@phone.command()
@click.option("--set", "switches", multiple=True, metavar="NAME=CHOICE", help="Switch one; may be repeated.")
@state_option
@click.pass_obj
def quirks(session: Session, switches: tuple[str, ...], state: Path) -> None:
    """What this phone assumes about real ones where Apple is silent, and how it is switched.

    Confidence: A documented, B several field reports, C one report, D inferred.
    """
    from livepass.cli.handset import opened
    from livepass.emulators.iphone import Quirks

    chosen = Quirks()
    if state.exists() or switches:
        with opened(state, session.ca, keep=bool(switches)) as wallet:
            for switch in switches:
                wallet.quirks = _switched(wallet.quirks, switch)
            chosen = wallet.quirks
    rows = [
        {
            "name": quirk.name,
            "choice": choice,
            "default": quirk.default,
            "choices": list(quirk.choices),
            "what": quirk.what,
            "confidence": quirk.confidence,
        }
        for quirk, choice in chosen
    ]
    columns: list[Column] = [
        ("QUIRK", "name"),
        ("CHOICE", lambda row: warn(row["choice"]) if row["choice"] != row["default"] else str(row["choice"])),
        ("", lambda row: dim(str(row["confidence"]))),
        ("WHAT", "what"),
    ]
    session.out.rows(rows, columns)


def _switched(quirks: Any, switch: str) -> Any:
    name, equals, choice = switch.partition("=")
    if not equals:
        raise usage(f"{switch!r} is not NAME=CHOICE", "livepass phone quirks lists names and choices")
    try:
        return quirks.but(name, choice)
    except (KeyError, ValueError) as error:
        raise usage(str(error.args[0]), "livepass phone quirks lists names and choices") from error


# ── shared


def _act(
    session: Session, state: Path, act: Act, apns_control: str | None = None, *, create: bool = False
) -> tuple[list[PhoneEvent], Wallet]:
    """Open the phone, do something, and wait until it has nothing more to send."""
    from livepass.cli.handset import opened, settled, talking

    events: list[PhoneEvent] = []

    async def work(wallet: Wallet) -> None:
        async with talking(wallet, events.append, apns_control) as runner:
            await act(runner)
            await settled(runner)

    with opened(state, session.ca, create=create) as wallet:
        run(work(wallet))
    return events, wallet


def _report(session: Session, wallet: Wallet, events: list[PhoneEvent], done: str, document: dict[str, Any]) -> None:
    """What happened meanwhile. Exit 3 when a service was not reached, 1 when the phone complained."""
    shown = [event for event in events if event.what != "console"]
    failed = any(event.what == "failure" for event in shown)
    complained = any(event.what in ("complaint", "alert") for event in shown)

    def draw(page: Page) -> None:
        for event in shown:
            page.line(*_line(event))
        page.line(warn(done) if failed or complained else good(done))

    session.out.show({**document, "events": [_event_json(event) for event in shown]}, draw)
    if failed:
        raise click.exceptions.Exit(Exit.UNCHECKED)
    if complained:
        raise click.exceptions.Exit(Exit.PROBLEM)


def _say(session: Session, event: PhoneEvent) -> None:
    session.out.show(_event_json(event), lambda page: page.line(*_line(event)))


def _line(event: PhoneEvent) -> tuple[Mark, Mark]:
    at = time.strftime("%H:%M:%S", time.gmtime(event.at))
    return dim(f"{at} {event.what:9}"), Mark(event.text, MARKS.get(event.what, ""))


def _event_json(event: PhoneEvent) -> dict[str, Any]:
    return {"at": int(event.at * 1000), "what": event.what, "text": event.text}


def _offers(wallet: Wallet, held: InstalledPass) -> list[str]:
    """What a pass asks for, by key; nothing where it offers no sign-up."""
    form = wallet.offers(held.pass_type, held.serial)
    return [] if form is None else list(form.keys(wallet.quirks))


def _pass_json(held: InstalledPass) -> dict[str, Any]:
    """A pass on the phone without its token."""
    return {
        "pass_type": held.pass_type,
        "serial": held.serial,
        "organization": held.package.organization,
        "registered": held.registered,
        "automatic_updates": held.automatic_updates,
        "last_modified": held.last_modified,
        "added_at": int(held.added_at * 1000),
        "modified_at": int(held.modified_at * 1000),
    }


phone.add_command(poll)
