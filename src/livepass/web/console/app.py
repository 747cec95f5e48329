"""The console as an ASGI application: who it is, which page, and an answer that keeps to itself.

Nothing from elsewhere is loaded, nothing inline runs, no other site may frame it or send its forms, and nobody between
here and the browser may keep a page.
"""

from __future__ import annotations

import hmac
import mimetypes
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlsplit

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import RedirectResponse, Response

from livepass.core.model import Tenant
from livepass.service.access import Caller
from livepass.service.refusals import Forbidden, NotFound, Refusal
from livepass.web import problems
from livepass.web.bodies import segments_of
from livepass.web.console import drawing, forms
from livepass.web.console.edge import Edge
from livepass.web.console.live import Live
from livepass.web.console.page import ROLES, Counts, Desk, File, Gone, Page, Pages, Person, Role, Shown, Visit
from livepass.web.console.pages import DEMO, HOSTED, PAGES, PEOPLE
from livepass.web.console.people import Doors, Nobody
from livepass.web.console.where import AT, BASE, DOORS, Manual, below, inside, manual, require_plain, where
from livepass.web.docs import Docs
from livepass.web.operations import Services
from livepass.web.phone import Receive, Scope, Send
from livepass.web.problems import Malformed, MethodNotAllowed, NoRoute

SESSION = "livepass_console"
SECURE_SESSION = "__Host-livepass_console"
"""A cookie that no other host can set; browsers keep it on TLS only."""
THEME, SAID, TENANT = "livepass_theme", "livepass_said", "livepass_tenant"
FILE_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox"
"""A picture draws itself with styles of its own, and can do nothing else."""
LOOK = "look"
"""What a form asks for that changes nothing."""
LOOPBACK = ("localhost", "127.0.0.1", "::1")
HEADERS = {
    "cache-control": "private, no-store",
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "frame-ancestors 'none'; base-uri 'none'; form-action 'self'; "
        "require-trusted-types-for 'script'; trusted-types livepass"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "x-robots-tag": "noindex",
    "vary": "cookie",
}


