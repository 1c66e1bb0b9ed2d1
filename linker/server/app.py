"""A server from its first breath to its last: bind, load, try, serve, drain.

The public port has LinkingService, TerminologyService, health and reflection. AdminService has a port of its own,
bound to the loopback interface. Both ports answer from the start; until the bundle is open and a canary mention came
back right, health says NOT_SERVING and calls end as UNAVAILABLE.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Sequence
from pathlib import Path

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from grpc_reflection.v1alpha._async import ReflectionServicer

from linker.errors import InvalidInput
from linker.limits import MAX_MESSAGE_BYTES
from linker.server.access import Access
from linker.server.batching import Batcher
from linker.server.calls import Calls
from linker.server.health import Health
from linker.server.logs import log, watch_loop
from linker.server.observers import Observers
from linker.server.services import AdminServicer, LinkingServicer, Lookups, TerminologyServicer
from linker.server.settings import LOOPBACK, Settings
from linker.server.shield import Shield
from linker.server.snapshot import Current, Snapshot, try_canary
from linker.server.tls import server_credentials
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
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
)
LAST_CALLS_S = 0.25


class Server:
    """One server in one event loop. `bind`, then `open`; `stop` ends it."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.current = Current()
        self.batcher = Batcher(
            workers=settings.workers,
            max_batch=settings.max_batch_mentions,
            max_waiting=settings.max_queued_mentions,
        )
        self.observers = Observers(settings)
        access = Access(Tokens(settings.tokens) if settings.tokens else None)
        self._shield = Shield(Calls(access, self.observers.of_calls))
        self._credentials = _credentials(settings)
        self.address = self.admin_address = ""
        self._lookups = Lookups()
        self._health = Health([LINKING, TERMINOLOGY])
        self._linking = LinkingServicer(self.current, self.batcher, self._lookups)
        self._public = self._new_server([LINKING, TERMINOLOGY, HEALTH])
        self._admin = self._new_server([ADMIN])
        linking_service_pb2_grpc.add_LinkingServiceServicer_to_server(self._linking, self._public)
        terminology = TerminologyServicer(self.current, self._lookups)
        terminology_service_pb2_grpc.add_TerminologyServiceServicer_to_server(terminology, self._public)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._public)
        admin = AdminServicer(self.current, self.batcher)
        admin_service_pb2_grpc.add_AdminServiceServicer_to_server(admin, self._admin)

    def _new_server(self, services: Sequence[str]) -> grpc.aio.Server:
        limits = (
            ("grpc.max_metadata_size", self.settings.max_metadata_bytes),
            ("grpc.absolute_max_metadata_size", self.settings.max_metadata_bytes),
            ("grpc.max_concurrent_streams", self.settings.max_concurrent_streams),
        )
        server = grpc.aio.server(interceptors=[self._shield], options=[*OPTIONS, *limits])
        if not self.settings.authenticates:  # what there is to call is nobody's business before they said who they are
            reflection = ReflectionServicer([*services, REFLECTION])
            reflection_pb2_grpc.add_ServerReflectionServicer_to_server(reflection, server)
        return server

    async def bind(self) -> None:
        """Take both ports and begin to answer. Raises `InvalidInput` where a port is not to be had."""
        settings = self.settings
        port = _bind(self._public, settings.host, settings.port, "--port", self._credentials)
        self.address = _address(settings.host, port)
        admin_port = _bind(self._admin, LOOPBACK, settings.admin_port_beside(port), "--admin-port")
        self.admin_address = _address(LOOPBACK, admin_port)
        self.observers.listen()
        await self._public.start()
        await self._admin.start()

    async def open(self, bundle: Path) -> Snapshot:
        """Open the bundle, try it, and serve it. Raises `BundleError` and its kinds."""
        snapshot = await asyncio.get_running_loop().run_in_executor(None, Snapshot.open, bundle)
        await try_canary(snapshot, self._linking.link)
        self.current.serve(snapshot)
        self._health.set_serving()
        return snapshot

    async def stop(self) -> None:
        """Say NOT_SERVING, refuse new calls, give those that have begun `grace_s` to end, and stop."""
        self._health.stop()
        self.current.stop()
        # Calls that gRPC has received and not yet handed over would end as CANCELLED, which clients do not retry.
        # Given a moment, they are handed over, and end as UNAVAILABLE, which they do.
        await asyncio.sleep(min(LAST_CALLS_S, self.settings.grace_s))
        await asyncio.gather(self._public.stop(self.settings.grace_s), self._admin.stop(self.settings.grace_s))
        self._lookups.close()
        self.batcher.close()
        self.observers.close()


def _credentials(settings: Settings) -> grpc.ServerCredentials | None:
    if settings.tls_cert is None or settings.tls_key is None:
        return None
    return server_credentials(settings.tls_cert, settings.tls_key, settings.tls_client_ca)


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


async def run(settings: Settings, bundle: Path, *, ready: Callable[[Server, Snapshot], None]) -> None:
    """Serve `bundle` until SIGTERM or SIGINT. `ready` is called once, when calls are answered.

    Raises `InvalidInput` (a port) or `BundleError`.
    """
    loop = asyncio.get_running_loop()
    watch_loop(loop)
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    server = Server(settings)
    try:
        await server.bind()
        await _open_unless_stopped(server, bundle, stopping, ready)
        await stopping.wait()
        log("stopping", grace_s=settings.grace_s)
    finally:
        await server.stop()
    log("stopped")


async def _open_unless_stopped(
    server: Server, bundle: Path, stopping: asyncio.Event, ready: Callable[[Server, Snapshot], None]
) -> None:
    opening = asyncio.create_task(server.open(bundle))
    stopped = asyncio.create_task(stopping.wait())
    await asyncio.wait({opening, stopped}, return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    if not opening.done():
        opening.cancel()
        return
    snapshot = opening.result()
    log(
        "serving",
        address=server.address,
        admin_address=server.admin_address,
        metrics_address=server.observers.metrics_address,
        bundle_digest=snapshot.provenance.bundle_digest,
        server_version=snapshot.provenance.server_version,
        workers=server.settings.workers,
    )
    ready(server, snapshot)
