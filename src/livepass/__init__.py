"""livepass keeps Apple Wallet passes true."""

from livepass._version import __version__

__all__ = ["__version__"]
