"""What can be called: one function for each, from typed parameters to a request, and to the type of its answer.

``OPERATIONS`` says which operation of the OpenAPI document each one is, ``LEFT_OUT`` which have none and why.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, Literal, Protocol, TypeVar

import msgspec

from livepass.client.address import path
from livepass.web import issuer_answers as passes_
from livepass.web import issuer_answers_admin as admin
from livepass.web import issuer_answers_events as events
from livepass.web import issuer_answers_phones as phones
from livepass.web import issuer_answers_why as why_
from livepass.web import issuer_sharing as sharing

if TYPE_CHECKING:
    from livepass.service.access import Scope

T = TypeVar("T")
Row = TypeVar("Row")
Read_co = TypeVar("Read_co", covariant=True)
Push = Literal["auto", "now", "none"]
Values = Mapping[str, Any]

JSON = "application/json"
PAGE = 500
"""Rows asked for at once: the most there are in a page."""


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """One request. ``path`` begins after ``/api/v1``; queries that are ``None`` are left out. ``repeats``: sent twice,
    it does what it does once.
    """

    method: str
    path: str
    read: Callable[[bytes], T]
    query: Values = field(default_factory=dict)
    body: bytes | None = field(default=None, repr=False)
    media: str = JSON

    @property
    def repeats(self) -> bool:
        return self.method in ("GET", "PUT", "DELETE")


class Page(Protocol[Read_co]):
    """A page of a list."""

    @property
    def data(self) -> Sequence[Read_co]: ...

    @property
    def next_cursor(self) -> str | None: ...


@dataclass(frozen=True, slots=True)
class List(Generic[Row]):
    """A list, page by page, from ``cursor`` on."""

    path: str
    read: Callable[[bytes], Page[Row]]
    query: Values = field(default_factory=dict)
    cursor: str | None = None

    def page(self, cursor: str | None) -> Call[Page[Row]]:
        """The call for a page."""
        return Call("GET", self.path, self.read, {**self.query, "limit": PAGE, "cursor": cursor})


# ── passes


def put_pass(
    pass_type: str,
    serial: str,
    *,
    template: str | None = None,
    data: Values | None = None,
    content: Values | None = None,
    revision: str | None = None,
    push: Push = "auto",
) -> Call[passes_.PassResult]:
    """Issue a pass, or make it what this says."""
    body = _given(template=template, data=data, content=content, revision=revision)
    return Call("PUT", _pass(pass_type, serial), _reads(passes_.PassResult), {"push": push}, _json(body))


def patch_pass(
    pass_type: str,
    serial: str,
    *,
    data: Values | None = None,
    content: Values | None = None,
    template: str | None = None,
    push: Push = "auto",
) -> Call[passes_.PassResult]:
    """Change what is named and keep the rest; ``None`` inside ``data`` or ``content`` removes."""
    body = _given(template=template, data=data, content=content)
    return Call("PATCH", _pass(pass_type, serial), _reads(passes_.PassResult), {"push": push}, _json(body))


def foresee_patch(
    pass_type: str, serial: str, *, data: Values | None = None, content: Values | None = None
) -> Call[passes_.PassPreview]:
    """What ``patch_pass`` would change, and what the lock screen would say. Changes nothing."""
    body = _given(data=data, content=content)
    return Call("PATCH", _pass(pass_type, serial), _reads(passes_.PassPreview), {"dry_run": "true"}, _json(body))


def get_pass(pass_type: str, serial: str) -> Call[passes_.PassDetail]:
    """The pass, and where each phone stands."""
    return Call("GET", _pass(pass_type, serial), _reads(passes_.PassDetail))


def void_pass(pass_type: str, serial: str, *, push: Push = "auto") -> Call[passes_.PassResult]:
    """Mark a pass as void, and tell its phones."""
    return Call("DELETE", _pass(pass_type, serial), _reads(passes_.PassResult), {"push": push})


def erase_pass(pass_type: str, serial: str) -> Call[None]:
    """Forget a pass, its registrations and its history."""
    return Call("DELETE", _pass(pass_type, serial), _nothing, {"erase": "true"})


def pkpass(pass_type: str, serial: str) -> Call[bytes]:
    """The signed file."""
    return Call("GET", f"{_pass(pass_type, serial)}/pkpass", bytes)


def bundle(passes: Sequence[tuple[str, str]]) -> Call[bytes]:
    """Up to ten passes, as (pass type, serial), in one ``.pkpasses`` file."""
    named = [{"pass_type": pass_type, "serial": serial} for pass_type, serial in passes]
    return Call("POST", "/passes:bundle", bytes, body=_json({"passes": named}))


def why(pass_type: str, serial: str) -> Call[why_.Why]:
    """Why a pass is not up to date on its phones."""
    return Call("GET", f"{_pass(pass_type, serial)}/why", _reads(why_.Why))


def why_all(*, pass_type: str | None = None) -> Call[why_.WhyAll]:
    """What is to be said of all passes that wait, and of how many."""
    return Call("GET", "/why", _reads(why_.WhyAll), {"pass_type": pass_type})


def share_pass(
    pass_type: str, serial: str, *, days: int | None = None, minutes: int | None = None
) -> Call[sharing.SharedLink]:
    """A link from which a pass can be added."""
    body = _json(_given(days=days, minutes=minutes))
    return Call("POST", f"{_pass(pass_type, serial)}:share", _reads(sharing.SharedLink), body=body)


def push_pass(pass_type: str, serial: str) -> Call[phones.PushesDue]:
    """Send what is due to a pass's phones at once."""
    return Call("POST", f"{_pass(pass_type, serial)}:push", _reads(phones.PushesDue))


