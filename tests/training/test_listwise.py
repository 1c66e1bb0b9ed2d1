"""The listwise loss with its outside option, and the logits of pairs."""

from __future__ import annotations

import math

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the extra `train`")
for package in ("accelerate", "datasets", "sentence_transformers"):
    pytest.importorskip(package, reason="needs the extra `train`")

from hypothesis import given
from hypothesis import strategies as st

from training import smoke
from training.crossencoder import new_model
from training.lists import CandidateList
from training.listwise import ListwiseLoss, PairLogits, list_loss, score_lists

scores_and_right = st.lists(st.tuples(st.floats(-30, 30), st.booleans()), min_size=1, max_size=6)


@pytest.fixture(scope="module")
def logits() -> PairLogits:
    torch.manual_seed(0)
    model = new_model(smoke.NAME)
    return PairLogits(model.eval(), max_length=24)


@given(scores_and_right)
def test_the_loss_is_the_log_of_what_is_right_or_of_none(rows: list[tuple[float, bool]]) -> None:
    scores, right = ([row[n] for row in rows] for n in (0, 1))
    top = max(0.0, *scores)
    odds = [math.exp(score - top) for score in scores]
    none = math.exp(-top)
    hit = sum(o for o, fits in zip(odds, right, strict=True) if fits) if any(right) else none
    expected = -math.log(hit / (sum(odds) + none))
    got = list_loss(torch.tensor(scores, dtype=torch.float64), torch.tensor(right))
    assert got.item() == pytest.approx(expected, abs=1e-6, rel=1e-6)


def test_a_pair_has_the_same_logit_in_any_company_and_order(logits: PairLogits) -> None:
    names = [" ".join(["renal"] * n) for n in (1, 9, 2, 30, 3)]
    pairs = [("kidney pain", name) for name in names]
    with torch.inference_mode():
        together = logits(pairs).numpy()
        alone = np.concatenate([logits([pair]).numpy() for pair in pairs])
    assert together == pytest.approx(alone, abs=1e-5)
    assert len(set(alone.tolist())) == len(pairs)


def test_training_on_a_list_makes_its_gold_first_and_the_loss_small() -> None:
    torch.manual_seed(0)
    logits = PairLogits(new_model(smoke.NAME), max_length=24)
    loss = ListwiseLoss(logits)
    candidates = [["renal failure", "renal pain", "liver pain"], ["skin cancer", "bone ache"]]
    labels = [torch.tensor([0, 1, 0]), torch.tensor([0, 0])]
    inputs = [["kidney ache", "brass band"], candidates, [[0.9, 0.8, 0.1], [0.3, 0.2]]]
    # The trainer optimises what it finds in the loss.
    optimizer = torch.optim.AdamW(loss.parameters(), lr=3e-3)
    first = loss(inputs, labels).item()
    for _ in range(60):
        optimizer.zero_grad()
        last = loss(inputs, labels)
        last.backward()
        optimizer.step()
    assert last.item() < first / 4
    with torch.inference_mode():
        assert logits([("kidney ache", c) for c in candidates[0]]).argmax() == 1


def test_with_a_prior_the_score_has_only_to_add_what_retrieval_lacks(logits: PairLogits) -> None:
    """Where retrieval has it right by far, a score of nothing is enough; without the prior it is not."""
    inputs = [["kidney ache"], [["renal pain", "liver pain", "skin pain"]], [[0.9, 0.2, 0.1]]]
    label = [torch.tensor([1, 0, 0])]
    with torch.inference_mode():
        plain, prior = (ListwiseLoss(logits, prior=p)(inputs, label).item() for p in (0.0, 20.0))
    assert prior == pytest.approx(math.log(2), abs=0.1)
    assert plain == pytest.approx(math.log(4), abs=0.1)


def test_what_is_certain_is_not_read_and_a_list_may_be_empty(logits: PairLogits) -> None:
    one = CandidateList(mention="renal pain", candidates=("a", "b"), supports=(0.9, 0.8), right=(True, False))
    sure = CandidateList(mention="x", candidates=("a",), supports=(1.0,), right=(True,), certain=True, group=1)
    empty = CandidateList(mention="y", candidates=(), supports=(), right=(), group=2)
    table = score_lists(logits, [one, sure, empty])
    assert table.scores.astype(bool).tolist() == [[True, True], [False, False], [False, False]]
    assert table.accuracy(weight=0.0) == pytest.approx(2 / 3)
