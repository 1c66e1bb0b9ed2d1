"""Hard negatives: names of other concepts that the model as it is finds nearest to a name.

Everything is compared with everything in blocks, on the processor or GPU that trains; groups that may mean the same
(`training.groups`) are never each other's negatives.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field

from linker.console import progress
from linker.records import Embeddings
from training.errors import TrainingError
from training.pairs import Names, Numbers
from training.recipes import Section

_BLOCK = 256


class Mining(Section):
    """negatives: how many stand beside each pair. confused_only: keep only pairs of which one is nearer than the pair's
    own positive. nearest_positive: instead of the pairs made, each name with the nearest other name of its group; with
    confused_only these are the names that a linker would get wrong if its ontology did not have them. ceiling: cosine
    above which a name is left out, as probably the same meaning without a crosswalk.
    """

    negatives: int = Field(default=4, ge=1)
    confused_only: bool = False
    nearest_positive: bool = False
    ceiling: float = Field(default=1.0, gt=0, le=1)


@dataclass(frozen=True, slots=True)
class Mined:
    """rows: (n, 2 + negatives) int32 numbers of names, hardest negative first. confused: share of all pairs whose
    hardest negative is nearer to the anchor than its positive.
    """

    rows: Numbers
    confused: float


def mine(names: Names, rows: Numbers, embeddings: Embeddings, options: Mining) -> Mined:
    """Add to each pair, (n, 2), the names of other groups nearest to its anchor.

    embeddings: (names, dimension) float32 unit rows. Raises `TrainingError` where there are fewer names of other groups
    than negatives, or no pair is left.
    """
    vectors, groups = _on_device(embeddings), _on_device(np.asarray(names.groups))
    if options.nearest_positive:
        rows = _nearest_positives(vectors, groups)
    anchors, inverse = np.unique(rows[:, 0], return_inverse=True)
    nearest, similarity = [], []
    for found, same in _blocks(vectors, groups, anchors, "Mining negatives"):
        found.masked_fill_(same | (found > options.ceiling), -torch.inf)
        top = found.topk(min(options.negatives, len(names)), dim=1)
        nearest.append(top.indices.cpu().numpy())
        similarity.append(top.values.cpu().numpy())
    if not nearest:
        raise TrainingError(_why_none(whole_any=False, wanted=options.negatives))
    negatives, hardest = np.concatenate(nearest)[inverse], np.concatenate(similarity)[inverse]
    whole = np.isfinite(hardest).sum(axis=1) == options.negatives
    own = np.einsum("nd,nd->n", embeddings[rows[:, 0]], embeddings[rows[:, 1]])
    confused = hardest[:, 0] > own
    kept = whole & confused if options.confused_only else whole
    if not kept.any():
        raise TrainingError(_why_none(whole_any=bool(whole.any()), wanted=options.negatives))
    return Mined(np.hstack([rows, negatives.astype(np.int32)])[kept], float(confused.mean()))


def _nearest_positives(vectors: torch.Tensor, groups: torch.Tensor) -> Numbers:
    """Each name whose group has another, with the nearest other."""
    pairs = []
    every = np.arange(len(vectors))
    for start, (found, same) in enumerate(_blocks(vectors, groups, every, "Mining positives")):
        anchors = every[start * _BLOCK : (start + 1) * _BLOCK]
        same[torch.arange(len(anchors)), torch.from_numpy(anchors)] = False
        best = found.masked_fill_(~same, -torch.inf).max(dim=1)
        has_other = torch.isfinite(best.values).cpu().numpy()
        pairs.append(np.column_stack([anchors, best.indices.cpu().numpy()])[has_other])
    return np.concatenate(pairs).astype(np.int32)


def _blocks(
    vectors: torch.Tensor, groups: torch.Tensor, anchors: NDArray[np.integer[Any]], what: str
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """For some anchors at a time: their cosine to every name, and whether that is of their own group."""
    with progress(what, len(anchors), "names") as advance:
        for start in range(0, len(anchors), _BLOCK):
            block = torch.from_numpy(anchors[start : start + _BLOCK]).long().to(vectors.device)
            yield vectors[block] @ vectors.T, groups[block, None] == groups
            advance(len(block))


def _on_device(values: NDArray[Any]) -> torch.Tensor:
    return torch.from_numpy(values).to("cuda" if torch.cuda.is_available() else "cpu")


def _why_none(*, whole_any: bool, wanted: int) -> str:
    if whole_any:
        return "no pair has a negative nearer than its positive, so none is left; set mining.confused_only = false"
    return f"no name has {wanted} names of other concepts to be told from; lower mining.negatives or add a [[source]]"
