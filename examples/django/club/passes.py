"""The club's passes: the one ``Livepass`` of the process, and what it tells us."""

from __future__ import annotations

import os

from livepass import Happening, Livepass

PASS_TYPE = os.environ.get("CLUB_PASS_TYPE", "pass.test.livepass")
lp = Livepass.from_env()


@lp.on("registration.created")
def remember(happening: Happening) -> None:
    from club.models import Member

    Member.objects.filter(number=happening.serial).update(has_pass=True)
