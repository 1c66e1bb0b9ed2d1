"""Fit the confidence of a bundle on gold mentions: a conditional logit with an outside option, by maximum likelihood.

The model is that of `linker.decision` (McFadden, 1974). A mention whose gold is among the candidates chose it; one
whose gold is not chose "none". Public corpora annotate only what their dictionary holds, so notes with mentions of
other things are imitated: the gold is taken away from every n-th mention, whose right answer is then "none".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray
from scipy.optimize import minimize

from linker.console import progress, stderr
from linker.corpus import GoldMention, read_corpus
from linker.decision import Calibration, features
from linker.evaluation import identifiers
from linker.pipeline import Linker, Options

DEPTH = 20
THRESHOLD = 0.5
HELD_OUT_EVERY = 10
BATCH = 256
_FLOOR = 1e-12

Features = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Choices:
    """Gold choices. features: (n, DEPTH, 4); present, right: (n, DEPTH) bool; right is all False where none is."""

    features: Features
    present: NDArray[np.bool_]
    right: NDArray[np.bool_]


def observe(linker: Linker, mentions: Sequence[GoldMention]) -> Choices:
    """What the linker proposes for each gold mention, and which proposals are right."""
    simple = [m for m in mentions if len(m.parts) == 1 and m.gold]
    rows = np.zeros((len(simple), DEPTH, 4))
    present, right = np.zeros((2, len(simple), DEPTH), dtype=np.bool_)
    with progress("Linking", len(simple), "mentions") as advance:
        for start in range(0, len(simple), BATCH):
            batch = simple[start : start + BATCH]
            links = linker.link([m.parts[0] for m in batch], Options(top_k=DEPTH))
            for row, (mention, link) in enumerate(zip(batch, links, strict=True), start=start):
                candidates = list(link.candidates)
                good = [not mention.gold.isdisjoint(identifiers(c)) for c in candidates]
                if row % HELD_OUT_EVERY == 0:
                    candidates = [c for c, is_gold in zip(candidates, good, strict=True) if not is_gold]
                    good = [False] * len(candidates)
                rows[row, : len(candidates)] = features(candidates)
                present[row, : len(candidates)] = True
                right[row, : len(candidates)] = good
            advance(len(batch))
    return Choices(rows, present, right)


def joined(choices: Sequence[Choices]) -> Choices:
    """Several corpora as one."""
    parts = zip(*((c.features, c.present, c.right) for c in choices), strict=True)
    return Choices(*(np.concatenate(part) for part in parts))


def fit(choices: Choices, *, fitted_on: str) -> Calibration:
    """The weights under which the gold choices are most likely."""
    start = np.array([10.0, 20.0, 1.0, 0.0, 10.0])
    # Without a reranker its column is all zero and its weight stays where it starts.
    result = minimize(_loss, start, args=(choices,), method="L-BFGS-B", bounds=[(0, None)] * 4 + [(None, None)])
    level, gap, exact, rerank, nil = (round(float(w), 4) for w in result.x)
    return Calibration(
        level=level,
        gap=gap,
        exact=exact,
        rerank=rerank,
        nil=nil,
        threshold=THRESHOLD,
        depth=DEPTH,
        fitted_on=fitted_on,
    )


def _loss(weights: NDArray[np.float64], choices: Choices) -> float:
    """Mean negative log-likelihood of the gold choices."""
    utilities = np.where(choices.present, choices.features @ weights[:4], -np.inf)
    top = np.maximum(utilities.max(axis=1, initial=-np.inf), weights[4])
    odds = np.exp(utilities - top[:, None])
    none = np.exp(weights[4] - top)
    chosen = np.where(choices.right.any(axis=1), (odds * choices.right).sum(axis=1), none)
    return float(-np.log(np.maximum(chosen / (odds.sum(axis=1) + none), _FLOOR)).mean())


def main(
    bundle: Annotated[list[Path], typer.Option(help="Bundle that the corpus at the same position is linked with.")],
    corpus: Annotated[list[Path], typer.Option(help="Gold mentions; see `linker evaluate --help`.")],
    out: Annotated[Path, typer.Option(help="The calibration.json to write, beside the encoder it belongs to.")],
) -> None:
    """Fit calibration.json: give --bundle and --corpus in pairs."""
    if len(bundle) != len(corpus):
        raise typer.BadParameter(f"expected as many --bundle as --corpus, got {len(bundle)} and {len(corpus)}")
    pairs = zip(bundle, corpus, strict=True)
    choices = joined([observe(Linker.open(path), read_corpus(gold)) for path, gold in pairs])
    names = ", ".join(f"{path.parent.name} {path.name.split('.')[0]}" for path in corpus)
    fitted_on = f"{names}: {len(choices.right):,} mentions, the gold held out from every {HELD_OUT_EVERY}th"
    calibration = fit(choices, fitted_on=fitted_on)
    out.write_bytes(calibration.to_json())
    stderr.print(f"{out}: {calibration}")


if __name__ == "__main__":
    typer.run(main)
