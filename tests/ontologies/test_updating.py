"""An update is a fresh build that encodes only what is new, keeps redirects, and says what changed."""

from __future__ import annotations

import csv
import hashlib
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from linker import Linker
from linker.cli import app
from linker.decision import UNFITTED
from linker.encoding import OnnxEncoder
from linker.errors import BundleCorrupt, BundleError
from linker.index import index_scale
from linker.manifest import IndexKind
from linker.surface import normalise
from linker.tables import map_table
from linker.terminology import Terminology
from ontologies import build as building
from ontologies.build import build
from ontologies.changes import ChangeKind
from ontologies.errors import BuildError, SourceError
from ontologies.indexing import IndexOptions
from ontologies.records import Concept, Name, Release, Replacement, Source
from ontologies.starter import ENCODER

WORDS = ["heart", "Heart", "HEART attack", "lung", "lungs", "kidney", "tab\there", 'a "quoted" name', "línea"]
UPDATED = ("changes.tsv", "manifest.json", "replacements.arrow")  # what tells an update from a fresh build


class InventedEncoder:
    """Unit vectors that tell texts apart; keeps what all of its kind were asked."""

    dimension = 16
    asked: ClassVar[list[str]] = []

    def __init__(self, directory: Path, *, workers: int = 1) -> None:
        self._salt = (directory / "model.onnx").read_bytes()

    def encode(self, texts: Sequence[str], *, progress=None):
        self.asked.extend(texts)
        digests = [hashlib.sha256(self._salt + text.encode()).digest() for text in texts]
        rows = np.frombuffer(b"".join(digests), dtype=np.int16).reshape(len(texts), 16).astype(np.float32)
        if progress:
            progress(len(texts))
        return rows / np.linalg.norm(rows, axis=1, keepdims=True), np.zeros(len(texts), dtype=np.bool_)


@pytest.fixture
def encoder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return invented_encoder(tmp_path / "encoder", monkeypatch)


def invented_encoder(directory: Path, patch: pytest.MonkeyPatch, salt: str = "") -> Path:
    patch.setattr(building, "OnnxEncoder", InventedEncoder)
    patch.setattr(InventedEncoder, "asked", [])
    directory.mkdir()
    (directory / "config.json").write_text(json.dumps({"name": "invented", "dimension": 16, "max_length": 8}))
    for name in ("model.onnx", "tokenizer.json"):
        (directory / name).write_text(salt)
    return directory


def source(
    concepts: dict[str, dict], replaced: Sequence[tuple[str, str]] = (), version: str = "1", path: str = "invented"
) -> Source:
    """concepts: of each id its names, the first preferred, and perhaps its parents and whether it is retired."""
    records: list = []
    for concept_id, told in concepts.items():
        records.append(
            Concept(concept_id=concept_id, parents=told.get("parents", ()), retired=told.get("retired", False))
        )
        records += [Name(concept_id=concept_id, name=name, language="en") for name in told["names"]]
    records += [Replacement(concept_id=old, replaced_by=new, relation="SAME_AS") for old, new in replaced]
    return Source(path=path, releases=(Release(source="A", version=version),), records=records)


@st.composite
def releases(draw: st.DrawFn) -> tuple[dict[str, dict], list[tuple[str, str]]]:
    """Concepts, of which the first is always there, and replacements that end somewhere."""
    ids = ["A:0", *draw(st.lists(st.sampled_from([f"A:{n}" for n in range(1, 7)]), min_size=3, unique=True))]
    concepts = {}
    for place, concept_id in enumerate(ids):
        names = draw(st.lists(st.sampled_from(WORDS), min_size=1, max_size=3, unique=True))
        parents = draw(st.lists(st.sampled_from(ids[:place]), max_size=2, unique=True)) if place else []
        retired = place > 0 and draw(st.integers(0, 3)) == 0
        concepts[concept_id] = {"names": names, "parents": tuple(parents), "retired": retired}
    pairs = draw(st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7)), min_size=2, max_size=5, unique=True))
    return concepts, [(f"A:{max(pair)}", f"A:{min(pair)}") for pair in pairs if pair[0] != pair[1]]


