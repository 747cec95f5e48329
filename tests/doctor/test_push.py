"""The checks of ``--apns-probe``: one thing wrong between the doctor and APNs, and the check it belongs to says so.

APNs is the emulated one, over real TLS and HTTP/2; where nothing of APNs is left (garbage, HTTP/1.1), a TLS server.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ObjectIdentifier

from doctor.stage import OF_PUSH, Front, Stage, hits, of, server_context, untested
from journeys.world import PASS_TYPE, TEAM, pass_certificate
from livepass.doctor import Credential, Report
from livepass.emulators.apns import ApnsServer
from livepass.emulators.authority import Authority, Issued

TOPICS = ObjectIdentifier("1.2.840.113635.100.6.3.6")

Place = Callable[[Stage], AbstractContextManager[str]]
"""Whom the doctor takes for APNs: its address, for the length of a block."""


# ── who answers as APNs


@contextlib.contextmanager
def _running(stage: Stage, server: ApnsServer) -> Iterator[str]:
    stage.do(server.start())
    try:
        yield f"https://localhost:{server.port}"
    finally:
        stage.do(server.stop())


def apns(fault: str = "", **options: object) -> Place:
    """An APNs for this authority's certificates. ``fault`` as ``livepass apns chaos`` takes it."""

    def place(stage: Stage) -> AbstractContextManager[str]:
        server = ApnsServer.under(stage.authority, **options)
        if fault:
            server.chaos.set(fault)
        return _running(stage, server)

    return place


def of_others(**options: object) -> Place:
    """An APNs that takes certificates of another authority; ours it knows, if at all, to refuse it in words."""

    def place(stage: Stage) -> AbstractContextManager[str]:
        issued, ours = stage.authority.server_certificate("localhost"), stage.authority
        known = {"foreign_ca_pem": ours.root_pem + ours.intermediate.public_bytes(Encoding.PEM)} if options else {}
        accepted = Authority(name="Others").root_pem
        return _running(stage, ApnsServer(issued.certificate_pem, issued.key_pem, accepted, **known, **options))

    return place


def unproven(issued: Callable[[Stage], Issued]) -> Place:
    """An APNs with a certificate of its own that proves nothing."""

    def place(stage: Stage) -> AbstractContextManager[str]:
        own = issued(stage)
        accepted = stage.authority.root_pem + stage.authority.intermediate.public_bytes(Encoding.PEM)
        return _running(stage, ApnsServer(own.certificate_pem, own.key_pem, accepted))

    return place


def asks_for_certificate_of(roots: Callable[[Stage], bytes]) -> Place:
    """The TLS of an APNs, with the alert in which OpenSSL says that a certificate is none of those: asyncio, and so the
    emulated APNs, ends the connection without it.
    """

    @contextlib.contextmanager
    def place(stage: Stage) -> Iterator[str]:
        with contextlib.closing(Front()) as front:
            front.context, front.says = _good(stage, "h2"), b"too far"
            front.context.verify_mode = ssl.CERT_REQUIRED
            front.context.load_verify_locations(cadata=roots(stage).decode())
            yield f"https://localhost:{front.port}"

    return place


def _ours(stage: Stage) -> bytes:
    return stage.authority.root_pem


def _of_nobody(stage: Stage) -> bytes:
    return Authority(name="Nobody").root_pem


def says(data: bytes, protocol: str) -> Place:
    """A TLS server that answers whatever it is asked with that."""

    @contextlib.contextmanager
    def place(stage: Stage) -> Iterator[str]:
        with contextlib.closing(Front()) as front:
            front.context, front.says = _good(stage, protocol), data
            yield f"https://localhost:{front.port}"

    return place


@contextlib.contextmanager
def old_tls(stage: Stage) -> Iterator[str]:
    with contextlib.closing(Front()) as front:
        front.context = _good(stage, "h2")
        front.context.set_ciphers("ALL:@SECLEVEL=0")
        front.context.minimum_version = ssl.TLSVersion.TLSv1
        front.context.maximum_version = ssl.TLSVersion.TLSv1_1
        yield f"https://localhost:{front.port}"


