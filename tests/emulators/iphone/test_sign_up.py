"""The sign-up on the emulated phone: offered by the pass, sent once, its answer verified, its absence noticed."""

from __future__ import annotations

import json
from typing import Any

import pytest

from emulators.iphone.hand import Hand, kinds, reply
from emulators.iphone.pass_maker import FORM, PASS_TYPE, Maker, signed
from livepass.emulators.iphone import Request
from livepass.emulators.iphone.form import KEYS

EVERYTHING = {key: f"Ada's {key}" for key in KEYS}


def signs(hand: Hand) -> Any:
    """A service that signs, and takes the form off the pass."""

    def answer(request: Request) -> Any:
        hand.service.put(points=1)
        token = json.loads(request.body or b"")["personalizationToken"]
        return reply(200, signed(token.encode(), hand.maker.issued))

    return answer


def test_a_pass_with_a_form_offers_it_when_it_is_added(hand: Hand) -> None:
    hand.add(form=FORM)
    offered = hand.wallet.offers(PASS_TYPE, "S-1")
    assert offered is not None and offered.terms == "Be kind."
    assert any("offers to sign up with fullName, givenName, familyName, postal" in line for line in hand.wallet.console)
    hand.add("S-2")
    assert hand.wallet.offers(PASS_TYPE, "S-2") is None
    with pytest.raises(ValueError, match="offers no sign-up"):
        hand.wallet.personalize(PASS_TYPE, "S-2", {}, hand.now)
    with pytest.raises(KeyError):
        hand.wallet.offers(PASS_TYPE, "S-3")


@pytest.mark.parametrize(
    "broken",
    [[], {}, FORM | {"description": 7}, FORM | {"requiredPersonalizationFields": "Name"}]
    + [FORM | {"requiredPersonalizationFields": fields} for fields in ([], [7], ["PKPassPersonalizationFieldShoe"])],
)
def test_a_form_that_no_phone_could_show_is_none(hand: Hand, broken: Any) -> None:
    hand.add(form=broken)
    assert hand.wallet.offers(PASS_TYPE, "S-1") is None


def test_only_what_the_required_fields_stand_for_is_sent(hand: Hand) -> None:
    hand.add(form=FORM)
    hand.wallet.personalize(PASS_TYPE, "S-1", EVERYTHING, hand.now)
    (request,) = hand.wallet.due(hand.now)
    body = json.loads(request.body or b"")
    assert set(body) == {"personalizationToken", "requiredPersonalizationInfo"}
    asked = ("fullName", "givenName", "familyName", "postalCode", "ISOCountryCode")
    assert body["requiredPersonalizationInfo"] == {key: EVERYTHING[key] for key in asked}
    assert request.headers["Authorization"].startswith("ApplePass ")


def test_a_service_that_does_all_right_hears_no_complaint(hand: Hand) -> None:
    hand.add(form=FORM)
    hand.service.replies["personalize"] = signs(hand)
    hand.wallet.personalize(PASS_TYPE, "S-1", EVERYTHING, hand.now)
    assert kinds(hand.settle()) == ["personalize", "fetch"]
    assert hand.wallet.offers(PASS_TYPE, "S-1") is None, "the pass that came has no form"
    assert kinds(hand.push()) == ["ask", "fetch"]
    hand.wait(1e6)
    assert hand.wallet.complaints == []


def test_a_bad_signature_is_a_warning_and_no_failure(hand: Hand, maker: Maker) -> None:
    hand.add(form=FORM)
    other = maker.authority.pass_certificate("pass.test.other", "TEAM123456")
    bad = [b"<html>", signed(b"another token", maker.issued)]
    for number, signature in enumerate(bad, 1):
        hand.service.replies["personalize"] = reply(200, signature)
        hand.wallet.personalize(PASS_TYPE, "S-1", {}, hand.now)
        assert "fetch" in kinds(hand.settle())
        assert len(hand.said("encountered warning: Received invalid personalizaiton token signature")) == number
    hand.service.replies["personalize"] = lambda request: reply(
        200, signed(json.loads(request.body or b"")["personalizationToken"].encode(), other)
    )
    hand.wallet.personalize(PASS_TYPE, "S-1", {}, hand.now)
    hand.settle()
    assert len(hand.said("personalizaiton")) == 3, "of another pass type"


def test_a_pass_that_stays_as_it_was_is_complained_of(hand: Hand) -> None:
    hand.add(form=FORM)
    unchanged = hand.service.passes["S-1"]
    hand.wallet.personalize(PASS_TYPE, "S-1", {}, hand.now)
    (request,) = hand.wallet.due(hand.now)
    hand.wallet.answered(request.id, *signs(hand)(request), hand.now)
    hand.service.passes["S-1"] = unchanged
    hand.settle()
    assert hand.said("Personalization request was issued for serial number 'S-1', but the pass was unchanged.")


@pytest.mark.parametrize("status", [401, 500, 503])
def test_it_is_never_repeated(hand: Hand, status: int) -> None:
    hand.add(form=FORM)
    hand.service.replies["personalize"] = reply(status, Retry_After="1")
    hand.wallet.personalize(PASS_TYPE, "S-1", EVERYTHING, hand.now)
    assert kinds(hand.wait(1e7)).count("personalize") == 1
    assert len(hand.said("Personalize pass task")) == 1


def test_nor_after_the_network_failed(hand: Hand) -> None:
    hand.add(form=FORM)
    hand.wallet.personalize(PASS_TYPE, "S-1", EVERYTHING, hand.now)
    (request,) = hand.wallet.due(hand.now)
    hand.wallet.failed(request.id, "no route", hand.now)
    assert "personalize" not in kinds(hand.wait(1e7))
    assert hand.wallet.complaints == [], "no server hears of it"
