"""What a wallet that polls does not take. That it polls is in ``test_remote``, beside a phone."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path


def test_what_cannot_be_polled(livepass, files):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("pass.json", json.dumps({"serialNumber": "1"}))
    Path("still.pkpass").write_bytes(buffer.getvalue())
    ran = livepass("phone", "poll", "still.pkpass", exit_=1)
    assert "no webServiceURL and no authenticationToken" in ran.err
    Path("none.pkpass").write_bytes(b"none")
    assert "no pass" in livepass("phone", "poll", "none.pkpass", exit_=1).err
