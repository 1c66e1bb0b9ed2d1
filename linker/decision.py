"""Decision: from candidates to a link with a calibrated confidence, or NIL with its reason.

Confidence is a conditional logit with an outside option (McFadden, 1974): with s the highest similarity, candidate i
has the utility `level * s + gap * (s_i - s) + exact * e_i + rerank * r_i` and "none of these" has `nil`; probabilities
are their softmax. So the confidences of a link sum to at most 1, what is missing is the probability of NIL, and a name
shared by two concepts is unsure by construction. The level says whether the concept is here at all, the gap which one
it is. The weights are fitted by maximum likelihood on gold mentions and stored in the bundle.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from linker.errors import BundleCorrupt
from linker.records import TIERS, Candidate, MatchSource, NilReason

FILE = "calibration.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """Weights of the utility, and the confidence below which a mention gets NIL.

    depth: how many candidates take part in the softmax, whatever number is asked for.
    fitted_on: the gold mentions the weights come from, in words.
    """

    level: float
    gap: float
    exact: float
    rerank: float
    nil: float
    threshold: float
    depth: int
    fitted_on: str

    def to_json(self) -> bytes:
        """The bytes of `calibration.json`."""
        return (json.dumps(asdict(self), indent=2, sort_keys=True) + "\n").encode()


def read_calibration(path: Path) -> Calibration:
    """Read a `calibration.json`. Raises `BundleCorrupt`."""
    try:
        value = json.loads(path.read_bytes())
        return Calibration(**{field.name: value[field.name] for field in fields(Calibration)})
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise BundleCorrupt(f"{path}: expected a calibration ({type(error).__name__})") from error


def features(candidates: Sequence[Candidate]) -> NDArray[np.float64]:
    """Level, gap, exact hit (0 or 1) and rerank score (0 where the cross-encoder did not run): (n, 4).

    Of several exact hits only those of the best term type count as such: who writes "migraine" means the concept that
    is called so before one that has it for a synonym.
    """
    exact = [TIERS.get(c.term_type, 1) if c.source is MatchSource.EXACT else None for c in candidates]
    best = min((tier for tier in exact if tier is not None), default=None)
    level = max((c.similarity for c in candidates), default=0.0)
    rows = [
        (level, c.similarity - level, tier is not None and tier == best, c.rerank_score or 0.0)
        for c, tier in zip(candidates, exact, strict=True)
    ]
    return np.array(rows, dtype=np.float64).reshape(len(candidates), 4)


def confidences(candidates: Sequence[Candidate], calibration: Calibration) -> NDArray[np.float64]:
    """Probability of each candidate, (n,), in [0, 1]; 0 beyond the calibration's depth."""
    taking_part = candidates[: calibration.depth]
    weights = np.array([calibration.level, calibration.gap, calibration.exact, calibration.rerank])
    utilities = np.append(features(taking_part) @ weights, calibration.nil)
    odds = np.exp(utilities - utilities.max())
    probabilities = np.zeros(len(candidates))
    probabilities[: len(taking_part)] = (odds / odds.sum())[:-1]
    return probabilities


def decide(
    candidates: Sequence[Candidate], calibration: Calibration, *, min_confidence: float | None = None
) -> tuple[NDArray[np.float64], NilReason | None]:
    """The confidence of each candidate, (n,), and why the first is not the answer, if it is not.

    min_confidence: in [0, 1]; None takes the calibration's own threshold.
    """
    sure = confidences(candidates, calibration)
    if not candidates:
        return sure, NilReason.NO_CANDIDATE
    threshold = calibration.threshold if min_confidence is None else min_confidence
    if sure[0] >= threshold:
        return sure, None
    # Where those close behind the first are likely enough together, the mention is known and its meaning is not.
    close = sure[sure >= sure[0] / 2]
    ambiguous = len(close) > 1 and close.sum() >= threshold
    return sure, NilReason.AMBIGUOUS if ambiguous else NilReason.BELOW_THRESHOLD
