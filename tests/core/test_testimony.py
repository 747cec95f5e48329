"""The sentences of a phone's own log. Samples are made up of the families that protocol.md §3 lists."""

from __future__ import annotations

import json
import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livepass.core import testimony
from livepass.core.testimony import MAX_LINE, MAX_LINES, SENTENCES, lines_of, read_line, shape
from livepass.core.timeline import Kind, Trip

TYPE, SERIAL = "pass.com.example.club", "membership.42"
PHONE = "d41d8cd98f00b204e9800998ecf8427e"
URL = "https://passes.example.com:8443/wallet"
DATE = "Mon, 07 Sep 2026 10:11:12 GMT"
NOW = 1_790_000_000_000

REGISTER = f"for device {PHONE}, pass type {TYPE}, serial number {SERIAL}; with web service url {URL}"
ASK = f"for device {PHONE}, pass type {TYPE}, last updated (null); with web service url {URL}"
FETCH = f"pass type {TYPE}, serial number {SERIAL}, if-modified-since {DATE}; with web service url {URL}"
FIRST_FETCH = FETCH.replace(DATE, "(null)")

STAMPS = [
    "",
    "[2026-09-07 10:11:12 +0200] ",
    "[2026-09-07 10:11:12 AM +0200] ",
    "[2026-09-07 10:11:12 PM -0730] ",
    "[2026-09-07 10:11:12\u202fPM -0730] ",
    "[2026-09-07 午後10:11:12 +0900] ",
    "[] ",
]


def task(name: str, context: str, text: str, level: str = "error") -> str:
    return f"{name} task ({context}) encountered {level}: {text}"


def service(text: str) -> str:
    return f"Web service error for {TYPE} ({URL}): {text}"


SAMPLES = [
    # line, code, trip, serial, device
    (task("Register", REGISTER, "Authentication failure"), "T0", Trip.REGISTER, SERIAL, PHONE),
    (task("Unregister", REGISTER, "Authentication failure"), "T0", Trip.REGISTER, SERIAL, PHONE),
    (task("Get pass", FETCH, "Authentication failure"), "T0", Trip.FETCH, SERIAL, None),
    (task("Get serial #s", ASK, "Unexpected response code 401"), "T1", Trip.ASK, None, PHONE),
    (task("Get pass", FIRST_FETCH, "Unexpected response code 500"), "T1", Trip.FETCH, SERIAL, None),
    (task("Personalize pass", FETCH, "Unexpected response code 404"), "T1", Trip.TESTIMONY, SERIAL, None),
    (task("Get pass", FETCH, "Connection error"), "T2", Trip.FETCH, SERIAL, None),
    (task("Get serial #s", ASK, "Connection error (Es besteht keine Verbindung)"), "T2", Trip.ASK, None, PHONE),
    (
        task("Get serial #s", ASK, "Server response was malformed (The data couldn’t be read.)"),
        "T3",
        Trip.ASK,
        None,
        PHONE,
    ),
    (
        task("Get pass", FETCH, "Received invalid pass data (Ungültiger Pass)"),
        "T4",
        Trip.FETCH,
        SERIAL,
        None,
    ),
    (task("Get pass", FETCH, "Received invalid pass data (??????? ?? ?????)"), "T4", Trip.FETCH, SERIAL, None),
    (task("Get pass", FETCH, "Received invalid pass data (パスが無効です: (1))"), "T4", Trip.FETCH, SERIAL, None),
    (task("Get serial #s", ASK, "Server response was malformed (تعذرت قراءة البيانات)"), "T3", Trip.ASK, None, PHONE),
    (task("Register", REGISTER, "Unexpected response code 404 (nicht gefunden)"), "T1", Trip.REGISTER, SERIAL, PHONE),
    (
        task("Get pass", FETCH, "Requested serial number A-1, received serial number B-2"),
        "T5",
        Trip.FETCH,
        SERIAL,
        None,
    ),
    (
        task("Get pass", FETCH, f"Requested pass of type {TYPE}, received pass of type pass.other"),
        "T5b",
        Trip.FETCH,
        SERIAL,
        None,
    ),
    (
        task("Personalize pass", FETCH, "Received invalid personalizaiton token signature", "warning"),
        "W0",
        Trip.TESTIMONY,
        SERIAL,
        None,
    ),
    (
        task("Personalize pass", FETCH, "Received invalid personalization token signature", "warning"),
        "W0",
        Trip.TESTIMONY,
        SERIAL,
        None,
    ),
    (
        service(f"Server requested update to serial number '{SERIAL}', but the pass was unchanged."),
        "S0",
        Trip.FETCH,
        SERIAL,
        None,
    ),
    (
        service(f"Personalization request was issued for serial number '{SERIAL}', but the pass was unchanged."),
        "S0b",
        Trip.FETCH,
        SERIAL,
        None,
    ),
    (
        service(
            f"Server returned the pass data for serial number '{SERIAL}' but did not provide a 'last-modified' header."
        ),
        "S1",
        Trip.FETCH,
        SERIAL,
        None,
    ),
    (
        service(
            f"Server ignored the 'if-modified-since' header ({DATE}) and returned the full unchanged pass data for"
            f" serial number '{SERIAL}'."
        ),
        "S2",
        Trip.FETCH,
        SERIAL,
        None,
    ),
    (
        service(
            "Device received spurious push. Request for passesUpdatedSince 'v1.0123.7.abcdefgh' returned no serial"
            f" numbers. (Device = {PHONE})"
        ),
        "S3",
        Trip.ASK,
        None,
        PHONE,
    ),
    (
        service("Device received spurious push. Request for passesUpdatedSince '(null)' returned no serial numbers"),
        "S3",
        Trip.ASK,
        None,
        None,
    ),
    (service(f"Update requested for unregistered serial number {SERIAL}"), "S4", Trip.ASK, SERIAL, None),
    (
        service("Response to 'What changed?' request included 3 serial numbers but omitted a lastUpdated tag."),
        "S5",
        Trip.ASK,
        None,
        None,
    ),
    (
        service(
            "Response to 'What changed?' request included 3 serial numbers but the lastUpdated tag (2026-09-07)"
            " remained the same."
        ),
        "S6",
        Trip.ASK,
        None,
        None,
    ),
]


