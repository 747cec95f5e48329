"""Makes a pass with django-walletpass, in a Python of its own. Its argument is the JSON file that the test writes."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import django
from django.conf import settings

given = json.loads(Path(sys.argv[1]).read_text())
settings.configure(
    SECRET_KEY="not secret: lives as long as a test",
    INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", "django_walletpass"],
    WALLETPASS={
        "CERT_PATH": given["certificate"],
        "KEY_PATH": given["key"],
        "APPLE_WWDRCA_PEM_PATH": given["wwdr"],
        "PASS_TYPE_ID": given["pass_type"],
        "TEAM_ID": given["team"],
        "SERVICE_URL": "https://theirs.example/wallet",
    },
)
django.setup()

from django_walletpass.services import PassBuilder  # noqa: E402

builder = PassBuilder(given["model"])
builder.pass_data_required["serialNumber"] = given["serial"]
Path(given["out"]).write_bytes(builder.build())