@contextlib.contextmanager
def behind_an_inspecting_proxy(stage: Stage) -> Iterator[str]:
    """TLS ends on the way, at somebody whom this machine trusts: the certificate stays there."""
    with apns()(stage) as url, contextlib.closing(Front()) as front:
        front.context, front.behind = _good(stage, "h2"), int(url.rpartition(":")[2])
        front.speak("h2")
        yield f"https://localhost:{front.port}"


@contextlib.contextmanager
def nobody(stage: Stage) -> Iterator[str]:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"https://localhost:{taken.getsockname()[1]}"


@contextlib.contextmanager
def nowhere(stage: Stage) -> Iterator[str]:
    yield "https://nowhere.invalid"


def _good(stage: Stage, protocol: str) -> ssl.SSLContext:
    issued = stage.authority.server_certificate("localhost")
    context = server_context(issued.certificate_pem, issued.key_pem)
    context.set_alpn_protocols([protocol])
    return context


# ── with which certificate


def of_this_pass_type(stage: Stage) -> Issued:
    return pass_certificate(stage.authority, PASS_TYPE)


def expired_just_now(stage: Stage) -> Issued:
    """Valid when the doctor looked at it, and not when APNs does."""
    # Days count from when the authority was made, which may be a while ago: longer than a signature may be ahead.
    age = datetime.now(UTC) - stage.authority._now
    return stage.authority.pass_certificate(PASS_TYPE, TEAM, starts=age - timedelta(days=40, seconds=2), days=40)


def for_other_topics(stage: Stage) -> Issued:
    """The UID is the pass type; but of a list of topics, APNs takes those that are in it, and it is not."""
    good, authority = pass_certificate(stage.authority, PASS_TYPE), stage.authority
    made = x509.CertificateBuilder(
        good.certificate.issuer, good.certificate.subject, good.certificate.public_key(), x509.random_serial_number(),
        good.certificate.not_valid_before_utc, good.certificate.not_valid_after_utc, list(good.certificate.extensions),
    )  # fmt: skip
    topic = b"pass.com.example.other"
    listed = bytes([0x0C, len(topic)]) + topic
    made = made.add_extension(x509.UnrecognizedExtension(TOPICS, bytes([0x30, len(listed)]) + listed), critical=False)
    return Issued(made.sign(authority.issuer("G4").key, hashes.SHA256()), good.key, authority.intermediate)


@dataclass(frozen=True)
class Row:
    """What is wrong; the check that fails for it (``""``: nothing was learnt), with a word of its evidence."""

    what: str
    check: str
    evidence: str
    place: Place
    shows: Callable[[Stage], Issued] = of_this_pass_type


def _in_two_years() -> float:
    return time.time() + 2 * 365 * 86_400


