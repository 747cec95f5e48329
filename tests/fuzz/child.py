"""One target under atheris, in a process of its own: ``python -m fuzz.child TARGET RECORD [libFuzzer's arguments]``.

``RECORD`` is a file into which the longest time of an input is written, in seconds. The folder ``seeds`` beside it is
filled here, because what this process signs fits no other's keys.
"""

from __future__ import annotations

import random
import shlex
import sys
import time
import warnings
from pathlib import Path

import atheris


def main() -> None:
    name, record, *arguments = sys.argv[1:]
    warnings.simplefilter("ignore")
    atheris.enabled_hooks.add("str")  # "RegEx" stumbles over patterns of bytes
    with atheris.instrument_imports(include=["livepass"]):
        from fuzz.targets import TARGETS
    target = TARGETS[name]
    folder = Path(record).parent
    if not any((folder / "seeds").iterdir()):
        for number, data in enumerate(target.seeds()):
            (folder / "seeds" / str(number)).write_bytes(data)
    slowest = 0.0

    def one(data: bytes) -> None:
        nonlocal slowest
        began = time.perf_counter()
        target.one(data)
        took = time.perf_counter() - began
        if took > slowest:
            slowest = took
            Path(record).write_text(f"{took:.3f}")

    def reshaped(data: bytes, most: int, seed: int) -> bytes:
        assert target.reshape is not None
        made = target.reshape(bytes(data), most, lambda part, size: atheris.Mutate(part, size), random.Random(seed))
        return made[:most]

    mutator = {"custom_mutator": reshaped} if target.reshape else {}
    atheris.Setup([str(_again(folder, name, record)), *arguments], one, **mutator)
    atheris.Fuzz()


def _again(folder: Path, name: str, record: str) -> Path:
    """A program that is this one: libFuzzer starts itself anew to merge."""
    path = folder / "again"
    path.write_text(f'#!/bin/sh\nexec {shlex.join([sys.executable, "-m", "fuzz.child", name, record])} "$@"\n')
    path.chmod(0o700)
    return path


if __name__ == "__main__":
    main()
