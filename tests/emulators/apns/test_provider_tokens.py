"""Provider tokens at the emulated APNs, over HTTP/2 and TLS, with tokens of the test's own making."""

from __future__ import annotations

import asyncio
import time

import pytest

from emulators.apns.conftest import OTHER, PASS_TYPE, TOKEN
from emulators.apns.test_control import call
from livepass.emulators.apns import ApnsServer, ProviderKey
from provider_keys import Minted

pytestmark = pytest.mark.anyio

SECOND_TYPE = "pass.test.second"
NOON = 1_790_000_000.0


class Hands:
    """A clock in the test's hand."""

    def __init__(self) -> None:
        self.at = NOON

    def __call__(self) -> float:
        return self.at


@pytest.fixture
def key() -> Minted:
    return Minted()


@pytest.fixture
def hands() -> Hands:
    return Hands()


@pytest.fixture
async def apns(make_apns, hands, key):
    async with make_apns(clock=hands) as server:
        server.register_device(TOKEN, [PASS_TYPE, SECOND_TYPE])
        server.know_key(key.known())
        yield server
        assert server.internal_errors == 0


async def test_a_valid_token_pushes_to_all_topics_of_its_team(apns, open_sender, key):
    sender = await open_sender(apns, None)
    for topic in (PASS_TYPE, SECOND_TYPE):
        assert (await sender.push(TOKEN, topic, authorization=key.bearer(NOON))).status == 200
    assert (await sender.push(TOKEN, None, authorization=key.bearer(NOON))).reason == "MissingTopic"
    assert {entry.headers["authorization"] for entry in apns.history()} == {"(present)"}


@pytest.mark.parametrize(
    "token",
    [
        "",
        "bearer",
        "bearer a.b",
        "bearer a.b.c",
        "bearer ....",
        lambda key: key.bearer(NOON)[:-4] + "AAAA",
        lambda key: key.bearer(NOON).replace("bearer ", "basic "),
        lambda key: key.bearer(NOON, alg="HS256"),
        lambda key: key.bearer(NOON, iss="OTHERTEAM0"),
        lambda key: key.bearer(NOON, iat=None),
        lambda key: key.bearer(NOON, iat="1790000000"),
        lambda key: key.bearer(NOON + 3600),
        lambda key: Minted().bearer(NOON),
        lambda key: Minted("OTHERKEY01", private=key.private).bearer(NOON),
    ],
)
async def test_what_is_no_token_of_a_known_key_is_invalid(apns, open_sender, key, token):
    sender = await open_sender(apns, None)
    shown = token if isinstance(token, str) else token(key)
    reply = await sender.push(TOKEN, authorization=shown)
    assert (reply.status, reply.reason) == (403, "InvalidProviderToken")


async def test_without_a_token_or_a_certificate_one_is_missing(apns, open_sender):
    reply = await (await open_sender(apns, None)).push(TOKEN)
    assert (reply.status, reply.reason) == (403, "MissingProviderToken")


async def test_a_certificate_is_all_that_is_looked_at_where_there_is_one(apns, open_sender, key, hands):
    hands.at = time.time()  # the certificate is made now
    sender = await open_sender(apns)
    assert sender.limits == [1000]
    assert (await sender.push(TOKEN, authorization="bearer nonsense")).status == 200
    assert (await sender.push(TOKEN, SECOND_TYPE, authorization=key.bearer(NOON))).reason == "TopicDisallowed"


async def test_an_hour_old_token_is_expired_and_its_connection_wedged(apns, open_sender, key, hands):
    sender = await open_sender(apns, None)
    token = key.bearer(NOON)
    hands.at = NOON + 3600
    assert (await sender.push(TOKEN, authorization=token)).status == 200
    hands.at += 1
    assert (await sender.push(TOKEN, authorization=token)).reason == "ExpiredProviderToken"
    fresh = key.bearer(hands.at)
    assert (await sender.push(TOKEN, authorization=fresh)).reason == "ExpiredProviderToken"
    assert (await (await open_sender(apns, None)).push(TOKEN, authorization=fresh)).status == 200


