"""A server from its first breath to its last: bind, load, try, serve, drain.

The public port has LinkingService, TerminologyService, health and reflection. AdminService has a port of its own,
bound to the loopback interface. Both ports answer from the start; until every bundle is open and a canary mention came
back right, health says NOT_SERVING and calls end as UNAVAILABLE.

A process that serves ends by exiting, not by stopping its gRPC servers. What gRPC has received and not yet handed over
when a server is stopped ends as CANCELLED, and under load there is always something; clients do not retry that, as it
could be their own doing. The same calls end as UNAVAILABLE when their connection closes, and that they do retry.
"""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib.metadata import version
from pathlib import Path

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from grpc_reflection.v1alpha._async import ReflectionServicer

from linker.assertion import Triggers
from linker.detection.choice import Detect
from linker.detection.tagger import OnnxTagger
from linker.errors import InvalidInput
from linker.limits import MAX_MESSAGE_BYTES
from linker.rules import TRIGGERS
from linker.sections import Headers
from linker.server.access import Access
from linker.server.admin import AdminServicer
from linker.server.batching import Batcher
from linker.server.bundles import Bundles
from linker.server.calls import Calls
from linker.server.draining import InProgress
from linker.server.health import Health
from linker.server.linking import LinkingServicer
from linker.server.logs import log, watch_loop
from linker.server.lookups import Lookups
from linker.server.reading import TerminologyServicer
from linker.server.settings import LOOPBACK, Settings
from linker.server.shield import Shield
from linker.server.snapshot import Snapshot
from linker.server.telemetry import Telemetry
from linker.server.tls import Certificates
from linker.server.tokens import Tokens
from linker.v1 import (
    admin_service_pb2,
    admin_service_pb2_grpc,
    linking_service_pb2,
    linking_service_pb2_grpc,
    terminology_service_pb2,
    terminology_service_pb2_grpc,
)

LINKING = linking_service_pb2.DESCRIPTOR.services_by_name["LinkingService"].full_name
TERMINOLOGY = terminology_service_pb2.DESCRIPTOR.services_by_name["TerminologyService"].full_name
ADMIN = admin_service_pb2.DESCRIPTOR.services_by_name["AdminService"].full_name
HEALTH = health_pb2.DESCRIPTOR.services_by_name["Health"].full_name
REFLECTION = reflection_pb2.DESCRIPTOR.services_by_name["ServerReflection"].full_name

OPTIONS = (
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ("grpc.so_reuseport", 0),  # two servers on one port would share its calls between two bundles
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
    ("grpc.server_handshake_timeout_ms", 10_000),  # a connection that says nothing holds its place no longer
)
# How long a thread may keep Python to itself while another waits, in seconds. The event loop and gRPC's own thread ask
# for it several times a call: at Python's 5 ms they wait longer behind busy workers than their work takes.
SWITCH_S = 0.0005
LAST_ANSWERS_S = 0.1  # for gRPC to send what the last calls were answered


