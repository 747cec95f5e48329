"""The OpenAPI document: whole, resolvable, and true to the routes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, get_args

from livepass.pkpass.lint.problem import Effect
from livepass.web.issuer import OPERATIONS
from livepass.web.issuer_answers import LintEffect
from livepass.web.operations import BASE
from web.asgi import NDJSON, PASS_TYPE, Api, with_api

BARCODE = {"message": "4006381333931", "messageEncoding": "iso-8859-1"}


def nodes(value: Any) -> Iterator[dict[str, Any]]:
    """Every object in a document."""
    if isinstance(value, dict):
        yield value
        for each in value.values():
            yield from nodes(each)
    elif isinstance(value, list):
        for each in value:
            yield from nodes(each)


def resolved(document: dict[str, Any], reference: str) -> Any:
    assert reference.startswith("#/")
    found: Any = document
    for step in reference[2:].split("/"):
        found = found[step]
    return found


@with_api
async def test_the_document_is_whole(api: Api) -> None:
    reply = await api.call("GET", "/openapi.json", key=None)
    document = reply.json()
    assert reply.headers["content-type"] == "application/json"
    assert document["openapi"].startswith("3.1.")
    assert document["info"]["title"] and document["info"]["version"]
    described = {
        (method.upper(), path): operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }
    assert set(described) == {(operation.method, BASE + operation.path) for operation in OPERATIONS}
    names = [operation["operationId"] for operation in described.values()]
    assert len(names) == len(set(names))
    for (method, path), operation in described.items():
        assert operation["summary"] and operation["description"] and operation["responses"], (method, path)
        in_path = {each["name"] for each in operation["parameters"] if each["in"] == "path"}
        assert in_path == set(re.findall(r"\{(\w+)\}", path))
        assert all(each["schema"] for each in operation["parameters"])
        assert ("requestBody" in operation) == (
            method in ("PUT", "PATCH") or (method == "POST" and ":push" not in path)
        )


@with_api
async def test_what_was_made_leads_on(api: Api) -> None:
    """A link's operation exists, takes just those parameters, and finds what was made."""
    document = await api.ok("GET", "/openapi.json", key=None)
    places = {each.name: each for each in OPERATIONS}
    linked: dict[str, set[str]] = {}
    for path, methods in document["paths"].items():
        for operation in methods.values():
            made = {**operation["responses"].get("202", {}), **operation["responses"].get("201", {})}
            for name, link in made.get("links", {}).items():
                assert link["operationId"] == name
                given = {parameter.removeprefix("path.") for parameter in link["parameters"]}
                assert given == set(re.findall(r"\{(\w+)\}", places[name].path)), (path, name)
                linked.setdefault(operation["operationId"], set()).add(name)
    of_a_pass = {
        *("patchPass", "getPass", "deletePass", "getPkpass", "draftPass", "previewPass", "getTimeline", "getWhy"),
        *("pushPass", "getEnrolments", "sharePass", "listVersions", "getPassFiles"),
    }
    assert linked == {
        "createPass": {"putPass", *of_a_pass},
        "putPass": of_a_pass,
        "importCertificate": {
            f"{step}Certificate" for step in ("get", "prove", "canary", "promote", "rollBack", "retire")
        },
        "importApnsKey": {"getApnsKey", "retireApnsKey"},
        "createSigningRequest": {"removeSigningRequest"},
        "publishTemplate": {"getTemplate", "previewTemplate"},
        "createKey": {"getKey", "revokeKey"},
        "importPasses": {"getImport", "listImportErrors", "cancelImport"},
        "addWebhookEndpoint": {
            *("getWebhookEndpoint", "changeWebhookEndpoint", "removeWebhookEndpoint", "rotateWebhookSecret"),
            *("testWebhookEndpoint", "listWebhookMessages", "listWebhookAttempts", "resendWebhook", "recoverWebhooks"),
        },
    }
    issued = await api.issue("linked")
    link = document["paths"]["/api/v1/passes/{type}/{serial}"]["put"]["responses"]["201"]["links"]["getPass"]
    named = {name.removeprefix("path."): issued[field.rpartition("/")[2]] for name, field in link["parameters"].items()}
    await api.ok("GET", places["getPass"].path.format(**named))


@with_api
async def test_a_body_is_required_where_nothing_happens_without_one(api: Api) -> None:
    document = await api.ok("GET", "/openapi.json", key=None)
    certificate, *_ = await api.services.store.certificates(PASS_TYPE)
    for operation in OPERATIONS:
        if operation.body is None:
            continue
        described = document["paths"][BASE + operation.path][operation.method.lower()]
        place = operation.path.format(type=PASS_TYPE, serial="1", id=certificate.id)
        reply = await api.call(operation.method, place, body=b"", media=operation.body.media[0])
        assert described["requestBody"]["required"] == (reply.status >= 400), operation.name


