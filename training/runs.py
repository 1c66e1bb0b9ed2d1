"""A run is a folder, and the folder is all that a run is: kill it, and `--resume` goes on from what is there.

recipe.toml       what is done, with every default written out
metrics.jsonl     a line every few steps (step, loss, learning_rate, rows_per_s) and one an evaluation (step, figures)
curves.png        loss and the figure on dev (acc@1, or that of another kind of model) over steps
checkpoints/      step-N/: the last whole checkpoint of the trainer
best/             the model with the best figure on dev so far; without dev, the last
state             one word: running, done or failed
"""

from __future__ import annotations

import fcntl
import json
import math
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from linker.errors import InvalidInput
from training.errors import TrainingError
from training.recipes import FIGURE, Recipe, differences, read_recipe, to_toml

RECIPE = "recipe.toml"
METRICS = "metrics.jsonl"
CURVES = "curves.png"
STATE = "state"

RUNNING, DONE, FAILED = "running", "done", "failed"

_STEP = re.compile(r"step-(\d+)")


@dataclass(frozen=True, slots=True)
class Run:
    """An open run folder. What it knows it reads from its files, so that there is nothing to bring back on resuming.

    figure: see `Recipe`.
    """

    folder: Path
    figure: str = FIGURE

    @property
    def best(self) -> Path:
        """Folder of the best model."""
        return self.folder / "best"

    @property
    def state(self) -> str:
        """`running`, `done` or `failed`."""
        path = self.folder / STATE
        return path.read_text().strip() if path.is_file() else RUNNING

    def set_state(self, state: str) -> None:
        """Write `state` in one step."""
        _replace(self.folder / STATE, f"{state}\n")

    def checkpoint(self, step: int) -> Path:
        """Folder of the checkpoint at `step`."""
        return self.folder / "checkpoints" / f"step-{step}"

    def last_checkpoint(self) -> tuple[int, Path] | None:
        """Step and folder of the last whole checkpoint; one that was being written has another name."""
        found = [(int(m[1]), p) for p in self.folder.glob("checkpoints/*") if (m := _STEP.fullmatch(p.name))]
        return max(found, default=None)

    def keep_only(self, step: int) -> None:
        """Remove all checkpoints but the one at `step`."""
        for path in self.folder.glob("checkpoints/*"):
            if path != self.checkpoint(step):
                shutil.rmtree(path, ignore_errors=True)

    def log(self, step: int, **figures: float) -> None:
        """Append one line to metrics.jsonl."""
        with (self.folder / METRICS).open("a", encoding="utf-8") as stream:
            stream.write(json.dumps({"step": step, **figures}) + "\n")

    def metrics(self) -> list[dict[str, Any]]:
        """The lines of metrics.jsonl; a last line that a kill cut short is left out."""
        path = self.folder / METRICS
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True) if path.is_file() else []
        return [json.loads(line) for line in lines if line.endswith("\n")]

    def rewind(self, step: int) -> None:
        """Forget what was logged after `step`."""
        kept = [line for line in self.metrics() if line["step"] <= step]
        _replace(self.folder / METRICS, "".join(json.dumps(line) + "\n" for line in kept))

    def evaluations(self) -> list[tuple[int, float]]:
        """Step and figure of every evaluation, in order."""
        return [(line["step"], line[self.figure]) for line in self.metrics() if self.figure in line]

    def draw_curves(self) -> None:
        """Draw curves.png from metrics.jsonl."""
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        lines = self.metrics()
        figure = Figure(figsize=(8, 4.5), layout="constrained")
        FigureCanvasAgg(figure)
        loss = figure.add_subplot(xlabel="step", ylabel="loss")
        loss.plot(*_points(lines, "loss"), color="tab:blue", label="loss")
        accuracy = loss.twinx()
        accuracy.set_ylabel("on dev")
        for name, style in zip(
            _figures(lines, self.figure), ("o-", "s:", "^:", "v:", "D:", "x:", "+:") * 9, strict=False
        ):
            accuracy.plot(*_points(lines, name), style, color="tab:orange", label=name)
        figure.legend(loc="outside upper center", ncols=4, frameon=False)
        drawn = self.folder / f".{CURVES}"
        figure.savefig(drawn, format="png", dpi=120)
        drawn.replace(self.folder / CURVES)


def _points(lines: list[dict[str, Any]], name: str) -> tuple[list[int], list[float]]:
    points = [(line["step"], line[name]) for line in lines if name in line and math.isfinite(line[name])]
    return [step for step, _ in points], [value for _, value in points]


def _figures(lines: list[dict[str, Any]], figure: str) -> list[str]:
    return list(dict.fromkeys(name for line in lines for name in line if name.startswith(figure)))


def _replace(path: Path, text: str) -> None:
    fresh = path.with_name(f".{path.name}")
    with fresh.open("w", encoding="utf-8") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    fresh.replace(path)


@contextmanager
def open_run(folder: Path, recipe: Recipe, *, resume: bool) -> Iterator[Run]:
    """A new run in `folder`, or with `resume` the one that is there; while it is open, nobody else can open it.

    On leaving, the state is `done`, or `failed` where an exception passes. Raises `InvalidInput`: the folder holds
    something and `resume` is off, holds no run or one of another recipe, or the run is done; `TrainingError`: another
    process runs it, or it cannot be written.
    """
    run = Run(folder, recipe.figure)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        _check_resumable(run, recipe, resume=resume)
    with _locked(run):
        if not (folder / RECIPE).is_file():
            _replace(folder / RECIPE, to_toml(recipe))
        last = run.last_checkpoint()
        run.rewind(last[0] if last else -1)  # of a run without a checkpoint, the base's evaluation too
        run.set_state(RUNNING)
        try:
            yield run
        except BaseException:
            with suppress(OSError):  # of a full disk, which is then what was raised
                run.set_state(FAILED)
            raise
        run.set_state(DONE)


def _check_resumable(run: Run, recipe: Recipe, *, resume: bool) -> None:
    folder = run.folder
    if not resume:
        raise InvalidInput(
            "is not empty; give --resume to go on with the run in it, or another --out", field=f"{folder}"
        )
    if not (folder / RECIPE).is_file():
        raise InvalidInput(f"holds no {RECIPE}, so there is no run to resume; choose another --out", field=f"{folder}")
    if changed := differences(read_recipe(folder / RECIPE, type(recipe)), recipe):
        message = f"is a run of another recipe: {', '.join(changed)} differ; resume with its {RECIPE}, or another --out"
        raise InvalidInput(message, field=f"{folder}")
    if run.state == DONE:
        raise InvalidInput("this run is done; its model is in best/", field=f"{folder}")


@contextmanager
def _locked(run: Run) -> Iterator[None]:
    try:
        (run.folder / "checkpoints").mkdir(parents=True, exist_ok=True)
        descriptor = os.open(run.folder, os.O_RDONLY)
    except OSError as error:
        raise TrainingError(f"{run.folder}: cannot be written: {error.strerror}") from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise TrainingError(f"{run.folder}: another process is running it") from error
        yield
    finally:
        os.close(descriptor)
