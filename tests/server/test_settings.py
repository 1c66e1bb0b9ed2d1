from __future__ import annotations

import pytest

from linker.errors import InvalidInput
from linker.server.settings import read_settings


def test_options_come_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LINKER_PORT", "1234")
    monkeypatch.setenv("LINKER_WORKERS", "3")
    settings = read_settings({"port": 5678, "workers": None})
    assert (settings.port, settings.workers, settings.host) == (5678, 3, "127.0.0.1")


def test_bad_values_name_the_option(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LINKER_ADMIN_PORT", "many")
    with pytest.raises(InvalidInput, match=r"^--admin-port \(LINKER_ADMIN_PORT\): "):
        read_settings({})


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_loopback_needs_no_flag(host: str) -> None:
    assert read_settings({"host": host}).host == host


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "example.org", ""])
def test_other_hosts_need_the_flag(host: str) -> None:
    with pytest.raises(InvalidInput, match=r"does not speak TLS yet.*--insecure"):
        read_settings({"host": host})
    assert read_settings({"host": host, "insecure": True}).host == host


def test_the_admin_port_is_the_next_one() -> None:
    assert read_settings({}).admin_port_beside(50051) == 50052
    assert read_settings({"admin_port": 7}).admin_port_beside(50051) == 7
    assert read_settings({"port": 0}).admin_port_beside(41234) == 0
    assert read_settings({"port": 65535}).admin_port_beside(65535) == 0
