"""The certificates of two pass types, made once."""

from __future__ import annotations

import pytest

from livepass.emulators.authority import Authority, Issued
from web.asgi import OTHER


@pytest.fixture(scope="session")
def certificates(authority: Authority, pass_certificate: Issued) -> tuple[Issued, Issued]:
    return pass_certificate, authority.pass_certificate(OTHER, "TEAM123456")
