"""A request and its answer, as a proxy sees them: text, bytes, and which of Wallet's calls it is."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

Headers = tuple[tuple[str, str], ...]


class Call(StrEnum):
    """Wallet's calls, by method and path."""

    REGISTER = "register"
    UNREGISTER = "unregister"
    ASK = "ask"
    FETCH = "fetch"
    LOG = "log"
    OTHER = "other"


@dataclass(frozen=True)
class Request:
    """What a client sends. ``target`` is the path with its query, as sent."""

    method: str
    target: str
    headers: Headers
    body: bytes = b""

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    @property
    def call(self) -> Call:
        parts = self.path.strip("/").split("/")
        match self.method, parts[parts.index("v1") + 1 :] if "v1" in parts else []:
            case "POST", ["devices", _, "registrations", _, *_]:
                return Call.REGISTER
            case "DELETE", ["devices", _, "registrations", _, *_]:
                return Call.UNREGISTER
            case "GET", ["devices", _, "registrations", _]:
                return Call.ASK
            case "GET", ["passes", _, *_]:
                return Call.FETCH
            case "POST", ["log"]:
                return Call.LOG
        return Call.OTHER

    def without(self, name: str) -> Request:
        """The same without a header, whose name is given in lower case."""
        return replace(self, headers=_without(self.headers, name))


@dataclass(frozen=True)
class Answer:
    """What goes back. With ``cut_after`` so many bytes of the body are sent, and then the connection ends."""

    status: int
    headers: Headers = ()
    body: bytes = b""
    cut_after: int | None = None

    def without(self, name: str) -> Answer:
        """The same without a header, whose name is given in lower case."""
        return replace(self, headers=_without(self.headers, name))


def _without(headers: Headers, name: str) -> Headers:
    return tuple(header for header in headers if header[0].lower() != name)
