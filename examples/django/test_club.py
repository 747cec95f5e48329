"""An emulated phone sees what the club's own views do."""

from __future__ import annotations

import importlib
import time
from pathlib import Path

import pytest


@pytest.fixture
def livepass_templates():
    return [Path(__file__).parents[1] / "templates" / "membership"]


@pytest.fixture
def livepass_settings(livepass_settings, tmp_path, monkeypatch):
    """The club reads the environment, so that is where it finds them: Django is set up once a process."""
    given = {**livepass_settings, "outbox_url": f"sqlite:///{tmp_path}/club.db"}
    for name, value in given.items():
        monkeypatch.setenv(f"LIVEPASS_{name.upper()}", value)
    monkeypatch.setenv("CLUB_DATABASE", str(tmp_path / "club.db"))
    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "club.settings")
    return given


@pytest.fixture
def livepass_asgi(livepass_settings):
    application = importlib.import_module("club.asgi").application
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    return application


@pytest.fixture
def livepass_object(livepass_asgi):
    return importlib.import_module("club.passes").lp


def until(true, seconds=10.0):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_points_reach_the_phone(livepass_app, phone):
    from club.models import Member

    club = livepass_app.client()
    assert club.post("/members/7", params={"name": "Ada"}).status_code == 201
    phone.add(f"{livepass_app.url}/members/7/pass")
    assert club.post("/members/7/points", params={"add": 30}).json() == {"points": 30}
    phone.deliver_pushes()
    assert phone["7"].field("points") == 30
    assert phone.last_banner == "You have 30 points"

    assert club.post("/members/7/points", params={"add": 5000}).status_code == 422
    assert phone.deliver_pushes() == 0
    assert phone["7"].field("points") == 30
    until(lambda: Member.objects.get(number="7").has_pass)  # a handler runs beside
    assert phone.complaints == []
