"""OpenTelemetry over real HTTP: places that processes agree on, callers' traces, and collectors that are away."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

from livepass import wiring
from livepass.config import PRODUCTION_APNS, Config, Traces
from livepass.outside import tracing
from livepass.outside.tracing import OtelTracing, place_of
from outside.collector import Collector, Span

TYPE = "pass.test.livepass"
KEY = b"k" * 32
CALLER = ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331")


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    with Collector() as listening:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", listening.url)
        yield listening


def made(waiting: int = 2048) -> OtelTracing:
    return OtelTracing(lambda: KEY, "1.2.3", waiting)


def sent(*processes: OtelTracing, then: Callable[[], None] = lambda: None) -> None:
    """Let something happen, and close the processes."""

    async def main() -> None:
        then()
        for process in processes:
            await process.close()

    asyncio.run(main())


def change(process: OtelTracing, number: int) -> None:
    process.tell("change", TYPE, (number,), 0.25, {"passes": 1})


# ── places


def test_a_place_is_that_of_one_change_of_one_installation() -> None:
    places = [place_of(TYPE, 1, KEY), place_of(TYPE, 2, KEY), place_of(f"{TYPE}.b", 1, KEY), place_of(TYPE, 1, b"x")]
    assert len({trace_id for trace_id, _ in places}) == len({span_id for _, span_id in places}) == 4
    assert place_of(TYPE, 1, KEY) == places[0]
    assert all(0 < trace_id < 1 << 128 and 0 < span_id < 1 << 64 for trace_id, span_id in places)


def test_processes_that_know_nothing_of_each_other_tell_one_story(collector: Collector) -> None:
    answering, pushing = made(), made()
    change(answering, 7)
    pushing.tell("push", TYPE, (7,), 0.5, {"status": 200, "reason": ""})
    sent(answering, pushing)
    [first], [push] = collector.named("change"), collector.named("push")
    assert (int(first.trace, 16), int(first.id, 16)) == place_of(TYPE, 7, KEY)
    assert (first.parent, (push.trace, push.parent)) == ("", first.place)
    assert (round(first.seconds, 3), push.facts["livepass.number"]) == (0.25, 7)
    assert answering.became() == pushing.became() == {"sent": 1, "failed": 0, "dropped": 0}


def test_a_change_is_sampled_with_all_that_follows_or_not_at_all(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "parentbased_traceidratio")
    monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", "0.5")
    processes = made(), made()
    for number in range(64):
        change(processes[0], number)
        processes[1].tell("push", TYPE, (number,), 0, {})
    sent(*processes)
    changes, pushes = ({span.trace for span in collector.named(name)} for name in ("change", "push"))
    assert changes == pushes
    assert 0 < len(changes) < 64


@pytest.mark.parametrize("flags", ["00", "01"])
def test_a_request_s_own_sampling_says_nothing_of_what_it_is_told(
    flags: str, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "parentbased_traceidratio")
    monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", "0.5")
    process = made()
    for number in range(64):
        change(process, number)
        with process.serving("GET", [(b"traceparent", f"00-{CALLER[0]}-{CALLER[1]}-{flags}".encode())]):
            process.tell("ask", TYPE, (number,), 0, {})
    sent(process)
    changes, asks = ({span.trace for span in collector.named(name)} for name in ("change", "ask"))
    assert changes == asks
    assert 0 < len(changes) < 64


def test_the_environment_names_the_service(collector: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_SERVICE_NAME", "gym")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=staging")
    process = made()
    change(process, 1)
    sent(process)
    [span] = collector.spans
    found = {name: span.resource[name] for name in ("service.name", "service.version", "deployment.environment.name")}
    assert list(found.values()) == ["gym", "1.2.3", "staging"]


# ── requests


def served(collector: Collector, headers: Iterable[tuple[bytes, bytes]], status: int = 200) -> Span:
    process = made()

    def request() -> None:
        with process.serving("PATCH", headers) as answered:
            change(process, 1)
            answered("/api/v1/passes/{type}/{serial}", status)
        assert trace.get_current_span() is trace.INVALID_SPAN, "what comes next does not belong to it"

    sent(process, then=request)
    [found] = [span for span in collector.spans if span.name != "change"]
    return found


def test_a_request_goes_on_with_its_caller_s_trace(collector: Collector) -> None:
    request = served(collector, [(b"traceparent", f"00-{CALLER[0]}-{CALLER[1]}-01".encode())])
    [made_] = collector.named("change")
    assert (request.trace, request.parent) == CALLER
    assert (request.links, made_.links) == ({made_.place}, {request.place})
    assert (request.name, request.kind) == ("PATCH /api/v1/passes/{type}/{serial}", 2)


def test_requests_whose_changes_were_stored_together_all_link_to_them(collector: Collector) -> None:
    process = made()

    def together() -> None:
        for number in (1, 2):  # the first one's task told of the change, too
            with process.serving("PATCH", []):
                if number == 1:
                    change(process, 1)
                process.link(TYPE, 1)
        process.link(TYPE, 1)  # no request is being answered

    sent(process, then=together)
    [of_all], requests = collector.named("change"), collector.named("PATCH")
    assert [request.links for request in requests] == [{of_all.place}] * 2
    assert of_all.links == {requests[0].place}


@pytest.mark.parametrize(
    "value", [b"", b"garbage", b"00-%s-%s-01" % (b"0" * 32, b"1" * 16), b"\xff\xfe", b"00-" + b"a" * 90_000]
)
def test_a_caller_that_says_nonsense_begins_a_trace_of_its_own(value: bytes, collector: Collector) -> None:
    request = served(collector, [(b"traceparent", value)])
    assert request.parent == ""
    assert request.failed is None


def test_a_request_that_was_not_answered_failed(collector: Collector) -> None:
    assert served(collector, [], status=0).failed == "nothing was answered"
    collector.spans.clear()
    assert served(collector, [], status=503).failed == ""


def test_an_application_around_it_keeps_its_own_spans(collector: Collector) -> None:
    """A change is linked with what its host does, and the host's provider is none of ours."""
    process, host = made(), TracerProvider(shutdown_on_exit=False)
    before = trace.get_tracer_provider()

    def within() -> None:
        with host.get_tracer("host").start_as_current_span("checkout") as checkout:
            change(process, 1)
            process.tell("push", TYPE, (1,), 0, {})
            process.tell("webhook", TYPE, (), 0, {})
            links = {(link.context.trace_id, link.context.span_id) for link in checkout.links}  # type: ignore[attr-defined]
            assert links == {place_of(TYPE, 1, KEY)}

    sent(process, then=within)
    assert [len(span.links) for span in collector.spans] == [1, 0, 0], "workers belong to no request"
    assert collector.named("webhook")[0].parent == ""
    assert trace.get_tracer_provider() is before


