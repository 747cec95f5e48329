"""The share page as HTML: no script, no address of anybody else, and every text of a pass escaped."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape

from livepass.web import qr

STYLE = """
:root { color-scheme: light dark; --ink: #1c1c1e; --soft: #55555a; --paper: #f5f5f7; --card: #fff; --line: #d2d2d7;
  --act: #fff; --on: #0b57d0; --warn: #8a2c00; }
@media (prefers-color-scheme: dark) { :root { --ink: #f5f5f7; --soft: #b0b0b8; --paper: #111113; --card: #1c1c1e;
  --line: #3a3a3e; --act: #0b1a33; --on: #a8c7fa; --warn: #ffb59a; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 1rem/1.5 system-ui, sans-serif; }
main { max-width: 26rem; margin: 0 auto; padding: 1.5rem 1rem 3rem; overflow-wrap: anywhere; }
h1 { font-size: 1.5rem; line-height: 1.25; margin: 0 0 1rem; }
h2 { font-size: 1rem; margin: 0 0 .5rem; }
p { margin: 0 0 1rem; }
.who, .until { color: var(--soft); margin: 0; }
.until { font-size: .875rem; }
.state { color: var(--warn); font-weight: 600; }
.pass { display: block; max-width: 100%; height: auto; margin: 0 auto 1rem; }
.add a { display: inline-block; padding: .75rem 1.25rem; border-radius: .5rem; background: var(--on); color: var(--act);
  font-weight: 600; text-decoration: none; }
.add a:hover { text-decoration: underline; }
.add a:focus-visible { outline: 3px solid var(--ink); outline-offset: 2px; }
.add a.badge { padding: 0; background: none; }
.badge img { display: block; height: 3rem; margin: .3rem; }
.hint, .desk { border: 1px solid var(--line); border-radius: .5rem; background: var(--card); padding: 1rem; }
.hint { margin: 0 0 1rem; }
.desk { display: none; margin: 0 0 1rem; }
.qr { display: block; width: 12rem; height: 12rem; }
@media (pointer: fine) { .desk { display: block; } }
"""
STYLE_SOURCE = f"'sha256-{base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()}'"

NOT_ON_IPHONE = "Apple Wallet is on iPhone. Open this page there, in Safari, to add the pass."
HINTS = {
    # Platform → what whoever is there may need to know
    "mac": "To have the pass on an iPhone, open this page there, in Safari.",
    "android": NOT_ON_IPHONE,
    "other": NOT_ON_IPHONE,
}
IN_APP = (
    "This looks like a browser inside another app, and some of those cannot add passes. If nothing happens, open this "
    "page in Safari."
)
VOIDED = "This pass is void: whoever issued it says that it is no longer valid."
EXPIRED = "This pass has expired."
ADD = "Add to Apple Wallet"


@dataclass(frozen=True, slots=True)
class Shown:
    """What a page shows. ``here``: the page's last segment, which relative addresses go below; ``expires_at``:
    seconds; ``badge``: the name of a file of Apple's.
    """

    here: str
    address: str
    organization: str
    description: str
    expires_at: int
    platform: str
    in_app: bool
    voided: bool
    expired: bool
    picture: bool
    badge: str | None


def page(shown: Shown) -> bytes:
    """The page of a pass."""
    who, what = escape(shown.organization), escape(shown.description)
    parts = [f'<p class="who">{who}</p>', f"<h1>{what}</h1>"]
    state = VOIDED if shown.voided else EXPIRED if shown.expired else ""
    if state:
        parts.append(f'<p class="state">{state}</p>')
    if shown.picture:
        alt = f"The pass, drawn approximately: {what}, {who}"
        parts.append(f'<img class="pass" src="{shown.here}/picture.svg" alt="{alt}">')
    parts.append(_button(shown))
    hint = IN_APP if shown.in_app else HINTS.get(shown.platform, "")
    if hint:
        parts.append(f'<p class="hint">{hint}</p>')
    code = qr.matrix(shown.address)
    if code is not None:
        drawn = qr.svg(code, "QR code with the address of this page")
        parts.append(f'<section class="desk"><h2>Scan it with the iPhone’s camera</h2>{drawn}</section>')
    until = datetime.fromtimestamp(shown.expires_at, UTC)
    parts.append(
        f'<p class="until">This link works until <time datetime="{until:%Y-%m-%dT%H:%MZ}">'
        f"{until:%Y-%m-%d %H:%M} UTC</time>. Whoever has it can add the pass.</p>"
    )
    return _document(f"{what} – {who}", parts)


def _button(shown: Shown) -> str:
    """Apple's badge where the operator has it; otherwise words, which do not look like it."""
    file = f"{shown.here}/pass.pkpass"
    if shown.badge is None:
        return f'<p class="add"><a href="{file}">{ADD}</a></p>'
    return f'<p class="add"><a class="badge" href="{file}"><img src="badge/{shown.badge}" alt="{ADD}"></a></p>'


def message(title: str, text: str) -> bytes:
    """A page that says one thing."""
    return _document(title, [f"<h1>{title}</h1>", f"<p>{text}</p>"])


def _document(title: str, parts: list[str]) -> bytes:
    head = (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="robots" content="noindex, nofollow"><meta name="referrer" content="no-referrer">'
        f"<title>{title}</title><style>{STYLE}</style></head>\n<body><main>\n"
    )
    return (head + "\n".join(parts) + "\n</main></body></html>\n").encode()
