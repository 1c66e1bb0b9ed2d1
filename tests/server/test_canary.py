"""No text of a request anywhere but in its own answer: markers go in wherever text can, and every sink is searched."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import grpc
import pytest
from prometheus_client import generate_latest

from linker import annotation, pipeline
from linker.annotation import Annotator
from linker.assertion import Triggers
from linker.encoding import OnnxEncoder
from linker.pipeline import Linker
from linker.retrieval import Retriever
from linker.server import health, linking, logs, reading, work
from linker.server.admin import AdminServicer
from linker.server.audit import AuditLog
from linker.server.batching import Batcher
from linker.server.bundles import Bundles
from linker.server.calls import CallLog
from linker.server.lookups import Lookups
from linker.terminology import Terminology

MARKER = "Zyx987Canary"
UUID = "0b7c0a52-4c1f-4f3e-9d2a-0123456789ab"


def marked(text: str | bytes) -> bool:
    """Whether a marker is in it, in any case: normalisation lowers it."""
    return MARKER.lower() in (text.decode("utf-8", "replace") if isinstance(text, bytes) else text).lower()


METADATA = [
    *((name, f"{MARKER}={MARKER}") for name in ("x-request-id", "traceparent", "tracestate", "baggage", "patient")),
    ("authorization", f"Bearer {MARKER}"),
    ("patient-bin", MARKER.encode()),
]


def payloads(method: Any) -> Iterator[bytes]:
    """Requests of a method with markers in fields of text: one each, alone and far too long; in all of them, beside a
    number that is wrong; and malformed ones.
    """
    for request in method.valid():
        for way in method.texts():
            yield method.with_text(request, way, MARKER).SerializeToString()
        yield request.SerializeToString()
    request = full = method.valid()[0]
    for way in method.texts():
        full = method.with_text(full, way, MARKER)
    for asked in (request, full):
        yield from (wrong.SerializeToString() for wrong in method.nonsense(asked))
    for way in method.texts():
        yield method.with_text(request, way, f"{MARKER} " * 20_000).SerializeToString()
        whole = method.with_text(request, way, MARKER).SerializeToString()
        yield whole[:-1]
        yield whole + whole[:3]
    yield b"\xff\xff\xff" + MARKER.encode()
    yield MARKER.encode()


class Collector(grpc.GenericRpcHandler):
    """Takes whatever a tracer sends."""

    def __init__(self) -> None:
        self.received: list[bytes] = []

    def service(self, _details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        return grpc.unary_unary_rpc_method_handler(lambda raw, _context: self.received.append(raw) or b"")


@contextmanager
def process(bundle: Path, folder: Path, collector: str, *options: str) -> Iterator[dict[str, str]]:
    """A server at its most talkative, with all that it writes in `folder`; its addresses."""
    loud = {"GRPC_VERBOSITY": "debug", "GRPC_TRACE": "all", "PYTHONASYNCIODEBUG": "1", "LINKER_LOG_LEVEL": "debug"}
    traced = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{collector}", "OTEL_LOG_LEVEL": "debug"}
    environment = {**os.environ, **loud, **traced, "TMPDIR": str(folder), "HOME": str(folder)}
    command = [sys.executable, "-m", "linker", "serve", "--bundle", str(bundle), "--port", "0", "--metrics-port", "0"]
    with ExitStack() as stack:
        out, err = (stack.enter_context((folder / name).open("w")) for name in ("stdout", "stderr"))
        running = subprocess.Popen(
            [*command, "--tracing", "--audit-log", str(folder / "audit.jsonl"), *options],
            stdout=out, stderr=err, cwd=folder, env=environment,
        )  # fmt: skip
        try:
            yield _addresses(running, folder / "stderr")
        finally:
            running.terminate()
            running.wait(30)


def _addresses(running: subprocess.Popen[bytes], log: Path) -> dict[str, str]:
    while running.poll() is None:
        for line in log.read_text().splitlines():
            if line.endswith("}") and (said := json.loads(line))["event"] == "serving":
                return said
    raise AssertionError(log.read_text())


def test_no_text_reaches_any_sink(bundle: Path, tmp_path: Path, methods: list[Any]) -> None:
    collector = Collector()
    sink = grpc.server(ThreadPoolExecutor(2))
    sink.add_generic_rpc_handlers([collector])
    port = sink.add_insecure_port("127.0.0.1:0")
    sink.start()
    seen: set[grpc.StatusCode] = set()
    with process(bundle, tmp_path, f"127.0.0.1:{port}") as at:
        with grpc.insecure_channel(at["address"]) as public, grpc.insecure_channel(at["admin_address"]) as private:
            other = next(method for method in methods if method.descriptor.name == "LinkMentions")
            for method in methods:
                channel = private if method.is_admin else public
                for payload in payloads(method):
                    ended = method.call(channel, payload, metadata=METADATA)
                    seen.add(ended.code)
                    assert not marked(ended.details + ended.trailers), (method.path, ended)
                # Another client, which sent none of this, hears nothing of it.
                ended = other.call(public, other.valid()[0].SerializeToString())
                assert ended.code is grpc.StatusCode.OK
                assert not marked(ended.details + ended.trailers)
                assert not marked(ended.received)
            with pytest.raises(grpc.RpcError) as raised:
                public.unary_unary(f"/{MARKER}/{MARKER}")(MARKER.encode(), metadata=METADATA, timeout=10)
            assert not marked(raised.value.details())
        with urlopen(f"http://{at['metrics_address']}/metrics", timeout=10) as response:
            metrics = response.read()
    sink.stop(None).wait()
    bad, missing, pinned = (
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.NOT_FOUND,
        grpc.StatusCode.FAILED_PRECONDITION,
    )
    assert seen >= {grpc.StatusCode.OK, bad, missing, pinned}
    assert not marked(metrics)
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {path.name for path in written} >= {"stdout", "stderr", "audit.jsonl"}
    for path in written:
        assert not marked(path.read_bytes()), path
    for sink_file, least in (("stderr", b'"event": "call"'), ("audit.jsonl", b'"method"')):
        assert (tmp_path / sink_file).read_bytes().count(least) > 100
    assert collector.received
    assert not any(marked(sent) for sent in collector.received)


class Worse(RuntimeError):
    """Whose string may not even be asked for."""

    def __str__(self) -> str:
        raise AssertionError(MARKER)

    __repr__ = __str__


def errors() -> Iterator[BaseException]:
    noted = ValueError(MARKER)
    noted.add_note(MARKER)
    caused = RuntimeError(MARKER)
    caused.__cause__ = KeyError(MARKER)
    group = ExceptionGroup(MARKER, [ValueError(MARKER)])
    yield from (noted, caused, group, Worse(MARKER), UnicodeDecodeError("utf-8", MARKER.encode(), 0, 1, MARKER))


ROOMS = [
    (pipeline, "normalise"),
    (OnnxEncoder, "encode"),
    (Retriever, "retrieve"),
    (Linker, "_rerank"),
    (pipeline, "confidences"),
    (pipeline, "decide"),
    (Annotator, "find"),
    (Annotator, "link"),
    (annotation, "definitions"),
    (Triggers, "assertions"),
    (work, "result_message"),
    (work, "annotated_mention_message"),
    (linking, "read_link_request"),
    (linking, "read_annotate_request"),
    (reading, "concept_message"),
    (Terminology, "row"),
    (Terminology, "search"),
    (Terminology, "known_vocabularies"),
    (Batcher, "run"),
    (Lookups, "run"),
    (Bundles, "get"),
    (AdminServicer, "_messages"),
    (health, "_Response"),
]


@pytest.mark.parametrize(("place", "name"), ROOMS, ids=[f"{place.__name__}.{name}" for place, name in ROOMS])
def test_an_exception_in_any_room_stays_there(
    start: Callable[..., Any],
    methods: list[Any],
    tmp_path: Path,
    log_lines: io.StringIO,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    place: Any,
    name: str,
) -> None:
    logs.configure(log_lines, level="debug")
    running = start(audit_log=tmp_path / "audit.jsonl", log_level="debug")
    failed = 0
    for error in errors():

        def fail(*_: object, error: BaseException = error, **__: object) -> None:
            raise error

        with monkeypatch.context() as patch:
            patch.setattr(place, name, fail)
            for method in methods:
                if method.descriptor.name in {"ReloadBundle", "RollBackBundle", "Watch"}:
                    continue
                channel = running._admin_channel if method.is_admin else running.channel
                ended = method.call(channel, method.valid()[0].SerializeToString())
                failed += ended.code is grpc.StatusCode.INTERNAL or b"internal error" in ended.received
                assert not marked(ended.details + ended.trailers)
                assert not marked(ended.received)
    assert failed >= 5, "the exception was never raised; is this still the name of the room's work?"
    captured = capfd.readouterr()
    for sink in (log_lines.getvalue(), captured.out, captured.err, (tmp_path / "audit.jsonl").read_text()):
        assert not marked(sink)
    assert not marked(generate_latest(running.server.telemetry.metrics.registry))


@pytest.mark.parametrize("place", [AuditLog, CallLog])
def test_an_exception_of_whoever_is_told_stays_there(
    start: Callable[..., Any],
    methods: list[Any],
    tmp_path: Path,
    log_lines: io.StringIO,
    monkeypatch: pytest.MonkeyPatch,
    place: Any,
) -> None:
    def fail(*_: object) -> None:
        raise OSError(MARKER)

    monkeypatch.setattr(place, "call_ended", fail)
    running = start(audit_log=tmp_path / "audit.jsonl", log_level="debug")
    method = next(method for method in methods if method.descriptor.name == "LinkMentions")
    ended = method.call(running.channel, method.valid()[0].SerializeToString())
    assert ended.code is grpc.StatusCode.OK
    assert "could not be told of" in log_lines.getvalue()
    assert not marked(log_lines.getvalue())
