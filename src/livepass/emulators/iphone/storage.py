"""A phone on disk: a wallet as JSON and back, so that one phone lives through many commands.

The state file holds the passes with their tokens: treat it as you would treat the phone. What was under way waits
again; rounds of pushes are not kept, so a push that was being answered is never called spurious after a restart.
"""

from __future__ import annotations

import base64
import json
import os
import random
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from livepass.emulators.iphone import package
from livepass.emulators.iphone.model import Alert, Banner, Exchange, InstalledPass, PhoneSettings, Record, Request, Task
from livepass.emulators.iphone.patience import PushScore
from livepass.emulators.iphone.quirks import Quirks
from livepass.emulators.iphone.wallet import Wallet

FORMAT: Final = 1
HISTORY_KEPT: Final = 200
"""Exchanges and console lines that go to disk."""


def save(wallet: Wallet) -> dict[str, Any]:
    """The wallet as JSON values. ``load`` gives back a phone that goes on where this one stopped."""
    version, state, gauss = wallet.rng.getstate()
    return {
        "format": FORMAT,
        "roots": [root.public_bytes(Encoding.PEM).decode() for root in wallet.roots],
        "rng": [version, list(state), gauss],
        "settings": asdict(wallet.settings),
        "quirks": wallet.quirks.switched(),
        "push_token": wallet.push_token,
        "airplane_mode": wallet.airplane_mode,
        "next_id": wallet.next_id,
        "passes": [_saved_pass(held) for held in wallet.passes.values()],
        "records": [
            asdict(record) | {"pending_serials": sorted(record.pending_serials)} for record in wallet.records.values()
        ],
        "scores": {pass_type: asdict(score) for pass_type, score in wallet.scores.items()},
        "tasks": [_saved_task(task) for task in wallet.queue.tasks()],
        "unsent": wallet.unsent,
        "removed_at": [[*key, at] for key, at in wallet.removed_at.items()],
        "banners": [asdict(banner) for banner in wallet.banners],
        "alerts": [asdict(alert) for alert in wallet.alerts],
        "complaints": wallet.complaints,
        "console": wallet.console[-HISTORY_KEPT:],
        "history": [_saved_exchange(exchange) for exchange in wallet.history[-HISTORY_KEPT:]],
    }


def load(saved: Mapping[str, Any]) -> Wallet:
    """The wallet that ``save`` wrote. ``ValueError`` for another format."""
    if saved.get("format") != FORMAT:
        raise ValueError(f"not a phone of format {FORMAT}: {saved.get('format')!r}")
    version, state, gauss = saved["rng"]
    rng = random.Random()
    rng.setstate((version, tuple(state), gauss))
    wallet = Wallet(
        [x509.load_pem_x509_certificate(root.encode()) for root in saved["roots"]],
        rng=rng,
        settings=PhoneSettings(**saved["settings"]),
        quirks=Quirks(saved["quirks"]),
        push_token=saved["push_token"],
    )
    wallet.airplane_mode = saved["airplane_mode"]
    wallet.next_id = saved["next_id"]
    for entry in saved["passes"]:
        held = InstalledPass(package=package.reopen(base64.b64decode(entry["pkpass"])), **entry["facts"])
        wallet.passes[held.key] = held
    for entry in saved["records"]:
        record = Record(**entry | {"pending_serials": set(entry["pending_serials"])})
        wallet.records[record.key] = record
    wallet.scores = {pass_type: PushScore(**score) for pass_type, score in saved["scores"].items()}
    for entry in saved["tasks"]:
        wallet.queue.put(Task(**entry | {"body": _bytes(entry["body"])}))
    wallet.unsent = {url: list(lines) for url, lines in saved["unsent"].items()}
    wallet.removed_at = {(pass_type, serial): at for pass_type, serial, at in saved["removed_at"]}
    wallet.banners = [Banner(**banner) for banner in saved["banners"]]
    wallet.alerts = [Alert(**alert) for alert in saved["alerts"]]
    wallet.complaints = list(saved["complaints"])
    wallet.console = list(saved["console"])
    wallet.history = [_loaded_exchange(entry) for entry in saved["history"]]
    return wallet


def write(wallet: Wallet, path: str | Path) -> None:
    """Save to a file that only its owner can read, whole or not at all."""
    path = Path(path)
    beside = path.with_name(path.name + ".new")
    beside.unlink(missing_ok=True)
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(save(wallet), file)
    beside.replace(path)


def read(path: str | Path) -> Wallet:
    """Load from a file. ``OSError``, ``ValueError``."""
    return load(json.loads(Path(path).read_text(encoding="utf-8")))


def _saved_pass(held: InstalledPass) -> dict[str, Any]:
    names = ("added_at", "modified_at", "token", "last_modified", "automatic_updates", "notifications", "registered")
    return {
        "pkpass": base64.b64encode(held.package.raw).decode(),
        "facts": {name: getattr(held, name) for name in names},
    }


def _saved_task(task: Task) -> dict[str, Any]:
    return asdict(task) | {"body": _text(task.body), "round_id": None}


def _saved_exchange(exchange: Exchange) -> dict[str, Any]:
    return asdict(exchange) | {"request": asdict(exchange.request) | {"body": _text(exchange.request.body)}}


def _loaded_exchange(entry: Mapping[str, Any]) -> Exchange:
    request = entry["request"]
    return Exchange(**{**entry, "request": Request(**request | {"body": _bytes(request["body"])})})


def _text(body: bytes | None) -> str | None:
    """Bodies of the phone are JSON, so they are text."""
    return None if body is None else body.decode()


def _bytes(text: str | None) -> bytes | None:
    return None if text is None else text.encode()