async def test_tokens_change_every_twenty_minutes_at_most(apns, open_sender, key, hands):
    sender = await open_sender(apns, None)
    first, second = key.bearer(NOON), key.bearer(NOON + 1)
    assert (await sender.push(TOKEN, authorization=first)).status == 200
    hands.at += 1199
    reply = await sender.push(TOKEN, authorization=second)
    assert (reply.status, reply.reason) == (429, "TooManyProviderTokenUpdates")
    assert (await sender.push(TOKEN, authorization=first)).status == 200, "the old one still goes"
    hands.at += 1
    assert (await sender.push(TOKEN, authorization=second)).status == 200
    assert (await sender.push(TOKEN, authorization=first)).status == 429


async def test_one_stream_until_a_valid_token_was_posted(apns, open_sender, key):
    sender = await open_sender(apns, None)
    assert sender.limits == [1]
    await sender.push(TOKEN, authorization="bearer nonsense")
    assert sender.limits == [1]
    assert (await sender.push(OTHER, authorization=key.bearer(NOON))).reason == "BadDeviceToken"
    await sender.until(lambda: sender.limits == [1, 1000])


async def test_two_streams_before_a_valid_token_end_the_connection(apns, open_sender, key):
    sender = await open_sender(apns, None)
    await asyncio.sleep(0)
    apns.chaos.set("latency:200")
    sender.h2.remote_settings.max_concurrent_streams = 10  # a sender that does not look
    sender.h2.remote_settings.acknowledge()
    for _ in range(2):
        sender.send(TOKEN, authorization=key.bearer(NOON), flush=False)
    sender.flush()
    await sender.until(lambda: sender.goaway is not None)
    assert b"active streams" in (sender.goaway.additional_data or b"")


async def test_a_connection_belongs_to_the_team_of_its_first_push(apns, open_sender, key):
    other, sister = Minted("OTHERKEY01", "OTHERTEAM0"), Minted("SISTERKEY1")
    for minted in (other, sister):
        apns.know_key(minted.known())
    sender = await open_sender(apns, None)
    assert (await sender.push(TOKEN, authorization=key.bearer(NOON))).status == 200
    reply = await sender.push(TOKEN, authorization=other.bearer(NOON))
    assert (reply.status, reply.reason) == (403, "UnrelatedKeyIdInToken")
    assert (await (await open_sender(apns, None)).push(TOKEN, authorization=other.bearer(NOON))).status == 200


async def test_keys_and_teams_are_limited_to_topics(apns, open_sender, key):
    apns.know_key(key.known(topics=[PASS_TYPE]))
    sender = await open_sender(apns, None)
    reply = await sender.push(TOKEN, SECOND_TYPE, authorization=key.bearer(NOON))
    assert (reply.status, reply.reason) == (400, "TopicDisallowed")
    assert (await sender.push(TOKEN, authorization=key.bearer(NOON))).status == 200


async def test_a_topic_made_later_needs_a_new_connection(apns, open_sender, key):
    apns.provider.topics_of_team[key.team] = frozenset({PASS_TYPE})
    sender = await open_sender(apns, None)
    assert (await sender.push(TOKEN, authorization=key.bearer(NOON))).status == 200
    apns.provider.topics_of_team[key.team] |= {SECOND_TYPE}
    assert (await sender.push(TOKEN, SECOND_TYPE, authorization=key.bearer(NOON))).reason == "TopicDisallowed"
    later = await open_sender(apns, None)
    assert (await later.push(TOKEN, SECOND_TYPE, authorization=key.bearer(NOON))).status == 200
    apns.know_key(key.known(topics=[PASS_TYPE, "pass.of.another.team"]))
    last = await open_sender(apns, None)
    reply = await last.push(TOKEN, "pass.of.another.team", authorization=key.bearer(NOON))
    assert reply.reason == "TopicDisallowed", "a key's list does not reach beyond its team"


