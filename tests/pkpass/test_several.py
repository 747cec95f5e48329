"""Bundles: what we write is read, unzipped by others and the same bytes each time; what attacks is refused by name."""

from __future__ import annotations

import io
import subprocess
import sys
import tracemalloc
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livepass.emulators.authority import Authority
from livepass.pkpass import InvalidPackage, InvalidSignature, Limits, Signer, StaticFiles, build, canonical, several
from livepass.pkpass.names import check_distinct, check_name
from livepass.pkpass.zip_write import archive, entry, head

Make = Callable[..., bytes]
MIB = 1 << 20


@pytest.fixture
def pkpass(static: StaticFiles, document: dict[str, object], signer: Signer, now: datetime) -> Make:
    return lambda serial, **changes: build(
        static, canonical({**document, "serialNumber": serial, **changes}), signer, now
    )


@pytest.fixture
def ten(pkpass: Make) -> dict[str, bytes]:
    return {f"{number}.pkpass": pkpass(str(number)) for number in range(10)}


def zipped(files: Mapping[str, bytes], *, deflate: bool = False) -> bytes:
    """Any zip, with none of the checks of ``several.bundle``."""
    return archive(head([entry(name, data, deflate=deflate) for name, data in files.items()]), ())


def test_ten_passes_go_in_and_come_out_in_their_order(ten: dict[str, bytes], authority: Authority) -> None:
    backwards = dict(reversed(ten.items()))
    data = several.bundle(backwards)
    assert list(several.split(data).items()) == list(backwards.items())
    assert [(name, package.document["serialNumber"]) for name, package in several.opened(data)] == [
        (f"{number}.pkpass", str(number)) for number in reversed(range(10))
    ]
    found = several.verify_all(data, roots=[authority.root])
    assert {name: each.serial for name, each in found.items()} == {
        f"{number}.pkpass": str(number) for number in range(10)
    }
    assert all(each.root_checked for each in found.values())
    with zipfile.ZipFile(io.BytesIO(data)) as other:
        assert {name: other.read(name) for name in other.namelist()} == backwards and other.testzip() is None


def test_it_is_the_same_bytes_in_every_process(ten: dict[str, bytes], tmp_path: Path) -> None:
    for name, data in ten.items():
        (tmp_path / name).write_bytes(data)
    code = (
        "import hashlib, sys; from pathlib import Path; from livepass.pkpass import several\n"
        "files = {path.name: path.read_bytes() for path in sorted(Path(sys.argv[1]).iterdir())}\n"
        "print(hashlib.sha256(several.bundle(files)).hexdigest())"
    )
    said = {
        subprocess.check_output(
            [sys.executable, "-c", code, str(tmp_path)], env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)}
        )
        for seed in ("1", "2")
    }
    assert len(said) == 1


@pytest.mark.parametrize("count", [0, 11])
def test_it_holds_one_to_ten(ten: dict[str, bytes], pkpass: Make, count: int) -> None:
    passes = dict(list({**ten, "10.pkpass": pkpass("10")}.items())[:count])
    with pytest.raises(InvalidPackage, match=f"{count} passes make no bundle"):
        several.bundle(passes)
    with pytest.raises(InvalidPackage, match="holds no pass" if count == 0 else "11 entries"):
        several.split(zipped(passes))


