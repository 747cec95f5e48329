"""livepass keeps Apple Wallet passes true."""

from typing import TYPE_CHECKING, Any

from livepass._version import __version__

if TYPE_CHECKING:
    from livepass.config import ConfigError
    from livepass.core.unavailable import Unavailable
    from livepass.embed.handlers import Happening
    from livepass.embed.livepass import Livepass
    from livepass.service.issuing import Issued
    from livepass.service.refusals import Refusal

__all__ = ["ConfigError", "Happening", "Issued", "Livepass", "Refusal", "Unavailable", "__version__"]

_HOMES = {
    "ConfigError": "livepass.config",
    "Happening": "livepass.embed.handlers",
    "Issued": "livepass.service.issuing",
    "Livepass": "livepass.embed.livepass",
    "Refusal": "livepass.service.refusals",
    "Unavailable": "livepass.core.unavailable",
}


def __getattr__(name: str) -> Any:
    """Loaded when it is asked for: whoever imports one part of livepass does not pay for all of it."""
    if name not in _HOMES:
        raise AttributeError(f"module 'livepass' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
