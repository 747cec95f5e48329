"""The settings page: keys are made and ended, the configuration is told, secrets are not."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from livepass import config
from livepass.embed.console_edge import settings
from livepass.service.keeping import DAY_MS, KEPT_MS
from web.asgi import ADMIN, PASS_TYPE
from web.console.rooms import Room, with_room

SECRET = "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3I"


@with_room
async def test_a_key_is_shown_once_and_works(room: Room) -> None:
    made = await room.post(
        "/settings", act="create", name="door scanner", pass_types=PASS_TYPE, **{"scope:passes:read": "on"}
    )
    assert made.status == 200
    [key] = re.findall(r"lp_[0-9a-f]+_[A-Za-z0-9_-]+", made.body.decode())
    assert made.headers["cache-control"] == "private, no-store"
    assert (await room.api.call("GET", "/passes", key=key)).status == 200
    assert (await room.api.call("GET", "/keys", key=key)).status == 403
    secret = key.rpartition("_")[2]
    for path in ("/settings", "/settings.json"):
        text = (await room.get(path)).body.decode()
        assert "door scanner" in text
        assert secret not in text


@with_room
async def test_a_key_ends_only_when_its_name_is_typed(room: Room) -> None:
    key = await room.api.key("passes:read")
    key_id = key.split("_")[1]
    for typed in ("", "tes", "Test", key_id):
        reply = await room.post("/settings", act="revoke", id=key_id, confirm=typed)
        assert b"it was not confirmed" in reply.body
        assert (await room.api.call("GET", "/passes", key=key)).status == 200
    assert (await room.post("/settings", act="revoke", id=key_id, confirm="test")).status == 303
    assert (await room.api.call("GET", "/passes", key=key)).status == 401
    assert (await room.post("/settings", act="revoke", id="nothing", confirm="test")).status == 404


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"name": "x"}, "length &gt;= 1"),
        ({"name": "", "scope:passes:read": "on"}, "length &gt;= 1"),
        ({"name": "x" * 101, "scope:passes:read": "on"}, "length &lt;= 100"),
        ({"name": "x", "scope:templates:write": "on", "pass_types": "pass.one, pass.two"}, "cannot be limited"),
    ],
)  # fmt: skip
@with_room
async def test_a_key_that_cannot_be_made_is_said_and_what_was_filled_in_stays(
    room: Room, fields: dict[str, str], said: str
) -> None:
    html = (await room.post("/settings", act="create", **fields)).body.decode()
    assert said in html
    assert f'value="{fields["name"]}"' in html
    assert (await room.json("/settings"))["keys"]["data"] == []


@with_room
async def test_the_configuration_is_told_and_no_secret(room: Room) -> None:
    page = await room.json("/settings")
    rows = {row["name"]: row for row in page["settings"]}
    assert rows["LIVEPASS_PUBLIC_URL"]["value"] == "https://passes.example.com"
    for name in ("DATABASE_URL", "SECRET_KEY", "ADMIN_KEY"):
        assert (rows[f"LIVEPASS_{name}"]["value"], rows[f"LIVEPASS_{name}"]["given"]) == ("", True)
    for path in ("/settings", "/settings.json"):
        text = (await room.get(path)).body.decode()
        assert ADMIN not in text
        assert room.api.services.config.secret_key[0] not in text
    kept = {row["what"]: row["value"] for row in page["limits"]}
    assert all(kept[f"kept: {what.value}"].startswith(f"{ms // DAY_MS} day") for what, ms in KEPT_MS.items())
    assert {row["configured"] for row in page["sealed"]} == {True}
    assert page["secret_ids"] == list(room.api.services.keys.secret_ids)


def test_where_a_setting_is_from_is_told(tmp_path: Path) -> None:
    (tmp_path / "livepass.toml").write_text('public_url = "https://a.example"\nport = 1\n')
    environ = {"LIVEPASS_PORT": "9", "LIVEPASS_SECRET_KEY": SECRET}
    sources = config.sources(environ, tmp_path)
    loaded = config.load(environ, tmp_path)
    rows = {row["name"]: row for row in settings(loaded, sources)}
    assert [rows[f"LIVEPASS_{name}"]["source"] for name in ("PUBLIC_URL", "PORT", "SECRET_KEY", "HOST")] == [
        "livepass.toml",
        "the environment",
        "the environment",
        "the default",
    ]
    assert SECRET not in str(rows)


def test_a_password_in_an_address_is_not_told(tmp_path: Path) -> None:
    environ = {"LIVEPASS_PUBLIC_URL": "https://a.example", "LIVEPASS_SECRET_KEY": SECRET}
    environ["LIVEPASS_APNS_URL"] = "https://someone:hidden@apns.example"
    rows = {row["name"]: row for row in settings(config.load(environ, tmp_path), {})}
    assert rows["LIVEPASS_APNS_URL"]["value"] == "https://…@apns.example"
