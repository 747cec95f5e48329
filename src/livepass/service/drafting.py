"""From a wish to a draft: template, data and content become a linted pass with its manifest's hash.

All of it happens outside any transaction, and may take its time. What a draft was based on stands in it, so that the
transaction that stores it can see whether that still holds.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import field, replace
from difflib import get_close_matches
from typing import Any

import orjson

from livepass.core import canary
from livepass.core.authorization import token_print, weakness
from livepass.core.change import moves
from livepass.core.frozen import frozen
from livepass.core.model import DEFAULT_TENANT, Pass, PassType, TokenSource
from livepass.core.personalize import fill_in, stand_in
from livepass.core.sealed import Sealable
from livepass.core.timeline import TAKEN
from livepass.pkpass import (
    InvalidDocument,
    Problem,
    StaticFiles,
    Template,
    TemplateDataError,
    canonical,
    lint,
    merge_patch,
)
from livepass.pkpass.earlier import undo
from livepass.pkpass.limits import DEFAULT_LIMITS
from livepass.pkpass.notices import SEVERAL, Moved, Notice, foretell, moved_fields
from livepass.pkpass.variables import VariableType
from livepass.service.building import Builder, CannotBuild, files_of, manifest_sha
from livepass.service.gathering import Gathered
from livepass.service.preconditions import WHATEVER, Precondition
from livepass.service.refusals import Fault, NotFound, Refusal, no_pass
from livepass.service.safekeeping import keep_up
from livepass.service.seams import Chance, Clock, KeyRing, Store

PASS_TYPE = re.compile(r"pass\.[A-Za-z0-9.-]{1,150}")
_ANY_TEXT = (VariableType.STRING, VariableType.TEXT, VariableType.SCALAR)
_UNFIT = Problem(
    "enrolment",
    "warning",
    "/data",
    "what was given at the enrolment does not fit on this pass, and is left out",
    "",
    "invisible",
)
SERIAL = re.compile(r"[A-Za-z0-9._-]{1,100}")
MOST_FIELDS = 20
"""That an event of a change holds."""


@frozen
class Wish:
    """What the issuer wants a pass to be. ``None`` keeps what is there; ``revision`` pins the pass to it.

    ``following``: nobody asked, the pass follows its template; where that changes nothing, nothing is noted.
    """

    pass_type: str
    serial: str
    template: str | None = None
    data: Mapping[str, Any] | None = None
    content: Mapping[str, Any] | None = None
    revision: str | None = None
    patch: bool = False
    void: bool = False
    following: bool = False
    only_if: Precondition = WHATEVER
    holder: str | None = None
    """Empty: nobody's any more."""
    enrolment: tuple[str, Mapping[str, str]] | None = field(default=None, repr=False)
    """The id of an enrolment that is to be on it, and what that gives."""
    receipt: str = ""
    """Of a wish that may come again after it was done, and is not to be done again then."""
    token: str | None = field(default=None, repr=False)
    """The token of a pass that phones hold already: taken in with it, and never changed."""
    web_service_url: str | None = None
    """Where phones that hold it call: said when it is taken in."""
    moving: bool = False
    """It gets the address of this service in place of the one it has: ``service.moving``, and nobody else."""
    canary: bool = False
    """By ``service.canary``, and nobody else."""


@frozen
class Draft:
    """A rendered pass and what it was rendered from. ``edit`` 0: it did not exist.

    ``files`` are the template's, ``moved`` the fields with another value, ``noted_fields`` as many of them as an event
    holds, ``notice`` what the lock screen says of them.
    """

    row: Pass
    before: Pass | None
    tenant: str
    follows: tuple[str, str] | None
    noted: bool
    files: Mapping[str, bytes] = field(repr=False)
    moved: tuple[Moved, ...]
    noted_fields: Sequence[Mapping[str, object]]
    notice: Notice
    warnings: tuple[Problem, ...] = ()
    on_pass: tuple[str, ...] = ()
    """Which of the enrolment's values the pass shows."""
    undo: Mapping[str, Any] | None = field(default_factory=dict)
    """What leads back beside ``noted_fields``; ``None``: too much to keep."""
    receipt: str = ""

    @property
    def moves(self) -> bool:
        return moves(self.before.manifest_sha if self.before else None, self.row.manifest_sha)

    @property
    def fields(self) -> tuple[dict[str, object], ...]:
        """``moved`` as it is told and noted."""
        return tuple(each.row() for each in self.moved)


