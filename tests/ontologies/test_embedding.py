"""Names are encoded once each, whatever happens in between."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from linker.encoding import OnnxEncoder
from ontologies import embedding
from ontologies.build import build
from ontologies.collecting import collect
from ontologies.embedding import DistinctNames, embed
from ontologies.readers import read
from ontologies.records import Concept, Name, Release, Source
from ontologies.starter import ENCODER

words = st.sampled_from(["a", "B", "b", "cc", "DDD", "é", "eeee eeee", "f g", "F-G"])


class FakeEncoder:
    """Unit vectors that tell texts apart; keeps what it was asked."""

    dimension = 8

    def __init__(self) -> None:
        self.asked: list[str] = []

    def encode(self, texts: Sequence[str], *, progress=None):
        self.asked += texts
        digests = [np.frombuffer(hashlib.sha256(text.encode()).digest()[:8], dtype=np.int8) for text in texts]
        rows = np.array(digests, dtype=np.float32)
        return rows / np.linalg.norm(rows, axis=1, keepdims=True), np.zeros(len(texts), dtype=np.bool_)


def tables_of(names: Sequence[str], folder: Path | None = None):
    records = [Concept(concept_id=f"A:{n}") for n in range(len(names))]
    records += [Name(concept_id=f"A:{n}", name=name) for n, name in enumerate(names)]
    return collect([Source(path="a", releases=(Release(source="A"),), records=records)])


@settings(max_examples=30)
@given(st.lists(words, min_size=1, max_size=30), st.integers(1, 5), st.integers(1, 3))
def test_every_name_has_the_embedding_of_its_normalised_form(
    tmp_path_factory: pytest.TempPathFactory, names: list[str], size: int, slices: int
) -> None:
    tables, encoder = tables_of(names), FakeEncoder()
    exact = {row["name"]: row["normalised"] for row in tables.exact.to_pylist()}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(embedding, "SLICE", size)
        patch.setattr(embedding, "WINDOW", size * slices)
        distinct = DistinctNames(tables.exact)
        embedded = embed(distinct, encoder, tmp_path_factory.mktemp("work"), encoder_digest="x", scale=127.0)
        rows = np.concatenate(list(embedded.rows(distinct.of_name)))
    assert sorted(encoder.asked) == sorted(set(exact.values()))
    expected = FakeEncoder().encode([exact[row] for row in range(len(exact))])[0]
    assert np.array_equal(rows, np.rint(127 * expected) / np.float32(127))


def test_names_of_one_length_are_encoded_together(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    encoder = FakeEncoder()
    embed(
        DistinctNames(tables_of(["dddd", "b", "ccc", "aa"]).exact), encoder, tmp_path, encoder_digest="x", scale=127.0
    )
    assert encoder.asked == ["b", "aa", "ccc", "dddd"]


@pytest.mark.parametrize("changed", ["nothing", "encoder", "names", "cut", "size"])
def test_only_what_is_missing_is_encoded_and_only_of_the_same_names_and_encoder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, changed: str
) -> None:
    monkeypatch.setattr(embedding, "SLICE", 2)
    names = [f"name {n}" for n in range(10)]

    class Interrupted(FakeEncoder):
        def encode(self, texts, *, progress=None):
            if len(self.asked) == 6:
                raise KeyboardInterrupt
            return super().encode(texts)

    first, second = Interrupted(), FakeEncoder()
    with pytest.raises(KeyboardInterrupt):
        embed(DistinctNames(tables_of(names).exact), first, tmp_path, encoder_digest="x", scale=127.0)
    log = tmp_path / "encoded"
    if changed == "cut":  # the last line is that of a slice that may not be whole
        log.write_bytes(log.read_bytes()[:-1])
    if changed == "size":
        os.truncate(tmp_path / "embeddings.i8", 60)
    names = [*names[:-1], "another"] if changed == "names" else names
    distinct = DistinctNames(tables_of(names).exact)
    embedded = embed(distinct, second, tmp_path, encoder_digest="y" if changed == "encoder" else "x", scale=127.0)
    if changed == "nothing":
        assert sorted(first.asked + second.asked) == sorted(names)
    else:
        assert len(second.asked) == (6 if changed == "cut" else 10)
    texts = [text for begin in range(0, len(distinct), 2) for text in distinct.slice(begin)]
    assert np.array_equal(embedded.mapped(), np.rint(127 * FakeEncoder().encode(texts)[0]))


_KILLED = """
import os, sys
from pathlib import Path
from linker.encoding import OnnxEncoder
from ontologies import embedding
from ontologies.build import build
from ontologies.readers import read
from ontologies.starter import ENCODER
embedding.SLICE = 64
encode, slices = OnnxEncoder.encode, 0
def counted(self, texts, **options):
    global slices
    slices += 1
    if slices == 4:
        os.kill(os.getpid(), 9)
    return encode(self, texts, **options)
OnnxEncoder.encode = counted
build([read(Path(sys.argv[1]))], Path(sys.argv[2]), encoder=ENCODER)
"""


def test_a_build_killed_while_encoding_goes_on_where_it_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table, out = tmp_path / "source.tsv", tmp_path / "out"
    table.write_text("".join(f"A:{n}\tname number {n % 450} of a disease\n" for n in range(500)))
    killed = subprocess.run([sys.executable, "-c", _KILLED, str(table), str(out)], capture_output=True, env=os.environ)
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    assert not out.exists()
    encoded: list[str] = []
    encode = OnnxEncoder.encode

    def counted(self, texts, **options):
        encoded.extend(texts)
        return encode(self, texts, **options)

    monkeypatch.setattr(OnnxEncoder, "encode", counted)
    monkeypatch.setattr(embedding, "SLICE", 64)
    build([read(table)], out, encoder=ENCODER)
    assert len(encoded) == len(set(encoded)) == 450 - 3 * 64
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "source.tsv"]
    encoded.clear()
    build([read(table)], tmp_path / "fresh", encoder=ENCODER)
    assert len(encoded) == 450
    files = {path.relative_to(out) for path in out.rglob("*") if path.is_file()}
    assert files == {path.relative_to(tmp_path / "fresh") for path in (tmp_path / "fresh").rglob("*") if path.is_file()}
    assert all((out / path).read_bytes() == (tmp_path / "fresh" / path).read_bytes() for path in files)
