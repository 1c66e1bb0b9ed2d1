"""A Hugging Face trainer that keeps a run folder: whole checkpoints, metrics, the best model, an early stop.

`fit` takes trainers of sentence-transformers and of transformers as they are and adds what a long run on
a small machine needs. Rows are put in order once, before training, for all epochs: a run that goes on from a checkpoint
then sees the rows that it would have seen.
"""

from __future__ import annotations

import math
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from datasets import Dataset
from safetensors import SafetensorError
from torch.utils.data import BatchSampler, SequentialSampler
from transformers import PrinterCallback, ProgressCallback, TrainerCallback

from linker.console import progress
from linker.publishing import publish
from training.errors import TrainingError
from training.recipes import Recipe, Schedule
from training.runs import Run

Score = Callable[[], Mapping[str, float]]  # figures on dev, that of the recipe among them, of the model as it is now
Save = Callable[[Path], object]  # writes the model as it is now into an empty folder
LENGTH = "length"  # the column that says how long a row is
_BATCHES_SORTED = 32  # that are made of rows which come together; more would tell epochs apart
_WRITE_ERRORS = (OSError, RuntimeError, SafetensorError)  # torch reports a full disk as RuntimeError


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended. best_step: the step of the model in best/; best: its figure on dev, None without dev."""

    steps: int
    best_step: int
    best: float | None
    stopped_early: bool


def set_seed(seed: int) -> None:
    """Seed Python, numpy and torch."""
    transformers.set_seed(seed)


def use_bf16(precision: str) -> bool:
    """Whether to multiply in bfloat16: as `precision` says or, for "auto", where the hardware does so natively."""
    if precision != "auto":
        return precision == "bf16"
    if torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    probes = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(torch.cpu, probe, lambda: False)() for probe in probes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What is trained, and how well it does.

    trainer_class, arguments_class: of sentence-transformers, or with a trainer that takes a `loss` as theirs do. rows:
    as `loss` takes them; with a column `length`, rows of like length share a batch. score: figures on dev of `model` as
    it is now; without it there is no early stop and the last model is the best. save: writes `model` as it is now.
    """

    trainer_class: type[Any]
    arguments_class: type[Any]
    model: Any
    loss: Any
    rows: Dataset
    score: Score | None
    save: Save


def fit(run: Run, recipe: Recipe, task: Task) -> Outcome:
    """Train the model of `task` in `run`, from its last checkpoint where there is one; the best model is then in best/.

    Raises `TrainingError`: a loss that is no number, or a folder that cannot be written.
    """
    schedule, seed = recipe.schedule, recipe.seed
    total, start = schedule.steps(len(task.rows)), run.last_checkpoint()
    follower = _Follower(run, schedule, total, task)
    if start is None or not follower.is_over(start[0]):
        arguments = _arguments(task.arguments_class, run, schedule, total, seed)
        ordered = task.rows.select(_order(task.rows, schedule, seed))
        with quiet():
            trainer_class = _followed(task.trainer_class, run)
            trainer = trainer_class(model=task.model, args=arguments, train_dataset=ordered, loss=task.loss)
            trainer.callback_handler.callbacks = [
                c for c in trainer.callback_handler.callbacks if not isinstance(c, PrinterCallback | ProgressCallback)
            ]
            trainer.add_callback(follower)
            follower.trainer = trainer
            begun = start[0] if start else 0
            with progress(_title(begun), (total - begun) * schedule.batch_size, "rows") as advance:
                follower.advance = advance
                if start is None:
                    follower.evaluate(0)  # the base: training has to be better than it
                trainer.train(resume_from_checkpoint=str(start[1]) if start else None)
    run.draw_curves()
    return follower.outcome()


def _title(step: int) -> str:
    return f"Training from step {step:,}" if step else "Training"


