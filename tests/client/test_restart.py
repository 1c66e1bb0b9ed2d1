"""Clients while one of two real servers stops, and over TLS with a token."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
import trustme

from linker.cli import main
from linker.client import TLS, LinkerClient, NotAllowed, Settings
from linker.demo import serving

Drive = Callable[..., Any]
SMALL = Settings(batch_size=4, in_flight=4)


@pytest.fixture
def pair(bundle: Path) -> Iterator[tuple[str, Callable[[], object]]]:
    """The address of two servers, and a function that stops one of them and says whether it stopped cleanly."""
    with serving(bundle) as staying, ExitStack() as stack:
        leaving = stack.enter_context(serving(bundle))
        yield f"ipv4:{staying},{leaving}", stack.close


def test_no_call_fails_while_a_server_stops(pair: tuple[str, Callable[[], object]]) -> None:
    address, stop = pair
    texts = ["heart attack", "asma", "zzyzx"] * 20
    with LinkerClient(address, settings=SMALL) as client, ThreadPoolExecutor(4) as pool:
        expected = client.link(texts)
        stopping = pool.submit(stop)
        while not stopping.done():
            for answer in [pool.submit(client.link, texts) for _ in range(3)]:
                assert answer.result() == expected
        stopping.result()
        assert client.link(texts) == expected


def test_a_stream_goes_on_with_the_other_server(drive: Drive, pair: tuple[str, Callable[[], object]]) -> None:
    address, stop = pair
    with ThreadPoolExecutor(1) as pool:

        def texts() -> Iterator[str]:
            for number in range(800):
                if number == 100:
                    pool.submit(stop)
                yield f"heart attack {number}"

        def streamed(client: Any) -> Any:
            batches = client.stream(texts())
            return list(batches) if isinstance(client, LinkerClient) else batches

        batches = drive(address, streamed, SMALL)
    assert [link.mention.text for batch in batches for link in batch.links] == [f"heart attack {n}" for n in range(800)]


@contextmanager
def secured(bundle: Path, folder: Path) -> Iterator[tuple[str, str]]:
    """A server with TLS and tokens: its address, and a token."""
    authority = trustme.CA()
    issued = authority.issue_cert("linker")
    authority.cert_pem.write_to_path(folder / "ca.pem")
    issued.private_key_pem.write_to_path(folder / "key.pem")
    issued.cert_chain_pems[0].write_to_path(folder / "cert.pem")
    make = ["token", "new", "--scope", "link", "--scope", "read", "--into", str(folder / "tokens")]
    done = subprocess.run([sys.executable, "-m", "linker", *make], check=True, capture_output=True, text=True)
    command = [sys.executable, "-m", "linker", "serve", "--bundle", str(bundle), "--port", "0", "--admin-port", "0"]
    more = ["--tls-cert", folder / "cert.pem", "--tls-key", folder / "key.pem", "--tokens", folder / "tokens"]
    with subprocess.Popen([*command, *more], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().split()[2], done.stdout.strip()
        finally:
            process.terminate()


def test_tls_and_a_token(bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    def run(*arguments: str) -> int:
        monkeypatch.setattr(sys, "argv", ["linker", *arguments, "--tls-ca", str(tmp_path / "ca.pem")])
        with pytest.raises(SystemExit) as stop:
            main()
            raise SystemExit(0)
        return int(stop.value.code or 0)

    with secured(bundle, tmp_path) as (address, token):
        tls = TLS(ca=tmp_path / "ca.pem", server_name="linker")
        with LinkerClient(address, settings=Settings(tls=tls, token=token)) as client:
            assert client.link(["heart attack"])[0].concept is not None
            assert [len(batch.links) for batch in client.stream(["asma"] * 3)] == [3]
        with LinkerClient(address, settings=Settings(tls=tls)) as client:
            with pytest.raises(NotAllowed):
                client.link(["heart attack"])
            with pytest.raises(NotAllowed):
                list(client.stream(["heart attack"]))
        named = ("--tls-server-name", "linker")
        assert run("health", address, *named) == 0  # without a token
        assert run("link", "--server", address, *named, "heart attack") == 2
        assert "bearer token" in capsys.readouterr().err
        monkeypatch.setenv("LINKER_TOKEN", token)
        assert run("link", "--server", address, *named, "heart attack") == 0
        assert "CLINIC:0003" in capsys.readouterr().out
