"""Decisions as values: what to answer, what to write down, what was observed.

A rule returns a ``Decision``; the shell applies its writes and events in one transaction. The writes say *what*
became true, never *how* to store it, and each may be applied twice without harm: watermarks only rise.
"""

from __future__ import annotations

from dataclasses import field

from livepass.core.frozen import frozen
from livepass.core.model import Pass
from livepass.core.timeline import Event


@frozen
class Reply:
    """What the phone gets. ``body`` is empty where Apple ignores it."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...] = ()
    body: bytes = b""


@frozen
class SaveDevice:
    """This phone's newest push token. ``at``: when the registration that brought it started; every registration bumps
    it, also a known one.
    """

    pass_type: str
    device_id: str
    push_token: str = field(repr=False)
    at: int


@frozen
class Join:
    """A pass starts to be followed by a phone. Joining takes a number of its own, and wants a push from ``push_at``.

    ``target`` is the fingerprint of the phone's push token: what was pushed to it before, stays pushed.
    """

    pass_type: str
    device_id: str
    serial: str
    at: int
    push_at: int
    target: str = ""


@frozen
class Refresh:
    """A registration that we know was repeated: it must still be there when that is said, or it would be a phone that
    believes it is registered, and is not. Whoever removed it meanwhile makes us decide anew.
    """

    pass_type: str
    device_id: str
    serial: str


@frozen
class Supersede:
    """The phone with this push token follows the pass under a newer device id than this one.

    Nothing happens when the device id has another push token by now: then it is another phone.
    """

    pass_type: str
    device_id: str
    serial: str
    push_token: str = field(repr=False)
    at: int


@frozen
class Reinstate:
    """A superseded device id was heard of: it counts again, unless the phone follows the pass under another one."""

    pass_type: str
    device_id: str
    serial: str


@frozen
class Forget:
    """No phone stands behind this registration any more, as far as was heard: ``heard_at`` is the last registration
    under the device id, ``told`` what its last ask was told. Nothing happens when it was heard of since.
    """

    pass_type: str
    device_id: str
    serial: str
    push_token: str = field(repr=False)
    heard_at: int
    told: int


@frozen
class Retarget:
    """A phone's token changed: pushes it is still owed move to the new one."""

    pass_type: str
    device_id: str
    old_token: str = field(repr=False)
    new_token: str = field(repr=False)
    push_at: int


@frozen
class Revive:
    """A token we believed dead has been heard from."""

    pass_type: str
    push_token: str = field(repr=False)
    at: int


@frozen
class Leave:
    """DELETE was heard. The registration stays listed and pushable until the tombstone ends."""

    pass_type: str
    device_id: str
    serial: str
    at: int


@frozen
class Resurrect:
    """A phone that had left fetches what it was told of: the DELETE was a late one."""

    pass_type: str
    device_id: str
    serial: str


@frozen
class RaiseAsked:
    """A phone handed back ``asked`` (0: nothing we may count) and was given ``told``, naming some serials.

    ``named`` pairs each serial with the instant to tell it again without evidence of delivery (``None``: never). The
    numbers are of ``epoch``: when that has ended meanwhile, they say nothing. Other device ids with this push token
    count as the same phone's when they were heard of after ``siblings_since``.
    """

    pass_type: str
    device_id: str
    push_token: str = field(repr=False)
    asked: int
    told: int
    named: tuple[tuple[str, int | None], ...]
    at: int
    epoch: str
    siblings_since: int = 0


@frozen
class RaiseServed:
    """Version ``seq`` of ``epoch`` was handed over. ``confirmed`` when there is no doubt which phone took it."""

    pass_type: str
    device_id: str
    serial: str
    seq: int
    at: int
    confirmed: bool
    epoch: str


@frozen
class NewEpoch:
    """History went back: what phones hold in ``old_epoch`` no longer means anything.

    It takes a number, with which everything counts as changed, and a floor (seconds) for ``last_modified``: the lost
    history may have given away the seconds up to now, and some above the newest that is still known. Nothing happens
    when ``old_epoch`` is no longer the present one.
    """

    pass_type: str
    old_epoch: str
    epoch: str
    modified_floor: int


Write = (
    SaveDevice
    | Join
    | Refresh
    | Supersede
    | Reinstate
    | Forget
    | Retarget
    | Revive
    | Leave
    | Resurrect
    | RaiseAsked
    | RaiseServed
    | NewEpoch
)


@frozen
class Decision:
    """What a rule decided. ``events`` are what was seen, and are written whether or not anything changes."""

    reply: Reply
    writes: tuple[Write, ...] = ()
    events: tuple[Event, ...] = ()


@frozen
class PassVersion:
    """A new version of a pass, or the same version with other bookkeeping (``moves`` false, perhaps no event).

    ``creates``: the pass did not exist when this was drawn.
    """

    row: Pass
    moves: bool
    event: Event | None
    creates: bool = False
