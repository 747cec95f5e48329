"""What ``why`` makes of a phone's own words: the log that Wallet posts.

A line counts while nothing that came later shows that it is over. Only the phone knows what became of an answer; who
gave it is told from what the service did itself.
"""

from __future__ import annotations

from collections.abc import Callable

from livepass.core.frozen import frozen
from livepass.core.testimony import read_line
from livepass.core.timeline import Event, Kind, Stand, Trip
from livepass.core.trip2_push import MINUTE
from livepass.core.verdict import Found, Sure, newest
from livepass.core.why_view import View


@frozen
class Said:
    """These sentences. ``about``: on this trip only; ``task``: by this task; ``redirect``: only with a status that is
    one; ``when``: only if that holds, too; ``until_served``: what a phone that is current said before it was served is
    over.
    """

    codes: tuple[str, ...]
    about: Trip | None = None
    task: str | None = None
    redirect: bool = False
    when: Callable[[View, Event], bool] | None = None
    until_served: bool = True

    def fits(self, code: object, about: object, status: object, task: object) -> bool:
        redirected = isinstance(status, int) and 300 <= status < 400
        return (
            code in self.codes
            and self.about in (None, about)
            and self.task in (None, task)
            and (redirected or not self.redirect)
        )

    def __call__(self, view: View) -> Found | None:
        line = view.last(Kind.TESTIFIED)
        if line is None or not self.fits_line(line):
            return None
        served_at = view.phone.held.registration.served_at or 0
        if self.until_served and view.stand is Stand.CURRENT and line.at < served_at:
            return None
        if self.when is not None and not self.when(view, line):
            return None
        return Found({"line": quoted(line)}, (line,), _whose(line, view))

    def fits_line(self, line: Event) -> bool:
        detail = line.detail
        task = str(detail.get("shape", "")).partition(" task ")[0]
        return self.fits(detail.get("code"), detail.get("about"), detail.get("status"), task)


NOT_REGISTERED = Said(("T0", "T1"), Trip.REGISTER, "Register")
"""That it could not leave is no matter, so not ``Unregister``."""


def quoted(line: Event) -> str:
    """What it says, without the envelope, which would fill the sentence."""
    return read_line(str(line.detail.get("line", ""))).said[:200]


def _whose(line: Event, view: View) -> Sure:
    """How sure it is that this phone said it, and that it is not over. Lines name no phone by themselves, and phones
    that left, or that we lost, say things, too.
    """
    fetched = view.last(Kind.FETCHED)
    if fetched is not None and fetched.device_id is None and fetched.at > line.at:
        return Sure.POSSIBLE  # it may have been this phone
    if line.device_id == view.phone.held.registration.device_id:
        # Where the line does not name it, the connection did, over which it came.
        return Sure.LIKELY if "evidence" in line.detail else Sure.CERTAIN
    return Sure.LIKELY if view.alone and view.stand is not Stand.CURRENT else Sure.POSSIBLE


def answered_so(line: Event, ours: Event | None) -> bool:
    """Whether what a phone complains of is a refusal that the service gave: with that status, and just then."""
    refused = (Kind.REGISTRATION_REFUSED, Kind.FETCH_REFUSED, Kind.FETCH_FAILED)
    if ours is None or ours.kind not in refused or abs(line.at - ours.at) >= MINUTE:
        return False
    status = 401 if line.detail.get("code") == "T0" else line.detail.get("status")
    return status is not None and status == ours.detail.get("status")


def not_ours(view: View, line: Event) -> bool:
    """Not where the service itself answered the fetch like this: that is another verdict."""
    return not answered_so(line, view.last(Kind.FETCHED, Kind.FETCH_REFUSED, Kind.FETCH_FAILED))


def has_not_asked(view: View, line: Event) -> bool:
    """A phone that asked since it registered knows that it is registered: its words came late."""
    held = view.phone.held
    return (held.device.asked_at or 0) <= held.registration.registered_at


def told_otherwise(view: View, line: Event) -> bool:
    """It says that it was told of nothing: we told it of something, or were not even asked since the push."""
    if view.stand is Stand.ASK:
        return line.at >= (view.phone.held.pushed_at or 0)
    asked = newest(view.phone.events, (Kind.ASKED,))
    return asked is not None and asked.at <= line.at and asked.detail.get("status") == 200


def without_tag_since(view: View, line: Event) -> bool:
    """What it says of the tag is over once it asks with the one that it was given then, or with a newer one."""
    asks = [event for event in view.phone.events if event.kind is Kind.ASKED]
    given = max((event.seq for event in asks if event.at <= line.at), default=0)
    return not any(event.at > line.at and _asked(event) >= given for event in asks)


def _asked(event: Event) -> int:
    value = event.detail.get("asked", 0)
    return value if isinstance(value, int) else 0
