"""Django's settings; livepass's are ``LIVEPASS_…``, for this application and for the command ``livepass`` alike.

``LIVEPASS_OUTBOX_URL`` names the database below, so that changes of passes are part of Django's transactions.
"""

import os

SECRET_KEY = os.environ.get("DJANGO_SECRET_KEY", "only for tests")
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "club.urls"
INSTALLED_APPS = ["club"]
MIDDLEWARE = []
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.environ.get("CLUB_DATABASE", "club.db"),
        # livepass takes rows out of the outbox meanwhile: a transaction that reads first and then writes would be
        # refused at once, instead of waiting for its turn.
        "OPTIONS": {"transaction_mode": "IMMEDIATE", "timeout": 20},
    },
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
