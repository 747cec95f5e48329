"""OpenTelemetry: ``service.seams.Tracing``, sent to a collector over OTLP.

Theory of operation. A change takes a number, and what follows from it (pushes, asks, fetches, in other processes and
days later) knows that number and nothing else of it. So the trace of a change is worked out from its pass type and
number, alike in every process of an installation: the change is the trace's first span, and all that follows is below
it. What a request did is linked with the request's own trace, both ways. ``docs/adr/0037`` says why.

Nothing here waits for the collector: spans queue up in bounded memory and leave on a thread of their own.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import logging
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final

from opentelemetry import context as contexts
from opentelemetry import propagate, trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import Decision
from opentelemetry.trace import Link, NonRecordingSpan, SpanContext, SpanKind, Status, StatusCode, TraceFlags

log = logging.getLogger(__name__)

MOST_NUMBERS: Final = 16
"""Of one ask: a phone that begins anew is told of all its passes at once. The newest are kept."""
BATCH: Final = 512
CLOSE_SECONDS: Final = 3.0
"""How long a process that ends waits for a collector."""
SAY_SECONDS: Final = 600.0
BEGIN: Final = ("change", "register")
"""What takes a number, and so is the first span of its trace."""
OF_NO_REQUEST: Final = ("push", "webhook")
"""What workers do: a span that is open around them is that of whoever started them."""
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


def place_of(pass_type: str, number: int, key: bytes) -> tuple[int, int]:
    """The trace of a change, and its first span there. Keyed: two installations may share a collector, and the numbers
    of both begin at one.
    """
    drawn = hmac.digest(key, b"livepass trace v1\0" + f"{pass_type}\n{number}".encode(), "sha256")
    return int.from_bytes(drawn[:16]), int.from_bytes(drawn[16:24])


class OtelTracing:
    """One object per process. Where spans go, which are sampled and so on is OpenTelemetry's to read from its
    ``OTEL_…`` variables; an application around this one keeps its own provider. Raises ``ValueError`` for variables
    that OpenTelemetry cannot read.

    ``key``: what ids are worked out with; ``waiting``: how many spans may wait to be sent.
    """

    def __init__(
        self, key: Callable[[], bytes], version: str, waiting: int, exporter: SpanExporter | None = None
    ) -> None:
        self._key = key
        self._sending = _Counting(exporter or OTLPSpanExporter())
        self._queue = _Queue(self._sending, waiting)
        named = OTELResourceDetector().detect().attributes
        resource = Resource.create(
            {"service.name": "livepass", "service.version": version, "process.pid": os.getpid(), **named}
        )
        self._ids = _Ids()
        self._provider = TracerProvider(resource=resource, id_generator=self._ids, shutdown_on_exit=False)
        self._provider.add_span_processor(self._queue)
        self._tracer = self._provider.get_tracer("livepass", version)
        self._stumbled = False

    def tell(
        self,
        work: str,
        pass_type: str,
        numbers: Sequence[int],
        seconds: float,
        facts: Mapping[str, str | int],
        failed: str = "",
    ) -> None:
        """``service.seams.Tracing.tell``."""
        try:
            attributes: dict[str, str | int] = {f"livepass.{name}": value for name, value in facts.items()}
            attributes["livepass.pass_type"] = pass_type
            ended = time.time_ns()
            told = _Told(work, ended - int(seconds * 1e9), ended, attributes, failed)
            if not numbers:
                self._span(told, Context())
            for number in sorted(set(numbers), reverse=True)[:MOST_NUMBERS]:
                self._span_of_number(told, pass_type, number)
        except Exception:  # whatever a sampler of somebody's does: phones go first
            self._stumble()

    def link(self, pass_type: str, number: int) -> None:
        """``service.seams.Tracing.link``."""
        try:
            request, place = trace.get_current_span(), self._place(pass_type, number)
            linked = request.links if isinstance(request, ReadableSpan) else ()
            if request.is_recording() and all(link.context.span_id != place.span_id for link in linked):
                request.add_link(place)
        except Exception:
            self._stumble()

    def _stumble(self) -> None:
        if not self._stumbled:
            self._stumbled = True
            log.exception("a span could not be made; this is said once")

    def _span_of_number(self, told: _Told, pass_type: str, number: int) -> None:
        place = self._place(pass_type, number)
        request = trace.get_current_span()
        links = []
        if told.work not in OF_NO_REQUEST and request.is_recording():
            links.append(Link(request.get_span_context()))
            request.add_link(place)
        told.attributes["livepass.number"] = number
        if told.work in BEGIN:
            with self._ids.planted(place):
                self._span(told, Context(), links)
        else:
            self._span(told, trace.set_span_in_context(NonRecordingSpan(place), Context()), links)

    def _span(self, told: _Told, parent: Context, links: Sequence[Link] = ()) -> None:
        kind = SpanKind.CLIENT if told.work in OF_NO_REQUEST else SpanKind.INTERNAL
        span = self._tracer.start_span(told.work, parent, kind, told.attributes, links, told.began)
        if told.failed:
            span.set_status(Status(StatusCode.ERROR, told.failed))
        span.end(told.ended)

    def _place(self, pass_type: str, number: int) -> SpanContext:
        """Sampled, or not, as its first span is: by the id alone, whatever the request is in which that is asked."""
        trace_id, span_id = place_of(pass_type, number, self._key())
        decision = self._provider.sampler.should_sample(Context(), trace_id, BEGIN[0]).decision
        flags = TraceFlags(TraceFlags.SAMPLED if decision is Decision.RECORD_AND_SAMPLE else TraceFlags.DEFAULT)
        return SpanContext(trace_id, span_id, is_remote=True, trace_flags=flags)

    @contextmanager
    def serving(self, method: str, headers: Iterable[tuple[bytes, bytes]]) -> Iterator[Callable[[str, int], None]]:
        """``service.seams.Tracing.serving``. Goes on with the caller's trace, where the request names one."""
        read = propagate.get_global_textmap().fields
        carrier = {text: value.decode("latin-1") for name, value in headers if (text := name.decode("latin-1")) in read}
        parent = propagate.extract(carrier)
        shown = method if method in _METHODS else "_OTHER"
        span = self._tracer.start_span(shown, parent, SpanKind.SERVER, {"http.request.method": shown})

        def served(route: str, status: int) -> None:
            if route:
                span.update_name(f"{shown} {route}")
                span.set_attribute("http.route", route)
            if status:
                span.set_attribute("http.response.status_code", status)
            if status >= 500 or not status:
                span.set_status(Status(StatusCode.ERROR, "" if status else "nothing was answered"))

        token = contexts.attach(trace.set_span_in_context(span, parent))
        try:
            yield served
        finally:
            contexts.detach(token)
            span.end()

    def became(self) -> Mapping[str, int]:
        """How many spans of this process were ``sent``, ``failed`` at the collector, or were ``dropped`` before."""
        return {"sent": self._sending.sent, "failed": self._sending.failed, "dropped": self._queue.dropped}

    async def close(self) -> None:
        """Send what waits, for some seconds at most."""
        loop, ended = asyncio.get_running_loop(), asyncio.Event()

        def end() -> None:
            self._provider.shutdown()
            with contextlib.suppress(RuntimeError):  # nobody waited so long
                loop.call_soon_threadsafe(ended.set)

        threading.Thread(target=end, name="livepass-spans", daemon=True).start()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_SECONDS):
                await ended.wait()