def push_all(pass_type: str) -> Call[phones.PushesDue]:
    """Send what is due of a whole pass type at once."""
    return Call("POST", "/pushes", _reads(phones.PushesDue), body=_json({"pass_type": pass_type}))


def timeline(pass_type: str, serial: str, *, after: int = 0) -> List[events.EventRow]:
    """What happened to a pass, oldest first; events with ids above ``after``."""
    # Beside a cursor, ``after`` would be another place to begin.
    query = {"after": after} if after else {}
    return List(f"{_pass(pass_type, serial)}/timeline", _reads(events.EventPage), query)


def passes(
    *, pass_type: str | None = None, template: str | None = None, serial_prefix: str | None = None
) -> List[passes_.PassSummary]:
    """All passes, by pass type and serial."""
    query = {"pass_type": pass_type, "template": template, "serial_prefix": serial_prefix}
    return List("/passes", _reads(passes_.PassPage), query)


# ── phones


def registrations(*, pass_type: str | None = None, device_id: str | None = None) -> List[phones.RegistrationRow]:
    """Which phones follow which passes."""
    query = {"pass_type": pass_type, "device_id": device_id}
    return List("/registrations", _reads(phones.RegistrationPage), query)


def pushes(*, pass_type: str | None = None, due: bool = False) -> List[phones.PushRow]:
    """Push targets; ``due``: only those that a push is due to."""
    return List("/pushes", _reads(phones.PushPage), {"pass_type": pass_type, "due": "true" if due else None})


def device_logs(*, pass_type: str | None = None, code: str | None = None) -> List[phones.LogRow]:
    """What phones said, newest first; ``code`` ``?``: what is known of no sentence."""
    return List("/device-logs", _reads(phones.LogPage), {"pass_type": pass_type, "code": code})


def stats(*, pass_type: str | None = None) -> Call[phones.Stats]:
    """How many registrations stand where."""
    return Call("GET", "/stats", _reads(phones.Stats), {"pass_type": pass_type})


# ── what passes are made of


