"""livepass inside an application of yours: ``Livepass``, and what it is made of.

``livepass.py`` is the object, ``apps.py`` the ASGI applications over one process's services, ``mounting.py`` the device
endpoints at any prefix, ``console.py`` the console, ``blocking.py`` the same object for code that does not await,
``handlers.py`` what is called when something happened, ``outbox.py`` a wish in a transaction of yours.
"""
