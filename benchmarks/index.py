"""Seconds, memory, disk and recall of each kind of index, and what a search takes beside an exact scan.

    python benchmarks/index.py BUNDLE --work FOLDER [--kind exact --kind pq --kind ivf]
    python benchmarks/index.py NAMES.txt.xz --work FOLDER [--limit 1000000]

A bundle has its vectors indexed again. Names, the first column of a text, are made vectors by a stand-in for an encoder
that takes minutes for a million and not a quarter of an hour: random projections of their character n-grams. Mentions
are names written in another way. Each figure is that of a process of its own, on one thread.
"""

from __future__ import annotations

import argparse
import lzma
import multiprocessing
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import machine
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from linker.encoding import OnnxEncoder
from linker.index import VectorIndex, index_scale
from linker.manifest import MANIFEST, IndexEntry, IndexKind, read_manifest
from linker.records import Embeddings
from linker.surface import normalise
from linker.tables import map_table
from ontologies.embedding import SLICE, EmbeddedNames
from ontologies.indexing import DEPTH, measured, mentions_of, write_index

DIMENSION = 384
BUCKETS = 1 << 14
LONES = 200  # mentions searched one by one

Times = tuple[float, float]  # seconds, and those of them that the processor was ours


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--kind", type=IndexKind, action="append", choices=list(IndexKind))
    parser.add_argument("--limit", type=int)
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    print(machine.describe())
    take = _from_bundle if (options.source / MANIFEST).is_file() else _from_names
    names, mentions = _apart(take, options.source, options.work, options.limit)
    print(f"{names.names:,} vectors of {names.dimension} dimensions, {len(mentions)} mentions")
    for kind in options.kind or list(IndexKind):
        folder = options.work / kind
        folder.mkdir(exist_ok=True)
        built, peak, entry = _apart(_build, folder, names, kind)
        disk = sum(path.stat().st_size for path in folder.iterdir())
        print(f"{kind}: written in {built:.1f} s, {peak:,.0f} MiB of memory at most, {disk / 2**20:,.0f} MiB of disk")
        entry = _apart(_measure, folder, entry, mentions)
        opened, before, after, times = _apart(_search, folder, entry, mentions)
        print(f"  recall@{DEPTH} {entry.recall:.4f} with {entry.probes} probes, {entry.proposed} proposed; "
              f"opened in {opened:.2f} s; memory {before:,.0f} MiB before, {after:,.0f} MiB after")  # fmt: skip
        for what, (wall, processor) in times.items():
            print(f"  {what:16} {1e3 * wall:6.2f} ms a mention, {1e3 * processor:6.2f} ms of processor")


def _apart(task: Callable[..., Any], *arguments: object) -> Any:
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(task, *arguments).result()


def _build(folder: Path, names: EmbeddedNames, kind: IndexKind) -> tuple[float, float, IndexEntry]:
    began = time.perf_counter()
    of_name = np.arange(names.names, dtype=np.int32)
    entry = write_index(folder, names, of_name, kind=kind, encoder_digest="")
    return time.perf_counter() - began, machine.peak_rss(), entry


def _measure(folder: Path, entry: IndexEntry, mentions: Embeddings) -> IndexEntry:
    return measured(folder, entry, mentions, recall_floor=0.99, workers=1) if entry.kind != IndexKind.EXACT else entry


def _search(folder: Path, entry: IndexEntry, mentions: Embeddings) -> tuple[float, float, float, dict[str, Times]]:
    before = machine.peak_rss()
    began = time.perf_counter()
    index = VectorIndex(folder, entry)
    opened = time.perf_counter() - began
    index.search(mentions[:1], 257)
    times = {
        "alone": _seconds(lambda: [index.search(mention[None], 257) for mention in mentions[:LONES]], LONES),
        "in a batch": _seconds(lambda: index.search(mentions, 257), len(mentions)),
    }
    after = machine.peak_rss()
    times["exact scan"] = _seconds(lambda: index.scan(mentions[:LONES], 257), LONES)
    rows = np.random.default_rng(0).random(index.vectors) < 0.5
    times["filtered to half"] = _seconds(lambda: index.search(mentions[:LONES], 257, rows), LONES)
    return opened, before, after, times


def _seconds(task: Callable[[], object], mentions: int) -> Times:
    began = time.perf_counter(), time.process_time()
    task()
    return (time.perf_counter() - began[0]) / mentions, (time.process_time() - began[1]) / mentions


def _from_bundle(bundle: Path, work: Path, limit: int | None) -> tuple[EmbeddedNames, Embeddings]:
    manifest, _ = read_manifest(bundle)
    index, names = VectorIndex(bundle, manifest.index), map_table(bundle / "names.arrow")["name"]
    vectors = (
        index.embeddings(range(b, min(b + SLICE, index.vectors))) for b in range(0, limit or index.vectors, SLICE)
    )
    mentions, _ = OnnxEncoder(bundle / "encoder").encode(mentions_of(names[: limit or len(names)]))
    return _written(vectors, work, manifest.index.scale), mentions


def _from_names(path: Path, work: Path, limit: int | None) -> tuple[EmbeddedNames, Embeddings]:
    with lzma.open(path, "rt") if path.suffix == ".xz" else path.open() as lines:
        names = sorted({normalise(line.split("\t", 1)[0].strip()) for line in lines} - {""})
    order = np.random.default_rng(0).permutation(len(names))[:limit]  # a prefix would be one end of the alphabet
    names = [names[row] for row in order]
    encode = StandIn()
    vectors = (encode(names[begin : begin + SLICE]) for begin in range(0, len(names), SLICE))
    return _written(vectors, work, index_scale(DIMENSION)), encode(mentions_of(pa.chunked_array([names])))


def _written(vectors: Any, work: Path, scale: float) -> EmbeddedNames:
    path, count, dimension = work / "embeddings.i8", 0, 0
    with path.open("wb") as file:
        for block in vectors:
            file.write(np.clip(np.rint(block * np.float32(scale)), -127, 127).astype(np.int8).tobytes())
            count, dimension = count + len(block), block.shape[1]
    return EmbeddedNames(path, count, dimension, scale)


class StandIn:
    """Names that share n-grams are near one another; the first directions say most, as those of real encoders do."""

    def __init__(self) -> None:
        random = np.random.default_rng(1)
        weights = random.normal(size=(BUCKETS, DIMENSION)) / np.sqrt(1 + np.arange(DIMENSION) / 40)
        self._weights = (weights @ np.linalg.qr(random.normal(size=(DIMENSION, DIMENSION)))[0]).astype(np.float32)

    def __call__(self, names: Sequence[str]) -> Embeddings:
        rows = np.stack([self._weights[_grams(name)].sum(axis=0) for name in names])
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def _grams(name: str) -> NDArray[np.int64]:
    text = np.frombuffer(f" {name} ".encode(), dtype=np.uint8).astype(np.int64)
    grams = [text[:-1] * 257 + text[1:], (text[:-2] * 257 + text[1:-1]) * 257 + text[2:]]
    return np.concatenate(grams) * 2654435761 % 2**32 >> 18


if __name__ == "__main__":
    main()
