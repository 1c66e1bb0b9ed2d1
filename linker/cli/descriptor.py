"""`linker descriptor`: the contract of the server, as proxies and gateways read it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
from google.protobuf.descriptor import FileDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health_pb2

from linker.errors import InvalidInput
from linker.v1 import admin_service_pb2, linking_service_pb2, terminology_service_pb2

_FILES = (linking_service_pb2, terminology_service_pb2, admin_service_pb2, health_pb2, status_pb2, error_details_pb2)


def descriptor(
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Where to write it. Default: standard output.")
    ] = None,
) -> None:
    """Write the services and messages of the server as a FileDescriptorSet, with all that they import.

    Envoy's JSON transcoder, grpcurl (-protoset) and the like read it. Made from the code that serves, it is never of
    another version, and needs no protoc.
    """
    data = descriptor_set().SerializeToString()
    if out is None:
        sys.stdout.buffer.write(data)
        return
    try:
        out.write_bytes(data)
    except OSError as error:
        raise InvalidInput(f"{out} cannot be written: {error.strerror}", field="--out") from error


def descriptor_set() -> FileDescriptorSet:
    """The files of the contract, each after those that it imports."""
    files: dict[str, FileDescriptor] = {}

    def add(file: FileDescriptor) -> None:
        for imported in file.dependencies:
            add(imported)
        files.setdefault(file.name, file)

    for module in _FILES:
        add(module.DESCRIPTOR)
    found = FileDescriptorSet()
    for file in files.values():
        file.CopyToProto(found.file.add())
    return found
