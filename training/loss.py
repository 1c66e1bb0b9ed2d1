"""The loss of SapBERT over names: multi-similarity on hard triplets, with negatives that may be mined.

Liu et al. 2021 (SapBERT), Wang et al. 2019 (multi-similarity). Two names are a positive pair where their concept is
one or they are the pair of one row, a negative pair where their groups differ, and else say nothing of each other.
Of all triplets only those within a margin count.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from pydantic import Field
from pytorch_metric_learning.losses import MultiSimilarityLoss
from torch import Tensor, nn

from linker.records import Embeddings
from training.pairs import Names
from training.recipes import Section

_CHUNK_TOKENS = {"cpu": 2048, "cuda": 32768}  # tokens that go through the model at once


class LossOptions(Section):
    """Multi-similarity: alpha, beta, base; the margin, on Euclidean distance, within which a triplet counts.

    distillation: weight of the mean squared difference between the cosines of this model and of the teacher.
    """

    alpha: float = Field(default=1.0, gt=0)
    beta: float = Field(default=60.0, gt=0)
    base: float = 0.5
    margin: float = Field(default=0.2, ge=0)
    distillation: float = Field(default=1.0, ge=0)


class NameLoss(nn.Module):  # type: ignore[misc]
    """Takes the token ids of each column, and labels (n, columns) that are numbers of names.

    The first two columns are a pair; the rest are negatives. teacher: (names, dimension) unit rows, or nothing.
    """

    def __init__(self, model: Any, names: Names, options: LossOptions, teacher: Embeddings | None = None) -> None:
        super().__init__()
        self.model = model
        self._options = options
        self._loss = MultiSimilarityLoss(alpha=options.alpha, beta=options.beta, base=options.base)
        self.register_buffer("_concepts", torch.tensor(names.concepts), persistent=False)
        self.register_buffer("_groups", torch.tensor(names.groups), persistent=False)
        self.register_buffer("_teacher", None if teacher is None else torch.from_numpy(teacher), persistent=False)

    def forward(self, sentence_features: Sequence[dict[str, Tensor]], labels: Tensor) -> Tensor:
        """The loss of a batch, a scalar."""
        embeddings = encode_columns(self.model, sentence_features)
        numbers = labels.T.reshape(-1)
        with torch.autocast(embeddings.device.type, enabled=False):
            embeddings = nn.functional.normalize(embeddings.float(), dim=1)
            concepts, groups = self._concepts[numbers], self._groups[numbers]
            positive = (concepts[:, None] == concepts) | _same_pair(labels)
            positive.fill_diagonal_(False)
            negative = (groups[:, None] != groups) & ~positive
            pairs = hard_pairs(embeddings, positive, negative, self._options.margin)
            loss = self._loss(embeddings, concepts, pairs)
            if self._teacher is not None and self._options.distillation:
                loss = loss + self._options.distillation * self._distance_to_teacher(embeddings, numbers)
        return loss

    def _distance_to_teacher(self, embeddings: Tensor, numbers: Tensor) -> Tensor:
        taught = self._teacher[numbers]
        return nn.functional.mse_loss(embeddings @ embeddings.T, taught @ taught.T)


def _same_pair(labels: Tensor) -> Tensor:
    """(m, m) bool over the m = n * columns names of a batch: are they the pair of one row?"""
    n, columns = labels.shape
    row = torch.arange(n, device=labels.device).repeat(columns)
    in_pair = torch.arange(columns, device=labels.device).repeat_interleave(n) < 2
    return (row[:, None] == row) & in_pair[:, None] & in_pair


def hard_pairs(
    embeddings: Tensor, positive: Tensor, negative: Tensor, margin: float
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Anchors and positives, anchors and negatives, of all triplets whose negative is nearer than positive + margin.

    What TripletMarginMiner of pytorch-metric-learning finds with "all", without an (m, m, m) array, and with masks
    (m, m) instead of labels, which cannot say "neither". embeddings: (m, dimension) unit rows.
    """
    with torch.no_grad():
        distance = (2 - 2 * embeddings @ embeddings.T).clamp(min=0).sqrt()
        anchor, other = positive.nonzero(as_tuple=True)
        inside = (distance[anchor] - distance[anchor, other, None] <= margin) & negative[anchor]
        kept = inside.any(dim=1)
        near = torch.zeros_like(negative, dtype=torch.int32)
        near.index_add_(0, anchor, inside.int())
        return anchor[kept], other[kept], *near.nonzero(as_tuple=True)


def encode_columns(model: Any, columns: Sequence[dict[str, Tensor]]) -> Tensor:
    """Embeddings (columns * n, dimension), column after column.

    Rows go through the model by length, in chunks cut to their own longest: padding all to the longest of a batch
    doubles the work, since names are three to twenty-five tokens long.
    """
    tokens = {key: _stacked([column[key] for column in columns]) for key in _tokens(columns[0])}
    lengths = tokens["attention_mask"].sum(dim=1)
    order = lengths.argsort(stable=True)
    budget = _CHUNK_TOKENS.get(lengths.device.type, _CHUNK_TOKENS["cpu"])
    parts = []
    for rows in _chunks(order.tolist(), lengths.tolist(), budget):
        length = int(lengths[rows[-1]])
        features = {key: values[rows, :length] for key, values in tokens.items()}
        parts.append(model(features)["sentence_embedding"])
    return torch.cat(parts)[order.argsort()]


def _tokens(column: dict[str, Any]) -> list[str]:
    """The keys that hold (n, length) tensors."""
    return [key for key, value in column.items() if isinstance(value, Tensor) and value.ndim == 2]


def _stacked(columns: Sequence[Tensor]) -> Tensor:
    """Columns (n, length of its own) under one another, padded with 0 on the right to one length."""
    longest = max(column.shape[1] for column in columns)
    return torch.cat([nn.functional.pad(column, (0, longest - column.shape[1])) for column in columns])


def _chunks(order: Sequence[int], lengths: Sequence[int], budget: int) -> list[list[int]]:
    """`order`, ascending in length, cut so that rows times the longest of them stay within `budget`."""
    chunks: list[list[int]] = [[]]
    for row in order:
        if chunks[-1] and (len(chunks[-1]) + 1) * lengths[row] > budget:
            chunks.append([])
        chunks[-1].append(row)
    return chunks
