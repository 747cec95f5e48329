"""Certificates come in: each proves itself, the first becomes live, and what is refused says what to do."""

from __future__ import annotations

import asyncio
import datetime as dt
from pathlib import Path

import pytest

from livepass.core.timeline import Kind
from livepass.emulators.authority import Authority, Issued
from livepass.service.admitting import Terms
from livepass.service.refusals import Forbidden, Refusal
from service.rig import DAY, OTHER, TEAM, TYPE, clock_of, rig


def test_the_first_becomes_live_and_the_next_waits(
    tmp_path: Path, pass_certificate: Issued, authority: Authority
) -> None:
    async def main() -> None:
        async with rig(tmp_path, None, clock=clock_of(pass_certificate), publish=False) as service:
            taken = await service.admitting.import_p12(pass_certificate.p12("secret"), "secret")
            first = taken.certificate
            assert (first.live, first.pass_type, first.team) == (True, TYPE, TEAM)
            assert first.proven_at == service.clock.now()
            assert await service.signs() == first.id
            assert [problem.rule for problem in taken.problems] == ["foreign-root"], "a warning, not a refusal"
            second = await service.certify(authority.pass_certificate(TYPE, TEAM))
            assert await service.signs() == first.id
            listed = await service.store.certificates(TYPE)
            assert {row.id: row.live for row in listed} == {first.id: True, second: False}
            events = await service.store.events(kinds=["certificate_imported"], pass_type=TYPE, after=0, limit=9)
            assert [(event.kind, event.detail["live"]) for event in events] == [
                (Kind.CERTIFICATE_IMPORTED, True),
                (Kind.CERTIFICATE_IMPORTED, False),
            ]
            again = await service.admitting.import_p12(pass_certificate.p12("secret"), "secret")
            assert (again.certificate.id, again.certificate.live) == (first.id, True)
            assert len(await service.store.certificates(TYPE)) == 2

    asyncio.run(main())


def test_what_follows_one_that_has_ended_becomes_live(tmp_path: Path, authority: Authority) -> None:
    """Also one that was taken in before: import it again."""

    async def main() -> None:
        old, new = (authority.pass_certificate(TYPE, TEAM, days=days) for days in (5, 300))
        async with rig(tmp_path, old, clock=clock_of(old), publish=False) as service:
            first = await service.signs()
            second = await service.certify(new)
            assert await service.signs() == first != second, "the live one is good for days yet"
            service.clock.pass_(6 * DAY)
            await service.certify(new)
            assert await service.signs() == second
            assert [row.live for row in await service.store.certificates(TYPE) if row.id == second] == [True]
            events = await service.store.events(kinds=["certificate_imported"], pass_type=TYPE, after=0, limit=9)
            assert [event.detail["live"] for event in events] == [True, False, True]

    asyncio.run(main())


def test_a_pass_type_does_not_change_teams(tmp_path: Path, pass_certificate: Issued, authority: Authority) -> None:
    async def main() -> None:
        async with rig(tmp_path, pass_certificate, publish=False) as service:
            with pytest.raises(Refusal, match=f"belongs to team {TEAM}, this certificate to OTHER12345") as refused:
                await service.certify(authority.pass_certificate(TYPE, "OTHER12345"))
            assert (refused.value.code, bool(refused.value.hint)) == ("wrong_team", True)
            assert len(await service.store.certificates(None)) == 1

    asyncio.run(main())


def test_what_does_not_belong_together_is_refused_with_a_hint(
    tmp_path: Path, pass_certificate: Issued, authority: Authority
) -> None:
    async def main() -> None:
        issued, other = pass_certificate, authority.pass_certificate(OTHER, TEAM)
        attempts = [
            (issued.certificate_pem, other.key_pem, issued.intermediate_pem),
            (issued.certificate_pem, issued.key_pem, b""),
            (issued.certificate_pem, issued.key_pem, authority.root_pem),
            (
                issued.certificate_pem,
                b"-----BEGIN " + b"PRIVATE KEY-----\nAAAA\n-----END " + b"PRIVATE KEY-----\n",
                b"",
            ),
            (b"", issued.key_pem, issued.intermediate_pem),
            (b"garbage", b"garbage", b"garbage"),
        ]
        async with rig(tmp_path, None, clock=clock_of(issued), publish=False) as service:
            for attempt in attempts:
                with pytest.raises(Refusal) as refused:
                    await service.admitting.import_pem(*attempt)
                assert refused.value.code == "certificate_refused"
                assert refused.value.hint
            for data, password in ((issued.p12("right"), "wrong"), (b"garbage", "")):
                with pytest.raises(Refusal) as refused:
                    await service.admitting.import_p12(data, password)
                assert refused.value.hint
                assert "right" not in str(refused.value)
            assert await service.store.certificates(None) == []
            assert await service.store.pass_types() == [], "a refusal sets nothing up"

    asyncio.run(main())


@pytest.mark.parametrize(
    ("starts", "days"), [(dt.timedelta(days=30), 100), (dt.timedelta(days=-100), 50)], ids=["not yet", "lapsed"]
)
def test_a_certificate_that_cannot_sign_today_never_becomes_live(
    starts: dt.timedelta, days: int, tmp_path: Path, pass_certificate: Issued, authority: Authority
) -> None:
    async def main() -> None:
        async with rig(tmp_path, None, clock=clock_of(pass_certificate), publish=False) as service:
            with pytest.raises(Refusal) as refused:
                await service.certify(authority.pass_certificate(TYPE, TEAM, starts=starts, days=days))
            assert refused.value.hint
            assert await service.signs() is None

    asyncio.run(main())


def test_one_that_lapses_soon_says_so(tmp_path: Path, authority: Authority) -> None:
    async def main() -> None:
        issued = authority.pass_certificate(TYPE, TEAM, days=20)
        async with rig(tmp_path, None, clock=clock_of(issued), publish=False) as service:
            service.clock.pass_(9 * DAY)
            taken = await service.admitting.import_pem(issued.certificate_pem, issued.key_pem, issued.intermediate_pem)
            [soon] = [problem for problem in taken.problems if problem.rule == "expires-soon"]
            assert soon.message == "the certificate lapses in 10 days"
            assert soon.remedy

    asyncio.run(main())


def test_a_key_for_some_types_takes_in_certificates_of_those_alone(tmp_path: Path, pass_certificate: Issued) -> None:
    async def main() -> None:
        issued = pass_certificate
        parts = (issued.certificate_pem, issued.key_pem, issued.intermediate_pem)
        async with rig(tmp_path, None, clock=clock_of(issued), publish=False) as service:
            for within in ([OTHER], []):
                with pytest.raises(Forbidden, match=TYPE):
                    await service.admitting.import_pem(*parts, terms=Terms(within=within))
                with pytest.raises(Forbidden, match=TYPE):
                    await service.admitting.import_p12(issued.p12(), "", Terms(within=within))
            assert await service.store.certificates(None) == []
            assert (await service.admitting.import_pem(*parts, terms=Terms(within=[TYPE]))).certificate.live

    asyncio.run(main())


def test_the_key_is_stored_sealed(tmp_path: Path, pass_certificate: Issued) -> None:
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    async def main() -> None:
        async with rig(tmp_path, pass_certificate, publish=False) as service:
            der = pass_certificate.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
            await service.recorder.settle()
            stored = service.on_disk()
            certificate = pass_certificate.certificate_pem.strip()
            assert certificate.splitlines()[3] in stored, "this does look where the certificates are"
            for piece in (der, der[200:264], pass_certificate.key_pem.splitlines()[4]):
                assert piece not in stored

    asyncio.run(main())
