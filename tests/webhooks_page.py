"""``docs/reference/webhooks.md``. ``python tests/webhooks_page.py`` writes it anew from ``core/webhooks.py``."""

from __future__ import annotations

from pathlib import Path

from livepass.core.timeline import Event, Kind
from livepass.core.webhooks import ENDED, EVENTS, OF_KIND, TEST, body

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "webhooks.md"
_HEAD = """# Webhooks

Made from `core/webhooks.py`. How to get them: [receive webhooks](../how-to/receive-webhooks.md).

A message is JSON with `type`, `timestamp` (of the event) and `data`:

```json
{example}
```

`data` always has `pass_type` and `number` (the change number concerned; 0: none), `serial` where it is about a pass,
and `device` where it is about a phone: a fingerprint, the same for the same phone, which opens nothing. No message
holds a token, a device id or anything that a person gave.

| `type` | told when | more in `data` |
|---|---|---|
"""


def page() -> str:
    event = Event(Kind.REGISTERED, 1_764_000_000_000, "pass.com.example.gym", "1001", "3f2a9c41d0e5b768", seq=12)
    head = _HEAD.replace("{example}", body(OF_KIND[event.kind], event, {}).decode())
    rows = []
    for told in EVENTS:
        more = [*told.detail, *(["reason"] if told.name == ENDED else [])]
        rows.append(f"| `{told.name}` | {told.means} | {', '.join(f'`{each}`' for each in more)} |")
    rows.append(f"| `{TEST}` | somebody asked for a test: nothing happened | `test`: true |")
    return head + "\n".join(rows) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
