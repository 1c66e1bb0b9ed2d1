"""Robustness: how much of its accuracy does a linker keep when mentions are written another way?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from linker.corpus import GoldMention
from linker.outcomes import BATCH, Outcome, linked, mention_rank
from linker.perturbation import PERTURBATIONS, perturb
from linker.pipeline import Linker
from linker.records import Mention, RerankMode


@dataclass(frozen=True, slots=True)
class Robustness:
    """acc@1 on the mentions that a perturbation applies to, as they are and perturbed."""

    perturbation: str
    mentions: int
    clean: float
    perturbed: float

    @property
    def kept(self) -> float | None:
        """The perturbed figure as a share of the clean one; None where nothing was right."""
        return self.perturbed / self.clean if self.clean else None


def measure_robustness(
    linker: Linker,
    mentions: Sequence[GoldMention],
    outcomes: Sequence[Outcome],
    *,
    rerank: RerankMode = RerankMode.AUTO,
    seed: int = 0,
    advance: Callable[[int], object] = int,
) -> list[Robustness]:
    """Link every mention again under each perturbation, wherever it applies.

    outcomes: of the mentions as they are, aligned. `advance` is called len(PERTURBATIONS) times for each mention.
    """
    measured = []
    for name in PERTURBATIONS:
        clean, perturbed = [], []
        for start in range(0, len(mentions), BATCH):
            rows = range(start, min(start + BATCH, len(mentions)))
            variants = {row: v for row in rows if (v := _variant(name, mentions[row], seed)) is not None}
            clean += [outcomes[row].right for row in variants]
            for variant, links in linked(linker, list(variants.values()), rerank=rerank):
                perturbed.append(mention_rank(links, variant.gold) == 1)
            advance(len(rows))
        if clean:
            measured.append(Robustness(name, len(clean), sum(clean) / len(clean), sum(perturbed) / len(clean)))
    return measured


def _variant(name: str, mention: GoldMention, seed: int) -> GoldMention | None:
    """The mention with its parts perturbed, where the perturbation applies to one at least."""
    texts = [perturb(name, part.text, seed) for part in mention.parts]
    if not mention.gold or not any(texts):
        return None
    parts = (_rewritten(p, text) if text else p for p, text in zip(mention.parts, texts, strict=True))
    return replace(mention, parts=tuple(parts))


def _rewritten(mention: Mention, text: str) -> Mention:
    """The mention written as `text`, in its context too."""
    if mention.begin is None or mention.end is None:
        return replace(mention, text=text)
    context = f"{mention.context[: mention.begin]}{text}{mention.context[mention.end :]}"
    return Mention(text, context, mention.begin, mention.begin + len(text))
