"""Rewards enrolment: what a phone sends when somebody fills in the form that came with a pass, and what becomes of it.

Apple, "Personalizing a pass": the token of the call comes back signed with the pass type's certificate. Phones send the
pass's own token too, which the page does not say, and never repeat the call: what is not understood here is lost.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import field
from typing import Any, Final

from livepass.core.authorization import accepts, refusal
from livepass.core.decision import Decision, Reply
from livepass.core.frozen import frozen
from livepass.core.timeline import TAKEN, Event, Kind

KEYS: Final = (*("fullName", "givenName", "familyName", "postalCode", "ISOCountryCode", "emailAddress", "phoneNumber"),)
"""What phones are seen to send of the person; a template's variable of the same name is filled with it."""

MOST_OF_A_PASS = 10
"""Enrolments that are kept of one pass. Apple does not say what a second one means; whoever holds a copy of the pass
can send as many as they like.
"""
LONGEST_ON_PASS = 256
"""Characters of a value that are put on a pass."""
SIGNABLE = re.compile(r"[!-~]{1,1024}")
UNSIGNABLE = frozenset('{}"<>\\')
"""What is signed here is signed with the key that signs passes, in the same form: a signature over the text of a
manifest would make a pass of anybody's. A manifest is JSON, so it has braces, in whatever encoding; a token has none.
"""

OCTETS = ((b"content-type", b"application/octet-stream"),)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_STAND_IN = re.compile(f"⟦({'|'.join(KEYS)})⟧")


@frozen
class PersonalizeFacts:
    """What the call is judged by. ``expected_token`` is never ``None``: see ``authorization``."""

    pass_type: str
    serial: str
    authorization: str | None = field(repr=False)
    body: bytes = field(repr=False)
    expected_token: str = field(repr=False)
    known: bool
    now: int


@frozen
class Asked:
    """What a phone asks for: its ``token`` signed, and ``info`` taken in, whatever keys that has."""

    token: str = field(repr=False)
    info: Mapping[str, object] = field(repr=False)

    @property
    def given(self) -> tuple[str, ...]:
        """Which of the known fields were filled in."""
        return tuple(key for key in KEYS if isinstance(value := self.info.get(key), str) and value.strip())


def read(facts: PersonalizeFacts) -> Asked | Decision:
    """Decide ``POST /v1/passes/{type}/{serial}/personalize`` as far as the request goes: 401, then 400.

    (1) the token of the pass, (2) the body.
    """
    # (1) as for a fetch, and before anything is made of the body.
    if not accepts(facts.authorization, facts.expected_token, known=facts.known):
        if not facts.known:
            return Decision(Reply(401))
        return refused(facts, 401, refusal(facts.authorization))
    # (2)
    asked = asked_of(facts.body)
    return refused(facts, 400, asked) if isinstance(asked, str) else asked


def refused(facts: PersonalizeFacts, status: int, reason: str) -> Decision:
    """Nothing is signed and nothing kept. ``reason`` holds nothing of what was sent."""
    detail = {"status": status, "reason": reason}
    event = Event(Kind.PERSONALIZE_REFUSED, facts.now, facts.pass_type, facts.serial, detail=detail)
    return Decision(Reply(status), (), (event,))


def failed(facts: PersonalizeFacts, reason: str) -> Decision:
    """It cannot be kept or signed now. The phone is told so, and does not come again."""
    detail = {"status": 503, "reason": reason}
    event = Event(Kind.PERSONALIZE_FAILED, facts.now, facts.pass_type, facts.serial, detail=detail)
    return Decision(Reply(503), (), (event,))


def asked_of(body: bytes) -> Asked | str:
    """A body, read; or why it cannot be. Without any fields it is one all the same: the person gave none."""
    try:
        parsed = json.loads(body)
        # A lone surrogate is JSON and no text: nothing could be written of it.
        json.dumps(parsed, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, RecursionError):
        return "the body is not JSON"
    if not isinstance(parsed, dict):
        return "the body is not a JSON object"
    token, info = parsed.get("personalizationToken"), parsed.get("requiredPersonalizationInfo")
    if not isinstance(token, str) or not token:
        return "there is no personalizationToken"
    if SIGNABLE.fullmatch(token) is None or not UNSIGNABLE.isdisjoint(token):
        return "the personalizationToken has characters that are not signed"
    return Asked(token, info if isinstance(info, dict) else {})


def personalized(pass_type: str, serial: str, asked: Asked, on_pass: Collection[str], now: int) -> Event:
    """The line in the diary of a first enrolment, which changes the pass: which fields were given, and which of them
    stand on it. No value of them.
    """
    detail = {**_fields(asked), "on_pass": [key for key in KEYS if key in on_pass]}
    return Event(Kind.PERSONALIZED, now, pass_type, serial, seq=TAKEN, detail=detail)


def enrolled_again(pass_type: str, serial: str, asked: Asked, number: int, now: int) -> Event:
    """As ``personalized``, of a later one: it has a number, and no phone is told of that."""
    return Event(Kind.ENROLLED_AGAIN, now, pass_type, serial, seq=number, detail=_fields(asked))


def _fields(asked: Asked) -> dict[str, object]:
    return {"fields": list(asked.given), "other_fields": len(asked.info.keys() - set(KEYS))}


def write_asked(asked: Asked) -> bytes:
    """As it is kept, to be sealed."""
    return json.dumps({"token": asked.token, "info": asked.info}, sort_keys=True, separators=(",", ":")).encode()


def read_asked(text: bytes) -> Asked:
    """What ``write_asked`` wrote."""
    found = json.loads(text)
    return Asked(found["token"], found["info"])


def same(asked: Asked, kept: Sequence[bytes]) -> bool:
    """Whether a call is one that was answered before: something between us and the phone repeated it."""
    return write_asked(asked) in kept


# ── on the pass


def values(asked: Asked) -> Mapping[str, str]:
    """What may be put on the pass, by key: one line each, not without end."""
    return {key: _CONTROL.sub(" ", str(asked.info[key])).strip()[:LONGEST_ON_PASS] for key in asked.given}


def stand_in(key: str) -> str:
    """What stands in a stored document where the phone gets the value: the values themselves are kept sealed."""
    return f"⟦{key}⟧"


def fill_in(document: Any, found: Mapping[str, str]) -> Any:
    """A document with values in place of what stands in for them. What a value looks like does not matter: it is not
    read again.
    """
    if isinstance(document, dict):
        return {key: fill_in(each, found) for key, each in document.items()}
    if isinstance(document, list):
        return [fill_in(each, found) for each in document]
    if not isinstance(document, str) or "⟦" not in document:
        return document
    return _STAND_IN.sub(lambda match: found.get(match[1], match[0]), document)