def files(bundle: Path) -> dict[str, bytes]:
    paths = [path for path in bundle.rglob("*") if path.is_file()]
    return {path.relative_to(bundle).as_posix(): path.read_bytes() for path in paths}


def forms(bundle: Path) -> set[str]:
    return {row["normalised"] for row in map_table(bundle / "exact.arrow").to_pylist() if not row["respelled"]}


def redirects(bundle: Path) -> set[tuple[str, str, str]]:
    return {tuple(row.values()) for row in map_table(bundle / "replacements.arrow").to_pylist()}


def changes(bundle: Path) -> list[dict[str, str]]:
    with (bundle / "changes.tsv").open(newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


@settings(max_examples=15)
@given(releases(), releases(), st.booleans())
def test_an_update_is_a_fresh_build_that_encodes_only_what_is_new(
    tmp_path_factory: pytest.TempPathFactory, old: tuple, new: tuple, in_place: bool
) -> None:
    folder = tmp_path_factory.mktemp("update")
    with pytest.MonkeyPatch.context() as patch:
        encoder = invented_encoder(folder / "encoder", patch)
        build([source(*old)], folder / "old", encoder=encoder)
        build([source(*new)], folder / "fresh", encoder=encoder)
        had, older = forms(folder / "old"), redirects(folder / "old")
        InventedEncoder.asked = asked = []
        out = folder / ("old" if in_place else "new")
        shown = {name: Terminology(folder / name) for name in ("old", "fresh")}
        built = build([source(*new)], out, encoder=encoder, update=folder / "old")
    assert sorted(asked) == sorted(forms(out) - had)

    updated, fresh = files(out), files(folder / "fresh")
    assert set(updated) == {*fresh, "changes.tsv"}
    assert all(updated[name] == fresh[name] for name in fresh if name not in UPDATED)
    known = {*new[0], *(concept_id for pair in new[1] for concept_id in pair)}
    kept = {row for row in older if row[0] not in known}
    assert redirects(out) == redirects(folder / "fresh") | kept
    if not kept:
        assert updated["replacements.arrow"] == fresh["replacements.arrow"]
    manifests = [json.loads(content["manifest.json"]) for content in (updated, fresh)]
    for manifest in manifests:
        manifest["counts"].pop("replacements")
        manifest.pop("sha256")  # of the others
        for name in UPDATED:
            manifest["files"].pop(name, None)
    assert manifests[0] == manifests[1]

    told = changes(out)
    assert [(row["concept_id"], row["change"]) for row in told] == sorted(
        (row["concept_id"], row["change"]) for row in told
    )
    assert {tuple(row.values()) for row in told} == expected(old, new, shown["old"], shown["fresh"], Terminology(out))
    assert built.changes is not None
    assert built.changes.counts.total() == len(told)


def expected(old: tuple, new: tuple, before: Terminology, after: Terminology, redirected: Terminology) -> set[tuple]:
    """What changed, concept by concept."""
    found = set()
    linked = [{i for i, told in concepts.items() if not told.get("retired")} for concepts, _ in (old, new)]
    for i in linked[1] - linked[0]:
        found.add(("restored" if i in old[0] else "added", i, "", after.concept(i).preferred_name, ""))
    for i in linked[0] - linked[1]:
        name, successors = before.concept(i).preferred_name, redirected.replaced_by(i)
        if successors:
            found.add(("replaced", i, name, " ".join(s.concept_id for s in successors), ""))
        else:
            found.add(("retired" if i in new[0] else "vanished", i, name, "", ""))
    for i in linked[0] & linked[1]:
        one, other = before.concept(i), after.concept(i)
        if set(one.parents) != set(other.parents):
            found.add(("moved", i, " ".join(one.parents), " ".join(other.parents), ""))
        if one.preferred_name != other.preferred_name:
            found.add(("renamed", i, one.preferred_name, other.preferred_name, ""))
        names = [{(name.name, name.language) for name in record.names} for record in (one, other)]
        found |= {("name removed", i, name, "", language) for name, language in names[0] - names[1]}
        found |= {("name added", i, "", name, language) for name, language in names[1] - names[0]}
    return found


@given(st.integers(-127, 127), st.integers(1, 4096))
def test_bytes_of_an_index_are_embeddings_and_bytes_again(byte: int, dimension: int) -> None:
    scale = np.float32(index_scale(dimension))
    assert np.rint(np.float32(byte) / scale * scale) == byte


def test_the_shipped_encoder_gives_the_same_bytes_whatever_is_encoded_beside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"{kind} of the {place}" for kind in ("pain", "acute inflammation") for place in WORDS]
    old = source({f"A:{n}": {"names": [name]} for n, name in enumerate(names[:-3])})
    new = {f"A:{n}": {"names": [name]} for n, name in enumerate(names[2:])}
    build([old], tmp_path / "old", encoder=ENCODER)
    build([source(new)], tmp_path / "fresh", encoder=ENCODER)
    asked: ClassVar[list[str]] = []
    encode = OnnxEncoder.encode

    def counted(self, texts, **options):
        asked.extend(texts)
        return encode(self, texts, **options)

    monkeypatch.setattr(OnnxEncoder, "encode", counted)
    build([source(new)], tmp_path / "new", encoder=ENCODER, update=tmp_path / "old")
    assert sorted(asked) == sorted(map(normalise, names[-3:]))
    assert (tmp_path / "new/index.faiss").read_bytes() == (tmp_path / "fresh/index.faiss").read_bytes()


