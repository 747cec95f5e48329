"""The connections of one APNs key: a pool whose pushes each show a token, instead of a certificate once.

Apple, "Sending notification requests to APNs" and "Establishing a token-based connection": one stream only until a
request with a valid token was accepted; a connection belongs to the team, and knows the topics, of its first push. What
is different here from a certificate's pool is what becomes of these answers:

    ===============================  ===============================================================================
    ExpiredProviderToken             a younger token and another connection (the old one was seen to stay wedged),
                                     and the push again; no younger one: as below
    TooManyProviderTokenUpdates      the older token again; where there is none, the answer stands: later
    TopicDisallowed on a connection  the push again on another connection: the topic may be younger than this one
    older than the push
    TopicDisallowed otherwise        the answer stands, also for all that wait with this topic
    403 of any other kind            the answer stands, also for all that wait: the key is refused
    ===============================  ===============================================================================
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Unpack

from livepass.apns.connection import Connection, Owner
from livepass.apns.delivery import Job
from livepass.apns.patience import Patience
from livepass.apns.pool import ATTEMPTS, Endpoint, Pool, PoolOptions
from livepass.core.provider_token import PushKey, Token, Tokens

EXPIRED = "ExpiredProviderToken"
TOO_MANY = "TooManyProviderTokenUpdates"
DISALLOWED = "TopicDisallowed"

PROVEN_BY = frozenset({200, 410})
"""Answers that cannot come before the token was found valid. Of the others Apple does not say what is looked at first;
we chose to wait for one of these.
"""


class KeyConnection(Connection):
    """A connection that shows a token with each push."""

    def __init__(self, authority: str, owner: Owner, patience: Patience) -> None:
        super().__init__(authority, owner, patience)
        self.token: Token | None = None
        self.proven = False

    @property
    def room(self) -> int:
        """One until a push was accepted, whatever the peer's settings allow."""
        room = super().room
        if self.proven or not room:
            return room
        return 0 if self.in_flight else 1

    @property
    def open_since(self) -> float:
        """When it opened (the loop's seconds)."""
        return self._opened_at

    def show(self, token: Token) -> None:
        """Show this token with each push from now on."""
        if token is not self.token:
            self.token = token
            self._wire.authorize(token.text)


class KeyPool(Pool):
    """Delivers messages of all pass types that push with one key. ``now`` (ms) is the clock that dates tokens."""

    def __init__(
        self, credential: PushKey, endpoint: Endpoint, *, now: Callable[[], int], **how: Unpack[PoolOptions]
    ) -> None:
        super().__init__(credential, endpoint, **how)
        self._now = now
        self._tokens = Tokens(credential)

    def _connection(self) -> Connection:
        return KeyConnection(self._endpoint.authority, self, self._patience)

    def _push(self, connection: Connection, job: Job, now: float) -> None:
        assert isinstance(connection, KeyConnection)
        connection.show(self._tokens.current(self._now(), now))
        super()._push(connection, job, now)

    def on_answer(self, job: Job, status: int, reason: str, timestamp: int | None, apns_id: str) -> None:
        connection = job.connection
        assert isinstance(connection, KeyConnection)
        if status in PROVEN_BY:
            connection.proven = True
        elif self._goes_again(connection, job, reason):
            self._answered += 1
            self._sent_again += 1
            job.connection = None
            self._waiting.appendleft(job)
            return
        super().on_answer(job, status, reason, timestamp, apns_id)
        if reason == DISALLOWED:
            same = [other for other in self._waiting if other.message.topic == job.message.topic]
            self._give_up(same, status, reason)
        elif status == 403:
            self._condemn(status, reason)

    def _goes_again(self, connection: KeyConnection, job: Job, reason: str) -> bool:
        """Whether the push is to be sent again instead of answered; leaves a connection that is of no use any more."""
        token = connection.token
        if token is None or job.done or job.attempts >= ATTEMPTS:
            return False
        now = self._loop.time()
        if reason == EXPIRED:
            if not self._tokens.expired(token, self._now(), now):
                return False
            connection.drain()
        elif reason == DISALLOWED:
            handed_over = job.deadline - self._deadline
            if connection.open_since >= handed_over:
                return False
            connection.drain()
        elif reason == TOO_MANY:
            return self._tokens.too_many(token, now)
        else:
            return False
        return True

    def on_farewell(self, connection: Connection, condemned: tuple[int, str] | None) -> None:
        """A connection that ends over an expired token condemns no key while there is a younger one."""
        if condemned is not None and condemned[1] == EXPIRED and isinstance(connection, KeyConnection):
            token = connection.token
            if token is not None and self._tokens.expired(token, self._now(), self._loop.time()):
                condemned = None
        super().on_farewell(connection, condemned)