class ConsoleApp:
    """One object per process; it needs no lifespan. ``counts``: how all registrations stand, counted elsewhere."""

    def __init__(
        self, services: Services, doors: Doors, counts: Counts, desk: Desk | None = None, edge: Edge | None = None
    ) -> None:
        self._services = services
        self._doors = doors
        self._counts = counts
        self._desk = desk
        self._edge = edge or Edge()
        people = HOSTED if doors.hosted else PEOPLE if doors.users is not None else ()
        self._pages = Pages((*PAGES, *(DEMO if desk is not None else ()), *people))
        self._drawn = drawing.environment()
        self._live = Live(services.store, brief=doors.hosted)
        self._docs = Docs(shared=not doors.hosted)
        self._static = {path.name: path.read_bytes() for path in drawing.STATIC.iterdir() if path.is_file()}
        stamp = sha256(b"".join(self._static[name] for name in sorted(self._static))).hexdigest()[:12]
        self._drawn.globals.update(stamp=stamp)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        known = AT.set(where(scope))
        try:
            response = await self._answered(Request(scope, receive))
        except ClientDisconnect:
            return
        finally:
            AT.reset(known)
        if isinstance(response, Manual):
            await self._docs({**scope, "path": response.path, "root_path": response.root}, receive, send)
            return
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        if scope.get("scheme") == "https" and not self._doors.hosted:  # else of the whole host, which is not ours
            response.headers["strict-transport-security"] = "max-age=31536000"
        await response(scope, receive, send)

    async def _answered(self, request: Request) -> Response | Manual:
        try:
            return await self._answer(request)
        except ClientDisconnect:
            raise
        except Exception as error:
            refusal = problems.of_error(error, request.scope["path"])
            return self._refused(request, refusal)

    async def _answer(self, request: Request) -> Response | Manual:
        self._require_here(request)
        # Inside an application nothing at all is for others than those it lets in, also what is no secret.
        person = await self._doors.visitor(None, request) if self._doors.hosted else None
        require_plain(request.scope)
        if (read := manual(request.scope["path"])) is not None:
            return read
        segments = segments_of(request.scope)
        if segments == ("",):
            return RedirectResponse(f"{AT.get()}/", 303)
        segments = below(segments)
        if segments[:1] == ("static",) and len(segments) == 2:
            return self._file(segments[1])
        if person is None:
            session = request.cookies.get(SECURE_SESSION) or request.cookies.get(SESSION)
            if len(segments) == 1 and segments[0] in DOORS:
                return await self._door(request, segments[0], session)
            person = await self._doors.visitor(session, request)
        if person is None:
            return self._asked_in(request)
        if segments == ("live",):
            return self._live.response(request)
        if segments == ("theme",):
            return _themed(request)
        caller = await self._acting(request, person)
        if segments == ("tenant",):
            return await self._switched(request, person)
        page, named, as_json = self._pages.find(segments)
        return await self._page(request, page, named, person, caller, as_json=as_json)

    def _require_here(self, request: Request) -> None:
        """Where nobody is asked who they are, only this machine may ask, under a name that is this machine's: another
        site's name that resolves to it is not.
        """
        host = urlsplit(f"//{request.headers.get('host', '')}").hostname
        if self._doors.open and host not in LOOPBACK:
            raise Forbidden("this console is for this machine only", hint=f"open it as http://localhost…{BASE}")

    # ── coming in and going out

    def _asked_in(self, request: Request) -> Response:
        """Whoever is not known is led to the door, and from there back to where they wanted to go."""
        if request.method not in ("GET", "HEAD") or request.scope["path"].endswith(".json"):
            raise Forbidden("nobody is signed in here", hint=f"sign in at {AT.get()}/login")
        back = quote(request.scope["path"], safe="/")
        return RedirectResponse(f"{AT.get()}/login?back={back}", 303)

    async def _door(self, request: Request, which: str, session: str | None) -> Response:
        back = inside(request.query_params.get("back", ""))
        if request.method in ("GET", "HEAD") and which != "logout":
            return self._door_page(request, which, back)
        if request.method != "POST":
            raise MethodNotAllowed(request.method, ["POST"] if which == "logout" else ["GET", "HEAD", "POST"])
        form, _ = await forms.read(request)
        if which == "logout":
            person = await self._doors.visitor(session, request)
            _require_ours(request, form, person.csrf if person else "")
            await self._doors.logout(session or "")
            return _without_session(RedirectResponse(f"{AT.get()}/login", 303))
        _require_ours(request, form, None)
        try:
            if which == "enter":
                entered = await self._doors.redeem(form.get("k", "").strip())
            else:
                source = request.client.host if request.client else ""
                code = form.get("code", "").strip() or None
                entered = await self._doors.login(form.get("name", ""), form.get("password", ""), code, source=source)
        except Refusal as refusal:
            return self._door_page(request, which, back, refusal)
        return _with_session(request, RedirectResponse(inside(form.get("back", back)), 303), entered)

    def _door_page(self, request: Request, which: str, back: str, refusal: Refusal | None = None) -> Response:
        key = request.query_params.get("k", "")
        text = self._draw(request, f"{which}.html", title="Sign in", refusal=refusal, back=back, key=key)
        return Response(text, refusal.status if refusal else 200, media_type="text/html")

    # ── as one of which tenant

    async def _acting(self, request: Request, person: Person) -> Caller:
        """The person as one of the tenant that the cookie names, where they may choose; else of their own."""
        own, access = person.caller(), self._services.access
        wanted = request.cookies.get(TENANT, "") if "tenants:admin" in own.scopes else ""
        try:
            return await access.acting(own, wanted or own.tenant)
        except NotFound:  # that tenant was removed meanwhile
            return await access.acting(own, own.tenant)

    async def _tenants(self, person: Person) -> Sequence[Tenant]:
        """Among which they may choose; empty: there is no choice."""
        if "tenants:admin" not in person.caller().scopes:
            return ()
        found = await self._services.tenants.all()
        return found if len(found) > 1 else ()

    async def _switched(self, request: Request, person: Person) -> Response:
        """Go on as another tenant: its pages, its figures. Changes nothing but what is shown."""
        wanted = request.query_params.get("to", "")
        caller = await self._services.access.acting(person.caller(), wanted)
        response = RedirectResponse(f"{AT.get()}/", 303)
        response.set_cookie(TENANT, caller.tenant, path=AT.get(), httponly=True, samesite="strict")
        return response

    # ── pages

    async def _page(
        self, request: Request, page: Page, named: Mapping[str, str], person: Person, caller: Caller, *, as_json: bool
    ) -> Response:
        posted = request.method == "POST"
        handler = page.post if posted else page.get
        if handler is None or request.method not in ("GET", "HEAD", "POST"):
            raise MethodNotAllowed(request.method, ["GET", "HEAD", *(["POST"] if page.post else [])])
        _require(person, page.post_role if posted else page.role)
        form, uploads = await forms.read(request) if posted else ({}, {})
        if posted:
            _require_ours(request, form, _csrf(person, caller))
        visit = Visit(
            services=self._services,
            counting=self._counts,
            person=person,
            caller=caller,
            path=named,
            query=_pairs(request.scope.get("query_string", b"")),
            form=form,
            request=request,
            now=self._services.clock.now(),
            uploads=uploads,
            desk=self._desk,
            edge=self._edge,
            users=self._doors.users,
        )
        if posted and form.get("act") != LOOK:
            subject = "/".join(named.values()) or form.get("id", "") or form.get("name", "")
            elsewhere = "" if caller.tenant == person.caller().tenant else f" (as {caller.tenant})"
            action = f"{page.title}: {form.get('act', 'send')}"[:100]
            await self._doors.note(person, action + elsewhere, subject[:200])
        found = await handler(visit)
        if isinstance(found, Gone):
            return _gone(found)
        if isinstance(found, File):
            return Response(found.data, headers={"content-security-policy": FILE_POLICY}, media_type=found.media)
        data = drawing.hidden(found.data, personal=visit.operates)
        if as_json:
            return Response(msgspec.json.encode(data), media_type="application/json")
        shown = Shown(data, found.title or page.title, found.command)
        return self._html(request, page, shown, visit, await self._tenants(person))

    def _html(self, request: Request, page: Page, shown: Shown, visit: Visit, tenants: Sequence[Tenant]) -> Response:
        said = request.cookies.get(SAID, "")
        text = self._draw(
            request,
            page.template,
            page=page,
            menu=[one for one in self._pages.all if one.menu and _may(visit.person, one.role)],
            posted=request.method == "POST",
            title=shown.title,
            data=shown.data,
            command=shown.command,
            person=visit.person,
            csrf_token=_csrf(visit.person, visit.caller),
            tenant=visit.caller.tenant,
            tenants=tenants,
            operates=visit.operates,
            open=self._doors.open,
            hosted=self._doors.hosted,
            query=visit.query,
            path=visit.path,
            now=visit.now,
            here=request.scope["path"],
            said=unquote(said)[:300],
        )
        response = Response(text, media_type="text/html")
        if said:
            response.delete_cookie(SAID, path=AT.get())
        return response

    def _draw(self, request: Request, template: str, **more: Any) -> str:
        return self._drawn.get_template(template).render(base=AT.get(), theme=_theme(request), **more)

    def _refused(self, request: Request, refusal: Refusal) -> Response:
        headers = problems.headers_of(refusal)
        if request.scope["path"].endswith(".json"):
            body = msgspec.json.encode(problems.problem(refusal, "console"))
            return Response(body, refusal.status, headers, problems.MEDIA_TYPE)
        title = problems.TITLES.get(refusal.code, "This cannot be shown")
        template = "nobody.html" if isinstance(refusal, Nobody) else "refused.html"
        text = self._draw(request, template, title=title, refusal=refusal)
        return Response(text, refusal.status, headers, "text/html")

    def _file(self, name: str) -> Response:
        if name not in self._static:
            raise NoRoute("there is no such file", hint=AT.get())
        media = mimetypes.guess_type(name)[0] or "application/octet-stream"
        # Its address names its content, so it may be kept.
        kept = f"{'private' if self._doors.hosted else 'public'}, max-age=31536000"
        return Response(self._static[name], headers={"cache-control": kept}, media_type=media)


