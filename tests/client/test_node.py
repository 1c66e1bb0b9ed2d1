"""A client in another language, loaded from the protos alone."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from linker.demo import serving

FOLDER = Path(__file__).parents[2] / "clients" / "node"


def test_a_client_for_node(bundle: Path) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    if not (FOLDER / "node_modules").is_dir():
        pytest.skip("its packages are not installed; run `npm install` in clients/node")
    with serving(bundle) as address:
        done = subprocess.run(
            [node, "--test", "--test-reporter=tap", "linker.test.mjs"],
            cwd=FOLDER,
            env={**os.environ, "LINKER_ADDRESS": address},
            capture_output=True,
            text=True,
            timeout=60,
        )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "# pass 6\n" in done.stdout
