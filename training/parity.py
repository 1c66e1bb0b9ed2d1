"""Parity: how far an exported folder, run as it is served, is from the torch model it came from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from tokenizers import Encoding, Tokenizer

from linker.console import progress
from linker.detection.tagger import probabilities_of
from linker.inference import Session, batches, load_tokenizer
from linker.records import Mention
from linker.reranking import write_mention
from training.checkpoint import Kind
from training.precision import Precision
from training.tracing import Base
from training.trunk import Floats

LIST_LENGTH = 16  # candidates of a list of pairs
_LISTS = 120
_TIE = 1e-4  # in standard deviations
_NEAR = 1e-3  # between probabilities of two labels
_MASKED = -2.0  # below any cosine


@dataclass(frozen=True, slots=True)
class Figure:
    """One measure of closeness: its name, its value, and the value it must reach; None where it only informs."""

    name: str
    value: float
    limit: float | None = None
    at_most: bool = False

    @property
    def holds(self) -> bool:
        """Is the limit kept?"""
        return self.limit is None or (self.value <= self.limit if self.at_most else self.value >= self.limit)

    def __str__(self) -> str:
        """`worst cosine 0.99602 (limit 0.99)`."""
        limit = "" if self.limit is None else f" (limit {self.limit:g})"
        return f"{self.name} {self.value:.5g}{limit}"


@dataclass(frozen=True, slots=True)
class Parity:
    """The figures of one export, measured on `count` names or pairs (`of`)."""

    count: int
    of: str
    figures: tuple[Figure, ...]

    def __getitem__(self, name: str) -> float:
        """The value of the figure called `name`."""
        return {figure.name: figure.value for figure in self.figures}[name]

    def __str__(self) -> str:
        """One line."""
        return f"{', '.join(map(str, self.figures))}, over {self.count:,} {self.of}"


def measure(base: Base, folder: Path, names: Sequence[str], precision: Precision) -> Parity:
    """Compare the export in `folder` with `base` on `names`, on pairs of them for a reranker, lists for a detector."""
    of_kind = {Kind.ENCODER: _of_encoder, Kind.RERANKER: _of_reranker, Kind.DETECTOR: _of_detector}
    return of_kind[base.kind](base, folder, names, precision)


def _of_encoder(base: Base, folder: Path, names: Sequence[str], precision: Precision) -> Parity:
    tokenizer = load_tokenizer(folder)
    expected, got = _outputs(base, folder, tokenizer.encode_batch_fast(list(names)), "names")
    cosines = np.einsum("nd,nd->n", expected, got)
    worst = {Precision.INT8: 0.99, Precision.FP32: 0.9999}[precision]
    figures = (
        Figure("worst cosine", float(cosines.min()), worst),
        Figure("mean cosine", float(cosines.mean())),
        Figure("top-1 agreement", _nearest_kept(expected, got)),
    )
    return Parity(len(names), "names", figures)


def _nearest_kept(expected: Floats, got: Floats) -> float:
    """The share of rows whose nearest other row is the same in both."""
    kept = 0
    for rows in np.array_split(np.arange(len(expected)), max(1, len(expected) // 1000)):
        nearest = []
        for vectors in (expected, got):
            similarity = vectors[rows] @ vectors.T
            similarity[np.arange(len(rows)), rows] = _MASKED
            nearest.append(similarity.argmax(axis=1))
        kept += int((nearest[0] == nearest[1]).sum())
    return kept / len(expected)


def _of_reranker(base: Base, folder: Path, names: Sequence[str], precision: Precision) -> Parity:
    """Lists of a name and `LIST_LENGTH` names that stand beside it, as retrieval would bring; logits (lists, 16).

    A logit has no scale of its own: differences are given in standard deviations of torch's logits within a list.
    """
    encodings = _encoded_lists(load_tokenizer(folder), names)
    shape = (-1, LIST_LENGTH)
    expected, got = (scores.reshape(shape) for scores in _outputs(base, folder, encodings, "pairs"))
    spread = max(float(np.sqrt(expected.var(axis=1).mean())), 1e-6)
    worst = float(np.abs(expected - got).max())
    # The same pair may stand in a list twice, and torch gives it other last bits in another batch.
    chosen = np.take_along_axis(expected, got.argmax(axis=1)[:, None], axis=1)[:, 0]
    kept = float((expected.max(axis=1) - chosen <= _TIE * spread).mean())
    relative, agreement = {Precision.INT8: (1.0, 0.9), Precision.FP32: (0.01, 0.99)}[precision]
    figures = (
        Figure("worst logit difference", worst),
        Figure("in standard deviations", worst / spread, relative, at_most=True),
        Figure(f"top-1 of {LIST_LENGTH} agreement", kept, agreement),
    )
    return Parity(len(encodings), "pairs", figures)


def _of_detector(base: Base, folder: Path, names: Sequence[str], precision: Precision) -> Parity:
    """Texts of several names; what is compared is how likely a token is each label."""
    encodings = load_tokenizer(folder).encode_batch_fast(listed(names))
    expected, got = (
        np.concatenate([probabilities_of(row) for row in rows]) for rows in _rows(base, folder, encodings, "texts")
    )
    chosen = np.take_along_axis(expected, got.argmax(axis=2)[..., None], axis=2)[..., 0]
    kept = float((expected.max(axis=2) - chosen <= _NEAR).mean())
    mean, agreement = {Precision.INT8: (0.02, 0.98), Precision.FP32: (1e-4, 0.999)}[precision]
    figures = (
        Figure("worst probability difference", float(np.abs(expected - got).max())),
        Figure("mean probability difference", float(np.abs(expected - got).mean()), mean, at_most=True),
        Figure("label agreement", kept, agreement),
    )
    return Parity(len(encodings), "texts", figures)


def listed(names: Sequence[str]) -> list[str]:
    """Texts of `LIST_LENGTH` names each."""
    return [", ".join(names[start : start + LIST_LENGTH]) for start in range(0, len(names), LIST_LENGTH)]


def _encoded_lists(tokenizer: Tokenizer, names: Sequence[str]) -> list[Encoding]:
    pairs = []
    for start in np.linspace(0, len(names) - 1, min(_LISTS, len(names)), dtype=int).tolist():
        around = range(start - LIST_LENGTH // 2, start + LIST_LENGTH // 2)
        pairs += [(write_mention(Mention(names[start])), names[other % len(names)]) for other in around]
    return list(tokenizer.encode_batch_fast(pairs))


def _outputs(base: Base, folder: Path, encodings: Sequence[Encoding], unit: str) -> tuple[Floats, Floats]:
    """What torch and the export give for each encoding: two (n, width) float32."""
    expected, got = _rows(base, folder, encodings, unit)
    return np.stack(expected), np.stack(got)


def _rows(base: Base, folder: Path, encodings: Sequence[Encoding], unit: str) -> tuple[list[Floats], list[Floats]]:
    session = Session(folder / "model.onnx")
    expected: list[Floats] = [np.empty(0, np.float32)] * len(encodings)
    got = list(expected)
    with progress("Comparing with torch", len(encodings), unit) as advance, torch.inference_mode():
        for rows in batches(encodings):
            batch = [encodings[row] for row in rows]
            ours, theirs = session.run(batch), _run_torch(base, batch)
            for row, our, their in zip(rows, ours, theirs, strict=True):
                got[row], expected[row] = our, their
            advance(len(rows))
    return expected, got


def _run_torch(base: Base, encodings: Sequence[Encoding]) -> Floats:
    ids = {
        "input_ids": torch.tensor([encoding.ids for encoding in encodings]),
        "token_type_ids": torch.tensor([encoding.type_ids for encoding in encodings]),
    }
    inputs = [ids[name] for name in base.graph.inputs]
    output: Floats = base.graph(*inputs, torch.ones_like(ids["input_ids"])).numpy()
    return output
