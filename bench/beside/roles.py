"""The processes that are measured."""

from __future__ import annotations

import asyncio
import json
import pickle
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from itertools import cycle
from pathlib import Path
from typing import Any

from livepass import wiring
from livepass.config import Config


def config(url: str, secret: str, apns: str = "https://localhost:1", folder: str = "") -> Config:
    """``apns``, ``folder``: a null APNs. Without one, nobody listens where it should be."""
    roots = Path(folder, "root.pem") if folder else None
    given = {"apns_url": apns, "apns_ca_file": roots}
    return Config(url, "https://bench.invalid", (secret,), "bench-admin-key-of-16", **given)


# ── servers


def echo(port: int) -> None:
    """A bare ASGI application on the server that livepass uses, answering what an ask is answered."""
    import uvicorn

    body = b'{"lastUpdated":"v1.0123456789ab.1234567.abcdefgh","serialNumbers":["0123456789"]}'
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]

    async def app(scope: Any, receive: Any, send: Any) -> None:
        while (await receive()).get("more_body"):
            pass
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    class Server(uvicorn.Server):
        async def startup(self, sockets: Any = None) -> None:
            await super().startup(sockets)
            print("ready", flush=True)

    Server(
        uvicorn.Config(
            app, host="127.0.0.1", port=port, log_config=None, access_log=False, lifespan="off", loop="uvloop"
        )
    ).run()


def serve(port: int, url: str, secret: str, worker: bool = False, apns: str = "", folder: str = "") -> None:
    """``livepass serve``, as one worker; with ``apns``, it pushes there."""
    import uvloop

    async def main() -> None:
        from livepass.cli.serving import serve

        known = config(url, secret, apns, folder) if apns else config(url, secret)
        async with wiring.opened(known) as services:
            if apns:
                _pushes_with(services, folder)
            await serve(
                services, host="127.0.0.1", port=port, worker=worker, ready=lambda _: print("ready", flush=True)
            )

    uvloop.run(main())


def _pushes_with(services: wiring.Services, folder: str) -> None:
    """The null APNs knows no certificate of the database: the one that it knows is shown."""
    from beside.pushing import credential

    known = credential(folder)

    async def shown(_: Any) -> Any:
        return known

    services.builder.push_credential = shown  # type: ignore[method-assign]


# ── what measures itself


def timed(seconds: float, one: Callable[[int], object], at_once: int = 20) -> float:
    """How often ``one`` runs per second of processor time, which is what openssl speed counts too."""
    started, done = time.process_time(), 0
    while (spent := time.process_time() - started) < seconds:
        for _ in range(at_once):
            done += 1
            one(done)
    return done / spent


async def timed_in(seconds: float, one: Callable[[], Awaitable[int]]) -> dict[str, float]:
    """How much ``one`` does per second and per second of processor time."""
    cpu, began, done = time.process_time(), time.perf_counter(), 0
    while time.perf_counter() - began < seconds:
        did = await one()
        if not did:
            break
        done += did
    return {
        "per_second": done / (time.perf_counter() - began),
        "per_cpu_second": done / max(1e-9, time.process_time() - cpu),
        "done": done,
    }


async def timed_once(one: Callable[[], Awaitable[int]]) -> dict[str, float]:
    """How much ``one`` did per second and per second of processor time."""
    cpu, began = time.process_time(), time.perf_counter()
    done = await one()
    return {
        "per_second": done / (time.perf_counter() - began),
        "per_cpu_second": done / max(1e-9, time.process_time() - cpu),
        "done": done,
    }


def builds(url: str, secret: str, seconds: float, serials: list[str]) -> None:
    """The passes of a database, built and signed in a loop."""

    async def main() -> float:
        from scaling.databases import MANY

        from livepass.pkpass import build

        async with wiring.opened(config(url, secret)) as services:
            rows = [await services.store.pass_(MANY, serial) for serial in serials]
            signer = await services.builder.signer(MANY, serials[0])
            template = await services.builder.template("default", "bench", None)
            assert template is not None
            documents = [row.document for row in rows if row is not None]
            print("ready", flush=True)
            return timed(
                seconds,
                lambda n: build(template.static, documents[n % len(documents)], signer, datetime.now(UTC)),
            )

    _say({"per_cpu_second": asyncio.run(main())})