def test_it_has_at_most_150_mb(ten: dict[str, bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    size = len(several.bundle(ten))
    monkeypatch.setattr(several, "MOST_BYTES", size)
    assert len(several.bundle(ten)) == size
    monkeypatch.setattr(several, "MOST_BYTES", size - 1)
    with pytest.raises(InvalidPackage, match=f"has {size} bytes"):
        several.bundle(ten)
    with pytest.raises(InvalidPackage, match=f"has {size} bytes"):
        several.split(zipped(ten), replace(several.LIMITS, archive_bytes=size - 1))
    assert several.LIMITS.archive_bytes == 150_000_000


def tampered(data: bytes) -> bytes:
    """A pass whose pass.json was changed after it was signed."""
    with zipfile.ZipFile(io.BytesIO(data)) as whole:
        files = {name: whole.read(name) for name in whole.namelist()}
    return zipped({**files, "pass.json": files["pass.json"].replace(b"Sample Club", b"Sample Clan")})


def unsigned(data: bytes, other: bytes) -> bytes:
    """A pass with the signature of another."""
    with zipfile.ZipFile(io.BytesIO(data)) as whole, zipfile.ZipFile(io.BytesIO(other)) as stranger:
        files = {name: whole.read(name) for name in whole.namelist()}
        return zipped({**files, "signature": stranger.read("signature")})


# what it holds beside 1.pkpass, of the passes "1" and "2" → (error, what it says)
ATTACKS: dict[str, tuple[Callable[[bytes, bytes], dict[str, bytes]], type[Exception], str]] = {
    "a changed pass": (lambda one, two: {"2.pkpass": tampered(two)}, InvalidPackage, r"^2\.pkpass: 'pass\.json' is"),
    "another's signature": (lambda one, two: {"2.pkpass": unsigned(two, one)}, InvalidSignature, r"^2\.pkpass: "),
    "a bundle in a bundle": (
        lambda one, two: {"2.pkpass": zipped({"2.pkpass": two})},
        InvalidPackage,
        r"^2\.pkpass: '2\.pkpass' is itself a zip archive",
    ),
    "a bundle by its name": (lambda one, two: {"2.pkpasses": zipped({"2.pkpass": two})}, InvalidPackage, "is no pass"),
    "one pass twice": (lambda one, two: {"2.pkpass": one}, InvalidPackage, r"1\.pkpass and 2\.pkpass are one pass"),
    "one name in two cases": (lambda one, two: {"1.PKPASS": two}, InvalidPackage, "are one name"),
    "what a Mac leaves": (lambda one, two: {"__MACOSX/._1.pkpass": b"junk"}, InvalidPackage, "is no pass"),
    "what the Finder leaves": (lambda one, two: {".DS_Store": b"junk"}, InvalidPackage, "is no pass"),
    "a hidden pass": (lambda one, two: {".2.pkpass": two}, InvalidPackage, "is no pass"),
    "a pass in a folder": (lambda one, two: {"en.lproj/2.pkpass": two}, InvalidPackage, "is no pass"),
    "an image": (lambda one, two: {"icon.png": b"\x89PNG"}, InvalidPackage, "is no pass"),
    "upwards": (lambda one, two: {"../2.pkpass": two}, InvalidPackage, "points outside"),
    "no zip": (lambda one, two: {"2.pkpass": b"junk"}, InvalidPackage, r"^2\.pkpass: this is not a zip"),
    "an empty one": (lambda one, two: {"2.pkpass": b""}, InvalidPackage, r"^2\.pkpass: this is not a zip"),
}  # fmt: skip


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_is_refused_on_the_way_in_and_on_the_way_out(pkpass: Make, name: str) -> None:
    make, error, reason = ATTACKS[name]
    one, two = pkpass("1"), pkpass("2")
    passes = {"1.pkpass": one, **make(one, two)}
    with pytest.raises(error, match=reason) as refused:
        several.bundle(passes)
    assert refused.value.hint  # type: ignore[attr-defined]
    with pytest.raises(error, match=reason):
        several.verify_all(zipped(passes))


def test_two_entries_of_one_name_are_refused(pkpass: Make) -> None:
    twice = archive(head([entry("1.pkpass", pkpass(serial), deflate=False) for serial in "12"]), ())
    with pytest.raises(InvalidPackage, match="are one name"):
        several.split(twice)


def bomb(size: int) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("2.pkpass", bytes(size))
    return made.getvalue()


def test_a_bomb_costs_no_more_than_it_may(pkpass: Make) -> None:
    """Once in the bundle itself, once in a pass of it."""
    outer = bomb(64 * MIB)
    inner = zipped({"2.pkpass": outer})
    for data, reason in ((outer, "beyond all measure"), (inner, r"^2\.pkpass: '2\.pkpass' inflates beyond")):
        tracemalloc.start()
        try:
            with pytest.raises(InvalidPackage, match=reason):
                several.verify_all(data)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert peak < 16 * MIB  # a pass may have 10


def test_the_limits_of_the_sum_hold(pkpass: Make) -> None:
    data = zipped({"1.pkpass": pkpass("1"), "2.pkpass": pkpass("2")})
    for limits in (Limits(entries=1), Limits(total_bytes=len(data) * 2 // 3), Limits(file_bytes=100)):
        with pytest.raises(InvalidPackage):
            several.split(data, limits)


@given(
    st.lists(st.text(max_size=140) | st.sampled_from(["a", "A", "a.pkpass", "a-2", "..", "", "x" * 140]), max_size=10)
)
def test_names_are_safe_and_no_two_are_alike(wanted: list[str]) -> None:
    names = several.entry_names(wanted)
    assert len(names) == len(wanted)
    check_distinct(names)
    for name in names:
        check_name(name)
        several._check_entry(name, several.LIMITS)


def test_a_name_says_what_it_holds() -> None:
    wanted = ["membership.42", "1001.pkpass", "1001", "Gast/1", "ä"]
    assert several.entry_names(wanted) == [
        "membership.42.pkpass", "1001.pkpass", "1001-2.pkpass", "Gast-1.pkpass", "pass.pkpass",
    ]  # fmt: skip
