"""A club in Starlette, with nothing but the sqlite3 of the standard library.

LIVEPASS_OUTBOX_URL=sqlite:///club.db uvicorn --factory club:from_env
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route

from livepass import Livepass, Refusal

PASS_TYPE = os.environ.get("CLUB_PASS_TYPE", "pass.test.livepass")
MEMBERS = "CREATE TABLE IF NOT EXISTS member (number TEXT PRIMARY KEY, points INTEGER NOT NULL DEFAULT 0)"


def from_env() -> Starlette:
    lp = Livepass.from_env()
    return make_app(lp, lp.config.outbox_url.removeprefix("sqlite:///"))


def make_app(lp: Livepass, database: str) -> Starlette:
    db = sqlite3.connect(database, check_same_thread=False)
    with db:
        db.execute(MEMBERS)
        db.execute(lp.outbox_table("sqlite"))

    async def download(request: Request) -> Response:
        number = request.path_params["number"]
        with db:
            db.execute("INSERT OR IGNORE INTO member (number) VALUES (?)", (number,))
        [points] = db.execute("SELECT points FROM member WHERE number = ?", (number,)).fetchone()
        await lp.issue(PASS_TYPE, number, template="membership", data={"name": f"No. {number}", "points": points})
        return Response(await lp.pkpass(PASS_TYPE, number), media_type="application/vnd.apple.pkpass")

    async def earn(request: Request) -> Response:
        number, add = request.path_params["number"], int(request.query_params["add"])
        with db:  # one transaction: the member's points, and what the pass is to show
            [points] = db.execute(
                "UPDATE member SET points = points + ? WHERE number = ? RETURNING points", (add, number)
            ).fetchone()
            await lp.change(PASS_TYPE, number, data={"points": points}, connection=db)
        return JSONResponse({"points": points})

    async def refused(request: Request, error: Exception) -> Response:
        assert isinstance(error, Refusal)
        return JSONResponse({"error": error.title, "hint": error.hint}, error.status)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        await lp.upgrade()
        async with lp.running():
            yield
        db.close()

    routes = [
        Route("/members/{number}/pass", download),
        Route("/members/{number}/points", earn, methods=["POST"]),
        Mount("/club", lp.device_app()),  # LIVEPASS_PUBLIC_URL ends in /club
    ]
    return Starlette(routes=routes, lifespan=lifespan, exception_handlers={Refusal: refused})
