"""What a long-running command writes to stderr: lines for people on a terminal, JSON for everything else;
``LIVEPASS_LOG_FORMAT`` says otherwise.

Standard library logging only. Credentials are struck out here once more, whatever a message holds.
"""

from __future__ import annotations

import json
import logging
import sys
import traceback
from datetime import UTC, datetime

from livepass.core.striking import struck
from livepass.web import request_ids


class JsonLines(logging.Formatter):
    """One object a record: at, level, logger, message, and the request and the exception if there is one."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": struck(record.getMessage()),
        }
        if request := getattr(record, "request", ""):
            line["request"] = request
        if record.exc_info:
            line["exception"] = struck("".join(traceback.format_exception(*record.exc_info)))
        return json.dumps(line, ensure_ascii=False)


class Lines(logging.Formatter):
    """Time, level, the request if there is one, and message."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(of)s%(message)s", "%H:%M:%S")

    def format(self, record: logging.LogRecord) -> str:
        request = getattr(record, "request", "")
        record.of = f"[{request}] " if request and request not in record.getMessage() else ""
        return struck(super().format(record))


def _named(record: logging.LogRecord) -> bool:
    """Puts the request's id on a record."""
    record.request = request_ids.current()
    return True


def configure(form: str = "", *, debug: bool = False) -> None:
    """Log to stderr, from now on. ``form``: ``text`` or ``json``; ``""``: as whoever reads it needs it."""
    handler = logging.StreamHandler(sys.stderr)
    as_text = form == "text" or (not form and sys.stderr.isatty())
    handler.addFilter(_named)
    handler.setFormatter(Lines() if as_text else JsonLines())
    logging.basicConfig(level=logging.DEBUG if debug else logging.INFO, handlers=[handler], force=True)
    for noisy in ("uvicorn", "httpx2", "httpcore2", "hpack", "asyncio"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    logging.getLogger("opentelemetry").setLevel(logging.ERROR)  # it says each time that it tries again
