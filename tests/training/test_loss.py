"""The loss is SapBERT's, without its padding, its cubic memory and its false negatives."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="needs the extra `train`")
pytest.importorskip("pytorch_metric_learning", reason="needs the extra `train`")

from pytorch_metric_learning.losses import MultiSimilarityLoss
from pytorch_metric_learning.miners import TripletMarginMiner

from training.loss import LossOptions, NameLoss, encode_columns, hard_pairs
from training.pairs import Names


class Lookup(torch.nn.Module):  # type: ignore[misc]
    """Embeds a text by its first token, and remembers how much it was given to read."""

    def __init__(self, table: Any) -> None:
        super().__init__()
        self.table = torch.nn.Parameter(table)
        self.read = 0

    def forward(self, features: dict[str, Any]) -> dict[str, Any]:
        self.read += features["input_ids"].numel()
        return {"sentence_embedding": self.table[features["input_ids"][:, 0]]}


def column(*numbers: int) -> dict[str, Any]:
    ids = torch.tensor(numbers)[:, None]
    return {"input_ids": ids, "attention_mask": torch.ones_like(ids), "modality": "text"}


def unit(rows: int, dimension: int = 8, seed: int = 0) -> Any:
    generator = torch.Generator().manual_seed(seed)
    return torch.nn.functional.normalize(torch.randn(rows, dimension, generator=generator), dim=1)


def masks(concepts: Any, groups: Any) -> tuple[Any, Any]:
    positive = concepts[:, None] == concepts
    positive.fill_diagonal_(False)
    return positive, groups[:, None] != groups


def pair_set(anchors: Any, others: Any) -> set[tuple[int, int]]:
    return set(zip(anchors.tolist(), others.tolist(), strict=True))


@pytest.mark.parametrize("margin", [0.0, 0.2, 0.6])
def test_hard_pairs_are_those_of_the_miner_of_all_triplets(margin: float) -> None:
    embeddings = unit(40, 4)
    labels = torch.arange(40) % 13
    anchor, positive, negative = TripletMarginMiner(margin=margin, type_of_triplets="all")(embeddings, labels)
    a1, p, a2, n = hard_pairs(embeddings, *masks(labels, labels), margin)
    assert pair_set(a1, p) == pair_set(anchor, positive)
    assert pair_set(a2, n) == pair_set(anchor, negative)


def test_the_loss_is_that_of_sapbert_where_groups_are_concepts() -> None:
    table = unit(12, 4)
    names = Names([str(n) for n in range(12)], [n % 5 for n in range(12)], [n % 5 for n in range(12)])
    rows = torch.tensor([[0, 5], [1, 6], [2, 7], [3, 8]])
    ours = NameLoss(Lookup(table), names, LossOptions())([column(*rows[:, 0]), column(*rows[:, 1])], rows)
    embeddings, labels = table[rows.T.reshape(-1)], (rows.T.reshape(-1)) % 5
    mined = TripletMarginMiner(margin=0.2, type_of_triplets="all")(embeddings, labels)
    theirs = MultiSimilarityLoss(alpha=1, beta=60, base=0.5)(embeddings, labels, mined)
    torch.testing.assert_close(ours, theirs)


def gradient(groups: list[int], negative: int | None = None) -> Any:
    """The gradient of each of six names: pairs 0-1 and 2-3, and `negative` beside both."""
    table = unit(6, 3, seed=4)
    names = Names(list("abcdef"), [0, 0, 1, 1, 2, 3], groups)
    rows = torch.tensor([[0, 1], [2, 3]])
    columns = [column(0, 2), column(1, 3)]
    if negative is not None:
        rows, columns = torch.hstack([rows, torch.full((2, 1), negative)]), [*columns, column(negative, negative)]
    model = Lookup(table)
    NameLoss(model, names, LossOptions(margin=2.0))(columns, rows).backward()
    return model.table.grad


def test_names_of_one_group_are_never_pushed_apart() -> None:
    apart, together = gradient([0, 0, 1, 1, 2, 3]), gradient([0, 0, 0, 0, 0, 0])
    assert apart[:4].abs().sum() > 0
    assert together.abs().sum() == 0


def test_a_mined_negative_pushes_where_its_group_is_another() -> None:
    assert gradient([0, 0, 0, 0, 2, 3], negative=4)[4].abs().sum() > 0
    assert gradient([0, 0, 0, 0, 0, 3], negative=4)[4].abs().sum() == 0


def test_a_pair_across_a_crosswalk_attracts_though_its_concepts_differ() -> None:
    names = Names(list("abcd"), [0, 1, 2, 2], [0, 0, 1, 1])
    rows = torch.tensor([[0, 1], [2, 3]])
    model = Lookup(unit(4, 3))
    NameLoss(model, names, LossOptions(margin=2.0))([column(0, 2), column(1, 3)], rows).backward()
    moved = torch.nn.functional.normalize(model.table.detach() - 0.01 * model.table.grad, dim=1)
    assert moved[0] @ moved[1] > model.table[0] @ model.table[1]


def test_the_teacher_pulls_cosines_towards_its_own() -> None:
    names = Names(list("abcd"), [0, 0, 1, 1], [0, 0, 0, 0])  # one group: nothing but the teacher acts
    rows, columns = torch.tensor([[0, 1], [2, 3]]), [column(0, 2), column(1, 3)]
    teacher, model = unit(4, 5, seed=1), Lookup(unit(4, 3))
    loss = NameLoss(model, names, LossOptions(distillation=2.0), teacher.numpy())
    expected = 2.0 * ((model.table @ model.table.T - teacher @ teacher.T) ** 2).mean()
    torch.testing.assert_close(loss(columns, rows), expected)


def test_rows_come_back_in_order_and_are_read_without_the_padding_of_others() -> None:
    lengths = [3, 9, 2, 500, 4, 500, 2, 2000]
    columns = []
    for half in (lengths[:4], lengths[4:]):
        ids = torch.zeros((4, max(half)), dtype=torch.long)
        for row, length in enumerate(half):
            ids[row, :length] = lengths.index(length) if length not in (2, 500) else row
        columns.append(
            {"input_ids": ids, "attention_mask": (torch.arange(max(half)) < torch.tensor(half)[:, None]).long()}
        )
    model = Lookup(unit(8))
    embeddings = encode_columns(model, columns)
    first = torch.cat([each["input_ids"][:, 0] for each in columns])
    torch.testing.assert_close(embeddings, model.table[first])
    assert model.read < 1.3 * sum(lengths)
