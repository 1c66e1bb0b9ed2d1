"""TLS and mutual TLS whose certificates can be replaced while the server runs.

gRPC asks for credentials at every handshake, so a new certificate is shown from the next connection on; connections
that are open keep the one they began with. A pair that does not fit, or is half written, leaves the old one in use.
"""

from __future__ import annotations

import ssl
from pathlib import Path

import grpc

from linker.errors import InvalidInput
from linker.server.watched import Watched


def server_credentials(certificate: Path, key: Path, client_ca: Path | None) -> grpc.ServerCredentials:
    """Credentials from PEM files. With `client_ca`, a client without a certificate of one of these gets no connection.

    Raises `InvalidInput` naming the option whose file cannot be used.
    """
    paths = [path for path in (certificate, key, client_ca) if path is not None]
    watched = Watched(paths, lambda: _read(certificate, key, client_ca), what="certificates", every_s=0.0)
    shown = watched.get()

    def changed() -> grpc.ServerCertificateConfiguration | None:
        nonlocal shown
        now = watched.get()
        if now is shown:
            return None
        shown = now
        return now

    return grpc.dynamic_ssl_server_credentials(shown, changed, require_client_authentication=client_ca is not None)


def _read(certificate: Path, key: Path, client_ca: Path | None) -> grpc.ServerCertificateConfiguration:
    """The files as gRPC takes them, once OpenSSL has agreed that they are certificates and that the key fits."""
    pems = [_bytes(path, option) for path, option in ((certificate, "--tls-cert"), (key, "--tls-key"))]
    roots = _bytes(client_ca, "--tls-client-ca") if client_ca is not None else None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(certificate, key, password=_no_passphrase)
    except (OSError, ValueError):  # OpenSSL's own words name neither the file nor what to do
        message = f"{certificate} and {key}: expected a certificate and its own private key, in PEM, without passphrase"
        raise InvalidInput(message, field="--tls-cert") from None
    if roots is not None:
        try:
            context.load_verify_locations(cadata=roots.decode("ascii"))
        except (OSError, ValueError):
            message = f"{client_ca}: expected the certificates of authorities, in PEM"
            raise InvalidInput(message, field="--tls-client-ca") from None
    return grpc.ssl_server_certificate_configuration([(pems[1], pems[0])], root_certificates=roots)


def _no_passphrase() -> str:
    raise ValueError("OpenSSL would ask on the terminal")


def _bytes(path: Path, option: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InvalidInput(f"{path}: cannot be read ({error.strerror})", field=option) from None
