"""The sender over real TLS against a server with bad days. Each message has exactly one answer, whatever happens."""

from __future__ import annotations

import asyncio
import datetime as dt
import gc
import os
import ssl
import time
from collections.abc import Awaitable, Callable

import pytest

from apns.conftest import Body, Ledger, credential_of, deliver
from apns.hostile import Hostile, Session, doorkeeper
from apns.peer import TOPIC, message
from livepass.apns import ApnsSender, Patience
from livepass.apns.tls import UnusableCredential, client_context
from livepass.core.trip2_push import PushAnswer, PushCredential, PushMessage
from livepass.emulators.authority import Authority

Serve = Callable[[Body], Hostile]

QUICK = Patience(busy=0.2, reply=0.2, connect=2.0, farewell=0.3)

both_loops = pytest.mark.parametrize("serve", ["asyncio", "uvloop"], indirect=True)


def sender_for(server: Hostile, authority: Authority, **options: object) -> ApnsSender:
    chosen: dict[str, object] = {"ca_pem": authority.root_pem, "deadline": 10.0, "patience": QUICK, "draw": lambda: 0.0}
    return ApnsSender(server.url, **{**chosen, **options})  # type: ignore[arg-type]


def messages(count: int, start: int = 0) -> list[PushMessage]:
    return [message(start + number) for number in range(count)]


class TestGoodDays:
    @both_loops
    def test_two_thousand_pushes(self, serve: Serve, authority: Authority, credential: PushCredential) -> None:
        async def body(server: Hostile) -> None:
            sender = sender_for(server, authority)
            ledger = await deliver(sender, credential, messages(2000))
            assert ledger.tally == {(200, ""): 2000}
            stats = sender.stats()["cert-1"]
            assert (stats.opened, stats.open, stats.answered, stats.in_flight, stats.waiting) == (1, 1, 2000, 0, 0)
            await sender.close()
            assert [session.farewell is not None for session in server.sessions] == [True]

        serve(body)

    def test_connections_share_the_load(self, serve: Serve, authority: Authority, credential: PushCredential) -> None:
        async def body(server: Hostile) -> None:
            server.streams = 20
            sender = sender_for(server, authority, connections=3)
            sends = [deliver(sender, credential, messages(300, n * 300)) for n in range(4)]
            for ledger in await asyncio.gather(*sends):
                assert ledger.tally == {(200, ""): 300}
            assert len(server.sessions) == 3
            assert min(len(session.heard) for session in server.sessions) > 50
            await sender.close()

        serve(body)

    def test_a_410_has_its_timestamp_and_id(
        self, serve: Serve, authority: Authority, credential: PushCredential
    ) -> None:
        def script(session: Session, stream: int, apns_id: str) -> None:
            if stream % 4 == 1:
                session.answer(stream, 410, b'{"reason":"Unregistered","timestamp":1700000000123}')
            else:
                session.answer(stream, 400, b'{"reason":"BadDeviceToken","timestamp":5}')

        async def body(server: Hostile) -> None:
            server.script = script
            sender = sender_for(server, authority)
            ledger = await deliver(sender, credential, messages(2))
            first, second = sorted(ledger.answers, key=lambda answer: answer.message.apns_id)
            assert (first.status, first.reason, first.timestamp) == (410, "Unregistered", 1_700_000_000_123)
            assert (second.status, second.reason, second.timestamp) == (400, "BadDeviceToken", None)
            assert first.apns_id == "ECHO"
            await sender.close()

        serve(body)

    def test_prior_knowledge_without_alpn(self, serve: Serve, authority: Authority, credential: PushCredential) -> None:
        async def body(server: Hostile) -> None:
            await server.down()
            server.alpn = False
            await server.up()
            sender = sender_for(server, authority)
            assert (await deliver(sender, credential, messages(5))).tally == {(200, ""): 5}
            await sender.close()

        serve(body)

    def test_an_unwritable_message_spoils_no_other(
        self, serve: Serve, authority: Authority, credential: PushCredential
    ) -> None:
        async def body(server: Hostile) -> None:
            sender = sender_for(server, authority)
            ledger = await deliver(
                sender, credential, [*messages(3), message(9, topic="a\nb"), message(10, payload=b"")]
            )
            assert ledger.tally == {(200, ""): 4, (0, "ProtocolError"): 1}
            await sender.close()

        serve(body)


