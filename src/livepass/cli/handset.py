"""An emulated phone that lives in a file: opened by one command at a time, talking while it is open."""

from __future__ import annotations

import contextlib
import fcntl
import random
import secrets
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from livepass.cli.client import trusting
from livepass.cli.faults import Fault, refused, unchecked, usage
from livepass.cli.names import PassName, read_bytes
from livepass.emulators.iphone import InstalledPass, PhoneEvent, PhoneRunner, PushClient, Wallet, storage

SETTLE_SECONDS = 30.0


@contextlib.contextmanager
def opened(path: Path, ca: Path | None, *, create: bool = False, keep: bool = True) -> Iterator[Wallet]:
    """The phone in the file, and back into it afterwards (``keep``), whatever happened meanwhile."""
    with _locked(path):
        wallet = _load(path, ca) if path.exists() else _new(path, ca, create=create)
        try:
            yield wallet
        finally:
            if keep:
                save(wallet, path)


@contextlib.asynccontextmanager
async def talking(
    wallet: Wallet, on_event: Callable[[PhoneEvent], None], apns_control: str | None = None
) -> AsyncIterator[PhoneRunner]:
    """The phone on the network. It trusts the system's roots for TLS, and its own."""
    pushes = PushClient(apns_control) if apns_control else None
    async with PhoneRunner(wallet, verify=_tls(wallet), pushes=pushes, on_event=on_event) as runner:
        yield runner


async def settled(runner: PhoneRunner) -> None:
    """When all that is due was sent and answered. Retries that wait do not count."""
    try:
        await runner.settle(SETTLE_SECONDS)
    except TimeoutError as error:
        title = f"the service has not answered for {SETTLE_SECONDS:.0f} s"
        raise unchecked(title, "livepass phone run goes on trying") from error


def save(wallet: Wallet, path: Path) -> None:
    """Write the phone to its file."""
    try:
        storage.write(wallet, path)
    except OSError as error:
        raise unchecked(f"{path} cannot be written: {error.strerror or error}", "name another file: --state") from error


def pass_on(wallet: Wallet, name: PassName) -> InstalledPass:
    """A pass on this phone."""
    held = wallet.passes.get((name.pass_type, name.serial))
    if held is None:
        raise Fault(f"there is no pass {name} on this phone", hint="livepass phone list shows them", code="not_found")
    return held


def _new(path: Path, ca: Path | None, *, create: bool) -> Wallet:
    if not create:
        raise unchecked(f"there is no phone {path}", "livepass phone add FILE --ca ROOTS makes one")
    if ca is None:
        hint = "add --ca FILE; for real passes that file is Apple Root CA, from apple.com/certificateauthority"
        raise usage("a new phone must be told which roots to trust", hint)
    rng = random.Random(secrets.randbits(128))  # noqa: S311 - plays a phone, guards nothing
    return Wallet(_roots(ca), rng=rng)


def _load(path: Path, ca: Path | None) -> Wallet:
    try:
        wallet = storage.read(path)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise unchecked(f"{path} holds no phone: {error}", "name another file: --state") from error
    if ca is not None:
        wallet.roots = tuple({root.public_bytes(Encoding.DER): root for root in [*wallet.roots, *_roots(ca)]}.values())
    return wallet


def _roots(ca: Path) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(read_bytes(ca))
    except ValueError as error:
        raise usage(f"--ca {ca} holds no PEM certificate", "name a PEM file with one or more certificates") from error


def _tls(wallet: Wallet) -> ssl.SSLContext:
    context = trusting(None)
    if wallet.roots:
        context.load_verify_locations(cadata="".join(root.public_bytes(Encoding.PEM).decode() for root in wallet.roots))
    return context


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """One command at a time: two would overwrite each other's phone."""
    beside = path.with_name(path.name + ".lock")
    try:
        file = beside.open("w")
    except OSError as error:
        raise unchecked(
            f"{beside} cannot be written: {error.strerror or error}", "name another file: --state"
        ) from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise refused(
                f"another command is using the phone {path}", "stop livepass phone run first, or name another --state"
            ) from error
        yield
