"""An index is of the kind that was asked for, finds what an exact scan finds, and is refused where it does not."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

import linker.index
from linker.cli import main
from linker.index import PROPOSALS, VECTORS, VectorIndex
from linker.manifest import IndexEntry, IndexKind, read_manifest
from linker.pipeline import Linker
from linker.surface import normalise
from ontologies import indexing
from ontologies.build import build
from ontologies.embedding import EmbeddedNames
from ontologies.errors import BuildError
from ontologies.indexing import IndexOptions, measured, mentions_of, write_index
from ontologies.readers import read
from ontologies.starter import ENCODER

SCALE = 300.0
CODED = [IndexKind.PQ, IndexKind.IVF]


def embedded(folder: Path, count: int = 3000, dimension: int = 32) -> EmbeddedNames:
    """Names of which each has about thirty near it."""
    random = np.random.default_rng(0)
    centres = random.normal(size=(count // 30 + 1, dimension))
    rows = centres[random.integers(len(centres), size=count)] + 0.5 * random.normal(size=(count, dimension))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    path = folder / "embeddings.i8"
    path.write_bytes(np.clip(np.rint(rows * SCALE), -127, 127).astype(np.int8).tobytes())
    return EmbeddedNames(path, count, dimension, SCALE)


def mentions_near(names: EmbeddedNames) -> np.ndarray:
    random = np.random.default_rng(1)
    rows = next(names.rows(random.integers(names.names, size=100))) + 0.05 * random.normal(size=(100, names.dimension))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def made(folder: Path, kind: IndexKind | None) -> tuple[IndexEntry, np.ndarray]:
    names = embedded(folder)
    of_name = np.arange(len(names.mapped()), dtype=np.int32)
    return write_index(folder, names, of_name, kind=kind, encoder_digest="x"), mentions_near(names)


def test_a_name_has_the_row_of_its_normalised_form(tmp_path: Path) -> None:
    names = embedded(tmp_path)
    of_name = np.array([5, 5, 0, 2999, 7], dtype=np.int32)
    entry = write_index(tmp_path, names, of_name, kind=None, encoder_digest="x")
    assert entry == IndexEntry(IndexKind.EXACT, "x", 32, 5, SCALE)
    rows = VectorIndex(tmp_path, entry).embeddings(range(5))
    assert np.array_equal(np.rint(rows * np.float32(SCALE)), names.mapped()[of_name])
    assert not (tmp_path / PROPOSALS).exists()


@pytest.mark.parametrize("kind", CODED)
def test_recall_is_that_of_an_exact_scan_over_the_same_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: IndexKind
) -> None:
    monkeypatch.setattr(indexing, "PROPOSED", 80)  # so few that not all is found
    entry, mentions = made(tmp_path, kind)
    found = measured(tmp_path, entry, mentions, recall_floor=0.0, workers=2)
    index = VectorIndex(tmp_path, found)
    rows = index.embeddings(range(index.vectors))
    best = np.argsort(-mentions @ rows.T, axis=1)[:, :64]
    nearest = index.search(mentions, 64)[1]
    overlap = np.mean([len(set(a) & set(b)) / 64 for a, b in zip(best, nearest, strict=True)])
    assert 0.1 < found.recall < 1
    assert found.recall == pytest.approx(overlap, abs=0.01)  # mentions are bytes there


@pytest.mark.parametrize("kind", CODED)
def test_an_index_below_the_floor_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: IndexKind, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(indexing, "PROPOSED", 64)
    entry, mentions = made(tmp_path, kind)
    with pytest.raises(BuildError, match=rf"index {kind}: recall@64 is 0\.\d+, below the floor of 0.9999"):
        measured(tmp_path, entry, mentions, recall_floor=0.9999, workers=1)
    assert f"index {kind}: recall@64 0." in capsys.readouterr().err


def test_as_few_lists_are_probed_as_reach_the_floor(tmp_path: Path) -> None:
    entry, mentions = made(tmp_path, IndexKind.IVF)
    some, more = (measured(tmp_path, entry, mentions, recall_floor=floor, workers=1) for floor in (0.5, 0.995))
    assert some.probes < more.probes <= 64
    assert 0.5 <= some.recall < more.recall
    assert more.recall >= 0.995
    index = VectorIndex(tmp_path, replace(more, probes=int(more.probes / 1.25) - 1))
    fewer = index.search(mentions, 64)[0] >= index.scan(mentions, 64)[0][:, -1:]
    assert fewer.mean() < 0.995


def test_half_as_many_rows_are_proposed_where_they_reach_the_floor(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(indexing, "PROPOSED", 256)
    entry, mentions = made(tmp_path, IndexKind.PQ)
    some = measured(tmp_path, entry, mentions, recall_floor=0.5, workers=1)
    more = measured(tmp_path, entry, mentions, recall_floor=min(1.0, some.recall + 1e-6), workers=1)
    assert (some.proposed, more.proposed) == (128, 256)
    assert some.recall < more.recall


def test_names_too_few_to_learn_codes_from(tmp_path: Path) -> None:
    names = embedded(tmp_path, count=15)
    with pytest.raises(BuildError, match="expected at least 16 different names, found 15"):
        write_index(tmp_path, names, np.zeros(40, dtype=np.int32), kind=IndexKind.PQ, encoder_digest="x")


def test_mentions_are_names_written_in_another_way(clinic_tsv: Path) -> None:
    names = [line.split("\t")[1] for line in clinic_tsv.read_text().splitlines()[1:]]
    mentions = mentions_of(pa.chunked_array([names]))
    assert mentions == mentions_of(pa.chunked_array([names]))
    assert len(mentions) == len(names)
    assert all(mention == normalise(mention) for mention in mentions)
    assert len(set(mentions) & set(map(normalise, names))) < len(names) / 4
    assert len(mentions_of(pa.chunked_array([[f"a long name {n}" for n in range(900)]]))) == indexing.MENTIONS


@pytest.mark.parametrize("kind", CODED)
def test_a_bundle_links_the_same_whatever_its_index(
    tmp_path: Path, clinic_tsv: Path, linker: Linker, kind: IndexKind
) -> None:
    """It has fewer names than are proposed, so that none can be missed."""
    for workers in (1, 3):
        out = tmp_path / f"{workers}"
        build([read(clinic_tsv)], out, encoder=ENCODER, index=IndexOptions(kind), workers=workers)
    assert (tmp_path / "1" / "manifest.json").read_bytes() == (tmp_path / "3" / "manifest.json").read_bytes()
    mentions = ["heart attack", "diabetis", "swelling of a joint", "zzz", "infarto"]
    with_codes = Linker.open(out, workers=2)
    assert [link.candidates for link in with_codes.link(mentions)] == [
        link.candidates for link in linker.link(mentions)
    ]
    manifest, _ = read_manifest(out)
    assert manifest.index.kind is kind
    assert manifest.index.recall == 1.0
    assert PROPOSALS in manifest.files


def test_the_number_of_names_chooses_and_the_command_overrides(
    tmp_path: Path, clinic_tsv: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(linker.index, "EXACT_UP_TO", 20)
    out = tmp_path / "out"

    def run(*options: object) -> int:
        monkeypatch.setattr(sys, "argv", ["linker", "build", str(clinic_tsv), "--out", str(out), *map(str, options)])
        try:
            main()
        except SystemExit as stop:
            return int(stop.code or 0)
        return 0

    for options, kind in ([], "pq"), (["--index", "auto"], "pq"), (["--index", "exact"], "exact"):
        assert run(*options) == 0
        assert read_manifest(out)[0].index.kind == kind
        assert (out / PROPOSALS).exists() == (kind == "pq")
    monkeypatch.setattr(indexing, "PROPOSED", 3)
    monkeypatch.setattr(indexing, "DEPTH", 3)
    before = (out / VECTORS).read_bytes()
    capsys.readouterr()
    assert run("--index", "pq", "--recall-floor", 1) == 2
    assert "build with --index exact, or with a lower --recall-floor" in " ".join(capsys.readouterr().err.split())
    assert read_manifest(out)[0].index.kind == "exact"  # the older bundle is untouched
    assert (out / VECTORS).read_bytes() == before
    assert run("--index", "pq", "--recall-floor", 0.1) == 0
    assert 0.1 <= read_manifest(out)[0].index.recall < 1
    assert "names were encoded before the last build ended" in capsys.readouterr().err
    assert run("--index", "best") == 2
