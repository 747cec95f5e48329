"""Django, with livepass in front: it answers phones, and sends pushes for as long as the server runs.

python manage.py migrate && livepass db upgrade && uvicorn club.asgi:application
"""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "club.settings")
django = get_asgi_application()

from club.passes import lp  # noqa: E402 - after Django is set up

application = lp.around(django)
