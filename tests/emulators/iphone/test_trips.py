"""The conversation, fact by fact: what goes over the wire when a person, Apple or a server acts."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

import pytest

from emulators.iphone.hand import Hand, address, kinds, listing, reply
from emulators.iphone.pass_maker import FORM, PASS_TYPE, TEAM, TOKEN, URL
from livepass.emulators.iphone import PhoneSettings, Wallet

KEY = (PASS_TYPE, TEAM, URL)


def test_a_new_pass_registers_asks_without_tag_and_fetches(hand: Hand) -> None:
    register, ask, fetch = hand.add()
    device = hand.record.device_id
    assert (register.method, address(register)) == (
        "POST",
        f"/v1/devices/{device}/registrations/{PASS_TYPE}/S-1",
    )
    assert json.loads(register.body or b"") == {"pushToken": hand.wallet.push_token}
    assert register.headers["Authorization"] == f"ApplePass {TOKEN}"
    assert register.headers["Content-Type"] == "application/json"
    assert (ask.method, address(ask)) == ("GET", f"/v1/devices/{device}/registrations/{PASS_TYPE}")
    assert "Authorization" not in ask.headers and ask.body is None
    assert (fetch.method, address(fetch)) == ("GET", f"/v1/passes/{PASS_TYPE}/S-1")
    assert fetch.headers["Authorization"] == f"ApplePass {TOKEN}"
    assert "If-Modified-Since" not in fetch.headers
    assert hand.wallet["S-1"].registered
    assert hand.wallet.complaints == []
    assert hand.wallet.next_due() is None


def test_device_id_and_push_token_look_like_apples(hand: Hand) -> None:
    hand.add()
    assert len(hand.record.device_id) == 32 and int(hand.record.device_id, 16) >= 0
    assert len(hand.wallet.push_token) == 64 and int(hand.wallet.push_token, 16) >= 0


def test_a_second_pass_asks_with_the_tag_and_fetches_itself(hand: Hand) -> None:
    hand.add()
    sent = hand.add("S-2")
    assert kinds(sent)[:3] == ["register", "ask", "fetch"]
    assert sent[1].url.endswith("?passesUpdatedSince=1")
    assert len(hand.wallet.records) == 1


def test_another_url_is_another_record_with_another_device(hand: Hand) -> None:
    hand.add()
    hand.add("S-2", webServiceURL="https://other.example/")
    first, second = hand.wallet.records.values()
    assert first.device_id != second.device_id
    assert first.push_token == second.push_token
    assert second.url == "https://other.example"


def test_a_pass_without_web_service_never_talks(hand: Hand) -> None:
    assert hand.add(webServiceURL=None, authenticationToken=None) == []
    assert hand.push() == []
    hand.wallet.pull_to_refresh(PASS_TYPE, "S-1", hand.now)
    hand.wallet.delete(PASS_TYPE, "S-1", hand.now)
    assert hand.settle() == []


def test_a_push_asks_and_fetches_what_changed(hand: Hand) -> None:
    hand.add()
    hand.add("S-2")
    ask, fetch = hand.change("S-2", 130)
    assert ask.url.endswith("?passesUpdatedSince=2")
    assert address(fetch).endswith("/S-2")
    assert hand.wallet["S-2"].field("points") == 130
    assert hand.wallet["S-1"].field("points") == 120
    assert hand.wallet.last_banner == "You have 130 points"


def test_the_last_modified_text_is_echoed_verbatim(hand: Hand) -> None:
    data = hand.service.put()
    hand.service.replies["fetch"] = reply(200, data, Last_Modified="  yesterday, more or less")
    hand.wallet.add(data, hand.now)
    hand.settle()
    hand.wallet.pull_to_refresh(PASS_TYPE, "S-1", hand.now)
    fetch = hand.settle()[0]
    assert fetch.headers["If-Modified-Since"] == "  yesterday, more or less"


def test_pull_to_refresh_fetches_without_asking(held: Callable[..., Hand]) -> None:
    hand = held()
    hand.service.put(points=140)
    hand.wallet.pull_to_refresh(PASS_TYPE, "S-1", hand.now)
    assert kinds(hand.settle()) == ["fetch"]
    assert hand.wallet["S-1"].field("points") == 140


def test_pushes_coalesce_while_one_waits(held: Callable[..., Hand]) -> None:
    hand = held()
    hand.service.put(points=130)
    for _ in range(5):
        hand.wallet.push(PASS_TYPE, hand.now)
    assert kinds(hand.settle()) == ["ask", "fetch"]


def test_a_push_during_an_ask_is_answered_by_another_one(held: Callable[..., Hand]) -> None:
    hand = held()
    hand.wallet.push(PASS_TYPE, hand.now)
    (ask,) = hand.wallet.due(hand.now)
    hand.wallet.push(PASS_TYPE, hand.now)
    assert hand.wallet.due(hand.now) == []
    hand.wallet.answered(ask.id, 204, {}, b"", hand.now)
    assert "ask" in kinds(hand.wallet.due(hand.now))


def test_a_push_reaches_every_record_of_its_type(hand: Hand) -> None:
    hand.add()
    hand.add("S-2", webServiceURL="https://other.example/w")
    assert [request.url.split("/v1")[0] for request in hand.push()] == [URL, "https://other.example/w"]


def test_a_push_for_an_unknown_topic_does_nothing(held: Callable[..., Hand]) -> None:
    assert held().push("pass.of.somebody.else") == []


def test_the_tag_is_stored_before_the_download(held: Callable[..., Hand]) -> None:
    hand = held()
    hand.service.replies["fetch"] = reply(503)
    hand.change()
    assert hand.record.tag == "2"
    assert hand.wallet["S-1"].field("points") == 120


def test_a_tagless_phone_answered_204_stays_tagless(hand: Hand) -> None:
    hand.service.replies["ask"] = reply(204)
    hand.add()
    (ask,) = hand.push()
    assert hand.record.tag is None and "passesUpdatedSince" not in ask.url


def test_a_list_may_name_a_serial_twice(held: Callable[..., Hand]) -> None:
    hand = held()
    hand.service.replies["ask"] = listing(["S-1", "S-1"], "7")
    hand.service.put(points=131)
    assert kinds(hand.push()) == ["ask", "fetch"]


def test_adding_again_forgets_last_modified_and_fetches(held: Callable[..., Hand]) -> None:
    hand = held()
    assert hand.wallet["S-1"].last_modified is not None
    (fetch,) = hand.add(points=120)
    assert fetch.kind == "fetch" and "If-Modified-Since" not in fetch.headers


def test_automatic_updates_off_deletes_and_on_registers_again(held: Callable[..., Hand]) -> None:
    hand = held()
    hand.wallet.set_automatic_updates(PASS_TYPE, "S-1", False, hand.now)
    (delete,) = hand.settle()
    assert delete.method == "DELETE" and delete.body is None
    assert delete.headers["Authorization"] == f"ApplePass {TOKEN}"
    assert hand.push() == [] and hand.wallet.topics == []
    hand.wallet.set_automatic_updates(PASS_TYPE, "S-1", True, hand.now)
    hand.wallet.set_automatic_updates(PASS_TYPE, "S-1", True, hand.now)
    assert kinds(hand.settle()) == ["register", "ask", "fetch"]


def test_turning_updates_off_supersedes_a_waiting_registration(hand: Hand) -> None:
    hand.service.replies["register"] = reply(500)
    hand.add()
    hand.wallet.set_automatic_updates(PASS_TYPE, "S-1", False, hand.now)
    assert kinds(hand.settle()) == ["unregister"]
    assert hand.wallet.next_due() is None or kinds(hand.wait(1e6)) == []


def test_a_delete_never_overtakes_the_registration_under_way(hand: Hand) -> None:
    hand.wallet.add(hand.service.put(), hand.now)
    (register,) = hand.wallet.due(hand.now)
    hand.wallet.delete(PASS_TYPE, "S-1", hand.now)
    assert hand.wallet.due(hand.now) == []
    hand.wallet.answered(register.id, 201, {}, b"", hand.now)
    assert kinds(hand.settle()) == ["unregister"]


def test_deleting_says_goodbye_only_with_updates_on(held: Callable[..., Hand]) -> None:
    hand = held()
    hand.wallet.delete(PASS_TYPE, "S-1", hand.now)
    assert kinds(hand.settle()) == ["unregister"]
    assert hand.service.registered == {}
    other = held()
    other.wallet.set_automatic_updates(PASS_TYPE, "S-1", False, other.now)
    other.settle()
    other.wallet.delete(PASS_TYPE, "S-1", other.now)
    assert other.settle() == []


@pytest.mark.parametrize("outcome", ["200", "500", "lost"])
def test_a_download_that_ends_after_the_deletion_is_ignored(held: Callable[..., Hand], outcome: str) -> None:
    hand = held()
    hand.wallet.pull_to_refresh(PASS_TYPE, "S-1", hand.now)
    (fetch,) = hand.wallet.due(hand.now)
    hand.wallet.delete(PASS_TYPE, "S-1", hand.now)
    if outcome == "lost":
        hand.wallet.failed(fetch.id, "timed out", hand.now)
    else:
        hand.wallet.answered(fetch.id, int(outcome), {}, hand.maker(points=1), hand.now)
    assert kinds(hand.wait(1e6)) == ["unregister"]
    assert hand.wallet.complaints == [] and hand.wallet.passes == {}
    assert any("pass has been deleted, so ignoring result" in line for line in hand.wallet.console)


def test_an_ask_that_waits_for_nobody_is_dropped(held: Callable[..., Hand]) -> None:
    hand = held()
    hand.wallet.push(PASS_TYPE, hand.now)
    hand.wallet.delete(PASS_TYPE, "S-1", hand.now)
    assert kinds(hand.settle()) == ["unregister"]
    assert hand.wallet.rounds == {}


def test_a_new_push_token_registers_every_pass_again(hand: Hand) -> None:
    hand.add()
    hand.add("S-2")
    device = hand.record.device_id
    hand.wallet.new_push_token("ab" * 32, hand.now)
    sent = [request for request in hand.settle() if request.kind == "register"]
    assert [json.loads(request.body or b"")["pushToken"] for request in sent] == ["ab" * 32] * 2
    assert set(hand.service.registered) == {(device, "S-1"), (device, "S-2")}
    hand.wallet.new_push_token(None, hand.now)
    assert hand.wallet.push_token != "ab" * 32


def test_a_restored_phone_registers_with_new_names_and_the_old_tag(held: Callable[..., Hand]) -> None:
    hand = held()
    other = hand.wallet.restore_onto_new_phone(hand.now, random.Random(99))
    assert isinstance(other, Wallet) and other.push_token != hand.wallet.push_token
    second = Hand(hand.maker, wallet=other, service=hand.service)
    second.now = hand.now
    sent = second.settle()
    assert kinds(sent) == ["register", "ask", "fetch"]
    assert sent[1].url.endswith("?passesUpdatedSince=1")
    assert second.record.device_id != hand.record.device_id
    assert len(hand.service.registered) == 2
    assert other["S-1"].registered and other["S-1"] is not hand.wallet["S-1"]


def test_a_reboot_repeats_what_was_under_way_and_asks(held: Callable[..., Hand]) -> None:
    hand = held()
    hand.wallet.pull_to_refresh(PASS_TYPE, "S-1", hand.now)
    (lost,) = hand.wallet.due(hand.now)
    hand.wallet.reboot(hand.now)
    hand.wallet.answered(lost.id, 500, {}, b"", hand.now)
    assert sorted(kinds(hand.settle())) == ["ask", "fetch"]
    assert hand.wallet.complaints == []


def test_airplane_mode_wastes_no_try(held: Callable[..., Hand]) -> None:
    hand = held()
    hand.wallet.set_airplane_mode(True, hand.now)
    hand.service.put(points=130)
    hand.wallet.push(PASS_TYPE, hand.now)
    assert hand.settle() == [] and hand.wallet.next_due() is None
    hand.wallet.set_airplane_mode(False, hand.now)
    assert kinds(hand.settle()) == ["ask", "fetch"]


def test_a_new_url_makes_a_new_record_and_leaves_the_old_one_silently(held: Callable[..., Hand]) -> None:
    hand = held()
    sent = hand.change(points=130, webServiceURL="https://new.example/w")
    assert kinds(sent)[:3] == ["ask", "fetch", "register"]
    assert sent[2].url.startswith("https://new.example/w/v1/")
    assert len(hand.wallet.records) == 2
    assert "unregister" not in kinds(sent)


def test_an_update_without_url_ends_all_updates(held: Callable[..., Hand]) -> None:
    hand = held()
    hand.change(points=130, webServiceURL=None, authenticationToken=None)
    assert not hand.wallet["S-1"].updatable
    assert hand.push() == []


def test_a_token_in_an_update_is_adopted(held: Callable[..., Hand]) -> None:
    hand = held()
    hand.change(points=130, authenticationToken="f" * 20)
    hand.wallet.pull_to_refresh(PASS_TYPE, "S-1", hand.now)
    (fetch,) = hand.settle()
    assert fetch.headers["Authorization"] == "ApplePass " + "f" * 20


def test_signing_up_sends_the_details_and_fetches(held: Callable[..., Hand]) -> None:
    hand = held()
    hand.add(form=FORM)
    with pytest.raises(ValueError, match="shoeSize"):
        hand.wallet.personalize(PASS_TYPE, "S-1", {"shoeSize": 43}, hand.now)
    hand.wallet.personalize(PASS_TYPE, "S-1", {"fullName": "Ada Lovelace"}, hand.now)
    (request,) = hand.wallet.due(hand.now)
    assert address(request) == f"/v1/passes/{PASS_TYPE}/S-1/personalize"
    body = json.loads(request.body or b"")
    assert set(body) == {"personalizationToken", "requiredPersonalizationInfo"}
    assert "If-Modified-Since" in request.headers
    from emulators.iphone.pass_maker import signed

    signature = signed(body["personalizationToken"].encode(), hand.maker.issued)
    hand.wallet.answered(request.id, 200, {}, signature, hand.now)
    hand.service.put(points=1)
    assert kinds(hand.settle()) == ["fetch"]
    assert hand.wallet.complaints == []


def test_history_tells_request_and_answer(hand: Hand) -> None:
    hand.add()
    assert [(x.request.kind, x.status) for x in hand.wallet.history] == [
        ("register", 201),
        ("ask", 200),
        ("fetch", 200),
    ]
    assert all(x.answered_at is not None for x in hand.wallet.history)


def test_passes_are_found_by_serial(hand: Hand) -> None:
    hand.add()
    assert hand.wallet["S-1"].document["description"] == "Coffee card"
    with pytest.raises(KeyError):
        hand.wallet["S-9"]
    with pytest.raises(KeyError):
        hand.wallet["S-1"].field("nothing")
    assert hand.wallet.topics == [PASS_TYPE]


@pytest.mark.parametrize(
    ("ios", "agent"),
    [
        ("12.3", "passd/1.0 CFNetwork/978.0.7 Darwin/18.6.0"),
        ("16.6", "passd/1.0 CFNetwork/1410.0.3 Darwin/22.6.0"),
    ],
)
def test_the_user_agent_names_the_version(maker: Any, ios: str, agent: str) -> None:
    hand = Hand(maker, settings=PhoneSettings(ios=ios))
    assert hand.add()[0].headers["User-Agent"] == agent


@pytest.mark.parametrize(
    ("serial", "path"),
    [("a b", "a%2520b"), ("a/b", "a/b"), ("ü", "%25C3%25BC"), ("a+b", "a+b"), ("a%b", "a%2525b"), ("a.b~c", "a.b~c")],
)
def test_serials_are_escaped_twice_and_slashes_never(hand: Hand, serial: str, path: str) -> None:
    hand.wallet.add(hand.maker(serial), hand.now)
    (register,) = hand.wallet.due(hand.now)
    assert register.url.endswith(f"/{PASS_TYPE}/{path}")


def test_a_tag_is_escaped_without_plus_ampersand_and_equals(held: Callable[..., Hand]) -> None:
    hand = held()
    hand.record.tag = "2024-07-08T08:03:13+00:00&a=b c%#é"
    hand.service.replies["ask"] = reply(204)
    ask = hand.push()[0]
    assert ask.url.endswith("?passesUpdatedSince=2024-07-08T08:03:13+00:00&a=b%20c%25%23%C3%A9")


def test_a_trailing_slash_of_the_url_makes_no_difference(hand: Hand) -> None:
    hand.add(webServiceURL=URL + "/")
    assert list(hand.wallet.records) == [KEY]


def test_the_same_seed_makes_the_same_phone(maker: Any) -> None:
    first, second = Hand(maker, seed=5), Hand(maker, seed=5)
    assert [r.url for r in first.add()] == [r.url for r in second.add()]
