"""What each role of the console may do, who visits it, and how what they did is written down."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import get_args

from livepass.core.console import Audited, Role
from livepass.core.model import DEFAULT_TENANT
from livepass.core.striking import struck
from livepass.service.access import SCOPES, Caller, Scope
from livepass.service.refusals import Forbidden, Refusal

_VIEWER: frozenset[Scope] = frozenset({"passes:read", "logs:read"})
_OPERATOR: frozenset[Scope] = _VIEWER | {"passes:write", "pushes:write"}
SCOPES_OF: Mapping[Role, frozenset[Scope]] = {
    "viewer": _VIEWER,  # whom pages show no whole device id
    "operator": _OPERATOR,
    "admin": frozenset(SCOPES),
}
_SECRET = re.compile(r"(?i)password|token|secret|code|session|cookie|csrf")
"""Names whose values are not written down, whatever they are."""
LONGEST_TEXT = 500
"""Characters of a text in the audit log."""


@dataclass(frozen=True, slots=True)
class ConsoleCaller(Caller):
    """A visitor as the use cases know callers, with the words for somebody who has a role and no API key."""

    role: Role = "viewer"

    def require(self, *scopes: str) -> None:
        """Raise ``Forbidden`` unless the role has one of these scopes."""
        if not self.scopes.intersection(scopes):
            may = " or ".join(role for role, has in SCOPES_OF.items() if has.intersection(scopes))
            raise Forbidden(f"the role {self.role} may not do this", hint=f"it takes {may}", code="missing_scope")


@dataclass(frozen=True, slots=True)
class Visitor:
    """Somebody in the console. ``csrf`` is what their forms must carry."""

    name: str
    role: Role
    csrf: str = field(repr=False)
    created_at: int
    seen_at: int

    def caller(self) -> ConsoleCaller:
        """As ``service.access`` has it: the scopes of the role, all pass types."""
        return ConsoleCaller(self.name, DEFAULT_TENANT, frozenset(SCOPES_OF[self.role]), role=self.role)


COMMAND_LINE = Visitor("command line", "admin", "", 0, 0)
"""Whoever may run commands on a host of the service; no user's name holds a space."""


def audited(who: str, role: str, action: str, subject: str, detail: Mapping[str, object], now: int) -> Audited:
    """A row of the audit log. Texts are cut, and lose what looks like a credential: the last line of defence."""
    kept = {name: _kept(name, value) for name, value in detail.items()}
    return Audited(now, DEFAULT_TENANT, _text(who), role, _text(action), _text(subject), kept)


def _kept(name: str, value: object) -> object:
    if value is None or isinstance(value, bool | int | float):
        return value
    return "(struck)" if _SECRET.search(name) else _text(str(value))


def _text(text: str) -> str:
    return struck(text)[:LONGEST_TEXT].replace("\x00", "\ufffd").encode("utf-8", "replace").decode()


def clean_name(name: str) -> str:
    """As names are kept and looked up."""
    return name.strip().lower()[:LONGEST_TEXT].replace("\x00", "\ufffd").encode("utf-8", "replace").decode()


def require_role(role: str) -> None:
    """Raise ``Refusal`` for what is no role."""
    if role not in get_args(Role):
        raise Refusal(f"there is no role {role}", hint=f"it may be {', '.join(get_args(Role))}")


def require_admin(by: Visitor) -> None:
    """Raise ``Forbidden`` for anybody else than an admin."""
    by.caller().require("keys:admin")
