"""Real certificates, made here, on real connections."""

from __future__ import annotations

import ipaddress
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from linker.errors import InvalidInput
from linker.server.settings import Settings
from linker.server.tls import Certificates
from linker.v1.terminology_service_pb2 import SearchConceptsRequest
from linker.v1.terminology_service_pb2_grpc import TerminologyServiceStub


@dataclass(frozen=True)
class Pair:
    """A certificate and its key, in PEM."""

    certificate: bytes
    key: bytes

    def write(self, certificate: Path, key: Path) -> None:
        certificate.write_bytes(self.certificate)
        key.write_bytes(self.key)


class Authority:
    def __init__(self, name: str) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.pem = _pem(self._signed(self._name, self._key.public_key(), authority=True))

    def issue(self, name: str = "server", *, days: float = 1.0) -> Pair:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        encryption = serialization.NoEncryption()
        private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)
        return Pair(_pem(self._signed(subject, key.public_key(), authority=False, days=days)), private)

    def _signed(self, subject: x509.Name, key: Any, *, authority: bool, days: float = 1.0) -> x509.Certificate:
        now = datetime.now(UTC)
        loopback = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(days=days))
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName([loopback]), critical=False)
        )
        return builder.sign(self._key, hashes.SHA256())


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


OURS, OTHERS = Authority("ours"), Authority("others")


@dataclass(frozen=True)
class Files:
    certificate: Path
    key: Path
    ca: Path

    @property
    def settings(self) -> dict[str, Path]:
        return {"tls_cert": self.certificate, "tls_key": self.key}


@pytest.fixture
def files(tmp_path: Path) -> Files:
    made = Files(tmp_path / "server.pem", tmp_path / "server.key", tmp_path / "clients.pem")
    OURS.issue().write(made.certificate, made.key)
    made.ca.write_bytes(OURS.pem)
    return made


def connected(running: Any, authority: Authority, client: Pair | None = None) -> grpc.StatusCode:
    """How a call over a new connection ends, for a client that trusts `authority`."""
    shown = {"private_key": client.key, "certificate_chain": client.certificate} if client else {}
    credentials = grpc.ssl_channel_credentials(authority.pem, **shown)
    options = [("grpc.use_local_subchannel_pool", 1)]
    with grpc.secure_channel(running.server.address, credentials, options) as channel:
        try:
            TerminologyServiceStub(channel).SearchConcepts(SearchConceptsRequest(query="my"), timeout=10)
        except grpc.RpcError as error:
            return error.code()
    return grpc.StatusCode.OK


OK, GONE = grpc.StatusCode.OK, grpc.StatusCode.UNAVAILABLE


def test_encrypted_and_nothing_else(start: Callable[..., Any], files: Files) -> None:
    running = start(**files.settings)
    assert connected(running, OURS) is OK
    assert connected(running, OTHERS) is GONE
    with pytest.raises(grpc.RpcError) as raised:  # a client that does not encrypt
        running.terminology.SearchConcepts(SearchConceptsRequest(query="my"), timeout=10)
    assert raised.value.code() is GONE


def test_a_new_certificate_without_a_restart(start: Callable[..., Any], files: Files, log_lines: Any) -> None:
    """Old connections go on; new ones see the new certificate; a pair that does not fit changes nothing."""
    running = start(**files.settings)
    with grpc.secure_channel(running.server.address, grpc.ssl_channel_credentials(OURS.pem)) as channel:
        stub = TerminologyServiceStub(channel)
        stub.SearchConcepts(SearchConceptsRequest(query="my"), timeout=10)
        new = OTHERS.issue()
        files.certificate.write_bytes(new.certificate)  # half of the change: the old key does not fit
        assert [connected(running, one) for one in (OURS, OTHERS)] == [OK, GONE]
        assert "expected a certificate and its own private key" in log_lines.getvalue()
        files.key.write_bytes(new.key)
        assert [connected(running, one) for one in (OURS, OTHERS)] == [GONE, OK]
        files.certificate.write_bytes(b"nonsense")
        assert connected(running, OTHERS) is OK
        files.certificate.unlink()
        assert connected(running, OTHERS) is OK
        stub.SearchConcepts(SearchConceptsRequest(query="my"), timeout=10)
    OURS.issue().write(files.certificate, files.key)
    assert [connected(running, one) for one in (OURS, OTHERS)] == [OK, GONE]


