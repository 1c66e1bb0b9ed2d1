from __future__ import annotations

import asyncio
import io
import json
import logging
from collections.abc import Callable
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from linker.pipeline import Linker
from linker.server import app, shield
from linker.server.batching import Batcher
from linker.server.calls import Calls
from linker.server.errors import LinkingFailed, ServerError
from linker.terminology import Terminology
from linker.v1 import linking_service_pb2 as linking
from linker.v1 import terminology_service_pb2 as terminology

MARKER = "Zyx987 Canary"
MALFORMED = b"\xff\xff\xff" + MARKER.encode()
UNARY = [
    "/linker.v1.LinkingService/LinkMentions",
    "/linker.v1.TerminologyService/GetConcept",
    "/linker.v1.TerminologyService/BatchGetConcepts",
    "/linker.v1.TerminologyService/SearchConcepts",
    "/linker.v1.TerminologyService/ListAncestors",
    "/linker.v1.TerminologyService/ListDescendants",
    "/linker.v1.TerminologyService/MapCodes",
    "/linker.v1.AdminService/GetServerInfo",
    "/grpc.health.v1.Health/Check",
]


def code_of(call: Callable[[], object]) -> grpc.StatusCode:
    """The status of a call that fails; nothing in it may hold the marker."""
    with pytest.raises(grpc.RpcError) as raised:
        call()
    assert MARKER not in raised.value.details()
    assert MARKER not in repr(raised.value.trailing_metadata())
    assert MARKER not in repr(raised.value.initial_metadata())
    code: grpc.StatusCode = raised.value.code()
    return code


def requests_with(marker: str) -> list[tuple[str, Any, grpc.StatusCode | None]]:
    """Requests that hold the marker in every field that holds text, and the status each ends with."""
    bad, missing = grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND
    pinned = grpc.StatusCode.FAILED_PRECONDITION
    mention = {"text": marker, "context": f"a {marker}", "mention_id": marker}
    span = {"begin": 1, "end": 3}
    values = {"languages": [marker]}
    link, get, several, search, above, below, map_codes, _, health = UNARY
    return [
        (link, linking.LinkMentionsRequest(mentions=[mention], options=values), None),
        (link, linking.LinkMentionsRequest(mentions=[{**mention, "context_span": span}]), bad),
        (link, linking.LinkMentionsRequest(mentions=[mention], options={"bundle_digest": marker}), pinned),
        (link, linking.LinkMentionsRequest(mentions=[{k: v * 1000 for k, v in mention.items()}]), bad),
        (link, linking.LinkMentionsRequest(options={k: v * 100 for k, v in values.items()}), bad),
        (get, terminology.GetConceptRequest(concept_id=marker), missing),
        (get, terminology.GetConceptRequest(concept_id=marker * 100), bad),
        (several, terminology.BatchGetConceptsRequest(concept_ids=["CLINIC:0001", marker]), missing),
        (search, terminology.SearchConceptsRequest(query=marker), None),
        (search, terminology.SearchConceptsRequest(query=marker, page_token=marker), bad),
        (link, linking.LinkMentionsRequest(mentions=[mention], options={"codes": [marker]}), bad),
        (link, linking.LinkMentionsRequest(mentions=[mention], options={"value_set": [marker]}), bad),
        (above, terminology.ListAncestorsRequest(concept_id=marker), missing),
        (below, terminology.ListDescendantsRequest(concept_id="CLINIC:0001", page_token=marker), bad),
        (map_codes, terminology.MapCodesRequest(codings=[{"system": marker, "code": marker}]), None),
        (map_codes, terminology.MapCodesRequest(codings=[{"code": "1"}], targets=[marker]), bad),
        (health, health_pb2.HealthCheckRequest(service=marker), missing),
        (link, linking.LinkMentionsRequest(mentions=[mention], options={"semantic_types": [marker]}), bad),
        (link, linking.LinkMentionsRequest(mentions=[mention], options={"vocabularies": [marker]}), bad),
    ]


def test_malformed_bytes(served: Any, methods: list[Any]) -> None:
    for method in methods:
        channel = served._admin_channel if method.is_admin else served.channel
        assert method.call(channel, MALFORMED).code is grpc.StatusCode.INVALID_ARGUMENT, method.path


