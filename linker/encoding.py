"""Encoding: names and mentions to unit vectors, the same vector for a text whatever stands beside it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from linker.inference import Session, batches, load_tokenizer, read_number
from linker.records import Embeddings


class Encoder(Protocol):
    """Anything that turns texts into unit vectors."""

    @property
    def dimension(self) -> int:
        """Length of a vector."""

    def encode(self, texts: Sequence[str]) -> tuple[Embeddings, NDArray[np.bool_]]:
        """Embeddings, (n, dimension) float32 unit rows, and which texts were truncated, (n,) bool."""


class OnnxEncoder:
    """A bi-encoder exported to ONNX, with `dimension` and `max_length` (tokens) in its config."""

    def __init__(self, directory: Path, *, workers: int = 1) -> None:
        """Load the encoder; `workers` threads share it within one call. Raises `BundleCorrupt`."""
        self.dimension = int(read_number(directory, "dimension"))
        self._tokenizer = load_tokenizer(directory)
        self._session = Session(directory / "model.onnx")
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="encode") if workers > 1 else None

    def encode(
        self, texts: Sequence[str], *, progress: Callable[[int], object] | None = None
    ) -> tuple[Embeddings, NDArray[np.bool_]]:
        """Embeddings, (n, dimension) float32 unit rows, and which texts were truncated, (n,) bool.

        `progress` is called with the number of texts done since the last call.
        """
        encodings = self._tokenizer.encode_batch_fast(list(texts))
        embeddings = np.empty((len(texts), self.dimension), dtype=np.float32)

        def run(rows: list[int]) -> int:
            embeddings[rows] = self._session.run([encodings[row] for row in rows])
            return len(rows)

        work = list(batches(encodings))
        spread = map if self._pool is None or len(work) == 1 else self._pool.map
        for done in spread(run, work):
            if progress:
                progress(done)
        return embeddings, np.array([bool(encoding.overflowing) for encoding in encodings], dtype=np.bool_)
