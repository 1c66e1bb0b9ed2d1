"""grpc.health.v1: whether the server, and each of its services, is ready.

Not the servicer of grpcio-health-checking: there a watcher who leaves takes the other watchers' notifications away,
and an open watch keeps a server from draining.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from linker.errors import NotFound

_Response = health_pb2.HealthCheckResponse


class Health(health_pb2_grpc.HealthServicer):
    """One status for all services; NOT_SERVING at first. Watches end when the server stops."""

    def __init__(self, services: Iterable[str]) -> None:
        self._services = frozenset(["", *services])
        self._status = _Response.NOT_SERVING
        self._stopping = False
        self._changed = asyncio.Event()

    def set_serving(self) -> None:
        """Say SERVING from now on."""
        self._change(_Response.SERVING)

    def stop(self) -> None:
        """Say NOT_SERVING from now on, and end every watch."""
        self._stopping = True
        self._change(_Response.NOT_SERVING)

    def _change(self, status: int) -> None:
        self._status = status
        self._changed.set()
        self._changed = asyncio.Event()

    async def Check(  # noqa: N802 - the method's name in its proto
        self, request: health_pb2.HealthCheckRequest, _context: grpc.aio.ServicerContext
    ) -> health_pb2.HealthCheckResponse:
        """The status now."""
        if request.service not in self._services:
            raise NotFound("no such service on this server")
        return _Response(status=self._status)

    async def Watch(  # noqa: N802 - the method's name in its proto
        self, request: health_pb2.HealthCheckRequest, _context: grpc.aio.ServicerContext
    ) -> AsyncIterator[health_pb2.HealthCheckResponse]:
        """The status now, and each time it changes."""
        known = request.service in self._services
        last = None
        while True:
            changed, stopping = self._changed, self._stopping
            status = self._status if known else _Response.SERVICE_UNKNOWN
            if status != last:
                yield _Response(status=status)
                last = status
            if stopping:
                return
            await changed.wait()
