"""A trained token classifier: for every piece of a note, is it outside, at the beginning of or inside a mention?

It answers for several types at once (`disease`, `procedure`), each by itself: corpora annotate what they are about and
nothing else, and what one calls outside another calls a mention.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice, pairwise
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from linker.detection.windows import Place, Reader, Window
from linker.errors import BundleCorrupt
from linker.inference import Session, batches, load_tokenizer, read_config, read_number

OUTSIDE, BEGIN, INSIDE = LABELS = range(3)
_WINDOWS = 64  # read at once, so that a long note needs little memory

Probabilities = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Tagged:
    """A note as a classifier reads it.

    places: (pieces, 2) int64, where each piece begins and ends, in code points. probabilities: (pieces, types, 3)
    float32, of OUTSIDE, BEGIN and INSIDE.
    """

    places: NDArray[np.int64]
    probabilities: Probabilities

    def pieces(self, begin: int, end: int) -> slice:
        """The pieces that lie in a range of code points, wholly or in part."""
        first = int(np.searchsorted(self.places[:, 1], begin, side="right"))
        return slice(first, int(np.searchsorted(self.places[:, 0], end, side="left")))

    def shares(self, begin: int, end: int) -> NDArray[np.float32]:
        """How likely a range of code points is inside a mention of each type, its pieces' mean: (types,) float32."""
        pieces = 1 - self.probabilities[self.pieces(begin, end), :, OUTSIDE]
        return np.asarray(pieces.mean(axis=0) if len(pieces) else np.zeros(pieces.shape[1], np.float32))

    def mentions(self, kind: int) -> list[Place]:
        """Where mentions of a type stand, in order: pieces more likely in one than not.

        One ends where another is more likely to begin than it is to go on.
        """
        probabilities = self.probabilities[:, kind]
        inside = probabilities[:, OUTSIDE] < 0.5
        before = np.concatenate([[False], inside[:-1]])
        starts = inside & (~before | (probabilities[:, BEGIN] > probabilities[:, INSIDE]))
        edges = [*np.flatnonzero(starts | (~inside & before)).tolist(), len(inside)]
        runs = ((first, past) for first, past in pairwise(edges) if starts[first])
        return [(int(self.places[first, 0]), int(self.places[past - 1, 1])) for first, past in runs]


class Tagger(Protocol):
    """Anything that tags the pieces of notes."""

    @property
    def types(self) -> tuple[str, ...]:
        """What it tells apart."""

    def tag(self, notes: Sequence[str]) -> list[Tagged]:
        """Each note as it reads it; that of a note does not depend on the others."""


class OnnxTagger:
    """A token classifier exported to ONNX; `types`, `max_length` and `stride` (tokens) are in its config."""

    def __init__(self, directory: Path, *, workers: int = 1) -> None:
        """Load the model; `workers` threads share it within one call. Raises `BundleCorrupt`."""
        self.types = _types(directory)
        tokenizer = load_tokenizer(directory)
        max_length, stride = (int(read_number(directory, key)) for key in ("max_length", "stride"))
        self._reader = Reader(tokenizer, max_length=max_length, stride=stride)
        self._session = Session(directory / "model.onnx")
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="detect") if workers > 1 else None

    def tag(self, notes: Sequence[str]) -> list[Tagged]:
        """See `Tagger`. Takes time linear in the length of a note."""
        read = ((row, window) for row, note in enumerate(notes) for window in self._reader.windows(note))
        found: list[list[tuple[Window, Probabilities]]] = [[] for _ in notes]
        while block := list(islice(read, _WINDOWS)):
            windows = [window for _, window in block]
            for (row, window), probabilities in zip(block, self._run(windows), strict=True):
                found[row].append((window, probabilities))
        return [joined(of_note, types=len(self.types)) for of_note in found]

    def _run(self, windows: Sequence[Window]) -> list[Probabilities]:
        logits: list[Probabilities] = [np.empty(0, np.float32)] * len(windows)

        def run(rows: list[int]) -> None:
            for row, answer in zip(rows, self._session.run([windows[row] for row in rows]), strict=True):
                logits[row] = answer[windows[row].first]

        work = list(batches(windows))
        spread = map if self._pool is None or len(work) == 1 else self._pool.map
        for _ in spread(run, work):
            pass
        return [probabilities_of(of_window) for of_window in logits]


def _types(directory: Path) -> tuple[str, ...]:
    types = read_config(directory).get("types")
    if not isinstance(types, list) or not types or not all(isinstance(name, str) for name in types):
        raise BundleCorrupt(f"{directory / 'config.json'}: types: expected a list of names")
    return tuple(types)


def probabilities_of(logits: NDArray[np.float32]) -> Probabilities:
    """(pieces, 3 x types) float32 logits to (pieces, types, 3) probabilities."""
    by_type = logits.reshape(len(logits), -1, len(LABELS))
    shares = np.exp(by_type - by_type.max(axis=2, keepdims=True))
    return np.asarray(shares / shares.sum(axis=2, keepdims=True), dtype=np.float32)


def joined(windows: Iterable[tuple[Window, Probabilities]], *, types: int) -> Tagged:
    """What the windows of a note say, each of its own pieces."""
    parts = list(_own(windows))
    if not parts:
        return Tagged(np.empty((0, 2), np.int64), np.empty((0, types, len(LABELS)), np.float32))
    places, probabilities = zip(*parts, strict=True)
    return Tagged(np.concatenate(places), np.concatenate(probabilities))


def _own(windows: Iterable[tuple[Window, Probabilities]]) -> Iterator[tuple[NDArray[np.int64], Probabilities]]:
    for window, probabilities in windows:
        own = slice(window.own.start, window.own.stop)
        if len(window.own):
            yield np.array(window.pieces[own], dtype=np.int64), probabilities[own]