def _order(rows: Dataset, schedule: Schedule, seed: int) -> np.ndarray[Any, Any]:
    """Row numbers for all epochs, each in an order of its own."""
    random = np.random.default_rng(seed)
    order = np.concatenate([random.permutation(len(rows)) for _ in range(schedule.epochs)])
    if LENGTH not in rows.column_names:
        return order
    lengths, stretch = np.array(rows[LENGTH]), schedule.batch_size * _BATCHES_SORTED
    stretches = [order[start : start + stretch] for start in range(0, len(order), stretch)]
    order = np.concatenate([near[np.argsort(lengths[near], kind="stable")] for near in stretches])
    whole = len(order) - len(order) % schedule.batch_size
    batches = random.permutation(order[:whole].reshape(-1, schedule.batch_size))
    return np.concatenate([batches.reshape(-1), order[whole:]])


def _arguments(arguments_class: type[Any], run: Run, schedule: Schedule, total: int, seed: int) -> Any:
    return arguments_class(
        output_dir=str(run.checkpoint(0).parent),
        max_steps=total,
        per_device_train_batch_size=schedule.batch_size,
        learning_rate=schedule.learning_rate,
        lr_scheduler_type="linear",
        warmup_steps=round(schedule.warmup * total),
        weight_decay=schedule.weight_decay,
        max_grad_norm=schedule.gradient_clip,
        optim="adamw_torch",
        bf16=use_bf16(schedule.precision),
        use_cpu=not torch.cuda.is_available(),
        seed=seed,
        data_seed=seed,
        save_strategy="steps",
        save_steps=schedule.evaluate_every,
        logging_strategy="no",
        eval_strategy="no",
        report_to="none",
        disable_tqdm=True,
        dataloader_pin_memory=torch.cuda.is_available(),
    )


def _followed(trainer_class: type[Any], run: Run) -> type[Any]:
    """`trainer_class`, reading rows in order, stopping at a loss that is no number, saving whole checkpoints."""

    class Followed(trainer_class):  # type: ignore[misc]
        staging = ""
        last_loss = math.nan
        last_rate = math.nan

        def add_model_card_callback(self, *_: Any, **__: Any) -> None:
            """No card: it would ask the hub about the base; the export writes ours."""

        def get_batch_sampler(self, dataset: Dataset, batch_size: int, drop_last: bool, **_: Any) -> BatchSampler:
            return BatchSampler(SequentialSampler(dataset), batch_size, drop_last)

        def training_step(self, *args: Any, **kwargs: Any) -> torch.Tensor:
            self.last_rate = float(self._get_learning_rate())
            loss: torch.Tensor = super().training_step(*args, **kwargs)
            self.last_loss = loss.item()
            if not math.isfinite(self.last_loss):
                raise TrainingError(_diverged(run, self.state.global_step + 1, self.last_rate, self.last_loss))
            return loss

        def _get_output_dir(self, trial: Any) -> str:
            return self.staging or str(super()._get_output_dir(trial))

        def _save_checkpoint(self, *args: Any, **kwargs: Any) -> None:
            step = self.state.global_step
            try:
                with publish(run.checkpoint(step)) as staging:
                    self.staging = str(staging)
                    super()._save_checkpoint(*args, **kwargs)
                    _flatten(staging)
            except _WRITE_ERRORS as error:
                raise TrainingError(_unwritten(run, run.checkpoint(step), error)) from error
            finally:
                self.staging = ""
            run.keep_only(step)

    return Followed


def _flatten(staging: Path) -> None:
    """Move the trainer's own folder, checkpoint-N, up, without its pickled arguments, which nothing reads."""
    (inner,) = staging.iterdir()
    (inner / "training_args.bin").unlink(missing_ok=True)
    for path in list(inner.iterdir()):
        shutil.move(path, staging / path.name)
    inner.rmdir()


def _diverged(run: Run, step: int, learning_rate: float, loss: float) -> str:
    return (
        f"{run.folder}: the loss of step {step} is {loss} at a learning rate of {learning_rate:.3g}. "
        "Try a lower schedule.learning_rate, a longer schedule.warmup, a smaller schedule.gradient_clip, "
        'or schedule.precision = "fp32"; if it is so at step 1, the weights of the base are not what they should be'
    )


def _unwritten(run: Run, path: Path, error: Exception) -> str:
    last = run.last_checkpoint()
    whole = f"the checkpoint of step {last[0]} is whole" if last else "there is no checkpoint yet"
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    return f"{path}: cannot be written: {reason}; {whole}. Free space, then go on with --resume"


