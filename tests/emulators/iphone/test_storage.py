"""A phone written to disk goes on where it stopped."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from emulators.iphone.hand import Hand, kinds, listing, reply
from emulators.iphone.pass_maker import FORM, PASS_TYPE
from livepass.emulators.iphone import storage

Held = Callable[..., Hand]


def busy(held: Held) -> Hand:
    """A phone with everything: complaints, an alert, a retry, something under way, a deleted pass."""
    hand = held(quirks={"push-budget": "strict"})
    hand.add("S-2")
    hand.change()
    hand.wallet.delete(PASS_TYPE, "S-2", hand.now)
    hand.service.replies |= {"ask": listing(["X"], "9"), "log": reply(500), "fetch": reply(500)}
    hand.wait(10_000)
    hand.push()
    hand.wallet.pull_to_refresh(PASS_TYPE, "S-1", hand.now)
    hand.settle()
    hand.wallet.set_airplane_mode(False, hand.now)
    hand.wallet.due(hand.now)
    hand.wallet.add(hand.maker(form=FORM, points=130), hand.now)
    hand.wallet.personalize(PASS_TYPE, "S-1", {"fullName": "Ada"}, hand.now)
    return hand


def test_saving_and_loading_changes_nothing(held: Held) -> None:
    hand = busy(held)
    saved = storage.save(hand.wallet)
    again = storage.save(storage.load(json.loads(json.dumps(saved))))
    assert again == json.loads(json.dumps(saved))


def test_a_loaded_phone_goes_on(held: Held) -> None:
    hand = busy(held)
    other = storage.load(storage.save(hand.wallet))
    assert "personalize" in kinds(other.due(hand.now))
    assert other["S-1"].field("points") == 130
    assert other.random_hex(32) == hand.wallet.random_hex(32)
    assert (other.next_due() or 0) > hand.now


def test_a_sign_up_that_was_under_way_is_not_sent_again(held: Held) -> None:
    hand = held()
    hand.add(form=FORM)
    hand.wallet.personalize(PASS_TYPE, "S-1", {"fullName": "Ada"}, hand.now)
    assert kinds(hand.wallet.due(hand.now)) == ["personalize"]
    other = storage.load(storage.save(hand.wallet))
    assert "personalize" not in kinds(other.due(hand.now + 1e6))
    hand.wallet.reboot(hand.now)
    assert "personalize" not in kinds(hand.wait(1e6))


def test_the_file_is_the_owners_alone(held: Held, tmp_path: Path) -> None:
    path = tmp_path / "phone.json"
    storage.write(held().wallet, path)
    storage.write(held().wallet, path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert storage.read(path)["S-1"].registered
    assert list(tmp_path.iterdir()) == [path]


def test_another_format_is_refused() -> None:
    with pytest.raises(ValueError, match="format"):
        storage.load({"format": 99})
