"""Names to embeddings on disk, slice by slice, so that an interrupted build goes on where it stopped.

The file of embeddings holds one row a distinct normalised name, in the bytes that the index has of it: whether a row
was made by the encoder or comes from an older index then makes no difference to what follows. Beside it, `encoded` says
what they were made from, and then which slices are written: a line is added when the slice has reached the disk.
"""

from __future__ import annotations

import hashlib
import os
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import IO, Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from linker.console import progress, stderr
from linker.records import Embeddings

SLICE = 4096  # names encoded between two steps of the progress bar: enough to fill batches of one length
WINDOW = 64 * SLICE  # names whose embeddings are near one another in the file
_ENCODED = "encoded"
_EMBEDDINGS = "embeddings.i8"


class NameEncoder(Protocol):
    """An encoder that says how far it is; see `linker.encoding.OnnxEncoder`."""

    @property
    def dimension(self) -> int:
        """Length of a vector."""

    def encode(
        self, texts: Sequence[str], *, progress: Callable[[int], object] | None = None
    ) -> tuple[Embeddings, NDArray[np.bool_]]:
        """Embeddings, (n, dimension) float32 unit rows, and which texts were truncated, (n,) bool."""


class DistinctNames:
    """The distinct normalised names in the order they are encoded in.

    of_name: (names,) int32, which of them each name of the bundle is.
    """

    def __init__(self, exact: pa.Table) -> None:
        """Take the names from a table as `linker.terminology.EXACT_SCHEMA` has it."""
        self._normalised = exact["normalised"].chunk(0)
        own = ~exact["respelled"].to_numpy()  # of a text, those that are a normalised form come first
        names = exact["name"].to_numpy()[own]
        begins = np.ones(len(own), dtype=np.bool_)  # whether a text is another than the one before it
        begins[1:] = pc.not_equal(self._normalised[1:], self._normalised[:-1]).to_numpy(zero_copy_only=False)
        begins &= own
        places = np.flatnonzero(begins)
        # Names of one length side by side, so that a slice fills its batches; but near the place of the first name of
        # that form in the bundle, so that the index, which has the order of the bundle, finds them together.
        came = np.empty(len(places), dtype=np.int32)
        came[np.argsort(exact["name"].to_numpy()[places])] = np.arange(len(places))
        order = np.lexsort((came, pc.utf8_length(self._normalised).to_numpy()[places], came // WINDOW))
        number = np.empty(len(places), dtype=np.int32)
        number[order] = np.arange(len(places))
        self._places = places[order]
        self.of_name: NDArray[np.int32] = np.empty(len(names), dtype=np.int32)
        self.of_name[names] = number[np.cumsum(begins)[own] - 1]

    def __len__(self) -> int:
        return len(self._places)

    def slice(self, begin: int) -> list[str]:
        """`SLICE` names from `begin`, or what is left of them."""
        texts: list[str] = self._normalised.take(pa.array(self._places[begin : begin + SLICE])).to_pylist()
        return texts

    def digest(self) -> str:
        """SHA-256 of the names in their order (hexadecimal)."""
        digest = hashlib.sha256()
        for begin in range(0, len(self), SLICE):
            digest.update("\n".join([*self.slice(begin), ""]).encode())  # normalised names hold no line break
        return digest.hexdigest()


@dataclass(frozen=True)
class EmbeddedNames:
    """Embeddings of distinct names in a file; blocks of it are mapped while they are needed.

    path: (names, dimension) int8, unit rows times `scale`.
    """

    path: Path
    names: int
    dimension: int
    scale: float

    def rows(self, numbers: NDArray[np.integer[Any]]) -> Iterator[Embeddings]:
        """The embeddings of these names, a slice of them at a time, float32; times `scale` they are whole numbers."""
        for begin in range(0, len(numbers), SLICE):
            if begin % WINDOW == 0:
                vectors = self.mapped()
            yield vectors[numbers[begin : begin + SLICE]] / np.float32(self.scale)

    def mapped(self) -> NDArray[np.int8]:
        """The file as an array. What was read from it stays in memory as long as the array."""
        return np.memmap(self.path, dtype=np.int8, mode="r", shape=(self.names, self.dimension))


def embed(
    names: DistinctNames, encoder: NameEncoder, folder: Path, *, encoder_digest: str, scale: float
) -> EmbeddedNames:
    """Encode what `folder` does not yet hold the embeddings of. Raises OSError.

    encoder_digest: what stands for the encoder; embeddings that another made, or of other names, are made anew. scale:
    what unit rows are multiplied with to be bytes.
    """
    folder.mkdir(exist_ok=True)
    embedded = EmbeddedNames(folder / _EMBEDDINGS, len(names), encoder.dimension, scale)
    origin = f"{names.digest()} {encoder_digest} {SLICE} {scale} {version('onnxruntime')}"
    done = _encoded(embedded, origin)
    begins = [begin for begin in range(0, len(names), SLICE) if begin not in done]
    random.Random(0).shuffle(begins)  # noqa: S311 - in any order, so that the rate, and the time left, is steady
    left = sum(min(SLICE, len(names) - begin) for begin in begins)
    if done:
        stderr.print(f"{len(names) - left:,} of {len(names):,} names were encoded before the last build ended")
    with (
        progress("Encoding names", left, "names") as advance,
        embedded.path.open("r+b") as file,
        (folder / _ENCODED).open("a") as log,
    ):
        for begin in begins:
            embeddings, _ = encoder.encode(names.slice(begin), progress=advance)
            file.seek(begin * encoder.dimension)
            file.write(np.clip(np.rint(embeddings * np.float32(scale)), -127, 127).astype(np.int8).tobytes())
            _sync(file)
            log.write(f"{begin}\n")
            _sync(log)
    return embedded


def _encoded(embedded: EmbeddedNames, origin: str) -> set[int]:
    """Where the slices begin that are written already; where the files are not of `origin`, they are started anew."""
    log, size = embedded.path.with_name(_ENCODED), embedded.names * embedded.dimension
    if log.is_file() and embedded.path.is_file() and embedded.path.stat().st_size == size:
        written = log.read_text()
        first, *lines = written.split("\n")
        if first == origin:
            os.truncate(log, written.rindex("\n") + 1)  # the last line may have been cut
            return {int(line) for line in lines[:-1] if line.isdigit()}
    log.unlink(missing_ok=True)
    with embedded.path.open("wb") as file:
        file.truncate(size)
    log.write_text(f"{origin}\n")
    return set()


def _sync(file: IO[Any]) -> None:
    file.flush()
    os.fsync(file.fileno())