class TestFarewells:
    @both_loops
    def test_goaway_under_load_loses_and_repeats_nothing(
        self, serve: Serve, authority: Authority, credential: PushCredential
    ) -> None:
        taken: list[str] = []

        def script(session: Session, stream: int, apns_id: str) -> None:
            # Takes 150 requests, says goodbye in the middle of them, and answers those it took only afterwards.
            if stream > 299:
                return
            taken.append(apns_id)
            session.waiting.append(stream)
            if stream == 299:
                session.goaway(299)
                for waiting in list(session.waiting):
                    session.answer(waiting, *((410, b'{"reason":"Unregistered"}') if waiting % 8 == 1 else (200,)))
            elif stream < 200:
                session.answer(stream)
            elif "timer" not in session.notes:
                # For the last connection, which never gets as far as its goodbye.
                session.notes["timer"] = asyncio.get_running_loop().call_later(0.3, finish, session)

        def finish(session: Session) -> None:
            for waiting in list(session.waiting):
                session.answer(waiting)
            session.flush()

        async def body(server: Hostile) -> None:
            server.script = script
            sender = sender_for(server, authority)
            ledger = await deliver(sender, credential, messages(2000))
            assert {status for status, _ in ledger.tally} <= {200, 410}
            assert len(taken) == len(set(taken)) == 2000
            assert len(server.sessions) == 14
            await sender.close()

        serve(body)

    def test_a_condemned_certificate_is_not_tried_over_and_over(
        self, serve: Serve, authority: Authority, credential: PushCredential
    ) -> None:
        def script(session: Session, stream: int, apns_id: str) -> None:
            session.goaway(0, "BadCertificate")
            session.transport.close()

        async def body(server: Hostile) -> None:
            server.script = script
            sender = sender_for(server, authority)
            for start in (0, 500, 1000):
                ledger = await deliver(sender, credential, messages(300, start))
                assert ledger.tally == {(403, "BadCertificate"): 300}
            assert len(server.sessions) == 1
            await sender.close()

        serve(body)

    def test_a_certificate_condemned_with_answers_in_flight(
        self, serve: Serve, authority: Authority, credential: PushCredential
    ) -> None:
        def script(session: Session, stream: int, apns_id: str) -> None:
            if stream == 21:
                session.goaway(21, "BadCertificateEnvironment")
                for taken in range(1, 22, 4):
                    session.answer(taken)
                session.flush()
                session.transport.close()

        async def body(server: Hostile) -> None:
            server.script = script
            sender = sender_for(server, authority)
            ledger = await deliver(sender, credential, messages(100))
            assert ledger.tally == {(200, ""): 6, (403, "BadCertificateEnvironment"): 94}
            await sender.close()

        serve(body)

    def test_goodbye_at_every_hello_is_no_storm(
        self, serve: Serve, authority: Authority, credential: PushCredential
    ) -> None:
        def script(session: Session, stream: int, apns_id: str) -> None:
            session.goaway(0, "Shutdown")
            session.transport.close()

        async def body(server: Hostile) -> None:
            server.script = script
            sender = sender_for(server, authority, deadline=2.5)
            ledger = await deliver(sender, credential, messages(50))
            assert ledger.tally == {(0, "Unreachable"): 50}
            assert len(server.sessions) <= 3
            await sender.close()

        serve(body)


