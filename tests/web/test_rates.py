"""Limits on the issuer API: who sends too much is told when to come again, and no phone ever notices."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from livepass.emulators.authority import Issued
from livepass.service.access import Caller
from livepass.service.rates import Rates, TooOften
from livepass.web.app import App
from livepass.web.phone import PhoneApp
from web import asgi
from web.asgi import ADMIN, PASS_TYPE, send


class Watch:
    now_ = 0.0

    def stopwatch(self) -> float:
        return self.now_

    def now(self) -> int:
        return 0


def of(key: str, tenant: str = "default") -> Caller:
    return Caller(key, tenant, frozenset(), key_id=key)


def test_a_minutes_worth_at_once_then_evenly() -> None:
    watch = Watch()
    rates = Rates(watch, per_key=60, per_tenant=0)
    for _ in range(60):
        rates.take(of("a"))
    with pytest.raises(TooOften) as caught:
        rates.take(of("a"))
    assert caught.value.seconds == 2
    rates.take(of("b"))
    watch.now_ = 1.0
    rates.take(of("a"))
    with pytest.raises(TooOften):
        rates.take(of("a"))
    watch.now_ = 10_000.0
    for _ in range(60):
        rates.take(of("a"))
    with pytest.raises(TooOften):
        rates.take(of("a"))


def test_a_tenant_is_counted_over_its_keys_and_by_itself() -> None:
    rates = Rates(Watch(), per_key=0, per_tenant=2)
    rates.take(of("a"))
    rates.take(of("b"))
    for key in ("a", "c"):
        with pytest.raises(TooOften, match="this tenant"):
            rates.take(of(key))
    rates.take(of("d", "brand"))
    for _ in range(10):
        rates.take(Caller("admin", "default", frozenset()))


def test_who_is_refused_by_one_limit_is_not_counted_by_the_other() -> None:
    rates = Rates(Watch(), per_key=1, per_tenant=2)
    rates.take(of("a"))
    for _ in range(5):
        with pytest.raises(TooOften, match="this API key"):
            rates.take(of("a"))
    rates.take(of("b"))


@pytest.mark.usefixtures("engine")
def test_phones_are_served_whatever_an_issuer_sends(tmp_path: Path, certificates: tuple[Issued, ...]) -> None:
    """From the same address, of the same tenant, with the limit used up."""

    async def work() -> None:
        async with asgi.opened(tmp_path, certificates) as api:
            await api.issue("1")
            key = await api.key("passes:read")
            token = await api.token("1")
            api.app._rates = Rates(api.services.clock, per_key=3, per_tenant=3)
            app = App(PhoneApp(api.services.answering), api.app, api.services.ready)
            bearer = [(b"authorization", b"Bearer " + key.encode())]
            pass_ = [(b"authorization", b"ApplePass " + token.encode())]
            for _ in range(3):
                assert (await send(app, "GET", "/api/v1/passes", [b""], bearer)).status == 200
            for _ in range(2):
                refused = await send(app, "GET", "/api/v1/passes", [b""], bearer)
                assert refused.status == 429 and 1 <= int(refused.headers["retry-after"]) <= 60
                assert refused.headers["content-type"].startswith("application/problem+json")
                assert refused.json()["code"] == "rate_limited"
            body = json.dumps({"pushToken": "ab" * 32}).encode()
            device = f"/wallet/v1/devices/phone/registrations/{PASS_TYPE}"
            media = (b"content-type", b"application/json")
            phone = [
                (await send(app, "POST", f"{device}/1", [body], [*pass_, media])).status,
                (await send(app, "GET", device, [b""], [])).status,
                (await send(app, "GET", f"/wallet/v1/passes/{PASS_TYPE}/1", [b""], pass_)).status,
                (await send(app, "POST", "/wallet/v1/log", [b'{"logs": ["x"]}'], [media])).status,
                (await send(app, "DELETE", f"{device}/1", [b""], pass_)).status,
            ]
            assert phone == [201, 200, 200, 200, 200]
            # A phone that shows an issuer's key, or an issuer that asks where phones do, is no way round or in.
            assert (await send(app, "GET", f"/wallet/v1/passes/{PASS_TYPE}/1", [b""], bearer)).status == 401
            assert (await send(app, "GET", "/livez", [b""], bearer)).status == 200
            admin = [(b"authorization", b"Bearer " + ADMIN.encode())]
            assert (await send(app, "GET", "/api/v1/passes", [b""], admin)).status == 200

    asyncio.run(work())
