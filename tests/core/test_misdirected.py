"""Calls with ``/v1`` twice: which of them are written down, and as what."""

from __future__ import annotations

import pytest

from livepass.core.misdirected import DOUBLED, misdirected
from livepass.core.timeline import Kind

NOW = 1_790_000_000_000


@pytest.mark.parametrize(
    ("method", "path", "kind", "named"),
    [
        ("POST", "v1/devices/d-1/registrations/pass.t/s", Kind.REGISTRATION_REFUSED, ("pass.t", "s", "d-1")),
        ("GET", "v1/devices/d-1/registrations/pass.t", Kind.ASK_REFUSED, ("pass.t", None, "d-1")),
        ("GET", "v1/passes/pass.t/s", Kind.FETCH_REFUSED, ("pass.t", "s", None)),
    ],
)
def test_a_call_of_wallet_is_written_down_as_refused(
    method: str, path: str, kind: Kind, named: tuple[str | None, ...]
) -> None:
    event = misdirected(method, path.split("/"), NOW)
    assert event is not None
    assert (event.kind, event.at, event.detail) == (kind, NOW, {"status": 404, "reason": DOUBLED})
    assert (event.pass_type, event.serial, event.device_id) == named


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("DELETE", "v1/devices/d-1/registrations/pass.t/s"),
        ("POST", "v1/log"),
        ("HEAD", "v1/passes/pass.t/s"),
        ("POST", "v1/devices/not an id/registrations/pass.t/s"),
        ("GET", f"v1/devices/{'d' * 129}/registrations/pass.t"),
        ("GET", "v1/v1/passes/pass.t/s"),
        ("GET", "v1"),
    ],
)
def test_other_calls_leave_no_trace(method: str, path: str) -> None:
    assert misdirected(method, path.split("/"), NOW) is None
