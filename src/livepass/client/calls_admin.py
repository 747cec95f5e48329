"""Templates, API keys, tenants; people's requests, and what people gave."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from livepass.client.address import path
from livepass.client.call import Call, List, as_json, given, nothing, of_pass, reads
from livepass.web import issuer_answers_admin as admin
from livepass.web import issuer_enrolments as given_
from livepass.web import issuer_holders as people
from livepass.web import issuer_tenants as brands

if TYPE_CHECKING:
    from livepass.service.access import Scope


def publish_template(folder: bytes, *, name: str | None = None) -> Call[admin.TemplatePublished]:
    """Make a zip of a template's folder its current revision."""
    query = {"name": name}
    return Call("POST", "/templates", reads(admin.TemplatePublished), query, folder, "application/zip")


def templates() -> List[admin.TemplateRow]:
    """All templates."""
    return List("/templates", reads(admin.TemplatePage))


def template(name: str) -> Call[admin.TemplateRow]:
    """One template."""
    return Call("GET", path("templates", name), reads(admin.TemplateRow))


def create_key(name: str, scopes: Sequence[Scope], *, pass_types: Sequence[str] | None = None) -> Call[admin.KeyRow]:
    """A new API key, whose secret is shown only now."""
    body = given(name=name, scopes=list(scopes), pass_types=None if pass_types is None else list(pass_types))
    return Call("POST", "/keys", reads(admin.KeyRow), body=as_json(body))


def keys() -> List[admin.KeyRow]:
    """All API keys, without their secrets."""
    return List("/keys", reads(admin.KeyPage))


def key(key_id: str) -> Call[admin.KeyRow]:
    """One API key."""
    return Call("GET", path("keys", key_id), reads(admin.KeyRow))


def revoke_key(key_id: str) -> Call[None]:
    """Let a key open nothing any more."""
    return Call("DELETE", path("keys", key_id), nothing)


# ── tenants


def add_tenant(name: str, *, title: str | None = None) -> Call[brands.TenantRow]:
    """Make a tenant. ``name`` never changes; ``title`` is for people."""
    return Call("POST", "/tenants", reads(brands.TenantRow), body=as_json(given(name=name, title=title)))


def tenants() -> List[brands.TenantRow]:
    """All tenants, by name."""
    return List("/tenants", reads(brands.TenantPage))


def tenant(name: str) -> Call[brands.TenantDetail]:
    """One tenant, and what there is of it."""
    return Call("GET", path("tenants", name), reads(brands.TenantDetail))


def rename_tenant(name: str, title: str) -> Call[brands.TenantRow]:
    """Give a tenant another title."""
    return Call("PATCH", path("tenants", name), reads(brands.TenantRow), body=as_json({"title": title}))


def remove_tenant(name: str) -> Call[None]:
    """Remove a tenant of which nothing is left."""
    return Call("DELETE", path("tenants", name), nothing)


# ── people


def export_holder(holder: str) -> Call[people.HolderExport]:
    """All that is kept of a person, to be handed over."""
    return Call("GET", path("holders", holder), reads(people.HolderExport))


def foresee_erasure(holder: str) -> Call[people.HolderErased]:
    """What ``erase_holder`` would erase. Erases nothing."""
    return Call("DELETE", path("holders", holder), reads(people.HolderErased), {"dry_run": "true"})


def erase_holder(holder: str) -> Call[people.HolderErased]:
    """Forget every pass of a person, with its phones, enrolments and history; the answer is the receipt. Sent again
    because that was lost on the way, it finds nobody and is refused with 404.
    """
    return Call("DELETE", path("holders", holder), reads(people.HolderErased))


def enrolments_of(pass_type: str, serial: str) -> Call[given_.Enrolments]:
    """What was given when a pass was signed up with, oldest first."""
    return Call("GET", f"{of_pass(pass_type, serial)}/enrolments", reads(given_.Enrolments))


def enrolments(pass_type: str, *, cursor: str | None = None) -> List[given_.EnrolmentRow]:
    """What was given for passes of a type, in order. ``cursor``: of the row after which to go on, also next week."""
    return List("/enrolments", reads(given_.EnrolmentPage), {"pass_type": pass_type}, cursor)
