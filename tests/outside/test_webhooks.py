"""Where webhooks may go, and that they go nowhere else."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from typing import Any

import pytest

from livepass.outside.webhooks import WebhookPoster, judge, printable
from service.receiver import answer, receiver


@pytest.mark.parametrize(
    "address",
    [
        *(
            "10.0.0.1",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "224.0.0.1",
            "240.0.0.1",
        ),
        *("255.255.255.255", "192.0.2.1", "::", "fe80::1", "fc00::1", "ff02::1", "::ffff:10.0.0.1", "64:ff9b::a00:1"),
        *("2002:a00:1::", "2001:db8::1", "::ffff:169.254.169.254"),
    ],
)
def test_nothing_goes_inside(address: str) -> None:
    for loopback in (False, True):
        assert judge(ipaddress.ip_address(address), loopback=loopback), address


@pytest.mark.parametrize("address", ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"])
def test_this_machine_only_where_that_is_set(address: str) -> None:
    assert judge(ipaddress.ip_address(address), loopback=False)
    assert not judge(ipaddress.ip_address(address), loopback=True)


@pytest.mark.parametrize("address", ["1.1.1.1", "2606:4700:4700::1111", "::ffff:1.1.1.1"])
def test_the_open_internet_may_be_sent_to(address: str) -> None:
    assert not judge(ipaddress.ip_address(address), loopback=False)


@pytest.mark.parametrize(
    "url",
    [
        *("http://a.example/", "https://u@a.example/", "https://a.example/#x", "https://a.example:0/", "https:///x"),
        *(
            "https://a.example:99999/",
            "https://127.0.0.1/",
            "https://[::1]/",
            "http://127.0.0.1/",
            "file:///etc/passwd",
        ),
    ],
)
def test_an_address_that_cannot_be_is_refused_at_once(url: str) -> None:
    assert WebhookPoster(loopback=False).check(url)


def test_a_name_that_leads_inside_is_not_connected_to(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also when only one of its addresses does; and what was judged is what is connected to, asked for only once."""

    async def main() -> None:
        async with receiver() as to:
            asked: list[Any] = []

            async def resolve(self: Any, host: Any, port: Any, **_: Any) -> Any:
                asked.append(host)
                found = ["1.1.1.1", "127.0.0.1"] if host == "mixed.example" else ["127.0.0.1"]
                return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, port)) for each in found]

            monkeypatch.setattr(asyncio.BaseEventLoop, "getaddrinfo", resolve)
            for name in ("mixed.example", "inside.example"):
                status, said = await WebhookPoster(loopback=False).post(f"https://{name}:{to.port}/", {}, b"{}")
                assert status == 0 and "this machine" in said
            assert not to.received and asked == ["mixed.example", "inside.example"]

    asyncio.run(main())


def test_an_answer_is_bounded_in_time_and_size() -> None:
    async def main() -> None:
        async with receiver() as to:
            to.hold.add("/never")
            to.answers["/long"] = answer("200 OK", b"x" * 5_000_000)
            poster = WebhookPoster(loopback=True, seconds=0.3)
            assert (await poster.post(to.url("/never"), {}, b""))[0] == 0
            status, said = await poster.post(to.url("/long"), {}, b"")
            assert status == 200 and said == "x" * 500

    asyncio.run(main())


def test_tls_is_required_where_the_address_says_so() -> None:
    async def main() -> None:
        async with receiver() as to:
            status, said = await WebhookPoster(loopback=True, seconds=5).post(f"https://127.0.0.1:{to.port}/", {}, b"")
            assert status == 0 and said and not to.at("/")

    asyncio.run(main())


def test_garbage_in_an_answer_is_made_printable() -> None:
    assert printable(b"\xff\x1b[31mred\r\n") == "\ufffd [31mred"
