"""What is read out of a User-Agent: a coarse platform and a hint, and nothing of who comes."""

from __future__ import annotations

import pytest

from livepass.core.visitor import inside_an_app, platform

IOS = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)"
SAFARI = f"{IOS} Version/18.6 Mobile/15E148 Safari/604.1"


@pytest.mark.parametrize(
    ("agent", "expected"),
    [
        (SAFARI, "iphone"),
        (SAFARI.replace("iPhone", "iPod touch", 1), "iphone"),
        ("Mozilla/5.0 (iPad; CPU OS 18_6 like Mac OS X) AppleWebKit/605.1.15 Safari/604.1", "ipad"),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 Version/26.0 Safari/605.1.15", "mac"),
        ("Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 Chrome/130.0 Mobile Safari/537.36", "android"),
        ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "other"),
        ("", "other"),
    ],
)
def test_platform(agent: str, expected: str) -> None:
    assert platform(agent) == expected


@pytest.mark.parametrize(
    ("agent", "expected"),
    [
        pytest.param(SAFARI, False, id="Safari"),
        pytest.param(SAFARI.replace("Version/18.6", "CriOS/130.0"), False, id="another browser"),
        pytest.param(f"{SAFARI} Instagram 300.0", True, id="by its mark"),
        pytest.param(f"{IOS} Mobile/15E148", True, id="a web view that is not named"),
        pytest.param("Mozilla/5.0 (Linux; Android 15) Instagram 300.0", False, id="no pass can be added there anyway"),
    ],
)
def test_inside_an_app(agent: str, expected: bool) -> None:
    assert inside_an_app(agent) is expected
