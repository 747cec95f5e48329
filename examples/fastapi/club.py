"""A club in FastAPI: a member's points, and the pass that shows them.

LIVEPASS_OUTBOX_URL=sqlite:///club.db uvicorn --factory club:from_env
"""

from __future__ import annotations

import os
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import FastAPI, Form, HTTPException, Request, Response
from sqlalchemy import create_engine, text

from livepass import Happening, Livepass

PASS_TYPE = os.environ.get("CLUB_PASS_TYPE", "pass.test.livepass")
STAFF = {"owner": "admin", "desk": "operator"}
PASSWORD = os.environ.get("CLUB_PASSWORD") or secrets.token_urlsafe()
"""Of all staff; without one, nobody guesses it. Your own sign-in is better."""
COOKIE = "club_session"
PKPASS = "application/vnd.apple.pkpass"
MEMBERS = """
CREATE TABLE IF NOT EXISTS member (
    number TEXT PRIMARY KEY, name TEXT NOT NULL, points INTEGER NOT NULL DEFAULT 0, phones INTEGER NOT NULL DEFAULT 0
)"""


def from_env() -> FastAPI:
    lp = Livepass.from_env()
    return make_app(lp, lp.config.outbox_url)


def make_app(lp: Livepass, database: str) -> FastAPI:
    engine = create_engine(database)
    with engine.begin() as db:
        db.execute(text(MEMBERS))
        db.execute(text(lp.outbox_table("sqlite")))

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        await lp.upgrade()
        async with lp.running():  # here: the lifespan of a mounted application would not run
            yield

    app = FastAPI(lifespan=lifespan)
    app.mount("/wallet", lp.device_app())  # LIVEPASS_PUBLIC_URL is this application's address

    sessions: dict[str, str] = {}

    async def staff(request: Request) -> tuple[str, str] | None:
        name = sessions.get(request.cookies.get(COOKIE, ""))
        return (name, STAFF[name]) if name else None

    app.mount("/console", lp.console_app(staff))  # for whom the club's own session knows

    @app.post("/staff/session", status_code=204)
    def sign_in(name: Annotated[str, Form()], password: Annotated[str, Form()], response: Response) -> None:
        if name not in STAFF or not secrets.compare_digest(password.encode(), PASSWORD.encode()):
            raise HTTPException(401)
        sessions[session := secrets.token_urlsafe()] = name
        response.set_cookie(COOKIE, session, secure=True, httponly=True, samesite="strict")

    @lp.on("registration.created")
    def count(happening: Happening) -> None:
        with engine.begin() as db:
            db.execute(text("UPDATE member SET phones = phones + 1 WHERE number = :n"), {"n": happening.serial})

    @app.post("/members/{number}", status_code=201)
    def join(number: str, name: str) -> None:
        with engine.begin() as db:
            db.execute(text("INSERT INTO member (number, name) VALUES (:n, :name)"), {"n": number, "name": name})

    @app.get("/members/{number}/pass")
    async def download(number: str) -> Response:
        with engine.begin() as db:
            member = db.execute(text("SELECT name, points FROM member WHERE number = :n"), {"n": number}).first()
        if member is None:
            raise HTTPException(404)
        # Issuing a pass that is there already changes what differs, and nothing else.
        await lp.issue(PASS_TYPE, number, template="membership", data={"name": member.name, "points": member.points})
        return Response(await lp.pkpass(PASS_TYPE, number), media_type=PKPASS)

    @app.post("/members/{number}/points")
    def earn(number: str, add: int) -> None:
        with engine.begin() as db:
            change = text("UPDATE member SET points = points + :add WHERE number = :n RETURNING points")
            points = db.execute(change, {"add": add, "n": number}).scalar_one()
            lp.change_in(db, PASS_TYPE, number, data={"points": points})
            if points > 1000:
                raise HTTPException(422, "a thousand points are enough")  # rolls back both

    return app