def _say(found: Mapping[str, Any]) -> None:
    print(json.dumps(found), flush=True)


def _build(seconds: float) -> None:
    from beside.building import ours

    ours(seconds)


def sender(apns: str, folder: str, seconds: float) -> None:
    """The sender alone: as many pushes at once as the others have, of lots that are there before."""
    import uvloop

    from beside.pushing import AT_ONCE, LOTS, accept, credential, messages
    from livepass.cli.serving import settle_memory

    shown, roots = credential(folder), Path(folder, "root.pem").read_bytes()

    async def main() -> dict[str, float]:
        from livepass.apns import ApnsSender

        sending, lots = ApnsSender(apns, ca_pem=roots), cycle([messages(AT_ONCE) for _ in range(LOTS)])

        async def one() -> int:
            answers: list[Any] = []
            await sending.send(shown, next(lots), answers.append)
            return accept(answers)

        await one()
        settle_memory()
        print("ready", flush=True)
        try:
            return await timed_in(seconds, one)
        finally:
            await sending.close()

    _say(uvloop.run(main()))


def dispatch(url: str, secret: str, apns: str, folder: str, due: int) -> None:
    """The push worker as it runs: batches side by side, until so many pushes were answered and recorded. Its pace is
    set high, and does not move.
    """
    import uvloop

    roots = Path(folder, "root.pem").read_bytes()

    async def main() -> dict[str, float]:
        from livepass.apns import ApnsSender
        from livepass.cli.serving import settle_memory
        from livepass.core import budget
        from livepass.service.metering import Meters
        from livepass.service.pushing import Dispatcher

        answered, all_answered = 0, asyncio.Event()

        class Counting(Meters):
            def pushed(self, status: int, reason: str) -> None:
                nonlocal answered
                answered += status == 200
                if answered == due:
                    all_answered.set()

        async with wiring.opened(config(url, secret)) as services:
            _pushes_with(services, folder)
            sending = ApnsSender(apns, ca_pem=roots)
            dispatcher = Dispatcher(
                *(services.store, sending, services.builder, services.clock, services.chance, services.scheduler),
                services.due,
                pace=budget.Pace(rate=200_000, moved_at=float("inf")),
                meters=Counting(),
            )

            settle_memory()

            async def all_due() -> int:
                working = asyncio.create_task(dispatcher.run())
                await asyncio.wait(
                    {working, asyncio.create_task(all_answered.wait())}, timeout=60, return_when="FIRST_COMPLETED"
                )
                await dispatcher.stop()
                await working
                return answered

            print("ready", flush=True)
            try:
                return await timed_once(all_due)
            finally:
                await sending.close()

    _say(uvloop.run(main()))


def driver(url: str, secret: str, taken: str, at_once: int, seconds: float) -> None:
    """The bare driver, running the statements of changes."""
    import uvloop

    from beside import changing

    transactions = pickle.loads(Path(taken).read_bytes())
    _say(uvloop.run(changing.driver(url, transactions, at_once, seconds)))


def asks(url: str, secret: str, devices: list[str], seconds: float) -> None:
    """The bare driver, running the one query of an ask: as many connections as livepass has, as many asks at once."""
    import uvloop

    async def main() -> dict[str, float]:
        import asyncpg
        from scaling.databases import MANY

        from beside.load import CONNECTIONS
        from livepass.store.postgres import CONNECTIONS as POOL
        from livepass.store.postgres_statements import statements

        query = statements()["ask_head"]
        async with asyncpg.create_pool(url, min_size=POOL, max_size=POOL) as pool:
            turns = iter(range(1 << 62))

            async def one() -> None:
                key = {"pass_type": MANY, "device_id": devices[next(turns) % len(devices)]}
                async with pool.acquire() as db:
                    await db.fetch(query.sql, *query.values(key))

            async def many() -> int:
                async def some() -> None:
                    for _ in range(20):
                        await one()

                await asyncio.gather(*(some() for _ in range(CONNECTIONS)))
                return 20 * CONNECTIONS

            await many()
            print("ready", flush=True)
            return await timed_in(seconds, many)

    _say(uvloop.run(main()))


ROLES: Mapping[str, Callable[..., None]] = {
    "echo": echo,
    "serve": serve,
    "builds": builds,
    "build": _build,
    "sender": sender,
    "dispatch": dispatch,
    "driver": driver,
    "asks": asks,
}
