"""What is read together because it is decided on together: one statement, one snapshot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field

from livepass.core.frozen import frozen
from livepass.core.model import Counter, Device, PassHead, Registration, TokenSource


@frozen
class Listed:
    """One registration of the asking phone, with the newest number that concerns it."""

    registration: Registration
    newest: int


@frozen
class AskSnapshot:
    """Everything an ask is decided on, read by one statement. ``pushed_at``: when APNs accepted the last push for the
    phone (ms); nothing is decided on it.
    """

    counter: Counter | None
    device: Device | None
    listed: Sequence[Listed]
    target_dead: bool
    push_due: bool
    pushed_at: int | None = None


@frozen
class FetchSnapshot:
    """The head of a pass, and the epoch that its number is of."""

    head: PassHead | None
    tenant: str
    epoch: str


@frozen
class Handed:
    """A version of a pass that was handed out. ``asked``: the phone that asked over the same connection before."""

    pass_type: str
    serial: str
    asked: str | None


@frozen
class Candidates:
    """Who may have got it: all phones of the pass, or where they are too many (``crowded``) only the one that asked,
    under all its device ids.
    """

    found: Sequence[tuple[Registration, Device]]
    crowded: bool


@frozen
class Twin:
    """Another device id under which the same push token registered the same pass: the same phone, at another time.

    ``heard_at`` is its last registration of any pass, ``told`` its phone's watermark.
    """

    device_id: str
    registered_at: int
    left_at: int | None
    superseded_at: int | None
    heard_at: int
    told: int


@frozen
class RegisterSnapshot:
    """What a registration is decided on, read inside the transaction that decides it.

    ``phones``: how many follow the pass, counted up to a limit, and only for a phone that does not follow it yet.
    """

    token: TokenSource | None
    tenant: str
    device: Device | None
    registration: Registration | None
    target_dead: bool
    twins: Sequence[Twin] = ()
    phones: int = 0


@frozen
class Silent:
    """A registration whose phone never asked, and when that registered last."""

    device_id: str
    push_token: str = field(repr=False)
    registered_at: int
    heard_at: int


@frozen
class Crowd:
    """The phones of a pass that may have too many: how many (counted up to a limit), some that never asked, and when
    it was last said.
    """

    phones: int
    silent: Sequence[Silent]
    said_at: int | None
