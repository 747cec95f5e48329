"""Who opens a share page, as far as we look: a coarse platform, and whether the browser is part of another app.

A User-Agent is a claim. It is read for a hint, and one word of it is kept.
"""

from __future__ import annotations

PLATFORMS = (
    # What stands in a User-Agent → what is kept of it. The order decides: an iPhone also says "like Mac OS X".
    ("iPhone", "iphone"),
    ("iPod", "iphone"),
    ("iPad", "ipad"),
    ("Android", "android"),
    # An iPad says Macintosh too when it asks for desktop pages, which is its default: nobody can tell them apart here.
    ("Macintosh", "mac"),
)
OTHER = "other"


def platform(user_agent: str) -> str:
    """The coarse platform that a User-Agent claims; all that is ever kept of it."""
    return next((name for mark, name in PLATFORMS if mark in user_agent), OTHER)


# Browsers inside other apps, on iPhones and iPads. They are reported not to add passes, or not always; nobody confirmed
# it on devices. From user agents as those apps publish or send them, read in November 2026; unconfirmed, like the list
# as a whole: a mark too many costs a needless hint, one too few a missing one.
IN_APP_MARKS = (
    *("FBAN/", "FBAV/", "Instagram", "LinkedInApp", "Line/", "MicroMessenger", "Pinterest/", "Snapchat", "Twitter for"),
    *("TikTok", "musical_ly", "BytedanceWebview", "GSA/", "Teams/", "Slack"),
)


def inside_an_app(user_agent: str) -> bool:
    """Whether it looks like a browser inside another app on an iPhone or iPad: by its mark, or because it does not call
    itself Safari, as web views do unless told otherwise (unconfirmed too).
    """
    if platform(user_agent) not in ("iphone", "ipad"):
        return False
    return any(mark in user_agent for mark in IN_APP_MARKS) or "Safari/" not in user_agent
