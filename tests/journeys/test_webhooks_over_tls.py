"""Webhooks of the service as it is run, to receivers over TLS; why one gets none is read as operators read it."""

from __future__ import annotations

from dataclasses import replace

from journeys import hooks
from journeys.service_process import command, serve
from journeys.test_crashes import change, issuer
from journeys.world import World, journey, server_certificate, until
from livepass.emulators.authority import Authority
from outside.test_webhooks_tls import secured


@journey(elsewhere=True)
async def test_what_a_receiver_s_certificate_lacks_stands_with_the_attempt(world: World) -> None:
    hooks.allow(world)
    world.config = replace(world.config, webhook_ca_file=world.ca_file)
    known, stranger = server_certificate(world.authority), server_certificate(Authority(name="Stranger"))
    seen: list[str | None] = []
    async with (
        secured(known, world.directory, seen) as good,
        secured(stranger, world.directory, []) as bad,
        serve(world) as service,
        issuer(world) as client,
    ):
        await world.issue("1", 1)
        await hooks.add(client, f"https://localhost:{good.port}/hooks", "pass.changed")
        refused = await hooks.add(client, f"https://localhost:{bad.port}/hooks", "pass.changed")
        await change(client, "1", 2)
        await until(lambda: good.received, "the one with a certificate of a known authority is told")
        assert seen == ["localhost"]
        noted = "SELECT message FROM webhook_attempt WHERE endpoint = ?"
        await until(lambda: world.sql(noted, refused), "the other attempt is written down")
        [(message,)] = world.sql(noted, refused)
        _, attempt = await command(world, "webhook", "messages", refused, message)
        assert attempt["said"] == "its certificate is refused: unable to get local issuer certificate"
        assert attempt["status"] == 0 and bad.received == []
        await service.stop()
