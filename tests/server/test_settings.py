from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from linker.detection.choice import Detect
from linker.errors import InvalidInput
from linker.server.settings import Settings, read_settings


def test_options_come_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LINKER_PORT", "1234")
    monkeypatch.setenv("LINKER_WORKERS", "3")
    settings = read_settings({"port": 5678, "workers": None})
    assert (settings.port, settings.workers, settings.host) == (5678, 3, "127.0.0.1")


def test_files_of_rules_are_several(monkeypatch: pytest.MonkeyPatch) -> None:
    assert read_settings({}).rules == ()
    monkeypatch.setenv("LINKER_RULES", f"a.toml{os.pathsep}b.toml")
    monkeypatch.setenv("LINKER_SECTIONS", "c.toml")
    assert read_settings({}).rules == (Path("a.toml"), Path("b.toml"))
    assert read_settings({"rules": [Path("d.toml")], "sections": None}).rules == (Path("d.toml"),)
    assert read_settings({}).sections == Path("c.toml")


def test_what_finds_mentions_comes_from_the_environment_too(monkeypatch: pytest.MonkeyPatch) -> None:
    assert read_settings({}).detect is Detect.BOTH
    monkeypatch.setenv("LINKER_DETECT", "names")
    assert read_settings({}).detect is Detect.NAMES
    with pytest.raises(InvalidInput, match=r"^--detector .*: is not asked .* --detect both"):
        read_settings({"detector": Path("mine")})


def test_bad_values_are_named_as_they_were_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LINKER_ADMIN_PORT", "many")
    with pytest.raises(InvalidInput, match=r"^LINKER_ADMIN_PORT: "):
        read_settings({})


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_loopback_needs_no_flag(host: str) -> None:
    assert read_settings({"host": host}).host == host


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "example.org", ""])
def test_other_hosts_need_the_flag(host: str) -> None:
    with pytest.raises(InvalidInput, match=r"^--host: is not a loopback.*--tls-cert.*--insecure"):
        read_settings({"host": host})
    assert read_settings({"host": host, "insecure": True}).host == host
    assert read_settings({"host": host, "tls_cert": "a.pem", "tls_key": "a.key"}).host == host


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"tls_cert": "a.pem"}, r"^--tls-key \(LINKER_TLS_KEY\): is needed"),
        ({"tls_key": "a.key"}, r"^--tls-cert \(LINKER_TLS_CERT\): is needed"),
        ({"tls_client_ca": "ca.pem"}, r"^--tls-client-ca \(LINKER_TLS_CLIENT_CA\): .*--tls-cert and --tls-key too"),
        ({"log_level": "loud"}, r"^--log-level \(LINKER_LOG_LEVEL\): .*'debug', 'info' or 'warning'"),
    ],
)
def test_options_that_belong_together(given: dict[str, str], said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        read_settings(given)


def test_who_has_to_say_who_they_are() -> None:
    tls = {"tls_cert": "a.pem", "tls_key": "a.key"}
    assert not read_settings(tls).authenticates
    assert read_settings({**tls, "tls_client_ca": "ca.pem"}).authenticates
    assert read_settings({"tokens": "tokens.txt"}).authenticates


def test_the_admin_port_is_the_next_one() -> None:
    assert read_settings({}).admin_port_beside(50051) == 50052
    assert read_settings({"admin_port": 7}).admin_port_beside(50051) == 7
    assert read_settings({"port": 0}).admin_port_beside(41234) == 0
    assert read_settings({"port": 65535}).admin_port_beside(65535) == 0


def test_the_pages_name_variables_that_there_are() -> None:
    folder = Path(__file__).parents[2] / "docs"
    pages = [(folder / name).read_text() for name in ("security.md", "observability.md", "serving.md")]
    named = {name for page in pages for name in re.findall(r"\bLINKER_([A-Z_]+)", page)}
    assert {"TLS_CERT", "MAX_CONNECTIONS"} <= named
    assert named <= {name.upper() for name in Settings.model_fields} | {"BUNDLE"}
