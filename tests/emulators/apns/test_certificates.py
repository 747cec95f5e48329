"""Which client certificates count: expired, not valid yet, revoked, of the wrong environment; before and meanwhile."""

from __future__ import annotations

import asyncio
import datetime as dt
import ssl
import time

import pytest

from emulators.apns.conftest import PASS_TYPE, TOKEN
from emulators.apns.h2client import alert, call, client_context
from livepass.emulators.apns import ApnsServer
from livepass.emulators.apns.standing import LAPSED
from livepass.emulators.authority import Authority

pytestmark = pytest.mark.anyio

DAY = 86_400
BAD_CERTIFICATE = "SSLV3_ALERT_BAD_CERTIFICATE"


@pytest.fixture
async def apns(authority):
    """An APNs that knows what the authority revokes."""
    async with ApnsServer.under(authority, seed=1) as server:
        server.register_device(TOKEN, ["*"])
        yield server
        assert server.internal_errors == 0


def certificate(authority: Authority, which: str):
    match which:
        case "expired":
            return authority.pass_certificate(PASS_TYPE, starts=dt.timedelta(days=-500), days=395)
        case "not yet valid":
            return authority.pass_certificate(PASS_TYPE, starts=dt.timedelta(days=2))
        case "revoked":
            issued = authority.pass_certificate(PASS_TYPE)
            authority.revoke(issued.certificate)
            return issued
        case _:
            return authority.pass_certificate(PASS_TYPE)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("which", ["expired", "not yet valid", "revoked", "good"])
async def test_the_handshake_says_so_with_an_alert(apns, authority, which, version):
    context = client_context(authority, certificate(authority, which))
    context.maximum_version = version
    assert await alert(apns.url, context) == (None if which == "good" else BAD_CERTIFICATE)


async def test_a_stranger_is_refused_by_another_alert(apns, authority):
    foreign = Authority(name="Somebody Else").pass_certificate(PASS_TYPE)
    assert await alert(apns.url, client_context(authority, foreign)) == "TLSV1_ALERT_UNKNOWN_CA"
    assert apns.stats()["requests"] == 0


@pytest.mark.parametrize("which", ["expired", "not yet valid", "revoked", "good"])
@pytest.mark.parametrize("chain", [True, False])
async def test_or_each_request_says_so(authority, open_sender, which, chain):
    issued = certificate(authority, which)
    async with ApnsServer.under(authority, bad_certificate="403", strict_tokens=False) as apns:
        reply = await (await open_sender(apns, issued)).push(TOKEN)
        assert (reply.status, reply.reason) == ((200, None) if which == "good" else (403, "BadCertificate"))
    async with ApnsServer.under(authority, bad_certificate="goaway", strict_tokens=False) as apns:
        sender = await open_sender(apns, issued)
        if which == "good":
            assert (await sender.push(TOKEN)).status == 200
        else:
            await sender.until(lambda: sender.goaway is not None)
            assert sender.goaway.additional_data == b'{"reason":"BadCertificate"}'


@pytest.mark.parametrize(
    ("push", "topic", "reason"),
    [
        ("development", PASS_TYPE, "BadCertificateEnvironment"),
        ("none", PASS_TYPE, "BadCertificateEnvironment"),
        ("production", "pass.of.somebody.else", "TopicDisallowed"),
        ("both", PASS_TYPE, None),
    ],
)
async def test_of_another_environment_or_topic(apns, authority, open_sender, push, topic, reason):
    sender = await open_sender(apns, authority.pass_certificate(PASS_TYPE, push=push))
    assert (await sender.push(TOKEN, topic=topic)).reason == reason


# ── by a clock that moves


async def test_the_clock_decides_not_the_machine(apns, authority):
    ours, next_years = certificate(authority, "good"), certificate(authority, "not yet valid")
    assert (await call(apns.control_url, "PUT", "/clock", {"offset_seconds": 396 * DAY}))[0] == 200
    assert await alert(apns.url, client_context(authority, ours)) == BAD_CERTIFICATE
    assert await alert(apns.url, client_context(authority, next_years)) is None
    await call(apns.control_url, "PUT", "/clock", {"offset_seconds": 0})
    assert await alert(apns.url, client_context(authority, ours)) is None


async def test_the_clock_is_told(apns):
    before = int(time.time() * 1000)
    status, said = await call(apns.control_url, "PUT", "/clock", {"offset_seconds": -DAY})
    assert (status, said["offset_seconds"]) == (200, -DAY)
    assert before <= said["now_ms"] + DAY * 1000 <= time.time() * 1000
    assert (await call(apns.control_url, "GET", "/clock"))[1]["offset_seconds"] == -DAY
    for wrong in ({}, {"offset_seconds": "1"}, {"offset_seconds": 10**12}, {"offset": 1}):
        assert (await call(apns.control_url, "PUT", "/clock", wrong))[0] == 400


