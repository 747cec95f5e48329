"""What a certificate lacks is found here or at Apple, and Apple is asked whether it was revoked."""

from __future__ import annotations

import asyncio
import datetime as dt
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from threading import current_thread
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from livepass.emulators.authority import Authority, AuthorityServer, Issued
from livepass.outside.authorities import HttpAuthorities
from livepass.pkpass import Template
from livepass.service.admitting import Terms
from livepass.service.refusals import NotFound, Refusal
from livepass.service.seams import Authorities
from pkpass.spoiled import again
from service.rig import DAY, OTHER, TEAM, TYPE, Rig, SetClock, rig, template


@pytest.fixture(scope="module")
def apple() -> Iterator[AuthorityServer]:
    with AuthorityServer(Authority()) as running:
        yield running


@pytest.fixture(autouse=True)
def quiet(apple: AuthorityServer) -> Iterator[None]:
    apple.forget()
    yield
    apple.mend()


class Interrupted:
    """Apple, and what else happens before it answers, once."""

    def __init__(self, real: Authorities) -> None:
        self._real = real
        self.meanwhile: Callable[[], Awaitable[object]] | None = None

    async def ask(self, address: str, **more: Any) -> bytes:
        meanwhile, self.meanwhile = self.meanwhile, None
        if meanwhile is not None:
            await meanwhile()
        return await self._real.ask(address, **more)


@dataclass(frozen=True)
class Desk:
    """A service whose Apple is emulated, and the portal."""

    apple: AuthorityServer
    service: Rig
    authorities: Interrupted

    @property
    def authority(self) -> Authority:
        return self.apple.authority

    def asked(self) -> list[str]:
        """What Apple was asked since, of what kind."""
        kinds = [hit.what or "?" for hit in self.apple.hits]
        self.apple.forget()
        return kinds

    async def cer(self, request_pem: bytes, pass_type: str = TYPE, **wanted: Any) -> bytes:
        return self.authority.from_csr(request_pem, pass_type, TEAM, **wanted)

    async def refused(self, work: Awaitable[object], code: str, said: str) -> Refusal:
        with pytest.raises(Refusal, match=said) as refused:
            await work
        assert refused.value.code == code
        assert refused.value.hint
        return refused.value


@asynccontextmanager
async def desk(directory: Path, apple: AuthorityServer, hosts: Sequence[str] | None = None) -> AsyncIterator[Desk]:
    named = [apple.url.removeprefix("http://")] if hosts is None else hosts
    clock = SetClock(int(apple.authority.clock().timestamp() * 1000))
    authorities = Interrupted(HttpAuthorities(named, seconds=5.0))
    async with rig(directory, None, publish=False, clock=clock, authorities=authorities) as service:
        apple.authority.clock = lambda: dt.datetime.fromtimestamp(clock.at / 1000, dt.UTC)
        try:
            yield Desk(apple, service, authorities)
        finally:
            apple.authority.clock = lambda: dt.datetime.now(dt.UTC)


Steps = Callable[[Desk], Awaitable[None]]


@pytest.fixture
def at_desk(tmp_path: Path, apple: AuthorityServer) -> Callable[..., None]:
    def run(steps: Steps, hosts: Sequence[str] | None = None) -> None:
        async def main() -> None:
            async with desk(tmp_path, apple, hosts) as here:
                await steps(here)

        asyncio.run(main())

    return run


AtDesk = Callable[..., None]

# ── keys that were made here


def test_a_certificate_alone_finds_its_key_and_everything_else(at_desk: AtDesk) -> None:
    async def steps(here: Desk) -> None:
        service, requests = here.service, here.service.admitting.requests
        made, pem = await requests.make(TYPE, "Gym", "a@b.example")
        service.clock.pass_(1)
        other, _ = await requests.make()
        assert [row.id for row in await requests.waiting()] == [made.id, other.id]
        taken = await service.admitting.import_certificate(await here.cer(pem))
        assert here.asked() == ["intermediate", "ocsp"]
        assert [problem.rule for problem in taken.problems] == ["foreign-root"]
        assert await service.signs() == taken.certificate.id
        assert await requests.waiting() == [other], "an answered request waits no more"
        await service.publishing.publish(template(), wait=True)
        await service.issue("1")
        again = await service.admitting.import_certificate(await here.cer(pem))
        assert (again.certificate.live, again.certificate.id != taken.certificate.id) == (False, True)
        assert here.asked() == ["ocsp"], "the key and the intermediate were here"

    at_desk(steps)