def test_codes_of_a_larger_index_are_those_of_a_fresh_one(tmp_path: Path, encoder: Path) -> None:
    """Their centres are learnt from rows that the older index has, too."""
    old, new = (
        {f"A:{n}": {"names": [f"name {n} of a disease"]} for n in numbers} for numbers in (range(60), range(9, 70))
    )
    index = IndexOptions(kind=IndexKind.PQ, recall_floor=0.0)
    for out, concepts, update in (("old", old, None), ("fresh", new, None), ("new", new, tmp_path / "old")):
        build([source(concepts)], tmp_path / out, encoder=encoder, index=index, update=update)
    for name in ("index.faiss", "proposals.faiss"):
        assert (tmp_path / "new" / name).read_bytes() == (tmp_path / "fresh" / name).read_bytes()


def test_a_redirect_outlives_the_release_that_told_of_it(tmp_path: Path, encoder: Path) -> None:
    out = tmp_path / "out"
    build([source({"A:1": {"names": ["heart"]}, "A:2": {"names": ["the heart"]}})], out, encoder=encoder)
    build([source({"A:2": {"names": ["the heart"]}}, [("A:1", "A:2")])], out, encoder=encoder, update=out)
    assert [(row["change"], row["after"]) for row in changes(out)] == [("replaced", "A:2")]
    for _ in range(2):  # and the one after that
        build([source({"A:2": {"names": ["the heart"]}})], out, encoder=encoder, update=out)
        assert [successor.concept_id for successor in Terminology(out).replaced_by("A:1")] == ["A:2"]
        assert changes(out) == []


def test_the_command_shows_what_changed_and_keeps_the_models_of_the_older_bundle(tmp_path: Path) -> None:
    table, out = tmp_path / "source.tsv", tmp_path / "out"
    header = "concept_id\tname\tlanguage\tterm_type\tparents\n"
    table.write_text(
        f"{header}A:1\theart\ten\tpreferred\t\nA:2\tlung\ten\tpreferred\tA:1\nA:3\tskin\ten\tpreferred\t\n"
    )
    shutil.copytree(ENCODER, tmp_path / "encoder")
    (tmp_path / "encoder/config.json").write_text((ENCODER / "config.json").read_text() + "\n")  # another digest
    arguments = ["build", str(table), "--out", str(out)]
    CliRunner().invoke(app, [*arguments, "--encoder", str(tmp_path / "encoder")], catch_exceptions=False)
    calibration = (out / "calibration.json").read_bytes()
    shutil.rmtree(tmp_path / "encoder")
    table.write_text(f"{header}A:1\theart\ten\tpreferred\t\nA:2\tlungs\ten\tpreferred\t\n")
    done = CliRunner().invoke(app, [*arguments, "--update", str(out)], catch_exceptions=False)
    lines = done.stderr.splitlines()
    assert f"{out} has the vectors of 1 of 2 names, which were not encoded" in lines
    for kind, example in (
        ("moved", "  A:2: A:1"),
        ("renamed", "  A:2: lung -> lungs"),
        ("vanished", "  A:3: skin"),
        ("name added", "  A:2: lungs"),
    ):
        assert lines[lines.index(f"{kind}: 1, for example") + 1] == example
    assert f"5 changes are listed in {out / 'changes.tsv'}" in lines
    assert (out / "calibration.json").read_bytes() == calibration
    assert UNFITTED.fitted_on.encode() not in calibration
    assert Linker.open(out).link(["lungs"])[0].candidates[0].concept_id == "A:2"


