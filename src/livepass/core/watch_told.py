"""How each certificate stands, in words: the one place that status, ``cert check``, the API, ``/readyz`` and the
metrics all tell it from.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import StrEnum

from livepass.core.frozen import frozen
from livepass.core.rotation import DAY, Link, Stage
from livepass.core.rotation_plan import AHEAD_MS, STILL, THE_END, next_step
from livepass.core.watching import SHARE, UNCLEAR, Problem, Watched, What, heir, subject


class State(StrEnum):
    """How it stands. Worst first."""

    REVOKED = "revoked"
    ENDED = "ended"
    UNSOUND = "unsound"
    SOON = "soon"
    UNCLEAR = "unclear"
    FINE = "fine"


FINDINGS: Mapping[State, str] = {
    State.REVOKED: "LP505",
    State.ENDED: "LP502",
    State.UNSOUND: "LP506",
    State.SOON: "LP503",
}
"""Of certificates of pass types: what ``livepass why`` calls it."""


@frozen
class Told:
    """How one stands. ``needs``: somebody has to do ``remedy``. ``heir``: the one that signs when it ends, if any.

    ``checked_at``: the last look from outside (a test signature, a TLS handshake); ``sound``: what it found, ``None``
    where there was none. Instants are milliseconds.
    """

    kind: What
    pass_type: str
    certificate_id: str
    state: State
    needs: bool
    ends_at: int | None
    days: int | None
    sentence: str
    remedy: str
    finding: str
    checked_at: int | None
    sound: bool | None
    revoked_at: int | None
    heir: str


def survey(
    lineages: Iterable[Sequence[Link]], watched: Iterable[Watched], now: int, within: int | None = None
) -> list[Told]:
    """Of every live certificate, its intermediate, our own TLS certificate and that of APNs; worst first.

    ``within``: what ends in so many milliseconds is ``soon``; ``None``: in 30 days, or in the last quarter of a
    shorter life that a machine renews.
    """
    rows = {row.subject: row for row in watched}
    found = [one for lineage in lineages for one in _of_lineage(lineage, rows, now, within)]
    found += [_of_tls(kind, rows.get(subject(kind)), now, within) for kind in (What.PUBLIC_TLS, What.APNS_TLS)]
    order = list(State)
    return sorted(found, key=lambda one: (not one.needs, order.index(one.state), one.pass_type, one.kind.value))


# ── certificates of pass types


def _of_lineage(lineage: Sequence[Link], rows: Mapping[str, Watched], now: int, within: int | None) -> Iterator[Told]:
    do = next_step(lineage, now)
    for link in lineage:
        if link.stage is not Stage.LIVE:
            continue
        after = heir(link, lineage, now)
        tried = rows.get(subject(What.SIGNATURE, link.id))
        sound = _sound_by(tried)
        ends = {What.CERTIFICATE: link.not_after, What.INTERMEDIATE: link.intermediate_not_after}
        for kind, ends_at in ends.items():
            leaf = kind is What.CERTIFICATE
            state = _state(ends_at, now, AHEAD_MS if within is None else within)
            if leaf and sound is False and state is not State.ENDED:
                state = State.UNSOUND
            if leaf and link.revoked_at is not None:
                state = State.REVOKED
            words = _words(link, kind, ends_at, now, tried.detail if tried else "")
            instead = f"; {after.id} signs instead" if after and state not in (State.UNSOUND, State.FINE) else ""
            yield Told(
                kind,
                link.pass_type,
                link.id,
                state,
                state in (State.REVOKED, State.UNSOUND) or (state is not State.FINE and after is None),
                ends_at,
                (ends_at - now) // DAY,
                words[state] + instead,
                _remedy(state, link, after, do),
                FINDINGS.get(state, ""),
                tried.checked_at if leaf and tried else None,
                sound if leaf else None,
                link.revoked_at,
                after.id if after else "",
            )


def _sound_by(tried: Watched | None) -> bool | None:
    if tried is None or tried.checked_at is None or tried.problem in UNCLEAR:
        return None
    return not tried.problem


def _words(link: Link, kind: What, ends_at: int, now: int, fault: str) -> Mapping[State, str]:
    name = f"{'the certificate' if kind is What.CERTIFICATE else 'the intermediate of the certificate'} of "
    name += f"{link.pass_type} ({link.id})"
    return {
        State.REVOKED: f"{name} is revoked",
        State.UNSOUND: f"{name} failed its test signature: {fault}",
        **_dates(name, ends_at, now),
    }


def _dates(name: str, ends_at: int, now: int) -> Mapping[State, str]:
    days = abs(ends_at - now) // DAY
    ago = f", {days} day{'s' if days > 1 else ''} ago" if days else ""
    return {
        State.ENDED: f"{name} has expired{ago}",
        State.SOON: f"{name} ends {f'in {days} days' if days else 'within a day'}",
        State.FINE: f"{name} ends in {days} days",
    }


def _state(ends_at: int, now: int, within: int) -> State:
    left = ends_at - now
    return State.ENDED if left <= 0 else State.SOON if left < within else State.FINE


def _remedy(state: State, link: Link, after: Link | None, do: str) -> str:
    if state is State.FINE:
        return ""
    if after is not None and state is State.UNSOUND:
        return f"livepass cert rollback {link.id}, or retire it: {after.id} signs then"
    if after is not None and state is State.SOON:
        return "nothing is to be done"
    if after is not None:
        return f"nothing needs it any more: livepass cert retire {link.id}"
    if state is State.SOON:
        return f"{do}; livepass cert plan shows what stops when"
    return f"{do} (stops: {THE_END}; goes on: {STILL})"


# ── TLS

_REMEDIES: Mapping[What, Mapping[Problem, str]] = {
    What.PUBLIC_TLS: {
        Problem.EXPIRED: "renew it where TLS ends (your proxy), and load it there; phones cannot reach this service",
        Problem.NOT_YET_VALID: "check the clock of this host and of whoever issued it",
        Problem.WRONG_NAME: "have one issued for the host of LIVEPASS_PUBLIC_URL",
        Problem.INCOMPLETE_CHAIN: "let the proxy send the whole chain (often called fullchain), not the leaf alone",
        Problem.UNTRUSTED: "phones take certificates of public authorities only: have one issued by such",
        Problem.UNREACHABLE: "look from outside: livepass doctor; from inside the address may lead nowhere",
    },
    What.APNS_TLS: {
        Problem.EXPIRED: "check this host's clock: livepass doctor",
        Problem.NOT_YET_VALID: "check this host's clock: livepass doctor",
        Problem.WRONG_NAME: "correct LIVEPASS_APNS_URL, or let its traffic through unopened",
        Problem.INCOMPLETE_CHAIN: "renew this host's ca-certificates, or correct LIVEPASS_APNS_CA_FILE",
        Problem.UNTRUSTED: "let traffic to APNs through unopened, renew ca-certificates, or LIVEPASS_APNS_CA_FILE",
        Problem.UNREACHABLE: "open outgoing port 443 to APNs: livepass doctor",
    },
}
_NAMES: Mapping[What, str] = {
    What.PUBLIC_TLS: "the TLS certificate of the public address",
    What.APNS_TLS: "the TLS certificate of APNs",
}


def _of_tls(kind: What, row: Watched | None, now: int, within: int | None) -> Told:
    name = _NAMES[kind]
    ours = kind is What.PUBLIC_TLS
    if row is None or row.checked_at is None:
        text = f"{name} was not looked at yet"
        return Told(kind, "", "", State.FINE, False, None, None, text, "", "", None, None, None, "")
    problem, ends_at = row.problem, row.ends_at
    if ours and ends_at is not None and ends_at <= now:
        problem = Problem.EXPIRED  # it may have ended since the last look
    state, sentence, remedy = State.FINE, f"{name} is as phones need it" if ours else f"{name} is trusted", ""
    if problem in UNCLEAR:
        state, sentence = State.UNCLEAR, f"{name} could not be looked at: {row.detail}"
    elif problem is Problem.EXPIRED and ours and ends_at is not None:
        state, sentence = State.ENDED, _dates(name, ends_at, now)[State.ENDED]
    elif problem:
        state, sentence = State.UNSOUND, f"{name} is not good: {row.detail}"
    elif ours and ends_at is not None:
        state = _state(ends_at, now, _ahead(row, ends_at) if within is None else within)
        sentence = _dates(name, ends_at, now)[state]
    if state is not State.FINE:
        remedy = _REMEDIES[kind].get(problem or Problem.EXPIRED, "the log of the worker says why")
    return Told(
        kind,
        "",
        "",
        state,
        state not in (State.FINE, State.UNCLEAR),
        ends_at,
        None if ends_at is None else (ends_at - now) // DAY,
        sentence,
        remedy,
        "",
        row.checked_at,
        not problem,
        None,
        "",
    )


def _ahead(row: Watched, ends_at: int) -> int:
    return AHEAD_MS if row.starts_at is None else min(AHEAD_MS, (ends_at - row.starts_at) // SHARE)


# ── metrics


@frozen
class Gauge:
    """A number to be shown of one kind of certificate of one pass type ("": ours, or APNs')."""

    name: str
    kind: What
    pass_type: str
    value: int


HELP: Mapping[str, str] = {
    "livepass_certificate_not_after_timestamp_seconds": (
        "When it ends; of several live certificates of a pass type the one that lasts longest and is not revoked."
    ),
    "livepass_certificate_sound": (
        "1 when the last look at it (a test signature, a TLS handshake) found nothing wrong, else 0."
    ),
    "livepass_certificate_revoked": "1 when a live certificate of the pass type is revoked, else 0.",
    "livepass_certificate_checked_timestamp_seconds": "When it was looked at last.",
}


def gauges(told: Sequence[Told]) -> Iterator[Gauge]:
    """In the order of ``HELP``, then by kind and pass type. No ids: several live certificates make one number."""
    together: dict[tuple[What, str], list[Told]] = {}
    for one in sorted(told, key=lambda one: (one.kind.value, one.pass_type)):
        together.setdefault((one.kind, one.pass_type), []).append(one)
    for name in HELP:
        for (kind, pass_type), same in together.items():
            value = _GAUGES[name](same)
            if value is not None:
                yield Gauge(name, kind, pass_type, value)


def _not_after(same: Sequence[Told]) -> int | None:
    good = [one for one in same if one.revoked_at is None] or same
    return max((one.ends_at // 1000 for one in good if one.ends_at is not None), default=None)


def _sound(same: Sequence[Told]) -> int | None:
    looked = [one.sound for one in same if one.sound is not None]
    return int(all(looked)) if looked else None


def _revoked(same: Sequence[Told]) -> int | None:
    if same[0].kind is not What.CERTIFICATE:
        return None
    return int(any(one.revoked_at is not None for one in same))


def _checked(same: Sequence[Told]) -> int | None:
    return min((one.checked_at // 1000 for one in same if one.checked_at is not None), default=None)


_GAUGES = dict(zip(HELP, (_not_after, _sound, _revoked, _checked), strict=True))
