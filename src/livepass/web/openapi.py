"""The OpenAPI 3.1 document, made from the operations and the types they check requests with: nothing is said twice."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from http import HTTPStatus
from typing import Any

import msgspec

from livepass.service.access import SCOPES
from livepass.web.issuer_answers import PassDetail, PassResult
from livepass.web.operations import BASE, JSON, NDJSON, Carried, Lines, Media, Operation
from livepass.web.problems import MEDIA_TYPE, Problem

Json = dict[str, Any]

_REF = "#/components/schemas/{name}"
_PARAMETER = re.compile(r"\{(\w+)\}")
_PATH_PARAMETERS = {
    "type": "Pass type identifier, such as pass.com.example.membership",
    "serial": "Serial number",
    "id": "Id, as lists show it",
    "name": "Name of the template",
    "holder": "Your own name for a person, as it stands on their passes",
}
_FIELDS = {"type": "pass_type"}
"""The field of an answer that a path's parameter is called after, where the two are called differently."""
_ENTITY_TAGS = r'^\s*(\*|(W/)?"[!#-~]*"(\s*,\s*(W/)?"[!#-~]*")*)\s*$'
_HEADERS: Json = {
    "If-Match": {
        "description": "Only if the pass is still the version of this `ETag` (`*`: if there is one); else 412",
        "schema": {"type": "string", "pattern": _ENTITY_TAGS},
    },
    "If-None-Match": {
        "description": "`*`: only if there is no such pass yet; else 412",
        "schema": {"type": "string", "pattern": _ENTITY_TAGS},
    },
    "Idempotency-Key": {
        "description": "A key of your making, such as a UUID, one for each request: for 24 hours a repeat of the "
        "request gets the first one's answer, marked `Idempotency-Replayed: true`. 422 with another request; 409 while "
        "the first one is under way. What was refused is looked at anew.",
        "schema": {"type": "string", "pattern": r"^[!#-\[\]-~]{1,255}$"},
    },
}
_REQUEST_ID: Json = {
    "description": "Names the request, also in the log and in problems: yours, if it sent one",
    "schema": {"type": "string"},
}
_ETAG: Json = {"description": "The version of the pass, for `If-Match`", "schema": {"type": "string"}}
_INTRODUCTION = (
    "The issuer's side of livepass. Authenticate with `Authorization: Bearer KEY`. Times are RFC 3339 in UTC. Unknown "
    "fields and query parameters are refused. Errors are RFC 9457 problems with a `code`, a `hint` and, where a part "
    "of the request is at fault, its JSON pointer. A key acts as its own tenant; one with `tenants:admin` may name "
    "another in the header `Livepass-Tenant`. Requests that change something may be repeated safely with "
    "`Idempotency-Key`, and made to depend on a version with `If-Match`."
)


def document(operations: Sequence[Operation]) -> bytes:
    """The document as JSON."""
    schemas, components = _schemas(operations)
    paths: Json = {}
    for operation in operations:
        described = _operation(operation, schemas)
        if links := _links(operation, operations):
            described["responses"][str(_made(operation))]["links"] = links
        paths.setdefault(BASE + operation.path, {})[operation.method.lower()] = described
    return msgspec.json.encode(
        {
            "openapi": "3.1.0",
            "info": {"title": "livepass issuer API", "version": "1", "description": _INTRODUCTION},
            "servers": [{"url": "/"}],
            "security": [{"key": []}],
            "tags": [{"name": group} for group in sorted({operation.group for operation in operations})],
            "paths": paths,
            "components": {
                "schemas": components,
                "responses": {"Problem": _response("What went wrong", {MEDIA_TYPE: _ref(Problem)})},
                "securitySchemes": {
                    "key": {
                        "type": "http",
                        "scheme": "bearer",
                        "description": "An API key. Scopes: "
                        + "; ".join(f"`{scope}`: {what}" for scope, what in SCOPES.items()),
                    }
                },
            },
        }
    )


def _schemas(operations: Iterable[Operation]) -> tuple[dict[type, Json], Json]:
    """The schema of each type that an operation names, and the shared ones that those refer to."""
    shown: list[type] = [Problem]
    queries: list[type] = []
    for operation in operations:
        queries.append(operation.query)
        if operation.body is not None and operation.body.struct is not None:
            shown.append(operation.body.struct)
        for answer in operation.answers.values():
            shown.extend(_structs(answer))
    _, components = msgspec.json.schema_components(shown, ref_template=_REF)
    queries = list(dict.fromkeys(queries))
    _, described = msgspec.json.schema_components(queries, ref_template=_REF)
    return {query: described[query.__name__] for query in queries}, components


def _operation(operation: Operation, queries: dict[type, Json]) -> Json:
    described: Json = {
        "operationId": operation.name,
        "summary": operation.summary,
        "description": _description(operation),
        "tags": [operation.group],
        "parameters": [
            *_path_parameters(operation),
            *_query_parameters(queries[operation.query]),
            *_header_parameters(operation),
        ],
        "responses": _responses(operation),
    }
    if operation.body is not None:
        # Lines may be none at all.
        described["requestBody"] = {"required": not operation.body.stream, "content": _body(operation)}
    if not operation.scopes:
        described["security"] = []
    return described