def test_a_certificate_without_its_key_says_which_keys_wait(at_desk: AtDesk) -> None:
    async def steps(here: Desk) -> None:
        admitting = here.service.admitting
        stranger = here.authority.pass_certificate(TYPE, TEAM)
        refused = await here.refused(admitting.import_certificate(stranger.cer), "no_key", "no key waits here")
        assert "Keychain" in refused.hint and "livepass cert csr" in refused.hint
        one, _ = await admitting.requests.make(OTHER)
        here.service.clock.pass_(1)
        two, _ = await admitting.requests.make()
        said = re.escape(f"the keys that wait here are {one.id} ({OTHER}), {two.id}")
        await here.refused(admitting.import_certificate(stranger.certificate_pem), "no_key", said)
        assert len(await admitting.requests.waiting()) == 2
        await admitting.requests.remove(one.id)
        with pytest.raises(NotFound):
            await admitting.requests.remove(one.id)
        assert await admitting.requests.waiting() == [two]

    at_desk(steps)


def test_a_key_that_was_meant_for_another_pass_type_is_said(at_desk: AtDesk) -> None:
    async def steps(here: Desk) -> None:
        _, pem = await here.service.admitting.requests.make(OTHER)
        taken = await here.service.admitting.import_certificate(await here.cer(pem))
        assert [problem.rule for problem in taken.problems] == ["foreign-root", "other-pass-type"]
        assert taken.certificate.live

    at_desk(steps)


def test_the_key_of_a_request_is_stored_sealed_and_sealed_anew(at_desk: AtDesk) -> None:
    async def steps(here: Desk) -> None:
        service = here.service
        made, pem = await service.admitting.requests.make(TYPE)
        assert made.key_sealed in service.on_disk()
        assert b"PRIVATE" not in service.on_disk() and b"PRIVATE" not in pem
        counts = {one.kind.value: one.count for one in (await service.safekeeping.seals()).counts}
        assert counts["signing request key"] == 1

    at_desk(steps)


# ── the intermediate


def bare(issued: Issued) -> bytes:
    return issued.p12("geheim", intermediate=False)


def test_an_intermediate_is_fetched_once_and_kept(at_desk: AtDesk) -> None:
    async def steps(here: Desk) -> None:
        admitting = here.service.admitting
        await admitting.import_p12(bare(here.authority.pass_certificate(TYPE, TEAM)), "geheim")
        assert here.asked() == ["intermediate", "ocsp"]
        await admitting.import_p12(bare(here.authority.pass_certificate(OTHER, TEAM)), "geheim")
        assert here.asked() == ["ocsp"]
        await admitting.import_p12(bare(here.authority.pass_certificate(TYPE, TEAM, generation="G3")), "geheim")
        assert here.asked() == ["intermediate", "ocsp"], "another generation is another intermediate"

    at_desk(steps)


