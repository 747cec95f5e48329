"""An emulated phone sees what the club's own endpoints do."""

from __future__ import annotations

from pathlib import Path

import pytest

from club import make_app


@pytest.fixture
def livepass_templates():
    return [Path(__file__).parents[1] / "templates" / "membership"]


@pytest.fixture
def livepass_settings(livepass_settings, tmp_path):
    mounted = f"{livepass_settings['public_url']}/club"
    return {**livepass_settings, "public_url": mounted, "outbox_url": f"sqlite:///{tmp_path}/club.db"}


@pytest.fixture
def livepass_asgi(livepass_object, tmp_path):
    return make_app(livepass_object, str(tmp_path / "club.db"))


def test_points_reach_two_phones(livepass_app, phone, phones):
    club, other = livepass_app.client(), phones("Grace's iPhone")
    for each in (phone, other):
        each.add(f"{livepass_app.url}/members/7/pass")
    with other.offline():
        club.post("/members/7/points", params={"add": 30}).raise_for_status()
        phone.deliver_pushes()
        assert (phone["7"].field("points"), other["7"].field("points")) == (30, 0)
    other.deliver_pushes()
    assert other["7"].field("points") == 30
    assert phone.complaints == other.complaints == []


def test_a_pass_that_cannot_be(livepass_app):
    answer = livepass_app.client().get("/members/not%20a%20serial/pass")
    assert (answer.status_code, answer.json()["error"] != "") == (422, True)
