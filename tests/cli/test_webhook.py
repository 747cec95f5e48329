"""``livepass webhook`` and ``livepass trigger`` against a service of their own; and the how-to's code, as it is run."""

from __future__ import annotations

import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks.webhooks import Webhook

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


def test_what_failed_is_sent_again_since_an_instant(project: object, livepass: Livepass) -> None:
    """Fails when a time is read otherwise than elsewhere, or taken for how long ago its event was sent."""
    id_ = livepass("webhook", "add", URL, "--json").json["id"]
    for _ in range(3):
        livepass("webhook", "test", id_)
    with closing(sqlite3.connect("livepass.db")) as db:
        db.execute("UPDATE webhook_message SET next_at = NULL, at = 1700000000000 + 1000 * (rowid % 3)")
        db.commit()

    def recovered(*back: str) -> int:
        return int(livepass("webhook", "recover", id_, *back, "--json").json["messages"])

    assert recovered() == recovered("--since", "2023-11-14T22:13:22.001Z") == 0
    assert recovered("--since", "2023-11-14T22:13:22Z") == 1
    assert recovered("--since", "2023-11-14T23:13:21+01:00") == 1
    assert recovered("--since", "2023-11-14") == 1, "the rest"
    assert (
        "name one of them" in livepass("webhook", "recover", id_, "--hours", "1", "--since", "2023-11-14", exit_=2).err
    )
    assert "is not a time" in livepass("webhook", "recover", id_, "--since", "yesterday", exit_=2).err


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


def test_listen_prints_what_happens_and_forwards_it_signed(project: object, livepass: Livepass) -> None:
    """In a process of its own beside the one in which things happen, until it is told to end."""
    got: list[tuple[dict[str, str], bytes]] = []
    answers = iter([204, 500])

    class Hooks(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            got.append(({name.lower(): value for name, value in self.headers.items()}, body))
            self.send_response(next(answers))
            self.end_headers()
            self.wfile.write(b"what\x1b[31m happened?")

        def log_message(self, *_: object) -> None:
            return

    server = HTTPServer(("127.0.0.1", 0), Hooks)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    there = f"http://127.0.0.1:{server.server_port}/hooks"
    command = [sys.executable, "-m", "livepass", "listen", "--json", "--forward", there]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        for _ in range(2):
            livepass("trigger", "pass.issued")
        rows = [json.loads(process.stdout.readline()) for _ in range(2)]
        assert [row["event"] for row in rows] == ["pass.issued"] * 2 and rows[0]["body"]["data"]["test"] is True
        assert [row["answer"]["status"] for row in rows] == [204, 500]
        assert rows[1]["answer"]["said"] == "what [31m happened?"
        assert [headers["webhook-id"] for headers, _ in got] == [row["id"] for row in rows]
        for signed, body in got:
            Webhook(ready["secret"]).verify(body, signed)
        [endpoint] = livepass("webhook", "list", "--json").rows
        assert endpoint["id"] == ready["endpoint"] and endpoint["url"] == "poll:"
        process.terminate()
        assert process.wait(20) == 0
        assert livepass("webhook", "list", "--json").rows == [], "it goes with the command"
    finally:
        process.kill()
        process.wait()
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("there", ["127.0.0.1:3000", "file:///etc/passwd", "ftp://a.example"])
def test_listen_forwards_to_no_such_address(project: object, livepass: Livepass, there: str) -> None:
    assert "is no address" in livepass("listen", "--forward", there, exit_=2).err
    assert livepass("webhook", "list", "--json").rows == []


def test_listen_says_which_event_there_is_not(project: object, livepass: Livepass) -> None:
    assert "no event is called" in livepass("listen", "--event", "pass.installed", exit_=1).err