def test_vectors_of_another_encoder_are_not_taken(
    tmp_path: Path, encoder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    release, other = {"A:1": {"names": ["heart"]}}, tmp_path / "other"
    build([source(release)], tmp_path / "old", encoder=encoder)
    invented_encoder(other, monkeypatch, salt="other")
    build([source(release)], tmp_path / "new", encoder=other, update=tmp_path / "old")
    assert InventedEncoder.asked == ["heart"]
    assert "made with another encoder: every name is encoded again" in capsys.readouterr().err
    build([source(release)], tmp_path / "fresh", encoder=other)
    assert (tmp_path / "new/index.faiss").read_bytes() == (tmp_path / "fresh/index.faiss").read_bytes()


def test_a_release_of_another_version_comes_first(tmp_path: Path, encoder: Path) -> None:
    out = tmp_path / "out"
    build([source({"A:1": {"names": ["heart"]}}, version="2026-01")], out, encoder=encoder)
    built = build([source({"A:1": {"names": ["heart"]}}, version="2026-07")], out, encoder=encoder, update=out)
    [row] = changes(out)
    assert list(row.values()) == ["release", "A", "2026-01", "2026-07", ""]
    assert built.changes is not None
    assert built.changes.counts == {ChangeKind.RELEASE: 1}


def damage(bundle: Path, how: str) -> None:
    path = bundle / ("manifest.json" if how == "format" else "index.faiss")
    content = path.read_bytes()
    if how == "missing":
        path.unlink()
    elif how == "format":
        path.write_text(json.dumps({**json.loads(content), "format": 1}))
    else:
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))


@pytest.mark.parametrize(
    ("how", "error", "message"),
    [
        ("format", BundleError, "format 1 is not the one"),
        ("missing", BundleCorrupt, r"index\.faiss: missing"),
        ("flipped", BundleCorrupt, r"index\.faiss: its digest is not"),
    ],
)
def test_a_broken_older_bundle_is_named_and_nothing_is_written(
    tmp_path: Path, encoder: Path, how: str, error: type[Exception], message: str
) -> None:
    release = {"A:1": {"names": ["heart"]}}
    build([source(release)], tmp_path / "old", encoder=encoder)
    damage(tmp_path / "old", how)
    with pytest.raises(error, match=message):
        build([source(release)], tmp_path / "new", encoder=encoder, update=tmp_path / "old")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["encoder", "old"]


def test_what_is_no_bundle_or_no_release_is_refused(tmp_path: Path, encoder: Path) -> None:
    out = tmp_path / "out"
    build([source({"A:1": {"names": ["heart"]}})], out, encoder=encoder)
    before = files(out)
    with pytest.raises(BuildError, match="no name to link to"):
        build([source({})], out, encoder=encoder, update=out)
    with pytest.raises(SourceError, match="has no name"):
        build([source({"A:1": {"names": []}})], out, encoder=encoder, update=out)
    assert files(out) == before
    with pytest.raises(BundleError, match="is not a bundle"):
        build([source({"A:1": {"names": ["heart"]}})], out, encoder=encoder, update=tmp_path)
    table = tmp_path / "source.tsv"
    table.write_text("A:1\theart\n")
    command = ["build", str(table), "--out", str(out), "--update", str(tmp_path / "nowhere")]
    refused = CliRunner().invoke(app, command)
    assert isinstance(refused.exception, BundleError)
    assert "no such bundle" in str(refused.exception)
    assert files(out) == before
