"""What imports of finished passes share: each .pkpass becomes a pass of a template that is made from it, or given."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from livepass.cli.faults import usage
from livepass.cli.import_tokens import REMEDY, SHARED, Shared
from livepass.cli.importing import Put, Result
from livepass.core.authorization import weakness
from livepass.pkpass import PkpassError, TemplateDataError
from livepass.pkpass.resemblance import Moulds, document_of
from livepass.pkpass.source import open_source
from livepass.service.import_rows import Row, Wrong

if TYPE_CHECKING:
    from livepass.pkpass import Template
    from livepass.service.drafting import Wish
    from livepass.service.issuing import Issued
    from livepass.service.refusals import Refusal
    from livepass.wiring import Services


@dataclass(frozen=True, slots=True)
class Found:
    """A .pkpass, or a folder of one. What another service says of it beside the file must agree with the file."""

    number: int
    path: Path
    pass_type: str = ""
    serial: str = ""
    token: str = ""


class Packages:
    """Makes rows of finished passes, and takes them in."""

    def __init__(self, services: Services, moulds: Moulds, teams: dict[str, str]) -> None:
        self._services = services
        self._moulds = moulds
        self._teams = teams
        issuing = services.issuing
        self._urls = {url.rstrip("/") for url in (issuing.web_service_url, *issuing.other_urls)}
        self._unpublished: list[Template] = []
        self.templates: dict[str, int] = {}

    @classmethod
    async def open(cls, services: Services, base: str, template: str | None) -> Packages:
        """``template``: all are to be passes of it. Raises ``Fault``."""
        from livepass.core.model import DEFAULT_TENANT

        teams = {kept.pass_type: kept.team for kept in await services.store.pass_types()}
        given = await services.builder.template(DEFAULT_TENANT, template, None) if template else None
        if template and given is None:
            raise usage(f"there is no template {template}", f"livepass template import {template}")
        moulds = Moulds(base, given)
        for stored in await services.store.templates(DEFAULT_TENANT):
            if stored.name.startswith(f"{base}-"):
                made = await services.builder.template(DEFAULT_TENANT, stored.name, None)
                if made is not None:
                    moulds.know(stored.name, made)
        return cls(services, moulds, teams)

    def rows(self, found: Iterable[Found], shared: Shared) -> Iterator[Row]:
        for one in found:
            yield self._row(one, shared)

    def _row(self, one: Found, shared: Shared) -> Row:
        named = {"pass_type": one.pass_type, "serial": one.serial or one.path.name}
        try:
            source = open_source(one.path)
            document = document_of(source)
        except PkpassError as error:
            return Row(one.number, named, Wrong(str(one.path), error.reason, error.hint))
        except OSError as error:
            reason = f"cannot be read: {error.strerror or error}"
            return Row(one.number, named, Wrong(str(one.path), reason, "is the folder of the files the right one?"))
        said = [document.get(key) for key in ("passTypeIdentifier", "serialNumber", "authenticationToken")]
        pass_type, serial, token = (value if isinstance(value, str) else "" for value in said)
        named = {"pass_type": pass_type, "serial": serial}
        if wrong := self._disagreement(one, pass_type, serial, token, document):
            return Row(one.number, named, wrong)
        if token in shared:
            return Row(one.number, named, Wrong("authenticationToken", SHARED, REMEDY))
        try:
            fitted = self._moulds.fit(source)
        except TemplateDataError as error:
            places = "; ".join(f"{each.pointer}: {each.message}" for each in error.problems)
            return Row(one.number, named, Wrong("", f"the template cannot be filled from it: {places}", error.hint))
        except PkpassError as error:
            return Row(one.number, named, Wrong("", error.reason, error.hint))
        if fitted.new:
            self._unpublished.append(fitted.template)
        self.templates[fitted.template.name] = self.templates.get(fitted.template.name, 0) + 1
        body = {
            **named,
            "template": fitted.template.name,
            "data": fitted.data,
            "content": fitted.content,
            "authentication_token": token,
            "web_service_url": document.get("webServiceURL"),
        }
        return Row(one.number, body)

    def _disagreement(
        self, one: Found, pass_type: str, serial: str, token: str, document: dict[str, object]
    ) -> Wrong | None:
        """Why phones that hold this pass could not be answered with it; ``None``: they can."""
        for what, here, there in (
            ("passTypeIdentifier", pass_type, one.pass_type),
            ("serialNumber", serial, one.serial),
            ("authenticationToken", token, one.token),
        ):
            if there and here != there:
                return Wrong(what, "the file says another one than the database", "build the pass anew there first")
        if not token or not isinstance(document.get("webServiceURL"), str):
            why = "it names no webServiceURL and token, so phones that hold it never ask for updates"
            return Wrong("webServiceURL", why, "issue it anew with livepass import passes")
        if reason := weakness(token):
            return Wrong("authenticationToken", f"the token {reason}", REMEDY)
        url = str(document["webServiceURL"])
        if url.rstrip("/") not in self._urls:
            why = f"phones that hold it call {url}, and nothing says that this reaches livepass"
            return Wrong("webServiceURL", why, f"let it, and say so: LIVEPASS_OTHER_URLS={url.rstrip('/')}")
        team = self._teams.get(pass_type)
        if team is None:
            return Wrong(
                "passTypeIdentifier", f"there is no certificate for {pass_type or 'it'}", "livepass cert import"
            )
        if team and document.get("teamIdentifier") != team:
            why = f"it is of team {document.get('teamIdentifier')}, and the certificate here of {team}"
            return Wrong("teamIdentifier", why, "phones take updates from the same team only")
        return None

    def put(self, *, dry_run: bool) -> Put:
        async def put(rows: Sequence[Row]) -> Sequence[Result]:
            issuing = self._services.issuing
            if dry_run:
                return [{"ok": True, "created": await self._is_new(row), "changed": False} for row in rows]
            for template in self._unpublished:
                await self._services.publishing.publish(template, wait=True)
            self._unpublished.clear()
            return [_result(one) for one in await issuing.put_many([_wish(row) for row in rows], "none")]

        return put

    async def _is_new(self, row: Row) -> bool:
        return await self._services.store.pass_(row.body["pass_type"], row.body["serial"]) is None


def _wish(row: Row) -> Wish:
    from livepass.service.drafting import Wish

    body = row.body
    return Wish(
        *(body["pass_type"], body["serial"], body["template"], body["data"], body["content"]),
        token=body["authentication_token"],
        web_service_url=body["web_service_url"],
    )


def _result(one: Issued | Refusal) -> Result:
    from livepass.service.refusals import Refusal

    if not isinstance(one, Refusal):
        return {"ok": True, "created": one.created, "changed": one.changed}
    places = [{"pointer": each.pointer, "message": each.message, "remedy": each.remedy} for each in one.faults]
    return {"ok": False, "problem": {"detail": "", "title": one.title, "hint": one.hint, "errors": places}}