@pytest.mark.parametrize(("environment", "status"), [("production", 200), ("development", 403), (None, 200)])
async def test_keys_are_for_an_environment(apns, open_sender, key, environment, status):
    apns.know_key(key.known(environment=environment))
    reply = await (await open_sender(apns, None)).push(TOKEN, authorization=key.bearer(NOON))
    assert reply.status == status
    assert reply.reason == (None if status == 200 else "BadEnvironmentKeyIdInToken")


async def test_location_pushes_need_a_token(apns, open_sender, key):
    reply = await (await open_sender(apns, None)).push(TOKEN, authorization=key.bearer(NOON), apns_push_type="location")
    assert reply.status == 200


async def test_a_revoked_key_is_invalid_and_connections_end(apns, open_sender, key):
    sender = await open_sender(apns, None)
    assert (await sender.push(TOKEN, authorization=key.bearer(NOON))).status == 200
    assert apns.revoke_key(key.id)
    assert not apns.revoke_key(key.id)
    await sender.until(lambda: sender.goaway is not None)
    reply = await (await open_sender(apns, None)).push(TOKEN, authorization=key.bearer(NOON))
    assert reply.reason == "InvalidProviderToken"


async def test_keys_over_the_control_port(apns: ApnsServer, open_sender, key):
    assert await call(apns.control_url, "DELETE", f"/keys/{key.id}") == (200, {"id": key.id, "known": False})
    assert (await call(apns.control_url, "DELETE", f"/keys/{key.id}"))[0] == 404
    body = {"team": key.team, "pem": key.p8.decode(), "topics": [PASS_TYPE], "environment": "production"}
    status, said = await call(apns.control_url, "PUT", f"/keys/{key.id}", body)
    assert (status, said["topics"], said["environment"]) == (200, [PASS_TYPE], "production")
    assert (await call(apns.control_url, "GET", "/keys"))[1] == {"keys": [said]}
    sender = await open_sender(apns, None)
    assert (await sender.push(TOKEN, authorization=key.bearer(NOON))).status == 200
    assert await call(apns.control_url, "PUT", f"/teams/{key.team}", {"topics": ["a.b"]}) == (
        200, {"team": key.team, "topics": ["a.b"]},
    )  # fmt: skip
    later = await open_sender(apns, None)
    assert (await later.push(TOKEN, authorization=key.bearer(NOON))).reason == "TopicDisallowed"
    status, said = await call(apns.control_url, "POST", "/settings", {"token_seconds": 0, "token_update_seconds": 7})
    assert (status, said["token_seconds"], said["token_update_seconds"]) == (200, 0, 7)
    assert apns.max_concurrent_streams == 1000
    last = await open_sender(apns, None)
    assert (await last.push(TOKEN, authorization=key.bearer(NOON - 1))).reason == "ExpiredProviderToken"


@pytest.mark.parametrize(
    ("path", "body", "word"),
    [
        ("/keys/K", {"team": "T"}, "pem"),
        ("/keys/K", {"team": "T", "pem": "nonsense"}, ""),
        ("/keys/K", {"team": "T", "pem": "x", "environment": "moon"}, "environment"),
        ("/keys/K", {"team": "T", "pem": "x", "extra": 1}, "extra"),
        ("/teams/T", {}, "topics"),
    ],
)
async def test_a_key_that_cannot_be_is_refused(apns, path, body, word):
    status, said = await call(apns.control_url, "PUT", path, body)
    assert status == 400
    assert word in said["error"]


def test_a_key_on_another_curve_is_no_apns_key() -> None:
    from cryptography.hazmat.primitives.asymmetric import ec

    with pytest.raises(ValueError, match="P-256"):
        ProviderKey.of("K", "T", Minted(private=ec.generate_private_key(ec.SECP384R1())).p8)
