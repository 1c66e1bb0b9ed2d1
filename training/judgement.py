"""What a calibration says of mentions that it was not fitted on: folds of notes, and whole corpora, held out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from linker.decision import Calibration, calibrated
from linker.errors import InvalidInput
from training.calibration import Array, Flags, Observed, fit

FOLDS = 5


@dataclass(frozen=True, slots=True)
class Judgement:
    """First candidates of n mentions: confidence in [0, 1], right; read: by the cross-encoder; the rest: `Observed`."""

    confidence: Array
    right: Flags
    read: Flags
    imitated: Flags
    nil: Flags
    notes: NDArray[np.str_]

    def take(self, chosen: Flags) -> Judgement:
        """Those mentions that `chosen`, (n,), says."""
        return Judgement(*(getattr(self, field.name)[chosen] for field in fields(Judgement)))


def judge(calibration: Calibration, corpus: Observed) -> Judgement:
    """What the calibration says of each mention, reranked or not as the pipeline would have it."""
    found = corpus.retrieved
    sure = calibrated(found.rows, found.present, calibration.retrieved)[:, 0]
    right, read = found.right[:, 0], np.zeros(len(sure), dtype=np.bool_)
    if corpus.reranked is not None:
        after = corpus.reranked
        read = ~corpus.kept & (sure <= calibration.gate)
        resure = calibrated(after.rows, after.present, calibration.reranked or calibration.retrieved)[:, 0]
        sure, right = np.where(read, resure, sure), np.where(read, after.right[:, 0], right)
    sure = np.where(found.present[:, 0], sure, 0.0)
    return Judgement(sure, right, read, corpus.imitated, corpus.nil, corpus.notes)


def cross_validated(observed: Sequence[Observed]) -> list[Judgement]:
    """Each corpus judged by calibrations that saw none of the note's mentions: FOLDS folds of notes, seeded.

    Raises `InvalidInput` where a corpus has fewer notes than folds.
    """
    folds = [_folds(corpus) for corpus in observed]
    fitted = [
        fit([corpus.take(fold != held) for corpus, fold in zip(observed, folds, strict=True)]) for held in range(FOLDS)
    ]
    judgements = []
    for corpus, fold in zip(observed, folds, strict=True):
        each = [judge(calibration, corpus) for calibration in fitted]
        sure, right, read = (
            np.choose(fold, [getattr(judged, name) for judged in each]) for name in ("confidence", "right", "read")
        )
        judgements.append(Judgement(sure, right, read, corpus.imitated, corpus.nil, corpus.notes))
    return judgements


def _folds(corpus: Observed) -> NDArray[np.int64]:
    notes, note = np.unique(corpus.notes, return_inverse=True)
    if len(notes) < FOLDS:
        raise InvalidInput(f"expected at least {FOLDS} notes to hold folds out, found {len(notes)}", field=corpus.name)
    fold: NDArray[np.int64] = np.random.default_rng(0).permutation(len(notes))[note] % FOLDS
    return fold


def left_out(observed: Sequence[Observed]) -> list[Judgement]:
    """Each corpus judged by a calibration fitted on the others; empty with only one."""
    if len(observed) < 2:
        return []
    return [judge(fit([other for other in observed if other is not corpus]), corpus) for corpus in observed]


def threshold_for(judgements: Sequence[Judgement], precision: float) -> float:
    """The lowest threshold at which at least this share, in (0, 1], of answers is right, imitated mentions apart.

    Raises `InvalidInput` where no threshold reaches it.
    """
    real = [judged.take(~judged.imitated) for judged in judgements]
    sure = np.concatenate([judged.confidence for judged in real])
    order = np.argsort(-sure, kind="stable")
    right = np.concatenate([judged.right for judged in real])[order]
    precisions = np.cumsum(right) / np.arange(1, len(right) + 1)
    good = np.flatnonzero((precisions >= precision) & np.append(sure[order][1:] != sure[order][:-1], True))
    if not len(good):
        best = float(precisions.max(initial=0.0))
        raise InvalidInput(f"no threshold reaches {precision}; the best is {best:.3f}", field="--target-precision")
    return float(np.floor(sure[order][good[-1]] * 1e4) / 1e4)
