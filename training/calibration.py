"""Fit the confidence of a bundle on gold mentions: the two steps of `linker.decision`, each by maximum likelihood.

A mention whose gold is among the candidates chose it; one whose gold is not chose "none". Public corpora annotate only
what their dictionary holds, so notes that mention other things are imitated: every mention comes a second time with its
gold taken away from the candidates, at a small weight. Features are few and alike for every corpus, and weights are
drawn towards 0, because they must hold for ontologies that nobody has seen.

The gate goes with them: it is a threshold on the confidences of retrieval, and means nothing beside other ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from linker.corpus import GoldMention
from linker.decision import (
    FEATURES,
    LEAD,
    Calibration,
    Weights,
    calibrated,
    choice_probabilities,
    features,
    lead_probability,
)
from linker.evaluation import identifiers
from linker.options import Options
from linker.pipeline import Linker
from linker.records import Candidate, Link, RerankMode

DEPTH = 20
SPARE = 12  # retrieved beyond DEPTH, so that as many are left where the gold is taken away
THRESHOLD = 0.5  # an answer is then likelier right than wrong
IMITATED_WEIGHT = 0.03  # of a mention whose gold was taken away, beside 1: how rare NIL is held to be
GATES = 200  # tried: quantiles of the confidences that retrieval has
RIDGE = 1e-3  # on squared weights of standardised features, beside the mean log-likelihood
BATCH = 256
_TINY = 1e-12
_NOT_NEGATIVE = ("level", "gap", "exact", "lead", "rerank")
_IDENTITY = (1.0, 1.0, 0.0)

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Choices:
    """Candidates of n mentions. rows: (n, DEPTH, features); present, right: (n, DEPTH), right all False for NIL."""

    rows: Array
    present: Flags
    right: Flags

    def take(self, chosen: Flags) -> Choices:
        """Those mentions that `chosen`, (n,), says."""
        return Choices(self.rows[chosen], self.present[chosen], self.right[chosen])


@dataclass(frozen=True, slots=True)
class Observed:
    """What a linker proposes for the gold mentions of one corpus, each twice: as it is, and imitating NIL.

    reranked: as `retrieved`, after the cross-encoder; None without one. notes: (n,). imitated: (n,), the gold was
    taken away. nil: (n,), the bundle has no gold concept. kept: (n,), the cross-encoder leaves the mention alone at any
    confidence. missing: gold ids that the bundle lacks, with their mentions.
    """

    name: str
    retrieved: Choices
    reranked: Choices | None
    notes: NDArray[np.str_]
    imitated: Flags
    nil: Flags
    kept: Flags
    missing: dict[str, int]

    def take(self, chosen: Flags) -> Observed:
        """Those mentions that `chosen`, (n,), says."""
        return Observed(
            name=self.name,
            retrieved=self.retrieved.take(chosen),
            reranked=self.reranked and self.reranked.take(chosen),
            notes=self.notes[chosen],
            imitated=self.imitated[chosen],
            nil=self.nil[chosen],
            kept=self.kept[chosen],
            missing=self.missing,
        )


def observe(
    linker: Linker, mentions: Sequence[GoldMention], *, name: str, advance: Callable[[int], object] = int
) -> Observed:
    """Link every gold mention; the parts of a composite one count each. `advance` is told of parts done."""
    reranker = linker.bundle.reranker
    gold = [(mention.note_id, mention.gold) for mention in mentions for _ in mention.parts]
    ids = linker.bundle.terminology.concepts_by_id({concept for _, concepts in gold for concept in concepts}).keys()
    present = [not concepts.isdisjoint(ids) for _, concepts in gold]
    retrieved = list(_linked(linker, mentions, RerankMode.NEVER, advance))
    reranked = list(_linked(linker, mentions, RerankMode.ALWAYS, int)) if reranker else []
    wanted = [concepts for _, concepts in gold]
    lists = _twice(retrieved, wanted, present)
    missing: dict[str, int] = {}
    for mention in mentions:
        for concept in sorted(mention.gold - ids) if mention.gold.isdisjoint(ids) else ():
            missing[concept] = missing.get(concept, 0) + 1
    return Observed(
        name=name,
        retrieved=_choices(lists),
        reranked=_choices(_twice(reranked, wanted, present)) if reranker else None,
        notes=np.array(
            [note for note, _ in gold] + [note for (note, _), is_in in zip(gold, present, strict=True) if is_in]
        ),
        imitated=np.arange(len(lists)) >= len(gold),
        nil=np.array([not is_in for is_in in present] + [True] * sum(present)),
        kept=np.array([reranker is None or reranker.policy.leaves(found) for found, _ in lists]),
        missing=missing,
    )


def _linked(
    linker: Linker, mentions: Sequence[GoldMention], rerank: RerankMode, advance: Callable[[int], object]
) -> Iterator[Link]:
    parts = [part for mention in mentions for part in mention.parts]
    for start in range(0, len(parts), BATCH):
        batch = parts[start : start + BATCH]
        yield from linker.link(batch, Options(top_k=DEPTH + SPARE, rerank=rerank))
        advance(len(batch))


Judged = tuple[list[Candidate], list[bool]]  # candidates, and which of them are right


def _twice(links: Sequence[Link], gold: Sequence[frozenset[str]], present: Sequence[bool]) -> list[Judged]:
    """Candidates of each mention; then of each whose gold is `present` in the bundle, without that."""
    judged: list[Judged] = [
        (list(link.candidates), [not wanted.isdisjoint(identifiers(c)) for c in link.candidates])
        for link, wanted in zip(links, gold, strict=True)
    ]
    without: list[Judged] = [
        ([c for c, right in zip(*pair, strict=True) if not right], [right for right in pair[1] if not right])
        for pair, is_in in zip(judged, present, strict=True)
        if is_in
    ]
    return judged + without


def _choices(lists: Sequence[Judged]) -> Choices:
    rows = np.zeros((len(lists), DEPTH, len(FEATURES)))
    present, right = np.zeros((2, len(lists), DEPTH), dtype=np.bool_)
    for row, (candidates, good) in enumerate(lists):
        count = min(DEPTH, len(candidates))
        rows[row, :count] = features(candidates[:count])
        present[row, :count] = True
        right[row, :count] = good[:count]
    return Choices(rows, present, right)


def fit(observed: Sequence[Observed], *, fitted_on: str = "", threshold: float = THRESHOLD) -> Calibration:
    """The calibration under which the gold choices of all corpora together are most likely."""
    after = [corpus for corpus in observed if corpus.reranked is not None]
    retrieved = fit_weights(_joined([c.retrieved for c in observed]), _importance(observed))
    return Calibration(
        retrieved=retrieved,
        reranked=fit_weights(_joined([c.reranked for c in after if c.reranked]), _importance(after)) if after else None,
        gate=fit_gate(observed, retrieved),
        threshold=threshold,
        depth=DEPTH,
        fitted_on=fitted_on,
    )


def fit_gate(observed: Sequence[Observed], weights: Weights) -> float:
    """The lowest gate with which no corpus's acc@1 falls below what it is without one; 1 where nothing was reranked.

    weights: of retrieval, whose confidences are held against the gate. A mention whose gold was taken away has no say.
    """
    gains = []  # of each corpus: how sure retrieval is of each mention that could be read, and what reading it gains
    for corpus in observed:
        if corpus.reranked is not None:
            open_ = ~corpus.imitated & ~corpus.kept
            sure = calibrated(corpus.retrieved.rows, corpus.retrieved.present, weights)[open_, 0]
            before, after = corpus.retrieved.right[open_, 0], corpus.reranked.right[open_, 0]
            gains.append((sure, after.astype(np.int64) - before))
    if not gains:
        return 1.0
    # With the ends: at 0 nothing is read, at 1 everything.
    confidences = np.concatenate([[0.0, 1.0], *(sure for sure, _ in gains)])
    gates = np.unique(np.quantile(confidences, np.linspace(0, 1, GATES)).round(4))
    return next(float(gate) for gate in gates if all(gain[sure > gate].sum() <= 0 for sure, gain in gains))


def _importance(observed: Sequence[Observed]) -> Array:
    return np.concatenate([np.where(corpus.imitated, IMITATED_WEIGHT, 1.0) for corpus in observed])


def _joined(choices: Sequence[Choices]) -> Choices:
    return Choices(*(np.concatenate([getattr(c, f.name) for c in choices]) for f in fields(Choices)))


def fit_weights(choices: Choices, importance: Array) -> Weights:
    """Both steps; importance: (n,), what each mention counts."""
    importance = importance / importance.sum()
    logit = _fit_logit(choices, importance)
    probabilities = choice_probabilities(choices.rows, choices.present, logit)
    lead = lead_probability(choices.rows, probabilities)
    right: Flags = np.asarray((choices.right & (choices.rows[:, :, LEAD] > 0)).any(axis=1))
    curve = _fit_curve(lead, right, importance)
    return Weights(tuple(round(w, 4) for w in logit.features), round(logit.nil, 4), curve)


def _fit_logit(choices: Choices, importance: Array) -> Weights:
    scale = choices.rows[choices.present].std(axis=0)
    scale = np.where(scale > 0, scale, 1.0)
    found: Flags = np.asarray(choices.right.any(axis=1))

    def loss(parameters: Array) -> tuple[float, Array]:
        """Mean negative log-likelihood and its gradient, (features + 1,)."""
        weights = Weights(tuple(parameters[:-1] / scale), float(parameters[-1]), _IDENTITY)
        chosen = choice_probabilities(choices.rows, choices.present, weights)
        none = 1 - chosen.sum(axis=1)
        right = (chosen * choices.right).sum(axis=1)
        likelihood = np.maximum(np.where(found, right, none), _TINY)
        pull = chosen - np.where(found[:, None], choices.right * chosen / np.maximum(right, _TINY)[:, None], 0.0)
        gradient = np.einsum("m,mn,mnf->f", importance, pull, choices.rows) / scale
        value = RIDGE * (parameters[:-1] ** 2).sum() - (importance * np.log(likelihood)).sum()
        return float(value), np.append(gradient + 2 * RIDGE * parameters[:-1], (importance * (none - ~found)).sum())

    bounds = [(0.0 if name in _NOT_NEGATIVE else None, None) for name in FEATURES] + [(None, None)]
    best = minimize(loss, np.zeros(len(FEATURES) + 1), jac=True, method="L-BFGS-B", bounds=bounds).x
    return Weights(tuple(float(w) for w in best[:-1] / scale), float(best[-1]), _IDENTITY)


def _fit_curve(lead: Array, right: Flags, importance: Array) -> tuple[float, float, float]:
    """Beta calibration: logistic regression on ln p and -ln(1 - p) (Kull, Silva Filho and Flach, 2017, section 4)."""
    inputs = np.stack([np.log(lead), -np.log1p(-lead), np.ones_like(lead)], axis=1)

    def loss(parameters: Array) -> tuple[float, Array]:
        logits = inputs @ parameters
        error = 1 / (1 + np.exp(-np.clip(logits, -50, 50))) - right
        likelihood = np.logaddexp(0.0, np.where(right, -logits, logits))
        return float((importance * likelihood).sum()), (importance * error) @ inputs

    bounds = [(0.0, None), (0.0, None), (None, None)]
    a, b, offset = minimize(loss, np.array(_IDENTITY), jac=True, method="L-BFGS-B", bounds=bounds).x
    return round(float(a), 4), round(float(b), 4), round(float(offset), 4)
