"""What callers send: bodies and queries. The same types check requests and describe them in the OpenAPI document."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from livepass.core.rotation import MOST_CANARY
from livepass.service.access import Scope
from livepass.service.issuing import Push

LARGEST_PAGE = 500
LARGEST_INTEGER = 2**63 - 1
MOST_IN_BUNDLE = 10
"""As ``pkpass.several`` allows, which is not loaded for it: ``tests/web/test_issuer_bundle.py`` holds them together."""

_NO_NUL = r"^[^\u0000]*$"
"""Neither database takes a NUL in text."""

Name = Annotated[str, Meta(max_length=200, pattern=_NO_NUL)]
PassType = Annotated[str, Meta(max_length=200, pattern=_NO_NUL, description="Pass type identifier, `pass.…`")]
Serial = Annotated[str, Meta(max_length=400, pattern=_NO_NUL, description="Serial number")]
Limit = Annotated[int, Meta(ge=1, le=LARGEST_PAGE, description="Rows at most")]
CursorText = Annotated[str, Meta(max_length=2000, description="`next_cursor` of the page before")]
Pushing = Annotated[
    Push, Meta(description="`auto`: within the phone's budget; `now`: at once; `none`: phones hear of it when they ask")
]
Data = Annotated[dict[str, Any], Meta(description="Values for the template's variables")]
Content = Annotated[dict[str, Any], Meta(description="Merged over the template's pass.json (RFC 7396)")]
TemplateName = Annotated[str, Meta(max_length=200, pattern=_NO_NUL, description="Name of a template")]
Revision = Annotated[
    str,
    Meta(max_length=200, pattern=_NO_NUL, description="Stay at this revision of the template instead of following it"),
]
Language = Annotated[
    str,
    Meta(pattern=r"^[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,8}){0,3}$", description="The phone's, as in `de` or `zh-Hans`"),
]
EventId = Annotated[int, Meta(ge=0, le=LARGEST_INTEGER)]

Holder = Annotated[
    str,
    Meta(
        max_length=200,
        pattern=_NO_NUL,
        description="Your own name for the person whose pass it is, for privacy requests; no phone sees it",
    ),
]

# ── bodies


class PassPut(Struct, forbid_unknown_fields=True, frozen=True):
    """What a pass shall be. A new pass needs a template; an existing one keeps its own when none is named."""

    template: TemplateName | UnsetType = UNSET
    data: Data | UnsetType = UNSET
    content: Content | UnsetType = UNSET
    revision: Revision | None = None
    holder: Holder | UnsetType | None = UNSET


class PassCreate(Struct, forbid_unknown_fields=True, frozen=True):
    """What a new pass shall be, as in `PassPut`; its serial number is made here."""

    pass_type: PassType
    template: TemplateName
    data: Data | UnsetType = UNSET
    content: Content | UnsetType = UNSET
    revision: Revision | None = None
    holder: Holder | UnsetType | None = UNSET


class PassPatch(Struct, forbid_unknown_fields=True, frozen=True):
    """A merge patch (RFC 7396) of `PassPut`: what is left out stays, `null` inside `data` or `content` removes."""

    template: TemplateName | UnsetType = UNSET
    data: Data | UnsetType = UNSET
    content: Content | UnsetType = UNSET
    revision: Revision | UnsetType = UNSET
    holder: Holder | UnsetType | None = UNSET


class BatchLine(Struct, forbid_unknown_fields=True, frozen=True):
    """One line of a batch: a pass and what it shall be, as in `PassPut`. A pass that phones hold already, from another
    service, comes with its token and where it calls, which are then never changed.
    """

    pass_type: PassType
    serial: Serial
    template: TemplateName | UnsetType = UNSET
    data: Data | UnsetType = UNSET
    content: Content | UnsetType = UNSET
    revision: Revision | None = None
    holder: Holder | UnsetType | None = UNSET
    authentication_token: Annotated[str, Meta(max_length=1000, description="Of the pass as phones hold it")] | None = (
        None
    )
    web_service_url: Annotated[str, Meta(max_length=2000, description="Of the pass as phones hold it")] | None = None


class NamedPass(Struct, forbid_unknown_fields=True, frozen=True):
    """A pass, by its name."""

    pass_type: PassType
    serial: Serial


class BundleRequest(Struct, forbid_unknown_fields=True, frozen=True):
    """The passes of a bundle, in its order; each one once."""

    passes: Annotated[list[NamedPass], Meta(min_length=1, max_length=MOST_IN_BUNDLE)]


class PushRequest(Struct, forbid_unknown_fields=True, frozen=True):
    """Which due pushes to send at once: those of a pass, or of a whole pass type."""

    pass_type: PassType
    serial: Serial | None = None


class CertificateImport(Struct, forbid_unknown_fields=True, frozen=True):
    """A certificate: `p12` and its `password`; or `certificate_pem` and `private_key_pem`; or `certificate` alone, if
    its key was made here (`POST /signing-requests`). `intermediate_pem` may go with each; without it, livepass looks
    for the intermediate.
    """

    p12: Annotated[bytes, Meta(description="The .p12 file, base64")] | None = None
    password: Annotated[str, Meta(description="Of the .p12")] | None = None
    certificate: Annotated[bytes, Meta(description="The portal's .cer file (DER or PEM), base64")] | None = None
    certificate_pem: str | None = None
    private_key_pem: str | None = None
    private_key_password: Annotated[str, Meta(description="Of private_key_pem, if it is encrypted")] | None = None
    intermediate_pem: Annotated[str, Meta(description="Apple's WWDR intermediate")] | None = None
    accept_nfc_loss: Annotated[
        bool, Meta(description="Take it in also if the live certificate may use NFC and this one may not")
    ] = False


class SigningRequestCreate(Struct, forbid_unknown_fields=True, frozen=True):
    """A new key, which stays here, and its request. `pass_type` is what it is meant for, if that is known; `team` and
    `email` stand in the request, where Apple ignores them.
    """

    pass_type: PassType = ""
    team: Annotated[str, Meta(max_length=64, pattern=_NO_NUL)] = ""
    email: Annotated[str, Meta(max_length=255, pattern=_NO_NUL)] = ""


class Nothing(Struct, forbid_unknown_fields=True, frozen=True):
    """An empty object."""


class CertificateProve(Struct, forbid_unknown_fields=True, frozen=True):
    """`push_token`: of a phone of yours that follows the pass type, to see the push arrive."""

    push_token: Annotated[str, Meta(pattern="^([0-9A-Fa-f]{2}){1,256}$")] | None = None


class CertificatePromote(Struct, forbid_unknown_fields=True, frozen=True):
    """`accept_nfc_loss`: even if the certificate before it may sign NFC passes, and this one may not."""

    accept_nfc_loss: bool = False


class CanaryStart(Struct, forbid_unknown_fields=True, frozen=True):
    """The share of the serials, in percent; 0 ends it."""

    percent: Annotated[int, Meta(ge=0, le=MOST_CANARY)] = 1
    accept_nfc_loss: bool = False


class KeyCreate(Struct, forbid_unknown_fields=True, frozen=True):
    """A new API key. `pass_types` null: for all of them."""

    name: Annotated[str, Meta(min_length=1, max_length=100, pattern=_NO_NUL)]
    scopes: Annotated[list[Scope], Meta(min_length=1, max_length=50)]
    pass_types: Annotated[list[PassType], Meta(min_length=1, max_length=1000)] | None = None


# ── queries


class PlanQuery(Struct, forbid_unknown_fields=True, frozen=True):
    """Of one pass type only."""

    pass_type: PassType | None = None


class WatchQuery(Struct, forbid_unknown_fields=True, frozen=True):
    """Of one pass type only; and what ends within so many days counts as soon (usually 30)."""

    pass_type: PassType | None = None
    days: Annotated[int, Meta(ge=0, le=3650)] | UnsetType = UNSET


class NoQuery(Struct, forbid_unknown_fields=True, frozen=True):
    """No parameters."""


class PutQuery(Struct, forbid_unknown_fields=True, frozen=True):
    """How to carry out a change."""

    push: Pushing = "auto"
    dry_run: Annotated[bool, Meta(description="Say what would change, and change nothing")] = False


class DeleteQuery(Struct, forbid_unknown_fields=True, frozen=True):
    """How to end a pass."""

    push: Pushing = "auto"
    dry_run: Annotated[bool, Meta(description="Say what would change, and change nothing")] = False
    erase: Annotated[bool, Meta(description="Forget the pass, its registrations and its history")] = False


class BatchQuery(Struct, forbid_unknown_fields=True, frozen=True):
    """How to carry out a batch."""

    push: Pushing = "auto"
    dry_run: Annotated[bool, Meta(description="Say what would change, and change nothing")] = False


class PreviewQuery(Struct, forbid_unknown_fields=True, frozen=True):
    """How a pass is looked at."""

    ios: Annotated[Literal[18, 26, 27], Meta(description="The version whose layouts and fallbacks count")] = 27
    scheme: Literal["light", "dark"] = "light"
    language: Language = "en"
    side: Literal["front", "back"] = "front"
    format: Literal["html", "svg"] | UnsetType = UNSET


class FilesQuery(Struct, forbid_unknown_fields=True, frozen=True):
    """Of which version."""

    number: (
        Annotated[int, Meta(ge=1, le=LARGEST_INTEGER, description="Its change number; left out: as it is now")]
        | UnsetType
    ) = UNSET


class PageQuery(Struct, forbid_unknown_fields=True, frozen=True):
    """A page of a list."""

    limit: Limit = 50
    cursor: CursorText | None = None


class PassesQuery(PageQuery, forbid_unknown_fields=True, frozen=True):
    """Which passes."""

    pass_type: PassType | None = None
    template: TemplateName | None = None
    serial_prefix: Annotated[str, Meta(max_length=400, description="Serials that begin with this")] = ""
    holder: Holder | None = None


class EnrolmentsQuery(PageQuery, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Of which pass type: their order is that of its changes. `cursor`: of the page before, or of a row."""

    pass_type: PassType


