"""Prometheus metrics: numbers of calls, batches and bundles under label sets that are closed.

A label is a method of this server, a gRPC status, a stage, or a bundle with its digest. None comes from a request, so
that no client can fill the memory of a Prometheus, or put text where it is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from threading import Thread
from wsgiref.simple_server import WSGIServer

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    start_http_server,
)

from linker.errors import InvalidInput
from linker.pipeline import Timings
from linker.server.calls import Call

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
MENTIONS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
TOKENS = (8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384)
STAGES = ("queue", "detect", "encode", "search", "rerank", "decide")


class Metrics:
    """What a server counts. Told of calls and of batches (see `CallObserver` and `Observer`); safe between threads."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        self._calls = Counter("linker_calls", "Calls that have ended.", ["method", "code"], registry=registry)
        self._active = Gauge("linker_calls_active", "Calls being answered.", ["method"], registry=registry)
        self._seconds = Histogram(
            "linker_call_seconds",
            "Time from a call's arrival to its end.",
            ["method"],
            buckets=SECONDS,
            registry=registry,
        )
        self._items = Counter(
            "linker_items", "Mentions, documents, codings and ids asked for in calls.", ["method"], registry=registry
        )
        self._stages = Histogram(
            "linker_stage_seconds",
            "Time of a call in the queue, and of a batch in each stage after it.",
            ["stage"],
            buckets=SECONDS,
            registry=registry,
        )
        self._batch_mentions = Histogram(
            "linker_batch_mentions", "Mentions of a batch that links.", buckets=MENTIONS, registry=registry
        )
        self._batch_tokens = Histogram("linker_batch_tokens", "Tokens of a batch.", buckets=TOKENS, registry=registry)
        self._linked = Counter("linker_mentions_linked", "Mentions that were linked.", registry=registry)
        self._reranked = Counter(
            "linker_mentions_reranked", "Mentions that the cross-encoder scored.", registry=registry
        )
        self._cached = Counter(
            "linker_mentions_cached", "Mentions whose candidates were remembered.", registry=registry
        )
        self._expired = Counter(
            "linker_mentions_expired", "Mentions left out: the deadline of their call had passed.", registry=registry
        )
        self._cancelled = Counter(
            "linker_mentions_cancelled", "Mentions left out: their client had gone.", registry=registry
        )
        self._failed = Counter(
            "linker_mentions_failed", "Mentions that a bug kept from being linked.", registry=registry
        )
        self._refused_calls = Counter(
            "linker_calls_refused", "Calls refused because too much was waiting.", registry=registry
        )
        self._refused_tokens = Counter(
            "linker_tokens_refused", "Tokens of calls refused because too much was waiting.", registry=registry
        )
        self._queue = Gauge("linker_queue_tokens", "Tokens waiting to be linked.", registry=registry)
        self._queue_limit = Gauge("linker_queue_tokens_limit", "Tokens that may wait.", registry=registry)
        self._bundle = Gauge(
            "linker_bundle_info", "The bundles served now: always 1.", ["bundle", "digest"], registry=registry
        )
        self._certificate = Gauge(
            "linker_tls_certificate_expiry_timestamp_seconds",
            "When a certificate expires; without TLS there is none.",
            ["certificate"],
            registry=registry,
        )
        for stage in STAGES:
            self._stages.labels(stage)

    # Calls

    def call_began(self, call: Call) -> None:
        """Count it as active."""
        self._active.labels(call.method).inc()

    def call_ended(self, call: Call) -> None:
        """Count how it ended, and how long it took."""
        self._active.labels(call.method).dec()
        self._calls.labels(call.method, call.code.name).inc()
        self._seconds.labels(call.method).observe(call.duration_ns / 1e9)
        self._items.labels(call.method).inc(call.items)

    # Batches

    def refused(self, *, tokens: int) -> None:
        """See `Observer`."""
        self._refused_calls.inc()
        self._refused_tokens.inc(tokens)

    def expired(self, *, mentions: int) -> None:
        """See `Observer`."""
        self._expired.inc(mentions)

    def cancelled(self, *, mentions: int) -> None:
        """See `Observer`."""
        self._cancelled.inc(mentions)

    def batch_formed(self, *, mentions: int, tokens: int, waited_s: Sequence[float]) -> None:
        """See `Observer`."""
        if mentions:
            self._batch_mentions.observe(mentions)
        self._batch_tokens.observe(tokens)
        for waited in waited_s:
            self._stages.labels("queue").observe(waited)

    def batch_done(self, *, mentions: int, reranked: int, timings: Timings) -> None:
        """See `Observer`."""
        self._linked.inc(mentions)
        self._reranked.inc(reranked)
        self._cached.inc(timings.cached)
        for stage, took in timings.stages.items():
            self._stages.labels(stage).observe(took / 1e9)

    def batch_failed(self, *, mentions: int) -> None:
        """See `Observer`."""
        self._failed.inc(mentions)

    # What is asked when it is scraped

    def watch_queue(self, waiting: Callable[[], int], limit: int) -> None:
        """Ask `waiting` for the tokens that wait, of which there may be `limit`."""
        self._queue.set_function(waiting)
        self._queue_limit.set(limit)

    def watch_certificate(self, expires: Callable[[], float]) -> None:
        """Ask `expires` for the time at which the server's certificate does, in seconds since the epoch."""
        self._certificate.labels("server").set_function(expires)

    def show_bundles(self, bundles: Iterable[tuple[str, str]]) -> None:
        """The bundles served from now on: name and digest of each."""
        self._bundle.clear()
        for name, digest in bundles:
            self._bundle.labels(name, digest).set(1)


class MetricsPort:
    """A port for Prometheus to scrape: plain HTTP, read-only, on a thread of its own."""

    def __init__(self, metrics: Metrics, *, host: str, port: int) -> None:
        """port: 0 takes a free one. Raises `InvalidInput` where it is not to be had."""
        self._server: WSGIServer
        self._thread: Thread
        try:
            self._server, self._thread = start_http_server(port, host, metrics.registry)
        except OSError as error:
            message = f"cannot listen on {host}:{port} ({error.strerror})"
            raise InvalidInput(message, field="--metrics-port") from None
        self.address = f"{host}:{self._server.server_port}"

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