def test_what_came_along_or_was_given_is_not_asked_for(at_desk: AtDesk) -> None:
    async def steps(here: Desk) -> None:
        admitting, issued = here.service.admitting, here.authority.pass_certificate(TYPE, TEAM)
        await admitting.import_p12(issued.p12("geheim"), "geheim")
        assert here.asked() == ["ocsp"]
        given = here.authority.pass_certificate(OTHER, TEAM, generation="G3")
        der = here.authority.issuer("G3").certificate.public_bytes(Encoding.DER)
        await admitting.import_p12(bare(given), "geheim", Terms(intermediate=der))
        assert here.asked() == ["ocsp"]
        wrong = Terms(intermediate=here.authority.intermediate.public_bytes(Encoding.PEM))
        await here.refused(
            admitting.import_p12(bare(given), "geheim", wrong), "certificate_refused", r"given is .*\(G4\).*\(G3\)"
        )
        assert here.asked() == [], "a wrong one that was given is refused, not passed over"

    at_desk(steps)


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("down", "is missing"),
        ("cut", "is missing"),
        ("500", "it answered 500"),
        ("html", "something else than a certificate"),
        ("garbage", "something else than a certificate"),
        ("wrong-generation", "answered G3, which did not issue this certificate"),
    ],
)
def test_what_cannot_be_fetched_says_where_to_download_what(at_desk: AtDesk, fault: str, said: str) -> None:
    async def steps(here: Desk) -> None:
        admitting, issued = here.service.admitting, here.authority.pass_certificate(TYPE, TEAM)
        here.apple.spoil(fault, None if fault == "down" else "intermediate")
        refused = await here.refused(admitting.import_p12(bare(issued), "geheim"), "certificate_refused", said)
        assert "the WWDR intermediate G4 is missing" in refused.title
        assert "download the WWDR intermediate G4" in refused.hint
        assert f"{here.apple.url}/wwdrg4.der" in refused.hint and "--intermediate FILE" in refused.hint
        assert await here.service.store.certificates(None) == []
        here.apple.mend()
        assert (await admitting.import_p12(bare(issued), "geheim")).certificate.live

    at_desk(steps)


def test_what_came_along_in_its_place_is_named(at_desk: AtDesk) -> None:
    async def steps(here: Desk) -> None:
        mixed_up = replace(
            here.authority.pass_certificate(TYPE, TEAM), intermediate=here.authority.issuer("G3").certificate
        )
        here.apple.spoil("down")
        refused = here.service.admitting.import_p12(mixed_up.p12("x"), "x")
        await here.refused(refused, "certificate_refused", "G4 is missing; what came along is G3")
        here.apple.mend()
        assert (await here.service.admitting.import_p12(mixed_up.p12("x"), "x")).certificate.live

    at_desk(steps)


@pytest.mark.parametrize("hosts", [[], ["certs.apple.com", "ocsp.apple.com", "crl.apple.com"]])
def test_a_certificate_does_not_choose_whom_the_server_asks(at_desk: AtDesk, hosts: list[str]) -> None:
    async def steps(here: Desk) -> None:
        admitting, issued = here.service.admitting, here.authority.pass_certificate(TYPE, TEAM)
        refused = admitting.import_p12(bare(issued), "geheim")
        await here.refused(refused, "certificate_refused", "LIVEPASS_CERTIFICATE_HOSTS")
        taken = await admitting.import_p12(issued.p12("geheim"), "geheim")
        assert [problem.rule for problem in taken.problems] == ["revocation-unknown", "foreign-root"]
        assert here.asked() == []

    at_desk(steps, hosts)


def renewed(authority: Authority, days: int) -> x509.Certificate:
    """The same authority key, certified anew."""
    root = authority.at("root")
    assert root is not None
    return again(authority.intermediate, root, ends=authority.intermediate.not_valid_after_utc + dt.timedelta(days))


def test_the_same_certificate_again_is_harmless_and_renews_its_intermediate(at_desk: AtDesk) -> None:
    async def steps(here: Desk) -> None:
        admitting, store = here.service.admitting, here.service.store
        issued = here.authority.pass_certificate(TYPE, TEAM)
        first = (await admitting.import_p12(issued.p12("x"), "x")).certificate
        longer = renewed(here.authority, 900)
        later = replace(issued, intermediate=longer)
        second = (await admitting.import_p12(later.p12("x"), "x")).certificate
        assert (second.id, second.live) == (first.id, True)
        assert second.intermediate_not_after > first.intermediate_not_after
        assert longer.public_bytes(Encoding.PEM) in second.chain_pem
        # The old file once more does not bring the old intermediate back; whoever means it, says so.
        third = (await admitting.import_p12(issued.p12("x"), "x")).certificate
        assert third.intermediate_not_after == second.intermediate_not_after
        given = Terms(intermediate=issued.intermediate_pem)
        fourth = (await admitting.import_certificate(issued.cer, given)).certificate
        assert fourth.intermediate_not_after == first.intermediate_not_after
        [row] = await store.certificates(TYPE)
        assert (row.id, row.live) == (first.id, True)

    at_desk(steps)


