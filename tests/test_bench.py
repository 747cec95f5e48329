"""What ``bench/scale`` must not get wrong after hours: what it counts, and what it keeps."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

BENCH = Path(__file__).parents[1] / "bench"
if not BENCH.exists():
    pytest.skip("the benchmarks are not in this copy", allow_module_level=True)
sys.path.append(str(BENCH))

from scaling import report  # noqa: E402
from scaling.streaming import Results  # noqa: E402

ISSUED = b'{"line":1,"ok":true,"changed":true}\n'
REFUSED = b'{"line":1,"ok":false,"problem":{}}\n'


@pytest.mark.parametrize("chunk", [7, 64, 4096])
def test_results_are_counted_also_where_a_chunk_cuts_them_in_two(chunk: int) -> None:
    body, results = ISSUED * 500 + REFUSED, Results()
    pieces = [body[at : at + chunk] for at in range(0, len(body), chunk)]
    answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    answer += b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
    assert answer.count(b'"changed":true') < 500, "or this test shows nothing"
    for at in range(0, len(answer), 1000):
        results.parser.feed_data(answer[at : at + 1000])
    assert (results.changed, results.others, results.ended) == (500, [REFUSED.strip()], True)


def batch(peak: int) -> dict[str, Any]:
    memory = {"idle_mib": 50, "peak_mib_after_a_tenth": 80, "peak_mib": peak}
    ratio = peak / 80
    return {"passes": 1000, "per_second": 900, "memory_ratio": ratio, "passed": ratio <= report.MEMORY_BAR, **memory}


def test_what_was_measured_is_kept_and_what_was_not_is_named(tmp_path: Path) -> None:
    pushed = {"per_second": 5000, "p99_ms": 9.0, "refused": 0}
    result = {
        "sections": ["pushes", "batch"],
        "engines": {
            "sqlite": {"done": ["batch"], "failed": {"pushes": "it broke"}, "databases": {}, "batch": batch(90)},
            "postgres": {"done": [], "failed": {}, "databases": {}, "pushes": {"calls, 1 process": pushed}},
        },
        "rounds": 5,
        "written_to": 200_000,
        "machine": {"cpu": "x"},
        "postgres_settings": {},
    }
    report.keep(tmp_path / "out", result)
    assert json.loads((tmp_path / "out/scale.json").read_text()) == result
    text = (tmp_path / "out/scale.md").read_text()
    assert "| pushes/s: calls, 1 process; p99 of a call | – | 5,000; 9 ms |" in text
    assert "| batch of 1,000 new passes in one call, passes/s | 900 | – |" in text
    assert "sqlite: pushes (it broke); postgres: pushes; postgres: batch" in text
    assert len(report.missing(result)) == 3


@pytest.mark.parametrize(("peak", "missed"), [(100, 0), (101, 1)])
def test_memory_that_grows_with_a_batch_is_a_miss(peak: int, missed: int) -> None:
    assert len(report.misses({"engines": {"sqlite": {"batch": batch(peak)}, "postgres": {}}})) == missed
