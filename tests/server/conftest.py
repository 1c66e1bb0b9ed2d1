"""A real server on loopback, in a thread with an event loop of its own, called by synchronous clients."""

from __future__ import annotations

import asyncio
import io
import logging
import sys
import threading
from collections.abc import Callable, Coroutine, Iterator, Mapping
from pathlib import Path
from typing import Any

import grpc
import pytest
import structlog

from linker.server import app, logs
from linker.server.app import Server
from linker.server.settings import Settings
from linker.server.snapshot import Snapshot
from linker.v1.admin_service_pb2_grpc import AdminServiceStub
from linker.v1.linking_service_pb2_grpc import LinkingServiceStub
from linker.v1.terminology_service_pb2_grpc import TerminologyServiceStub


class Running:
    """A server and clients of it."""

    def __init__(self, settings: Settings, bundles: Mapping[str, Path], *, opened: bool = True) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever)
        self._thread.start()
        logs.watch_loop(self.loop)
        try:
            self.server = self.run(self._started(settings, bundles))
        except BaseException:
            self._stop_loop()
            raise
        if opened:
            self.open()
        self.channel = grpc.insecure_channel(self.server.address)
        self._admin_channel = grpc.insecure_channel(self.server.admin_address)
        self.linking = LinkingServiceStub(self.channel)
        self.terminology = TerminologyServiceStub(self.channel)
        self.admin = AdminServiceStub(self._admin_channel)

    async def _started(self, settings: Settings, bundles: Mapping[str, Path]) -> Server:
        server = Server(settings, bundles)
        await server.bind()
        return server

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(60)

    def open(self) -> None:
        self.run(self.server.open())

    def serve(self, snapshot: Snapshot) -> None:
        """Serve a snapshot as the default bundle, in the place of the one there is."""

        async def swap() -> None:
            self.server.bundles._replace(self.server.bundles.find(""), snapshot)

        self.run(swap())

    def raw(self, method: str, payload: bytes, *, timeout: float = 10) -> bytes:
        """Call a method, of either port, with bytes as they are."""
        channel = self._admin_channel if "Admin" in method else self.channel
        return channel.unary_unary(method)(payload, timeout=timeout)

    def close(self) -> None:
        self.channel.close()
        self._admin_channel.close()
        self.run(self.server.stop())
        self._stop_loop()

    def _stop_loop(self) -> None:
        self.run(self.loop.shutdown_default_executor())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()


def settings(**given: Any) -> Settings:
    return Settings(**{"port": 0, "admin_port": 0, "workers": 2, "grace_s": 5.0, **given})


@pytest.fixture(scope="session")
def snapshot(bundle: Path) -> Snapshot:
    return Snapshot.open(bundle, name="clinic")


@pytest.fixture(scope="session")
def served(bundle: Path) -> Iterator[Running]:
    """One server for all tests that do not change it."""
    running = Running(settings(), {"clinic": bundle})
    yield running
    running.close()


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch, snapshot: Snapshot, bundle: Path) -> Iterator[Callable[..., Running]]:
    """Starts servers of one's own: `start(workers=1)`. `opened=False` leaves the bundles closed."""
    monkeypatch.setattr(Snapshot, "open", lambda _, *, name: snapshot)  # opened once is enough
    monkeypatch.setattr(app, "LAST_ANSWERS_S", 0.0)
    started: list[Running] = []

    def start_one(*, opened: bool = True, bundles: Mapping[str, Path] | None = None, **given: Any) -> Running:
        started.append(Running(settings(**given), bundles or {"clinic": bundle}, opened=opened))
        return started[-1]

    yield start_one
    for running in started:
        running.close()


@pytest.fixture
def log_lines() -> Iterator[io.StringIO]:
    """What the server logs, as it would in a process of its own."""
    root = logging.getLogger()
    saved = root.handlers[:], root.level, sys.excepthook, sys.unraisablehook, threading.excepthook
    stream = io.StringIO()
    logs.configure(stream)
    yield stream
    logging.captureWarnings(capture=False)
    root.handlers[:], root.level, sys.excepthook, sys.unraisablehook, threading.excepthook = saved
    structlog.reset_defaults()