class TestLosses:
    @both_loops
    def test_cut_connections(self, serve: Serve, authority: Authority, credential: PushCredential) -> None:
        def script(session: Session, stream: int, apns_id: str) -> None:
            # Each of the first seven answers two in three, and is gone after 200 requests.
            last = len(session.server.sessions) >= 8
            if last or len(session.heard) % 3:
                session.answer(stream)
            if not last and len(session.heard) == 200:
                session.flush()
                session.cut()

        async def body(server: Hostile) -> None:
            server.script = script
            sender = sender_for(server, authority)
            ledger = await deliver(sender, credential, messages(1500))
            assert set(ledger.tally) <= {(200, ""), (0, "ConnectionLost"), (0, "Timeout")}
            await sender.close()

        serve(body)

    def test_a_connection_cut_once_costs_nothing(
        self, serve: Serve, authority: Authority, credential: PushCredential
    ) -> None:
        def script(session: Session, stream: int, apns_id: str) -> None:
            session.answer(stream)
            if session is session.server.sessions[0] and len(session.heard) == 100:
                session.flush()
                session.transport.close()

        async def body(server: Hostile) -> None:
            server.script = script
            sender = sender_for(server, authority)
            ledger = await deliver(sender, credential, messages(1000))
            assert ledger.tally == {(200, ""): 1000}
            assert len(server.sessions) == 2
            await sender.close()

        serve(body)

    def test_a_push_that_always_loses_its_connection(
        self, serve: Serve, authority: Authority, credential: PushCredential
    ) -> None:
        async def body(server: Hostile) -> None:
            server.script = lambda session, stream, apns_id: session.cut()
            sender = sender_for(server, authority)
            ledger = await deliver(sender, credential, messages(20))
            assert ledger.tally == {(0, "ConnectionLost"): 20}
            assert len(server.sessions) == 3
            await sender.close()

        serve(body)

    def test_refused_streams_are_sent_again(
        self, serve: Serve, authority: Authority, credential: PushCredential
    ) -> None:
        refused: set[str] = set()

        def script(session: Session, stream: int, apns_id: str) -> None:
            if apns_id in refused:
                session.answer(stream)
            else:
                refused.add(apns_id)
                session.h2.reset_stream(stream, 7)

        async def body(server: Hostile) -> None:
            server.script = script
            sender = sender_for(server, authority)
            ledger = await deliver(sender, credential, messages(200))
            assert ledger.tally == {(200, ""): 200}
            assert sender.stats()["cert-1"].sent_again == 200
            await sender.close()

        serve(body)

    @pytest.mark.parametrize("code", [7, 2])
    def test_streams_that_are_always_reset(
        self, serve: Serve, authority: Authority, credential: PushCredential, code: int
    ) -> None:
        async def body(server: Hostile) -> None:
            server.script = lambda session, stream, apns_id: session.h2.reset_stream(stream, code)
            sender = sender_for(server, authority)
            ledger = await deliver(sender, credential, messages(30))
            assert ledger.tally == {(0, "ConnectionLost"): 30}
            await sender.close()

        serve(body)

    @both_loops
    def test_a_stalled_server_and_then_a_good_one(
        self, serve: Serve, authority: Authority, credential: PushCredential
    ) -> None:
        async def body(server: Hostile) -> None:
            sender = sender_for(server, authority, deadline=1.0, patience=Patience(farewell=0.2))
            assert (await deliver(sender, credential, messages(5))).tally == {(200, ""): 5}
            server.deaf = True
            assert (await deliver(sender, credential, messages(100, 100))).tally == {(0, "Timeout"): 100}
            server.deaf = False
            assert (await deliver(sender, credential, messages(100, 300))).tally == {(200, ""): 100}
            assert len(server.sessions) == 2
            await sender.close()

        serve(body)

    def test_slow_answers_do_not_cost_the_connection(
        self, serve: Serve, authority: Authority, credential: PushCredential
    ) -> None:
        def script(session: Session, stream: int, apns_id: str) -> None:
            if stream > 1:
                session.answer(stream)

        async def body(server: Hostile) -> None:
            server.script = script
            sender = sender_for(server, authority, deadline=0.6, patience=Patience())
            ledgers = await asyncio.gather(
                deliver(sender, credential, messages(1)),
                *(_later(0.1 * n, deliver(sender, credential, messages(3, 10 * n))) for n in range(1, 5)),
            )
            assert [dict(ledger.tally) for ledger in ledgers] == [{(0, "Timeout"): 1}] + [{(200, ""): 3}] * 4
            assert len(server.sessions) == 1
            assert server.sessions[0].pings == 0
            await sender.close()

        serve(body)

    def test_a_silent_connection_is_asked_and_left(
        self, serve: Serve, authority: Authority, credential: PushCredential
    ) -> None:
        def script(session: Session, stream: int, apns_id: str) -> None:
            if session is session.server.sessions[0]:
                session.server.deaf = True
                asyncio.get_running_loop().call_later(0.25, setattr, session.server, "deaf", False)
                session.data_received = lambda data: None  # type: ignore[method-assign]
            else:
                session.answer(stream)

        async def body(server: Hostile) -> None:
            server.script = script
            sender = sender_for(server, authority)
            ledger = await deliver(sender, credential, messages(50))
            assert ledger.tally == {(200, ""): 50}
            assert len(server.sessions) == 2
            await sender.close()

        serve(body)

    def test_an_idle_connection_is_asked_and_kept(
        self, serve: Serve, authority: Authority, credential: PushCredential
    ) -> None:
        async def body(server: Hostile) -> None:
            patience = Patience(busy=10, idle=0.2, reply=0.2)
            sender = sender_for(server, authority, patience=patience)
            await deliver(sender, credential, messages(1))
            await asyncio.sleep(0.8)
            assert server.sessions[0].pings >= 1
            await deliver(sender, credential, messages(1, 5))
            assert len(server.sessions) == 1
            await sender.close()

        serve(body)

    @pytest.mark.parametrize("greeting", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\0\0\x06\x04\0\0\0\0\0\0\2\0\0\0\1"])
    def test_a_server_that_speaks_something_else(
        self, serve: Serve, authority: Authority, credential: PushCredential, greeting: bytes
    ) -> None:
        async def body(server: Hostile) -> None:
            server.greeting = greeting
            sender = sender_for(server, authority, deadline=1.5)
            ledger = await deliver(sender, credential, messages(10))
            assert ledger.tally == {(0, "Unreachable"): 10}
            assert "HTTP/2" in sender.stats()["cert-1"].last_error
            await sender.close()

        serve(body)

    def test_a_server_that_breaks_the_protocol_midway(
        self, serve: Serve, authority: Authority, credential: PushCredential
    ) -> None:
        async def body(server: Hostile) -> None:
            server.script = lambda session, stream, apns_id: session.transport.write(b"\0\0\1\6\0\0\0\0\0x")
            sender = sender_for(server, authority)
            ledger = await deliver(sender, credential, messages(10))
            assert ledger.tally == {(0, "ProtocolError"): 10}
            assert server.sessions[0].farewell is not None
            await sender.close()

        serve(body)


class TestLimits:
    @both_loops
    def test_five_hundred_one_and_back(self, serve: Serve, authority: Authority, credential: PushCredential) -> None:
        def script(session: Session, stream: int, apns_id: str) -> None:
            # As reported of APNs: one rejection takes the limit to 1, the next success gives it back.
            number = len(session.heard)
            if number % 400 == 100:
                session.limit(1)
                session.answer(stream, 400, b'{"reason":"BadDeviceToken"}')
                session.notes["low"] = number
            elif "low" in session.notes and number > session.notes["low"] + 50:
                del session.notes["low"]
                session.answer(stream)
                session.limit(500)
            else:
                session.answer(stream)

        async def body(server: Hostile) -> None:
            server.script = script
            sender = sender_for(server, authority)
            ledger = await deliver(sender, credential, messages(2000))
            assert ledger.tally == {(200, ""): 1995, (400, "BadDeviceToken"): 5}
            assert len(server.sessions) == 1
            await sender.close()

        serve(body)

    def test_the_limit_is_kept_to(self, serve: Serve, authority: Authority, credential: PushCredential) -> None:
        seen: list[int] = []

        def script(session: Session, stream: int, apns_id: str) -> None:
            seen.append(session.h2.open_inbound_streams)
            asyncio.get_running_loop().call_later(0.001, answer, session, stream)

        def answer(session: Session, stream: int) -> None:
            session.answer(stream)
            session.flush()

        async def body(server: Hostile) -> None:
            server.streams = 3
            server.script = script
            sender = sender_for(server, authority)
            ledger = await deliver(sender, credential, messages(200))
            assert ledger.tally == {(200, ""): 200}
            assert max(seen) == 3
            await sender.close()

        serve(body)


class TestCertificates:
    @both_loops
    @pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
    @pytest.mark.parametrize("kind", ["stranger", "expired"])
    def test_a_certificate_that_is_turned_away(
        self, serve: Serve, authority: Authority, strangers: Authority, version: ssl.TLSVersion, kind: str
    ) -> None:
        if kind == "stranger":
            issued = strangers.pass_certificate(TOPIC)
        else:
            issued = authority.pass_certificate(TOPIC, starts=dt.timedelta(days=-400), days=30)

        async def body(_: Hostile) -> None:
            with doorkeeper(authority, version) as door:
                sender = ApnsSender(door.url, ca_pem=authority.root_pem, patience=QUICK, draw=lambda: 0.0)
                for start in (0, 100):
                    ledger = await deliver(sender, credential_of(issued), messages(20, start))
                    assert ledger.tally == {(0, "CertificateRefused"): 20}
                await sender.close()
                assert door.callers == 1

        serve(body)

    def test_a_key_that_does_not_open(self, serve: Serve, authority: Authority, credential: PushCredential) -> None:
        async def body(server: Hostile) -> None:
            sender = sender_for(server, authority)
            wrong = PushCredential("w", TOPIC, credential.chain_pem, credential.key_pem, b"wrong password")
            assert (await deliver(sender, wrong, messages(5))).tally == {(0, "CertificateRefused"): 5}
            assert "wrong password" not in repr(sender.stats()) + repr(wrong)
            await sender.close()

        serve(body)

    @pytest.mark.parametrize("fault", ["unknown root", "other name"])
    def test_a_server_that_we_do_not_trust(
        self, serve: Serve, authority: Authority, strangers: Authority, credential: PushCredential, fault: str
    ) -> None:
        async def body(server: Hostile) -> None:
            ca = strangers.root_pem if fault == "unknown root" else authority.root_pem
            sender = sender_for(server, authority, ca_pem=ca, deadline=1.0)
            if fault == "other name":
                sender = ApnsSender(
                    f"https://localhost:{server.port}", ca_pem=ca, deadline=1.0, patience=QUICK, draw=lambda: 0.0
                )
            assert (await deliver(sender, credential, messages(5))).tally == {(0, "Unreachable"): 5}
            assert "CERTIFICATE_VERIFY_FAILED" in sender.stats()["cert-1"].last_error
            assert server.sessions == []
            await sender.close()

        serve(body)

    @pytest.mark.parametrize("memory", [True, False])
    def test_the_key_is_never_left_behind(
        self, credential: PushCredential, monkeypatch: pytest.MonkeyPatch, tmp_path: os.PathLike[str], memory: bool
    ) -> None:
        monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
        if not memory:
            monkeypatch.delattr(os, "memfd_create")
        before = len(os.listdir("/proc/self/fd"))
        context = client_context(credential)
        assert context.minimum_version is ssl.TLSVersion.TLSv1_2
        assert context.check_hostname
        assert context.verify_mode is ssl.CERT_REQUIRED
        with pytest.raises(UnusableCredential):
            client_context(PushCredential("x", TOPIC, b"no PEM", credential.key_pem, credential.password))
        gc.collect()
        assert os.listdir(tmp_path) == []
        assert len(os.listdir("/proc/self/fd")) == before

    def test_certificates_do_not_share_connections(
        self, serve: Serve, authority: Authority, credential: PushCredential
    ) -> None:
        async def body(server: Hostile) -> None:
            sender = sender_for(server, authority)
            other = credential_of(authority.pass_certificate("pass.test.other"), "cert-2")
            await asyncio.gather(deliver(sender, credential, messages(10)), deliver(sender, other, messages(10, 50)))
            assert len(server.sessions) == 2
            await sender.retire("cert-1")
            await sender.retire("unknown")
            assert list(sender.stats()) == ["cert-2"]
            assert len(server.live) == 1
            await sender.close()

        serve(body)


class TestBeingDown:
    @both_loops
    def test_down_and_then_up(self, serve: Serve, authority: Authority, credential: PushCredential) -> None:
        async def body(server: Hostile) -> None:
            await server.down()
            sender = sender_for(server, authority, deadline=0.5)
            began = time.monotonic()
            assert (await deliver(sender, credential, messages(100))).tally == {(0, "Unreachable"): 100}
            assert time.monotonic() - began < 5
            await sender.close()
            sender = sender_for(server, authority)
            sending = asyncio.create_task(deliver(sender, credential, messages(100)))
            await asyncio.sleep(0.3)
            await server.up()
            assert (await sending).tally == {(200, ""): 100}
            assert sender.stats()["cert-1"].failed >= 1
            await sender.close()

        serve(body)

    @pytest.mark.parametrize("url", ["https://name.invalid", "https://" + "a" * 70 + ".example", "https://127.0.0.1:1"])
    def test_nowhere(self, serve: Serve, credential: PushCredential, url: str) -> None:
        async def body(server: Hostile) -> None:
            sender = ApnsSender(url, deadline=0.4)
            assert (await deliver(sender, credential, messages(3))).tally == {(0, "Unreachable"): 3}
            await sender.close()

        serve(body)


class TestManners:
    def test_an_error_of_the_callers_is_raised_at_the_end(
        self, serve: Serve, authority: Authority, credential: PushCredential
    ) -> None:
        async def body(server: Hostile) -> None:
            sender = sender_for(server, authority)
            seen = []

            def answered(answer: PushAnswer) -> None:
                seen.append(answer.message.apns_id)
                if len(seen) == 3:
                    raise RuntimeError("the caller's")

            with pytest.raises(RuntimeError, match="the caller's"):
                await sender.send(credential, messages(20), answered)
            assert len(seen) == len(set(seen)) == 20
            await sender.close()

        serve(body)

    def test_cancelling_gives_up_and_the_rest_goes_on(
        self, serve: Serve, authority: Authority, credential: PushCredential
    ) -> None:
        async def body(server: Hostile) -> None:
            held: list[tuple[Session, int]] = []
            server.script = lambda session, stream, apns_id: held.append((session, stream))
            server.streams = 10
            sender = sender_for(server, authority, patience=Patience(farewell=0.2))
            first = asyncio.create_task(deliver(sender, credential, messages(50)))
            second = asyncio.create_task(deliver(sender, credential, messages(5, 100)))
            await _until(lambda: len(held) == 10)
            server.script = lambda session, stream, apns_id: session.answer(stream)
            first.cancel()
            assert (await second).tally == {(200, ""): 5}
            with pytest.raises(asyncio.CancelledError):
                await first
            stats = sender.stats()["cert-1"]
            assert (stats.in_flight, stats.waiting) == (0, 0)
            await sender.close()

        serve(body)

    def test_retire_delivers_what_was_accepted(
        self, serve: Serve, authority: Authority, credential: PushCredential
    ) -> None:
        async def body(server: Hostile) -> None:
            server.streams = 5
            sender = sender_for(server, authority)
            sending = asyncio.create_task(deliver(sender, credential, messages(500)))
            await _until(lambda: any(session.heard for session in server.sessions))
            await sender.retire("cert-1")
            assert sending.done() or (await asyncio.wait_for(sending, 1))
            assert sending.result().tally == {(200, ""): 500}
            await asyncio.sleep(0.05)
            assert server.live == set()
            assert sender.stats() == {}

        serve(body)

    def test_close_while_a_connection_is_being_opened(
        self, serve: Serve, authority: Authority, credential: PushCredential, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("livepass.apns.sender.CLOSE_GRACE", 0.1)

        async def body(server: Hostile) -> None:
            server.greeting = b""  # TLS stands, and nothing more is ever said
            sender = sender_for(server, authority)
            sending = asyncio.create_task(deliver(sender, credential, messages(10)))
            await _until(lambda: bool(server.live))
            assert sender.stats()["cert-1"].connecting == 1
            await sender.close()
            assert (await sending).tally == {(0, "ConnectionLost"): 10}
            await _until(lambda: not server.live)

        serve(body)

    def test_a_connection_that_never_greets(
        self, serve: Serve, authority: Authority, credential: PushCredential
    ) -> None:
        async def body(server: Hostile) -> None:
            server.greeting = b""
            sender = sender_for(server, authority, deadline=0.8, patience=Patience(connect=0.3))
            assert (await deliver(sender, credential, messages(10))).tally == {(0, "Unreachable"): 10}
            assert sender.stats()["cert-1"].failed >= 1
            await sender.close()

        serve(body)

    def test_close_answers_what_never_was(
        self, serve: Serve, authority: Authority, credential: PushCredential, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("livepass.apns.sender.CLOSE_GRACE", 0.2)

        async def body(server: Hostile) -> None:
            server.script = lambda session, stream, apns_id: None
            sender = sender_for(server, authority, patience=Patience(farewell=0.2))
            sending = asyncio.create_task(deliver(sender, credential, messages(1200)))
            await _until(lambda: any(session.heard for session in server.sessions))
            await sender.close()
            assert (await sending).tally == {(0, "ConnectionLost"): 1200}
            assert (await deliver(sender, credential, messages(3))).tally == {(0, "ConnectionLost"): 3}
            await sender.close()

        serve(body)

    def test_nothing_to_send_opens_nothing(
        self, serve: Serve, authority: Authority, credential: PushCredential
    ) -> None:
        async def body(server: Hostile) -> None:
            sender = sender_for(server, authority)
            await deliver(sender, credential, [])
            assert server.sessions == []
            assert sender.stats() == {}

        serve(body)

    @pytest.mark.parametrize("options", [{"connections": 0}, {"deadline": 0}])
    def test_impossible_options(self, options: dict[str, int]) -> None:
        with pytest.raises(ValueError):
            ApnsSender("https://a.example", **options)  # type: ignore[arg-type]


async def _later(seconds: float, what: Awaitable[Ledger]) -> Ledger:
    await asyncio.sleep(seconds)
    return await what


async def _until(true: Callable[[], bool]) -> None:
    while not true():  # noqa: ASYNC110 - the server's bookkeeping has no event to wait for
        await asyncio.sleep(0.005)