# ── revocation


def test_what_was_revoked_is_refused(at_desk: AtDesk) -> None:
    async def steps(here: Desk) -> None:
        admitting, issued = here.service.admitting, here.authority.pass_certificate(TYPE, TEAM)
        here.authority.revoke(issued.certificate, reason=x509.ReasonFlags.key_compromise)
        said = r"is revoked since 20.* \(keyCompromise\)"
        await here.refused(admitting.import_p12(issued.p12("x"), "x"), "revoked", said)
        assert here.asked() == ["ocsp"]
        here.apple.spoil("cut", "ocsp")
        await here.refused(admitting.import_p12(issued.p12("x"), "x"), "revoked", said)
        assert here.asked() == ["ocsp", "crl"], "where the responder is silent, the list is read"
        assert await here.service.store.certificates(None) == []

    at_desk(steps)


@pytest.mark.parametrize("fault", ["cut", "500", "html", "garbage", "stale", "another", "wrong-key"])
def test_what_nobody_can_be_asked_about_is_taken_and_said(at_desk: AtDesk, fault: str) -> None:
    """Also where it was revoked in truth: a phone would not know it either."""

    async def steps(here: Desk) -> None:
        issued = here.authority.pass_certificate(TYPE, TEAM)
        here.apple.spoil(fault)
        taken = await here.service.admitting.import_p12(issued.p12("x"), "x")
        assert taken.certificate.live
        [said] = [problem for problem in taken.problems if problem.rule == "revocation-unknown"]
        assert f"{here.apple.url}/ocsp03-wwdrg4: " in said.message and f"{here.apple.url}/wwdrg4.crl: " in said.message
        assert said.remedy
        assert here.asked() == ["ocsp", "crl"]

    at_desk(steps)


def test_what_happened_while_apple_was_asked_counts(at_desk: AtDesk) -> None:
    async def steps(here: Desk) -> None:
        admitting = here.service.admitting
        first, second = (here.authority.pass_certificate(TYPE, TEAM).p12("x") for _ in range(2))
        here.authorities.meanwhile = lambda: admitting.import_p12(first, "x")
        taken = await admitting.import_p12(second, "x")
        live = await here.service.signs()
        assert (taken.certificate.live, taken.certificate.id == live) == (False, False), "the other one was first"
        ours, theirs = (here.authority.pass_certificate(OTHER, team).p12("x") for team in (TEAM, "OTHER12345"))
        here.authorities.meanwhile = lambda: admitting.import_p12(theirs, "x")
        await here.refused(admitting.import_p12(ours, "x"), "wrong_team", "belongs to team OTHER12345")
        assert len(await here.service.store.certificates(OTHER)) == 1

    at_desk(steps)


# ── what it can do


