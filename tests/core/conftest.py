"""No deadlines: how long an example takes says something about the machine, not about a rule."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("livepass", deadline=None)
settings.load_profile("livepass")
