"""Passwords of the console's users: Argon2id, off the loop, and never many at once."""

from __future__ import annotations

import base64
import unicodedata
from collections import deque

from livepass.service.refusals import Fault, Refusal
from livepass.service.seams import Chance, Scheduler, Signal

MEMORY_KIB, ITERATIONS, LANES = 19456, 2, 1
"""OWASP's first choice where memory is shared with a service; NIST 800-63B asks for a memory-hard function."""
SALT_BYTES, HASH_BYTES = 16, 32
SHORTEST, LONGEST = 12, 512
"""Characters. NIST 800-63B asks for 8 beside a second factor, and 15 without; OWASP for 12 or more."""
DIFFERENT = 5
"""Characters that a password has at least, apart from its user's name and repetitions."""
AT_ONCE, WAITING = 2, 16
"""Each takes 19 MiB and a thread; who comes when that many wait is sent away."""

_OBVIOUS = frozenset(
    """
    password passwort motdepasse contraseña administrator administration letmein welcome willkommen changeme secret
    iloveyou qwertyuiop qwertzuiop azertyuiop asdfghjkl zxcvbnm 1q2w3e4r5t q1w2e3r4t5 1qaz2wsx3edc abcdefghijkl
    livepass applewallet applepass wallet console football baseball princess sunshine dragon monkey superman trustno
    """.split()  # noqa: SIM905 - a list of words is read as one
)
_PADDING = "0123456789!.?#-_ @$"
"""What people add to such a word until it is long enough."""


def require_good(password: str, name: str) -> None:
    """Raise ``Refusal`` for a password that is too short, too long, obvious, or the user's name with a few digits."""
    folded = _normal(password).casefold()
    bare = folded.strip(_PADDING)
    if len(password) < SHORTEST:
        raise _bad(f"it has {len(password)} characters; it needs {SHORTEST}", "take several words")
    if len(password) > LONGEST:
        raise _bad(f"it has {len(password)} characters; it may have {LONGEST}", "take a shorter one")
    if len(set(folded.replace(name.casefold(), ""))) < DIFFERENT:
        raise _bad("it is little more than the user's name, or one character again and again", "take several words")
    if not bare or any(not bare.replace(word, "").strip(_PADDING) for word in sorted(_OBVIOUS)):
        raise _bad("it is among the first that anybody would try", "take several words that do not belong together")


class Passwords:
    """One object per process."""

    def __init__(self, chance: Chance, scheduler: Scheduler) -> None:
        self._chance = chance
        self._scheduler = scheduler
        self._busy = 0
        self._waiting: deque[Signal] = deque()
        self._nobody = _phc(chance.token_bytes(SALT_BYTES), chance.token_bytes(HASH_BYTES))

    async def hashed(self, password: str) -> str:
        """As it is kept: a PHC string."""
        from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

        salt = self._chance.token_bytes(SALT_BYTES)
        kdf = Argon2id(salt=salt, length=HASH_BYTES, iterations=ITERATIONS, lanes=LANES, memory_cost=MEMORY_KIB)
        await self._turn()
        try:
            return await self._scheduler.off_loop(lambda: kdf.derive_phc_encoded(_bytes(password)))
        finally:
            self._done()

    async def right(self, kept: str | None, password: str) -> bool:
        """Whether it is the one; ``kept`` ``None``, of somebody who has none, costs the same and is wrong."""
        from cryptography.exceptions import InvalidKey
        from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

        def same() -> bool:
            try:
                Argon2id.verify_phc_encoded(_bytes(password), kept or self._nobody)
            except InvalidKey:
                return False
            return True

        await self._turn()
        try:
            return await self._scheduler.off_loop(same)
        finally:
            self._done()

    async def _turn(self) -> None:
        if self._busy >= AT_ONCE and len(self._waiting) >= WAITING:
            raise Busy("too many are signing in at this moment", hint="try again in some seconds", code="busy")
        while self._busy >= AT_ONCE:
            mine = self._scheduler.signal()
            self._waiting.append(mine)
            try:
                await mine.wait(1.0)  # and look again: whoever was woken may have gone away
            finally:
                if mine in self._waiting:
                    self._waiting.remove(mine)
        self._busy += 1

    def _done(self) -> None:
        self._busy -= 1
        if self._waiting:
            self._waiting.popleft().set()


class Busy(Refusal):
    """Too much at once: later."""

    status = 429
    code = "too_many"


def _normal(password: str) -> str:
    """The same text typed on two keyboards is the same password (NIST 800-63B §5.1.1.2)."""
    return unicodedata.normalize("NFKC", password)


def _bytes(password: str) -> bytes:
    return _normal(password[: LONGEST + 1]).encode("utf-8", "surrogatepass")


def _bad(why: str, remedy: str) -> Refusal:
    return Refusal(f"the password is not taken: {why}", hint=remedy, faults=[Fault("/password", why, remedy)])


def _phc(salt: bytes, hash_: bytes) -> str:
    """What no password leads to, and takes as long to find wrong as a real one."""
    first, second = (base64.b64encode(part).rstrip(b"=").decode() for part in (salt, hash_))
    return f"$argon2id$v=19$m={MEMORY_KIB},t={ITERATIONS},p={LANES}${first}${second}"
