"""Decision: from candidates to a link with a calibrated confidence, or NIL with its reason.

Confidence is made in two steps. First a conditional logit with an outside option (McFadden, 1974): the utility of a
candidate is the weighted sum of its `FEATURES`, that of "none of these" is `nil`, and probabilities are their softmax.
The level says whether the concept is here at all, the gap and the other features which one it is. Then the probability
that the first is right is bent to what it proves to be (beta calibration: Kull, Silva Filho and Flach, 2017):
logit c = a ln p - b ln(1 - p) + offset, with a and b not negative; the others share the rest as before.

So the confidences of a link sum to at most 1, what is missing is the probability of NIL, and a name shared by two
concepts is unsure by construction. A mention that the cross-encoder read has weights of its own. All are fitted on gold
mentions (`linker train calibrate`) and stored in the bundle.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from linker.errors import BundleCorrupt
from linker.records import TIERS, Candidate, MatchSource, NilReason

FILE = "calibration.json"

# level: the highest similarity of the mention's candidates. gap: support less the highest, so 0 or less. exact: an
# exact hit of the best term type, or a name but for a letter, which is right nearly as often, and has the lower level.
# lead: first in rank, or not to be told from the first. related: matched by a related name. rerank: log-odds of the
# cross-encoder; what it left unread counts as the worst it read, 0 where it did not run.
FEATURES = ("level", "gap", "exact", "lead", "related", "rerank")
LEAD = FEATURES.index("lead")
_TINY = 1e-12

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Weights:
    """What makes a candidate likely. features: in the order of `FEATURES`; curve: a, b and offset (see the module)."""

    features: tuple[float, ...]
    nil: float
    curve: tuple[float, float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """Weights, and the confidence below which a mention gets NIL.

    reranked: for mentions that the cross-encoder read; None where there was none to fit on, `retrieved` then serves.
    gate: what retrieval alone is surer of than this is not reranked, in [0, 1]; 1 where there is no reranker.
    depth: how many candidates take part in the softmax, whatever number is asked for.
    fitted_on: the gold mentions the weights come from, in words.
    """

    retrieved: Weights
    reranked: Weights | None
    gate: float
    threshold: float
    depth: int
    fitted_on: str

    def to_json(self) -> bytes:
        """The bytes of `calibration.json`."""
        value = asdict(self)
        for name in ("retrieved", "reranked"):
            if value[name] is not None:
                value[name]["features"] = dict(zip(FEATURES, value[name]["features"], strict=True))
        return (json.dumps(value, indent=2, sort_keys=True) + "\n").encode()


# For an encoder that nothing was fitted for: round figures near those of the shipped encoder. They order answers and
# tell a near name from a far one; how often an answer of some confidence is right, only gold mentions can say. The
# cross-encoder's log-odds count as what they are.
UNFITTED = Calibration(
    retrieved=Weights(features=(9.0, 17.0, 2.0, 1.0, -1.0, 1.0), nil=7.0, curve=(1.0, 1.0, 0.0)),
    reranked=None,
    gate=1.0,
    threshold=0.5,
    depth=20,
    fitted_on="nothing: the defaults",
)


def read_calibration(path: Path) -> Calibration:
    """Read a `calibration.json`. Raises `BundleCorrupt`."""
    try:
        value = json.loads(path.read_bytes())
        return Calibration(
            retrieved=_weights(value["retrieved"]),
            reranked=None if value["reranked"] is None else _weights(value["reranked"]),
            gate=float(value["gate"]),
            threshold=float(value["threshold"]),
            depth=int(value["depth"]),
            fitted_on=str(value["fitted_on"]),
        )
    except (OSError, ValueError, TypeError, KeyError) as error:
        message = f"{path}: expected a calibration of this version; build the bundle again"
        raise BundleCorrupt(f"{message} ({type(error).__name__})") from error


def _weights(value: dict[str, Any]) -> Weights:
    features, (a, b, offset) = value["features"], map(float, value["curve"])
    weights = Weights(tuple(float(features[name]) for name in FEATURES), float(value["nil"]), (a, b, offset))
    if not np.isfinite([*weights.features, weights.nil, *weights.curve]).all():
        raise ValueError("not finite")
    return weights


def features(candidates: Sequence[Candidate]) -> Array:
    """`FEATURES` of each candidate, in the order given: (n, features).

    Of several exact hits only those of the best term type count as such: who writes "migraine" means the concept that
    is called so before one that has it for a synonym.
    """
    if not candidates:
        return np.zeros((0, len(FEATURES)))
    tiers = [TIERS.get(c.term_type, 1) for c in candidates]
    named = [c.source is not MatchSource.DENSE for c in candidates]
    best = min((tier for tier, hit in zip(tiers, named, strict=True) if hit), default=None)
    level = max(c.similarity for c in candidates)
    support = max(c.support for c in candidates)
    worst = min((c.rerank_score for c in candidates if c.rerank_score is not None), default=0.0)
    scores = [worst if c.rerank_score is None else c.rerank_score for c in candidates]
    ranked_by = [(n, t, c.support, s) for c, n, t, s in zip(candidates, named, tiers, scores, strict=True)]
    rows = [
        (level, c.support - support, hit and tier == best, key == ranked_by[0], tier == TIERS["related"], score)
        for c, hit, tier, key, score in zip(candidates, named, tiers, ranked_by, scores, strict=True)
    ]
    return np.array(rows, dtype=np.float64)


def choice_probabilities(rows: Array, present: NDArray[np.bool_], weights: Weights) -> Array:
    """Probability of each candidate by the conditional logit, (mentions, n); the rest to 1 is that of none of them.

    rows: (mentions, n, features); present: (mentions, n), False in places without a candidate.
    """
    utilities = np.where(present, rows @ np.array(weights.features), -np.inf)
    top = np.maximum(utilities.max(axis=1, initial=-np.inf), weights.nil)[:, None]
    odds = np.exp(utilities - top)
    probabilities: Array = odds / (odds.sum(axis=1, keepdims=True) + np.exp(weights.nil - top))
    return probabilities


def lead_probability(rows: Array, probabilities: Array) -> Array:
    """Probability, (mentions,), that the first candidate is right, or one that nothing tells from it."""
    mass: Array = (probabilities * rows[:, :, LEAD]).sum(axis=1)
    return np.clip(mass, _TINY, 1 - _TINY)


def calibrated(rows: Array, present: NDArray[np.bool_], weights: Weights) -> Array:
    """Confidence of each candidate, (mentions, n), in [0, 1] and never rising; arguments as `choice_probabilities`.

    The ranking has the last word: where a later candidate is the likelier by its features, it gets no more than the one
    before it, and what it loses is doubt.
    """
    chosen = choice_probabilities(rows, present, weights)
    mass = lead_probability(rows, chosen)
    a, b, offset = weights.curve
    curved = 1 / (1 + np.exp(np.clip(b * np.log1p(-mass) - a * np.log(mass) - offset, -50, 50)))
    scale = np.where(rows[:, :, LEAD] > 0, (curved / mass)[:, None], ((1 - curved) / (1 - mass))[:, None])
    return np.minimum(np.minimum.accumulate(chosen * scale, axis=1), 1.0)


def confidences(candidates: Sequence[Candidate], calibration: Calibration) -> Array:
    """Confidence of each candidate, (n,), in [0, 1] and never rising; 0 beyond the calibration's depth."""
    taking_part = candidates[: calibration.depth]
    found = np.zeros(len(candidates))
    if taking_part:
        reranked = any(candidate.rerank_score is not None for candidate in taking_part)
        weights = (calibration.reranked if reranked else None) or calibration.retrieved
        present = np.ones((1, len(taking_part)), dtype=np.bool_)
        found[: len(taking_part)] = calibrated(features(taking_part)[None], present, weights)[0]
    return found


def decide(sure: Array, calibration: Calibration, *, min_confidence: float | None = None) -> NilReason | None:
    """Why the first candidate is not the answer, if it is not.

    sure: confidence of each candidate, (n,), never rising. min_confidence: in [0, 1]; None takes the calibration's own
    threshold.
    """
    if not len(sure):
        return NilReason.NO_CANDIDATE
    threshold = calibration.threshold if min_confidence is None else min_confidence
    if sure[0] >= threshold:
        return None
    # Where those close behind the first are likely enough together, the mention is known and its meaning is not.
    close = sure[sure >= sure[0] / 2]
    ambiguous = len(close) > 1 and close.sum() >= threshold
    return NilReason.AMBIGUOUS if ambiguous else NilReason.BELOW_THRESHOLD
