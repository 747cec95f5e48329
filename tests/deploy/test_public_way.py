"""The look at the public address names what a proxy does wrong: nginx and Caddy, misconfigured as people do it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from deploy.proxies import KINDS, Place, running
from free_ports import free_port
from journeys.world import World, world
from livepass import wiring
from livepass.core.public_way import REMEDIES, Fault, Finding
from livepass.emulators.authority import Authority

HOST = "proxy_set_header Host $host;"
WALLET = "    location /wallet/ {\n"
PASSED = WALLET + (
    "        # Nothing behind the name: paths go on as they came, with // and percent signs.\n"
    "        proxy_pass http://livepass;\n"
)
NAMED = 'proxy_set_header X-Connection-Id "$hostname-$pid-$connection";'
CACHE = "proxy_cache_path cache keys_zone=kept:1m;"
KEPT = "proxy_cache kept; proxy_cache_key $request_uri; proxy_cache_valid any 10m; "


@dataclass(frozen=True)
class Row:
    """A proxy that does one thing wrong, and what is to be said of it."""

    what: str
    faults: Sequence[Fault]
    changes: Mapping[str, str] = field(hash=False)
    more: str = ""


def first(line: str) -> Mapping[str, str]:
    """A line that comes before all others of what phones call."""
    return {WALLET: f"{WALLET}        {line}\n"}


def also(line: str) -> Mapping[str, str]:
    return {HOST: f"{HOST}\n{line}"}


NGINX = (
    Row("as it ships", [], {}),
    Row("a cache that ignores what we say", [Fault.CACHED],
        {"proxy_cache off;": f"{KEPT}proxy_ignore_headers Cache-Control Vary;"}, CACHE),
    Row("drops Authorization", [Fault.AUTHORIZATION], also('proxy_set_header Authorization "";')),
    Row("redirects", [Fault.REDIRECT], first("return 301 https://elsewhere.example.com$request_uri;")),
    Row("redirects double slashes", [Fault.SLASHES], first("if ($request_uri ~ '//') { return 301 /wallet$uri; }")),
    Row("dates answers itself", [Fault.LAST_MODIFIED],
        also("proxy_hide_header Last-Modified; add_header Last-Modified $date_gmt always;")),
    Row("drops Last-Modified", [Fault.LAST_MODIFIED], also("proxy_hide_header Last-Modified;")),
    Row("compresses passes", [Fault.COMPRESSED],
        {"gzip off;": "gzip on; gzip_proxied any; gzip_types application/vnd.apple.pkpass;"}),
    Row("rewrites bodies", [Fault.BODY], also("sub_filter_types *; sub_filter padding stuffing;")),
    Row("drops If-Modified-Since", [Fault.CONDITION], also('proxy_set_header If-Modified-Since "";')),
    Row("sets If-Modified-Since", [Fault.CONDITION],
        also('proxy_set_header If-Modified-Since "Mon, 01 Jan 2001 00:00:00 GMT";')),
    Row("asks whether one is human", [Fault.PAGE], first("default_type text/html; return 200 '<html>Human?</html>';")),
    Row("wants a login", [Fault.PAGE], first("auth_basic x; auth_basic_user_file /dev/null;")),
    Row("has its own 401 as text", [Fault.ELSEWHERE], first("default_type text/plain; return 401 'no';")),
    Row("wants a login for asks", [Fault.ASK], first("if ($http_authorization = '') { return 401; }")),
    Row("drops the query", [Fault.PATH, Fault.ASK], first("rewrite ^(.*)$ $1? break;")),
    Row("decodes paths", [Fault.PATH], {PASSED: f"{WALLET}        proxy_pass http://livepass/wallet/;\n"}),
    Row("lets only GET through", [Fault.METHOD, Fault.METHOD], first("limit_except GET { deny all; }")),
    Row("takes no bodies", [Fault.METHOD], {"client_max_body_size 1m;": "client_max_body_size 1k;"}),
    Row("makes GET of HEAD", [Fault.HEAD, Fault.METHOD, Fault.METHOD], also("proxy_method GET;")),
    Row("lets clients name connections", [Fault.CONNECTION], {NAMED: ""}),
    Row("names all connections alike", [Fault.CONNECTION], {NAMED: 'proxy_set_header X-Connection-Id "$hostname";'}),
    Row("drops the name of connections", [Fault.CONNECTION], {NAMED: 'proxy_set_header X-Connection-Id "";'}),
    Row("has a clock of its own", [Fault.CLOCK], {'"t=$msec"': '"t=1700000000.000"'}),
)  # fmt: skip
PROXY = "\t\treverse_proxy "
CADDY = (
    Row("as it ships", [], {}),
    Row("drops Authorization", [Fault.AUTHORIZATION], {PROXY: f"\t\trequest_header -Authorization\n{PROXY}"}),
    Row("redirects", [Fault.REDIRECT], {PROXY: f"\t\tredir https://elsewhere.example.com{{uri}}\n{PROXY}"}),
    Row("dates answers itself", [Fault.LAST_MODIFIED],
        {PROXY: f'\t\theader {{\n\t\t\tdefer\n\t\t\tLast-Modified "Mon, 01 Jan 2001 00:00:00 GMT"\n\t\t}}\n{PROXY}'}),
    Row("compresses passes", [Fault.COMPRESSED],
        {PROXY: f"\t\tencode {{\n\t\t\tgzip\n\t\t\tmatch status 200\n\t\t}}\n{PROXY}"}),
    Row("has its own 401 as text", [Fault.ELSEWHERE], {PROXY: f'\t\trespond "no" 401\n{PROXY}'}),
)  # fmt: skip


@pytest.mark.parametrize(("kind", "rows"), [("nginx", NGINX), ("caddy", CADDY)], ids=KINDS)
def test_what_a_proxy_does_wrong_is_named(tmp_path: Path, authority: Authority, kind: str, rows: Sequence[Row]) -> None:
    async def steps() -> None:
        async with asyncio.timeout(100), fronted(tmp_path, authority) as made:
            found: dict[str, Sequence[Fault]] = {}
            for number, row in enumerate(rows):
                with running(kind, place(made, tmp_path / f"{kind}-{number}"), changes=row.changes, more=row.more):
                    said = await made.services.way.look()
                found[row.what] = [one.fault for one in said]
                for one in said:
                    _readable(one)
            assert found == {row.what: row.faults for row in rows}

    asyncio.run(steps())


def fronted(directory: Path, authority: Authority):  # type: ignore[no-untyped-def]
    """A world whose public address is a port that nobody listens to yet."""
    return world(directory, authority, front=free_port())


def place(made: World, folder: Path) -> Place:
    assert made.front is not None
    return Place(folder, made.front, made.port, *made.tls_files())


def _readable(one: Finding) -> None:
    """What was sent, what came, what to do in which proxy; and no secret."""
    assert ": sent " in one.sentence and "; came " in one.sentence and len(one.sentence) < 400
    assert "nginx: " in one.remedy and "Caddy: " in one.remedy
    assert "\n" not in one.sentence + one.remedy and "ApplePass echo" not in one.sentence


def test_another_installation_and_nobody(tmp_path: Path, authority: Authority) -> None:
    """A service of the same make that has another database is not taken for this one."""

    async def steps() -> None:
        (tmp_path / "other").mkdir()
        async with asyncio.timeout(60), fronted(tmp_path, authority) as made:
            [nobody] = await made.services.way.look()
            assert nobody.fault is Fault.UNREACHABLE and nobody.unclear
            async with fronted(tmp_path / "other", authority) as other:
                there = replace(place(made, tmp_path / "nginx"), behind=other.port)
                with running("nginx", there):
                    [elsewhere] = await made.services.way.look()
                    assert elsewhere.fault is Fault.ELSEWHERE and "401" in elsewhere.came
                    stranger = replace(made.config, public_ca_file=None)
                    async with wiring.opened(stranger) as services:
                        [untrusted] = await services.way.look()
                    assert untrusted.fault is Fault.TLS

    asyncio.run(steps())


def test_every_fault_is_met() -> None:
    met = {fault for row in (*NGINX, *CADDY) for fault in row.faults}
    assert met | {Fault.UNREACHABLE, Fault.TLS} == set(REMEDIES) == set(Fault)