@dataclass(slots=True)
class _Told:
    """What spans of one piece of work have in common. Instants are nanoseconds."""

    work: str
    began: int
    ended: int
    attributes: dict[str, str | int]
    failed: str


class _Ids(RandomIdGenerator):
    """Random ids, except where a place was planted."""

    def __init__(self) -> None:
        self._planted: ContextVar[SpanContext | None] = ContextVar("livepass_place", default=None)

    @contextmanager
    def planted(self, place: SpanContext) -> Iterator[None]:
        """The span that is begun meanwhile gets this place."""
        token = self._planted.set(place)
        try:
            yield
        finally:
            self._planted.reset(token)

    def generate_span_id(self) -> int:
        place = self._planted.get()
        return place.span_id if place is not None else super().generate_span_id()

    def generate_trace_id(self) -> int:
        place = self._planted.get()
        return place.trace_id if place is not None else super().generate_trace_id()


class _Queue(SpanProcessor):
    """OpenTelemetry's queue and its thread, bounded here, so that what is dropped is counted.

    ``_ended`` and ``dropped`` are written where spans end, which is the loop's thread; the rest by the queue's.
    """

    def __init__(self, exporter: _Counting, waiting: int) -> None:
        self._to = exporter
        self._waiting = waiting
        self._ended = self.dropped = 0
        smaller = waiting if waiting < BATCH else None
        self._batch = BatchSpanProcessor(exporter, max_queue_size=waiting, max_export_batch_size=smaller)

    def on_end(self, span: ReadableSpan) -> None:
        if span.context is None or not span.context.trace_flags.sampled:
            return
        if self._ended - self._to.taken >= self._waiting:
            self.dropped += 1
            return
        self._ended += 1
        self._batch.on_end(span)

    def shutdown(self) -> None:
        self._batch.shutdown()  # type: ignore[no-untyped-call]

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self._batch.force_flush(timeout_millis)


class _Counting(SpanExporter):
    """An exporter, and what became of what it was given."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter
        self.taken = self.sent = self.failed = 0
        self._said_at = float("-inf")

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.taken += len(spans)
        try:
            result = self._exporter.export(spans)
        except Exception as error:
            log.debug("spans could not be sent: %s", error)
            result = SpanExportResult.FAILURE
        if result is SpanExportResult.SUCCESS:
            self.sent += len(spans)
        else:
            self.failed += len(spans)
            self._say()
        return result

    def _say(self) -> None:
        now = time.monotonic()
        if now - self._said_at >= SAY_SECONDS:
            self._said_at = now
            log.warning("the collector takes no spans: %d failed so far", self.failed)

    def shutdown(self) -> None:
        self._exporter.shutdown()
