"""TLS and mutual TLS whose certificates can be replaced while the server runs.

gRPC asks for credentials at every handshake, so a new certificate is shown from the next connection on; connections
that are open keep the one they began with. A pair that does not fit, or is half written, leaves the old one in use.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic, time

import grpc
from cryptography import x509

from linker.errors import InvalidInput
from linker.server.logs import log_problem
from linker.server.watched import Watched

NEAR_S = 14 * 86_400.0  # before a certificate expires, a warning is logged
_DAY_S = 86_400.0


@dataclass(frozen=True, slots=True)
class _Read:
    """The files as gRPC takes them. expires: seconds since the epoch, of the server's certificate."""

    shown: grpc.ServerCertificateConfiguration
    expires: float


class Certificates:
    """What a server shows of itself and asks of its clients, read again when the files change."""

    def __init__(self, certificate: Path, key: Path, client_ca: Path | None) -> None:
        """PEM files. With `client_ca`, a client without a certificate of one of these gets no connection.

        Raises `InvalidInput` naming the option whose file cannot be used.
        """
        self._path = certificate
        self._asks = client_ca is not None
        paths = [path for path in (certificate, key, client_ca) if path is not None]
        self._files = Watched(paths, lambda: _read(certificate, key, client_ca), what="certificates", every_s=0.0)
        self._now = self._files.get()
        self._warned = float("-inf")
        self._warn()

    @property
    def expires(self) -> float:
        """Seconds since the epoch at which the certificate expires that the next client is shown."""
        return self._files.get().expires

    @property
    def credentials(self) -> grpc.ServerCredentials:
        """As gRPC takes them; it asks for a change with every connection."""
        return grpc.dynamic_ssl_server_credentials(
            self._now.shown, self._changed, require_client_authentication=self._asks
        )

    def _changed(self) -> grpc.ServerCertificateConfiguration | None:
        before, self._now = self._now, self._files.get()
        self._warn()
        return None if self._now is before else self._now.shown

    def _warn(self) -> None:
        """At most once a day."""
        if self._now.expires - time() < NEAR_S and monotonic() - self._warned > _DAY_S:
            self._warned = monotonic()
            date = datetime.fromtimestamp(self._now.expires, UTC).isoformat()
            message = f"{self._path}: expires at {date}; put a new one in its place, which needs no restart"
            log_problem("certificate expires soon", InvalidInput(message, field="--tls-cert"))


def _read(certificate: Path, key: Path, client_ca: Path | None) -> _Read:
    """The files as gRPC takes them, once OpenSSL has agreed that they are certificates and that the key fits."""
    pems = [_bytes(path, option) for path, option in ((certificate, "--tls-cert"), (key, "--tls-key"))]
    roots = _bytes(client_ca, "--tls-client-ca") if client_ca is not None else None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(certificate, key, password=_no_passphrase)
        expires = x509.load_pem_x509_certificate(pems[0]).not_valid_after_utc.timestamp()
    except (OSError, ValueError):  # OpenSSL's own words name neither the file nor what to do
        message = f"{certificate} and {key}: expected a certificate and its own private key, in PEM, without passphrase"
        raise InvalidInput(message, field="--tls-cert") from None
    if roots is not None:
        try:
            context.load_verify_locations(cadata=roots.decode("ascii"))
        except (OSError, ValueError):
            message = f"{client_ca}: expected the certificates of authorities, in PEM"
            raise InvalidInput(message, field="--tls-client-ca") from None
    return _Read(grpc.ssl_server_certificate_configuration([(pems[1], pems[0])], root_certificates=roots), expires)


def _no_passphrase() -> str:
    raise ValueError("OpenSSL would ask on the terminal")


def _bytes(path: Path, option: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InvalidInput(f"{path}: cannot be read ({error.strerror})", field=option) from None
