"""Encoding: names and mentions to unit vectors, the same vector for a text whatever stands beside it.

Only texts of the same token length share a batch. There is then no padding at all, hence nothing whose amount could
change a sum, and none of the work that padding wastes.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from linker.errors import BundleCorrupt
from linker.inference import Session

TOKENS_PER_BATCH = 512  # larger batches leave the cache: 2,048 tokens a run are 13 % slower a name
MODEL_FILES = ("config.json", "model.onnx", "tokenizer.json")

Embeddings = NDArray[np.float32]


class Encoder(Protocol):
    """Anything that turns texts into unit vectors."""

    @property
    def dimension(self) -> int:
        """Length of a vector."""

    def encode(self, texts: Sequence[str]) -> tuple[Embeddings, NDArray[np.bool_]]:
        """Embeddings, (n, dimension) float32 unit rows, and which texts were truncated, (n,) bool."""


@dataclass(frozen=True, slots=True)
class _Batch:
    rows: list[int]
    token_ids: NDArray[np.int64]


class OnnxEncoder:
    """A bi-encoder exported to ONNX: `model.onnx`, `tokenizer.json` and `config.json` in one directory."""

    def __init__(self, directory: Path, *, workers: int = 1) -> None:
        """Load the encoder; `workers` threads share it within one call. Raises `BundleCorrupt`."""
        config = read_config(directory)
        self.dimension = int(str(config["dimension"]))
        self._session = Session(directory / "model.onnx")
        self._tokenizer = load_tokenizer(directory)
        self._tokenizer.enable_truncation(int(str(config["max_length"])))
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="encode") if workers > 1 else None

    def encode(
        self, texts: Sequence[str], *, progress: Callable[[int], object] | None = None
    ) -> tuple[Embeddings, NDArray[np.bool_]]:
        """Embeddings, (n, dimension) float32 unit rows, and which texts were truncated, (n,) bool.

        `progress` is called with the number of texts done since the last call.
        """
        embeddings = np.empty((len(texts), self.dimension), dtype=np.float32)
        truncated = np.zeros(len(texts), dtype=np.bool_)

        def run(batch: _Batch) -> int:
            feeds = {"input_ids": batch.token_ids, "attention_mask": np.ones_like(batch.token_ids)}
            embeddings[batch.rows] = self._session.run(feeds)
            return len(batch.rows)

        batches = list(self._batches(texts, truncated))
        parallel = self._pool is not None and len(batches) > 1
        for done in self._pool.map(run, batches) if parallel and self._pool else map(run, batches):
            if progress:
                progress(done)
        return embeddings, truncated

    def _batches(self, texts: Sequence[str], truncated: NDArray[np.bool_]) -> Iterator[_Batch]:
        rows_by_length: defaultdict[int, list[int]] = defaultdict(list)
        encodings = self._tokenizer.encode_batch_fast(list(texts))
        for row, encoding in enumerate(encodings):
            rows_by_length[len(encoding)].append(row)
            truncated[row] = bool(encoding.overflowing)
        # Longest first: the last batches to finish are then the short ones, and the workers end together.
        for length in sorted(rows_by_length, reverse=True):
            rows = rows_by_length[length]
            size = max(1, TOKENS_PER_BATCH // length)
            for start in range(0, len(rows), size):
                chosen = rows[start : start + size]
                yield _Batch(chosen, np.array([encodings[row].ids for row in chosen], dtype=np.int64))


def read_config(directory: Path) -> dict[str, object]:
    """The `config.json` of a model directory. Raises `BundleCorrupt`."""
    path = directory / "config.json"
    try:
        config = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise BundleCorrupt(f"{path}: expected a model's config.json ({type(error).__name__})") from error
    if not isinstance(config, dict):
        raise BundleCorrupt(f"{path}: expected a JSON object")
    return config


def load_tokenizer(directory: Path) -> Tokenizer:
    """The tokenizer of a model directory, without padding. Raises `BundleCorrupt`."""
    path = directory / "tokenizer.json"
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # the tokenizers library raises bare Exception
        raise BundleCorrupt(f"{path}: expected a tokenizer.json of the tokenizers library") from error
    tokenizer.no_padding()
    return tokenizer
