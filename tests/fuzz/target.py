"""What a target is: one function that eats a stranger's bytes, what it may answer, and how inputs for it are made."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

SECRET = "fuzz-secret-u3kXq9"
"""Stands wherever a target holds something that no answer and no message may repeat."""

HERE = Path(__file__).parent
CORPUS, FOUND = HERE / "corpus", HERE / "found"

Mutate = Callable[[bytes, int], bytes]
"""Bytes and the most that there may be → other bytes: libFuzzer's, or ``mutation.scrambler``."""


@dataclass(frozen=True)
class Target:
    """``run`` takes any bytes: it returns, or raises one of ``refusals``; anything else is a fault.

    What must hold of an answer is asserted in ``run``. ``reshape`` mutates below a checksum, a signature or a packing,
    which blind mutation does not get past. ``keeps`` false: inputs hold private keys, so none are written down.
    """

    name: str
    run: Callable[[bytes], object]
    refusals: tuple[type[Exception], ...] = ()
    seeds: Callable[[], Iterable[bytes]] = field(default=lambda: (b"",), repr=False)
    words: tuple[bytes, ...] = field(default=(), repr=False)
    longest: int = 2048
    reshape: Callable[[bytes, int, Mutate, random.Random], bytes] | None = field(default=None, repr=False)
    keeps: bool = True

    def one(self, data: bytes) -> None:
        """Run one input. A refusal says what was wrong, at no greater length than the input, and no secret."""
        try:
            self.run(data)
        except self.refusals as refusal:
            said = f"{refusal}{getattr(refusal, 'hint', '')}"
            assert len(said) <= 4000 + 8 * len(data), f"a message of {len(said)} characters for {len(data)} bytes"
            assert SECRET not in said, "a refusal tells a secret"

    def recorded(self) -> Mapping[str, bytes]:
        """The inputs of the corpus and those that once found something, by file name."""
        folders = (CORPUS / self.name, FOUND / self.name)
        paths = [path for folder in folders if folder.is_dir() for path in sorted(folder.iterdir())]
        return {f"{path.parent.parent.name}/{path.name}": path.read_bytes() for path in paths}


def within(pack: Callable[[bytes], bytes], unpack: Callable[[bytes], bytes]) -> Callable[..., bytes]:
    """A ``reshape`` that mutates what a packing holds, two times in three, and packs it again."""

    def reshape(data: bytes, most: int, mutate: Mutate, rng: random.Random) -> bytes:
        try:
            if rng.random() < 2 / 3:
                packed = pack(mutate(unpack(data), most))
                return packed if len(packed) <= most else data
        except Exception:  # mutated beyond unpacking: go on with the bytes
            return mutate(data, most)
        return mutate(data, most)

    return reshape
