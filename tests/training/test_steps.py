"""A chain of steps: what is done stays done, what was cut short goes on, what changed is done again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from linker.errors import InvalidInput
from training.steps import Facts, Step, run_steps


class Killed(BaseException):
    """Stands for a kill."""


def chain(made: list[str], *, sugar: int = 1, fail: str = "", resumable: bool = False) -> list[Step]:
    def make(name: str) -> Callable[[Path], Facts]:
        def fill(folder: Path) -> Facts:
            folder.mkdir(exist_ok=True)
            begun = sum(1 for _ in folder.iterdir())
            (folder / f"part {begun}").touch()
            if name == fail:
                raise Killed
            made.append(name)
            return {"parts": begun + 1}

        return fill

    return [
        Step(name="dough", what="kneading", make=make("dough"), settings={"sugar": sugar}, resumable=resumable),
        Step(name="oven", what="heating", make=make("oven"), settings=220),
        Step(name="cake", what="baking", make=make("cake"), needs=("dough", "oven")),
    ]


def test_what_is_done_is_not_done_again_and_what_changed_is_with_all_that_needs_it(tmp_path: Path) -> None:
    made: list[str] = []
    first = run_steps(tmp_path, chain(made))
    assert run_steps(tmp_path, chain(made)) == first
    assert made == ["dough", "oven", "cake"]
    run_steps(tmp_path, chain(made, sugar=2))
    assert made[3:] == ["dough", "cake"]


@pytest.mark.parametrize(("resumable", "parts"), [(False, 1), (True, 2)])
def test_a_killed_step_begins_anew_or_goes_on(tmp_path: Path, resumable: bool, parts: int) -> None:
    made: list[str] = []
    with pytest.raises(Killed):
        run_steps(tmp_path, chain(made, fail="dough", resumable=resumable))
    said = run_steps(tmp_path, chain(made, resumable=resumable))
    assert said["dough"] == {"parts": parts}
    assert made == ["dough", "oven", "cake"]


def test_a_killed_step_does_not_go_on_with_other_settings(tmp_path: Path) -> None:
    with pytest.raises(Killed):
        run_steps(tmp_path, chain([], fail="dough", resumable=True))
    assert run_steps(tmp_path, chain([], sugar=2, resumable=True))["dough"] == {"parts": 1}


def test_one_step_runs_alone_once_what_it_needs_is_there(tmp_path: Path) -> None:
    made: list[str] = []
    with pytest.raises(InvalidInput, match="cake needs dough, oven"):
        run_steps(tmp_path, chain(made), only=["cake"])
    run_steps(tmp_path, chain(made), only=["dough"])
    run_steps(tmp_path, chain(made), only=["oven", "cake"])
    assert made == ["dough", "oven", "cake"]
    with pytest.raises(InvalidInput, match="no such step: icing; expected dough, oven, cake"):
        run_steps(tmp_path, chain(made), only=["icing"])


def test_a_step_that_changed_is_not_taken_for_done_by_those_after_it(tmp_path: Path) -> None:
    run_steps(tmp_path, chain([]))
    with pytest.raises(InvalidInput, match="cake needs dough"):
        run_steps(tmp_path, chain([], sugar=2), only=["cake"])


def test_a_folder_that_holds_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "dough").mkdir()
    (tmp_path / "dough/thesis.txt").touch()
    with pytest.raises(InvalidInput, match="holds something else"):
        run_steps(tmp_path, chain([]))
    assert (tmp_path / "dough/thesis.txt").exists()


def test_two_do_not_work_in_one_folder(tmp_path: Path) -> None:
    def again(_: Path) -> Facts:
        return run_steps(tmp_path, chain([]))

    with pytest.raises(InvalidInput, match="another process works in it"):
        run_steps(tmp_path, [Step(name="outer", what="calling itself", make=again)])
