"""Runs the service inside an event loop that already runs: the application, the push worker, and a clean end.

    async with wiring.opened(config) as services:
        await serve(services, host="127.0.0.1", port=8420, ready=print)

The end, in this order: stop accepting, finish what is being answered, drain the push worker (20 seconds at most), write
what was observed. The database is closed by whoever opened it.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from livepass.cli import canary_phone
from livepass.cli.faults import unchecked, usage
from livepass.cli.measuring import Measured
from livepass.config import ConfigError
from livepass.embed import apps
from livepass.service.presence import Role
from livepass.service.pressure import Load
from livepass.web.app import Asgi, Watched

if TYPE_CHECKING:
    import uvicorn

    from livepass.wiring import Services

DRAIN_SECONDS = 20
FAREWELL_SECONDS = 0.5
KEEP_ALIVE_SECONDS = 30
"""A phone's ask and its fetches come within seconds of each other: they should find the same connection."""
BACKLOG = 2048
LOOPBACK = "127.0.0.1"


def _application(services: Services) -> Asgi:
    try:
        return apps.everything(services, Measured(services))
    except ConfigError as error:
        raise usage(str(error), error.hint) from error


async def serve(
    services: Services,
    *,
    host: str,
    port: int,
    worker: bool = True,
    sheds: bool = True,
    tls_cert: Path | None = None,
    tls_key: Path | None = None,
    ready: Callable[[str], None] | None = None,
    stop: asyncio.Event | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT; or, with ``stop``, until that is set, and signals are left alone.

    ``ready`` is called with the address once it is listened to (``port`` 0: any free one). ``sheds`` is for whoever has
    the loop for the service alone. Cancelling drains too.
    """
    settle_memory()
    role: Role = "serve+worker" if worker else "serve"
    async with (
        answered(_application(services), host, port, tls_cert, tls_key, ready) as run,
        services.present(role, sheds=sheds, canaries=services.canary.pass_types),
        _work(services) if worker else contextlib.nullcontext(),
    ):
        _follow_canaries(services)
        await run(services.answering.load, stop)


async def show(
    services: Services,
    app: Asgi,
    *,
    host: str,
    port: int,
    tls_cert: Path | None = None,
    tls_key: Path | None = None,
    ready: Callable[[str], None] | None = None,
    stop: asyncio.Event | None = None,
) -> None:
    """Answer people, and no phone, until SIGTERM or SIGINT (or ``stop``): what they ask holds up nobody's pass."""
    async with answered(app, host, port, tls_cert, tls_key, ready) as run:
        await run(services.answering.load, stop)


@contextlib.asynccontextmanager
async def answered(
    app: Asgi,
    host: str,
    port: int,
    tls_cert: Path | None,
    tls_key: Path | None,
    ready: Callable[[str], None] | None,
) -> AsyncIterator[Callable[[Load, asyncio.Event | None], Awaitable[None]]]:
    """A listener for an application, bound already, and what runs it. ``ready`` gets its address when it is listened
    to.
    """
    listener = _listener(host, port)
    address = _address(host, listener, tls=tls_cert is not None)
    server = _server(app, tls_cert, tls_key, lambda: ready(address) if ready else None)

    async def run(load: Load, stop: asyncio.Event | None) -> None:
        ending = stop or asyncio.Event()
        with _signals(ending) if stop is None else contextlib.nullcontext():
            await _run(server, listener, ending, load)

    yield run


async def work(
    services: Services,
    *,
    metrics_port: int | None = None,
    ready: Callable[[str], None] | None = None,
    stop: asyncio.Event | None = None,
) -> None:
    """Push and keep house, without answering anybody, until SIGTERM or SIGINT (or ``stop``).

    ``metrics_port``: ``/metrics`` and ``/livez`` are answered there, to this machine alone; ``ready`` is called with
    that address, or with ``""``.
    """
    settle_memory()
    ending = stop or asyncio.Event()
    async with services.present("worker", canaries=services.canary.pass_types), _work(services):
        _follow_canaries(services)
        if metrics_port is not None:
            app = Watched(Measured(services))
            await show(services, app, host=LOOPBACK, port=metrics_port, ready=ready, stop=stop)
            return
        with _signals(ending) if stop is None else contextlib.nullcontext():
            if ready is not None:
                ready("")
            await ending.wait()


def _follow_canaries(services: Services) -> None:
    """Everywhere, so that a worker that is gone is noticed by who answers phones, and the other way round."""
    services.scheduler.spawn(services.canary.run(canary_phone.phones(services.config)), "canary")


def settle_memory() -> None:
    """What is loaded by now stays: the garbage collector need not look at it again with every few hundred answers, or
    pushes.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


async def _run(server: uvicorn.Server, listener: socket.socket, ending: asyncio.Event, load: Load) -> None:
    from livepass.cli import patience

    load.leaving = False
    serving = asyncio.create_task(server.serve([listener]), name="serve")
    waiting = asyncio.create_task(ending.wait(), name="until-stopped")
    looking = asyncio.create_task(patience.look_after(server.server_state.connections), name="patience")
    try:
        await asyncio.wait({serving, waiting}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        waiting.cancel()
        load.leaving = True
        server.should_exit = True
        hanging_up = asyncio.create_task(_hang_up(server), name="hang-up")
        # Shielded: a caller that gives up on us still gets its requests finished.
        await asyncio.shield(serving)
        looking.cancel()
        hanging_up.cancel()


async def _hang_up(server: uvicorn.Server) -> None:
    """Drop connections that only wait for the other side's good-bye: over TLS an idle phone would hold us for 30 s."""
    while True:
        await asyncio.sleep(FAREWELL_SECONDS)
        for connection in list(server.server_state.connections):
            cycle = getattr(connection, "cycle", None)
            transport = getattr(connection, "transport", None)
            if transport is not None and (cycle is None or cycle.response_complete):
                transport.abort()


def _server(app: Asgi, tls_cert: Path | None, tls_key: Path | None, listening: Callable[[], None]) -> uvicorn.Server:
    import ssl

    import uvicorn

    from livepass.cli.at_hand import AtHandProtocol

    class Server(uvicorn.Server):
        """Leaves signals to us: uvicorn would raise them again after the drain, and end the process by them."""

        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            listening()

        @contextlib.contextmanager
        def capture_signals(self) -> Iterator[None]:
            yield

    config = uvicorn.Config(
        app,
        http=AtHandProtocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=DRAIN_SECONDS,
        ssl_certfile=tls_cert,
        ssl_keyfile=tls_key,
    )
    try:
        config.load()
    except (OSError, ssl.SSLError) as error:
        raise usage(
            f"the TLS certificate {tls_cert} with the key {tls_key or tls_cert} cannot be used: {error.strerror}",
            "give --tls-cert and --tls-key, both PEM, and each of the other",
        ) from error
    return Server(config)


def _listener(host: str, port: int) -> socket.socket:
    """The socket, bound here: a port that is taken is a fault of ours to explain, not a reason to exit somewhere."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Named as TCP, or asyncio leaves Nagle's algorithm on for what it accepts: 40 ms on every answer with a body.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        hint = "is another livepass running? name another port: livepass serve --port 8421"
        raise unchecked(f"cannot listen on {host} port {port}: {error.strerror or error}", hint) from error
    listener.setblocking(False)
    return listener


def _address(host: str, listener: socket.socket, *, tls: bool) -> str:
    port = listener.getsockname()[1]
    return f"{'https' if tls else 'http'}://{f'[{host}]' if ':' in host else host}:{port}"


@contextlib.asynccontextmanager
async def _work(services: Services) -> AsyncIterator[None]:
    try:
        async with services.working():
            yield
    except OSError as error:
        hint = "check LIVEPASS_APNS_CA_FILE and LIVEPASS_WEBHOOK_CA_FILE"
        raise unchecked(f"the push worker cannot start: {error}", hint) from error


@contextlib.contextmanager
def _signals(ending: asyncio.Event) -> Iterator[None]:
    """SIGTERM and SIGINT set ``ending``; afterwards they mean what they meant."""
    loop = asyncio.get_running_loop()
    numbers = (signal.SIGTERM, signal.SIGINT)
    for number in numbers:
        loop.add_signal_handler(number, ending.set)
    try:
        yield
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)