def test_every_bad_request_has_its_status(served: Any) -> None:
    for method, request, expected in requests_with(MARKER):
        if expected is None:
            served.raw(method, request.SerializeToString())
        else:
            assert code_of(lambda m=method, r=request: served.raw(m, r.SerializeToString())) is expected
    assert code_of(lambda: served.raw(f"/{MARKER}/{MARKER}", b"")) is grpc.StatusCode.UNIMPLEMENTED


class Worse(RuntimeError):
    """Nor may its string be asked for."""

    def __str__(self) -> str:
        raise AssertionError(MARKER)


def raising(error: BaseException) -> Callable[..., Any]:
    def fail(*_args: Any, **_more: Any) -> Any:
        local = MARKER  # noqa: F841 - locals must not be logged either
        try:
            raise KeyError(MARKER)
        except KeyError as first:
            raise error from first

    return fail


@pytest.mark.parametrize("error", [RuntimeError(MARKER), Worse(), asyncio.CancelledError(MARKER), ServerError(MARKER)])
def test_an_exception_stays_inside(
    start: Callable[..., Any],
    log_lines: io.StringIO,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    error: BaseException,
) -> None:
    running = start()
    requests = requests_with("MI")
    broken = ((Linker, "link_timed", 0), (Batcher, "run", 0), (Terminology, "row", 5), (Terminology, "search", 8))
    for place, name, row in broken:
        method, request, _ = requests[row]
        with monkeypatch.context() as patch:
            patch.setattr(place, name, raising(error))
            code = code_of(lambda m=method, r=request: running.raw(m, r.SerializeToString()))
        assert code is grpc.StatusCode.INTERNAL
        assert running.raw(requests[0][0], requests[0][1].SerializeToString())
    lines = [json.loads(line) for line in log_lines.getvalue().splitlines()]
    assert [line["method"] for line in lines] == [requests[row][0] for _, _, row in broken]
    assert all(line["error"] == "builtins.KeyError" for line in lines)
    assert all("test_shield.py" in line["frames"][-1] for line in lines)
    captured = capfd.readouterr()
    assert MARKER not in log_lines.getvalue() + captured.out + captured.err


def test_an_exception_in_a_stream_stays_inside(
    start: Callable[..., Any], log_lines: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = start()
    monkeypatch.setattr(app.ReflectionServicer, "_list_services", raising(RuntimeError(MARKER)))
    stub = app.reflection_pb2_grpc.ServerReflectionStub(running.channel)
    request = app.reflection_pb2.ServerReflectionRequest(list_services="")
    call = lambda: list(stub.ServerReflectionInfo(iter([request]), timeout=10))  # noqa: E731
    assert code_of(call) is grpc.StatusCode.INTERNAL
    assert MARKER not in log_lines.getvalue()


def test_what_nobody_awaits_stays_inside(start: Callable[..., Any], log_lines: io.StringIO) -> None:
    running = start()
    running.loop.call_soon_threadsafe(raising(RuntimeError(MARKER)))
    logging.getLogger("grpc._cython.cygrpc").error("Unexpected %s", MARKER)
    try:
        raise ValueError(MARKER)
    except ValueError:
        logging.getLogger("asyncio").exception("Task exception was never retrieved: %s", MARKER)
    running.run(asyncio.sleep(0.01))
    lines = [json.loads(line) for line in log_lines.getvalue().splitlines()]
    assert {line["error"] for line in lines if "error" in line} == {"builtins.KeyError", "builtins.ValueError"}
    assert {line["library"] for line in lines if "library" in line} == {"grpc._cython.cygrpc", "asyncio"}
    assert MARKER not in log_lines.getvalue()


def test_every_error_of_the_server_has_its_status() -> None:
    """All but a bug, which is INTERNAL because it is in no table."""
    listed = {kind for kind, _ in shield.CODES}
    assert set(ServerError.__subclasses__()) - listed == {LinkingFailed}


def test_a_stream_of_requests_with_one_response_is_refused() -> None:
    handler = grpc.stream_unary_rpc_method_handler(lambda requests, context: None)
    with pytest.raises(TypeError, match="not shielded"):
        shield.shielded(handler, "/a/b", Calls())


def test_calls_of_a_client_that_has_gone_leave_nothing(served: Any, log_lines: io.StringIO) -> None:
    stub = health_pb2_grpc.HealthStub(served.channel)
    watches = [stub.Watch(health_pb2.HealthCheckRequest()) for _ in range(3)]
    for watch in watches:
        next(watch)
        watch.cancel()
    served.run(asyncio.sleep(0.05))
    assert log_lines.getvalue() == ""