# ── collectors that are away


def test_who_waits_for_a_silent_collector_is_the_queue_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """The process goes on, its memory is bounded, what is dropped is counted, and its end does not wait for ever."""
    monkeypatch.setattr(tracing, "CLOSE_SECONDS", 0.1)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    with Collector(silent=True) as collector:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
        process = made(waiting=100)
        for number in range(1000):
            change(process, number)
        asyncio.run(asyncio.wait_for(process.close(), 20))
        counted = process.became()
        assert counted["sent"] == 0
        assert 1000 - 2 * 100 <= counted["dropped"] <= 1000 - 100, "one lot is under way, one waits"


def test_nobody_listens(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(tracing, "CLOSE_SECONDS", 20)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "0.2")
    with Collector() as gone:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", gone.url)
    process = made()
    change(process, 1)
    with caplog.at_level(logging.WARNING, "livepass"):
        sent(process)
    assert process.became() == {"sent": 0, "failed": 1, "dropped": 0}
    assert "the collector takes no spans: 1 failed so far" in caplog.text


def test_a_fault_in_it_reaches_nobody(collector: Collector, caplog: pytest.LogCaptureFixture) -> None:
    def broken() -> bytes:
        raise RuntimeError("no key")

    process = OtelTracing(broken, "1", 2048)
    change(process, 1)
    change(process, 2)
    sent(process)
    assert collector.spans == []
    assert caplog.text.count("a span could not be made") == 1


def opened(directory: Path, traces: Traces) -> bool:
    """Whether a process that was asked to send spans does; it opens in any case."""

    async def main() -> bool:
        url = f"sqlite:///{directory}/livepass.db"
        config = Config(url, "https://passes.example.com", ("A" * 43,), "", PRODUCTION_APNS, traces=traces)
        await wiring.upgrade(config)
        async with wiring.opened(config) as services:
            assert await services.store.pass_types() == []
            return services.tracing is not None

    return asyncio.run(main())


def test_without_the_extra_the_service_runs_and_says_what_to_install(
    tmp_path: Path, collector: Collector, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    assert opened(tmp_path, Traces())
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    monkeypatch.delitem(sys.modules, "livepass.outside.tracing")
    assert not opened(tmp_path, Traces())
    assert "pip install 'livepass[otel]'" in caplog.text


@pytest.mark.parametrize("value", ["many", "5000"])
def test_variables_that_opentelemetry_refuses_stop_nothing(
    value: str, tmp_path: Path, collector: Collector, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", value)
    assert opened(tmp_path, Traces()) == (value == "many"), "what is no number is passed over"
    assert ("OpenTelemetry cannot begin" in caplog.text) == (value == "5000")
    assert not opened(tmp_path, Traces(refused="a pigeon brings them"))
    assert "no spans are sent: a pigeon brings them" in caplog.text


def test_what_is_said_of_one_change_is_not_said_of_the_next(collector: Collector) -> None:
    process = made()
    facts = {"status": 200}
    process.tell("ask", TYPE, (3, 1, 2, 2), 0, facts)
    sent(process)
    assert facts == {"status": 200}
    numbers = [span.facts["livepass.number"] for span in collector.named("ask")]
    assert all(one > other for one, other in pairwise(numbers))
    assert numbers == [3, 2, 1]
