"""How far passes came that were shared by link: from a page that was opened to a change that a phone fetched."""

from __future__ import annotations

from collections.abc import Mapping

from livepass.core.frozen import frozen


@frozen
class Funnel:
    """How far passes of a type came, in passes. Each step counts those of the step before it, but ``downloaded``: a
    file's address may be opened without its page.
    """

    pass_type: str
    viewed: int
    downloaded: int
    registered: int
    updated: int


STEPS: Mapping[str, str] = {
    # Step → what it means, and what it does not.
    "viewed": "the share page was opened at least once: by a person, or by what makes previews of links in messages",
    "downloaded": "the signed file was fetched from the share page; nobody told us whether it was added to Wallet",
    "registered": "a phone registered the pass after that download; a phone with automatic updates off never does",
    "updated": "a change made after that registration was fetched by a phone: the whole loop has worked once",
}
