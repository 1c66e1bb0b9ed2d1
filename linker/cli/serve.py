"""`linker serve`: the gRPC server."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Annotated

import typer

from linker.bundles import DEFAULT, bundle_path
from linker.cli.shared import BundleOption

if TYPE_CHECKING:  # gRPC takes a third of a second to import, which the other commands do not need
    from linker.server.app import Server
    from linker.server.snapshot import Snapshot

Port = Annotated[int | None, typer.Option(min=0, max=65535, help="Port; 0 takes a free one. Default: 50051.")]
AdminPort = Annotated[
    int | None,
    typer.Option(
        min=0, max=65535, help="Port of AdminService, on the loopback interface. Default: the one after --port."
    ),
]


def serve(
    bundle: BundleOption = DEFAULT,
    host: Annotated[str | None, typer.Option(help="Address to listen on. Default: 127.0.0.1.")] = None,
    port: Port = None,
    admin_port: AdminPort = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Batches linked side by side. Default: one a core.")
    ] = None,
    insecure: Annotated[
        bool, typer.Option("--insecure", help="Listen on another address than loopback although there is no TLS yet.")
    ] = False,
) -> None:
    """Serve a bundle over gRPC, until SIGTERM or Ctrl-C.

    Prints one line to standard output when it is ready. Logs go to standard error and hold no text of any request.
    Each option can also be set as LINKER_HOST, LINKER_PORT and so on.
    """
    # gRPC's core writes to standard error by itself, and what it quotes is beyond the reach of our log rules.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    from linker.server.app import run
    from linker.server.logs import configure
    from linker.server.settings import read_settings

    given = {"host": host, "port": port, "admin_port": admin_port, "workers": workers, "insecure": insecure or None}
    settings = read_settings(given)
    path = bundle_path(bundle)
    configure()
    asyncio.run(run(settings, path, ready=_say_ready))


def _say_ready(server: Server, snapshot: Snapshot) -> None:
    counts = snapshot.linker.bundle.manifest.counts
    what = (
        f"{counts['concepts']:,} concepts, {counts['names']:,} names, bundle {snapshot.provenance.bundle_digest[:12]}"
    )
    typer.echo(
        f"Serving on {server.address} (admin on {server.admin_address}): {what}, {server.settings.workers} workers"
    )
