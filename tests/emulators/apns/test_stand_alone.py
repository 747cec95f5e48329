"""``python -m livepass.emulators.apns``: certificates written, both ports open, one push through."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import ssl
import sys
from pathlib import Path

import pytest

from emulators.apns.conftest import TOKEN
from emulators.apns.h2client import call, connect

pytestmark = pytest.mark.anyio


async def test_it_runs_by_itself(tmp_path: Path):
    arguments = ["--folder", str(tmp_path), "--topic", "pass.a", "--port", "0", "--control-port", "0", "--any-token"]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "livepass.emulators.apns", *arguments, stdout=asyncio.subprocess.PIPE
    )
    try:
        started = json.loads(await asyncio.wait_for(process.stdout.readline(), 30))
        context = ssl.create_default_context(cafile=str(tmp_path / "ca.pem"))
        context.load_cert_chain(tmp_path / "pass.a.pem")
        assert os.stat(tmp_path / "pass.a.pem").st_mode & 0o077 == 0
        sender = await connect(started["apns"], context)
        assert (await sender.push(TOKEN, "pass.a")).status == 200
        assert (await call(started["control"], "GET", "/stats"))[1]["outcomes"] == {"200": 1}
        sender.close()
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), 10) == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