def import_p12(p12: bytes, password: str) -> Call[admin.CertificateImported]:
    """Take in a certificate with its key. The first one of a pass type goes live when it proves itself."""
    body = _json({"p12": base64.b64encode(p12).decode(), "password": password})
    return Call("POST", "/certificates", _reads(admin.CertificateImported), body=body)


def certificates(*, pass_type: str | None = None) -> List[admin.CertificateRow]:
    """All certificates."""
    return List("/certificates", _reads(admin.CertificatePage), {"pass_type": pass_type})


def certificate(certificate_id: str) -> Call[admin.CertificateRow]:
    """One certificate."""
    return Call("GET", path("certificates", certificate_id), _reads(admin.CertificateRow))


def prove_certificate(certificate_id: str, *, push_token: str | None = None) -> Call[admin.CertificateProven]:
    """Sign with it, and connect to APNs with it."""
    body = _json(_given(push_token=push_token))
    return Call("POST", _step(certificate_id, "prove"), _reads(admin.CertificateProven), body=body)


def canary_certificate(
    certificate_id: str, *, percent: int = 1, accept_nfc_loss: bool = False
) -> Call[admin.CertificateRow]:
    """Sign a share of the passes with it; 0 ends that."""
    body = _json({"percent": percent, "accept_nfc_loss": accept_nfc_loss})
    return Call("POST", _step(certificate_id, "canary"), _reads(admin.CertificateRow), body=body)


def promote_certificate(certificate_id: str, *, accept_nfc_loss: bool = False) -> Call[admin.CertificateRow]:
    """Sign and push with it from now on."""
    body = _json({"accept_nfc_loss": accept_nfc_loss})
    return Call("POST", _step(certificate_id, "promote"), _reads(admin.CertificateRow), body=body)


def roll_back_certificate(certificate_id: str) -> Call[admin.CertificateRow]:
    """Go back to the one before."""
    return Call("POST", _step(certificate_id, "rollback"), _reads(admin.CertificateRow), body=b"{}")


def retire_certificate(certificate_id: str) -> Call[admin.CertificateRow]:
    """Use it no more."""
    return Call("POST", _step(certificate_id, "retire"), _reads(admin.CertificateRow), body=b"{}")


def publish_template(folder: bytes, *, name: str | None = None) -> Call[admin.TemplatePublished]:
    """Make a zip of a template's folder its current revision."""
    query = {"name": name}
    return Call("POST", "/templates", _reads(admin.TemplatePublished), query, folder, "application/zip")


def templates() -> List[admin.TemplateRow]:
    """All templates."""
    return List("/templates", _reads(admin.TemplatePage))


def template(name: str) -> Call[admin.TemplateRow]:
    """One template."""
    return Call("GET", path("templates", name), _reads(admin.TemplateRow))


# ── keys


def create_key(name: str, scopes: Sequence[Scope], *, pass_types: Sequence[str] | None = None) -> Call[admin.KeyRow]:
    """A new API key, whose secret is shown only now."""
    body = _given(name=name, scopes=list(scopes), pass_types=None if pass_types is None else list(pass_types))
    return Call("POST", "/keys", _reads(admin.KeyRow), body=_json(body))


def keys() -> List[admin.KeyRow]:
    """All API keys, without their secrets."""
    return List("/keys", _reads(admin.KeyPage))


def key(key_id: str) -> Call[admin.KeyRow]:
    """One API key."""
    return Call("GET", path("keys", key_id), _reads(admin.KeyRow))


def revoke_key(key_id: str) -> Call[None]:
    """Let a key open nothing any more."""
    return Call("DELETE", path("keys", key_id), _nothing)


# ── pieces


def _pass(pass_type: str, serial: str) -> str:
    return path("passes", pass_type, serial)


def _step(certificate_id: str, step: str) -> str:
    return f"{path('certificates', certificate_id)}:{step}"


