"""The ASGI applications over the services of one process: for phones, issuers, holders of share links, and all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from livepass._version import __version__
from livepass.config import ConfigError
from livepass.service.access import Access
from livepass.web.app import App
from livepass.web.badges import Badges
from livepass.web.issuer import IssuerApp
from livepass.web.metrics import exposition
from livepass.web.phone import PhoneApp
from livepass.web.share import ShareApp
from livepass.web.share_picture import picture

if TYPE_CHECKING:
    from livepass.wiring import Services


def phone(services: Services) -> PhoneApp:
    """The device endpoints below ``webServiceURL``."""
    return PhoneApp(services.answering, services.config.connection_header, services.personalizing)


def issuer(services: Services, admin_keys: Sequence[str]) -> IssuerApp:
    """The issuer API over these services; each of ``admin_keys`` may do everything."""
    access = Access(services.store, services.clock, services.chance, tuple(key for key in admin_keys if key))
    parts = (services.issuing, services.publishing, services.admitting, services.rotating)
    common = (services.clock, services.answering.load)
    return IssuerApp(
        *(services.store, access, *parts, *common),
        apns_keys=services.apns_keys,
        watching=services.watching,
        sharing=services.sharing,
    )


def share(services: Services) -> ShareApp:
    """The pages of share links. Raises ``ConfigError``."""
    folder = services.config.badge_dir
    try:
        badges = Badges.read(folder) if folder else None
    except OSError as error:
        hint = "let this user read the folder and its files"
        raise ConfigError(f"LIVEPASS_BADGE_DIR cannot be read: {error}", hint) from error
    return ShareApp(services.sharing, services.answering.load, services.clock, picture=picture(), badges=badges)


def everything(services: Services) -> App:
    """Everything a process answers, as one application."""
    load, started_at = services.answering.load, services.clock.now()

    async def metrics() -> str:
        told = await services.watching.told_lately()
        return exposition(told, version=__version__, started_at=started_at)

    known = issuer(services, [services.config.admin_key])
    ended = services.watching.ended
    return App(phone(services), known, services.ready, load, ended=ended, metrics=metrics, share=share(services))
