"""Sends pushes to APNs over HTTP/2 (trip 2): ``ApnsSender`` and nothing else is for others.

From the wire up: ``frames`` (what RFC 9113's frames look like) · ``blocks`` (HPACK) · ``events`` · ``wire`` (the
protocol, without sockets) · ``reasons`` (APNs' error JSON) · ``tls`` · ``patience`` (silence and reconnecting) ·
``delivery`` · ``connection`` (one socket) · ``pool`` (one certificate) · ``key_pool`` (one key) · ``sender``.
"""

from livepass.apns.patience import Patience
from livepass.apns.pool import PoolStats
from livepass.apns.sender import ApnsSender

__all__ = ["ApnsSender", "Patience", "PoolStats"]
