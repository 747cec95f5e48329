"""``livepass apns``: an emulated APNs, and what its answers mean."""

from __future__ import annotations

import asyncio
import difflib
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from livepass.cli import names
from livepass.cli.faults import Exit, Fault, unchecked, usage
from livepass.cli.render import Column, Page, bad, dim, good, instant, text_of
from livepass.cli.root import noun
from livepass.cli.session import Session, run

if TYPE_CHECKING:
    from livepass.cli.mint import Minted
    from livepass.emulators.apns import ProviderKey

PORT, CONTROL_PORT = 2197, 2198
"""As Apple's alternative port, and the one after it."""

control_option = click.option(
    "--control",
    default=f"http://127.0.0.1:{CONTROL_PORT}",
    metavar="URL",
    help=f"Control address of the emulator (default http://127.0.0.1:{CONTROL_PORT}).",
)


@noun("apns")
def apns() -> None:
    """An emulated APNs, and what its answers mean."""


@apns.command()
@click.option("--cert", type=click.Path(path_type=Path), metavar="FILE", help="PEM: its TLS certificate and chain.")
@click.option("--key", "private_key", type=click.Path(path_type=Path), metavar="FILE", help="PEM: that one's key.")
@click.option("--client-ca", type=click.Path(path_type=Path), metavar="FILE", help="PEM: who may issue certificates.")
@click.option(
    "--dir",
    "directory",
    type=click.Path(path_type=Path),
    default=Path("apns-emulator"),
    metavar="DIR",
    help="Without --cert: where a throwaway authority's files are (default apns-emulator).",
)
@click.option("--topic", "topics", multiple=True, metavar="TYPE", help="Without --cert: pass type to mint a .p12 for.")
@click.option(
    "--apns-key",
    "apns_keys",
    multiple=True,
    metavar="KEYID:TEAM:FILE",
    help="Take provider tokens of this .p8 as well; may be repeated.",
)
@click.option("--host", default="127.0.0.1", help="Address to listen on (default 127.0.0.1).")
@click.option("--port", type=click.IntRange(0, 65535), default=PORT, help=f"For senders (default {PORT}).")
@click.option(
    "--control-port",
    type=click.IntRange(0, 65535),
    default=CONTROL_PORT,
    help=f"For whoever runs the test (default {CONTROL_PORT}).",
)
@click.option("--any-token", is_flag=True, help="Know every well-formed token, not only registered ones.")
@click.option("--seed", type=int, help="Makes chaos repeatable.")
@click.pass_obj
def emulate(
    session: Session,
    cert: Path | None,
    private_key: Path | None,
    client_ca: Path | None,
    directory: Path,
    topics: tuple[str, ...],
    apns_keys: tuple[str, ...],
    host: str,
    port: int,
    control_port: int,
    any_token: bool,
    seed: int | None,
) -> None:
    """Run one, over HTTP/2 with TLS, client certificates and APNs keys, until Ctrl-C.

    Without --cert it mints a throwaway authority, whose files are reused the next time. That this APNs accepts a push
    promises nothing about Apple's.
    """
    from livepass.cli import mint
    from livepass.emulators.apns import ApnsServer

    known = [_provider_key(text) for text in apns_keys]
    minted = mint.given(cert, private_key, client_ca) or mint.minted(directory, host, topics)

    async def work() -> None:
        try:
            server = ApnsServer(
                minted.certificate,
                minted.key,
                minted.client_ca,
                host,
                port,
                control_port,
                strict_tokens=not any_token,
                seed=seed,
            )
        except (ValueError, OSError) as error:  # ssl.SSLError is an OSError
            raise usage(
                f"the certificates cannot be used: {error}", "all three are PEM, and belong together"
            ) from error
        for key in known:
            server.know_key(key)
        ending = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, ending.set)
        try:
            await server.start()
        except OSError as error:
            hint = "name other ports: --port 0 --control-port 0 takes free ones"
            raise unchecked(f"cannot listen on {host}: {error.strerror or error}", hint) from error
        try:
            _say_ready(session, server.url, server.control_url, minted)
            await ending.wait()
        finally:
            await server.stop()

    run(work())


def _provider_key(text: str) -> ProviderKey:
    """From KEYID:TEAM:FILE."""
    from livepass.emulators.apns import ProviderKey

    id_, team, path = ([*text.split(":", 2), "", ""])[:3]
    if not (id_ and team and path):
        raise usage(f"--apns-key {text} is not KEYID:TEAM:FILE", "as in --apns-key ABC123DEFG:TEAM123456:key.p8")
    try:
        return ProviderKey.of(id_, team, names.read_bytes(path))
    except (ValueError, TypeError) as error:
        raise usage(
            f"{names.shown(path)} is no APNs key: {error}",
            "make one: openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256",
        ) from error


def _say_ready(session: Session, url: str, control: str, minted: Minted) -> None:
    document = {"apns_url": url, "control_url": control, "files": minted.files}

    def draw(page: Page) -> None:
        page.line(good(f"an emulated APNs at {url}, control at {control}"))
        page.facts(*minted.files.items())
        if "authority" in minted.files:
            page.facts(("use it", f"LIVEPASS_APNS_URL={url} LIVEPASS_APNS_CA_FILE={minted.files['authority']}"))

    session.out.show(document, draw)