@pytest.mark.parametrize("stamp", STAMPS)
@pytest.mark.parametrize(("line", "code", "trip", "serial", "device"), SAMPLES, ids=lambda value: str(value)[:40])
def test_every_sentence_is_recognised_with_or_without_a_timestamp(
    stamp: str, line: str, code: str, trip: Trip, serial: str | None, device: str | None
) -> None:
    read = read_line(stamp + line)
    assert (read.code, read.trip) == (code, trip)
    assert (read.pass_type, read.serial, read.device_id, read.url) == (TYPE, serial, device, URL)
    assert read.task == (line.partition(" task (")[0] if " task (" in line else None)
    assert read.meaning.endswith(".")
    assert read.shape == read_line(line).shape


def test_every_row_of_the_table_has_a_sample() -> None:
    assert {sample[1] for sample in SAMPLES} == {sentence.code for sentence in SENTENCES}


@pytest.mark.parametrize(("word", "level"), [("error", "error"), ("warning", "warning"), ("warnings", "warning")])
def test_warnings_come_over_the_same_channel(word: str, level: str) -> None:
    read = read_line(task("Get pass", FETCH, "duplicate field key 'terms'", word))
    assert (read.level, read.code, read.serial, read.trip) == (level, "?", SERIAL, Trip.FETCH)


def test_the_envelope_wins_over_what_the_sentence_names() -> None:
    read = read_line(task("Get pass", FETCH, "Requested serial number A-1, received serial number B-2"))
    assert read.serial == SERIAL
    assert read_line("Requested serial number A-1, received serial number B-2").serial == "A-1"


@pytest.mark.parametrize("tail", [f"with web service url {URL}", f"web service url {URL}"])
@pytest.mark.parametrize("separator", ["; ", ", ", ";"])
def test_spellings_of_the_envelope(separator: str, tail: str) -> None:
    read = read_line(task("Get pass", f"pass type {TYPE}, serial number {SERIAL}{separator}{tail}", "Whatever"))
    assert (read.pass_type, read.serial, read.url) == (TYPE, SERIAL, URL)


@pytest.mark.parametrize("line", ["", " ", "[", "[2026", "[x] y", "hello", "Get pass task ()", "Web service error for"])
def test_a_sentence_we_do_not_know_is_kept(line: str) -> None:
    read = read_line(line)
    assert (read.code, read.trip, read.line) == ("?", Trip.TESTIMONY, line)
    assert (read.pass_type, read.serial, read.device_id, read.url) == (None, None, None, None)


@pytest.mark.parametrize(
    "control",
    [
        "\x00",
        "\n",
        "\x1b",
        "\x7f",
        "\x9b",
        "\u2028",
        "\u061c",
        "\u202e",
        "\u2066",
        "\u200b",
        "\ufeff",
        "\ud800",
        "\U000e0041",
    ],
    ids=ascii,
)
def test_control_bidirectional_and_invisible_characters_become_spaces(control: str) -> None:
    read = read_line(f"a{control}b{control}")
    assert read.line == "a b "
    assert read.shape == "a b"


