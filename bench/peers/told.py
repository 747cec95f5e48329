"""What every peer for Python does the same: read what it is given, run something for a while, say how often it ran."""

import json
import sys
import time
from pathlib import Path

given = json.loads(Path(sys.argv[1]).read_text())
folder = Path(given["folder"])


def timed(one):
    """``one(number)`` for the seconds given, per second of CPU; its last bytes are kept."""
    one(0)
    began, done, built = time.process_time(), 0, b""
    while time.process_time() - began < given["seconds"]:
        done += 1
        built = one(done)
    spent = time.process_time() - began
    (folder / "built.pkpass").write_bytes(built)
    print(json.dumps({"per_cpu_second": done / spent}), flush=True)
