"""Share pages: what they show, to whom, and what they never do."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from core.test_visitor import IOS, SAFARI
from livepass.core.model import Pass
from livepass.core.shedding import Level
from livepass.core.timeline import Kind
from livepass.core.unavailable import Unavailable
from livepass.service.sharing import MOST_AT_ONCE, Opened, Sharing
from livepass.web.badges import LARGEST, Badges
from livepass.web.languages import accepted
from livepass.web.share import ShareApp
from web.asgi import PASS_TYPE, Api, Reply, folder_zip, send, with_api

MAC = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 Version/26.0 Safari/605.1.15"
ANDROID = "Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 Chrome/130.0 Mobile Safari/537.36"


def drawn(files: Mapping[str, bytes], language: str) -> bytes:
    return b"<svg>" + language.encode() + files["pass.json"] + b"</svg>"


class Visitor:
    """A browser with a link."""

    def __init__(self, api: Api, **more: Any) -> None:
        self.api = api
        services = api.services
        self.app = ShareApp(services.sharing, services.answering.load, services.clock, **more)

    async def link(self, serial: str = "1", **body: Any) -> str:
        """A new link, as the path of its page."""
        url = (await self.api.ok("POST", f"/passes/{PASS_TYPE}/{serial}:share", body))["url"]
        assert url.startswith("https://passes.example.com/p/")
        return str(url).removeprefix("https://passes.example.com")

    async def get(self, path: str, agent: str = SAFARI, languages: str = "", method: str = "GET") -> Reply:
        headers = [(b"user-agent", agent.encode()), (b"accept-language", languages.encode())]
        return await send(self.app, method, path, headers=headers)

    async def text(self, path: str, agent: str = SAFARI, languages: str = "") -> str:
        reply = await self.get(path, agent, languages)
        assert reply.status == 200
        return reply.body.decode()

    async def noted(self, serial: str = "1") -> list[tuple[Kind, object]]:
        """The kinds and details of what was written down of it."""
        await self.api.services.recorder.settle()
        events = await self.api.services.store.timeline(PASS_TYPE, serial, after=0, limit=100)
        return [(event.kind, event.detail["platform"]) for event in events if "platform" in event.detail]


# ── what it shows


@with_api
async def test_the_page_names_the_pass_and_leads_to_its_file(api: Api) -> None:
    await api.issue("1")
    visitor = Visitor(api)
    path = await visitor.link()
    page = await visitor.text(path)
    assert '<p class="who">Gym</p>\n<h1>Membership</h1>' in page
    [file] = re.findall(r'href="([^"]+)">Add to Apple Wallet</a>', page)
    assert f"/p/{file}" == f"{path}/pass.pkpass"
    got = await visitor.get(f"/p/{file}")
    assert got.status == 200
    assert got.headers["content-type"] == "application/vnd.apple.pkpass"
    assert got.headers["content-disposition"] == 'attachment; filename="1.pkpass"'
    assert got.body == await api.services.issuing.pkpass(PASS_TYPE, "1")


@with_api
async def test_without_anything_that_draws_there_is_no_picture(api: Api) -> None:
    await api.issue("1")
    visitor = Visitor(api)
    path = await visitor.link()
    assert 'class="pass"' not in await visitor.text(path)
    assert (await visitor.get(f"{path}/picture.svg")).status == 404


@with_api
async def test_the_picture_is_drawn_in_the_visitors_language_without_the_passs_token(api: Api) -> None:
    """Fails when what draws is given the token, or a signature."""
    await api.issue("1")
    visitor = Visitor(api, picture=drawn)
    path = await visitor.link()
    [address] = re.findall(r'<img class="pass" src="([^"]+)" alt="[^"]+Membership, Gym">', await visitor.text(path))
    got = await visitor.get(f"/p/{address}", languages="de-CH, en;q=0.5")
    assert got.status == 200 and got.headers["content-type"] == "image/svg+xml"
    assert got.body.startswith(b"<svg>de-CH{") and b"authenticationToken" not in got.body
    assert "sandbox" in got.headers["content-security-policy"]


@with_api
async def test_a_text_of_the_pass_is_never_markup(api: Api) -> None:
    content = {"description": '"><script>1</script>', "organizationName": "<b>Gym</b>'\""}
    await api.ok("PUT", f"/passes/{PASS_TYPE}/1", {"template": "membership", "data": {"points": 1}, "content": content})
    visitor = Visitor(api, picture=drawn)
    page = await visitor.text(await visitor.link())
    assert "<script" not in page and "<b>" not in page
    assert "<h1>&quot;&gt;&lt;script&gt;1&lt;/script&gt;</h1>" in page


@with_api
async def test_texts_are_translated_where_the_pass_is(api: Api) -> None:
    template = folder_zip("gold/", {"description": "MEMBERSHIP", "organizationName": "Gym", "storeCard": {}})
    strings = {"de.lproj/pass.strings": '"MEMBERSHIP" = "Mitgliedschaft";', "fr.lproj/pass.strings": "oops"}
    await api.ok("POST", "/templates", body=_with(template, strings), media="application/zip")
    await api.ok("PUT", f"/passes/{PASS_TYPE}/1", {"template": "gold"})
    visitor = Visitor(api)
    path = await visitor.link()
    assert "<h1>Mitgliedschaft</h1>" in await visitor.text(path, languages="nl, de-AT;q=0.7")
    assert "<h1>MEMBERSHIP</h1>" in await visitor.text(path, languages="en")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        pytest.param({"content": {"expirationDate": "2020-01-01T00:00:00Z"}}, "This pass has expired.", id="expired"),
        pytest.param({"content": {"expirationDate": "2920-01-01T00:00:00Z"}}, "", id="not yet"),
        pytest.param(None, "This pass is void", id="void"),
    ],
)
@with_api
async def test_a_pass_that_is_over_says_so(api: Api, change: Any, said: str) -> None:
    await api.issue("1")
    await api.ok("PATCH" if change else "DELETE", f"/passes/{PASS_TYPE}/1", change)
    visitor = Visitor(api)
    page = await visitor.text(await visitor.link())
    assert ('class="state"' in page) is bool(said) and said in page


@pytest.mark.parametrize(
    ("agent", "hint"),
    [
        pytest.param(SAFARI, "", id="Safari on an iPhone"),
        pytest.param(f"{IOS} Instagram 300.0", "open this page in Safari", id="inside an app"),
        pytest.param(ANDROID, "Apple Wallet is on iPhone", id="Android"),
        pytest.param(MAC, "To have the pass on an iPhone", id="a Mac"),
        pytest.param("", "Apple Wallet is on iPhone", id="nothing said"),
    ],
)
@with_api
async def test_whoever_cannot_add_it_there_is_told_where(api: Api, agent: str, hint: str) -> None:
    await api.issue("1")
    visitor = Visitor(api)
    page = await visitor.text(await visitor.link(), agent)
    assert ('class="hint"' in page) is bool(hint) and hint in page.replace("\n", " ")


@with_api
async def test_the_code_for_desktops_leads_to_the_page(api: Api) -> None:
    """Read back from what the page draws, module by module."""
    import zxingcpp as zxing

    await api.issue("1")
    visitor = Visitor(api)
    path = await visitor.link()
    page = await visitor.text(path)
    [side] = re.findall(r'class="qr"[^>]*viewBox="0 0 (\d+) ', page)
    rows = [[255] * int(side) for _ in range(int(side))]
    for x, y, length in re.findall(r"M(\d+) (\d+)h(\d+)v1h", page):
        rows[int(y)][int(x) : int(x) + int(length)] = [0] * int(length)
    assert read_back(zxing, rows) == f"https://passes.example.com{path}"
    assert "@media (pointer: fine)" in page


def read_back(zxing: Any, rows: list[list[int]]) -> str:
    """What a reader makes of rows of modules (0: dark)."""
    scale = 4
    flat = bytes(value for row in rows for _ in range(scale) for value in row for _ in range(scale))
    shape = (len(rows) * scale, len(rows[0]) * scale)
    [found] = zxing.read_barcodes(memoryview(flat).cast("B", shape))
    return str(found.text)


# ── Apple's badge


@with_api
async def test_the_badge_is_the_operators_in_the_visitors_language(api: Api, tmp_path: Path) -> None:
    for name, data in {"en.svg": b"<svg>en</svg>", "de.svg": b"<svg>de</svg>", "de.png": b"png"}.items():
        (tmp_path / name).write_bytes(data)
    for name, data in {"notes.txt": b"", "../up.svg": b"", "fr.svg": b" " * (LARGEST + 1)}.items():
        (tmp_path / name).write_bytes(data)
    await api.issue("1")
    visitor = Visitor(api, badges=Badges.read(tmp_path))
    path = await visitor.link()
    for languages, expected in {"de-CH,en": b"<svg>de</svg>", "fr": b"<svg>en</svg>", "": b"<svg>en</svg>"}.items():
        page = await visitor.text(path, languages=languages)
        [address] = re.findall(r'<img src="(badge/[^"]+)" alt="Add to Apple Wallet">', page)
        got = await visitor.get(f"/p/{address}")
        assert (got.body, got.headers["content-type"]) == (expected, "image/svg+xml")
    for name in ("notes.txt", "fr.svg", "../up.svg", "..%2Fup.svg", ""):
        assert (await visitor.get(f"/p/badge/{name}")).status == 404


def test_languages_in_their_order() -> None:
    assert accepted("de;q=0.5, fr-CH, en;q=0.8, *;q=0.1, x!, it;q=0") == ["fr-CH", "en", "de"]
    assert accepted("") == []
    assert len(accepted(",".join(["de"] * 50))) == 10


# ── what opens nothing


@with_api
async def test_one_answer_for_all_that_opens_nothing(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """Garbled, of no pass, erased, issued anew, expired: byte for byte, and looked up alike."""
    for serial in ("1", "2", "3"):
        await api.issue(serial)
    visitor = Visitor(api, picture=drawn)
    good, expired, erased, anew = [await visitor.link(serial) for serial in ("1", "1", "2", "3")]
    for serial in ("2", "3"):
        assert (await api.call("DELETE", f"/passes/{PASS_TYPE}/{serial}?erase=1")).status == 204
    await api.issue("3")
    looked: list[str] = []
    store, before = api.services.store, api.services.store.fetch_snapshot

    async def looking(pass_type: str, serial: str) -> Any:
        looked.append(serial)
        return await before(pass_type, serial)

    monkeypatch.setattr(store, "fetch_snapshot", looking)
    clock, now = api.services.clock, api.services.clock.now()
    answers = [
        await visitor.get(path + file) for path in (good[:-1] + "~", "/p/x", "/p/", erased, anew) for file in FILES
    ]
    monkeypatch.setattr(clock, "now", lambda: now + 31 * 86_400_000)
    answers += [await visitor.get(expired + file) for file in FILES]
    assert {(each.status, each.body, tuple(each.headers.items())) for each in answers} == {
        (404, answers[0].body, tuple(answers[0].headers.items()))
    }
    assert len(looked) == len(answers), "each was looked up, once"
    assert await visitor.noted() == []


FILES = ("", "/pass.pkpass", "/picture.svg")


@with_api
async def test_a_link_ends_when_it_says(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    await api.issue("1")
    visitor, clock = Visitor(api), api.services.clock
    now = clock.now() // 1000 * 1000
    monkeypatch.setattr(clock, "now", lambda: now)
    path = await visitor.link(minutes=5)
    for later, status in ((299_999, 200), (300_000, 404)):
        monkeypatch.setattr(clock, "now", lambda at=now + later: at)
        assert (await visitor.get(path)).status == status


@pytest.mark.parametrize("body", [{"minutes": 0}, {"days": 366}, {"days": 1, "minutes": 1}, {"hours": 1}])
@with_api
async def test_how_long_is_bounded(api: Api, body: Any) -> None:
    await api.issue("1")
    assert (await api.call("POST", f"/passes/{PASS_TYPE}/1:share", body)).status == 422


@with_api
async def test_a_pass_that_is_not_there_has_no_link(api: Api) -> None:
    assert (await api.call("POST", f"/passes/{PASS_TYPE}/1:share", {})).status == 404


# ── manners


@with_api
async def test_nothing_is_kept_indexed_or_told_to_others(api: Api) -> None:
    await api.issue("1")
    visitor = Visitor(api, picture=drawn)
    path = await visitor.link()
    for each in (*(path + file for file in FILES), "/p/x"):
        headers = (await visitor.get(each)).headers
        assert headers["cache-control"] == "private, no-store", each
        assert headers["x-robots-tag"] == "noindex, nofollow"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["x-content-type-options"] == "nosniff"
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy and "script-src" not in policy and "http" not in policy
    page = await visitor.text(path)
    assert '<meta name="robots" content="noindex, nofollow">' in page
    # The one address that is not below this page is in the code for desktops, as modules.
    assert re.findall(r"https?:|//|<script|<link|\bon\w+=|style=", page) == []


@with_api
async def test_head_is_get_without_the_body_and_leaves_no_trace(api: Api) -> None:
    await api.issue("1")
    visitor = Visitor(api, picture=drawn)
    path = await visitor.link()
    for file in FILES:
        head = await visitor.get(path + file, method="HEAD")
        assert (head.status, head.body) == (200, b"")
    assert await visitor.noted() == []
    whole = await visitor.get(path)
    assert (await visitor.get(path, method="HEAD")).headers == whole.headers


@with_api
async def test_other_methods_are_refused(api: Api) -> None:
    visitor = Visitor(api)
    reply = await visitor.get("/p/x", method="POST")
    assert (reply.status, reply.headers["allow"]) == (405, "GET, HEAD")


# ── pressure


@pytest.mark.parametrize(
    ("level", "page", "file"),
    [(Level.LOG, 200, 200), (Level.READ, 503, 200), (Level.ASK, 503, 503), (Level.REGISTER, 503, 503)],
)
@with_api
async def test_phones_come_first(api: Api, level: Level, page: int, file: int) -> None:
    await api.issue("1")
    visitor = Visitor(api, picture=drawn)
    path = await visitor.link()
    load = api.services.answering.load
    load.level = int(level)
    replies = {each: await visitor.get(path + each) for each in FILES}
    assert [replies[each].status for each in FILES] == [page, file, page]
    assert sum(load.shed.values()) == [page, file, page].count(503)
    assert all(int(each.headers["retry-after"]) > 0 for each in replies.values() if each.status == 503)


@with_api
async def test_only_so_much_is_made_at_once(api: Api) -> None:
    await api.issue("1")
    visitor = Visitor(api, picture=drawn)
    path = await visitor.link()
    sharing = api.services.sharing
    sharing._making = MOST_AT_ONCE
    statuses = [(await visitor.get(path + file)).status for file in FILES]
    assert statuses == [200, 503, 503]
    sharing._making = 0
    assert [(await visitor.get(path + file)).status for file in FILES] == [200, 200, 200]
    assert sharing._making == 0


@with_api
async def test_a_picture_is_drawn_once(api: Api) -> None:
    await api.issue("1")
    times: list[str] = []

    def counted(files: Mapping[str, bytes], language: str) -> bytes:
        times.append(language)
        return drawn(files, language)

    visitor = Visitor(api, picture=counted)
    path = await visitor.link()
    for languages in ("de", "de", "en"):
        await visitor.get(f"{path}/picture.svg", languages=languages)
    await api.issue("1", 2)
    await visitor.get(f"{path}/picture.svg", languages="en")
    assert times == ["de", "en", "en"]


@with_api
async def test_a_fault_of_ours_is_said_without_its_inside(
    api: Api, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def torn(files: Mapping[str, bytes], language: str) -> bytes:
        raise RuntimeError("inner detail")

    async def away(pass_type: str, serial: str) -> Pass | None:
        raise Unavailable("inner detail")

    await api.issue("1")
    visitor = Visitor(api, picture=torn)
    path = await visitor.link()
    reply = await visitor.get(f"{path}/picture.svg")
    assert reply.status == 500 and b"inner" not in reply.body
    monkeypatch.setattr(api.services.store, "pass_", away)
    reply = await visitor.get(path)
    assert reply.status == 503 and b"inner" not in reply.body
    assert path.rpartition("/")[2] not in caplog.text


# ── what is written down


@with_api
async def test_views_and_downloads_are_noted_once_a_minute_and_platform(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    await api.issue("1")
    visitor, clock = Visitor(api, picture=drawn), api.services.clock
    path = await visitor.link()
    now = clock.now()
    for minute in range(2):
        monkeypatch.setattr(clock, "now", lambda at=now + minute * 60_000: at)
        for agent in (SAFARI, MAC, SAFARI):
            for file in FILES:
                assert (await visitor.get(path + file, agent)).status == 200
    kinds = [Kind.SHARE_VIEWED, Kind.PKPASS_DOWNLOADED]
    expected = [(kind, name) for kind in kinds for name in ("iphone", "mac")] * 2
    assert sorted(await visitor.noted()) == sorted(expected)  # type: ignore[type-var]


@with_api
async def test_nothing_of_who_came_is_kept(api: Api) -> None:
    await api.issue("1")
    visitor = Visitor(api)
    await visitor.get(await visitor.link())
    await api.services.recorder.settle()
    [event] = [
        event
        for event in await api.services.store.timeline(PASS_TYPE, "1", after=0, limit=100)
        if event.kind is Kind.SHARE_VIEWED
    ]
    assert (event.detail, event.device_id, event.target) == ({"platform": "iphone"}, None, None)


@with_api
async def test_a_pass_that_is_erased_meanwhile_gets_no_line(api: Api) -> None:
    """Fails when what was seen of the old pass is written down of none, or of the one that was issued anew."""
    await api.issue("1")
    visitor = Visitor(api)
    token = (await visitor.link()).rpartition("/")[2]
    sharing: Sharing = api.services.sharing
    opened = await sharing.open(token)
    assert isinstance(opened, Opened)
    await api.call("DELETE", f"/passes/{PASS_TYPE}/1?erase=1")
    sharing.note(opened, Kind.SHARE_VIEWED, "mac")
    assert await visitor.noted() == []
    await api.issue("1")
    sharing.note(replace(opened), Kind.PKPASS_DOWNLOADED, "mac")
    assert await visitor.noted() == []


def _with(archive: bytes, files: Mapping[str, str]) -> bytes:
    import io
    import zipfile

    buffer = io.BytesIO(archive)
    with zipfile.ZipFile(buffer, "a") as opened:
        for name, text in files.items():
            opened.writestr(f"gold/{name}", text)
    return buffer.getvalue()