PIECES = st.one_of(
    st.text(st.characters(codec=None, categories=None), max_size=20),
    st.sampled_from([word for line, *_ in SAMPLES for word in line.split(" ")]),
    st.sampled_from([line for line, *_ in SAMPLES]),
)


@given(st.lists(PIECES, max_size=30).map(" ".join))
def test_any_text_is_read_and_nothing_unprintable_comes_out(text: str) -> None:
    read = read_line(text)
    for value in (read.line, read.shape, read.pass_type, read.serial, read.device_id, read.url):
        assert all(unicodedata.category(c) not in ("Cc", "Cs", "Zl", "Zp") for c in value or "")
        (value or "").encode()
    assert len(read.line) <= MAX_LINE


@pytest.mark.parametrize(
    "hostile",
    [
        "Mon, 1" * 400,
        "Get pass task (" + ", web service url x" * 120,
        "Get pass task (" + ";web service url )" * 110,
        "'" * MAX_LINE,
        "[" * MAX_LINE,
        "Requested serial number " + ", received serial number" * 90,
        "serial number x " * 200,
    ],
    ids=lambda text: text[:24],
)
def test_no_line_is_slow_to_read(hostile: str) -> None:
    started = time.process_time()
    for _ in range(10):
        read_line(hostile)
    assert time.process_time() - started < 0.5


# ── the call


@pytest.mark.parametrize(
    ("body", "lines"),
    [
        (b'{"logs": ["a", "b"]}', ("a", "b")),
        (b'{"logs": ["a", 1, null, ["x"], "b"], "more": 1}', ("a", "b")),
        (b'{"logs": []}', ()),
        (b'{"logs": "a"}', ()),
        (b'{"log": ["a"]}', ()),
        (b'["a"]', ()),
        (b"", ()),
        (b"\xff", ()),
        (b"{", ()),
        (b"[" * 100_000, ()),
        (json.dumps({"logs": ["x"] * 60}).encode(), ("x",) * MAX_LINES),
        (json.dumps({"logs": ["x" * 9_000]}).encode(), ("x" * MAX_LINE,)),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_a_log_call_is_never_an_error(body: bytes, lines: tuple[str, ...]) -> None:
    assert lines_of(body) == lines


def test_a_line_becomes_an_event_of_its_pass() -> None:
    event = testimony.testify(SAMPLES[0][0], NOW)
    assert event is not None
    assert (event.kind, event.at, event.pass_type) == (Kind.TESTIFIED, NOW, TYPE)
    assert (event.serial, event.device_id, event.seq) == (SERIAL, PHONE, 0)
    assert {key: event.detail[key] for key in ("code", "about", "level")} == {
        "code": "T0",
        "about": "register",
        "level": "error",
    }
    assert event.detail["line"] == SAMPLES[0][0]


def test_a_line_that_names_no_pass_type_has_no_timeline() -> None:
    assert testimony.testify("The sky is falling", NOW) is None


# ── grouping


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        (f"see {URL} now", "see <url> now"),
        ("at 2026-09-07 10:11:12 +0200", "at <time>"),
        ("at 2026-09-07T10:11:12Z", "at <time>"),
        ("at 2026-09-07 10:11:12 PM +0200", "at <time>"),
        (f"since {DATE}", "since <time>"),
        ("serial number 'a b'", "serial number …"),
        ("the key 'a b' twice", "the key '…' twice"),
        (f"device {PHONE}, pass type {TYPE}", "device …, pass type …"),
        (PHONE, "<id>"),
        ("tag v1.0123.7.abcdefgh", "tag <tag>"),
        ("Unexpected response code 500", "Unexpected response code 500"),
        ("x" * 400, "x" * 300),
    ],
    ids=lambda text: text[:30],
)
def test_what_varies_is_masked(text: str, masked: str) -> None:
    assert shape(text) == masked


def test_a_shape_holds_no_credential() -> None:
    """``livepass log explain`` shows it as it is."""
    token = "Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4Zm9vYmFyYmE"
    assert token not in read_line(f"Authentication failure with ApplePass {token}").shape


def test_two_phones_with_one_complaint_have_one_shape() -> None:
    line = task("Register", REGISTER, "Unexpected response code 500")
    other = line.replace(PHONE, "0" * 32).replace(SERIAL, "membership.43")
    assert read_line(line).shape == read_line(other).shape


# ── what is kept


