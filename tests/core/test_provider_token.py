"""Which token a process sends: the same one everywhere, and never two changes within twenty minutes."""

from __future__ import annotations

import base64
import itertools
import json

import pytest

from livepass.core.provider_token import (
    LEAST_SECONDS,
    MEANINGS,
    MOST_SECONDS,
    UNKNOWN,
    WINDOW_MS,
    KeyRefused,
    PushKey,
    Tokens,
    meaning,
    to_certificate,
)
from livepass.core.trip2_push import ANSWERS, Next, PushCredential, action_for

KEY = PushKey("id", "ABC123DEFG", "TEAM123456", lambda message: b"%064d" % len(message))
START = WINDOW_MS * 743_000
MINUTE = 60_000


class Watch:
    """A wall clock and a stopwatch that go together, until one is moved alone."""

    def __init__(self, now: int = START) -> None:
        self.now = now
        self.stopwatch = 5000.0

    def pass_(self, minutes: float) -> None:
        self.now += int(minutes * MINUTE)
        self.stopwatch += minutes * 60

    @property
    def both(self) -> tuple[int, float]:
        return self.now, self.stopwatch


def test_a_token_names_the_key_the_team_and_the_second() -> None:
    head, claims, signature = Tokens(KEY).current(START + 7 * MINUTE, 0.0).text.split(".")
    read = [json.loads(base64.urlsafe_b64decode(part + "==")) for part in (head, claims)]
    assert read == [{"alg": "ES256", "kid": "ABC123DEFG"}, {"iss": "TEAM123456", "iat": START // 1000}]
    assert base64.urlsafe_b64decode(signature + "==") == b"%064d" % len(f"{head}.{claims}")
    assert "=" not in head + claims + signature


def test_processes_that_start_at_any_time_send_the_same_token() -> None:
    early, late = Tokens(KEY), Tokens(KEY)
    watch = Watch()
    texts = []
    for _ in range(200):
        watch.pass_(1)
        texts.append(early.current(*watch.both).text)
        assert Tokens(KEY).current(*watch.both).text == texts[-1], "one that started this second"
        assert late.current(watch.now, watch.stopwatch - 4000).text == texts[-1], "one with a stopwatch of its own"
    changes = [at for at in range(1, 200) if texts[at] != texts[at - 1]]
    assert changes == [39, 79, 119, 159, 199]


def test_no_token_is_older_than_fifty_five_minutes_nor_changed_within_twenty() -> None:
    watch, tokens, before, changed = Watch(START + 39 * MINUTE), Tokens(KEY), "", -9999.0
    for _ in range(5000):
        watch.pass_(0.25)
        token = tokens.current(*watch.both)
        assert watch.now / 1000 - token.issued_at <= MOST_SECONDS
        if token.text != before:
            assert watch.stopwatch - changed >= LEAST_SECONDS or not before
            before, changed = token.text, watch.stopwatch if before else -9999.0


def test_a_clock_that_jumps_to_and_fro_changes_the_token_every_twenty_minutes_at_most() -> None:
    watch, tokens, seen = Watch(), Tokens(KEY), []
    for step in range(240):
        watch.pass_(0.5)
        wrong = (0, -300, 45, 9000)[step % 4] * MINUTE
        seen.append(tokens.current(watch.now + wrong, watch.stopwatch).text)
    changes = [step for step in range(1, 240) if seen[step] != seen[step - 1]]
    assert len(changes) <= 6
    assert all(later - earlier >= 40 for earlier, later in itertools.pairwise(changes))


def test_an_expired_token_is_replaced_by_one_of_this_second_once_in_twenty_minutes() -> None:
    watch, tokens = Watch(), Tokens(KEY)
    watch.pass_(30)
    first = tokens.current(*watch.both)
    assert tokens.expired(first, *watch.both)
    second = tokens.current(*watch.both)
    assert second.issued_at == watch.now // 1000
    assert tokens.expired(first, *watch.both), "an answer to an older one: send what there is now"
    assert tokens.current(*watch.both) is second
    watch.pass_(1)
    assert not tokens.expired(second, *watch.both), "only a clock that is set right will help"
    watch.pass_(9.5)
    assert tokens.current(*watch.both) is second, "the next window began, and the change is too fresh"
    watch.pass_(9.5)
    assert tokens.current(*watch.both).issued_at == (START + WINDOW_MS) // 1000
    watch.pass_(1)
    assert tokens.expired(tokens.current(*watch.both), *watch.both)


def test_a_token_of_this_second_that_is_called_expired_has_no_better_one() -> None:
    tokens = Tokens(KEY)
    assert not tokens.expired(tokens.current(START, 0.0), START, 0.0)


def test_a_token_that_came_too_soon_gives_way_to_the_one_before() -> None:
    watch, tokens = Watch(START + 38 * MINUTE), Tokens(KEY)
    first = tokens.current(*watch.both)
    watch.pass_(2)
    second = tokens.current(*watch.both)
    assert second != first
    assert tokens.too_many(first, watch.stopwatch), "an answer to an older one: send what there is now"
    assert tokens.too_many(second, watch.stopwatch)
    assert tokens.current(*watch.both) is first
    watch.pass_(14)
    assert tokens.current(*watch.both) is first
    watch.pass_(1)
    third = tokens.current(*watch.both)
    assert third.text == second.text, "the older one is nearly an hour old"


def test_there_may_be_no_older_token_to_go_on_with() -> None:
    watch, tokens = Watch(), Tokens(KEY)
    assert not tokens.too_many(tokens.current(*watch.both), watch.stopwatch)
    watch.pass_(60)
    late = tokens.current(*watch.both)
    assert not tokens.too_many(late, watch.stopwatch), "it would be an hour old"


def test_each_refusal_of_a_key_says_what_it_means_and_what_to_do() -> None:
    stops = {reason for (status, reason), action in ANSWERS.items() if status == 403 and action is Next.STOP_CREDENTIAL}
    assert stops - set(MEANINGS) == {"BadCertificate", "BadCertificateEnvironment"}
    for reason in MEANINGS:
        assert meaning(reason).means and meaning(reason).do
        assert Next.STOP_CREDENTIAL in (action_for(403, reason), action_for(400, reason))
    assert meaning("NewReason") is UNKNOWN


@pytest.mark.parametrize("text", [repr(KEY), repr(Tokens(KEY).current(START, 0.0))])
def test_no_secret_is_shown(text: str) -> None:
    assert "sign" not in text
    assert "eyJ" not in text


def test_credentials_have_names_that_people_use() -> None:
    assert PushCredential("865f21865c53", "pass.a", b"", b"", b"").said == "the certificate 865f21865c53"
    assert KEY.said == "the APNs key ABC123DEFG of team TEAM123456"
    refused = KeyRefused("this is no key", "make one")
    assert (str(refused), refused.hint) == ("this is no key", "make one")


def test_the_way_back_is_a_command() -> None:
    assert to_certificate("pass.a.b") == "livepass apns-key use pass.a.b --certificate"