SPOILED = [
    # APN1: APNs does not take the connection with this certificate.
    Row("expired, said in TLS", "APN1", "certificate expired", asks_for_certificate_of(_ours), expired_just_now),
    Row("of another authority, said in TLS", "APN1", "unknown ca", asks_for_certificate_of(_of_nobody)),
    Row("never shown to APNs", "APN1", "MissingProviderToken", behind_an_inspecting_proxy),
    # APN2: it takes the connection, and refuses the certificate.
    Row("of another authority, said with 403", "APN2", "403 BadCertificate", of_others(bad_certificate="403")),
    Row("of another authority, said with GOAWAY", "APN2", "BadCertificate", of_others(bad_certificate="goaway")),
    Row("expired, said with 403", "APN2", "403 BadCertificate", apns(bad_certificate="403", clock=_in_two_years)),
    Row("of the other environment", "APN2", "BadCertificateEnvironment", apns(environment="development")),
    Row("may do nothing", "APN2", "403 Forbidden", apns("status:403:Forbidden")),
    # APN3: it takes the certificate, and refuses the topic.
    Row("for other topics", "APN3", "400 TopicDisallowed", apns(), for_other_topics),
    Row("a topic that is none", "APN3", "400 BadTopic", apns("status:400:BadTopic")),
    # Of none of them: it says nothing of the certificate, so nothing may be said of it.
    Row("nobody listens", "", "refused", nobody),
    Row("a name without address", "", "nowhere.invalid could not be asked", nowhere),
    Row("a server that nobody vouches for", "", "does not prove who it is",
        unproven(lambda stage: Authority(name="Nobody").server_certificate("localhost"))),
    Row("a server of another name", "", "does not prove who it is",
        unproven(lambda stage: stage.authority.server_certificate("www.example.com"))),
    Row("TLS 1.1", "", "could not be asked", old_tls),
    Row("a web server that answers everything", "", "no HTTP/2",
        says(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", "http/1.1")),
    Row("a login page", "", "no HTTP/2",
        says(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 13\r\n\r\n<html></html>", "http/1.1")),
    Row("garbage instead of HTTP/2", "", "could not be asked", says(b"SSH-2.0-OpenSSH_9.2\r\n", "h2")),
    Row("of another authority", "APN1", "unknown ca", of_others()),
    Row("a connection that is dropped", "", "could not be asked", apns("cut")),
    Row("a stream that is reset", "", "could not be asked", apns("rst")),
    Row("GOAWAY for another reason", "", "Shutdown", apns("goaway:Shutdown")),
    Row("APNs failed", "", "500 InternalServerError", apns("status:500")),
    Row("APNs is away", "", "503 ServiceUnavailable", apns("status:503")),
    Row("too much of it", "", "429 TooManyRequests", apns("429")),
    Row("a reason nobody knows", "", "400 SomethingNew", apns("status:400:SomethingNew")),
]  # fmt: skip


def judged(stage: Stage, place: Place, shows: Callable[[Stage], Issued] = of_this_pass_type) -> Report:
    shown = shows(stage)
    credential = Credential.from_p12(shown.p12("x"), "x")
    with place(stage) as url:
        options = stage.options(apns_probe=True, credential=credential, apns_url=url)
        # While it was still valid: as if somebody looked at the certificate, and then asked APNs.
        last = shown.certificate.not_valid_after_utc - timedelta(seconds=3)
        return stage.judge(options=options, now=min(datetime.now(UTC), last))


@pytest.mark.parametrize("row", SPOILED, ids=[f"{row.check or 'none'}-{row.what}" for row in SPOILED])
def test_what_is_spoiled_is_what_is_said(stage: Stage, row: Row) -> None:
    report = judged(stage, row.place, row.shows)
    ends_soon = {"CRT3": "warning"} if row.shows is expired_just_now else {}
    said = {check: of(report, check) for check in sorted(OF_PUSH)}
    assert hits(report) == {**({row.check: "failed"} if row.check else {}), **ends_soon}, said
    # What failed hides what comes after it, and nothing before it. Where it was not asked, all of that is unknown.
    order = ["APN1", "APN2", "APN3"]
    hidden = set(order[order.index(row.check) + 1 :]) if row.check else {"APN2", "APN3"}
    assert untested(report) & OF_PUSH - {"APN1"} == hidden - {"APN1"}, said
    assert row.evidence in said[row.check or "APN2"], said
    if row.check not in ("", "APN1"):
        assert "APN1" not in untested(report), said


@pytest.mark.parametrize("reason", ["400:DeviceTokenNotForTopic", "410:Unregistered", "410:ExpiredToken"])
def test_a_word_about_the_token_is_all_that_is_wanted(stage: Stage, reason: str) -> None:
    report = judged(stage, apns(f"status:{reason}"))
    assert hits(report) == {} and not untested(report) & OF_PUSH
    assert "likely accepted" in of(report, "APN2") and "likely accepted" in of(report, "APN3")


def test_every_check_of_push_is_spoiled() -> None:
    assert {row.check for row in SPOILED} - {""} == OF_PUSH
