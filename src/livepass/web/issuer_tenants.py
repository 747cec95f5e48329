"""Tenants: the brands of this installation, for its operator."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from livepass.core.model import Tenant
from livepass.service.access import Scope
from livepass.service.tenants import LONGEST_TITLE, Filled
from livepass.web.issuer_answers_events import Instant, at
from livepass.web.issuer_lists import linked
from livepass.web.issuer_requests import PageQuery
from livepass.web.operations import Answer, Call, Operation, json_body
from livepass.web.paging import Cursor, sliced

Title = Annotated[str, Meta(min_length=1, max_length=LONGEST_TITLE)]
_TENANTS = Cursor("tenants", str)


class TenantCreate(Struct, frozen=True, forbid_unknown_fields=True):
    """A new tenant. `name` stands in every pass's token and never changes; `title` is for people."""

    name: Annotated[str, Meta(max_length=40, pattern="^[a-z0-9][a-z0-9-]*$")]
    title: Title | None = None


class TenantPatch(Struct, frozen=True, forbid_unknown_fields=True):
    """Another title."""

    title: Title


class TenantRow(Struct, frozen=True):
    """A tenant. `default` is always there: `created_at` null."""

    name: str
    title: str
    created_at: Instant | None

    @classmethod
    def of(cls, row: Tenant) -> TenantRow:
        return cls(row.name, row.title, at(row.created_at) if row.created_at else None)


class Amount(Struct, frozen=True):
    """So many of what `what` says."""

    what: str
    count: int


class TenantDetail(TenantRow, frozen=True):
    """A tenant, and what there is of it: it can be removed when that is nothing."""

    holds: list[Amount]

    @classmethod
    def filled(cls, found: Filled) -> TenantDetail:
        row = TenantRow.of(found.tenant)
        return cls(row.name, row.title, row.created_at, [Amount(*each) for each in found.holds])


class TenantPage(Struct, frozen=True):
    """A page of tenants."""

    data: list[TenantRow]
    next_cursor: str | None


async def add(call: Call) -> Answer:
    """A new tenant, with nothing in it."""
    body: TenantCreate = call.body
    return Answer(201, TenantRow.of(await call.services.tenants.add(body.name, body.title or "")))


async def tenants(call: Call) -> Answer:
    """Tenants, by name."""
    rows = sorted(await call.services.tenants.all(), key=lambda row: row.name)
    shown, cursor = sliced(rows, call.query, _TENANTS, "", lambda row: row.name)
    return linked(call, TenantPage([TenantRow.of(row) for row in shown], cursor), cursor)


async def tenant(call: Call) -> Answer:
    """One tenant, and what there is of it."""
    return Answer(200, TenantDetail.filled(await call.services.tenants.get(call.path["id"])))


async def rename(call: Call) -> Answer:
    """Give a tenant another title."""
    body: TenantPatch = call.body
    return Answer(200, TenantRow.of(await call.services.tenants.rename(call.path["id"], body.title)))


async def remove(call: Call) -> Answer:
    """Remove a tenant of which nothing is left."""
    await call.services.tenants.remove(call.path["id"])
    return Answer(204)


_ONE = "/tenants/{id}"
_SCOPES: tuple[Scope, ...] = ("tenants:admin",)

OPERATIONS = (
    Operation(
        "POST",
        "/tenants",
        "addTenant",
        "Make a tenant",
        add,
        _SCOPES,
        {201: (TenantRow,)},
        body=json_body(TenantCreate),
        group="tenants",
    ),
    Operation(
        "GET", "/tenants", "listTenants", "Tenants", tenants, _SCOPES, {200: (TenantPage,)}, PageQuery, group="tenants"
    ),
    Operation(
        "GET",
        _ONE,
        "getTenant",
        "A tenant, and what is left of it",
        tenant,
        _SCOPES,
        {200: (TenantDetail,)},
        group="tenants",
    ),
    Operation(
        "PATCH",
        _ONE,
        "renameTenant",
        "Give a tenant another title",
        rename,
        _SCOPES,
        {200: (TenantRow,)},
        body=json_body(TenantPatch),
        group="tenants",
    ),
    Operation("DELETE", _ONE, "removeTenant", "Remove an empty tenant", remove, _SCOPES, {204: None}, group="tenants"),
)
