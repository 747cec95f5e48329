"""Every target's corpus, what once found something, and a few hundred blind mutations: all of it without a fuzzer.

``LIVEPASS_TEST_FUZZ_SEED`` chooses other mutations, ``LIVEPASS_TEST_FUZZ`` how many for each target.
"""

from __future__ import annotations

import os
import re

import pytest

from fuzz.mutation import inputs
from fuzz.target import CORPUS, FOUND, SECRET, Target
from fuzz.targets import TARGETS

SEED = os.environ.get("LIVEPASS_TEST_FUZZ_SEED", "1")
COUNT = int(os.environ.get("LIVEPASS_TEST_FUZZ", "200"))

pytestmark = pytest.mark.filterwarnings("ignore:PKCS#12 bundle could not be parsed as DER")
each_target = pytest.mark.parametrize("target", TARGETS.values(), ids=list(TARGETS))


@each_target
def test_what_is_recorded_is_answered(target: Target) -> None:
    recorded = target.recorded()
    assert recorded or not target.keeps
    for name, data in (recorded | {f"seed {n}": data for n, data in enumerate(target.seeds())}).items():
        try:
            target.one(data)
        except Exception as error:
            raise AssertionError(f"{target.name}: {name} is not answered as it should be") from error


@each_target
def test_blind_mutations_are_answered(target: Target) -> None:
    for number, data in enumerate(inputs(target, SEED, COUNT)):
        try:
            target.one(data)
        except Exception as error:
            raise AssertionError(
                f"LIVEPASS_TEST_FUZZ_SEED={SEED}, input {number} of {target.name}: {data!r}"
            ) from error


def test_the_corpus_is_small_and_holds_no_keys() -> None:
    files = [path for top in (CORPUS, FOUND) for path in top.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 400 * 1024
    for folder in {path.parent for path in files}:
        assert folder in (CORPUS, FOUND) or TARGETS[folder.name].keeps
        assert len([*folder.iterdir()]) < 64
    for path in files:
        # A key as PEM, or the version, algorithm and NULL that every RSA key in PKCS#8 begins with.
        assert not re.search(
            rb"PRIVATE KEY|\x02\x01\x00\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01", path.read_bytes()
        )


@pytest.mark.parametrize(
    "error", [ValueError("another fault"), KeyError("long" * 2000), KeyError(SECRET)], ids=["unnamed", "long", "secret"]
)
def test_what_no_target_allows_is_a_fault(error: Exception) -> None:
    def run(data: bytes) -> None:
        raise error

    with pytest.raises((AssertionError, ValueError)):
        Target("t", run, (KeyError,)).one(b"x")
    Target("t", lambda data: data, ()).one(b"x")