@with_api
async def test_every_reference_leads_somewhere(api: Api) -> None:
    document = await api.ok("GET", "/openapi.json", key=None)
    references = [node["$ref"] for node in nodes(document) if "$ref" in node]
    assert len(references) > 100
    for reference in references:
        assert resolved(document, reference)
    used = {reference.rpartition("/")[2] for reference in references}
    assert set(document["components"]["schemas"]) <= used


@with_api
async def test_security_is_said_per_operation(api: Api) -> None:
    document = await api.ok("GET", "/openapi.json", key=None)
    assert document["security"] == [{"key": []}]
    assert document["components"]["securitySchemes"]["key"]["scheme"] == "bearer"
    for operation in OPERATIONS:
        described = document["paths"][BASE + operation.path][operation.method.lower()]
        assert described.get("security") == (None if operation.scopes else [])
        assert all(f"`{scope}`" in described["description"] for scope in operation.scopes)
        assert ("401" in described["responses"]) == bool(operation.scopes)


@with_api
async def test_answers_have_the_fields_that_the_document_says(api: Api) -> None:
    """Checked against the schema by hand: required fields are there, and there are no others."""
    document = await api.ok("GET", "/openapi.json", key=None)
    await api.issue("1")
    await api.register("1", "phone-a")
    for name, target in (
        ("getPass", f"/passes/{PASS_TYPE}/1"),
        ("listPasses", "/passes"),
        ("getTimeline", f"/passes/{PASS_TYPE}/1/timeline"),
        ("listVersions", f"/passes/{PASS_TYPE}/1/versions"),
        ("getWhy", f"/passes/{PASS_TYPE}/1/why"),
        ("listRegistrations", "/registrations"),
        ("listPushes", "/pushes"),
        ("listCertificates", "/certificates"),
        ("listTemplates", "/templates"),
        ("getStats", "/stats"),
        ("getFunnel", "/funnel"),
        ("getWhyAll", "/why"),
    ):
        [operation] = [each for each in OPERATIONS if each.name == name]
        said = document["paths"][BASE + operation.path]["get"]["responses"]["200"]["content"]["application/json"]
        conforms(document, said["schema"], await api.ok("GET", target))


def test_the_effects_are_those_of_lint() -> None:
    assert get_args(LintEffect) == get_args(Effect)


@with_api
async def test_a_warning_says_what_comes_of_it_and_on_which_ios(api: Api) -> None:
    document = await api.ok("GET", "/openapi.json", key=None)
    schema = document["components"]["schemas"]["LintProblem"]
    content = {
        "foregroundColor": "#102030",
        "barcodes": [{**BARCODE, "format": "PKBarcodeFormatEAN13"}],
        "futureKey": 1,
    }
    body = {"template": "membership", "data": {"points": 1}, "content": content}
    line = json.dumps({"pass_type": PASS_TYPE, "serial": "2", **body}).encode()
    dry = await api.ok("PUT", f"/passes/{PASS_TYPE}/1?dry_run=1", body)
    [of_batch] = (await api.call("POST", "/passes:batch", body=line, media=NDJSON)).lines()
    for said in (dry, await api.ok("PUT", f"/passes/{PASS_TYPE}/1", body), of_batch):
        for warning in said["warnings"]:
            conforms(document, schema, warning)
        assert {warning["rule"]: (warning["effect"], warning["ios"]) for warning in said["warnings"]} == {
            "unknown-key": ("invisible", [18, 26, 27]),
            "color-hex": ("logged", [18, 26, 27]),
            "barcode-fallback": ("invisible", [18, 26]),
        }


def conforms(document: dict[str, Any], schema: dict[str, Any], value: Any) -> None:
    if "$ref" in schema:
        return conforms(document, resolved(document, schema["$ref"]), value)
    if "anyOf" in schema:
        if value is None:
            assert {"type": "null"} in schema["anyOf"]
            return None
        return conforms(document, next(each for each in schema["anyOf"] if each != {"type": "null"}), value)
    if "enum" in schema:
        assert value in schema["enum"]
    kinds = {"string": str, "integer": int, "boolean": bool, "array": list, "object": dict}
    if "type" in schema:
        assert isinstance(value, kinds[schema["type"]]), (schema, value)
    if schema.get("format") == "date-time":
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", value)
    for each in value if isinstance(value, list) else ():
        conforms(document, schema["items"], each)
    if "properties" in schema:
        assert set(schema["required"]) <= set(value) <= set(schema["properties"])
        for name, each in value.items():
            conforms(document, schema["properties"][name], each)
    return None
