"""What is read together because it is decided on together: one statement, one snapshot."""

from __future__ import annotations

from collections.abc import Sequence

from livepass.core.frozen import frozen
from livepass.core.model import Counter, Device, PassHead, Registration, TokenSource


@frozen
class Listed:
    """One registration of the asking phone, with the newest number that concerns it."""

    registration: Registration
    newest: int


@frozen
class AskSnapshot:
    """Everything an ask is decided on, read by one statement."""

    counter: Counter | None
    device: Device | None
    listed: Sequence[Listed]
    target_dead: bool
    push_due: bool


@frozen
class FetchSnapshot:
    """The head of a pass and the phones that may have fetched it."""

    head: PassHead | None
    tenant: str


@frozen
class RegisterSnapshot:
    """What a registration is decided on, read inside the transaction that decides it."""

    token: TokenSource | None
    tenant: str
    device: Device | None
    registration: Registration | None
    target_dead: bool
