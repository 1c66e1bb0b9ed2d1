from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

pytest.importorskip("scipy", reason="needs the extra `train`")
pytest.importorskip("matplotlib", reason="needs the extra `train`")

from linker.decision import UNFITTED, read_calibration
from linker.errors import InvalidInput
from linker.manifest import MANIFEST
from linker.pipeline import Linker
from ontologies.starter import ENCODER
from training.calibration import DEPTH
from training.cli.calibrate import calibrate
from training.errors import TrainingError
from training.placing import check_place, place

GOLD = {
    "heart attack": "CLINIC:0003",
    "asthma attack": "CLINIC:0015",
    "cold": "CLINIC:0005",
    "high blood pressures": "CLINIC:0011",
    "diabetes type 2": "CLINIC:0008",
    "broken leg": "CLINIC:0013",
    "COPD": "CLINIC:0016",
    "hay fever": "CLINIC:4711",
    "lymphoma": "CLINIC:0014",
}


def run(*arguments: object) -> None:
    app = typer.Typer()
    app.command()(calibrate)
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    path = tmp_path / "gold.jsonl"
    notes = [
        {
            "doc_id": str(note),
            "text": None,
            "mentions": [{"begin": None, "end": None, "mention": text, "gold": [concept]}],
        }
        for note, (text, concept) in enumerate(GOLD.items())
    ]
    path.write_text("".join(json.dumps(note) + "\n" for note in notes))
    return path


def test_a_bundle_is_calibrated_on_its_own_gold(
    bundle: Path, bundle_copy: Path, corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = Linker.open(bundle_copy)
    out = tmp_path / "runs/calibration"
    run(
        "--bundle",
        bundle,
        "--corpus",
        corpus,
        "--bundle",
        bundle,
        "--corpus",
        corpus,
        "--out",
        out,
        "--into",
        bundle_copy,
    )
    assert {path.name for path in out.iterdir()} == {"calibration.json", "metrics.json", "reliability.png"}
    metrics = json.loads((out / "metrics.json").read_text())
    assert len(metrics["cross_validated"]) == 3  # each corpus, and all
    assert len(metrics["corpus_left_out"]) == 2
    assert all(missing == {"CLINIC:4711": 1} for missing in metrics["gold_not_in_the_bundle"].values())
    after = Linker.open(bundle_copy)
    assert after.bundle.calibration == read_calibration(out / "calibration.json")
    assert after.bundle.calibration.depth == DEPTH
    assert after.bundle.digest != before.bundle.digest
    assert after.bundle.manifest.index == before.bundle.manifest.index
    assert before.link(["asthma"])[0].concept == before.link(["asthma"])[0].concept  # who has the old one open keeps it
    assert (bundle / MANIFEST).read_bytes() != (bundle_copy / MANIFEST).read_bytes()


def test_a_bundle_with_the_defaults_gets_a_calibration_of_its_own(
    bundle_copy: Path, corpus: Path, tmp_path: Path
) -> None:
    place(UNFITTED, bundle_copy)
    run(*f"--bundle {bundle_copy} --corpus {corpus} --out {tmp_path} --into {bundle_copy}".split())
    calibration = Linker.open(bundle_copy).bundle.calibration
    assert calibration.fitted_on != UNFITTED.fitted_on


def test_gold_that_the_bundle_lacks_is_told(
    bundle: Path, corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    calibrate(bundle=[bundle], corpus=[corpus], out=tmp_path / "out", target_precision=0.5)
    told = capsys.readouterr()
    assert "CLINIC:4711" in told.err
    assert "hay fever" not in told.err + told.out
    assert read_calibration(tmp_path / "out/calibration.json").threshold != 0.5


def test_what_cannot_be_done_is_told_and_leaves_nothing(bundle: Path, corpus: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with pytest.raises(InvalidInput, match="--corpus"):
        calibrate(bundle=[bundle, bundle], corpus=[corpus], out=out)
    with pytest.raises(InvalidInput, match="--target-precision"):
        calibrate(bundle=[bundle], corpus=[corpus], out=out, target_precision=1.5)
    with pytest.raises(InvalidInput, match="--into"):
        calibrate(bundle=[bundle], corpus=[corpus], out=out, into=[tmp_path])
    assert not out.exists()


def test_a_calibration_goes_beside_its_own_encoder_only(linker: Linker, tmp_path: Path) -> None:
    folder = shutil.copytree(ENCODER, tmp_path / "encoder")
    check_place(folder, linker.bundle)
    place(linker.bundle.calibration, folder)
    assert read_calibration(folder / "calibration.json") == linker.bundle.calibration
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "name": "another"}))
    with pytest.raises(InvalidInput, match="another encoder"):
        check_place(folder, linker.bundle)


def test_a_bundle_that_cannot_be_written_stays(
    linker: Linker, bundle_copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = (bundle_copy / MANIFEST).read_bytes()
    (bundle_copy / "index.faiss").unlink()
    with pytest.raises(TrainingError, match="as it was"):
        place(linker.bundle.calibration, bundle_copy)
    assert (bundle_copy / MANIFEST).read_bytes() == before
    assert [path.name for path in bundle_copy.parent.iterdir() if path.name.startswith(".")] == []
