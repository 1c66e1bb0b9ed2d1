"""Hard negatives: names of other concepts that the model as it is finds nearest to a name.

Everything is compared with everything in blocks, on the processor or GPU that trains; groups that may mean the same
(`training.groups`) are never each other's negatives.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from pydantic import Field

from linker.console import progress
from linker.records import Embeddings
from training.errors import TrainingError
from training.pairs import Names, Numbers
from training.recipes import Section

_BLOCK = 256


class Mining(Section):
    """negatives: how many stand beside each pair. confused_only: keep only pairs of which one is nearer than the pair's
    own positive. ceiling: cosine above which a name is left out, as probably the same meaning without a crosswalk.
    """

    negatives: int = Field(default=4, ge=1)
    confused_only: bool = False
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
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    vectors = torch.from_numpy(embeddings).to(device)
    groups = torch.tensor(names.groups, device=device)
    anchors, inverse = np.unique(rows[:, 0], return_inverse=True)
    nearest, similarity = [], []
    with progress("Mining negatives", len(anchors), "names") as advance:
        for start in range(0, len(anchors), _BLOCK):
            block = torch.from_numpy(anchors[start : start + _BLOCK]).long().to(device)
            found = vectors[block] @ vectors.T
            found.masked_fill_((groups[block, None] == groups) | (found > options.ceiling), -torch.inf)
            top = found.topk(min(options.negatives, len(names)), dim=1)
            nearest.append(top.indices.cpu().numpy())
            similarity.append(top.values.cpu().numpy())
            advance(len(block))
    negatives, hardest = np.concatenate(nearest)[inverse], np.concatenate(similarity)[inverse]
    whole = np.isfinite(hardest).sum(axis=1) == options.negatives
    own = np.einsum("nd,nd->n", embeddings[rows[:, 0]], embeddings[rows[:, 1]])
    confused = hardest[:, 0] > own
    kept = whole & confused if options.confused_only else whole
    if not kept.any():
        raise TrainingError(_why_none(whole_any=bool(whole.any()), wanted=options.negatives))
    return Mined(np.hstack([rows, negatives.astype(np.int32)])[kept], float(confused.mean()))


def _why_none(*, whole_any: bool, wanted: int) -> str:
    if whole_any:
        return "no pair has a negative nearer than its positive, so none is left; set mining.confused_only = false"
    return f"no name has {wanted} names of other concepts to be told from; lower mining.negatives or add a [[source]]"
