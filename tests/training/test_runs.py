"""Run folders: what a kill may leave, and who may go on with it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from linker.errors import InvalidInput
from training.errors import TrainingError
from training.recipes import Recipe
from training.runs import open_run


def killed_run(folder: Path) -> None:
    """A run with a checkpoint at step 20, killed at step 30 while it wrote a line and a checkpoint."""
    with pytest.raises(KeyboardInterrupt), open_run(folder, Recipe(), resume=False) as run:
        for step in (0, 10, 20, 30):
            run.log(step, **{"loss": 1.0, "acc@1": step / 100})
        run.checkpoint(20).mkdir()
        (folder / "checkpoints/.step-30.abc.part").mkdir()
        with (folder / "metrics.jsonl").open("a") as stream:
            stream.write('{"step": 40, "lo')
        raise KeyboardInterrupt


def test_a_killed_run_resumes_where_its_last_whole_checkpoint_is(tmp_path: Path) -> None:
    killed_run(tmp_path / "run")
    assert (tmp_path / "run/state").read_text() == "failed\n"
    with open_run(tmp_path / "run", Recipe(), resume=True) as run:
        assert run.last_checkpoint() == (20, run.checkpoint(20))
        assert [line["step"] for line in run.metrics()] == [0, 10, 20]
        assert run.evaluations() == [(0, 0.0), (10, 0.1), (20, 0.2)]
        assert run.state == "running"
    assert run.state == "done"


def test_without_a_checkpoint_a_run_begins_anew(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), open_run(tmp_path / "run", Recipe(), resume=False) as run:
        run.log(0, loss=1.0)
        raise KeyboardInterrupt
    with open_run(tmp_path / "run", Recipe(), resume=True) as run:
        assert run.metrics() == []


def test_only_the_same_recipe_may_resume_and_the_folder_stays_as_it_was(tmp_path: Path) -> None:
    killed_run(tmp_path / "run")
    before = (tmp_path / "run/metrics.jsonl").read_bytes()
    with (
        pytest.raises(InvalidInput, match="another recipe: seed differ"),
        open_run(tmp_path / "run", Recipe(seed=99), resume=True),
    ):
        pass
    with pytest.raises(InvalidInput, match="--resume"), open_run(tmp_path / "run", Recipe(), resume=False):
        pass
    assert (tmp_path / "run/metrics.jsonl").read_bytes() == before


def test_a_folder_that_is_no_run_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    for resume, says in ((False, "not empty"), (True, "no run to resume")):
        with pytest.raises(InvalidInput, match=says), open_run(tmp_path, Recipe(), resume=resume):
            pass
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_run_that_is_done_or_open_is_not_opened_again(tmp_path: Path) -> None:
    again = open_run(tmp_path / "run", Recipe(), resume=True)
    with (
        open_run(tmp_path / "run", Recipe(), resume=False),
        pytest.raises(TrainingError, match="another process"),
        again,
    ):
        pass
    with pytest.raises(InvalidInput, match="done"), open_run(tmp_path / "run", Recipe(), resume=True):
        pass


def test_the_curves_are_a_picture_whatever_was_measured(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="needs the extra `train`")
    with open_run(tmp_path / "run", Recipe(), resume=False) as run:
        run.draw_curves()
        run.log(1, loss=2.0)
        run.log(2, **{"acc@1": 0.5, "acc@1 ncbi": 0.4})
        run.log(3, loss=float("nan"))
        run.draw_curves()
    assert (tmp_path / "run/curves.png").read_bytes().startswith(b"\x89PNG")
    assert len((tmp_path / "run/metrics.jsonl").read_text().splitlines()) == 3
    assert json.loads((tmp_path / "run/metrics.jsonl").read_text().splitlines()[0]) == {"step": 1, "loss": 2.0}