def test_nfc_is_not_lost_unawares(at_desk: AtDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    async def steps(here: Desk) -> None:
        service, admitting = here.service, here.service.admitting
        plain, nfc = (here.authority.pass_certificate(TYPE, TEAM, nfc=each).p12("x") for each in (False, True))
        live = (await admitting.import_p12(nfc, "x")).certificate
        assert live.nfc
        said = f"the live certificate {live.id} may use NFC, this one may not: no template and no pass here"
        await here.refused(admitting.import_p12(plain, "x"), "nfc_lost", said)
        await service.publishing.publish(template("gold", nfc={"message": "m", "encryptionPublicKey": "k"}), wait=True)
        await service.publishing.publish(template(), wait=True)
        for serial in ("a", "b"):
            await service.issue(serial)
        content = b'{"nfc":{"message":"m","encryptionPublicKey":"k"}}'
        service.elsewhere("UPDATE pass SET document = :document WHERE serial = 'b'", document=content)
        said = "nfc stands in template gold and in 1 pass: b"
        threads: list[str] = []
        opened = Template.from_zip
        with monkeypatch.context() as watched:
            watched.setattr(
                Template, "from_zip", lambda *given: (threads.append(current_thread().name), opened(*given))[1]
            )
            refused = await here.refused(admitting.import_p12(plain, "x"), "nfc_lost", said)
        assert [name.partition("_")[0] for name in threads] == ["livepass-aside"] * 2, "phones are answered meanwhile"
        assert "--accept-nfc-loss" in refused.hint
        taken = await admitting.import_p12(plain, "x", Terms(accept_nfc_loss=True))
        assert (taken.certificate.nfc, taken.certificate.live) == (False, False)
        other_type = here.authority.pass_certificate(OTHER, TEAM).p12("x")
        assert (await admitting.import_p12(other_type, "x")).certificate.live, "another pass type loses nothing"

    at_desk(steps)


def test_one_without_a_marker_for_apns_says_so(at_desk: AtDesk) -> None:
    async def steps(here: Desk) -> None:
        issued = here.authority.pass_certificate(TYPE, TEAM, push="none")
        taken = await here.service.admitting.import_p12(issued.p12("x"), "x")
        assert [problem.rule for problem in taken.problems] == ["foreign-root", "no-apns"]

    at_desk(steps)


# ── forms


def test_every_form_of_the_same_certificate_is_the_same(at_desk: AtDesk, tmp_path: Path) -> None:
    async def steps(here: Desk) -> None:
        admitting, issued = here.service.admitting, here.authority.pass_certificate(TYPE, TEAM)
        cer, locked = issued.cer, issued.pem_pair("geheim", traditional=True)[1]
        taken = [
            await admitting.import_p12(issued.p12("x"), "x"),
            await admitting.import_p12(issued.p12("x", legacy=True), "x"),
            await admitting.import_pem(issued.certificate_pem + issued.intermediate_pem, issued.key_pem),
            await admitting.import_pem(cer, locked, issued.intermediate_pem, password="geheim"),
            await admitting.import_certificate(cer),
        ]
        assert len({each.certificate.id for each in taken}) == 1
        for attempt, said in (
            (admitting.import_pem(cer, locked), "it is encrypted"),
            (admitting.import_pem(cer, locked, password="falsch"), "could not be read"),
            (admitting.import_pem(cer, issued.key_pem, password="geheim"), "has no password"),
        ):
            refused = await here.refused(attempt, "certificate_refused", said)
            assert refused.hint

    at_desk(steps)


def test_a_key_of_another_certificate_is_refused_before_anybody_is_asked(at_desk: AtDesk) -> None:
    async def steps(here: Desk) -> None:
        one, two = (here.authority.pass_certificate(TYPE, TEAM) for _ in range(2))
        for attempt in (
            here.service.admitting.import_pem(one.certificate_pem, two.key_pem),
            here.service.admitting.import_p12(replace(one, key=two.key).p12("x", intermediate=False), "x"),
        ):
            await here.refused(attempt, "certificate_refused", "does not belong to the certificate")
        assert here.asked() == []

    at_desk(steps)


def test_what_is_refused_leaves_nothing_behind(at_desk: AtDesk) -> None:
    async def steps(here: Desk) -> None:
        admitting, store = here.service.admitting, here.service.store
        _, pem = await admitting.requests.make(TYPE)
        waiting = await admitting.requests.waiting()
        spoiled: dict[str, dict[str, Any]] = {
            "but marked": {"marker": "Le Club"},
            "sandbox alone": {"push": "development"},
            "not meant for signing": {"passbook_eku": False},
            "expired on": {"starts": dt.timedelta(days=-50), "days": 40},
            "is valid from": {"starts": dt.timedelta(days=1)},
            "intermediate expired": {"generation": "G1"},
            "WWDR marker": {"generation": "G2"},
        }
        for said, wanted in spoiled.items():
            cer = await here.cer(pem, **wanted)
            await here.refused(admitting.import_certificate(cer), "certificate_refused", said)
        assert await store.certificates(None) == []
        assert await store.pass_types() == []
        assert await admitting.requests.waiting() == waiting, "the key waits for a better one"
        here.service.clock.pass_(DAY)
        assert (await admitting.import_certificate(await here.cer(pem))).certificate.live

    at_desk(steps)
