"""The ASGI applications over the services of one process: for phones, issuers, holders of share links, and all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from livepass.config import ConfigError
from livepass.service.access import Access
from livepass.service.rates import Rates
from livepass.web.app import App, Asgi, Measured
from livepass.web.badges import Badges
from livepass.web.echo import Echo
from livepass.web.issuer import IssuerApp
from livepass.web.phone import PhoneApp
from livepass.web.share import PREFIX, ShareApp
from livepass.web.share_picture import picture
from livepass.web.traced import found_route, phones_route, traced

if TYPE_CHECKING:
    from livepass.wiring import Services


def phone(services: Services) -> Asgi:
    """The device endpoints below ``webServiceURL``."""
    return traced(_phone(services), services.tracing, phones_route)


def _phone(services: Services) -> PhoneApp:
    echo = Echo(services.keys, services.clock, services.chance)
    return PhoneApp(services.answering, services.config.connection_header, services.personalizing, echo)


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
        webhooks=services.webhooks,
        rates=Rates(services.clock, services.config.key_rate, services.config.tenant_rate),
    )


def api(services: Services, admin_keys: Sequence[str]) -> Asgi:
    """As ``issuer``, for whoever calls it over HTTP."""
    return traced(issuer(services, admin_keys), services.tracing, found_route)


def share(services: Services) -> Asgi:
    """The pages of share links. Raises ``ConfigError``."""
    folder = services.config.badge_dir
    try:
        badges = Badges.read(folder) if folder else None
    except OSError as error:
        hint = "let this user read the folder and its files"
        raise ConfigError(f"LIVEPASS_BADGE_DIR cannot be read: {error}", hint) from error
    app = ShareApp(services.sharing, services.answering.load, services.clock, picture=picture(), badges=badges)
    return traced(app, services.tracing, lambda _: f"{PREFIX}{{link}}")


def everything(services: Services, metrics: Measured | None = None) -> App:
    """Everything a process answers, as one application. ``metrics``: what ``/metrics`` says; without it, nothing."""
    app = _phone(services)
    # What is traced goes round by the tracer, and PostgreSQL is waited for.
    inline = services.tracing is None and not services.config.on_postgres
    return App(
        traced(app, services.tracing, phones_route),
        api(services, [services.config.admin_key]),
        services.ready,
        services.answering.load,
        ended=services.watching.ended,
        way=services.way.told,
        metrics=metrics,
        share=share(services),
        other_paths=services.config.other_paths,
        phone_at_once=app.at_once if inline else None,
    )
