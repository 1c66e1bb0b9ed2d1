"""No engine tells anyone that it is used: not over the network, and not on the way there, on disk."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def test_linking_leaves_nothing_behind(bundle: Path, tmp_path: Path) -> None:
    code = f"from linker import Linker; Linker.open({str(bundle)!r}).link(['heart attack'])"
    home = {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path), "TMPDIR": str(tmp_path)}
    kept = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    subprocess.run([sys.executable, "-c", code], check=True, env={**kept, **home})
    assert list(tmp_path.rglob("*")) == []
