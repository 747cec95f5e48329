"""A certificate is promoted on one host, and the other signs and pushes with it from its next build on."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from hosts.hosts import Hosts, on_two_hosts, until
from journeys.world import PASS_TYPE, TEAM, points
from livepass.emulators.authority import Authority
from livepass.pkpass import read, verify

pytestmark = pytest.mark.timeout(400)


def test_a_promotion_on_one_host_is_live_on_the_other(tmp_path: Path, authority: Authority) -> None:
    """Fails when a process remembers which certificate signs: the very next fetch must have the new one."""
    newer = authority.pass_certificate(PASS_TYPE, TEAM)

    async def steps(hosts: Hosts) -> None:
        await hosts.issue("1", 1)
        await hosts.serve("a")
        await hosts.serve("b")
        await hosts.worker("b")
        phone = await hosts.phone("1")
        header = await hosts.authorization("1")
        async with hosts.client("a") as a, hosts.client("b") as b:

            async def signer() -> str:
                reply = await b.get(f"/wallet/v1/passes/{PASS_TYPE}/1", headers=header)
                return verify(read(reply.content)).certificate.sha256[:16]

            before = await signer()
            p12 = base64.b64encode(newer.p12("sesame")).decode()
            reply = await a.post("/api/v1/certificates", json={"p12": p12, "password": "sesame"})
            id_ = reply.json()["id"]
            for step in ("prove", "promote"):
                assert await signer() == before
                reply = await a.post(f"/api/v1/certificates/{id_}:{step}", json={})
                assert reply.status_code == 200, reply.text
            assert await signer() == id_
            await a.patch(f"/api/v1/passes/{PASS_TYPE}/1", params={"push": "now"}, json={"data": {"points": 2}})
            await until(lambda: points(phone, "1") == 2, "the worker on b pushes, and b serves")
            await a.post(f"/api/v1/certificates/{id_}:rollback", json={})
            assert await signer() == before
        await hosts.all_end_well()

    on_two_hosts(tmp_path, authority, steps)
