"""What there is to draw for people: the files of a pass or a template, by name. No token is ever among them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

from livepass.core.model import DEFAULT_TENANT
from livepass.pkpass import TemplateDataError, canonical, samples
from livepass.pkpass.names import DOCUMENT
from livepass.service.building import Builder, CannotBuild
from livepass.service.refusals import NotFound, Refusal, no_pass
from livepass.service.seams import Reader

T = TypeVar("T")


class Showing:
    """One object per process."""

    def __init__(self, store: Reader, builder: Builder) -> None:
        self._store = store
        self._builder = builder

    async def of_pass(self, pass_type: str, serial: str) -> Mapping[str, bytes]:
        """A pass as it is now."""
        row = await self._store.pass_(pass_type, serial)
        if row is None:
            raise no_pass(pass_type, serial)
        known = await self._store.pass_type(pass_type)
        try:
            return await self._builder.shown(row, known.tenant if known else DEFAULT_TENANT)
        except CannotBuild as error:
            raise Refusal(str(error), hint=error.hint, code="cannot_build") from error

    async def of_template(self, tenant: str, name: str) -> Mapping[str, bytes]:
        """A template's current revision, filled with samples."""
        template = await self._builder.template(tenant, name, None)
        if template is None:
            raise NotFound(f"there is no template {name}", hint="livepass template list shows them", code="no_template")
        try:
            document, _ = await self.off_loop(lambda: samples.filled(template, {}))
        except TemplateDataError as error:
            title = f"template {name} cannot be filled with samples"
            raise Refusal(title, hint=error.hint, code="template_data") from error
        del document["authenticationToken"]
        return {**template.static.files, DOCUMENT: canonical(document)}

    async def off_loop(self, work: Callable[[], T]) -> T:
        """Draw beside the loop: a pass of many images takes longer than many answers."""
        return await self._builder.off_loop(work)
