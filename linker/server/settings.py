"""What a server is told: options of the command line first, then `LINKER_*` variables, then defaults. Read once."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Mapping

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from linker.errors import InvalidInput

LOOPBACK = "127.0.0.1"


class Settings(BaseSettings):
    """The settings of a server. Frozen, and handed down.

    admin_port: None takes the port after `port`, or a free one where that is free too (0).
    insecure: serve without TLS beyond this machine. grace_s: how long calls may take to end once a stop is asked for.
    """

    model_config = SettingsConfigDict(env_prefix="LINKER_", frozen=True, extra="ignore")

    host: str = LOOPBACK
    port: int = Field(default=50051, ge=0, le=65535)
    admin_port: int | None = Field(default=None, ge=0, le=65535)
    workers: int = Field(default_factory=lambda: os.cpu_count() or 1, ge=1, le=1024)
    insecure: bool = False
    max_queued_mentions: int = Field(default=8192, ge=1)
    max_batch_mentions: int = Field(default=64, ge=1, le=4096)
    grace_s: float = Field(default=20.0, ge=0)

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
        raise InvalidInput(first["msg"], field=f"--{name.replace('_', '-')} (LINKER_{name.upper()})") from None
    if not settings.insecure and not _is_loopback(settings.host):
        message = (
            "is not a loopback address, and this server does not speak TLS yet: put a TLS proxy in front of a loopback "
            "address, or pass --insecure to send and take clinical text unencrypted on this network"
        )
        raise InvalidInput(message, field="--host")
    return settings


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
