"""`linker health` against real health services."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest
import trustme
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from linker.cli import main

SERVING, NOT_SERVING = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING


@pytest.fixture
def probe(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["linker", "health", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            main()
        out, err = capsys.readouterr()
        return int(stop.value.code or 0), out, re.sub(r"\x1b\[[0-9;]*m", "", err)

    return call


@pytest.fixture
def serve() -> Iterator[Callable[..., str]]:
    """Starts servers with a health service (unless `statuses` is None), and gives their addresses."""
    servers = []

    def start(statuses: dict[str, int] | None, credentials: grpc.ServerCredentials | None = None) -> str:
        server = grpc.server(ThreadPoolExecutor(2))
        if statuses is not None:
            servicer = health.HealthServicer()
            for service, status in statuses.items():
                servicer.set(service, status)
            health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
        add = server.add_insecure_port if credentials is None else lambda a: server.add_secure_port(a, credentials)
        port = add("127.0.0.1:0")
        server.start()
        servers.append(server)
        return f"127.0.0.1:{port}"

    yield start
    for server in servers:
        server.stop(0).wait()


def test_ready(probe: Any, serve: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    address = serve({"": SERVING, "linker.v1.LinkingService": NOT_SERVING})
    assert probe(address) == (0, "status: SERVING\n", "")
    monkeypatch.setenv("LINKER_ADDRESS", address)
    assert probe()[0] == 0


def test_not_ready(probe: Any, serve: Any) -> None:
    address = serve({"": SERVING, "linker.v1.LinkingService": NOT_SERVING})
    assert probe(address, "--service", "linker.v1.LinkingService") == (4, "", "status: NOT_SERVING\n")


def test_calls_that_fail(probe: Any, serve: Any) -> None:
    code, _, err = probe(serve({"": SERVING}), "--service", "nope")
    assert (code, "NOT_FOUND: the server has no service of this name" in err) == (3, True)
    code, _, err = probe(serve(None))
    assert (code, "does not speak grpc.health.v1.Health" in err) == (3, True)


def test_no_connection(probe: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:  # takes connections, and never says a word
        for port in (deaf.getsockname()[1], 1):
            code, _, err = probe(f"127.0.0.1:{port}", "--timeout", 0.5)
            assert (code, f"cannot connect to 127.0.0.1:{port} within 0.5 s" in err) == (2, True)


def test_tls(probe: Any, serve: Any, tmp_path: Any) -> None:
    authority = trustme.CA()
    issued = authority.issue_cert("linker.example")
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    issued.private_key_pem.write_to_path(tmp_path / "key.pem")
    issued.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    pair = [(issued.private_key_pem.bytes(), issued.cert_chain_pems[0].bytes())]
    ours = grpc.ssl_server_credentials(pair, authority.cert_pem.bytes(), require_client_auth=True)
    address = serve({"": SERVING}, ours)
    trusted = ("--tls-ca", tmp_path / "ca.pem", "--tls-server-name", "linker.example")
    certified = ("--tls-cert", tmp_path / "cert.pem", "--tls-key", tmp_path / "key.pem")
    assert probe(address, *trusted, *certified)[0] == 0
    for without in ((), ("--tls",), trusted):
        assert probe(address, *without, "--timeout", 1)[0] in (2, 3)
    code, _, err = probe(address, "--tls-ca", tmp_path / "none.pem")
    assert (code, "tls.ca" in err) == (2, True)


def test_a_probe_imports_no_engine() -> None:
    code = (
        "import sys\n"
        "from linker.cli import app\n"
        "sys.argv = ['linker', 'health', '127.0.0.1:1', '--timeout', '0.01']\n"
        "try: app()\n"
        "except SystemExit as stop: assert stop.code == 2, stop.code\n"
        "unwanted = {'faiss', 'onnxruntime', 'pyarrow', 'tokenizers'} & set(sys.modules)\n"
        "assert not unwanted, unwanted"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
