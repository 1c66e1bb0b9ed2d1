"""Options of commands that call a server, with one wording."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from linker.client import TLS, Settings

TOKEN = "LINKER_TOKEN"  # noqa: S105 - where it is, not what it is
DEFAULT_ADDRESS = "127.0.0.1:50051"

_PANEL = "Calling a server"
TlsOption = Annotated[
    bool,
    typer.Option(
        "--tls",
        help="Call over TLS, which the next options imply; without --tls-ca, as your system trusts.",
        rich_help_panel=_PANEL,
    ),
]
CaOption = Annotated[
    Path | None,
    typer.Option("--tls-ca", metavar="FILE", help="Who signed the server's certificate (PEM).", rich_help_panel=_PANEL),
]
CertificateOption = Annotated[
    Path | None,
    typer.Option(
        "--tls-cert",
        metavar="FILE",
        help="Our own certificate, where the server asks for one (PEM).",
        rich_help_panel=_PANEL,
    ),
]
KeyOption = Annotated[
    Path | None, typer.Option("--tls-key", metavar="FILE", help="Its private key (PEM).", rich_help_panel=_PANEL)
]
ServerNameOption = Annotated[
    str,
    typer.Option(
        "--tls-server-name",
        metavar="NAME",
        help="Name in the server's certificate, where that is not the host.",
        rich_help_panel=_PANEL,
    ),
]


def client_settings(
    *, tls: bool, ca: Path | None, certificate: Path | None, key: Path | None, server_name: str
) -> Settings:
    """What the options say. A bearer token is read from the variable LINKER_TOKEN: others see a command line."""
    # gRPC's core writes to standard error by itself what we then tell in one line.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    secure = tls or bool(ca or certificate or key or server_name)
    return Settings(tls=TLS(ca, certificate, key, server_name) if secure else None, token=os.environ.get(TOKEN, ""))
