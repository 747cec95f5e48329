"""``livepass webhook`` and ``livepass trigger`` against a service of their own; and the how-to's code, as it is run."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

import webhooks_page
from cli.conftest import Livepass
from livepass.core.webhook_signature import headers, secret_of

URL = "https://example.com/hooks"
HOW_TO = (Path(__file__).parents[2] / "docs" / "how-to" / "receive-webhooks.md").read_text("utf-8")


def test_the_life_of_an_endpoint(project: object, livepass: Livepass) -> None:
    made = livepass("webhook", "add", URL, "--event", "pass.issued", "--json").json
    id_ = made["id"]
    assert made["secret"].startswith("whsec_")
    [row] = livepass("webhook", "list", "--json").rows
    assert row["url"] == URL and not row.get("secret")
    assert livepass("webhook", "show", id_, "--json").json["events"] == ["pass.issued"]
    message = livepass("webhook", "test", id_, "--json").json
    [waiting] = livepass("webhook", "messages", id_, "--json").rows
    assert waiting["id"] == message["id"] and json.loads(waiting["body"])["data"]["test"] is True
    assert livepass("webhook", "messages", id_, message["id"], "--json").rows == []
    livepass("webhook", "resend", id_, message["id"])
    assert livepass("webhook", "recover", id_, "--json").json["messages"] == 0
    assert livepass("webhook", "rotate", id_, "--json").json["secret"] != made["secret"]
    [triggered] = livepass("trigger", "pass.issued", "--json").rows
    assert triggered["endpoint"] == id_ and livepass("trigger", "pass.changed", "--json").rows == []
    assert livepass("webhook", "disable", id_, "--json").json["disabled_why"] == "by hand"
    assert livepass("webhook", "enable", id_, "--json").json["disabled_at"] is None
    livepass("webhook", "remove", id_)
    assert livepass("webhook", "list", "--json").rows == []


def test_the_page_is_what_its_maker_writes() -> None:
    assert webhooks_page.PAGE.read_text("utf-8") == webhooks_page.page()


SECRET = secret_of(b"k" * 32)
BODY = b'{"type":"pass.issued"}'
CASES = [(0, BODY, SECRET, True), (0, BODY + b" ", SECRET, False), (-400, BODY, SECRET, False)]
CASES += [(0, BODY, secret_of(b"o" * 32), False)]


def _block(language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", HOW_TO, re.DOTALL)
    assert found is not None
    return found[1]


@pytest.mark.parametrize(("age", "body", "secret", "good"), CASES)
def test_the_how_to_s_python_verifies(age: int, body: bytes, secret: str, good: bool) -> None:
    scope: dict[str, Any] = {}
    exec(_block("python"), scope)
    signed = headers([secret_of(b"n" * 32), SECRET], "msg_1", int(time.time()) + age, BODY)
    assert scope["verified"](secret, signed, body) is good


@pytest.mark.skipif(
    shutil.which("node") is None and os.environ.get("CI") != "true", reason="needs node: apt-get install nodejs"
)
def test_the_how_to_s_node_verifies(tmp_path: Path) -> None:
    calls = []
    for age, body, secret, _ in CASES:
        signed = headers([secret_of(b"n" * 32), SECRET], "msg_1", int(time.time()) + age, BODY)
        calls.append([secret, signed, body.decode()])
    script = tmp_path / "run.js"
    script.write_text(
        _block("javascript")
        + f"const calls = {json.dumps(calls)};\n"
        + "console.log(JSON.stringify(calls.map(([s, h, b]) => verified(s, h, Buffer.from(b)))));\n"
    )
    done = subprocess.run(["node", str(script)], capture_output=True, check=True, timeout=30)
    assert json.loads(done.stdout) == [good for *_, good in CASES]
