"""Who may use the console, what they did, and what everybody may change of their own account."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from livepass.service.console_access import ConsoleAccess
from livepass.service.console_roles import Visitor, full_name
from livepass.service.refusals import Refusal
from livepass.web.console import asking
from livepass.web.console.drawing import url
from livepass.web.console.page import ROLES, Gone, Role, Shown, Visit

A_PAGE = 50


def _access(visit: Visit) -> tuple[ConsoleAccess, Visitor]:
    if visit.users is None or not isinstance(visit.person, Visitor):
        raise Refusal("nobody signs in at this console", hint="so there is nobody to manage")
    return visit.users, visit.person


def _at(ms: int | None) -> datetime | None:
    return None if ms is None else datetime.fromtimestamp(ms / 1000, UTC)


async def audit(visit: Visit) -> Shown:
    """What people did: who comes is an application's to say, and that has its own lists of them."""
    return Shown(await _audit(visit), command="livepass console audit")


async def _audit(visit: Visit) -> dict[str, Any]:
    (access, _), before = _access(visit), visit.query.get("before", "")
    found = await access.audited(
        before=int(before) if before.isdigit() else None, limit=A_PAGE, tenant=visit.caller.tenant
    )
    rows = [
        {
            "id": row.id,
            "at": _at(row.at),
            "who": row.who,
            "role": row.role,
            "action": row.action,
            "subject": row.subject,
            "detail": dict(row.detail),
        }
        for row in found
    ]
    return {"audit": rows, "older": found[-1].id if len(found) == A_PAGE else None}


async def people(visit: Visit) -> Shown:
    """Users, and the audit log."""
    return await _people(visit)


async def _people(visit: Visit, *, link: str = "", problem: Refusal | None = None) -> Shown:
    (access, _), tenant = _access(visit), visit.caller.tenant
    data = {
        "users": [
            {
                "name": full_name(user.tenant, user.name),
                "role": user.role,
                "password": user.password is not None,
                "second_factor": user.asks_code,
                "created_at": _at(user.created_at),
                "disabled_at": _at(user.disabled_at),
            }
            for user in await access.users(tenant)
        ],
        **await _audit(visit),
        "link": link,
        "problem": None if problem is None else asking.problem(problem),
    }
    return Shown(data, command="livepass console user list")


async def manage(visit: Visit) -> Shown | Gone:
    """Add somebody, change what they may, shut them out, or make a link."""
    try:
        return await _managed(visit)
    except Refusal as problem:
        return await _people(visit, problem=problem)


async def _managed(visit: Visit) -> Shown | Gone:
    (access, by), form = _access(visit), visit.form
    name, tenant = form.get("name", ""), visit.caller.tenant
    name = name if "/" in name else full_name(tenant, name)
    match form.get("act"):
        case "add":
            await access.add_user(name, _role(form.get("role", "")), form.get("password") or None, by=by)
            return Gone(url("people"), f"{name} may come in now")
        case "role":
            await access.set_role(name, _role(form.get("role", "")), by=by)
            return Gone(url("people"), f"{name} is a {form['role']} now, and has to sign in again")
        case "password":
            await access.set_password(name, form.get("password", ""), by=by)
            return Gone(url("people"), f"{name} has another password, and has to sign in again")
        case "factor":
            await access.drop_totp(name, by=by)
            return Gone(url("people"), f"{name} is asked for no code any more")
        case "disable":
            asking.confirmed(form.get("confirm", ""), name)
            await access.disable(name, by=by)
            return Gone(url("people"), f"{name} is shut out")
        case "enable":
            await access.enable(name, by=by)
            return Gone(url("people"), f"{name} may come in again")
        case "link":
            link = await access.new_link(_role(form.get("role", "")), by=by, tenant=tenant)
            return await _people(visit, link=link)
    raise Refusal("this form asks for nothing that there is", hint="load the page again")


def _role(text: str) -> Role:
    for role in ROLES:
        if text == role:
            return role
    raise Refusal(f"there is no role {text!r}", hint=f"one of {', '.join(ROLES)}")


async def account(visit: Visit) -> Shown:
    """One's own name, role, password and second factor."""
    return await _account(visit)


async def _account(visit: Visit, *, uri: str = "", problem: Refusal | None = None) -> Shown:
    access, by = _access(visit)
    user = await access.user(by.name)
    data = {
        "name": by.name,
        "role": by.role,
        "here": user is not None,
        "second_factor": user is not None and user.asks_code,
        "uri": uri,
        "problem": None if problem is None else asking.problem(problem),
    }
    return Shown(data)


async def change_account(visit: Visit) -> Shown | Gone:
    """A new password, or a second factor."""
    try:
        return await _account_changed(visit)
    except Refusal as problem:
        return await _account(visit, problem=problem)


async def _account_changed(visit: Visit) -> Shown | Gone:
    (access, by), form = _access(visit), visit.form
    match form.get("act"):
        case "password":
            if form.get("password") != form.get("again"):
                raise Refusal("nothing was done: the two new passwords differ", hint="type the same one twice")
            await access.set_password(by.name, form.get("password", ""), by=by, current=form.get("current", ""))
            return Gone(url("login"), "")
        case "enrol":
            return await _account(visit, uri=await access.enrol_totp(by.name, by=by))
        case "confirm":
            await access.confirm_totp(by.name, form.get("code", "").replace(" ", ""), by=by)
            return Gone(url("account"), "from now on signing in takes a code as well")
    raise Refusal("this form asks for nothing that there is", hint="load the page again")
