from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from linker import Linker
from linker.bundle import open_bundle
from linker.cli import app
from linker.decision import UNFITTED
from linker.errors import BundleCorrupt
from linker.inference import FILES as MODEL_FILES
from ontologies.build import build
from ontologies.errors import BuildError, SourceError
from ontologies.readers import read
from ontologies.records import Concept, Name, Release, Replacement, Source
from ontologies.starter import ENCODER

HEADER = "concept_id\tname\tlanguage\tterm_type\tparents\n"


def make(tmp_path: Path, text: str, **options: object) -> Linker:
    source = tmp_path / "source.tsv"
    source.write_text(text)
    build([read(source)], tmp_path / "out", encoder=ENCODER, **options)  # type: ignore[arg-type]
    return Linker.open(tmp_path / "out")


def test_the_same_sources_give_the_same_bundle(bundle: Path, clinic_tsv: Path, tmp_path: Path) -> None:
    """Bit for bit, whatever the number of workers and the order of the concepts."""
    header, *rows = clinic_tsv.read_text().splitlines(keepends=True)
    copy = tmp_path / "clinic.tsv"
    copy.write_text(header + "".join(rows))
    build([read(copy)], tmp_path / "again", encoder=ENCODER, workers=3)
    assert (tmp_path / "again/manifest.json").read_bytes() == (bundle / "manifest.json").read_bytes()
    copy.write_text(header + "".join(sorted(rows, key=lambda row: row.split("\t")[0], reverse=True)))
    build([read(copy)], tmp_path / "reversed", encoder=ENCODER)
    for name in ("names.arrow", "index.faiss", "exact.arrow", "words.arrow"):
        assert (tmp_path / "reversed" / name).read_bytes() == (bundle / name).read_bytes()


def test_sources_join_by_concept_id(tmp_path: Path) -> None:
    obo = tmp_path / "one.obo"
    obo.write_text(
        "format-version: 1.2\nontology: x\n\n[Term]\nid: X:1\nname: heart attack\n\n[Term]\nid: X:2\nname: heart\n"
    )
    table = tmp_path / "two.tsv"
    table.write_text("concept_id\tname\tcodes\tparents\nX:1\tinfarct of heart\tDEMO:1\tX:2\n")
    build([read(obo), read(table)], tmp_path / "out", encoder=ENCODER, language="en")
    linker = Linker.open(tmp_path / "out")
    record = linker.bundle.terminology.concept("X:1")
    assert {(n.name, n.language, n.source) for n in record.names} == {
        ("heart attack", "en", "X"),
        ("infarct of heart", "en", "two"),
    }
    assert record.parents == ("X:2",)
    assert [c.code for c in record.codes] == ["1"]
    assert [r["source"] for r in linker.bundle.manifest.releases] == ["X", "two"]


def test_names_that_are_the_same_are_one_row(tmp_path: Path) -> None:
    linker = make(tmp_path, "A:1\tHeart attack\nA:1\theart-attack\nA:1\tHEART ATTACK\nA:2\theart attack\n")
    assert linker.bundle.manifest.counts["names"] == 2
    assert linker.bundle.manifest.counts["distinct_names"] == 1


def test_a_language_nobody_stated_is_undetermined(tmp_path: Path) -> None:
    assert make(tmp_path, "A:1\theart\n").bundle.manifest.languages == {"und": 1}
    assert make(tmp_path, "A:1\theart\n", language="en").bundle.manifest.languages == {"en": 1}


def test_a_name_of_punctuation_is_counted_not_indexed(tmp_path: Path) -> None:
    source = tmp_path / "source.tsv"
    source.write_text("A:1\theart\nA:1\t---\n")
    built = build([read(source)], tmp_path / "out", encoder=ENCODER)
    assert (built.names, built.skipped_names) == (1, 1)


def test_a_retired_concept_is_kept_and_never_an_answer(tmp_path: Path) -> None:
    obo = tmp_path / "one.obo"
    terms = "[Term]\nid: X:1\nname: old heart\nis_obsolete: true\n\n[Term]\nid: X:2\nname: heart\n"
    obo.write_text("format-version: 1.2\nontology: x\n\n" + terms)
    build([read(obo)], tmp_path / "out", encoder=ENCODER)
    linker = Linker.open(tmp_path / "out")
    assert linker.bundle.terminology.concept("X:1").retired
    assert linker.bundle.terminology.concept("X:1").preferred_name == "old heart"
    assert [c.concept_id for c in linker.link(["old heart"])[0].candidates] == ["X:2"]


