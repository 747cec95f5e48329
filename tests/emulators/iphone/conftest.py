from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from emulators.iphone.hand import Hand
from emulators.iphone.pass_maker import Maker
from livepass.emulators.authority import Authority, Issued


@pytest.fixture(scope="session")
def maker(authority: Authority, pass_certificate: Issued) -> Maker:
    return Maker(authority, pass_certificate)


@pytest.fixture
def hand(maker: Maker) -> Hand:
    return Hand(maker)


@pytest.fixture
def held(maker: Maker) -> Callable[..., Hand]:
    """A phone with one registered, settled pass, an hour after it was added."""

    def make(**arguments: Any) -> Hand:
        phone = Hand(maker, **arguments)
        phone.add()
        phone.wait(3600)
        phone.service.requests.clear()
        return phone

    return make
