"""Passes: issue, change, read, void, erase, share; and why they are as they are."""

from __future__ import annotations

import secrets
from collections.abc import Sequence

from livepass.client.call import Call, List, Push, Values, as_json, given, nothing, of_pass, reads
from livepass.web import issuer_answers as answers
from livepass.web import issuer_answers_events as events
from livepass.web import issuer_answers_phones as phones
from livepass.web import issuer_answers_why as why_
from livepass.web import issuer_sharing as sharing


def put_pass(
    pass_type: str,
    serial: str,
    *,
    template: str | None = None,
    data: Values | None = None,
    content: Values | None = None,
    revision: str | None = None,
    holder: str | None = None,
    push: Push = "auto",
) -> Call[answers.PassResult]:
    """Issue a pass, or make it what this says. ``holder``: your own name for the person whose pass it is."""
    body = given(template=template, data=data, content=content, revision=revision, holder=holder)
    return Call("PUT", of_pass(pass_type, serial), reads(answers.PassResult), {"push": push}, as_json(body))


def create_pass(
    pass_type: str,
    *,
    template: str,
    data: Values | None = None,
    content: Values | None = None,
    revision: str | None = None,
    holder: str | None = None,
    once: str | None = None,
    push: Push = "auto",
) -> Call[answers.PassResult]:
    """Issue a pass under a serial number that the service makes. ``once``: the ``Idempotency-Key``; whoever calls again
    with the same one, also in another process, gets the same pass. Left out, one is drawn, for what is sent again here.
    """
    body = given(pass_type=pass_type, template=template, data=data, content=content, revision=revision, holder=holder)
    key = once or secrets.token_hex(16)
    return Call("POST", "/passes", reads(answers.PassResult), {"push": push}, as_json(body), once=key)


def patch_pass(
    pass_type: str,
    serial: str,
    *,
    data: Values | None = None,
    content: Values | None = None,
    template: str | None = None,
    holder: str | None = None,
    push: Push = "auto",
) -> Call[answers.PassResult]:
    """Change what is named and keep the rest; ``None`` inside ``data`` or ``content`` removes, as ``""`` does with
    ``holder``.
    """
    body = given(template=template, data=data, content=content, holder=holder)
    return Call("PATCH", of_pass(pass_type, serial), reads(answers.PassResult), {"push": push}, as_json(body))


def foresee_patch(
    pass_type: str, serial: str, *, data: Values | None = None, content: Values | None = None
) -> Call[answers.PassPreview]:
    """What ``patch_pass`` would change, and what the lock screen would say. Changes nothing."""
    body = given(data=data, content=content)
    return Call("PATCH", of_pass(pass_type, serial), reads(answers.PassPreview), {"dry_run": "true"}, as_json(body))


def get_pass(pass_type: str, serial: str) -> Call[answers.PassDetail]:
    """The pass, and where each phone stands."""
    return Call("GET", of_pass(pass_type, serial), reads(answers.PassDetail))


def void_pass(pass_type: str, serial: str, *, push: Push = "auto") -> Call[answers.PassResult]:
    """Mark a pass as void, and tell its phones."""
    return Call("DELETE", of_pass(pass_type, serial), reads(answers.PassResult), {"push": push})


def erase_pass(pass_type: str, serial: str) -> Call[None]:
    """Forget a pass, its registrations and its history."""
    return Call("DELETE", of_pass(pass_type, serial), nothing, {"erase": "true"})


def pkpass(pass_type: str, serial: str) -> Call[bytes]:
    """The signed file."""
    return Call("GET", f"{of_pass(pass_type, serial)}/pkpass", bytes)


def bundle(passes: Sequence[tuple[str, str]]) -> Call[bytes]:
    """Up to ten passes, as (pass type, serial), in one ``.pkpasses`` file."""
    named = [{"pass_type": pass_type, "serial": serial} for pass_type, serial in passes]
    return Call("POST", "/passes:bundle", bytes, body=as_json({"passes": named}))


def why(pass_type: str, serial: str) -> Call[why_.Why]:
    """Why a pass is not up to date on its phones."""
    return Call("GET", f"{of_pass(pass_type, serial)}/why", reads(why_.Why))


def why_all(*, pass_type: str | None = None) -> Call[why_.WhyAll]:
    """What is to be said of all passes that wait, and of how many."""
    return Call("GET", "/why", reads(why_.WhyAll), {"pass_type": pass_type})


def share_pass(
    pass_type: str, serial: str, *, days: int | None = None, minutes: int | None = None
) -> Call[sharing.SharedLink]:
    """A link from which a pass can be added."""
    body = as_json(given(days=days, minutes=minutes))
    return Call("POST", f"{of_pass(pass_type, serial)}:share", reads(sharing.SharedLink), body=body)


def push_pass(pass_type: str, serial: str) -> Call[phones.PushesDue]:
    """Send what is due to a pass's phones at once."""
    return Call("POST", f"{of_pass(pass_type, serial)}:push", reads(phones.PushesDue))


def push_all(pass_type: str) -> Call[phones.PushesDue]:
    """Send what is due of a whole pass type at once."""
    return Call("POST", "/pushes", reads(phones.PushesDue), body=as_json({"pass_type": pass_type}))


def timeline(pass_type: str, serial: str, *, after: int = 0) -> List[events.EventRow]:
    """What happened to a pass, oldest first; events with ids above ``after``."""
    # Beside a cursor, ``after`` would be another place to begin.
    query = {"after": after} if after else {}
    return List(f"{of_pass(pass_type, serial)}/timeline", reads(events.EventPage), query)


def passes(
    *,
    pass_type: str | None = None,
    template: str | None = None,
    serial_prefix: str | None = None,
    holder: str | None = None,
) -> List[answers.PassSummary]:
    """All passes, by pass type and serial."""
    query = {"pass_type": pass_type, "template": template, "serial_prefix": serial_prefix, "holder": holder}
    return List("/passes", reads(answers.PassPage), query)


def funnel(*, pass_type: str | None = None, days: int = 30) -> Call[sharing.Funnels]:
    """How far passes came that were shared by link, of those that were opened within so many days."""
    return Call("GET", "/funnel", reads(sharing.Funnels), {"pass_type": pass_type, "days": days})