def _description(operation: Operation) -> str:
    said = (operation.handler.__doc__ or operation.summary).strip()
    if not operation.scopes:
        return f"{said}\n\nNeeds no key."
    return f"{said}\n\nScope: {' or '.join(f'`{scope}`' for scope in operation.scopes)}."


def _path_parameters(operation: Operation) -> list[Json]:
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "description": _PATH_PARAMETERS[name],
            "schema": {"type": "string"},
        }
        for name in _PARAMETER.findall(operation.path)
    ]


def _header_parameters(operation: Operation) -> list[Json]:
    names = ["If-Match", "If-None-Match"] if operation.conditional else []
    if not operation.reads and not operation.no_key:
        names.append("Idempotency-Key")
    return [{"name": name, "in": "header", "required": False, **_HEADERS[name]} for name in names]


def _query_parameters(schema: Json) -> list[Json]:
    found = []
    for name, kind in schema["properties"].items():
        kind = dict(kind)
        if "anyOf" in kind:
            # A query has no null: a parameter is there or it is not.
            kind = dict(next(each for each in kind["anyOf"] if each != {"type": "null"}))
        parameter: Json = {"name": name, "in": "query", "required": False}
        if description := kind.pop("description", None):
            parameter["description"] = description
        found.append({**parameter, "schema": kind})
    return found


def _body(operation: Operation) -> Json:
    body = operation.body
    assert body is not None
    if body.struct is None:
        return {media: _binary() for media in body.media}
    if body.stream:
        return {body.media[0]: _lines(_any_of((body.struct,)))}
    return {media: _ref(body.struct) for media in body.media}


def _responses(operation: Operation) -> Json:
    found: Json = {}
    for status, answer in operation.answers.items():
        found[str(status)] = _response(HTTPStatus(status).phrase, _content(answer))
        if "limit" in operation.query.__struct_fields__:
            found[str(status)]["headers"] = {
                "Link": {"description": 'The next page, `rel="next"`, if there is one', "schema": {"type": "string"}}
            }
        sent = {"X-Request-Id": _REQUEST_ID}
        if PassDetail in _structs(answer) or PassResult in _structs(answer):
            sent["ETag"] = _ETAG
        found[str(status)].setdefault("headers", {}).update(sent)
    for status in _problems(operation):
        found[str(status)] = {"$ref": "#/components/responses/Problem"}
    return found


def _problems(operation: Operation) -> list[int]:
    """The statuses of what may be wrong: with the key, the address, the body, or what it says."""
    found = [400, 422, 500, 503]
    if operation.scopes:
        found += [401, 403, 429]
    if "{" in operation.path or operation.name in ("push", "bundlePasses", "createPass"):
        found.append(404)
    if operation.method in ("PUT", "PATCH", "DELETE") or not (operation.reads or operation.no_key):
        found.append(409)
    if operation.conditional:
        found.append(412)
    if operation.body is not None:
        found += [413, 415]
    return sorted(found)


def _structs(answer: Carried) -> tuple[type[msgspec.Struct], ...]:
    if isinstance(answer, Lines):
        return answer.structs
    return answer if isinstance(answer, tuple) else ()


def _content(answer: Carried) -> Json | None:
    if answer is None:
        return None
    if isinstance(answer, str):
        return {answer: {"schema": {"type": "object"}} if answer == JSON else _binary()}
    if isinstance(answer, Media):
        return {media: _binary() for media in answer.types}
    if isinstance(answer, Lines):
        return {NDJSON: _lines(_any_of(answer.structs))}
    return {JSON: {"schema": _any_of(answer)}}


def _made(operation: Operation) -> int:
    """The status of an answer that something is there now that was not before: 202 where it is to be worked off."""
    return 202 if 202 in operation.answers and operation.path.count("/") == 1 else 201


def _links(operation: Operation, operations: Iterable[Operation]) -> Json:
    """What was made here leads to the operations on it: those of its collection that the answer's fields address."""
    made = _structs(operation.answers.get(_made(operation)))
    if not made:
        return {}
    collection, fields = operation.path.split("/")[1], made[0].__struct_fields__
    found = {}
    for other in operations:
        names = _PARAMETER.findall(other.path)
        if other is operation or not names or other.path.split("/")[1] != collection:
            continue
        given = {name: _FIELDS.get(name, name) for name in names}
        if set(given.values()) <= set(fields):
            found[other.name] = {
                "operationId": other.name,
                "parameters": {f"path.{name}": f"$response.body#/{field}" for name, field in given.items()},
            }
    return found


def _any_of(structs: Sequence[type[msgspec.Struct]]) -> Json:
    schemas = [{"$ref": _REF.format(name=struct.__name__)} for struct in structs]
    return schemas[0] if len(schemas) == 1 else {"anyOf": schemas}


def _lines(schema: Json) -> Json:
    """OpenAPI 3.1 has no word for a body of lines; what a line is stands beside it."""
    return {"schema": {"type": "string", "description": "One JSON object a line"}, "x-line": schema}


def _response(description: str, content: Json | None) -> Json:
    return {"description": description} if content is None else {"description": description, "content": content}


def _ref(struct: type[msgspec.Struct]) -> Json:
    return {"schema": {"$ref": _REF.format(name=struct.__name__)}}


def _binary() -> Json:
    return {"schema": {"type": "string", "format": "binary"}}