class _Follower(TrainerCallback):  # type: ignore[misc]
    """Logs, evaluates, keeps the best model, stops early. What it has to remember stands in the run's metrics."""

    def __init__(self, run: Run, schedule: Schedule, total: int, task: Task) -> None:
        self.trainer: Any = None
        self.advance: Callable[[int, str], object] = lambda *_: None
        self._run, self._schedule, self._total = run, schedule, total
        self._score, self._save = task.score, task.save
        self._losses: list[float] = []
        self._on_dev = ""
        self._clock = _Clock()

    def on_train_begin(self, *_: Any, **__: Any) -> None:
        """Start counting time."""
        self._clock.restart()

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002 - the trainer's names
        """One step is done: log it, and evaluate where it is due."""
        step = state.global_step
        self._losses.append(self.trainer.last_loss)
        self._clock.count(self._schedule.batch_size)
        if self._is_due(step, self._schedule.log_every):
            self._log(step)
        if self._is_due(step, self._schedule.evaluate_every):
            self.evaluate(step)
            control.should_save = True
            control.should_training_stop |= self.is_over(step)
        self.advance(self._schedule.batch_size, f"loss {self.trainer.last_loss:.4f}{self._on_dev}")

    def _is_due(self, step: int, every: int) -> bool:
        return step % every == 0 or step == self._total

    def _log(self, step: int) -> None:
        loss, self._losses = float(np.mean(self._losses)), []
        self._run.log(step, loss=loss, learning_rate=self.trainer.last_rate, rows_per_s=round(self._clock.rate(), 1))

    def evaluate(self, step: int) -> None:
        """Measure the model on dev, keep it if it is the best so far, and draw the curves."""
        with self._clock.paused():
            best = max((value for _, value in self._run.evaluations()), default=-1.0)
            figures = dict(self._score()) if self._score else {}
            if figures.get(self._run.figure, math.inf) > best:
                self._keep()
            # After the model: a line says that what it tells of is there.
            if figures:
                self._run.log(step, **figures)
                self._on_dev = f", {self._run.figure} {figures[self._run.figure]:.4f}"
            self._run.draw_curves()

    def _keep(self) -> None:
        try:
            with publish(self._run.best) as staging:
                self._save(staging)
        except _WRITE_ERRORS as error:
            raise TrainingError(_unwritten(self._run, self._run.best, error)) from error

    def is_over(self, step: int) -> bool:
        """Whether the run ends at `step`: its last, or patience is at its end."""
        return step >= self._total or self._out_of_patience()

    def _out_of_patience(self) -> bool:
        values = [value for _, value in self._run.evaluations()]
        # The first of equals is the best: a later one that is no better used up patience.
        waited = len(values) - 1 - values.index(max(values)) if values else 0
        return 0 < self._schedule.patience <= waited

    def outcome(self) -> Outcome:
        """How the run ended."""
        evaluations = self._run.evaluations()
        last = self._run.last_checkpoint()
        steps = last[0] if last else 0
        best_step, best = max(evaluations, key=lambda entry: (entry[1], -entry[0]), default=(steps, None))
        return Outcome(steps, best_step, best, stopped_early=steps < self._total)


class _Clock:
    """Rows a second while training, evaluation not counted."""

    def __init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        self._since, self._rows = time.monotonic(), 0

    def count(self, rows: int) -> None:
        self._rows += rows

    def rate(self) -> float:
        """Rows a second since this was last asked."""
        rate = self._rows / max(time.monotonic() - self._since, 1e-9)
        self.restart()
        return rate

    @contextmanager
    def paused(self) -> Iterator[None]:
        stopped = time.monotonic()
        yield
        self._since += time.monotonic() - stopped


@contextmanager
def quiet() -> Iterator[None]:
    """Without the bars and reports of transformers: what it loads is checked and told in our own words."""
    log = transformers.utils.logging
    level, bars = log.get_verbosity(), log.is_progress_bar_enabled()
    log.set_verbosity_error()
    log.disable_progress_bar()
    try:
        yield
    finally:
        log.set_verbosity(level)
        if bars:
            log.enable_progress_bar()
