"""Clients over TLS, with real certificates."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
import trustme

from linker.client import TLS, LinkerClient, Settings, Unavailable
from linker.errors import InvalidInput

Drive = Callable[..., Any]


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def pem(authority: trustme.CA, tmp_path: Path) -> Callable[[str], Path]:
    """Files of a certificate that was issued for a name: `ca.pem`, `cert.pem`, `key.pem`."""

    def write(name: str) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        issued = authority.issue_cert(name)
        authority.cert_pem.write_to_path(folder / "ca.pem")
        issued.cert_chain_pems[0].write_to_path(folder / "cert.pem")
        issued.private_key_pem.write_to_path(folder / "key.pem")
        return folder

    return write


def credentials(folder: Path, *, client_ca: Path | None = None) -> grpc.ServerCredentials:
    pair = ((folder / "key.pem").read_bytes(), (folder / "cert.pem").read_bytes())
    if client_ca is None:
        return grpc.ssl_server_credentials([pair])
    return grpc.ssl_server_credentials([pair], client_ca.read_bytes(), require_client_auth=True)


def settings(tls: TLS) -> Settings:
    return Settings(tls=tls, timeout_s=20, token="secret")


def test_a_certificate_of_a_known_authority(drive: Drive, serve: Callable[..., Any], pem: Any) -> None:
    folder = pem("127.0.0.1")
    serving = serve(credentials(folder))
    [link] = drive(serving.address, lambda client: client.link(["a"]), settings(TLS(ca=folder / "ca.pem")))
    assert link.concept.concept_id == "ECHO:a"
    assert serving.scripted.metadata[0]["authorization"] == "Bearer secret"


def test_a_certificate_of_another_authority_or_name(serve: Callable[..., Any], pem: Any, tmp_path: Path) -> None:
    stranger = tmp_path / "stranger.pem"
    trustme.CA().cert_pem.write_to_path(stranger)
    folder = pem("linker.example")
    serving = serve(credentials(folder))
    for tls in (TLS(ca=stranger), TLS(ca=folder / "ca.pem")):
        with LinkerClient(serving.address, settings=settings(tls)) as client, pytest.raises(Unavailable):
            client.link(["a"])
    tls = TLS(ca=folder / "ca.pem", server_name="linker.example")
    with LinkerClient(serving.address, settings=settings(tls)) as client:
        assert client.link(["a"])
    assert len(serving.scripted.requests) == 1


def test_a_server_that_asks_for_a_certificate(drive: Drive, serve: Callable[..., Any], pem: Any) -> None:
    server, client_ = pem("127.0.0.1"), pem("client.example")
    serving = serve(credentials(server, client_ca=client_ / "ca.pem"))
    ours = TLS(ca=server / "ca.pem", certificate=client_ / "cert.pem", key=client_ / "key.pem")
    assert drive(serving.address, lambda client: client.link(["a"]), settings(ours))
    with pytest.raises(Unavailable):
        drive(serving.address, lambda client: client.link(["a"]), settings(TLS(ca=server / "ca.pem")))


@pytest.mark.parametrize(
    ("tls", "said"),
    [
        (TLS(ca=Path("nowhere.pem")), "tls.ca: nowhere.pem cannot be read"),
        (TLS(certificate=Path("cert.pem")), "tls: certificate and key are given together"),
    ],
)
def test_files_that_are_not_there(tls: TLS, said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        LinkerClient("127.0.0.1:50051", settings=Settings(tls=tls))