class Drafting:
    """Draws drafts. ``web_service_url`` goes into every new pass; an installed one keeps its own, but for ``moving``.
    ``other_urls``: where passes that came from elsewhere, or from before, may call.
    """

    def __init__(
        self,
        store: Store,
        keys: KeyRing,
        builder: Builder,
        clock: Clock,
        chance: Chance,
        web_service_url: str,
        other_urls: Sequence[str] = (),
    ) -> None:
        self._store = store
        self._keys = keys
        self._builder = builder
        self._clock = clock
        self._chance = chance
        self._url = web_service_url
        self._urls = frozenset(url.rstrip("/") for url in (web_service_url, *other_urls))

    def gathering(self) -> Gathered:
        """To be handed to ``draft`` for each wish of a batch, so that what they share is read once."""
        return Gathered(self._store, self._builder)

    async def draft_or_refusal(self, wish: Wish, gathered: Gathered) -> Draft | Refusal:
        """As ``draft``, with the refusal as a value: in a batch it concerns one line."""
        try:
            return await self.draft(wish, gathered)
        except Refusal as refusal:
            return refusal

    async def draft(self, wish: Wish, gathered: Gathered | None = None) -> Draft:
        """The pass as the wish makes it, linted and hashed. Raises ``Refusal``."""
        gathered = gathered or self.gathering()
        _check_names(wish)
        before = await gathered.pass_(wish.pass_type, wish.serial)
        await keep_up(self._store, self._keys, before.token if before else None)
        if before is None and (wish.patch or wish.void):
            raise no_pass(wish.pass_type, wish.serial)
        wish.only_if.require(before)
        type_ = await gathered.type_(wish.pass_type)
        tenant = type_.tenant if type_ else DEFAULT_TENANT
        name, revision, pinned = _template_of(wish, before)
        template = await gathered.template(tenant, name, revision)
        if template is None:
            raise await self._no_template(tenant, name, revision)
        try:
            data, content = _merged(wish, before)
            return await self._render(wish, gathered, before, tenant, template, pinned, data, content)
        except InvalidDocument as error:
            raise Refusal(str(error), hint=error.hint, code="document") from error

    async def _render(
        self,
        wish: Wish,
        gathered: Gathered,
        before: Pass | None,
        tenant: str,
        template: Template,
        pinned: bool,
        data: Mapping[str, Any],
        content: Mapping[str, Any],
    ) -> Draft:
        try:
            rendered = template.render(data, content)
        except TemplateDataError as error:
            raise Refusal(
                f"template {template.name} cannot be filled with this data",
                hint=error.hint,
                faults=[Fault(f"/data{p.pointer}", p.message, "", "template-data") for p in error.problems],
                code="template_data",
            ) from error
        voided = wish.void or (before is not None and before.voided and wish.patch)
        token, token_print = await self._token_source(wish, before, tenant)
        type_ = await gathered.type_(wish.pass_type)
        document = self._completed(rendered, wish, type_, before, voided)
        allowed = {"authenticationToken": self._token(tenant, wish, token)}
        served = {**document, **allowed}
        enrolled, given = await self._enrolled(wish, before, template)
        static = files_of(template, enrolled)
        warnings = await self._lint(served, static, wish.pass_type, gathered)
        on_pass: tuple[str, ...] = ()
        if standing_in := _standing_in(template, data, given):
            personal = self._completed(template.render({**data, **standing_in}, content), wish, type_, before, voided)
            if await self._fits(_filled({**personal, **allowed}, given), static, wish.pass_type, gathered):
                document, served, on_pass = personal, {**personal, **allowed}, tuple(standing_in)
            else:
                warnings = (*warnings, _UNFIT)
        now = self._clock.now()
        url = document["webServiceURL"]
        elsewhere = before is not None and url != before.web_service_url
        row = Pass(
            pass_type=wish.pass_type,
            serial=wish.serial,
            seq=before.seq if before else 0,
            edit=(before.edit if before else 0) + 1,
            last_modified=before.last_modified if before else 0,
            manifest_sha=manifest_sha(static, canonical(_filled(served, given))),
            document=canonical(document),
            template=template.name,
            revision=template.revision,
            pinned=pinned,
            data=canonical(data),
            content=canonical(content),
            token=token,
            voided=voided,
            created_at=before.created_at if before else now,
            changed_at=before.changed_at if before else now,
            enrolled=enrolled,
            holder=(before.holder if before else None) if wish.holder is None else wish.holder or None,
            web_service_url=url,
            url_seq=TAKEN if elsewhere else before.url_seq if before else 0,
            url_at=now if elsewhere else before.url_at if before else 0,
            token_print=token_print,
        )
        moved = tuple(moved_fields(orjson.loads(before.document) if before else None, document))
        notice = foretell(moved, new=before is None)
        noted = [each.row() for each in moved[:MOST_FIELDS]]
        leads_back: Mapping[str, Any] | None = {}
        if before is not None and moves(before.manifest_sha, row.manifest_sha):
            leads_back = undo(before.document, document, noted)
        return Draft(
            row,
            before,
            tenant,
            None if pinned or wish.enrolment is not None else (template.name, template.revision),
            not wish.following,
            static.files,
            moved,
            noted,
            notice,
            (*warnings, *_drowned(moved, notice)),
            on_pass,
            leads_back,
            wish.receipt,
        )

    async def _enrolled(
        self, wish: Wish, before: Pass | None, template: Template
    ) -> tuple[str | None, Mapping[str, str]]:
        """The enrolment that is on the pass (as ``Pass.enrolled``), and what it gives."""
        if wish.enrolment is not None:
            return wish.enrolment
        kept = before.enrolled if before is not None else None
        if not kept:
            return ("" if template.offers_enrolment else kept), {}
        try:
            return kept, await self._builder.enrolled(wish.pass_type, kept)
        except CannotBuild as error:
            raise Refusal(str(error), hint=error.hint, code="cannot_build") from error

    async def _fits(self, filled: Mapping[str, Any], static: StaticFiles, pass_type: str, gathered: Gathered) -> bool:
        """Whether a phone takes a pass with what somebody gave on it. Why not is not said: it would quote them."""
        try:
            await self._lint(filled, static, pass_type, gathered)
            return len(canonical(filled)) <= DEFAULT_LIMITS.file_bytes
        except (Refusal, InvalidDocument):
            return False

    def _completed(
        self, rendered: dict[str, Any], wish: Wish, type_: PassType | None, before: Pass | None, voided: bool
    ) -> dict[str, Any]:
        """The document with what only the service knows."""
        document = {"formatVersion": 1, **rendered}
        for key, value in (("passTypeIdentifier", wish.pass_type), ("serialNumber", wish.serial)):
            _agree(document, key, value)
        if type_ is not None and type_.team:
            _agree(document, "teamIdentifier", type_.team)
        document["webServiceURL"] = self._address(wish, before)
        document.pop("authenticationToken", None)
        if voided:
            document["voided"] = True
        return document

    def _address(self, wish: Wish, before: Pass | None) -> str:
        """Where phones that hold the pass call: for an installed one the same as ever, unless it is to move; a canary
        tries the address that passes get now.
        """
        if wish.moving or wish.canary:
            return self._url
        if before is not None:
            return before.web_service_url or self._url
        url = wish.web_service_url
        if url is not None and url.rstrip("/") not in self._urls:
            raise Refusal(
                f"phones that hold this pass call {url}, and nothing says that this reaches livepass",
                hint=f"let it, and say so: LIVEPASS_OTHER_URLS={url}",
                faults=[Fault("/web_service_url", "is not among PUBLIC_URL and OTHER_URLS")],
                code="elsewhere",
            )
        return url or self._url

    async def _lint(
        self, document: Mapping[str, Any], static: StaticFiles, pass_type: str, gathered: Gathered
    ) -> tuple[Problem, ...]:
        try:
            certificate = (await gathered.identity(pass_type)).facts
        except CannotBuild as error:
            raise Refusal(str(error), hint=error.hint, code="no_certificate") from error
        await self._builder.look_at(static)
        found = lint(document, static, certificate)
        fatal = [problem for problem in found if problem.severity == "fatal"]
        if fatal:
            raise Refusal(
                f"Wallet would refuse this pass: {fatal[0].message}",
                faults=[Fault(p.pointer, p.message, p.remedy, p.rule) for p in fatal],
                code="lint",
            )
        return tuple(found)

    async def tenant(self, pass_type: str) -> str:
        """Whose a pass type is."""
        known: PassType | None = await self._store.pass_type(pass_type)
        return known.tenant if known else DEFAULT_TENANT

    async def _token_source(self, wish: Wish, before: Pass | None, tenant: str) -> tuple[TokenSource, str | None]:
        """Where the pass's token comes from, and its fingerprint if it was imported."""
        if before is not None:
            if wish.token is not None and self._token(tenant, wish, before.token) != wish.token:
                raise _token_refused("the pass is here with another token, which is never changed", "token_kept")
            return before.token, before.token_print
        source = TokenSource(self._keys.token_key_id, self._chance.token_bytes(16))
        if wish.token is None:
            return source, None
        if reason := weakness(wish.token):
            raise _token_refused(f"the token {reason}", "weak_token")
        print_ = token_print(self._keys.tag_key, wish.token)
        if await self._store.token_holder(wish.pass_type, print_) is not None:
            raise shared_token()
        sealed = self._keys.seal(Sealable.TOKEN, wish.pass_type, wish.serial, wish.token.encode())
        return replace(source, sealed=sealed), print_

    def _token(self, tenant: str, wish: Wish, source: TokenSource) -> str:
        return self._keys.token(tenant, wish.pass_type, wish.serial, source)

    async def _no_template(self, tenant: str, name: str, revision: str | None) -> Refusal:
        names = [template.name for template in await self._store.templates(tenant)]
        if revision is not None and name in names:
            return NotFound(f"template {name} has no revision {revision[:12]}", code="no_revision")
        close = get_close_matches(name, names, 1)
        hint = f"did you mean {close[0]}?" if close else f"import it: livepass template import {name}"
        return Refusal(f"there is no template {name}", hint=hint, code="no_template")


