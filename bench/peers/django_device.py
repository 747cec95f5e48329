"""The smallest Django project around django-walletpass, for gunicorn: nothing here answers phones, the package does."""

import json
import os
import sys
from pathlib import Path

import django
from django.conf import settings
from django.core.files.base import ContentFile

given = json.loads(Path(os.environ["GIVEN"]).read_text())
folder = Path(given["folder"])
settings.configure(
    SECRET_KEY="not secret: lives as long as a benchmark",
    ALLOWED_HOSTS=["localhost"],
    ROOT_URLCONF="django_device_urls",
    INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", "rest_framework", "django_walletpass"],
    DATABASES={
        "default": {"ENGINE": "django.db.backends.sqlite3", "NAME": str(folder / "peer.db"), "CONN_MAX_AGE": None}
    },
    MEDIA_ROOT=str(folder / "media"),
    USE_TZ=True,
    TIME_ZONE="UTC",
    LOGGING_CONFIG=None,
    WALLETPASS={
        "CERT_PATH": str(folder / "certificate.pem"),
        "KEY_PATH": str(folder / "key.pem"),
        "PASS_TYPE_ID": given["pass_type"],
        "TEAM_ID": given["team"],
        "SERVICE_URL": "https://passes.example.com/wallet",
    },
)
sys.modules["django_device_urls"] = sys.modules[__name__]
django.setup()

from django.core.management import call_command  # noqa: E402
from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.urls import include, path  # noqa: E402
from django_walletpass.models import Pass  # noqa: E402

urlpatterns = [path("wallet/", include("django_walletpass.urls"))]
call_command("migrate", verbosity=0)
held = []
for one in json.loads((folder / "passes.json").read_text()):
    row = Pass(pass_type_identifier=given["pass_type"], serial_number=one["serial"], authentication_token=one["token"])
    row.data.save(f"{one['serial']}.pkpass", ContentFile((folder / f"{one['serial']}.pkpass").read_bytes()), save=False)
    held.append(row)
Pass.objects.bulk_create(held)  # save() would push
application = get_wsgi_application()
