"""A control port on loopback, for a second terminal: break and mend in a scene that runs elsewhere.

Whoever may break things here may stop a demo's phones, so each call carries the secret that the demo left behind for
its own user. Every answer is JSON; see ``ROUTES``.
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Awaitable, Callable
from typing import Final, Self

from livepass.emulators.apns.control_http import MAX_HEAD_BYTES, Call, Refused, converse
from livepass.emulators.between.breaks import BREAKS, BY_NAME
from livepass.emulators.between.scene import Break

ROUTES: Final = {
    "GET /breaks": "every break, and whether it is broken now",
    "POST /break": '{"name": "login-on-ask"}: break one thing more',
    "POST /mend": "mend everything",
}


class Control:
    """The listener, as an async context manager. ``cause`` and ``mend`` do it; ``mend`` answers what it was."""

    def __init__(
        self,
        secret: str,
        cause: Callable[[Break], Awaitable[None]],
        mend: Callable[[], Awaitable[list[Break]]],
        broken: Callable[[], list[Break]],
    ) -> None:
        self._secret = f"Bearer {secret}".encode()
        self._cause, self._mend, self._broken = cause, mend, broken
        self._listener: asyncio.Server | None = None
        self._talks: set[asyncio.Task[None]] = set()
        self.url = ""

    async def __aenter__(self) -> Self:
        self._listener = await asyncio.start_server(self._accept, "127.0.0.1", 0, limit=MAX_HEAD_BYTES)
        self.url = f"http://127.0.0.1:{self._listener.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._listener is not None:
            self._listener.close()
        for talk in list(self._talks):
            talk.cancel()
        await asyncio.gather(*self._talks, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talk = asyncio.get_running_loop().create_task(converse(reader, writer, self._answer))
        self._talks.add(talk)
        talk.add_done_callback(self._talks.discard)

    async def _answer(self, call: Call) -> object:
        if not hmac.compare_digest(call.headers.get("authorization", "").encode(), self._secret):
            raise Refused(401, "the secret is missing or wrong")
        match call.method, call.path:
            case "GET", "/breaks":
                broken = self._broken()
                return {"breaks": [as_json(one) | {"broken": one in broken} for one in BREAKS]}
            case "POST", "/break":
                one = BY_NAME.get(str(call.document("name").get("name")))
                if one is None:
                    raise Refused(404, "there is no break of that name")
                await self._cause(one)
                return {"broken": [as_json(one) for one in self._broken()]}
            case "POST", "/mend":
                return {"mended": [as_json(one) for one in await self._mend()]}
        raise Refused(404, f"there is only: {', '.join(ROUTES)}")


def as_json(one: Break) -> dict[str, object]:
    """A break as programs see it."""
    return {"name": one.name, "spoils": one.where.value, "sentence": one.sentence}
