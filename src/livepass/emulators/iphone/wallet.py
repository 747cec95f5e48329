"""The emulated iPhone's Wallet: a pure state machine. Inputs go in with the time, requests come out.

Theory of operation. A person, Apple and servers act on the phone: ``add``, ``push``, ``answered`` and their like.
Each leaves tasks in a queue. ``due(now)`` turns the tasks whose time has come into HTTP requests; every request is
answered through ``answered`` or ``failed``. ``next_due()`` says when to come back. The clock and the randomness are
passed in, so the same inputs give the same phone. ``run.py`` drives a wallet over real sockets; a test can drive it
by hand.

It is written from Apple's pages and from field reports, never from the server in this repository. What Apple does not
say is a row of ``quirks.py``. Nothing here promises that a real phone behaves the same.
"""

from __future__ import annotations

import base64
import copy
import json
import random
from collections.abc import Mapping

from livepass.emulators.iphone import addressing, replies
from livepass.emulators.iphone.form import KEYS, Form, form_of
from livepass.emulators.iphone.model import (
    Alert,
    Answer,
    Exchange,
    InstalledPass,
    Record,
    RecordKey,
    Request,
    Round,
    Sent,
    Task,
)
from livepass.emulators.iphone.package import Package
from livepass.emulators.iphone.patience import PushScore
from livepass.emulators.iphone.state import PhoneState, keep

LOG_BATCH = 50


