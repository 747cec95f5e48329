"""The wallet: a pass in hand, and a fetch of its newest version."""

from __future__ import annotations

import io
import json
import ssl
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal
from urllib.parse import quote

import httpx2

SECONDS: Final = 30.0
LARGEST: Final = 32 * 1024 * 1024

# What each kind calls itself and how it shows the token. None documents it: assumptions of November 2026, from what
# servers report and from the HTTP libraries that the wallets are built on.
KINDS: Final[Mapping[str, tuple[str, str]]] = {
    "fosswallet": ("okhttp/4.12.0", "ApplePass"),
    "passandroid": ("Dalvik/2.1.0 (Linux; U; Android 14; Pixel 8)", "ApplePass"),
    "walletunion": ("WalletUnion/4.1 (Android 14)", "WalletUnionPass"),
    "itinerary": ("KDE Itinerary/24.12", "ApplePass"),
    "gnome": ("gnome-passes libsoup/3.4", "ApplePass"),
}
"""Kind → (User-Agent, scheme of the Authorization header)."""

Became = Literal["changed", "unchanged", "refused", "failed"]


class NotAPass(Exception):
    """The file is no pass that can be updated. The message says why."""


class Unreachable(Exception):
    """No answer. The message says why."""


@dataclass(frozen=True)
class Polled:
    """What a fetch brought."""

    status: int
    became: Became


class PollingWallet:
    """One pass on one such device. ``ca_file``: trust this authority instead of the system's."""

    def __init__(self, package: bytes, kind: str = "fosswallet", ca_file: Path | None = None) -> None:
        self.kind = kind
        self._verify: ssl.SSLContext | bool = ssl.create_default_context(cafile=str(ca_file)) if ca_file else True
        self.last_modified: str | None = None
        self._take(package)

    def _take(self, package: bytes) -> None:
        document = _document(package)
        missing = [key for key in ("webServiceURL", "authenticationToken") if not document.get(key)]
        if missing:
            raise NotAPass(f"its pass.json has no {' and no '.join(missing)}: it cannot be updated")
        self.package = package
        self.document = document

    @property
    def url(self) -> str:
        """Where the pass is fetched. These wallets glue the address together, slash or no slash."""
        parts = (str(self.document[key]) for key in ("passTypeIdentifier", "serialNumber"))
        return f"{self.document['webServiceURL']}/v1/passes/" + "/".join(quote(part, safe="") for part in parts)

    def headers(self) -> dict[str, str]:
        """What a fetch carries."""
        user_agent, scheme = KINDS[self.kind]
        given = {"User-Agent": user_agent, "Authorization": f"{scheme} {self.document['authenticationToken']}"}
        return given | ({"If-Modified-Since": self.last_modified} if self.last_modified else {})

    async def poll(self) -> Polled:
        """Fetch once. Raises ``Unreachable``."""
        try:
            async with httpx2.AsyncClient(verify=self._verify, trust_env=False, timeout=SECONDS) as http:
                reply = await http.get(self.url, headers=self.headers())
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise Unreachable(str(error) or type(error).__name__) from error
        return Polled(reply.status_code, self._became(reply))

    def _became(self, reply: httpx2.Response) -> Became:
        if reply.status_code == 304:
            return "unchanged"
        if reply.status_code in (401, 403, 404, 410):
            return "refused"
        if reply.status_code != 200:
            return "failed"
        before = self.package
        try:
            self._take(reply.content)
        except NotAPass:
            return "failed"
        self.last_modified = reply.headers.get("last-modified")
        return "unchanged" if _manifest(before) == _manifest(reply.content) else "changed"


def _document(package: bytes) -> dict[str, object]:
    try:
        found = json.loads(_read(package, "pass.json"))
    except (zipfile.BadZipFile, KeyError, ValueError, NotImplementedError, RuntimeError) as error:
        raise NotAPass(f"it is no pass: {error}") from error
    if not isinstance(found, dict):
        raise NotAPass("its pass.json is no object")
    return found


def _manifest(package: bytes) -> bytes:
    try:
        return _read(package, "manifest.json")
    except KeyError:
        return b""


def _read(package: bytes, name: str) -> bytes:
    with zipfile.ZipFile(io.BytesIO(package)) as archive:
        if archive.getinfo(name).file_size > LARGEST:
            raise ValueError(f"its {name} is too large")
        return archive.read(name)
