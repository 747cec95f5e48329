"""The tour: every way a pass has to stay true, played once, each round trip with its times."""

from __future__ import annotations

import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from livepass.cli.demo_passes import COFFEE, CONCERT, GYM, SAMPLES, Sample
from livepass.cli.demo_world import PASS_TYPE, Demo, until
from livepass.core.timeline import Event, Kind

ADA = "Ada's iPhone"
NEW = "Ada's new iPhone"

Print = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Step:
    """One scene of the tour: what it shows, and the function that plays it and says whether it went well."""

    title: str
    play: Callable[[Tour], Awaitable[bool]]


class Tour:
    """Plays the scenes on a running demo. Scenes return whether what they promised was seen.

    ``say`` gets each line for people; ``report`` each scene when it is over: ``{"scene", "well", "lines"}``.
    """

    def __init__(self, demo: Demo, say: Print, report: Callable[[dict[str, object]], None] | None = None) -> None:
        self.demo = demo
        self._say = say
        self._report = report
        self._lines: list[str] = []

    def say(self, line: str) -> None:
        self._lines.append(line.strip())
        self._say(line)

    async def play(self) -> bool:
        """All scenes in order; true when every one went well and every phone shows what is current."""
        well = True
        for number, step in enumerate(STEPS, 1):
            self._say(f"\n{number}. {step.title}")
            self._lines = []
            went_well = await step.play(self)
            well = went_well and well
            if self._report is not None:
                self._report({"scene": step.title, "well": went_well, "lines": self._lines})
        return well

    # ── scenes

    async def change(self) -> bool:
        return await self._changed_and_shown(COFFEE, 130, [ADA])

    async def token(self) -> bool:
        phone = self.demo.phones[ADA]
        old = phone.wallet.push_token
        await phone.replace_push_token()
        await phone.settle()
        self.say(f"   token …{old[-6:]} → …{phone.wallet.push_token[-6:]}, {len(SAMPLES)} passes registered it")
        before = len(self.demo.apns.history(token=old))
        shown = await self._changed_and_shown(COFFEE, 140, [ADA])
        silent = len(self.demo.apns.history(token=old)) == before
        self._check(silent, "the old token was pushed to no more")
        return shown and silent

    async def restore(self) -> bool:
        phone = self.demo.phones[ADA]
        wallet = phone.wallet.restore_onto_new_phone(time.time(), random.Random(NEW))  # noqa: S311 - a stand-in's ids, the same each time
        new = await self.demo.phone(NEW, wallet)
        await new.settle()
        count = await self._registrations(GYM)
        self._check(count == 2, f"{GYM.serial} is registered by {count} phones")
        return await self._changed_and_shown(GYM, 8, [ADA, NEW]) and count == 2

    async def offline(self) -> bool:
        phone = self.demo.phones[ADA]
        phone.set_airplane_mode(True)
        self.demo.apns.set_offline(phone.wallet.push_token)
        await self.demo.change(CONCERT, "Gate C")
        online = await self._changed_and_shown(CONCERT, "Gate D", [NEW])
        stale = self.demo.shown(ADA, CONCERT)
        self.say(f"   {ADA} is offline and still shows {stale!r}")
        phone.set_airplane_mode(False)
        self.demo.apns.set_offline(phone.wallet.push_token, False)
        caught_up = await until(lambda: self.demo.shown(ADA, CONCERT) == "Gate D")
        self._check(caught_up, f"{ADA} is back: APNs kept one push for it, and it shows {self._shown(ADA, CONCERT)}")
        return online and caught_up and stale == CONCERT.data[CONCERT.variable]

    async def nothing(self) -> bool:
        pushes = len(self.demo.apns.history())
        result = await self.demo.change(COFFEE, await self.demo.current(COFFEE))
        quiet = len(self.demo.apns.history()) == pushes and not result.changed and result.pushes_due == 0
        self._check(quiet, f"same value again: number {result.number} stays, no push, same Last-Modified")
        return quiet

    async def everything(self) -> bool:
        well = True
        await self.demo.services.recorder.settle()
        for sample in SAMPLES:
            current = await self.demo.current(sample)
            for name in self.demo.phones:
                same = self.demo.shown(name, sample) == current
                well = well and same
                self._check(same, f"{name:17} {sample.serial}  {sample.field} = {self._shown(name, sample)}")
        complaints = [line for phone in self.demo.phones.values() for line in phone.wallet.complaints]
        self._check(not complaints, "no phone had anything to complain about")
        for line in complaints:
            self.say(f"     {line}")
        return well and not complaints

    # ── one change, seen from everywhere

    async def _changed_and_shown(self, sample: Sample, value: object, names: list[str]) -> bool:
        was = await self.demo.current(sample)
        started = time.time()
        result = await self.demo.change(sample, value)
        self.say(f"   {PASS_TYPE}/{sample.serial}   {sample.variable} {was} → {value}   number {result.number}")
        seen: dict[str, float] = {}

        def all_show() -> bool:
            for name in names:
                if name not in seen and self.demo.shown(name, sample) == value:
                    seen[name] = time.time() - started
            return len(seen) == len(names)

        well = await until(all_show)
        await self.demo.services.recorder.settle()
        for line in trips(await self._events(sample), result.number, started):
            self.say(f"   {line}")
        for name in names:
            banner = self.demo.phones[name].wallet.last_banner
            when = f"+{seen[name] * 1000:.0f} ms" if name in seen else "never"
            lock_screen = f'   lock screen: "{banner}"' if banner and name in seen else ""
            self._check(name in seen, f"{'shown':9}{when:>9}   {name}{lock_screen}")
        return well

    async def _events(self, sample: Sample) -> list[Event]:
        return list(await self.demo.services.store.timeline(PASS_TYPE, sample.serial, after=0, limit=1000))

    async def _registrations(self, sample: Sample) -> int:
        held = await self.demo.services.store.held(PASS_TYPE, sample.serial)
        return sum(1 for one in held if one.registration.left_at is None)

    def _shown(self, name: str, sample: Sample) -> object:
        return self.demo.shown(name, sample)

    def _check(self, true: bool, text: str) -> None:
        self.say(f"   {'✓' if true else '✗'} {text}")