def _given(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _json(body: Mapping[str, Any]) -> bytes:
    return json.dumps(body).encode()


def _reads(type_: type[T]) -> Callable[[bytes], T]:
    """What the service wrote with this type. Fields that a newer one adds are passed over."""
    return lambda body: msgspec.json.decode(body, type=type_)


def _nothing(body: bytes) -> None:
    return None


OPERATIONS: Mapping[str, tuple[str, ...]] = {
    "putPass": ("put_pass",),
    "patchPass": ("patch_pass", "foresee_patch"),
    "getPass": ("get_pass",),
    "deletePass": ("void_pass", "erase_pass"),
    "getPkpass": ("pkpass",),
    "bundlePasses": ("bundle",),
    "putPasses": ("put_passes",),
    "listPasses": ("passes",),
    "getTimeline": ("timeline",),
    "getWhy": ("why",),
    "getWhyAll": ("why_all",),
    "sharePass": ("share_pass",),
    "pushPass": ("push_pass",),
    "push": ("push_all",),
    "listRegistrations": ("registrations",),
    "listPushes": ("pushes",),
    "listDeviceLogs": ("device_logs",),
    "getStats": ("stats",),
    "importCertificate": ("import_p12",),
    "listCertificates": ("certificates",),
    "getCertificate": ("certificate",),
    "proveCertificate": ("prove_certificate",),
    "canaryCertificate": ("canary_certificate",),
    "promoteCertificate": ("promote_certificate",),
    "rollBackCertificate": ("roll_back_certificate",),
    "retireCertificate": ("retire_certificate",),
    "publishTemplate": ("publish_template",),
    "listTemplates": ("templates",),
    "getTemplate": ("template",),
    "createKey": ("create_key",),
    "listKeys": ("keys",),
    "getKey": ("key",),
    "revokeKey": ("revoke_key",),
}
_PICTURE = "a page for people: open its address in a browser, or use livepass pass preview"
_OPERATING = "whoever operates the service does it, with the command line"
_PERSON = "a decision about a person, which a person makes: livepass holder"
_PAST = "what a pass was, for people: livepass pass versions, or the console"
LEFT_OUT: Mapping[str, str] = {
    "createPass": "put_pass under a serial number of your own may be repeated; this may not without a key of its own",
    "listVersions": _PAST,
    "getPassFiles": _PAST,
    "exportHolder": _PERSON,
    "eraseHolder": _PERSON,
    "addTenant": _OPERATING,
    "listTenants": _OPERATING,
    "getTenant": _OPERATING,
    "renameTenant": _OPERATING,
    "removeTenant": _OPERATING,
    "draftPass": _PICTURE,
    "previewPass": _PICTURE,
    "previewTemplate": _PICTURE,
    "getOpenapi": "what this client is made from",
    "getFunnel": "figures for people: livepass pass funnel, or the console",
    "getEnrolments": "what somebody gave of themselves: the command line writes down who looked",
    "listEnrolments": "as getEnrolments",
    "planCertificates": _OPERATING,
    "watchCertificates": _OPERATING,
    "lookAtCertificates": _OPERATING,
    "createSigningRequest": _OPERATING,
    "listSigningRequests": _OPERATING,
    "removeSigningRequest": _OPERATING,
    "importApnsKey": _OPERATING,
    "listApnsKeys": _OPERATING,
    "getApnsKey": _OPERATING,
    "retireApnsKey": _OPERATING,
    "choosePushCredential": _OPERATING,
    "addWebhookEndpoint": _OPERATING,
    "listWebhookEndpoints": _OPERATING,
    "getWebhookEndpoint": _OPERATING,
    "changeWebhookEndpoint": _OPERATING,
    "removeWebhookEndpoint": _OPERATING,
    "rotateWebhookSecret": _OPERATING,
    "testWebhookEndpoint": _OPERATING,
    "listWebhookMessages": _OPERATING,
    "listWebhookAttempts": _OPERATING,
    "resendWebhook": _OPERATING,
    "recoverWebhooks": _OPERATING,
}
