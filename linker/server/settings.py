"""What a server is told: options of the command line first, then `LINKER_*` variables, then defaults. Read once."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from linker.detection.choice import Detect
from linker.errors import InvalidInput
from linker.pipeline import CACHED
from linker.rules import SECTIONS

LOOPBACK = "127.0.0.1"


class LogLevel(StrEnum):
    """The least that is logged. DEBUG adds a line for each call; no level adds text of a request."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"


class Settings(BaseSettings):
    """The settings of a server. Frozen, and handed down.

    admin_port: None takes the port after `port`, or a free one where that is free too (0).
    insecure: serve without TLS beyond this machine. grace_s: how long calls may take to end once a stop is asked for.
    tls_cert, tls_key: PEM files, the certificate with its chain; tls_client_ca: clients have to show a certificate
    that one of these authorities signed. tokens: see `linker.server.tokens`. audit_log: see `linker.server.audit`.
    detect, detector: what finds mentions in them, see `linker.detection.choice`; detector: a model in place of ours.
    sections, rules: by which notes are read, see `linker.sections` and `linker.assertion`; rules are beside those that
    are shipped. metrics_port: None serves no metrics. core_dumps: allow them although they hold clinical text.
    max_metadata_bytes: headers of a call; max_concurrent_streams: calls of one connection; max_connections: of
    a port; one more is closed at once.
    max_queued_tokens, max_batch_tokens: see `linker.server.batching`; max_in_flight_batches: of one stream.
    cached_mentions: candidates of so many are remembered, 0 for none; see `linker.pipeline.Linker`.
    default_timeout_s: deadline of calls that come without one. max_connection_age_s: then clients are asked to connect
    anew, so that they spread over servers that were added; calls end where they are. keepalive_time_s,
    keepalive_timeout_s: a connection on which nothing came for so long is pinged, and closed where no answer comes.
    """

    model_config = SettingsConfigDict(env_prefix="LINKER_", frozen=True, extra="ignore")

    host: str = LOOPBACK
    port: int = Field(default=50051, ge=0, le=65535)
    admin_port: int | None = Field(default=None, ge=0, le=65535)
    workers: int = Field(default_factory=lambda: os.cpu_count() or 1, ge=1, le=1024)
    insecure: bool = False
    tls_cert: Path | None = None
    tls_key: Path | None = None
    tls_client_ca: Path | None = None
    tokens: Path | None = None
    audit_log: Path | None = None
    detect: Detect = Detect.BOTH
    detector: Path | None = None
    sections: Path = SECTIONS
    rules: Annotated[tuple[Path, ...], NoDecode] = ()
    metrics_host: str = LOOPBACK
    metrics_port: int | None = Field(default=None, ge=0, le=65535)
    tracing: bool = False
    log_level: LogLevel = LogLevel.INFO
    core_dumps: bool = False
    max_queued_tokens: int = Field(default=131_072, ge=1)
    max_batch_tokens: int = Field(default=128, ge=1, le=65_536)
    max_in_flight_batches: int = Field(default=4, ge=1, le=1024)
    cached_mentions: int = Field(default=CACHED, ge=0)
    default_timeout_s: float = Field(default=60.0, gt=0)
    max_connection_age_s: float = Field(default=1800.0, gt=0)
    keepalive_time_s: float = Field(default=60.0, ge=1)
    keepalive_timeout_s: float = Field(default=20.0, ge=1)
    max_metadata_bytes: int = Field(default=16_384, ge=1024)
    max_concurrent_streams: int = Field(default=256, ge=1)
    max_connections: int = Field(default=1024, ge=1)
    grace_s: float = Field(default=20.0, ge=0)

    @field_validator("rules", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        """Of a variable: several files as PATH has folders."""
        return value.split(os.pathsep) if isinstance(value, str) else value

    @property
    def authenticates(self) -> bool:
        """Whether clients have to say who they are."""
        return self.tokens is not None or self.tls_client_ca is not None

    def admin_port_beside(self, port: int) -> int:
        """The port of AdminService, given the one that `port` became. 0: a free one."""
        if self.admin_port is not None:
            return self.admin_port
        return port + 1 if self.port and port < 65535 else 0


def read_settings(given: Mapping[str, object]) -> Settings:
    """The settings, those `given` (and not None) first. Raises `InvalidInput` naming the option."""
    chosen = {name: value for name, value in given.items() if value is not None}
    try:
        settings = Settings(**chosen)  # type: ignore[arg-type]  # pydantic checks them
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        name = str(first["loc"][0])
        # Some have no option: what is wrong is named as it was given.
        raise InvalidInput(first["msg"], field=_option(name) if name in chosen else _variable(name)) from None
    _check_tls(settings)
    if settings.detector and settings.detect is Detect.NAMES:
        message = "is not asked where names alone are looked for: --detect both, or model"
        raise InvalidInput(message, field=_option("detector"))
    return settings


def _check_tls(settings: Settings) -> None:
    if (settings.tls_cert is None) != (settings.tls_key is None):
        missing = "tls_cert" if settings.tls_cert is None else "tls_key"
        raise InvalidInput("is needed: certificate and key are given together", field=_option(missing))
    if settings.tls_client_ca is not None and settings.tls_cert is None:
        message = "asks for certificates of clients, which needs one of the server: give --tls-cert and --tls-key too"
        raise InvalidInput(message, field=_option("tls_client_ca"))
    if settings.tls_cert is None and not settings.insecure and not is_loopback(settings.host):
        message = (
            "is not a loopback address, and clinical text would cross the network unencrypted: give --tls-cert and "
            "--tls-key (or put a TLS proxy in front of a loopback address), or pass --insecure where the network "
            "itself is trusted"
        )
        raise InvalidInput(message, field="--host")


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address. A name other than `localhost` may resolve to anything."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')} ({_variable(name)})"


def _variable(name: str) -> str:
    return f"LINKER_{name.upper()}"
