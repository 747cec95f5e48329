"""django-walletpass: a PassBuilder over the folder of the pass, for each pass, as its documentation says."""

from django.conf import settings
from told import folder, given, timed

settings.configure(
    SECRET_KEY="not secret: lives as long as a benchmark",
    INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", "django_walletpass"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    WALLETPASS={
        "CERT_PATH": str(folder / "certificate.pem"),
        "KEY_PATH": str(folder / "key.pem"),
        "APPLE_WWDRCA_PEM_PATH": str(folder / "wwdr.pem"),
        "PASS_TYPE_ID": given["pass_type"],
        "TEAM_ID": given["team"],
        "SERVICE_URL": "https://passes.example.com/wallet",
    },
)

import django  # noqa: E402

django.setup()

from django_walletpass.services import PassBuilder  # noqa: E402


def one(number):
    builder = PassBuilder(str(folder / "model.pass"))
    builder.pass_data_required["serialNumber"] = str(number)
    return builder.build()


timed(one)