def _require_ours(request: Request, form: Mapping[str, str], csrf: str | None) -> None:
    """A form of this very console, sent from one of its pages. ``csrf`` ``None``: nobody has come in yet."""
    origin = request.headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != request.headers.get("host", ""):
        raise Forbidden("this form was sent from another site", hint="send it from the console's own page")
    if csrf is not None and not (csrf and hmac.compare_digest(csrf.encode(), form.get("csrf", "").encode())):
        raise Forbidden("this form is not the console's, or too old", hint="load its page again and send it again")


def _csrf(person: Person, caller: Caller) -> str:
    """What a form must carry. One that was loaded as another tenant changes nothing of this one."""
    return person.csrf if caller.tenant == person.caller().tenant else f"{person.csrf}.{caller.tenant}"


def _with_session(request: Request, response: Response, session: str) -> Response:
    """Over TLS under a name that no other host can set; without, as on loopback, browsers would not keep that."""
    secure = request.url.scheme == "https"
    name = SECURE_SESSION if secure else SESSION
    response.set_cookie(name, session, path="/", secure=secure, httponly=True, samesite="strict")
    return response


def _without_session(response: Response) -> Response:
    response.delete_cookie(SECURE_SESSION, path="/", secure=True, httponly=True, samesite="strict")
    response.delete_cookie(SESSION, path="/", httponly=True, samesite="strict")
    return response


def _may(person: Person, role: Role) -> bool:
    return ROLES.index(person.role) >= ROLES.index(role)


def _require(person: Person, role: Role) -> None:
    if not _may(person, role):
        raise Forbidden(f"{person.name} is a {person.role}; this is for {role}s", hint="ask an admin of this console")


def _pairs(raw: bytes) -> dict[str, str]:
    try:
        pairs = dict(parse_qsl(raw.decode("utf-8"), keep_blank_values=True, errors="strict", max_num_fields=50))
    except ValueError as error:
        raise Malformed("the address cannot be read", hint="start again from a page") from error
    forms.require_no_nul(pairs)
    return pairs


def _gone(gone: Gone) -> Response:
    response = RedirectResponse(gone.to, 303)
    if gone.said:
        response.set_cookie(SAID, quote(gone.said[:300]), max_age=60, path=AT.get(), httponly=True, samesite="strict")
    return response


def _theme(request: Request) -> str:
    theme = request.cookies.get(THEME, "")
    return theme if theme in ("light", "dark") else ""


def _themed(request: Request) -> Response:
    """Keep how pages look, and go back. Changes nothing but that."""
    wanted = request.query_params.get("to", "")
    response = RedirectResponse(inside(request.query_params.get("back", "")), 303)
    if wanted in ("light", "dark"):
        response.set_cookie(THEME, wanted, max_age=31_536_000, path=AT.get(), httponly=True, samesite="strict")
    else:
        response.delete_cookie(THEME, path=AT.get())
    return response
