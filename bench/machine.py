"""What a benchmark ran on: figures without it mean nothing."""

from __future__ import annotations

import os
import platform
import sqlite3
import ssl
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = ("cryptography", "orjson", "h2", "uvicorn", "uvloop", "asyncpg")


def describe() -> dict[str, str | int | float]:
    """Processor, memory, system, interpreter and the libraries that matter, as plain values."""
    found: dict[str, str | int | float] = {
        "cpu": _first("/proc/cpuinfo", "model name") or platform.processor() or "unknown",
        "cores": os.cpu_count() or 0,
        "memory_gib": round(int((_first("/proc/meminfo", "MemTotal") or "0 kB").split()[0]) / 1024**2, 1),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "openssl": ssl.OPENSSL_VERSION,
        "sqlite": sqlite3.sqlite_version,
        "load_1min": round(os.getloadavg()[0], 2),
    }
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _first(path: str, key: str) -> str | None:
    try:
        lines = Path(path).read_text().splitlines()
    except OSError:
        return None
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(key)), None)