async def test_a_revocation_in_the_future_waits_for_its_time(apns, authority):
    issued = certificate(authority, "good")
    authority.revoke(issued.certificate, dt.datetime.now(dt.UTC) + dt.timedelta(days=3))
    assert await alert(apns.url, client_context(authority, issued)) is None
    apns.move_clock(4 * DAY)
    assert await alert(apns.url, client_context(authority, issued)) == BAD_CERTIFICATE


# ── while a connection stands


def lapse(apns: ApnsServer, authority: Authority, how: str, issued) -> None:
    if how == "expires":
        apns.move_clock(396 * DAY)
    elif how == "revoked here":
        apns.revoke(issued.certificate.serial_number)
    else:
        authority.revoke(issued.certificate)


@pytest.mark.parametrize("how", ["expires", "revoked here", "revoked by the authority"])
async def test_a_standing_connection_is_cut(apns, authority, open_sender, how):
    issued = certificate(authority, "good")
    other = await open_sender(apns, authority.pass_certificate(PASS_TYPE, days=1000))
    sender = await open_sender(apns, issued)
    assert (await sender.push(TOKEN)).status == 200
    lapse(apns, authority, how, issued)
    if how != "revoked by the authority":  # of which this APNs learns when it looks again
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert apns.stats()["connections_open"] == 1, "at once"
    await sender.until(sender.gone.is_set)  # nobody had to ask
    assert sender.goaway is None
    assert await alert(apns.url, client_context(authority, issued)) == BAD_CERTIFICATE
    assert (await other.push(TOKEN)).status == 200, "whoever has another certificate notices nothing"


async def test_or_it_is_told_by_goaway(apns, authority, open_sender):
    assert (await call(apns.control_url, "PUT", "/certificates", {"lapsed": "goaway"}))[0] == 200
    sender = await open_sender(apns, certificate(authority, "good"))
    apns.move_clock(396 * DAY)
    await sender.until(sender.gone.is_set)
    assert sender.goaway.additional_data == b'{"reason":"BadCertificate"}'


async def test_or_by_each_answer(apns, authority, open_sender):
    apns.standing.lapsed = "403"
    issued = certificate(authority, "good")
    sender = await open_sender(apns, issued)
    apns.revoke(issued.certificate.serial_number)
    assert [(await sender.push(TOKEN)).reason for _ in range(2)] == ["BadCertificate"] * 2
    apns.standing.forgive()
    assert (await sender.push(TOKEN)).status == 200


async def test_nothing_is_cut_for_what_was_wrong_from_the_start(authority, open_sender):
    async with ApnsServer.under(authority, bad_certificate="403", strict_tokens=False) as apns:
        sender = await open_sender(apns, certificate(authority, "expired"))
        apns.move_clock(1)
        assert [(await sender.push(TOKEN)).reason for _ in range(2)] == ["BadCertificate"] * 2


async def test_without_the_hook_of_the_ssl_module_it_is_cut_after_the_handshake(apns, authority):
    apns._doors.open._msg_callback = None
    with pytest.raises(AssertionError, match="without an alert"):
        await alert(apns.url, client_context(authority, certificate(authority, "revoked")))


# ── the control port


async def test_revoked_through_the_control_port(apns, authority, open_sender):
    issued = certificate(authority, "good")
    serial = f"{issued.certificate.serial_number:X}"
    sender = await open_sender(apns, issued)
    status, said = await call(apns.control_url, "POST", f"/revoked/{serial}")
    assert status == 200 and serial.lower() in said["revoked"]
    await sender.until(sender.gone.is_set)
    assert serial.lower() not in (await call(apns.control_url, "DELETE", "/revoked"))[1]["revoked"]
    assert await alert(apns.url, client_context(authority, issued)) is None
    assert (await call(apns.control_url, "POST", "/revoked/xyz"))[0] == 400


async def test_the_assumption_is_listed_with_its_choices(apns):
    said = (await call(apns.control_url, "GET", "/certificates"))[1]
    assert (said["refused_by"], said["lapsed"], said["lapsed_may_be"]) == ("tls", "cut", dict(LAPSED))
    assert all("2026-" in meaning for meaning in LAPSED.values())
    assert (await call(apns.control_url, "PUT", "/certificates", {"lapsed": "never"}))[0] == 400
