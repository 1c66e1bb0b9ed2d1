"""Names of other languages are drawn to those of the pivot, which stay where they are."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest

torch = pytest.importorskip("torch", reason="needs the extra `train`")

import numpy as np

from ontologies.records import Name
from training.alignment import Aligned, AlignmentLoss, AlignmentOptions, make_alignment
from training.dictionary import Entry
from training.errors import TrainingError
from training.pairs import Names

NAMES = {
    "X:1": [("renal failure", "en"), ("kidney failure", "en"), ("fallo renal", "es-ES"), ("Nierenversagen", "de")],
    "X:2": [("fever", "en"), ("fiebre", "es"), ("Fever", "es")],
    "X:3": [("solo", "es")],
    "X:4": [("kidney failure", "en"), ("insuficiencia", "es")],
}


def entries() -> dict[str, Entry]:
    return {i: Entry(i, [Name(concept_id=i, name=n, language=tag) for n, tag in names]) for i, names in NAMES.items()}


def test_what_has_a_pivot_name_beside_it_is_aligned() -> None:
    aligned = make_alignment(entries(), AlignmentOptions(languages=("es",), keep=0.0), seed=1)
    texts = aligned.names.texts
    assert [texts[row] for row in aligned.rows] == ["fallo renal", "fiebre", "insuficiencia"]
    assert sorted(texts[row] for row in aligned.pivots) == [
        "fever",
        "kidney failure",
        "kidney failure",
        "renal failure",
    ]
    kept = make_alignment(entries(), AlignmentOptions(languages=("es",), keep=1.0), seed=1)
    assert len(kept.rows) == 6
    assert set(kept.rows[3:].tolist()) <= set(kept.pivots.tolist())
    assert "nierenversagen" in make_alignment(entries(), AlignmentOptions(), seed=1).names.texts


def test_nothing_to_align_is_an_error_that_says_what_to_add() -> None:
    with pytest.raises(TrainingError, match="no concept has a name in fr beside one in en. Add"):
        make_alignment(entries(), AlignmentOptions(languages=("fr",)), seed=1)


class Table(torch.nn.Module):  # type: ignore[misc]
    """An encoder that looks its vectors up: a text is one token, its row."""

    def __init__(self, rows: Sequence[Sequence[float]]) -> None:
        super().__init__()
        self.rows = torch.nn.Parameter(torch.tensor(rows))

    def forward(self, features: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        return {"sentence_embedding": self.rows[features["input_ids"][:, 0]]}


AXES = np.eye(3, dtype=np.float32)


def loss_of(
    vectors: Sequence[Sequence[float]], *, groups: list[int], pull: float = 0.0, teacher: np.ndarray | None = None
) -> AlignmentLoss:
    """Names 0 to 2 are pivots of three concepts, on the axes; name 3 is another language's of concept 0."""
    names = Names(texts=list("abcd"), concepts=[0, 1, 2, 0], groups=[*groups, groups[0]])
    aligned = Aligned(names, np.array([3], dtype=np.int32), np.array([0, 1, 2], dtype=np.int32))
    options = AlignmentOptions(negatives=64, temperature=0.5, pull=pull)
    return AlignmentLoss(Table(vectors), aligned, AXES, options, teacher)


def value(loss: AlignmentLoss, *numbers: int) -> torch.Tensor:
    ids = torch.tensor(numbers)[:, None]
    return loss([{"input_ids": ids, "attention_mask": torch.ones_like(ids)}], ids)


def test_the_loss_is_the_cross_entropy_of_the_right_name_among_those_that_may_be_wrong() -> None:
    vectors = [[1.0, 0, 0], [0, 1.0, 0], [0, 0, 1.0], [0.6, 0.8, 0.0]]
    scores = [math.exp(c / 0.5) for c in (0.6, 0.8, 0.0)]
    assert value(loss_of(vectors, groups=[0, 1, 2]), 3).item() == pytest.approx(-math.log(scores[0] / sum(scores)))
    # What may mean the same, concept 1 of the same group, is no negative.
    together = -math.log(scores[0] / (scores[0] + scores[2]))
    assert value(loss_of(vectors, groups=[0, 0, 2]), 3).item() == pytest.approx(together)


def test_a_name_moves_to_its_translation_and_a_pivot_name_stays() -> None:
    loss = loss_of([[1.0, 0, 0], [0, 1.0, 0], [0, 0, 1.0], [0.1, 0.9, 0.2]], groups=[0, 1, 2], pull=4.0)
    optimiser = torch.optim.SGD(loss.parameters(), lr=0.5)
    for _ in range(100):
        optimiser.zero_grad()
        value(loss, 0, 3).backward()
        optimiser.step()
    rows = torch.nn.functional.normalize(loss.model.rows.detach(), dim=1)
    assert float(rows[3, 0]) > 0.9
    assert float(rows[0, 0]) > 0.9


def test_a_teacher_that_disagrees_costs_and_one_that_agrees_does_not() -> None:
    vectors = [[1.0, 0, 0], [0, 1.0, 0], [0, 0, 1.0], [1.0, 0.0, 0.0]]
    plain = value(loss_of(vectors, groups=[0, 1, 2]), 3)
    agrees = np.array([*AXES, AXES[0]], dtype=np.float32)
    disagrees = np.array([*AXES, AXES[2]], dtype=np.float32)
    assert value(loss_of(vectors, groups=[0, 1, 2], teacher=agrees), 3).item() == pytest.approx(plain.item(), abs=1e-5)
    assert value(loss_of(vectors, groups=[0, 1, 2], teacher=disagrees), 3) > plain + 0.5
