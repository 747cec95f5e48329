"""``Idempotency-Key``: claims a request, keeps its answer, and answers a repeat with it.

A claim is durable before anything is done. Where the answer is kept in the transaction of the effect,
there is either both or neither, whoever is killed when; elsewhere it is kept right after the effect.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from livepass.core.idempotency import LONGEST_KEY, Claim, KeptAnswer
from livepass.service.access import Caller
from livepass.service.refusals import Conflict, Fault, Refusal
from livepass.service.seams import Chance, Clock, Store, Tx

ADMIN = "admin"
"""The owner of what is claimed without an API key of the database."""


class Once:
    """A request that is being carried out. ``kept``: its answer is kept in the transaction of its effect."""

    def __init__(self, claim: Claim) -> None:
        self.claim = claim
        self.kept = False


class Idempotency:
    """One object per process."""

    def __init__(self, store: Store, clock: Clock, chance: Chance) -> None:
        self._store = store
        self._clock = clock
        self._chance = chance

    async def claim(self, caller: Caller, header: str, request: Sequence[bytes]) -> Claim | KeptAnswer:
        """The right to carry a request out, or the answer that it got before. ``request``: all that makes it another
        one. Raises ``Refusal`` for a key that was used for something else, ``Conflict``
        where the first one is under way.
        """
        # Neither is kept as it was sent: both may quote people.
        key = hashlib.sha256(key_of(header).encode()).hexdigest()
        asked = hashlib.sha256(b"".join(len(part).to_bytes(8, "big") + part for part in request)).hexdigest()
        lease = self._chance.token_bytes(8).hex()
        claim = Claim(caller.tenant, caller.key_id or ADMIN, key, asked, lease)
        now = self._clock.now()
        used = await self._store.write(lambda tx: tx.claim_answer(claim, now))
        if used is None:
            return claim
        if used.request != asked:
            raise Refusal(
                "this Idempotency-Key was used for another request",
                hint="make a new key for each request, and repeat a request as it was",
                faults=[Fault("Idempotency-Key", "was used for another request", "make a new one")],
                code="idempotency_key_used",
            )
        if used.answer is None:
            raise Conflict(
                "the request that came first with this Idempotency-Key has not been answered yet",
                hint="send it again in a second; if its process died, a repeat is carried out after a minute",
                code="idempotency_in_progress",
            )
        return used.answer

    async def keep(self, claim: Claim, answer: KeptAnswer) -> None:
        """Of what was not kept with its effect. A claim that another has taken over meanwhile stays theirs."""
        await self._store.write(lambda tx: tx.keep_answer(claim, answer))

    async def release(self, claim: Claim) -> None:
        """The request was refused, so a repeat is looked at anew."""
        await self._store.write(lambda tx: tx.release_answer(claim))


async def keep_with_effect(tx: Tx, claim: Claim, answer: KeptAnswer) -> None:
    """In the transaction of the effect, which does not happen if the claim was taken over."""
    if not await tx.keep_answer(claim, answer):
        raise Conflict(
            "this request took so long that a repeat of it was begun",
            hint="send it again with the same Idempotency-Key: you get the repeat's answer",
            code="idempotency_in_progress",
        )


def key_of(header: str) -> str:
    """The key in an ``Idempotency-Key`` header: a structured field's string, as in the draft, or the bare text."""
    text = header.strip()
    bare = text[1:-1] if len(text) > 1 and text[0] == text[-1] == '"' else text
    if not bare or len(bare) > LONGEST_KEY or not all("!" <= each <= "~" and each not in '"\\' for each in bare):
        raise Refusal(
            "this Idempotency-Key cannot be used",
            hint=f"send 1 to {LONGEST_KEY} visible ASCII characters, such as a UUID",
            faults=[Fault("Idempotency-Key", f"is not 1 to {LONGEST_KEY} visible ASCII characters")],
            code="idempotency_key",
        )
    return bare