class Server:
    """One server in one event loop. `bind`, then `open`; `drain` ends its work, and `stop` all of it."""

    def __init__(self, settings: Settings, bundles: Mapping[str, Path]) -> None:
        """bundles: by the names that calls choose them by; the first is the default.

        Raises `InvalidInput` where a file of rules is not as it should be.
        """
        self.settings = settings
        self.telemetry = Telemetry(settings)
        opener = partial(
            Snapshot.open,
            cached=settings.cached_mentions,
            detect=settings.detect,
            tagger=OnnxTagger(settings.detector) if settings.detector else None,
            headers=Headers(settings.sections),
            triggers=Triggers([*TRIGGERS, *settings.rules]),
        )
        self.bundles = Bundles(bundles, opener=opener, tell=self.telemetry.metrics.show_bundles)
        self.batcher = Batcher(
            workers=settings.workers,
            max_batch=settings.max_batch_tokens,
            max_queued=settings.max_queued_tokens,
            observer=self.telemetry.metrics,
        )
        self.telemetry.metrics.watch_queue(lambda: self.batcher.queued, settings.max_queued_tokens)
        self._in_progress = InProgress()
        access = Access(Tokens(settings.tokens) if settings.tokens else None)
        self._calls = Calls(access, (self._in_progress, *self.telemetry.of_calls))
        self._certificates = _certificates(settings)
        if certificates := self._certificates:
            self.telemetry.metrics.watch_certificate(lambda: certificates.expires)
        self.address = self.admin_address = ""
        self._lookups = Lookups()
        self._health = Health([LINKING, TERMINOLOGY])
        self._public = self._new_server([LINKING, TERMINOLOGY, HEALTH])
        self._admin = self._new_server([ADMIN])
        self._add_services()

    def _add_services(self) -> None:
        settings, timeout_s = self.settings, self.settings.default_timeout_s
        linking = LinkingServicer(
            self.bundles,
            self.batcher,
            self._lookups,
            in_flight=settings.max_in_flight_batches,
            timeout_s=timeout_s,
            tagged=settings.detect is not Detect.NAMES,
        )
        terminology = TerminologyServicer(self.bundles, self.batcher, self._lookups, timeout_s=timeout_s)
        admin = AdminServicer(self.bundles, self.batcher, settings)
        linking_service_pb2_grpc.add_LinkingServiceServicer_to_server(linking, self._public)
        terminology_service_pb2_grpc.add_TerminologyServiceServicer_to_server(terminology, self._public)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._public)
        admin_service_pb2_grpc.add_AdminServiceServicer_to_server(admin, self._admin)

    def _new_server(self, services: Sequence[str]) -> grpc.aio.Server:
        limits = (
            ("grpc.max_metadata_size", self.settings.max_metadata_bytes),
            ("grpc.absolute_max_metadata_size", self.settings.max_metadata_bytes),
            ("grpc.max_concurrent_streams", self.settings.max_concurrent_streams),
            ("grpc.max_allowed_incoming_connections", self.settings.max_connections),
        )
        options = (*OPTIONS, *limits, *_connection_options(self.settings))
        server = grpc.aio.server(interceptors=[Shield(self._calls)], options=options)
        if not self.settings.authenticates:  # what there is to call is nobody's business before they said who they are
            reflection = ReflectionServicer([*services, REFLECTION])
            reflection_pb2_grpc.add_ServerReflectionServicer_to_server(reflection, server)
        return server

    async def bind(self) -> None:
        """Take both ports and begin to answer. Raises `InvalidInput` where a port is not to be had."""
        settings = self.settings
        credentials = self._certificates.credentials if self._certificates else None
        port = _bind(self._public, settings.host, settings.port, "--port", credentials)
        self.address = _address(settings.host, port)
        admin_port = _bind(self._admin, LOOPBACK, settings.admin_port_beside(port), "--admin-port")
        self.admin_address = _address(LOOPBACK, admin_port)
        self.telemetry.listen()
        await self._public.start()
        await self._admin.start()

    async def open(self) -> None:
        """Open the bundles, try them, and serve them. Raises `BundleError` and its kinds."""
        await self.bundles.open()
        self._health.set_serving()

    async def drain(self) -> None:
        """Say NOT_SERVING, refuse new calls as UNAVAILABLE, and wait `grace_s` at most for those that have begun."""
        self._health.stop()
        self.bundles.stop()
        if not await self._in_progress.drained(self.settings.grace_s):
            log("calls were still in progress", grace_s=self.settings.grace_s)
        await asyncio.sleep(LAST_ANSWERS_S)

    async def stop(self) -> None:
        """Drain, and end every call that there still is."""
        await self.drain()
        await asyncio.gather(self._public.stop(None), self._admin.stop(None))
        self._lookups.close()
        self.batcher.close()
        self.telemetry.close()
        gc.unfreeze()  # what `Bundles` froze: the process may go on without a server


def _connection_options(settings: Settings) -> Sequence[tuple[str, int]]:
    return (
        ("grpc.keepalive_time_ms", round(1000 * settings.keepalive_time_s)),
        ("grpc.keepalive_timeout_ms", round(1000 * settings.keepalive_timeout_s)),
        ("grpc.max_connection_age_ms", round(1000 * settings.max_connection_age_s)),
    )


def _certificates(settings: Settings) -> Certificates | None:
    if settings.tls_cert is None or settings.tls_key is None:
        return None
    return Certificates(settings.tls_cert, settings.tls_key, settings.tls_client_ca)


def _bind(
    server: grpc.aio.Server, host: str, port: int, option: str, credentials: grpc.ServerCredentials | None = None
) -> int:
    address = _address(host, port)
    try:
        return int(server.add_secure_port(address, credentials) if credentials else server.add_insecure_port(address))
    except RuntimeError:  # gRPC does not say which of the reasons it was
        message = f"cannot listen on {address}: the port is in use, or the address is not one of this machine"
        raise InvalidInput(message, field=option) from None


def _address(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


async def run(settings: Settings, bundles: Mapping[str, Path], *, ready: Callable[[Server], None]) -> None:
    """Serve `bundles` until SIGTERM or SIGINT, drain, and end the process with 0; a second signal ends it at once.

    `ready` is called once, when calls are answered. Raises `InvalidInput` (a port) or `BundleError`.
    """
    sys.setswitchinterval(SWITCH_S)
    loop = asyncio.get_running_loop()
    watch_loop(loop)
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, _stop, stopping, number)
    server = Server(settings, bundles)
    try:
        await server.bind()
        await _open_unless_stopped(server, stopping, ready)
    except BaseException:
        await server.stop()
        raise
    await stopping.wait()
    log("stopping", grace_s=settings.grace_s)
    await server.drain()
    server.telemetry.close()
    log("stopped")
    _exit(0)


def _stop(stopping: asyncio.Event, number: signal.Signals) -> None:
    if stopping.is_set():
        log("stopped at once")
        _exit(128 + number)
    stopping.set()


def _exit(code: int) -> None:
    """End the process, and with it its connections: see the module."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


async def _open_unless_stopped(server: Server, stopping: asyncio.Event, ready: Callable[[Server], None]) -> None:
    opening = asyncio.create_task(server.open())
    stopped = asyncio.create_task(stopping.wait())
    await asyncio.wait({opening, stopped}, return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    if not opening.done():
        opening.cancel()
        return
    opening.result()
    for served in server.bundles.all:
        log("bundle opened", bundle=served.name, bundle_digest=server.bundles.get(served.name).digest)
    log(
        "serving",
        address=server.address,
        admin_address=server.admin_address,
        metrics_address=server.telemetry.metrics_address,
        server_version=version("medlinker"),
        workers=server.settings.workers,
    )
    ready(server)
