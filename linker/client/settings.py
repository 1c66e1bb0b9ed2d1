"""What a client is told: where the server is, how to reach it, and how much to ask of it at a time."""

from __future__ import annotations

import ipaddress
import json
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

import grpc

from linker import limits
from linker.errors import InvalidInput

# A server that is gone or draining is tried again, at another address where there are several (gRFC A6). Streams and
# RESOURCE_EXHAUSTED are not here: `core` sends batches again itself, and when to do so is in the server's answer.
SERVICE_CONFIG = {
    "loadBalancingConfig": [{"round_robin": {}}],
    # A server that stops says so in its health, and gets no calls from then on (gRFC A17): it keeps its connections
    # while it drains, and retries alone would meet it again.
    "healthCheckConfig": {"serviceName": ""},
    "methodConfig": [
        {
            "name": [
                {"service": "linker.v1.LinkingService", "method": "LinkMentions"},
                {"service": "linker.v1.LinkingService", "method": "AnnotateDocuments"},
                {"service": "linker.v1.TerminologyService"},
            ],
            "retryPolicy": {
                "maxAttempts": 5,
                "initialBackoff": "0.1s",
                "maxBackoff": "2s",
                "backoffMultiplier": 2,
                "retryableStatusCodes": ["UNAVAILABLE"],
            },
        }
    ],
    "retryThrottling": {"maxTokens": 100, "tokenRatio": 0.1},
}


@dataclass(frozen=True, slots=True)
class TLS:
    """Files in PEM. ca: who may have signed the server's certificate; None takes gRPC's own list of authorities.

    certificate, key: the client's own, for servers that ask for one. server_name: expected in the server's certificate
    where that is not the host of the address.
    """

    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    server_name: str = ""

    def credentials(self) -> grpc.ChannelCredentials:
        """As gRPC takes them. Raises `InvalidInput` naming the file."""
        if (self.certificate is None) != (self.key is None):
            raise InvalidInput("certificate and key are given together; one is missing", field="tls")
        return grpc.ssl_channel_credentials(_read(self.ca, "tls.ca"), _read(self.key, "tls.key"), self._certificate())

    def _certificate(self) -> bytes | None:
        return _read(self.certificate, "tls.certificate")


def _read(path: Path | None, name: str) -> bytes | None:
    try:
        return path.read_bytes() if path else None
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read: {error.strerror}", field=name) from error


@dataclass(frozen=True, slots=True)
class Settings:
    """How a client calls a server.

    tls: None calls without. token: sent as a bearer token; over plain text only to this machine.
    bundle: which of the server's to use, "" its default; bundle_digest: calls fail unless it has this digest.
    timeout_s: for each request, its retries included. batch_size: mentions in a request, 1 to 1,024;
    batch_characters: of notes in a request, where a longer note has one to itself. in_flight: requests that wait for an
    answer at a time.
    """

    tls: TLS | None = None
    token: str = field(default="", repr=False)
    bundle: str = ""
    bundle_digest: str = ""
    timeout_s: float = 30.0
    batch_size: int = 256
    batch_characters: int = 50_000
    in_flight: int = 4

    def check(self, address: str) -> None:
        """Raise `InvalidInput` where a value is out of its range, or would send a token in plain text."""
        if not 1 <= self.batch_size <= limits.MAX_MENTIONS:
            raise InvalidInput(f"expected 1 to {limits.MAX_MENTIONS}, got {self.batch_size}", field="batch_size")
        for field_, value in (("batch_characters", self.batch_characters), ("in_flight", self.in_flight)):
            if value < 1:
                raise InvalidInput(f"expected 1 or more, got {value}", field=field_)
        if not self.timeout_s > 0:
            raise InvalidInput(f"expected more than 0 seconds, got {self.timeout_s}", field="timeout_s")
        if self.token and not (self.token.isascii() and self.token.isprintable()):
            raise InvalidInput("expected printable ASCII", field="token")
        if self.token and self.tls is None and not _on_this_machine(address):
            raise InvalidInput("would cross the network in plain text; set tls", field="token")

    @property
    def metadata(self) -> tuple[tuple[str, str], ...]:
        """What goes with each call."""
        return (("authorization", f"Bearer {self.token}"),) if self.token else ()

    @property
    def channel_options(self) -> tuple[tuple[str, str | int], ...]:
        """As gRPC takes them."""
        options: list[tuple[str, str | int]] = [
            ("grpc.service_config", json.dumps(SERVICE_CONFIG)),
            ("grpc.enable_retries", 1),
            ("grpc.max_receive_message_length", limits.MAX_MESSAGE_BYTES),
            ("grpc.primary_user_agent", f"medlinker/{version('medlinker')}"),
            # By default a server that was away is tried ever more rarely, up to two minutes apart: in a rolling restart
            # it has to be found again before the next one goes.
            ("grpc.initial_reconnect_backoff_ms", 100),
            ("grpc.max_reconnect_backoff_ms", 1_000),
            ("grpc.keepalive_time_ms", 60_000),
            ("grpc.keepalive_timeout_ms", 20_000),
        ]
        if self.tls is not None and self.tls.server_name:
            options.append(("grpc.ssl_target_name_override", self.tls.server_name))
        return tuple(options)


def _on_this_machine(address: str) -> bool:
    if address.startswith(("unix:", "unix-abstract:")):
        return True
    host = address.rpartition("/")[2].rpartition(":")[0].strip("[]")
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


DEFAULTS = Settings()
