"""Every assumption is listed, dated and real: switching it changes what the phone does."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

import pytest

from emulators.iphone.hand import Hand, kinds, listing, reply
from emulators.iphone.pass_maker import FORM, PASS_TYPE, Maker, document
from livepass.emulators.iphone import QUIRKS, Quirks, Refused
from livepass.emulators.iphone.form import KEYS

Observe = Callable[[Hand], object]


def _settled(hand: Hand) -> Hand:
    hand.add()
    hand.wait(3600)
    return hand


def _answered(kind: str, answer: Any, then: float = 0) -> Observe:
    def observe(hand: Hand) -> object:
        _settled(hand)
        hand.service.replies[kind] = answer
        sent = hand.change()
        sent += hand.wait(then)
        return kinds(sent), hand.record.tag, hand.wallet.complaints[:], hand.wallet["S-1"].last_modified

    return observe


def _pushes(count: int, every: float) -> Observe:
    def observe(hand: Hand) -> object:
        _settled(hand)
        sent: list[str] = []
        for _ in range(count):
            sent += [f"{kind}@{hand.now:.0f}" for kind in kinds(hand.push())]
            sent += [f"{kind}@{hand.now:.0f}" for kind in kinds(hand.wait(every))]
        return sent, [held.automatic_updates for held in hand.wallet.passes.values()]

    return observe


def _restored(hand: Hand) -> object:
    _settled(hand)
    other = hand.wallet.restore_onto_new_phone(hand.now, random.Random(7))
    record = next(iter(other.records.values()))
    return record.device_id == hand.record.device_id, record.tag, other["S-1"].last_modified


def _token_changed(hand: Hand) -> object:
    before = _settled(hand).record.device_id
    hand.wallet.new_push_token(None, hand.now)
    return hand.record.device_id == before


def _added_twice(hand: Hand) -> object:
    _settled(hand)
    return kinds(hand.add())


def _second_pass(hand: Hand) -> object:
    _settled(hand)
    return kinds(hand.add("S-2"))


def _emptied(hand: Hand) -> object:
    _settled(hand)
    hand.wallet.delete(PASS_TYPE, "S-1", hand.now)
    sent = hand.settle()
    assert kinds(sent) == ["unregister"] and "/devices//" not in sent[0].url
    return len(hand.wallet.records)


def _moved(hand: Hand) -> object:
    _settled(hand)
    return kinds(hand.change(points=1, webServiceURL="https://new.example"))


def _retokened(hand: Hand) -> object:
    _settled(hand)
    hand.change(points=1, authenticationToken="z" * 16)
    return hand.wallet["S-1"].token


def _pushed_while_asking(hand: Hand) -> object:
    _settled(hand)
    hand.wallet.push(PASS_TYPE, hand.now)
    (ask,) = hand.wallet.due(hand.now)
    hand.wallet.push(PASS_TYPE, hand.now)
    hand.wallet.answered(ask.id, 200, {}, listing([], "5")[2], hand.now)
    return kinds(hand.settle())


def _rebooted(hand: Hand) -> object:
    _settled(hand)
    hand.wallet.reboot(hand.now)
    return kinds(hand.settle())


def _a_day_later(hand: Hand) -> object:
    _settled(hand)
    return kinds(hand.wait(90_000))


def _young_tag(hand: Hand) -> object:
    hand.add()
    hand.push()
    return hand.said("spurious")


def _just_deleted(hand: Hand) -> object:
    _settled(hand)
    hand.add("S-2")
    hand.wallet.delete(PASS_TYPE, "S-2", hand.now)
    hand.service.replies["ask"] = listing(["S-2"], "9")
    hand.push()
    return hand.said("unregistered")


def _just_changed(hand: Hand) -> object:
    hand.add()
    hand.service.replies["ask"] = listing(["S-1"], "9")
    hand.push()
    return hand.said("unchanged")


def _spaced_serial(hand: Hand) -> object:
    return hand.add("a b")[0].url


def _signed_up(hand: Hand) -> object:
    _settled(hand)
    hand.add(form=FORM)
    hand.service.replies["personalize"] = reply(200, "x")
    hand.wallet.personalize(PASS_TYPE, "S-1", {}, hand.now)
    return "fetch" in kinds(hand.settle())


def _offered(hand: Hand) -> object:
    hand.add(form=FORM)
    return hand.wallet.offers(PASS_TYPE, "S-1")


def _sent_of_a_person(hand: Hand) -> object:
    """The keys of a sign-up by somebody who gives everything."""
    hand.add(form=FORM)
    hand.wallet.personalize(PASS_TYPE, "S-1", dict.fromkeys(KEYS, "x"), hand.now)
    (request,) = hand.wallet.due(hand.now)
    sent = json.loads(request.body or b"")
    return sorted(sent["requiredPersonalizationInfo"])


def _sign_up_token(hand: Hand) -> object:
    hand.add(form=FORM)
    hand.wallet.personalize(PASS_TYPE, "S-1", {}, hand.now)
    (request,) = hand.wallet.due(hand.now)
    return json.loads(request.body or b"")["personalizationToken"]


def _many_complaints(hand: Hand) -> object:
    _settled(hand)
    hand.service.replies["ask"] = listing(["A", "B"], "9")
    return kinds(hand.push())


def _warned(hand: Hand) -> object:
    _settled(hand)
    hand.change(storeCard={"backFields": [{"key": "a", "value": "1"}, {"key": "a", "value": "2"}]})
    return hand.wallet.complaints


def _backed_off(hand: Hand) -> object:
    _settled(hand)
    hand.service.replies["ask"] = reply(500)
    hand.push()
    return (hand.wallet.next_due() or 0) - hand.now


def _two_messages(hand: Hand) -> object:
    def both(value: int) -> dict[str, Any]:
        return {"headerFields": [{"key": k, "value": value, "changeMessage": "%@ " + k} for k in "ab"]}

    hand.add(storeCard=both(1))
    hand.change(storeCard=both(2))
    return [banner.text for banner in hand.wallet.banners]


def _bare_message(hand: Hand) -> object:
    def card(value: int) -> dict[str, Any]:
        return {"headerFields": [{"key": "a", "value": value, "changeMessage": "Look!"}]}

    hand.add(storeCard=card(1))
    hand.change(storeCard=card(2))
    return hand.wallet.last_banner


def _installs(**changes: Any) -> Observe:
    def observe(hand: Hand) -> object:
        try:
            hand.wallet.add(hand.maker(**changes), hand.now)
        except Refused:
            return "refused"
        return "taken"

    return observe


def _unregistered_with(code: int) -> Observe:
    def observe(hand: Hand) -> object:
        _settled(hand)
        hand.service.replies["unregister"] = reply(code)
        hand.wallet.delete(PASS_TYPE, "S-1", hand.now)
        return kinds(hand.wait(60))

    return observe


def _logged_with_201(hand: Hand) -> object:
    _settled(hand)
    hand.service.replies |= {"log": reply(201), "ask": listing(["X"], "9")}
    hand.push()
    return kinds(hand.wait(30))


def _follows(hand: Hand) -> object:
    return hand.wallet.quirks.on("follows-redirects")  # what it does is in test_run.py


SCENARIOS: dict[str, Observe] = {
    "success-is-200-or-201": _unregistered_with(204),
    "unauthorized-is-retried": _answered("fetch", reply(401), 60),
    "second-pass-fetches-directly": _second_pass,
    "readd-fetches-at-once": _added_twice,
    "readd-registers": _added_twice,
    "new-device-id-on-token-change": _token_changed,
    "restore-new-device-id": _restored,
    "restore-keeps-tag": _restored,
    "restore-keeps-last-modified": _restored,
    "record-outlives-last-pass": _emptied,
    "url-change-deletes-old": _moved,
    "changed-token-adopted": _retokened,
    "lifecycle-update-after-add": lambda hand: kinds(hand.add()),
    "push-budget": _pushes(8, 60),
    "cutoff-unregisters-at-once": _pushes(33, 60),
    "deferral-uses-whole-window": _pushes(10, 60),
    "push-while-asking-asks-again": _pushed_while_asking,
    "tag-stored-before-download": _answered("fetch", reply(500)),
    "empty-list-with-tag-accepted": _answered("ask", listing([], "77")),
    "asks-after-reboot": _rebooted,
    "asks-daily": _a_day_later,
    "s3-after-300s": _young_tag,
    "s4-quiet-hour": _just_deleted,
    "double-encoded-serial": _spaced_serial,
    "head-before-fetch": lambda hand: kinds(hand.add()),
    "pass-content-type-ignored": lambda hand: _answered("fetch", reply(200, hand.maker(points=9), Last_Modified="x"))(
        hand
    ),
    "missing-last-modified-forgets": lambda hand: _answered("fetch", reply(200, hand.maker(points=9)))(hand),
    "s0-after-300s": _just_changed,
    "sign-up-offered-when-added": _offered,
    "sign-up-sends-what-is-asked": _sent_of_a_person,
    "postal-code-brings-country": _sent_of_a_person,
    "sign-up-token": _sign_up_token,
    "fetches-after-personalizing": _signed_up,
    "log-batch-50": _many_complaints,
    "log-accepts-only-200": _logged_with_201,
    "complains-every-attempt": _answered("fetch", reply(500), 60),
    "warnings-posted": _warned,
    "log-lines-carry-time": _warned,
    "backoff-schedule": _backed_off,
    "retry-after-ignored": _answered("ask", reply(503, Retry_After="1"), 3),
    "follows-redirects": _follows,
    "fractional-seconds-refused": _installs(expirationDate="2030-01-01T00:00:00.5Z"),
    "nfc-needs-enhanced-certificate": _installs(nfc={"message": "m"}),
    "several-messages-one-banner": _two_messages,
    "message-without-placeholder": _bare_message,
}
# What must be switched as well for the difference to show.
ALSO: dict[str, dict[str, str]] = {"deferral-uses-whole-window": {"push-budget": "strict"}}


def test_every_quirk_has_a_scenario() -> None:
    assert sorted(SCENARIOS) == sorted(quirk.name for quirk in QUIRKS)


@pytest.mark.parametrize(
    ("name", "choice"), [(q.name, choice) for q in QUIRKS for choice in q.choices if choice != q.default]
)
def test_switching_a_quirk_changes_the_phone(maker: Maker, name: str, choice: str) -> None:
    also = ALSO.get(name, {})
    usual = SCENARIOS[name](Hand(maker, quirks=also))
    other = SCENARIOS[name](Hand(maker, quirks={**also, name: choice}))
    assert usual != other


def test_every_quirk_is_named_dated_and_sourced() -> None:
    assert len({quirk.name for quirk in QUIRKS}) == len(QUIRKS)
    for quirk in QUIRKS:
        assert quirk.default in quirk.choices and len(quirk.choices) > 1
        assert quirk.confidence in ("A", "B", "C", "D", "assumed")
        assert quirk.date and quirk.source and quirk.what.endswith(".")


def test_the_settings_know_only_what_is_switched() -> None:
    quirks = Quirks({"restore-keeps-tag": "no", "asks-daily": "no"})
    assert quirks.switched() == {"restore-keeps-tag": "no"}
    assert Quirks(quirks.switched()) == quirks != Quirks()
    assert quirks.but("restore-keeps-tag", "yes") == Quirks()
    assert {quirk.name: choice for quirk, choice in quirks}["restore-keeps-tag"] == "no"


def test_a_wrong_name_or_choice_says_what_is_right() -> None:
    with pytest.raises(KeyError, match="did you mean 'restore-keeps-tag'"):
        Quirks({"restore-keep-tag": "no"})
    with pytest.raises(KeyError, match="no quirk named 'zzz'"):
        Quirks()["zzz"]
    with pytest.raises(ValueError, match="yes, no"):
        Quirks({"restore-keeps-tag": "maybe"})


def test_a_tag_stored_last_waits_for_every_download(maker: Maker) -> None:
    hand = Hand(maker, quirks={"tag-stored-before-download": "no"})
    hand.add()
    assert hand.record.tag == "1"
    hand.add("S-2")
    hand.service.put(points=7)
    hand.service.put("S-2", points=7)
    good = hand.service._fetch
    hand.service.replies["fetch"] = lambda request: reply(500) if request.serial == "S-2" else good(request)
    hand.push()
    assert hand.record.tag == "2"
    hand.wait(1e6)
    assert hand.record.tag == "2" and hand.record.pending_tag is None
    del hand.service.replies["fetch"]
    hand.push()
    assert hand.record.tag == "4"


def test_an_enhanced_certificate_satisfies_the_quirk(maker: Maker) -> None:
    nfc = maker.authority.pass_certificate(PASS_TYPE, "TEAM123456", nfc=True)
    hand = Hand(maker, quirks={"nfc-needs-enhanced-certificate": "yes"})
    hand.wallet.add(maker.build(json.dumps(document(nfc={"message": "m"})).encode(), issued=nfc), hand.now)
    assert hand.wallet["S-1"].package.is_enhanced