def shared_token() -> Refusal:
    """Whoever holds one of the passes could fetch the other."""
    return _token_refused("the token belongs to another pass too", "shared_token")


def _token_refused(why: str, code: str) -> Refusal:
    """No hint says to change the token: phones hold it, so the pass has to be given out anew."""
    hint = "leave authentication_token out, and give the pass out anew: phones that hold it cannot be taken over"
    return Refusal(why, hint=hint, faults=[Fault("/authentication_token", why)], code=code)


def _drowned(moved: Sequence[Moved], notice: Notice) -> list[Problem]:
    """That this change shows none of its messages, because it has several."""
    speaking = [each.key for each in moved if each.message]
    if notice.kind != "general" or len(speaking) < 2:
        return []
    remedy = f"change one of them at a time, or keep one message: {SEVERAL}"
    return [Problem("several-messages", "warning", "", notice.reason, remedy, "invisible")]


def _check_names(wish: Wish) -> None:
    if not PASS_TYPE.fullmatch(wish.pass_type):
        raise Refusal(
            f"{wish.pass_type!r} is not a pass type identifier",
            hint="it starts with 'pass.', as in pass.com.example.membership",
            faults=[Fault("/pass_type", "a pass type starts with 'pass.'")],
        )
    if not SERIAL.fullmatch(wish.serial):
        raise Refusal(
            f"{wish.serial!r} cannot be a serial number",
            hint="use 1 to 100 of A-Z a-z 0-9 . _ -: phones escape everything else differently",
            faults=[Fault("/serial", "1 to 100 characters of A-Z a-z 0-9 . _ -")],
        )
    if wish.serial == canary.SERIAL and not (wish.canary or wish.following or wish.moving):
        raise Refusal(
            f"{canary.SERIAL} is the serial number of the pass that livepass issues to itself",
            hint="choose another serial number",
            faults=[Fault("/serial", "is livepass's own")],
        )


