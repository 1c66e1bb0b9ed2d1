"""What becomes of a server that is killed, and of a bundle that decays under it."""

from __future__ import annotations

import json
import random
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest

from linker.options import Options
from linker.records import Mention
from linker.server.snapshot import Snapshot
from linker.v1.admin_service_pb2 import ReloadBundleRequest
from linker.v1.linking_service_pb2_grpc import LinkingServiceStub
from linker.wire import link_request

# Channels of one process share connections, and with them the two minutes that one waits after many failures.
IMPATIENT = [("grpc.use_local_subchannel_pool", 1), ("grpc.max_reconnect_backoff_ms", 100)]
REQUEST = link_request([Mention(f"pain {row}") for row in range(20)], Options())


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


@contextmanager
def process(bundle: Path, audit: Path, port: int) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "linker", "serve", "--bundle", str(bundle), "--port", str(port)]
    command += ["--admin-port", "0", "--audit-log", str(audit)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as popen:
        try:
            yield popen
        finally:
            popen.kill()


def is_ready(popen: subprocess.Popen[str]) -> bool:
    """Wait for the line that says so; False where the process ended without it."""
    assert popen.stdout is not None
    return popen.stdout.readline().startswith("Serving on")


def load(address: str, stop: threading.Event, answered: threading.Semaphore) -> None:
    """Call again and again, and count the answers."""
    with grpc.insecure_channel(address, IMPATIENT) as channel:
        while not stop.is_set():
            try:
                LinkingServiceStub(channel).LinkMentions(REQUEST, timeout=5)
                answered.release()
            except grpc.RpcError:
                stop.wait(0.01)


@pytest.mark.parametrize("kills", [3, pytest.param(100, marks=pytest.mark.long)])
def test_killed_at_any_moment_it_is_ready_again(bundle: Path, tmp_path: Path, kills: int) -> None:
    """Under load or while it loads; nothing it leaves behind keeps the next one from its port, bundle or audit log."""
    moments, audit, port = random.Random(9), tmp_path / "audit.jsonl", free_port()
    address, stop, answered = f"127.0.0.1:{port}", threading.Event(), threading.Semaphore(0)
    clients = [threading.Thread(target=load, args=(address, stop, answered)) for _ in range(2)]
    for client in clients:
        client.start()
    try:
        for kill in range(kills):
            with process(bundle, audit, port) as popen:
                if kill % 3 == 0:  # while it loads
                    time.sleep(moments.random() * 2.0)
                else:
                    while answered.acquire(blocking=False):  # by those before it
                        pass
                    assert is_ready(popen), f"not ready after {kill} kills"
                    assert answered.acquire(timeout=60), f"answers nothing after {kill} kills"
                    time.sleep(moments.random() * 0.3)
                popen.send_signal(signal.SIGKILL)
                assert popen.wait(10) == -signal.SIGKILL
        with process(bundle, audit, port) as popen, grpc.insecure_channel(address, IMPATIENT) as channel:
            assert is_ready(popen)
            assert len(LinkingServiceStub(channel).LinkMentions(REQUEST, timeout=60).results) == 20
    finally:
        stop.set()
        for client in clients:
            client.join()
    assert all(json.loads(line)["status"] for line in audit.read_text().splitlines())


def flipped(file: Path, bit: int) -> None:
    with file.open("r+b") as stream:
        stream.seek(bit // 8)
        [byte] = stream.read(1)
        stream.seek(bit // 8)
        stream.write(bytes([byte ^ 1 << bit % 8]))


@pytest.mark.parametrize("flips", [1, pytest.param(30, marks=pytest.mark.long)])
def test_a_flipped_bit_keeps_a_bundle_from_being_served(
    start: Callable[..., Any], bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flips: int
) -> None:
    """In any of its files, its manifest too: a reload is refused, and the bundle served goes on."""
    monkeypatch.undo()  # of `start`, which opens a bundle once for all: here they are opened truly
    copy, bits = tmp_path / "bundle", random.Random(11)
    shutil.copytree(bundle, copy)
    running = start(bundles={"clinic": copy})
    digest = Snapshot.open(bundle, name="clinic").digest
    files = sorted(path for path in bundle.rglob("*") if path.is_file())
    assert len(files) > 10
    for original in files:
        file = copy / original.relative_to(bundle)
        for _ in range(flips):
            bit = bits.randrange(8 * original.stat().st_size)
            # As a new file, so that what is mapped stays as it is; a release is copied into place like that.
            file.unlink()
            shutil.copyfile(original, file)
            flipped(file, bit)
            with pytest.raises(grpc.RpcError) as raised:
                running.admin.ReloadBundle(ReloadBundleRequest(), timeout=60)
            assert raised.value.code() is grpc.StatusCode.FAILED_PRECONDITION, (file, bit)
            assert file.name in raised.value.details() or "manifest" in raised.value.details()
            answer = running.linking.LinkMentions(REQUEST, timeout=60)
            assert answer.provenance.bundle_digest == digest
        file.unlink()
        shutil.copyfile(original, file)
    assert running.admin.ReloadBundle(ReloadBundleRequest(), timeout=60).bundle.digest == digest
