"""The whole service over real TLS and HTTP/2 sockets: certificates, topics, answers, delivery, limits."""

from __future__ import annotations

import asyncio
import datetime as dt
import time

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from h2.settings import SettingCodes

from emulators.apns.conftest import OTHER, PASS_TYPE, TOKEN
from emulators.apns.h2client import client_context, connect, eventually
from livepass.emulators.apns import ApnsServer
from livepass.emulators.apns.credential import read
from livepass.emulators.authority import Authority, Issued

pytestmark = pytest.mark.anyio

MY_ID = "123e4567-e89b-12d3-a456-426614174000"


async def test_a_push_is_accepted_echoed_and_recorded(apns, sender):
    reply = await sender.push(TOKEN, apns_id=MY_ID, apns_priority="10", authorization="bearer secret")
    assert (reply.status, reply.headers["apns-id"], reply.body) == (200, MY_ID, b"")
    (entry,) = apns.history()
    assert (entry.status, entry.topic, entry.token, entry.payload) == (200, PASS_TYPE, TOKEN, b"{}")
    assert entry.headers["authorization"] == "(present)"
    assert (entry.connection, entry.stream, entry.push.fate) == (1, 1, "stored")


async def test_without_an_id_one_is_made(sender):
    reply = await sender.push(TOKEN)
    assert reply.headers["apns-id"] == reply.headers["apns-id"].upper()
    assert len(reply.headers["apns-id"]) == 36
    bad = await sender.push(TOKEN, apns_id="nonsense")
    assert (bad.status, bad.reason) == (400, "BadMessageId")
    assert bad.headers["apns-id"] != "nonsense"


async def test_settings_are_those_seen_from_apple(sender):
    assert sender.remote[SettingCodes.MAX_CONCURRENT_STREAMS] == 1000
    assert sender.remote[SettingCodes.MAX_HEADER_LIST_SIZE] == 8000
    assert sender.transport.get_extra_info("ssl_object").selected_alpn_protocol() == "h2"


async def test_prior_knowledge_without_alpn(apns, open_sender):
    sender = await open_sender(apns, alpn=False)
    assert (await sender.push(TOKEN)).status == 200


async def test_topics_come_from_the_certificate(apns, open_sender, authority):
    apns.register_device(OTHER, ["pass.other"])
    mine = await open_sender(apns)
    assert (await mine.push(TOKEN, None)).status == 200
    assert (await mine.push(TOKEN, "pass.other")).reason == "TopicDisallowed"
    assert (await mine.push(OTHER)).reason == "DeviceTokenNotForTopic"
    theirs = await open_sender(apns, authority.pass_certificate("pass.other"))
    assert (await theirs.push(OTHER, None)).status == 200
    assert [entry.connection for entry in apns.history(token=OTHER)] == [1, 2]


async def test_no_certificate_is_403(apns, open_sender):
    sender = await open_sender(apns, None)
    assert (await sender.push(TOKEN)).reason == "MissingProviderToken"
    reply = await sender.push(TOKEN, authorization="bearer x.y.z")
    assert (reply.status, reply.reason) == (403, "InvalidProviderToken")


async def test_an_unknown_token_and_a_dead_one(apns, sender):
    assert (await sender.push(OTHER)).reason == "BadDeviceToken"
    apns.kill_device(TOKEN, timestamp_ms=1_700_000_000_123)
    reply = await sender.push(TOKEN)
    assert (reply.status, reply.body) == (410, b'{"reason":"Unregistered","timestamp":1700000000123}')
    before = int(time.time() * 1000)
    apns.kill_device(TOKEN)
    assert apns.history()[-1].timestamp_ms == 1_700_000_000_123
    await sender.push(TOKEN)
    assert before <= apns.history()[-1].timestamp_ms <= int(time.time() * 1000)
    apns.register_device(TOKEN, [PASS_TYPE])
    assert (await sender.push(TOKEN)).status == 200


async def test_any_token_when_not_strict(make_apns, open_sender):
    async with make_apns(strict_tokens=False) as apns:
        assert (await (await open_sender(apns)).push(OTHER)).status == 200


async def test_too_many_for_one_token(make_apns, open_sender):
    async with make_apns(burst_limit=2, burst_seconds=60) as apns:
        apns.register_device(TOKEN, ["*"])
        sender = await open_sender(apns)
        assert [(await sender.push(TOKEN)).status for _ in range(4)] == [200, 200, 429, 429]