@pytest.mark.parametrize(
    ("rows", "line", "field"),
    [
        ("A:1\tone\ten\tpreferred\tA:9\n", 2, "parents"),
        ("A:1\tone\ten\tpreferred\tA:2\nA:2\ttwo\ten\tpreferred\tA:1\n", 3, "parents"),
        ("A:1\t\ten\tpreferred\t\n", 2, "name"),
        ("A:1\n", 2, ""),
    ],
    ids=["missing parent", "cycle", "empty name", "too few columns"],
)
def test_a_bad_source_is_named_and_the_older_bundle_stays(tmp_path: Path, rows: str, line: int, field: str) -> None:
    make(tmp_path, HEADER + "A:1\told\ten\tpreferred\t\n")
    with pytest.raises(SourceError) as caught:
        make(tmp_path, HEADER + rows)
    assert caught.value.line == line
    assert (caught.value.field or "").startswith(field)
    assert str(caught.value).startswith(f"{tmp_path}/source.tsv:{line}: ")
    assert Linker.open(tmp_path / "out").link(["old"])[0].candidates[0].concept_id == "A:1"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out", "source.tsv"]


@pytest.mark.parametrize("parent", ["A:9", "A:1"])  # of no source; its own
def test_lenient_drops_a_parent_that_cannot_be(tmp_path: Path, parent: str) -> None:
    linker = make(tmp_path, HEADER + f"A:1\tone\ten\tpreferred\t{parent}\n", lenient=True)
    assert linker.bundle.terminology.concept("A:1").parents == ()


def test_only_a_bundle_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out/thesis.txt").write_text("years of work")
    with pytest.raises(BuildError, match="not a bundle"):
        make(tmp_path, "A:1\theart\n")
    assert (tmp_path / "out/thesis.txt").read_text() == "years of work"


def test_an_encoder_that_nothing_was_fitted_for_is_served_with_defaults_and_told(
    tmp_path: Path, clinic_tsv: Path
) -> None:
    for name in MODEL_FILES:
        (tmp_path / "encoder").mkdir(exist_ok=True)
        shutil.copyfile(ENCODER / name, tmp_path / "encoder" / name)
    out, arguments = tmp_path / "out", [str(clinic_tsv), "--encoder", str(tmp_path / "encoder")]
    built = CliRunner().invoke(app, ["build", *arguments, "--out", str(out)], catch_exceptions=False)
    [warning] = [line for line in built.stderr.splitlines() if "not calibrated" in line]
    assert warning.startswith("warning")
    assert f"linker train calibrate --bundle {out}" in warning
    shown = CliRunner().invoke(app, ["inspect", str(out)], catch_exceptions=False)
    assert UNFITTED.fitted_on in shown.stdout
    linker = Linker.open(out)
    assert linker.bundle.calibration == UNFITTED
    sure, unsure = linker.link(["heart attack", "brass band"])
    assert sure.concept is not None
    assert unsure.concept is None


def test_a_model_or_a_calibration_that_is_none_is_refused(tmp_path: Path, clinic_tsv: Path) -> None:
    encoder, out = tmp_path / "encoder", tmp_path / "out"
    shutil.copytree(ENCODER, encoder)
    (encoder / "calibration.json").write_text("{}")
    with pytest.raises(BundleCorrupt, match=r"calibration\.json"):
        build([read(clinic_tsv)], out, encoder=encoder)
    (encoder / "model.onnx").unlink()
    with pytest.raises(BuildError, match=r"linker export.*no model\.onnx"):
        build([read(clinic_tsv)], out, encoder=encoder)
    with pytest.raises(BuildError, match=r"linker export.*no config\.json"):
        build([read(clinic_tsv)], out, encoder=ENCODER, reranker=tmp_path)
    assert not out.exists()


