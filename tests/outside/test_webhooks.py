"""Where webhooks may go, and that they go nowhere else."""

from __future__ import annotations

import asyncio
import ipaddress
import threading

import pytest

from livepass.outside import names as names_module
from livepass.outside.names import Names
from livepass.outside.webhooks import WebhookPoster, judge, printable
from outside.resolving import resolving
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
            asked = resolving(
                monkeypatch, {"mixed.example": [["1.1.1.1", "127.0.0.1"]], "inside.example": [["127.0.0.1"]]}
            )
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


def test_names_that_nobody_answers_hold_up_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fails when they are looked up in the threads that a loop has for everything: the way to APNs among it."""

    async def main() -> None:
        answered = threading.Event()
        resolving(monkeypatch, {"dead.example": [["1.1.1.1"]]}, until=answered)
        poster = WebhookPoster(loopback=False, seconds=0.3)
        posts = [asyncio.create_task(poster.post("https://dead.example/", {}, b"")) for _ in range(40)]
        await asyncio.sleep(0)
        async with asyncio.timeout(20):
            assert await asyncio.to_thread(lambda: 1) == 1
            assert {await each for each in posts} == {(0, "no answer within 0.3 s")}
        answered.set()

    asyncio.run(main())


def test_so_many_names_are_looked_up_at_once_and_the_next_when_one_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        answered, names = threading.Event(), Names(at_once=2)
        asked = resolving(monkeypatch, {"slow.example": [["1.1.1.1"]]}, until=answered)
        first, second, *others = [asyncio.create_task(names.addresses("slow.example", 443)) for _ in range(4)]
        while len(asked) < 2:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        for each in (first, second):
            each.cancel()
        await asyncio.sleep(0.1)
        assert len(asked) == 2, "a thread that nobody waits for any more is busy still"
        answered.set()
        async with asyncio.timeout(20):
            assert {str(one) for each in others for one in await each} == {"1.1.1.1"}
        assert len(asked) == 4

    asyncio.run(main())


def test_where_no_thread_can_begin_the_next_name_is_looked_up_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*_: object) -> int:
        raise RuntimeError("can't start new thread")

    async def main() -> None:
        names = Names(at_once=1)
        with monkeypatch.context() as full:
            full.setattr(names_module._thread, "start_new_thread", none)
            with pytest.raises(OSError, match="no thread to look localhost up in"):
                await names.addresses("localhost", 443)
        async with asyncio.timeout(20):
            assert any(address.is_loopback for address in await names.addresses("localhost", 443))

    asyncio.run(main())
