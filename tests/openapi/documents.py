"""The two interfaces as schemathesis gets them: their documents, with names that exist put beside "any string"."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from provider_keys import Minted
from servers.livepass_process import DEVICE, PASS_TYPE, SERIALS, TEMPLATE, LivepassProcess

Json = dict[str, Any]

APNS_KEY = Minted()
PHONES = Path(__file__).with_name("phones.yaml")

KNOWN = {
    "type": [PASS_TYPE],
    "pass_type": [PASS_TYPE],
    "serial": list(SERIALS),
    "template": [TEMPLATE],
    "device": [DEVICE],
    "device_id": [DEVICE],
    "apns_key": [APNS_KEY.id],
    "url": ["https://hooks.example.com/livepass"],
}
"""Parameters and fields that name something, and what there is. Chance alone would find none of it."""
_POINTS = {
    "type": "object",
    "properties": {"points": {"type": "integer"}},
    "required": ["points"],
    "additionalProperties": False,
}


def issuers(service: LivepassProcess) -> Json:
    """What the service serves as its own description."""
    document: Json = service.call("GET", "/api/v1/openapi.json").json()
    _speak_of_lines(document)
    _without_conditions(document)
    _name(document)
    schemas = document["components"]["schemas"]
    schemas["CertificateForm"] = schemas.pop("CertificateImport")
    schemas["CertificateImport"] = _or_known(
        {"$ref": "#/components/schemas/CertificateForm"}, {"enum": [service.certificate]}
    )
    key = {"p8": APNS_KEY.p8.decode(), "id": APNS_KEY.id, "team": APNS_KEY.team}
    schemas["ApnsKeyForm"] = schemas.pop("ApnsKeyImport")
    schemas["ApnsKeyImport"] = _or_known({"$ref": "#/components/schemas/ApnsKeyForm"}, {"enum": [key]})
    return document


def _without_conditions(document: Json) -> None:
    """Of two headers that chance makes up one at least refuses nearly every change; they have tests of their own. One
    operation keeps them.
    """
    for methods in document["paths"].values():
        for operation in methods.values():
            if operation["operationId"] != "deletePass":
                operation["parameters"] = [one for one in operation["parameters"] if one["in"] != "header"]


def phones() -> Json:
    """What phones rely on."""
    document: Json = yaml.safe_load(PHONES.read_text())
    _name(document)
    return document


def written(document: Json, directory: Path) -> Path:
    """The document as a file."""
    path = directory / "document.json"
    path.write_text(json.dumps(document))
    return path


def _speak_of_lines(node: Any) -> None:
    """A body of lines is, for schemathesis, a list; ``hooks`` writes and reads it as lines."""
    if isinstance(node, dict):
        if "x-line" in node:
            node["schema"] = {"type": "array", "items": node.pop("x-line")}
        for each in node.values():
            _speak_of_lines(each)
    elif isinstance(node, list):
        for each in node:
            _speak_of_lines(each)


def _name(node: Any) -> None:
    if isinstance(node, dict):
        if node.get("in") in ("path", "query") and node["name"] in KNOWN:
            node["schema"] = _or_known(node["schema"], {"enum": KNOWN[node["name"]]})
        properties = node.get("properties")
        if isinstance(properties, dict):
            for name in KNOWN.keys() & properties.keys():
                properties[name] = _or_known(properties[name], {"enum": KNOWN[name]})
            if "template" in properties and "data" in properties:
                properties["data"] = _or_known(properties["data"], _POINTS)
        for each in list(node.values()):
            _name(each)
    elif isinstance(node, list):
        for each in node:
            _name(each)


def _or_known(schema: Json, known: Json) -> Json:
    """What exists, twice said: chance takes it seldom among all that may be."""
    return {"anyOf": [known, schema], "examples": known.get("enum", [])}