@apns.command()
@click.argument("preset", required=False)
@click.option("--fault", "faults", multiple=True, metavar="SPEC", help="As in status:500, latency:80, goaway, stall.")
@click.option("--probability", type=click.FloatRange(0, 1), default=1.0, help="Of each --fault (default 1).")
@click.option("--count", type=click.IntRange(1), help="How often each --fault strikes at most.")
@click.option("--topic", metavar="TYPE", help="Only pushes for this pass type.")
@click.option("--clear", is_flag=True, help="Switch everything off.")
@control_option
@click.pass_obj
def chaos(
    session: Session,
    preset: str | None,
    faults: tuple[str, ...],
    probability: float,
    count: int | None,
    topic: str | None,
    clear: bool,
    control: str,
) -> None:
    """Let an emulated APNs misbehave: a PRESET, or --fault by --fault. Without either, say what is switched on."""
    if (preset is not None) + bool(faults) + clear > 1:
        raise usage("name a preset, or --fault, or --clear", "livepass apns chaos --help")
    if clear:
        found = run(_control(control, "DELETE", "/chaos"))
    elif preset:
        found = run(_control(control, "PUT", "/chaos", {"preset": preset}))
    elif faults:
        more: dict[str, Any] = {"probability": probability, "count": count, "topic": topic}
        found = run(_control(control, "PUT", "/chaos", {"faults": [{"fault": each, **more} for each in faults]}))
    else:
        found = run(_control(control, "GET", "/chaos"))

    def draw(page: Page) -> None:
        columns: list[Column] = [
            ("FAULT", "fault"),
            ("PROBABILITY", "probability"),
            ("COUNT", "count"),
            ("PASS TYPE", "topic"),
            ("STRUCK", "struck"),
        ]
        page.table(columns, found["faults"], "no chaos")
        page.facts(("presets", text_of(found["presets"])))

    session.out.show(found, draw)


@apns.command()
@click.option("--topic", metavar="TYPE", help="Only pushes for this pass type.")
@click.option("--token", metavar="TOKEN", help="Only pushes to this push token.")
@click.option("--after", type=click.IntRange(0), default=0, help="Only entries with a number above this.")
@control_option
@click.pass_obj
def history(session: Session, topic: str | None, token: str | None, after: int, control: str) -> None:
    """What an emulated APNs was asked, and what it answered."""
    query = {"after": str(after), **({"topic": topic} if topic else {}), **({"token": token} if token else {})}
    found = run(_control(control, "GET", "/history", query=query))["history"]
    columns: list[Column] = [
        ("N", "number"),
        ("AT", lambda row: dim(instant(row.get("at_ms")))),
        ("PASS TYPE", "topic"),
        ("TOKEN", lambda row: str(row.get("token", ""))[:12]),
        ("ANSWER", _answer),
        ("DELIVERY", "delivery"),
    ]
    session.out.rows(found, columns, "nothing was asked")


def _answer(row: Mapping[str, Any]) -> Any:
    said = " ".join(str(part) for part in (row.get("status"), row.get("reason"), row.get("fault")) if part)
    return good(said) if row.get("status") == 200 else bad(said)


@apns.command()
@click.argument("reason")
@click.pass_obj
def explain(session: Session, reason: str) -> None:
    """What an answer of APNs means, and what is done about it: BadDeviceToken, 410, TopicDisallowed, …"""
    from livepass.core.push_told import WHAT_NEXT
    from livepass.core.trip2_push import ANSWERS, STATUS_CLASSES, action_for
    from livepass.emulators.apns import REASONS

    wanted = reason.strip()
    status: int | None = None
    if wanted.partition(" ")[0].isdecimal():
        first, _, wanted = wanted.partition(" ")
        status, wanted = int(first), wanted.strip()
    known = {name.lower(): (code, name) for code, name in ANSWERS}
    known |= {name.lower(): (row.status, name) for name, row in REASONS.items()}
    if wanted:
        code, name = known.get(wanted.lower(), (status or -1, wanted))
        status = code if status is None else status
    else:
        name = ""
    if status is None or (status < 0) or (not name and status != 200 and status not in STATUS_CLASSES):
        close = difflib.get_close_matches(wanted.lower(), known, 1, 0.5)
        hint = f"did you mean {known[close[0]][1]}?" if close else "give a reason of APNs, or a status such as 410"
        raise Fault(f"APNs has no answer {reason}", hint=hint, code="not_found")
    action = action_for(status, name)
    if name:
        meaning = REASONS[name].meaning if name in REASONS else ""
    else:
        meaning = ", or ".join(row.meaning for row in REASONS.values() if row.status == status)
    document = {
        "status": status,
        "reason": name or None,
        "meaning": meaning or None,
        "next": action.value,
        "what_livepass_does": WHAT_NEXT[action],
    }

    def draw(page: Page) -> None:
        page.line(f"{status or 'no answer'} {name}".rstrip() + (f": {meaning}" if meaning else ""))
        page.line(WHAT_NEXT[action])

    session.out.show(document, draw)


async def _control(
    control: str,
    method: str,
    path: str,
    body: Mapping[str, Any] | None = None,
    query: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """One call to the control port of an emulated APNs."""
    import httpx2

    try:
        async with httpx2.AsyncClient(trust_env=False, timeout=10) as http:
            reply = await http.request(method, control.rstrip("/") + path, json=body, params=query)
            found = reply.json()
    except (httpx2.HTTPError, httpx2.InvalidURL, ValueError) as error:
        hint = "livepass apns emulate runs one; --control names its control address"
        raise unchecked(f"no emulated APNs answers at {control}: {error}", hint) from error
    if reply.status_code >= 400:
        said = str(found.get("error", reply.status_code))
        raise Fault(said, Exit.USAGE, hint="livepass apns chaos shows what there is")
    return dict(found)
