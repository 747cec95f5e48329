from __future__ import annotations

import pytest

from livepass.core.striking import struck

TOKEN = "PBJjaXgqqJqTXLfCJAcKsHg2iW-IMeWiO_0AFYGasUE"
SHORT = "feedfacefeedfacefeedface"


@pytest.mark.parametrize(
    ("text", "left"),
    [
        (f"Authorization: ApplePass {TOKEN}", "Authorization: ApplePass (struck)"),
        (f"applepass  {TOKEN} and more", "applepass (struck) and more"),
        (f"Bearer lp_0123456789ab_{TOKEN}", "Bearer (struck)"),
        (f"Bearer ApplePass {TOKEN}", "Bearer ApplePass (struck)"),
        (f'bearer "ApplePass {TOKEN}"', "bearer (struck)ApplePass (struck)"),
        (f"key lp_0123456789ab_{TOKEN}, revoked", "key (struck), revoked"),
        (f"sent {'ab' * 32}.", "sent (struck)."),
        (f'{{"pushToken": "{SHORT}"}}', '{"pushToken": "(struck)"}'),
        (f'{{\\"pushToken\\":\\"{SHORT}\\"}}', '{\\"pushToken\\":\\"(struck)\\"}'),
        (f"{{'authenticationToken': '{TOKEN}', 'a': 1}}", "{'authenticationToken': '(struck)', 'a': 1}"),
        (f"?token={TOKEN}&x=1", "?token=(struck)&x=1"),
        (f"Key (pass_type, push_token)=({SHORT}) exists", "Key (pass_type, push_token)=((struck)) exists"),
        ("password: correcthorse", "password: (struck)"),
    ],
)
def test_credentials_are_struck_by_form_or_by_name(text: str, left: str) -> None:
    assert struck(text) == left


@pytest.mark.parametrize(
    "text",
    [
        "Get pass task (for device 0123456789abcdef0123456789abcdef, pass type pass.a, serial number 1) stumbled",
        "the push token is dead: Unregistered",
        "token: none",
        "ApplePass",
        "tag v1.abcdef01.17.12345678",
        "https://passes.example.com/wallet",
    ],
)
def test_what_is_none_stays(text: str) -> None:
    assert struck(text) == text