class Wallet(PhoneState):
    """One phone. All times are seconds since the epoch, UTC.

    To read: ``passes`` (by (pass type, serial)), ``banners``, ``alerts``, ``complaints`` (lines written or about to
    be written to ``/v1/log``), ``console`` (lines no server sees), ``history`` (requests with their answers),
    ``records``, ``push_token``.
    """

    # ── what a person does ──────────────────────────────────────────────────────────────────────────────────────────

    def add(self, pkpass: bytes, now: float) -> InstalledPass:
        """Install a package, or put it in the place of an installed pass of that type and serial.

        Raises ``package.Refused`` with the console's text when the phone would not take it. A pass with a web service
        registers; one without never talks.
        """
        package = self.read(pkpass)
        held = self.passes.get((package.pass_type, package.serial))
        if held is not None:
            self._add_again(held, package, now)
        else:
            held = InstalledPass(package, added_at=now, modified_at=now, token=package.token)
            self.passes[held.key] = held
            self.register(held, now)
            if self.quirks.on("lifecycle-update-after-add"):
                # The values of passState are not known; this one is ours.
                self.schedule("lifecycle", held, now, json.dumps({"passState": "added"}).encode())
        for text in package.warnings:
            self.say(f"{held.pass_type}/{held.serial}: {text}")
        offered = self.offers(held.pass_type, held.serial)
        if offered is not None:
            self.say(f"{held.pass_type}/{held.serial} offers to sign up with {', '.join(offered.keys(self.quirks))}")
        return held

    def _add_again(self, held: InstalledPass, package: Package, now: float) -> None:
        held.last_modified = None
        self.move(held, package, now)
        if self.quirks.on("readd-registers"):
            self.register(held, now)
        if held.updatable and self.quirks.on("readd-fetches-at-once"):
            self.fetch(held, now)

    def delete(self, pass_type: str, serial: str, now: float) -> None:
        """Remove a pass; the server hears of it only if updates were on. ``KeyError`` when it is not there."""
        held = self.passes.pop((pass_type, serial))
        if held.updatable:
            self.unregister(held, now)
        else:
            self.queue.drop(lambda task: task.pass_key == held.key and task.kind != "unregister")
        key = held.record_key
        if key is not None and not self.quirks.on("record-outlives-last-pass"):
            self._forget_record_after(key)

    def _forget_record_after(self, key: RecordKey) -> None:
        if not any(held.record_key == key for held in self.passes.values()):
            self.records.pop(key, None)

    def set_automatic_updates(self, pass_type: str, serial: str, on: bool, now: float) -> None:
        """The switch on the back of the pass: off sends DELETE, on sends POST. ``KeyError`` when it is not there."""
        held = self.passes[pass_type, serial]
        if held.automatic_updates == on:
            return
        if not on:
            self.unregister(held, now)
        held.automatic_updates = on
        if on:
            self.register(held, now)

    def set_notifications(self, pass_type: str, serial: str, on: bool) -> None:
        """The switch for lock-screen texts of one pass."""
        self.passes[pass_type, serial].notifications = on

    def pull_to_refresh(self, pass_type: str, serial: str, now: float) -> None:
        """Fetch one pass without asking first. ``KeyError`` when it is not there."""
        self.fetch(self.passes[pass_type, serial], now)

    def offers(self, pass_type: str, serial: str) -> Form | None:
        """The sign-up that a pass offers as long as it comes with one. ``KeyError`` when it is not there."""
        held = self.passes[pass_type, serial]
        offered = held.record_key is not None and self.quirks.on("sign-up-offered-when-added")
        return form_of(held.package) if offered else None

    def personalize(self, pass_type: str, serial: str, info: Mapping[str, str], now: float) -> None:
        """Sign up with the person's details: once, because the call is never repeated.

        ``ValueError`` for a key that Apple does not name, and where the pass offers nothing. ``KeyError`` when it is
        not there.
        """
        if unknown := set(info) - set(KEYS):
            raise ValueError(f"{min(unknown)} is not one of {', '.join(KEYS)}")
        offered = self.offers(pass_type, serial)
        if offered is None:
            raise ValueError(f"{pass_type}/{serial} offers no sign-up")
        asked = offered.keys(self.quirks) if self.quirks.on("sign-up-sends-what-is-asked") else KEYS
        given = {key: info[key] for key in asked if key in info}
        body = {"personalizationToken": self._sign_up_token(), "requiredPersonalizationInfo": given}
        self.schedule("personalize", self.passes[pass_type, serial], now, json.dumps(body).encode())

    def _sign_up_token(self) -> str:
        digits = self.random_hex(32)
        return digits if self.quirks["sign-up-token"] == "hex" else base64.b64encode(bytes.fromhex(digits)).decode()

    def answer_alert(self, alert: Alert, reenable: bool, now: float) -> None:
        """Tap the cut-off alert: OK keeps updates off, Re-enable turns them on for the whole pass type."""
        alert.answer = "re-enable" if reenable else "ok"
        self.scores[alert.pass_type] = PushScore()
        for held in self.passes_of(alert.pass_type):
            if held.record_key is not None:
                self.set_automatic_updates(held.pass_type, held.serial, reenable, now)

    def set_airplane_mode(self, on: bool, now: float) -> None:
        """Offline, nothing is due and no try is wasted; what waited is due when the phone is back."""
        self.airplane_mode = on

    def reboot(self, now: float) -> None:
        """Switch off and on. The queue survives; requests under way are made again, and no push is remembered."""
        self.queue.interrupt()
        self.rounds.clear()
        if self.quirks.on("asks-after-reboot"):
            for record in self.records.values():
                if self.updatable_in(record.key):
                    self.ask(record, now)

    def restore_onto_new_phone(self, now: float, rng: random.Random, push_token: str | None = None) -> Wallet:
        """A backup of this phone on another one, which registers every pass again. This phone stays as it is."""
        other = Wallet(self.roots, rng=rng, settings=self.settings, quirks=self.quirks, push_token=push_token)
        for key, record in self.records.items():
            keeps_tag = self.quirks.on("restore-keeps-tag")
            other.records[key] = Record(
                *key,
                device_id=other.random_hex(32) if self.quirks.on("restore-new-device-id") else record.device_id,
                push_token=other.push_token,
                tag=record.tag if keeps_tag else None,
                tag_date=record.tag_date if keeps_tag else None,
            )
        for held in self.passes.values():
            restored = copy.copy(held)
            restored.registered = False
            if not self.quirks.on("restore-keeps-last-modified"):
                restored.last_modified = None
            other.passes[restored.key] = restored
            other.register(restored, now)
        return other

    # ── what Apple does ─────────────────────────────────────────────────────────────────────────────────────────────

    def push(self, topic: str, now: float) -> None:
        """A push for a pass type. It carries nothing: it starts one "what changed?" round, if patience allows."""
        records = [record for record in self.records.values() if record.pass_type == topic]
        records = [record for record in records if self.updatable_in(record.key)]
        if not records:
            self.say(f"push for {topic}, which no pass here listens to")
            return
        due = self.deferred(topic, now)
        if due is None:
            self._cut_off(topic, now)
            return
        if not self.quirks.on("push-while-asking-asks-again"):
            records = [record for record in records if not self.queue.is_under_way(("ask", *record.key))]
        round_id = self.new_id()
        if records:
            self.rounds[round_id] = Round(open={record.key for record in records})
        for record in records:
            self.ask(record, due, round_id)

    def _cut_off(self, pass_type: str, now: float) -> None:
        passes = self.passes_of(pass_type)
        waiting = [alert for alert in self.alerts if alert.pass_type == pass_type and alert.answer is None]
        if not waiting:
            name = passes[0].package.organization
            text = f"“{name}” is sending too many updates. Automatic Updates have been turned off."
            self.alerts.append(Alert(now, pass_type, name, text))
        if self.quirks.on("cutoff-unregisters-at-once"):
            self.scores[pass_type] = PushScore()
            for held in passes:
                if held.updatable:
                    self.set_automatic_updates(held.pass_type, held.serial, False, now)

    def new_push_token(self, token: str | None, now: float) -> None:
        """Apple replaced the phone's push token (drawn when None): every pass registers again with it."""
        self.push_token = token or self.random_hex(64)
        for record in self.records.values():
            record.push_token = self.push_token
            if self.quirks.on("new-device-id-on-token-change"):
                record.device_id = self.random_hex(32)
        for held in self.passes.values():
            self.register(held, now)

    # ── what servers do ─────────────────────────────────────────────────────────────────────────────────────────────

    def answered(self, request_id: int, status: int, headers: Mapping[str, str], body: bytes, now: float) -> None:
        """A request got its answer. Header names in any case. An id that is not under way is ignored."""
        sent = self._finish(request_id, now, status=status)
        if sent is not None:
            lower = {name.lower(): value for name, value in headers.items()}
            replies.take(self, sent, Answer(status, lower, body), now)

    def failed(self, request_id: int, reason: str, now: float) -> None:
        """A request got no answer: no route, no trust, no time. Retried, and never written to the log call."""
        sent = self._finish(request_id, now, reason=reason)
        if sent is not None:
            self.fail(sent, "T2", now, detail=reason)

    def _finish(self, request_id: int, now: float, status: int | None = None, reason: str | None = None) -> Sent | None:
        sent = self.queue.finish(request_id)
        if sent is not None:
            for exchange in reversed(self.history):
                if exchange.request.id == request_id:
                    exchange.answered_at, exchange.status, exchange.reason = now, status, reason
                    break
        return sent

    # ── what comes out ──────────────────────────────────────────────────────────────────────────────────────────────

    def due(self, now: float) -> list[Request]:
        """The requests to send now. Each counts as under way until it is answered or failed."""
        if self.airplane_mode:
            return []
        sent = [self._send(task, now) for task in self.queue.ready(now)]
        return [request for request in sent if request is not None]

    def next_due(self) -> float | None:
        """When ``due`` will next have something, if nothing else happens; None when nothing waits."""
        return None if self.airplane_mode else self.queue.next_due()

    def _send(self, task: Task, now: float) -> Request | None:
        held, record = self.passes.get(task.pass_key), self.records.get(task.record_key)
        if task.kind == "ask" and not self.updatable_in(task.record_key):
            self.queue.drop(lambda waiting: waiting is task)
            self.leave_round(task, None, now)
            return None
        messages = self.unsent.get(task.url, [])[: self._batch()] if task.kind == "log" else []
        twice = self.quirks.on("double-encoded-serial")
        request = addressing.request(self.new_id(), task, record, held, messages, self.settings, twice=twice)
        self.queue.start(
            Sent(
                request,
                task,
                now,
                device_id=addressing.device_id(task, record),
                tag=record.tag if record else None,
                tag_date=record.tag_date if record else None,
                if_modified_since=request.headers.get("If-Modified-Since"),
                messages=len(messages),
            )
        )
        if task.kind == "ask":
            self.score_of(task.pass_type).last_update = now
        keep(self.history, Exchange(request, now))
        self.say(f"Generating {request.method} request with URL <{request.url}>")
        return request

    def _batch(self) -> int:
        return LOG_BATCH if self.quirks.on("log-batch-50") else 1

    # ── what a person sees ──────────────────────────────────────────────────────────────────────────────────────────

    def __getitem__(self, serial: str) -> InstalledPass:
        """The pass with that serial, of any type. ``KeyError`` when there is none."""
        for held in self.passes.values():
            if held.serial == serial:
                return held
        raise KeyError(serial)

    @property
    def last_banner(self) -> str | None:
        """The newest lock-screen text."""
        return self.banners[-1].text if self.banners else None

    @property
    def topics(self) -> list[str]:
        """The pass types for which this phone wants pushes."""
        return sorted({held.pass_type for held in self.passes.values() if held.updatable})
