"""Whatever arrives, the answer is never a 5xx, and every refusal is a problem."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from livepass.emulators.authority import Issued
from livepass.web.issuer import OPERATIONS
from web.asgi import PASS_TYPE, Api, escaped, opened

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4)
)
DOCUMENT_KEYS = st.sampled_from(
    [
        "storeCard",
        "generic",
        "locations",
        "barcodes",
        "webServiceURL",
        "authenticationToken",
        "passTypeIdentifier",
        "serialNumber",
        "logoText",
        "voided",
        "expirationDate",
        "relevantDates",
        "nfc",
        "userInfo",
        "teamIdentifier",
        "formatVersion",
        "beacons",
        "associatedStoreIdentifiers",
        "semantics",
        "backgroundColor",
        "description",
        "organizationName",
        "primaryFields",
        "key",
        "value",
        "label",
    ]
)
CONTENT = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(DOCUMENT_KEYS, inner, max_size=4)
)
FIELDS = st.sampled_from(
    [
        "template",
        "data",
        "content",
        "revision",
        "pass_type",
        "serial",
        "name",
        "scopes",
        "pass_types",
        "p12",
        "password",
        "certificate_pem",
        "private_key_pem",
        "intermediate_pem",
    ]
)
VALUES = JSON | st.sampled_from(["membership", PASS_TYPE, "1", ["passes:read"], {"points": 1}, "AAAA"])
BODIES = st.one_of(
    st.binary(max_size=200),
    JSON.map(lambda value: json.dumps(value).encode()),
    st.dictionaries(FIELDS, VALUES, max_size=6).map(lambda value: json.dumps(value).encode()),
    st.fixed_dictionaries(
        {"template": st.just("membership"), "data": st.dictionaries(st.just("points"), VALUES), "content": CONTENT}
    ).map(lambda value: json.dumps(value).encode()),
    st.fixed_dictionaries(
        {"data": st.just({"points": 1}), "content": st.dictionaries(DOCUMENT_KEYS, CONTENT, max_size=5)}
    ).map(lambda value: json.dumps(value).encode()),
)
SEGMENT = st.text(max_size=12).map(escaped) | st.binary(max_size=8).map(
    lambda data: "".join(f"%{byte:02x}" for byte in data)
)
QUERY = st.dictionaries(
    st.sampled_from(
        ["push", "dry_run", "erase", "limit", "cursor", "after", "name", "pass_type", "due", "code", "serial_prefix"]
    )
    | SEGMENT,
    SEGMENT | st.sampled_from(["1", "auto", "none", "500", "-1"]),
    max_size=3,
).map(lambda pairs: "&".join(f"{name}={value}" for name, value in pairs.items()))
BODIED = [operation for operation in OPERATIONS if operation.body is not None]


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory: pytest.TempPathFactory, certificates: tuple[Issued, ...]) -> Any:
    """One service for the whole module: examples build on one another, as requests do."""
    loop = asyncio.new_event_loop()
    context = opened(tmp_path_factory.mktemp("fuzz"), certificates)
    api = loop.run_until_complete(context.__aenter__())
    loop.run_until_complete(api.issue("1"))
    yield api, loop
    loop.run_until_complete(context.__aexit__(None, None, None))
    loop.close()


def check(api: Api, loop: asyncio.AbstractEventLoop, method: str, target: str, body: bytes, media: str | None) -> None:
    reply = loop.run_until_complete(api.call(method, target, body=body, media=media))
    api.replies.clear()
    assert reply.status < 500, reply.body
    if reply.status >= 400 and method != "HEAD":
        problem = json.loads(reply.body)
        assert problem["status"] == reply.status and problem["detail"]


COMMON = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@settings(COMMON, max_examples=400)
@given(st.sampled_from(BODIED), BODIES)
def test_bodies(fuzzed: Any, operation: Any, body: bytes) -> None:
    target = operation.path.replace("{type}", PASS_TYPE).replace("{serial}", "1")
    check(*fuzzed, operation.method, target, body, operation.body.media[0])


@settings(COMMON, max_examples=300)
@given(st.sampled_from(OPERATIONS), st.lists(SEGMENT, min_size=2, max_size=2), QUERY)
def test_addresses(fuzzed: Any, operation: Any, segments: list[str], query: str) -> None:
    first, second = segments
    target = operation.path.replace("{type}", first)
    for name in ("{serial}", "{id}", "{name}"):
        target = target.replace(name, second)
    check(*fuzzed, operation.method, f"{target}?{query}", b"{}", None)


@settings(COMMON, max_examples=150)
@given(
    st.sampled_from([operation for operation in OPERATIONS if operation.method == "GET"]),
    QUERY,
    st.sampled_from(["GET", "HEAD"]),
)
def test_queries(fuzzed: Any, operation: Any, query: str, method: str) -> None:
    target = operation.path.replace("{type}", PASS_TYPE).replace("{serial}", "1").replace("{name}", "membership")
    check(*fuzzed, method, f"{target}?{query}", b"", None)


@settings(COMMON, max_examples=100)
@given(st.lists(BODIES, max_size=5))
def test_batches(fuzzed: Any, lines: list[bytes]) -> None:
    check(*fuzzed, "POST", "/passes:batch", b"\n".join(lines), None)
