"""``/docs``: the pages that ship with livepass, for whoever followed a path out of an answer. No login, nothing secret.

A program gets Markdown. A browser, which asks for HTML, gets the same text in one ``<pre>`` with its links to click: no
script, no style, nothing from elsewhere. What is asked for is looked up in the list of pages, and is never a path.
"""

from __future__ import annotations

import html
import posixpath
import re
from collections.abc import Iterator
from functools import lru_cache
from hashlib import sha256

from livepass.manual import ADDRESS, Entry, Manual
from livepass.web.phone import Receive, Scope, Send

_MARKDOWN = b"text/markdown; charset=utf-8"
_HTML = b"text/html; charset=utf-8"
_LINK = re.compile(r"\[([^\]]+)\]\(([^)\s]+)\)")
_ALWAYS = (
    (b"content-security-policy", b"default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"vary", b"accept"),
)


class Docs:
    """One object per process. Pages are read once, when they are first asked for. ``shared``: whether what lies between
    here and the reader may keep them for others.
    """

    def __init__(self, manual: Manual | None = None, *, shared: bool = True) -> None:
        self._kept = (b"cache-control", b"%s, max-age=3600" % (b"public" if shared else b"private"))
        entries = (manual or Manual()).entries
        self._entries = {entry.address: entry for entry in entries}
        self._page = lru_cache(maxsize=2 * len(entries) + 2)(self._rendered)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"].removesuffix(".md").rstrip("/")
        headers = dict(scope.get("headers", ()))
        if path != ADDRESS and path not in self._entries:
            await _answer(send, 404, b"there is no such page: /docs lists them\n", (b"text/plain; charset=utf-8",))
            return
        if scope["method"] not in ("GET", "HEAD"):
            await _answer(send, 405, b"", (b"text/plain; charset=utf-8",), (b"allow", b"GET, HEAD"))
            return
        as_html = b"text/html" in headers.get(b"accept", b"")
        body, tag = self._page(path, scope.get("root_path", ""), as_html)
        kind = (_HTML if as_html else _MARKDOWN,)
        if headers.get(b"if-none-match") == tag:
            await _answer(send, 304, b"", (), (b"etag", tag), self._kept)
            return
        await _answer(send, 200, body, kind, (b"etag", tag), self._kept, head=scope["method"] == "HEAD")

    def _rendered(self, path: str, root: str, as_html: bool) -> tuple[bytes, bytes]:
        """(body, entity tag). ``root``: the path below which the whole application is mounted."""
        text = self._index() if path == ADDRESS else self._entries[path].text()
        if as_html:
            title = text.partition("\n")[0].lstrip("# ")
            marked = "".join(self._linked(text, self._entries.get(path), root))
            text = f"<!doctype html><meta charset=utf-8><title>{html.escape(title)}</title><pre>{marked}</pre>\n"
        body = text.encode()
        return body, f'"{sha256(body).hexdigest()[:16]}"'.encode()

    def _index(self) -> str:
        rows = (f"- [{entry.title()}]({entry.address})" for entry in self._entries.values())
        return "# The pages of livepass\n\n" + "\n".join(rows) + "\n"

    def _linked(self, text: str, entry: Entry | None, root: str) -> Iterator[str]:
        """The text for HTML: links between pages become anchors, everything else is shown as it is written."""
        end = 0
        for link in _LINK.finditer(text):
            yield html.escape(text[end : link.start()])
            address = self._address(link[2], entry)
            said = html.escape(link[1])
            yield f'<a href="{html.escape(root + address)}">{said}</a>' if address else html.escape(link[0])
            end = link.end()
        yield html.escape(text[end:])

    def _address(self, target: str, entry: Entry | None) -> str | None:
        """Where a link leads on this service; ``None``: nowhere here."""
        if target in self._entries:
            return target
        here = posixpath.dirname(entry.place) if entry else ""
        place = posixpath.normpath(posixpath.join(here, target.partition("#")[0])).removesuffix(".md")
        return next((each.address for each in self._entries.values() if each.place == place), None)


async def _answer(
    send: Send, status: int, body: bytes, kind: tuple[bytes, ...], *more: tuple[bytes, bytes], head: bool = False
) -> None:
    headers = [*((b"content-type", each) for each in kind), *more, *_ALWAYS]
    if status != 304:
        headers.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if head else body})
