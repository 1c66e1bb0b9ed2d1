from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Sequence
from typing import Any

import grpc
import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from linker.errors import InvalidInput
from linker.options import Options
from linker.records import Mention
from linker.server import telemetry, tracing
from linker.server.metrics import STAGES
from linker.wire import link_request

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
MARKER = "Zyx987Canary"


@pytest.fixture
def spans(start: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Sequence[ReadableSpan]]:
    """The spans of calls with some metadata: one call that succeeds, and one that does not."""

    def traced(metadata: list[tuple[str, str]]) -> Sequence[ReadableSpan]:
        exporter = InMemorySpanExporter()
        monkeypatch.setattr(telemetry, "Tracing", lambda: tracing.Tracing(exporter))
        running = start(tracing=True)
        running.linking.LinkMentions(link_request([Mention(MARKER)], Options()), metadata=metadata)
        with pytest.raises(grpc.RpcError):
            running.linking.LinkMentions(link_request([], Options()), metadata=metadata)
        running.channel.unary_unary("/grpc.health.v1.Health/Check")(b"", timeout=10)
        running.run(running.server.stop())
        return exporter.get_finished_spans()

    return traced


def test_a_span_for_each_call_and_stage(spans: Callable[..., Sequence[ReadableSpan]]) -> None:
    made = spans([("traceparent", f"00-{TRACE}-{PARENT}-01")])
    calls = [span for span in made if span.name == "linker.v1.LinkingService/LinkMentions"]
    assert [span.attributes["rpc.grpc.status_code"] for span in calls] == [0, 3]
    assert [span.status.is_ok for span in calls] == [True, False]
    assert {f"{span.context.trace_id:032x}" for span in made} == {TRACE}
    assert {f"{span.parent.span_id:016x}" for span in calls} == {PARENT}
    stages = [span for span in made if span not in calls]
    assert [span.name for span in stages] == [stage for stage in STAGES if stage != "detect"]
    assert {span.parent.span_id for span in stages} == {calls[0].context.span_id}
    assert all(calls[0].start_time <= span.start_time <= span.end_time <= calls[0].end_time for span in stages)


@pytest.mark.parametrize("name", ["traceparent", "tracestate", "baggage", "x-request-id"])
def test_no_text_of_a_caller_gets_into_a_span(spans: Callable[..., Sequence[ReadableSpan]], name: str) -> None:
    metadata = [(name, f"{MARKER}={MARKER}")]
    if name != "traceparent":
        metadata.append(("traceparent", f"00-{TRACE}-{PARENT}-01"))
    made = spans(metadata)
    assert made
    assert all(MARKER not in span.to_json() for span in made)
    assert all(span.context.trace_state == {} for span in made)


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("opentelemetry")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    importlib.reload(tracing)
    with pytest.raises(InvalidInput, match=r"^--tracing: .*pip install 'medlinker\[otel\]'"):
        tracing.Tracing()
