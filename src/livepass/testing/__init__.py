"""What the pytest fixtures are made of: a stage for a session, an APNs, phones and a service for a test.

All of it runs in one event loop on a thread of its own, over real sockets and TLS; a test calls it without awaiting.
"""

from livepass.testing.apns import Apns
from livepass.testing.app import App, IssuedPass
from livepass.testing.phone import Phone, Phones
from livepass.testing.stage import Stage

__all__ = ["Apns", "App", "IssuedPass", "Phone", "Phones", "Stage"]
