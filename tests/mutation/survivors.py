# ruff: noqa: E501
"""Mutants that no test kills, and why none should: by name, as ``scripts/mutate --list`` has it.

``scripts/mutate`` fails when one that is not listed survives, and when a row is stale: killed by now, or gone.
"""

from __future__ import annotations

from collections.abc import Mapping

ACCEPTED: Mapping[str, str] = {
    "authorization: derive_token: return base64.urlsafe_b64encode(hmac.digest(key, message, 'sha256')).rstrip(b'=').decode() → return base64.urlsafe_b64encode(hmac.digest(key, message, 'sha256')).rstrip(b'XX=').decode()": (
        "Equivalent: the last of 43 characters carries four bits and is never an X."
    ),
    "budget: score_after: return max(0.0, score + (haste ** 3 if haste > 0 else haste)) → return max(0.0, score + (haste ** 3 if haste >= 0 else haste))": (
        "Equivalent: the cube of 0 is 0."
    ),
    "change: _civil: year_of_era = (day_of_era - day_of_era // 1460 + day_of_era // 36524 - day_of_era // 146096) // 365 → year_of_era = (day_of_era - day_of_era // 1459 + day_of_era // 36524 - day_of_era // 146096) // 365": (
        "Equivalent on every day of an era of 400 years: the years begin elsewhere."
    ),
    "change: _civil: year_of_era = (day_of_era - day_of_era // 1460 + day_of_era // 36524 - day_of_era // 146096) // 365 → year_of_era = (day_of_era - day_of_era // 1460 + day_of_era // 36523 - day_of_era // 146096) // 365": (
        "Equivalent on every day of an era of 400 years: the years begin elsewhere."
    ),
    "change: _civil: year_of_era = (day_of_era - day_of_era // 1460 + day_of_era // 36524 - day_of_era // 146096) // 365 → year_of_era = (day_of_era - day_of_era // 1460 + day_of_era // 36524 - day_of_era // 146095) // 365": (
        "Equivalent on every day of an era of 400 years: the years begin elsewhere."
    ),
    "replay: entry_of: return Entry(act, at, event.pass_type, event.serial or '', event.device_id or '', token, push_token or '') → return Entry(act, at, event.pass_type, event.serial or '', event.device_id or 'XX', token, push_token or '')": (
        "Equivalent: it only narrows a type; the events of trip 1 name a phone."
    ),
    "replay: entry_of: return Entry(act, at, event.pass_type, event.serial or '', event.device_id or '', token, push_token or '') → return Entry(act, at, event.pass_type, event.serial or '', event.device_id, token, push_token or '')": (
        "Equivalent: it only narrows a type; the events of trip 1 name a phone."
    ),
    "replay: entry_of: return Entry(act, at, event.pass_type, event.serial or '', event.device_id or '', token, push_token or '') → return Entry(act, at, event.pass_type, event.serial or 'XX', event.device_id or '', token, push_token or '')": (
        "Equivalent: it only narrows a type; the events of trip 1 name a pass."
    ),
    "replay: entry_of: return Entry(act, at, event.pass_type, event.serial or '', event.device_id or '', token, push_token or '') → return Entry(act, at, event.pass_type, event.serial, event.device_id or '', token, push_token or '')": (
        "Equivalent: it only narrows a type; the events of trip 1 name a pass."
    ),
    "replay: push_token_now: return device.push_token if device is not None and newer else entry.push_token → return device.push_token if newer else entry.push_token": (
        "Equivalent: it only narrows a type; newer is said of a device only."
    ),
    "testimony: _recognise: return (sentence, {k: v for k, v in match.groupdict().items() if v is not None}) → return (sentence, {k: v for k, v in match.groupdict().items()})": (
        "Equivalent: it only narrows a type; None under a key is read like no key."
    ),
    "testimony: read_line: body = envelope['body'].strip() if envelope else text → body = envelope['body'].strip() if True else text": (
        "Equivalent: it only narrows a type; the pattern matches any text."
    ),
    "testimony: read_line: envelope = _ENVELOPE.match(text) → envelope = _ENVELOPE.fullmatch(text)": (
        "Equivalent: the pattern ends in .* over all lines."
    ),
    "testimony: read_line: task, service = (_TASK.match(body), _SERVICE.match(body)) → task, service = (_TASK.fullmatch(body), _SERVICE.match(body))": (
        "Equivalent: the pattern ends in .* over all lines."
    ),
    "testimony: read_line: task, service = (_TASK.match(body), _SERVICE.match(body)) → task, service = (_TASK.match(body), _SERVICE.fullmatch(body))": (
        "Equivalent: the pattern ends in .* over all lines."
    ),
    "trip1_register: Rule = Callable[[RegisterFacts], Decision] → Rule = Callable[[], Decision]": (
        "Equivalent: a name for the type checker; nothing evaluates it."
    ),
    "trip1_register: _cannot_be_dated: return 0 < ahead < CLOCK_AHEAD_MS and held_up(facts.started_at, facts.now) → return 0 <= ahead < CLOCK_AHEAD_MS and held_up(facts.started_at, facts.now)": (
        "Equivalent: a token that came at this very instant is newer than what was held up, and was taken already."
    ),
    "trip1_register: _on_its_way: waited = (facts.now - (facts.started_at or facts.now)) // 1000 → waited = (facts.now - facts.started_at) // 1000": (
        "Equivalent: it only narrows a type; what was held up has a time."
    ),
    "trip1_register: _registered_since: last = facts.device.token_registered_at if facts.device is not None else 0 → last = facts.device.token_registered_at if facts.device is not None else 1": (
        "Equivalent: instants are later than the first millisecond of 1970."
    ),
    "trip1_register: register: if facts.device is not None and changed_token: pass → if changed_token: pass": (
        "Equivalent: it only narrows a type; without a device no token can have changed."
    ),
    "trip2_push: read_answer: floor = int(15 * MINUTE * max(jitter, 1.0)) if action is Next.MUCH_LATER else 0 → floor = int(15 * MINUTE * max(jitter, 1.0)) if action is Next.MUCH_LATER else 1": (
        "Equivalent: no step of the ladder is shorter than a millisecond."
    ),
    "trip3_ask: _asked: shown = facts.tag_text if facts.tag is not None else _shown(facts.tag_text) → shown = facts.tag_text if False else _shown(facts.tag_text)": (
        "Equivalent: a shortcut; a tag of ours is short and prints."
    ),
    "trip3_ask: _renew: numbers = {'counter': counter.seq, 'tag': facts.tag.seq if facts.tag else 0} → numbers = {'counter': counter.seq, 'tag': facts.tag.seq if True else 0}": (
        "Equivalent: it only narrows a type; only a tag brings us here."
    ),
    "trip3_ask: _renew: numbers = {'counter': counter.seq, 'tag': facts.tag.seq if facts.tag else 0} → numbers = {'counter': counter.seq, 'tag': facts.tag.seq if facts.tag else 1}": (
        "Equivalent: it only narrows a type; only a tag brings us here."
    ),
    "trip3_ask: _told_unwritten: return [row for row in rows if device.told < row.newest <= seen] if device.told < seen else () → return [row for row in rows if device.told < row.newest <= seen] if True else ()": (
        "Equivalent: a shortcut; no number is above told and not above seen then."
    ),
    "trip3_ask: _told_unwritten: return [row for row in rows if device.told < row.newest <= seen] if device.told < seen else () → return [row for row in rows if device.told < row.newest <= seen] if device.told <= seen else ()": (
        "Equivalent: a shortcut; no number is above told and not above seen then."
    ),
    "trip3_fetch: _last_asked: return (candidate.device.asked_at or 0, candidate.registration.device_id) → return (candidate.device.asked_at or 1, candidate.registration.device_id)": (
        "Equivalent: it only narrows a type; only phones that asked lately are compared."
    ),
    "trip3_fetch: _last_asked: return (candidate.device.asked_at or 0, candidate.registration.device_id) → return (candidate.device.asked_at, candidate.registration.device_id)": (
        "Equivalent: it only narrows a type; only phones that asked lately are compared."
    ),
    "trip3_fetch: _phones: if not superseded: pass → if False: pass": (
        "Equivalent: a shortcut; with nobody superseded, each phone is itself."
    ),
    "trip3_fetch: fetch: …xpected_token, known=known, schemes=TO_FETCH) or facts.head is None: pass → …xpected_token, known=known, schemes=TO_FETCH): pass": (
        "Equivalent: it only narrows a type; a pass without a head is not known, and nothing is accepted for it."
    ),
    "verdict: Cohort: asked: int = 0 → asked: int = 1": (
        "Equivalent: of a cohort in which nobody was pushed, nobody looks at who asked."
    ),
    "verdict: Cohort: pushed: int = 0 → pushed: int = 1": ("Equivalent: one phone proves as little as none."),
    "why_view: Rule = Callable[[View], Found | None] → Rule = Callable[[], Found | None]": (
        "Equivalent: a name for the type checker; nothing evaluates it."
    ),
    "verdict: newest: def newest(events: Sequence[Event], kinds: Sequence[Kind], since: int=0) -> Event | None: pass → def newest(events: Sequence[Event], kinds: Sequence[Kind], since: int=1) -> Event | None: pass": (
        "Equivalent: instants are later than the first millisecond of 1970."
    ),
    "why: _of_phone: raise AssertionError('the table ends with a rule for every stand') → pass": (
        "Equivalent: never reached; the table ends with a rule for every stand."
    ),
    "why_said: Said.__call__: served_at = view.phone.held.registration.served_at or 0 → served_at = view.phone.held.registration.served_at or 1": (
        "Equivalent: instants are later than the first millisecond of 1970."
    ),
    "why: _told_first: if (held.registration.served_at or 0) >= (held.device.asked_at or 0): pass → if (held.registration.served_at or 1) >= (held.device.asked_at or 0): pass": (
        "Equivalent: instants are later than the first millisecond of 1970."
    ),
    "why: _told_first: if (held.registration.served_at or 0) >= (held.device.asked_at or 0): pass → if (held.registration.served_at or 0) >= (held.device.asked_at or 1): pass": (
        "Equivalent: who never asked was never told, and is not called certain anyway."
    ),
    "morning: grouped: …ct, max((one.verdict.sure for one in several), key=_DOUBT.index), sum((one.people for one in several)), all(… → …ct, max((one.verdict.sure for one in several)), sum((one.people for one in several)), all(…": (
        "Equivalent: certain, likely and possible come in that order in the alphabet, too; the table says that it is meant."
    ),
    "timeline: fold: joined = 0 → joined = 1": (
        "Equivalent: they differ for an ask with the number 0, which raises nothing."
    ),
    "webhook_standing: _since: began = failing if failing is not None else (endpoint.disabled_at or now) - FAILING_MS → began = failing if failing is not None else endpoint.disabled_at - FAILING_MS": (
        "Equivalent: it only narrows a type; what is given up was disabled."
    ),
}
