"""A collector of OTLP over HTTP on loopback: takes what a collector takes, and keeps it."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)


@dataclass(frozen=True)
class Span:
    """One span, as it came over the wire. A place is (trace id, span id), in hexadecimal."""

    name: str
    trace: str
    id: str
    parent: str
    kind: int
    links: frozenset[tuple[str, str]]
    facts: Mapping[str, Any]
    resource: Mapping[str, Any]
    failed: str | None
    seconds: float

    @property
    def place(self) -> tuple[str, str]:
        return self.trace, self.id


class Collector:
    """Listens while its context is open. ``silent``: takes requests and never answers."""

    def __init__(self, *, silent: bool = False) -> None:
        self.spans: list[Span] = []
        self.raw = b""
        self._ending = threading.Event()
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if silent:
                    collector._ending.wait(60)
                    return
                assert (self.path, self.headers["Content-Type"]) == ("/v1/traces", "application/x-protobuf")
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                collector._keep(body)
                answer = ExportTraceServiceResponse().SerializeToString()
                self.send_response(200)
                self.send_header("Content-Type", "application/x-protobuf")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self._server.shutdown()
        self._server.server_close()

    def named(self, name: str) -> list[Span]:
        return [span for span in self.spans if span.name == name]

    def _keep(self, body: bytes) -> None:
        request = ExportTraceServiceRequest.FromString(body)
        self.raw += body
        for of_resource in request.resource_spans:
            resource = _facts(of_resource.resource.attributes)
            for of_scope in of_resource.scope_spans:
                self.spans += [_span(each, resource) for each in of_scope.spans]


def _span(each: Any, resource: Mapping[str, Any]) -> Span:
    return Span(
        each.name,
        each.trace_id.hex(),
        each.span_id.hex(),
        each.parent_span_id.hex(),
        each.kind,
        frozenset((link.trace_id.hex(), link.span_id.hex()) for link in each.links),
        _facts(each.attributes),
        resource,
        each.status.message if each.status.code == 2 else None,
        (each.end_time_unix_nano - each.start_time_unix_nano) / 1e9,
    )


def _facts(attributes: Any) -> Mapping[str, Any]:
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in attributes}
