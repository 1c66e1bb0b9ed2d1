"""Learn names of other languages against names of one that the encoder knows already.

The names of that language, the pivot, are embedded once by the base and stay where they are. Each name of another
language is drawn to the pivot names of its concept and away from those of others, thousands at a time, which costs no
more than one pass of the encoder over the name itself. Pivot names are rows too, at a share, and are drawn to their own
places: the encoder keeps its language. A cheaper cousin of multilingual distillation (Reimers & Gurevych 2020), which
needs no teacher but the base, with the loss of contrastive learning (van den Oord et al. 2018).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from linker.records import Embeddings
from linker.surface import normalise
from training.dictionary import Entry
from training.errors import TrainingError
from training.groups import group_numbers
from training.loss import encode_columns
from training.pairs import Names, Numbers, speaks
from training.recipes import Section, Share


class AlignmentOptions(Section):
    """How names of other languages are aligned.

    pivot: BCP-47 tag of the language whose names stay where the base has them. languages: tags of the names that are
    aligned; empty is all others. keep: pivot names among the rows, as a share of the aligned ones. negatives: pivot
    names, drawn anew for each batch, that a name is told from. temperature: of the softmax over them. pull: weight of
    the distance to the nearest right name, beside the softmax. distillation: weight of what a teacher says, beside it.
    """

    pivot: str = Field(default="en", min_length=1)
    languages: tuple[str, ...] = ()
    keep: Share = 0.5
    negatives: int = Field(default=8192, ge=1)
    temperature: float = Field(default=0.05, gt=0)
    pull: float = Field(default=1.0, ge=0)
    distillation: float = Field(default=1.0, ge=0)


@dataclass(frozen=True, slots=True)
class Aligned:
    """What is aligned. rows: (n,) int32, numbers of names; pivots: (m,) int32, those that stay where they are."""

    names: Names
    rows: Numbers
    pivots: Numbers


def make_alignment(entries: Mapping[str, Entry], options: AlignmentOptions, *, seed: int) -> Aligned:
    """The names of `entries` that have a pivot name beside them, and a share of the pivot names.

    A name that is spelled as one of the pivot's is that name. Raises `TrainingError` where nothing is left.
    """
    concepts = list(entries.values())
    forms = [[normalise(name.name) for name in entry.names] for entry in concepts]
    groups = group_numbers(concepts, forms)
    names, pivots, others = Names(), [], []
    for concept, (entry, spelled) in enumerate(zip(concepts, forms, strict=True)):
        tagged = list(zip(spelled, (name.language for name in entry.names), strict=True))
        own = dict.fromkeys(form for form, tag in tagged if speaks(tag, (options.pivot,)))
        foreign = dict.fromkeys(form for form, tag in tagged if form not in own and speaks(tag, options.languages))
        if own:
            pivots += [names.add(form, concept, groups[concept]) for form in own]
            others += [names.add(form, concept, groups[concept]) for form in foreign]
    if not others:
        wanted = ", ".join(options.languages) or "another language"
        raise TrainingError(
            f"nothing to align: no concept has a name in {wanted} beside one in {options.pivot}. Add a [[source]] with "
            f"both, or learn from the names of one language alone (leave [alignment] out)"
        )
    kept = min(len(pivots), round(options.keep * len(others)))
    chosen = np.random.default_rng(seed).permutation(np.array(pivots, dtype=np.int32))[:kept]
    rows = np.concatenate([np.array(others, dtype=np.int32), np.sort(chosen)])
    return Aligned(names, rows, np.array(pivots, dtype=np.int32))


class AlignmentLoss(nn.Module):  # type: ignore[misc]
    """Takes the token ids of one column, and labels (n, 1) that are numbers of names.

    places: (pivots, dimension) float32 unit rows, where the base has the pivot names. teacher: (names, its dimension)
    unit rows; the softmax over pivot names is then drawn to that of the teacher too (Hinton et al. 2015).
    """

    def __init__(
        self,
        model: Any,
        aligned: Aligned,
        places: Embeddings,
        options: AlignmentOptions,
        teacher: Embeddings | None = None,
    ) -> None:
        super().__init__()
        self.model = model
        self._options = options
        concepts, groups = (torch.tensor(numbers) for numbers in (aligned.names.concepts, aligned.names.groups))
        pivots = torch.from_numpy(aligned.pivots).long()
        order = torch.argsort(concepts[pivots], stable=True)
        self.register_buffer("_concepts", concepts, persistent=False)
        self.register_buffer("_groups", groups, persistent=False)
        self.register_buffer("_pivots", pivots[order], persistent=False)
        self.register_buffer("_places", torch.from_numpy(places)[order], persistent=False)
        self.register_buffer("_teacher", None if teacher is None else torch.from_numpy(teacher), persistent=False)

    def forward(self, sentence_features: Sequence[dict[str, Tensor]], labels: Tensor) -> Tensor:
        """The loss of a batch, a scalar."""
        embeddings = encode_columns(self.model, sentence_features)
        numbers = labels.reshape(-1)
        with torch.autocast(embeddings.device.type, enabled=False):
            embeddings = nn.functional.normalize(embeddings.float(), dim=1)
            bank = self._bank(self._concepts[numbers])
            pivots = self._pivots[bank]
            cosine = embeddings @ self._places[bank].T
            right = self._concepts[numbers][:, None] == self._concepts[pivots]
            right = _own_place(right, numbers, pivots)
            unsaid = (self._groups[numbers][:, None] == self._groups[pivots]) & ~right
            logits = (cosine / self._options.temperature).masked_fill(unsaid, -torch.inf)
            found = torch.logsumexp(logits.masked_fill(~right, -torch.inf), dim=1)
            told = torch.logsumexp(logits, dim=1) - found
            away = 1 - cosine.masked_fill(~right, -1.0).amax(dim=1)
            loss = (told + self._options.pull * away).mean()
            if self._teacher is not None and self._options.distillation:
                loss = loss + self._options.distillation * self._untaught(cosine, numbers, pivots)
        return loss

    def _untaught(self, cosine: Tensor, numbers: Tensor, pivots: Tensor) -> Tensor:
        """How far the softmax over pivot names is from the teacher's."""
        taught = self._teacher[numbers] @ self._teacher[pivots].T / self._options.temperature
        said = torch.log_softmax(cosine / self._options.temperature, dim=1)
        return nn.functional.kl_div(said, torch.log_softmax(taught, dim=1), reduction="batchmean", log_target=True)

    def _bank(self, concepts: Tensor) -> Tensor:
        """Rows of the pivot names that a batch is compared with: all of its own concepts, and some at random."""
        concept_of = self._concepts[self._pivots]
        begin, end = torch.searchsorted(concept_of, concepts), torch.searchsorted(concept_of, concepts, right=True)
        own = [torch.arange(int(one), int(other)) for one, other in zip(begin, end, strict=True)]
        drawn = torch.randint(len(concept_of), (self._options.negatives,))
        return torch.cat([*own, drawn]).unique().to(concept_of.device)


def _own_place(right: Tensor, numbers: Tensor, pivots: Tensor) -> Tensor:
    """`right`, but that a pivot name has one right place, its own."""
    itself = numbers[:, None] == pivots
    return torch.where(itself.any(dim=1, keepdim=True), itself, right)
