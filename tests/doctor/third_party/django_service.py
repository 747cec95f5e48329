"""The smallest Django project around django-walletpass: settings, one pass, TLS. Runs in a Python of its own.

Its argument is the JSON file that ``services.py`` writes. Nothing here answers phones: the package does.
"""

from __future__ import annotations

import json
import ssl
import sys
from pathlib import Path
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIServer, make_server

import django
from django.conf import settings
from django.core.files.base import ContentFile

given = json.loads(Path(sys.argv[1]).read_text())
folder = Path(given["folder"])

settings.configure(
    SECRET_KEY="not secret: lives as long as a test",
    ALLOWED_HOSTS=["localhost"],
    ROOT_URLCONF="django_service_urls",
    INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", "rest_framework", "django_walletpass"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": str(folder / "service.db")}},
    MEDIA_ROOT=str(folder / "media"),
    USE_TZ=True,
    # Else Django takes Chicago, where the midnight that is misread (WS9) is still to come from 00:00 to 06:00 UTC.
    TIME_ZONE="UTC",
    WALLETPASS={
        "CERT_PATH": given["pass_certificate"],
        "KEY_PATH": given["pass_key"],
        "PASS_TYPE_ID": given["pass_type"],
        "TEAM_ID": given["team"],
        "SERVICE_URL": given["url"],
    },
)
sys.modules["django_service_urls"] = sys.modules[__name__]
django.setup()

from django.core.management import call_command  # noqa: E402
from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.urls import include, path  # noqa: E402
from django_walletpass.models import Pass  # noqa: E402

urlpatterns = [path(given.get("path", "wallet/"), include("django_walletpass.urls"))]


class Threads(ThreadingMixIn, WSGIServer):
    daemon_threads = True


call_command("migrate", verbosity=0)
for one in (given, *given.get("more", ())):
    held = Pass(pass_type_identifier=given["pass_type"], serial_number=one["serial"], authentication_token=one["token"])
    held.data.save("held.pkpass", ContentFile(Path(one["package"]).read_bytes()), save=False)
    Pass.objects.bulk_create([held])  # save() would push

server = make_server("127.0.0.1", given["port"], get_wsgi_application(), server_class=Threads)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(given["certificate"], given["key"])
server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
print("ready", flush=True)
server.serve_forever()