def test_what_lenient_would_leave_out_is_told_with_the_error(tmp_path: Path, clinic_tsv: Path) -> None:
    for text, told in ((HEADER + "A:1\tone\ten\tpreferred\tA:9\n", True), ("concept_id;name\n", False)):
        source = tmp_path / "source.tsv"
        source.write_text(text)
        command = [sys.executable, "-m", "linker", "build", str(source), "--out", str(tmp_path / "out")]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 2
        assert ("; --lenient leaves out" in done.stderr.splitlines()[-1]) == told


def test_a_full_disk_is_told_and_leaves_nothing(tmp_path: Path, clinic_tsv: Path) -> None:
    """A file-size limit stands in for the disk: the write of the encoder into the bundle fails half-way."""
    code = (
        "import resource, signal, sys\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "from linker.cli import main\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))\n"
        "main()"
    )
    command = [sys.executable, "-c", code, "build", str(clinic_tsv), "--out", str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2, done.stderr
    assert "cannot write the bundle" in done.stderr
    assert not list(tmp_path.iterdir())


def test_killed_during_a_build_the_older_bundle_still_opens(tmp_path: Path) -> None:
    """Kill -9 at several moments of a real build, the last one long enough to finish."""
    make(tmp_path, "A:1\told\n")
    source = tmp_path / "source.tsv"
    source.write_text("".join(f"A:{n}\tname number {n} of a disease\n" for n in range(3000)))
    command = [sys.executable, "-m", "linker", "build", str(source), "--out", str(tmp_path / "out")]
    for delay in (0.5, 1.0, 1.5, 2.0, 60.0):
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL, env=os.environ)
        deadline = time.monotonic() + delay
        while process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        process.wait()
        opened = open_bundle(tmp_path / "out")
        assert opened.manifest.counts["names"] in (1, 3000)
    assert opened.manifest.counts["names"] == 3000
    # What the kills left behind is told apart from bundles by its name, and gone after the next build.
    make(tmp_path, "A:1\told\n")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out", "source.tsv"]


def test_the_manifest_holds_what_the_issue_of_a_bundle_needs(bundle: Path) -> None:
    manifest = json.loads((bundle / "manifest.json").read_text())
    assert manifest["counts"]["concepts"] == 16
    assert manifest["languages"] == {"en": 24, "es": 3}
    assert manifest["encoder"]["digest"] == manifest["index"]["encoder"]
    assert manifest["index"]["vectors"] == manifest["counts"]["names"] == 27
    assert manifest["releases"][0]["sha256"]


def test_a_lenient_build_says_what_it_left_out(tmp_path: Path) -> None:
    source, out = tmp_path / "source.tsv", tmp_path / "out"
    rows = [f"A:{n}\tname {n}\ten\tpreferred\tA:9{n}\n" for n in range(5)]
    source.write_text(HEADER + "".join(rows))
    arguments = ["build", str(source), "--out", str(out)]
    refused = CliRunner().invoke(app, arguments)
    assert isinstance(refused.exception, SourceError)
    assert not out.exists()
    done = CliRunner().invoke(app, [*arguments, "--lenient"], catch_exceptions=False)
    lines = done.stderr.splitlines()
    [begin] = [n for n, line in enumerate(lines) if line.startswith("left out")]
    told, *examples = lines[begin : begin + 4]
    assert told == "left out, parents that no source defines: 5, the first 3 of them:"
    assert [line.split(": ")[0] for line in examples] == [f"  {source}:{n}" for n in (2, 3, 4)]
    assert open_bundle(out).manifest.counts["concepts"] == 5


def test_a_replaced_concept_is_found_under_its_old_id(tmp_path: Path) -> None:
    concepts = [Concept(concept_id="A:1"), Name(concept_id="A:1", name="heart")]
    records = [*concepts, Replacement(concept_id="A:0", replaced_by="A:1", relation="SAME_AS")]
    source = Source(path="a", releases=(Release(source="A"),), records=records)
    build([source], tmp_path / "out", encoder=ENCODER)
    bundle = open_bundle(tmp_path / "out")
    assert bundle.manifest.counts["replacements"] == 1
    assert [successor.concept_id for successor in bundle.terminology.replaced_by("A:0")] == ["A:1"]
