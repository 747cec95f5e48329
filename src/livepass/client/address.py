"""Where a service is, and what its paths are made of."""

from __future__ import annotations

from urllib.parse import quote, urlsplit

API = "/api/v1"


class BadAddress(ValueError):
    """Not the address of a service. ``unencrypted``: it is one that others on the way could read a key of."""

    def __init__(self, message: str, *, unencrypted: bool = False) -> None:
        self.unencrypted = unencrypted
        super().__init__(message)


def checked(url: str) -> str:
    """The service's address without ``/api/v1``. A key is not sent where others can read it: ``BadAddress``."""
    try:
        parts = urlsplit(url.rstrip("/"))
        usable = parts.scheme in ("https", "http") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # brackets that do not close, a port that is none
        usable = False
    if not usable:
        raise BadAddress(f"{url!r} is not the address of a service")
    if parts.scheme == "http" and parts.hostname not in ("localhost", "127.0.0.1", "::1"):
        raise BadAddress(f"{url} would send the API key unencrypted", unencrypted=True)
    return url.rstrip("/").removesuffix(API)


def possible(text: str) -> bool:
    """Whether a key or a name can stand in a header. What cannot is named in the error there, and so in some log."""
    return text.isascii() and text.isprintable()


def path(*parts: str) -> str:
    """A path below ``/api/v1``; each part is escaped."""
    return "/" + "/".join(quote(part, safe="") for part in parts)