def _template_of(wish: Wish, before: Pass | None) -> tuple[str, str | None, bool]:
    """(template name, revision or ``None`` for the newest, whether it is pinned). A pass keeps its template unless told
    otherwise.
    """
    if wish.enrolment is not None and before is not None:
        # What the phone has: nobody is refused for what became of the template since.
        return before.template, before.revision, before.pinned
    name = wish.template or (before.template if before else None)
    if name is None:
        raise Refusal(
            "a new pass needs a template",
            hint='add "template": "NAME"; livepass template list shows the names',
            faults=[Fault("/template", "is missing")],
        )
    if wish.revision is not None:
        return name, wish.revision, True
    kept = before is not None and before.pinned and (wish.patch or wish.void) and name == before.template
    return name, before.revision if kept and before else None, kept


def _standing_in(template: Template, data: Mapping[str, Any], given: Mapping[str, str]) -> dict[str, str]:
    """What stands in the document for what somebody gave: where the template has a variable of that name that takes any
    text, and the issuer says nothing. The issuer has the last word.
    """
    return {key: stand_in(key) for key in given if template.variables.get(key) in _ANY_TEXT and key not in data}


def _filled(document: dict[str, Any], given: Mapping[str, str]) -> dict[str, Any]:
    """With what somebody gave. Most passes have nothing of that, and are not copied for it."""
    filled: dict[str, Any] = fill_in(document, given) if given else document
    return filled


def _merged(wish: Wish, before: Pass | None) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    data, content = wish.data, wish.content
    if before is None:
        return data or {}, content or {}
    if wish.patch or wish.void:
        old_data, old_content = orjson.loads(before.data), orjson.loads(before.content)
        return _patched(old_data, data), _patched(old_content, content)
    return data or {}, content or {}


def _patched(target: Mapping[str, Any], patch: Mapping[str, Any] | None) -> Mapping[str, Any]:
    merged = merge_patch(target, patch or {})
    assert isinstance(merged, dict)
    return merged


def _agree(document: dict[str, Any], key: str, value: str) -> None:
    """A template may leave out what the service knows, but it may not say otherwise."""
    if document.setdefault(key, value) != value:
        raise Refusal(
            f"the template says {key} is {document[key]!r}, but this pass has {value!r}",
            hint=f"remove {key} from the template's pass.json: livepass fills it in",
            faults=[Fault(f"/{key}", f"is {document[key]!r}, expected {value!r}")],
            code="identity",
        )
