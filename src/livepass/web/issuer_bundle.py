"""``POST /passes:bundle``: up to ten passes in one .pkpasses.

A POST, although it changes nothing: passes of several types have no query that names them well, and nothing is lost by
it, because no answer with a pass in it may be cached (a pass holds its token).
"""

from __future__ import annotations

from livepass.service.bundling import bundle
from livepass.web.issuer_requests import BundleRequest
from livepass.web.operations import PKPASSES, Answer, Call, Operation, json_body


async def bundle_passes(call: Call) -> Answer:
    """The signed passes as they are now, in the order of the request, as one .pkpasses file, which Safari offers to add
    together. All of them or none: the problem points at each pass that is not there or cannot be built.
    """
    body: BundleRequest = call.body
    named = [(one.pass_type, one.serial) for one in body.passes]
    async with call.services.bundles:
        made = await bundle(call.services.store, call.services.issuing, call.caller, named)
    return Answer(200, made, PKPASSES, {"content-disposition": 'attachment; filename="passes.pkpasses"'})


OPERATIONS = (
    Operation(
        "POST",
        "/passes:bundle",
        "bundlePasses",
        "Up to ten signed passes in one .pkpasses file",
        bundle_passes,
        ("passes:read",),
        {200: PKPASSES},
        body=json_body(BundleRequest),
    ),
)
