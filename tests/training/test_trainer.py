"""A run that is killed, diverges, fills the disk or learns no more."""

from __future__ import annotations

import json
import resource
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="needs the extra `train`")
for package in ("accelerate", "datasets", "sentence_transformers"):
    pytest.importorskip(package, reason="needs the extra `train`")

from datasets import Dataset
from sentence_transformers import (
    SentenceTransformer,
    SentenceTransformerTrainer,
    SentenceTransformerTrainingArguments,
)

from training.bases import load_base, save_model
from training.errors import TrainingError
from training.loss import LossOptions, NameLoss
from training.pairs import Names
from training.recipes import Recipe, Schedule
from training.runs import open_run
from training.trainer import Outcome, Task, fit, set_seed

RECIPE = Recipe(
    schedule=Schedule(batch_size=8, epochs=2, learning_rate=1e-3, evaluate_every=4, log_every=2, precision="fp32")
)
NAMES = [
    f"{site} {finding}" for site in ("renal", "kidney", "liver", "heart") for finding in ("pain", "failure", "ache")
]


def train(
    folder: Path,
    score: Callable[[], Mapping[str, float]] | None,
    *,
    recipe: Recipe = RECIPE,
    resume: bool = False,
    spoil: Callable[[SentenceTransformer], object] = lambda _: None,
) -> Outcome:
    """48 rows, six steps an epoch, with dropout, so that a run depends on the random state."""
    set_seed(recipe.seed)
    model = load_base("invented")
    spoil(model)
    names = Names(NAMES, list(range(12)), list(range(12)))
    labels = [[a, (a + b) % 12] for a in range(12) for b in range(1, 5)]
    rows = Dataset.from_dict(
        {"anchor": [NAMES[a] for a, _ in labels], "positive": [NAMES[b] for _, b in labels], "label": labels}
    )
    task = Task(
        trainer_class=SentenceTransformerTrainer,
        arguments_class=SentenceTransformerTrainingArguments,
        model=model,
        loss=NameLoss(model, names, LossOptions()),
        rows=rows,
        score=score,
        save=lambda path: save_model(model, path, max_length=16),
    )
    with open_run(folder, recipe, resume=resume) as run:
        return fit(run, recipe, task)


def scores(*values: float | BaseException) -> Callable[[], Mapping[str, float]]:
    """acc@1 of one evaluation after another; an exception is raised in its place."""
    iterator: Iterator[float | BaseException] = iter(values)

    def score() -> Mapping[str, float]:
        value = next(iterator)
        if isinstance(value, BaseException):
            raise value
        return {"acc@1": value}

    return score


def curve(folder: Path) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{key: value for key, value in line.items() if key != "rows_per_s"} for line in lines]


def weights(folder: Path) -> bytes:
    return (folder / "best/model.safetensors").read_bytes()


def test_a_killed_run_resumes_to_the_same_curve_and_the_same_model(tmp_path: Path) -> None:
    outcome = train(tmp_path / "whole", scores(0.1, 0.2, 0.3, 0.4))
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "killed", scores(0.1, 0.2, KeyboardInterrupt()))
    assert [path.name for path in (tmp_path / "killed/checkpoints").iterdir()] == ["step-4"]
    assert train(tmp_path / "killed", scores(0.3, 0.4), resume=True) == outcome == Outcome(12, 12, 0.4, False)
    assert curve(tmp_path / "killed") == curve(tmp_path / "whole")
    assert weights(tmp_path / "killed") == weights(tmp_path / "whole")
    assert [line["step"] for line in curve(tmp_path / "whole") if "loss" in line] == [2, 4, 6, 8, 10, 12]


def test_the_best_model_stays_and_patience_ends_the_run(tmp_path: Path) -> None:
    patient = RECIPE.model_copy(update={"schedule": RECIPE.schedule.model_copy(update={"patience": 1})})
    outcome = train(tmp_path / "early", scores(0.1, 0.5, 0.5, 0.9), recipe=patient)
    assert outcome == Outcome(steps=8, best_step=4, best=0.5, stopped_early=True)
    train(tmp_path / "short", scores(0.1, 0.5, 0.2, 0.2))
    assert weights(tmp_path / "early") == weights(tmp_path / "short")


def test_a_base_that_training_makes_worse_is_kept(tmp_path: Path) -> None:
    assert train(tmp_path / "run", scores(0.9, 0.5, 0.5, 0.5)).best_step == 0
    base = load_base("invented")
    for name, tensor in load_base(str(tmp_path / "run")).state_dict().items():
        torch.testing.assert_close(tensor, base.state_dict()[name])


def test_without_dev_the_last_model_is_the_best(tmp_path: Path) -> None:
    assert train(tmp_path / "run", None) == Outcome(12, 12, None, False)
    assert weights(tmp_path / "run") == (tmp_path / "run/checkpoints/step-12/model.safetensors").read_bytes()


def test_a_loss_that_is_no_number_stops_the_run_and_says_what_to_try(tmp_path: Path) -> None:
    def spoil(model: SentenceTransformer) -> None:
        with torch.no_grad():
            next(model.parameters()).fill_(float("inf"))

    with pytest.raises(TrainingError, match=r"loss of step 1 is nan at a learning rate of .*learning_rate"):
        train(tmp_path / "run", None, spoil=spoil)
    assert (tmp_path / "run/state").read_text() == "failed\n"


def test_a_full_disk_leaves_the_last_checkpoint_whole_and_the_run_goes_on_from_it(tmp_path: Path) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

    def fill() -> Mapping[str, float]:
        if (tmp_path / "run/checkpoints/step-4").is_dir():
            resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, hard))
        return {"acc@1": 0.0}

    try:
        with pytest.raises(TrainingError, match="cannot be written.*checkpoint of step 4 is whole.*--resume"):
            train(tmp_path / "run", fill)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    assert [path.name for path in (tmp_path / "run/checkpoints").iterdir()] == ["step-4"]
    train(tmp_path / "run", scores(0.0, 0.0), resume=True)
    train(tmp_path / "whole", scores(0.0, 0.0, 0.0, 0.0))
    assert curve(tmp_path / "run") == curve(tmp_path / "whole")
