"""OpenTelemetry spans, where the extra `otel` is installed: one a call, and below it one for each stage of its work.

Attributes follow the semantic conventions of RPC, and hold no text of a request. Of what a caller sends, only
`traceparent` is read, which has room for two ids and nothing else; `tracestate` and `baggage` could say anything.
Where spans go is set by OTEL_EXPORTER_OTLP_ENDPOINT and the other variables of the OpenTelemetry specification.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from linker.errors import InvalidInput
from linker.server.calls import TRACE_PARENT, Call

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace.export import SpanExporter

SERVICE = "medlinker"


class Tracing:
    """Tells of calls as spans, which a thread of its own sends off."""

    def __init__(self, exporter: SpanExporter | None = None) -> None:
        """exporter: None takes OTLP over gRPC. Raises `InvalidInput` where OpenTelemetry is not installed."""
        try:
            from opentelemetry.sdk.resources import Resource
            from opentelemetry.sdk.trace import TracerProvider
            from opentelemetry.sdk.trace.export import BatchSpanProcessor
            from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
        except ImportError:
            message = "OpenTelemetry is not installed; install it with `pip install 'medlinker[otel]'`"
            raise InvalidInput(message, field="--tracing") from None
        self._provider = TracerProvider(resource=Resource.create({"service.name": SERVICE}), shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(exporter or _otlp()))
        self._tracer = self._provider.get_tracer(SERVICE)
        self._propagator = TraceContextTextMapPropagator()

    def call_began(self, call: Call) -> None:
        """Nothing yet: spans are made when their ends are known."""

    def call_ended(self, call: Call) -> None:
        """Make the span of the call and those of its stages.

        Stages are laid end to end from the call's beginning. Where a call was linked in several batches, a stage's time
        is the sum over them.
        """
        if call.is_probe:
            return
        from opentelemetry.trace import SpanKind, Status, StatusCode, set_span_in_context

        service, _, method = call.method.strip("/").partition("/")
        span = self._tracer.start_span(
            f"{service}/{method}",
            context=self._parent(call),
            kind=SpanKind.SERVER,
            start_time=call.began_ns,
            attributes={
                "rpc.system": "grpc",
                "rpc.service": service,
                "rpc.method": method,
                "rpc.grpc.status_code": call.code.value[0],
                "linker.request_id": call.request_id,
                "linker.items": call.items,
                "linker.bundle_digest": call.bundle_digest,
            },
        )
        if call.code.value[0]:
            span.set_status(Status(StatusCode.ERROR))
        inside, begin = set_span_in_context(span), call.began_ns
        for stage, took in call.stages.items():
            self._tracer.start_span(stage, context=inside, start_time=begin).end(begin + took)
            begin += took
        span.end(call.began_ns + call.duration_ns)

    def close(self) -> None:
        """Send what is left."""
        self._provider.shutdown()

    def _parent(self, call: Call) -> Context:
        from opentelemetry.context import Context

        return self._propagator.extract({TRACE_PARENT: call.trace_parent}, context=Context())


def _otlp() -> SpanExporter:
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter

    return OTLPSpanExporter()
