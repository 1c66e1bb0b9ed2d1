"""`linker serve`: the gRPC server."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from linker.bundles import DEFAULT, bundle_path
from linker.cli.shared import DetectOption, DetectorOption, RulesOption, SectionsOption
from linker.errors import InvalidInput

if TYPE_CHECKING:  # gRPC takes a third of a second to import, which the other commands do not need
    from linker.server.app import Server

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
BundlesOption = Annotated[
    list[str] | None,
    typer.Option(
        "--bundle",
        "-b",
        envvar="LINKER_BUNDLE",
        metavar="[NAME=]BUNDLE",
        help="A directory made by `linker build`, or `starter`, the default. May be given again: calls choose one by "
        "its NAME (else the directory's), and get the first where they choose none.",
    ),
]
_SECURITY, _WATCHING = "Security", "Logs, metrics, traces"
Port = Annotated[int | None, typer.Option(min=0, max=65535, help="Port; 0 takes a free one. Default: 50051.")]
AdminPort = Annotated[
    int | None,
    typer.Option(
        min=0, max=65535, help="Port of AdminService, on the loopback interface. Default: the one after --port."
    ),
]


def _file(text: str, *, panel: str) -> typer.models.OptionInfo:
    option: typer.models.OptionInfo = typer.Option(help=text, metavar="FILE", rich_help_panel=panel)
    return option


def serve(  # noqa: PLR0913, PLR0917 - a command line has as many options as it has
    bundle: BundlesOption = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on. Default: 127.0.0.1.")] = None,
    port: Port = None,
    admin_port: AdminPort = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Batches linked side by side. Default: one a core.")
    ] = None,
    detect: DetectOption = None,
    detector: DetectorOption = None,
    sections: SectionsOption = None,
    rules: RulesOption = None,
    tls_cert: Annotated[
        Path | None,
        _file(
            "Serve over TLS with this certificate (PEM, with its chain). Read again when it changes.", panel=_SECURITY
        ),
    ] = None,
    tls_key: Annotated[
        Path | None, _file("The certificate's private key (PEM, no passphrase).", panel=_SECURITY)
    ] = None,
    tls_client_ca: Annotated[
        Path | None,
        _file("Answer only clients with a certificate of one of these authorities (PEM).", panel=_SECURITY),
    ] = None,
    tokens: Annotated[
        Path | None,
        _file("Answer only calls with a bearer token of this file; `linker token new` makes one.", panel=_SECURITY),
    ] = None,
    insecure: Annotated[
        bool,
        typer.Option(
            "--insecure", help="Listen without TLS on another address than loopback.", rich_help_panel=_SECURITY
        ),
    ] = False,
    core_dumps: Annotated[
        bool,
        typer.Option("--core-dumps", help="Allow core dumps, which hold clinical text.", rich_help_panel=_SECURITY),
    ] = False,
    audit_log: Annotated[
        Path | None,
        _file("Append a JSON line for each call, without text: who, what, when, how it ended.", panel=_WATCHING),
    ] = None,
    log_level: Annotated[
        str | None,
        typer.Option(help="debug, info or warning; debug adds a line for each call.", rich_help_panel=_WATCHING),
    ] = None,
    metrics_port: Annotated[
        int | None,
        typer.Option(
            min=0, max=65535, help="Serve Prometheus metrics on this port. Default: none.", rich_help_panel=_WATCHING
        ),
    ] = None,
    metrics_host: Annotated[
        str | None,
        typer.Option(help="Address to serve metrics on. Default: 127.0.0.1.", rich_help_panel=_WATCHING),
    ] = None,
    tracing: Annotated[
        bool,
        typer.Option(
            "--tracing",
            help="Send OpenTelemetry spans to where OTEL_EXPORTER_OTLP_ENDPOINT says; needs medlinker\\[otel].",
            rich_help_panel=_WATCHING,
        ),
    ] = False,
) -> None:
    """Serve a bundle over gRPC, until SIGTERM or Ctrl-C.

    Prints one line to standard output when it is ready. Logs go to standard error and hold no text of any request.
    Each option can also be set as LINKER_HOST, LINKER_PORT and so on. Notes are read by --sections and --rules as
    `linker annotate` reads them.
    """
    # gRPC's core writes to standard error by itself, and what it quotes is beyond the reach of our log rules.
    os.environ["GRPC_VERBOSITY"] = "NONE"
    os.environ.pop("GRPC_TRACE", None)
    from linker.server.app import run
    from linker.server.dumps import forbid_core_dumps
    from linker.server.logs import configure
    from linker.server.settings import read_settings

    given = {
        "host": host,
        "port": port,
        "admin_port": admin_port,
        "workers": workers,
        "detect": detect,
        "detector": detector,
        "sections": sections,
        "rules": rules or None,
        "tls_cert": tls_cert,
        "tls_key": tls_key,
        "tls_client_ca": tls_client_ca,
        "tokens": tokens,
        "insecure": insecure or None,
        "core_dumps": core_dumps or None,
        "audit_log": audit_log,
        "log_level": log_level,
        "metrics_port": metrics_port,
        "metrics_host": metrics_host,
        "tracing": tracing or None,
    }
    settings = read_settings(given)
    if not settings.core_dumps:
        forbid_core_dumps()
    paths = bundle_paths(bundle or [DEFAULT])
    configure(level=settings.log_level)
    asyncio.run(run(settings, paths, ready=_say_ready))


def bundle_paths(given: Sequence[str]) -> dict[str, Path]:
    """The directories of bundles by name, each given as BUNDLE or NAME=BUNDLE. Raises `InvalidInput`, `BundleError`."""
    paths: dict[str, Path] = {}
    for text in given:
        name, _, bundle = ("", "", text) if Path(text).exists() else text.rpartition("=")
        path = bundle_path(bundle)
        name = name or (bundle if bundle == DEFAULT else path.resolve().name)
        if not _NAME.fullmatch(name):
            message = f"expected a name of 1 to 64 letters, digits, '_', '.' and '-', got {name!r}: give NAME=BUNDLE"
            raise InvalidInput(message, field="--bundle")
        if name in paths:
            raise InvalidInput(f"two bundles are called {name!r}; give NAME=BUNDLE", field="--bundle")
        paths[name] = path
    return paths


def _say_ready(server: Server) -> None:
    typer.echo(
        f"Serving on {server.address} (admin on {server.admin_address}): "
        f"{'; '.join(_described(served.name, server) for served in server.bundles.all)}; "
        f"{server.settings.workers} workers"
    )


def _described(name: str, server: Server) -> str:
    bundle = server.bundles.get(name).linker.bundle
    counts = bundle.manifest.counts
    return f"{name}, {counts['concepts']:,} concepts, {counts['names']:,} names, bundle {bundle.digest[:12]}"