STEPS = (
    Step("You change a value; APNs carries the push; the phone asks, fetches, and shows it", Tour.change),
    Step("The phone's push token changes: all its passes follow", Tour.token),
    Step("A backup is restored onto a second phone: both are told", Tour.restore),
    Step("A phone is offline through two changes, and comes back", Tour.offline),
    Step("A change that changes nothing moves nothing", Tour.nothing),
    Step("What every phone shows now", Tour.everything),
)

_TOLD = {Kind.CHANGED: "changed", Kind.PUSH_ACCEPTED: "pushed", Kind.ASKED: "asked", Kind.FETCHED: "fetched"}


def trips(events: list[Event], number: int, started: float) -> list[str]:
    """The lines of one change's round trips: what was seen on each wire, and how long after the change."""
    lines = []
    for event in events:
        if event.kind in _TOLD and event.seq == number and event.at >= (started - 1) * 1000:
            after = max(0.0, event.at - started * 1000)
            lines.append(f"✓ {_TOLD[event.kind]:9}+{after:.0f} ms".ljust(22) + _said(event))
    return lines


def _said(event: Event) -> str:
    detail = event.detail
    if event.kind is Kind.PUSH_ACCEPTED:
        return f"APNs answered {detail['status']}  (token {event.target})"
    if event.kind is Kind.ASKED:
        return f"since {detail['asked']}: {detail['status']} {' '.join(map(str, _serials(detail.get('serials'))))}"
    if event.kind is Kind.FETCHED:
        return f"{detail['status']}, {detail['bytes']} bytes, number {event.seq}"
    return "one transaction: number, pass, due pushes, event"


def _serials(value: object) -> list[object]:
    return value if isinstance(value, list) else []
