"""`linker health`: a probe, with the exit codes of grpc_health_probe."""

from __future__ import annotations

from typing import Annotated

import grpc
import typer
from grpc_health.v1 import health_pb2, health_pb2_grpc

from linker.cli.remote import (
    DEFAULT_ADDRESS,
    CaOption,
    CertificateOption,
    KeyOption,
    ServerNameOption,
    TlsOption,
    client_settings,
)
from linker.client.channels import blocking_channel
from linker.console import stderr

CANNOT_CONNECT, CALL_FAILED, UNHEALTHY = 2, 3, 4
_WHY = {
    grpc.StatusCode.UNIMPLEMENTED: "what answers there does not speak grpc.health.v1.Health",
    grpc.StatusCode.NOT_FOUND: "the server has no service of this name",
    grpc.StatusCode.DEADLINE_EXCEEDED: "no answer in time",
}


def health(
    address: Annotated[str, typer.Argument(metavar="[ADDRESS]", envvar="LINKER_ADDRESS")] = DEFAULT_ADDRESS,
    service: Annotated[
        str, typer.Option(help="One service, for example linker.v1.LinkingService. Default: the server.")
    ] = "",
    timeout: Annotated[float, typer.Option(min=0.001, help="Seconds to connect, and to answer.")] = 5.0,
    tls: TlsOption = False,
    tls_ca: CaOption = None,
    tls_cert: CertificateOption = None,
    tls_key: KeyOption = None,
    tls_server_name: ServerNameOption = "",
) -> None:
    """Ask a server whether it is ready to answer, for a container's health check or a script.

    Prints `status: SERVING` and ends with 0. Else says on standard error what is wrong, and ends with 2 where it cannot
    connect (or with bad usage), 3 where the call fails, and 4 where the server says that it is not ready.
    """
    settings = client_settings(tls=tls, ca=tls_ca, certificate=tls_cert, key=tls_key, server_name=tls_server_name)
    with blocking_channel(address, settings) as channel:
        try:
            grpc.channel_ready_future(channel).result(timeout)
        except grpc.FutureTimeoutError:
            hint = "is it running, and is it this port?" if settings.tls else "does it listen there, without TLS?"
            _fail(CANNOT_CONNECT, f"cannot connect to {address} within {timeout:g} s; {hint}")
        try:
            response = health_pb2_grpc.HealthStub(channel).Check(
                health_pb2.HealthCheckRequest(service=service), timeout=timeout
            )
        except grpc.RpcError as error:
            _fail(CALL_FAILED, f"{error.code().name}: {_WHY.get(error.code(), error.details())}")
    status = health_pb2.HealthCheckResponse.ServingStatus.Name(response.status)
    if response.status != health_pb2.HealthCheckResponse.SERVING:
        _fail(UNHEALTHY, f"status: {status}")
    typer.echo(f"status: {status}")


def _fail(code: int, message: str) -> None:
    stderr.print(message, markup=False, soft_wrap=True)
    raise typer.Exit(code)
