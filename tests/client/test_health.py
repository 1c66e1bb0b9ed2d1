"""A client of several servers calls those that say they serve."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from linker.client import LinkerClient
from linker.v1 import linking_service_pb2 as linking
from linker.v1 import linking_service_pb2_grpc


class Counting(linking_service_pb2_grpc.LinkingServiceServicer):
    """Says that nothing fits, and counts."""

    def __init__(self) -> None:
        self.calls = 0

    def LinkMentions(self, request: linking.LinkMentionsRequest, _context: Any) -> linking.LinkMentionsResponse:  # noqa: N802
        self.calls += 1
        results = [{"no_match": {"reason": linking.NIL_REASON_NO_CANDIDATE}} for _ in request.mentions]
        return linking.LinkMentionsResponse(results=results)


@contextmanager
def server(status: int) -> Iterator[tuple[str, Counting]]:
    """A server whose health is `status`: its address, and what counts its calls."""
    counting, checks = Counting(), health.HealthServicer()
    checks.set("", status)
    running = grpc.server(ThreadPoolExecutor(8))
    linking_service_pb2_grpc.add_LinkingServiceServicer_to_server(counting, running)
    health_pb2_grpc.add_HealthServicer_to_server(checks, running)
    port = running.add_insecure_port("127.0.0.1:0")
    running.start()
    yield f"127.0.0.1:{port}", counting
    running.stop(None).wait()


@pytest.fixture
def pair() -> Iterator[tuple[str, Counting, Counting]]:
    with ExitStack() as stack:
        serving, one = stack.enter_context(server(health_pb2.HealthCheckResponse.SERVING))
        draining, other = stack.enter_context(server(health_pb2.HealthCheckResponse.NOT_SERVING))
        yield f"ipv4:{draining},{serving}", one, other


def test_a_server_that_does_not_serve_gets_no_calls(pair: tuple[str, Counting, Counting]) -> None:
    address, serving, draining = pair
    with LinkerClient(address) as client:
        for _ in range(20):
            client.link(["heart attack"])
    assert (serving.calls, draining.calls) == (20, 0)
