"""``/docs``: pages by name, as Markdown or as plain HTML; nothing else of the disk."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest

from livepass.manual import Entry, Manual, of_finding, of_sentence
from livepass.service.refusals import Refusal
from livepass.web.app import App
from livepass.web.docs import Docs
from livepass.web.problems import PAGES, TITLES, problem
from web.asgi import Api, with_api
from web.test_batch_over_sockets import served

PAGES_THERE = Manual().entries
BROWSER = "text/html,application/xhtml+xml,*/*;q=0.8"


def get(path: str, method: str = "GET", app: Any = None, root: str = "", **headers: str) -> tuple[int, dict, str]:
    """(status, headers, body) of the whole application: phones and issuers would not answer."""
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    given = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "method": method, "path": path, "root_path": root, "headers": given}
    asyncio.run((app or App(None, None, None))(scope, None, send))  # type: ignore[arg-type]
    found = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return sent[0]["status"], found, sent[1]["body"].decode()


@pytest.mark.parametrize("entry", PAGES_THERE, ids=lambda entry: entry.place)
def test_every_page_is_served(entry: Entry) -> None:
    status, headers, text = get(entry.address)
    assert (status, text) == (200, entry.text())
    assert headers["content-type"] == "text/markdown; charset=utf-8"
    assert headers["content-length"] == str(len(text.encode()))
    assert get(entry.address + ".md")[2] == text


def test_what_answers_link_to_is_served() -> None:
    for path, title in (
        (of_finding("LP303"), "# LP303"),
        (of_sentence("S5"), "# S5"),
        (of_sentence("?"), "# What phones say"),
        ("/docs/findings", "# Findings"),
        ("/docs", "# The pages"),
        ("/docs/", "# The pages"),
    ):
        assert get(path)[0] == 200 and get(path)[2].startswith(title), path


def test_a_browser_gets_html_in_which_nothing_can_happen() -> None:
    status, headers, page = get("/docs/findings/LP303", accept=BROWSER)
    assert (status, headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert headers["content-security-policy"].startswith("default-src 'none'")
    assert headers["x-content-type-options"] == "nosniff" and headers["vary"] == "accept"
    assert "<title>LP303 ask refused</title>" in page
    assert '<a href="/docs/device-log/T0">T0</a>' in page and '<a href="/docs/findings/LP304">LP304</a>' in page
    assert set(re.findall(r"<(\w+)", page)) == {"meta", "title", "pre", "a"}


@pytest.mark.parametrize("entry", PAGES_THERE, ids=lambda entry: entry.place)
def test_every_link_of_a_page_leads_to_one(entry: Entry) -> None:
    page = get(entry.address, accept=BROWSER)[2]
    for address in re.findall(r'href="([^"]+)"', page):
        assert get(address)[0] == 200, address
    written = [target for target in re.findall(r"\]\(([^)\s]+)\)", entry.text()) if ".md" in target]
    assert len(re.findall("href=", page)) >= len(written)


def test_the_index_leads_to_all_also_below_a_mount() -> None:
    page = get("/docs", accept=BROWSER, root="/passes")[2]
    assert re.findall(r'href="/passes([^"]+)"', page) == [entry.address for entry in PAGES_THERE]


def test_what_stands_in_a_page_is_text(tmp_path: Path) -> None:
    (tmp_path / "reference").mkdir()
    (tmp_path / "reference" / "x.md").write_text("# <b>&\n\n[<i>](x.md) [no](javascript:alert) <script>")
    app = Docs(Manual(tmp_path))
    page = get("/docs/x", app=app, accept=BROWSER)[2]
    assert page.endswith(
        '<pre># &lt;b&gt;&amp;\n\n<a href="/docs/x">&lt;i&gt;</a> [no](javascript:alert) &lt;script&gt;</pre>\n'
    )


@pytest.mark.parametrize(
    "path",
    [
        "/docs/../README",
        "/docs/../pyproject.toml",
        "/docs/findings/../../../README",
        "/docs//etc/passwd",
        "/docs/%2e%2e/README",
        "/docs/findings/LP303\x00",
        "/docs/reference/findings/LP303",
        "/docs/findings/LP999",
        "/docs/findings/lp303",
        "/docs/.md.md",
    ],
)
def test_anything_else_is_not_there(path: str) -> None:
    status, headers, said = get(path)
    assert status == 404 and "/docs" in said
    assert headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_it_is_only_read(method: str) -> None:
    status, headers, _ = get("/docs/findings/LP303", method)
    assert (status, headers["allow"]) == (405, "GET, HEAD")


def test_head_is_get_without_its_body() -> None:
    (_, whole, text), (status, headers, body) = get("/docs/running"), get("/docs/running", "HEAD")
    assert (status, headers, body) == (200, whole, "") and text


def test_it_may_be_cached_and_asked_again() -> None:
    _, headers, _ = get("/docs/running")
    assert headers["cache-control"] == "public, max-age=3600"
    status, again, body = get("/docs/running", if_none_match=headers["etag"])
    assert (status, body, again["etag"]) == (304, "", headers["etag"]) and "content-length" not in again
    assert get("/docs/running", accept=BROWSER)[1]["etag"] != headers["etag"]


def test_a_page_is_read_once(tmp_path: Path) -> None:
    (tmp_path / "reference").mkdir()
    page = tmp_path / "reference" / "x.md"
    page.write_text("# before\n")
    app = Docs(Manual(tmp_path))
    assert get("/docs/x", app=app)[2] == "# before\n"
    page.unlink()
    assert get("/docs/x", app=app)[2] == "# before\n"


def test_without_pages_only_the_index_is_there(tmp_path: Path) -> None:
    app = Docs(Manual(tmp_path))
    assert get("/docs", app=app)[0] == 200 and get("/docs/findings/LP303", app=app)[0] == 404


def test_problems_name_a_page_that_is_there() -> None:
    assert PAGES.keys() <= TITLES.keys()
    for code in PAGES:
        refusal = Refusal("x", code=code)
        docs = problem(refusal).docs
        assert isinstance(docs, str) and get(docs)[0] == 200
    assert not isinstance(problem(Refusal("x", code="lint")).docs, str)


@with_api
async def test_a_path_that_climbs_stays_below_also_over_a_socket(api: Api) -> None:
    """The server takes ``%2e`` apart before we see the path."""

    async def said(path: bytes) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET " + path + b" HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        answer = await reader.read()
        writer.close()
        return answer

    async with served(api) as port:
        assert b"\r\n\r\n# LP303 ask refused" in await said(b"/docs/findings/LP303")
        for path in (b"/docs/%2e%2e/%2e%2e/etc/passwd", b"/docs/../pyproject.toml", b"/docs/..%2fpyproject.toml"):
            answer = await said(path)
            assert answer.startswith(b"HTTP/1.1 404") and b"root:" not in answer and b"[project]" not in answer