def test_clients_show_certificates(start: Callable[..., Any], files: Files, tmp_path: Path) -> None:
    audit = tmp_path / "audit.jsonl"
    running = start(**files.settings, tls_client_ca=files.ca, audit_log=audit)
    known, stranger = OURS.issue("ward-7"), OTHERS.issue("stranger")
    assert connected(running, OURS, known) is OK
    assert connected(running, OURS) is GONE
    assert connected(running, OURS, stranger) is GONE
    lines = [json.loads(line) for line in audit.read_text().splitlines()]
    assert [line["client"] for line in lines] == ["certificate:CN=ward-7"]
    files.ca.write_bytes(OTHERS.pem)  # authorities change as certificates do
    assert connected(running, OURS, known) is GONE
    assert connected(running, OURS, stranger) is OK
    files.ca.write_bytes(OURS.pem + OTHERS.pem)
    assert [connected(running, OURS, one) for one in (known, stranger)] == [OK, OK]


def test_reflection_is_off_where_clients_show_certificates(start: Callable[..., Any], files: Files) -> None:
    running = start(**files.settings, tls_client_ca=files.ca)
    client = OURS.issue("ward-7")
    credentials = grpc.ssl_channel_credentials(OURS.pem, client.key, client.certificate)
    with grpc.secure_channel(running.server.address, credentials) as channel:
        reflect = channel.stream_stream("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo")
        with pytest.raises(grpc.RpcError) as raised:
            list(reflect(iter([b""]), timeout=10))
        assert raised.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_files_that_cannot_be_used_are_named(files: Files) -> None:
    def credentials(**changed: Path) -> None:
        given = {"certificate": files.certificate, "key": files.key, "client_ca": files.ca, **changed}
        Certificates(**given)

    credentials()
    missing = files.ca.with_name("missing.pem")
    for option, name in (("--tls-cert", "certificate"), ("--tls-key", "key"), ("--tls-client-ca", "client_ca")):
        with pytest.raises(InvalidInput, match=rf"^{option}: .*missing\.pem: cannot be read \(No such file"):
            credentials(**{name: missing})
    with pytest.raises(
        InvalidInput, match=r"^--tls-client-ca: .*server\.key: expected the certificates of authorities"
    ):
        credentials(client_ca=files.key)
    files.key.write_bytes(OURS.issue().key)
    with pytest.raises(InvalidInput, match=r"^--tls-cert: .*server\.key: expected a certificate and its own private"):
        credentials()


def test_a_key_with_a_passphrase_is_refused_without_asking(files: Files) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    sealed = serialization.BestAvailableEncryption(b"secret")
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, sealed)
    files.key.write_bytes(pem)
    with pytest.raises(InvalidInput, match="without passphrase"):
        Certificates(files.certificate, files.key, None)


def test_settings_and_files_agree(files: Files) -> None:
    assert Settings(**files.settings).tls_cert == files.certificate


def test_when_the_certificate_expires(start: Callable[..., Any], files: Files, log_lines: Any) -> None:
    """A metric says when, and the log as soon as it is near."""

    def expires(running: Any) -> float | None:
        return running.server.telemetry.metrics.registry.get_sample_value(
            "linker_tls_certificate_expiry_timestamp_seconds", {"certificate": "server"}
        )

    def warned() -> int:
        return log_lines.getvalue().count("certificate expires soon")

    OURS.issue(days=90).write(files.certificate, files.key)
    running = start(**files.settings)
    assert expires(running) == pytest.approx(time.time() + 90 * 86_400, abs=600)
    assert connected(running, OURS) is OK
    assert warned() == 0
    OURS.issue(days=13).write(files.certificate, files.key)
    for _ in range(3):
        assert connected(running, OURS) is OK
    assert expires(running) == pytest.approx(time.time() + 13 * 86_400, abs=600)
    assert warned() == 1
    assert "server.pem: expires at 20" in log_lines.getvalue()
    assert expires(start()) is None  # without TLS
