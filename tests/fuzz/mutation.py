"""Blind mutation, for the suite, which has no fuzzer: what libFuzzer does, without its feedback."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

from fuzz.target import Mutate, Target

_SPECIAL = (b"\x00", b"\xff", b"\x7f", b"\x80", b"\xff\xff\xff\xff", b"\x00\x00\x00\x00", b"9" * 20, b"1e999", b"\n")


def scrambler(rng: random.Random, words: Sequence[bytes]) -> Mutate:
    """One to four small changes at random places."""
    pieces = (*words, *_SPECIAL)

    def scrambled(data: bytes, most: int) -> bytes:
        made = bytearray(data)
        for _ in range(rng.randint(1, 4)):
            at = rng.randint(0, len(made))
            to = min(len(made), at + rng.choice((0, 1, 1, 2, 4, 16, 64)))
            match rng.randrange(5):
                case 0:
                    made[at:to] = b""
                case 1:
                    made[at:to] = rng.choice(pieces)
                case 2:
                    made[at:at] = made[at:to] * rng.choice((1, 1, 2, 30))
                case 3:
                    made[at:to] = rng.randbytes(to - at)
                case _ if at < len(made):
                    made[at] ^= 1 << rng.randrange(8)
        return bytes(made[:most])

    return scrambled


def inputs(target: Target, seed: str, count: int) -> Iterator[bytes]:
    """``count`` mutated inputs, the same for the same seed."""
    rng = random.Random(f"{seed} {target.name}")
    mutate = scrambler(rng, target.words)
    known = [*target.recorded().values()] if target.keeps else []
    pool = known or [*target.seeds()]
    for _ in range(count):
        data = rng.choice(pool)
        for _ in range(rng.randint(1, 3)):
            data = target.reshape(data, target.longest, mutate, rng) if target.reshape else mutate(data, target.longest)
        yield data
