"""Each sentence of the phone's log: what provokes it, what almost does. Every line parses like real ones."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from emulators.iphone.hand import Answer, Hand, kinds, listing, reply
from emulators.iphone.pass_maker import FORM, PASS_TYPE, URL
from livepass.emulators.iphone import PhoneSettings

# The three expressions that were run against real samples (protocol sheet 3.1).
LINE = re.compile(r"^\s*(?:\[(?P<ts>[^\]]*)\]\s*)?(?P<body>.*)$", re.DOTALL)
TASK = re.compile(
    r"^(?P<task>Register|Unregister|Get serial #s|Get pass|Personalize pass) task \((?P<ctx>.*?)(?:;|,) ?(?:with )?web "
    r"service url (?P<url>\S*?)\) encountered (?P<kind>error|warning): (?P<msg>.*)$"
)
WS = re.compile(r"^Web service error for (?P<ptid>\S+) \((?P<url>[^)]*)\):\s*(?P<msg>.*)$")

Held = Callable[..., Hand]
Provoke = Callable[[Hand], object]


def override(kind: str, answer: Answer) -> Provoke:
    def provoke(hand: Hand) -> None:
        hand.service.replies[kind] = answer
        hand.change()

    return provoke


def on_removal(answer: Answer) -> Provoke:
    def provoke(hand: Hand) -> None:
        hand.service.replies["unregister"] = answer
        hand.wallet.delete(PASS_TYPE, "S-1", hand.now)
        hand.settle()

    return provoke


def on_new_token(answer: Answer) -> Provoke:
    def provoke(hand: Hand) -> None:
        hand.service.replies["register"] = answer
        hand.wallet.new_push_token(None, hand.now)
        hand.settle()

    return provoke


def on_sign_up(answer: Answer) -> Provoke:
    def provoke(hand: Hand) -> None:
        hand.service.replies["personalize"] = answer
        hand.add(form=FORM)
        hand.wallet.personalize(PASS_TYPE, "S-1", {"fullName": "Ada"}, hand.now)
        hand.settle()

    return provoke


def fetched(serial: str = "S-1", points: int = 130, modified: str | None = "Mon", **changes: str) -> Provoke:
    def provoke(hand: Hand) -> None:
        data = hand.maker(serial, points, **changes)
        hand.service.replies["fetch"] = reply(200, data, **({"Last_Modified": modified} if modified else {}))
        hand.change()

    return provoke


def pushed_over_nothing(age: float) -> Provoke:
    def provoke(hand: Hand) -> None:
        hand.record.tag_date = hand.now - age
        hand.push()

    return provoke


def listed_stranger(serial: str = "S-9") -> Provoke:
    return override("ask", listing([serial], "9"))


def listed_after_deletion(seconds: float) -> Provoke:
    def provoke(hand: Hand) -> None:
        hand.add("S-2")
        hand.wallet.delete(PASS_TYPE, "S-2", hand.now)
        hand.wait(seconds)
        hand.service.replies["ask"] = listing(["S-2"], "9")
        hand.push()

    return provoke


def listed_unchanged(after_change: float) -> Provoke:
    def provoke(hand: Hand) -> None:
        hand.wallet["S-1"].modified_at = hand.now - after_change
        hand.service.replies["ask"] = listing(["S-1"], "9")
        hand.push()

    return provoke


def refreshed(hand: Hand) -> None:
    hand.wallet.pull_to_refresh(PASS_TYPE, "S-1", hand.now)
    hand.settle()


MALFORMED = [
    reply(200),
    reply(200, "<html>"),
    reply(200, "[]"),
    reply(200, {}),
    reply(200, {"serialNumbers": "S-1", "lastUpdated": "2"}),
    reply(200, {"serialNumbers": [1], "lastUpdated": "2"}),
    reply(200, {"serialNumbers": ["S-1"], "lastUpdated": 2}),
    reply(200, b'\xef\xbb\xbf{"serialNumbers":["S-1"],"lastUpdated":"2"}'),
    reply(200, b'{"serialNumbers":["S-1"],"lastUpdated":"2","x":NaN}'),
]

PROVOKED: list[tuple[str, str, Provoke]] = [
    ("Unregister", "Authentication failure", on_removal(reply(401))),
    ("Register", "Authentication failure", on_new_token(reply(401))),
    ("Get pass", "Authentication failure", override("fetch", reply(401))),
    ("Personalize pass", "Authentication failure", on_sign_up(reply(401))),
    *((("Unregister", f"Unexpected response code {code}", on_removal(reply(code)))) for code in (204, 404)),
    *((("Register", f"Unexpected response code {code}", on_new_token(reply(code)))) for code in (202, 204, 409, 307)),
    *(
        (("Get serial #s", f"Unexpected response code {code}", override("ask", reply(code))))
        for code in (401, 404, 304)
    ),
    *(
        (("Get pass", f"Unexpected response code {code}", override("fetch", reply(code))))
        for code in (404, 410, 503, 206)
    ),
    ("Personalize pass", "Unexpected response code 500", on_sign_up(reply(500))),
    *(
        (
            "Get serial #s",
            "Server response was malformed (The data couldn’t be read because it isn’t in the correct format.)",
            override("ask", answer),
        )
        for answer in MALFORMED
    ),
    (
        "Get pass",
        "Server response was malformed (The data couldn’t be read because it isn’t in the correct format.)",
        override("fetch", reply(200)),
    ),
    (
        "Personalize pass",
        "Server response was malformed (The data couldn’t be read because it isn’t in the correct format.)",
        on_sign_up(reply(200)),
    ),
    (
        "Get pass",
        "Received invalid pass data (The pass cannot be read because it isn’t valid.)",
        override("fetch", reply(200, "<html>")),
    ),
    ("Get pass", "Requested serial number S-1, received serial number s-1", fetched("s-1")),
]

OF_SERVICE: list[tuple[str, Provoke]] = [
    ("Server requested update to serial number 'S-1', but the pass was unchanged.", listed_unchanged(301)),
    (
        "Server returned the pass data for serial number 'S-1' but did not provide a 'last-modified' header.",
        fetched(modified=None),
    ),
    (
        "Server ignored the 'if-modified-since' header (Fri, 15 Jan 2027 08:00:01 GMT) and returned the full unchanged "
        "pass data for serial number 'S-1'.",
        fetched(points=120),
    ),
    ("Update requested for unregistered serial number S-9", listed_stranger()),
    ("Update requested for unregistered serial number S-2", listed_after_deletion(3601)),
    (
        "Response to 'What changed?' request included 1 serial numbers but omitted a lastUpdated tag.",
        override("ask", listing(["S-1"])),
    ),
    (
        "Response to 'What changed?' request included 1 serial numbers but the lastUpdated tag (1) remained the same.",
        override("ask", listing(["S-1"], "1")),
    ),
]

QUIET: list[tuple[str, Provoke]] = [
    ("but the pass was unchanged", listed_unchanged(299)),
    ("but the pass was unchanged", refreshed),
    ("but the pass was unchanged", lambda hand: hand.change()),
    ("did not provide a 'last-modified'", fetched()),
    ("Server ignored", fetched()),
    ("spurious push", pushed_over_nothing(299)),
    ("spurious push", lambda hand: hand.change()),
    ("unregistered serial number", listed_after_deletion(3500)),
    ("unregistered serial number", lambda hand: hand.change()),
    ("omitted a lastUpdated tag", override("ask", reply(200, {"serialNumbers": [], "lastUpdated": None}))),
    ("remained the same", override("ask", listing([], "1"))),
    ("Authentication failure", override("ask", reply(401))),
    ("Unexpected response code", on_removal(reply(201))),
    ("Unexpected response code", on_new_token(reply(200))),
    ("Unexpected response code", override("ask", reply(204))),
    ("malformed", override("ask", reply(200, {"serialNumbers": [], "lastUpdated": "3", "more": 1}))),
    ("invalid pass data", fetched()),
    ("Requested serial number", fetched()),
]


@pytest.mark.parametrize(("task", "message", "provoke"), PROVOKED)
def test_a_task_error_is_posted_in_its_words(held: Held, task: str, message: str, provoke: Provoke) -> None:
    hand = held()
    provoke(hand)
    lines = [TASK.match(body_of(line)) for line in hand.service.log]
    assert (task, message, URL) in [(line["task"], line["msg"], line["url"]) for line in lines if line]


@pytest.mark.parametrize(("message", "provoke"), OF_SERVICE)
def test_a_web_service_error_is_posted_in_its_words(held: Held, message: str, provoke: Provoke) -> None:
    hand = held()
    provoke(hand)
    lines = [WS.match(body_of(line)) for line in hand.service.log]
    assert (PASS_TYPE, URL, message) in [(line["ptid"], line["url"], line["msg"]) for line in lines if line]


@pytest.mark.parametrize(("phrase", "provoke"), QUIET)
def test_what_almost_provokes_it_stays_quiet(held: Held, phrase: str, provoke: Provoke) -> None:
    hand = held()
    provoke(hand)
    assert hand.said(phrase) == []


@pytest.mark.parametrize(("_task", "_message", "provoke"), PROVOKED)
def test_every_line_parses_like_real_ones(held: Held, _task: str, _message: str, provoke: Provoke) -> None:
    hand = held()
    provoke(hand)
    assert hand.wallet.complaints
    for line in hand.wallet.complaints:
        assert TASK.match(body_of(line)) or WS.match(body_of(line)), line


def body_of(line: str) -> str:
    match = LINE.match(line)
    assert match is not None and match["ts"]
    return match["body"]


def test_the_contexts_name_device_tag_and_date(held: Held) -> None:
    hand = held()
    on_new_token(reply(500))(hand)
    del hand.service.replies["register"]
    override("fetch", reply(500))(hand)
    hand.service.replies["ask"] = reply(500)
    hand.push()
    device = hand.record.device_id
    contexts = [match["ctx"] for line in hand.service.log if (match := TASK.match(body_of(line)))]
    assert contexts == [
        f"for device {device}, pass type {PASS_TYPE}, serial number S-1",
        f"pass type {PASS_TYPE}, serial number S-1, if-modified-since Fri, 15 Jan 2027 08:00:01 GMT",
        f"for device {device}, pass type {PASS_TYPE}, last updated 2",
    ]


def test_null_stands_for_what_the_phone_does_not_hold(hand: Hand) -> None:
    hand.service.replies["ask"] = reply(500)
    hand.add()
    assert ", last updated (null); with web service url" in hand.wallet.complaints[0]
    hand.service.replies["fetch"] = reply(500)
    refreshed(hand)
    assert ", if-modified-since (null); with web service url" in hand.wallet.complaints[1]


def test_a_package_of_another_type(held: Held) -> None:
    hand = held()
    other = hand.maker.authority.pass_certificate("pass.other", "TEAM123456")
    from emulators.iphone.pass_maker import document

    data = hand.maker.build(document(passTypeIdentifier="pass.other"), issued=other)
    hand.service.replies["fetch"] = reply(200, data, Last_Modified="Mon")
    hand.change()
    assert hand.said(f"encountered error: Requested pass of type {PASS_TYPE}, received pass of type pass.other")
    assert hand.wallet["S-1"].pass_type == PASS_TYPE


def test_a_spurious_push_names_tag_and_device(held: Held) -> None:
    hand = held()
    pushed_over_nothing(301)(hand)
    (line,) = hand.service.log
    assert line.endswith(
        f"Web service error for {PASS_TYPE} ({URL}): Device received spurious push. Request for passesUpdatedSince '1' "
        f"returned no serial numbers. (Device = {hand.record.device_id})"
    )


def test_a_push_is_spurious_only_if_every_record_says_so(held: Held) -> None:
    hand = held()
    hand.add("S-2", webServiceURL="https://other.example/w")
    hand.wait(400)
    other = hand.wallet.records[PASS_TYPE, "TEAM123456", "https://other.example/w"]
    other.tag = None
    hand.service.replies["ask"] = reply(204)
    hand.push()
    assert hand.said("spurious") == []
    other.tag, other.tag_date = "1", hand.now - 301
    hand.push()
    assert len(hand.said("spurious")) == 2


def test_an_ask_that_failed_for_good_blames_nobody(held: Held) -> None:
    hand = held()
    hand.add("S-2", webServiceURL="https://other.example/w")
    hand.wait(400)
    hand.service.replies["ask"] = lambda request: reply(500 if URL in request.url else 204)
    hand.push()
    hand.wait(1e6)
    assert hand.said("spurious") == [] and hand.wallet.rounds == {}


def test_a_push_over_a_retrying_ask_starts_a_new_round(held: Held) -> None:
    hand = held()
    hand.service.replies["ask"] = reply(500)
    hand.push()
    assert len(hand.wallet.rounds) == 1
    hand.service.replies["ask"] = reply(204)
    hand.push()
    assert hand.wallet.rounds == {} and len(hand.said("spurious")) == 1


def test_an_unsigned_sign_up_is_only_a_warning(held: Held) -> None:
    hand = held()
    on_sign_up(reply(200, "signed, honestly"))(hand)
    assert hand.said("encountered warning: Received invalid personalizaiton token signature")
    assert hand.said("Personalization request was issued for serial number 'S-1', but the pass was unchanged.")
    assert TASK.match(body_of(hand.service.log[0]))


def test_a_failed_sign_up_is_not_tried_again(held: Held) -> None:
    hand = held()
    on_sign_up(reply(500))(hand)
    assert kinds(hand.wait(1e6)) == []


def test_remarks_about_an_accepted_update_are_warnings(held: Held) -> None:
    hand = held()
    back = [{"key": "a", "value": "1"}, {"key": "a", "value": "2"}]
    hand.change(storeCard={"backFields": back})
    assert hand.said("encountered warning: duplicate field key 'a'")
    hand.add("S-3", storeCard={"backFields": back})
    assert any("duplicate field key" in line for line in hand.wallet.console)


def test_connection_errors_are_never_posted(held: Held) -> None:
    hand = held()
    hand.wallet.push(PASS_TYPE, hand.now)
    (ask,) = hand.wallet.due(hand.now)
    hand.wallet.failed(ask.id, "no route to host", hand.now)
    assert hand.wallet.complaints == []
    assert any("Connection error (no route to host)" in line for line in hand.wallet.console)
    assert kinds(hand.wait(60))[0] == "ask"
    assert "no route to host" in [exchange.reason for exchange in hand.wallet.history]


@pytest.mark.parametrize("code", [201, 204, 404, 500])
def test_errors_of_the_log_call_are_never_logged(held: Held, code: int) -> None:
    hand = held()
    hand.service.replies |= {"log": reply(code), "fetch": reply(401)}
    hand.change()
    complaints = list(hand.wallet.complaints)
    assert len(complaints) == 1
    hand.service.replies.pop("fetch")
    hand.wait(4)
    assert hand.wallet.complaints == complaints


def test_up_to_fifty_messages_share_a_post(held: Held) -> None:
    hand = held()
    hand.service.replies["ask"] = listing([f"X-{n}" for n in range(120)], "9")
    hand.change()
    posts = [request for request in hand.service.requests if request.kind == "log"]
    assert len(posts) == 3 and len(hand.service.log) == 120
    assert posts[0].url == f"{URL}/v1/log" and "Authorization" not in posts[0].headers
    assert hand.service.log == hand.wallet.complaints


def test_messages_wait_for_the_log_call_and_are_given_up_with_it(held: Held) -> None:
    hand = held()
    hand.service.replies |= {"log": reply(500), "ask": listing(["X-1"], "9")}
    hand.push()
    assert hand.service.log == []
    hand.wait(10)
    hand.service.replies["log"] = reply(200)
    sent = hand.wait(1e6)
    assert kinds(sent) == ["log"]
    hand.service.replies |= {"log": reply(500), "ask": listing(["X-1"], "10")}
    hand.push()
    assert kinds(hand.wait(1e6)) == ["log"] * 7
    assert hand.wallet.unsent == {URL: []}


def test_the_stamp_is_local_and_follows_the_clock_setting(held: Held) -> None:
    hand = held(settings=PhoneSettings(utc_offset_minutes=150, twelve_hour_clock=True))
    override("fetch", reply(401))(hand)
    match = LINE.match(hand.wallet.complaints[0])
    assert match is not None and re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d (AM|PM) \+0230", match["ts"])
    other = held(settings=PhoneSettings(utc_offset_minutes=-60))
    override("fetch", reply(401))(other)
    match = LINE.match(other.wallet.complaints[0])
    assert match is not None and re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d -0100", match["ts"])
