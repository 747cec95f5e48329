"""How the certificates stand: their ends, what the last looks at them found, and what to do."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct, UnsetType

from livepass.core.rotation import DAY
from livepass.core.watch_told import Told
from livepass.service.refusals import Forbidden
from livepass.web.issuer_answers_events import Instant, maybe_at
from livepass.web.issuer_requests import Nothing, WatchQuery
from livepass.web.operations import Answer, Call, Operation, json_body

Kind = Literal["certificate", "intermediate", "public_tls", "apns_tls"]
State = Literal["revoked", "ended", "unsound", "soon", "unclear", "fine"]


class WatchedRow(Struct, frozen=True):
    """One certificate that signs or might, its intermediate, our own TLS certificate, or that of APNs.

    `needs`: somebody has to do `remedy`. `days`: whole days left. `checked_at`: the last look from outside (a test
    signature, a TLS handshake), and `sound` what it found. `heir`: the certificate that signs when this one ends.
    """

    kind: Kind
    pass_type: str | None
    certificate: str | None
    state: State
    needs: bool
    ends_at: Instant | None
    days: int | None
    sentence: str
    remedy: str
    finding: str | None
    checked_at: Instant | None
    sound: bool | None
    revoked_at: Instant | None
    heir: str | None

    @classmethod
    def of(cls, told: Told) -> WatchedRow:
        return cls(
            told.kind.value,  # type: ignore[arg-type]
            told.pass_type or None,
            told.certificate_id or None,
            told.state.value,
            told.needs,
            maybe_at(told.ends_at),
            told.days,
            told.sentence,
            told.remedy,
            told.finding or None,
            maybe_at(told.checked_at),
            told.sound,
            maybe_at(told.revoked_at),
            told.heir or None,
        )


class CertificateWatch(Struct, frozen=True):
    """Everything that is watched, worst first."""

    data: list[WatchedRow]


async def watch(call: Call) -> Answer:
    """How every live certificate stands, and the TLS certificates of this service and of APNs; worst first."""
    query: WatchQuery = call.query
    told = await call.services.watching.told(None if isinstance(query.days, UnsetType) else query.days * DAY)
    mine = [
        one
        for one in told
        if not one.pass_type or (call.caller.sees(one.pass_type) and query.pass_type in (None, one.pass_type))
    ]
    return Answer(200, CertificateWatch([WatchedRow.of(one) for one in mine]))


async def look(call: Call) -> Answer:
    """Look at everything now, and not when it is due. Takes some seconds; then ask `GET /certificate-watch`."""
    if not call.caller.of_all:
        raise Forbidden(
            "this API key is not for all pass types here, and a look goes over all of them",
            hint="use a key of the operator, without pass types, or wait: the worker looks once a day",
            code="foreign_pass_type",
        )
    await call.services.watching.once(at_once=True)
    return Answer(204)


OPERATIONS = (
    Operation(
        "GET",
        "/certificate-watch",
        "watchCertificates",
        "How the certificates stand",
        watch,
        ("certs:admin",),
        {200: (CertificateWatch,)},
        WatchQuery,
        group="certificates",
    ),
    Operation(
        "POST",
        "/certificate-watch:look",
        "lookAtCertificates",
        "Look at the certificates now",
        look,
        ("certs:admin",),
        {204: None},
        body=json_body(Nothing),
        group="certificates",
    ),
)