async def test_repeated_headers(sender):
    stream = sender.send(TOKEN, apns_topic="pass.test.livepass")
    assert (await asyncio.wait_for(stream, 10)).reason == "DuplicateHeaders"


async def test_method_path_and_sizes(sender):
    assert (await sender.push(TOKEN, method="GET", payload=b"")).status == 405
    assert (await sender.push(TOKEN, path="/")).status == 404
    assert (await sender.push(TOKEN, payload=b"")).reason == "PayloadEmpty"
    assert (await sender.push(TOKEN, payload=b"x" * 4097)).status == 413
    assert (await sender.push(TOKEN, payload=b"x" * 16_000)).status == 413


@pytest.mark.parametrize("which", ["expired", "foreign"])
async def test_a_refused_certificate_on_http2(make_apns, open_sender, authority, which):
    stranger = Authority(name="Somebody Else")
    issued = (
        stranger.pass_certificate(PASS_TYPE)
        if which == "foreign"
        else authority.pass_certificate(PASS_TYPE, starts=dt.timedelta(days=-500), days=395)
    )
    async with make_apns(bad_certificate="403", foreign_ca_pem=stranger.root_pem) as apns:
        apns.register_device(TOKEN, ["*"])
        assert (await (await open_sender(apns, issued)).push(TOKEN)).reason == "BadCertificate"
        assert (await (await open_sender(apns)).push(TOKEN)).status == 200
    async with make_apns(bad_certificate="goaway", foreign_ca_pem=stranger.root_pem) as apns:
        sender = await open_sender(apns, issued)
        await sender.until(lambda: sender.goaway is not None)
        assert (sender.goaway.last_stream_id, sender.goaway.additional_data) == (0, b'{"reason":"BadCertificate"}')
        await sender.until(sender.gone.is_set)


async def test_the_development_environment_refuses_pass_certificates(make_apns, open_sender):
    async with make_apns(environment="development") as apns:
        apns.register_device(TOKEN, ["*"])
        reply = await (await open_sender(apns)).push(TOKEN)
        assert (reply.status, reply.reason) == (403, "BadCertificateEnvironment")


def test_multi_topic_certificates(pass_certificate: Issued, authority: Authority):
    listed = b"".join(bytes([0x0C, len(topic)]) + topic + b"\x30\x05\x0c\x03app" for topic in (b"a.b", b"a.b.voip"))
    builder = (
        x509.CertificateBuilder()
        .subject_name(pass_certificate.certificate.subject)
        .issuer_name(authority.root.subject)
        .public_key(pass_certificate.key.public_key())
        .serial_number(7)
        .not_valid_before(dt.datetime(2020, 1, 1, tzinfo=dt.UTC))
        .not_valid_after(dt.datetime(2050, 1, 1, tzinfo=dt.UTC))
        .add_extension(
            x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.840.113635.100.6.3.2"), b"\x05\x00"), False
        )
    )

    def credential(extension: bytes):
        oid = x509.ObjectIdentifier("1.2.840.113635.100.6.3.6")
        made = builder.add_extension(x509.UnrecognizedExtension(oid, extension), False)
        from cryptography.hazmat.primitives.serialization import Encoding

        return read(made.sign(pass_certificate.key, hashes.SHA256()).public_bytes(Encoding.DER), "production")

    found = credential(bytes([0x30, len(listed)]) + listed)
    assert (found.topics, found.default_topic, found.problem) == ({"a.b", "a.b.voip"}, None, None)
    assert credential(b"\x30\x7f").problem == "BadCertificate"
    assert read(b"garbage", "production").problem == "BadCertificate"


async def test_delivery_to_a_listening_phone(apns, sender):
    heard = []

    async def phone() -> None:
        async for push in apns.deliveries(TOKEN):
            heard.append(push.apns_id)
            if len(heard) == 2:
                return

    listening = asyncio.create_task(phone())
    await asyncio.sleep(0)
    first = await sender.push(TOKEN, apns_expiration="0")
    await eventually(lambda: heard)
    second = await sender.push(TOKEN)
    await asyncio.wait_for(listening, 10)
    assert heard == [first.headers["apns-id"], second.headers["apns-id"]]
    assert [entry.push.fate for entry in apns.history()] == ["delivered", "delivered"]


async def test_offline_keeps_one(apns, sender):
    apns.set_offline(TOKEN)
    for _ in range(3):
        assert (await sender.push(TOKEN)).status == 200
    assert (await sender.push(TOKEN, apns_expiration="0")).status == 200
    apns.set_offline(TOKEN, False)
    (push,) = await apns.phones.poll(TOKEN, 5)
    assert push.apns_id == apns.history()[2].apns_id
    fates = [entry.push.fate for entry in apns.history()]
    assert fates == ["overwritten", "overwritten", "delivered", "missed"]


