"""Keys that were made here and wait for their certificate, and the requests for Apple's portal."""

from __future__ import annotations

from msgspec import Struct

from livepass.core.model import SigningRequest
from livepass.web.issuer_answers_events import Instant, at
from livepass.web.issuer_lists import linked
from livepass.web.issuer_requests import PageQuery, SigningRequestCreate
from livepass.web.operations import Answer, Call, Operation, json_body
from livepass.web.paging import Cursor, page

_REQUESTS = Cursor("signing-requests", tuple[int, str])


class SigningRequestRow(Struct, frozen=True):
    """A key that was made here and waits for its certificate. `pass_type` empty: not said. `public_key_sha256` is of
    the SubjectPublicKeyInfo (DER); its certificate is known by it.
    """

    id: str
    pass_type: str
    public_key_sha256: str
    created_at: Instant

    @classmethod
    def of(cls, row: SigningRequest) -> SigningRequestRow:
        return cls(row.id, row.pass_type, row.public_sha256, at(row.created_at))


class SigningRequestMade(SigningRequestRow, frozen=True):
    """A new signing request. `csr_pem` is the file for Apple's portal; it holds nothing secret."""

    csr_pem: str

    @classmethod
    def made(cls, row: SigningRequest, pem: bytes) -> SigningRequestMade:
        return cls(row.id, row.pass_type, row.public_sha256, at(row.created_at), pem.decode())


class SigningRequestPage(Struct, frozen=True):
    """A page of signing requests."""

    data: list[SigningRequestRow]
    next_cursor: str | None


async def create_request(call: Call) -> Answer:
    """Make a key, which stays here, and the request with which Apple's portal issues its certificate."""
    body: SigningRequestCreate = call.body
    made, pem = await call.services.admitting.requests.make(
        body.pass_type, body.team, body.email, within=call.caller.pass_types, tenant=call.caller.tenant
    )
    return Answer(201, SigningRequestMade.made(made, pem))


async def requests(call: Call) -> Answer:
    """Keys that wait for their certificate, oldest first."""
    query: PageQuery = call.query
    rows = await call.services.admitting.requests.waiting(call.caller.pass_types, tenant=call.caller.tenant)
    after = _REQUESTS.read(query.cursor, (0, ""))
    shown, cursor = page([row for row in rows if _place(row) > after], query.limit, _REQUESTS, _place)
    return linked(call, SigningRequestPage([SigningRequestRow.of(row) for row in shown], cursor), cursor)


def _place(row: SigningRequest) -> tuple[int, str]:
    return (row.created_at, row.id)


async def remove_request(call: Call) -> Answer:
    """Forget a key that waits. A certificate that was issued for it can never be used."""
    caller = call.caller
    await call.services.admitting.requests.remove(call.path["id"], within=caller.pass_types, tenant=caller.tenant)
    return Answer(204)


OPERATIONS = (
    Operation(
        "POST",
        "/signing-requests",
        "createSigningRequest",
        "Make a key and the signing request for its certificate",
        create_request,
        ("certs:admin",),
        {201: (SigningRequestMade,)},
        body=json_body(SigningRequestCreate),
        group="certificates",
    ),
    Operation(
        "GET",
        "/signing-requests",
        "listSigningRequests",
        "Keys that wait for their certificate",
        requests,
        ("certs:admin",),
        {200: (SigningRequestPage,)},
        PageQuery,
        group="certificates",
    ),
    Operation(
        "DELETE",
        "/signing-requests/{id}",
        "removeSigningRequest",
        "Forget a key that waits for its certificate",
        remove_request,
        ("certs:admin",),
        {204: None},
        group="certificates",
    ),
)