def test_a_credential_that_a_phone_quotes_is_not_kept() -> None:
    token = "PBJjaXgqqJqTXLfCJAcKsHg2iW-IMeWiO_0AFYGasUE"
    line = task("Register", REGISTER, f"header ApplePass {token}, body {{'pushToken': '{'feedface' * 3}'}}")
    event = testimony.testify(line, 1)
    assert event is not None and event.device_id == PHONE
    assert token not in str(event.detail) and "feedface" not in str(event.detail)
    assert "header ApplePass (struck)" in str(event.detail["line"])


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        (f"/v1/passes/{TYPE}/{SERIAL}/passLifecycleUpdate", "/v1/passes/…/…/passLifecycleUpdate"),
        (f"/v1/passes/{TYPE}/AdaByron/news", "/v1/passes/…/…/news"),
        ("/v1/devices/Ada/registrations/pass/Byron/news", "/v1/devices/…/registrations/…/…/news"),
        ("/news", "/news"),
        ("/v1/hello/x=1", "/v1/hello/…"),
        ("/v1/passes/" + "a" * 300, "/v1/passes/…"),
        ("/" + "/".join("a" * 40 for _ in range(20)), "/" + "/".join("a" * 40 for _ in range(20))[:199]),
    ],
    ids=lambda text: text[:20],
)
def test_an_unknown_message_is_shown_by_the_words_of_its_path(path: str, shown: str) -> None:
    assert testimony.unknown_message(path, b"", 1)[0] == shown


def test_an_unknown_message_is_filed_under_the_pass_that_it_names() -> None:
    _, event = testimony.unknown_message(f"/v1/passes/{TYPE}/{SERIAL}/news/a=b", b'{"secret": "abcdefgh", "n": 1}', 7)
    assert event is not None and (event.at, event.pass_type, event.serial) == (7, TYPE, SERIAL)
    assert event.detail == {"path": f"/v1/passes/{TYPE}/{SERIAL}/news/…", "body": '{"secret": "(struck)", "n": 1}'}
    _, event = testimony.unknown_message(f"/v1/passes/{TYPE}/{SERIAL}/personalize", b"Ada Lovelace", 7)
    assert event is not None and event.detail["body"] == ""
    for other in ("/v1/hello", f"/v1/passes/{TYPE}", f"/v1/devices/{TYPE}/{SERIAL}/x"):
        assert testimony.unknown_message(other, b"", 7)[1] is None


def test_an_event_of_a_line_says_what_it_means_and_by_what_it_is_grouped() -> None:
    event = testimony.testify(SAMPLES[0][0], NOW)
    assert event is not None
    assert set(event.detail) == {"line", "code", "meaning", "about", "level", "shape"}
    assert event.detail["meaning"] == "The service refused the pass's token (401)."
    assert event.detail["shape"] == shape(SAMPLES[0][0])


def test_a_line_outside_any_task_is_an_error() -> None:
    assert read_line("The sky is falling").level == "error"


def test_an_unknown_message_is_cut_to_what_a_timeline_shows() -> None:
    """200 characters of a path, a type and a serial, 500 bytes of a body, whatever their encoding."""
    _, event = testimony.unknown_message("/v1/passes/" + "t" * 300 + "/" + "s" * 300, b"ab " * 200, 7)
    assert event is not None and event.serial is not None
    assert (len(event.pass_type), len(event.serial), len(str(event.detail["path"]))) == (200, 200, 200)
    assert event.detail["body"] == ("ab " * 200)[:500]
    _, event = testimony.unknown_message("/v1/passes/t/s/news", b"\xff", 7)
    assert event is not None and event.detail["body"] == "\ufffd"
    _, event = testimony.unknown_message("/v1/passes/t/s", b"", 7)
    assert event is not None and event.detail["path"] == "/v1/passes/t/s"
    assert testimony.unknown_message("/v1/XX", b"", 7)[0] == "/v1/XX"


def test_a_sentence_of_its_own_names_its_pass_type() -> None:
    read = read_line("Requested pass of type pass.test.a, received pass of type pass.test.b")
    assert (read.code, read.pass_type) == ("T5b", "pass.test.a")


def test_blanks_around_what_an_envelope_names_are_no_part_of_it() -> None:
    read = read_line(task("Register", REGISTER.replace(PHONE, f"{PHONE} "), "Authentication failure"))
    assert read.device_id == PHONE


def test_a_refused_status_is_kept_as_a_number() -> None:
    task = "Get serial #s task (for device abc, pass type pass.test, last updated (null); with web service url"
    said = testimony.testify(f"{task} https://a.test/wallet) encountered error: Unexpected response code 301", 0)
    assert said is not None and said.detail["status"] == 301
    other = testimony.testify(f"{task} https://a.test/wallet) encountered error: Authentication failure", 0)
    assert other is not None and "status" not in other.detail