async def test_a_thousand_pushes_on_one_connection(apns, sender):
    for wave in range(2):
        replies = [sender.send(TOKEN, flush=False) for _ in range(500)]
        sender.flush()
        assert {reply.status for reply in await asyncio.wait_for(asyncio.gather(*replies), 30)} == {200}, wave
    assert apns.stats()["outcomes"] == {"200": 1000}
    assert [entry.number for entry in apns.history(after=998)] == [999, 1000]


async def test_error_bodies_beyond_every_window(apns, sender):
    """More error bodies than the connection window holds: the sender must acknowledge, and the server must wait."""
    for _ in range(3):
        replies = [sender.send(OTHER, flush=False) for _ in range(800)]
        sender.flush()
        done = await asyncio.wait_for(asyncio.gather(*replies), 30)
        assert {reply.reason for reply in done} == {"BadDeviceToken"}


async def test_a_body_waits_for_the_window(apns, open_sender):
    sender = await open_sender(apns, window=5)
    sender.hold_back = True
    reply = sender.send(OTHER)
    await sender.until(lambda: sender.replies[1][0].body == b'{"rea')
    for _ in range(5):
        sender.h2.increment_flow_control_window(7, 1)
        sender.flush()
    assert (await asyncio.wait_for(reply, 10)).reason == "BadDeviceToken"


async def test_a_sender_that_says_goodbye_gets_its_answers(apns, sender):
    apns.chaos.set("latency:30")
    reply = sender.send(TOKEN, flush=False)
    goodbye = b"\x00\x00\x08\x07\x00" + bytes(12)
    sender.transport.write(sender.h2.data_to_send() + goodbye)
    assert (await asyncio.wait_for(reply, 10)).status == 200
    await sender.until(sender.gone.is_set)


async def test_a_stream_reset_by_the_sender_is_forgotten(apns, sender):
    apns.chaos.set("latency:60000", count=1)
    sender.send(TOKEN)
    sender.h2.reset_stream(1, 8)
    sender.flush()
    sender.send(TOKEN, flush=False)
    sender.h2.reset_stream(3, 8)  # in the same breath as the request
    assert (await sender.push(TOKEN)).status == 200
    assert apns.history()[0].fault == "reset by the sender"


async def test_a_connection_lost_while_thinking_leaves_no_trace_but_history(apns, sender):
    apns.chaos.set("latency:60000")
    sender.send(TOKEN)
    await eventually(lambda: apns.chaos.faults[0].struck == 1)
    sender.close()
    await eventually(lambda: apns.history())
    assert (apns.history()[0].fault, apns.history()[0].status) == ("connection lost", 0)
    assert apns.phones.fates == {}
    assert apns.stats()["connections_open"] == 0


async def test_a_sender_that_does_not_read_is_not_read(apns, sender):
    (connection,) = apns._connections
    connection.pause_writing()
    reply = sender.send(TOKEN)
    await asyncio.sleep(0.05)
    assert not reply.done()
    connection.resume_writing()
    assert (await asyncio.wait_for(reply, 10)).status == 200


async def test_goodbye_after_a_while_even_if_a_request_never_ends(apns, sender, monkeypatch):
    monkeypatch.setattr("livepass.emulators.apns.connection.DRAIN_SECONDS", 0.1)
    sender.h2.send_headers(1, [(":method", "POST"), (":scheme", "https"), (":authority", "a"), (":path", "/")])
    sender.flush()
    (connection,) = apns._connections
    await eventually(lambda: connection._received == 1)
    apns.goaway()
    await sender.until(sender.gone.is_set)
    assert sender.goaway.last_stream_id == 1


async def test_down_and_up(apns, open_sender):
    sender = await open_sender(apns)
    url = apns.url
    await apns.down()
    await sender.until(sender.gone.is_set)
    assert not apns.is_up
    with pytest.raises(OSError):
        await open_sender(apns)
    await apns.down()
    await apns.up()
    await apns.up()
    assert apns.url == url
    assert (await (await open_sender(apns)).push(TOKEN)).status == 200


async def test_under_an_authority_accepts_a_bare_leaf(authority, pass_certificate):
    async with ApnsServer.under(authority, strict_tokens=False) as apns:
        sender = await connect(apns.url, client_context(authority, pass_certificate, chain=False))
        assert (await sender.push(TOKEN)).status == 200
        sender.close()