class RegistrationsQuery(PageQuery, forbid_unknown_fields=True, frozen=True):
    """Which registrations."""

    pass_type: PassType | None = None
    device_id: Annotated[str, Meta(max_length=200)] | None = None


class PushesQuery(PageQuery, forbid_unknown_fields=True, frozen=True):
    """Which push targets."""

    pass_type: PassType | None = None
    due: Annotated[bool, Meta(description="Only those that a push is due to")] = False


class LogsQuery(PageQuery, forbid_unknown_fields=True, frozen=True):
    """Which lines."""

    pass_type: PassType | None = None
    code: Annotated[str, Meta(max_length=20, description="Code of a known sentence; `?`: of none")] | None = None


class TypeQuery(PageQuery, forbid_unknown_fields=True, frozen=True):
    """Of which pass type."""

    pass_type: PassType | None = None


class StatsQuery(Struct, forbid_unknown_fields=True, frozen=True):
    """Of which pass type."""

    pass_type: PassType | None = None


class TimelineQuery(PageQuery, forbid_unknown_fields=True, frozen=True):
    """From where on."""

    after: Annotated[int, Meta(ge=0, le=LARGEST_INTEGER, description="Events after the one with this id")] = 0


class HolderQuery(Struct, forbid_unknown_fields=True, frozen=True):
    """How somebody is forgotten."""

    dry_run: Annotated[bool, Meta(description="Say what would be erased, and erase nothing")] = False


class TemplateQuery(Struct, forbid_unknown_fields=True, frozen=True):
    """Whose template."""

    name: Annotated[str, Meta(max_length=200, description="Its name; else the zip's only folder names it")] | None = (
        None
    )
