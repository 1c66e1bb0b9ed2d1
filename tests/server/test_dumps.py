from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from linker.cli import app
from linker.server import app as server
from linker.server import dumps, logs

SCRIPT = """
import ctypes, resource
resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
from linker.server.dumps import forbid_core_dumps
forbid_core_dumps()
print(resource.getrlimit(resource.RLIMIT_CORE), ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))
"""


def test_the_process_can_write_no_core_dump() -> None:
    """In a process of its own, since a limit once lowered stays low. 3: PR_GET_DUMPABLE."""
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=60)
    assert done.stdout == ("(0, 0) 0\n" if sys.platform == "linux" else "(0, 0) -1\n"), done.stderr


@pytest.mark.parametrize(("options", "expected"), [([], ["forbidden"]), (["--core-dumps"], [])])
def test_serving_forbids_them_unless_told_otherwise(
    bundle: Path, monkeypatch: pytest.MonkeyPatch, options: list[str], expected: list[str]
) -> None:
    async def run(*_: object, **__: object) -> None:
        done.append(os.environ["GRPC_VERBOSITY"])

    done: list[str] = []
    monkeypatch.setattr(dumps, "forbid_core_dumps", lambda: done.append("forbidden"))
    monkeypatch.setattr(logs, "configure", lambda **_: None)
    monkeypatch.setattr(server, "run", run)
    monkeypatch.setenv("GRPC_VERBOSITY", "debug")
    monkeypatch.setenv("GRPC_TRACE", "all")
    CliRunner().invoke(app, ["serve", "--bundle", str(bundle), *options], catch_exceptions=False)
    assert done == [*expected, "NONE"]
    assert "GRPC_TRACE" not in os.environ
