"""An emulated phone sees what the club's own endpoints do."""

from __future__ import annotations

from pathlib import Path

import pytest

from club import PASS_TYPE, PASSWORD, make_app


@pytest.fixture
def livepass_templates():
    return [Path(__file__).parents[1] / "templates" / "membership"]


@pytest.fixture
def livepass_settings(livepass_settings, tmp_path):
    return {**livepass_settings, "outbox_url": f"sqlite:///{tmp_path}/club.db"}


@pytest.fixture
def livepass_asgi(livepass_object):
    return make_app(livepass_object, livepass_object.config.outbox_url)


def test_points_reach_the_phone(livepass_app, phone):
    club = livepass_app.client()
    club.post("/members/7", params={"name": "Ada"}).raise_for_status()
    phone.add(f"{livepass_app.url}/members/7/pass")
    club.post("/members/7/points", params={"add": 30}).raise_for_status()
    phone.deliver_pushes()
    assert phone["7"].field("points") == 30
    assert phone.last_banner == "You have 30 points"

    assert club.post("/members/7/points", params={"add": 5000}).status_code == 422
    assert phone.deliver_pushes() == 0
    assert phone["7"].field("points") == 30
    assert phone.complaints == []


def test_the_console_is_for_the_clubs_own_staff(livepass_app):
    club = livepass_app.client()
    club.post("/members/8", params={"name": "Grace"}).raise_for_status()
    club.get("/members/8/pass").raise_for_status()
    page = f"/console/passes/{PASS_TYPE}/8"
    assert club.get(page).status_code == 403
    assert club.post("/staff/session", data={"name": "desk", "password": "guessed"}).status_code == 401
    club.post("/staff/session", data={"name": "desk", "password": PASSWORD}).raise_for_status()
    assert "desk (operator)" in club.get(page).text
    assert club.get("/console/audit").status_code == 403  # for admins
