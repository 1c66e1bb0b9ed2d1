"""A teacher is anything with `encode`."""

from __future__ import annotations

import sys
from functools import partial
from types import ModuleType

import pytest

pytest.importorskip("sentence_transformers", reason="needs the extra `train`")

import numpy as np

from training.errors import TrainingError
from training.teacher import load_teacher


class Lengths:
    """Embeds a text as its length."""

    def encode(self, texts: list[str]) -> np.ndarray:
        return np.array([[len(text), 1.0] for text in texts])


@pytest.fixture
def school(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("school")
    module.__dict__.update(
        Lengths=Lengths,
        made=Lengths(),
        make=partial(Lengths),
        nobody=object(),
        flat=type("Flat", (), {"encode": lambda _, texts: [1.0 for _ in texts]}),
    )
    monkeypatch.setitem(sys.modules, "school", module)


@pytest.mark.usefixtures("school")
@pytest.mark.parametrize("name", ["school:Lengths", "school:made", "school:make"])
def test_a_class_an_object_and_a_maker_are_teachers_of_unit_rows(name: str) -> None:
    rows = load_teacher(name, bf16=False)(["ab", "c"] * 200)
    assert rows.shape == (400, 2)
    assert rows.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1.0, rtol=1e-6)
    np.testing.assert_allclose(rows[0] / rows[0, 1], [2.0, 1.0], rtol=1e-6)


def test_a_model_is_a_teacher() -> None:
    assert load_teacher("invented", bf16=False)(["renal failure"]).shape == (1, 32)


@pytest.mark.usefixtures("school")
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nowhere:X", "No module named 'nowhere'. Install the package that has it"),
        ("school:missing", "no attribute 'missing'|has no attribute"),
        ("school:nobody", "expected an object with encode"),
        ("school:flat", r"expected 1 rows of numbers, got \(1,\)"),
    ],
)
def test_what_is_no_teacher_is_refused(name: str, message: str) -> None:
    with pytest.raises(TrainingError, match=message):
        load_teacher(name, bf16=False)(["a"])
