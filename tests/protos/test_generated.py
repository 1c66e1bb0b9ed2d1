"""The committed code is what the committed protos give, and the protos keep the style rules."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROTOS = ROOT / "protos"
COMMITTED = ROOT / "linker" / "v1"


def test_generated_code_is_up_to_date(tmp_path: Path) -> None:
    pytest.importorskip("grpc_tools", reason="grpcio-tools is not installed; it is in the extra `test`")
    sources = sorted(path.relative_to(PROTOS).as_posix() for path in PROTOS.rglob("*.proto"))
    outputs = [f"--{kind}_out={tmp_path}" for kind in ("python", "pyi", "grpc_python")]
    subprocess.run(
        [sys.executable, "-m", "grpc_tools.protoc", f"-I{PROTOS}", *outputs, *sources], check=True, cwd=PROTOS
    )
    made = {path.name: path.read_text() for path in (tmp_path / "linker" / "v1").iterdir()}
    committed = {path.name: path.read_text() for path in COMMITTED.glob("*_pb2*")}
    assert sorted(made) == sorted(committed)
    assert [name for name in made if made[name] != committed[name]] == []


def test_protos_keep_the_style_rules() -> None:
    buf = shutil.which("buf") or shutil.which("buf", path=Path(sys.executable).parent)
    if buf is None:
        pytest.skip("buf is not installed; buf-bin is in the extra `test`")
    done = subprocess.run([buf, "lint"], cwd=PROTOS, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
