"""Breaks of the certificate, at a real emulated APNs: the sender's own handshake tells."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from emulators.apns.h2client import alert, client_context
from livepass.emulators.apns.server import ApnsServer
from livepass.emulators.authority import Authority
from livepass.emulators.between.breaks import BY_NAME
from livepass.emulators.between.scene import Broken

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def test_a_revoked_certificate_is_turned_away_until_it_is_mended(authority: Authority) -> None:
    topic = "pass.to.be.revoked"
    issued = [authority.pass_certificate(topic) for _ in range(2)]
    other = authority.pass_certificate("pass.of.others")
    async with ApnsServer.under(authority) as apns:
        broken = Broken(SimpleNamespace(apns=apns, authority=authority, topic=topic))  # type: ignore[arg-type]

        async def alerts() -> list[str | None]:
            return [await alert(apns.url, client_context(authority, one)) for one in (*issued, other)]

        assert await alerts() == [None, None, None]
        await broken.cause(BY_NAME["certificate-revoked"])
        assert await alerts() == ["SSLV3_ALERT_BAD_CERTIFICATE"] * 2 + [None]
        await broken.mend()
        assert await alerts() == [None, None, None]
